"""A relay that is killed in the middle of a registration."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.institutions.relay.conftest import Sector, running, sector
from tests.institutions.relay.registration import A, Member, at_the_hub, in_the_sector, registering_world, somebody
from tests.institutions.world import PCSW_A, Broker, Database, World


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    async with registering_world(rabbitmq, postgresql) as found:
        yield found


@pytest.fixture(scope="module")
async def sector17(world: World, postgresql: Database) -> AsyncIterator[Sector]:
    async with sector(world, postgresql, "17-0") as found:
        yield found


async def test_a_relay_that_is_killed_after_the_hub_acted_leaves_its_half_to_the_next(world, sector17):
    ssin = await somebody(world)
    async with world.institution(PCSW_A) as institution:
        member = Member(institution)
        first = sector17.relay()
        await first.start()
        reached = asyncio.Event()
        repertory = first._lookup.repertory
        changing = repertory.changing

        def stop_before_the_change(number):
            context = changing(number)

            class Stopped:
                async def __aenter__(self):
                    inner = await context.__aenter__()

                    async def make(*_):
                        reached.set()
                        await asyncio.Event().wait()

                    inner.make = make
                    return inner

                async def __aexit__(self, *given):
                    return await context.__aexit__(*given)

            return Stopped()

        repertory.changing = stop_before_the_change
        asking = asyncio.create_task(member.register(ssin, 2, "2024-01-01"))
        await reached.wait()
        assert len(await at_the_hub(world, ssin)) == 1
        assert await in_the_sector(sector17, ssin, A) == []
        await first.kill()
        async with running(sector17.relay()):
            told = await asking
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert await in_the_sector(sector17, ssin, A) == await at_the_hub(world, ssin) != []
