"""The envelope itself: an SSDNRequest read, an SSDNReply written. Pure.

Clients in the field write any prefixes, and elements with nothing in them for what they do not know: those are as
absent ones (field.md 3.1). Times are `yyyyMMddThhmmss` in Brussels, and never compared: clocks drift.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from uuid import UUID, uuid5

from lxml import etree

from schemas.codes import LANGUAGES
from schemas.grammar import SHIPPED_SCHEMAS, Grammar
from schemas.message import find_all, text_at, text_of
from schemas.period import BRUSSELS
from schemas.ssdn.reasons import MOST_INFORMATION, Summary, aggregate, within_limits
from schemas.ticket import NAMESPACE
from schemas.violation import Violation

SERVICE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/Service"
COMMON = "http://www.ksz-bcss.fgov.be/XSD/SSDN/Common"
REQUEST, REPLY = f"{{{SERVICE}}}SSDNRequest", f"{{{SERVICE}}}SSDNReply"

#: Characters of a ticket.
_LONGEST_TICKET = 36
_USER = ("UserID", "Email", "OrgUnit", "MatrixID", "MatrixSubID")


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One question of an envelope."""

    service_id: str
    version: str
    #: The business request, without its empty elements.
    business: etree._Element = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An SSDNRequest that keeps to its schema."""

    #: The number of a person, or of a program.
    user_id: str = field(repr=False)
    email: str = field(repr=False)
    #: The enterprise number, or another of the institution's.
    org_unit: str | None
    #: Sector in the primary network, and institution type (0 where it is not there).
    matrix_id: int
    matrix_sub_id: int
    reference: str | None
    #: As written.
    time_request: str | None
    #: NL, FR, DE or EN.
    language: str
    services: tuple[ServiceRequest, ...]
    #: AuthorizedUser as it is echoed.
    user: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def cbe(self) -> str | None:
        """The enterprise number, where OrgUnit is one."""
        unit = self.org_unit or ""
        return unit if len(unit) == 10 and unit.isascii() and unit.isdigit() else None

    def ticket(self, number: int) -> str | None:
        """The ticket of the n-th service request, from 1; None without a Reference. The same each time."""
        if self.reference is None:
            return None
        if len(self.services) == 1 and len(self.reference) <= _LONGEST_TICKET:
            return self.reference
        return str(uuid5(NAMESPACE, f"ssdn:{number}:{self.reference}"))


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """How one question was answered."""

    service_id: str
    version: str
    summary: Summary
    #: Absent on error.
    business: etree._Element | None = field(default=None, repr=False)


@cache
def grammar(schema: str) -> Grammar:
    """One of the schemas in `schemas/xsd/ssdn`."""
    return Grammar.read(SHIPPED_SCHEMAS / "ssdn", schema)


def read(root: etree._Element) -> Envelope | tuple[Violation, ...]:
    """An envelope, or what of it breaks its schema. `root` is not changed."""
    whole = _without_empty(root)
    if violations := grammar("service.xsd").violations_of(whole):
        return violations
    where = "RequestContext/AuthorizedUser"
    user = tuple((name, text) for name in _USER if (text := text_at(whole, f"{where}/{name}")) is not None)
    told = dict(user)
    return Envelope(
        user_id=told["UserID"],
        email=told["Email"],
        org_unit=told.get("OrgUnit"),
        matrix_id=int(told["MatrixID"]),
        matrix_sub_id=int(told.get("MatrixSubID", "0")),
        reference=text_at(whole, "RequestContext/Message/Reference"),
        time_request=text_at(whole, "RequestContext/Message/TimeRequest"),
        language=_language(text_at(whole, "RequestContext/Message/Language")),
        services=tuple(_service(one) for one in find_all(whole, "ServiceRequest")),
        user=user,
    )


def reply(
    envelope: Envelope | None,
    summary: Summary | None,
    services: Sequence[ServiceReply],
    *,
    ticket: UUID | None,
    received: datetime,
    replied: datetime,
) -> bytes:
    """The SSDNReply. `envelope` is None of one that could not be read; without `summary` it is the worst of the
    services'. `ticket`: the hub's own of the first; None: it has none."""
    root = etree.Element(REPLY, nsmap={"ssdn": SERVICE, "common": COMMON})
    context = etree.SubElement(root, f"{{{SERVICE}}}ReplyContext")
    language = envelope.language if envelope is not None else "EN"
    context.append(_summary(summary or aggregate((one.summary for one in services), language)))
    if envelope is not None:
        user = etree.SubElement(context, f"{{{SERVICE}}}AuthorizedUser")
        for name, text in envelope.user:
            _put(user, SERVICE, name, text)
    if ticket is not None:
        message = etree.SubElement(context, f"{{{SERVICE}}}Message")
        _put(message, SERVICE, "Reference", envelope.reference if envelope is not None else None)
        _put(message, SERVICE, "Ticket", str(ticket))
        _put(message, SERVICE, "TimeRequest", envelope.time_request if envelope is not None else None)
        _put(message, SERVICE, "TimeReceive", time_of(received))
        _put(message, SERVICE, "TimeResponse", time_of(replied))
    for one in services:
        element = etree.SubElement(root, f"{{{SERVICE}}}ServiceReply")
        element.append(_summary(one.summary))
        _put(element, SERVICE, "ServiceId", one.service_id)
        _put(element, SERVICE, "Version", one.version)
        if one.business is not None:
            element.append(one.business)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def time_of(moment: datetime) -> str:
    """A moment as the envelope writes it."""
    return moment.astimezone(BRUSSELS).strftime("%Y%m%dT%H%M%S")


def _service(element: etree._Element) -> ServiceRequest:
    *_, business = element.iterchildren("*")
    return ServiceRequest(text_at(element, "ServiceId") or "", text_at(element, "Version") or "", business)


def _language(text: str | None) -> str:
    return text.upper() if text is not None and text.upper() in LANGUAGES else "EN"


def _without_empty(root: etree._Element) -> etree._Element:
    whole = deepcopy(root)
    # Children before their parents: what holds nothing but empty elements is empty.
    for element in reversed(list(whole.iter("*"))):
        parent = element.getparent()
        if parent is None or parent.tag == f"{{{SERVICE}}}ServiceRequest":
            continue  # an empty business request is one, and costs the others nothing
        if next(element.iterchildren("*"), None) is None and text_of(element) is None:
            parent.remove(element)
    return whole


def _summary(summary: Summary) -> etree._Element:
    element = etree.Element(f"{{{COMMON}}}ResultSummary", ok=summary.ok)
    _put(element, COMMON, "ReturnCode", str(summary.return_code))
    for note in within_limits(summary.notes):
        detail = etree.SubElement(element, f"{{{COMMON}}}Detail")
        _put(detail, COMMON, "Severity", note.severity)
        _put(detail, COMMON, "ReasonCode", note.code)
        _put(detail, COMMON, "Diagnostic", note.text)
        _put(detail, COMMON, "AuthorCodeList", note.author)
        for name, value in note.information[:MOST_INFORMATION]:
            information = etree.SubElement(detail, f"{{{COMMON}}}Information")
            _put(information, COMMON, "FieldName", name)
            _put(information, COMMON, "FieldValue", value)
    return element


def _put(parent: etree._Element, namespace: str, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, f"{{{namespace}}}{name}").text = text
