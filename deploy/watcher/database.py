"""A look at the hub's database: the journal, distribution, lots, questions that are open, the register."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeAlias
from uuid import UUID

import asyncpg

from deploy.watcher import queries
from deploy.watcher.figures import Sample, Seen
from deploy.watcher.lots import OpenLot
from hub.control import SILENT
from hub.repertory.database import connect
from schemas.address import Address
from schemas.process import log
from schemas.wire import names

#: A statement that takes longer has failed, seconds: one that is cheap, and one that counts rows.
_CHEAP, _DEAR = 2.0, 10.0
#: What counts rows is looked at again after so many times as long as it took, and at the latest after this, seconds.
_REST, _LATEST = 20, 60.0
#: An exchange that has no outcome after this time waits for one in vain; and how far back a watcher looks at its start.
_WITHOUT, _BACK = timedelta(minutes=1), timedelta(hours=1)
#: Lots whose tickets are looked for in one look: of more each has its turn; and rounds of it.
_LOTS, _ROUNDS = 20, 5

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(slots=True)
class _Dear:
    """What counts rows: what was seen, when it is looked at again; and that the last look took too long."""

    look: Callable[[_Connection], Awaitable[list[Sample]]]
    samples: Sequence[Sample] = ()
    again: float = 0.0
    failed: bool = False


class Hub:
    """One hub's database. To be used from one task."""

    def __init__(self, url: str, name: str, waits: Callable[[], Mapping[str, float]]) -> None:
        """`waits`: how long the first word in each recipient's queue has waited, seconds."""
        self._url, self._name, self._waits = url, name, waits
        self._connection: _Connection | None = None
        #: The vhosts that the register says there are.
        self.vhosts: Collection[str] = (names.PRIMARY,)
        self._rules: int | None = None
        self._register: Sequence[Sample] = ()
        self._lots: dict[UUID, OpenLot] = {}
        self._without: set[UUID] = set()
        #: Up to which moment decisions were looked at.
        self._looked: datetime | None = None
        self._dear = {
            look.__name__.strip("_").replace("_", " "): _Dear(look)
            for look in (self._without_outcome, self._distribution, self._open_lots, self._open_questions, self._sizes)
        }

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def look(self) -> Seen:
        """What is so now. Raises what is in `hub.repertory.database.FAILURES`."""
        if self._connection is None or self._connection.is_closed():
            # The server's own bound stands behind ours: it ends what we do not wait for any more.
            settings = {"default_transaction_read_only": "on", "statement_timeout": f"{2 * _DEAR:.0f}s", "jit": "off"}
            self._connection = await connect(self._url, self._name, settings)
        try:
            return await self._look(self._connection)
        except BaseException:
            await self.close()
            raise

    async def _look(self, connection: _Connection) -> Seen:
        samples = [*await self._rules_now(connection), *await self._journal(connection)]
        samples += await self._hub_processes(connection)
        for name, dear in self._dear.items():
            if (begun := monotonic()) >= dear.again:
                try:
                    dear.samples, dear.failed = await dear.look(connection), False
                    dear.again = begun + min(_LATEST, _REST * (monotonic() - begun))
                except (TimeoutError, asyncpg.QueryCanceledError) as error:
                    if not dear.failed:
                        log.logger().warning("takes too long", what=name, **log.told(error))
                    dear.samples, dear.failed, dear.again = (), True, begun + _LATEST
            samples += dear.samples
        missing = [name for name, dear in self._dear.items() if dear.failed]
        return Seen(samples, whole=not missing, why=f"takes too long: {', '.join(missing)}" if missing else "")

    # --- cheap -----------------------------------------------------------------------------------------------------

    async def _rules_now(self, connection: _Connection) -> Sequence[Sample]:
        """The register is read when it was loaded anew."""
        rules: int = await connection.fetchval(queries.RULES_LOAD, timeout=_CHEAP)
        if rules != self._rules:
            rows = await connection.fetch(queries.INSTITUTIONS, timeout=_DEAR)
            centres = {Address.parse(row["managed_by"]) for row in rows if row["managed_by"]}
            self.vhosts = (names.PRIMARY, *map(names.secondary, centres))
            self._register = [("crossroads_institution_info", _labels(row), 1) for row in rows]
            self._rules = rules
        return ("crossroads_rules_load", (), rules), *self._register

    async def _journal(self, connection: _Connection) -> list[Sample]:
        newest = await connection.fetchrow(queries.JOURNAL, timeout=_CHEAP)
        days: float | None = await connection.fetchval(queries.PARTITIONS, timeout=_CHEAP)
        samples: list[Sample] = [
            ("crossroads_journal_rows", (), 0 if newest is None else newest["number"]),
            ("crossroads_journal_partition_days", (), 0.0 if days is None else days),
        ]
        if newest is not None:
            samples.append(("crossroads_journal_age_seconds", (), max(0.0, newest["age"])))
        return samples

    async def _hub_processes(self, connection: _Connection) -> list[Sample]:
        rows = await connection.fetch(queries.HUB_PROCESSES, SILENT, timeout=_CHEAP)
        found = {row["ready"]: row["processes"] for row in rows}
        return [("crossroads_hub_processes", (ready,), found.get(ready == "yes", 0)) for ready in ("yes", "no")]

    # --- dear ------------------------------------------------------------------------------------------------------

    async def _without_outcome(self, connection: _Connection) -> list[Sample]:
        """What came since the last look, by the journal; and of what was found before, what is still so."""
        until: datetime = await connection.fetchval(queries.NOW, timeout=_CHEAP) - _WITHOUT
        since = self._looked or until - _BACK
        new = await connection.fetch(queries.WITHOUT_OUTCOME, since, until, timeout=_DEAR)
        still = await connection.fetch(queries.STILL_WITHOUT_OUTCOME, list(self._without), timeout=_DEAR)
        self._without, self._looked = {row["ticket_cbss"] for row in (*new, *still)}, until
        return [("crossroads_without_outcome", (), len(self._without))]

    async def _distribution(self, connection: _Connection) -> list[Sample]:
        samples: list[Sample] = []
        waits = self._waits()
        for row in await connection.fetch(queries.RECIPIENTS, timeout=_DEAR):
            recipient = row["address"]
            samples.append(("crossroads_distribution_behind", (recipient,), row["behind"]))
            lag = max(waits.get(recipient, 0.0), row["owed"] or 0.0)
            samples.append(("crossroads_distribution_lag_seconds", (recipient,), lag))
        return samples

    async def _open_lots(self, connection: _Connection) -> list[Sample]:
        rows = await connection.fetch(queries.LOTS, timeout=_DEAR)
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
            there = await connection.fetch(queries.TICKETS, wanted, timeout=_DEAR)
            found = {row["ticket_cbss"] for row in there}
            going = [each for each in going if each.found(found)]
        by_customer: defaultdict[str, list[asyncpg.Record]] = defaultdict(list)
        for row in rows:
            by_customer[row["customer"]].append(row)
        samples: list[Sample] = []
        for customer, each in by_customer.items():
            decided = sum(self._lots[row["lot"]].decided for row in each)
            samples += (
                ("crossroads_lots_open", (customer,), len(each)),
                ("crossroads_lot_declared", (customer,), sum(row["count"] for row in each)),
                ("crossroads_lot_decided", (customer,), decided),
                ("crossroads_lot_age_seconds", (customer,), max(row["age"] for row in each)),
            )
        return samples

    async def _open_questions(self, connection: _Connection) -> list[Sample]:
        samples: list[Sample] = []
        for row in await connection.fetch(queries.QUESTIONS, timeout=_DEAR):
            samples.append(("crossroads_open_questions", (row["supplier"],), row["open"]))
            samples.append(("crossroads_open_question_age_seconds", (row["supplier"],), row["age"]))
        return samples

    async def _sizes(self, connection: _Connection) -> list[Sample]:
        rows = await connection.fetch(queries.DATABASES, timeout=_DEAR)
        return [("crossroads_database_bytes", (row["datname"],), row["bytes"]) for row in rows]


def _labels(row: asyncpg.Record) -> tuple[str, ...]:
    """Of an institution."""
    active, sector = "yes" if row["active"] else "no", row["address"].partition("-")[0]
    return (row["address"], sector, row["name"], active, row["managed_by"] or "")
