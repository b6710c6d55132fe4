"""What the double can bring about that a real network cannot, at a word; and what it does by itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from lxml import etree

from institutions import (
    InvalidRequest,
    NoAnswer,
    NotOpen,
    OverLimit,
    Question,
    UnknownService,
    Unreachable,
    UnreadableAnswer,
    Word,
    receiving,
)
from institutions.double import HubDouble
from institutions.double.journey import Journey
from institutions.passage import Told
from institutions.report import Report
from schemas.catalogue import Catalogue
from schemas.period import Period
from schemas.ssin import Ssin, SsinError
from schemas.wire import names
from schemas.wire.transport import Properties
from tests.institutions.conformance.network import CONTEXT, SERVICES, canonical, ended, permit, person
from tests.institutions.patience import until

PERMIT, PERMITS = "Permit/1", "Permits/1"


@pytest.fixture
async def hub() -> AsyncIterator[HubDouble]:
    async with HubDouble(catalogue=Catalogue([SERVICES]), deadline=0.2) as found:
        yield found


async def test_told_nothing_everybody_may_ask_everything(hub: HubDouble) -> None:
    async with hub.institution("7-0") as me, hub.institution("5-0") as fund:

        @fund.supplies(PERMIT)
        def answer(question: Question) -> etree._Element:
            return permit("P-1")

        assert (await me.consult(PERMIT, ssin=person(), legal_context="ANY")).found


async def test_a_programmed_answer_of_one_person_and_of_anybody(hub: HubDouble) -> None:
    one = person()
    hub.answer(PERMIT, one, permit("his"))
    hub.answer(PERMIT, None, b"<permit><number>anybody's</number></permit>")
    async with hub.institution("7-0") as me:
        his = await me.consult(PERMIT, ssin=one, legal_context=CONTEXT)
        other = await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
    assert [canonical(element) for element in his.data] == [canonical(permit("his"))]
    assert other.data[0].findtext("number") == "anybody's"


async def test_a_programmed_answer_of_several_suppliers_is_one_part(hub: HubDouble) -> None:
    hub.answer(PERMITS, None, [permit("1"), permit("2")])
    async with hub.institution("7-0") as me:
        answer = await me.consult(PERMITS, ssin=person(), legal_context=CONTEXT)
    assert answer.found
    assert len(answer.parts) == 1
    assert [element.findtext("number") for element in answer.data] == ["1", "2"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("MSG00012", ("response", "NO_RESULT", "MSG00012")),
        ("MSG00100", ("response", "NO_DATA_FOUND", "MSG00100")),
        ("CRB00014", ("fault", None, "CRB00014")),
    ],
)
async def test_a_programmed_refusal(hub: HubDouble, code: str, expected: tuple[str, str | None, str]) -> None:
    hub.refuse(PERMIT, None, code, (("missing", "period"),))
    async with hub.institution("7-0") as me:
        answer = await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
    assert ended(answer) == expected
    assert answer.information == (("missing", "period"),)


async def test_a_programmed_silence_ends_at_the_deadline(hub: HubDouble) -> None:
    hub.silent(PERMIT)
    async with hub.institution("7-0") as me:
        answer = await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
    assert ended(answer) == ("fault", None, "CRB00010")
    assert answer.ms < 1_000


async def test_a_full_queue_is_over_limit(hub: HubDouble) -> None:
    hub.answer(PERMIT, None, permit("P-1"))
    async with hub.institution("7-0") as me:
        hub.refuse_publishes(1_000)
        with pytest.raises(OverLimit, match="rate") as raised:
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, ticket="mine")
        assert raised.value.ticket == "mine"
        hub.refuse_publishes(3)  # for a moment
        assert (await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)).found


async def test_an_unconfirmed_publish_is_sent_again_under_the_same_ticket(hub: HubDouble) -> None:
    hub.answer(PERMIT, None, permit("P-1"))
    async with hub.institution("7-0") as me:
        hub.unconfirm_publishes(2)
        answer = await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
    assert answer.found
    assert set(hub.asked) == {PERMIT}


async def test_a_second_delivery_of_an_answer_is_counted_and_dropped(hub: HubDouble) -> None:
    hub.answer(PERMIT, None, permit("P-1"))
    async with hub.institution("7-0") as me:
        hub.answer_twice()
        assert (await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)).found
        await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
        assert me.metrics.value("crossroads_answers_dropped", institution="7-0", reason="second_answer") == 1


async def test_only_the_hub_s_answers_count(hub: HubDouble) -> None:
    hub.silent(PERMIT)
    async with hub.institution("7-0") as me:
        hub.answer_as("5-0", b"<forged/>", Properties(correlation_id="any"), me)
        consulting = asyncio.create_task(me.consult(PERMIT, ssin=person(), legal_context=CONTEXT))
        assert (await consulting).code == "CRB00010"


async def test_an_answer_that_is_none_is_said_to_be_unreadable(hub: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nonsense(*_: object) -> Told:
        return Told(b"<nonsense/>")

    monkeypatch.setattr(Journey, "walk", nonsense)
    async with hub.institution("7-0") as me:
        with pytest.raises(UnreadableAnswer):
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)


async def test_no_answer_names_the_ticket_to_ask_again_with(hub: HubDouble) -> None:
    hub.silent(PERMIT)
    async with hub.institution("7-0") as me:
        with pytest.raises(NoAnswer, match="ask again with ticket") as raised:
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, timeout=0.05)
        hub.answer(PERMIT, None, permit("P-1"))
        ticket = raised.value.ticket
        answer = await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, ticket=ticket)
    assert answer.ticket == ticket


async def test_a_broker_that_is_down_is_unreachable(hub: HubDouble) -> None:
    hub.go_down()
    me = hub.institution("7-0", timeout=0.2)
    with pytest.raises(Unreachable):
        async with me:
            pass
    hub.go_down(down=False)
    async with me:
        assert me.connected


async def test_what_the_caller_got_wrong_is_told_before_anything_is_sent(hub: HubDouble) -> None:
    async with hub.institution("7-0") as me:
        with pytest.raises(UnknownService, match="Permit/1, Permits/1"):
            await me.consult("Permit/2", ssin=person(), legal_context=CONTEXT)
        with pytest.raises(InvalidRequest, match="ticket") as raised:
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, ticket="t" * 37)
        with pytest.raises(SsinError):
            await me.consult(PERMIT, ssin="123", legal_context=CONTEXT)
        with pytest.raises(InvalidRequest):
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, criteria={"criteria/size": 10})
    assert raised.value.violations[0].path.endswith("informationCustomer/ticket")
    assert hub.asked == ()
    with pytest.raises(NotOpen):
        await me.send(b"<x/>")


async def test_strictness_is_what_was_said_and_no_more(hub: HubDouble) -> None:
    ssin, stranger = person(), person()
    hub.answer(PERMIT, None, permit("P-1"))
    hub.integrate(ssin, "7-0", quality=101, begin=date(2020, 1, 1), end=date(2020, 12, 31))
    async with hub.institution("7-0") as me:
        period = Period(date(2020, 3, 1), date(2020, 3, 31))
        known = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, period=period)
        today = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
        unknown = await me.consult(PERMIT, ssin=stranger, legal_context=CONTEXT)
        hub.authorise("7-0", PERMIT, "ANOTHER", qualities=[101])
        context = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, period=period)
    assert [known.code, today.code, unknown.code, context.code] == ["MSG00000", "MSG00012", "MSG00012", "MSG00013"]


async def test_a_question_of_another_than_the_hub_is_dropped(hub: HubDouble) -> None:
    asked: list[Ssin] = []
    async with hub.institution("5-0") as fund:

        @fund.supplies(PERMIT)
        def answer(question: Question) -> None:
            asked.append(question.ssin)

        assert await fund.supplying()
        hub.put_question(PERMIT, "5-0", b"<forged/>", Properties(user_id="7-0", correlation_id="x", reply_to="y"))
        hub.put_question(PERMIT, "5-0", b"<broken", Properties(user_id="hub", correlation_id="z", reply_to="y"))
        async with hub.institution("7-0") as me:
            await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT)
        assert fund.metrics.value("crossroads_dropped_total", institution="5-0", reason="wrong_sender") == 1
    assert len(asked) == 1


async def test_a_word_of_another_than_the_hub_or_that_breaks_its_schema_is_dropped(hub: HubDouble) -> None:
    heard: list[str] = []
    queue = names.mutations("5-0")
    async with hub.institution("5-0") as fund:

        @fund.receives("Notice/1")
        def notice(word: Word) -> None:
            heard.append(word.id)

        assert await fund.supplying()
        for user, body in (("7-0", b"<forged/>"), ("hub", b"<broken"), ("hub", b"<other/>")):
            properties = Properties(user_id=user, correlation_id="wrong", type="Notice/1")
            hub._broker.deliver(queue, body, properties)
        right = hub.tell("5-0", "Notice/1", person(), {"criteria/said": "x"})
        await until(lambda: heard)
    assert heard == [str(right)]
    assert fund.metrics.value("crossroads_words_total", institution="5-0", service="Notice/1", result="dropped") == 3


async def test_a_word_that_nobody_receives_waits_until_somebody_does(
    hub: HubDouble, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receiving, "AGAIN", 0.01)
    heard: list[str] = []
    async with hub.institution("5-0") as fund:
        fund.receives("Notice/1")(lambda word: heard.append("notice"))
        assert await fund.supplying()
        body = b"<whatever/>"
        hub._broker.deliver(names.mutations("5-0"), body, Properties(user_id="hub", correlation_id="x", type="New/1"))
        hub.tell("5-0", "Notice/1", person(), {"criteria/said": "behind it"})
        await until(lambda: "nobody receives" in caplog.text)
        assert heard == []
        assert fund.metrics.value("crossroads_words_total", institution="5-0", service="unknown", result="nobody") == 1


async def test_who_is_reported_to_may_fail_and_no_word_is_lost(hub: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "AGAIN", 0.01)
    tries: list[str] = []

    def failing(report: Report) -> None:
        raise RuntimeError(report.what)

    fund = hub.institution("5-0")
    monkeypatch.setattr(fund, "_report", failing)

    @fund.receives("Notice/1")
    def notice(word: Word) -> None:
        tries.append(word.id)
        if len(tries) < 3:
            raise OSError

    async with fund:
        assert await fund.supplying()
        right = hub.tell("5-0", "Notice/1", person(), {"criteria/said": "x"})
        await until(lambda: len(tries) == 3)
    assert set(tries) == {str(right)}


async def test_two_suppliers_of_one_service_in_one_institution_are_a_mistake(hub: HubDouble) -> None:
    async with hub.institution("5-0") as fund:
        fund.supplies(PERMIT)(lambda question: None)
        with pytest.raises(ValueError, match="one function a service"):
            fund.supplies(PERMIT)(lambda question: None)


async def test_no_number_stands_in_what_is_printed_or_logged(hub: HubDouble, caplog: pytest.LogCaptureFixture) -> None:
    ssin = person()
    seen: list[str] = []
    async with hub.institution("7-0") as me, hub.institution("5-0") as fund:

        @fund.supplies(PERMIT)
        def answer(question: Question) -> etree._Element:
            seen.append(repr(question) + str(question.ssin))
            raise ValueError(question.ssin.digits)

        answered = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
        with pytest.raises(NoAnswer) as raised:
            await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, timeout=0.0001)
    everything = "".join([*seen, repr(answered), repr(me), str(raised.value), caplog.text])
    assert "ValueError at test_double.py" in caplog.text
    assert ssin.digits not in everything
