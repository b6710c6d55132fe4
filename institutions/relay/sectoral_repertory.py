"""The sectoral repertory: which member of the network knows whom, in which quality, for which period.

A managing institution's own database. Every row keeps its history (known from, known to); what is read is what is
known now.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from institutions.relay import statements
from schemas.address import Address
from schemas.dossier import Line
from schemas.errors import CrossroadsError
from schemas.integration import REPLACED, Integration, read_csv
from schemas.period import Period
from schemas.process import migrating
from schemas.ssin import Ssin

#: Seconds a look-up may take before the repertory counts as gone.
LOOKUP_TIMEOUT = 2.0
#: Requests a second of a member of which nothing else is said.
DEFAULT_RATE = 50
#: Seconds that one statement of a load may take.
LOAD_TIMEOUT = 600.0
_CONNECTIONS = (1, 8)
#: Connections for changes, which are held while the hub is asked.
_CHANGES = (0, 8)
#: Where rows come from that members said by message.
BY_MESSAGE = "(message)"


class RepertoryUnavailable(CrossroadsError):  # noqa: N818
    """The sectoral repertory did not answer in time. Nothing was decided; it is tried again."""


class RowError(CrossroadsError):
    """A row of a persons file that a sectoral repertory cannot hold."""


FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Member:
    """A cooperating institution of the network."""

    address: Address
    name: str = ""
    active: bool = True
    #: Requests a second.
    rate: int = DEFAULT_RATE


async def migrate(database_url: str) -> None:
    """See `schemas.process.migrating.migrate`. Raises RepertoryUnavailable where that cannot be done."""
    try:
        await migrating.migrate(database_url, Path(__file__).parent / "migrations")
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        # Their texts repeat the URL or the statement.
        raise RepertoryUnavailable(f"the sectoral repertory cannot be prepared: {type(error).__name__}") from None


class Changing:
    """One person's rows, while nobody else changes them."""

    def __init__(self, connection: Any, ssin: Ssin) -> None:
        self._connection, self._ssin = connection, ssin
        self._ids: dict[tuple[Address, Line], list[int]] = {}

    async def done(self, ticket_cbss: UUID) -> bool:
        """Whether the change of this ticket was made."""
        return bool(await self._connection.fetchval(statements.CHANGED, ticket_cbss))

    async def rows(self, member: Address) -> tuple[Integration, ...]:
        """What a member has of this number; never 999."""
        found = await self._connection.fetch(statements.OWN_ROWS, self._ssin.number, str(member))
        rows = []
        for record in found:
            row = _integration(record)
            if row.quality != REPLACED:
                rows.append(row)
                self._ids.setdefault((member, Line.of(row)), []).append(record["id"])
        return tuple(rows)

    async def make(self, member: Address, before: Iterable[Line], after: Iterable[Line], ticket_cbss: UUID) -> None:
        """These are the member's lines from now on, and the ticket's change is made. `before`: as `rows` gave it."""
        old, new = set(before), set(after)
        gone = [number for line in old - new for number in self._ids[member, line]]
        await self._connection.execute(statements.CLOSE_OWN, gone)
        await self._connection.executemany(
            statements.OPEN_OWN,
            [
                (
                    self._ssin.number,
                    str(member),
                    member.sector,
                    member.type,
                    line.quality,
                    line.phase,
                    line.period.begin,
                    line.period.end,
                    BY_MESSAGE,
                )
                for line in new - old
            ],
        )
        await self._connection.execute(statements.CHANGE, ticket_cbss)


class SectoralRepertory:
    """The tables, over a small pool of connections."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", changes: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool, self._changes = pool, changes
        #: Whether the last look-up was answered.
        self.healthy = True

    @classmethod
    async def connect(cls, database_url: str) -> Self:
        """Open the pool. RepertoryUnavailable where the database cannot be reached."""
        try:
            pool, changes = [
                await asyncpg.create_pool(
                    database_url, min_size=least, max_size=most, command_timeout=LOOKUP_TIMEOUT, timeout=LOOKUP_TIMEOUT
                )
                for least, most in (_CONNECTIONS, _CHANGES)
            ]
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise RepertoryUnavailable(f"the sectoral repertory cannot be reached: {type(error).__name__}") from None
        return cls(pool, changes)

    async def close(self) -> None:
        self._pool.terminate()
        self._changes.terminate()

    @asynccontextmanager
    async def changing(self, ssin: Ssin) -> AsyncIterator[Changing]:
        """A transaction in which one person's rows change; others that would change them wait, up to `LOOKUP_TIMEOUT`.

        Raises RepertoryUnavailable: nothing was changed, or it is not known whether.
        """
        try:
            async with self._changes.acquire(timeout=LOOKUP_TIMEOUT) as connection, connection.transaction():
                await connection.execute(statements.LOCK_PERSON, ssin.number)
                yield Changing(connection, ssin)
        except FAILURES as error:
            raise RepertoryUnavailable(f"the sectoral repertory does not answer: {type(error).__name__}") from None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection in a transaction, for what else this database keeps. Raises RepertoryUnavailable: nothing was
        changed, or it is not known whether."""
        try:
            async with self._changes.acquire(timeout=LOOKUP_TIMEOUT) as connection, connection.transaction():
                yield connection
        except FAILURES as error:
            raise RepertoryUnavailable(f"the sectoral repertory does not answer: {type(error).__name__}") from None

    async def members(self) -> Mapping[Address, Member]:
        """All members that are known now, active or not. Raises RepertoryUnavailable."""
        async with self._reading() as connection:
            rows = await connection.fetch(statements.MEMBERS)
        found = (Member(Address.parse(r["address"]), r["name"], r["active"], r["rate"]) for r in rows)
        return {member.address: member for member in found}

    async def rows(self, ssin: Ssin) -> tuple[Integration, ...]:
        """Every member's rows for all numbers that this person ever had; in the order of members and periods. Raises
        RepertoryUnavailable."""
        async with self._reading() as connection:
            rows = await connection.fetch(statements.ROWS, ssin.number)
        return tuple(_integration(row) for row in rows)

    async def known_to(self, member: Address, limit: int) -> tuple[Integration, ...]:
        """The rows of a member, of at most `limit` persons, in the order of their numbers. For an operator, not for a
        message's way: all its rows are looked through. Raises RepertoryUnavailable."""
        async with self._reading() as connection:
            rows = await connection.fetch(statements.KNOWN_TO, str(member), limit)
        return tuple(_integration(row) for row in rows)

    async def alive(self) -> bool:
        """Ask the database for a sign of life; `healthy` says the same afterwards."""
        try:
            async with self._reading() as connection:
                await connection.fetchval(statements.ALIVE)
        except RepertoryUnavailable:
            return False
        return True

    async def load_members(self, members: Iterable[Member]) -> None:
        """These are the members from now on."""
        rows = [(str(m.address), m.name, m.active, m.rate) for m in members]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.STAGE_MEMBERS)
            await connection.copy_records_to_table("staged", records=rows)
            await connection.execute(statements.CLOSE_MEMBERS)
            await connection.execute(statements.OPEN_MEMBERS)

    async def load_file(self, path: Path) -> int:
        """Load a persons CSV with column `member`; replaces what came from a file of the same name. How many rows.

        Raises `CsvError` with file, line and column, or `RowError`; nothing is loaded then.
        """
        with path.open(newline="", encoding="utf-8") as file:
            return await self.load(tuple(read_csv(file)), path.name)

    async def load(self, rows: Sequence[Integration], source: str) -> int:
        """These are the rows from this source from now on. How many."""
        records = [_record(row) for row in rows]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.STAGE_ROWS)
            await connection.copy_records_to_table(
                "staged", records=records, columns=list(statements.STAGED_ROWS), timeout=600
            )
            await connection.execute(statements.CLOSE_ROWS, source, timeout=600)
            await connection.execute(statements.OPEN_ROWS, source, timeout=600)
        return len(records)

    @asynccontextmanager
    async def _reading(self) -> "AsyncIterator[Any]":
        try:
            async with self._pool.acquire(timeout=LOOKUP_TIMEOUT) as connection:
                yield connection
        except FAILURES as error:
            self.healthy = False
            raise RepertoryUnavailable(f"the sectoral repertory does not answer: {type(error).__name__}") from None
        self.healthy = True


def _record(row: Integration) -> tuple[object, ...]:
    if row.member is None:
        raise RowError(
            "a row of a sectoral repertory names its member: give the file a column `member` with the address of the "
            "cooperating institution, as in 17-1-0212344876"
        )
    return (
        row.ssin.number,
        str(row.member),
        row.kind.sector,
        row.kind.type,
        row.quality,
        row.phase,
        row.period.begin,
        row.period.end,
        row.replaced_by.number if row.replaced_by is not None else None,
    )


def _integration(row: Any) -> Integration:
    return Integration(
        ssin=Ssin.from_number(row["ssin"]),
        kind=Address(row["sector"], row["type"]),
        quality=row["quality"],
        phase=row["phase"],
        period=Period(row["valid_from"], row["valid_to"]),
        replaced_by=Ssin.from_number(row["replaced_by"]) if row["replaced_by"] is not None else None,
        member=Address.parse(row["member"]),
    )
