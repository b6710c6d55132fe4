"""A moment to come, as people write it."""

import re
from datetime import datetime, time, timedelta

from schemas.errors import CrossroadsError
from schemas.period import BRUSSELS

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EXPECTED = "write 30m, 2h or 1d from now, 22:30 (Brussels), or 2026-12-01T06:00"
#: Nobody means a pause of ten years.
_LONGEST = timedelta(days=366)


def parse(text: str, now: datetime) -> datetime:
    """A duration from `now`, a time of day in Brussels (the next one that comes), or a moment of ISO 8601 (Brussels
    where it names no zone). CrossroadsError for anything else, for what is over, and for more than a year."""
    moment = _read(text.strip(), now)
    if moment is None:
        raise CrossroadsError(f"--until {text!r} is no time: {_EXPECTED}")
    if moment <= now:
        raise CrossroadsError(f"--until {text!r} is over: {_EXPECTED}")
    if moment > now + _LONGEST:
        raise CrossroadsError(f"--until {text!r} is more than a year away: leave it out, and end it by hand")
    return moment


def _read(text: str, now: datetime) -> datetime | None:
    if found := re.fullmatch(r"([0-9]{1,6}) ?([smhd])", text):
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
            today = now.astimezone(BRUSSELS)
            at = datetime.combine(today.date(), time.fromisoformat(text.zfill(5)), BRUSSELS)
            return at if at > now else datetime.combine(today.date() + timedelta(days=1), at.timetz(), BRUSSELS)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=BRUSSELS)
