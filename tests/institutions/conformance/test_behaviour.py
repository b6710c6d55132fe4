"""What an institution may rely on, of the double and of the real hub alike."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from uuid import uuid4

import pytest
from lxml import etree

from institutions import Deceased, Institution, InvalidData, Question, UnknownSsin, Word, receiving
from institutions.question import Supplier
from institutions.word import Receiver
from schemas.address import Address
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from tests.institutions.conformance.network import (
    CONTEXT,
    CUSTOMER,
    SECOND,
    STRANGER,
    SUPPLIER,
    Network,
    canonical,
    ended,
    known,
    permit,
    person,
)
from tests.institutions.patience import until

PERMIT, PERMITS = "Permit/1", "Permits/1"


@asynccontextmanager
async def supplying(
    network: Network, supplier: Supplier, address: str = SUPPLIER, service: str = PERMIT
) -> AsyncIterator[Institution]:
    """An institution whose questions `supplier` answers."""
    institution = network.institution(address)
    institution.supplies(service)(supplier)
    async with institution:
        assert await institution.supplying()
        yield institution


async def one_permit(question: Question) -> list[etree._Element]:
    return [permit("P-1")]


async def no_permit(question: Question) -> None:
    return None


async def test_data_come_as_the_supplier_gave_them(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    async with supplying(network, one_permit), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, ticket="a ticket of ours")
    assert ended(answer) == ("response", "DATA_FOUND", "MSG00000")
    assert answer.found
    assert [canonical(element) for element in answer.data] == [canonical(permit("P-1"))]
    assert answer.ticket == "a ticket of ours"
    assert answer.ticket_cbss == ticket_cbss(Address.parse(CUSTOMER), "a ticket of ours")
    assert answer.ms > 0


async def test_a_question_says_who_asks_about_whom_when_and_until_when(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    period = Period(date(2021, 1, 1), date(2021, 12, 31))
    asked: list[Question] = []

    async def supplier(question: Question) -> None:
        asked.append(question)

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(
            PERMIT, ssin=ssin, legal_context=CONTEXT, period=period, criteria={"criteria/colour": "red"}
        )
    (question,) = asked
    assert (question.ssin, question.period) == (ssin, period)
    assert (question.customer, question.legal_context) == (Address.parse(CUSTOMER), CONTEXT)
    assert question.root.findtext("criteria/colour") == "red"
    assert question.ticket_cbss == answer.ticket_cbss
    assert question.left + 1.5 > 0
    assert ssin.digits not in repr(question) + repr(answer)


async def test_no_data_at_the_supplier(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    async with supplying(network, no_permit), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_DATA_FOUND", "MSG00100")
    assert answer.data == ()


async def test_a_plain_function_supplies_too(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    def plain(question: Question) -> etree._Element:
        return permit(question.ssin.digits[:2])

    async with supplying(network, plain), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert answer.data[0].findtext("number") == "60"


async def test_the_supplier_does_not_know_the_number(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> None:
        raise UnknownSsin

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_RESULT", "MSG00005")


async def test_the_supplier_says_that_the_person_died(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> None:
        raise Deceased(date(2019, 5, 1))

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_DATA_FOUND", "MSG00009")
    assert ("deceaseDate", "2019-05-01") in answer.information


async def test_the_supplier_says_that_what_is_asked_cannot_be(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> None:
        raise InvalidData("a colour")

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_RESULT", "MSG00008")
    assert answer.information == (("expected", "a colour"),)


async def test_a_supplier_that_fails_is_told_as_a_fault(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> None:
        raise KeyError(question.ssin.digits)

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("fault", None, "MSG00003")
    assert ssin.digits.encode() not in answer.xml


async def test_data_that_break_the_schema_are_told_as_a_fault(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> list[etree._Element]:
        return [question.element("permit", question.element("owner", "somebody"))]

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("fault", None, "MSG00003")


async def test_who_did_not_integrate_the_person_is_told_what_was_missing(network: Network) -> None:
    async with supplying(network, one_permit), network.institution(CUSTOMER) as me:
        quality = await me.consult(PERMIT, ssin=await known(network, SUPPLIER), legal_context=CONTEXT)
        past = person()
        await network.integrate(past, SUPPLIER)
        await network.integrate(past, CUSTOMER, begin=date(2001, 1, 1), end=date(2001, 12, 31))
        period = await me.consult(PERMIT, ssin=past, legal_context=CONTEXT)
    assert ended(quality) == ended(period) == ("response", "NO_RESULT", "MSG00012")
    assert ("missing", "quality") in quality.information
    assert ("missing", "period") in period.information


async def test_who_is_not_authorised_is_refused(network: Network) -> None:
    ssin = await known(network, CUSTOMER, STRANGER, SUPPLIER)
    async with network.institution(CUSTOMER) as me, network.institution(STRANGER) as stranger:
        context = await me.consult(PERMIT, ssin=ssin, legal_context="TEST:CURIOSITY")
        nobody = await stranger.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(context) == ended(nobody) == ("response", "NO_RESULT", "MSG00013")


async def test_no_supplier_has_integrated_the_person(network: Network) -> None:
    ssin = await known(network, CUSTOMER)
    async with supplying(network, one_permit), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_DATA_FOUND", "MSG00021")


async def test_a_replaced_number_is_answered_with_the_new_one(network: Network) -> None:
    old, new = await known(network, SUPPLIER), await known(network, CUSTOMER)
    await network.integrate(old, "0-0", replaced_by=new)
    async with network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=old, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_RESULT", "MSG00006")
    assert answer.information == (("newSSIN", new.digits),)
    assert new.digits not in repr(answer)


async def test_a_wrong_check_number(network: Network) -> None:
    digits = person().digits
    wrong = Ssin.unchecked(digits[:9] + f"{(int(digits[9:]) + 1) % 97:02d}")
    async with network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=wrong, legal_context=CONTEXT)
    assert ended(answer) == ("response", "NO_RESULT", "MSG00011")


def request(
    ssin: Ssin,
    *,
    ticket: str | None = None,
    customer: str = "<sector>17</sector><institution>0</institution>",
    criteria: str = "",
    root: str = "permitRequest",
) -> bytes:
    """A request of Permit/1 in bytes."""
    return (
        f'<p:{root} xmlns:p="urn:crossroads:test:permit:v1"><informationCustomer><ticket>{ticket or uuid4()}</ticket>'
        f"<customerIdentification>{customer}</customerIdentification></informationCustomer>"
        f"<legalContext>{CONTEXT}</legalContext><criteria><ssin>{ssin.digits}</ssin>{criteria}</criteria></p:{root}>"
    ).encode()


async def test_what_breaks_the_schema_is_told_with_line_path_and_reason(network: Network) -> None:
    ssin = person()
    async with network.institution(CUSTOMER) as me:
        answer = await me.send(request(ssin, criteria="<size>10</size>"))
    assert ended(answer) == ("fault", None, "MSG00008")
    assert dict(answer.information)["path"] == "/permitRequest/criteria/size"
    assert ssin.digits.encode() not in answer.xml


async def test_a_period_turned_round(network: Network) -> None:
    backwards = "<period><beginDate>2020-01-02</beginDate><endDate>2020-01-01</endDate></period>"
    async with network.institution(CUSTOMER) as me:
        answer = await me.send(request(person(), criteria=backwards))
    assert ended(answer) == ("response", "NO_RESULT", "MSG00008")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<not-xml", "CRB00003"),
        (b"<!DOCTYPE x><x/>", "CRB00004"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><x/>', "CRB00002"),
        (b"<x>" + b" " * 1_048_576 + b"</x>", "CRB00001"),
        (b"<x/>", "CRB00008"),
    ],
)  # fmt: skip
async def test_what_is_no_request_gets_its_fault(network: Network, body: bytes, code: str) -> None:
    async with network.institution(CUSTOMER) as me:
        answer = await me.send(body)
    assert ended(answer) == ("fault", None, code)


async def test_nobody_speaks_for_another(network: Network) -> None:
    async with network.institution(CUSTOMER) as me:
        answer = await me.send(request(person(), customer="<sector>5</sector><institution>0</institution>"))
    assert ended(answer) == ("fault", None, "CRB00007")


async def test_a_ticket_is_not_used_again_for_other_content(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    async with supplying(network, one_permit), network.institution(CUSTOMER) as me:
        first = await me.send(request(ssin, ticket=f"twice {ssin.number}"))
        other = request(ssin, ticket=f"twice {ssin.number}", criteria="<colour>blue</colour>")
        second = await me.send(other)
    assert ended(first) == ("response", "DATA_FOUND", "MSG00000")
    assert ended(second) == ("fault", None, "CRB00009")


async def test_a_refusal_uses_up_its_ticket_too(network: Network) -> None:
    ssin, ticket = await known(network, SUPPLIER), str(uuid4())
    async with network.institution(CUSTOMER) as me:
        refused = await me.send(request(ssin, ticket=ticket))
        again = await me.send(request(ssin, ticket=ticket))
        invalid = await me.send(request(ssin, ticket=ticket, criteria="<size/>"))
        await network.integrate(ssin, CUSTOMER)
        other = await me.send(request(ssin, ticket=ticket, criteria="<colour>blue</colour>"))
    assert refused.code == again.code == "MSG00012"
    assert invalid.code == "MSG00008"
    assert other.code == "CRB00009"


async def test_the_same_ticket_again_is_the_same_exchange_and_asks_no_supplier_twice(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    asked = 0

    async def supplier(question: Question) -> list[etree._Element]:
        nonlocal asked
        asked += 1
        return [permit(f"P-{asked}")]

    body = request(ssin, ticket=f"again {ssin.number}")
    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        first, second = await me.send(body), await me.send(body)
    assert first.ticket_cbss == second.ticket_cbss
    assert [canonical(e) for e in first.data] == [canonical(e) for e in second.data]
    assert asked == 1


async def test_a_silent_supplier(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> None:
        await asyncio.sleep(60)

    began = time.monotonic()
    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
        assert time.monotonic() - began < 4
    assert ended(answer) == ("fault", None, "CRB00010")


async def test_a_late_answer_is_told_from_silence(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)

    async def supplier(question: Question) -> etree._Element:
        await asyncio.sleep(question.left + 0.1)
        return permit("P-1")

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("fault", None, "CRB00011")


async def test_many_at_once_get_each_their_own_answer(network: Network) -> None:
    people = [await known(network, CUSTOMER, SUPPLIER) for _ in range(50)]

    async def supplier(question: Question) -> etree._Element:
        await asyncio.sleep(0.02)
        return permit(question.ssin.digits)

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        answers = await asyncio.gather(*(me.consult(PERMIT, ssin=p, legal_context=CONTEXT) for p in people))
    assert [a.data[0].findtext("number") for a in answers] == [p.digits for p in people]


async def test_several_suppliers_are_one_answer_with_a_part_each(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER, SECOND)
    async with (
        supplying(network, one_permit, SECOND, PERMITS),
        supplying(network, no_permit, SUPPLIER, PERMITS),
        network.institution(CUSTOMER) as me,
    ):
        answer = await me.consult(PERMITS, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "DATA_FOUND", "MSG00000")
    told = [(str(part.address), part.value, part.code) for part in answer.parts]
    assert told == [(SUPPLIER, "NO_DATA_FOUND", "MSG00100"), (SECOND, "DATA_FOUND", "MSG00000")]
    assert [canonical(element) for element in answer.data] == [canonical(permit("P-1"))]


async def test_a_part_that_is_missing_makes_the_answer_incomplete(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER, SECOND)

    async def slow(question: Question) -> None:
        await asyncio.sleep(60)

    async with (
        supplying(network, one_permit, SUPPLIER, PERMITS),
        supplying(network, slow, SECOND, PERMITS),
        network.institution(CUSTOMER) as me,
    ):
        answer = await me.consult(PERMITS, ssin=ssin, legal_context=CONTEXT)
    assert ended(answer) == ("response", "INCOMPLETE_DATA", "HAN20200")
    assert ("silent", SECOND) in answer.information
    assert not answer.found
    assert len(answer.data) == 1


async def test_two_services_registered_before_entering_are_both_supplied(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    institution = network.institution(SUPPLIER)
    for service in (PERMIT, PERMITS):
        institution.supplies(service)(one_permit)
    async with institution, network.institution(CUSTOMER) as me:
        assert await institution.supplying()
        answers = [await me.consult(service, ssin=ssin, legal_context=CONTEXT) for service in (PERMIT, PERMITS)]
    assert [answer.code for answer in answers] == ["MSG00000", "MSG00000"]


async def test_a_stop_finishes_what_runs(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    working = asyncio.Event()

    async def supplier(question: Question) -> etree._Element:
        working.set()
        await asyncio.sleep(0.2)
        return permit("P-1")

    async with network.institution(CUSTOMER) as me:
        async with supplying(network, supplier):
            consulting = asyncio.create_task(me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT))
            await asyncio.wait_for(working.wait(), 5)
        answer = await consulting
    assert answer.found


async def test_a_supplier_whose_connection_drops_answers_once(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    asked, working = 0, asyncio.Event()

    async def supplier(question: Question) -> etree._Element:
        nonlocal asked
        asked += 1
        working.set()
        await asyncio.sleep(0.2)
        return permit("P-1")

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        consulting = asyncio.create_task(me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT))
        await asyncio.wait_for(working.wait(), 5)
        await network.cut(SUPPLIER)
        answer = await consulting
    assert answer.found
    assert asked == 1


async def test_an_asker_whose_connection_drops_gets_its_one_answer(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    asked, working = 0, asyncio.Event()

    async def supplier(question: Question) -> etree._Element:
        nonlocal asked
        asked += 1
        working.set()
        await asyncio.sleep(0.1)
        return permit("P-1")

    async with supplying(network, supplier), network.institution(CUSTOMER) as me:
        consulting = asyncio.create_task(me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT))
        await asyncio.wait_for(working.wait(), 5)
        await network.cut(CUSTOMER)
        answer = await consulting
        assert me.metrics.value("crossroads_asked_again_total", institution=CUSTOMER) >= 1
    assert answer.found
    assert asked == 1


async def test_a_decorator_within_the_context_supplies_at_once(network: Network) -> None:
    ssin = await known(network, CUSTOMER, SUPPLIER)
    async with network.institution(SUPPLIER) as it, network.institution(CUSTOMER) as me:

        @it.supplies(PERMIT)
        async def supplier(question: Question) -> etree._Element:
            return permit("P-1")

        assert await it.supplying()
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
    assert answer.found


# --- what it is told unasked ------------------------------------------------------------------------------------------

NOTICE = "Notice/1"


class Heard:
    """A receiver: what it was told, and a word at which it fails as often as wanted."""

    def __init__(self, fails: str = "", times: int = 0) -> None:
        self.said: list[str | None] = []
        self.words: list[Word] = []
        self._fails, self.times = fails, times

    async def __call__(self, word: Word) -> None:
        said = word.text("criteria/said")
        if said == self._fails and self.times:
            self.times -= 1
            raise OSError(word.ssin.digits)
        self.words.append(word)
        self.said.append(said)

    async def until(self, *said: str) -> None:
        """Return when these were told, in this order, and nothing else."""
        await until(lambda: len(self.said) >= len(said))
        assert self.said == list(said)


@asynccontextmanager
async def told(network: Network, receiver: Receiver) -> AsyncIterator[Institution]:
    institution = network.institution(SUPPLIER)
    institution.receives(NOTICE)(receiver)
    async with institution:
        assert await institution.supplying()
        yield institution


async def test_words_come_one_by_one_in_the_order_in_which_they_were_told(network: Network) -> None:
    heard, ssin = Heard(), person()
    async with told(network, heard) as me:
        first = await network.tell(SUPPLIER, ssin, "first")
        await network.tell(SUPPLIER, person(), "second")
        await network.tell(SUPPLIER, ssin, "third")
        await heard.until("first", "second", "third")
    assert me.metrics.value("crossroads_words_total", institution=SUPPLIER, service=NOTICE, result="taken") == 3
    word = heard.words[0]
    assert (word.service.type, word.recipient, word.ssin) == (NOTICE, Address.parse(SUPPLIER), ssin)
    assert (word.id, word.ticket_cbss, word.day("criteria/on")) == (str(first), first, date(2026, 1, 31))
    assert ssin.digits not in repr(word)


async def test_the_same_word_again_is_taken_once(network: Network) -> None:
    heard = Heard()
    async with told(network, heard):
        word_id = await network.tell(SUPPLIER, person(), "once")
        await network.tell(SUPPLIER, person(), "once", word_id=word_id)
        await network.tell(SUPPLIER, person(), "next")
        await heard.until("once", "next")


async def test_a_word_at_which_the_receiver_fails_comes_again_and_the_next_ones_wait(
    network: Network, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receiving, "AGAIN", 0.01)
    heard, ssin = Heard(fails="hard", times=2), person()
    async with told(network, heard):
        await network.tell(SUPPLIER, ssin, "hard")
        await network.tell(SUPPLIER, ssin, "later")
        await heard.until("hard", "later")
    assert caplog.text.count(f"not taken: {NOTICE} at {SUPPLIER}") == 2
    assert ssin.digits not in caplog.text


async def test_what_was_not_taken_when_it_ends_comes_to_its_successor(network: Network) -> None:
    failing = Heard(fails="kept", times=99)
    async with told(network, failing):
        word_id = await network.tell(SUPPLIER, person(), "kept")
        await until(lambda: failing.times < 99)
    heard = Heard()
    async with told(network, heard):
        await heard.until("kept")
    assert heard.words[0].id == str(word_id)
    assert failing.said == []


async def test_a_connection_that_drops_loses_no_word_and_brings_none_twice(network: Network) -> None:
    heard, begun, go_on = Heard(), asyncio.Event(), asyncio.Event()

    async def slow(word: Word) -> None:
        begun.set()
        await go_on.wait()
        await heard(word)

    async with told(network, slow):
        await network.tell(SUPPLIER, person(), "during")
        await network.tell(SUPPLIER, person(), "behind it")
        await begun.wait()
        await network.cut(SUPPLIER)
        go_on.set()
        await heard.until("during", "behind it")
        await network.tell(SUPPLIER, person(), "after")
        await heard.until("during", "behind it", "after")


async def test_a_plain_function_receives_too(network: Network) -> None:
    said: list[str | None] = []
    async with told(network, lambda word: said.append(word.text("criteria/said"))):
        await network.tell(SUPPLIER, person(), "plainly")
        await until(lambda: said)
    assert said == ["plainly"]


async def test_what_is_asked_is_not_received(network: Network) -> None:
    async with network.institution(SUPPLIER) as me:
        with pytest.raises(ValueError, match="use supplies"):
            me.receives(PERMIT)(Heard())
