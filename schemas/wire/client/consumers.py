"""Consumers, each on a channel of its own: what ends one of them leaves the others alone."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

from schemas.wire.client.connection import Channel, ChannelGone, Connection, cancelled, words
from schemas.wire.client.link import CLOSE_TIMEOUT
from schemas.wire.transport import Delivery, Event, Handler, Observer

#: Seconds until a queue that could not be consumed is tried again: doubled each time, up to the second.
RETRY = (0.25, 5.0)
#: RabbitMQ hands acks on to a quorum queue this many at a time, and forgets the others when the channel is closed
#: (tried on 3.10.8: of 60 written just before, 34 counted). Who holds more waits so long, seconds, before closing.
ACKS_AT_ONCE = 32
ACK_GRACE = 0.25


class _Consumer:
    """One queue's consumer; `generation` is the number of its present opening, 0 without one."""

    def __init__(self, queue: str, handler: Handler, prefetch: int) -> None:
        self.queue = queue
        self.handler = handler
        self.prefetch = prefetch
        self.generation = 0
        self.channel: Channel | None = None
        #: When something was acked last, on the loop's clock.
        self.acked = 0.0
        self.tag = ""
        #: Whether the present opening was confirmed by the broker.
        self.consuming = False
        self.lost = asyncio.Event()
        self.tried = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Consumers:
    """All consumers of the consuming connection."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._connection: Connection[Channel] | None = None
        self._up = asyncio.Event()
        self._consumers: dict[str, _Consumer] = {}
        #: Cancelled ones whose deliveries may still be acked.
        self._retired: set[_Consumer] = set()
        self._numbers = itertools.count(1)
        self._live: dict[int, _Consumer] = {}
        self._callbacks: list[Callable[[int], None]] = []
        self._reply_queues: set[str] = set()
        #: Channels that are being closed.
        self._closing: set[asyncio.Task[None]] = set()
        self.generation = 0

    def on_generation(self, callback: Callable[[int], None]) -> None:
        self._callbacks.append(callback)

    def stands(self, generation: int) -> bool:
        return generation in self._live

    async def wait_up(self) -> None:
        await self._up.wait()

    async def open(self, connection: Connection[Channel]) -> None:
        """Consume on this connection from now on."""
        self._connection = connection
        self._up.set()

    def lose(self) -> None:
        """The connection is gone, and every generation with it."""
        self._connection = None
        self._up.clear()
        for consumer in list(self._live.values()):
            self._end(consumer)
        self._retired.clear()

    async def close(self) -> None:
        """Stop all; acks written before are taken by the broker, since a channel's close comes after them."""
        for queue in {*self._consumers, *(consumer.queue for consumer in self._retired)}:
            self._stop(queue)
        await asyncio.gather(*(self._close_channel(consumer) for consumer in self._retired))
        self._retired.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    async def consume(self, queue: str, handler: Handler, prefetch: int) -> bool:
        if queue in self._consumers:
            raise ValueError(f"{queue} is consumed already: release it first")
        consumer = self._consumers[queue] = _Consumer(queue, handler, prefetch)
        consumer.task = asyncio.create_task(self._keep(consumer), name=f"wire consumer of {queue}")
        if self._connection is not None:
            await consumer.tried.wait()
        return bool(consumer.generation)

    async def cancel(self, queue: str) -> None:
        consumer = self._consumers.pop(queue, None)
        if consumer is None:
            return
        self._halt(consumer)
        if consumer.channel is not None and consumer.generation:
            self._retired.add(consumer)
            with suppress(ChannelGone, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await consumer.channel.cancel(consumer.tag)

    async def release(self, queue: str) -> None:
        stopped = self._stop(queue)
        await asyncio.gather(*(self._close_channel(consumer) for consumer in stopped))
        self._retired.difference_update(stopped)

    async def declare_reply_queue(self, name: str) -> None:
        self._reply_queues.add(name)
        await self._up.wait()
        if self._connection is not None:
            channel = await self._connection.channel(lambda _: None, confirms=False)
            try:
                await channel.declare_reply_queue(name)
            finally:
                await channel.close()

    async def ack(self, delivery: Delivery) -> bool:
        return await self._settle(delivery, lambda channel: channel.ack(delivery.tag))

    async def reject(self, delivery: Delivery) -> bool:
        return await self._settle(delivery, lambda channel: channel.reject(delivery.tag))

    async def give_back(self, delivery: Delivery) -> bool:
        return await self._settle(delivery, lambda channel: channel.reject(delivery.tag, requeue=True))

    async def _settle(self, delivery: Delivery, say: Callable[[Channel], Awaitable[None]]) -> bool:
        consumer = self._live.get(delivery.generation)
        if consumer is None or consumer.channel is None:
            return False
        consumer.acked = asyncio.get_running_loop().time()
        try:
            await say(consumer.channel)
        except ChannelGone:
            return False
        return delivery.generation in self._live

    def _stop(self, queue: str) -> set[_Consumer]:
        """End what consumes or consumed the queue; their channels are still to be closed."""
        stopped = {consumer for consumer in self._retired if consumer.queue == queue}
        consumer = self._consumers.pop(queue, None)
        if consumer is not None:
            self._halt(consumer)
            stopped.add(consumer)
        self._retired |= stopped
        for each in stopped:
            self._end(each)
        return stopped

    def _halt(self, consumer: _Consumer) -> None:
        if consumer.task is not None:
            consumer.task.cancel()
        consumer.tried.set()

    async def _close_channel(self, consumer: _Consumer) -> None:
        """Give back what is unacked."""
        if consumer.task is not None:
            await asyncio.wait({consumer.task})
        channel, consumer.channel = consumer.channel, None
        if channel is not None:
            if consumer.prefetch > ACKS_AT_ONCE:
                await asyncio.sleep(consumer.acked + ACK_GRACE - asyncio.get_running_loop().time())
            await _close(channel)

    async def _keep(self, consumer: _Consumer) -> None:
        """Open the consumer, and again whenever it is lost."""
        delay, most = RETRY
        while True:
            await self._up.wait()
            if self._connection is None:
                continue
            connection = self._connection
            why = "the connection was lost"
            try:
                await self._open(consumer, connection)
            except asyncio.CancelledError:
                if cancelled():
                    raise
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                why = words(error)
            if consumer.generation:
                consumer.consuming = True
                delay = RETRY[0]
                self._observe(Event("consuming", consumer.queue))
                consumer.tried.set()
                await consumer.lost.wait()
                continue
            consumer.tried.set()
            if self._connection is connection:
                self._observe(Event("not consuming", consumer.queue, why))
                await asyncio.sleep(delay)
                delay = min(most, delay * 2)

    async def _open(self, consumer: _Consumer, connection: Connection[Channel]) -> None:
        generation = next(self._numbers)
        channel = await connection.channel(lambda why: self._closed(consumer, generation, why), confirms=False)

        def deliver(delivery: Delivery) -> None:
            if generation in self._live:
                try:
                    consumer.handler(delivery)
                except Exception as error:  # noqa: BLE001  a handler's mistake must not end the consumer
                    self._observe(Event("failed", consumer.queue, type(error).__name__))

        try:
            if consumer.queue in self._reply_queues:
                await channel.declare_reply_queue(consumer.queue)
            if self._connection is not connection:
                return
            consumer.lost.clear()
            consumer.channel, consumer.generation, consumer.tag = channel, generation, f"{consumer.queue}#{generation}"
            self._live[generation] = consumer
            self.generation = generation
            await channel.consume(
                consumer.queue,
                consumer.tag,
                generation,
                prefetch=consumer.prefetch,
                deliver=deliver,
                cancelled=lambda: self._cancelled(consumer, generation, channel),
            )
        except BaseException:
            if consumer.generation == generation:
                self._end(consumer)
                consumer.channel = None
            await _close(channel)
            raise

    def _closed(self, consumer: _Consumer, generation: int, why: str) -> None:
        """The broker closed this channel."""
        if consumer.generation == generation:
            if self._connection is not None and consumer.consuming:
                self._observe(Event("consumer lost", consumer.queue, why))
            self._end(consumer)

    def _cancelled(self, consumer: _Consumer, generation: int, channel: Channel) -> None:
        """The broker cancelled the consumer: its queue was deleted, or moved with no node to lead it."""
        if consumer.generation == generation:
            self._observe(Event("consumer lost", consumer.queue, "the broker cancelled it: was its queue deleted?"))
            self._end(consumer)
            closing = asyncio.create_task(_close(channel))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _end(self, consumer: _Consumer) -> None:
        """Its generation is over: nothing of it can be acked any more."""
        generation, consumer.generation = consumer.generation, 0
        consumer.consuming = False
        if self._live.pop(generation, None) is None:
            return
        consumer.lost.set()
        for callback in self._callbacks:
            try:
                callback(generation)
            except Exception as error:  # noqa: BLE001  one listener's mistake must not keep it from the others
                self._observe(Event("failed", consumer.queue, type(error).__name__))


async def _close(channel: Channel) -> None:
    closing = asyncio.ensure_future(channel.close())
    await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT)
    closing.cancel()
    with suppress(Exception, asyncio.CancelledError):
        await closing
