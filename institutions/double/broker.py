"""A wire in memory: the ports of `schemas.wire.transport` for institutions whose hub is a double.

It keeps what a broker promises and an institution relies on: who sent a message is the broker's word; a delivery stays
unacked until it is acked, and comes again when its connection goes; what no queue takes comes back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.wire import names
from schemas.wire.transport import (
    PUBLISH_TIMEOUT,
    Delivery,
    Handler,
    NotConnected,
    Properties,
    Refused,
    Unconfirmed,
    Unroutable,
)


@dataclass(slots=True)
class _Message:
    body: bytes = field(repr=False)
    properties: Properties = field(repr=False)
    redelivered: bool = False


@dataclass(slots=True)
class _Queue:
    """A queue with at most one consumer: an institution of a double has one process."""

    name: str
    waiting: deque[_Message] = field(default_factory=deque)
    unacked: dict[int, _Message] = field(default_factory=dict)
    consumer: "MemoryTransport | None" = None
    handler: Handler | None = None
    prefetch: int = 0
    #: Cancelled: takes nothing new, but what is unacked can still be acked.
    cancelled: bool = False


class MemoryBroker:
    """What stands between the institutions of a double and its hub.

    `request` is called with the sender's address, the body, its properties, and a function that delivers the answer;
    `reply` with a supplier's user, the key, the body and its properties.
    """

    def __init__(
        self,
        request: Callable[[str, bytes, Properties, Callable[[bytes, Properties], None]], None],
        reply: Callable[[str, str, bytes, Properties], None],
    ) -> None:
        self.request, self.reply = request, reply
        self.queues: dict[str, _Queue] = {}
        self.parked: list[Properties] = []
        #: What a test brings about: publishes that the broker refuses (a full queue), or never confirms.
        self.refused = self.unconfirmed = 0
        self.down = False
        self._transports: list[MemoryTransport] = []
        self._lines: list[MemoryLine] = []

    def line(self, user: str) -> "MemoryLine":
        line = MemoryLine(self, user)
        self._lines.append(line)
        return line

    def transport(self, user: str) -> "MemoryTransport":
        transport = MemoryTransport(self, user)
        self._transports.append(transport)
        return transport

    def consumed(self, queue: str) -> bool:
        """Whether somebody takes from this queue."""
        found = self.queues.get(queue)
        return found is not None and found.handler is not None and not found.cancelled

    def deliver(self, queue: str, body: bytes, properties: Properties) -> None:
        """Put a message into a queue. Unroutable where nobody ever consumed it."""
        found = self.queues.get(queue)
        if found is None:
            raise Unroutable(f"no queue takes {queue!r}")
        found.waiting.append(_Message(body, properties))
        self.push(found)

    def answer(self, user: str, body: bytes, properties: Properties) -> None:
        """Deliver an answer to whoever of this user has a line."""
        for line in [line for line in self._lines if line.user == user]:
            line.take(body, properties)

    def push(self, queue: _Queue) -> None:
        """Hand out what waits, as far as the prefetch goes."""
        consumer, handler = queue.consumer, queue.handler
        while consumer is not None and handler is not None and not queue.cancelled and queue.waiting:
            if len(queue.unacked) >= queue.prefetch:
                return
            message = queue.waiting.popleft()
            tag = consumer.next_tag()
            queue.unacked[tag] = message
            handler(
                Delivery(message.body, queue.name, message.properties, message.redelivered, consumer.generation, tag)
            )

    async def publish(self, user: str, exchange: str, key: str, body: bytes, properties: Properties) -> None:
        """What is common to every publish: faults that a test asked for, and where it goes."""
        if properties.user_id not in (None, user):
            raise ValueError(f"user_id {properties.user_id!r} is not ours: the broker knows us as {user!r}")
        if self.down:
            raise Unconfirmed("the broker is down")
        if self.refused:
            self.refused -= 1
            raise Refused(f"the broker refused a message for {key!r} at exchange {exchange!r}: queue full")
        if exchange == names.REPLIES:
            self.reply(user, key, body, properties)
        elif exchange == names.DLX:
            self.parked.append(properties)
        else:
            raise Unroutable(f"no queue takes {key!r} at exchange {exchange!r}: has it been provisioned?")
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise Unconfirmed("the connection was lost before it was confirmed")

    def lose_connections(self, user: str | None = None) -> None:
        """A user's connections (None: everybody's) drop and come back: what was unacked is delivered again."""
        parts: list[MemoryLine | MemoryTransport] = [*self._lines, *self._transports]
        for part in parts:
            if user in (None, part.user):
                part.lose()

    def forget(self, part: "MemoryLine | MemoryTransport") -> None:
        """It was closed."""
        if isinstance(part, MemoryLine):
            self._lines.remove(part)
        else:
            self._transports.remove(part)


class MemoryLine:
    """A `Line` in memory."""

    def __init__(self, broker: MemoryBroker, user: str) -> None:
        self._broker, self.user = broker, user
        self._answer: Handler | None = None
        self._lost: Callable[[], None] | None = None
        self._opening = 1
        self._started = False

    @property
    def connected(self) -> bool:
        return self._started and not self._broker.down

    async def start(self) -> None:
        self._started = True

    async def wait_connected(self, timeout: float) -> None:
        if self._broker.down:
            await asyncio.sleep(timeout)
            raise NotConnected(f"no broker reached within {timeout:g} s; the double is down")

    async def close(self) -> None:
        if self._started:
            self._started = False
            self._broker.forget(self)

    def on_answer(self, callback: Handler) -> None:
        self._answer = callback

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost = callback

    def lose(self) -> None:
        """The channel is lost, and every answer that was to come on it."""
        self._opening += 1
        if self._lost is not None:
            self._lost()

    def take(self, body: bytes, properties: Properties) -> None:
        """An answer comes."""
        if self._answer is not None:
            self._answer(Delivery(body, names.DIRECT_REPLY_TO, properties, False, self._opening, 0))

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
        broker, opening = self._broker, self._opening
        if exchange != names.out(self.user) or key != "online":
            await broker.publish(self.user, exchange, key, body, properties)
            return
        if broker.down:
            await asyncio.sleep(timeout)
            raise Unconfirmed("the broker is down")
        if broker.refused:
            broker.refused -= 1
            raise Refused(f"the broker refused a message for {key!r} at exchange {exchange!r}: queue full")

        def answer(answered: bytes, told: Properties) -> None:
            if self._opening == opening:
                self.take(answered, told)

        broker.request(self.user, body, properties, answer)
        if broker.unconfirmed:
            broker.unconfirmed -= 1
            raise Unconfirmed("the connection was lost before it was confirmed")
        await asyncio.sleep(0)


class MemoryTransport:
    """A `Transport` in memory."""

    def __init__(self, broker: MemoryBroker, user: str) -> None:
        self._broker, self.user = broker, user
        self._callbacks: list[Callable[[int], None]] = []
        self._tags = 0
        self.generation = 1
        self._started = False

    @property
    def connected(self) -> bool:
        return self._started and not self._broker.down

    def next_tag(self) -> int:
        self._tags += 1
        return self._tags

    async def start(self) -> None:
        self._started = True

    async def wait_connected(self, timeout: float) -> None:
        if self._broker.down:
            await asyncio.sleep(timeout)
            raise NotConnected(f"no broker reached within {timeout:g} s; the double is down")

    async def close(self) -> None:
        if not self._started:
            return
        self._started = False
        for queue in self._own():
            self._requeue(queue)
            queue.consumer = queue.handler = None
        self._broker.forget(self)

    def on_generation(self, callback: Callable[[int], None]) -> None:
        self._callbacks.append(callback)

    def stands(self, delivery: Delivery) -> bool:
        return delivery.generation == self.generation and self.connected

    def lose(self) -> None:
        """Connection gone and made again at once."""
        lost, self.generation = self.generation, self.generation + 1
        for callback in self._callbacks:
            callback(lost)
        for queue in self._own():
            self._requeue(queue)
        for queue in self._own():
            asyncio.get_running_loop().call_soon(self._broker.push, queue)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> bool:
        found = self._broker.queues.setdefault(queue, _Queue(queue))
        found.consumer, found.handler, found.prefetch, found.cancelled = self, handler, prefetch, False
        self._broker.push(found)
        return True

    async def cancel(self, queue: str) -> None:
        if (found := self._broker.queues.get(queue)) is not None and found.consumer is self:
            found.cancelled = True

    async def release(self, queue: str) -> None:
        if (found := self._broker.queues.get(queue)) is not None and found.consumer is self:
            self._requeue(found)
            found.consumer = found.handler = None

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
        await self._broker.publish(self.user, exchange, key, body, properties)

    async def ack(self, delivery: Delivery) -> bool:
        return self._done(delivery)

    async def reject(self, delivery: Delivery) -> bool:
        return self._done(delivery)

    async def give_back(self, delivery: Delivery) -> bool:
        queue = self._broker.queues.get(delivery.queue)
        if queue is None or not self.stands(delivery) or (message := queue.unacked.pop(delivery.tag, None)) is None:
            return False
        message.redelivered = True
        queue.waiting.appendleft(message)
        asyncio.get_running_loop().call_soon(self._broker.push, queue)
        return True

    async def declare_reply_queue(self, name: str) -> None:
        raise Unroutable("only a hub and a relay have reply queues")

    def _done(self, delivery: Delivery) -> bool:
        queue = self._broker.queues.get(delivery.queue)
        if queue is None or not self.stands(delivery) or queue.unacked.pop(delivery.tag, None) is None:
            return False
        asyncio.get_running_loop().call_soon(self._broker.push, queue)
        return True

    def _requeue(self, queue: _Queue) -> None:
        for message in reversed(queue.unacked.values()):
            message.redelivered = True
            queue.waiting.appendleft(message)
        queue.unacked.clear()

    def _own(self) -> list[_Queue]:
        return [queue for queue in self._broker.queues.values() if queue.consumer is self]
