"""Consultations of a lot on their way: sent, answered in any order, handed on in theirs (docs/lots.md)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

from institutions import spans
from institutions.answer import Answer, read_answer
from institutions.errors import LotDiffers, LotRefused, Unreachable
from institutions.later import Later, LaterAnswer
from institutions.resting import Resting
from institutions.spool import Spool
from schemas import lot as lots
from schemas.codes import NO_VERDICT
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, Unconfirmed, Unroutable

if TYPE_CHECKING:
    from schemas.process.tracing import Begun, Tracer

#: Consultations that have no verdict yet, at most.
UNDER_WAY = 500
#: Publishes at a time.
_PUBLISHERS = 16
#: Seconds after which what has no verdict is sent again; and between two looks for it.
AGAIN, LOOK = 60.0, 1.0
#: Seconds after which what was told that its answer comes later, and has none, is asked again. While the question is
#: open no second one is put; an answer that was lost on its way is given again.
PROMISED_AGAIN = 86_400.0
#: Between two tries of a publish that the broker refused: the queue is full, seconds.
_BACKOFF = (0.02, 1.0)


class Lot:
    """One lot's consultations, from `first` to `count`. `body` makes the request of a number: the same each time.

    Use it with `async with`; `answers` gives them in order.
    """

    def __init__(
        self,
        transport: Transport,
        later: Later,
        address: str,
        lot: UUID,
        service_type: str,
        count: int,
        body: Callable[[int], bytes],
        *,
        first: int = 1,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._transport, self._later, self._address, self._lot = transport, later, address, lot
        self._type, self._count, self._body, self._next = service_type, count, body, first
        self._unsent = iter(range(first, count + 1))
        self._slots = asyncio.Semaphore(UNDER_WAY)
        #: What has no verdict, and when it was sent last.
        self._sent: dict[int, float] = {}
        #: What has its intermediate answer alone, and when that came or it was asked again.
        self._promised: dict[int, float] = {}
        #: One service, and whether it rests.
        self._resting = Resting()
        self._spool = Spool()
        self._came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracer = tracer
        self._span: Begun | None = None

    async def __aenter__(self) -> "Lot":
        self._later.on(lots.correlation(self._lot), self._take)
        if self._tracer is None:
            self._begin()
            return self
        self._span = spans.lot(self._tracer, self._address, self._type, self._count)
        with self._tracer.under(self._span.header):  # what its tasks publish bears it
            self._begin()
        return self

    def _begin(self) -> None:
        for work in (*(self._publish() for _ in range(_PUBLISHERS)), self._send_again()):
            self._tasks.add(asyncio.create_task(work))

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._span is not None:
            self._span.end(error)
        self._later.off(lots.correlation(self._lot))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._spool.close()

    async def answers(self) -> AsyncIterator[Answer]:
        """Each answer in its turn, until all were given. Raises what sending raised."""
        while self._next <= self._count:
            if self._next in self._spool:
                body, properties = self._spool.take(self._next)
                self._next += 1
                yield read_answer(body, properties, 0.0)
                continue
            self._came.clear()
            coming = asyncio.create_task(self._came.wait())
            try:
                await asyncio.wait({coming, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
            for task in [task for task in self._tasks if task.done()]:
                self._tasks.discard(task)
                task.result()

    async def _take(self, answer: LaterAnswer) -> None:
        number = lots.number_in(answer.correlation)
        if number is None or not self._next <= number <= self._count or number in self._spool:
            return  # had before: it was told twice
        if answer.type == "fault" and read_answer(answer.body, answer.properties, 0.0).code in NO_VERDICT:
            if number in self._sent:
                self._resting.busy(self._type)
                self._sent[number] = -inf  # at the next look, if the service does not rest
            return
        self._resting.answered(self._type)
        if answer.type == "intermediate":  # a verdict too, and the answer comes later
            self._promised.setdefault(number, monotonic())
        else:
            self._promised.pop(number, None)
            self._spool.put(number, answer.body, answer.properties)
            if number == self._next:
                self._came.set()
        if self._sent.pop(number, None) is not None:
            self._slots.release()

    async def _publish(self) -> None:
        for number in self._unsent:
            await self._slots.acquire()
            while not self._resting.may(self._type):  # noqa: ASYNC110
                await asyncio.sleep(min(LOOK, self._resting.wait(self._type)))
            await self._send(number)

    async def _send_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            late = monotonic() - AGAIN
            for number in [number for number, sent in self._sent.items() if sent <= late]:
                if number in self._sent and self._resting.may(self._type):
                    await self._send(number)
            late = monotonic() - PROMISED_AGAIN
            for number in [number for number, promised in self._promised.items() if promised <= late]:
                if number in self._promised and await self._put(number):
                    self._promised[number] = monotonic()

    async def _send(self, number: int) -> None:
        """Until the broker has it; or, where that comes first, until it is answered."""
        pause, most = _BACKOFF
        self._sent[number] = monotonic()
        while number in self._sent and not await self._put(number):
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)

    async def _put(self, number: int) -> bool:
        """Whether the broker has it."""
        properties = Properties(
            user_id=self._address,
            correlation_id=lots.correlation(self._lot, number),
            reply_to=names.answers(self._address),
            type=self._type,
        )
        try:
            await self._transport.publish(names.out(self._address), "batch", self._body(number), properties)
        except Unroutable as error:
            raise Unreachable(f"{error}. The lot can be gone on with", str(self._lot)) from None
        except (Refused, Unconfirmed):
            return False
        return True


def opened(answer: Answer) -> None:
    """Raises LotRefused where the hub did not take the voucher."""
    if not answer.found:
        raise LotRefused(answer.code, answer.information)


def closed(answer: Answer, ours: lots.Totals) -> None:
    """Raises LotDiffers where the hub counted otherwise, or some have no outcome."""
    if answer.found:
        return
    if answer.code != "CRB00019":
        raise LotRefused(answer.code, answer.information)
    theirs = lots.read(answer.root)
    missing = next((int(one.text or 0) for one in answer.data if str(one.tag).endswith("open")), 0)
    raise LotDiffers(dict(ours), dict(theirs), missing)


def count(totals: Counter[tuple[str, str]], answer: Answer) -> None:
    """One answer more."""
    totals[lots.kind(answer.value, answer.code)] += 1
