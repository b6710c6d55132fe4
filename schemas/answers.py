"""The answers that Crossroads writes itself: refusals, faults, and a supplier's response around its data.

Head and criteria are the request's, in its order. Everything is UTF-8, with the same prefix for the service's own
namespace in every message (readers who rely on a prefix exist), and texts from the one catalogue of codes.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from itertools import chain, count
from uuid import UUID

from lxml import etree

from schemas.address import Address
from schemas.codes import Code, code
from schemas.errors import CrossroadsError
from schemas.message import ticket_cbss_in
from schemas.parser import Information, parse
from schemas.service import FAULT, Service, crossroads_grammar
from schemas.splice import stamp
from schemas.violation import MOST_VIOLATIONS, Violation, local, namespace

_PREFIX = "r"
_MOST_INFORMATION = 15
_MOST_TEXT = 256
_MOST_NAME = 64
_MOST_CUSTOMER = 4096  # bytes; a dateTime may have as many decimals as it likes


class AnswerError(CrossroadsError):
    """An answer cannot be built from what was given; the text says what is missing."""


def refusal(
    service: Service,
    request_root: etree._Element,
    code_name: str,
    *,
    ticket_cbss: UUID,
    received: datetime,
    replied: datetime,
    information: Information = (),
    language: str = "EN",
) -> bytes:
    """The service's response with head and criteria of a valid request and a status; no data.

    Raises `AnswerError` for a code that is told in faults.
    """
    root = response_to(service, request_root, ticket_cbss=ticket_cbss, received=received, replied=replied)
    root.append(status_element(root, code(code_name), information, language))
    return written(root)


def data_response(
    service: Service,
    request_root: etree._Element,
    data: Sequence[etree._Element],
    status_code: str = "MSG00000",
    *,
    replied: datetime,
    received: datetime | None = None,
    ticket_cbss: UUID | None = None,
    supplier: Address | None = None,
    information: Information = (),
    language: str = "EN",
) -> bytes:
    """A supplier's response to a forwarded request: status and data, copies of which are put in their order.

    `ticket_cbss` is the request's own where not given. In a service with `combine` they stand in one part that names
    `supplier`. Whether the data keep to the schema is for the caller to check, on these bytes.
    """
    ticket = ticket_cbss or ticket_cbss_in(request_root)
    if ticket is None:
        raise AnswerError("the request has no ticketCBSS: only what the hub or a relay forwarded can be answered")
    root = response_to(service, request_root, ticket_cbss=ticket, received=received or replied, replied=replied)
    root.append(status_element(root, code(status_code), information, language))
    place = root
    if service.combine is not None:
        if supplier is None:
            raise AnswerError(f"{service.type} has several suppliers: say which one answers (supplier=…)")
        place = etree.SubElement(root, beside(root, service.combine))
        place.append(information_supplier(place, supplier, received or replied, replied))
        place.append(status_element(root, code(status_code), information, language))
    for element in data:
        place.append(_copy(element))
    return written(root)


def question(
    service: Service,
    request_root: etree._Element,
    criteria: Sequence[etree._Element],
    *,
    ticket_cbss: UUID,
    received: datetime,
    replied: datetime,
) -> bytes:
    """A request of another service with the head of `request_root`: what the hub asks to answer somebody else. Whether
    it keeps to the schema is for the caller to check, on these bytes."""
    root = _root(service.request)
    for child in request_root.iterchildren("*"):
        name = local(str(child.tag))
        if name in ("informationCustomer", "legalContext"):
            root.append(_copy(child))
        if name == "informationCustomer":
            root.append(_information_cbss(root, ticket_cbss, received, replied))
    for element in criteria:
        root.append(_copy(element))
    return written(root)


def fault(
    service: Service | None,
    code_name: str,
    *,
    head_root: etree._Element | None,
    ticket_cbss: UUID,
    received: datetime,
    replied: datetime,
    details: Sequence[Violation | Information] = (),
    language: str = "EN",
) -> bytes:
    """The fault of the service, or Crossroads' own where the service is not known; one `detail` for each of `details`.

    `informationCustomer` comes from `head_root`, the message that could not be answered, if it is valid by itself.
    """
    customer = _customer(head_root)
    for name in dict.fromkeys((service.fault if service is not None else FAULT, FAULT)):
        for known in dict.fromkeys((customer, None)):
            root = _root(name)
            if known is not None:
                root.append(_copy(known))
            root.append(_information_cbss(root, ticket_cbss, received, replied))
            for detail in list(details)[:MOST_VIOLATIONS] or [()]:
                root.append(_detail(code(code_name), detail, language))
            body = written(root)
            if _is_valid_fault(service, body):
                return body
    raise AnswerError(f"no valid fault can be built for {code_name}")


# --- pieces -------------------------------------------------------------------------------------------------------


def response_to(
    service: Service, request_root: etree._Element, *, ticket_cbss: UUID, received: datetime, replied: datetime
) -> etree._Element:
    """The response's root with what it repeats of the request, up to where `status` comes."""
    root = _root(service.response, request_root)
    for child in request_root.iterchildren("*"):
        name = local(str(child.tag))
        if name == "informationCBSS" or name not in service.response_children:
            continue
        root.append(_copy(child))
        if name == "informationCustomer" and "informationCBSS" in service.response_children:
            root.append(_information_cbss(root, ticket_cbss, received, replied))
    return root


def status_element(root: etree._Element, status: Code, information: Information, language: str) -> etree._Element:
    """`status`, in the namespace of the head of `root`."""
    if status.value is None:
        raise AnswerError(f"{status.code} is told in a fault, not in a status: use fault()")
    element = etree.Element(beside(root, "status"))
    _put(element, "value", status.value)
    _put(element, "code", status.code)
    _put(element, "description", _text(status, language))
    _put_information(element, information)
    return element


def information_supplier(
    beside_: etree._Element, supplier: Address, received: datetime, replied: datetime
) -> etree._Element:
    """`informationSupplier`: a cooperating institution by its enterprise number, any other by sector and type."""
    element = etree.Element(beside(beside_, "informationSupplier"))
    _put(element, "timestampReceive", stamp(received))
    _put(element, "timestampReply", stamp(replied))
    identification = etree.SubElement(element, _like(element, "supplierIdentification"))
    if supplier.cbe is not None:
        _put(identification, "cbeNumber", supplier.cbe)
    else:
        _put(identification, "sector", str(supplier.sector))
        _put(identification, "institution", str(supplier.type))
    return element


def beside(root: etree._Element, name: str) -> str:
    """The name in the namespace of the first element below `root` (the head's: none, in Common V3)."""
    for child in root.iterchildren("*"):
        return _like(child, name)
    return name


def _like(element: etree._Element, name: str) -> str:
    uri = namespace(str(element.tag))
    return f"{{{uri}}}{name}" if uri else name


def written(root: etree._Element) -> bytes:
    """The bytes of a message of our own."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _root(name: str, like: etree._Element | None = None) -> etree._Element:
    # The request's own prefixes are kept: a value copied from it may use one (xsi:type).
    kept = {prefix: uri for prefix, uri in like.nsmap.items() if prefix} if like is not None else {}
    uri = namespace(name)
    if not uri:
        return etree.Element(name, nsmap=kept)
    prefix = next(p for p in chain((_PREFIX,), (f"{_PREFIX}{n}" for n in count(1))) if kept.get(p, uri) == uri)
    return etree.Element(name, nsmap={prefix: uri, **kept})


def _copy(element: etree._Element) -> etree._Element:
    copied = deepcopy(element)
    copied.tail = None
    return copied


def _put(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, _like(parent, name)).text = text


def _put_information(element: etree._Element, information: Iterable[tuple[str, str]]) -> None:
    for name, value in list(information)[:_MOST_INFORMATION]:
        entry = etree.SubElement(element, _like(element, "information"))
        _put(entry, "fieldName", name[:_MOST_NAME])
        _put(entry, "fieldValue", value[:_MOST_TEXT])


def _information_cbss(root: etree._Element, ticket: UUID, received: datetime, replied: datetime) -> etree._Element:
    element = etree.Element(beside(root, "informationCBSS"))
    _put(element, "ticketCBSS", str(ticket))
    _put(element, "timestampReceive", stamp(received))
    _put(element, "timestampReply", stamp(replied))
    return element


def _detail(reason: Code, detail: Violation | Information, language: str) -> etree._Element:
    element = etree.Element("detail")
    _put(element, "severity", reason.severity)
    _put(element, "reasonCode", reason.code)
    _put(element, "diagnostic", _text(reason, language))
    _put(element, "authorCode", reason.author)
    _put_information(element, detail.information if isinstance(detail, Violation) else detail)
    return element


def _text(told: Code, language: str) -> str:
    return told.text[language][:_MOST_TEXT]


def _customer(head_root: etree._Element | None) -> etree._Element | None:
    if head_root is None:
        return None
    for child in head_root.iterchildren("{*}informationCustomer"):
        return child if len(etree.tostring(child)) <= _MOST_CUSTOMER else None
    return None


def _is_valid_fault(service: Service | None, body: bytes) -> bool:
    root = parse(body)
    if root.tag == FAULT:
        return not crossroads_grammar().violations_of(root)
    return service is not None and not service.violations_of(root, "fault")
