"""The publishing channel of a connection, made again when the broker closes it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from schemas.wire.client.connection import Channel, Connection, cancelled, words
from schemas.wire.transport import Event, Observer, Properties

#: Publishes that may wait for their confirm at a time. Measured: 100 give ten times the rate of one by one, 500 are
#: slower again.
OUTSTANDING = 200

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
    return f"the broker refused a message for {key!r} at exchange {exchange!r}: queue full"


def unconfirmed(exchange: str, key: str, timeout: float) -> str:
    """What an Unconfirmed says when the time was up."""
    return f"no confirm within {timeout:g} s for {key!r} at exchange {exchange!r}"
