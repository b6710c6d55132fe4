"""An institution's own file held against the repertory: what differs, day by day; and, if wanted, made as the file says
(docs/integrations.md, "In bulk")."""

import csv
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal, TextIO

import asyncpg

from hub.queries import QUERIES
from hub.repertory import lines
from hub.repertory.bulk import BY_INDEX, HEADING, Allowed, BulkError, Refusal, allowed, parser
from hub.repertory.database import connected
from hub.repertory.lines import Change
from schemas.address import Address
from schemas.dossier import Line, differences, normal
from schemas.period import Period
from schemas.ssin import Ssin

#: Persons of one transaction of a repair.
BATCH = 5_000
#: Rows that are read at once.
_READ = 20_000
MOST_ERRORS = 100

#: missing: in the file alone. surplus: in the repertory alone. phase: in both, the file's phase is another.
Kind = Literal["missing", "surplus", "phase"]
KINDS: tuple[Kind, ...] = ("missing", "surplus", "phase")
REPORT_HEADING = ("difference", "ssin", "quality", "phase", "from", "to")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found, and what was made of it."""

    #: Lines of the file, and persons in either.
    lines: int
    persons: int
    #: Differences by kind.
    found: dict[Kind, int]
    #: Persons with a difference.
    differing: int
    #: Rows that a repair closed and opened.
    closed: int
    opened: int
    #: One line a difference; it holds numbers, and nobody but its owner reads it.
    report: Path


@dataclass(frozen=True, slots=True)
class _Person:
    number: int = field(repr=False)
    file: tuple[Line, ...]
    known: tuple[Line, ...]


async def reconcile(
    database_url: str, path: Path, kind: Address, *, report: Path | None = None, repair: bool = False
) -> Reconciled:
    """Hold a whole file (`ssin,quality,phase,from,to`) against the rows of a sector and type.

    Only qualities that its authorisations for RegisterIntegration name are looked at; a line of another is an error, as
    is one that cannot be read: then nothing is compared, since what is missing by mistake would be removed. `repair`
    makes the rows those of the file, in these qualities alone. Memory does not grow with the file. Raises BulkError
    (with up to a hundred errors, one a line), RepertoryUnavailableError.
    """
    if kind.is_cooperating:
        raise BulkError(f"the hub keeps sectors and types: name {kind.kind}; {kind} is its managing institution's")
    rights = await allowed(database_url, kind, "RegisterIntegration/1")
    target = report if report is not None else path.with_name(f"{path.name}.differences.csv")
    async with (
        connected(database_url, "repertory reconcile") as reading,
        connected(database_url, "repertory repair") as writing,
    ):
        return await _Reconciling(path, kind, rights, target, repair=repair).run(reading, writing)


class _Reconciling:
    def __init__(self, path: Path, kind: Address, rights: Allowed, report: Path, *, repair: bool) -> None:
        self._path, self._kind, self._rights, self._report, self._repair = path, kind, rights, report, repair
        self._found: Counter[Kind] = Counter()
        self._persons = self._differing = self._closed = self._opened = 0

    async def run(
        self,
        reading: "asyncpg.Connection[asyncpg.Record]",
        writing: "asyncpg.Connection[asyncpg.Record]",
    ) -> Reconciled:
        for setting in BY_INDEX:
            await writing.execute(f"SET {setting}")
        async with reading.transaction(isolation="repeatable_read"):
            await reading.execute(QUERIES["reconcile_staging"])
            source = _File(self._path, self._rights)
            await reading.copy_records_to_table("reconcile_staging", records=source)
            await reading.execute("ANALYZE reconcile_staging")
            descriptor = os.open(self._report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as report:
                report.write(",".join(REPORT_HEADING) + "\n")
                waiting: list[_Person] = []
                async for person in self._compared(reading):
                    if self._told(person, report) and self._repair:
                        waiting.append(person)
                        if len(waiting) >= BATCH:
                            await self._make(writing, waiting)
                            waiting = []
                if waiting:
                    await self._make(writing, waiting)
        found: dict[Kind, int] = {kind: self._found[kind] for kind in KINDS}
        counts = (source.lines, self._persons, found, self._differing, self._closed, self._opened)
        return Reconciled(*counts, self._report)

    async def _compared(self, connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[_Person]:
        """Everybody who stands in the file or in the repertory, by number."""
        qualities = sorted(self._rights.phases)
        cursor = await connection.cursor(QUERIES["reconcile_rows"], self._kind.sector, self._kind.type, qualities)
        rest: list[asyncpg.Record] = []
        while True:
            records = await cursor.fetch(_READ)
            # The last person's rows may go on in the next fetch.
            whole, rest = _apart([*rest, *records], last=not records)
            for number, group in groupby(whole, key=itemgetter("ssin")):
                yield _person(number, group)
            if not records:
                return

    def _told(self, person: _Person, report: TextIO) -> bool:
        """Write what differs of a person; whether anything does."""
        self._persons += 1
        writer = csv.writer(report, lineterminator="\n")
        any_ = False
        for kind, found in zip(KINDS, differences(person.file, person.known), strict=True):
            for line in found:
                any_ = True
                self._found[kind] += 1
                writer.writerow((kind, Ssin.from_number(person.number).digits, *_cells(line)))
        self._differing += any_
        return any_

    async def _make(self, connection: "asyncpg.Connection[asyncpg.Record]", persons: Sequence[_Person]) -> None:
        """These persons' rows are those of the file, whatever has become of them since they were read."""
        async with connection.transaction():
            await connection.execute(QUERIES["persons_lock"])
            now = await connection.fetchval(QUERIES["moment"])
            known = await lines.read_many(connection, [person.number for person in persons], self._kind)
            changes = []
            for person in persons:
                before = known.get(person.number, [])
                kept = [line for line in before if line.quality not in self._rights.phases]
                changes.append(Change(person.number, before, (*kept, *person.file)))
            closed, opened = await lines.write(connection, now, self._kind, changes)
            self._closed += closed
            self._opened += opened


class _File:
    """The records of a file for COPY; BulkError at its end if a line is wrong."""

    def __init__(self, path: Path, rights: Allowed) -> None:
        self._path, self._rights = path, rights
        self.lines = 0

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        errors: list[str] = []
        parse = parser(self._rights, "register")
        try:
            with self._path.open("rb") as file:
                if file.readline().removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") != HEADING.encode():
                    raise BulkError(f"{self._path.name}:1: heading: write {HEADING}")
                for number, raw in enumerate(file, 2):
                    found = parse(raw)
                    if isinstance(found, Refusal):
                        errors.append(f"{self._path.name}:{number}: {found.column}: {found.reason}")
                        if len(errors) >= MOST_ERRORS:
                            break
                    elif found is not None and not errors:
                        self.lines += 1
                        ssin, line = found
                        yield (ssin, line.quality, line.phase, line.period.begin, line.period.end)
        except OSError as error:
            raise BulkError(f"{self._path}: cannot be read: {error.strerror}") from None
        if errors:
            raise BulkError("\n".join(errors))


def _apart(records: "list[asyncpg.Record]", *, last: bool) -> "tuple[list[asyncpg.Record], list[asyncpg.Record]]":
    if last or not records:
        return records, []
    number = records[-1]["ssin"]
    cut = len(records)
    while cut and records[cut - 1]["ssin"] == number:
        cut -= 1
    return records[:cut], records[cut:]


def _person(number: int, records: "Iterable[asyncpg.Record]") -> _Person:
    sides: tuple[list[Line], list[Line]] = ([], [])
    for record in records:
        period = Period(record["valid_from"], record["valid_to"])
        sides[record["side"]].append(Line(record["quality"], record["phase"], period))
    return _Person(number, normal(sides[0]), normal(sides[1]))


def _cells(line: Line) -> tuple[object, ...]:
    end = line.period.end
    phase = "" if line.phase is None else line.phase
    return line.quality, phase, line.period.begin.isoformat(), end.isoformat() if end is not None else ""
