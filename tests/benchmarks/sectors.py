"""The relay's mix beside the direct service, in the reference network: every process apart, population and oracle its
own.

  direct   a directly connected institution asks for what a directly connected one holds: four legs
  sectors  a member asks through its relay for what members behind another relay hold: eight legs at the least

As a process, `python -m tests.benchmarks.sectors asker`, it is the asker of both, with our own library.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

import uvloop

from deploy.access import Access
from deploy.demo.oracle import Oracle
from deploy.network import FILES
from deploy.servers import start_all
from deploy.stack import Stack
from hub.repertory import files
from institutions import AskingError, Institution
from institutions.reference.population import Population
from schemas.period import Period, today
from tests.benchmarks import usage
from tests.benchmarks.bench import BenchPostgreSQL
from tests.benchmarks.broker import BenchRabbitMQ, certificate
from tests.benchmarks.child import child, go, module
from tests.benchmarks.ends import measured
from tests.benchmarks.load import Load
from tests.benchmarks.loop import Result
from tests.benchmarks.mix import FOUND, LEGS, TITLES, Asked, questions
from tests.benchmarks.progress import say
from tests.benchmarks.run import figures
from tests.benchmarks.table import Table

#: Persons.
_SIZE = 2_000
#: Services that members hold behind a relay.
#: Seconds that an asker may take beyond its run.
_BEYOND = 60.0


async def measure(rate: int, runs: int, seconds: float, *, tls: bool = False) -> Table:
    """Both mixes at this rate, in turn."""
    table = Table(f"Reference network, our library at both ends{' over TLS' if tls else ''}", "direct", titles=TITLES)
    load = Load("open", rate)
    async with _network(tls=tls) as (home, pids):
        await asyncio.to_thread(_write, home, load, seconds)
        for number in range(runs):
            for mix in TITLES:
                told = {"home": str(home), "mix": mix, "loop": load.loop, "level": load.level, "seconds": seconds}
                async with child(module("sectors", "asker"), told) as process:
                    before = {name: usage.cpu_seconds(pid) for name, pid in pids.items()}
                    seen = await go(process, seconds + _BEYOND)
                    used = {name: usage.cpu_seconds(pid) - before[name] for name, pid in pids.items()}
                    peak = {name: usage.peak_mb(pid) for name, pid in pids.items()}
                one = figures(seen, used | {"asker": seen["cpu"]}, peak, FOUND, LEGS[mix])
                table.add(str(load), mix, one)
                say(f"run {number + 1} of {runs}, {load}, {TITLES[mix]}: p50 {one.p50:g} ms, p99 {one.p99:g} ms")
    return table


@asynccontextmanager
async def _network(*, tls: bool) -> AsyncIterator[tuple[Path, Mapping[str, int]]]:
    """The reference network on servers of ours; its home, and process ids by name."""
    with tempfile.TemporaryDirectory(prefix="crossroads-bench-") as name:
        home = Path(name)
        rabbitmq = BenchRabbitMQ({}, certificate(home) if tls else None)
        postgresql = BenchPostgreSQL()
        await asyncio.to_thread(start_all, rabbitmq, postgresql)
        ours = {
            "CROSSROADS_AMQP_URL": rabbitmq.amqp_url(),
            "CROSSROADS_RABBITMQ_ADMIN_URL": rabbitmq.management_url,
            "CROSSROADS_DATABASE_URL": postgresql.url(),
        }
        kept = {key: os.environ.get(key) for key in ours}
        os.environ.update(ours)  # so the network is made on them
        try:
            async with Stack(home, size=_SIZE, progress=say) as stack:
                pids = {"broker": rabbitmq.pid, "database": postgresql.pid}
                pids |= {"between": stack.children["hub-1"].pid}
                pids |= {"suppliers": stack.children["institutions"].pid, "relays": stack.children["relays"].pid}
                yield home, pids
        finally:
            for key, value in kept.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
            for server in (rabbitmq, postgresql):
                await asyncio.to_thread(server.stop)


def _write(home: Path, load: Load, seconds: float) -> None:
    """Each mix's questions, in a file beside the network's own."""
    access = Access.load(home)
    catalogue = access.catalogue()
    rules = files.read(FILES, catalogue)
    say("asking the oracle what to ask")
    oracle = Oracle(Population(seed=access.seed, size=access.size), rules)
    for mix in TITLES:
        found = islice(questions(oracle, rules, catalogue, mix), int(load.level * seconds * 1.5) + 100)
        file = home / mix
        file.touch(0o600)
        file.write_text(json.dumps([asdict(one) for one in found]))


async def ask(*, home: str, mix: str, loop: str, level: int, seconds: float) -> dict[str, object]:
    """Ask as the load says."""
    access = Access.load(Path(home))
    catalogue = access.catalogue()
    todo = [Asked(**one) for one in json.loads((Path(home) / mix).read_text())]
    numbers, day = cycle(range(len(todo))), today()
    askers: dict[str, Institution] = {}
    async with AsyncExitStack() as stack:
        for customer in {one.customer for one in todo}:
            urls = access.urls(customer)
            askers[customer] = await stack.enter_async_context(
                Institution(customer, urls, catalogue=catalogue, timeout=10.0)
            )

        async def one(meant: float, result: Result) -> None:
            asked = todo[next(numbers)]
            try:
                answer = await askers[asked.customer].consult(
                    asked.service,
                    ssin=asked.ssin,
                    legal_context=asked.legal_context,
                    period=Period(day, day) if asked.with_period else None,
                )
            except AskingError as error:
                result.answered(type(error).__name__, time.perf_counter() - meant)
            else:
                result.answered(answer.code, time.perf_counter() - meant)

        return await measured(one, Load(loop, level), seconds)


def main() -> None:
    """The asker."""
    told = json.loads(sys.stdin.readline())
    sys.stdout.write(json.dumps(uvloop.run(ask(**told))) + "\n")


if __name__ == "__main__":
    main()
