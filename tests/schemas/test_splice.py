"""What is changed in the bytes is what was meant, and nothing else is."""

import re
from copy import deepcopy
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas import splice
from schemas.parser import parse
from schemas.splice import (
    SpliceError,
    cut,
    put_customer_cbe,
    put_data_filters,
    put_information_cbss,
    put_reference,
    put_ticket,
    stamp,
)
from schemas.ssdn.envelope import SERVICE, Envelope
from schemas.ssdn.envelope import read as read_envelope
from tests.schemas.documents import contents, documents
from tests.schemas.messages import (
    CBSS,
    CONTEXT,
    CUSTOMER,
    RECEIVED,
    REPLIED,
    SHELTER,
    STAY,
    STYLES,
    TICKET,
    Style,
    part,
    sector,
    shelter,
    shelter_request,
    shelter_response,
    ti_groups,
    ti_groups_request,
    ti_groups_response,
)
from tests.schemas.ssdn import envelope, identify


def canonical(body: bytes) -> bytes:
    return etree.tostring(parse(body), method="c14n", exclusive=True, with_comments=True)


def shape(element: etree._Element) -> tuple[object, ...]:
    """All that an element is, its namespaces resolved."""
    # A comment's or instruction's tag is the function that makes one.
    attributes = sorted((str(name), str(value)) for name, value in element.attrib.items())
    return (element.tag, attributes, element.text or "", element.tail or "", [shape(child) for child in element])


def read(body: bytes, path: str) -> list[str | None]:
    return [element.text for element in parse(body).findall(path)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("present", ["", CBSS], ids=["absent", "present"])
def test_information_cbss_stands_in_every_kind_of_message_and_leaves_it_valid(style: Style, present: str) -> None:
    for service, body in (
        (shelter, shelter_request(style, cbss=present)),
        (shelter, shelter_response(style, cbss=present, parts=part(sector(17)))),
        (ti_groups, ti_groups_request(style, cbss=present)),
        (ti_groups, ti_groups_response(style, cbss=present)),
    ):
        changed = put_information_cbss(body, TICKET, RECEIVED, REPLIED)
        root, violations = service.violations(changed)
        assert violations == ()
        assert [child.tag for child in root.iterchildren("*")][:2] == ["informationCustomer", "informationCBSS"]
        assert read(changed, "informationCBSS/ticketCBSS") == [str(TICKET)]
        assert read(changed, "informationCBSS/timestampReceive") == ["2024-03-01T12:00:00.123Z"]
        assert read(changed, "informationCBSS/timestampReply") == ["2024-03-01T12:00:01.500Z"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("present", ["", CBSS], ids=["absent", "present"])
def test_the_short_way_and_the_walk_give_the_same_bytes(
    style: Style, present: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [shelter_request(style, cbss=present), ti_groups_response(style, cbss=present)]
    short = [put_information_cbss(body, TICKET, RECEIVED, REPLIED) for body in bodies]
    monkeypatch.setattr(splice, "_plain_place", lambda body: None)
    assert [put_information_cbss(body, TICKET, RECEIVED, REPLIED) for body in bodies] == short


def test_the_short_way_is_the_one_of_plain_messages_and_of_no_others() -> None:
    assert splice._plain_place(shelter_request()) is not None
    assert splice._plain_place(shelter_request(cbss=CBSS)) is not None
    for around in ("<!-- -->", "<?p ?>", "<![CDATA[]]>"):
        assert splice._plain_place(f"<a>{around}{CUSTOMER}</a>".encode()) is None
        inside = CUSTOMER.replace("<informationCustomer>", f"<informationCustomer>{around}")
        assert splice._plain_place(f"<a>{inside}</a>".encode()) is None
    nested = CUSTOMER.replace("<informationCustomer>", "<informationCustomer><informationCustomer/>")
    assert splice._plain_place(f"<a>{nested}</a>".encode()) is None


@pytest.mark.parametrize("style", STYLES)
def test_all_other_bytes_stay(style: Style) -> None:
    body = shelter_request(style)
    changed = put_information_cbss(body, TICKET, RECEIVED, REPLIED)
    inserted = re.search(rb"<informationCBSS.*?</informationCBSS>", changed)
    assert inserted is not None
    assert changed[: inserted.start()] + changed[inserted.end() :] == body


def test_what_needs_no_declaration_carries_none() -> None:
    assert b'xmlns=""' not in put_information_cbss(shelter_request(), TICKET, RECEIVED, REPLIED)


@pytest.mark.parametrize(
    ("old", "around"),
    [
        ("<informationCBSS/>", ""),
        ("<informationCBSS />", ""),
        ("<informationCBSS></informationCBSS>", ""),
        ("<informationCBSS><!-- </informationCBSS> --></informationCBSS>", ""),
        ("<informationCBSS a='>'>x</informationCBSS\n>", ""),
        ("<informationCBSS><![CDATA[</informationCBSS>]]></informationCBSS>", "<!-- <informationCBSS/> -->"),
        ("<informationCBSS><?p </informationCBSS> ?></informationCBSS>", "<?informationCBSS <informationCBSS/> ?>"),
    ],
)
def test_whatever_stood_there_is_replaced(old: str, around: str) -> None:
    body = f"<a>{CUSTOMER}{around}{old}{CONTEXT}</a>".encode()
    new = put_information_cbss(f"<a>{CUSTOMER}{around}{CONTEXT}</a>".encode(), TICKET, RECEIVED, REPLIED)
    assert sorted(put_information_cbss(body, TICKET, RECEIVED, REPLIED)) == sorted(new)
    assert canonical(put_information_cbss(body, TICKET, RECEIVED, REPLIED)).count(b"</informationCBSS>") >= 1
    assert read(put_information_cbss(body, TICKET, RECEIVED, REPLIED), "informationCBSS/ticketCBSS") == [str(TICKET)]


def test_an_element_of_the_same_name_in_another_namespace_is_somebody_elses() -> None:
    body = f'<a>{CUSTOMER}<x:informationCBSS xmlns:x="u">kept</x:informationCBSS></a>'.encode()
    changed = put_information_cbss(body, TICKET, RECEIVED, REPLIED)
    assert b'<x:informationCBSS xmlns:x="u">kept</x:informationCBSS>' in changed
    assert read(changed, "informationCBSS/ticketCBSS") == [str(TICKET)]


def test_a_fault_without_customer_has_it_first() -> None:
    changed = put_information_cbss(b'<f xmlns="u"><detail xmlns=""/></f>', TICKET, RECEIVED, REPLIED)
    assert [child.tag for child in parse(changed)] == ["informationCBSS", "detail"]
    assert [child.tag for child in parse(put_information_cbss(b"<f />", TICKET, RECEIVED, REPLIED))] == [
        "informationCBSS"
    ]
    replaced = put_information_cbss(f"<f>{CBSS}<detail/></f>".encode(), TICKET, RECEIVED, REPLIED)
    assert read(replaced, "informationCBSS/ticketCBSS") == [str(TICKET)]


def test_in_a_qualified_message_it_is_qualified_too() -> None:
    for declared in ('<q:a xmlns:q="u"><q:informationCustomer/></q:a>', '<a xmlns="u"><informationCustomer/></a>'):
        changed = put_information_cbss(declared.encode(), TICKET, RECEIVED, REPLIED)
        assert read(changed, "{u}informationCBSS/{u}ticketCBSS") == [str(TICKET)]
    own = '<a><q:informationCustomer xmlns:q="u?v&amp;w"/></a>'
    changed = put_information_cbss(own.encode(), TICKET, RECEIVED, REPLIED)
    assert [child.tag for child in parse(changed)][1] == "{u?v&w}informationCBSS"


@pytest.mark.parametrize("style", STYLES)
def test_a_ticket_is_put_or_replaced(style: Style) -> None:
    body = shelter_request(style)
    changed = put_ticket(body, "a<b>&]]>")
    assert read(changed, "informationCustomer/ticket") == ["a<b>&]]>"]
    assert shelter.violations(changed)[1] == ()
    without = shelter_request(style, customer=CUSTOMER.replace("<ticket>t-1</ticket>", ""))
    assert shelter.violations(put_ticket(without, "new"))[1] == ()
    assert read(put_ticket(without, "new"), "informationCustomer/ticket") == ["new"]
    empty = shelter_request(style, customer=CUSTOMER.replace("<ticket>t-1</ticket>", "<ticket/>"))
    assert read(put_ticket(empty, "new"), "informationCustomer/ticket") == ["new"]


def test_a_reference_is_put_into_an_envelope_or_replaced() -> None:
    plain = envelope(identify("85073003328"), message="", reference="mine")
    bodies = [
        plain,
        plain.replace(b"<Reference>mine</Reference>", b"<Reference/>"),
        plain.replace(b"<Reference>mine</Reference>", b"<TimeRequest>20260101T000000</TimeRequest>"),
        plain.replace(b"<Message><Reference>mine</Reference></Message>", b"<Message/>"),
        plain.replace(b"<Message><Reference>mine</Reference></Message>", b""),
    ]
    bodies += [_prefixed(body) for body in bodies]
    for body in bodies:
        found = read_envelope(etree.fromstring(put_reference(body, "new & other")))
        assert isinstance(found, Envelope)
        assert (found.reference, found.ticket(1)) == ("new & other", "new & other")
    with pytest.raises(SpliceError):
        put_reference(b"<SSDNRequest/>", "new")


def _prefixed(body: bytes) -> bytes:
    """The same envelope, its own elements under a prefix."""
    root = etree.fromstring(body)
    moved = etree.Element(root.tag, nsmap={"s": SERVICE})
    moved.extend(list(root))
    etree.cleanup_namespaces(moved, top_nsmap={"s": SERVICE})
    made = etree.tostring(moved)
    assert made.count(b"<s:RequestContext") == 1
    return made


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "named", ["<cbeNumber>0212344876</cbeNumber>", "<sector>17</sector><institution>1</institution>"]
)
def test_a_relay_names_its_member_by_number_alone(style: Style, named: str) -> None:
    body = shelter_request(style, customer=CUSTOMER.replace("<cbeNumber>0212344876</cbeNumber>", named))
    changed = put_customer_cbe(body, "0207204216")
    assert shelter.violations(changed)[1] == ()
    assert read(changed, "informationCustomer/customerIdentification/*") == ["0207204216"]


@pytest.mark.parametrize(
    "change", [lambda body: put_ticket(body, "t"), lambda body: put_customer_cbe(body, "0207204216")]
)
def test_a_message_without_head_is_refused(change: object) -> None:
    with pytest.raises(SpliceError):
        change(b"<a><b/></a>")  # type: ignore[operator]


@pytest.mark.parametrize("style", STYLES)
def test_what_is_cut_is_gone_and_what_was_cut_is_told(style: Style) -> None:
    stays = STAY.replace("</stay>", "<amount>1.00</amount><companion since='2024-01-01'>85073003328</companion></stay>")
    body = shelter_response(style, parts=part(sector(17), stays * 2) + part(sector(18), STAY))
    paths = ("part/data/stay/amount", "part/data/stay/companion", "part/data/stay/remark")
    changed, told = cut(body, paths)
    assert told == ("part/data/stay/amount", "part/data/stay/companion")
    filtered = put_data_filters(changed, told, shelter.filters_place or ())
    root, violations = shelter.violations(filtered)
    assert violations == ()
    assert root.findall(".//amount") == root.findall(".//companion") == []
    assert len(root.findall(".//stay")) == 3
    assert read(filtered, "dataFilters/filteredElement") == list(told)


def test_nothing_to_cut_leaves_the_very_bytes() -> None:
    body = shelter_response(parts=part(sector(17)))
    assert cut(body, ("part/data/stay/amount",)) == (body, ())
    assert cut(body, ()) == (body, ())
    assert put_data_filters(body, (), shelter.filters_place or ()) == body


def test_a_path_within_another_one_is_gone_with_it() -> None:
    body = b"<a><b>1<c/>2</b>3<b><c/></b><c/></a>"
    assert cut(body, ("b/c", "b")) == (b"<a>3<c/></a>", ("b/c", "b"))


def test_filters_that_a_supplier_told_already_are_added_to() -> None:
    for old in ("<dataFilters><filteredElement>x</filteredElement></dataFilters>", "<dataFilters/>"):
        body = shelter_response(filters=old)
        changed = put_data_filters(body, ("x", "y"), shelter.filters_place or ())
        assert set(read(changed, "dataFilters/filteredElement")) == {"x", "y"}
        assert shelter.violations(changed)[1] == ()


@pytest.mark.parametrize("style", STYLES)
def test_filters_have_a_place_even_where_nothing_stands_before_them(style: Style) -> None:
    body = style(SHELTER, "r", "<other/>")
    changed = put_data_filters(body, ("x",), ())
    assert [child.tag for child in parse(changed).iterchildren("*")] == ["dataFilters", "other"]


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        stamp(datetime(2024, 1, 1))  # noqa: DTZ001 - the point of it


# --- properties: the edited bytes, made canonical, are the edited tree ------------------------------------------------


@given(contents(), contents(), st.sampled_from(["", ' xmlns="urn:d"']), st.sampled_from(["", "\xef\xbb\xbf"]))
def test_put_information_cbss_is_the_tree_edit(inside: bytes, after: bytes, default: str, mark: str) -> None:
    customer = b'<informationCustomer xmlns="">' + inside + b"</informationCustomer>"
    head = mark.encode("latin-1") + f'<root xmlns:p="urn:p" xmlns:q="urn:q"{default}>'.encode()
    # A second one further on would be another message's problem: the schema has it once.
    after = after.replace(b"informationCBSS", b"information")
    body = head + customer + after + b"</root>"
    root = parse(body)
    expected = deepcopy(root)
    new = etree.fromstring(
        f"<informationCBSS><ticketCBSS>{TICKET}</ticketCBSS><timestampReceive>{stamp(RECEIVED)}</timestampReceive>"
        f"<timestampReply>{stamp(REPLIED)}</timestampReply></informationCBSS>"
    )
    place = expected[0]
    new.tail, place.tail = place.tail, None
    place.addnext(new)
    changed = put_information_cbss(body, TICKET, RECEIVED, REPLIED)
    # Not the written tree: lxml writes an element without namespace into a default one, which is what must not happen.
    assert shape(parse(changed)) == shape(expected)
    # Once more replaces what stands there by the same.
    assert put_information_cbss(changed, TICKET, RECEIVED, REPLIED) == changed


def paths_of(root: etree._Element) -> list[str]:
    found = []
    for element in root.iterdescendants("*"):
        steps = [element, *(above for above in element.iterancestors() if above is not root)]
        found.append("/".join(etree.QName(step).localname for step in reversed(steps)))
    return list(dict.fromkeys(found))


@given(documents(), st.data())
def test_cut_is_the_tree_edit(body: bytes, data: st.DataObject) -> None:
    root = parse(body)
    paths = data.draw(st.lists(st.sampled_from([*paths_of(root), "a/none"]), max_size=3))
    expected = deepcopy(root)
    found = []
    for path in dict.fromkeys(paths):
        level = [expected]
        for step in path.split("/"):
            level = [child for above in level for child in above.iterchildren("{*}" + step)]
        found += [(path, element) for element in level]
    for _, element in found:
        _take_out(element)
    changed, told = cut(body, paths)
    assert canonical(changed) == etree.tostring(expected, method="c14n", exclusive=True, with_comments=True)
    assert set(told) == {path for path, _ in found}


def _take_out(element: etree._Element) -> None:
    parent, before = element.getparent(), element.getprevious()
    assert parent is not None
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)
