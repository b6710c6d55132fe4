"""Three RabbitMQ nodes on this machine under load: one is killed with -9, stays away a while, and comes back. The
longest pause that askers saw; and the reckoning: nobody unanswered, nothing lost, nothing with two outcomes.

Ends are our own library, which knows all three nodes and asks again under the same ticket; the hub and the supplier are
connected to the node that is killed, and the queues are led by it.

  python -m tests.benchmarks.cluster --rate 100 --seconds 60 --away 15
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from deploy import provision
from hub.journal import Journal, PersonKeys
from institutions import AskingError, Institution, OverLimit, Raw
from schemas.errors import CrossroadsError
from schemas.wire import names
from tests.benchmarks.bench import CONTEXT, CUSTOMER, SUPPLIER, Bench, BenchPostgreSQL, definitions, network
from tests.benchmarks.broker import ClusterNode
from tests.benchmarks.lean import DATA, REQUEST, SERVICE
from tests.benchmarks.load import Load
from tests.benchmarks.loop import Result, drive
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say

_NODES = 3
#: The one that is killed, not the first: that one's epmd serves all.
_KILLED = 2
#: An asker gives up after this, seconds; it asks again under the same ticket meanwhile.
_PATIENCE = 120.0
_BOOT = 180.0
#: Between an attempt that was refused and the next, seconds.
_BACK_OFF = 0.2
#: A load's first seconds, before anything happens.
_BEFORE = 0.25


class ClusterBench(Bench):
    """A bench whose broker is several nodes; who connects tries the one that will be killed first."""

    def __init__(
        self, directory: Path, nodes: Sequence[ClusterNode], postgresql: BenchPostgreSQL, passwords: dict[str, str]
    ) -> None:
        super().__init__(directory, nodes[0], postgresql, passwords)
        self.nodes = {node.number: node for node in nodes}

    def urls(self, user: str) -> Sequence[str]:
        order = sorted(self.nodes, key=lambda number: (number != _KILLED, number))
        return [self.nodes[number].amqp_url(user, self.passwords[user], names.PRIMARY) for number in order]


@asynccontextmanager
async def cluster(persons: int) -> AsyncIterator[ClusterBench]:
    """Three nodes that know each other, with queues on all of them."""
    document, passwords = definitions(network())
    cookie = secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="crossroads-bench-") as name:
        first = ClusterNode(1, _NODES, None, cookie)
        nodes = [first, *(ClusterNode(number, _NODES, first, cookie) for number in range(2, _NODES + 1))]
        postgresql = BenchPostgreSQL()
        async with AsyncExitStack() as stack:
            for server in (postgresql, *nodes):
                stack.push_async_callback(asyncio.to_thread, server.stop)
                server.launch()  # each tells its ports to the next
            for server in (postgresql, *nodes):
                await asyncio.to_thread(server.wait_ready, _BOOT)
            await _joined(nodes)
            await asyncio.to_thread(provision.apply, nodes[_KILLED - 1].management, document)
            made = ClusterBench(Path(name), nodes, postgresql, passwords)
            await made.prepare(persons)
            yield made


async def _joined(nodes: Sequence[ClusterNode]) -> None:
    async with asyncio.timeout(_BOOT):
        while True:
            told = await asyncio.to_thread(nodes[0].management.get, "/api/nodes")
            if sum(bool(node.get("running")) for node in told) == len(nodes):
                return
            await asyncio.sleep(0.5)


class Watch:
    """When answers came, and what was refused before."""

    def __init__(self) -> None:
        self.at: list[float] = []
        #: Attempts that the broker refused (`OverLimit`): each was made again under the same ticket.
        self.refused = 0

    def longest(self) -> tuple[float, float]:
        """The longest time between two answers in a row, and when it began."""
        ordered = sorted(self.at)
        return max(((b - a, a) for a, b in pairwise(ordered)), default=(0.0, 0.0))


async def measure(rate: int, seconds: float, away: float, persons: int) -> dict[str, Any]:
    """The load, the kill, the return, the reckoning."""
    watch = Watch()
    events: dict[str, float] = {}
    async with cluster(persons) as stand, AsyncExitStack() as stack:
        say("three nodes are up")
        supplier = Institution(SUPPLIER, stand.urls(SUPPLIER), concurrency=200, patient=True, observe=lambda _: None)

        @supplier.supplies(SERVICE)
        async def answer(_: object) -> Raw:
            return Raw(DATA)

        await stack.enter_async_context(supplier)
        await supplier.supplying()
        await stack.enter_async_context(stand.hub())
        asker = Institution(CUSTOMER, stand.urls(CUSTOMER), timeout=_PATIENCE, observe=lambda _: None)
        await stack.enter_async_context(asker)
        numbers = stand.persons.read_text().split()
        asked: list[str] = []

        async def one(meant: float, result: Result) -> None:
            asked.append(ticket := str(uuid4()))
            number = numbers[len(asked) % len(numbers)]
            body = REQUEST % (ticket, *map(int, CUSTOMER.split("-")), CONTEXT, number)  # the same bytes each time
            end = time.perf_counter() + _PATIENCE
            while True:
                try:
                    told = await asker.send(body, type=SERVICE)
                except OverLimit:
                    # A broker also refuses for a queue whose leader it does not know (docs/wire.md, When a node dies).
                    watch.refused += 1
                    if time.perf_counter() > end:
                        result.answered("OverLimit", time.perf_counter() - meant)
                        return
                    await asyncio.sleep(_BACK_OFF)
                except AskingError as error:
                    result.answered(type(error).__name__, time.perf_counter() - meant)
                    return
                else:
                    watch.at.append(time.perf_counter())
                    result.answered(told.code, time.perf_counter() - meant)
                    return

        await drive(one, Load("open", rate), 2.0)  # warm
        begun = time.perf_counter()
        disturbing = asyncio.create_task(_disturb(stand, seconds * _BEFORE, away, events))
        result = await drive(one, Load("open", rate), seconds)
        await disturbing
        journal = Journal(stand.database, PersonKeys.parse(stand.key), hub="reckoning")
        summary = await journal.summary()
    pause, at = watch.longest()
    latencies = sorted(latency for some in result.latencies.values() for latency in some)
    return {
        "rate": rate,
        "seconds": seconds,
        "away": away,
        "asked": len(asked),
        "codes": {code: len(some) for code, some in result.latencies.items()},
        "attempts refused": watch.refused,
        "longest pause s": round(pause, 2),
        "pause began s after the start": round(at - begun, 2),
        "killed s after the start": round(events["killed"] - begun, 2),
        "back s after the start": round(events["back"] - begun, 2),
        "longest latency s": round(latencies[-1], 2),
        "journal": {
            "decisions": summary.kinds.get("decision", 0),
            "outcomes": summary.kinds.get("outcome", 0),
            "resumed": summary.kinds.get("resumed", 0),
            "without outcome": summary.without_outcome,
            "decided twice": summary.decided_twice,
            "told twice": summary.told_twice,
        },
    }


async def _disturb(stand: ClusterBench, before: float, away: float, events: dict[str, float]) -> None:
    node = stand.nodes[_KILLED]
    await asyncio.sleep(before)
    events["killed"] = time.perf_counter()
    await asyncio.to_thread(node.kill)
    say(f"node {_KILLED} is killed")
    await asyncio.sleep(away)
    await asyncio.to_thread(node.start, _BOOT)
    events["back"] = time.perf_counter()
    say(f"node {_KILLED} is back")


def problems(result: dict[str, Any]) -> list[str]:
    """What does not hold, one sentence each."""
    journal, found = result["journal"], []
    if journal["without outcome"] or journal["decided twice"] or journal["told twice"]:
        found.append(f"the journal: {journal}")
    if journal["decisions"] != result["asked"]:
        found.append(f"{result['asked']} asked, {journal['decisions']} decided")
    if strange := {code: count for code, count in result["codes"].items() if code != "MSG00000"}:
        found.append(f"not answered with data: {strange}")
    return found


def main() -> int:
    """See the module. 1: something does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rate", type=int, default=300, help="requests a second (default 300)")
    parser.add_argument("--seconds", type=float, default=60, help="length of the load (default 60)")
    parser.add_argument("--away", type=float, default=15, help="seconds until the killed node is started (default 15)")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    told = parser.parse_args()
    where = machine()
    try:
        result = asyncio.run(measure(told.rate, told.seconds, told.away, told.persons))
    except CrossroadsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, **result}, indent=2) + "\n")
    wrong = problems(result)
    lines = [f"{sentence(where)}.", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in result.items()]
    lines += ["", *(wrong or ["Nothing lost, none with two outcomes, every one answered with data."])]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
