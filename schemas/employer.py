"""Numbers of employers: enterprise, establishment unit, NSSO. Rules: field.md section 5.

Frozen, ordered by their digits. A number of a one-man business says something of a person: no error repeats it.
"""

import re
from dataclasses import dataclass

from schemas.errors import CrossroadsError

_MODULUS = 97
_WRONG_CHECK = "the check digits of {} are wrong: a digit is mistyped, or two are swapped"
_TEN_DIGITS = re.compile(r"[0-9]{10}")
_ENTERPRISE = re.compile(r"[0-9]{9,10}")
_NSSO = re.compile(r"[0-9]{1,10}")

#: Zone 00011: the definitive NSSO numbers.
NSSO_RANGE = (100006, 199999934)
#: Zone 00948: the provisional ones.
PROVISIONAL_NSSO_RANGE = (5000000120, 5999999989)


class EmployerNumberError(CrossroadsError):
    """Not such a number; the text does not repeat it."""


def _require_check(digits: str, what: str) -> None:
    # 01 to 97: that the whole be a multiple of 97 is not enough, it would let 00, 98 and 99 pass.
    if digits[8:] != _check(int(digits[:8])):
        raise EmployerNumberError(_WRONG_CHECK.format(what))


def _check(sequence: int) -> str:
    return f"{_MODULUS - sequence % _MODULUS:02d}"


def _nsso_check(sequence: int) -> str:
    return f"{_MODULUS - 1 - sequence * 100 % _MODULUS:02d}"


@dataclass(frozen=True, slots=True, order=True)
class EnterpriseNumber:
    """Number in the Crossroads Bank for Enterprises (KBO, BCE; zone 00014): 10 digits, the first 0 or 1.

    Raises EmployerNumberError.
    """

    digits: str

    def __post_init__(self) -> None:
        if not _TEN_DIGITS.fullmatch(self.digits) or self.digits[0] not in "01":
            raise EmployerNumberError("an enterprise number is 10 digits, the first 0 or 1, without prefix or dots")
        _require_check(self.digits, "an enterprise number")

    @classmethod
    def parse(cls, text: str) -> "EnterpriseNumber":
        """Read 10 digits, or 9 of the old form, which had no leading 0. Raises EmployerNumberError."""
        if not _ENTERPRISE.fullmatch(text):
            raise EmployerNumberError("an enterprise number is 10 digits, the first 0 or 1, without prefix or dots")
        return cls(text.zfill(10))

    @classmethod
    def of(cls, sequence: int) -> "EnterpriseNumber":
        """The number with these first eight digits, 0 to 19,999,999. Raises EmployerNumberError."""
        return cls(f"{sequence:08d}{_check(sequence)}")

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True, order=True)
class EstablishmentNumber:
    """Number of an establishment unit (zone 00042): 10 digits, the first 2 to 8. Raises EmployerNumberError."""

    digits: str

    def __post_init__(self) -> None:
        if not _TEN_DIGITS.fullmatch(self.digits) or self.digits[0] not in "2345678":
            raise EmployerNumberError("an establishment number is 10 digits, the first 2 to 8, without dots")
        _require_check(self.digits, "an establishment number")

    @classmethod
    def parse(cls, text: str) -> "EstablishmentNumber":
        """Read 10 digits. Raises EmployerNumberError."""
        return cls(text)

    @classmethod
    def of(cls, sequence: int) -> "EstablishmentNumber":
        """The number with these first eight digits, 20,000,000 to 89,999,999. Raises EmployerNumberError."""
        return cls(f"{sequence:08d}{_check(sequence)}")

    def __str__(self) -> str:
        return self.digits


#: A foreign employer whose workers are not on Belgian territory has no establishment unit: this one stands for it.
FOREIGN_NOT_IN_BELGIUM = EstablishmentNumber("8999999993")
#: The same for one whose workers are on Belgian territory.
FOREIGN_IN_BELGIUM = EstablishmentNumber("8999999104")


@dataclass(frozen=True, slots=True, order=True)
class NssoNumber:
    """Number of an employer at the National Social Security Office: 9 digits, or 10 of a provisional one, which is used
    only as long as there is no definitive one. Raises EmployerNumberError."""

    digits: str

    def __post_init__(self) -> None:
        low, high = PROVISIONAL_NSSO_RANGE if self.provisional else NSSO_RANGE
        if not _NSSO.fullmatch(self.digits) or len(self.digits) not in (9, 10) or not low <= int(self.digits) <= high:
            raise EmployerNumberError(
                f"an NSSO number is 9 digits within {NSSO_RANGE[0]} to {NSSO_RANGE[1]}, a provisional one 10 "
                f"digits within {PROVISIONAL_NSSO_RANGE[0]} to {PROVISIONAL_NSSO_RANGE[1]}; 0, for an employer "
                "that has none, is no number"
            )
        if self.digits[-2:] != _nsso_check(int(self.digits[:-2])):
            raise EmployerNumberError(_WRONG_CHECK.format("an NSSO number"))

    @classmethod
    def parse(cls, text: str) -> "NssoNumber":
        """Read a number as declarations write it (an integer, leading zeros or none) or in the hub's form of 10
        positions, in which a definitive one has a 0 before it. Raises EmployerNumberError."""
        return cls(text[1:] if len(text) == 10 and text[0] == "0" else text.zfill(9))

    @classmethod
    def of(cls, sequence: int) -> "NssoNumber":
        """The number with these digits before the check: 7 of a definitive one, 8 of a provisional one. Raises
        EmployerNumberError."""
        return cls(f"{sequence:07d}{_nsso_check(sequence)}")

    @property
    def provisional(self) -> bool:
        """Given for the time until the definitive one is known."""
        return len(self.digits) == 10

    @property
    def cbss(self) -> str | None:
        """10 positions, as Common V3 writes it; None for a provisional one that does not begin with 51, for which that
        type has no place."""
        if not self.provisional:
            return f"0{self.digits}"
        return self.digits if self.digits.startswith("51") else None

    def __str__(self) -> str:
        return self.digits
