"""The publishing channel of a connection, made again when the broker closes it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from schemas.wire.client.connection import Channel, Connection, cancelled, words
from schemas.wire.transport import Event, Observer, Properties

#: Publishes that may wait for their confirm at a time. Measured: 100 give ten times the rate of one by one, 500 are
#: slower again.
OUTSTANDING = 200
#: Seconds that the broker refuses all for one queue until we publish on another channel; twice as many each next time.
RENEW_AFTER = 1.0
RENEW_AFTER_MOST = 30.0
#: Seconds that a channel stays when another took its place: for its confirms, and for direct answers.
RETIRED = 60.0

ChannelT = TypeVar("ChannelT", bound=Channel)


class Publisher(ABC, Generic[ChannelT]):
    """Many publishes under way on one channel.

    user: whose user_id may be sent; None where we do not know.
    prepared: called with each new channel before anything is published on it.
    lost: called at once when the channel is lost.
    """

    def __init__(
        self,
        user: str | None,
        *,
        observe: Observer,
        prepared: Callable[[ChannelT], Awaitable[None]] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self._user = user
        self._observe = observe
        self._prepared = prepared
        self._lost = lost
        self._connection: Connection[ChannelT] | None = None
        self._channel: ChannelT | None = None
        self._open = asyncio.Event()
        self._slots = asyncio.Semaphore(OUTSTANDING)
        self._reopening: asyncio.Task[None] | None = None
        #: Since when all for an exchange and key is refused.
        self._refusing: dict[tuple[str, str], float] = {}
        self._patience = RENEW_AFTER
        self._retiring: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool, timeout: float
    ) -> None:
        """See `Transport.publish`."""

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def wait_ready(self) -> None:
        await self._open.wait()

    async def open(self, connection: Connection[ChannelT]) -> None:
        """Publish on this connection from now on."""
        self._connection = connection
        await self._open_channel(connection)

    def lose(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._refusing.clear()
        self._patience = RENEW_AFTER
        self._lose_channel()

    def _check_user(self, properties: Properties) -> None:
        """ValueError for a user_id that is not ours."""
        if properties.user_id is not None and self._user is not None and properties.user_id != self._user:
            raise ValueError(
                f"user_id {properties.user_id!r} is not ours: the broker knows us as {self._user!r} and would close "
                "the channel under everything in flight. Send your own user_id or none."
            )

    async def _open_channel(self, connection: Connection[ChannelT]) -> None:
        channel = await connection.channel(lambda why: self._closed(channel, why), confirms=True)
        if self._prepared is not None:
            await self._prepared(channel)
        if self._connection is connection and not channel.is_closed:
            self._channel = channel
            self._open.set()

    def _closed(self, channel: ChannelT, why: str) -> None:
        """The broker closed the channel: a publish to no exchange, without the right, with a false user_id."""
        if self._channel is channel and self._connection is not None:
            self._lose_channel()
            self._observe(Event("publishing lost", "publish", why))
            self._reopening = asyncio.create_task(self._reopen(self._connection))

    async def _reopen(self, connection: Connection[ChannelT]) -> None:
        try:
            await self._open_channel(connection)
        except asyncio.CancelledError:
            if cancelled():
                raise
        except Exception as error:  # noqa: BLE001  a connection without a publishing channel is of no use
            self._observe(Event("publishing lost", "publish", words(error)))
            await connection.close()

    def _taken(self, exchange: str, key: str) -> None:
        """The broker has a message."""
        if self._refusing and self._refusing.pop((exchange, key), None) is not None and not self._refusing:
            self._patience = RENEW_AFTER

    def _refused(self, channel: ChannelT, exchange: str, key: str) -> None:
        """The broker refused a message. A full queue takes one now and then; but a channel of RabbitMQ before 3.12.5
        that first published to a quorum queue whose leader's node had just died refuses all until that node is back,
        whoever leads meanwhile (docs/wire.md). The broker does not say which it is; a new channel asks again."""
        connection = self._connection
        if self._channel is not channel or connection is None:
            return
        now = asyncio.get_running_loop().time()
        since = self._refusing.setdefault((exchange, key), now)
        if now - since >= self._patience and (self._reopening is None or self._reopening.done()):
            self._patience = min(2 * self._patience, RENEW_AFTER_MOST)
            self._reopening = asyncio.create_task(self._renew(connection, channel))

    async def _renew(self, connection: Connection[ChannelT], old: ChannelT) -> None:
        await self._reopen(connection)
        self._refusing.clear()
        if self._channel is not old:
            asyncio.get_running_loop().call_later(RETIRED, self._retire, old)

    def _retire(self, channel: ChannelT) -> None:
        async def close() -> None:
            with suppress(Exception):
                await channel.close()

        task = asyncio.create_task(close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _lose_channel(self) -> None:
        if self._channel is not None:
            self._channel = None
            self._open.clear()
            if self._lost is not None:
                self._lost()


def unroutable(exchange: str, key: str) -> str:
    """What an Unroutable says."""
    return f"no queue takes {key!r} at exchange {exchange!r}: has it been provisioned?"


def refused(exchange: str, key: str) -> str:
    """What a Refused says."""
    return f"the broker refused a message for {key!r} at exchange {exchange!r}: queue full, or without a leader"


def unconfirmed(exchange: str, key: str, timeout: float) -> str:
    """What an Unconfirmed says when the time was up."""
    return f"no confirm within {timeout:g} s for {key!r} at exchange {exchange!r}"
