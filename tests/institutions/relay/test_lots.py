"""Lots of members, and members that answer in their own time: through one relay, and through two."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from lxml import etree

from hub.process import Hub
from institutions import Answer, Institution, Question
from institutions.answer import read_answer
from institutions.later import LaterAnswer
from institutions.relay import statements
from institutions.relay.deferred import Deferred
from institutions.relay.relay import Relay
from schemas import lot as lots
from schemas.address import Address
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from schemas.wire import names
from tests.institutions.conformance.network import CONTEXT, permit, person
from tests.institutions.relay.conftest import Sector, running, standing
from tests.institutions.world import FUND_A, FUND_B, PCSW_A, PCSW_B, RULES, Broker, Database, World, opened

PERMIT, PERMITS = "Permit/1", "Permits/1"
PATIENCE = 20.0
_ONLINE = '[[availability]]\nservice = "Permits"\naddress = "18-1"\nquality = 1\n'
LOTS = "".join(
    f'[[authorisation]]\nid = "lots-{service}"\ncustomer = "17-1"\nlegal_context = "LOT"\nqualities = [1]\n'
    f'service = "{service}/1"\ndeliberation = {{ number = "00/000", date = 2020-01-01 }}\nfrom = 2020-01-01\n'
    for service in ("OpenLot", "CloseLot")
)
FOUND = ("response", "DATA_FOUND", "MSG00000")
INTERMEDIATE = ("intermediate", "NO_RESULT", "CRB00016")


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    """The funds of 18-0 answer Permits in their own time."""
    assert _ONLINE in RULES
    async with opened(rabbitmq, postgresql, LOTS, RULES.replace(_ONLINE, f'{_ONLINE}mode = "batch"\n')) as found:
        yield found


class Funds:
    """Two of them, each of which answers when it may."""

    def __init__(self) -> None:
        self.held: defaultdict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
        self.asked: defaultdict[tuple[str, str], int] = defaultdict(int)

    def supplier(self, address: str):
        async def answer(question: Question) -> etree._Element:
            self.asked[address, question.ssin.digits] += 1
            await self.held[address, question.ssin.digits].wait()
            return permit(address[-3:])

        return answer

    def release(self, ssin: Ssin, *funds: str) -> None:
        for address in funds:
            self.held[address, ssin.digits].set()

    async def until_asked(self, ssin: Ssin, *funds: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not all(self.asked[address, ssin.digits] for address in funds):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def supplied(world: World, funds: Sector) -> AsyncIterator[Funds]:
    answering = Funds()
    async with world.institution(FUND_A) as a, world.institution(FUND_B) as b, world.institution("5-0") as online:
        for institution in (a, b):
            institution.supplies(PERMITS, mode="batch")(answering.supplier(str(institution.address)))

        async def at_once(question: Question) -> etree._Element:
            return permit("5-0")

        for service in (PERMIT, PERMITS):
            online.supplies(service)(at_once)
        for institution in (a, b, online):
            assert await institution.supplying()
        yield answering


class Asker:
    """PCSW A, and everything that came into its queue of answers."""

    def __init__(self, me: Institution) -> None:
        self.me = me
        self.came: list[tuple[str, str]] = []

    async def open(self) -> None:
        later = await self.me._reader()

        async def seen(answer: LaterAnswer) -> None:
            self.came.append((answer.type, read_answer(answer.body, answer.properties, 0.0).code))
            assert str(answer.customer) == PCSW_A
            await self.me._definitive.take(answer)

        later.on("", seen)

    async def until_came(self, *expected: str) -> None:
        """These kinds of answers have come, in this order, and nothing else."""
        async with asyncio.timeout(PATIENCE):
            while len(self.came) < len(expected):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert [kind for kind, _ in self.came] == list(expected)

    async def consult(self, ssin: Ssin, service: str = PERMITS) -> Answer:
        return await self.me.consult(service, ssin=ssin, legal_context=CONTEXT, timeout=PATIENCE)


@pytest.fixture
async def asker(world: World, pcsw: Sector) -> AsyncIterator[Asker]:
    async with world.institution(PCSW_A, timeout=PATIENCE) as me:
        asker = Asker(me)
        await asker.open()
        yield asker


async def somebody(world: World, pcsw: Sector, funds: Sector, *known: str) -> Ssin:
    """Whom PCSW A has, and these: funds in their sector, others at the hub."""
    ssin = person()
    await pcsw.knows(ssin, PCSW_A)
    await world.integrate(ssin, "17-1")
    for address in {Address.parse(one).kind for one in known}:
        await world.integrate(ssin, str(address))
    for one in known:
        if Address.parse(one).is_cooperating:
            await funds.knows(ssin, one)
    return ssin


def said(answer: Answer) -> tuple[str, str | None, str]:
    return answer.kind, answer.value, answer.code


def numbers(answer: Answer) -> list[str | None]:
    return [element.findtext("number") for element in answer.data]


async def kinds(world: World, answer: Answer) -> list[str]:
    return [entry.kind for entry in await world.hub.journal.exchange(answer.ticket_cbss)]


async def lot(asker: Asker, service: str, persons: list[Ssin], sequence: int, number: Any) -> list[Answer]:
    asked = asker.me.lot(service, persons, legal_context=CONTEXT, sequence=sequence, lot=number)
    return [answer async for answer in asked]


async def test_a_member_s_lot_is_answered_in_order(world, pcsw, funds, supplied, asker):
    persons = [await somebody(world, pcsw, funds, "5-0") for _ in range(20)]
    strangers = [person() for _ in range(3)]
    for ssin in strangers:
        await world.integrate(ssin, "17-1")
        await pcsw.knows(ssin, PCSW_B)
    number = uuid4()
    answers = await lot(asker, PERMIT, persons + strangers, 1, number)
    assert [said(answer) for answer in answers] == [FOUND] * 20 + [("response", "NO_RESULT", "MSG00012")] * 3
    assert [answer.ticket for answer in answers] == [str(lots.ticket(number, n)) for n in range(1, 24)]


async def test_a_member_in_batch_behind_a_relay(world, pcsw, funds, supplied, asker):
    ssin = await somebody(world, pcsw, funds, FUND_A)
    first = await asker.consult(ssin)
    assert said(first) == INTERMEDIATE
    await asker.until_came("intermediate")  # a definitive answer may overtake it
    supplied.release(ssin, FUND_A)
    second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    assert (said(second), numbers(second)) == (FOUND, [FUND_A[-3:]])
    assert second.ticket_cbss == ticket_cbss(Address.parse(PCSW_A), second.ticket)
    assert asker.came == [("intermediate", "CRB00017"), ("definitive", "MSG00000")]
    assert await kinds(world, second) == ["decision", "intermediate", "intermediate", "outcome"]


async def test_two_members_in_batch_and_one_supplier_on_line_are_one_answer(world, pcsw, funds, supplied, asker):
    ssin = await somebody(world, pcsw, funds, FUND_A, FUND_B, "5-0")
    first = await asker.consult(ssin)
    await supplied.until_asked(ssin, FUND_A, FUND_B)
    supplied.release(ssin, FUND_B)
    await part_is_kept(funds, first)
    await asker.until_came("intermediate")
    supplied.release(ssin, FUND_A)
    second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    assert (said(second), numbers(second)) == (FOUND, ["5-0", FUND_A[-3:], FUND_B[-3:]])
    assert await left(funds, first) == (0, 0)


async def part_is_kept(funds: Sector, answer: Answer) -> None:
    async with asyncio.timeout(PATIENCE):
        while await left(funds, answer) != (1, 1):  # noqa: ASYNC110  a database tells nobody
            await asyncio.sleep(0.01)


_LEFT = """
SELECT (SELECT count(*) FROM deferred WHERE ticket_cbss = $1), (SELECT count(*) FROM part WHERE ticket_cbss = $1)
"""


async def left(funds: Sector, answer: Answer) -> tuple[int, int]:
    """Questions and answers under this ticket that the relay of the funds keeps."""
    async with funds.repertory.transaction() as connection:
        return tuple(await connection.fetchrow(_LEFT, answer.ticket_cbss))


async def test_the_hub_thought_that_a_member_has_the_dossier(world, pcsw, funds, supplied, asker):
    ssin = await somebody(world, pcsw, funds, FUND_A)
    other = person()
    await pcsw.knows(other, PCSW_A)
    for kind in ("17-1", "18-1"):
        await world.integrate(other, kind)
    first = await asker.consult(other)
    second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    assert (second.value, second.code) == ("NO_DATA_FOUND", "MSG00021")
    assert supplied.asked[FUND_A, ssin.digits] == 0


async def test_a_member_without_its_queue_is_silent(world, pcsw, funds, supplied, asker):
    ssin = await somebody(world, pcsw, funds, FUND_A, FUND_B)
    queue = names.supplier_queue(FUND_B, "batch", PERMITS)
    vhost = world.network.secondary(Address.parse("18-0"))
    place = f"/api/bindings/{vhost}/e/{names.INSTITUTIONS}/q/{queue}"
    await asyncio.to_thread(world.broker.management.delete, f"{place}/{queue}")
    try:
        first = await asker.consult(ssin)
        supplied.release(ssin, FUND_A)
        second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    finally:
        await asyncio.to_thread(world.broker.management.post, place, {"routing_key": queue})
    assert (second.value, second.code, numbers(second)) == ("INCOMPLETE_DATA", "HAN20200", [FUND_A[-3:]])


async def test_what_is_missing_when_the_time_is_over_is_silent(world, pcsw, sector18, supplied, asker, funds):
    ssin = await somebody(world, pcsw, funds, FUND_A, FUND_B)
    first = await asker.consult(ssin)
    await supplied.until_asked(ssin, FUND_A, FUND_B)
    supplied.release(ssin, FUND_A)
    await part_is_kept(funds, first)
    async with funds.repertory.transaction() as connection:
        await connection.execute(
            "UPDATE deferred SET expires = now() - interval '1 second' WHERE ticket_cbss = $1", first.ticket_cbss
        )
    access = world.access("18-0", sector18.database_url)
    other = Relay(access, world.catalogue)
    async with running(other):
        assert await other._deferred.sweep() == 1
    second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    assert (second.value, second.code, numbers(second)) == ("INCOMPLETE_DATA", "HAN20200", [FUND_A[-3:]])
    supplied.release(ssin, FUND_B)


async def test_an_answer_whose_question_ends_meanwhile_is_dropped_and_counted(
    world, pcsw, funds, supplied, asker, monkeypatch
):
    """Another process of the relay ends it, between the look at the question and the row for its answer."""
    stored, kept = Deferred._stored, asyncio.Event()

    async def too_late(self: Deferred, statement: str, *values: Any) -> Any:
        if statement == statements.PART:
            await stored(self, statements.DEFERRED_DONE, values[0])
            kept.set()
        return await stored(self, statement, *values)

    def dropped() -> float:
        return funds.running.metrics.value("crossroads_dropped_total", institution="18-0", reason="answer_of_nobody")

    monkeypatch.setattr(Deferred, "_stored", too_late)
    before, ssin = dropped(), await somebody(world, pcsw, funds, FUND_A)
    first = await asker.consult(ssin)
    supplied.release(ssin, FUND_A)
    await asyncio.wait_for(kept.wait(), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while dropped() == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await left(funds, first) == (0, 0)


async def test_a_member_s_lot_of_members_in_batch(world, pcsw, funds, supplied, asker):
    persons = [await somebody(world, pcsw, funds, FUND_A) for _ in range(6)]
    number = uuid4()
    asking = asyncio.create_task(lot(asker, PERMITS, persons, 2, number))
    all_asked = asyncio.gather(*(supplied.until_asked(ssin, FUND_A) for ssin in persons))
    await asyncio.wait({asking, all_asked}, return_when=asyncio.FIRST_COMPLETED)
    for ssin in reversed(persons):
        supplied.release(ssin, FUND_A)
    answers = await asyncio.wait_for(asking, PATIENCE)
    await all_asked
    assert [said(answer) for answer in answers] == [FOUND] * 6
    assert [answer.root.findtext("criteria/ssin") for answer in answers] == [ssin.digits for ssin in persons]


async def test_hub_and_relays_are_killed_in_between(world, sector17, sector18, supplied, pcsw, funds, asker):
    """After the intermediate answers: whoever comes has the answer all the same."""
    ssin = await somebody(world, pcsw, funds, FUND_A, FUND_B, "5-0")
    first = await asker.consult(ssin)
    assert said(first) == INTERMEDIATE
    await supplied.until_asked(ssin, FUND_A, FUND_B)
    supplied.release(ssin, FUND_A)
    await part_is_kept(funds, first)
    await asker.until_came("intermediate")
    old = world.hub
    world.hub = Hub(old.settings)
    await asyncio.gather(old.kill(), world.hub.start())
    relays = [Relay(world.access(one.managing, one.database_url), world.catalogue) for one in (sector17, sector18)]
    async with running(relays[0]), running(relays[1]):
        supplied.release(ssin, FUND_B)
        second = await asker.me.definitive(first.ticket_cbss, PATIENCE)
    assert (said(second), numbers(second)) == (FOUND, ["5-0", FUND_A[-3:], FUND_B[-3:]])
    assert [kind for kind, _ in asker.came] == ["intermediate", "definitive"]
    assert await kinds(world, second) == ["decision", "intermediate", "intermediate", "outcome"]


async def test_a_member_that_does_not_read_its_answers_holds_up_nobody(
    world, pcsw, funds, supplied, asker, monkeypatch
):
    """Its queue is full: what is for it is parked, what is for others goes on."""
    monkeypatch.setattr("institutions.relay.answers.PATIENCE", 0.2)
    vhost = world.network.secondary(Address.parse("17-0"))
    policy = {"pattern": f"^{names.answers(PCSW_B)}$", "definition": {"max-length": 1}, "apply-to": "queues"}
    path = f"/api/policies/{quote(vhost, safe='')}/full"
    await asyncio.to_thread(world.broker.management.put, path, policy)
    try:
        other = person()
        await pcsw.knows(other, PCSW_B)
        for kind in ("17-1", "18-1"):
            await world.integrate(other, kind)
        await funds.knows(other, FUND_A)
        async with world.institution(PCSW_B, timeout=PATIENCE) as silent:
            # Intermediate and definitive answers of two: more than its queue takes.
            for _ in range(4):
                await silent.consult(PERMITS, ssin=other, legal_context=CONTEXT)
        supplied.release(other, FUND_A)
        ssin = await somebody(world, pcsw, funds, FUND_A)
        first = await asker.consult(ssin)
        supplied.release(ssin, FUND_A)
        assert said(await asker.me.definitive(first.ticket_cbss, PATIENCE)) == FOUND
        async with asyncio.timeout(PATIENCE):
            while not (await parked(world, vhost)):  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(world.broker.management.delete, path)


async def parked(world: World, vhost: str) -> list[str]:
    """Reasons of what stands in a network's `hub.dead`."""
    return [properties["headers"]["reason"] for properties in await standing(world, vhost, names.DEAD)]
