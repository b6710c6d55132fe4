"""What the hub answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from uuid import UUID

from lxml import etree

from schemas.address import Address
from schemas.message import find_all, read_head, read_status, text_at, ticket_cbss_in
from schemas.parser import MAX_ONLINE, Information, parse
from schemas.ssdn.envelope import REPLY as ENVELOPE_REPLY
from schemas.violation import local
from schemas.wire.transport import Properties

#: Bytes a combined answer may have: the parts of several suppliers, each as large as a message may be.
MAX_ANSWER = 16 * MAX_ONLINE

Kind = Literal["response", "fault", "intermediate"]

_FILTERS = "dataFilters"
#: What stands before the data in a `part`, or behind the criteria in a response.
_ABOUT = ("informationSupplier", "status", _FILTERS)


@dataclass(frozen=True, slots=True)
class Part:
    """What one of several suppliers answered."""

    #: Who: sector and type, or the enterprise number of a cooperating institution.
    address: Address | None
    cbe: str | None
    value: str
    code: str
    information: Information = field(repr=False)
    data: tuple[etree._Element, ...] = field(repr=False)

    @property
    def found(self) -> bool:
        return self.value == "DATA_FOUND"


@dataclass(frozen=True)
class Answer:
    """One answer to one request. A refusal is one too. Its text is never in its repr: it is personal data."""

    kind: Kind
    #: DATA_FOUND, NO_DATA_FOUND, NO_RESULT, INCOMPLETE_DATA; None of a fault. Of an SSDNReply its `ok`: YES, WARNING,
    #: NO; code and text are those of the first detail of a service.
    value: str | None
    #: The status code, of a fault the reason code of its first detail; `docs/codes.md` says what to do.
    code: str
    #: The text beside the code, for people; may be empty.
    text: str = field(repr=False)
    #: Pairs of field and value: what was missing, which number is new, who was silent.
    information: Information = field(repr=False)
    #: The customer's ticket as the answer repeats it, and the hub's own.
    ticket: str | None
    ticket_cbss: UUID | None
    #: Milliseconds from asking to this, all attempts together.
    ms: float
    xml: bytes = field(repr=False)
    #: Header `filtered`: paths that were cut where the schema has no `dataFilters`.
    _filtered: tuple[str, ...] = field(default=(), repr=False)

    @property
    def found(self) -> bool:
        """DATA_FOUND: all there is. INCOMPLETE_DATA is not: look at `parts`."""
        return self.value in ("DATA_FOUND", "YES")

    @cached_property
    def root(self) -> etree._Element:
        return parse(self.xml, limit=MAX_ANSWER)

    @cached_property
    def filtered(self) -> tuple[str, ...]:
        """Paths of the elements that this customer may not see."""
        told = find_all(self.root, f"{_FILTERS}/filteredElement")
        return self._filtered + tuple((element.text or "").strip() for element in told)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Of several suppliers: each one's answer, in the order of their addresses. Else empty."""
        return tuple(part for child in _data(self.root) if (part := _part(child)) is not None)

    @cached_property
    def data(self) -> tuple[etree._Element, ...]:
        """The data elements; of several suppliers, those of all parts."""
        if self.kind == "fault":
            return ()
        if self.parts:
            return tuple(element for part in self.parts for element in part.data)
        return tuple(_data(self.root))


def read_answer(body: bytes, properties: Properties, ms: float) -> Answer:
    """An answer from the hub's bytes. Raises `Malformed` where they are no message, `ValueError` where no answer."""
    root = parse(body, limit=MAX_ANSWER)
    status = read_status(root)
    details = find_all(root, "detail")
    head = read_head(root)
    if status is not None:
        kind: Kind = "intermediate" if properties.type == "intermediate" else "response"
        value, code, information = status.value, status.code, status.information
        text = text_at(root, "status/description") or ""
    elif root.tag == ENVELOPE_REPLY:
        return _read_envelope(root, body, ms)
    elif details:
        kind, value = "fault", None
        code, text = text_at(details[0], "reasonCode") or "", text_at(details[0], "diagnostic") or ""
        information = tuple(pair for detail in details for pair in _information(detail))
    else:
        raise ValueError("neither status nor detail in it: this is no answer")
    header = properties.headers.get("filtered")
    filtered = tuple(header.split(",")) if isinstance(header, str) and header else ()
    return Answer(
        kind, value, code, text, information, head.ticket, ticket_cbss_in(root), round(ms, 1), body, filtered
    )  # fmt: skip


def _read_envelope(root: etree._Element, body: bytes, ms: float) -> Answer:
    context = "ReplyContext/ResultSummary"
    summaries = find_all(root, context)
    where = "ServiceReply/ResultSummary/Detail"
    first = find_all(root, where) or find_all(root, f"{context}/Detail")
    return Answer(
        kind="response",
        value=summaries[0].get("ok") if summaries else None,
        code=(text_at(first[0], "ReasonCode") or "") if first else "",
        text=(text_at(first[0], "Diagnostic") or "") if first else "",
        information=tuple(
            (text_at(pair, "FieldName") or "", text_at(pair, "FieldValue") or "")
            for detail in first
            for pair in find_all(detail, "Information")
        ),
        ticket=text_at(root, "ReplyContext/Message/Reference"),
        ticket_cbss=_uuid(text_at(root, "ReplyContext/Message/Ticket")),
        ms=round(ms, 1),
        xml=body,
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _information(parent: etree._Element) -> Information:
    return tuple(
        (text_at(entry, "fieldName") or "", text_at(entry, "fieldValue") or "")
        for entry in parent.iterchildren("{*}information")
    )


def _data(parent: etree._Element) -> Sequence[etree._Element]:
    """Elements behind the status, without the list of what was cut."""
    found: list[etree._Element] = []
    behind = False
    for child in parent.iterchildren("*"):
        name = local(str(child.tag))
        if behind and name not in _ABOUT:
            found.append(child)
        behind = behind or name == "status"
    return found


def _part(element: etree._Element) -> Part | None:
    status = read_status(element)
    supplier = next(element.iterchildren("{*}informationSupplier"), None)
    if status is None or supplier is None:
        return None
    cbe = text_at(supplier, "supplierIdentification/cbeNumber")
    return Part(_address(supplier), cbe, status.value, status.code, status.information, tuple(_data(element)))


def _address(supplier: etree._Element) -> Address | None:
    who = "supplierIdentification"
    sector, kind = text_at(supplier, f"{who}/sector"), text_at(supplier, f"{who}/institution")
    if sector is None or kind is None or not (sector.isdecimal() and kind.isdecimal()):
        return None
    return Address(int(sector), int(kind))
