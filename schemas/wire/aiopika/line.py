"""`Line` on one connection with one channel."""

import asyncio
from collections.abc import Callable, Sequence

from aiormq.abc import DeliveredMessage

from schemas.wire.aiopika.channel import WireChannel, delivery_of
from schemas.wire.aiopika.connection import AioPikaConnection
from schemas.wire.aiopika.publishing import AioPikaPublisher
from schemas.wire.client.link import Link, user_of
from schemas.wire.client.reporting import guarded, log_event
from schemas.wire.names import DIRECT_REPLY_TO
from schemas.wire.transport import PUBLISH_TIMEOUT, Event, Handler, NotConnected, Observer, Properties


class AioPikaLine:
    """A `Line`. Parameters as `AioPikaTransport`'s."""

    def __init__(self, urls: Sequence[str], *, name: str, observe: Observer = log_event) -> None:
        self.user = user_of(urls)
        self._observe = observe = guarded(observe)
        self._answer: Handler | None = None
        self._lost: Callable[[], None] | None = None
        self._openings = 0
        #: The openings up to here are lost; a later one that was replaced still brings answers.
        self._ended = 0
        self._publisher = AioPikaPublisher(self.user, observe=observe, prepared=self._listen, lost=self._lose)
        self._link = Link(
            urls,
            name=name,
            role="line",
            observe=observe,
            connect=AioPikaConnection,
            opened=self._publisher.open,
            lost=self._publisher.lose,
        )

    @property
    def connected(self) -> bool:
        return self._publisher.ready

    async def start(self) -> None:
        self._link.start()

    async def wait_connected(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._publisher.wait_ready()
        except TimeoutError:
            raise NotConnected(f"no broker reached within {timeout:g} s; {self._link.failure}") from None

    async def close(self) -> None:
        await self._link.close()

    def on_answer(self, callback: Handler) -> None:
        self._answer = callback

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost = callback

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        await self._publisher.publish(exchange, key, body, properties, mandatory=mandatory, timeout=timeout)

    async def _listen(self, channel: WireChannel) -> None:
        """Before anything names direct reply-to on a channel, that channel must consume it."""
        self._openings += 1
        opening = self._openings

        async def deliver(message: DeliveredMessage) -> None:
            if opening > self._ended and self._answer is not None:
                try:
                    self._answer(delivery_of(DIRECT_REPLY_TO, opening, message))
                except Exception as error:  # noqa: BLE001  a mistake of ours must not end the line
                    self._observe(Event("failed", DIRECT_REPLY_TO, type(error).__name__))

        await channel.basic_consume(DIRECT_REPLY_TO, deliver, no_ack=True)

    def _lose(self) -> None:
        self._ended = self._openings  # what still comes of the old channel is nobody's
        if self._lost is not None:
            self._lost()
