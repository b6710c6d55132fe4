"""A relay whose sectoral repertory does not answer for a while."""

import asyncio
from urllib.parse import urlsplit

from institutions import Question
from tests.institutions.conformance.network import CONTEXT, ended, permit, person
from tests.institutions.patience import until
from tests.institutions.relay.conftest import Sector, running
from tests.institutions.world import PCSW_A, World
from tests.wire.proxy import Proxy

PERMIT = "Permit/1"


async def test_what_is_asked_while_the_repertory_is_down_waits_and_is_answered(world: World, sector17: Sector) -> None:
    ssin = person()
    await sector17.knows(ssin, PCSW_A)
    await world.integrate(ssin, "17-1")
    await world.integrate(ssin, "5-0")
    parts = urlsplit(sector17.database_url)
    async with Proxy(sector17.database_url) as proxy:
        through = parts._replace(
            netloc=f"{parts.netloc.rpartition('@')[0]}@{urlsplit(proxy.url).netloc.rpartition('@')[2]}"
        )
        async with (
            running(sector17.relay(through.geturl())) as relay,
            world.institution("5-0") as fund,
            world.institution(PCSW_A) as me,
        ):

            @fund.supplies(PERMIT)
            def answer(question: Question) -> object:
                return permit("P-1")

            assert await fund.supplying()
            proxy.refusing = True
            proxy.cut()
            await until(lambda: relay.paused)
            asking = asyncio.create_task(me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, timeout=30))
            assert not relay.ready
            assert relay.parts()["17-0 repertory"] is False
            proxy.refusing = False
            answered = await asking
            await until(lambda: relay.ready)
    assert ended(answered) == ("response", "DATA_FOUND", "MSG00000")
