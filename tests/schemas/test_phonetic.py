"""Names that sound alike have one key, names that do not have two; birth dates within a tolerance."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import IncompleteDate
from schemas.phonetic import is_near, key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dhondt", "D'Hont"), ("Vandenbosch", "van den Bossche"), ("Lefèvre", "Lefebvre"), ("Janssens", "JANSENS"),
        ("Claeys", "Claes"), ("Schmitt", "Smit"), ("Philips", "Filips"), ("Hendrickx", "Hendriks"),
        ("Quintin", "Kintin"), ("Thijs", "Tys"), ("Müller", "Muller"), ("Wouters", "Vouters"), ("Łukasz", "Lukas"),
    ],
)  # fmt: skip
def test_what_sounds_alike_has_one_key(one, other):
    assert key(one) == key(other) != ""


@pytest.mark.parametrize(("one", "other"), [("Peeters", "Pieterman"), ("Maes", "Claes"), ("Dubois", "Dupont")])
def test_what_sounds_different_has_two(one, other):
    assert key(one) != key(other)


@given(st.text(max_size=60))
def test_a_key_is_short_capitals_whatever_the_name(name):
    assert len(key(name)) <= 32
    assert key(name) == key(f" {name}'-")


_DAYS = st.dates(date(1900, 1, 1), date(2026, 12, 31))


@given(_DAYS, st.integers(-800, 800), st.integers(0, 800))
def test_days_are_counted_as_the_calendar_does(day, apart, tolerance):
    other = day + timedelta(days=apart)
    assert is_near(_whole(day), _whole(other), tolerance) == (abs(apart) <= tolerance)


@given(_DAYS, _DAYS, st.integers(0, 30))
def test_the_unit_is_the_finest_that_both_know(day, other, tolerance):
    months = abs((day.year - other.year) * 12 + day.month - other.month)
    year, month = IncompleteDate(other.year, 0, 0), IncompleteDate(other.year, other.month, 0)
    assert is_near(_whole(day), month, tolerance) == (months <= tolerance)
    assert is_near(_whole(day), year, tolerance) == (abs(day.year - other.year) <= tolerance)
    assert is_near(month, year, tolerance) == is_near(year, month, tolerance)


def _whole(day: date) -> IncompleteDate:
    return IncompleteDate(day.year, day.month, day.day)
