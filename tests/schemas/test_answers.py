"""Every answer of our own is valid as bytes, for requests of every style."""

import pytest
from lxml import etree

from schemas.address import Address
from schemas.answers import AnswerError, data_response, fault, refusal
from schemas.catalogue import Catalogue, shipped
from schemas.codes import CODES
from schemas.message import read_head, read_status
from schemas.parser import Information, parse
from schemas.parts import PartAnswer, combine
from schemas.service import FAULT, Service, crossroads_grammar
from schemas.splice import put_information_cbss
from schemas.violation import Violation
from tests.schemas.messages import (
    CBSS,
    CONTEXT,
    CUSTOMER,
    RECEIVED,
    REPLIED,
    SSIN,
    STYLES,
    TICKET,
    Style,
    shelter,
    shelter_request,
    ti_groups,
    ti_groups_request,
)

SHIPPED = Catalogue([shipped()])
REFUSALS = sorted(name for name, code in CODES.items() if code.kind == "status" and code.value != "INCOMPLETE_DATA")
FAULTS = sorted(name for name, code in CODES.items() if code.kind == "fault")


def refused(service: Service, body: bytes, name: str = "MSG00012", information: Information = ()) -> etree._Element:
    answer = refusal(
        service,
        parse(body),
        name,
        ticket_cbss=TICKET,
        received=RECEIVED,
        replied=REPLIED,
        information=information,
    )
    root, violations = service.violations(answer, "response")
    assert violations == ()
    return root


def faulted(
    service: Service | None, head: bytes | None, name: str = "MSG00008", details: object = ()
) -> etree._Element:
    answer = fault(
        service,
        name,
        head_root=parse(head) if head is not None else None,
        ticket_cbss=TICKET,
        received=RECEIVED,
        replied=REPLIED,
        details=details,  # type: ignore[arg-type]
    )
    root = parse(answer)
    assert (
        crossroads_grammar().violations_of(root) if root.tag == FAULT else service and service.violations_of(root)
    ) == ()
    return root


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("cbss", ["", CBSS], ids=["first", "forwarded"])
def test_a_refusal_repeats_head_and_criteria_in_their_order(style: Style, cbss: str) -> None:
    for service, body in (
        (shelter, shelter_request(style, cbss=cbss)),
        (ti_groups, ti_groups_request(style, cbss=cbss)),
    ):
        root = refused(service, body)
        criteria = "criteria" if service is shelter else "searchInformation"
        assert [child.tag for child in root] == [
            "informationCustomer",
            "informationCBSS",
            "legalContext",
            criteria,
            "status",
        ]
        assert read_head(root) == read_head(parse(body))
        assert root.findtext(f"{criteria}/ssin") == SSIN
        assert root.findtext("informationCBSS/ticketCBSS") == str(TICKET)
        assert root.findtext("informationCBSS/timestampReply") == "2024-03-01T12:00:01.500Z"


@pytest.mark.parametrize("name", REFUSALS)
def test_every_status_of_the_catalogue_can_be_told(name: str) -> None:
    status = read_status(refused(ti_groups, ti_groups_request(), name, (("missing", "quality"), ("x" * 99, "y" * 999))))
    assert status is not None
    assert (status.value, status.code) == (CODES[name].value, name)
    assert status.information == (("missing", "quality"), ("x" * 64, "y" * 256))


_PROOF = "<proofOfAuthentication><sisCardNumber>0123456789</sisCardNumber></proofOfAuthentication>"
_PERSON = f"<ssin>{SSIN}</ssin>"
_PERIOD = "<period><beginDate>2024-01-01</beginDate></period>"
_SOMEBODY = "<lastName>Voorbeeld</lastName><birthDate>1985-00-00</birthDate>"
_REPLACED = f"{_PERSON}<newSsin>{SSIN}</newSsin><day>2024-01-01</day>"
#: The criteria of services that ask for more than a person and a period.
CRITERIA = {
    "CloseLot": "<lot>0b2f1c7e-5d0e-4b64-9a43-3d0f4b5f7a10</lot>",
    "ConsultOtherSectors": f"{_PERSON}<qualityCode>2</qualityCode>"
    "<integratedPeriod><beginDate>2024-01-01</beginDate></integratedPeriod>"
    "<requestedPeriod><beginDate>2024-01-01</beginDate></requestedPeriod>",
    "ExplainDecision": f"<ticket>a ticket</ticket>{_PERSON}",
    "CatchUp": "<after>0</after><most>50</most>",
    "FollowUp": "<most>1</most>",
    "RepeatMutation": "<owner><sector>5</sector><institution>0</institution></owner><ticket>t</ticket>",
    "OpenLot": "<sequence>1</sequence><count>1</count><service>Pension/1</service>",
    "RegisterIntegration": f"{_PERSON}<qualityCode>2</qualityCode>{_PERIOD}{_PROOF}",
    "RegisterPerson": _SOMEBODY,
    "ReplaceSsin": _REPLACED,
    "SearchPerson": _SOMEBODY,
    "SsinReplaced": _REPLACED,
    "UnregisterIntegration": f"{_PERSON}<situation>2</situation>{_PERIOD}{_PROOF}",
}

_MUTATION = "<mutation><action>CREATED</action><reference>R-1</reference></mutation>"
#: What stands behind the criteria.
BEHIND = {
    "DimonaMutation": f"{_MUTATION}<employment><periodId>100000000010</periodId></employment>",
    "StatusMutation": f"{_MUTATION}<socialStatus><code>LIVING_WAGE</code>"
    "<firstQuarter>2026Q4</firstQuarter></socialStatus>",
}


@pytest.mark.parametrize("type_", sorted(SHIPPED.services))
@pytest.mark.parametrize("style", STYLES)
def test_every_service_that_ships_can_be_refused_and_collected(type_: str, style: Style) -> None:
    service = SHIPPED.services[type_]
    above, _, name = service.ssin.rpartition("/")
    usual = f"<{name}>{SSIN}</{name}>{_PERIOD if service.period else ''}"
    content = f"{CUSTOMER}{CONTEXT}<{above or 'criteria'}>{CRITERIA.get(service.name, usual)}</{above or 'criteria'}>"
    content += BEHIND.get(service.name, _MUTATION if service.flow and service.answered_by == "suppliers" else "")
    namespace, _, root = service.request[1:].partition("}")
    body = style(namespace, root, content)
    assert service.violations(body, "request")[1] == ()
    refused(service, body)
    faulted(service, body)
    if service.combine is not None:
        forwarded = put_information_cbss(body, TICKET, RECEIVED, REPLIED)
        one = data_response(service, parse(forwarded), [], "MSG00100", replied=REPLIED, supplier=Address(16, 0))
        given = [PartAnswer(Address(16, 0), one), PartAnswer(Address(17, 0), None)]
        combined = combine(service, parse(body), given, TICKET, RECEIVED, REPLIED)
        assert service.violations(combined.body, "response")[1] == ()
        assert combined.code == "HAN20200"


def test_more_information_than_a_status_holds_is_left_out() -> None:
    status = read_status(refused(shelter, shelter_request(), "MSG00012", (("n", "v"),) * 40))
    assert status is not None
    assert len(status.information) == 15


def test_a_code_that_is_told_in_faults_is_no_status() -> None:
    with pytest.raises(AnswerError, match="use fault"):
        refused(shelter, shelter_request(), "CRB00010")


@pytest.mark.parametrize("style", STYLES)
def test_the_prefix_of_our_answers_is_the_same_for_everybody(style: Style) -> None:
    root = refused(shelter, shelter_request(style).replace(b"xmlns:ns3", b"xmlns:zz").replace(b"ns3:", b"zz:"))
    assert root.prefix == "r"
    taken = shelter_request(style).replace(b"shelterRequest", b'shelterRequest xmlns:r="urn:taken"', 1)
    assert refused(shelter, taken).prefix == "r1"


def test_a_prefix_used_in_a_value_still_means_the_same() -> None:
    typed = shelter_request().replace(b"<criteria>", b'<criteria xsi:type="s:CriteriaType">')
    typed = typed.replace(
        b"<s:shelterRequest ", b'<s:shelterRequest xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    )
    assert shelter.violations(typed)[1] == ()
    assert refused(shelter, typed).find("criteria") is not None


def test_texts_come_in_the_language_asked() -> None:
    for language in ("EN", "NL", "FR", "DE"):
        answer = refusal(
            shelter,
            parse(shelter_request()),
            "MSG00012",
            ticket_cbss=TICKET,
            received=RECEIVED,
            replied=REPLIED,
            language=language,
        )
        assert parse(answer).findtext("status/description") == CODES["MSG00012"].text[language]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("service", [None, shelter, ti_groups], ids=["unknown", "without own fault", "with own fault"])
def test_every_fault_of_the_catalogue_can_be_told(service: Service | None, name: str) -> None:
    root = faulted(service, None, name)
    assert root.tag == (service.fault if service is not None else FAULT)
    assert root.findtext("detail/reasonCode") == name
    assert root.findtext("detail/authorCode") == ("CROSSROADS" if name.startswith("CRB") else "CBSS")
    assert root.find("informationCustomer") is None


@pytest.mark.parametrize("style", STYLES)
def test_a_fault_says_whose_request_it_answers(style: Style) -> None:
    root = faulted(shelter, shelter_request(style))
    assert [child.tag for child in root] == ["informationCustomer", "informationCBSS", "detail"]
    assert root.findtext("informationCustomer/ticket") == "t-1"


@pytest.mark.parametrize(
    "customer",
    [
        "",
        "<informationCustomer/>",
        "<informationCustomer><ticket>t</ticket></informationCustomer>",
        CUSTOMER.replace("t-1", "t" * 37),
        CUSTOMER.replace("0212344876", "1"),
        CUSTOMER.replace("<ticket>", '<ticket a="b">'),
        CUSTOMER.replace("2024-03-01T12:00:00+01:00", "2024-03-01T12:00:00." + "0" * 5000),
        CUSTOMER.replace("informationCustomer", "x:informationCustomer").replace("mer>", 'mer xmlns:x="u">', 1),
    ],
    ids=range(8),
)
def test_a_head_that_is_not_valid_by_itself_is_left_out(customer: str) -> None:
    assert faulted(shelter, shelter_request(customer=customer)).find("informationCustomer") is None


def test_a_fault_has_a_detail_for_each_error_and_at_most_thirty() -> None:
    violations = [Violation(n, f"/a/b[{n}]", "element 'b' is not a valid xs:date") for n in range(1, 50)]
    root = faulted(shelter, None, "MSG00008", violations)
    details = root.findall("detail")
    assert len(details) == 30
    told = [(i.findtext("fieldName"), i.findtext("fieldValue")) for i in details[1].findall("information")]
    assert told == [("line", "2"), ("path", "/a/b[2]"), ("reason", "element 'b' is not a valid xs:date")]


def test_a_fault_takes_plain_information_too() -> None:
    root = faulted(None, None, "CRB00004", [(("forbidden", "DOCTYPE"),)])
    assert root.findtext("detail/information/fieldValue") == "DOCTYPE"


def element(xml: str) -> etree._Element:
    return etree.fromstring(xml)


@pytest.mark.parametrize("style", STYLES)
def test_a_supplier_answers_with_its_data(style: Style) -> None:
    request = parse(ti_groups_request(style, cbss=CBSS))
    data = element(
        '<rrn_it_implicit Language="fr"><x:N xmlns:x="http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema">v</x:N></rrn_it_implicit>'
    )
    answer = data_response(ti_groups, request, [data], replied=REPLIED)
    root, violations = ti_groups.violations(answer, "response")
    assert violations == ()
    assert root.findtext("informationCBSS/ticketCBSS") == request.findtext("informationCBSS/ticketCBSS")
    assert etree.tostring(root[-1], method="c14n", exclusive=True) == etree.tostring(
        data, method="c14n", exclusive=True
    )
    assert data.getparent() is None


@pytest.mark.parametrize(
    ("supplier", "told"),
    [(Address(16, 0), ["16", "0"]), (Address(11, 1, "0411702543"), ["0411702543"])],
    ids=["direct", "cooperating"],
)
def test_one_of_several_suppliers_answers_in_its_part(supplier: Address, told: list[str]) -> None:
    request = parse(shelter_request(cbss=CBSS))
    stay = "<data><stay><kind>NIGHT</kind><period><beginDate>2024-01-01</beginDate></period></stay></data>"
    answer = data_response(shelter, request, [element(stay)], replied=REPLIED, supplier=supplier)
    root, violations = shelter.violations(answer, "response")
    assert violations == ()
    assert [e.text for e in root.findall("part/informationSupplier/supplierIdentification/*")] == told
    assert root.findtext("part/status/code") == root.findtext("status/code") == "MSG00000"


def test_a_supplier_without_data_says_so() -> None:
    request = parse(shelter_request(cbss=CBSS))
    answer = data_response(shelter, request, [], "MSG00100", replied=REPLIED, supplier=Address(16, 0))
    root, violations = shelter.violations(answer, "response")
    assert violations == ()
    assert root.findtext("part/status/value") == "NO_DATA_FOUND"


def test_what_a_supplier_forgot_is_said() -> None:
    with pytest.raises(AnswerError, match="supplier="):
        data_response(shelter, parse(shelter_request(cbss=CBSS)), [], replied=REPLIED)
    with pytest.raises(AnswerError, match="ticketCBSS"):
        data_response(ti_groups, parse(ti_groups_request()), [], replied=REPLIED)
