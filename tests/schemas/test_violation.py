"""What is told of an invalid message: line, path, element and rule; never what the sender wrote."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.parser import Malformed
from schemas.violation import MOST_VIOLATIONS, Violation, reason_of, violations_in
from tests.schemas.messages import (
    CONTEXT,
    CUSTOMER,
    SHELTER,
    STYLES,
    Style,
    part,
    prefixed,
    sector,
    shelter,
    shelter_request,
    shelter_response,
)

#: stands wherever a value may be wrong
SECRET = "85073003328SECRET"


def violations(body: bytes) -> tuple[Violation, ...]:
    return shelter.violations(body)[1]


def in_stay(content: str) -> bytes:
    kind = "<kind>NIGHT</kind><period><beginDate>2024-01-01</beginDate></period>"
    return shelter_response(parts=part(sector(17), f"<stay>{kind}{content}</stay>"))


def request_with(content: str) -> bytes:
    return prefixed(SHELTER, "shelterRequest", content)


@pytest.mark.parametrize("style", STYLES)
def test_valid_messages_break_nothing(style: Style) -> None:
    assert violations(shelter_request(style)) == ()
    assert violations(shelter_response(style, parts=part(sector(17)) + part("<cbeNumber>0212344876</cbeNumber>"))) == ()


CASES = {
    "pattern": (
        shelter_request(ssin=SECRET),
        "/shelterRequest/criteria/ssin",
        "element 'ssin' does not match its pattern",
    ),
    "pattern, short": (
        shelter_request(customer=CUSTOMER.replace("0212344876", SECRET)),
        "/shelterRequest/informationCustomer/customerIdentification/cbeNumber",
        r"element 'cbeNumber' does not match the pattern \d{10}",
    ),
    "built-in type": (
        shelter_request(period=f"<period><beginDate>{SECRET}</beginDate></period>"),
        "/shelterRequest/criteria/period/beginDate",
        "element 'beginDate' is not a valid xs:date",
    ),
    "local type": (
        in_stay(f"<beds>{SECRET}</beds>"),
        "/shelterResponse/part/data/stay/beds",
        "element 'beds' is not of the type that its schema asks",
    ),
    "enumeration": (
        shelter_response(
            parts=part(
                sector(17), f"<stay><kind>{SECRET}</kind><period><beginDate>2024-01-01</beginDate></period></stay>"
            )
        ),
        "/shelterResponse/part/data/stay/kind",
        "element 'kind' is none of: NIGHT, LONG STAY",
    ),
    "too long": (
        in_stay(f"<remark>{SECRET * 2}</remark>"),
        "/shelterResponse/part/data/stay/remark",
        "element 'remark' is longer than 20 characters",
    ),
    "too short": (
        in_stay("<remark>S</remark>"),
        "/shelterResponse/part/data/stay/remark",
        "element 'remark' is shorter than 2 characters",
    ),
    "too small": (in_stay("<beds>-77</beds>"), "/shelterResponse/part/data/stay/beds", "element 'beds' is less than 1"),
    "too great": (
        in_stay("<beds>777</beds>"),
        "/shelterResponse/part/data/stay/beds",
        "element 'beds' is not less than 100",
    ),
    "decimals": (
        in_stay("<amount>7.777</amount>"),
        "/shelterResponse/part/data/stay/amount",
        "element 'amount' has more decimals than 2",
    ),
    "unknown element": (
        in_stay(f"<wrong>{SECRET}</wrong>"),
        "/shelterResponse/part/data/stay/wrong",
        "element 'wrong' is not expected here, expected: amount, beds, remark, room, street, companion, extra",
    ),
    "missing element": (
        request_with(CUSTOMER + CONTEXT),
        "/shelterRequest",
        "element 'shelterRequest' lacks an element, expected: criteria",
    ),
    "another namespace": (
        request_with(f'{CUSTOMER}<x:legalContext xmlns:x="urn:{SECRET}">x</x:legalContext>'),
        "/shelterRequest/legalContext",
        "element 'legalContext' stands in another namespace than expected",
    ),
    "inherited namespace": (
        f'<shelterRequest xmlns="{SHELTER}">{CUSTOMER}</shelterRequest>'.encode(),
        "/shelterRequest/informationCustomer",
        "element 'informationCustomer' stands in another namespace than expected",
    ),
    "text among elements": (
        request_with(SECRET + CUSTOMER + CONTEXT),
        "/shelterRequest",
        "element 'shelterRequest' holds text where only elements may stand",
    ),
    "elements in text": (
        shelter_request(ssin=f"<a>{SECRET}</a>"),
        "/shelterRequest/criteria/ssin",
        "element 'ssin' holds elements where only text may stand",
    ),
    "attribute not allowed": (
        request_with(CUSTOMER.replace("<ticket>", f'<ticket a="{SECRET}">') + CONTEXT),
        "/shelterRequest/informationCustomer/ticket",
        "attribute 'a' of element 'ticket' is not allowed",
    ),
    "attribute missing": (
        in_stay("<companion>85073003328</companion>"),
        "/shelterResponse/part/data/stay/companion",
        "element 'companion' lacks its attribute 'since'",
    ),
    "attribute of wrong type": (
        in_stay(f'<companion since="{SECRET}">85073003328</companion>'),
        "/shelterResponse/part/data/stay/companion",
        "attribute 'since' of element 'companion' is not a valid xs:date",
    ),
    "xsi:type": (
        request_with(
            CUSTOMER + f'<legalContext xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Q{SECRET}"/>'
        ),
        "/shelterRequest/legalContext",
        "element 'legalContext' has an xsi:type that the schema does not know",
    ),
    "xsi:nil": (
        request_with(CUSTOMER + '<legalContext xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'),
        "/shelterRequest/legalContext",
        "element 'legalContext' may not be nil",
    ),
    "a value that imitates libxml2": (
        shelter_response(
            parts=part(
                sector(17),
                f"<stay><kind>x' is not an element of the set {{'{SECRET}'}}.</kind>"
                "<period><beginDate>2024-01-01</beginDate></period></stay>",
            )
        ),
        "/shelterResponse/part/data/stay/kind",
        "element 'kind' is none of: NIGHT, LONG STAY",
    ),
    "a date that imitates libxml2": (
        shelter_request(period=f"<period><beginDate>x' of the atomic type '{SECRET}'.</beginDate></period>"),
        "/shelterRequest/criteria/period/beginDate",
        "element 'beginDate' is not a valid xs:date",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_violation_names_the_element_and_the_rule(case: str) -> None:
    body, path, reason = CASES[case]
    first = violations(body)[0]
    assert (first.path, first.reason) == (path, reason)


@pytest.mark.parametrize("case", CASES)
def test_no_value_is_told(case: str) -> None:
    for violation in violations(CASES[case][0]):
        told = violation.reason + violation.path + repr(violation)
        for value in (SECRET, "SECRET", "85073003328", "777", "-77"):
            assert value not in told


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FFF, blacklist_characters="<&>"), min_size=7),
    st.sampled_from(
        [
            lambda value: shelter_request(ssin=value),
            lambda value: shelter_request(context=f"<legalContext>{value * 10}</legalContext>"),
            lambda value: shelter_request(period=f"<period><beginDate>{value}</beginDate></period>"),
            lambda value: shelter_response(status=f"<status><value>{value}</value><code>{value * 3}</code></status>"),
            lambda value: in_stay(f"<amount>{value}</amount><beds>{value}</beds><remark>{value * 3}</remark>"),
            partial(
                lambda make, value: make(f'<companion since="{value.replace(chr(34), "")}">{value}</companion>'),
                in_stay,
            ),
        ]
    ),
)
def test_no_value_whatever_is_told(value: str, make: object) -> None:
    marked = "Q" + value + "Z"
    try:
        found = violations(make(marked))  # type: ignore[operator]
    except Malformed:
        return
    for violation in found:
        assert marked not in violation.reason
        assert marked not in violation.path


def test_siblings_of_one_name_are_told_apart_by_index() -> None:
    good, bad = "<stay><kind>NIGHT</kind><period><beginDate>2024-01-01</beginDate></period></stay>", "<stay/>"
    body = shelter_response(parts=part(sector(17), good) + part(sector(18), good + bad))
    assert violations(body)[0].path == "/shelterResponse/part[2]/data/stay[2]"


def test_the_line_is_that_of_the_bytes() -> None:
    body = shelter_request(ssin="x").replace(b"<criteria>", b"\n\n<criteria>\n")
    assert violations(body)[0].line == 5


def test_one_wrong_value_is_told_once() -> None:
    assert len(violations(shelter_request(ssin="x"))) == 1
    schema = etree.XMLSchema(
        etree.fromstring(
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="e"><xs:simpleType>'
            '<xs:list itemType="xs:int"/></xs:simpleType></xs:element></xs:schema>'
        )
    )
    root = etree.fromstring("<e>1 x</e>")
    assert not schema.validate(root)
    # Once for the item and once for the list.
    assert str(schema.error_log).count("ERROR") == 2
    assert [found.reason for found in violations_in(schema.error_log, root)] == ["element 'e' is not a valid xs:int"]


def test_of_many_errors_as_many_are_told_as_a_fault_can_hold() -> None:
    body = shelter_response(parts=part(sector(17), in_stay_many(50)))
    found = violations(body)
    assert len(found) == MOST_VIOLATIONS
    assert found[-1].path.endswith("stay[30]/kind")


def in_stay_many(count: int) -> str:
    return "<stay><kind>x</kind><period><beginDate>2024-01-01</beginDate></period></stay>" * count


def test_long_names_of_the_sender_are_cut() -> None:
    found = violations(request_with(f"<{'n' * 5000}/>"))[0]
    assert len(found.reason) < 300
    assert all(len(name) <= 64 and len(value) <= 256 for name, value in found.information)


def test_a_deep_path_keeps_its_end() -> None:
    violation = Violation(3, "/" + "x" * 300 + "/end", "r")
    path = dict(violation.information)["path"]
    assert len(path) == 256
    assert path.endswith("/end")


def test_another_root_is_told_as_such() -> None:
    body = shelter_response()
    assert shelter.violations(body, "request")[1][0].reason == "the root element is not the shelterRequest of Shelter/1"
    assert shelter.violations(b"<a/>")[1][0].path == "/"
    assert shelter.violations(body, "response", "fault")[1] == ()


def test_an_error_that_has_no_sentence_yet_still_tells_no_value() -> None:
    assert (
        reason_of("SCHEMAV_CVC_NEW", "Element 'a': The value 'SECRET' is new.")
        == "element 'a' breaks a rule of its schema"
    )
    assert reason_of("SCHEMAV_NEW", "SECRET") == "element '?' breaks a rule of its schema"


def test_a_location_that_the_message_names_is_not_read() -> None:
    xsi = (
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="urn:none file:///nowhere.xsd" xsi:noNamespaceSchemaLocation="file:///nowhere.xsd"'
    )
    body = shelter_request().replace(b"<s:shelterRequest", b"<s:shelterRequest " + xsi.encode())
    assert violations(body) == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "<criteria>",
            "<criteria><p85073003328/>",
            "/shelterRequest/criteria/… element '…' is not expected here, expected: ssin",
        ),
        (
            "<criteria>",
            '<criteria p85073003328="x">',
            "/shelterRequest/criteria attribute '…' of element 'criteria' is not allowed",
        ),
        (
            "s:shelterRequest",
            "s:p85073003328",
            "/ the root element is not the shelterRequest or shelterResponse or fault of Shelter/1",
        ),
        (
            "<period>",
            "<period/><period>",
            "/shelterRequest/criteria/period[1] element 'period' lacks an element, expected: beginDate",
        ),
    ],
)
def test_a_log_is_told_no_name_that_only_the_message_has(old: str, new: str, told: str) -> None:
    first = violations(shelter_request().replace(old.encode(), new.encode()))[0]
    assert shelter.for_log(first) == told
