"""Whatever fails, each caller gets exactly one answer, and the journal exactly one decision and one outcome for each.

The long ones, at least 1,000 consultations each: `./crossroads test -m slow tests/trials -s`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL, PrivateRabbitMQ
from schemas.wire import names
from tests.trials.faults.network import HubProcess, Network, opened
from tests.trials.faults.reckoning import Reckoning
from tests.trials.faults.trial import IN_FLIGHT, Trial, begun
from tests.wire.proxy import Proxy

#: What a long trial asks at the least.
MANY = 1_000
CUTS = 10
#: Who is cut off beside the hub when all of it fails: a caller and a supplier.
CUT_OFF = ("64-0", "5-0")


def slow(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Only on request."""
    marked: Callable[..., Awaitable[None]] = pytest.mark.slow(pytest.mark.timeout(600)(test))
    return marked


@pytest.fixture
async def network(
    private_rabbitmq: PrivateRabbitMQ, postgresql: PrivatePostgreSQL | ForeignPostgreSQL, tmp_path: Path
) -> AsyncIterator[Network]:
    """A fresh network without a hub."""
    async with opened(private_rabbitmq, postgresql, tmp_path) as network:
        yield network


async def cut(hub: HubProcess, trial: Trial, times: int) -> None:
    """Cut a hub's connections, each time when it has work in hand and has answered since the last time."""
    assert hub.proxy is not None
    for _ in range(times):
        await hub.works()
        trial.strike()
        assert hub.proxy.cut() >= 2


async def kill(hub: HubProcess, trial: Trial) -> None:
    await hub.works()
    trial.strike()
    await hub.kill()


async def restart_in_order(trial: Trial) -> None:
    trial.strike()
    async with trial.disturbed():
        await asyncio.to_thread(trial.network.broker.restart)


async def kill_and_start(trial: Trial) -> None:
    """The broker gets kill -9."""
    trial.strike()
    async with trial.disturbed():
        await asyncio.to_thread(trial.network.broker.kill)
        await asyncio.to_thread(trial.network.broker.start)


async def settle(trial: Trial) -> Reckoning:
    """The end of each trial."""
    reckoning = await trial.end()
    print(f"\n{trial.told(reckoning)}")
    assert reckoning.breaches == ()
    assert trial.least_in_flight >= 50
    return reckoning


async def test_two_hundred_consultations_while_everything_fails(network: Network) -> None:
    async with Proxy(network.url(names.HUB)) as proxy:
        cut_off, killed = await network.hub("hub-a", proxy), await network.hub("hub-b")
        async with begun(network) as trial:
            await cut(cut_off, trial, 3)
            await kill(killed, trial)
            await trial.more(30)
            await kill_and_start(trial)
            await trial.reaches(200)
            assert (await settle(trial)).taken_over


@slow
async def test_nothing_fails(network: Network) -> None:
    await network.hub("hub-a")
    await network.hub("hub-b")
    async with begun(network) as trial:
        await trial.reaches(MANY)
        reckoning = await settle(trial)
    assert trial.second_answers == trial.asked_again == 0
    assert set(reckoning.rows) == {"decision", "outcome"}


@slow
async def test_one_of_two_hubs_is_killed_in_the_middle(network: Network) -> None:
    await network.hub("hub-a")
    killed = await network.hub("hub-b")
    async with begun(network) as trial:
        await trial.reaches(MANY // 2)
        await kill(killed, trial)
        await trial.reaches(MANY)
        reckoning = await settle(trial)
    assert reckoning.taken_over
    assert reckoning.rows["resumed"] >= reckoning.taken_over


@slow
async def test_the_only_hub_is_cut_off_ten_times(network: Network) -> None:
    async with Proxy(network.url(names.HUB)) as proxy:
        hub = await network.hub("hub-a", proxy)
        async with begun(network) as trial:
            await cut(hub, trial, CUTS)
            await trial.reaches(MANY)
            figures = await hub.figures()
            reckoning = await settle(trial)
    assert figures.joined
    assert not reckoning.taken_over


@slow
async def test_one_of_two_hubs_is_cut_off_ten_times(network: Network) -> None:
    async with Proxy(network.url(names.HUB)) as proxy:
        hub = await network.hub("hub-a", proxy)
        await network.hub("hub-b")
        async with begun(network) as trial:
            await cut(hub, trial, CUTS)
            await trial.reaches(MANY)
            reckoning = await settle(trial)
    assert reckoning.taken_over


@slow
@pytest.mark.parametrize("restart", [restart_in_order, kill_and_start])
async def test_the_broker_is_restarted(network: Network, restart: Callable[[Trial], Awaitable[None]]) -> None:
    await network.hub("hub-a")
    await network.hub("hub-b")
    async with begun(network) as trial:
        await trial.reaches(MANY // 2)
        await restart(trial)
        await trial.reaches(MANY)
        await settle(trial)


@slow
async def test_all_of_it_in_one_trial(network: Network) -> None:
    async with AsyncExitStack() as stack:
        proxies = {user: await stack.enter_async_context(Proxy(network.url(user))) for user in (names.HUB, *CUT_OFF)}
        cut_off = await network.hub("hub-a", proxies[names.HUB])
        killed = await network.hub("hub-b")
        trial = await stack.enter_async_context(begun(network, proxies))
        for _ in range(CUTS):
            await cut(cut_off, trial, 1)
            for user in CUT_OFF:
                assert proxies[user].cut()
            await trial.more(IN_FLIGHT)
        await kill(killed, trial)
        await trial.more(IN_FLIGHT)
        await restart_in_order(trial)
        dies_with_the_broker = await network.hub("hub-c")
        await trial.more(IN_FLIGHT)
        await dies_with_the_broker.works()
        trial.strike()
        async with trial.disturbed():
            await asyncio.gather(dies_with_the_broker.kill(), asyncio.to_thread(network.broker.kill))
            await asyncio.to_thread(network.broker.start)
        await cut(cut_off, trial, CUTS)
        await trial.reaches(MANY)
        assert (await settle(trial)).taken_over
