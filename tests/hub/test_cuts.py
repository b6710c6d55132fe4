"""A hub whose connections are cut while it works: nothing is lost, nothing is decided or told twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.process import Hub
from tests.hub.star import ONE, TWO, Star, opened, until
from tests.wire.proxy import Proxy

_CONSULTATIONS = 300
_IN_FLIGHT = 50
_CUTS = 10


@pytest.fixture
async def star(rabbitmq, postgresql, tmp_path) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path / "services") as star:
        yield star


async def _consult_all(star: Star, on_each: "asyncio.Queue[int]") -> list[tuple[str | None, str | None]]:
    persons = [await star.known(ONE, TWO) for _ in range(20)]
    room = asyncio.Semaphore(_IN_FLIGHT)
    said = []

    async def consult(number: int) -> None:
        async with room:
            told = await star.consult(persons[number % 20], service="Gather/1" if number % 3 == 0 else "Probe/1")
            said.append(told.said)
            on_each.put_nowait(number)

    async with asyncio.TaskGroup() as group:
        for number in range(_CONSULTATIONS):
            group.create_task(consult(number))
    return said


async def _whole(star: Star, hub: Hub) -> None:
    """One decision and one outcome each, but for those that came to a hub too late for one and were told so: `busy`."""
    await until(lambda: hub.intake.in_flight == 0)
    summary = await hub.journal.summary()
    assert summary.kinds["decision"] == summary.kinds["outcome"]
    connection = await star.connect()
    try:
        counted = "SELECT count(DISTINCT ticket_cbss) FROM journal WHERE kind IN ('decision', 'busy')"
        assert await connection.fetchval(counted) == _CONSULTATIONS
    finally:
        await connection.close()
    assert (summary.without_outcome, summary.decided_twice, summary.told_twice) == (0, 0, 0)


@pytest.mark.timeout(180)
async def test_ten_cuts_of_a_hubs_connections_lose_and_repeat_nothing(star):
    async with Proxy(star.url("hub")) as proxy:
        hub = await star.hub(amqp_url=proxy.url)
        done: asyncio.Queue[int] = asyncio.Queue()

        async def cut_now_and_then() -> None:
            for _ in range(_CUTS):
                for _ in range(_CONSULTATIONS // (_CUTS + 2)):
                    await done.get()
                proxy.cut()

        cutting = asyncio.create_task(cut_now_and_then())
        said = await _consult_all(star, done)
        await cutting
        # Suppliers answer at once: what is not data found is a deadline that the cuts used up.
        assert len(said) == _CONSULTATIONS
        assert set(said) <= {
            ("DATA_FOUND", "MSG00000"), ("INCOMPLETE_DATA", "HAN20200"),
            (None, "CRB00010"), (None, "CRB00011"), (None, "CRB00014"),
        }  # fmt: skip
        assert said.count(("DATA_FOUND", "MSG00000")) > _CONSULTATIONS // 2
        await _whole(star, hub)
        star.hubs.remove(hub)
        await hub.stop()


@pytest.mark.timeout(180)
async def test_one_of_two_hubs_gone_in_the_middle_loses_and_repeats_nothing(star):
    first, second = await star.hub(), await star.hub()
    done: asyncio.Queue[int] = asyncio.Queue()

    async def lose_one() -> None:
        for _ in range(_CONSULTATIONS // 3):
            await done.get()
        star.hubs.remove(first)
        await first.kill()

    losing = asyncio.create_task(lose_one())
    said = await _consult_all(star, done)
    await losing
    assert said.count(("DATA_FOUND", "MSG00000")) > _CONSULTATIONS * 2 // 3
    await _whole(star, second)
