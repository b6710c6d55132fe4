"""The ports to the broker: all that this project asks of an AMQP client.

`Transport` is a process's pair of connections (one consumes and acks, one publishes: an alarm at the broker stops only
the second); `Line` is an asker's single channel that does both, as direct reply-to demands. Implementations stand in
rooms of their own (`schemas.wire.aiopika`, `schemas.wire.pika`), and none of their types comes out of there.

All callbacks are plain functions, called on the event loop's thread, that return at once and raise nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal, Protocol

from schemas.errors import CrossroadsError

#: Seconds a publish waits for its confirm, a lost connection included, unless told otherwise.
PUBLISH_TIMEOUT = 5.0
CONTENT_TYPE = "application/xml"
#: Bytes that the properties of one message may have together. Decoding a table takes aiormq time by its square: 4 ms
#: for these, 350 ms for the 128 KiB that a frame may hold.
MOST_PROPERTIES = 8_192


class WireError(CrossroadsError):
    """Something the broker refused or did not do."""


class Unroutable(WireError):  # noqa: N818  the word callers say
    """The message came back: no queue takes this key. It is not delivered, whatever a confirm says."""


class Refused(WireError):  # noqa: N818  the word callers say
    """The broker refused the message (nack): its queue is full. It is not delivered; later it may be."""


class Unconfirmed(WireError):  # noqa: N818  the word callers say
    """No word from the broker: the connection or channel was lost, or the time was up. The message may have been
    delivered and may even still be: what is published again must be the same exchange, under the same ticket."""


class NotConnected(WireError):  # noqa: N818  the word callers say
    """No broker of the list was reached in time; the text says why the last attempt failed."""


@dataclass(frozen=True, slots=True)
class Properties:
    """A message's properties, as they arrive or as they shall leave. Everything sent is persistent."""

    #: Who sent it, by the broker's word. On sending: the own user or nothing; another's would close the channel.
    user_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    #: As it arrived. Never sent: the client library gives each publish its own, because two publishes of the same
    #: one in flight swap their confirms.
    message_id: str | None = None
    type: str | None = None
    content_type: str | None = CONTENT_TYPE
    content_encoding: str | None = None
    #: Milliseconds the message may wait in a queue.
    expiration_ms: int | None = None
    #: Not shown: `user` among them may be a person's number.
    headers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: False: it arrived with properties that cannot be decoded, or with more of them than 8 KiB; all the others are
    #: absent then, whatever they said.
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message: the same message comes again, as another delivery, until one of them is acked."""

    body: bytes = field(repr=False)
    #: The queue it came from.
    queue: str
    properties: Properties = field(repr=False)
    #: The broker's word that it was delivered before, perhaps to another process.
    redelivered: bool
    #: Which opening of a consuming channel brought it. When that is lost the broker delivers the message again.
    generation: int
    #: The broker's number for it within its generation.
    tag: int
    exchange: str = ""
    routing_key: str = ""
    #: When it came, by `time.monotonic`: a deadline counts from here, whatever the rate holds it back.
    at: float = field(default_factory=monotonic, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something an operator wants to know of the wire; no part of any message is in it."""

    what: Literal[
        "connected",
        "lost",  # a connection, whatever ended it
        "unreachable",  # a node did not let us in
        "consuming",
        "not consuming",  # a queue that is missing or not ours to read; retried
        "consumer lost",  # its channel or queue went while the connection stood; retried
        "publishing lost",  # the broker closed the publishing channel; made again
        "failed",  # a callback of ours raised
    ]
    #: Connection (`consume`, `publish`, `line`) and node, or the queue.
    where: str
    #: The broker's or the system's words; empty where there are none.
    why: str = ""


Handler = Callable[[Delivery], None]
Observer = Callable[[Event], None]


class Transport(Protocol):
    """A process's way to its broker. It reconnects by itself, over a list of nodes."""

    @property
    def user(self) -> str | None:
        """The broker user it speaks as; None where a certificate tells."""

    @property
    def connected(self) -> bool:
        """Whether both connections stand, with a channel to publish on."""

    @property
    def generation(self) -> int:
        """The newest generation of any consumer."""

    async def start(self) -> None:
        """Begin to connect, and return at once."""

    async def wait_connected(self, timeout: float) -> None:
        """Return when connected. NotConnected after `timeout` seconds; it goes on trying."""

    async def close(self) -> None:
        """Stop consuming, let the broker take the acks written so far, close. What is unacked is delivered again."""

    def on_generation(self, callback: Callable[[int], None]) -> None:
        """Call with the number of each generation that ends, at once: before anything else is delivered, and before
        an ack or a publish under it could be tried again."""

    def stands(self, delivery: Delivery) -> bool:
        """Whether its generation is present, so that an ack of it would still count."""

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> bool:
        """Hand each delivery of `queue` to `handler`, at most `prefetch` unacked ones at a time, until `cancel` or
        `release`; over reconnects, and after the queue was deleted and made again. Needs no right but to read.

        True: it consumes now. False: not yet; it is reported to the observer and tried again.
        """

    async def cancel(self, queue: str) -> None:
        """Take no more from `queue`; what is unacked stays ours and can still be acked."""

    async def release(self, queue: str) -> None:
        """Stop consuming `queue` and give back what is unacked: its generation ends."""

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        """Publish and wait for the broker's confirm; waits for a connection, too, within `timeout` seconds.

        Raises Unroutable, Refused or Unconfirmed; ValueError, with nothing sent, for what AMQP cannot write (a key over
        255 bytes, a header of a type it has not) and for a user_id that is not ours: the broker would close the
        channel under every publish in flight. When a bad publish does close it (no such
        exchange, no right to write), all those in flight raise Unconfirmed and the channel is made again.
        """

    async def ack(self, delivery: Delivery) -> bool:
        """Tell the broker it is done. False, and nothing is sent, when its generation is gone."""

    async def reject(self, delivery: Delivery) -> bool:
        """Refuse it for good: the broker dead-letters it. False when its generation is gone."""

    async def give_back(self, delivery: Delivery) -> bool:
        """Put it back into its queue, for whoever takes from that: the broker delivers it again, marked as redelivered.
        It counts as one of the deliveries that its queue allows it. False when its generation is gone, and it is back
        already."""

    async def declare_reply_queue(self, name: str) -> None:
        """Make the centre's reply queue and bind it to `hub.replies`; made again whenever it is consumed."""


class Line(Protocol):
    """An asker's one channel: it takes direct answers and publishes. It reconnects by itself, over a list of nodes."""

    @property
    def user(self) -> str | None:
        """The broker user it speaks as; None where a certificate tells."""

    @property
    def connected(self) -> bool: ...

    async def start(self) -> None: ...

    async def wait_connected(self, timeout: float) -> None: ...

    async def close(self) -> None: ...

    def on_answer(self, callback: Handler) -> None:
        """Call with each direct answer; there is nothing to ack."""

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call when the channel is lost, at once: no answer to what was asked on it will come."""

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        """As `Transport.publish`."""
