"""Many integrations of one institution from a file, while hubs run: in transactions, each with its progress, so that it
goes on where it was cut (docs/integrations.md, "In bulk")."""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal
from uuid import UUID, uuid4

import asyncpg

from hub.queries import QUERIES
from hub.repertory import lines, store
from hub.repertory.database import connected
from hub.repertory.lines import Change
from hub.repertory.rules import Authorisation
from schemas.address import Address
from schemas.dossier import Line, Removal, register, unregister
from schemas.errors import CrossroadsError
from schemas.integration import REPLACED
from schemas.period import Period, PeriodError, today
from schemas.sectors import exceeds
from schemas.ssin import Ssin, SsinError

#: The first line of a file.
HEADING = "ssin,quality,phase,from,to"
#: Lines of one transaction: what other writers wait for at most, and what is done again after a cut.
BATCH = 5_000
#: Some thousand persons of millions are always found by index: the planner would read a large table whole.
BY_INDEX = ("enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off", "jit = off")
_REPORT_HEADING = "line,column,reason\n"
_COLUMNS = 5
_HIGHEST_PHASE = 32_767
_REMEMBERED = 100_000

What = Literal["register", "unregister"]
_SERVICES: Mapping[str, str] = {"register": "RegisterIntegration/1", "unregister": "UnregisterIntegration/1"}


class BulkError(CrossroadsError):
    """A file that cannot be begun with; nothing of it was done. The text says what would be right."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has come; what is told of it is committed."""

    #: Lines without the heading: read, and of them refused.
    lines: int
    refused: int
    #: Rows of the repertory.
    opened: int
    closed: int
    #: Bytes of the file: done, and all.
    position: int
    size: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.position / self.size if self.size else 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with a file, all runs together."""

    progress: Progress
    #: Lines that an earlier run had done.
    resumed: int
    #: Refused lines, each with its reason.
    report: Path


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line is not taken; never what stands in it."""

    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The qualities of an institution's authorisations, and from which phase on."""

    sector: int
    phases: Mapping[int, int | None] = field(default_factory=dict)

    def refusal(self, line: Line) -> Refusal | None:
        """Why this line may not be registered; None: it may."""
        if line.quality not in self.phases:
            return Refusal("quality", "is none that the authorisations name")
        least = self.phases[line.quality]
        if least is not None and (line.phase is None or line.phase < least):
            return Refusal("phase", f"is lower than {least}, the lowest that the authorisations take")
        return None

    def too_long(self, line: Line) -> Refusal | None:
        """Why its period goes beyond the quality's limit."""
        if (last := exceeds(self.sector, line.quality, line.period)) is None:
            return None
        return Refusal("to", f"quality {line.quality} lasts to {last.isoformat()} at most, from that begin")


async def allowed(database_url: str, kind: Address, service_type: str) -> Allowed:
    """What this sector and type may register today, in whatever legal context. BulkError where that is nothing."""
    rules = await store.read(database_url)
    named = [row for row in rules.rights(kind) if _fits(row, service_type) and row.valid.contains(today())]
    if not named:
        raise BulkError(f"no authorisation lets {kind} ask {service_type} today: load one (docs/repertory.md)")
    phases: dict[int, int | None] = {}
    for row in named:
        for quality in row.qualities:
            least = phases.get(quality, row.min_phase)
            phases[quality] = None if least is None or row.min_phase is None else min(least, row.min_phase)
    return Allowed(kind.sector, phases)


async def load_file(
    database_url: str,
    path: Path,
    kind: Address,
    *,
    what: What = "register",
    report: Path | None = None,
    again: bool = False,
    batch: int = BATCH,
    progress: Callable[[Progress], None] | None = None,
) -> Done:
    """Register (or unregister, quality and period) every line of a file in the name of a sector and type.

    Lines go in the file's order. A line that cannot be is written to `report` (beside the file, `.refused.csv`, where
    none is given) and skipped. Cut and called again with the same file it goes on behind the last commit, and leaves
    the same rows as if it had not been cut; when it is done it does nothing more, unless `again`. Memory does not grow
    with the file. Two callers with one file: the second waits. Raises BulkError, RepertoryUnavailableError.
    """
    if kind.is_cooperating:
        raise BulkError(
            f"the hub keeps sectors and types: name {kind.kind}, and load {kind} at its managing institution"
        )
    rights = await allowed(database_url, kind, _SERVICES[what])
    try:
        with path.open("rb") as file:
            loading = _Loading(path, file, kind, what, rights, report, batch, progress)
            async with connected(database_url, "repertory bulk") as connection:
                for setting in BY_INDEX:
                    await connection.execute(f"SET {setting}")
                return await loading.run(connection, again=again)
    except OSError as error:
        if isinstance(error, TimeoutError | ConnectionError):
            raise
        raise BulkError(f"{error.filename or path}: cannot be read or written: {error.strerror}") from None


class _Loading:
    def __init__(
        self,
        path: Path,
        file: io.BufferedReader,
        kind: Address,
        what: What,
        rights: Allowed,
        report: Path | None,
        batch: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._path, self._file, self._kind, self._what = path, file, kind, what
        self._report = report if report is not None else path.with_name(f"{path.name}.refused.csv")
        self._batch, self._tell = batch, progress
        self._size = os.fstat(file.fileno()).st_size
        self._parse = parser(rights, what)

    async def run(self, connection: "asyncpg.Connection[asyncpg.Record]", *, again: bool) -> Done:
        digest = hashlib.file_digest(self._file, "sha256").digest()
        key = int.from_bytes(digest[:4], "big", signed=True)
        # Held by this session: of a process that was killed it is free as soon as the server knows.
        await connection.execute(QUERIES["bulk_lock"], key)
        known = await connection.fetchrow(QUERIES["bulk_known"], digest, str(self._kind), self._what)
        if known is None or (again and known["ended"] is not None):
            identity, resumed = uuid4(), 0
            await connection.execute(QUERIES["bulk_begin"], identity, digest, str(self._kind), self._what)
            now = Progress(0, 0, 0, 0, self._heading(), self._size)
            written = self._begin_report()
        else:
            identity, resumed = known["id"], known["lines"]
            now = Progress(
                known["lines"], known["refused"], known["rows_new"], known["rows_closed"], known["position"], self._size
            )
            written = known["report_bytes"]
            if known["ended"] is not None:
                return Done(now, resumed, self._report)
            if known["position"] == 0:
                now = Progress(0, 0, 0, 0, self._heading(), self._size)
                written = self._begin_report()
            else:
                self._cut_report(written)
        self._file.seek(now.position)
        with self._report.open("ab") as report:
            while batch := self._read(now.position):
                now, written = await self._do(connection, identity, batch, now, report, written)
                if self._tell is not None:
                    self._tell(now)
        await connection.execute(QUERIES["bulk_end"], identity)
        return Done(now, resumed, self._report)

    async def _do(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        identity: UUID,
        batch: "list[bytes]",
        now: Progress,
        report: BinaryIO,
        written: int,
    ) -> tuple[Progress, int]:
        """One transaction: rows, and how far it has come."""
        refused: dict[int, Refusal] = {}
        taken: list[tuple[int, int, Line]] = []
        for number, raw in enumerate(batch, now.lines + 2):  # the heading is line 1
            if (found := self._parse(raw)) is None:  # a blank line
                continue
            if isinstance(found, Refusal):
                refused[number] = found
            else:
                taken.append((number, *found))
        async with connection.transaction():
            await connection.execute(QUERIES["persons_lock"])
            moment = await connection.fetchval(QUERIES["moment"])
            numbers = {ssin for _, ssin, _ in taken}
            replaced = {r["ssin"] for r in await connection.fetch(QUERIES["persons_replaced"], list(numbers))}
            before = await lines.read_many(connection, numbers, self._kind)
            after: dict[int, tuple[Line, ...]] = {}
            for number, ssin, line in taken:
                if ssin in replaced:
                    refused[number] = Refusal("ssin", "was replaced by another number")
                    continue
                own = after.get(ssin)
                after[ssin] = self._applied(tuple(before.get(ssin, ())) if own is None else own, line)
            changes = (Change(ssin, before.get(ssin, ()), new) for ssin, new in after.items())
            closed, opened = await lines.write(connection, moment, self._kind, changes)
            if refused:
                text = _report_lines(refused)
                report.write(text)
                report.flush()
                os.fsync(report.fileno())
                written += len(text)
            now = Progress(
                now.lines + len(batch),
                now.refused + len(refused),
                now.opened + opened,
                now.closed + closed,
                now.position + sum(map(len, batch)),
                self._size,
            )
            await connection.execute(
                QUERIES["bulk_progress"],
                identity,
                now.position,
                now.lines,
                now.refused,
                now.opened,
                now.closed,
                written,
            )
        return now, written

    def _applied(self, own: tuple[Line, ...], line: Line) -> tuple[Line, ...]:
        if self._what == "register":
            return register(own, line)
        return unregister(own, Removal(6, line.quality, period=line.period))

    def _read(self, position: int) -> "list[bytes]":
        self._file.seek(position)
        return list(_first(self._file, self._batch))

    def _heading(self) -> int:
        """Hold the first line against what it must be; the bytes that it takes."""
        self._file.seek(0)
        first = self._file.readline()
        if first.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") != HEADING.encode():
            raise BulkError(f"{self._path.name}:1: heading: write {HEADING}")
        return len(first)

    def _begin_report(self) -> int:
        self._report.write_text(_REPORT_HEADING, encoding="utf-8")
        return len(_REPORT_HEADING)

    def _cut_report(self, length: int) -> None:
        """Back to what was committed: what stands behind it is done again."""
        with self._report.open("r+b") as report:
            report.truncate(length)


#: Of a line: number and line, why it is not taken, or None for a blank one.
Parse = Callable[[bytes], tuple[int, Line] | Refusal | None]


def parser(rights: Allowed, what: What) -> Parse:
    """What reads the lines of a file in the name of an institution with these rights."""

    def parse(raw: bytes) -> tuple[int, Line] | Refusal | None:
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            return Refusal("line", "is not UTF-8")
        if not text:
            return None
        ssin, comma, rest = text.partition(",")
        if not comma:
            return Refusal("line", f"has 1 column: write {_COLUMNS}, as in the heading")
        found = tail(rest)
        if isinstance(found, Refusal) and found.column == "line":
            return found
        try:
            number = Ssin.parse(ssin).number
        except SsinError as error:
            return Refusal("ssin", str(error))
        return found if isinstance(found, Refusal) else (number, found)

    @lru_cache(_REMEMBERED)
    def tail(rest: str) -> Line | Refusal:
        """All of a line but the number: of many persons the same."""
        line = _line(rest)
        if isinstance(line, Refusal):
            return line
        if what == "unregister":
            return line if line.quality in rights.phases else Refusal("quality", "is none that is authorised")
        return rights.refusal(line) or rights.too_long(line) or line

    return parse


def _line(rest: str) -> Line | Refusal:
    cells = rest.split(",")
    if len(cells) != _COLUMNS - 1 or '"' in rest:
        return Refusal("line", f"write {_COLUMNS} columns without quotes, as in the heading")
    quality, phase, begin, end = cells
    if not _whole(quality, REPLACED):
        return Refusal("quality", f"write a whole number from 0 to {REPLACED}")
    if phase and not _whole(phase, _HIGHEST_PHASE):
        return Refusal("phase", f"write a whole number from 0 to {_HIGHEST_PHASE}, or nothing")
    try:
        first = Period.parse(begin, None).begin
    except PeriodError as error:
        return Refusal("from", str(error))
    try:
        period = Period.parse(first.isoformat(), end)
    except PeriodError as error:
        return Refusal("to", str(error))
    return Line(int(quality), int(phase) if phase else None, period)


def _fits(row: Authorisation, service_type: str) -> bool:
    return row.service in (service_type, service_type.partition("/")[0])


def _first(file: BinaryIO, count: int) -> Iterator[bytes]:
    for _ in range(count):
        line = file.readline()
        if not line:
            return
        yield line


def _whole(text: str, highest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(highest)) + 2 and int(text) <= highest


def _report_lines(refused: Mapping[int, Refusal]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number in sorted(refused):
        writer.writerow((number, refused[number].column, refused[number].reason))
    return text.getvalue().encode()
