"""What the tests of the wire stand on: a vhost with an independent client, and a witness of the transport's events."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from deploy.servers import ForeignRabbitMQ, PrivateRabbitMQ
from schemas.wire.transport import Delivery, Event

#: Seconds after which what did not happen will not.
PATIENCE = 20.0


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is so. For what announces itself by no event."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Witness:
    """Keeps the events of a transport and waits for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def count(self, what: str, where: str = "") -> int:
        return sum(event.what == what and where in event.where for event in self.events)

    async def sees(self, what: str, where: str = "", *, times: int = 1) -> Event:
        """Wait for the event to have come so often; the last of them."""
        await until(lambda: self.count(what, where) >= times)
        return [event for event in self.events if event.what == what and where in event.where][-1]


class Basket:
    """A handler that keeps its deliveries."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    async def holds(self, count: int) -> list[Delivery]:
        """Wait for at least so many."""
        await until(lambda: len(self.deliveries) >= count)
        return self.deliveries

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]


class Ground:
    """A vhost and an administrator's plain aio-pika channel in it: the other side of what is tested."""

    def __init__(self, server: PrivateRabbitMQ | ForeignRabbitMQ, vhost: str) -> None:
        self._server = server
        self._vhost = vhost
        self._users: list[str] = []
        self.channel: AbstractChannel

    async def __aenter__(self) -> Self:
        await self.reopen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        for user in self._users:
            await asyncio.to_thread(self._server.management.delete, f"/api/users/{user}")

    async def reopen(self) -> None:
        """A connection of our own, again."""
        self._connection = await aio_pika.connect(self.url)
        self.channel = await self._connection.channel(on_return_raises=True)

    @property
    def url(self) -> str:
        """The administrator's."""
        return self._server.amqp_url(vhost=self._vhost)

    async def user(self, *, configure: str = "^$", write: str = "^$", read: str = "^$") -> str:
        """Make a user of its own with these rights here; its URL."""
        name, password = f"test-{secrets.token_hex(4)}", secrets.token_hex(8)
        management = self._server.management
        await asyncio.to_thread(management.put, f"/api/users/{name}", {"password": password, "tags": ""})
        rights = {"configure": configure, "write": write, "read": read}
        await asyncio.to_thread(management.put, f"/api/permissions/{self._vhost}/{name}", rights)
        self._users.append(name)
        return self._server.amqp_url(name, password, self._vhost)

    async def queue(self, name: str, arguments: Mapping[str, Any] | None = None) -> AbstractQueue:
        """Make a quorum queue."""
        return await self.channel.declare_queue(
            name, durable=True, arguments={"x-queue-type": "quorum", **(arguments or {})}
        )

    async def put(self, queue: str, body: bytes, **properties: Any) -> None:
        """Publish a persistent message to a queue."""
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **properties)
        await self.channel.default_exchange.publish(message, queue)

    async def get(self, queue: str) -> AbstractIncomingMessage:
        """Take one message from a queue, waiting for it."""
        source = await self.channel.get_queue(queue)
        async with asyncio.timeout(PATIENCE):
            while (message := await source.get(fail=False, no_ack=True)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return message

    async def depth(self, queue: str) -> int:
        """Messages that wait in a queue, those delivered and not acked not among them."""
        return (await self.channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0

    async def depth_is(self, queue: str, count: int) -> None:
        """Wait until so many messages wait in a queue."""
        async with asyncio.timeout(PATIENCE):
            while await self.depth(queue) != count:  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.01)
