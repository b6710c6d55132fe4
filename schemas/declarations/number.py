"""Numbers that the NSSO gives: the id of a Dimona period, and the ticket of a declaration or file."""

import re
from dataclasses import dataclass

from schemas.errors import CrossroadsError

_MODULUS = 97
_INTEGER = re.compile(r"\s*\+?0*([0-9]{1,12})\s*")
_SEQUENCES = range(10**9, 10**10)

#: What our tickets begin with; those of the field's samples begin with 34 and 38.
_SERIES = "350"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COUNTERS = range(36**8)
_TICKET = re.compile(r"350([0-9A-Z]{8})([0-9]{2})")


class NumberError(CrossroadsError):
    """Not such a number; the text does not repeat it."""


@dataclass(frozen=True, slots=True, order=True)
class PeriodId:
    """The id of a Dimona period (zone 00913): 12 digits, the last two the first ten modulo 97 (field digest 5).

    Raises NumberError.
    """

    number: int

    def __post_init__(self) -> None:
        if self.number // 100 not in _SEQUENCES or self.number % 100 != self.number // 100 % _MODULUS:
            raise NumberError("a period id is 12 digits, the last two the remainder of the first ten by 97")

    @classmethod
    def of(cls, sequence: int) -> "PeriodId":
        """The id with these first ten digits, 1,000,000,000 or more. Raises NumberError."""
        return cls(sequence * 100 + sequence % _MODULUS)

    @classmethod
    def parse(cls, text: str) -> "PeriodId":
        """Read it as declarations write it, an integer. Raises NumberError."""
        read = _INTEGER.fullmatch(text)
        return cls(int(read[1]) if read is not None else 0)

    def __str__(self) -> str:
        return str(self.number)


def ticket(counter: int) -> str:
    """13 characters: `350`, the counter in base 36 (8 places), and all eleven modulo 97. Ours: the field's way of
    checking a ticket is not known. Raises NumberError beyond 36⁸."""
    if counter not in _COUNTERS:
        raise NumberError("the counter of tickets is used up")
    places, rest = "", counter
    for _ in range(8):
        rest, place = divmod(rest, 36)
        places = _DIGITS[place] + places
    return f"{_SERIES}{places}{_check(places)}"


def parse_ticket(text: str) -> int:
    """The counter of a ticket of ours. Raises NumberError."""
    read = _TICKET.fullmatch(text)
    if read is None or read[2] != _check(read[1]):
        raise NumberError("a ticket is 350, 8 letters or digits, and two check digits; copy it anew")
    return int(read[1], 36)


def _check(places: str) -> str:
    return f"{int(_SERIES + places, 36) % _MODULUS:02d}"
