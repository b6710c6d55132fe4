"""Working days in Belgium."""

from datetime import date, datetime

import pytest

from institutions.nsso.moment import business
from institutions.nsso.working_days import next_working_day
from schemas.period import BRUSSELS


@pytest.mark.parametrize(
    ("day", "next_one"),
    [
        ("2026-11-24", "2026-11-25"),
        ("2026-11-27", "2026-11-30"),  # Friday
        ("2026-11-28", "2026-11-30"),
        ("2026-04-03", "2026-04-07"),  # Easter Monday is the 6th
        ("2026-12-24", "2026-12-28"),  # Christmas is a Friday
        ("2026-11-10", "2026-11-12"),  # Armistice
        ("2026-07-20", "2026-07-22"),  # National Day
        ("2026-05-13", "2026-05-15"),  # Ascension
        ("1960-12-30", "1961-01-02"),  # New Year's Day is a Sunday, and not put off
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_the_next_working_day(day: str, next_one: str) -> None:
    assert next_working_day(date.fromisoformat(day)).isoformat() == next_one


def test_the_business_day_is_the_settings_and_the_time_the_clocks() -> None:
    received = datetime.fromisoformat("2026-11-24T23:30:00+00:00")
    assert business(received).day == date(2026, 11, 25)
    assert business(received, date(2030, 1, 1)).received == datetime(2030, 1, 1, 0, 30, tzinfo=BRUSSELS)
