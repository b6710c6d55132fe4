"""What is read from messages, of every style, and of those that say nothing sensible."""

from datetime import date, datetime, timedelta, timezone

import pytest

from schemas.address import Address
from schemas.message import Request, read_head, read_request, read_status, ssin_in, ticket_cbss_in
from schemas.parser import parse
from schemas.period import Period, today
from schemas.violation import Violation
from tests.schemas.messages import (
    CBSS,
    CUSTOMER,
    SSIN,
    STYLES,
    Style,
    part,
    sector,
    shelter,
    shelter_request,
    shelter_response,
    ti_groups,
    ti_groups_request,
)


def read(body: bytes) -> Request | tuple[Violation, ...]:
    return read_request(shelter, body, parse(body))


def asked(period: str) -> Period | None:
    request = read(shelter_request(period=period))
    assert isinstance(request, Request)
    return request.asked


@pytest.mark.parametrize("style", STYLES)
def test_a_request_is_read(style: Style) -> None:
    body = shelter_request(style, cbss=CBSS)
    request = read(body)
    assert isinstance(request, Request)
    assert (request.service, request.body, request.ssin_text) == (shelter, body, SSIN)
    assert request.asked == Period(date(2024, 1, 1), date(2024, 2, 1))
    head = request.head
    assert (head.ticket, head.cbe, head.sector_institution) == ("t-1", "0212344876", None)
    assert head.time_sent == datetime(2024, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    assert head.legal_context == "PCSA:SOCIAL_INQUIRY"
    assert str(ticket_cbss_in(request.root)) == "99999999-2222-5333-8444-555555555555"


def test_a_request_does_not_show_its_person() -> None:
    assert SSIN not in repr(read(shelter_request()))


def test_an_invalid_request_gives_what_is_wrong() -> None:
    found = read(shelter_request(ssin="x"))
    assert isinstance(found, tuple)
    assert found[0].path == "/shelterRequest/criteria/ssin"


def test_a_response_is_no_request() -> None:
    assert isinstance(read(shelter_response()), tuple)


def test_two_numbers_where_one_is_checked_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<r><c><ssin>1</ssin></c><c><ssin>2</ssin></c></r>"
    assert ssin_in(ti_groups, parse(body)) is None
    # A schema may allow what the settings did not think of.
    monkeypatch.setattr(type(shelter), "violations_of", lambda *_: ())
    twice = shelter_request().replace(b"</criteria>", b"</criteria><criteria><ssin>85073003328</ssin></criteria>")
    found = read(twice)
    assert isinstance(found, tuple)
    assert found[0].reason == "the person's number must stand there, exactly once"


def test_a_comment_does_not_hide_half_a_number() -> None:
    body = shelter_request(ssin=f"{SSIN[:5]}<!-- x --><?y z?>{SSIN[5:]}")
    request = read(body)
    assert isinstance(request, Request)
    assert request.ssin_text == SSIN


def test_a_service_without_period_asks_about_today() -> None:
    body = ti_groups_request()
    before = today()
    request = read_request(ti_groups, body, parse(body))
    assert isinstance(request, Request)
    assert request.asked in (Period(before, before), Period(today(), today()))


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("2024-01-01", "2024-01-01", Period(date(2024, 1, 1), date(2024, 1, 1))),
        ("2024-01-01", None, Period(date(2024, 1, 1), None)),
        ("2024-01-01+14:00", "2024-01-02Z", Period(date(2024, 1, 1), date(2024, 1, 2))),
        ("-0044-03-15", "99999-01-01", Period(date.min, date.max)),
        ("2024-01-02", "2024-01-01", None),
        ("99999-01-01", "2024-01-01", None),
    ],
)
def test_the_asked_period_is_read_as_dates_are_written(begin: str, end: str | None, expected: Period | None) -> None:
    inner = f"<beginDate>{begin}</beginDate>" + (f"<endDate>{end}</endDate>" if end else "")
    assert asked(f"<period>{inner}</period>") == expected


def test_a_period_left_out_is_today() -> None:
    before = today()
    assert asked("") in (Period(before, before), Period(today(), today()))


@pytest.mark.parametrize(
    ("identification", "expected"),
    [
        (sector(17, 1), Address(17, 1)),
        ("<sector> +017 </sector><institution>0</institution>", Address(17, 0)),
        (sector(1000, 1), None),
        ("<sector>x</sector><institution>1</institution>", None),
        ("<sector>١٧</sector><institution>1</institution>", None),
        ("<sector>17</sector>", None),
        ("<sector>" + "9" * 400 + "</sector><institution>1</institution>", None),
        ("", None),
    ],
    ids=range(8),
)
def test_sector_and_institution_are_read_leniently(identification: str, expected: Address | None) -> None:
    customer = CUSTOMER.replace("<cbeNumber>0212344876</cbeNumber>", identification)
    assert read_head(parse(shelter_request(customer=customer))).sector_institution == expected


@pytest.mark.parametrize("body", [b"<a/>", b"<a><informationCustomer/></a>", b"<informationCustomer/>", b"<a>text</a>"])
def test_a_message_without_head_has_none(body: bytes) -> None:
    head = read_head(parse(body))
    assert (head.ticket, head.time_sent, head.cbe, head.sector_institution, head.legal_context) == (None,) * 5


def test_a_time_that_is_none_is_none() -> None:
    customer = CUSTOMER.replace("2024-03-01T12:00:00+01:00", "yesterday")
    assert read_head(parse(shelter_request(customer=customer))).time_sent is None


@pytest.mark.parametrize("style", STYLES)
def test_a_status_is_read_of_a_response_and_of_a_part(style: Style) -> None:
    status = (
        "<status><value>INCOMPLETE_DATA</value><code>HAN20200</code><information><fieldName>silent</fieldName>"
        "<fieldValue>16-0</fieldValue></information><information><fieldName>x</fieldName></information></status>"
    )
    root = parse(shelter_response(style, status=status, parts=part(sector(17))))
    found = read_status(root)
    assert found is not None
    assert (found.value, found.code) == ("INCOMPLETE_DATA", "HAN20200")
    assert found.information == (("silent", "16-0"), ("x", ""))
    (one,) = root.iterchildren("part")
    inner = read_status(one)
    assert inner is not None
    assert inner.code == "MSG00000"


def test_a_fault_has_no_status_and_a_wrong_ticket_is_none() -> None:
    assert read_status(parse(b"<f/>")) is None
    assert read_status(parse(b"<f><status/></f>")) is None
    assert ticket_cbss_in(parse(b"<f/>")) is None
    assert ticket_cbss_in(parse(b"<f><informationCBSS><ticketCBSS>x</ticketCBSS></informationCBSS></f>")) is None
