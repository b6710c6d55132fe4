"""What an exchange costs with one, two and four hub processes on the same queues: their CPU together, microseconds an
exchange, and the rate that all reach. The hubs share the machine with everything else: the rate says more of the
machine than of them, the CPU an exchange is the figure.

  python -m tests.benchmarks.hubs --runs 3 --seconds 10 --loads c50,o200
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import CrossroadsError
from tests.benchmarks import load
from tests.benchmarks.bench import bench
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.page import page
from tests.benchmarks.progress import say
from tests.benchmarks.run import Question, run
from tests.benchmarks.table import Table


def _title(count: int) -> str:
    return "one hub" if count == 1 else f"{count} hubs"


async def measure(
    counts: Sequence[int], loads: Sequence[Load], runs: int, seconds: float, persons: int, *, tls: bool, each: bool
) -> Table:
    """Each number of hubs under each load, in turn: the load of all together, or of `each`. Ratios are to one hub."""
    rows = [_title(count) for count in counts]
    table = Table(f"Hub processes side by side{' over TLS' if tls else ''}", rows[0], titles={row: row for row in rows})
    async with bench(persons, tls=tls) as stand, stand.supplier() as supplier:
        for number in range(runs):
            for count in counts:
                async with stand.hubs(count) as hubs:
                    pids = {"between": hubs, "supplier": (supplier,)}
                    await run(stand, WARM, min(1.0, seconds), Question(), pids)
                    for one in loads:
                        all_of_them = Load(one.loop, one.level * count) if each else one
                        figures = await run(stand, all_of_them, seconds, Question(), pids)
                        table.add(f"{one} each" if each else str(one), _title(count), figures)
                        say(
                            f"run {number + 1} of {runs}, {one}, {_title(count)}: {figures.a_second:g} a second, "
                            f"hubs {figures.cpu['between']:.0f} µs an exchange"
                        )
    return table


def costs(table: Table) -> str:
    """CPU of all hubs together beside the first row's, in the same run."""
    lines = ["", "| load | hubs | hub CPU, as a ratio to the first |", "|---|---|---|"]
    lines += [f"| {at} | {row} | {table.cost_ratio(at, row)} |" for at, rows in table.runs.items() for row in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.hubs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hubs", default="1,2,4", metavar="N,…", help="numbers of hub processes (default 1,2,4)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run (default 10)")
    parser.add_argument("--loads", default="c50,o200", metavar="LOAD,…", help="as python -m tests.benchmarks has them")
    parser.add_argument("--each", action="store_true", help="the loads are each hub's, not those of all together")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write table and plots to this HTML file")
    told = parser.parse_args()
    where = machine()
    try:
        counts = [int(count) for count in told.hubs.split(",")]
        loads = tuple(load.parse(text) for text in told.loads.split(","))
        table = asyncio.run(measure(counts, loads, told.runs, told.seconds, told.persons, tls=told.tls, each=told.each))
    except (CrossroadsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    head = f"{sentence(where)}; {told.persons} persons, {told.runs} runs of {told.seconds:g} s."
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, "tables": [table.as_dict()]}, indent=2) + "\n")
    if told.page is not None:
        told.page.write_text(page(head, [table]))
    sys.stdout.write(f"{head}\n\n{table.markdown()}{costs(table)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
