"""The SSDN envelope: what clients send is read, and what is answered is what they can read."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.codes import CODES
from schemas.ssdn.adapters import ADAPTERS
from schemas.ssdn.envelope import Envelope, ServiceReply, grammar, read, reply
from schemas.ssdn.reasons import REASONS, Summary, aggregate, note, note_of
from tests.schemas.ssdn import NAMES, context, envelope, identify, manage, service, summary, text

SSIN = "85073003328"
NOW = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)
TICKET = UUID(int=7)


def understood(body: bytes) -> Envelope:
    found = read(etree.fromstring(body))
    assert isinstance(found, Envelope), found
    return found


def test_what_a_real_client_sends_is_understood():
    found = understood(envelope(manage(SSIN, "REGISTER"), identify(SSIN), reference="IdentifyPersonRequest # 1"))
    assert (found.user_id, found.matrix_id, found.matrix_sub_id, found.org_unit) == ("00901234567", 64, 0, None)
    assert (found.reference, found.time_request, found.language) == (
        "IdentifyPersonRequest # 1",
        "20991231T235959",
        "FR",
    )
    assert [(one.service_id, one.version) for one in found.services] == [
        ("OCMWCPASManageAccess", "20050930"),
        ("OCMWCPASIdentifyPerson", "20050930"),
    ]


def test_what_is_read_is_not_changed():
    root = etree.fromstring(envelope(manage(SSIN, "LIST")))
    before = etree.tostring(root)
    read(root)
    assert etree.tostring(root) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<MatrixSubID>0</MatrixSubID>", "<MatrixSubID/>"),
        ("<MatrixSubID>0</MatrixSubID>", ""),
        ("<TimeRequest>20991231T235959</TimeRequest>", "<TimeRequest/>"),
        ("<Language>fr</Language>", ""),
        ("<Message><TimeRequest>20991231T235959</TimeRequest><Language>fr</Language></Message>", ""),
        ("<OrgUnit/>", "<OrgUnit>63023</OrgUnit>"),
        ("<MatrixID>64<", "<MatrixID>064<"),
    ],
)
def test_what_may_be_left_out_may_also_be_empty(old, new):
    body = envelope(identify(SSIN)).decode()
    assert old in body
    found = understood(body.replace(old, new).encode())
    assert (found.matrix_id, found.matrix_sub_id) == (64, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<UserID>00901234567</UserID>", "<UserID>0090123456</UserID>"),
        ("<UserID>00901234567</UserID>", "<UserID/>"),
        ("info@example.be", "info"),
        ("<MatrixID>64</MatrixID>", "<MatrixID>" + "9" * 5000 + "</MatrixID>"),
        ("20991231T235959", "2099-12-31T23:59:59"),
        ("<Version>20050930<", "<Version>2005<"),
        ("<ServiceId>OCMWCPASIdentifyPerson</ServiceId>", ""),
    ],
)
def test_an_envelope_that_breaks_its_schema_is_told_where(old, new):
    body = envelope(identify(SSIN)).decode()
    assert old in body
    found = read(etree.fromstring(body.replace(old, new).encode()))
    assert isinstance(found, tuple)
    assert found[0].path.startswith("/SSDNRequest/")


def test_seventeen_service_requests_are_one_too_many():
    assert len(understood(envelope(*[identify(SSIN)] * 16)).services) == 16
    assert isinstance(read(etree.fromstring(envelope(*[identify(SSIN)] * 17))), tuple)


def test_the_reference_is_the_ticket_of_the_only_one_and_each_of_several_has_its_own():
    one = understood(envelope(identify(SSIN), reference="mine"))
    assert one.ticket(1) == "mine"
    several = understood(envelope(identify(SSIN), identify(SSIN), reference="mine"))
    tickets = [several.ticket(1), several.ticket(2)]
    assert len({*tickets, "mine"}) == 3
    assert tickets == [several.ticket(1), several.ticket(2)]
    long = understood(envelope(identify(SSIN), reference="m" * 37)).ticket(1)
    assert long is not None
    assert len(long) == 36
    assert understood(envelope(identify(SSIN))).ticket(1) is None


@given(st.lists(st.sampled_from(["YES", "WARNING", "NO"]), min_size=1, max_size=5))
def test_the_context_is_as_bad_as_the_worst_service(each):
    notes = {"YES": note("12007001"), "WARNING": note("21007001"), "NO": note_of("MSG00012")}
    whole = aggregate(Summary((notes[one],)) for one in each)
    if "NO" in each:
        expected = ("NO", 10000, ["30000001"])
    elif "WARNING" in each:
        expected = ("WARNING", 1, ["20000001"])
    else:
        expected = ("YES", 0, [])
    assert (whole.ok, whole.return_code, [one.code for one in whole.notes]) == expected


def test_every_code_has_a_reason_of_its_own_whose_severity_is_its_kind():
    """A code without a row would be told as an unexpected error: give it one in schemas/ssdn/reasons.toml."""
    assert set(CODES) - {"MSG00000"} == set(REASONS)
    assert len(set(REASONS.values())) == len(REASONS)
    for code, reason in REASONS.items():
        warning = CODES[code].value in ("NO_DATA_FOUND", "INCOMPLETE_DATA")
        assert reason[0] == ("2" if warning else "3"), code
        assert len(reason) == 8
        assert 900 <= int(reason[2:5]) <= 999
        assert note_of(code).author == "CROSSROADS"


def test_a_code_that_no_catalogue_has_is_not_repeated():
    told = note_of("JANSSENS JAN", "EN", (("name", "Janssens"),))
    assert (told.code, told.information) == (REASONS["MSG00003"], ())
    assert "anssens" not in told.text


def test_a_reply_has_the_field_s_order_and_times_and_is_valid():
    asked = understood(envelope(identify(SSIN), reference="R", org_unit="<OrgUnit>0212344876</OrgUnit>"))
    found = etree.Element(f"{{{NAMES['i']}}}IdentifyPersonReply")
    services = [
        ServiceReply("OCMWCPASIdentifyPerson", "20050930", Summary((note("12007001"),)), found),
        ServiceReply("XMLite", "20051206", Summary((note_of("CRB00008", "FR"),))),
    ]
    body = reply(asked, None, services, ticket=TICKET, received=NOW, replied=NOW)
    root = etree.fromstring(body)
    assert grammar("service.xsd").violations_of(root) == ()
    assert context(root) == ("NO", "10000", ["30000001"])
    assert [summary(one) for one in root.iterfind("s:ServiceReply", NAMES)] == [
        ("YES", "0", ["12007001"]),
        ("NO", "10000", [REASONS["CRB00008"]]),
    ]
    message = "s:ReplyContext/s:Message"
    assert text(root, f"{message}/s:Ticket") == str(TICKET)
    assert text(root, f"{message}/s:TimeRequest") == "20991231T235959"
    assert text(root, f"{message}/s:TimeResponse") == "20260702T003005"  # Brussels, in summer
    user = root.find("s:ReplyContext/s:AuthorizedUser", NAMES)
    assert [etree.QName(one).localname for one in user] == ["UserID", "Email", "OrgUnit", "MatrixID", "MatrixSubID"]
    french = root.findtext("s:ServiceReply[2]/c:ResultSummary/c:Detail/c:Diagnostic", namespaces=NAMES)
    assert french == CODES["CRB00008"].text["FR"]


def test_a_summary_never_has_more_than_its_schema_allows_and_keeps_the_worst():
    notes = (*[note("12007001")] * 40, note_of("MSG00008", "EN", tuple((f"n{n}", "v") for n in range(9))))
    body = reply(None, Summary(notes), (), ticket=None, received=NOW, replied=NOW)
    root = etree.fromstring(body)
    assert grammar("service.xsd").violations_of(root) == ()
    reasons = context(root)[2]
    assert len(reasons) == 30
    assert reasons[0] == REASONS["MSG00008"]


def test_every_adapter_has_its_schema():
    for root, adapter in ADAPTERS.items():
        assert root in grammar(adapter.schema).roots


def test_a_business_request_of_a_service_that_nobody_knows_is_carried_all_the_same():
    found = understood(envelope(service("XMLite", "20051206", '<Message xmlns="urn:x"><Data>1</Data></Message>')))
    assert found.services[0].business.tag == "{urn:x}Message"
