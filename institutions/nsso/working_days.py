"""Which days are working days: Monday to Friday, but for Belgian holidays."""

from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

_SATURDAY = 5


def next_working_day(day: date) -> date:
    """The first working day after a day. None is after 9999-12-28 at the latest: that one is its own."""
    while day < date.max - timedelta(days=4):
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day not in _belgian():
            break
    return day


@cache
def _belgian() -> "HolidayBase":
    """Those by law. A year is computed when a day of it is asked."""
    from holidays import country_holidays  # 0.2 s, when first needed

    return country_holidays("BE")
