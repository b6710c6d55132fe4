"""The rows under the loads, run in turn: a run of each row, then the next run of each, so that a drift of the machine
meets all."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.benchmarks.bench import Bench, bench
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.progress import say
from tests.benchmarks.row import BASE, Row
from tests.benchmarks.run import Figures, run
from tests.benchmarks.table import Table

#: Seconds of warming up before the first run of a process that was just started.
_WARM = 1.0


@asynccontextmanager
async def _supplier(stand: Bench, row: Row) -> AsyncIterator[dict[str, tuple[int, ...]]]:
    if row.supplier is None:
        yield {}
        return
    async with stand.supplier(row.supplier) as pid:
        yield {"supplier": (pid,)}


async def _row(stand: Bench, row: Row, loads: Sequence[Load], seconds: float) -> dict[Load, Figures]:
    """One run of a row under each load."""
    async with _supplier(stand, row) as pids, row.between(stand) as between:
        pids["between"] = (between,)
        await run(stand, WARM, min(_WARM, seconds), row.question, pids, row.legs)
        return {load: await run(stand, load, seconds, row.question, pids, row.legs) for load in loads}


async def suite(
    title: str, rows: Sequence[Row], loads: Sequence[Load], *, runs: int, seconds: float, persons: int, tls: bool
) -> Table:
    """All of it, on servers of its own."""
    table = Table(title, BASE, titles={row.name: row.title for row in rows})
    async with bench(persons, tls=tls) as stand:
        for number in range(runs):
            for row in rows:
                for load, figures in (await _row(stand, row, loads, seconds)).items():
                    table.add(str(load), row.name, figures)
                    say(
                        f"run {number + 1} of {runs}, {load}, {row.title}: {figures.a_second:g} a second, "
                        f"p50 {figures.p50:g} ms, p99 {figures.p99:g} ms, between {figures.cpu['between']:.0f} µs"
                    )
    return table
