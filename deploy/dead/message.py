"""A message of `hub.dead`: where it came from, by the broker's word or the centre's, and whether it may be handed in
again. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from deploy.dead.masking import DEATHS, kind_of, reason_of, type_of
from hub.admission import resolve_customer
from hub.repertory.rules import Rules
from schemas.address import Address, AddressError
from schemas.message import read_head
from schemas.parser import Malformed, parse
from schemas.ticket import ticket_cbss
from schemas.wire import names
from schemas.wire.names import WireNameError
from schemas.wire.transport import Delivery

#: Letters of an id; no digits, which could look like a person's number. Of a SHA-256.
_ID = 12
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_HEADERS_SHOWN = (
    "user", "deadline_ms", "customer", "filtered", "ticketCBSS", "recipient", "key", "environment", "transfer", "file",
    "offset", "size", "sha256", "traceparent", "first", "count", "ticket",
)  # fmt: skip
_CENTRES_OWN = ("reason", "queue", "sender", "parked")
_BROKERS_OWN = ("x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason", "x-delivery-count")

NOT_ASKED_AGAIN = "nobody waits for its answer any more: its asker must ask again"
NOT_AS_IT_CAME = "what an institution answered is not here as it came: it must be answered again"
OF_A_SENDER = "the sender sends it again (crossroads payroll publish goes on where it stopped)"
FORGOTTEN = "its ticket is no longer kept, so that it could be done twice: its sender must send it under a new one"


@dataclass(frozen=True, slots=True)
class Place:
    """One network's `hub.dead`."""

    #: `hub`, or the address of the institution that plays the hub's part.
    network: str
    vhost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """One message, with what may be said of it."""

    id: str
    place: Place
    #: When it came there; None: it came by way of an older release, which did not say.
    at: datetime | None
    reason: str
    #: The queue it came from, if it is one of the wire's; and who sent it, by the broker's word.
    queue: str | None
    sender: str | None
    type: str | None
    bytes: int
    ticket_cbss: UUID | None
    #: Why it cannot be handed in again; None: as far as it says itself, it can.
    stays: str | None
    delivery: Delivery = field(repr=False)

    @property
    def owner(self) -> Address:
        """Whose ingress queue it came from; of one that can be handed in again."""
        return names.owner_of_ingress(self.queue or "")


def read(delivery: Delivery, place: Place, rules: Rules, services: Collection[str]) -> Dead:
    """What may be said of a message that stands in `hub.dead`.

    Who sent it and where it came from: headers of the centre's count only where the broker says that the centre wrote
    them; else what the broker itself says (`user_id`, `x-death`).
    """
    given = delivery.properties
    headers = given.headers
    queue: object = None
    sender: object = None
    at: object = None
    death = _death(headers)
    if given.user_id == place.network and isinstance(headers.get("queue"), str):
        queue, sender, at = headers["queue"], headers.get("sender"), _moment(headers.get("parked"))
        reason = reason_of(headers.get("reason"))
    elif death is not None:
        queue, sender, at = death.get("queue"), given.user_id, _utc(death.get("time"))
        reason = DEATHS.get(str(death.get("reason")), "sent there by the broker")
    else:
        reason = "not known" if given.readable else "its properties cannot be read"
    came_from = queue if isinstance(queue, str) and _is_of_the_wire(queue, rules) else None
    by = sender if isinstance(sender, str) and _is_known(sender, rules) else None
    owner = _owner(came_from)
    ticket = None if owner is None else _ticket(delivery.body, owner, rules)
    return Dead(
        id=_id(place, str(queue), given.correlation_id, delivery.body),
        place=place,
        at=at if isinstance(at, datetime) else None,
        reason=reason,
        queue=came_from,
        sender=by,
        type=type_of(given.type, services),
        bytes=len(delivery.body),
        ticket_cbss=ticket,
        stays=_stays(delivery, came_from, by, ticket),
        delivery=delivery,
    )


def properties_shown(dead: Dead) -> dict[str, str]:
    """Properties and headers, by name: of what its sender may choose only kind and length."""
    given = dead.delivery.properties
    if not given.readable:
        return {"properties": "cannot be read, or are more than 8 KiB"}
    shown = {}
    for name in ("correlation_id", "message_id", "content_type", "content_encoding"):
        value = getattr(given, name)
        if value is not None:
            shown[name] = value if value in ("application/xml", "application/octet-stream", "utf-8") else kind_of(value)
    if given.reply_to is not None:
        shown["reply_to"] = _reply_to(dead, given.reply_to)
    if given.expiration_ms is not None:
        shown["expiration"] = f"{given.expiration_ms} ms"
    for name, value in given.headers.items():
        if name in _HEADERS_SHOWN:
            shown[f"header {name}"] = _kind(value)
    others = [
        name for name in given.headers if name not in (*_HEADERS_SHOWN, *_CENTRES_OWN, *_BROKERS_OWN)
    ]  # what an institution calls a header may be anything
    if others:
        shown["other headers"] = str(len(others))
    if isinstance(count := given.headers.get("x-delivery-count"), int):
        shown["looks"] = str(count)
    return shown


def _reply_to(dead: Dead, reply_to: str) -> str:
    if names.is_direct_reply(reply_to):
        return "a direct reply"
    return reply_to if dead.sender is not None and reply_to == names.answers(dead.sender) else kind_of(reply_to)


def _kind(value: object) -> str:
    return kind_of(value) if isinstance(value, str) else type(value).__name__


def _stays(delivery: Delivery, queue: str | None, sender: str | None, ticket: UUID | None) -> str | None:
    """Why it cannot be handed in again, as far as it says itself."""
    if not delivery.properties.readable:
        return "its properties cannot be read"
    if queue is None:
        return "where it came from is not known"
    if queue == names.DEFINITIVE:
        return NOT_AS_IT_CAME
    if _of_sender(queue):
        return OF_A_SENDER
    owner = _owner(queue)
    if owner is None:
        return "it is no request"
    if not names.comes_later(queue):
        return NOT_ASKED_AGAIN
    if sender != str(owner):
        return f"it was not sent by {owner}, whose queue it came from"
    if delivery.properties.reply_to != names.answers(owner):
        return "it can be answered to nobody: its reply_to is not its sender's queue for answers"
    if ticket is None:
        return "it has no ticket, so that it could be done twice: its sender must send it again"
    return None


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newest time that the broker sent it away."""
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping):
        return deaths[0]
    return None


def _moment(text: object) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _utc(value: object) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _is_of_the_wire(queue: str, rules: Rules) -> bool:
    owner = _owner(queue)
    return queue == names.DEFINITIVE or _of_sender(queue) or (owner is not None and owner in rules.institutions)


def _is_known(user: str, rules: Rules) -> bool:
    if user == names.HUB or names.is_sender(user):
        return True
    try:
        return Address.parse(user) in rules.institutions
    except AddressError:
        return False


def _of_sender(queue: str) -> bool:
    try:
        names.sender_of_ingress(queue)
    except WireNameError:
        return False
    return True


def _owner(queue: str | None) -> Address | None:
    """Whose ingress queue it is."""
    try:
        return None if queue is None else names.owner_of_ingress(queue)
    except WireNameError:
        return None


def _ticket(body: bytes, sender: Address, rules: Rules) -> UUID | None:
    """ticketCBSS of a request that names a ticket, as the hub and the relays compute it."""
    try:
        head = read_head(parse(body))
    except Malformed:
        return None
    if head.ticket is None:
        return None
    institution = rules.institutions.get(sender)
    customer: object = None
    if institution is not None:
        customer = resolve_customer(rules, institution, head.cbe, head.sector_institution)
    return ticket_cbss(customer if isinstance(customer, Address) else sender, head.ticket)


def _id(place: Place, queue: str, correlation_id: str | None, body: bytes) -> str:
    """The same for the same message at each look."""
    digest = hashlib.sha256()
    for part in (place.network.encode(), queue.encode(), (correlation_id or "").encode(), body):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:_ID].translate(_LETTERS)
