"""What the broker must hold, made from the register of institutions.

One pure function (`definitions`) says it in the broker's own definitions format: users, vhosts, permissions,
exchanges, queues and bindings, as `docs/wire.md` names them. The same document is loaded at the boot of a private
node or posted to the management API of a running one; both only add, so it can be repeated.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deploy.servers.management import Management
from hub.repertory.rules import Institution, Rules
from institutions.nsso.register import Sender
from institutions.reference.network import NSSO
from schemas.address import Address
from schemas.catalogue import Service
from schemas.errors import CrossroadsError
from schemas.wire import names

#: Deliveries of one request before the broker parks it in `hub.dead`.
DELIVERY_LIMIT = 20
#: A queue holds what its institution may send in this time, seconds.
QUEUE_SECONDS = 2
#: An ingress queue; its length is the institution's own.
INGRESS_ARGUMENTS: Mapping[str, Any] = {
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-max-length-bytes": 128 << 20,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": names.DLX,
    "x-dead-letter-strategy": "at-least-once",
}
#: How long what waits for an institution is kept, milliseconds, and how much of it.
_KEPT: Mapping[str, Any] = {
    "x-message-ttl": 30 * 24 * 3600 * 1000,
    "x-max-length-bytes": 1 << 30,
    "x-overflow": "reject-publish",
}
#: What an institution is told without having asked: by one reader at a time.
MUTATION_ARGUMENTS: Mapping[str, Any] = {"x-single-active-consumer": True, **_KEPT}
#: Answers that come later.
ANSWERS_ARGUMENTS: Mapping[str, Any] = _KEPT
#: What a sender is told: by one reader at a time.
SENDER_ANSWERS_ARGUMENTS: Mapping[str, Any] = MUTATION_ARGUMENTS
#: In which modes a sender sends.
SENDER_MODES: tuple[names.Mode, ...] = ("online", "batch")
#: A supplier's questions that it answers in its own time.
BATCH_ARGUMENTS: Mapping[str, Any] = {"x-max-length-bytes": 1 << 30, "x-overflow": "reject-publish"}
#: Answers that come in their own time, to the hub.
DEFINITIVE_ARGUMENTS: Mapping[str, Any] = {**INGRESS_ARGUMENTS, "x-max-length-bytes": 1 << 30}
#: What could not be answered: 1 GiB and 7 days of it. A copy of social data, so with an end.
DEAD_ARGUMENTS: Mapping[str, Any] = {
    "x-max-length-bytes": 1 << 30,
    "x-overflow": "reject-publish",
    "x-message-ttl": 7 * 24 * 3600 * 1000,
}
#: Looks at what could not be answered, before the broker would throw it away: each gives back all that it saw. A policy
#: and no argument: RabbitMQ 4 has a limit of 20 where none is set, and a queue that stands keeps its arguments.
DEAD_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Holding:
    """A service that an institution answers: it gets a queue for it in its network."""

    service_type: str
    supplier: Address
    mode: names.Mode = "online"


@dataclass(frozen=True, slots=True)
class Network:
    """Who is connected, who answers what, and the vhosts' names."""

    institutions: tuple[Institution, ...]
    holdings: tuple[Holding, ...]
    primary: str = names.PRIMARY
    #: Put before the name of every secondary vhost: several networks can share a broker (tests).
    prefix: str = ""
    #: In which modes institutions send: an ingress queue each. A small network (tests) can do with fewer.
    modes: tuple[names.Mode, ...] = ("online", "batch", "mutation")
    #: Who hands in declarations, in the NSSO's vhost: they are no institutions, and the hub does not know them.
    senders: tuple[Sender, ...] = ()

    def __post_init__(self) -> None:
        if self.senders and all(i.address != NSSO for i in self.institutions):
            raise CrossroadsError(f"senders hand in their declarations to {NSSO}: put it into the register first")

    def secondary(self, managing: Address) -> str:
        """The vhost of the network that `managing` manages."""
        return self.prefix + names.secondary(managing)

    def vhosts(self) -> tuple[str, ...]:
        """Every vhost: the primary network's, then the secondary ones."""
        return (self.primary, *map(self.secondary, self.centres()))

    def centres(self) -> tuple[Address, ...]:
        """Who plays the hub's part in a vhost of its own: relays, and the NSSO where there are senders."""
        return tuple(sorted({*self.managing(), *((NSSO,) if self.senders else ())}))

    def managing(self) -> tuple[Address, ...]:
        """Institutions that manage a secondary network, in the order of their addresses."""
        return tuple(sorted({i.managed_by for i in self.institutions if i.managed_by is not None}))


def network_of(
    rules: Rules,
    services: Iterable[Service],
    *,
    primary: str = names.PRIMARY,
    prefix: str = "",
    senders: Iterable[Sender] = (),
) -> Network:
    """The network that these rules describe: a supplier for each service of the catalogue and each kind that
    holds it, the managing institution for a cooperating kind, and each of its members of that kind."""
    types = [service.type for service in services if service.answered_by != "hub"]
    holdings: set[Holding] = set()
    for service_type in types:
        for kind in rules.holders(service_type):
            mode: names.Mode = "batch" if rules.answers_in_batch(service_type, kind) else "online"
            for institution in rules.institutions.values():
                if institution.address.kind == kind:
                    holdings.add(Holding(service_type, institution.address, mode))
                    if institution.managed_by is not None:
                        holdings.add(Holding(service_type, institution.managed_by, mode))
    return Network(
        tuple(sorted(rules.institutions.values(), key=lambda i: i.address)),
        tuple(sorted(holdings, key=lambda h: (h.supplier, h.service_type, h.mode))),
        primary,
        prefix,
        senders=tuple(sorted(senders, key=lambda s: s.number)),
    )


def password_hash(password: str, salt: bytes | None = None) -> str:
    """RabbitMQ's salted SHA-256 form of a password: base64(salt + sha256(salt + password))."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def users(network: Network) -> tuple[str, ...]:
    """Every broker user of the network: the hub, each institution and sender, active or not, operators, monitor."""
    institutions = (str(i.address) for i in network.institutions)
    return (names.HUB, *institutions, *(s.user for s in network.senders), names.OPERATOR, names.MONITOR)


def definitions(network: Network, passwords: Mapping[str, str], *, admin: str | None = None) -> dict[str, Any]:
    """The definitions document. `passwords` names every user; `admin` becomes an administrator who may manage
    and watch every vhost but has no right on any message; as little has `monitor`, who may watch alone. An inactive
    institution keeps its queues and loses its rights: what it had asked is still answered with CRB00006."""
    document = _Document()
    for user in users(network):
        document.user(user, passwords[user], tags=_TAGS.get(user, ()))
    if admin is not None:
        document.user(admin, passwords[admin], tags=["administrator"])
    _star(document, network, network.primary, names.HUB, _direct(network))
    for centre in network.centres():
        members = [i for i in network.institutions if i.managed_by == centre]
        _star(document, network, network.secondary(centre), str(centre), members)
    for sender in network.senders:
        _sender(document, network.secondary(NSSO), sender)
    for vhost in document.vhosts:
        # Without a right in a vhost, be it none, its figures are not told either.
        document.permission(vhost["name"], names.MONITOR, "^$", "^$", "^$")
        if admin is not None:
            document.permission(vhost["name"], admin, "", "", "")
    return document.as_dict()


def _direct(network: Network) -> list[Institution]:
    return [i for i in network.institutions if i.managed_by is None]


def _star(document: "_Document", network: Network, vhost: str, centre: str, arms: Sequence[Institution]) -> None:
    """One vhost: a centre (the hub, or a relay in the hub's part) and the institutions around it."""
    document.vhost(vhost)
    document.permission(vhost, centre, *names.CENTRE_PERMISSIONS)
    document.permission(vhost, names.OPERATOR, *names.OPERATOR_PERMISSIONS)
    document.exchange(vhost, names.INSTITUTIONS, "direct")
    document.exchange(vhost, names.REPLIES, "direct")
    document.exchange(vhost, names.DLX, "fanout")
    document.queue(vhost, names.DEAD, DEAD_ARGUMENTS)
    document.policy(vhost, names.DEAD, {"delivery-limit": DEAD_LIMIT})
    document.binding(vhost, names.DLX, names.DEAD, "")
    document.queue(vhost, names.DEFINITIVE, DEFINITIVE_ARGUMENTS)
    document.binding(vhost, names.REPLIES, names.DEFINITIVE, names.DEFINITIVE)
    answered = {i.address: [h for h in network.holdings if h.supplier == i.address] for i in arms}
    for institution in arms:
        address = institution.address
        out = names.out(address)
        document.exchange(vhost, out, "direct")
        for mode in network.modes:
            queue = names.ingress(address, mode)
            most = max(1, institution.rate * QUEUE_SECONDS)
            document.queue(vhost, queue, {**INGRESS_ARGUMENTS, "x-max-length": most})
            document.binding(vhost, out, queue, mode)
        document.queue(vhost, names.answers(address), ANSWERS_ARGUMENTS)
        told = names.mutations(address)
        document.queue(vhost, told, MUTATION_ARGUMENTS)
        document.binding(vhost, names.INSTITUTIONS, told, told)
        for holding in answered[address]:
            queue = names.supplier_queue(address, holding.mode, holding.service_type)
            document.queue(vhost, queue, BATCH_ARGUMENTS if holding.mode == "batch" else {})
            document.binding(vhost, names.INSTITUTIONS, queue, queue)
        rights = names.institution_permissions(address) if institution.active else ("^$", "^$", "^$")
        document.permission(vhost, str(address), *rights)


def _sender(document: "_Document", vhost: str, sender: Sender) -> None:
    """A sender in the NSSO's vhost. An inactive one keeps its queues, with what waits in them, and loses its rights."""
    user, out = sender.user, names.out(sender.user)
    document.exchange(vhost, out, "direct")
    for mode in SENDER_MODES:
        queue = names.ingress(user, mode)
        document.queue(vhost, queue, {**INGRESS_ARGUMENTS, "x-max-length": max(1, sender.rate * QUEUE_SECONDS)})
        document.binding(vhost, out, queue, mode)
    document.queue(vhost, names.answers(user), SENDER_ANSWERS_ARGUMENTS)
    rights = names.sender_permissions(sender.number) if sender.active else ("^$", "^$", "^$")
    document.permission(vhost, user, *rights)


class _Document:
    """A definitions document as it grows."""

    def __init__(self) -> None:
        self.users: list[dict[str, Any]] = []
        self.vhosts: list[dict[str, Any]] = []
        self.permissions: list[dict[str, Any]] = []
        self.exchanges: list[dict[str, Any]] = []
        self.queues: list[dict[str, Any]] = []
        self.bindings: list[dict[str, Any]] = []
        self.policies: list[dict[str, Any]] = []

    def user(self, name: str, password: str, tags: Sequence[str] = ()) -> None:
        self.users.append(
            {
                "name": name,
                "password_hash": password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(tags),
            }
        )

    def vhost(self, name: str) -> None:
        self.vhosts.append({"name": name})

    def permission(self, vhost: str, user: str, configure: str, write: str, read: str) -> None:
        self.permissions.append({"user": user, "vhost": vhost, "configure": configure, "write": write, "read": read})

    def exchange(self, vhost: str, name: str, kind: str) -> None:
        self.exchanges.append({"name": name, "vhost": vhost, "type": kind} | _DURABLE)

    def queue(self, vhost: str, name: str, arguments: Mapping[str, Any]) -> None:
        self.queues.append(
            {"name": name, "vhost": vhost} | _DURABLE | {"arguments": {"x-queue-type": "quorum", **arguments}}
        )

    def binding(self, vhost: str, source: str, queue: str, key: str) -> None:
        self.bindings.append(
            {
                "source": source,
                "vhost": vhost,
                "destination": queue,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
        )

    def policy(self, vhost: str, queue: str, definition: Mapping[str, Any]) -> None:
        self.policies.append(
            {
                "vhost": vhost,
                "name": queue,
                "pattern": f"^{re.escape(queue)}$",
                "apply-to": "queues",
                "definition": dict(definition),
                "priority": 0,
            }
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "users": self.users,
            "vhosts": self.vhosts,
            "permissions": self.permissions,
            "exchanges": self.exchanges,
            "queues": self.queues,
            "bindings": self.bindings,
            "policies": self.policies,
        }


#: What a user may do beyond its rights: look at the management API; say in whose name it publishes. All others nothing.
_TAGS: Mapping[str, Sequence[str]] = {names.MONITOR: ("monitoring",), names.OPERATOR: ("impersonator",)}
_DURABLE: dict[str, Any] = {"durable": True, "auto_delete": False, "arguments": {}}


def apply(management: Management, document: Mapping[str, Any]) -> None:
    """Post the definitions to a running broker; what is there already stays as it is."""
    management.post("/api/definitions", document)


def differing(management: Management, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Queues that stand with other arguments than the document's (`vhost/queue`): a queue's arguments are
    fixed when it is made, so it must be emptied, deleted and provisioned again."""
    wanted = {(q["vhost"], q["name"]): q["arguments"] for q in document["queues"]}
    found: list[dict[str, Any]] = []
    for vhost in sorted({vhost for vhost, _ in wanted}):
        found += management.get(f"/api/queues/{quote(vhost, safe='')}?disable_stats=true")
    return tuple(
        f"{q['vhost']}/{q['name']}"
        for q in found
        if (key := (q["vhost"], q["name"])) in wanted and q["arguments"] != wanted[key]
    )
