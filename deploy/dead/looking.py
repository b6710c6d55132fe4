"""A look into one `hub.dead`: one at a time, everything given back in its order but what was done.

The broker knows no way to read a queue without taking from it. So a look takes all, and gives back what it does not
hand in or drop; another look waits until that is back (a lock in the hub's database), else it would see an empty queue.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.exceptions import AMQPException, DeliveryError, PublishError

from deploy.dead.message import Dead, Place
from hub.queries import QUERIES
from hub.repertory.database import Connection
from schemas.errors import CrossroadsError
from schemas.wire import names
from schemas.wire.choice import DEFAULT
from schemas.wire.transport import Delivery, NotConnected, Transport

#: Messages of a look: what a channel may hold unacknowledged.
MOST = 65_535
#: Until the broker has answered, and until another look is over, seconds.
_TIMEOUT, _TURN = 10.0, 30.0
#: Without a further message for so long, a look is over although the broker counted more: they expired meanwhile.
_QUIET = 3.0


class DeadError(CrossroadsError):
    """It cannot be looked at or done now; the text says why. What was in the queue is there still."""


@dataclass(slots=True)
class Look:
    """Everything that stands in one `hub.dead`, oldest first, held until the look ends."""

    place: Place
    found: tuple[Delivery, ...] = field(repr=False)
    #: The broker counted more than a look can hold.
    more: int
    #: None: nothing was there.
    _transport: Transport | None = field(repr=False)
    _connection: aio_pika.abc.AbstractConnection = field(repr=False)
    _gone: int = 0

    async def hand_in(self, dead: Dead) -> None:
        """Publish it where its sender would, in its sender's name; returns when the broker has it. It is there twice
        until `take_off`. DeadError: it is not handed in."""
        given, owner = dead.delivery.properties, dead.owner
        user = given.headers.get("user")
        message = aio_pika.Message(
            dead.delivery.body,
            user_id=str(owner),
            correlation_id=given.correlation_id,
            reply_to=given.reply_to,
            type=given.type,
            content_type=given.content_type,
            content_encoding=given.content_encoding,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            # No header is copied, x-death least of all: it would be refused for it.
            headers={"user": user} if isinstance(user, str) and len(user) == 11 and user.isdigit() else {},
        )
        queue = dead.queue or ""
        try:
            # A channel each: the broker closes one for what it refuses.
            async with self._connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
                exchange = await channel.get_exchange(names.out(owner), ensure=False)
                await exchange.publish(message, names.mode_of(queue), mandatory=True, timeout=_TIMEOUT)
        except PublishError:
            raise DeadError(f"{dead.id} stays: there is no queue {queue} any more") from None
        except DeliveryError:
            raise DeadError(f"{dead.id} stays: {queue} takes no more now; try later") from None
        except (AMQPException, OSError, TimeoutError) as error:
            raise DeadError(
                f"{dead.id} stays: the broker did not take it ({type(error).__name__}). Tried again it is done once"
            ) from None

    async def take_off(self, dead: Dead) -> None:
        """It is gone from `hub.dead`, for good. DeadError: the connection was lost, it is there still."""
        if self._transport is None or not await self._transport.ack(dead.delivery):
            raise DeadError(f"{dead.id} is still there: the connection was lost")
        self._gone += 1

    @property
    def stays(self) -> int:
        """How many are given back at the end."""
        return len(self.found) - self._gone


@asynccontextmanager
async def looking(
    place: Place, urls: Sequence[str], connection: Connection, observe: Callable[[object], None] = lambda _: None
) -> AsyncIterator[Look]:
    """`urls`: of the operators' user in this vhost, one a node; `connection`: to the hub's database. Raises DeadError,
    NotConnected."""
    async with AsyncExitStack() as stack:
        await _turn(connection, place)
        stack.push_async_callback(connection.execute, QUERIES["dead_unlock"], place.vhost)
        broker = await stack.enter_async_context(_connected(urls))
        channel = await broker.channel()
        waiting = await _waiting(channel)
        if not waiting:
            yield Look(place, (), 0, None, broker)
            return
        transport = DEFAULT.transport(urls, name="crossroads dead", observe=observe)
        look = None
        try:
            await transport.start()
            await transport.wait_connected(_TIMEOUT)
            found = await _taken(transport, min(waiting, MOST))
            look = Look(place, found, max(0, waiting - MOST), transport, broker)
            yield look
        finally:
            await transport.close()
            if look is not None and look.stays:
                await _given_back(channel, look.stays)


async def _turn(connection: Connection, place: Place) -> None:
    """Wait until nobody else looks."""
    try:
        async with asyncio.timeout(_TURN):
            await connection.execute(QUERIES["dead_lock"], place.vhost)
    except TimeoutError:
        raise DeadError(f"somebody else looks into hub.dead of {place.network}: try again when that is done") from None


@asynccontextmanager
async def _connected(urls: Sequence[str]) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """A connection of the operators' user, to the first node that lets it in."""
    failure = ""
    for url in urls:
        try:
            connection = await aio_pika.connect(url, timeout=_TIMEOUT)
        except (AMQPException, OSError, TimeoutError) as error:
            failure = type(error).__name__
            continue
        async with connection:
            yield connection
            return
    raise NotConnected(f"no broker lets the operators' user in ({failure}): `crossroads provision` makes it")


async def _waiting(channel: aio_pika.abc.AbstractChannel) -> int:
    try:
        queue = await channel.declare_queue(names.DEAD, passive=True)
    except AMQPException as error:
        raise DeadError(f"hub.dead cannot be looked at ({type(error).__name__})") from None
    return queue.declaration_result.message_count or 0


async def _taken(transport: Transport, count: int) -> tuple[Delivery, ...]:
    """The `count` oldest messages."""
    found: list[Delivery] = []
    came = asyncio.Event()

    def take(delivery: Delivery) -> None:
        found.append(delivery)
        came.set()

    if not await transport.consume(names.DEAD, take, prefetch=MOST):
        raise DeadError(
            "hub.dead cannot be read: has the operators' user the right to? `crossroads provision` gives it"
        )
    while len(found) < count:
        came.clear()
        try:
            async with asyncio.timeout(_QUIET):
                await came.wait()
        except TimeoutError:
            break
    return tuple(found)


async def _given_back(channel: aio_pika.abc.AbstractChannel, count: int) -> None:
    """Return when the next look sees them; or after a while, since some may expire."""
    try:
        async with asyncio.timeout(_QUIET):
            while await _waiting(channel) < count:  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass
