"""One institution floods, the others notice nothing: `./crossroads test -m slow tests/trials/flood -s` measures it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

import deploy
from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL, PrivateRabbitMQ
from schemas.address import Address
from schemas.ticket import ticket_cbss
from schemas.wire import names
from tests.trials.faults.network import CONTEXT, ONE, PATIENCE, SERVICES, Network, opened

FLOODER, OTHERS, SUPPLIER = "64-0", ("70-3", "25-1"), "5-0"
#: Requests a second: the flood, and what the real network has on average.
FLOOD, USUAL = 1_500, 57
#: Of the flood, where it is measured: what goes through the library, the rest past it.
BY_LIBRARY = 30
#: How much of what it may the flooder asks before, so that chance does not put it over its limit.
WITHIN = 0.9
#: How often the whole measurement is made, and how long each part of it lasts, seconds.
RUNS, HALF = 5, 30
#: The rate that the flooder is allowed where nothing is measured: reached at once on any machine.
LITTLE = 20


class Process:
    """A party (`party.py`) as its owner sees it. It ends when its standard input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, network: Network, addresses: Sequence[str], persons: Sequence[str]) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.trials.flood.party", cwd=Path(deploy.__file__).parents[1],
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        party = cls(process)
        urls = {address: network.url(address) for address in addresses}
        party.order(urls=urls, services=str(SERVICES), service=ONE, context=CONTEXT, persons=list(persons))
        await party.said()
        return party

    def order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def said(self) -> Any:
        """Its next line."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE + HALF):
            line = await self._process.stdout.readline()
        assert line, f"a party ended with {await self._process.wait()}"
        return json.loads(line)

    async def ask(self, rate: float, seconds: float, seed: int) -> Any:
        self.order(do="ask", rate=rate, seconds=seconds, seed=seed)
        return await self.said()

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


@dataclass(frozen=True, slots=True)
class Parties:
    network: Network
    flooder: Process
    others: Process


async def gathered(stack: AsyncExitStack, network: Network) -> Parties:
    """A hub, a supplier, a flooder and the others, each a process."""
    await network.hub("hub-a")
    persons = [ssin.digits for ssin in network.persons]
    found = []
    for addresses, asked in (((SUPPLIER,), []), ((FLOODER,), persons), (OTHERS, persons)):
        process = await Process.start(network, addresses, asked)
        stack.push_async_callback(process.close)
        found.append(process)
    return Parties(network, found[1], found[2])


def percentile(latencies: list[float], share: float) -> float:
    return sorted(latencies)[int(len(latencies) * share)]


async def nothing_was_lost(network: Network, results: Sequence[Any]) -> None:
    """Every answer is journalled, decided once and told once; what the broker refused nobody has seen."""
    await network.at_rest()
    journal = await network.journal()
    answered = sorted(ticket for result in results for ticket in result["answered"])
    for kind in ("decision", "outcome"):
        assert sorted(str(entry.ticket_cbss) for entry in journal if entry.kind == kind) == answered
    assert {entry.kind for entry in journal} == {"decision", "outcome"}
    refused = {str(ticket_cbss(Address.parse(FLOODER), ticket)) for result in results for ticket in result["refused"]}
    assert not refused & set(answered)
    depths = await network.depths()
    assert {queue: depth.messages for queue, depth in depths.items() if depth.messages} == {}
    assert names.DEAD in depths


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_the_flooder_is_told_over_limit_and_the_others_are_all_answered(
    private_rabbitmq: PrivateRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    tmp_path: Path,
    stack: AsyncExitStack,
) -> None:
    network = await stack.enter_async_context(opened(private_rabbitmq, postgresql, tmp_path, {FLOODER: LITTLE}))
    parties = await gathered(stack, network)
    parties.flooder.order(do="flood", rate=FLOOD, past=0)
    assert await parties.flooder.said() == {"over_limit": True}
    others = await parties.others.ask(USUAL, 2, seed=1)
    parties.flooder.order(do="stop")
    flooder = await parties.flooder.said()
    assert others["ended"] == {"MSG00000": others["asked"]}
    assert set(flooder["ended"]) == {"MSG00000", "OverLimit"}
    assert sum(flooder["ended"].values()) == flooder["asked"]
    await nothing_was_lost(network, [others, flooder])


@pytest.mark.slow
@pytest.mark.timeout(RUNS * (3 * HALF + 30) + 120)
@pytest.mark.parametrize(("limit", "polite"), [(LITTLE, 0.0), (USUAL, WITHIN * USUAL)])
async def test_the_others_p99_stays_within_one_and_a_half_times_its_value_before(
    limit: float,
    polite: float,
    private_rabbitmq: PrivateRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    tmp_path: Path,
    stack: AsyncExitStack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two limits of the flooder. A third of what the others ask: before, it asks nothing. As much as all the others
    together, which is load that a hub must carry whoever asks it: before, it asks what it may (`polite`, a second);
    what it tries beyond must not be noticed. How the others fare while it asks nothing is told there too."""
    network = await stack.enter_async_context(opened(private_rabbitmq, postgresql, tmp_path, {FLOODER: limit}))
    parties = await gathered(stack, network)
    results = [await parties.others.ask(USUAL, 5, seed=0)]
    ratios = []
    for run in range(1, RUNS + 1):
        parts = {"alone": await parties.others.ask(USUAL, HALF, seed=run)}
        if polite:
            parties.flooder.order(do="ask", rate=polite, seconds=HALF, seed=run + RUNS)
            parts["polite"] = await parties.others.ask(USUAL, HALF, seed=run)
            results.append(await parties.flooder.said())
        parties.flooder.order(do="flood", rate=FLOOD, past=FLOOD - BY_LIBRARY)
        await parties.flooder.said()
        parts["flooded"] = await parties.others.ask(USUAL, HALF, seed=run)
        parties.flooder.order(do="stop")
        flood = await parties.flooder.said()
        results += [*parts.values(), flood]
        told = {when: [percentile(part["latencies"], share) for share in (0.5, 0.99)] for when, part in parts.items()}
        before = told["polite" if polite else "alone"]
        ratios.append(told["flooded"][1] / before[1])
        with capsys.disabled():
            print(
                f"\nlimit {limit}, run {run}: p50/p99 ms "
                + ", ".join(f"{when} {half:.1f}/{most:.1f}" for when, (half, most) in told.items())
                + f", ratio {ratios[-1]:.2f}; flood {flood['asked'] / flood['seconds']:.0f}/s, {flood['ended']}",
                end="",
            )
        for part in parts.values():
            assert part["ended"] == {"MSG00000": part["asked"]}
    await nothing_was_lost(network, results)
    with capsys.disabled():
        print(f"\nlimit {limit}: median ratio {sorted(ratios)[len(ratios) // 2]:.2f} of {len(ratios)} runs")
    assert sorted(ratios)[len(ratios) // 2] <= 1.5
