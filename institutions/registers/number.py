"""The numbers that the registers give: birth date with 40 or 20 more in the month, counter, check digits. Pure.

Month + 40 where the sex is known (the counter then tells it: odd for men), + 20 where it is not (field.md section 4).
"""

from collections.abc import Collection

from schemas.errors import CrossroadsError
from schemas.identity import IncompleteDate
from schemas.ssin import Ssin, check_digits

UNKNOWN, MALE, FEMALE = 0, 1, 2
_LAST = 998
_BIS, _TER = 20, 40


class NoNumberLeft(CrossroadsError):  # noqa: N818
    """All counters of a birth date are used."""


def day_digits(born: IncompleteDate, gender: int) -> str:
    """The first six digits."""
    month = born.month + (_BIS if gender == UNKNOWN else _TER)
    return f"{born.year % 100:02d}{month:02d}{born.day:02d}"


def next_number(born: IncompleteDate, gender: int, used: Collection[Ssin]) -> Ssin:
    """The lowest number of that day that is not used. Raises NoNumberLeft."""
    taken = {int(ssin.digits[6:9]) for ssin in used}
    first, step = {UNKNOWN: (1, 1), MALE: (1, 2), FEMALE: (2, 2)}[gender]
    for counter in range(first, _LAST + 1, step):
        if counter not in taken:
            nine = f"{day_digits(born, gender)}{counter:03d}"
            return Ssin(nine + check_digits(nine, born_2000=born.year >= 2000))
    raise NoNumberLeft("all counters of this birth date are used")
