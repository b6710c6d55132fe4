"""`Transport` on two connections."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from yarl import URL

from schemas.wire.client.connection import Channel, Connection
from schemas.wire.client.consumers import Consumers
from schemas.wire.client.link import Link, user_of
from schemas.wire.client.publisher import Publisher
from schemas.wire.client.reporting import guarded
from schemas.wire.transport import PUBLISH_TIMEOUT, Delivery, Handler, NotConnected, Observer, Properties

ChannelT = TypeVar("ChannelT", bound=Channel)


class _MakePublisher(Protocol[ChannelT]):
    def __call__(self, user: str | None, *, observe: Observer) -> Publisher[ChannelT]: ...


class PairTransport(Generic[ChannelT]):
    """A `Transport`.

    urls: AMQP URLs of the nodes, amqps:// for TLS (options cafile, capath, certfile, keyfile, auth=external), tried in
        turn; `heartbeat=` seconds, 10 unless said otherwise.
    name: shown by the broker beside each connection.
    observe: told what happens to connections and consumers.
    connect, publisher: make the client library's.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str,
        observe: Observer,
        connect: Callable[[URL], Connection[ChannelT]],
        publisher: _MakePublisher[ChannelT],
    ) -> None:
        self.user = user_of(urls)
        observe = guarded(observe)
        self._consumers = Consumers(observe)
        self._consuming = Link(
            urls,
            name=name,
            role="consume",
            observe=observe,
            connect=connect,
            opened=self._consumers.open,
            lost=self._consumers.lose,
        )
        self._publisher = publisher(self.user, observe=observe)
        self._publishing = Link(
            urls,
            name=name,
            role="publish",
            observe=observe,
            connect=connect,
            opened=self._publisher.open,
            lost=self._publisher.lose,
        )

    @property
    def connected(self) -> bool:
        return self._consuming.connection is not None and self._publisher.ready

    @property
    def generation(self) -> int:
        return self._consumers.generation

    async def start(self) -> None:
        self._consuming.start()
        self._publishing.start()

    async def wait_connected(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not self.connected:
                    await self._consumers.wait_up()
                    await self._publisher.wait_ready()
        except TimeoutError:
            failing = self._publishing if self._consuming.connection is not None else self._consuming
            raise NotConnected(f"no broker reached within {timeout:g} s; {failing.failure}") from None

    async def close(self) -> None:
        await self._consumers.close()
        await asyncio.gather(self._consuming.close(), self._publishing.close())

    def on_generation(self, callback: Callable[[int], None]) -> None:
        self._consumers.on_generation(callback)

    def stands(self, delivery: Delivery) -> bool:
        return self._consumers.stands(delivery.generation)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> bool:
        return await self._consumers.consume(queue, handler, prefetch)

    async def cancel(self, queue: str) -> None:
        await self._consumers.cancel(queue)

    async def release(self, queue: str) -> None:
        await self._consumers.release(queue)

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
        await self._publisher.publish(exchange, key, body, properties, mandatory=mandatory, timeout=timeout)

    async def ack(self, delivery: Delivery) -> bool:
        return await self._consumers.ack(delivery)

    async def reject(self, delivery: Delivery) -> bool:
        return await self._consumers.reject(delivery)

    async def give_back(self, delivery: Delivery) -> bool:
        return await self._consumers.give_back(delivery)

    async def declare_reply_queue(self, name: str) -> None:
        await self._consumers.declare_reply_queue(name)
