"""The hub asks a managing institution, whose relay asks its members."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import pytest
from lxml import etree

from institutions import Answer, Institution, Question
from institutions.question import Supplier
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Delivery, Properties
from tests.institutions.conformance.network import CONTEXT, ended, permit, person
from tests.institutions.relay.conftest import Sector
from tests.institutions.world import FUND_A, FUND_B, PCSW_A, World

PERMITS = "Permits/1"


@pytest.fixture(scope="module")
async def me(world: World, pcsw: Sector, funds: Sector) -> AsyncIterator[Institution]:
    """PCSW A, which may ask 5-0 and 18-1."""
    async with world.institution(PCSW_A) as found:
        yield found


@asynccontextmanager
async def supplying(world: World, address: str, supplier: Supplier) -> AsyncIterator[Institution]:
    institution = world.institution(address)
    institution.supplies(PERMITS)(supplier)
    async with institution:
        assert await institution.supplying()
        yield institution


async def somebody(world: World, pcsw: Sector, funds: Sector, *members: str) -> Ssin:
    """Whom PCSW A has, and 18-1 at the hub, and these funds in their sector."""
    ssin = person()
    await pcsw.knows(ssin, PCSW_A)
    await world.integrate(ssin, "17-1")
    await world.integrate(ssin, "18-1")
    for member in members:
        await funds.knows(ssin, member)
    return ssin


async def consult(me: Institution, ssin: Ssin, period: Period | None = None) -> Answer:
    return await me.consult(PERMITS, ssin=ssin, legal_context=CONTEXT, period=period, timeout=20)


def of(name: str) -> Supplier:
    async def supplier(question: Question) -> etree._Element:
        return permit(name)

    return supplier


async def sleeper(question: Question) -> None:
    await asyncio.sleep(60)


async def test_the_hub_knows_the_sector_and_no_member_has_the_dossier(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    async with supplying(world, FUND_A, of("A")), supplying(world, FUND_B, of("B")):
        answer = await consult(me, await somebody(world, pcsw, funds))
    assert ended(answer) == ("response", "NO_DATA_FOUND", "MSG00021")
    assert [(str(part.address), part.code) for part in answer.parts] == [("18-0", "MSG00021")]


async def test_the_only_member_with_the_dossier_is_asked(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    asked: list[Question] = []

    async def fund(question: Question) -> etree._Element:
        asked.append(question)
        return permit("B")

    async with supplying(world, FUND_A, of("A")), supplying(world, FUND_B, fund):
        answer = await consult(me, await somebody(world, pcsw, funds, FUND_B))
    assert ended(answer) == ("response", "DATA_FOUND", "MSG00000")
    assert [part.cbe for part in answer.parts] == [FUND_B[-10:]]
    assert [element.findtext("number") for element in answer.data] == ["B"]
    assert str(asked[0].customer) == PCSW_A
    assert asked[0].left < 1.5 - 0.3


async def test_two_members_with_a_dossier_are_both_asked(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    async with supplying(world, FUND_A, of("A")), supplying(world, FUND_B, of("B")):
        answer = await consult(me, await somebody(world, pcsw, funds, FUND_B, FUND_A))
    assert [part.cbe for part in answer.parts] == [FUND_A[-10:], FUND_B[-10:]]
    assert [element.findtext("number") for element in answer.data] == ["A", "B"]


async def test_a_dossier_outside_the_asked_period_is_not_asked_for(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    ssin = await somebody(world, pcsw, funds)
    await funds.knows(ssin, FUND_A, begin=date(2001, 1, 1), end=date(2001, 12, 31))
    await funds.knows(ssin, FUND_B, quality=902)
    asked = Period(date(2002, 1, 1), date(2002, 12, 31))
    async with supplying(world, FUND_A, of("A")), supplying(world, FUND_B, of("B")):
        answer = await consult(me, ssin, asked)
    assert answer.code == "MSG00021"


async def test_a_silent_member_makes_the_answer_incomplete_in_time(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    async with supplying(world, FUND_A, of("A")), supplying(world, FUND_B, sleeper):
        answer = await consult(me, await somebody(world, pcsw, funds, FUND_A, FUND_B))
    assert ended(answer) == ("response", "INCOMPLETE_DATA", "HAN20200")
    assert answer.information == (("silent", FUND_B),)
    assert [part.cbe for part in answer.parts] == [FUND_A[-10:]]
    assert answer.ms < 2_500


async def test_all_members_silent_is_a_fault(world: World, pcsw: Sector, funds: Sector, me: Institution) -> None:
    async with supplying(world, FUND_A, sleeper):
        answer = await consult(me, await somebody(world, pcsw, funds, FUND_A))
    assert ended(answer) == ("fault", None, "CRB00010")


async def test_a_member_that_fails_counts_as_silent(world: World, pcsw: Sector, funds: Sector, me: Institution) -> None:
    async def broken(question: Question) -> None:
        raise LookupError

    async with supplying(world, FUND_A, broken), supplying(world, FUND_B, of("B")):
        answer = await consult(me, await somebody(world, pcsw, funds, FUND_A, FUND_B))
    assert (answer.code, answer.information) == ("HAN20200", (("silent", FUND_A),))


async def test_a_member_that_answers_in_another_s_place_is_not_heard(
    world: World, pcsw: Sector, funds: Sector, me: Institution
) -> None:
    forger = AioPikaTransport((world.url(FUND_B),), name="forger")
    victim = AioPikaTransport((world.url(FUND_A),), name="victim")
    forged = asyncio.Event()

    async def forge(delivery: Delivery) -> None:
        given = delivery.properties
        body = delivery.body.replace(b"permitsRequest", b"permitsResponse")
        told = Properties(user_id=FUND_B, correlation_id=given.correlation_id)
        await forger.publish(names.REPLIES, given.reply_to or "", body, told)
        await victim.ack(delivery)
        forged.set()

    tasks = set()

    def take(delivery: Delivery) -> None:
        tasks.add(asyncio.create_task(forge(delivery)))

    for transport in (forger, victim):
        await transport.start()
        await transport.wait_connected(10)
    await victim.consume(names.supplier_queue(FUND_A, "online", PERMITS), take, prefetch=1)
    answer = await consult(me, await somebody(world, pcsw, funds, FUND_A))
    assert forged.is_set()
    assert ended(answer) == ("fault", None, "CRB00010")
    await asyncio.gather(*tasks)
    for transport in (forger, victim):
        await transport.close()


@pytest.mark.parametrize("who", ["18-0", FUND_A])
async def test_a_cut_connection_costs_no_answer_and_no_second_one(
    world: World, pcsw: Sector, funds: Sector, me: Institution, who: str
) -> None:
    asked, working = 0, asyncio.Event()

    async def fund(question: Question) -> etree._Element:
        nonlocal asked
        asked += 1
        working.set()
        await asyncio.sleep(0.3)
        return permit("A")

    async with supplying(world, FUND_A, fund):
        consulting = asyncio.create_task(consult(me, await somebody(world, pcsw, funds, FUND_A)))
        await asyncio.wait_for(working.wait(), 10)
        await world.cut(who)
        answer = await consulting
    assert ended(answer) == ("response", "DATA_FOUND", "MSG00000")
    assert asked == 1
