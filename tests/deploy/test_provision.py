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
from institutions.nsso.register import Sender
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.wire import names

SENDERS = (
    Sender("000001", "a sender", rate=3),
    Sender("000002", "another"),
    Sender("000003", "inactive", active=False),
)
REGISTER = (
    Institution(Address(1, 0), "0000000196", "asker"),
    Institution(Address(11, 0), "0000000295", "manages a network", rate=3),
    Institution(Address(11, 1, "0000000394"), "0000000394", "member", managed_by=Address(11, 0)),
    Institution(Address(64, 0), "0000000493", "inactive", active=False),
    Institution(Address(12, 0), "0000000592", "the NSSO"),
    Institution(Address(12, 1, "0000000691"), "0000000691", "its member", managed_by=Address(12, 0)),
)
HOLDINGS = (
    provision.Holding("HealthInsurance/1", Address(11, 0)),
    provision.Holding("HealthInsurance/1", Address(11, 1, "0000000394")),
)


@pytest.fixture(scope="module")
def network(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> Iterator[tuple[provision.Network, dict[str, str]]]:
    """The register above, provisioned twice in vhosts of its own."""
    prefix = f"test_{secrets.token_hex(6)}_"
    network = provision.Network(REGISTER, HOLDINGS, primary=f"{prefix}crossroads", prefix=prefix, senders=SENDERS)
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


@pytest.fixture(scope="module")
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


async def test_the_operators_user_speaks_in_a_senders_name_in_every_vhost(channel_of, network) -> None:  # type: ignore[no-untyped-def]
    star, _ = network
    for user, vhost in (("1-0", star.primary), ("11-1-0000000394", star.secondary(Address(11, 0)))):
        async with channel_of(names.OPERATOR, vhost) as channel, channel_of(_centre(star, vhost), vhost) as centre:
            taken = await read(centre, f"hub.in.{user}.batch")
            await publish(channel, f"{user}.out", "batch", user)
            assert await asyncio.wait_for(taken.get(), 10) == b"x"


def _centre(star: provision.Network, vhost: str) -> str:
    return names.HUB if vhost == star.primary else "11-0"


async def test_what_is_sent_by_no_mode_comes_back(channel_of) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("1-0") as channel:
        with pytest.raises(AMQPException):
            await publish(channel, "1-0.out", "mutation.0", "1-0")


A, B, INACTIVE = "sender-000001", "sender-000002", "sender-000003"


@pytest.fixture(scope="module")
def inside(network) -> str:  # type: ignore[no-untyped-def]
    """The senders' vhost."""
    vhost: str = network[0].secondary(Address(12, 0))
    return vhost


async def test_a_sender_hands_in_and_is_told_and_12_0_is_the_centre(channel_of, inside) -> None:  # type: ignore[no-untyped-def]
    async with channel_of(A, inside) as sender, channel_of("12-0", inside) as centre:
        for mode in ("online", "batch"):
            taken = await read(centre, f"hub.in.{A}.{mode}")
            await publish(sender, f"{A}.out", mode, A)
            assert await asyncio.wait_for(taken.get(), 10) == b"x"
        told = await read(sender, f"{A}.answers")
        await publish(centre, "", f"{A}.answers", "12-0")
        assert await asyncio.wait_for(told.get(), 10) == b"x"


@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        (f"{B}.out", "online"),
        ("12-1-0000000691.out", "online"),
        ("institutions", "12-1-0000000691.mutation"),
        ("hub.replies", "hub.definitive"),
        ("hub.dlx", ""),
        ("", f"hub.in.{B}.online"),
        ("", f"hub.in.{A}.online"),
        ("", f"{B}.answers"),
    ],
)
async def test_a_sender_writes_to_its_own_exchange_alone(channel_of, inside, exchange, key) -> None:  # type: ignore[no-untyped-def]
    async with channel_of(A, inside) as channel:
        with pytest.raises((ChannelAccessRefused, ChannelClosed)):
            await publish(channel, exchange, key, A)


@pytest.mark.parametrize(
    "queue", [f"{B}.answers", f"hub.in.{A}.online", f"hub.in.{B}.batch", "12-1-0000000691.answers", "hub.dead"]
)
async def test_a_sender_reads_its_own_answers_alone(channel_of, inside, queue) -> None:  # type: ignore[no-untyped-def]
    async with channel_of(A, inside) as channel:
        with pytest.raises(ChannelAccessRefused):
            await read(channel, queue)


async def test_a_sender_makes_nothing_and_binds_nothing(channel_of, inside) -> None:  # type: ignore[no-untyped-def]
    for name in (f"{A}.more", f"{A}.answers.more", "anything"):
        async with channel_of(A, inside) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_queue(name, durable=True)
        async with channel_of(A, inside) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_exchange(name, durable=True)
    for exchange in (f"{B}.out", f"{A}.out"):
        async with channel_of(A, inside) as channel:
            queue = await channel.get_queue(f"{A}.answers", ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await queue.bind(exchange, "online")


async def test_a_sender_cannot_speak_as_another(channel_of, inside) -> None:  # type: ignore[no-untyped-def]
    async with channel_of(A, inside) as channel:
        with pytest.raises(AMQPException):
            await publish(channel, f"{A}.out", "online", B)


@pytest.mark.parametrize("managing", [None, Address(11, 0)])
async def test_a_sender_is_let_into_no_other_vhost(channel_of, network, managing) -> None:  # type: ignore[no-untyped-def]
    star = network[0]
    with pytest.raises((AMQPException, ConnectionError)):
        async with channel_of(A, star.primary if managing is None else star.secondary(managing)):
            pass


async def test_an_inactive_sender_may_do_nothing_and_keeps_its_queues(channel_of, inside) -> None:  # type: ignore[no-untyped-def]
    async with channel_of(INACTIVE, inside) as channel:
        with pytest.raises((ChannelAccessRefused, ChannelClosed)):
            await publish(channel, f"{INACTIVE}.out", "online", INACTIVE)
    async with channel_of("12-0", inside) as centre:
        await read(centre, f"hub.in.{INACTIVE}.online")


async def test_senders_and_members_live_in_one_vhost(channel_of, inside) -> None:  # type: ignore[no-untyped-def]
    async with channel_of("12-1-0000000691", inside) as channel:
        await publish(channel, "12-1-0000000691.out", "online", "12-1-0000000691")


def test_a_senders_queue_holds_what_its_rate_allows_and_its_answers_have_one_reader(network) -> None:  # type: ignore[no-untyped-def]
    star, passwords = network
    document = provision.definitions(star, passwords)
    queues = {q["name"]: q["arguments"] for q in document["queues"]}
    assert queues[f"hub.in.{A}.online"]["x-max-length"] == 6
    assert queues[f"{A}.answers"]["x-single-active-consumer"] is True
    assert star.managing() == (Address(11, 0), Address(12, 0))


def test_without_members_the_nsso_manages_no_network_and_has_its_vhost_all_the_same() -> None:
    alone = tuple(i for i in REGISTER if i.managed_by is None)
    network = provision.Network(alone, (), prefix="x_", senders=SENDERS)
    assert network.managing() == ()
    assert network.vhosts() == (names.PRIMARY, "x_secondary-12")


def test_senders_need_the_nsso() -> None:
    with pytest.raises(CrossroadsError, match="12-0"):
        provision.Network(REGISTER[:1], (), senders=SENDERS)
