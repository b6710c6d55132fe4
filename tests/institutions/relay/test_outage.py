"""A relay whose sectoral repertory does not answer for a while, or which fails itself."""

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from institutions import Question
from institutions.relay.distributing import Distributing
from schemas.address import Address
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Properties
from tests.institutions.conformance.network import CONTEXT, ended, permit, person
from tests.institutions.patience import until
from tests.institutions.relay.conftest import Sector, running, standing
from tests.institutions.world import PCSW_A, PCSW_B, World
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


async def test_what_a_relay_fails_on_is_parked_and_told_to_no_queue_that_a_member_names(
    world: World, sector17: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(Distributing, "answered", fails)
    vhost = world.network.secondary(Address.parse("17-0"))
    member = AioPikaTransport((world.url(PCSW_A),), name="a member")
    properties = Properties(
        user_id=PCSW_A, correlation_id=f"{uuid4()}/m", reply_to=names.answers(PCSW_B), type="response"
    )
    await member.start()
    async with running(sector17.relay()):
        await member.publish(names.REPLIES, names.DEFINITIVE, b"<x/>", properties, timeout=20)
        async with asyncio.timeout(20):
            while not (dead := await standing(world, vhost, names.DEAD)):  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.1)
    await member.close()
    assert [(one["headers"]["sender"], one["headers"]["reason"]) for one in dead] == [
        (PCSW_A, "the relay failed on it")
    ]
    assert await standing(world, vhost, names.answers(PCSW_B)) == []
