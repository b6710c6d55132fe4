"""The number by which social security knows a person: SSIN, INSZ, NISS.

Eleven digits `YYMMDD NNN CC`: birth date, counter, check number. Issued by the National Register (month 01 to 12) or by
the hub's own registers to those it does not hold (month + 20 or + 40). Rules: Common V3 `SsinType` for the pattern,
field.md section 4 for the rest.

It is personal data. `str` and `repr` mask it and no error repeats it; who needs it writes `.digits`.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from schemas.errors import CrossroadsError
from schemas.period import today

Kind = Literal["national", "bis", "ter"]
Reason = Literal["pattern", "check"]

#: National numbers have no counter 000; it does occur among the others. CC ends at 97.
_PATTERN = re.compile(
    r"[0-9]{2}(?:(?:0[0-9]|1[0-2])(?:[0-2][0-9]|3[01])(?!000)|(?:2[0-9]|3[0-2]|4[0-9]|5[0-2])(?:[0-2][0-9]|3[01]))"
    r"[0-9]{3}(?:[0-8][0-9]|9[0-7])"
)
_NINE_DIGITS = re.compile(r"[0-9]{9}")
_PROGRAM = re.compile(r"009[0-9]{8}")
#: Eleven digits, run together or set apart as people write them: 85.01.01-123.45.
_WRITTEN = re.compile(r"[0-9]{2}[ ./-]?[0-9]{2}[ ./-]?[0-9]{2}[ ./-]?[0-9]{3}[ ./-]?[0-9]{2}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MODULUS = 97
#: What stands before the nine digits of someone born in 2000 or later when the check number is computed.
_BORN_2000 = 2_000_000_000
#: Counters of national numbers are 001 to 998.
_NO_COUNTER = "999"

_TEXTS: dict[Reason, str] = {
    "pattern": (
        "not the form of a person's number: write 11 digits YYMMDDNNNCC without separators; the month is 00-12 for a "
        "national number (its counter NNN not 000), 20-32 for a bis number, 40-52 for a ter number; the day "
        "00-31, CC 00-97"
    ),
    "check": "the check digits of the person's number are wrong: a digit is mistyped, or two are swapped; copy it anew",
}


class SsinError(CrossroadsError):
    """Not a person's number. `reason` is "pattern" (a schema error) or "check" (MSG00011)."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_TEXTS[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Ssin:
    """A person's number, of which the pattern is right; those that `parse` made have a right check number too.

    Ordered as the numbers they are. Raises SsinError("pattern").
    """

    digits: str

    def __post_init__(self) -> None:
        if not _PATTERN.fullmatch(self.digits):
            raise SsinError("pattern")

    @classmethod
    def parse(cls, text: str) -> "Ssin":
        """Read eleven digits, nothing before, between or behind. Raises SsinError."""
        ssin = cls(text)
        if not check_is_right(text):
            raise SsinError("check")
        return ssin

    @classmethod
    def unchecked(cls, digits: str) -> "Ssin":
        """A number of the right pattern whatever its check digits, as a request may bring it. Raises SsinError."""
        return cls(digits)

    @classmethod
    def from_number(cls, number: int) -> "Ssin":
        """Back from `number`; the check digits were looked at when it was stored. Raises SsinError("pattern")."""
        return cls(f"{number:011d}")

    @property
    def number(self) -> int:
        """The number as PostgreSQL's bigint keeps it, its leading zeros gone."""
        return int(self.digits)

    @property
    def kind(self) -> Kind:
        """By the month: national 00-12; bis 20-32, sex unknown when it was given; ter 40-52, sex known."""
        month = int(self.digits[2:4])
        return "national" if month <= 12 else "bis" if month <= 32 else "ter"

    @property
    def birth_date(self) -> date | None:
        """None where the number does not hold it whole: month or day 00 (unknown, or the day's counters were used up),
        a day that its month does not have, or wrong check digits, since they tell the century."""
        century = _century(self.digits)
        month, day = int(self.digits[2:4]) % 20, int(self.digits[4:6])
        if century is None or not month or not day:
            return None
        try:
            return date(century + int(self.digits[:2]), month, day)
        except ValueError:
            return None

    @property
    def female(self) -> bool | None:
        """Even counter; None for a bis number, which was given without knowing."""
        return None if self.kind == "bis" else int(self.digits[6:9]) % 2 == 0

    @property
    def male(self) -> bool | None:
        """Odd counter; None for a bis number, which was given without knowing."""
        return None if self.kind == "bis" else int(self.digits[6:9]) % 2 == 1

    def __repr__(self) -> str:
        return f"Ssin({self})"

    def __str__(self) -> str:
        return "***********"


def check_is_right(digits: str) -> bool:
    """Whether eleven digits of the right pattern can be a number that was given out: a check number of either century,
    and for a national number a counter up to 998.

    The form of those born from 2000 on counts up to the present year only; what it would say of later ones is a typing
    error of an older number.
    """
    if len(digits) != 11 or not digits.isascii() or not digits.isdigit():
        return False
    if int(digits[2:4]) <= 12 and digits[6:9] == _NO_COUNTER:
        return False
    return _century(digits) is not None


def check_digits(nine_digits: str, born_2000: bool) -> str:
    """The two check digits, 01 to 97, of birth date and counter. Raises SsinError("pattern")."""
    if not _NINE_DIGITS.fullmatch(nine_digits):
        raise SsinError("pattern")
    number = int(nine_digits) + (_BORN_2000 if born_2000 else 0)
    return f"{_MODULUS - number % _MODULUS:02d}"


def is_program_number(text: str) -> bool:
    """Whether it is the number of a program or user where a person's is asked for: `00 9xx…` in eleven digits. It has
    the length of a person's number, never its pattern, and no check digits."""
    return _PROGRAM.fullmatch(text) is not None


def holds_number(text: str) -> bool:
    """Whether a text that somebody chose may hold a person's number: eleven digits in a row, or set apart as people
    write them. Of a UUID, which holds such by chance, only where they are a number that can have been given out."""
    if _UUID.fullmatch(text):
        runs = re.findall("[0-9]{11,}", text)
        return any(check_is_right(run[at : at + 11]) for run in runs for at in range(len(run) - 10))
    return _WRITTEN.search(text) is not None


def _century(digits: str) -> int | None:
    """1900 or 2000, by which of the two forms the check number fits (never both: 2·10⁹ is no multiple of 97)."""
    if digits[9:] == check_digits(digits[:9], born_2000=False):
        return 1900
    if digits[9:] == check_digits(digits[:9], born_2000=True) and 2000 + int(digits[:2]) <= today().year:
        return 2000
    return None
