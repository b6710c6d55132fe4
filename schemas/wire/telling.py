"""What becomes of a request, and how that is published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from time import monotonic
from typing import Any

from schemas.wire import names
from schemas.wire.transport import Delivery, Properties, Refused, Transport, Unconfirmed, Unroutable

#: Seconds that a queue may refuse every answer before it counts as full. Refusals further apart are not in a row.
PATIENCE, _IN_A_ROW = 15.0, 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to a request's reply_to, under its correlation_id."""

    body: bytes = field(repr=False)
    #: `response`, `fault` or `intermediate`.
    type: str = "response"
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Park:
    """The request cannot be answered: it goes to `hub.dead` with this reason, which names no data."""

    reason: str


#: What becomes of a request; None: it is acked and nobody is told.
Outcome = Answer | Park | None


class Told(Enum):
    """What came of telling."""

    ANSWERED = auto()
    PARKED = auto()
    #: Nobody was to be told.
    NOBODY = auto()
    #: It should be parked, and cannot be: nothing takes it, or we have no right to write there.
    UNPARKABLE = auto()
    #: The broker confirmed nothing; it is to be tried again.
    AGAIN = auto()


class Full:
    """Queues for answers that have refused all for `PATIENCE`. Until one takes something again, what is for it is tried
    once and parked, so that nobody else's answers wait behind it. Shared by all that tell in a process.

    on_full: called with the name of one that begins to count as full.
    """

    def __init__(self, on_full: Callable[[str], None] = lambda _: None) -> None:
        self._on_full = on_full
        #: The first and the last refusal in a row.
        self._refused: dict[str, tuple[float, float]] = {}
        self._full: set[str] = set()

    def refused(self, queue: str) -> bool:
        """It did not take an answer; whether it counts as full."""
        if queue in self._full:
            return True
        now = monotonic()
        first, last = self._refused.get(queue, (now, now))
        first = now if now - last > _IN_A_ROW else first
        self._refused[queue] = (first, now)
        if now - first < PATIENCE:
            return False
        self._full.add(queue)
        self._on_full(queue)
        return True

    def took(self, queue: str) -> None:
        """It took one."""
        if self._refused.pop(queue, None) is not None:
            self._full.discard(queue)


class Teller:
    """Publishes outcomes. Parameters as `Intake`'s."""

    def __init__(
        self,
        transport: Transport,
        user: str,
        reply_exchange: str,
        dead_exchange: str | None,
        timeout: float,
        full: Full | None = None,
    ) -> None:
        self._transport = transport
        self._user = user
        self._reply_exchange = reply_exchange
        self._dead_exchange = dead_exchange
        self._timeout = timeout
        self._full = full

    async def tell(self, delivery: Delivery, outcome: Outcome) -> Told:
        """Tell who sent this delivery, or park it; an answer that can never be delivered is parked."""
        match outcome:
            case None:
                return Told.NOBODY
            case Park(reason):
                return await self._park(delivery, reason)
            case Answer():
                return await self._answer(delivery, outcome)

    async def _answer(self, delivery: Delivery, answer: Answer) -> Told:
        reply_to = delivery.properties.reply_to
        if not reply_to:
            return await self._park(delivery, "no reply_to")
        direct = names.is_direct_reply(reply_to)
        properties = Properties(
            user_id=self._user,
            correlation_id=delivery.properties.correlation_id,
            type=answer.type,
            headers=answer.headers,
        )
        try:
            await self._transport.publish(
                self._reply_exchange,
                reply_to,
                answer.body,
                properties,
                mandatory=not direct,
                timeout=self._timeout,
            )
        except Unroutable:
            return await self._park(delivery, "nobody takes its answer: no queue of the name in reply_to")
        except Refused:
            if not direct and self._full is not None and self._full.refused(reply_to):
                return await self._park(delivery, "the queue for its answer takes no more")
            return Told.AGAIN
        except Unconfirmed:
            return Told.AGAIN
        except Exception as error:  # noqa: BLE001  what cannot be written must not stay in hand for ever
            return await self._park(delivery, f"its answer cannot be sent: {type(error).__name__}")
        if not direct and self._full is not None:
            self._full.took(reply_to)
        return Told.ANSWERED

    async def _park(self, delivery: Delivery, reason: str) -> Told:
        if self._dead_exchange is None:
            return Told.UNPARKABLE
        given = delivery.properties
        properties = Properties(
            user_id=self._user,
            correlation_id=given.correlation_id,
            reply_to=given.reply_to,
            type=given.type,
            content_type=given.content_type,
            content_encoding=given.content_encoding,
            # No header is copied: a CC among them would reach any queue.
            headers={
                "reason": reason,
                "queue": delivery.queue,
                "sender": given.user_id or "",
                "parked": datetime.now(UTC).isoformat(timespec="milliseconds"),
            },
        )
        try:
            await self._transport.publish(
                self._dead_exchange, delivery.queue, delivery.body, properties, timeout=self._timeout
            )
        except Unroutable:
            return Told.UNPARKABLE
        except (Unconfirmed, Refused):
            return Told.AGAIN
        return Told.PARKED
