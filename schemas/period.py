"""Periods of days, both ends included; an end may be open."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schemas.errors import CrossroadsError

#: Whose calendar decides what day it is: rights begin and end at midnight there.
BRUSSELS = ZoneInfo("Europe/Brussels")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = timedelta(days=1)


class PeriodError(CrossroadsError):
    """Two dates that are no period; the text does not repeat them."""


def today() -> date:
    """The day it is in Belgium, wherever the machine stands."""
    return day_of(datetime.now(BRUSSELS))


def day_of(moment: datetime) -> date:
    """The day that a moment (with a time zone) is of, in Belgium."""
    return moment.astimezone(BRUSSELS).date()


def end_of(day: date) -> datetime:
    """The last moment of a day in Belgium."""
    return datetime.combine(day, time.max, BRUSSELS)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `begin` to `end`, both included. Raises PeriodError where the end lies before the begin."""

    begin: date
    #: None: it goes on.
    end: date | None

    def __post_init__(self) -> None:
        if self.end is not None and self.end < self.begin:
            raise PeriodError(
                "the period is turned round: it ends before it begins; give the earlier date first, and "
                "no end where it goes on"
            )

    @classmethod
    def parse(cls, begin: str, end: str | None) -> "Period":
        """Read dates written `YYYY-MM-DD`; an end that is None or empty is open. Raises PeriodError."""
        return cls(_read(begin, "begin"), _read(end, "end") if end else None)

    def contains(self, day: date) -> bool:
        """Whether it is a day of this period."""
        return self.begin <= day and (self.end is None or day <= self.end)

    def covers(self, other: "Period") -> bool:
        """Whether every day of the other is one of this; only an open period covers an open one."""
        return self.begin <= other.begin and (self.end is None or (other.end is not None and other.end <= self.end))

    def overlaps(self, other: "Period") -> bool:
        """Whether they have a day in common."""
        return (other.end is None or self.begin <= other.end) and (self.end is None or other.begin <= self.end)

    def adjoins(self, other: "Period") -> bool:
        """Whether one begins on the day after the other's last, so that they have no day in common and none between."""
        return _follows(self, other) or _follows(other, self)

    def __str__(self) -> str:
        return f"{self.begin.isoformat()}/{self.end.isoformat() if self.end is not None else '..'}"


def merge(periods: Iterable[Period]) -> tuple[Period, ...]:
    """The same days in as few periods as there can be, by their begin: what overlaps or adjoins is joined."""
    joined: list[Period] = []
    for period in sorted(periods, key=lambda one: one.begin):
        last = joined[-1] if joined else None
        if last is None or not (last.overlaps(period) or last.adjoins(period)):
            joined.append(period)
        elif last.end is not None and (period.end is None or period.end > last.end):
            joined[-1] = Period(last.begin, period.end)
    return tuple(joined)


def _follows(later: Period, earlier: Period) -> bool:
    # By the distance, since the day after 9999-12-31 cannot be computed.
    return earlier.end is not None and later.begin - earlier.end == _DAY


def _read(text: str, which: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise PeriodError(f"the {which} is no date: write a day of the calendar as YYYY-MM-DD")
