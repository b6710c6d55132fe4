"""Every name of docs/wire.md: users, vhosts, exchanges, queues, keys, and the rights of each user.

Whoever needs one asks here, so that the two ends and the provisioning cannot differ by a letter.
"""

import re
from functools import lru_cache
from typing import Literal
from uuid import UUID

from schemas.address import Address, AddressError
from schemas.errors import CrossroadsError

Mode = Literal["online", "batch", "mutation"]
#: The pattern of what a user may configure, write and read; RabbitMQ's are unanchored, ours are not.
Permissions = tuple[str, str, str]

#: The hub's own broker user.
HUB = "hub"
#: Who looks at the broker's figures, and has no right on any message.
MONITOR = "monitor"
#: The primary network's vhost.
PRIMARY = "crossroads"
#: Direct exchange that only the centre writes; the key is the queue's name.
INSTITUTIONS = "institutions"
#: Direct exchange that suppliers write; the key is a reply queue's name.
REPLIES = "hub.replies"
#: Fanout exchange and queue for what could not be answered.
DLX = "hub.dlx"
DEAD = "hub.dead"
#: Who looks into `hub.dead` for the operators.
OPERATOR = "operator"
#: Answers that come in their own time: one queue, which every hub reads.
DEFINITIVE = "hub.definitive"
#: A reply queue without a reader lives this long, milliseconds.
REPLY_QUEUE_EXPIRES_MS = 600_000
#: Where an asker consumes its direct answers, and what it names as reply_to.
DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"

_INGRESS = "hub.in."
_SENDER = re.compile(r"sender-([0-9]{6})")
_INGRESS_MODES = ("online", "batch", "mutation")

#: The hub's user, and in a secondary vhost the managing institution's. Binding a reply queue needs write on the
#: queue and read on the exchange.
CENTRE_PERMISSIONS: Permissions = (
    r"^hub\.reply\.",
    r"^(institutions|hub\.dlx|hub\.replies|hub\.reply\..*|amq\.default)$",
    r"^hub\.",
)


#: The operators' user, in every vhost: it reads what could not be answered, and hands it in again where its sender
#: would, in the sender's name (its tag is `impersonator`).
OPERATOR_PERMISSIONS: Permissions = ("^$", r"^[^.]+\.out$", r"^hub\.dead$")


class WireNameError(CrossroadsError):
    """A name that is none of the wire's."""


def secondary(managing: Address) -> str:
    """The vhost of the network that `managing` (17-0) manages: `secondary-17`."""
    return f"secondary-{managing.sector}"


def out(address: Address | str) -> str:
    """The exchange an institution publishes to."""
    return f"{address}.out"


def ingress(address: Address | str, mode: Mode = "online") -> str:
    """The queue that brings what an institution sends to the centre, in this mode."""
    return f"{_INGRESS}{address}.{mode}"


@lru_cache(4096)  # as many as a register has institutions, about
def owner_of_ingress(queue: str) -> Address:
    """Whose requests come by this ingress queue."""
    address, _, mode = queue.removeprefix(_INGRESS).rpartition(".")
    if not queue.startswith(_INGRESS) or mode not in _INGRESS_MODES:
        raise WireNameError(f"{queue!r} is no ingress queue: hub.in.<address>.online, .batch or .mutation")
    try:
        return Address.parse(address)
    except AddressError as error:
        raise WireNameError(f"{queue!r} is no ingress queue: {error}") from error


def sender_user(number: str) -> str:
    """The broker user of who hands in declarations, by the sender number: `sender-123456`. WireNameError."""
    user = f"sender-{number}"
    if not is_sender(user):
        raise WireNameError("a sender number is 6 digits")
    return user


def is_sender(user: str) -> bool:
    """Whether this broker user hands in declarations; it is no institution and has no address."""
    return _SENDER.fullmatch(user) is not None


@lru_cache(4096)
def sender_of_ingress(queue: str) -> str:
    """The number of the sender whose messages come by this ingress queue; it sends on line and in batches."""
    user, _, mode = queue.removeprefix(_INGRESS).rpartition(".")
    found = _SENDER.fullmatch(user)
    if found is None or not queue.startswith(_INGRESS) or mode not in ("online", "batch"):
        raise WireNameError(f"{queue!r} is no ingress queue of a sender: hub.in.sender-<number>.online or .batch")
    return found[1]


def comes_later(queue: str) -> bool:
    """Whether what comes by this ingress queue is answered on the sender's own queue for answers alone."""
    return not queue.endswith(".online")


def mode_of(queue: str) -> str:
    """The mode of an ingress queue."""
    return queue.rpartition(".")[2]


def supplier_queue(address: Address | str, mode: Mode, service_type: str) -> str:
    """A supplier's queue for one service and mode; `service_type` is `Service/version`."""
    service, slash, version = service_type.partition("/")
    if not (service and slash and version):
        raise WireNameError(f"{service_type!r} is no service type: Service/version, as in Pension/1")
    return f"{address}.{mode}.{service}.{version}"


def answers(address: Address | str) -> str:
    """An institution's queue for answers that come later."""
    return f"{address}.answers"


def mutations(address: Address | str) -> str:
    """An institution's queue for what it is told without having asked."""
    return f"{address}.mutation"


def reply_queue(identity: UUID) -> str:
    """The queue on which one process at the centre takes suppliers' replies."""
    return f"hub.reply.{identity}"


def is_direct_reply(reply_to: str | None) -> bool:
    """Whether this reply_to, as it arrives, is a direct one: to be published without `mandatory`, since the broker
    returns such a message as unroutable although it delivers it."""
    return reply_to is not None and reply_to.startswith(DIRECT_REPLY_TO + ".")


def institution_permissions(address: Address | str) -> Permissions:
    """What an institution's user may do: no configure right at all, since with one it could make exchanges that let
    answers bearing the hub's user_id dead-letter back to the hub."""
    own = str(address).replace(".", r"\.")
    return "^$", rf"^({own}\.out|hub\.replies)$", rf"^{own}\.(online|batch|mutation|answers)(\.|$)"


def sender_permissions(number: str) -> Permissions:
    """What a sender's user may do in its one vhost: it asks no institution and answers nobody, so it has no
    `hub.replies`."""
    own = sender_user(number)
    return "^$", rf"^{own}\.out$", rf"^{own}\.answers$"
