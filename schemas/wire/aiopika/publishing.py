"""Publishing with confirms, by aiormq."""

import asyncio

from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from schemas.wire.aiopika.channel import WireChannel
from schemas.wire.aiopika.connection import AioPikaConnection
from schemas.wire.client.connection import cancelled, words
from schemas.wire.client.publisher import Publisher, refused, unconfirmed, unroutable
from schemas.wire.transport import Properties, Refused, Unconfirmed, Unroutable

#: Seconds between looks whether a connection that the broker blocked goes on.
_BLOCKED_POLL = 0.1
_PERSISTENT = 2


class AioPikaPublisher(Publisher[WireChannel]):
    """See `Publisher`."""

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool, timeout: float
    ) -> None:
        """See `Transport.publish`."""
        self._check_user(properties)
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
            raise Unroutable(unroutable(exchange, key)) from None
        except DeliveryError:
            if channel is not None:
                self._refused(channel, exchange, key)
            raise Refused(refused(exchange, key)) from None
        except TimeoutError:
            raise Unconfirmed(unconfirmed(exchange, key, timeout)) from None
        except asyncio.CancelledError:
            if cancelled():
                raise
            raise Unconfirmed(f"the connection was lost before {key!r} was confirmed") from None
        except Exception as error:  # noqa: BLE001
            if channel is not None and not channel.is_closed:
                raise ValueError(f"this message cannot be written: {type(error).__name__}") from None
            # aiormq rejects what is pending with whatever ended the channel, down to a bare Exception.
            raise Unconfirmed(f"the channel was lost before {key!r} was confirmed: {words(error)}") from None
        else:
            self._taken(exchange, key)

    async def _channel_open(self) -> WireChannel:
        """The channel to publish on. From here to the writing of a message nothing waits, so that none is written to
        a channel that was closed meanwhile."""
        while True:
            channel, connection = self._channel, self._connection
            if channel is None:
                await self._open.wait()
            elif isinstance(connection, AioPikaConnection) and connection.blocked:
                # Nothing is sent into an alarm: it would be delivered, late, when the alarm ends. We look instead of
                # waiting because nobody is told when a blocked connection is lost.
                await asyncio.sleep(_BLOCKED_POLL)
            else:
                return channel


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
