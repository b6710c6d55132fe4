"""A look gives back what it saw, in its order, however often; what is handed in twice is done once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from aiormq.exceptions import ChannelAccessRefused

from deploy.dead.looking import DeadError, Look, looking
from deploy.dead.message import Dead, Place, read
from hub.queries import QUERIES
from hub.repertory import store
from schemas.ticket import ticket_cbss
from schemas.wire import names
from tests.hub.star import CUSTOMER, ONE, Star, opened, until

#: RabbitMQ 4 throws a message of a quorum queue away at its 20th return, where nothing else is said.
LOOKS = 25


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as star:
        await star.hub()
        yield star


@pytest.fixture
async def empty(star: Star) -> AsyncIterator[None]:
    yield
    async with star.admin() as channel:
        await (await channel.get_queue(names.DEAD, ensure=False)).purge()


@asynccontextmanager
async def look(star: Star) -> AsyncIterator[Look]:
    connection = await star.connect()
    try:
        async with looking(Place("hub", star.vhost), [star.url(names.OPERATOR)], connection) as one:
            yield one
    finally:
        await connection.close()


async def there(star: Star) -> list[bytes]:
    async with look(star) as seen:
        return [delivery.body for delivery in seen.found]


async def park(star: Star, *bodies: bytes, queue: str = "hub.in.64-0.batch", **properties: str) -> None:
    """As the hub parks what it cannot answer."""
    async with star.channel(names.HUB) as channel:
        dlx = await channel.get_exchange(names.DLX, ensure=False)
        for body in bodies:
            headers = {"reason": "the hub failed: X", "queue": queue, "sender": str(CUSTOMER)}
            message = aio_pika.Message(body, user_id=names.HUB, headers=headers, **properties)
            await dlx.publish(message, queue, mandatory=True)


async def read_all(star: Star, seen: Look) -> list[Dead]:
    rules = await store.read(star.database_url)
    return [read(delivery, seen.place, rules, star.catalogue.services) for delivery in seen.found]


async def test_looks_take_nothing_away_and_keep_the_order(star, empty) -> None:
    bodies = [str(n).encode() for n in range(30)]
    await park(star, *bodies)
    for _ in range(LOOKS):
        assert await there(star) == bodies
    policies = await asyncio.to_thread(star.broker.management.get, f"/api/policies/{star.vhost}")
    assert [(one["pattern"], one["definition"]) for one in policies] == [
        (r"^hub\.dead$", {"delivery-limit": 1_000_000_000})
    ]


async def test_several_who_look_at_once_each_see_everything(star, empty) -> None:
    bodies = [str(n).encode() for n in range(30)]
    await park(star, *bodies)
    assert await asyncio.gather(*(there(star) for _ in range(4))) == [bodies] * 4


async def test_what_is_taken_off_is_gone_and_the_rest_stays_in_its_order(star, empty) -> None:
    await park(star, b"1", b"2", b"3", b"4")
    async with look(star) as seen:
        dead = await read_all(star, seen)
        await seen.take_off(dead[1])
    assert await there(star) == [b"1", b"3", b"4"]


async def test_handed_in_and_killed_before_it_was_taken_off_it_is_done_once(star, empty) -> None:
    ssin, own = await star.known(ONE), str(uuid4())
    body = star.request(ssin, ticket=own)
    ticket = ticket_cbss(CUSTOMER, own)
    await park(star, body, correlation_id="c", reply_to=names.answers(CUSTOMER), type="Probe/1")
    for killed in (True, False):
        async with look(star) as seen:
            [dead] = await read_all(star, seen)
            assert (dead.stays, dead.ticket_cbss) == (None, ticket)
            await seen.hand_in(dead)
            if not killed:
                await seen.take_off(dead)
    assert await there(star) == []

    async def told() -> list[str]:
        return [kind for kind in await star.kinds(ticket) if kind in ("outcome", "repeated")]

    async with asyncio.timeout(20):
        while len(await told()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    kinds = await star.kinds(ticket)
    assert (kinds.count("decision"), kinds.count("outcome")) == (1, 1)
    assert set(kinds) == {"decision", "outcome", "resumed", "repeated"}


async def test_it_is_handed_in_in_its_senders_name_without_any_header(star, empty) -> None:
    body = star.request(await star.known(ONE), ticket=str(uuid4()))
    await park(star, body, correlation_id="c", reply_to=names.answers(CUSTOMER), type="Probe/1")
    async with look(star) as seen:
        [dead] = await read_all(star, seen)
        await seen.hand_in(dead)
        await seen.take_off(dead)
    taken: list[aio_pika.abc.AbstractIncomingMessage] = []
    async with star.channel(str(CUSTOMER)) as channel:
        queue = await channel.get_queue(names.answers(CUSTOMER), ensure=False)
        await queue.consume(taken.append, no_ack=True)
        await until(lambda: any(one.correlation_id == "c" and one.body.find(b"DATA_FOUND") > 0 for one in taken))


async def test_what_no_queue_takes_stays(star, empty) -> None:
    await park(
        star, star.request(await star.known(ONE), ticket="t"), queue="hub.in.99-0.batch",
        reply_to="99-0.answers",
    )  # fmt: skip
    async with look(star) as seen:
        [dead] = await read_all(star, seen)
        assert dead.stays is not None
        with pytest.raises(DeadError):
            await seen.hand_in(replaced(dead, "hub.in.99-0.batch"))
    assert len(await there(star)) == 1


def replaced(dead: Dead, queue: str) -> Dead:
    from dataclasses import replace

    return replace(dead, queue=queue)


async def test_the_operators_user_may_read_hub_dead_and_hand_in_and_nothing_else(star, empty) -> None:
    for queue in ("hub.in.64-0.batch", "64-0.answers", names.DEFINITIVE):
        async with star.channel(names.OPERATOR) as channel:
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_queue(queue, ensure=False)).get()
    for exchange in (names.INSTITUTIONS, names.DLX, names.REPLIES, ""):
        async with star.channel(names.OPERATOR) as channel:
            place = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            with pytest.raises(aio_pika.exceptions.AMQPException):
                await place.publish(aio_pika.Message(b""), names.DEFINITIVE, timeout=10)
    async with star.channel(names.OPERATOR) as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue("mine")


async def test_a_ticket_that_the_hub_has_forgotten_is_known_as_such(star) -> None:
    told = await star.consult(await star.known(ONE))
    connection: asyncpg.Connection = await star.connect()
    try:
        tickets = [told.ticket_cbss, uuid4()]
        assert await connection.fetch(QUERIES["tickets_forgotten"], tickets) == []
        await connection.execute("DELETE FROM ticket WHERE ticket_cbss = $1", told.ticket_cbss)
        assert [row[0] for row in await connection.fetch(QUERIES["tickets_forgotten"], tickets)] == [told.ticket_cbss]
    finally:
        await connection.close()
