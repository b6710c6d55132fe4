"""The hub's look-up of a person beside a bare read by primary key through asyncpg, on the same rows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg

from hub.repertory.persons import Persons
from schemas.ssin import Ssin
from tests.benchmarks.bench import bench
from tests.benchmarks.progress import say
from tests.benchmarks.run import percentile
from tests.benchmarks.table import Spread, spread

#: Look-ups under way at once.
TOGETHER = (1, 100)
_TITLES = {"hub": "hub, Persons.rows", "bare": "asyncpg, SELECT by primary key, prepared"}
#: One row a person under a key of its own, and no history: what a table that only had to be read would be.
_BARE = """CREATE TABLE bare AS SELECT ssin, sector, type, quality, phase, valid_from, valid_to FROM person;
ALTER TABLE bare ADD PRIMARY KEY (ssin); ANALYZE bare"""

_LookUp = Callable[[Ssin], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Once:
    """One run. Microseconds."""

    a_second: float
    p50: float
    p99: float


@dataclass
class Lookups:
    """By number at once, by way, the runs in their order."""

    persons: int
    runs: dict[int, dict[str, list[Once]]] = field(default_factory=dict)
    title: str = "Look-ups of a person"

    def ratio(self, together: int) -> Spread:
        """The hub's rate by the bare read's in the same run."""
        both = self.runs[together]
        return spread(h.a_second / b.a_second for h, b in zip(both["hub"], both["bare"], strict=True))

    def markdown(self) -> str:
        lines = [f"**{self.title}**, {self.persons} persons", ""]
        lines += ["| at once | how | a second | ratio | p50 µs | p99 µs |", "|---|---|---|---|---|---|"]
        for together, ways in self.runs.items():
            for way, runs in ways.items():
                cells = [str(spread(getattr(one, name) for one in runs)) for name in ("a_second", "p50", "p99")]
                ratio = str(self.ratio(together)) if way == "hub" else "1"
                lines.append(f"| {together} | {_TITLES[way]} | {cells[0]} | {ratio} | {cells[1]} | {cells[2]} |")
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, object]:
        return {
            "title": self.title,
            "persons": self.persons,
            "runs": {
                str(together): {
                    way: [{"a_second": o.a_second, "p50": o.p50, "p99": o.p99} for o in runs]
                    for way, runs in ways.items()
                }
                for together, ways in self.runs.items()
            },
        }


async def measure(persons: int, runs: int, seconds: float) -> Lookups:
    """So many runs of both ways, in turn, on a database of its own."""
    table = Lookups(persons)
    async with bench(persons) as stand:
        numbers = [Ssin.parse(number) for number in stand.persons.read_text().split()]
        connection = await asyncpg.connect(stand.database)
        try:
            await connection.execute(_BARE)
            statement = await connection.prepare("SELECT * FROM bare WHERE ssin = $1")
            lock = asyncio.Lock()  # a connection takes one statement at a time

            async def bare(ssin: Ssin) -> object:
                async with lock:
                    return await statement.fetchrow(ssin.number)

            async with Persons(stand.database) as store:
                ways: dict[str, _LookUp] = {"hub": store.rows, "bare": bare}
                for number in range(runs):
                    for together in TOGETHER:
                        for way, look_up in ways.items():
                            once = await _run(look_up, numbers, together, seconds)
                            table.runs.setdefault(together, {}).setdefault(way, []).append(once)
                            say(
                                f"run {number + 1} of {runs}, {together} at once, {_TITLES[way]}: p50 {once.p50:.0f} µs"
                            )
        finally:
            await connection.close()
    return table


async def _run(look_up: _LookUp, numbers: list[Ssin], together: int, seconds: float) -> Once:
    took: list[float] = []
    began = time.perf_counter()
    chosen = iter(range(10**12))

    async def one_after_another() -> None:
        while (before := time.perf_counter()) - began < seconds:
            if not await look_up(numbers[next(chosen) * 7919 % len(numbers)]):
                raise AssertionError("a person of the bench is not in its repertory")
            took.append(time.perf_counter() - before)

    await asyncio.gather(*(one_after_another() for _ in range(together)))
    lasted = time.perf_counter() - began
    took.sort()
    return Once(
        round(len(took) / lasted, 1), round(1e6 * percentile(took, 0.5), 1), round(1e6 * percentile(took, 0.99), 1)
    )
