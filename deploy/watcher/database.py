"""A look at the hub's database: the journal, distribution, lots, questions that are open, the register."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import asyncpg

from deploy.watcher import queries
from deploy.watcher.figures import Sample
from deploy.watcher.lots import OpenLot
from hub.repertory.database import connect
from schemas.address import Address

#: A statement that takes longer has failed, seconds.
_TIMEOUT = 10.0
#: An exchange that has no outcome after this time waits for one in vain; and how far back a watcher looks at its start.
_WITHOUT, _BACK = timedelta(minutes=1), timedelta(hours=1)
#: Lots whose tickets are looked for in one look: of more each has its turn; and rounds of it.
_LOTS, _ROUNDS = 20, 5
#: Between two looks at the sizes of databases, seconds.
_SIZES = 60.0


class Hub:
    """One hub's database. To be used from one task."""

    def __init__(self, url: str, name: str, waits: Callable[[], Mapping[str, float]]) -> None:
        """`waits`: how long the first word in each recipient's queue has waited, seconds."""
        self._url, self._name, self._waits = url, name, waits
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._lots: dict[UUID, OpenLot] = {}
        self._without: set[UUID] = set()
        #: Up to which moment decisions were looked at.
        self._looked: datetime | None = None
        self._sizes: list[Sample] = []
        self._sizes_until = 0.0

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def look(self) -> list[Sample]:
        """What is so now. Raises what is in `hub.repertory.database.FAILURES`."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._url,
                self._name,
                {"default_transaction_read_only": "on", "statement_timeout": f"{_TIMEOUT:.0f}s", "jit": "off"},
            )
        try:
            return await self._look(self._connection)
        except BaseException:
            await self.close()
            raise

    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Sample]:
        samples: list[Sample] = [
            ("crossroads_rules_load", (), await connection.fetchval(queries.RULES_LOAD)),
            ("crossroads_without_outcome", (), await self._without_outcome(connection)),
        ]
        for row in await connection.fetch(queries.INSTITUTIONS):
            active, sector = "yes" if row["active"] else "no", row["address"].partition("-")[0]
            labels = (row["address"], sector, row["name"], active, row["managed_by"] or "")
            samples.append(("crossroads_institution_info", labels, 1))
        samples += await self._journal(connection)
        samples += await self._distribution(connection)
        samples += await self._open_lots(connection)
        for row in await connection.fetch(queries.QUESTIONS):
            samples.append(("crossroads_open_questions", (row["supplier"],), row["open"]))
            samples.append(("crossroads_open_question_age_seconds", (row["supplier"],), row["age"]))
        if monotonic() >= self._sizes_until:
            rows = await connection.fetch(queries.DATABASES)
            self._sizes = [("crossroads_database_bytes", (row["datname"],), row["bytes"]) for row in rows]
            self._sizes_until = monotonic() + _SIZES
        return samples + self._sizes

    async def _journal(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Sample]:
        newest, days = await connection.fetchrow(queries.JOURNAL), await connection.fetchval(queries.PARTITIONS)
        samples: list[Sample] = [
            ("crossroads_journal_rows", (), 0 if newest is None else newest["number"]),
            ("crossroads_journal_partition_days", (), 0.0 if days is None else days),
        ]
        if newest is not None:
            samples.append(("crossroads_journal_age_seconds", (), max(0.0, newest["age"])))
        return samples

    async def _without_outcome(self, connection: "asyncpg.Connection[asyncpg.Record]") -> int:
        until: datetime = await connection.fetchval(queries.NOW) - _WITHOUT
        if self._without:
            rows = await connection.fetch(queries.STILL_WITHOUT_OUTCOME, list(self._without))
            self._without = {row["ticket_cbss"] for row in rows}
        rows = await connection.fetch(queries.WITHOUT_OUTCOME, self._looked or until - _BACK, until)
        self._without.update(row["ticket_cbss"] for row in rows)
        self._looked = until
        return len(self._without)

    async def _distribution(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Sample]:
        samples: list[Sample] = []
        waits = self._waits()
        for row in await connection.fetch(queries.RECIPIENTS):
            recipient = row["address"]
            samples.append(("crossroads_distribution_behind", (recipient,), row["behind"]))
            lag = max(waits.get(recipient, 0.0), row["owed"] or 0.0)
            samples.append(("crossroads_distribution_lag_seconds", (recipient,), lag))
        return samples

    async def _open_lots(self, connection: "asyncpg.Connection[asyncpg.Record]") -> list[Sample]:
        rows = await connection.fetch(queries.LOTS)
        still_open = {row["lot"]: row for row in rows}
        self._lots = {lot: known for lot, known in self._lots.items() if lot in still_open}
        for lot, row in still_open.items():
            if lot not in self._lots:
                self._lots[lot] = OpenLot(lot, Address.parse(row["customer"]), row["count"])
        turn = list(self._lots)[:_LOTS]
        for lot in turn:  # behind the others, for the next look
            self._lots[lot] = self._lots.pop(lot)
        going = [self._lots[lot] for lot in turn]
        for _ in range(_ROUNDS):
            wanted = [ticket for each in going for ticket in each.wanted]
            if not wanted:
                break
            found = {row["ticket_cbss"] for row in await connection.fetch(queries.TICKETS, wanted)}
            going = [each for each in going if each.found(found)]
        samples: list[Sample] = []
        for row in rows:
            labels = (row["customer"], str(row["sequence"]))
            samples.append(("crossroads_lot_declared", labels, row["count"]))
            samples.append(("crossroads_lot_decided", labels, self._lots[row["lot"]].decided))
        return samples
