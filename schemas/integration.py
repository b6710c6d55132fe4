"""Who is known where: a row of a person repertory, and the person check that rows pass or fail.

The person check is what a disclosure stands on: design section 4, "The person check, exactly".
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.address import HIGHEST, Address, AddressError
from schemas.errors import CrossroadsError
from schemas.period import Period, PeriodError, merge
from schemas.sectors import QualityError, check_quality
from schemas.ssin import Ssin, SsinError

#: Qualities that every sector has (field.md section 2.5). The person check opens by the first two where an
#: authorisation names them, by the third never.
DEFINITIVE, PROVISIONAL, REPLACED = 0, 902, 999

#: What was missing for MSG00012, the nearest first: `period`, a row of an authorised quality and phase, but not of the
#: days asked about; `phase`, an authorised quality, but too low a phase; `quality`, none of the authorised ones.
Miss = Literal["period", "phase", "quality"]

_COLUMNS = ("ssin", "sector", "type", "quality", "phase", "from", "to", "replaced_by")
_MEMBER = "member"
_HIGHEST_QUALITY = 999
#: Of PostgreSQL's smallint, in which repertories keep it.
_HIGHEST_PHASE = 32_767


class PeriodRuleError(CrossroadsError):
    """A rule by which no period is held against rows: nothing is opened by it."""


class CsvError(CrossroadsError):
    """A line of a persons file is wrong: `file:line: column: reason`. It never repeats what stands there, since in a
    shifted line a person's number may stand in any column."""

    def __init__(self, file: str, line: int, column: str, reason: str) -> None:
        super().__init__(f"{file}:{line}: {column}: {reason}")
        self.file, self.line, self.column, self.reason = file, line, column, reason


@dataclass(frozen=True, slots=True)
class Integration:
    """This person is known at this sector and type, in this quality and phase, for this period."""

    ssin: Ssin
    #: Sector and type.
    kind: Address
    quality: int
    #: A higher one is further; None is lower than any.
    phase: int | None
    #: An open end: the dossier is active.
    period: Period
    #: The number that stands in this one's place; of quality 999 alone.
    replaced_by: Ssin | None = None
    #: The cooperating institution that has the dossier; in a sectoral repertory alone.
    member: Address | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """The person check succeeded."""

    #: The authorised quality that opened; the lowest, where several do.
    quality: int
    #: The rows of that quality that did it, by their begin; never empty.
    rows: tuple[Integration, ...] = field(repr=False)


def check_person(
    rows: Iterable[Integration],
    qualities: Collection[int],
    min_phase: int | None,
    asked: Period,
    rule: str = "within",
) -> Opening | Miss:
    """Whether a customer knows a person well enough for what it asks; else the nearest miss.

    `rows` are the customer's own of this person, in any order; of the numbers it replaced too. `qualities` and
    `min_phase` are the authorisation's; without a minimum any phase will do, and a row without a phase. `rule` is

    - `within`: one authorised quality has each asked day in a row of sufficient phase. Rows that overlap or adjoin
      count together, but only those of one same quality and one same institution. Without an end, the asked days go
      on, and so must the rows.
    - `overlap`: such a row has one of the asked days at least.

    A row of quality 999 opens nothing, even if it were named. Raises PeriodRuleError for another rule.
    """
    if rule not in ("within", "overlap"):
        raise PeriodRuleError(f"no period rule {rule!r}: write within or overlap")
    named = [row for row in rows if row.quality in qualities and row.quality != REPLACED]
    sufficient = [row for row in named if _reaches(row.phase, min_phase)]
    for one in _by_quality_and_holder(sufficient):
        touching = tuple(row for row in one if row.period.overlaps(asked))
        if touching if rule == "overlap" else _covered(asked, touching):
            return Opening(touching[0].quality, touching)
    if sufficient:
        return "period"
    return "phase" if named else "quality"


def nearest_miss(
    rows: Iterable[Integration], qualities: Collection[int], min_phase: int | None, asked: Period, rule: str = "within"
) -> Miss | None:
    """What `check_person` says was missing; None where nothing was."""
    found = check_person(rows, qualities, min_phase, asked, rule)
    return None if isinstance(found, Opening) else found


def _reaches(phase: int | None, least: int | None) -> bool:
    return least is None or (phase is not None and phase >= least)


def _covered(asked: Period, rows: Sequence[Integration]) -> bool:
    return any(whole.covers(asked) for whole in merge(row.period for row in rows))


def _by_quality_and_holder(rows: Iterable[Integration]) -> Iterator[list[Integration]]:
    """Rows that may count together, by their begin; the lowest quality first."""
    groups: dict[tuple[int, Address], list[Integration]] = {}
    for row in sorted(rows, key=lambda row: row.period.begin):
        groups.setdefault((row.quality, row.member or row.kind), []).append(row)
    for key in sorted(groups):
        yield groups[key]


def read_csv(file: Iterable[str], name: str = "") -> Iterator[Integration]:
    """The rows of a persons file, one at a time.

    Its columns are `ssin,sector,type,quality,phase,from,to,replaced_by`, and `member` in a sectoral repertory.
    UTF-8, with these as its heading; dates as YYYY-MM-DD; phase, to and replaced_by empty where there is none. Numbers
    are held against their check digits, qualities against the official list. Raises CsvError at the first line that is
    wrong; `name` is what it calls the file, by default the file's own name.
    """
    name = name or str(getattr(file, "name", "persons"))
    lines = _lines(file, name)
    heading = tuple(next(lines, (1, []))[1])
    if heading not in (_COLUMNS, (*_COLUMNS, _MEMBER)):
        raise CsvError(name, 1, "heading", f"write {','.join(_COLUMNS)}, and ,{_MEMBER} in a sectoral repertory")
    for number, cells in lines:
        if len(cells) != len(heading):
            raise CsvError(name, number, "line", f"has {len(cells)} columns: write {len(heading)}, as in the heading")
        yield _Line(name, number, dict(zip(heading, cells, strict=True))).integration()


def _lines(file: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, with their numbers."""
    reader = csv.reader(file, strict=True)
    try:
        for cells in reader:
            if reader.line_num == 1 and cells:
                cells[0] = cells[0].removeprefix("\ufeff")
            if cells:
                yield reader.line_num, cells
    except csv.Error:
        raise CsvError(
            name, reader.line_num, "line", "is no CSV: a quote is not closed, or stands in a value"
        ) from None
    except UnicodeDecodeError:
        # From None: the error holds the bytes.
        raise CsvError(name, reader.line_num + 1, "line", "is not UTF-8: write the file in UTF-8") from None


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a persons file."""

    file: str
    number: int
    #: By column.
    cells: dict[str, str] = field(repr=False)

    def integration(self) -> Integration:
        ssin = self._ssin("ssin")
        kind = Address(self._whole("sector", HIGHEST), self._whole("type", HIGHEST))
        quality = self._quality(kind)
        phase = self._whole("phase", _HIGHEST_PHASE) if self.cells["phase"] else None
        return Integration(
            ssin, kind, quality, phase, self._period(), self._replaced_by(ssin, quality), self._member(kind)
        )

    def _ssin(self, column: str) -> Ssin:
        try:
            return Ssin.parse(self.cells[column])
        except SsinError as error:
            raise self._wrong(column, str(error)) from None

    def _whole(self, column: str, highest: int) -> int:
        text = self.cells[column]
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= highest):
            raise self._wrong(column, f"write a whole number from 0 to {highest}")
        return int(text)

    def _quality(self, kind: Address) -> int:
        quality = self._whole("quality", _HIGHEST_QUALITY)
        try:
            check_quality(kind, quality)
        except QualityError as error:
            raise self._wrong("quality", str(error)) from None
        return quality

    def _period(self) -> Period:
        try:
            begin = Period.parse(self.cells["from"], None).begin
        except PeriodError as error:
            raise self._wrong("from", str(error)) from None
        try:
            return Period.parse(begin.isoformat(), self.cells["to"])
        except PeriodError as error:
            raise self._wrong("to", str(error)) from None

    def _replaced_by(self, ssin: Ssin, quality: int) -> Ssin | None:
        newer = self._ssin("replaced_by") if self.cells["replaced_by"] else None
        if (newer is not None) != (quality == REPLACED):
            raise self._wrong("replaced_by", f"stands with quality {REPLACED}, always, and with no other")
        if newer == ssin:
            raise self._wrong("replaced_by", "is the number itself: write the one that took its place")
        return newer

    def _member(self, kind: Address) -> Address | None:
        text = self.cells.get(_MEMBER, "")
        if not text:
            return None
        try:
            member = Address.parse(text)
        except AddressError as error:
            raise self._wrong(_MEMBER, str(error)) from None
        if not member.is_cooperating or member.kind != kind:
            raise self._wrong(_MEMBER, "write a cooperating institution of this line's sector and type")
        return member

    def _wrong(self, column: str, reason: str) -> CsvError:
        return CsvError(self.file, self.number, column, reason)
