"""Step 1: is this a request, and from whom? The broker's word, the limits, and nothing of the content. Pure."""

import hashlib
from dataclasses import dataclass

from lxml import etree

from schemas.address import Address
from schemas.parser import Information, Malformed, parse
from schemas.wire import names
from schemas.wire.token import token_of
from schemas.wire.transport import Delivery, Properties

#: Header by which the broker tells that it dead-lettered a message; on a request it is a forgery or a replay.
_DEAD_LETTERED = "x-death"
_SSIN_LENGTH = 11


@dataclass(frozen=True, slots=True)
class Received:
    """A request from `sender` that can be answered. `code` is the fault it already earned, or None."""

    sender: Address
    #: Where the answer goes: a direct reply-to, or the sender's own queue for answers.
    reply_to: str
    #: SHA-256 of the body: what makes two requests under one ticket the same.
    digest: bytes
    #: The end user's SSIN or program number, for the journal only; None where the header holds anything else.
    user: str | None
    root: etree._Element | None = None
    code: str | None = None
    information: Information = ()


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A message that nobody may be told about; it goes to `hub.dead` with this reason."""

    reason: str


def receive(delivery: Delivery) -> Received | Unanswerable:
    """Take a delivery from an institution's ingress queue: the checks 1 to 5 of docs/wire.md, in their order."""
    properties = delivery.properties
    owner = names.owner_of_ingress(delivery.queue)
    if not properties.readable:
        return Unanswerable("its properties cannot be read, or are more than 8 KiB")
    reply_to = properties.reply_to
    if reply_to is None:
        return Unanswerable("no reply_to: it cannot be answered")
    if not may_be_told(reply_to, owner):
        return Unanswerable("reply_to is neither a direct reply-to nor the sender's own queue for answers")
    digest = hashlib.sha256(delivery.body).digest()
    user = _user(properties)
    root: etree._Element | None = None
    code: str | None = None
    information: Information = ()
    try:
        root = parse(delivery.body)
    except Malformed as error:
        code, information = error.code, error.information
    if code != "CRB00001" and (properties.content_encoding or "utf-8").lower() != "utf-8":
        code, information = "CRB00002", (("expected", "content_encoding utf-8"),)
    if (expected := _forged(delivery, owner)) is not None:
        code, information = "CRB00005", (("expected", expected),)
    return Received(owner, reply_to, digest, user, root, code, information)


def may_be_told(reply_to: str, owner: Address) -> bool:
    """Whether an answer may go there: a token the broker could have made, or the owner's own queue."""
    return reply_to == names.answers(owner) or token_of(reply_to) is not None


def _forged(delivery: Delivery, owner: Address) -> str | None:
    """What the sender's word should have been, where it is not the broker's, or names another place for its answers."""
    properties = delivery.properties
    if properties.user_id != str(owner):
        return f"user_id {owner}"
    if _DEAD_LETTERED in properties.headers:
        return f"no header {_DEAD_LETTERED}"
    if names.comes_later(delivery.queue):
        if properties.reply_to != names.answers(owner):
            return f"reply_to {names.answers(owner)}"
        if "\0" in (properties.correlation_id or ""):  # it is kept until the answer, where no database could
            return "correlation_id without a NUL"
    return None


def _user(properties: Properties) -> str | None:
    user = properties.headers.get("user")
    if isinstance(user, str) and len(user) == _SSIN_LENGTH and user.isascii() and user.isdigit():
        return user
    return None
