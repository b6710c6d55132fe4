"""What `crossroads provision` makes: rights tight enough that nobody can pass for another."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.exceptions import AMQPException, ChannelClosed
from aiormq.exceptions import ChannelAccessRefused

from deploy import provision
from deploy.servers import ForeignRabbitMQ, PrivateRabbitMQ
from hub.repertory.rules import Institution
from schemas.address import Address
from schemas.wire import names

REGISTER = (
    Institution(Address(1, 0), "0000000196", "asker"),
    Institution(Address(11, 0), "0000000295", "manages a network", rate=3),
    Institution(Address(11, 1, "0000000394"), "0000000394", "member", managed_by=Address(11, 0)),
    Institution(Address(64, 0), "0000000493", "inactive", active=False),
)
HOLDINGS = (
    provision.Holding("HealthInsurance/1", Address(11, 0)),
    provision.Holding("HealthInsurance/1", Address(11, 1, "0000000394")),
)


@pytest.fixture
def network(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> Iterator[tuple[provision.Network, dict[str, str]]]:
    """The register above, provisioned twice in vhosts of its own."""
    prefix = f"test_{secrets.token_hex(6)}_"
    network = provision.Network(REGISTER, HOLDINGS, primary=f"{prefix}crossroads", prefix=prefix)
    passwords = {user: secrets.token_hex(8) for user in provision.users(network)}
    document = provision.definitions(network, passwords)
    management = rabbitmq.management
    provision.apply(management, document)
    provision.apply(management, document)
    assert provision.differing(management, document) == ()
    yield network, passwords
    for vhost in document["vhosts"]:
        management.delete(f"/api/vhosts/{vhost['name']}")
    for user in document["users"]:
        management.delete(f"/api/users/{user['name']}")


@pytest.fixture
def channel_of(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, network: tuple[provision.Network, dict[str, str]]):  # type: ignore[no-untyped-def]
    """A channel of one user: `async with channel_of("1-0") as channel`."""

    @asynccontextmanager
    async def open_channel(user: str, vhost: str | None = None) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        star, passwords = network
        url = rabbitmq.amqp_url(user, passwords[user], vhost or star.primary)
        connection = await aio_pika.connect(url)
        try:
            yield await connection.channel(on_return_raises=True)
        finally:
            await connection.close()

    return open_channel


async def publish(channel: aio_pika.abc.AbstractChannel, exchange: str, key: str, user_id: str | None) -> None:
    place = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await place.publish(aio_pika.Message(b"x", user_id=user_id), key, mandatory=True, timeout=10)


async def read(channel: aio_pika.abc.AbstractChannel, name: str) -> asyncio.Queue[bytes]:
    taken: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await taken.put(message.body)

    queue = await channel.get_queue(name, ensure=False)
    await queue.consume(take, no_ack=True)
    return taken


async def flood(channel: aio_pika.abc.AbstractChannel, user: str) -> None:
    for _ in range(100):
        await publish(channel, f"{user}.out", "online", user)


async def test_an_institution_publishes_to_its_own_exchange_and_to_the_replies_only(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("1-0") as channel:
        await publish(channel, "1-0.out", "online", "1-0")
    for exchange, key in (
        ("11-0.out", "online"),
        ("institutions", "11-0.online.HealthInsurance.1"),
        ("hub.dlx", ""),
        ("", "hub.in.11-0.online"),
        ("", "11-0.answers"),
    ):
        async with channel_of("1-0") as channel:
            with pytest.raises((ChannelAccessRefused, ChannelClosed)):
                await publish(channel, exchange, key, "1-0")


async def test_a_false_user_id_closes_the_channel(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("1-0") as channel:
        with pytest.raises(AMQPException):
            await publish(channel, "1-0.out", "online", "11-0")


async def test_an_institution_reads_its_own_queues_only(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("1-0") as channel:
        await read(channel, "1-0.answers")
    for name in ("11-0.answers", "11-0.online.HealthInsurance.1", "hub.in.1-0.online", "hub.dead"):
        async with channel_of("1-0") as channel:
            with pytest.raises(ChannelAccessRefused):
                await read(channel, name)


async def test_an_institution_declares_nothing_not_even_under_its_own_name(channel_of) -> None:  # type: ignore[no-untyped-def]
    for name in ("1-0.online.Mine.1", "1-0.answers.more", "anything"):
        async with channel_of("1-0") as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_queue(name, durable=True)
        async with channel_of("1-0") as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_exchange(name, durable=True)


async def test_a_member_lives_in_its_own_networks_vhost_and_its_manager_is_the_centre_there(  # type: ignore[no-untyped-def]
    channel_of, network
) -> None:
    star, _ = network
    inside = star.secondary(Address(11, 0))
    with pytest.raises((AMQPException, ConnectionError)):
        async with channel_of("11-1-0000000394"):
            pass
    async with channel_of("11-1-0000000394", inside) as channel:
        await publish(channel, "11-1-0000000394.out", "online", "11-1-0000000394")
    async with channel_of("11-0", inside) as channel:
        await publish(channel, names.INSTITUTIONS, "11-1-0000000394.online.HealthInsurance.1", "11-0")
        taken = await read(channel, "hub.in.11-1-0000000394.online")
        assert await asyncio.wait_for(taken.get(), 10) == b"x"


async def test_a_full_ingress_queue_refuses_and_tells_its_owner(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("11-0") as channel:
        with pytest.raises(AMQPException):  # the rate is 3 a second, the queue holds 6; the broker lets a few more in
            await flood(channel, "11-0")


async def test_an_inactive_institution_may_do_nothing(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("64-0") as channel:
        with pytest.raises((ChannelAccessRefused, ChannelClosed)):
            await publish(channel, "64-0.out", "online", "64-0")


async def test_what_is_sent_by_no_mode_comes_back(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("1-0") as channel:
        with pytest.raises(AMQPException):
            await publish(channel, "1-0.out", "mutation.0", "1-0")
