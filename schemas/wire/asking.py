"""Questions from the centre to suppliers, and their replies, matched by correlation id."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from schemas.wire.acks import Acks
from schemas.wire.transport import Delivery, Properties, Refused, Transport, Unconfirmed, Unroutable

#: Seconds after the deadline in which a reply is late instead of missing.
GRACE = 0.3
#: Seconds for one publish of a question; one that was not confirmed is published again while there is time, under the
#: same correlation id.
PUBLISH_SECONDS = 1.0
#: Replies the broker may send before the first is acked.
PREFETCH = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What the supplier said in time."""

    body: bytes = field(repr=False)
    properties: Properties


@dataclass(frozen=True, slots=True)
class Late:
    """The supplier said something, within the grace after the deadline."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody replied. `reason`: there is no queue, so nobody answers this; the queue is full, nobody takes from it;
    the broker confirmed no publish; or there was just no reply."""

    reason: Literal["no queue", "queue full", "not sent", "no reply"]


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    asked: int = 0
    replied: int = 0
    late: int = 0
    silent: int = 0
    #: Replies to what nobody asks (any more): after the grace, a second one, one for a caller who went.
    unknown: int = 0
    #: Replies by another than who was asked; ignored.
    wrong_sender: int = 0


@dataclass(slots=True)
class _Open:
    """A question that waits: by whom it must be answered, and for whom."""

    supplier: str
    #: None: nobody replied before the grace was over.
    future: "asyncio.Future[Delivery | None]"


class Asking:
    """Asks over `transport` and reads `reply_queue`, which it makes, and keeps over reconnects.

    wrong_sender: told of each reply by another than who was asked, with that question's supplier.
    """

    def __init__(
        self,
        transport: Transport,
        reply_queue: str,
        *,
        grace: float = GRACE,
        prefetch: int = PREFETCH,
        wrong_sender: Callable[[Delivery, str], None] | None = None,
    ) -> None:
        self._transport = transport
        self._reply_queue = reply_queue
        self._grace = grace
        self._prefetch = prefetch
        self._wrong_sender = wrong_sender
        self._open: dict[str, _Open] = {}
        self._acks = Acks(transport)
        self.counts = Counts()

    @property
    def open(self) -> int:
        """Questions that wait for a reply."""
        return len(self._open)

    async def start(self) -> bool:
        """Make the reply queue and read it. Whether it is read now; if not, that is tried until it is."""
        await self._transport.declare_reply_queue(self._reply_queue)
        return await self._transport.consume(self._reply_queue, self._take, prefetch=self._prefetch)

    async def close(self) -> None:
        """Read no more. Questions still open end as their deadline says."""
        await self._acks.flush()
        await self._transport.release(self._reply_queue)

    async def ask(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, deadline: float, supplier: str
    ) -> Reply | Late | Silent:
        """Publish a question and wait for the reply of the user `supplier`.

        properties: user_id, type, headers, and a correlation_id that no open question has. reply_to, the header
            `deadline_ms` and the expiration, both the time left, are filled in here.
        deadline: on `time.monotonic()`. Returns at the latest the grace after it.

        A caller that is cancelled leaves nothing behind; the reply is then unknown. The supplier may get the question
        twice, where its publish was not confirmed.
        """
        correlation_id = properties.correlation_id
        if not correlation_id or correlation_id in self._open:
            raise ValueError("a question has a correlation_id of its own: ticketCBSS/part")
        future: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()
        self._open[correlation_id] = _Open(supplier, future)
        self.counts.asked += 1
        try:
            outcome = await self._outcome(exchange, key, body, properties, deadline, future)
        finally:
            del self._open[correlation_id]
        if isinstance(outcome, Reply):
            self.counts.replied += 1
        elif isinstance(outcome, Late):
            self.counts.late += 1
        else:
            self.counts.silent += 1
        return outcome

    async def _outcome(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        deadline: float,
        future: "asyncio.Future[Delivery | None]",
    ) -> Reply | Late | Silent:
        left = deadline + self._grace - time.monotonic()
        timer = asyncio.get_running_loop().call_later(left, _give_up, future)
        try:
            sent = await self._publish(exchange, key, body, properties, deadline, future)
            # Unconfirmed is not unsent: a reply may come.
            delivery = await future
        except Unroutable:
            return Silent("no queue")
        except Refused:
            return Silent("queue full")
        finally:
            timer.cancel()
        if delivery is None:
            return Silent("no reply" if sent else "not sent")
        return Reply(delivery.body, delivery.properties) if delivery.at <= deadline else Late()

    async def _publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        deadline: float,
        future: "asyncio.Future[Delivery | None]",
    ) -> bool:
        """Whether it was confirmed before the deadline, or replied to."""
        while not future.done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            left_ms = int(left * 1000)
            question = Properties(
                user_id=properties.user_id,
                correlation_id=properties.correlation_id,
                reply_to=self._reply_queue,
                type=properties.type,
                expiration_ms=left_ms,
                headers={**properties.headers, "deadline_ms": left_ms},
            )
            try:
                await self._transport.publish(exchange, key, body, question, timeout=min(left, PUBLISH_SECONDS))
            except Unconfirmed:
                await asyncio.sleep(0)  # a connection that fails at once must not keep the loop from others
            else:
                return True
        return future.result() is not None

    def _take(self, delivery: Delivery) -> None:
        question = self._open.get(delivery.properties.correlation_id or "")
        if question is None or question.future.done():
            self.counts.unknown += 1
        elif delivery.properties.user_id != question.supplier:
            self.counts.wrong_sender += 1
            if self._wrong_sender is not None:
                self._wrong_sender(delivery, question.supplier)
        else:
            question.future.set_result(delivery)
        self._acks.ack(delivery)


def _give_up(future: "asyncio.Future[Delivery | None]") -> None:
    if not future.done():
        future.set_result(None)
