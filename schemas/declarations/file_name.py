"""Names of the files that senders send: `FI.DIMN.123456.20261128.00001.R.1.1`. Field digest 6.4, `docs/wire.md`."""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, cast, get_args

from schemas.declarations.outcome import Environment
from schemas.errors import CrossroadsError

#: `FI` declarations, `FS` the signature over an FI, `GO` begin, `TD` cancel.
Kind = Literal["FI", "FS", "GO", "TD"]

#: By type, the forms that a file of it may hold: names of `schemas/declarations`.
FORMS: Mapping[str, tuple[str, ...]] = {
    "DIMN": ("Dimona",),
    "DMFA": ("DmfAOriginal",),
    "DMWA": ("DmfAUpdate",),
    "PFRQ": ("PersonnelFileConsultationRequest",),
    "ZIMA": ("ZIMA001", "ZIMA006"),
}
MOST_PARTS = 9
#: What a name is, as a whole, by its kind.
_WRONG: Mapping[str, str] = {"GO": "107", "TD": "107", "FI": "131", "FS": "132"}
_SENDER, _SEQUENCE, _DAY, _PART = (re.compile(one) for one in ("[0-9]{6}", "[0-9A-Za-z]{5}", "[0-9]{8}", "[1-9]"))


class FileNameError(CrossroadsError):
    """No such name. `codes` says why, of an ACRF, in the order in which they are told."""

    def __init__(self, codes: tuple[str, ...]) -> None:
        super().__init__(f"no name of a file: {', '.join(f'ACRF-{code}' for code in codes)}")
        self.codes = codes


@dataclass(frozen=True, slots=True)
class FileName:
    """A name, read. Those of one sending differ in kind and part alone."""

    kind: Kind
    #: Key of FORMS.
    type: str
    #: Sender number, 6 digits.
    sender: str
    #: When it was made.
    day: date
    #: 5 letters or digits, once a day and environment, not 00000.
    sequence: str
    environment: Environment
    #: How many FI there are, 1 to 9.
    parts: int
    #: Which one this is, from 1; of GO and TD None.
    part: int | None = None

    @classmethod
    def parse(cls, text: str, kind: Kind | None = None) -> "FileName":
        """Read a name; one of another kind is wrong. Raises FileNameError."""
        fields = text.split(".")
        found = fields[0] if fields[0] in get_args(Kind) else kind or "GO"
        wanted = 8 if found in ("FI", "FS") else 7
        # Nothing of what is no name at all can be judged further.
        if len(fields) != wanted or fields[0] != (kind or found) or fields[1] not in FORMS:
            raise FileNameError((_WRONG[kind or found],))
        _, form, sender, day, sequence, environment, parts, *part = fields
        codes = [] if _SENDER.fullmatch(sender) and sender != "000000" else ["108"]
        made = _day(day)
        if made is None:
            codes.append("110" if len(day) == 8 else "109")
        if not _SEQUENCE.fullmatch(sequence):
            codes.append("112")
        elif sequence == "00000":
            codes.append("127")
        if not _PART.fullmatch(parts):
            codes.append("114")
        if part and not _PART.fullmatch(part[0]):
            codes.append("115")
        elif part and _PART.fullmatch(parts) and part[0] > parts:
            codes.append("116")
        if environment not in get_args(Environment):
            codes.append("117")
        if codes or made is None:
            raise FileNameError(tuple(codes))
        number = int(part[0]) if part else None
        return cls(cast(Kind, found), form, sender, made, sequence, cast(Environment, environment), int(parts), number)

    def judged(self, sender: str, today: date) -> tuple[str, ...]:
        """What is wrong with it when this sender sends it on this day: 108, 111 to come, 126 before a month ago."""
        codes = [] if self.sender == sender else ["108"]
        if self.day > today:
            codes.append("111")
        elif self.day < _month_before(today):
            codes.append("126")
        return tuple(codes)

    def go(self) -> "FileName":
        """The name by which the sending is known."""
        return replace(self, kind="GO", part=None)

    def td(self) -> "FileName":
        """The name by which it is cancelled."""
        return replace(self, kind="TD", part=None)

    def fi(self, part: int) -> "FileName":
        """Of the declarations' part, from 1."""
        return replace(self, kind="FI", part=part)

    def fs(self, part: int) -> "FileName":
        """Of the signature over that part."""
        return replace(self, kind="FS", part=part)

    def __str__(self) -> str:
        part = "" if self.part is None else f".{self.part}"
        return (
            f"{self.kind}.{self.type}.{self.sender}.{self.day:%Y%m%d}.{self.sequence}.{self.environment}"
            f".{self.parts}{part}"
        )


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _month_before(today: date) -> date:
    """The same day of the month before, or its last."""
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))
