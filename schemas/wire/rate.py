"""How fast requests of one queue may start. Pure: the caller brings the clock."""

from dataclasses import dataclass, field

#: What may start at once after a silence, in seconds' worth of the rate. A whole second's worth, started at once, is
#: what the others wait behind when a flood begins.
BURST_SECONDS = 0.1


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second flow in, at most `burst` are kept; a start takes one.

    rate: starts a second; None: no limit.
    burst: how many may start at once after a silence; None: `BURST_SECONDS` of the rate, one at least.
    """

    rate: float | None
    burst: float | None = None
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise ValueError(f"a rate is more than 0 a second, not {self.rate:g}; None is no limit")
        self._tokens = self._most()

    def wait(self, now: float) -> float:
        """Seconds from `now` until one may start; 0: at once."""
        if self.rate is None:
            return 0.0
        self._tokens = min(self._most(), self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        return max(0.0, (1.0 - self._tokens) / self.rate)

    def take(self) -> None:
        """One starts. `wait` said 0 just before."""
        self._tokens -= 1.0

    def _most(self) -> float:
        return max(1.0, self.burst if self.burst is not None else (self.rate or 0.0) * BURST_SECONDS)
