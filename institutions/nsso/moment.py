"""When something was received, on the business calendar. docs/declarations.md, "Dates"."""

from dataclasses import dataclass
from datetime import date, datetime, time

from schemas.period import BRUSSELS


@dataclass(frozen=True, slots=True)
class Moment:
    """A day and a time of day in Belgium."""

    #: Aware.
    received: datetime

    @property
    def day(self) -> date:
        return self.received.astimezone(BRUSSELS).date()

    def by(self, day: date, hour: str | None = None) -> bool:
        """Whether it is not after that hour, `HHmm`, or where none is given not after that day."""
        at = time.max if hour is None else time(int(hour[:2]), int(hour[2:]))
        return self.received.astimezone(BRUSSELS) <= datetime.combine(day, at, BRUSSELS)


def business(received: datetime, today: date | None = None) -> Moment:
    """The moment that counts: on the day of the settings, where there is one, at the clock's time of day in Belgium."""
    here = received.astimezone(BRUSSELS)
    if today is not None:
        here = datetime.combine(today, here.time(), BRUSSELS)
    return Moment(here)
