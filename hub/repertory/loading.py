"""Persons into the repertory: whole files by COPY, or one row at a time.

A row is known by person, sector, type, quality and first day. One that is there with other content is closed and the
new one stands in its place; what a file does not name stays.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from hub.queries import QUERIES
from hub.repertory.database import connected
from schemas.errors import CrossroadsError
from schemas.integration import CsvError, Integration, read_csv
from schemas.ssin import Ssin, SsinError

#: Errors of one file that are listed; reading stops there.
MOST_ERRORS = 100
#: Rows between two words of progress.
PROGRESS_EVERY = 100_000
#: Ends of lines that are remembered: they repeat, since many persons have the same dossier from the same day.
_REMEMBERED = 500_000
_HEADING = "ssin,sector,type,quality,phase,from,to,replaced_by"
#: After more new rows than this the planner is told at once.
_MANY = 10_000
_SORT_MEMORY = "256MB"

#: Rows so far.
Progress = Callable[[int], None]
#: line, ssin, replaced_by, valid_from, valid_to, sector, type, quality, phase: the columns of the staging table.
_Record = tuple[int, int, int | None, date, date | None, int, int, int, int | None]
_Tail = tuple[date, date | None, int, int, int, int | None]


class PersonsError(CrossroadsError):
    """A persons file that cannot be loaded: one line an error, `file:line: column: reason`, never what stands there.
    Nothing of it was."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did, or would do."""

    name: str
    #: Rows of the file.
    rows: int
    #: Of them: not there before; there with other content.
    new: int
    changed: int


async def load_file(
    database_url: str, path: Path, *, dry_run: bool = False, progress: Progress | None = None
) -> Loaded:
    """Load a CSV file `ssin,sector,type,quality,phase,from,to,replaced_by`, all of it or nothing.

    Streamed: memory does not grow with it. Look-ups go on meanwhile, other writers wait. PersonsError lists up to a
    hundred errors. Raises RepertoryUnavailableError.
    """
    return await _load(database_url, path.name, _Lines(path), dry_run=dry_run, progress=progress)


async def load_persons(
    database_url: str,
    rows: Iterable[Integration],
    name: str,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Loaded:
    """As `load_file`, of rows at hand; errors call them `name`."""
    return await _load(database_url, name, map(_record, _numbered(rows)), dry_run=dry_run, progress=progress)


async def integrate(database_url: str, row: Integration) -> bool:
    """Put one row in the repertory; False: it stood there already. Raises RepertoryUnavailableError."""
    _, *values = _record((0, row))
    ssin, replaced_by, begin, end, sector, kind, quality, phase = values
    async with connected(database_url, "repertory integrate") as connection, connection.transaction():
        now = await connection.fetchval(QUERIES["person_lock"], ssin)
        columns = (now, ssin, sector, kind, quality, begin, phase, end, replaced_by)
        await connection.execute(QUERIES["person_close"], *columns)
        return await connection.execute(QUERIES["person_add"], *columns) == "INSERT 0 1"


async def _load(
    database_url: str, name: str, records: Iterable[_Record], *, dry_run: bool, progress: Progress | None
) -> Loaded:
    async with connected(database_url, "repertory load") as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            loaded = await _merge(connection, name, _told(records, progress))
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if dry_run else transaction.commit())
        if not dry_run and loaded.new + loaded.changed > _MANY:
            await connection.execute("ANALYZE person")
    return loaded


async def _merge(connection: "asyncpg.Connection[asyncpg.Record]", name: str, records: Iterable[_Record]) -> Loaded:
    await connection.execute(QUERIES["person_staging"])
    rows = _count(await connection.copy_records_to_table("person_staging", records=records))
    await connection.execute("ANALYZE person_staging")
    await connection.execute(f"SET LOCAL work_mem = '{_SORT_MEMORY}'")
    doubles = await connection.fetch(QUERIES["person_staging_doubles"], MOST_ERRORS)
    if doubles:
        reason = "the same person, sector, type, quality and from as line {}, and another phase, to or replaced_by"
        raise PersonsError(f"{name}:{r['line']}: line: {reason.format(r['first'])}" for r in doubles)
    await connection.execute(QUERIES["persons_lock"])
    now = await connection.fetchval(QUERIES["moment"])
    changed = _count(await connection.execute(QUERIES["persons_close"], now))
    added = _count(await connection.execute(QUERIES["persons_add"], now))
    return Loaded(name, rows, added - changed, changed)


def _told(records: Iterable[_Record], progress: Progress | None) -> Iterator[_Record]:
    count = 0
    for count, record in enumerate(records, 1):
        yield record
        if progress is not None and count % PROGRESS_EVERY == 0:
            progress(count)
    if progress is not None:
        progress(count)


def _numbered(rows: Iterable[Integration]) -> Iterator[tuple[int, Integration]]:
    return enumerate(rows, 1)


def _record(numbered: tuple[int, Integration]) -> _Record:
    line, row = numbered
    replaced_by = None if row.replaced_by is None else row.replaced_by.number
    return (line, row.ssin.number, replaced_by, *_tail(row))


def _tail(row: Integration) -> _Tail:
    return (row.period.begin, row.period.end, row.kind.sector, row.kind.type, row.quality, row.phase)


class _Lines:
    """The records of a file, line by line, so that one wrong line does not hide the next. PersonsError at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._errors: list[str] = []
        self._tails: dict[str, _Tail] = {}
        #: The last number that was held against its check digits; a person's rows mostly follow each other.
        self._last: tuple[str, int] = ("", 0)

    def __iter__(self) -> Iterator[_Record]:
        number = 0
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                for number, line in enumerate(file, 1):
                    if number == 1:
                        self._heading(line)
                        continue
                    record = self._read(number, line.rstrip("\r\n"))
                    if record is not None and not self._errors:
                        yield record
                    if len(self._errors) >= MOST_ERRORS:
                        break
        except UnicodeDecodeError:
            self._wrong(number + 1, "line", "is not UTF-8: write the file in UTF-8")
        except OSError as error:
            raise PersonsError([f"{self._path}: cannot be read: {error.strerror}"]) from None
        if number == 0 and not self._errors:
            self._wrong(1, "heading", f"write {_HEADING}")
        if self._errors:
            raise PersonsError(self._errors)

    def _heading(self, line: str) -> None:
        if line.rstrip("\r\n") != _HEADING:
            self._wrong(1, "heading", f"write {_HEADING}; members are the sectoral repertories' affair")
            raise PersonsError(self._errors)

    def _read(self, number: int, line: str) -> _Record | None:
        ssin, _, rest = line.partition(",")
        tail = self._tails.get(rest)
        if tail is not None:
            with contextlib.suppress(SsinError):  # what is wrong with it is told below
                if ssin != self._last[0]:
                    self._last = (ssin, Ssin.parse(ssin).number)
                return (number, self._last[1], None, *tail)
        try:
            rows = list(read_csv((_HEADING, line), self._path.name))
        except CsvError as error:
            self._wrong(number, error.column, error.reason)
            return None
        if not rows:  # a blank line
            return None
        if rows[0].replaced_by is None:
            if len(self._tails) >= _REMEMBERED:
                self._tails.clear()
            self._tails[rest] = _tail(rows[0])
        return _record((number, rows[0]))

    def _wrong(self, line: int, column: str, reason: str) -> None:
        self._errors.append(f"{self._path.name}:{line}: {column}: {reason}")


def _count(status: str) -> int:
    """Rows of a command tag, as in `COPY 3` or `INSERT 0 3`."""
    return int(status.rpartition(" ")[2])
