"""Our lists hold the official ones: the same codes, and names that differ by corrected typing alone."""

import csv
import unicodedata
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from schemas.address import Address
from schemas.sectors import SECTORS, qualities_of

_FACTS = Path(__file__).parents[3] / "shared" / "facts"
#: What this network adds: the buffer database.
_OWN = {Address(25, 1)}
#: Three languages in one cell, and an abbreviation where a name should stand.
_REWRITTEN = {Address(44, 0), Address(17, 0)}


def _rows(name):
    with (_FACTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _alike(official, ours):
    """How much of the letters is the same, case, accents and blanks aside; 1 is all."""
    plain = [
        "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if c.isalnum()) for text in (official, ours)
    ]
    return SequenceMatcher(None, *plain, autojunk=False).ratio()


def test_the_sectors_and_types_are_the_official_ones():
    official = {Address(int(row["sector"]), int(row["type"])) for row in _rows("sectors")}
    assert set(SECTORS) == official | _OWN


@pytest.mark.parametrize("column", ["abbreviation_nl", "name_nl", "abbreviation_fr", "name_fr"])
def test_the_names_of_sectors_are_the_official_ones(column):
    for row in _rows("sectors"):
        address = Address(int(row["sector"]), int(row["type"]))
        if address not in _REWRITTEN:
            assert _alike(row[column], getattr(SECTORS[address], column)) >= 0.9, address


def test_the_qualities_are_the_official_ones():
    official: dict[str, set[int]] = {}
    for row in _rows("qualities"):
        official.setdefault(row["sector"], set()).add(int(row["quality"]))
    every = official.pop("*")
    for sector in {address.sector for address in SECTORS}:
        assert set(qualities_of(sector)) == every | official.pop(str(sector), set())
    assert not official


@pytest.mark.parametrize("column", ["name_nl", "name_fr"])
def test_the_names_of_qualities_are_the_official_ones(column):
    for row in _rows("qualities"):
        sector = 0 if row["sector"] == "*" else int(row["sector"])
        quality = qualities_of(sector)[int(row["quality"])]
        assert _alike(row[column], getattr(quality, column)) >= 0.9, (sector, quality.code)
