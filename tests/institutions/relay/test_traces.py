"""An exchange is one trace, whoever has part in it, and says nothing of anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from lxml import etree

from institutions import Answer, Institution, MemoryInbox, MemoryOutbox, Question, Verdict, Word
from institutions.relay.relay import Relay
from schemas.period import Period
from schemas.process.traces import opened as traced
from schemas.process.tracing import Tracing
from schemas.ssin import Ssin
from tests.collector import Collector, Spanned, collecting, texts
from tests.institutions.conformance.network import CONTEXT, ended, permit, person
from tests.institutions.relay.conftest import Sector, running
from tests.institutions.relay.test_distribution import MORE_RULES
from tests.institutions.relay.test_lots import LOTS
from tests.institutions.world import FUND_A, FUND_B, PCSW_A, PCSW_B, Broker, Database, World, opened

PERMIT, PERMITS = "Permit/1", "Permits/1"
PATIENCE = 20.0
#: The name that a supplier knows the person by: it is in every answer.
SURNAME = "Vandenplantedname"
CLIENT, SERVER, PRODUCER, CONSUMER = 3, 2, 4, 5


@pytest.fixture(scope="module")
def collector() -> Any:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database, collector: Collector) -> AsyncIterator[World]:
    async with opened(rabbitmq, postgresql, MORE_RULES + LOTS, traces=collector.url) as found:
        yield found


@pytest.fixture(scope="module")
async def tracing(collector: Collector) -> AsyncIterator[Tracing]:
    """Of everybody but the hub, as if they were one process."""
    found = traced(f"{collector.url}/v1/traces", 1.0, "around")
    assert found is not None
    yield found
    await found.close()


@asynccontextmanager
async def relaying(sector: Sector, tracing: Tracing) -> AsyncIterator[Sector]:
    access = sector.world.access(sector.managing, sector.database_url)
    async with running(Relay(access, sector.world.catalogue, tracing=tracing)) as sector.running:
        yield sector


@pytest.fixture(scope="module")
async def pcsw(sector17: Sector, tracing: Tracing) -> AsyncIterator[Sector]:
    async with relaying(sector17, tracing) as found:
        yield found


@pytest.fixture(scope="module")
async def funds(sector18: Sector, tracing: Tracing) -> AsyncIterator[Sector]:
    async with relaying(sector18, tracing) as found:
        yield found


@pytest.fixture(scope="module")
async def me(world: World, pcsw: Sector, tracing: Tracing) -> AsyncIterator[Institution]:
    async with world.institution(PCSW_A, tracing=tracing, timeout=PATIENCE, outbox=MemoryOutbox()) as found:
        yield found


@pytest.fixture(scope="module")
async def suppliers(world: World, funds: Sector, tracing: Tracing) -> AsyncIterator[Institution]:
    """5-0 answers both services, the funds one; who is about to fail is asked by who has no permit."""

    async def answer(question: Question) -> etree._Element:
        if question.ssin in FAILS:
            raise LookupError(f"nothing of {question.ssin.digits} {SURNAME}")
        return permit(SURNAME)

    one = world.institution("5-0", tracing=tracing, outbox=MemoryOutbox())
    fund = world.institution(FUND_A, tracing=tracing)
    for service in (PERMIT, PERMITS):
        one.supplies(service)(answer)
    fund.supplies(PERMITS)(answer)
    async with one, fund:
        assert await one.supplying()
        assert await fund.supplying()
        yield one


#: Whom the suppliers fail on.
FAILS: set[Ssin] = set()


async def somebody(world: World, pcsw: Sector, *kinds: str) -> Ssin:
    ssin = person()
    await pcsw.knows(ssin, PCSW_A)
    for kind in ("17-1", *kinds):
        await world.integrate(ssin, kind)
    return ssin


def planted(ssin: Ssin) -> dict[str, str]:
    """What an institution may choose, with the person's number in it."""
    return {"ticket": f"{ssin.digits}-{str(uuid4())[:8]}", "user": ssin.digits}


async def whole(collector: Collector, answer: Answer, count: int) -> list[Spanned]:
    """The spans of this answer's exchange, once there are so many, and none is left that waits."""
    ticket = str(answer.ticket_cbss)

    def of(spans: list[Spanned]) -> list[Spanned]:
        traces = {s.trace for s in spans if s.attributes.get("crossroads.ticket") == ticket}
        return [s for s in spans if s.trace in traces]

    spans = of(await asyncio.to_thread(collector.wait, lambda spans: len(of(spans)) >= count))
    assert len(spans) == count, sorted((s.service, s.name) for s in spans)
    return spans


def tree(spans: list[Spanned]) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Each span's parent, by service and name."""
    by_id = {s.span: s for s in spans}
    return {(s.service, s.name): (by_id[s.parent].service, by_id[s.parent].name) if s.parent else None for s in spans}


#: One service of one supplier, of a member: what stands under what.
ONE = {
    ("institution", "Permit/1 ask"): None,
    ("relay", "Permit/1 relay down"): ("institution", "Permit/1 ask"),
    ("relay", "Permit/1 ask"): ("relay", "Permit/1 relay down"),
    ("relay", "answer"): ("relay", "Permit/1 relay down"),
    ("hub", "Permit/1 exchange"): ("relay", "Permit/1 ask"),
    ("hub", "exchange"): ("hub", "Permit/1 exchange"),
    ("hub", "decision"): ("hub", "Permit/1 exchange"),
    ("hub", "repertory"): ("hub", "Permit/1 exchange"),
    ("hub", "journal_decision"): ("hub", "Permit/1 exchange"),
    ("hub", "suppliers"): ("hub", "Permit/1 exchange"),
    ("hub", "Permit/1 question"): ("hub", "suppliers"),
    ("institution", "Permit/1 answer"): ("hub", "Permit/1 question"),
    ("institution", "reply"): ("institution", "Permit/1 answer"),
    ("hub", "check"): ("hub", "Permit/1 exchange"),
    ("hub", "journal_outcome"): ("hub", "Permit/1 exchange"),
    ("hub", "answer"): ("hub", "Permit/1 exchange"),
}


async def test_an_exchange_of_a_member_is_one_trace_with_the_right_parents(
    world: World, pcsw: Sector, me: Institution, suppliers: Institution, collector: Collector
) -> None:
    ssin = await somebody(world, pcsw, "5-0")
    answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, **planted(ssin))
    assert ended(answer) == ("response", "DATA_FOUND", "MSG00000")
    spans = await whole(collector, answer, 18)  # the decision is made in three pieces
    assert tree(spans) == ONE
    kinds = {(s.service, s.name): s.kind for s in spans}
    assert kinds["hub", "Permit/1 exchange"] == kinds["institution", "Permit/1 answer"] == SERVER
    assert kinds["hub", "Permit/1 question"] == kinds["institution", "Permit/1 ask"] == CLIENT
    assert [s.error for s in spans if s.error] == []
    exchange = next(s for s in spans if s.name == "Permit/1 exchange")
    assert exchange.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "hub.in.17-0.online",
        "messaging.operation.type": "process",
        "crossroads.redelivered": False,
        "crossroads.service": PERMIT,
        "crossroads.sender": "17-0",
        "crossroads.ticket": str(answer.ticket_cbss),
        "crossroads.verdict": "DATA_FOUND",
        "crossroads.code": "MSG00000",
    }
    nothing_of(collector, ssin)


async def test_several_suppliers_and_a_relay_upward_are_in_the_same_trace(
    world: World, pcsw: Sector, funds: Sector, me: Institution, suppliers: Institution, collector: Collector
) -> None:
    ssin = await somebody(world, pcsw, "5-0", "18-1")
    await funds.knows(ssin, FUND_A)
    await funds.knows(ssin, FUND_B)  # which does not answer
    answer = await me.consult(PERMITS, ssin=ssin, legal_context=CONTEXT, **planted(ssin))
    assert answer.value == "DATA_FOUND" or answer.value == "INCOMPLETE_DATA"
    spans = await whole(collector, answer, 25)
    questions = {s.attributes["crossroads.supplier"]: s for s in spans if s.name == "Permits/1 question"}
    assert set(questions) == {"5-0", "18-0", FUND_A, FUND_B}
    up = next(s for s in spans if s.name == "Permits/1 relay up")
    assert up.parent == questions["18-0"].span
    assert questions[FUND_A].parent == questions[FUND_B].parent == up.span
    answers = {s.attributes["crossroads.supplier"]: s.parent for s in spans if s.name == "Permits/1 answer"}
    assert answers == {"5-0": questions["5-0"].span, FUND_A: questions[FUND_A].span}
    assert questions[FUND_B].error == "no queue" or questions[FUND_B].error == "no reply"
    nothing_of(collector, ssin)


async def test_two_exchanges_at_once_do_not_mix(
    world: World, pcsw: Sector, me: Institution, suppliers: Institution, collector: Collector
) -> None:
    persons = [await somebody(world, pcsw, "5-0") for _ in range(8)]
    answers = await asyncio.gather(*(me.consult(PERMIT, ssin=one, legal_context=CONTEXT) for one in persons))
    traces = set()
    for answer in answers:
        spans = await whole(collector, answer, 18)
        assert tree(spans) == ONE
        traces.add(spans[0].trace)
        assert {s.attributes["crossroads.ticket"] for s in spans if "crossroads.ticket" in s.attributes} == {
            str(answer.ticket_cbss)
        }
    assert len(traces) == len(persons)


async def test_a_fault_is_an_error_that_says_nothing(
    world: World, pcsw: Sector, me: Institution, suppliers: Institution, collector: Collector
) -> None:
    ssin = await somebody(world, pcsw, "5-0")
    FAILS.add(ssin)
    answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, **planted(ssin))
    assert (answer.kind, answer.code) == ("fault", "MSG00003")
    spans = await whole(collector, answer, 18)
    errors = {(s.service, s.name): s.error for s in spans if s.error is not None}
    assert errors == {
        ("institution", "Permit/1 ask"): "MSG00003",
        ("relay", "Permit/1 relay down"): "fault",
        ("relay", "Permit/1 ask"): "fault",
        ("hub", "Permit/1 exchange"): "MSG00003",
        ("hub", "Permit/1 question"): "fault",
        ("institution", "Permit/1 answer"): "fault",
    }
    nothing_of(collector, ssin)


async def test_a_mutation_its_words_and_their_taking_are_one_trace(
    world: World, pcsw: Sector, me: Institution, suppliers: Institution, tracing: Tracing, collector: Collector
) -> None:
    """Told by 5-0, of whose persons 17-0 is told, and of those its member; of a Z each tells how it went."""
    taken, heard = asyncio.Event(), asyncio.Event()
    member = world.institution(PCSW_B, tracing=tracing, inbox=MemoryInbox())

    async def take(_: Word) -> None:
        taken.set()

    async def hear(verdict: Verdict) -> None:
        if verdict.kind == "definitive":
            heard.set()

    member.receives("Claim/1")(take)
    suppliers.verdicts(hear)
    ssin = person()
    await world.integrate(ssin, "5-0")
    await world.integrate(ssin, "17-1")
    await pcsw.knows(ssin, PCSW_B)
    mutation = suppliers.mutation(
        "Claim/1",
        person=ssin,
        period=Period(date(2021, 1, 1), date(2022, 12, 31)),
        action="CHANGED",
        reference=f"{ssin.digits} {SURNAME}",
        legal_context=CONTEXT,
        ticket=planted(ssin)["ticket"],
    )
    async with member:
        await suppliers.publish(mutation)
        await asyncio.wait_for(taken.wait(), PATIENCE)
        await asyncio.wait_for(heard.wait(), PATIENCE)

    def linked(spans: list[Spanned]) -> list[Spanned]:
        """What comes later is a trace of its own."""
        tells = {s.trace for s in spans if s.name == "Claim/1 tell"}
        return [s for s in spans if tells & set(s.links)]

    def told(spans: list[Spanned]) -> list[Spanned]:
        tells = {s.trace for s in spans if s.name == "Claim/1 tell"}
        return [s for s in spans if s.trace in tells]

    # The verdict at 5-0; the member's answer at the relay.
    spans = await asyncio.to_thread(
        collector.wait,
        lambda all_: (
            len(linked(all_)) >= 2
            and {s.name for s in told(all_)} >= {"Claim/1 taking", "Claim/1 mutation", "Claim/1 tell"}
            and {s.parent for s in told(all_)} <= {"", *(s.span for s in told(all_))}
        ),
    )
    found = tree(told(spans))
    assert {name: parent for name, parent in found.items() if name[1].startswith("Claim/1")} == {
        ("institution", "Claim/1 tell"): None,
        ("hub", "Claim/1 mutation"): ("institution", "Claim/1 tell"),
        ("hub", "Claim/1 word"): ("hub", "suppliers"),
        ("relay", "Claim/1 taking"): ("hub", "Claim/1 word"),
        ("relay", "Claim/1 word"): ("relay", "Claim/1 taking"),
        ("institution", "Claim/1 taking"): ("relay", "Claim/1 word"),
    }
    assert found["hub", "suppliers"] == ("hub", "Claim/1 mutation")
    assert {(s.service, s.name) for s in linked(spans)} == {
        ("institution", "answer taking"),
        ("relay", "definitive answer"),
    }
    nothing_of(collector, ssin)


async def test_a_lot_is_linked_to_its_consultations_and_those_to_their_answers(
    world: World, pcsw: Sector, me: Institution, suppliers: Institution, collector: Collector
) -> None:
    persons = [await somebody(world, pcsw, "5-0") for _ in range(3)]
    answers = [answer async for answer in me.lot(PERMIT, persons, legal_context=CONTEXT, sequence=1)]
    assert [answer.value for answer in answers] == ["DATA_FOUND"] * 3

    def of(spans: list[Spanned], service: str, name: str) -> list[Spanned]:
        return [s for s in spans if (s.service, s.name) == (service, name)]

    def answered(spans: list[Spanned], service: str) -> list[Spanned]:
        """Answers of the hub's spans of this lot, taken; the member's are answers of the relay's own taking."""
        traces = {s.trace for s in of(spans, "hub", "Permit/1 lot")}
        if service == "institution":
            traces = {s.trace for s in answered(spans, "relay")}
        return [s for s in of(spans, service, "answer taking") if traces & set(s.links)]

    spans = await asyncio.to_thread(
        collector.wait,
        lambda all_: len(answered(all_, "institution")) == 3 and len(of(all_, "institution", "Permit/1 lot")) == 1,
    )
    [lot] = of(spans, "institution", "Permit/1 lot")
    assert lot.attributes["crossroads.count"] == 3
    down = [s for s in of(spans, "relay", "Permit/1 relay down") if s.links == (lot.trace,)]
    exchanges = of(spans, "hub", "Permit/1 lot")
    assert len(down) == len(exchanges) == 3
    assert {s.parent for s in (*down, *exchanges)} == {""}
    assert {s.links for s in exchanges} == {(s.trace,) for s in down}
    for ssin in persons:
        nothing_of(collector, ssin)


def nothing_of(collector: Collector, ssin: Ssin) -> None:
    """No text of any span has the person in it, and none has an event."""
    said = texts(collector.requests)
    assert len(said) > 50
    assert [text for text in said if ssin.digits in text or SURNAME in text] == []
    assert sum(s.events for s in collector.spans()) == 0
