"""The token in a direct reply-to: which are the broker's, and which can be published to without harm.

RabbitMQ names an asker's channel in `amq.rabbitmq.reply-to.<pid>.<key>`, where `<pid>` is a process identifier in
Erlang's external term format, in base64. An asker can put there what it likes, and RabbitMQ 3.10 closes the whole
connection that publishes to a token it cannot turn into a process: no base64, a number out of range, a node that is
not running (all tried on 3.10.8).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache

from schemas.wire.names import DIRECT_REPLY_TO

# Version 131, NEW_PID_EXT, the node as a UTF-8 atom (length in two bytes or one); then number, serial, creation.
_PID = re.compile(
    rb"\x83X(?:v(?P<long>[\x00-\xff]{2})|w(?P<short>[\x00-\xff]))(?P<node>[!-~]{1,128}@[0-9]{1,9})"
    rb"(?P<number>[\x00-\xff]{4})(?P<serial>[\x00-\xff]{4})[\x00-\xff]{4}",
    re.DOTALL,
)
_KEY = re.compile(r"[A-Za-z0-9+/=]{1,64}")


@dataclass(frozen=True, slots=True)
class Token:
    """Where an asker's channel lives: the node, by the hash the broker gives it, and the process on it."""

    node: str
    number: int
    serial: int


@lru_cache(4096)  # an asker's channel keeps its own
def token_of(reply_to: str) -> Token | None:
    """The token of a direct reply-to, or None where it has not the form of one that the broker makes."""
    prefix, _, rest = reply_to.partition(DIRECT_REPLY_TO + ".")
    pid, dot, key = rest.partition(".")
    if prefix or not dot or _KEY.fullmatch(key) is None:
        return None
    try:
        raw = base64.b64decode(pid, validate=True)
    except (binascii.Error, ValueError):
        return None
    found = _PID.fullmatch(raw)
    if found is None or int.from_bytes(found["long"] or found["short"]) != len(found["node"]):
        return None
    return Token(found["node"].decode("ascii"), int.from_bytes(found["number"]), int.from_bytes(found["serial"]))


@dataclass(slots=True)
class Proven:
    """What has been published to without harm: nodes, and how high a process's number and serial may be.

    Erlang before OTP 26 takes numbers of 15 bits and serials of 13; later ones more, which shows itself.
    """

    nodes: set[str]
    number: int = 0x7FFF
    serial: int = 0x1FFF

    def covers(self, token: Token) -> bool:
        """Whether a message to this token cannot harm the connection that carries it."""
        return token.node in self.nodes and token.number <= self.number and token.serial <= self.serial

    def add(self, token: Token) -> None:
        """A message to this token did no harm."""
        self.nodes.add(token.node)
        self.number = max(self.number, token.number)
        self.serial = max(self.serial, token.serial)

    def forget(self) -> None:
        """A connection was lost: a node may be gone, and a message to it would do harm now."""
        self.nodes.clear()
