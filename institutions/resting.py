"""What is not asked for now: the centre said of a service that there is no verdict (`schemas.codes.NO_VERDICT`)."""

from dataclasses import dataclass
from time import monotonic

#: Seconds until one is tried again: doubled each time, up to the second.
FIRST, LONGEST = 0.5, 60.0
#: Seconds that the one that is tried may take, before another one is.
_PATIENCE = 10.0


@dataclass(slots=True)
class _Rest:
    pause: float
    until: float
    #: One was sent after `until`, and what becomes of it is not known yet.
    trying: bool = False


class Resting:
    """Which services rest. One of each is tried, later each time; with its verdict all go on."""

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}

    def services(self) -> frozenset[str]:
        """Those of which nothing may be sent now."""
        now = monotonic()
        return frozenset(service for service, rest in self._rests.items() if now < rest.until)

    def may(self, service: str) -> bool:
        """Whether one may be sent now. Of a service that rested for its time the first may."""
        rest, now = self._rests.get(service), monotonic()
        if rest is None:
            return True
        if now < rest.until:
            return False
        rest.trying, rest.until = True, now + _PATIENCE
        return True

    def wait(self, service: str) -> float:
        """Seconds until one may be sent."""
        rest = self._rests.get(service)
        return 0.0 if rest is None else max(0.0, rest.until - monotonic())

    def busy(self, service: str) -> None:
        """There was no verdict on one."""
        rest, now = self._rests.get(service), monotonic()
        if rest is None:
            self._rests[service] = _Rest(FIRST, now + FIRST)
        elif rest.trying or now >= rest.until:
            # What was under way when it began to rest says nothing new.
            rest.pause = min(2 * rest.pause, LONGEST)
            rest.trying, rest.until = False, now + rest.pause

    def answered(self, service: str) -> None:
        """There was a verdict on one."""
        self._rests.pop(service, None)
