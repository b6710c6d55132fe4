"""Changes in a message's bytes: what is not changed stays as its author wrote it, byte for byte.

The bodies have been accepted by `schemas.parser`. What is inserted stands in the namespace of the elements beside it,
whatever the message's prefixes and default namespace: an element without namespace carries `xmlns=""` where it must.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID
from xml.sax.saxutils import escape

from schemas.errors import CrossroadsError
from schemas.markup import Span, Tag, attributes_of, spans

_Edit = tuple[int, int, bytes]

_CUSTOMER = (b"informationCustomer",)
_CBSS = (b"informationCBSS",)
_TICKET = (b"informationCustomer", b"ticket")
_IDENTIFICATION = (b"informationCustomer", b"customerIdentification")
_FILTERS = (b"dataFilters",)
_CONTEXT = (b"RequestContext",)
_MESSAGE = (*_CONTEXT, b"Message")
_REFERENCE = (*_MESSAGE, b"Reference")

#: Start tags with nothing in them but the name, so that they declare no namespace.
_PLAIN_CUSTOMER = re.compile(rb"<((?:[^\s<>:/!?=\"']++:)?)informationCustomer>")
_PLAIN_CBSS = re.compile(rb"\s*+<((?:[^\s<>:/!?=\"']++:)?)informationCBSS>")


class SpliceError(CrossroadsError):
    """The message has no place for what should be put there: it was not checked against its schema before."""


def stamp(moment: datetime) -> str:
    """A moment as it stands in messages: UTC, milliseconds. Raises `ValueError` for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone: give datetime.now(UTC)")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def put_information_cbss(body: bytes, ticket_cbss: UUID, received: datetime, replied: datetime) -> bytes:
    """Puts `informationCBSS` behind `informationCustomer` (first, where there is none), or in an old one's place."""
    if (place := _plain_place(body)) is not None:
        prefix, begin, end = place
        element = _element(prefix, b"informationCBSS", _moments(prefix, ticket_cbss, received, replied))
        return b"".join((body[:begin], element, body[end:]))
    present = b"informationCBSS" in body
    customer: Span | None = None
    for span in spans(body, depth=1):
        if span.path == _CUSTOMER and customer is None:
            customer = span
            if not present:
                break
        elif span.path == _CBSS and span.namespace == (customer.namespace if customer else (b"", b"")):
            return _apply(body, [(span.begin, span.end, _information_cbss(span, ticket_cbss, received, replied))])
        elif not span.path and customer is None:
            element = _information_cbss(None, ticket_cbss, received, replied, around=span.within)
            return _apply(body, [_first_in(body, span.start, element)])
    if customer is None:
        raise SpliceError("no element to put informationCBSS into")
    element = _information_cbss(customer, ticket_cbss, received, replied)
    return _apply(body, [(customer.end, customer.end, element)])


def _plain_place(body: bytes) -> tuple[bytes, int, int] | None:
    """Prefix, begin and end of where `informationCBSS` goes, in a message written as nearly all are: the customer
    first, its tag and that of an old informationCBSS bare, no comment nor the like before or in them. None: another.

    A fifth of the price of walking the tags. A `<` stands in no attribute and no text, so that what looks like an end
    tag is one.
    """
    first = body.find(b"<", body.find(b"?>") + 2 if body.startswith(b"<?xml") else 0)
    customer = _PLAIN_CUSTOMER.match(body, body.find(b"<", first + 1))
    if customer is None or body[first + 1 : first + 2] in b"!?":
        return None
    end = _plain_end(body, customer, b"informationCustomer")
    if end is None or b"informationCBSS" not in body:
        return None if end is None else (customer[1][:-1], end, end)
    old = _PLAIN_CBSS.match(body, end)
    if old is None or old[1] != customer[1]:
        return None
    begin = body.index(b"<", old.start())
    end = _plain_end(body, old, b"informationCBSS")
    return None if end is None else (old[1][:-1], begin, end)


def _plain_end(body: bytes, start: re.Match[bytes], name: bytes) -> int | None:
    """Where the element of this start tag ends, if there is nothing in it but elements of other names and text."""
    close = body.find(b"</" + start[1] + name, start.end())
    inner = body[start.end() : close]
    if close < 0 or name in inner or b"<!" in inner or b"<?" in inner:
        return None
    return body.index(b">", close) + 1


def put_ticket(body: bytes, ticket: str) -> bytes:
    """Sets the customer's own ticket, `informationCustomer/ticket`."""
    text = escape(ticket).encode()
    for span in spans(body, depth=2):
        if span.path == _TICKET:
            return _apply(body, [_content(body, span, text)])
        if span.path == _CUSTOMER:
            return _apply(body, [_first_in(body, span.start, _element(span.start.prefix, b"ticket", text))])
    raise SpliceError("no informationCustomer to put the ticket into")


def put_reference(body: bytes, reference: str) -> bytes:
    """Sets the customer's own ticket in an SSDNRequest, `RequestContext/Message/Reference`."""
    text = escape(reference).encode()
    for span in spans(body, depth=3):
        if span.path == _REFERENCE:
            return _apply(body, [_content(body, span, text)])
        if span.path == _MESSAGE:
            return _apply(body, [_first_in(body, span.start, _element(span.start.prefix, b"Reference", text))])
        if span.path == _CONTEXT:
            prefix = span.start.prefix
            message = _element(prefix, b"Message", _element(prefix, b"Reference", text))
            return _apply(body, [_last_in(body, span, message)])
    raise SpliceError("no RequestContext to put the reference into")


def put_customer_cbe(body: bytes, cbe: str) -> bytes:
    """Names the customer by enterprise number alone, as a relay does for the institution it asks for."""
    for span in spans(body, depth=2):
        if span.path == _IDENTIFICATION:
            number = _element(span.start.prefix, b"cbeNumber", escape(cbe).encode())
            return _apply(body, [_content(body, span, number)])
    raise SpliceError("no informationCustomer/customerIdentification to put the enterprise number into")


def cut(body: bytes, paths: Collection[str]) -> tuple[bytes, tuple[str, ...]]:
    """Takes out every element at these paths (local names below the root) with all it holds.

    Also gives the paths that took something out, in the order they were asked; white space around them stays.
    """
    wanted = {tuple(step.encode() for step in path.split("/")): path for path in paths}
    lasts = {steps[-1] for steps in wanted}
    if not any(last in body for last in lasts):
        return body, ()
    found: set[str] = set()
    edits: list[_Edit] = []
    for span in spans(body, depth=max(len(steps) for steps in wanted)):
        if (path := wanted.get(span.path)) is not None:
            found.add(path)
            edits.append((span.begin, span.end, b""))
    return _apply(body, edits), tuple(dict.fromkeys(path for path in paths if path in found))


def put_data_filters(body: bytes, paths: Sequence[str], place: Sequence[str]) -> bytes:
    """Tells in `dataFilters` what was cut; `place` names what stands before it (`Service.filters_place`).

    Where the message has `dataFilters` already, what it does not yet name is added.
    """
    if not paths:
        return body
    before = {name.encode() for name in place}
    beside: Span | None = None
    root: Span | None = None
    named: set[bytes] = set()
    for span in spans(body, depth=2):
        if span.path[:1] == _FILTERS and len(span.path) == 2:
            named.add(body[span.start.end : span.close].strip())
        elif span.path == _FILTERS:
            missing = [path for path in paths if escape(path).encode() not in named]
            return _apply(body, [_last_in(body, span, _filtered(span.start.prefix, missing))])
        elif len(span.path) == 1 and span.path[0] in before:
            beside = span
        elif not span.path:
            root = span
    if root is None:
        raise SpliceError("no element to put dataFilters into")
    if beside is None:
        element = _element(b"", b"dataFilters", _filtered(b"", paths), _declared(b"", root.within))
        return _apply(body, [_first_in(body, root.start, element)])
    element = _beside(beside, b"dataFilters", _filtered(beside.start.prefix, paths))
    return _apply(body, [(beside.end, beside.end, element)])


# --- elements -----------------------------------------------------------------------------------------------------


def _element(prefix: bytes, name: bytes, content: bytes, declaration: bytes = b"") -> bytes:
    name = prefix + b":" + name if prefix else name
    return b"<" + name + declaration + b">" + content + b"</" + name + b">"


def _declared(wanted: bytes, around: bytes) -> bytes:
    return b"" if wanted == around else b' xmlns="' + wanted.replace(b'"', b"&quot;") + b'"'


def _beside(span: Span, name: bytes, content: bytes) -> bytes:
    """An element in the namespace of `span`, to stand where its siblings stand."""
    prefix = span.start.prefix
    if not prefix:
        return _element(b"", name, content, _declared(span.within, span.around))
    # A prefix that the sibling declared for itself is not known beside it.
    own = next((value for known, value in attributes_of(span.start) if known == b"xmlns:" + prefix), None)
    declaration = b"" if own is None else b" xmlns:" + prefix + b'="' + own.replace(b'"', b"&quot;") + b'"'
    return _element(prefix, name, content, declaration)


def _information_cbss(
    sibling: Span | None, ticket_cbss: UUID, received: datetime, replied: datetime, *, around: bytes = b""
) -> bytes:
    content = _moments(sibling.start.prefix if sibling is not None else b"", ticket_cbss, received, replied)
    if sibling is not None:
        return _beside(sibling, b"informationCBSS", content)
    return _element(b"", b"informationCBSS", content, _declared(b"", around))


def _moments(prefix: bytes, ticket_cbss: UUID, received: datetime, replied: datetime) -> bytes:
    """What stands in `informationCBSS`."""
    return b"".join(
        (
            _element(prefix, b"ticketCBSS", str(ticket_cbss).encode()),
            _element(prefix, b"timestampReceive", stamp(received).encode()),
            _element(prefix, b"timestampReply", stamp(replied).encode()),
        )
    )


def _filtered(prefix: bytes, paths: Iterable[str]) -> bytes:
    return b"".join(_element(prefix, b"filteredElement", escape(path).encode()) for path in paths)


# --- edits --------------------------------------------------------------------------------------------------------


def _first_in(body: bytes, start: Tag, content: bytes) -> _Edit:
    if start.closes:
        return _expanded(body, start, content)
    return (start.end, start.end, content)


def _last_in(body: bytes, span: Span, content: bytes) -> _Edit:
    return _expanded(body, span.start, content) if span.start.closes else (span.close, span.close, content)


def _content(body: bytes, span: Span, content: bytes) -> _Edit:
    return _expanded(body, span.start, content) if span.start.closes else (span.start.end, span.close, content)


def _expanded(body: bytes, start: Tag, content: bytes) -> _Edit:
    """`<a/>` as `<a>content</a>`."""
    opening = body[start.begin : start.end - 2].rstrip()
    return (start.begin, start.end, opening + b">" + content + b"</" + start.name + b">")


def _apply(body: bytes, edits: Iterable[_Edit]) -> bytes:
    pieces: list[bytes] = []
    done = 0
    for begin, end, replacement in sorted(edits):
        if begin < done:
            continue  # within what is gone already
        pieces += (body[done:begin], replacement)
        done = end
    return b"".join((*pieces, body[done:]))
