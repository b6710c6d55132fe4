"""Rows of the person repertory as lines of a dossier, read and changed within somebody's transaction.

Who changes a person's rows holds his lock (`person_write_lock`, then `person_lock`), or the table's (`persons_lock`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from hub.queries import QUERIES
from hub.repertory.database import Connection
from schemas.address import Address
from schemas.dossier import Line
from schemas.period import Period
from schemas.ssin import Ssin


@dataclass(frozen=True, slots=True)
class Change:
    """What a sector and type knew of a person, and what it knows from now on. Lines in both stay as they are."""

    #: `Ssin.number`.
    number: int
    before: Collection[Line]
    after: Collection[Line]


async def read(connection: Connection, ssin: Ssin, kind: Address) -> tuple[Line, ...]:
    """The lines of one person at a sector and type, by quality and begin; never 999. Raises what asyncpg raises."""
    found = await read_many(connection, [ssin.number], kind)
    return tuple(found.get(ssin.number, ()))


async def read_many(connection: Connection, numbers: Collection[int], kind: Address) -> Mapping[int, list[Line]]:
    """As `read`, of many persons by number; who has no line is not there."""
    records = await connection.fetch(QUERIES["person_lines"], list(numbers), kind.sector, kind.type)
    return _lines(records)


async def read_at(connection: Connection, ssin: Ssin, kind: Address, moment: datetime) -> tuple[Line, ...]:
    """As `read`, as it was believed at a moment, what was written at that very moment included."""
    records = await connection.fetch(QUERIES["person_lines_at"], ssin.number, kind.sector, kind.type, moment)
    return tuple(_lines(records).get(ssin.number, ()))


async def read_before(connection: Connection, ssin: Ssin, kind: Address, moment: datetime) -> tuple[Line, ...]:
    """As `read_at`, without what was written at that very moment."""
    records = await connection.fetch(QUERIES["person_lines_before"], ssin.number, kind.sector, kind.type, moment)
    return tuple(_lines(records).get(ssin.number, ()))


async def write(connection: Connection, now: datetime, kind: Address, changes: Iterable[Change]) -> tuple[int, int]:
    """Close the rows that are no longer believed and open the new ones, known from `now`; how many of each."""
    closed: list[tuple[int, Line]] = []
    opened: list[tuple[int, Line]] = []
    for change in changes:
        before, after = set(change.before), set(change.after)
        closed += ((change.number, line) for line in change.before if line not in after)
        opened += ((change.number, line) for line in change.after if line not in before)
    if closed:
        await connection.execute(
            QUERIES["person_lines_close"],
            now,
            kind.sector,
            kind.type,
            [number for number, _ in closed],
            [line.quality for _, line in closed],
            [line.period.begin for _, line in closed],
        )
    if opened:
        await connection.execute(
            QUERIES["person_lines_open"],
            now,
            kind.sector,
            kind.type,
            [number for number, _ in opened],
            [line.quality for _, line in opened],
            [line.phase for _, line in opened],
            [line.period.begin for _, line in opened],
            [line.period.end for _, line in opened],
        )
    return len(closed), len(opened)


def _lines(records: "Iterable[asyncpg.Record]") -> Mapping[int, list[Line]]:
    found: defaultdict[int, list[Line]] = defaultdict(list)
    for ssin, quality, phase, begin, end in records:
        found[ssin].append(Line(quality, phase, Period(begin, end)))
    return found
