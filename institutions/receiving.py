"""Words of the centre, in their order, each until the institution's own code has it: what `receives` stands behind."""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from institutions import spans
from institutions.answering import DRAIN_SECONDS, ticket_of
from institutions.inbox import Inbox
from institutions.metrics import Metrics
from institutions.ordered import Ask, Ordered, hand
from institutions.report import Report, Reporter, What
from institutions.word import Receiver, read_word
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.process.log import logger, place, told
from schemas.service import Service
from schemas.wire import names
from schemas.wire.transport import Delivery, Transport
from schemas.wire.words import WordError, of

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

#: Words in hand, of which one is worked on.
PREFETCH = 200
#: Seconds until a word that could not be taken is tried again: at first, and at most.
AGAIN, LONGEST = 1.0, 30.0
#: Words that are remembered as taken, for those that come again after a lost connection.
REMEMBERED = 1_000

#: `again`: it was taken before. `nobody`: no receiver is registered for it here.
Result = Literal["taken", "again", "dropped", "failed", "nobody"]
_DONE = ("taken", "again", "dropped")


class Receiving:
    """Takes `<address>.mutation` over `transport`: one word at a time, acked once its receiver has returned."""

    def __init__(
        self,
        transport: Transport,
        address: Address,
        centre: str,
        catalogue: Catalogue,
        *,
        inbox: Inbox,
        ask: Ask,
        eager: bool,
        answers: bool = True,
        metrics: Metrics,
        report: Reporter,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._transport, self._address, self._centre, self._catalogue = transport, address, centre, catalogue
        self._metrics, self._report, self._eager, self._tracer = metrics, report, eager, tracer
        self._queue = names.mutations(address)
        self._receivers: dict[str, Receiver] = {}
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._taken: OrderedDict[str, None] = OrderedDict()
        self._busy, self._stop = asyncio.Lock(), asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._applying: asyncio.Task[None] | None = None
        #: Words that have positions.
        self.ordered = Ordered(
            transport, address, catalogue, inbox, self._receivers, ask, self._consume,
            answers=answers, busy=self._busy, stop=self._stop, metrics=metrics, report=report,
            tracer=tracer, centre=centre,
        )  # fmt: skip

    def add(self, service: Service, receiver: Receiver) -> None:
        """This function gets the words of this service, and what was set aside of it."""
        self._receivers[service.type] = receiver
        self.ordered.again()

    async def begin(self) -> bool:
        """Take words from now on. False: the queue is not there (yet); it is tried again."""
        self._working = asyncio.create_task(self._work())
        if self._eager:
            self._order()
        return await self._consume()

    def _order(self) -> None:
        """Begin with words that have positions: with what was missed."""
        if self._applying is None:
            self._applying = asyncio.create_task(self.ordered.run())

    async def _consume(self) -> bool:
        return await self._transport.consume(self._queue, self._sort, prefetch=PREFETCH)

    def _sort(self, delivery: Delivery) -> None:
        """Those with a position wait for their turn, others for the one before them to be done."""
        if delivery.properties.user_id == self._centre and "position" in delivery.properties.headers:
            with suppress(WordError, ValueError):
                header = of(delivery.properties)
                self._order()
                self.ordered.take(delivery, header)
                return
        self._waiting.put_nowait(delivery)

    async def close(self) -> None:
        """Take no more, and finish the word that is being worked on within `DRAIN_SECONDS`; the others go back."""
        self._stop.set()
        await self._transport.cancel(self._queue)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS), self._busy:
                pass
        tasks = [task for task in (self._working, self._applying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            delivery = await self._waiting.get()
            async with self._busy:
                if self._tracer is None:
                    await self._take(delivery)
                    continue
                label = self._label(delivery)
                with spans.word(self._tracer, delivery, str(self._address), self._centre, label):
                    await self._take(delivery)

    async def _take(self, delivery: Delivery) -> None:
        """Until it is taken, or comes again as another delivery."""
        pause, before = AGAIN, None
        while self._transport.stands(delivery) and not self._stop.is_set():
            try:
                result = await self._one(delivery)
            except Exception as error:  # noqa: BLE001  a bug of ours, or of who is reported to, loses no word
                logger().error("failed", queue=self._queue, **told(error))
                result = "failed"
            if result != before:  # of what is tried for long, once
                self._metrics.told(str(self._address), self._label(delivery), result)
                before = result
            if result in _DONE:
                await self._transport.ack(delivery)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()
            pause = min(2 * pause, LONGEST)

    async def _one(self, delivery: Delivery) -> Result:
        named, word_id = delivery.properties.type or "", delivery.properties.correlation_id
        if delivery.properties.user_id != self._centre or not word_id:
            self._tell("wrong sender", delivery)
            return "dropped"
        service, receiver = self._catalogue.services.get(named), self._receivers.get(named)
        if service is None or receiver is None:
            self._tell("nobody receives", delivery)
            return "nobody"
        if word_id in self._taken:
            return "again"
        word = read_word(service, self._address, word_id, ticket_of(delivery), delivery.body)
        if word is None:
            self._tell("invalid", delivery)
            return "dropped"
        try:
            await hand(receiver, word)
        except Exception as error:  # noqa: BLE001  whatever the institution's code does, the word is kept
            self._tell("not taken", delivery, f"{type(error).__qualname__} at {place(error.__traceback__)}")
            return "failed"
        self._taken[word_id] = None
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        return "taken"

    def _tell(self, what: What, delivery: Delivery, why: str = "") -> None:
        if self._tracer is not None:
            self._tracer.fault(what)
        self._report(Report(what, str(self._address), self._label(delivery), ticket_of(delivery), why))

    def _label(self, delivery: Delivery) -> str:
        """For figures and reports: of the catalogue alone."""
        service = self._catalogue.services.get(delivery.properties.type or "")
        return service.type if service is not None else "unknown"
