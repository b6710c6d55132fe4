"""The official lists of sectors and institution types and of quality codes, as data (`schemas/data`).

They hold the official codes with names in Dutch and French, and one institution type of this network's own: 25-1, the
buffer database.
"""

import csv
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from types import MappingProxyType

from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.period import Period

#: In the list of qualities: those of every sector.
_EVERY = "*"


class QualityError(CrossroadsError):
    """A sector or a quality that the official lists do not have."""


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector and institution type: who it is."""

    abbreviation_nl: str
    name_nl: str
    abbreviation_fr: str
    name_fr: str


@dataclass(frozen=True, slots=True)
class Quality:
    """In what way a sector knows a person."""

    code: int
    name_nl: str
    name_fr: str


def qualities_of(sector: int) -> Mapping[int, Quality]:
    """The qualities in which a sector may know a person, by code; those of every sector (0, 902, 999) included.

    A sector without a list of its own has these alone, and uses 0.
    """
    return _QUALITIES.get(str(sector), _QUALITIES[_EVERY])


def check_quality(address: Address, quality: int) -> None:
    """Raises QualityError where the official lists have no such sector, or no such quality of it."""
    if address.sector not in _CODES:
        raise QualityError(
            "no such sector in schemas/data/sectors.csv: correct it, or add it there where it is a new one"
        )
    known = qualities_of(address.sector)
    if quality not in known:
        codes = ", ".join(map(str, sorted(known)))
        raise QualityError(
            f"sector {address.sector} has no such quality: write one of {codes}, or add it to "
            "schemas/data/qualities.csv where it is a new one"
        )


def longest(sector: int, quality: int, begin: date) -> date | None:
    """The last day that a dossier of this quality may have which begins on that day; None: it may be open.

    Two months from 15 January end on 14 March; from 31 December, with February.
    """
    months = _LIMITS.get((sector, quality))
    if months is None:
        return None
    year, month = divmod(begin.month - 1 + months, 12)
    if begin.year + year > date.max.year:
        return date.max
    last_of_month = monthrange(begin.year + year, month + 1)[1]
    if begin.day > last_of_month:
        return date(begin.year + year, month + 1, last_of_month)
    return date(begin.year + year, month + 1, begin.day) - timedelta(days=1)


def exceeds(sector: int, quality: int, period: Period) -> date | None:
    """The last day that the quality's limit allows, where the period goes beyond it; None: it keeps to it."""
    last = longest(sector, quality, period.begin)
    return last if last is not None and (period.end is None or period.end > last) else None


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(files("schemas").joinpath("data", name).read_text(encoding="utf-8").splitlines())


def _read_sectors() -> Mapping[Address, Sector]:
    return MappingProxyType(
        {Address(int(row.pop("sector")), int(row.pop("type"))): Sector(**row) for row in _rows("sectors.csv")}
    )


def _read_qualities() -> Mapping[str, Mapping[int, Quality]]:
    read: dict[str, dict[int, Quality]] = {}
    for row in _rows("qualities.csv"):
        quality = Quality(int(row["quality"]), row["name_nl"], row["name_fr"])
        read.setdefault(row["sector"], {})[quality.code] = quality
    every = read[_EVERY]
    return MappingProxyType({sector: MappingProxyType(every | own) for sector, own in read.items()})


#: Every sector and institution type, by its address without enterprise number.
SECTORS: Mapping[Address, Sector] = _read_sectors()

#: Months that a dossier of a sector and quality lasts at most.
_LIMITS: Mapping[tuple[int, int], int] = MappingProxyType(
    {(int(row["sector"]), int(row["quality"])): int(row["months"]) for row in _rows("limits.csv")}
)
_CODES = frozenset(address.sector for address in SECTORS)
_QUALITIES = _read_qualities()
