"""One run of one row: what was answered, how soon, and what it cost each process."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks import usage
from tests.benchmarks.bench import CONTEXT, CUSTOMER, Bench
from tests.benchmarks.child import child, go, module
from tests.benchmarks.load import Load

#: The promise: an answer in less than this, seconds.
PROMISE = 4.0
#: What an asker may take beyond its run, seconds: unanswered requests are given up after 10.
_BEYOND = 90.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run. Latencies in milliseconds, of right answers, from the moment its request was meant to leave."""

    a_second: float
    """Right answers."""
    legs_a_second: float
    p50: float
    p95: float
    p99: float
    p999: float
    under_4_s: float
    """Share of all requests that had the right answer under four seconds, percent."""
    cpu: Mapping[str, float]
    """Microseconds an answered request, by process."""
    peak_mb: Mapping[str, float]
    """Greatest resident memory so far, MiB, by process."""
    answered: int
    unanswered: int
    codes: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def percentile(ordered: Sequence[float], part: float) -> float:
    """The least value that `part` of the values do not exceed; 0 of none."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What an asker is told beside its load."""

    how: str = "ends"
    """The module whose `asker` it is."""
    expected: str = "MSG00000"
    """The code of a right answer; `none` where answers have none."""
    route: Mapping[str, str] | None = None
    wrap: str = ""
    context: str = CONTEXT


async def run(
    bench: Bench, load: Load, seconds: float, question: Question, pids: Mapping[str, Sequence[int]], legs: int = 4
) -> Figures:
    """Ask for so long. `pids`: who is between and who supplies, by name; broker and database are added."""
    told: dict[str, Any] = {
        "url": bench.echo_url if question.route else bench.url(CUSTOMER),
        "address": CUSTOMER,
        "legal_context": question.context,
        "persons": str(bench.persons),
        "loop": load.loop,
        "level": load.level,
        "seconds": seconds,
    }
    if question.route:
        told |= {"route": dict(question.route), "wrap": question.wrap}
    watched = {"broker": (bench.rabbitmq.pid,), "database": (bench.postgresql.pid,), **pids}
    async with child(module(question.how, "asker"), told) as process:
        before = {name: _cpu(some) for name, some in watched.items()}
        seen = await go(process, seconds + _BEYOND)
        used = {name: _cpu(some) - before[name] for name, some in watched.items()}
        peak = {name: max(map(usage.peak_mb, some)) for name, some in watched.items()}
        peak["asker"] = usage.peak_mb(process.pid)
    return figures(seen, used | {"asker": seen["cpu"]}, peak, question.expected, legs)


def figures(
    seen: Mapping[str, Any], used: Mapping[str, float], peak: Mapping[str, float], expected: str, legs: int
) -> Figures:
    """What an asker saw and what the processes used (seconds) as figures."""
    latencies = sorted(seen["latencies"].get(expected, ()))
    codes = {code: len(some) for code, some in seen["latencies"].items()}
    answered, right = sum(codes.values()), len(latencies)
    asked = answered + seen["unanswered"]
    return Figures(
        a_second=round(right / seen["seconds"], 1),
        legs_a_second=round(legs * right / seen["seconds"], 1),
        **{
            name: round(1000 * percentile(latencies, part), 2)
            for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))
        },
        under_4_s=round(100 * sum(1 for latency in latencies if latency < PROMISE) / max(1, asked), 3),
        cpu={name: round(1e6 * seconds / max(1, answered), 1) for name, seconds in used.items()},
        peak_mb=dict(peak),
        answered=answered,
        unanswered=seen["unanswered"],
        codes=codes,
    )


def _cpu(pids: Sequence[int]) -> float:
    return sum(map(usage.cpu_seconds, pids))
