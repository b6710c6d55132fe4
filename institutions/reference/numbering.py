"""Which person has which SSIN: a one-to-one mapping between indexes and numbers, both ways, without a list.

Persons come in groups of ten. The place in the group says in which years the person is born (0 to 2 are children, 9 is
old), so that households can be put together out of one group. Within the years of a place, the group's number is
spread over days and counters by multiplication modulo their count, which is undone to find a person by number.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import gcd

from schemas.ssin import Ssin, check_digits

GROUP = 10
"""Persons in a group."""

LAST_CHILD = 2
"""The last place of a group that a child has."""

_YEAR = 365  # 29 February is nobody's birthday
_COUNTERS = 499  # of one sex: 1, 3 … 997 or 2, 4 … 998
_CENTURY = 29  # two digits of the year from which on they are 19xx

BIS, BIS_SEX_KNOWN = 20, 40
"""What a bis number adds to the month."""

UNKNOWN_EVERY, UNKNOWN_AT = 1000, 169
"""One person in a thousand, the 169th, has a number that tells only the year of birth."""


@dataclass(frozen=True, slots=True)
class _Band:
    """The years of birth of the persons at one place of a group."""

    first: int
    years: int
    #: how many places share these years, and which of them this one is
    share: int = 1
    lane: int = 0

    @property
    def slots(self) -> int:
        return self.years * _YEAR * _COUNTERS


_BANDS = (
    _Band(2019, 7),
    _Band(2012, 7),
    _Band(2005, 7),
    _Band(1994, 11),
    _Band(1981, 13, 2, 0),
    _Band(1981, 13, 2, 1),
    _Band(1968, 13, 2, 0),
    _Band(1968, 13, 2, 1),
    _Band(1955, 13),
    _Band(1929, 26),
)

LARGEST = GROUP * min(band.slots // band.share for band in _BANDS)
"""Persons that a population may have: more than eleven million."""


@dataclass(frozen=True, slots=True)
class Birth:
    """When a person is born, and which of those born on that day."""

    day: date
    counter: int
    #: False: the number tells the year alone, and `day` is the first of July of it
    known: bool = True


def birth_of(seed: int, index: int) -> Birth:
    """The birth of the person of this index; `counter` from 0 to 498, before the sex makes it odd or even."""
    if index % UNKNOWN_EVERY == UNKNOWN_AT:
        band = _BANDS[index % GROUP]
        counter, year = divmod(index // UNKNOWN_EVERY, band.years)
        return Birth(date(band.first + year, 7, 1), counter, known=False)
    place = index % GROUP
    band = _BANDS[place]
    factor, offset = _spread(seed, band.slots)
    slot = ((index // GROUP * band.share + band.lane) * factor + offset) % band.slots
    counter, day = divmod(slot, band.years * _YEAR)
    year, of_year = divmod(day, _YEAR)
    return Birth(_date(band.first + year, of_year), counter)


def ssin_of(birth: Birth, *, female: bool, add_to_month: int = 0) -> Ssin:
    """The number of who is born so; `add_to_month` makes it a bis number."""
    month, day = (birth.day.month, birth.day.day) if birth.known else (0, 0)
    counter = 2 * birth.counter + (2 if female else 1)
    nine = f"{birth.day.year % 100:02d}{month + add_to_month:02d}{day:02d}{counter:03d}"
    return Ssin.unchecked(nine + check_digits(nine, born_2000=birth.day.year >= 2000))


def number_of_nobody(seed: int) -> Ssin:
    """A right number that nobody of any population has: of someone born in 1926."""
    nine = f"260101{seed % 998 + 1:03d}"
    return Ssin.unchecked(nine + check_digits(nine, born_2000=False))


def candidates(seed: int, ssin: Ssin) -> tuple[int, ...]:
    """The indexes of whom this may be the number, at most two. Whether it is, their own numbers tell."""
    digits = ssin.digits
    short, month, day = int(digits[:2]), int(digits[2:4]) % BIS, int(digits[4:6])
    year = (1900 if short >= _CENTURY else 2000) + short
    counter = (int(digits[6:9]) - 1) // 2
    if not 0 <= counter < _COUNTERS:
        return ()
    if month == 0 and day == 0:
        band = _BANDS[UNKNOWN_AT % GROUP]
        if not band.first <= year < band.first + band.years:
            return ()
        return ((counter * band.years + year - band.first) * UNKNOWN_EVERY + UNKNOWN_AT,)
    of_year = _of_year(year, month, day)
    if of_year is None:
        return ()
    found = []
    for place, band in enumerate(_BANDS):
        if band.first <= year < band.first + band.years:
            slot = counter * band.years * _YEAR + (year - band.first) * _YEAR + of_year
            factor, offset = _spread(seed, band.slots)
            group, lane = divmod((slot - offset) * pow(factor, -1, band.slots) % band.slots, band.share)
            if lane == band.lane:
                found.append(group * GROUP + place)
    return tuple(found)


@lru_cache(maxsize=256)
def _spread(seed: int, slots: int) -> tuple[int, int]:
    """A factor without common divisor with `slots`, near the golden section: neighbours fall far apart; and a shift."""
    factor = int(slots * 0.618_033_988_75) + seed * 7_919 % 10_007
    while gcd(factor, slots) != 1:
        factor += 1
    return factor, seed * 104_729 % slots


def _date(year: int, of_year: int) -> date:
    """The day of a year that is taken to have 365."""
    day = date(2001, 1, 1) + timedelta(days=of_year)
    return date(year, day.month, day.day)


def _of_year(year: int, month: int, day: int) -> int | None:
    try:
        date(year, month, day)
        return (date(2001, month, day) - date(2001, 1, 1)).days
    except ValueError:
        return None
