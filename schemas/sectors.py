"""Official sectors, institution types and quality codes, as data (`schemas/data/*.csv`)."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from schemas.address import Address
from schemas.errors import CrossroadsError

_EVERY = "*"


class QualityError(CrossroadsError):
    """No quality of this sector: `schemas/data/qualities.csv` lists those there are."""


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector and institution type of the official list."""

    address: Address
    abbreviation_nl: str
    name_nl: str
    abbreviation_fr: str
    name_fr: str


@dataclass(frozen=True, slots=True)
class Quality:
    """In which way a sector may know a person."""

    code: int
    name_nl: str
    name_fr: str


def _rows(name: str) -> list[dict[str, str]]:
    text = files("schemas").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def sectors() -> Mapping[Address, Sector]:
    """Every sector and institution type of the official list."""
    found = {}
    for row in _rows("sectors.csv"):
        address = Address(int(row["sector"]), int(row["type"]))
        found[address] = Sector(address, row["abbreviation_nl"], row["name_nl"], row["abbreviation_fr"], row["name_fr"])
    return MappingProxyType(found)


@cache
def qualities_of(sector: int) -> Mapping[int, Quality]:
    """The qualities in which a sector may know a person, those of every sector (0, 902, 999) included."""
    return MappingProxyType(
        {
            int(row["quality"]): Quality(int(row["quality"]), row["name_nl"], row["name_fr"])
            for row in _rows("qualities.csv")
            if row["sector"] in (_EVERY, str(sector))
        }
    )


def check_quality(address: Address, quality: int) -> None:
    """QualityError if this sector has no such quality."""
    if quality not in (known := qualities_of(address.sector)):
        raise QualityError(
            f"sector {address.sector} has no quality {quality}: it has {', '.join(map(str, sorted(known)))}"
        )
