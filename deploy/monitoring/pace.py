"""How fast time passes for rules: in days for operators, in seconds for tests."""

import re
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
#: A rate needs two samples; with four, one scrape may be late and another lost.
_SCRAPES = 4


@dataclass(frozen=True)
class Pace:
    """What a length that a rule names ("5m", "30d") means on the clock.

    Names stay: `…:share1h` is called so at every pace, so that dashboards and alerts find it.

    scrape: seconds between two looks at a process.
    ratio: seconds on the clock for a second of a rule.
    """

    scrape: float = 15.0
    ratio: float = 1.0

    def window(self, length: str) -> str:
        """The range of a rate or a sum over time: `rate(x[{window("5m")}])`. Long enough for four scrapes."""
        return duration(max(seconds(length) * self.ratio, _SCRAPES * self.scrape))

    def hold(self, length: str) -> str:
        """How long an alert's expression holds before it fires (`for`): at least a scrape; "0s" is at once."""
        held = seconds(length) * self.ratio
        return duration(max(held, self.scrape) if held else 0.0)

    def interval(self, length: str) -> str:
        """How often a group is evaluated; at any pace but the real one at each scrape, so that nobody waits for it."""
        return duration(seconds(length) if self == REAL else self.scrape)


#: As operators have it.
REAL = Pace()
#: The same, looked at more often: a network on one machine that somebody tries.
TRIED = Pace(scrape=2.0)
#: A minute a second: for trials and tests that look every second.
QUICK = Pace(scrape=1.0, ratio=1 / 60)


def seconds(length: str) -> float:
    """Of "90s", "5m", "1h" or "30d". ValueError for anything else."""
    found = re.fullmatch(r"(\d+)([smhd])", length)
    if found is None:
        raise ValueError(f"{length!r} is not a length: a whole number and s, m, h or d")
    return float(found[1]) * _UNITS[found[2]]


def duration(length: float) -> str:
    """Seconds as Prometheus writes them, in the largest unit that takes a whole number."""
    milliseconds = round(length * 1000)
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % (_UNITS[unit] * 1000) == 0:
            return f"{milliseconds // (_UNITS[unit] * 1000)}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
