"""Publishing with confirms: one channel, many publishes under way."""

import asyncio
from collections.abc import Awaitable, Callable

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from schemas.wire.aiopika.channel import WireChannel, cancelled, open_channel, words
from schemas.wire.transport import Event, Observer, Properties, Refused, Unconfirmed, Unroutable

#: Publishes that may wait for their confirm at a time. Measured: 100 give ten times the rate of one by one, 500 are
#: slower again, since aiormq scans them all for each multiple confirm.
OUTSTANDING = 200
#: Seconds between looks whether a connection that the broker blocked goes on.
_BLOCKED_POLL = 0.1
_PERSISTENT = 2


class Publisher:
    """The publishing channel of a connection, made again when the broker closes it.

    user: whose user_id may be sent; None where we do not know.
    prepared: called with each new channel before anything is published on it.
    lost: called at once when the channel is lost.
    """

    def __init__(
        self,
        user: str | None,
        *,
        observe: Observer,
        prepared: Callable[[AbstractChannel], Awaitable[None]] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self._user = user
        self._observe = observe
        self._prepared = prepared
        self._lost = lost
        self._connection: AbstractConnection | None = None
        self._channel: WireChannel | None = None
        self._open = asyncio.Event()
        self._slots = asyncio.Semaphore(OUTSTANDING)
        self._reopening: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def wait_ready(self) -> None:
        await self._open.wait()

    async def open(self, connection: AbstractConnection) -> None:
        """Publish on this connection from now on."""
        self._connection = connection
        await self._open_channel(connection)

    def lose(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._lose_channel()

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool, timeout: float
    ) -> None:
        """See `Transport.publish`."""
        if properties.user_id is not None and self._user is not None and properties.user_id != self._user:
            raise ValueError(
                f"user_id {properties.user_id!r} is not ours: the broker knows us as {self._user!r} and would close "
                "the channel under everything in flight. Send your own user_id or none."
            )
        frame = _frame(properties)
        channel: WireChannel | None = None
        try:
            async with asyncio.timeout(timeout), self._slots:
                channel = await self._channel_open()
                # wait=False: no future and no flush a message for bytes that are as good as written.
                await channel.basic_publish(
                    body, exchange=exchange, routing_key=key, properties=frame, mandatory=mandatory, wait=False
                )
        except PublishError:
            raise Unroutable(f"no queue takes {key!r} at exchange {exchange!r}: has it been provisioned?") from None
        except DeliveryError:
            raise Refused(f"the broker refused a message for {key!r} at exchange {exchange!r}: queue full") from None
        except TimeoutError:
            raise Unconfirmed(f"no confirm within {timeout:g} s for {key!r} at exchange {exchange!r}") from None
        except asyncio.CancelledError:
            if cancelled():
                raise
            raise Unconfirmed(f"the connection was lost before {key!r} was confirmed") from None
        except Exception as error:  # noqa: BLE001
            if channel is not None and not channel.is_closed:
                raise ValueError(f"this message cannot be written: {type(error).__name__}") from None
            # aiormq rejects what is pending with whatever ended the channel, down to a bare Exception.
            raise Unconfirmed(f"the channel was lost before {key!r} was confirmed: {words(error)}") from None

    async def _channel_open(self) -> WireChannel:
        """The channel to publish on. From here to the writing of a message nothing waits, so that none is written to
        a channel that was closed meanwhile."""
        while True:
            channel = self._channel
            if channel is None:
                await self._open.wait()
            elif _blocked(channel.connection):
                # Nothing is sent into an alarm: it would be delivered, late, when the alarm ends. We look instead of
                # waiting because nobody is told when a blocked connection is lost.
                await asyncio.sleep(_BLOCKED_POLL)
            else:
                return channel

    async def _open_channel(self, connection: AbstractConnection) -> None:
        channel = await open_channel(connection, lambda why: self._closed(channel, why), confirms=True)
        if self._prepared is not None:
            await self._prepared(channel)
        if self._connection is connection and not channel.is_closed:
            self._channel = channel
            self._open.set()

    def _closed(self, channel: WireChannel, why: str) -> None:
        """The broker closed the channel: a publish to no exchange, without the right, with a false user_id."""
        if self._channel is channel and self._connection is not None:
            self._lose_channel()
            self._observe(Event("publishing lost", "publish", why))
            self._reopening = asyncio.create_task(self._reopen(self._connection))

    async def _reopen(self, connection: AbstractConnection) -> None:
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


def _blocked(connection: AbstractConnection) -> bool:
    """Whether the broker blocks the connection, an alarm being on. aiormq tells only by making `ready()` wait, so it
    is asked without waiting: a coroutine that ends at its first step did not have to."""
    ready = connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return False
    finally:
        ready.close()
    return True


def _frame(properties: Properties) -> Basic.Properties:
    return Basic.Properties(
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        headers=dict(properties.headers) or None,
        delivery_mode=_PERSISTENT,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        expiration=None if properties.expiration_ms is None else str(properties.expiration_ms),
        message_type=properties.type,
        user_id=properties.user_id,
    )
