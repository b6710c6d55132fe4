"""The buffer: 25-1's own database of who has which status on which days, and of the quarters that were told."""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg

from institutions.statuses import statements
from institutions.statuses.definitions import Definitions
from institutions.statuses.derive import Fact, derive
from institutions.statuses.quarters import Change, Quarters, Until, difference, quarter_of, quarters
from schemas.period import Period
from schemas.process import migrating
from schemas.ssin import Ssin

_CONNECTIONS = (1, 8)
#: Seconds for a statement, and for one of a fill.
_TIMEOUT, FILL_TIMEOUT = 3.0, 120.0
#: A status whose definition is gone lasts no longer than its days.
_UNDEFINED: Until = "quarter"


@dataclass(frozen=True, slots=True)
class Held:
    """A status and the run of quarters that it holds for."""

    status: str
    quarters: Quarters


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell: whose status changed how, and because of which message."""

    person: Ssin = field(repr=False)
    status: str
    change: Change
    because: UUID | None


@dataclass(slots=True)
class _Holding:
    #: None: not in the database yet
    id: int | None
    days: Period


#: Of one person: by status and reference.
_Holdings = dict[tuple[str, bytes], _Holding]


async def migrate(database_url: str) -> None:
    """See `schemas.process.migrating.migrate`."""
    await migrating.migrate(database_url, Path(__file__).parent / "migrations")


class Buffer:
    """The tables, over a small pool of connections. Every call raises what asyncpg raises."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", key: bytes) -> None:
        self.pool, self._key = pool, key

    @classmethod
    async def connect(cls, database_url: str, timeout: float = _TIMEOUT) -> Self:
        """To a database that was migrated."""
        least, most = _CONNECTIONS
        pool = await asyncpg.create_pool(database_url, min_size=least, max_size=most, command_timeout=timeout)
        return cls(pool, await pool.fetchval(statements.KEY))

    async def close(self) -> None:
        self.pool.terminate()

    async def answer(self, person: Ssin, asked: Period, statuses: Iterable[str]) -> list[Held]:
        """Which of these statuses the person has in a quarter that the asked days touch, by their codes."""
        last = None if asked.end is None else quarter_of(asked.end)
        rows = await self.pool.fetch(statements.ANSWER, person.number, list(statuses), quarter_of(asked.begin), last)
        return [Held(row["status"], Quarters(row["first"], row["last"])) for row in rows]

    async def apply(self, connection: Any, definitions: Definitions, facts: Sequence[Fact]) -> list[Told]:
        """Put what sources tell into the buffer, in their order, within the caller's transaction; what is to be told
        of it. Raises CannotDerive, with nothing done that the caller's rollback does not undo."""
        await connection.execute(statements.LOCK)
        persons = {fact.person: fact.ticket_cbss for fact in facts}
        held, stood = await self._held(connection, persons)
        closed: list[int] = []
        touched: set[tuple[Ssin, str]] = set()
        for fact in facts:
            mine, reference = held[fact.person], self._hash(fact)
            for definition in definitions.of(fact.source):
                key = definition.code, reference
                was = mine.get(key)
                before = was.days if was is not None else None
                if (days := derive(definition, fact, before)) == before:
                    continue
                touched.add((fact.person, definition.code))
                if was is not None and was.id is not None:
                    closed.append(was.id)
                if days is None:
                    del mine[key]
                else:
                    mine[key] = _Holding(None, days)
        await _write(connection, closed, held)
        return await _tell(connection, definitions, persons, touched, held, stood)

    async def replace(
        self, connection: Any, definitions: Definitions, old: Ssin, new: Ssin, because: UUID | None
    ) -> list[Told]:
        """A number was replaced: what it had is the new one's, and is told again under it, since what was on its way
        under the old number is refused by then. As `apply`."""
        await connection.execute(statements.LOCK)
        moved = await connection.fetch(statements.MOVE_HOLDINGS, old.number)
        runs = await connection.fetch(statements.MOVE_QUARTERS, old.number, new.number)
        persons = {new: because}
        held, stood = await self._held(connection, persons)
        for row in moved:
            held[new][row["status"], row["reference"]] = _Holding(None, Period(row["valid_from"], row["valid_to"]))
        await _write(connection, [], held)
        told = await _tell(connection, definitions, persons, {(new, row["status"]) for row in moved}, held, stood)
        changed = {one.change.reference for one in told}
        for row in runs:
            if row["reference"] not in changed:
                run = Quarters(row["first"], row["last"])
                told.append(Told(new, row["status"], Change("CHANGED", row["reference"], run, run.days), because))
        return told

    async def led_to(self, because: UUID) -> list[str]:
        """The tickets of what was told because of a source's message."""
        return [row["ticket"] for row in await self.pool.fetch(statements.LED_TO, because)]

    async def forget(self, before: date) -> None:
        """Take out what ended, or was known otherwise, before a day."""
        moment = datetime(before.year, before.month, before.day).astimezone()
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.LOCK)
            await connection.execute(statements.FORGET_RUNS, quarter_of(before))
            await connection.execute(statements.FORGET_HOLDINGS, moment)
            await connection.execute(statements.FORGET_TOLD, moment)

    async def _held(
        self, connection: Any, persons: Iterable[Ssin]
    ) -> tuple[Mapping[Ssin, _Holdings], Mapping[tuple[Ssin, str], dict[UUID, Quarters]]]:
        numbers = [person.number for person in persons]
        held: dict[Ssin, _Holdings] = {person: {} for person in persons}
        for row in await connection.fetch(statements.HOLDINGS, numbers):
            days = Period(row["valid_from"], row["valid_to"])
            held[Ssin.from_number(row["ssin"])][row["status"], row["reference"]] = _Holding(row["id"], days)
        stood: dict[tuple[Ssin, str], dict[UUID, Quarters]] = defaultdict(dict)
        for row in await connection.fetch(statements.QUARTERS, numbers):
            run = Quarters(row["first"], row["last"])
            stood[Ssin.from_number(row["ssin"]), row["status"]][row["reference"]] = run
        return held, stood

    def _hash(self, fact: Fact) -> bytes:
        return hmac.digest(self._key, f"{fact.owner} {fact.source} {fact.reference}".encode(), "sha256")


async def _write(connection: Any, closed: list[int], held: Mapping[Ssin, _Holdings]) -> None:
    new = [
        (person.number, status, reference, one.days.begin, one.days.end)
        for person, holdings in held.items()
        for (status, reference), one in holdings.items()
        if one.id is None
    ]
    if closed:
        await connection.execute(statements.CLOSE, closed)
    if new:
        await connection.execute(statements.OPEN, *map(list, zip(*new, strict=True)))


async def _tell(
    connection: Any,
    definitions: Definitions,
    persons: Mapping[Ssin, UUID | None],
    touched: Iterable[tuple[Ssin, str]],
    held: Mapping[Ssin, _Holdings],
    stood: Mapping[tuple[Ssin, str], Mapping[UUID, Quarters]],
) -> list[Told]:
    """What differs from what was told, noted as told."""
    found = []
    for person, status in sorted(touched, key=lambda one: (one[0].number, one[1])):
        definition = definitions.statuses.get(status)
        days = [one.days for (code, _), one in held[person].items() if code == status]
        after = quarters(days, definition.until if definition is not None else _UNDEFINED)
        changes = difference(stood.get((person, status), {}), after, uuid4)
        found += [Told(person, status, change, persons[person]) for change in changes]
    gone = [one.change.reference for one in found if one.change.action == "CANCELLED"]
    put = [
        (one.change.reference, one.person.number, one.status, one.change.quarters.first, one.change.quarters.last)
        for one in found
        if one.change.action != "CANCELLED"
    ]
    if gone:
        await connection.execute(statements.REMOVE, gone)
    if put:
        await connection.execute(statements.PUT, *map(list, zip(*put, strict=True)))
    return found
