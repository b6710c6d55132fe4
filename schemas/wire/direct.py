"""Asking the centre, with direct answers: an institution's side of a consultation."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from uuid import uuid4

from schemas.wire.names import DIRECT_REPLY_TO, HUB
from schemas.wire.transport import Delivery, Line, Properties, Unconfirmed, WireError


class ConnectionLost(WireError):  # noqa: N818  the word callers say
    """The connection went while the answer was awaited: it will not come. The request may have been taken; ask again
    under the same ticket."""


class NoAnswer(WireError):  # noqa: N818  the word callers say
    """The time was up. The request may have been taken; asking again is under the same ticket."""


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """What the centre answered, in `seconds` from the publishing of the request."""

    body: bytes = field(repr=False)
    properties: Properties = field(repr=False)
    seconds: float


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    asked: int = 0
    answered: int = 0
    #: Answers to what nobody asks any more.
    unknown: int = 0
    #: Answers by another than the centre; ignored.
    wrong_sender: int = 0
    lost: int = 0


class DirectAsker:
    """Asks over one `Line`, which it starts and closes.

    centre: the user whose answers count: `hub`, in a secondary network the managing institution.
    """

    def __init__(self, line: Line, *, centre: str = HUB) -> None:
        self._line = line
        self._centre = centre
        self._open: dict[str, asyncio.Future[Delivery]] = {}
        self.counts = Counts()
        line.on_answer(self._take)
        line.on_lost(self._lost)

    @property
    def open(self) -> int:
        """Requests that wait for their answer."""
        return len(self._open)

    @property
    def connected(self) -> bool:
        return self._line.connected

    async def start(self) -> None:
        """Begin to connect, and return at once."""
        await self._line.start()

    async def wait_connected(self, timeout: float) -> None:
        """As `Line.wait_connected`."""
        await self._line.wait_connected(timeout)

    async def close(self) -> None:
        """Who still waits gets ConnectionLost."""
        await self._line.close()
        self._lost()

    async def ask(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, timeout: float
    ) -> DirectAnswer:
        """Publish a request and wait for its answer, `timeout` seconds in all, a lost connection's return included as
        long as nothing was sent.

        properties: reply_to is filled in here, and a correlation_id of its own: whoever asks again is answered anew,
            and answers to what was given up are dropped.

        Raises Unroutable, Refused (the own rate is exceeded), ConnectionLost, NoAnswer.
        """
        began = time.monotonic()
        correlation_id = uuid4().hex
        future: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        request = replace(properties, reply_to=DIRECT_REPLY_TO, correlation_id=correlation_id)
        self._open[correlation_id] = future
        self.counts.asked += 1
        try:
            return await self._asked(exchange, key, body, request, future, began, timeout)
        finally:
            del self._open[correlation_id]
            if future.done() and not future.cancelled():
                future.exception()  # it was told by the publish already

    async def _asked(
        self,
        exchange: str,
        key: str,
        body: bytes,
        request: Properties,
        future: "asyncio.Future[Delivery]",
        began: float,
        timeout: float,
    ) -> DirectAnswer:
        try:
            async with asyncio.timeout(timeout):
                try:
                    await self._line.publish(exchange, key, body, request, timeout=timeout)
                except Unconfirmed as error:
                    if not future.done() or future.exception() is not None:
                        raise ConnectionLost(f"{error} Ask again under the same ticket.") from None
                delivery = await future
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout:g} s. Ask again under the same ticket.") from None
        self.counts.answered += 1
        return DirectAnswer(delivery.body, delivery.properties, time.monotonic() - began)

    def _take(self, delivery: Delivery) -> None:
        future = self._open.get(delivery.properties.correlation_id or "")
        if future is None or future.done():
            self.counts.unknown += 1
        elif delivery.properties.user_id != self._centre:
            self.counts.wrong_sender += 1
        else:
            future.set_result(delivery)

    def _lost(self) -> None:
        """No answer comes on a channel that is gone."""
        for future in self._open.values():
            if not future.done():
                self.counts.lost += 1
                future.set_exception(
                    ConnectionLost("the connection was lost before the answer came. Ask again under the same ticket.")
                )
