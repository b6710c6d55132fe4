"""The SSDN envelope over the broker: what real clients send is answered as the field answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

import pytest
from lxml import etree

from hub.repertory.persons import person
from schemas import answers
from schemas.address import Address
from schemas.codes import CODES
from schemas.ssdn.envelope import grammar
from schemas.ssdn.reasons import REASONS
from schemas.ticket import NAMESPACE as TICKETS
from schemas.ticket import ticket_cbss
from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine
from schemas.wire.direct import DirectAnswer, DirectAsker
from schemas.wire.transport import Properties
from tests.hub.controls import paused
from tests.hub.integrations import MORE_RULES, NATIONAL_REGISTER, element, identify, members, nobody
from tests.hub.star import CUSTOMER, INACTIVE, MANAGING, ONE, PATIENCE, PCSW_A, THREE, TWO, Question, Star, opened
from tests.schemas.ssdn import (
    NAMES,
    PROOF,
    USER,
    consult,
    context,
    envelope,
    manage,
    phonetic,
    replies,
    service,
    summary,
    text,
)
from tests.schemas.ssdn import identify as identifying

PCSA, REFERENCES = "PCSA:SOCIAL_INQUIRY", "REFERENCE_REPERTORY"
OK, MSG00012, MSG00013 = ("YES", "0", []), REASONS["MSG00012"], REASONS["MSG00013"]
_SERVICES = ("RegisterIntegration/1", "UnregisterIntegration/1", "ListIntegrations/1")
_RULES = (
    MORE_RULES
    + "".join(
        f'[[availability]]\nservice = "SearchPerson/1"\naddress = "{address}"\neverybody = true\n'
        for address in ("0-0", "16-0")
    )
    + "".join(
        f'[[authorisation]]\nid = "ssdn-{n}"\ncustomer = "{customer}"\nlegal_context = "{legal_context}"\n'
        f'qualities = {qualities}\nservice = "{service}"\n{more}\n'
        'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
        for n, (customer, legal_context, qualities, service, more) in enumerate(
            [
                *(("64-0", PCSA, "[0, 902]", service, "") for service in _SERVICES),
                *(("17-1", PCSA, "[1, 2]", service, "") for service in _SERVICES),
                ("64-0", PCSA, "[0, 902]", "IdentifyPerson/1", 'suppliers = ["0-0"]'),
                ("64-0", PCSA, "[0]", "SearchPerson/1", 'suppliers = ["0-0", "16-0"]'),
                ("64-0", REFERENCES, "[0]", "ConsultOtherSectors/1", ""),
                ("7-0", REFERENCES, "[101]", "ConsultOtherSectors/1", "min_phase = 2"),
            ]
        )
    )
)


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), _RULES) as star:
        await star.hub()
        await star.supply(NATIONAL_REGISTER, "IdentifyPerson/1", identify)
        await star.supply(MANAGING, "SectoralIntegrations/1", members({}))
        await star.supply(NATIONAL_REGISTER, "SearchPerson/1", search)
        await star.supply(THREE, "SearchPerson/1", search)
        yield star


#: Who sounds like somebody, and where; the second register has a bis number.
FOUND = {
    NATIONAL_REGISTER: [("85010100115", "NR", "D'Hértoge", ["Zoë", "Ana"], "1985-01-01")],
    THREE: [("85410100104", "BIS", "Dertoge", [], "1985-01-00")],
}
SEARCHED: list[etree._Element] = []


async def search(question: Question) -> None:
    """A register that finds one person; of the name of Nobody it has none."""
    SEARCHED.append(question.root.find("criteria"))
    nobody_ = question.root.findtext("criteria/lastName") == "NOBODY"
    found = [] if nobody_ else FOUND[question.supplier]
    data = [
        element(
            "person",
            element("ssin", ssin),
            element("register", register),
            element("lastName", last),
            *(element("firstName", one) for one in first),
            element("birthDate", born),
        )
        for ssin, register, last, first, born in found
    ]
    if data:
        data.append(element("more", "false"))
    code = "MSG00000" if data else "MSG00100"
    await question.reply(
        answers.data_response(
            question.service, question.root, data, code, replied=datetime.now(UTC), supplier=question.supplier
        )
    )


class Asker:
    """An institution that sends envelopes, and what it is answered."""

    def __init__(self, star: Star) -> None:
        self.star = star
        self._askers: dict[Address, DirectAsker] = {}

    async def answer(self, body: bytes, *, sender: Address = CUSTOMER, type_: str | None = None) -> DirectAnswer:
        if sender not in self._askers:
            asker = self._askers[sender] = DirectAsker(AioPikaLine((self.star.url(str(sender)),), name=f"{sender}"))
            await asker.start()
            await asker.wait_connected(PATIENCE)
        properties = Properties(user_id=str(sender), type=type_)
        return await self._askers[sender].ask(names.out(sender), "online", body, properties, timeout=PATIENCE)

    async def send(self, body: bytes, **more) -> etree._Element:
        """An SSDNReply, which keeps to its schemas."""
        answer = await self.answer(body, **more)
        assert answer.properties.type == "response"
        assert answer.properties.user_id == names.HUB
        root = etree.fromstring(answer.body)
        assert grammar("service.xsd").violations_of(root) == ()
        return root

    async def ask(self, *services: str, sender: Address = CUSTOMER, **more) -> etree._Element:
        return await self.send(envelope(*services, **more), sender=sender)

    async def close(self) -> None:
        for asker in self._askers.values():
            await asker.close()


@pytest.fixture(scope="module")
async def asker(star) -> AsyncIterator[Asker]:
    asker = Asker(star)
    yield asker
    await asker.close()


def registrations(reply: etree._Element) -> list[tuple[str | None, ...]]:
    return [
        tuple(text(row, name) for name in ("m:Purpose", "m:Period/c:StartDate", "m:Period/c:EndDate", "m:Register"))
        for row in reply.iterfind("m:ManageAccessReply/m:Registrations", NAMES)
    ]


# --- ManageAccess -----------------------------------------------------------------------------------------------------


async def test_register_list_and_unregister_as_a_real_client_sends_them(star, asker):
    ssin = (await star.person((ONE, 100))).digits
    root = await asker.ask(manage(ssin, "REGISTER"))
    assert context(root) == OK
    [reply] = replies(root)
    assert (summary(reply), text(reply, "s:ServiceId"), text(reply, "s:Version")) == (
        OK,
        "OCMWCPASManageAccess",
        "20050930",
    )
    assert registrations(reply) == []  # nothing overlapped
    assert text(reply, "m:ManageAccessReply/m:OriginalRequest/m:Action") == "REGISTER"
    assert text(root, "s:ReplyContext/s:AuthorizedUser/s:UserID") == USER
    assert text(root, "s:ReplyContext/s:Message/s:TimeRequest") == "20991231T235959"
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")

    [again] = replies(await asker.ask(manage(ssin, "REGISTER", begin="2026-02-01")))
    assert registrations(again) == [("0", "2026-01-01", None, "PRIMARY")]
    [listed] = replies(await asker.ask(manage(ssin, "LIST", purpose="<mar:Purpose/>", proof="")))
    assert registrations(listed) == [("0", "2026-01-01", None, "PRIMARY")]

    [gone] = replies(await asker.ask(manage(ssin, "UNREGISTER")))
    assert (summary(gone), registrations(gone)) == (OK, [])
    root = await asker.ask(manage(ssin, "LIST", purpose="<mar:Purpose/>", proof=""))
    assert context(root) == ("WARNING", "1", ["20000001"])
    [listed] = replies(root)
    assert summary(listed) == ("WARNING", "1", [REASONS["MSG00100"]])
    assert listed.find("m:ManageAccessReply", NAMES) is not None
    assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")


async def test_what_is_wrong_with_the_proof_or_the_quality_is_an_error_without_a_reply(star, asker):
    ssin = (await star.person()).digits
    for one, reason in (
        (manage(ssin, "REGISTER", proof=PROOF.replace("DHERTOGE", "JANSSENS")), REASONS["CRB00015"]),
        (manage(ssin, "REGISTER", purpose="<mar:Purpose>10</mar:Purpose>"), MSG00013),
        (manage(ssin, "REGISTER", purpose="<mar:Purpose/>"), REASONS["MSG00008"]),
        (manage(ssin[:9] + "00", "REGISTER"), REASONS["MSG00011"]),
        (manage(ssin, "REGISTER").replace("<mar:Action>REGISTER", "<mar:Action>REMOVE"), REASONS["MSG00008"]),
        (manage(ssin, "REGISTER").replace("2026-01-01<", "01/01/2026<"), REASONS["MSG00008"]),
    ):
        root = await asker.ask(one)
        assert context(root) == ("NO", "10000", ["30000001"])
        [reply] = replies(root)
        assert summary(reply) == ("NO", "10000", [reason])
        assert reply.find("m:ManageAccessReply", NAMES) is None


# --- several in one envelope ------------------------------------------------------------------------------------------


async def test_one_of_several_that_fails_makes_the_context_an_error_and_stops_no_other(star, asker):
    ssin, other = (await star.person()).digits, (await star.person()).digits
    root = await asker.ask(
        manage(ssin, "REGISTER"),
        manage(other, "REGISTER", purpose="<mar:Purpose>10</mar:Purpose>"),
        service("XMLite", "20051206", '<Message xmlns="urn:x"/>'),
        service("OCMWCPASManageAccess", "20050930", '<Nonsense xmlns="urn:x"/>'),
        identifying(ssin, verification=PROOF),
        manage(ssin, "LIST", proof=""),
        reference="several",
    )
    assert context(root) == ("NO", "10000", ["30000001"])
    assert text(root, "s:ReplyContext/c:ResultSummary/c:Detail/c:AuthorCodeList") == "CBSS"
    assert text(root, "s:ReplyContext/c:ResultSummary/c:Detail/c:Diagnostic").startswith("Au moins une")
    assert [summary(one) for one in replies(root)] == [
        OK,
        ("NO", "10000", [MSG00013]),
        ("NO", "10000", [REASONS["CRB00008"]]),
        ("NO", "10000", [REASONS["MSG00008"]]),
        ("YES", "0", ["12007001"]),
        OK,
    ]
    assert registrations(replies(root)[5]) == [("0", "2026-01-01", None, "PRIMARY")]
    assert text(replies(root)[4], "i:IdentifyPersonReply/i:SearchResults/i:LimitedLegalData/i:Basic/i:LastName")
    assert text(root, "s:ReplyContext/s:Message/s:Reference") == "several"


@pytest.mark.parametrize("language", ["fr", "NL", "de", "xx", ""])
async def test_texts_are_in_the_language_that_the_client_names(star, asker, language):
    message = f"<Language>{language}</Language>"
    root = await asker.ask(service("XMLite", "20051206", '<Message xmlns="urn:x"/>'), message=message)
    [reply] = replies(root)
    named = language.upper() if language.upper() in ("FR", "NL", "DE") else "EN"
    assert text(reply, "c:ResultSummary/c:Detail/c:Diagnostic") == CODES["CRB00008"].text[named]


async def test_only_warnings_make_a_warning(star, asker):
    ssin = (await star.person()).digits
    wrong = PROOF.replace("DHERTOGE", "JANSSENS")
    root = await asker.ask(identifying(ssin), identifying(ssin, verification=wrong))
    assert context(root) == ("WARNING", "1", ["20000001"])
    first, second = replies(root)
    assert summary(first) == OK
    assert summary(second) == ("WARNING", "1", ["22007007"])
    assert second.find("i:IdentifyPersonReply/i:SearchResults", NAMES) is None


# --- tickets, journal -------------------------------------------------------------------------------------------------


async def test_the_reference_is_the_ticket_and_the_same_envelope_does_nothing_twice(star, asker):
    ssin = await star.person()
    first = await asker.ask(manage(ssin.digits, "REGISTER"), reference="my reference")
    ticket = ticket_cbss(CUSTOMER, "my reference")
    assert text(first, "s:ReplyContext/s:Message/s:Ticket") == str(ticket)
    decision, outcome = await star.journal(ticket)
    assert (decision.program, decision.service, decision.legal_context) == (USER, "RegisterIntegration/1", PCSA)
    assert (decision.ticket, decision.customer, outcome.code) == ("my reference", CUSTOMER, "MSG00000")

    # It comes again, after the row was taken away: told as then, and not done again; its clock says another time.
    await asker.ask(manage(ssin.digits, "UNREGISTER"))
    again = await asker.ask(
        manage(ssin.digits, "REGISTER"), reference="my reference", message="<TimeRequest>20200101T000000</TimeRequest>"
    )
    assert context(again) == OK
    assert "resumed" in await star.kinds(ticket)
    assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")

    other = await asker.ask(manage((await star.person()).digits, "REGISTER"), reference="my reference")
    assert summary(replies(other)[0]) == ("NO", "10000", [REASONS["CRB00009"]])


async def test_an_envelope_with_a_paused_part_is_told_so_as_a_whole_and_may_be_sent_again(star, asker):
    ssin = (await star.person()).digits
    parts = (manage(ssin, "REGISTER"), identifying(ssin))
    async with paused(star, "service", "IdentifyPerson/1"):
        root = await asker.ask(*parts, reference="with a pause")
        assert [summary(one) for one in replies(root)] == [("NO", "10000", [REASONS["CRB00021"]])] * 2
        # What is not paused is done.
        assert summary(replies(await asker.ask(manage(ssin, "LIST", proof="")))[0])[0] == "WARNING"
    tickets = [ticket_cbss(CUSTOMER, str(uuid5(TICKETS, f"ssdn:{n}:with a pause"))) for n in (1, 2)]
    assert [await star.kinds(ticket) for ticket in tickets] == [["busy"], ["busy"]]
    root = await asker.ask(*parts, reference="with a pause")
    assert [summary(one)[0] for one in replies(root)] == ["YES", "YES"]
    assert [await star.kinds(ticket) for ticket in tickets] == [["busy", "decision", "outcome"]] * 2
    async with paused(star, "service", "IdentifyPerson/1"):  # it was begun: it is finished
        assert context(await asker.ask(*parts, reference="with a pause"))[0] == "YES"


async def test_a_service_of_the_hub_that_would_ask_a_paused_supplier_is_told_so_before_its_decision(star, asker):
    ssin = (await star.person()).digits
    part = manage(ssin, "REGISTER")
    async with paused(star, "supplier", NATIONAL_REGISTER):
        root = await asker.ask(part, reference="who keeps identities is paused")
        assert summary(replies(root)[0]) == ("NO", "10000", [REASONS["CRB00021"]])
    assert await star.kinds(ticket_cbss(CUSTOMER, "who keeps identities is paused")) == ["busy"]
    assert summary(replies(await asker.ask(part, reference="who keeps identities is paused"))[0]) == OK


async def test_what_breaks_a_business_schema_is_journalled_as_refused(star, asker):
    ssin = await star.person()
    await asker.ask(manage(ssin.digits, "REGISTER", purpose="<mar:Purpose/>"), reference="no purpose")
    [decision, outcome] = await star.journal(ticket_cbss(CUSTOMER, "no purpose"))
    assert (decision.kind, decision.code, decision.program) == ("decision", "MSG00008", USER)
    assert outcome.code == "MSG00008"


async def test_without_a_reference_each_envelope_is_its_own(star, asker):
    ssin = (await star.person()).digits
    body = envelope(manage(ssin, "LIST", proof=""), manage(ssin, "LIST", proof=""))
    tickets = {text(await asker.send(body), "s:ReplyContext/s:Message/s:Ticket") for _ in range(2)}
    assert len(tickets) == 2
    assert None not in tickets


# --- who asks ---------------------------------------------------------------------------------------------------------


def matrix(sector: int, kind: int | str) -> str:
    return f"<MatrixID>{sector}</MatrixID><MatrixSubID>{kind}</MatrixSubID>"


@pytest.mark.parametrize(
    ("sender", "marks", "unit", "right"),
    [
        (CUSTOMER, matrix(64, 0), "<OrgUnit>0242069537</OrgUnit>", True),
        (CUSTOMER, "<MatrixID>64</MatrixID>", "", True),
        (CUSTOMER, matrix(64, 0), "<OrgUnit>63023</OrgUnit>", True),
        (CUSTOMER, matrix(5, 0), "", False),
        (CUSTOMER, matrix(64, 1), "", False),
        (CUSTOMER, matrix(64, 0), "<OrgUnit>0206738078</OrgUnit>", False),
        (CUSTOMER, matrix(5, 0), "<OrgUnit>0206738078</OrgUnit>", False),
        (MANAGING, matrix(17, 1), f"<OrgUnit>{PCSW_A}</OrgUnit>", True),
        (MANAGING, matrix(17, 0), f"<OrgUnit>{PCSW_A}</OrgUnit>", False),
        (CUSTOMER, matrix(17, 1), f"<OrgUnit>{PCSW_A}</OrgUnit>", False),
    ],
)
async def test_the_matrix_and_the_unit_must_be_the_sender_s_or_its_member_s(star, asker, sender, marks, unit, right):
    ssin = (await star.person((CUSTOMER, 0), (Address(17, 1), 2))).digits
    root = await asker.ask(manage(ssin, "LIST", purpose="", proof=""), sender=sender, matrix=marks, org_unit=unit)
    [reply] = replies(root)
    assert summary(reply) == (OK if right else ("NO", "10000", [REASONS["CRB00007"]]))
    if right:
        assert len(registrations(reply)) == 1


async def test_a_matrix_beyond_every_sector_is_refused(star, asker):
    ssin = (await star.person((CUSTOMER, 0))).digits
    for marks in ("<MatrixID>64064</MatrixID>", "<MatrixID>-64</MatrixID>", matrix(64, 70000)):
        [reply] = replies(await asker.ask(manage(ssin, "LIST", proof=""), matrix=marks))
        assert summary(reply)[0] == "NO"
        assert registrations(reply) == []


async def test_an_inactive_sender_is_told_so_also_where_its_envelope_is_wrong(star, asker):
    marks = matrix(12, 0)
    good = await asker.ask(identifying("85010100130"), sender=INACTIVE, matrix=marks)
    assert summary(replies(good)[0])[2] == [REASONS["CRB00006"]]
    bad = await asker.ask(identifying("85010100130"), sender=INACTIVE, matrix="")
    assert (context(bad), replies(bad)) == (("NO", "10000", [REASONS["CRB00006"]]), [])


# --- what is no envelope ----------------------------------------------------------------------------------------------


async def test_an_envelope_that_breaks_its_schema_is_told_where_and_journalled(star, asker):
    root = await asker.ask(identifying("85010100130"), matrix="", message="<TimeRequest>yesterday</TimeRequest>")
    assert replies(root) == []
    ok, code, reasons = context(root)
    assert (ok, code, set(reasons)) == ("NO", "10000", {"31000001"})
    told = [one.text for one in root.iterfind(".//c:Information/c:FieldValue", NAMES)]
    assert any("MatrixID" in (one or "") for one in told)
    assert not any("yesterday" in (one or "") for one in told)
    ticket = text(root, "s:ReplyContext/s:Message/s:Ticket")
    assert ticket is not None
    assert [entry.code for entry in await star.journal(UUID(ticket))] == ["CRB00008", "CRB00008"]


async def test_what_is_no_xml_is_a_fault(star, asker):
    body = envelope(identifying("85010100130"))
    for wrong, code in (
        (body[:-1], "CRB00003"),
        (body.replace(b"?>", b"?><!DOCTYPE a>", 1), "CRB00004"),
        (body.replace(b"info@", b"inf\xff@"), "CRB00002"),
    ):
        answer = await asker.answer(wrong)
        assert answer.properties.type == "fault"
        assert etree.fromstring(answer.body).findtext("detail/reasonCode") == code


async def test_the_type_is_absent_or_ssdn_and_no_other_service(star, asker):
    ssin = (await star.person()).digits
    assert context(await asker.send(envelope(identifying(ssin)), type_="SSDN")) == OK
    answer = await asker.answer(envelope(identifying(ssin)), type_="Probe/1")
    assert etree.fromstring(answer.body).findtext("detail/reasonCode") == "MSG00008"


async def test_a_common_v3_message_that_speaks_of_an_envelope_is_none(star):
    ssin = await star.known(ONE)
    body = star.request(ssin).replace(b"<criteria>", b"<!-- no SSDNRequest --><criteria>")
    assert (await star.send(body)).said == ("DATA_FOUND", "MSG00000")


# --- IdentifyPerson ---------------------------------------------------------------------------------------------------


async def test_a_number_that_nobody_has_is_an_error(star, asker):
    ssin = await star.person()
    star.script(NATIONAL_REGISTER, ssin, nobody)
    [reply] = replies(await asker.ask(identifying(ssin.digits)))
    assert summary(reply) == ("NO", "10000", [REASONS["MSG00005"]])


async def test_both_criteria_are_a_warning_and_the_number_is_answered(star, asker):
    ssin = (await star.person()).digits
    [reply] = replies(await asker.ask(identifying(ssin, phonetic=phonetic("1985-00-00"), verification=PROOF)))
    assert summary(reply) == ("WARNING", "1", ["21007001", "12007001"])
    where = "i:IdentifyPersonReply/i:SearchResults/i:LimitedLegalData/i:Basic/i:SocialSecurityUser"
    assert text(reply, where) == ssin


async def test_who_sounds_like_a_name_is_told_by_every_register(star, asker):
    SEARCHED.clear()
    more = "<Gender/><Tolerance>2</Tolerance><Maximum>80</Maximum>"
    root = await asker.ask(identifying(phonetic=phonetic("1985-01-00", more)), reference="sounds")
    assert context(root) == OK
    [reply] = replies(root)
    assert summary(reply) == OK
    where = "i:IdentifyPersonReply/i:SearchResults/i:LimitedLegalData"
    told = [
        (
            one.get("origin"),
            *(text(one, f"i:Basic/i:{name}") for name in ("SocialSecurityUser", "FirstName", "BirthDate")),
        )
        for one in reply.iterfind(where, NAMES)
    ]
    assert told == [
        ("RN_RR", "85010100115", "Zoë Ana", "1985-01-01"),
        (None, "85410100104", None, "1985-01-00"),
    ]
    # What the envelope calls one way the search calls another; empty elements are absent, and 50 is the most there is.
    assert len(SEARCHED) == 2
    for criteria in SEARCHED:
        assert {one.tag: one.text for one in criteria} == {
            "lastName": "DHERTOGE", "birthDate": "1985-01-00", "tolerance": "2", "maximum": "50",
        }  # fmt: skip
    [decision, outcome] = await star.journal(ticket_cbss(CUSTOMER, "sounds"))
    assert (decision.service, decision.legal_context, outcome.code) == ("SearchPerson/1", PCSA, "MSG00000")


async def test_an_incomplete_birth_date_takes_a_tolerance_and_verification_data_are_ignored_without_a_number(
    star, asker
):
    SEARCHED.clear()
    [reply] = replies(await asker.ask(identifying(phonetic=phonetic("1985-00-00"))))
    assert summary(reply) == ("NO", "10000", ["31009001"])
    assert SEARCHED == []
    wrong = PROOF.replace("DHERTOGE", "JANSSENS")
    one = identifying(phonetic=phonetic("1985-00-00", "<Tolerance>0</Tolerance>"), verification=wrong)
    [reply] = replies(await asker.ask(one))
    assert summary(reply) == OK
    assert len(list(reply.iterfind("i:IdentifyPersonReply/i:SearchResults/i:LimitedLegalData", NAMES))) == 2


async def test_nobody_who_sounds_so_is_a_warning(star, asker):
    nobody_ = phonetic("1985-01-01").replace("DHERTOGE", "NOBODY")
    root = await asker.ask(identifying(phonetic=nobody_))
    assert context(root) == ("WARNING", "1", ["20000001"])
    [reply] = replies(root)
    assert summary(reply) == ("WARNING", "1", [REASONS["MSG00100"]])
    assert reply.find("i:IdentifyPersonReply/i:SearchResults", NAMES) is None


# --- ReferenceManager.consult -----------------------------------------------------------------------------------------

YEAR = ("2025-01-01", "2025-12-31")


def consultations(reply: etree._Element) -> list[tuple[str | None, ...]]:
    row = "r:ReferenceManagerReply/r:ConsultOtherSectorsResult/r:Consultation"
    marks = ("r:Sector", "r:QualityCode", "r:Period/r:StartDate", "r:Period/r:EndDate")
    return [tuple(text(one, name) for name in marks) for one in reply.iterfind(row, NAMES)]


async def test_who_knows_a_person_sees_the_other_sectors_of_the_days_asked_about(star, asker):
    ssin = await star.person(
        (CUSTOMER, 0),
        (ONE, 100, None, date(2025, 1, 1), date(2025, 6, 30)),
        (ONE, 10, None, date(2024, 1, 1), date(2024, 12, 31)),
        (TWO, 101, 2, date(2025, 6, 1), None),
        (Address(17, 1), 2, None, date(2025, 12, 31), None),
        (Address(17, 0), 2, None, date(2025, 12, 31), None),
        (THREE, 1, None, date(2026, 1, 1), None),
    )
    root = await asker.ask(consult(ssin.digits, 0, YEAR, YEAR), reference=f"consult {ssin.number}")
    assert context(root) == OK
    [reply] = replies(root)
    assert consultations(reply) == [
        ("5", "100", "2025-01-01", "2025-06-30"),
        ("7", "101", "2025-06-01", None),
        ("17", "2", "2025-12-31", None),
    ]
    row = "r:ReferenceManagerReply/r:ConsultOtherSectorsResult/r:Consultation"
    described = [text(reply, f"{row}/r:{name}") for name in ("SectorDescriptionNl", "QualityCodeDescriptionFr")]
    assert all(described)
    [decision, outcome] = await star.journal(ticket_cbss(CUSTOMER, f"consult {ssin.number}"))
    assert (decision.service, decision.quality, outcome.code) == ("ConsultOtherSectors/1", 0, "MSG00000")

    [plain] = replies(await asker.ask(consult(ssin.digits, 0, YEAR, ("2025-06-30", "2025-06-30"), "")))
    assert consultations(plain) == [("5", "100", "2025-01-01", "2025-06-30"), ("7", "101", "2025-06-01", None)]
    assert text(plain, f"{row}/r:SectorDescriptionNl") is None


@pytest.mark.parametrize(
    ("quality", "integrated", "requested", "reason"),
    [
        (0, YEAR, YEAR, None),
        (0, ("2024-12-31", "2025-12-31"), YEAR, MSG00012),
        (0, ("2025-01-01", "2026-01-01"), YEAR, MSG00012),
        (0, YEAR, ("2024-12-31", "2025-01-01"), REASONS["MSG00008"]),
        (0, YEAR, ("2025-12-31", "2026-01-01"), REASONS["MSG00008"]),
        (0, YEAR, ("2025-12-31", "2025-01-01"), REASONS["MSG00008"]),
        (902, YEAR, YEAR, MSG00013),
    ],
)
async def test_the_stated_integration_must_be_there_and_hold_the_days_asked_about(
    star, asker, quality, integrated, requested, reason
):
    ssin = await star.person((CUSTOMER, 0, None, date(2025, 1, 1), date(2025, 12, 31)), (CUSTOMER, 902), (ONE, 100))
    [reply] = replies(await asker.ask(consult(ssin.digits, quality, integrated, requested)))
    assert summary(reply) == (OK if reason is None else ("NO", "10000", [reason]))
    assert bool(consultations(reply)) == (reason is None)


async def test_a_stranger_is_told_nothing_and_who_is_alone_a_warning(star, asker):
    ssin = await star.person((ONE, 100))
    [reply] = replies(await asker.ask(consult(ssin.digits, 0, YEAR, YEAR)))
    assert summary(reply) == ("NO", "10000", [MSG00012])
    alone = await star.person((CUSTOMER, 0))
    [reply] = replies(await asker.ask(consult(alone.digits, 0, YEAR, YEAR)))
    assert (summary(reply), consultations(reply)) == (("WARNING", "1", [REASONS["MSG00100"]]), [])


async def test_the_phase_is_one_that_the_authorisation_takes(star, asker):
    for phase, told in ((1, ("NO", "10000", [MSG00012])), (2, OK)):
        ssin = await star.person((TWO, 101, phase, date(2025, 1, 1), None), (ONE, 100))
        asked = consult(ssin.digits, 101, YEAR, YEAR)
        [reply] = replies(await asker.ask(asked, sender=TWO, matrix=matrix(7, 0)))
        assert summary(reply) == told


async def test_of_a_replaced_number_the_newer_is_told_to_who_knew_it_and_rows_of_999_to_nobody(star, asker):
    old, new = await star.person((CUSTOMER, 0), (ONE, 100)), await star.person((CUSTOMER, 0))
    await star.replace(old, new)
    [reply] = replies(await asker.ask(consult(old.digits, 0, YEAR, YEAR)))
    assert summary(reply) == ("NO", "10000", [REASONS["MSG00006"]])
    assert text(reply, "c:ResultSummary/c:Detail/c:Information/c:FieldValue") == new.digits
    [reply] = replies(await asker.ask(consult(new.digits, 0, YEAR, YEAR)))
    assert consultations(reply) == [("5", "100", "2000-01-01", None)]
    stranger = await asker.ask(consult(old.digits, 101, YEAR, YEAR), sender=TWO, matrix=matrix(7, 0))
    assert summary(replies(stranger)[0]) == ("NO", "10000", [MSG00012])


# --- when it breaks ---------------------------------------------------------------------------------------------------


async def test_no_number_and_no_name_stands_in_the_log(star, asker):
    ssin = (await star.person()).digits
    await asker.ask(manage(ssin, "REGISTER"), identifying(ssin, verification=PROOF), reference="log")
    log = star.log.getvalue()
    assert "RegisterIntegration/1" in log
    for personal in (ssin, "DHERTOGE", USER, "info@example.be"):
        assert personal not in log


async def test_an_envelope_whose_hub_dies_is_told_by_another_and_nothing_is_done_twice(star, asker):
    """Killed when the first of its requests was done and the second is being asked of a supplier."""
    ssin, other = await star.person(), await star.person()
    asked = asyncio.Event()

    async def first_silent(question: Question) -> None:
        if asked.is_set():
            await identify(question)
        asked.set()

    star.script(NATIONAL_REGISTER, other, first_silent)
    services = (manage(ssin.digits, "REGISTER"), identifying(other.digits))
    asking = asyncio.create_task(asker.ask(*services, reference="killed"))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    [doomed] = star.hubs
    await doomed.kill()  # before the other starts: that may take longer than the supplier has
    star.hubs.remove(doomed)
    await star.hub()
    root = await asking
    assert [summary(one) for one in replies(root)] == [OK, OK]
    ticket = UUID(text(root, "s:ReplyContext/s:Message/s:Ticket"))
    assert await star.kinds(ticket) == ["decision", "outcome", "resumed", "repeated"]
    rows = [one for one in await person(star.database_url, ssin) if one.integration.kind == CUSTOMER]
    assert len(rows) == 1
