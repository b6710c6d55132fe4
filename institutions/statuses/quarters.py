"""Quarters of a year, and which of them a status holds for. Pure.

A quarter is a whole number, so that the next one is one more: four times the year, and 0 to 3. It is written `2026Q4`
(Common V3, YearQuarterType).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from schemas.errors import CrossroadsError
from schemas.period import Period, merge

Until = Literal["quarter", "year"]
"""What a status lasts to the end of, once it has begun."""

Action = Literal["CREATED", "CHANGED", "STOPPED", "CANCELLED"]

_WRITTEN = re.compile(r"([12][0-9]{3})Q([1-4])")
_DAY = timedelta(days=1)


class QuarterError(CrossroadsError):
    """A text that is no quarter; the error does not repeat it."""


def quarter_of(day: date) -> int:
    """The quarter that a day is of."""
    return day.year * 4 + (day.month - 1) // 3


def first_day(quarter: int) -> date:
    """Its first day."""
    return date(quarter // 4, quarter % 4 * 3 + 1, 1)


def last_day(quarter: int) -> date:
    """Its last day."""
    return date(quarter // 4, 12, 31) if quarter % 4 == 3 else first_day(quarter + 1) - _DAY


def written(quarter: int) -> str:
    """As in `2026Q4`."""
    return f"{quarter // 4:04}Q{quarter % 4 + 1}"


def read(text: str) -> int:
    """Reads `2026Q4`. Raises QuarterError."""
    if (found := _WRITTEN.fullmatch(text)) is None:
        raise QuarterError('no quarter: write the year, Q and 1 to 4, as in "2026Q4"')
    return int(found[1]) * 4 + int(found[2]) - 1


@dataclass(frozen=True, slots=True)
class Quarters:
    """From `first` to `last`, both included."""

    first: int
    #: None: it goes on.
    last: int | None

    @property
    def days(self) -> Period:
        return Period(first_day(self.first), None if self.last is None else last_day(self.last))


@dataclass(frozen=True, slots=True)
class Change:
    """Something to tell of a person's status. `reference` names one run of quarters as long as there is one."""

    action: Action
    reference: UUID
    #: What holds now; of a CANCELLED one, what no longer does.
    quarters: Quarters
    #: The days that it may concern: those of what held and of what holds.
    days: Period


def quarters(holdings: Iterable[Period], until: Until) -> tuple[Quarters, ...]:
    """The quarters for which a status holds: those of which it holds on a day, and what `until` adds; in as few runs as
    there can be."""
    whole = merge(Quarters(quarter_of(days.begin), _last(days, until)).days for days in holdings)
    return tuple(Quarters(quarter_of(run.begin), None if run.end is None else quarter_of(run.end)) for run in whole)


def _last(days: Period, until: Until) -> int | None:
    if days.end is None:
        return None
    return days.end.year * 4 + 3 if until == "year" else quarter_of(days.end)


def difference(
    before: Mapping[UUID, Quarters], after: Sequence[Quarters], name: Callable[[], UUID]
) -> tuple[Change, ...]:
    """What is to be told, so that who knew `before` knows `after`: a run that overlaps or adjoins one of before goes on
    under its reference, another gets a new one, and what is left of before is cancelled, last, so that no right is lost
    in between."""
    left = dict(sorted(before.items(), key=lambda one: (one[1].first, str(one[0]))))
    found = []
    for run in after:
        reference = next((known for known, was in left.items() if _touch(was.days, run.days)), None)
        if reference is None:
            found.append(Change("CREATED", name(), run, run.days))
        elif (was := left.pop(reference)) != run:
            action: Action = "STOPPED" if _ends_earlier(run, was) else "CHANGED"
            found.append(Change(action, reference, run, _both(was.days, run.days)))
    found += [Change("CANCELLED", reference, was, was.days) for reference, was in left.items()]
    return tuple(found)


def _touch(one: Period, other: Period) -> bool:
    return one.overlaps(other) or one.adjoins(other)


def _ends_earlier(now: Quarters, was: Quarters) -> bool:
    return now.last is not None and (was.last is None or now.last < was.last)


def _both(one: Period, other: Period) -> Period:
    end = None if one.end is None or other.end is None else max(one.end, other.end)
    return Period(min(one.begin, other.begin), end)
