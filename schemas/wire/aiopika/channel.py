"""aiormq's channel, as `client` asks for it, and where its ways do not suffice."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.commands import Basic
from pamqp.commands import Channel as ChannelFrames

from schemas.wire.aiopika.reading import UNREADABLE
from schemas.wire.client.connection import ChannelGone
from schemas.wire.names import REPLIES, REPLY_QUEUE_EXPIRES_MS
from schemas.wire.transport import Delivery, Properties


class WireChannel(Channel):
    """aiormq's channel, telling at once when the broker closes it. aiormq itself goes on publishing for some turns of
    the loop after it agreed to the close, and the broker answers that by closing the whole connection."""

    def __init__(
        self, connection: AbstractConnection, number: int, told: Callable[[str], None], confirms: bool
    ) -> None:
        super().__init__(connection, number, publisher_confirms=confirms, on_return_raises=True)
        self._told = told

    async def _on_close_frame(self, frame: ChannelFrames.Close) -> None:
        self._told(frame.reply_text or "the channel was closed")
        await super()._on_close_frame(frame)

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
        async def on_message(message: DeliveredMessage) -> None:
            deliver(delivery_of(queue, generation, message))

        await self.basic_qos(prefetch_count=prefetch)
        self.on_consumer_cancel_callbacks.add(lambda frame: cancelled())
        await self.basic_consume(queue, on_message, consumer_tag=tag)

    async def cancel(self, tag: str) -> None:
        await _said(self.basic_cancel(tag))

    async def ack(self, tag: int) -> None:
        await _said(self.basic_ack(tag, wait=False))

    async def reject(self, tag: int, *, requeue: bool = False) -> None:
        await _said(self.basic_reject(tag, requeue=requeue, wait=False))

    async def declare_reply_queue(self, name: str) -> None:
        arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-expires": REPLY_QUEUE_EXPIRES_MS}
        await self.queue_declare(name, durable=True, arguments=arguments)
        await self.queue_bind(name, REPLIES, name)


async def _said(saying: Awaitable[object]) -> None:
    try:
        await saying
    except (AMQPError, ChannelInvalidStateError) as error:
        raise ChannelGone(type(error).__name__) from None


async def open_channel(connection: AbstractConnection, told: Callable[[str], None], *, confirms: bool) -> WireChannel:
    """A new channel; `told` is called with the broker's words when it closes it."""
    number = next(number for number in itertools.count(1) if number not in connection.channels)
    channel = connection.channels[number] = WireChannel(connection, number, told, confirms)
    await channel.open()
    return channel


def delivery_of(queue: str, generation: int, message: DeliveredMessage) -> Delivery:
    """A delivered message in the port's words."""
    frame = message.delivery
    if not isinstance(frame, Basic.Deliver):
        raise TypeError(f"a {frame.name} frame is no delivery")
    return Delivery(
        body=message.body,
        queue=queue,
        properties=_properties(message),
        redelivered=bool(frame.redelivered),
        generation=generation,
        tag=frame.delivery_tag or 0,
        exchange=frame.exchange or "",
        routing_key=frame.routing_key or "",
    )


def _properties(message: DeliveredMessage) -> Properties:
    frame = message.header.properties
    expiration = frame.expiration or ""
    return Properties(
        user_id=frame.user_id,
        correlation_id=frame.correlation_id,
        reply_to=frame.reply_to,
        message_id=frame.message_id,
        type=frame.message_type,
        content_type=frame.content_type,
        content_encoding=frame.content_encoding,
        # one that is no number is none
        expiration_ms=int(expiration) if expiration.isdecimal() else None,
        headers=frame.headers or {},
        readable=frame.cluster_id != UNREADABLE,
    )
