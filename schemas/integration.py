"""A row of a person repertory, and the person check: does a customer know the person well enough for what it asks?"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.address import Address, AddressError
from schemas.errors import CrossroadsError
from schemas.period import Period, PeriodError
from schemas.ssin import Ssin, SsinError

#: Qualities that every sector has.
DEFINITIVE, PROVISIONAL, REPLACED = 0, 902, 999

_COLUMNS = ("ssin", "sector", "type", "quality", "phase", "from", "to", "replaced_by")
_MEMBER = "member"
_LARGEST_QUALITY = 999
_LARGEST_PHASE = 32_767

#: What was missing for MSG00012: the nearest miss, `period` being nearer than `phase`, and that than `quality`.
Miss = Literal["quality", "phase", "period"]


class CsvError(CrossroadsError):
    """A line of a person repertory's file is wrong: `file:line: column: reason`. Never holds what the column holds."""

    def __init__(self, file: str, line: int, column: str, reason: str) -> None:
        super().__init__(f"{file}:{line}: {column}: {reason}")
        self.file, self.line, self.column, self.reason = file, line, column, reason


@dataclass(frozen=True, slots=True)
class Integration:
    """This person is known at this sector and type, in this quality and phase, for this period."""

    ssin: Ssin
    #: sector and type
    kind: Address
    quality: int
    #: higher is further; None is lower than any
    phase: int | None
    period: Period
    #: only of quality 999: the number that stands in this one's place
    replaced_by: Ssin | None = None
    #: only in a sectoral repertory: the cooperating institution that has the dossier
    member: Address | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """The person check succeeded: in this quality, by these rows."""

    quality: int
    rows: tuple[Integration, ...] = field(repr=False)


def check_person(
    rows: Sequence[Integration],
    qualities: Collection[int],
    min_phase: int | None,
    asked: Period,
    rule: str = "within",
) -> Opening | Miss:
    """Whether one authorised quality opens the asked period; else the nearest miss.

    `rule` is `within`: every asked day lies in one row, or in adjacent or overlapping rows of the same quality;
    or `overlap`: one asked day does. Rows below `min_phase` do not count, nor does a row of quality 999; 902 and 000
    open only where `qualities` names them. Of several qualities that open, the lowest is told.
    """
    nearest: Miss = "quality"
    for quality in sorted(set(qualities) - {REPLACED}):
        named = [row for row in rows if row.quality == quality]
        far = [row for row in named if min_phase is None or (row.phase is not None and row.phase >= min_phase)]
        opening = tuple(row for row in far if row.period.overlaps(asked))
        if rule == "overlap":
            opened = bool(opening)
        else:
            opened = any(period.covers(asked) for period in Period.merge(row.period for row in far))
        if opened:
            return Opening(quality, opening)
        if far:
            nearest = "period"
        elif named and nearest == "quality":
            nearest = "phase"
    return nearest


def read_csv(file: Iterable[str], name: str = "") -> Iterator[Integration]:
    """The rows of a person repertory's file, one at a time: `ssin,sector,type,quality,phase,from,to,replaced_by`, and
    `member` in a sectoral repertory. UTF-8, a heading line, empty phase, to, replaced_by where there is none.

    CsvError at the first line that is wrong. `name` is what errors call the file; its own name by default.
    """
    name = name or str(getattr(file, "name", "input"))
    reader = csv.reader(file)
    heading = tuple(next(reader, ()))
    if heading not in (_COLUMNS, (*_COLUMNS, _MEMBER)):
        raise CsvError(name, 1, "heading", f"must be {','.join(_COLUMNS)}, and {_MEMBER} in a sectoral repertory")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(heading):
            raise CsvError(name, reader.line_num, "line", f"has {len(cells)} columns instead of {len(heading)}")
        yield _Line(name, reader.line_num, dict(zip(heading, cells, strict=True))).integration()


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file, by column."""

    file: str
    number: int
    cells: dict[str, str] = field(repr=False)

    def integration(self) -> Integration:
        quality = self._whole("quality", _LARGEST_QUALITY)
        replaced_by = self._ssin("replaced_by") if self.cells["replaced_by"] else None
        if (replaced_by is not None) != (quality == REPLACED):
            raise self._error("replaced_by", f"stands with quality {REPLACED}, and with that alone")
        try:
            kind = Address(self._whole("sector", 999), self._whole("type", 999))
        except AddressError as error:
            raise self._error("sector", str(error)) from None
        return Integration(
            self._ssin("ssin"),
            kind,
            quality,
            self._whole("phase", _LARGEST_PHASE) if self.cells["phase"] else None,
            self._period(),
            replaced_by,
            self._member(kind),
        )

    def _ssin(self, column: str) -> Ssin:
        try:
            return Ssin.parse(self.cells[column])
        except SsinError as error:
            raise self._error(column, str(error)) from None

    def _whole(self, column: str, largest: int) -> int:
        text = self.cells[column]
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= largest):
            raise self._error(column, f"must be a whole number from 0 to {largest}")
        return int(text)

    def _period(self) -> Period:
        try:
            return Period.parse(self.cells["from"], self.cells["to"] or None)
        except PeriodError as error:
            raise self._error("from" if "begin of" in str(error) else "to", str(error)) from None

    def _member(self, kind: Address) -> Address | None:
        text = self.cells.get(_MEMBER, "")
        if not text:
            return None
        try:
            member = Address.parse(text)
        except AddressError as error:
            raise self._error(_MEMBER, str(error)) from None
        if not member.is_cooperating or member.kind != kind:
            raise self._error(_MEMBER, f"must be a cooperating institution of {kind}, as in {kind}-0123456749")
        return member

    def _error(self, column: str, reason: str) -> CsvError:
        return CsvError(self.file, self.number, column, reason)
