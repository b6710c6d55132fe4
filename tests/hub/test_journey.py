"""Every row of the design's status table, over the broker."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from lxml import etree

from hub.journal.account import read
from hub.settings import Settings
from schemas.address import Address
from schemas.period import today
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.services import DEADLINE_MS
from tests.hub.star import (
    CUSTOMER,
    INACTIVE,
    MANAGING,
    ONE,
    PCSW_A,
    PCSW_B,
    PCSW_GONE,
    STRANGER,
    THREE,
    TWO,
    Question,
    Star,
    opened,
    stay_silent,
    until,
)

PCSW = Address(17, 1)


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as star:
        await star.hub()
        yield star


# --- one supplier -----------------------------------------------------------------------------------------------------


async def test_what_the_supplier_found_reaches_the_customer_without_what_it_may_not_see(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert told.names == ["of 5-0"]
    assert told.root.find("item/secret") is None
    assert told.filtered == ["item/secret"]
    assert await star.kinds(told) == ["decision", "outcome"]


async def test_the_journal_says_when_the_question_left_and_how_long_each_supplier_took(star):
    ssin = await star.known(ONE, TWO)
    go_on = asyncio.Event()

    async def wait(question: Question) -> None:
        await go_on.wait()
        await question.reply(question.response(("late", None)))

    star.script(TWO, ssin, wait)
    asked = asyncio.create_task(star.consult(ssin, service="Gather/1"))
    await until(lambda: star.questions(ONE, ssin) and star.questions(TWO, ssin))
    await asyncio.sleep(0.2)  # what the second takes longer
    go_on.set()
    told = await asked
    decision, outcome = await star.journal(told)
    assert outcome.suppliers == decision.suppliers == (ONE, TWO)
    assert decision.took_ms == ()
    first, second = outcome.took_ms
    assert first >= 0
    assert second >= 200
    assert decision.received <= outcome.asked <= outcome.replied
    refused = await star.journal(await star.consult(ssin, service="Gather/1", context="OTHER"))
    assert [(row.asked, row.suppliers, row.took_ms) for row in refused] == [(None, (), ())] * 2


async def test_the_supplier_gets_the_request_as_it_came_with_the_hubs_ticket(star):
    ssin = await star.known(ONE)
    body = star.request(ssin)
    told = await star.send(body)
    [question] = star.questions(ONE, ssin)
    before, after = question.delivery.body.split(b"<informationCBSS>")
    inserted, after = after.split(b"</informationCBSS>")
    assert before + after == body
    assert str(told.ticket_cbss).encode() in inserted
    given = question.delivery.properties
    assert given.user_id == names.HUB
    assert given.correlation_id == f"{told.ticket_cbss}/1"
    assert given.type == "Probe/1"
    assert given.headers["customer"] == "64-0"
    assert 0 < given.headers["deadline_ms"] <= DEADLINE_MS
    assert given.expiration_ms == given.headers["deadline_ms"]


async def test_the_answer_is_the_suppliers_bytes_but_for_what_the_hub_sets(star):
    ssin = await star.known(ONE)
    sent = {}

    async def answer(question: Question) -> None:
        sent["body"] = question.response(("with  spaces &amp; \u00e9", None))
        await question.reply(sent["body"])

    star.script(ONE, ssin, answer)
    told = await star.consult(ssin)
    moments = re.compile(rb"<informationCBSS>.*</informationCBSS>")
    assert moments.sub(b"", told.body) == moments.sub(b"", sent["body"])
    assert told.kind == "response"
    assert "filtered" not in told.properties.headers


async def test_a_response_without_place_for_filters_tells_them_in_a_header(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin, service="Plain/1")
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert told.root.find("item/secret") is None
    assert told.properties.headers["filtered"] == "item/secret"


@pytest.mark.parametrize(
    ("code", "value"), [("MSG00100", "NO_DATA_FOUND"), ("MSG00005", "NO_RESULT"), ("MSG00009", "NO_DATA_FOUND")]
)
async def test_a_suppliers_own_status_passes_through(star, code, value):
    ssin = await star.known(ONE)
    star.script(ONE, ssin, lambda question: question.reply(question.response(code=code)))
    told = await star.consult(ssin)
    assert told.said == (value, code)


async def test_a_suppliers_own_fault_passes_through(star):
    ssin = await star.known(ONE)

    async def fail(question: Question) -> None:
        head = etree.tostring(question.root.find("informationCustomer")).decode()
        cbss = etree.tostring(question.root.find("informationCBSS")).decode()
        namespace = etree.QName(question.root).namespace
        detail = "<severity>FATAL</severity><reasonCode>OWN1</reasonCode><diagnostic>x</diagnostic>"
        await question.reply(
            f'<r:fault xmlns:r="{namespace}">{head}{cbss}<detail>{detail}<authorCode>5-0</authorCode></detail>'
            "</r:fault>".encode()
        )

    star.script(ONE, ssin, fail)
    told = await star.consult(ssin)
    assert told.kind == "fault"
    assert told.said == (None, "OWN1")
    outcome = (await star.journal(told))[-1]
    assert (outcome.value, outcome.code) == ("fault", "other")


async def test_a_silent_supplier_is_told_within_four_seconds(star):
    ssin = await star.known(ONE)
    star.script(ONE, ssin, stay_silent)
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00010")
    assert told.seconds >= DEADLINE_MS / 1000
    outcome = (await star.journal(told))[-1]
    assert [str(s) for s in outcome.silent] == ["5-0"]
    assert (outcome.suppliers, outcome.took_ms) == ((ONE,), (None,))


async def test_a_supplier_without_a_queue_is_silent_at_once(star):
    ssin = await star.known(ONE)
    name = names.supplier_queue(ONE, "online", "Probe/1")
    async with star.admin() as channel:
        queue = await channel.get_queue(name, ensure=False)
        await queue.unbind(names.INSTITUTIONS, name)
        told = await star.consult(ssin)
        await queue.bind(names.INSTITUTIONS, name)
    assert told.said == (None, "CRB00010")
    assert told.seconds < DEADLINE_MS / 1000


async def test_a_late_answer_is_told_from_silence(star):
    ssin = await star.known(ONE)

    async def late(question: Question) -> None:
        await asyncio.sleep(question.delivery.properties.headers["deadline_ms"] / 1000 + 0.1)
        await question.reply(question.response(("late", None)))

    star.script(ONE, ssin, late)
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00011")


@pytest.mark.parametrize(
    "rubbish",
    [
        pytest.param(lambda body: b"rubbish", id="no XML"),
        pytest.param(lambda body: body.replace(b"<name>", b"<nom>").replace(b"</name>", b"</nom>"), id="invalid"),
        pytest.param(lambda body: b'<!DOCTYPE x>' + body.partition(b"?>")[2], id="DOCTYPE"),
        pytest.param(lambda body: body.replace(b":response", b":request"), id="another root"),
    ],
)  # fmt: skip
async def test_an_answer_that_its_schema_forbids_is_not_passed_on(star, rubbish):
    ssin = await star.known(ONE)
    star.script(ONE, ssin, lambda question: question.reply(rubbish(question.response(("x", None)))))
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00012")
    assert told.seconds < DEADLINE_MS / 1000


async def test_an_answer_about_another_person_is_not_passed_on(star):
    ssin, other = await star.known(ONE), await star.known(ONE)
    star.script(
        ONE,
        ssin,
        lambda question: question.reply(question.response().replace(ssin.digits.encode(), other.digits.encode())),
    )
    assert (await star.consult(ssin)).said == (None, "CRB00012")


async def test_an_answer_under_another_ticket_ends_as_silence(star):
    ssin = await star.known(ONE)
    star.script(
        ONE,
        ssin,
        lambda question: question.reply(
            re.sub(rb"<ticketCBSS>.{8}", b"<ticketCBSS>00000000", question.response(("x", None)))
        ),
    )
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00010")
    assert b'crossroads_replies_dropped_total{reason="wrong_ticket"} 1.0' in star.hubs[0].metrics.text()


async def test_an_institution_that_answers_in_anothers_place_is_not_heard(star):
    ssin = await star.known(ONE)
    star.script(ONE, ssin, lambda question: question.reply(question.response(("forged", None)), sender=TWO))
    before = star.hubs[0].asking.counts.wrong_sender
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00010")
    assert star.hubs[0].asking.counts.wrong_sender == before + 1


async def test_the_right_answer_counts_although_a_forged_one_came_first(star):
    ssin = await star.known(ONE)

    async def answer(question: Question) -> None:
        await question.reply(question.response(("forged", None)), sender=TWO)
        await question.reply(question.response(("right", None)))

    star.script(ONE, ssin, answer)
    assert (await star.consult(ssin)).names == ["right"]


# --- several suppliers ------------------------------------------------------------------------------------------------


async def test_several_suppliers_are_answered_as_one_in_the_order_of_their_addresses(star):
    ssin = await star.known(ONE, TWO, THREE)
    told = await star.consult(ssin, service="Gather/1")
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert told.names == ["of 5-0", "of 7-0", "of 16-0"]
    assert told.filtered == ["part/item/secret"]
    assert told.root.find("part/item/secret") is None


async def test_one_supplier_of_several_is_answered_in_the_same_form(star):
    ssin = await star.known(TWO)
    told = await star.consult(ssin, service="Gather/1")
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert len(told.root.findall("part")) == 1
    assert not star.questions(ONE, ssin)


async def test_of_several_the_silent_one_is_named_and_the_others_data_are_there(star):
    ssin = await star.known(ONE, TWO)
    star.script(TWO, ssin, stay_silent)
    told = await star.consult(ssin, service="Gather/1")
    assert told.said == ("INCOMPLETE_DATA", "HAN20200")
    assert told.information == [("silent", "7-0")]
    assert told.names == ["of 5-0"]
    assert DEADLINE_MS / 1000 <= told.seconds < 4
    outcome = (await star.journal(told))[-1]
    assert [ms is None for ms in outcome.took_ms] == [False, True]


async def test_of_several_an_invalid_one_counts_as_silent(star):
    ssin = await star.known(ONE, TWO)
    star.script(TWO, ssin, lambda question: question.reply(b"rubbish"))
    told = await star.consult(ssin, service="Gather/2")
    assert told.said == ("INCOMPLETE_DATA", "HAN20200")
    assert told.properties.headers["filtered"] == "part/item/secret"


async def test_all_silent_is_a_fault(star):
    ssin = await star.known(ONE, TWO)
    star.script(ONE, ssin, stay_silent)
    star.script(TWO, ssin, stay_silent)
    told = await star.consult(ssin, service="Gather/1")
    assert told.said == (None, "CRB00010")


async def test_none_of_several_has_data(star):
    ssin = await star.known(ONE, TWO)
    for supplier in (ONE, TWO):
        star.script(supplier, ssin, lambda question: question.reply(question.response(code="MSG00100")))
    assert (await star.consult(ssin, service="Gather/1")).said == ("NO_DATA_FOUND", "MSG00100")


@pytest.mark.parametrize(("service", "said", "names_"), [
    ("Gather/1", ("NO_DATA_FOUND", "MSG00009"), []),
    ("Gather/2", ("DATA_FOUND", "MSG00000"), ["of 5-0"]),
])  # fmt: skip
async def test_one_suppliers_word_that_the_person_died_stops_all_only_where_the_service_says_so(
    star, service, said, names_
):
    ssin = await star.known(ONE, TWO)
    star.script(TWO, ssin, lambda question: question.reply(question.response(code="MSG00009")))
    told = await star.consult(ssin, service=service)
    assert told.said == said
    assert told.names == names_


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_body_over_one_mebibyte(star):
    ssin = await star.known(ONE)
    told = await star.send(star.request(ssin) + b" " * (1 << 20))
    assert told.said == (None, "CRB00001")
    assert told.root.tag == "{urn:crossroads:v1}fault"


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("CRB00002", lambda body: b'<?xml version="1.0" encoding="ISO-8859-1"?>' + body),
        ("CRB00003", lambda body: body[:-5]),
        ("CRB00003", lambda body: b""),
        ("CRB00004", lambda body: b"<!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + body),
        ("CRB00004", lambda body: b"<a>" * 100 + body + b"</a>" * 100),
    ],
)
async def test_what_is_no_message(star, code, spoil):
    ssin = await star.known(ONE)
    assert (await star.send(spoil(star.request(ssin)))).said == (None, code)


async def test_an_inactive_sender(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin, sender=INACTIVE)
    assert told.said == (None, "CRB00006")
    assert told.root.find("informationCustomer") is not None


@pytest.mark.parametrize(
    ("sender", "customer", "code"),
    [
        (STRANGER, "<sector>64</sector><institution>0</institution>", "CRB00007"),
        (STRANGER, f"<cbeNumber>{PCSW_A}</cbeNumber>", "CRB00007"),
        (MANAGING, "<sector>17</sector><institution>1</institution>", "CRB00007"),
        (MANAGING, f"<cbeNumber>{PCSW_GONE}</cbeNumber>", "CRB00006"),
    ],
)
async def test_who_may_be_spoken_for(star, sender, customer, code):
    ssin = await star.known(ONE)
    assert (await star.consult(ssin, sender=sender, customer=customer)).said == (None, code)


async def test_an_unknown_service(star):
    ssin = await star.known(ONE)
    told = await star.send(star.request(ssin), type_="Nothing/1")
    assert told.said == (None, "CRB00008")
    told = await star.send(b"<unknown/>")
    assert told.said == (None, "CRB00008")


async def test_a_breach_of_the_schema_names_element_and_rule_and_never_the_value(star):
    told = await star.send(star.request("Jan Janssens"))
    assert told.said == (None, "MSG00008")
    assert told.root.tag == "{urn:test:Probe:v1}fault"
    assert "line" in dict(told.information)
    assert b"Janssens" not in told.body


async def test_each_breach_has_its_detail(star):
    ssin = await star.known(ONE)
    body = star.request(ssin, criteria="<wrong/>").replace(b"<sector>64<", b"<sector>x<")
    assert len((await star.send(body)).root.findall("detail")) == 2


async def test_a_wrong_check_number(star):
    ssin = await star.known(ONE)
    wrong = ssin.digits[:-2] + f"{(int(ssin.digits[-2:]) + 1) % 97:02d}"
    told = await star.consult(wrong)
    assert told.said == ("NO_RESULT", "MSG00011")
    assert told.root.findtext("criteria/ssin") == wrong


async def test_a_period_turned_round(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin, period=("2024-02-01", "2024-01-01"))
    assert told.said == ("NO_RESULT", "MSG00008")


async def test_no_authorisation_in_this_context(star):
    ssin = await star.known(ONE)
    assert (await star.consult(ssin, context="OTHER")).said == ("NO_RESULT", "MSG00013")
    assert not star.questions(ONE, ssin)


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        (None, "quality"),
        ((PCSW, 3, 9, date(2000, 1, 1), None), "quality"),
        ((PCSW, 902, 9, date(2000, 1, 1), None), "quality"),
        ((PCSW, 2, 1, date(2000, 1, 1), None), "phase"),
        ((PCSW, 2, 2, date(2000, 1, 1), date(2001, 1, 1)), "period"),
    ],
)
async def test_what_was_missing_of_the_customers_integration(star, row, missing):
    ssin = await star.person((ONE, 100), *([row] if row else []))
    told = await star.consult(ssin, sender=MANAGING, customer=f"<cbeNumber>{PCSW_A}</cbeNumber>")
    assert told.said == ("NO_RESULT", "MSG00012")
    assert told.information == [("missing", missing)]
    assert not star.questions(ONE, ssin)


async def test_a_relay_asks_for_its_member(star):
    ssin = await star.person((ONE, 100), (PCSW, 2, 2, date(2000, 1, 1), None))
    told = await star.consult(ssin, sender=MANAGING, customer=f"<cbeNumber>{PCSW_B}</cbeNumber>")
    assert told.said == ("DATA_FOUND", "MSG00000")
    [question] = star.questions(ONE, ssin)
    assert question.delivery.properties.headers["customer"] == f"17-1-{PCSW_B}"
    decision = (await star.journal(told))[0]
    assert (str(decision.sender), str(decision.customer)) == ("17-0", f"17-1-{PCSW_B}")
    assert (str(decision.authorisation), decision.quality) == ("pcsw v1", 2)


async def test_a_replaced_number_is_told_to_who_had_integrated_it_and_to_nobody_else(star):
    old, new = await star.known(ONE), await star.person()
    await star.replace(old, new)
    told = await star.consult(old)
    assert told.said == ("NO_RESULT", "MSG00006")
    assert told.information == [("newSSIN", new.digits)]
    stranger = await star.consult(old, sender=MANAGING, customer=f"<cbeNumber>{PCSW_A}</cbeNumber>")
    assert stranger.said == ("NO_RESULT", "MSG00012")


async def test_nobody_holds_the_person(star):
    ssin = await star.known()
    assert (await star.consult(ssin)).said == ("NO_DATA_FOUND", "MSG00021")


async def test_a_right_begins_and_ends_with_its_days(star):
    tomorrow = today() + timedelta(days=1)
    ssin = await star.person((ONE, 100), (CUSTOMER, 0, None, tomorrow, None))
    assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")
    assert (await star.consult(ssin, period=(str(tomorrow), str(tomorrow)))).said == ("DATA_FOUND", "MSG00000")


# --- tickets ----------------------------------------------------------------------------------------------------------


async def test_a_ticket_used_for_other_content_is_refused(star):
    ssin = await star.known(ONE)
    first = await star.consult(ssin, ticket="t-other")
    told = await star.consult(ssin, ticket="t-other", period=("2024-01-01", "2024-01-02"))
    assert told.said == (None, "CRB00009")
    assert told.ticket_cbss == first.ticket_cbss
    assert len(star.questions(ONE, ssin)) == 1
    assert await star.kinds(first) == ["decision", "outcome", "other"]


async def test_the_same_request_again_is_decided_once_and_told_again(star):
    ssin = await star.known(ONE)
    body = star.request(ssin)
    first, second = await star.send(body), await star.send(body)
    assert first.said == second.said == ("DATA_FOUND", "MSG00000")
    assert await star.kinds(first) == ["decision", "outcome", "resumed", "repeated"]


async def test_a_right_that_came_later_needs_a_new_ticket(star):
    ssin = await star.person((ONE, 100))
    body = star.request(ssin)
    assert (await star.send(body)).said == ("NO_RESULT", "MSG00012")
    await star.know(ssin, (CUSTOMER, 0))
    again = await star.send(body)
    assert again.said == ("NO_RESULT", "MSG00012")
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")


async def test_anothers_ticket_is_not_used_up(star):
    ssin = await star.person((ONE, 100), (CUSTOMER, 0), (PCSW, 2, 2, date(2000, 1, 1), None))
    own = await star.consult(ssin, ticket="t-shared")
    other = await star.consult(ssin, ticket="t-shared", sender=MANAGING, customer=f"<cbeNumber>{PCSW_A}</cbeNumber>")
    assert own.said == other.said == ("DATA_FOUND", "MSG00000")
    assert own.ticket_cbss != other.ticket_cbss


async def test_without_a_ticket_each_message_is_an_exchange(star):
    ssin = await star.known(ONE)
    body = star.request(ssin, ticket=None)
    first, second = await asyncio.gather(star.send(body), star.send(body))
    assert first.said == second.said == ("DATA_FOUND", "MSG00000")
    assert first.ticket_cbss != second.ticket_cbss


# --- when it breaks ---------------------------------------------------------------------------------------------------


async def test_a_bug_in_one_message_costs_that_message_alone(star, monkeypatch):
    ssin, well = await star.known(ONE), await star.known(ONE)
    persons = star.hubs[0].persons
    rows = persons.rows

    async def broken(asked: Ssin):
        if asked == ssin:
            raise KeyError(asked.digits)
        return await rows(asked)

    monkeypatch.setattr(persons, "rows", broken)
    told, other = await asyncio.gather(star.consult(ssin), star.consult(well))
    assert told.said == (None, "MSG00003")
    assert other.said == ("DATA_FOUND", "MSG00000")
    assert await star.kinds(told) == ["decision", "outcome"]
    line = next(line for line in star.log.getvalue().splitlines() if '"failed"' in line)
    assert '"exception": "KeyError"' in line
    assert str(told.ticket_cbss) in line


async def test_a_bug_behind_its_suppliers_answer_is_the_hubs_fault_in_the_journal_too(star, monkeypatch):
    ssin = await star.known(ONE)
    monkeypatch.setattr("hub.journey.verify", lambda *_: 1 // 0)
    told = await star.consult(ssin)
    monkeypatch.undo()
    assert told.said == (None, "MSG00003")
    connection = await star.connect()
    try:
        found = await read(connection, told.ticket_cbss)
    finally:
        await connection.close()
    assert found.times.fault == "hub"


async def test_a_bug_while_a_message_is_read_is_told_too(star, monkeypatch):
    ssin = await star.known(ONE)
    monkeypatch.setattr("hub.journey.read_head", lambda _: 1 // 0)
    told = await star.consult(ssin)
    monkeypatch.undo()
    assert told.said == (None, "MSG00003")
    assert await star.kinds(told) == ["decision", "outcome"]
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")


async def test_two_suppliers_for_a_service_of_one_are_the_hubs_mistake_and_none_is_asked(star, monkeypatch):
    ssin = await star.known(ONE, TWO)
    monkeypatch.setattr("hub.admission.find_suppliers", lambda *_: (ONE, TWO))
    assert (await star.consult(ssin)).said == (None, "MSG00003")
    assert not star.questions(ONE, ssin)


async def test_above_what_it_may_have_in_hand_the_hub_is_busy_and_keeps_no_ticket(star, monkeypatch):
    hub = star.hubs[0]
    ssin = await star.known(ONE)
    body = star.request(ssin)
    monkeypatch.setattr(hub.journey, "_settings", Settings.model_copy(hub.settings, update={"max_in_flight": 0}))
    told = await star.send(body)
    monkeypatch.undo()
    assert told.said == (None, "CRB00014")
    assert (await star.send(body)).said == ("DATA_FOUND", "MSG00000")
    assert await star.kinds(told) == ["busy", "decision", "outcome"]


async def test_a_request_without_time_left_is_not_forwarded(star, monkeypatch):
    hub = star.hubs[0]
    ssin = await star.known(ONE)
    monkeypatch.setattr(hub.journey, "_settings", Settings.model_copy(hub.settings, update={"least_ms": 10_000}))
    told = await star.consult(ssin)
    assert told.said == (None, "CRB00014")
    assert not star.questions(ONE, ssin)


# --- the whole --------------------------------------------------------------------------------------------------------


async def test_many_at_once_are_each_answered_once_and_journalled_once(star):
    persons = [await star.known(ONE) for _ in range(20)]
    told = await asyncio.gather(*(star.consult(ssin) for ssin in persons * 5))
    assert {one.said for one in told} == {("DATA_FOUND", "MSG00000")}
    assert len({one.ticket_cbss for one in told}) == 100
    for one in told[:10]:
        assert await star.kinds(one) == ["decision", "outcome"]
    await until(lambda: star.hubs[0].intake.in_flight == 0)
    assert await star.depth(names.ingress(CUSTOMER)) == 0


async def test_no_line_of_the_log_and_no_figure_holds_a_persons_number(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    lines = star.log.getvalue()
    assert str(told.ticket_cbss) in lines
    assert not re.search(r"(?<![0-9])850101[0-9]{5}(?![0-9])", lines)
    assert ssin.digits not in star.hubs[0].metrics.text().decode()
