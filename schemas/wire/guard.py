"""A transport that no asker can knock over by the reply_to it names.

Everything goes through the transport it guards. But before the first answer to a direct reply-to of a node, an empty
message goes to the same process over a spare transport, under a key that no channel has, so that nobody receives it. If
the spare survives, the node is proven and the answer goes the common way; if not, only the spare was lost, and the
answer is told as Unroutable. The answer itself is never what is tried: RabbitMQ 3.10 writes the message that it breaks
down over into its own log, with the whole body (seen on 3.10.8).
"""

import asyncio
from collections.abc import Callable

from schemas.wire import names
from schemas.wire.token import Proven, token_of
from schemas.wire.transport import PUBLISH_TIMEOUT, Delivery, Handler, Properties, Transport, Unconfirmed, Unroutable

#: How often an answer is tried on the spare transport: a lost network can end it too, a bad token will each time.
_TRIES = 2
#: The key of no channel: the broker's are 16 random bytes.
_NOBODY = "nobody"


class GuardedTransport:
    """`transport`, with the answers of doubt kept off it. `spare` must not be used by anybody else."""

    def __init__(self, transport: Transport, spare: Transport) -> None:
        self._transport, self._spare = transport, spare
        self._proven = Proven(set())
        self._one_by_one = asyncio.Lock()
        self._spare_started = False

    @property
    def user(self) -> str | None:
        return self._transport.user

    @property
    def connected(self) -> bool:
        return self._transport.connected

    @property
    def generation(self) -> int:
        return self._transport.generation

    async def start(self) -> None:
        await self._transport.start()

    async def wait_connected(self, timeout: float) -> None:
        await self._transport.wait_connected(timeout)

    async def close(self) -> None:
        """Close both."""
        await self._transport.close()
        if self._spare_started:
            await self._spare.close()

    def on_generation(self, callback: Callable[[int], None]) -> None:
        self._transport.on_generation(callback)

    def stands(self, delivery: Delivery) -> bool:
        return self._transport.stands(delivery)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> bool:
        return await self._transport.consume(queue, handler, prefetch=prefetch)

    async def cancel(self, queue: str) -> None:
        await self._transport.cancel(queue)

    async def release(self, queue: str) -> None:
        await self._transport.release(queue)

    async def ack(self, delivery: Delivery) -> bool:
        return await self._transport.ack(delivery)

    async def reject(self, delivery: Delivery) -> bool:
        return await self._transport.reject(delivery)

    async def give_back(self, delivery: Delivery) -> bool:
        return await self._transport.give_back(delivery)

    async def declare_reply_queue(self, name: str) -> None:
        await self._transport.declare_reply_queue(name)

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
        """As the port says. Unroutable, with nothing sent, for a direct reply-to that is no token of the broker's; and
        for one that ended the spare transport twice."""
        if exchange != "" or not names.is_direct_reply(key):
            await self._transport.publish(exchange, key, body, properties, mandatory=mandatory, timeout=timeout)
            return
        token = token_of(key)
        if token is None:
            raise Unroutable("the direct reply-to is no token of the broker's")
        if not self._proven.covers(token):
            async with self._one_by_one:
                if not self._proven.covers(token):
                    await self._try(key, timeout)
                    self._proven.add(token)
        try:
            await self._transport.publish("", key, body, properties, mandatory=False, timeout=timeout)
        except Unconfirmed:
            self._proven.forget()
            raise

    async def _try(self, key: str, timeout: float) -> None:
        process, _, _ = key.rpartition(".")
        if not self._spare_started:
            self._spare_started = True
            await self._spare.start()
        for attempt in range(1, _TRIES + 1):
            try:
                await self._spare.publish(
                    "", f"{process}.{_NOBODY}", b"", Properties(), mandatory=False, timeout=timeout
                )
                return
            except Unconfirmed:
                if attempt == _TRIES:
                    raise Unroutable(
                        "the broker closes the connection that publishes to this direct reply-to"
                    ) from None
