"""Several suppliers, one answer: the rules of docs/wire.md, "What the hub writes into messages"."""

from dataclasses import replace

import pytest
from lxml import etree

from schemas.address import Address
from schemas.message import read_status
from schemas.parser import parse
from schemas.parts import Combined, PartAnswer, PartsError, combine
from schemas.service import Service
from tests.schemas.messages import (
    CBSS,
    RECEIVED,
    REPLIED,
    SHELTER,
    STATUS,
    STAY,
    STYLES,
    TICKET,
    Style,
    part,
    prefixed,
    sector,
    shelter,
    shelter_request,
    shelter_response,
    ti_groups,
    ti_groups_request,
)

NONE = "<status><value>NO_DATA_FOUND</value><code>MSG00100</code></status>"
NOBODY = "<status><value>NO_DATA_FOUND</value><code>MSG00021</code></status>"
DEAD = "<status><value>NO_DATA_FOUND</value><code>MSG00009</code></status>"
NO_SUCH = "<status><value>NO_RESULT</value><code>MSG00005</code></status>"
NONSENSE = "<status><value>NO_RESULT</value><code>MSG00008</code></status>"
SOME_SILENT = (
    "<status><value>INCOMPLETE_DATA</value><code>HAN20200</code>"
    "<information><fieldName>silent</fieldName><fieldValue>11-1-0411702543</fieldValue></information></status>"
)
FAULT = prefixed(
    "urn:crossroads:v1",
    "fault",
    CBSS + "<detail><severity>FATAL</severity><reasonCode>CRB00010</reasonCode><diagnostic>d</diagnostic>"
    "<authorCode>CROSSROADS</authorCode></detail>",
)

A, B, C = Address(7, 0), Address(11, 0), Address(16, 0)


def answered(*answers: tuple[Address, bytes | None], service: Service = shelter, style: Style = prefixed) -> Combined:
    request = parse(shelter_request(style))
    given = [PartAnswer(address, body) for address, body in answers]
    combined = combine(service, request, given, TICKET, RECEIVED, REPLIED)
    root, violations = shelter.violations(combined.body, combined.kind)
    assert violations == ()
    assert root.findtext("informationCBSS/ticketCBSS") == str(TICKET)
    if combined.kind == "response":
        status = read_status(root)
        assert status is not None
        assert status.code == combined.code
        assert (
            tuple(v for n, v in status.information if n == "silent") == combined.silent or combined.code == "MSG00009"
        )
    return combined


def from_(address: Address, status: str = STATUS, stays: str = STAY, style: Style = prefixed) -> bytes:
    return shelter_response(style, status=status, parts=part(sector(address.sector, address.type), stays, status))


def suppliers(combined: Combined) -> list[str | None]:
    return [one[0].text for one in parse(combined.body).findall("part/informationSupplier/supplierIdentification")]


def value(combined: Combined) -> str | None:
    return parse(combined.body).findtext("status/value")


@pytest.mark.parametrize("style", STYLES)
def test_all_found_in_the_order_of_their_addresses(style: Style) -> None:
    combined = answered((C, from_(C, style=style)), (A, from_(A)), (B, from_(B, style=style)), style=style)
    assert (value(combined), combined.code, combined.silent) == ("DATA_FOUND", "MSG00000", ())
    assert suppliers(combined) == ["7", "11", "16"]


def test_sector_7_comes_before_11_and_11_0_before_its_members() -> None:
    member = Address(11, 1, "0411702543")
    answer = shelter_response(parts=part("<cbeNumber>0411702543</cbeNumber>"))
    combined = answered((member, answer), (B, from_(B)), (A, from_(A)))
    assert suppliers(combined) == ["7", "11", "0411702543"]


def test_some_found_and_some_not_is_found() -> None:
    combined = answered((A, from_(A)), (B, from_(B, NONE, "")))
    assert (value(combined), combined.code) == ("DATA_FOUND", "MSG00000")
    assert [e.text for e in parse(combined.body).findall("part/status/code")] == ["MSG00000", "MSG00100"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (NONE, NONE, ("NO_DATA_FOUND", "MSG00100")),
        (NOBODY, NOBODY, ("NO_DATA_FOUND", "MSG00021")),
        (DEAD, DEAD, ("NO_DATA_FOUND", "MSG00009")),
        (NO_SUCH, NO_SUCH, ("NO_RESULT", "MSG00005")),
        (NONSENSE, NONSENSE, ("NO_RESULT", "MSG00008")),
        (NONE, NO_SUCH, ("NO_DATA_FOUND", "MSG00100")),
    ],
    ids=["none", "nobody", "dead", "no such number", "nonsense", "mixed"],
)
def test_none_found(first: str, second: str, told: tuple[str, str]) -> None:
    combined = answered((A, from_(A, first, "")), (B, from_(B, second, "")))
    assert (value(combined), combined.code) == told


@pytest.mark.parametrize(
    "nothing", [None, b"rubbish", FAULT, shelter_request()], ids=["late", "rubbish", "fault", "request"]
)
def test_a_supplier_without_a_usable_answer_is_silent(nothing: bytes | None) -> None:
    combined = answered((A, from_(A)), (B, nothing))
    assert (value(combined), combined.code, combined.silent) == ("INCOMPLETE_DATA", "HAN20200", ("11-0",))
    assert suppliers(combined) == ["7"]


def test_some_silent_and_the_others_without_data_is_incomplete_too() -> None:
    combined = answered((A, from_(A, NONE, "")), (B, None))
    assert (value(combined), combined.silent) == ("INCOMPLETE_DATA", ("11-0",))


def test_all_silent_is_a_fault_that_says_who() -> None:
    combined = answered((A, None), (B, FAULT))
    assert (combined.kind, combined.code, combined.silent) == ("fault", "CRB00010", ("7-0", "11-0"))
    root = parse(combined.body)
    assert [e.text for e in root.findall("detail/information/fieldValue")] == ["7-0", "11-0"]
    assert root.findtext("informationCustomer/ticket") == "t-1"


def test_one_supplier_is_answered_in_the_same_form() -> None:
    combined = answered((A, from_(A)))
    assert suppliers(combined) == ["7"]


def test_a_relays_parts_all_count_and_so_do_its_silent_members() -> None:
    members = part("<cbeNumber>0411702543</cbeNumber>") + part("<cbeNumber>0411709077</cbeNumber>", "", NONE)
    combined = answered((A, from_(A)), (B, shelter_response(parts=members)))
    assert suppliers(combined) == ["7", "0411702543", "0411709077"]
    some = shelter_response(status=SOME_SILENT, parts=part("<cbeNumber>0411709077</cbeNumber>"))
    combined = answered((A, from_(A)), (B, some))
    assert (value(combined), combined.silent) == ("INCOMPLETE_DATA", ("11-1-0411702543",))
    assert suppliers(combined) == ["7", "0411709077"]


def test_an_answer_that_is_a_status_alone_is_a_part_without_data() -> None:
    combined = answered((A, from_(A)), (B, shelter_response(status=NOBODY)))
    assert combined.code == "MSG00000"
    assert suppliers(combined) == ["7", "11"]
    assert parse(combined.body).findall("part/status/code")[1].text == "MSG00021"


def test_a_supplier_that_answers_in_anothers_name_counts_as_silent() -> None:
    combined = answered((A, from_(A)), (C, from_(A)))
    assert combined.silent == ("16-0",)
    assert suppliers(combined) == ["7"]


def test_a_death_is_a_part_like_others_where_the_service_answers_about_the_dead() -> None:
    combined = answered((A, from_(A)), (B, from_(B, DEAD, "")))
    assert combined.code == "MSG00000"


def test_a_death_ends_it_where_the_service_refuses_the_dead() -> None:
    refusing = replace(shelter, deceased="refuse")
    for other in (from_(A), None, from_(A, NONE, "")):
        combined = answered((A, other), (B, from_(B, DEAD, "")), service=refusing)
        assert (value(combined), combined.code) == ("NO_DATA_FOUND", "MSG00009")
        assert parse(combined.body).find("part") is None


def test_more_silent_suppliers_than_a_status_can_name_are_still_told_of_to_the_hub() -> None:
    answers: list[tuple[Address, bytes | None]] = [(Address(100 + n, 0), None) for n in range(20)]
    request = parse(shelter_request())
    given = [PartAnswer(address, body) for address, body in [(A, from_(A)), *answers]]
    combined = combine(shelter, request, given, TICKET, RECEIVED, REPLIED)
    assert shelter.violations(combined.body)[1] == ()
    assert len(combined.silent) == 20


def test_filters_that_relays_told_of_are_told_on_once() -> None:
    filters = "<dataFilters><filteredElement>part/data/stay/amount</filteredElement></dataFilters>"
    parts = part(sector(7))
    combined = answered(
        (A, shelter_response(filters=filters, parts=parts)),
        (B, shelter_response(filters=filters, parts=part(sector(11)))),
    )
    told = [e.text for e in parse(combined.body).findall("dataFilters/filteredElement")]
    assert told == ["part/data/stay/amount"]


@pytest.mark.parametrize("style", STYLES)
def test_the_suppliers_data_come_out_canonically_equal(style: Style) -> None:
    extra = (
        '<extra><y:a xmlns:y="urn:y" xmlns:z="urn:z" y:b="1" z:c="2">é<!-- c --><?p i?><![CDATA[<&>]]> '
        '<d xmlns="urn:d"><e xmlns=""/></d>\n</y:a></extra>'
    )
    stay = STAY.replace("</stay>", extra + "</stay>")
    body = shelter_response(style, parts=part(sector(7), stay))
    combined = answered((A, body), (B, from_(B)))

    def canonical(message: bytes) -> bytes:
        data = parse(message).find("part/data")
        assert data is not None
        return etree.tostring(data, method="c14n", exclusive=True, with_comments=True)

    assert canonical(combined.body) == canonical(body)


def test_a_prefix_that_a_value_uses_is_still_known() -> None:
    schema = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    stay = STAY.replace("</stay>", '<extra><v xsi:type="xs:date">2024-01-01</v></extra></stay>')
    body = from_(A, stays=stay).replace(b"<s:shelterResponse ", f"<s:shelterResponse {schema} ".encode())
    assert shelter.violations(body)[1] == ()
    found = parse(answered((A, body)).body).find("part/data/stay/extra/v")
    assert found is not None
    assert found.nsmap["xs"] == "http://www.w3.org/2001/XMLSchema"


def test_the_root_carries_the_services_namespace() -> None:
    assert parse(answered((A, from_(A))).body).tag == f"{{{SHELTER}}}shelterResponse"


def test_a_service_without_combine_is_refused() -> None:
    with pytest.raises(PartsError):
        combine(ti_groups, parse(ti_groups_request()), [], TICKET, RECEIVED, REPLIED)


def test_an_answer_does_not_show_its_data() -> None:
    assert "85073003328" not in repr(PartAnswer(A, from_(A))) + repr(answered((A, from_(A))))
