"""Answers that come later: what the centre puts into `<address>.answers` (docs/wire.md, "Answers that come later").

Each is acked when its handler has returned, so it comes at least once. A handler that raises is tried again, and holds
up nobody else's answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

from institutions import spans
from institutions.report import Report, Reporter
from schemas.address import Address
from schemas.process.log import place
from schemas.wire import names, words
from schemas.wire.transport import Delivery, Properties, Transport

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

#: Answers in hand at a time.
PREFETCH = 500
#: Seconds that an answer may stay in hand: RabbitMQ closes the channel of one that is unacked for half an hour. And
#: between two looks for such.
IN_HAND, LOOK = 1_200.0, 60.0
#: Answers to a lot's consultations. One that no lot here asks for is dropped: a lot sends again what it misses.
LOT = "lot:"
#: Between two tries of a handler that raised, seconds: doubled each time, up to the second.
_BACKOFF = (0.1, 5.0)


@dataclass(frozen=True, slots=True)
class LaterAnswer:
    """An answer, as the centre sent it. What it says is never in its repr."""

    body: bytes = field(repr=False)
    #: `response`, `fault`, `intermediate` or `definitive`.
    type: str
    ticket_cbss: UUID
    #: As it was asked with; of an answer to what was asked on line, the ticketCBSS.
    correlation: str
    #: For whom it was asked.
    customer: Address
    #: Of a mutation's definitive answer: whose it is.
    recipient: Address | None
    #: As they came: `filtered` stands there.
    properties: Properties = field(repr=False)
    redelivered: bool = False


Handler = Callable[[LaterAnswer], Awaitable[None]]


class Later:
    """Reads `<address>.answers` over `transport`, from `start` to `close`. One process of an institution does: the
    queue gives each answer to one reader.

    centre: the broker user whose answers count; others' are dropped and reported.
    """

    def __init__(
        self, transport: Transport, address: Address, centre: str, report: Reporter, tracer: "Tracer | None" = None
    ) -> None:
        self._transport, self._address, self._centre, self._report = transport, str(address), centre, report
        self._tracer = tracer
        self._queue = names.answers(address)
        self._handlers: dict[str, Handler] = {LOT: self._nobody}
        #: What is in hand, and since when.
        self._tasks: dict[asyncio.Task[None], float] = {}
        self._looking: asyncio.Task[None] | None = None
        self._added = asyncio.Event()

    def on(self, prefix: str, handler: Handler) -> None:
        """`handler` gets the answers whose correlation_id begins so; of several prefixes the longest decides. One that
        no prefix fits waits in hand until there is one."""
        self._handlers[prefix] = handler
        self._added.set()
        self._added = asyncio.Event()

    def off(self, prefix: str) -> None:
        """No longer."""
        self._handlers.pop(prefix, None)

    async def start(self) -> bool:
        """Take answers. False: the queue is not there (yet); it is tried again."""
        self._looking = asyncio.create_task(self._give_back())
        return await self._transport.consume(self._queue, self._take, prefetch=PREFETCH)

    async def close(self) -> None:
        """Take no more, and drop what runs: it comes again."""
        await self._transport.cancel(self._queue)
        tasks = [*self._tasks, *([self._looking] if self._looking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._handle(delivery))
        self._tasks[task] = monotonic()
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _give_back(self) -> None:
        """What was in hand for too long goes back to the queue, and comes again; until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            if any(since + IN_HAND < monotonic() for since in self._tasks.values()):
                await self._transport.release(self._queue)
                self._tasks = dict.fromkeys(self._tasks, monotonic())  # what they have comes again
                await self._transport.consume(self._queue, self._take, prefetch=PREFETCH)

    async def _handle(self, delivery: Delivery) -> None:
        answer = self._read(delivery)
        if self._tracer is None or answer is None:
            await self._hand_on(delivery, answer)
            return
        with spans.later(self._tracer, delivery, self._centre, answer.type, str(answer.ticket_cbss)):
            await self._hand_on(delivery, answer)

    async def _hand_on(self, delivery: Delivery, answer: LaterAnswer | None) -> None:
        pause, most = _BACKOFF
        while answer is not None and self._transport.stands(delivery):
            handler = self._handler(answer.correlation)
            if handler is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(most):
                        await self._added.wait()
                continue
            try:
                await handler(answer)
                break
            except Exception as error:  # noqa: BLE001  whatever the institution's code does, the answer is not lost
                why = f"{type(error).__qualname__} at {place(error.__traceback__)}"
                self._report(Report("failed", self._address, "answers", answer.ticket_cbss, why))
                if self._tracer is not None:
                    self._tracer.fault(why)
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)
        await self._transport.ack(delivery)

    async def _nobody(self, answer: LaterAnswer) -> None:
        self._report(Report("unclaimed", self._address, "answers", answer.ticket_cbss))

    def _handler(self, correlation: str) -> Handler | None:
        fitting = [prefix for prefix in self._handlers if correlation.startswith(prefix)]
        return self._handlers[max(fitting, key=len)] if fitting else None

    def _read(self, delivery: Delivery) -> LaterAnswer | None:
        """None: it is none of the centre's, or says not what it answers."""
        if delivery.properties.user_id != self._centre:
            self._report(Report("wrong sender", self._address, "answers"))
            return None
        answer = later_answer(delivery)
        if answer is None:
            self._report(Report("unreadable", self._address, "answers"))
        return answer


def later_answer(delivery: Delivery) -> LaterAnswer | None:
    """What an answer's properties say; None: they are not those of docs/wire.md."""
    given = delivery.properties
    try:
        told = words.later_of(given)
    except words.WordError:
        return None
    if not told.type or given.correlation_id is None:
        return None
    return LaterAnswer(
        delivery.body,
        told.type,
        told.ticket_cbss,
        given.correlation_id,
        told.customer,
        told.recipient,
        given,
        delivery.redelivered,
    )
