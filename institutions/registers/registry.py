"""The database of the registers: who is in them, under which number, and what replaced it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg

from institutions.registers import statements
from institutions.registers.number import day_digits, next_number
from schemas.identity import IncompleteDate
from schemas.phonetic import is_near, key
from schemas.process import migrating
from schemas.ssin import Ssin

_CONNECTIONS = (1, 8)
_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is searched for, or to be registered."""

    last_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    birth_date: IncompleteDate = field(repr=False)
    gender: int = 0
    #: In the finest unit that both dates know.
    tolerance: int = 0

    @property
    def sound(self) -> str:
        return key(self.last_name)

    def fits(self, other: "Candidate") -> bool:
        """Whether somebody whose last name sounds the same may be meant: birth date, first name and sex where both are
        known."""
        if 0 not in (self.gender, other.gender) and self.gender != other.gender:
            return False
        if not is_near(self.birth_date, other.birth_date, self.tolerance):
            return False
        mine, theirs = ({key(name) for name in names} for names in (self.first_names, other.first_names))
        return not mine or not theirs or bool(mine & theirs)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whom a register holds."""

    ssin: Ssin
    #: NR or BIS.
    register: str
    last_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    birth_date: IncompleteDate = field(repr=False)
    gender: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody in the registers, as a file or a population has him."""

    candidate: Candidate
    #: Together, or not at all.
    replaced_by: Ssin | None = None
    replaced_on: date | None = None


async def migrate(database_url: str) -> None:
    """See `schemas.process.migrating.migrate`."""
    await migrating.migrate(database_url, Path(__file__).parent / "migrations")


class Registry:
    """The tables, over a small pool of connections. Every call raises what asyncpg raises."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, database_url: str) -> Self:
        least, most = _CONNECTIONS
        pool = await asyncpg.create_pool(database_url, min_size=least, max_size=most, command_timeout=_TIMEOUT)
        return cls(pool)

    async def close(self) -> None:
        self._pool.terminate()

    async def search(self, wanted: Wanted) -> list[Candidate]:
        """Everybody who may be meant, in the order of their numbers; replaced numbers are not told."""
        async with self._pool.acquire() as connection:
            return await _search(connection, wanted)

    async def register(
        self, wanted: Wanted, elsewhere: Collection[Candidate], confirmed: Collection[Ssin], ticket_cbss: UUID
    ) -> Ssin | list[Candidate]:
        """A new number, or who may be meant, here and `elsewhere`, beyond those `confirmed` to be somebody else. Under
        one ticket, one number; of two who register somebody at once the second is told the first's."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements.LOCK_SOUND, wanted.sound)
            if (given := await connection.fetchval(statements.TICKET, ticket_cbss)) is not None:
                return Ssin.from_number(given)
            found = [*elsewhere, *await _search(connection, wanted)]
            if any(one.ssin not in confirmed for one in found):
                return found
            day = day_digits(wanted.birth_date, wanted.gender)
            await connection.execute(statements.LOCK_DAY, day)
            used = await connection.fetch(statements.DAY, int(f"{day}00000"), int(f"{day}99999"))
            ssin = next_number(wanted.birth_date, wanted.gender, [Ssin.from_number(row["ssin"]) for row in used])
            await connection.execute(
                statements.ADD, ssin.number, wanted.last_name, list(wanted.first_names), wanted.gender,
                str(wanted.birth_date), wanted.sound, ticket_cbss,
            )  # fmt: skip
            return ssin

    async def person(self, ssin: Ssin) -> Candidate | None:
        """Who has this number; None: nobody here, or it was replaced."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(statements.PERSON, ssin.number)
        return None if row is None else _read(row)

    async def load(self, entries: Iterable[Entry]) -> int:
        """Add these to the registers, all or none; how many there were."""
        rows = [
            (
                one.ssin.number, one.last_name, list(one.first_names), one.gender, str(one.birth_date),
                key(one.last_name), None if entry.replaced_by is None else entry.replaced_by.number, entry.replaced_on,
            )
            for entry in entries
            for one in (entry.candidate,)
        ]  # fmt: skip
        async with self._pool.acquire() as connection:
            await connection.copy_records_to_table("person", records=rows, columns=statements.LOADED, timeout=None)
        return len(rows)

    async def replace(self, old: Ssin, new: Ssin, day: date) -> None:
        """A number that stands here is replaced; one that does not, or was, stays as it is."""
        async with self._pool.acquire() as connection:
            await connection.execute(statements.REPLACE, old.number, new.number, day)

    async def related(self, ssin: Ssin) -> list[tuple[Ssin, Ssin | None]]:
        """Every number of this person with what replaced it; empty where the registers know none of them."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(statements.RELATED, ssin.number)
        if not any(row["here"] for row in rows):
            return []
        return [(Ssin.from_number(row["ssin"]), _ssin(row["replaced_by"])) for row in rows]


async def _search(connection: Any, wanted: Wanted) -> list[Candidate]:
    rows = await connection.fetch(statements.SOUND, wanted.sound)
    return [one for one in map(_read, rows) if wanted.fits(one)]


def _read(row: Any) -> Candidate:
    return Candidate(
        Ssin.from_number(row["ssin"]), "BIS", row["last_name"], tuple(row["first_names"]),
        IncompleteDate.parse(row["birth_date"]), row["gender"],
    )  # fmt: skip


def _ssin(number: int | None) -> Ssin | None:
    return None if number is None else Ssin.from_number(number)
