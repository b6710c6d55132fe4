"""pika's channel, as `client` asks for it: calls that wait for their answer, deliveries in and acks, publishes out."""

import asyncio
import struct
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pika.exceptions import AMQPError, ChannelClosed, ChannelClosedByBroker

from schemas.wire.client.connection import ChannelGone, words
from schemas.wire.names import REPLIES, REPLY_QUEUE_EXPIRES_MS
from schemas.wire.pika import writing
from schemas.wire.pika.reading import body_size_of, properties_of
from schemas.wire.transport import Delivery, Properties

if TYPE_CHECKING:
    from schemas.wire.pika.stream import Stream

_TAG = struct.Struct(">QB")
_RETURN = b"\x00\x3c\x00\x32"
#: Where a delivery's consumer tag begins, behind class and method.
_ARGUMENTS = 4


class Confirm(Enum):
    """What became of a publish."""

    TAKEN = "the broker has it"
    RETURNED = "no queue takes it"
    REFUSED = "the queue is full"
    EXPIRED = "no word in time"
    LOST = "the channel was lost"


class PikaChannel:
    """A `Channel` of `client`. Acks of one turn of the loop are written at its end, those up to the first delivery
    that is not acked yet as one."""

    def __init__(self, stream: "Stream", told: Callable[[str], None]) -> None:
        self._stream = stream
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._channel: Any = None
        self._number = 0
        #: Why it is closed; empty while it is not.
        self.why = ""
        self._answers: set[asyncio.Future[None]] = set()
        # what arrives
        self._deliver: Callable[[Delivery], None] | None = None
        self._queue, self._generation = "", 0
        self._method = b""
        self._properties = Properties()
        self._left = 0
        self._fragments: list[bytes] = []
        # acks: deliveries that are not settled, in their order, and whether they are acked but not written yet
        self._unsettled: dict[int, bool] = {}
        self._acked = 0
        # publishes
        self._published = 0
        self._prefix = uuid4().hex
        self._confirms: dict[int, asyncio.Future[Confirm]] = {}
        self._returned: set[int] = set()

    @property
    def is_closed(self) -> bool:
        return bool(self.why)

    @property
    def blocked(self) -> bool:
        """Whether the broker takes no publishes for now, an alarm being on."""
        return self._stream.blocked

    async def unblocked(self) -> None:
        """Return when that may be over."""
        await self._stream.flowing.wait()

    async def open(self, *, confirms: bool) -> None:
        """Raises ChannelGone."""

        def say(done: Callable[[Any], None]) -> None:
            self._channel = self._stream.channel(on_open_callback=done)
            self._number = self._channel.channel_number
            self._channel.add_on_close_callback(self._on_close)
            self._stream.channels[self._number] = self

        await self._call(say)
        if confirms:
            await self._call(lambda done: self._channel.confirm_delivery(_never, done))

    async def consume(
        self,
        queue: str,
        tag: str,
        generation: int,
        *,
        prefetch: int,
        deliver: Callable[[Delivery], None],
        cancelled: Callable[[], None],
    ) -> None:
        self._queue, self._generation, self._deliver = queue, generation, deliver
        await self._call(lambda done: self._channel.basic_qos(prefetch_count=prefetch, callback=done))
        self._channel.add_on_cancel_callback(lambda _: cancelled())
        await self._call(lambda done: self._channel.basic_consume(queue, _never, consumer_tag=tag, callback=done))

    async def cancel(self, tag: str) -> None:
        await self._call(lambda done: self._channel.basic_cancel(tag, done))

    async def declare_reply_queue(self, name: str) -> None:
        arguments = {"x-queue-type": "quorum", "x-expires": REPLY_QUEUE_EXPIRES_MS}
        await self._call(
            lambda done: self._channel.queue_declare(name, durable=True, arguments=arguments, callback=done)
        )
        await self._call(lambda done: self._channel.queue_bind(name, REPLIES, name, callback=done))

    async def close(self) -> None:
        if self._channel is None or self.why:
            return
        self.write_acks()
        if not self._channel.is_closing:
            self._channel.close()
        await self._answered()

    async def _answered(self) -> None:
        """Return when the channel is closed."""
        closed = self._loop.create_future()
        self._answers.add(closed)
        try:
            await closed
        except ChannelGone:
            pass
        finally:
            self._answers.discard(closed)

    async def _call(self, say: Callable[[Callable[[Any], None]], None]) -> None:
        """Say something that the broker answers, and wait for the answer. Raises ChannelGone when the channel is
        closed instead; the text is the broker's."""
        if self.why:
            raise ChannelGone(self.why)
        answer: asyncio.Future[None] = self._loop.create_future()
        self._answers.add(answer)
        try:
            say(lambda _: None if answer.done() else answer.set_result(None))
            await answer
        except AMQPError as error:
            raise ChannelGone(words(error)) from None
        finally:
            self._answers.discard(answer)

    def _on_close(self, _: Any, reason: Exception) -> None:
        """The channel is closed: by the broker, by us, with its connection."""
        self.why = reason.reply_text if isinstance(reason, ChannelClosed) else words(reason)
        self.why = self.why or "the channel was closed"
        self._stream.channels.pop(self._number, None)
        if isinstance(reason, ChannelClosedByBroker):
            self._told(self.why)
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(ChannelGone(self.why))
        confirms, self._confirms = self._confirms, {}
        for confirm in confirms.values():
            if not confirm.done():
                confirm.set_result(Confirm.LOST)
        self._unsettled.clear()
        self._returned.clear()

    # --- what arrives ----------------------------------------------------------------------------------------------

    def on_content(self, payload: bytes) -> None:
        """The method of a message that is delivered or comes back."""
        self._method = payload

    def on_header(self, payload: bytes) -> None:
        """Its properties and size."""
        self._properties = properties_of(payload, own=self._method.startswith(_RETURN))
        self._left = body_size_of(payload)
        if not self._left:
            self._complete(b"")

    def on_body(self, payload: bytes) -> None:
        """A piece of its body."""
        self._left -= len(payload)
        if self._left > 0:
            self._fragments.append(payload)
        elif self._fragments:
            self._fragments.append(payload)
            body = b"".join(self._fragments)
            self._fragments.clear()
            self._complete(body)
        else:
            self._complete(payload)

    def _complete(self, body: bytes) -> None:
        method, self._method = self._method, b""
        if method.startswith(_RETURN):
            prefix, _, number = (self._properties.message_id or "").rpartition(".")
            if prefix == self._prefix:
                self._returned.add(int(number, 16))
            return
        offset = _ARGUMENTS + 1 + method[_ARGUMENTS]
        tag, redelivered = _TAG.unpack_from(method, offset)
        self._unsettled[tag] = False
        offset += _TAG.size
        end = offset + 1 + method[offset]
        if self._deliver is not None:
            self._deliver(
                Delivery(
                    body,
                    self._queue,
                    self._properties,
                    bool(redelivered),
                    self._generation,
                    tag,
                    method[offset + 1 : end].decode(errors="replace"),
                    method[end + 1 : end + 1 + method[end]].decode(errors="replace"),
                )
            )

    # --- acks ------------------------------------------------------------------------------------------------------

    async def ack(self, tag: int) -> None:
        if self.why:
            raise ChannelGone(self.why)
        if self._unsettled.get(tag, True):
            # Acked already, or never delivered: alone, so that the broker says what it thinks of it.
            self.write_acks()
            self._stream.write(writing.settled(self._number, tag, multiple=False))
            return
        self._unsettled[tag] = True
        self._acked += 1
        if self._acked == 1:
            self._stream.at_end_of_turn(self)

    async def reject(self, tag: int, *, requeue: bool = False) -> None:
        if self.why:
            raise ChannelGone(self.why)
        if self._unsettled.get(tag):
            self.write_acks()
        self._unsettled.pop(tag, None)
        self._stream.write(writing.rejected(self._number, tag, requeue=requeue))

    def write_acks(self) -> None:
        """Write the acks of this turn. What is acked as one is all that was delivered so far and is ours to settle,
        and its last tag is one that the broker waits for: no such ack can be stale."""
        count, self._acked = self._acked, 0
        if not count or self.why:
            return
        unsettled = self._unsettled
        last = first = 0
        while unsettled:
            tag = next(iter(unsettled))
            if not unsettled[tag]:
                break
            del unsettled[tag]
            first = first or tag
            last = tag
            count -= 1
        if last:
            self._stream.write(writing.settled(self._number, last, multiple=last != first))
        if count:
            for tag in [tag for tag, acked in unsettled.items() if acked]:
                del unsettled[tag]
                self._stream.write(writing.settled(self._number, tag, multiple=False))

    # --- publishes -------------------------------------------------------------------------------------------------

    def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool
    ) -> "asyncio.Future[Confirm]":
        """Write a message. ValueError, with nothing written, for what AMQP cannot write."""
        number = self._published + 1
        frames = writing.published(
            self._number,
            exchange,
            key,
            body,
            properties,
            f"{self._prefix}.{number:x}",
            mandatory=mandatory,
            frame_max=self._stream.frame_max,
        )
        self._stream.write(frames)
        self._published = number
        confirm = self._confirms[number] = self._loop.create_future()
        return confirm

    def on_confirm(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """The broker has, or has not, taken a message, or all up to this one. One that came back before is not
        delivered, whatever this says."""
        confirms = self._confirms
        if not multiple:
            self._settle(confirms.pop(tag, None), tag, taken)
            return
        while confirms:
            first = next(iter(confirms))
            if first > tag:
                return
            self._settle(confirms.pop(first), first, taken)

    def _settle(self, confirm: "asyncio.Future[Confirm] | None", number: int, taken: bool) -> None:
        outcome = Confirm.TAKEN if taken else Confirm.REFUSED
        if number in self._returned:
            self._returned.discard(number)
            outcome = Confirm.RETURNED
        if confirm is not None and not confirm.done():
            confirm.set_result(outcome)


def _never(*_: Any) -> None:
    """What pika wants to call for deliveries and confirms, which go past it."""
