"""Publishing with confirms, by pika: a future and a timer a message."""

import asyncio

from schemas.wire.client.publisher import Publisher, refused, unconfirmed, unroutable
from schemas.wire.pika.channel import Confirm, PikaChannel
from schemas.wire.transport import Properties, Refused, Unconfirmed, Unroutable


class PikaPublisher(Publisher[PikaChannel]):
    """See `Publisher`."""

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool, timeout: float
    ) -> None:
        """See `Transport.publish`."""
        self._check_user(properties)
        loop = asyncio.get_running_loop()
        left = timeout
        channel = self._channel
        if channel is None or channel.blocked or self._slots.locked():
            end = loop.time() + timeout
            try:
                async with asyncio.timeout(timeout):
                    channel = await self._turn()
            except TimeoutError:
                raise Unconfirmed(unconfirmed(exchange, key, timeout)) from None
            left = end - loop.time()
        else:
            await self._slots.acquire()  # does not wait
        # From here to the writing nothing waits, so that nothing is written to a channel that was closed meanwhile.
        try:
            confirm = channel.publish(exchange, key, body, properties, mandatory=mandatory)
            timer = loop.call_later(left, _expire, confirm)
            try:
                outcome = await confirm
            finally:
                timer.cancel()
        finally:
            self._slots.release()
        if outcome is Confirm.TAKEN:
            self._taken(exchange, key)
            return
        if outcome is Confirm.RETURNED:
            raise Unroutable(unroutable(exchange, key))
        if outcome is Confirm.REFUSED:
            self._refused(channel, exchange, key)
            raise Refused(refused(exchange, key))
        if outcome is Confirm.EXPIRED:
            raise Unconfirmed(unconfirmed(exchange, key, timeout))
        raise Unconfirmed(f"the channel was lost before {key!r} was confirmed: {channel.why}")

    async def _turn(self) -> PikaChannel:
        """Take a slot, and wait for a channel that may be published on. Nothing is sent into an alarm: it would be
        delivered, late, when the alarm ends."""
        await self._slots.acquire()
        try:
            while (channel := self._channel) is None or channel.blocked:
                if channel is None:
                    await self._open.wait()
                else:
                    await channel.unblocked()
        except BaseException:
            self._slots.release()
            raise
        return channel


def _expire(confirm: "asyncio.Future[Confirm]") -> None:
    if not confirm.done():
        confirm.set_result(Confirm.EXPIRED)
