"""A request, built: head, criteria, in the bytes that leave."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from institutions.errors import InvalidRequest
from schemas.address import Address
from schemas.period import Period
from schemas.service import Service
from schemas.splice import stamp
from schemas.ssin import Ssin

Content = str | int | bool | Decimal | date | datetime
"""What may stand in an element, written as XML Schema writes it."""

Criteria = Mapping[str, Content | etree._Element]
"""Further criteria: path of local names below the root, to text or, in that place, a whole element."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller wants to know. Who it is about is never in a repr."""

    service: Service
    customer: Address
    ticket: str
    #: None: of a service that asks about nobody in particular.
    ssin: Ssin | None = field(repr=False)
    legal_context: str
    period: Period | None = None
    criteria: Criteria = field(default_factory=dict, repr=False)
    #: Whether it says when it was sent. Without it, it is the same bytes each time it is made.
    stamped: bool = True


def text_of(content: Content) -> str:
    """A value as XML Schema writes it: `true`, `2026-01-31`, `2026-01-31T08:00:00.000Z`, `12.50`."""
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, datetime):
        return stamp(content)
    if isinstance(content, date):
        return content.isoformat()
    return format(content, "f") if isinstance(content, Decimal) else str(content)


def build(ask: Ask) -> bytes:
    """The request's bytes, valid against the service's schema. Raises `InvalidRequest`.

    Inner elements are unqualified, as in Common V3; where the schema wants them in the root's namespace, they are.
    """
    first: InvalidRequest | None = None
    for namespace in _namespaces(ask.service):
        body = etree.tostring(_root(ask, namespace), encoding="UTF-8", xml_declaration=True)
        _, violations = ask.service.violations(body, "request")
        if not violations:
            return body
        first = first or InvalidRequest(ask.service.type, violations)
    raise first if first is not None else InvalidRequest(ask.service.type, ())


def _namespaces(service: Service) -> Iterator[str]:
    yield ""
    if (own := etree.QName(service.request).namespace) is not None:
        yield own


def _root(ask: Ask, namespace: str) -> etree._Element:
    name = etree.QName(ask.service.request)
    root = etree.Element(ask.service.request, nsmap={"q": name.namespace} if name.namespace else None)

    def put(path: str, content: Content | etree._Element) -> None:
        _put(root, path, content, namespace)

    put("informationCustomer/ticket", ask.ticket)
    if ask.stamped:
        put("informationCustomer/timestampSent", datetime.now(UTC))
    if ask.customer.cbe is not None:
        put("informationCustomer/customerIdentification/cbeNumber", ask.customer.cbe)
    else:
        put("informationCustomer/customerIdentification/sector", ask.customer.sector)
        put("informationCustomer/customerIdentification/institution", ask.customer.type)
    put("legalContext", ask.legal_context)
    if ask.ssin is not None:
        put(ask.service.ssin, ask.ssin.digits)
    if ask.period is not None and ask.service.period is not None:
        put(f"{ask.service.period}/beginDate", ask.period.begin)
        if ask.period.end is not None:
            put(f"{ask.service.period}/endDate", ask.period.end)
    for path, content in ask.criteria.items():
        put(path, content)
    return root


def _put(root: etree._Element, path: str, content: Content | etree._Element, namespace: str) -> None:
    """Append at `path`: the parents that stand last are used, what is missing is made."""
    parent = root
    *parents, last = (f"{{{namespace}}}{step}" if namespace else step for step in path.split("/"))
    for step in parents:
        newest = parent[-1] if len(parent) else None
        parent = newest if newest is not None and newest.tag == step else etree.SubElement(parent, step)
    if isinstance(content, etree._Element):
        parent.append(deepcopy(content))
    else:
        etree.SubElement(parent, last).text = text_of(content)
