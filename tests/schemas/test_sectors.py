"""The project's own lists of sectors and qualities."""

import csv
from datetime import date, timedelta
from importlib.resources import files

import pytest

from schemas.address import Address
from schemas.integration import DEFINITIVE, PROVISIONAL, REPLACED
from schemas.period import Period
from schemas.sectors import SECTORS, QualityError, check_quality, exceeds, longest, qualities_of

#: Of design section 5: sectors without a list of their own.
_WITHOUT_LIST = (0, 25, 40, 64, 70, 91)


@pytest.mark.parametrize("name", ["sectors", "qualities"])
def test_a_list_is_clean(name):
    text = files("schemas").joinpath("data", f"{name}.csv").read_bytes().decode("utf-8")
    assert "\r" not in text
    assert not text.startswith("\ufeff")
    assert text.endswith("\n")
    rows = list(csv.reader(text.splitlines()))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert cell == " ".join(cell.split())
    keys = [(row[0], row[1]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_lists_have_their_columns():
    heading = {
        name: files("schemas").joinpath("data", f"{name}.csv").read_text().splitlines()[0]
        for name in ("sectors", "qualities")
    }
    assert heading == {
        "sectors": "sector,type,abbreviation_nl,name_nl,abbreviation_fr,name_fr",
        "qualities": "sector,quality,name_nl,name_fr",
    }


@pytest.mark.parametrize(
    "written",
    [
        "0-0",
        "1-0",
        "5-0",
        "6-0",
        "7-0",
        "7-1",
        "10-0",
        "11-0",
        "11-1",
        "12-0",
        "15-0",
        "15-1",
        "16-0",
        "17-0",
        "17-1",
        "18-0",
        "18-1",
        "25-0",
        "25-1",
        "64-0",
        "70-3",
    ],
)
def test_every_branch_of_the_reference_network_is_listed(written):
    sector = SECTORS[Address.parse(written)]
    assert sector.name_nl
    assert sector.name_fr


def test_names_are_in_both_languages():
    assert (SECTORS[Address(17, 1)].abbreviation_nl, SECTORS[Address(17, 1)].abbreviation_fr) == ("OCMW", "CPAS")
    assert (qualities_of(17)[2].name_nl, qualities_of(17)[2].name_fr) == ("Leefloon", "Revenu d’intégration")


@pytest.mark.parametrize("sector", [17, *_WITHOUT_LIST, 26])
def test_every_sector_may_register_provisionally_and_definitively_and_have_numbers_replaced(sector):
    for quality in (DEFINITIVE, PROVISIONAL, REPLACED):
        check_quality(Address(sector, 0), quality)


@pytest.mark.parametrize("sector", _WITHOUT_LIST)
def test_a_sector_without_a_list_of_its_own_has_no_other_quality(sector):
    assert set(qualities_of(sector)) == {DEFINITIVE, PROVISIONAL, REPLACED}


def test_qualities_are_those_of_the_sector_whatever_the_type():
    check_quality(Address(17, 1), 2)
    check_quality(Address(17, 1, "0000000097"), 2)
    with pytest.raises(QualityError, match=r"sector 18 has no such quality.*902"):
        check_quality(Address(18, 0), 40)


def test_a_sector_of_no_list_has_no_quality():
    with pytest.raises(QualityError, match="no such sector"):
        check_quality(Address(998, 0), DEFINITIVE)


def test_no_two_sectors_share_what_they_may_add():
    assert 101 in qualities_of(7)
    assert 101 not in qualities_of(17)
    assert set(SECTORS) == {address.kind for address in SECTORS}


@pytest.mark.parametrize(
    ("begin", "last"),
    [
        ("2026-01-15", "2026-03-14"),
        ("2026-01-01", "2026-02-28"),
        ("2025-12-31", "2026-02-28"),
        ("2023-12-31", "2024-02-29"),
        ("2026-12-01", "2027-01-31"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_a_file_in_examination_at_a_pcsw_lasts_two_months(begin: str, last: str) -> None:
    first, end = date.fromisoformat(begin), date.fromisoformat(last)
    assert longest(17, 1, first) == end
    assert exceeds(17, 1, Period(first, end)) is None
    assert exceeds(17, 1, Period(first, None)) == end
    if end < date.max:
        assert exceeds(17, 1, Period(first, end + timedelta(days=1))) == end


def test_other_qualities_may_stay_open() -> None:
    assert exceeds(17, 2, Period(date(2026, 1, 1), None)) is None
    assert exceeds(5, 1, Period(date(2026, 1, 1), None)) is None
