"""Which client library carries the port `Transport`: what `CROSSROADS_TRANSPORT` chooses between."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.pika import PikaTransport
from schemas.wire.transport import Observer, Transport


class MakeTransport(Protocol):
    """Makes a transport over these nodes, not started yet."""

    def __call__(self, urls: Sequence[str], *, name: str, observe: Observer) -> Transport: ...


class Client(StrEnum):
    """A client library, by the room that has it."""

    AIOPIKA = "aiopika"
    PIKA = "pika"

    @property
    def transport(self) -> MakeTransport:
        return PikaTransport if self is Client.PIKA else AioPikaTransport


#: Two thirds of a hub's CPU, and the same suite passed (docs/decisions/0002).
DEFAULT = Client.PIKA
