"""A vhost with an independent client in it, and transports that are closed at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.servers import ForeignRabbitMQ, PrivateRabbitMQ
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.pika import PikaTransport
from schemas.wire.transport import Transport
from tests.wire.ground import PATIENCE, Ground, Witness
from tests.wire.proxy import Proxy

#: Makes a transport over these URLs; every implementation of the port is held to the same tests.
Make = Callable[..., Transport]
#: Makes one, starts it and waits for its connections.
Connect = Callable[..., Awaitable[Transport]]


@pytest.fixture
async def ground(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, vhost: str) -> AsyncIterator[Ground]:
    async with Ground(rabbitmq, vhost) as ground:
        yield ground


@pytest.fixture
async def proxy(ground: Ground) -> AsyncIterator[Proxy]:
    """Before the broker, for the administrator's URL."""
    async with Proxy(ground.url) as proxy:
        yield proxy


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture(params=[AioPikaTransport, PikaTransport])
def make(request: pytest.FixtureRequest) -> Make:
    implementation: Make = request.param
    return implementation


@pytest.fixture
async def connect(make: Make, witness: Witness) -> AsyncIterator[Connect]:
    opened: list[Transport] = []

    async def connect(*urls: str, name: str = "tested") -> Transport:
        transport = make(urls, name=name, observe=witness)
        opened.append(transport)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        return transport

    yield connect
    for transport in opened:
        await transport.close()
