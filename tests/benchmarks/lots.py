"""A lot of consultations beside what is asked on line: how long it takes, whether its order and totals are right, and
what those on line notice.

The lot is sent with our own library; on line a lean asker asks at the real network's average rate, run after run until
the lot is closed. First the same on line alone.

  python -m tests.benchmarks.lots --count 100000 --rate 57
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from schemas.errors import CrossroadsError
from tests.benchmarks import usage
from tests.benchmarks.bench import CONTEXT, CUSTOMER, RULES, Bench, bench
from tests.benchmarks.child import child, go, module
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say
from tests.benchmarks.run import Figures, Question, run

LOTS = Path(__file__).with_name("lots.toml")
#: Of one run on line beside the lot, seconds.
_RUN = 15.0
#: A lot that takes longer than so many a second would is given up.
_SLOWEST = 20


async def measure(count: int, rate: int, persons: int, *, split: bool) -> tuple[Mapping[str, Any], list[Figures]]:
    """What the lot saw, and the runs on line: the first without it, the others beside it."""
    online = Load("open", rate)
    async with (
        bench(persons, rules=(RULES, LOTS)) as stand,
        stand.supplier() as supplier,
        _hubs(stand, split=split) as hubs,
    ):
        pids = {"between": hubs, "supplier": (supplier,)}
        await run(stand, WARM, 2.0, Question(), pids)
        runs = [await run(stand, online, _RUN, Question(), pids)]
        say(f"on line alone: p99 {runs[0].p99:g} ms")
        told = {"url": stand.url(CUSTOMER), "address": CUSTOMER, "legal_context": CONTEXT,
                "persons": str(stand.persons), "count": count}  # fmt: skip
        async with child(module("library", "lot"), told) as process:
            before = sum(map(usage.cpu_seconds, hubs))
            lot = asyncio.create_task(go(process, count / _SLOWEST + 60))
            while not lot.done():
                beside = asyncio.create_task(run(stand, online, _RUN, Question(), pids))
                await asyncio.wait((lot, beside), return_when=asyncio.FIRST_COMPLETED)
                if lot.done():  # what is asked from now on is asked beside nothing
                    beside.cancel()
                    await asyncio.gather(beside, return_exceptions=True)
                    break
                runs.append(await beside)
                say(f"beside the lot: p50 {runs[-1].p50:g} ms, p99 {runs[-1].p99:g} ms")
            seen = dict(await lot)
            seen["hub"] = sum(map(usage.cpu_seconds, hubs)) - before
    return seen, runs


@asynccontextmanager
async def _hubs(stand: Bench, *, split: bool) -> AsyncIterator[list[int]]:
    """One hub; or two, one of which takes lots alone."""
    async with AsyncExitStack() as stack:
        modes = ("online,mutation", "batch") if split else ("online,batch,mutation",)
        yield [(await stack.enter_async_context(stand.hub(modes=each))).pid for each in modes]


def page(seen: Mapping[str, Any], runs: Sequence[Figures]) -> str:
    """Markdown of both."""
    lines = [
        "| lot of | took, s | a second | in order, totals alike | hub CPU, s | asker CPU, s |",
        "|---|---|---|---|---|---|",
        f"| {seen['count']} | {seen['seconds']:.0f} | {seen['count'] / seen['seconds']:.0f} "
        f"| {'yes' if seen['in_order'] else 'NO'} | {seen['hub']:.0f} | {seen['cpu']:.0f} |",
        "",
        "| on line | p50 ms | p99 ms | p99.9 ms | under 4 s, % | unanswered |",
        "|---|---|---|---|---|---|",
    ]
    for number, one in enumerate(runs):
        title = f"beside the lot, run {number}" if number else "alone"
        lines.append(f"| {title} | {one.p50:g} | {one.p99:g} | {one.p999:g} | {one.under_4_s:g} | {one.unanswered} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.lots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=100_000, help="consultations of the lot (default 100000)")
    parser.add_argument("--rate", type=int, default=57, help="exchanges a second on line (default 57)")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--split", action="store_true", help="lots have a hub process of their own (CROSSROADS_MODES)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    told = parser.parse_args()
    where = machine()
    try:
        seen, runs = asyncio.run(measure(told.count, told.rate, told.persons, split=told.split))
    except (CrossroadsError, TimeoutError) as error:
        sys.stderr.write(f"{error or 'the lot was not closed in time'}\n")
        return 2
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, "lot": seen, "online": [r.as_dict() for r in runs]}) + "\n")
    hubs = "two hubs, one for lots" if told.split else "one hub"
    sys.stdout.write(f"{sentence(where)}; {told.persons} persons, {told.rate} a second on line, {hubs}.\n\n")
    sys.stdout.write(page(seen, runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
