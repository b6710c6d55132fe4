"""What a supplier sent, held against what was asked: step 10 at the hub, and at a relay. Pure.

The table of docs/wire.md, "Supplier's answer". An answer passes on as the bytes it came in, but for the elements the
customer may not see; what leaves is validated again after they are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from lxml import etree

from schemas import splice
from schemas.message import Request, Status, read_status, ssin_in, text_at, ticket_cbss_in
from schemas.parser import MAX_ONLINE, Malformed
from schemas.service import Service

#: Bytes a relay's collected answer may have: several members' answers together.
_MAX_COLLECTED = 8 * MAX_ONLINE


@dataclass(frozen=True, slots=True)
class Accepted:
    """A supplier's response (`fault` false) or its service's fault, fit to be told to the customer."""

    body: bytes = field(repr=False)
    root: etree._Element = field(repr=False)
    #: None for a fault.
    status: Status | None
    fault: bool
    #: Paths of the elements that were cut.
    filtered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A reply that cannot be told. CRB00012: invalid; CRB00013: another question's (the exchange ends as silent).

    `reason` is for the log: it names rules and elements of the schema, never a value nor a name of the sender's own.
    """

    code: str
    reason: str


def verify(request: Request, ticket_cbss: UUID, reply: bytes, without: Sequence[str]) -> Accepted | Rejected:
    """Check `reply` and cut the elements of `without` (paths below the response's root) from it."""
    service = request.service
    limit = _MAX_COLLECTED if service.combine else MAX_ONLINE
    try:
        root, violations = service.violations(reply, "response", "fault", limit=limit)
    except Malformed as error:
        return Rejected("CRB00012", str(error))
    if violations:
        return Rejected("CRB00012", f"{len(violations)} violations, the first: {service.for_log(violations[0])}")
    fault = service.kind_of(root) == "fault"
    if (wrong := _other_question(request, ticket_cbss, root, fault=fault)) is not None:
        return wrong
    if fault:
        return Accepted(reply, root, None, True, ())
    status = read_status(root)
    filtered: tuple[str, ...] = ()
    if without:
        body, filtered = splice.cut(reply, without)
        if filtered:
            root, violations = service.violations(body, "response", limit=limit)
            if violations:
                return Rejected("CRB00012", f"no longer valid without {', '.join(filtered)}: {violations[0].path}")
            return Accepted(body, root, status, False, filtered)
    return Accepted(reply, root, status, False, filtered)


def to_tell(
    service: Service, accepted: Accepted, ticket_cbss: UUID, received: datetime, replied: datetime
) -> tuple[bytes, tuple[str, ...]]:
    """The answer's bytes, and the filtered paths that its schema has no place for (the header `filtered` then)."""
    body = accepted.body
    untold = accepted.filtered
    if untold and service.filters_place is not None:
        body, untold = splice.put_data_filters(body, untold, service.filters_place), ()
    return splice.put_information_cbss(body, ticket_cbss, received, replied), untold


def _other_question(request: Request, ticket_cbss: UUID, root: etree._Element, *, fault: bool) -> Rejected | None:
    own = ticket_cbss_in(root)
    if own is not None and own != ticket_cbss:
        return Rejected("CRB00013", "its ticketCBSS is another question's")
    ticket = text_at(root, "informationCustomer/ticket")
    # A fault may leave the customer's head out.
    if (ticket is not None or not fault) and ticket != request.head.ticket:
        return Rejected("CRB00013", "its ticket is another question's")
    if not fault and (ssin := ssin_in(request.service, root)) is not None and ssin != request.ssin_text:
        return Rejected("CRB00012", "it is about another person")
    return None
