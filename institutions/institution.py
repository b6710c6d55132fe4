"""An institution on the network: it asks, it supplies. `docs/institutions.md` is the guide."""

import asyncio
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import uvloop
from lxml import etree

from institutions import spans
from institutions.answer import Answer, read_answer
from institutions.answering import Answering
from institutions.asking import Asking, Reply
from institutions.definitive import Definitive
from institutions.errors import AskingError, NoAnswer, NotOpen, UnknownService, UnreadableAnswer
from institutions.inbox import Inbox, MemoryInbox
from institutions.later import Later
from institutions.lot import Lot, closed, count, opened
from institutions.metrics import Metrics
from institutions.ordered import CATCH_UP, Ordered
from institutions.outbox import Entry, Outbox, Verdict
from institutions.publishing import PREFIX, REPEAT, Publishing, entry, repeat
from institutions.question import Supplier
from institutions.receiving import Receiving
from institutions.report import Report, Reporter, log_report
from institutions.request import Ask, Criteria, build
from institutions.resting import Resting
from institutions.wire import AmqpWire, Trouble, Wire
from institutions.word import Missed, Receiver
from schemas import lot as lots
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.codes import NO_VERDICT
from schemas.message import read_head
from schemas.parser import Malformed, parse
from schemas.period import Period
from schemas.process.traces import of_environment
from schemas.service import Service
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.client.reporting import log_event
from schemas.wire.traced import TracedLine, TracedTransport
from schemas.wire.transport import Delivery, NotConnected, Observer, Transport

if TYPE_CHECKING:
    from schemas.process.tracing import Tracing

#: Seconds that a caller waits for its answer, unless it says otherwise.
TIMEOUT = 5.0
#: Questions worked on at a time.
CONCURRENCY = 50
#: The legal context of a lot's vouchers.
LOT = "LOT"
#: That of catching up.
DISTRIBUTION = "DISTRIBUTION"

_S = TypeVar("_S", bound=Supplier)
_R = TypeVar("_R", bound=Receiver)


class Institution:
    """One institution, by its address. Use it with `async with`, or `run()`.

    address: `18-0`, or `17-1-0212344876` for a cooperating institution.
    url: AMQP URL with the institution's own user, or several, one a node; without it CROSSROADS_AMQP_URL tells. A
        cooperating institution's vhost is its secondary network's.
    catalogue: the services it knows; those that ship and those of CROSSROADS_SERVICES by default.
    centre: the broker user whose questions and answers count: `hub`, in a secondary network the managing institution.
    timeout: seconds that `consult` and `send` wait unless told otherwise, and that entering waits to be let in.
    patient: entering does not wait for the broker, nor fail without it; it connects to ask when it is first to ask.
    concurrency: questions that suppliers work on at a time.
    inbox: how far it is with what it is told (`receives`); in memory by default: after a restart it is told anew.
    outbox: what it tells others until the hub has it (`publish`), and 100 days for who has to catch up.
    observe, report: told of the wire and of what goes wrong with single questions; by default it is logged.
    tracing: where its spans go; by default CROSSROADS_TRACES tells on entering, and empty nothing is traced.
    """

    def __init__(
        self,
        address: Address | str,
        url: str | Sequence[str] | None = None,
        *,
        catalogue: Catalogue | None = None,
        centre: str | None = None,
        timeout: float = TIMEOUT,
        patient: bool = False,
        concurrency: int = CONCURRENCY,
        metrics: Metrics | None = None,
        observe: Observer = log_event,
        report: Reporter = log_report,
        wire: Wire | None = None,
        inbox: Inbox | None = None,
        outbox: Outbox | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.address = address if isinstance(address, Address) else Address.parse(address)
        self.centre = centre or (f"{self.address.sector}-0" if self.address.is_cooperating else names.HUB)
        self.metrics = metrics if metrics is not None else Metrics()
        self._timeout, self._patient, self._concurrency = timeout, patient, concurrency
        self._observe, self._report = observe, report
        self._catalogue = catalogue
        self._wire = wire if wire is not None else _amqp(self.address, url)
        self._suppliers: dict[tuple[str | Service, names.Mode], Supplier] = {}
        self._supplying: dict[str, asyncio.Task[bool]] = {}
        self._receivers: dict[str | Service, Receiver] = {}
        self._asking: Asking | None = None
        #: Whether the connection for asking was begun.
        self._asks = False
        self._transport: Transport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._answering: Answering | None = None
        self._later: Later | None = None
        self._definitive = Definitive(str(self.address), self._report)
        self._reading = asyncio.Lock()
        self._receiving: Receiving | None = None
        self._durable = inbox is not None
        self._inbox: Inbox = inbox if inbox is not None else MemoryInbox()
        self._missed: Callable[[Missed], Awaitable[None]] | None = None
        self._outbox = outbox
        self._publishing: Publishing | None = None
        self._verdicts: Callable[[Verdict], Awaitable[None]] | None = None
        self._tracing = tracing
        self._tracer = None if tracing is None else tracing.tracer("institution")
        #: One of its own, which it closes.
        self._traces: Tracing | None = None
        self._stop = asyncio.Event()

    def __repr__(self) -> str:
        return f"Institution({str(self.address)!r})"

    @property
    def connected(self) -> bool:
        """Whether it can ask, and, if it supplies or receives, be asked and told."""
        asks = self._asking is not None and (self._asking.connected or not self._asks)
        return asks and (self._transport is None or self._transport.connected)

    @property
    def in_flight(self) -> int:
        """Questions being worked on."""
        return self._answering.in_flight if self._answering is not None else 0

    @property
    def catalogue(self) -> Catalogue:
        """The services it knows. NotOpen before `async with`, if none was given."""
        if self._catalogue is None:
            raise NotOpen("the catalogue is read on entering: use the institution within `async with`")
        return self._catalogue

    # --- ask ----------------------------------------------------------------------------------------------------

    async def consult(
        self,
        service: str | Service,
        *,
        ssin: Ssin | str | None,
        legal_context: str,
        period: Period | None = None,
        criteria: Criteria | None = None,
        ticket: str | None = None,
        user: str | None = None,
        customer: Address | str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Ask about a person (None: nobody in particular, of a service that does), and return the one answer; a refusal
        is one too. Of a supplier that answers in its own time it is `intermediate`: `definitive` has the other.

        What was lost on the way is asked again under the same ticket, until `timeout` seconds. Raises `InvalidRequest`,
        `UnknownService` and `SsinError` with nothing sent; `OverLimit`, `NoAnswer`, `Unreachable`, `NotAllowed`.
        """
        known = self._service(service)
        asked_for = self.address if customer is None else customer
        ask = Ask(
            service=known,
            customer=asked_for if isinstance(asked_for, Address) else Address.parse(asked_for),
            ticket=ticket if ticket is not None else str(uuid.uuid4()),
            ssin=Ssin.parse(ssin) if isinstance(ssin, str) else ssin,
            legal_context=legal_context,
            period=period,
            criteria=criteria or {},
        )
        return await self._ask(build(ask), known.type, known.type, ask.ticket, user, timeout)

    async def send(
        self,
        xml: bytes | str,
        *,
        type: str | None = None,  # noqa: A002  the property's name on the wire
        user: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a message as it is, and return the one answer.

        `type` (`Name/version`) is found by the root element if not given. A message without ticket is sent once. Raises
        as `consult`, but for what it checks.
        """
        body = xml.encode() if isinstance(xml, str) else xml
        ticket, found = None, None
        with suppress(Malformed):
            root = parse(body)
            ticket, found = read_head(root).ticket, self.catalogue.by_root(str(root.tag))
        named = type or (found.type if found is not None else None)
        label = named if named in self.catalogue.services else "unknown"
        return await self._ask(body, named, label or "unknown", ticket, user, timeout)

    async def exchange(
        self, body: bytes, *, service_type: str | None, ticket: str | None, user: str | None, timeout: float
    ) -> Reply:
        """As `send`, with the answer's bytes and properties untouched: what a relay hands on."""
        if self._asking is None:
            raise NotOpen("not connected: use the institution within `async with`")
        if not self._asks:
            await self._begin_to_ask(self._asking)
        return await self._asking.ask(body, service_type=service_type, user=user, ticket=ticket, timeout=timeout)

    # --- answers that come later --------------------------------------------------------------------------------

    async def lot(
        self,
        service: str | Service,
        persons: Sequence[Ssin | str],
        *,
        legal_context: str,
        sequence: int,
        lot: uuid.UUID | None = None,
        had: lots.Totals | None = None,
        period: Period | None = None,
        criteria: Criteria | None = None,
    ) -> AsyncIterator[Answer]:
        """Ask about many persons, and nobody waits at a screen: the answers, one a person, in their order.

        sequence: of this institution's lots; the hub takes the one that follows the last.
        lot: of one that is gone on with, where it was cut: with the same persons in the same order, and how many
            answers of each kind (`schemas.lot.kind`) were `had`: so many of the first persons are left out.

        Behind the last answer both ends have counted the same; else `LotDiffers` is raised. `LotRefused`: the hub does
        not take it. Asked in the legal context `LOT` beside the consultations' own.
        """
        known, number = self._service(service), lot or uuid.uuid4()
        asked = [person if isinstance(person, Ssin) else Ssin.parse(person) for person in persons]
        totals = Counter(dict(had or {}))

        def body(n: int) -> bytes:
            ticket = str(lots.ticket(number, n))
            ask = Ask(known, self.address, ticket, asked[n - 1], legal_context, period, criteria or {}, stamped=False)
            return build(ask)

        if not asked:
            raise ValueError("a lot has one person at least")
        body(1)
        voucher: Criteria = {
            "criteria/sequence": sequence,
            "criteria/count": len(asked),
            "criteria/service": known.type,
        }
        opened(await self._voucher("OpenLot/1", str(number), voucher))
        under_way = Lot(
            await self._two_way(),
            await self._reader(),
            str(self.address),
            number,
            known.type,
            len(asked),
            body,
            first=totals.total() + 1,
            tracer=self._tracer,
        )
        async with under_way:
            async for answer in under_way.answers():
                count(totals, answer)
                yield answer
        content = etree.Element("criteria")
        etree.SubElement(content, "lot").text = str(number)
        content.extend(lots.elements(totals))
        closed(await self._voucher("CloseLot/1", str(uuid.uuid4()), {"criteria": content}), totals)

    async def _voucher(self, service: str, ticket: str, criteria: Criteria) -> Answer:
        known = self._service(service)
        ask = Ask(known, self.address, ticket, None, LOT, None, criteria, stamped=False)
        patience = max(self._timeout, known.deadline_ms / 1000 + 1)
        resting = Resting()
        while True:
            answer = await self._ask(build(ask), known.type, known.type, ticket, None, patience)
            if answer.code not in NO_VERDICT:
                return answer
            resting.busy(service)
            await asyncio.sleep(resting.wait(service))

    async def definitive(self, ticket_cbss: uuid.UUID, timeout: float | None = None) -> Answer:
        """The definitive answer to what was answered by an intermediate one; NoAnswer after `timeout` seconds (None:
        it is waited for). Had once, by one process of the institution."""
        await self._reader()
        try:
            async with asyncio.timeout(timeout):
                return await self._definitive.wait(ticket_cbss)
        except TimeoutError:
            raise NoAnswer(f"no definitive answer within {timeout:g} s; wait for it again", str(ticket_cbss)) from None

    def later(self, handler: Callable[[Answer], Awaitable[None]]) -> Callable[[Answer], Awaitable[None]]:
        """Decorator: this coroutine function is given each definitive answer that nobody waits for. Until it has
        returned the answer is not done with: after a crash it comes again, known by its ticketCBSS."""
        self._definitive.handler = handler
        return handler

    async def _reader(self) -> Later:
        """What reads this institution's queue of answers, begun when it is first needed."""
        async with self._reading:
            if self._later is None:
                transport = await self._two_way()
                self._later = Later(transport, self.address, self.centre, self._report, self._tracer)
                self._later.on("", self._definitive.take)
                await self._later.start()
            return self._later

    async def _two_way(self) -> Transport:
        """The connections over which it supplies, and takes what comes later."""
        if self._asking is None:
            raise NotOpen("not connected: use the institution within `async with`")
        transport = self._connect()
        if self._starting is not None:
            await asyncio.shield(self._starting)
        return transport

    async def _ask(
        self, body: bytes, named: str | None, label: str, ticket: str | None, user: str | None, timeout: float | None
    ) -> Answer:
        if self._tracer is None:
            return await self._answered(body, named, label, ticket, user, timeout)
        with spans.asking(self._tracer, str(self.address), label) as answered:
            answer = await self._answered(body, named, label, ticket, user, timeout)
            answered(answer)
            return answer

    async def _answered(
        self, body: bytes, named: str | None, label: str, ticket: str | None, user: str | None, timeout: float | None
    ) -> Answer:
        begun, result = monotonic(), "cancelled"
        try:
            reply = await self.exchange(
                body,
                service_type=named,
                ticket=ticket,
                user=user,
                timeout=self._timeout if timeout is None else timeout,
            )
            try:
                answer = read_answer(reply.body, reply.properties, reply.ms)
            except (Malformed, ValueError):
                result = "unreadable"
                self._report(Report("unreadable", str(self.address), label))
                raise UnreadableAnswer(f"what {self.centre} answered is no answer of docs/wire.md") from None
            result = answer.value or "fault"
            return answer
        except AskingError as error:
            result = error.__class__.__name__
            raise
        finally:
            self.metrics.asked(str(self.address), label, result, monotonic() - begun)

    async def _begin_to_ask(self, asking: Asking) -> None:
        self._asks = True
        await asking.start()

    # --- supply -------------------------------------------------------------------------------------------------

    def supplies(self, service: str | Service, *, mode: names.Mode = "online") -> Callable[[_S], _S]:
        """Decorator: this function answers this service's questions (`Name/version`). `mode` `batch`: in its own time,
        as its availability row says; a question may be in hand 25 minutes.

        It gets a `Question` and returns data elements, or None for no data, or raises `UnknownSsin` or `Deceased`; a
        coroutine, or a plain function, which runs in a thread. Within `async with` it is asked from now on.
        """

        def register(supplier: _S) -> _S:
            self._suppliers[service, mode] = supplier
            if self._asking is not None:
                self._supply(service, mode, supplier)
            return supplier

        return register

    async def supplying(self) -> bool:
        """Wait until each supplier's queue, and that of the words, has been tried; whether all of them are taken from
        now. A patient institution waits for its broker first."""
        return all(await asyncio.gather(*self._supplying.values()))

    def _supply(self, named: str | Service, mode: names.Mode, supplier: Supplier) -> None:
        service = self._service(named)
        if f"{service.type} {mode}" in self._supplying:
            raise ValueError(f"{service.type} has a supplier already: register one function a service")
        transport = self._connect()
        if self._answering is None:
            self._answering = Answering(
                transport,
                self.address,
                self.centre,
                concurrency=self._concurrency,
                metrics=self.metrics,
                report=self._report,
                around=spans.supplying(self._tracer, str(self.address), self.centre, self._asked_of),
            )
        answering = self._answering
        self._supplying[f"{service.type} {mode}"] = asyncio.create_task(
            self._begin(transport, lambda: answering.add(service, supplier, mode))
        )

    def _asked_of(self, delivery: Delivery) -> str:
        """The service whose queue brought a question."""
        name, _, version = delivery.queue.removeprefix(f"{self.address}.").partition(".")[2].rpartition(".")
        return f"{name}/{version}"

    # --- be told --------------------------------------------------------------------------------------------------

    def receives(self, service: str | Service) -> Callable[[_R], _R]:
        """Decorator: this function gets what the centre tells unasked of this service (`Name/version`, of mode
        `mutation`): `SsinReplaced/1`, a number was replaced.

        It gets a `Word`, one after the other, in the order in which they were told, and returns when it has kept it:
        then the word is acked. What it raises is reported, and it gets the same word again, after 1 to 30 s; those
        behind it wait. A word whose service nobody here receives waits too. Of words with a position nobody waits for
        those: they are set aside, with what comes later about the same person. A word may come again after a kill or a
        lost connection, with the same `id`: what was done under an id must not be done twice. A coroutine, or a plain
        function, which runs in a thread. Within `async with` it is told from now on.
        """

        def register(receiver: _R) -> _R:
            self._receivers[service] = receiver
            if self._asking is not None:
                self._receive(service, receiver)
            return receiver

        return register

    def _receive(self, named: str | Service, receiver: Receiver) -> None:
        service = self._service(named)
        if service.mode != "mutation":
            raise ValueError(f"{service.type} is asked, not told: use supplies")
        transport = self._connect()
        if self._receiving is not None:
            self._receiving.add(service, receiver)
            return
        receiving = self._receiving = Receiving(
            transport,
            self.address,
            self.centre,
            self.catalogue,
            inbox=self._inbox,
            ask=self._catch_up,
            eager=self._durable,
            metrics=self.metrics,
            report=self._report,
            tracer=self._tracer,
        )
        receiving.ordered.missed = self._missed
        receiving.add(service, receiver)
        self._supplying[names.mutations(self.address)] = asyncio.create_task(self._begin(transport, receiving.begin))

    def missed(self, handler: Callable[[Missed], Awaitable[None]]) -> Callable[[Missed], Awaitable[None]]:
        """Decorator: this coroutine function is told of each word that cannot be had any more. `take` has it, when its
        owner is back."""
        self._missed = handler
        if self._receiving is not None:
            self._receiving.ordered.missed = handler
        return handler

    async def take(self, position: int) -> bool:
        """A word that was missed: its receiver gets it, marked `late`. Whether it could be had, and was taken; what the
        receiver fails on is set aside."""
        return await self._ordered().fetch(position)

    async def retry(self) -> int:
        """Hand what was set aside to the receivers again, as it is at the start and each hour; how many words are
        left."""
        return await self._ordered().retry()

    @property
    def behind(self) -> int:
        """Words that it knows of and has not applied."""
        return self._receiving.ordered.behind if self._receiving is not None else 0

    def _ordered(self) -> Ordered:
        if self._receiving is None:
            raise NotOpen("nothing is received: register a function with `receives`, within `async with`")
        return self._receiving.ordered

    async def _catch_up(self, criteria: Criteria) -> Answer:
        known = self._service(CATCH_UP)
        patience = max(self._timeout, known.deadline_ms / 1000 + 1)
        return await self.consult(known, ssin=None, legal_context=DISTRIBUTION, criteria=criteria, timeout=patience)

    # --- tell -----------------------------------------------------------------------------------------------------

    def mutation(
        self,
        service: str | Service,
        *,
        person: Ssin | str,
        period: Period,
        action: str,
        reference: str,
        legal_context: str,
        content: Sequence[etree._Element] = (),
        code: str | None = None,
        destinations: Sequence[Address] = (),
        ticket: str | None = None,
    ) -> Entry:
        """A mutation, built and valid, to be put into the outbox: with `publish`, or with the fact itself by
        `outbox.add(entry, connection)` in one transaction. Raises InvalidRequest, UnknownService, SsinError."""
        return entry(
            self._service(service),
            self.address,
            person=person if isinstance(person, Ssin) else Ssin.parse(person),
            period=period,
            action=action,
            reference=reference,
            legal_context=legal_context,
            content=list(content),
            code=code,
            destinations=tuple(destinations),
            ticket=ticket,
        )

    async def publish(self, mutation: Entry) -> int:
        """Put it into the outbox; its number. It is sent when those before it about this person have their verdicts;
        `verdicts` tells what became of it."""
        if self._outbox is None:
            raise NotOpen("no outbox: give the institution one, MemoryOutbox() or PostgresOutbox(url)")
        number = await self._outbox.add(mutation)
        if self._publishing is not None:
            self._publishing.wake()
        return number

    def wake(self) -> None:
        """Something was put into the outbox by its own code: it is sent now, not at the next look."""
        if self._publishing is not None:
            self._publishing.wake()

    def verdicts(self, handler: Callable[[Verdict], Awaitable[None]]) -> Callable[[Verdict], Awaitable[None]]:
        """Decorator: this coroutine function is told the hub's verdict on each mutation, and of a Z each recipient's
        definitive answer; at least once."""
        self._verdicts = handler
        if self._publishing is not None:
            self._publishing.handler = handler
        return handler

    async def _begin_to_tell(self, outbox: Outbox) -> None:
        """Send what stands in the outbox, and give it again to who catches up."""
        transport = await self._two_way()
        publishing = self._publishing = Publishing(transport, self.address, outbox, self._report, self._tracer)
        publishing.handler = self._verdicts
        (await self._reader()).on(PREFIX, publishing.take)
        publishing.start()
        if REPEAT in self.catalogue.services:
            self._supply(REPEAT, "online", partial(repeat, outbox))

    # --- the connections that answer and are told -----------------------------------------------------------------

    def _connect(self) -> Transport:
        if self._transport is None:
            made = self._wire.transport(self._observe)
            self._transport = made if self._tracer is None else TracedTransport(made, self._tracer)
            self._starting = asyncio.create_task(self._transport.start())
        return self._transport

    async def _begin(self, transport: Transport, begin: Callable[[], Awaitable[bool]]) -> bool:
        if self._starting is not None:
            await asyncio.shield(self._starting)
        while True:
            try:
                await transport.wait_connected(self._timeout)
                break
            except NotConnected:
                if not self._patient:
                    break
        return await begin()

    # --- life ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._catalogue is None:
            self._catalogue = await asyncio.to_thread(Catalogue.from_environment)
        self._stop.clear()
        if self._tracing is None and (traces := of_environment(f"institution {self.address}")) is not None:
            self._traces, self._tracer = traces, traces.tracer("institution")
        trouble = Trouble(self._observe)
        line = self._wire.line(trouble.observe)
        line = line if self._tracer is None else TracedLine(line, self._tracer)
        self._asking = Asking(line, trouble, str(self.address), self.centre, self.metrics)
        self._asks = False
        try:
            if not self._patient:
                await self._begin_to_ask(self._asking)
                await self._asking.let_in(self._timeout)
            for (service, mode), supplier in self._suppliers.items():
                self._supply(service, mode, supplier)
            for told, receiver in self._receivers.items():
                self._receive(told, receiver)
            if self._definitive.handler is not None:
                await self._reader()
            if self._outbox is not None:
                await self._begin_to_tell(self._outbox)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def serve(self, *, ready: Callable[[], None] | None = None, signals: bool = False) -> None:
        """Answer questions until `stop()`; with `signals`, until SIGTERM or Ctrl-C too. `ready` is called once every
        supplier's queue has been tried. Leaving `async with` then finishes what runs."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGTERM, signal.SIGINT) if signals else ()
        for each in caught:
            loop.add_signal_handler(each, self.stop)
        trying, stopping = asyncio.create_task(self.supplying()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((trying, stopping), return_when=asyncio.FIRST_COMPLETED)
            if trying.done():
                trying.result()
                if ready is not None:
                    ready()
            await stopping
        finally:
            for task in (trying, stopping):
                task.cancel()
            await asyncio.gather(trying, stopping, return_exceptions=True)
            for each in caught:
                loop.remove_signal_handler(each)

    def stop(self) -> None:
        """End `serve`."""
        self._stop.set()

    def run(self, *, ready: Callable[[], None] | None = None) -> None:
        """Be this institution until SIGTERM or Ctrl-C: then start nothing new, finish, ack, close. Does not return
        before. A broker that is not there yet is waited for; `ready` is called once questions are taken."""
        self._patient = True
        uvloop.run(self._main(ready))

    async def _main(self, ready: Callable[[], None] | None) -> None:
        async with self:
            await self.serve(ready=ready, signals=True)

    async def _close(self) -> None:
        """Drain, then close all connections. Questions that were asked end with the tasks that asked them."""
        for task in self._supplying.values():
            if not task.done():
                task.cancel()
        begun = [self._starting] if self._starting is not None else []
        await asyncio.gather(*self._supplying.values(), *begun, return_exceptions=True)
        self._supplying.clear()
        parts = (self._publishing, self._later, self._answering, self._receiving)
        await asyncio.gather(*(part.close() for part in parts if part is not None))
        if self._transport is not None:
            await self._transport.close()
        if self._asking is not None:
            await self._asking.close()
        if self._traces is not None:
            await self._traces.close()
            self._traces = self._tracer = None
        self._asking = self._transport = self._starting = None
        self._later = self._answering = self._receiving = self._publishing = None

    def _service(self, service: str | Service) -> Service:
        if isinstance(service, Service):
            return service
        found = self.catalogue.services.get(service)
        if found is None:
            known = ", ".join(sorted(self.catalogue.services)) or "none"
            raise UnknownService(
                f"no service {service!r}; there are: {known}. CROSSROADS_SERVICES adds folders of services"
            )
        return found


def _amqp(address: Address, url: str | Sequence[str] | None) -> Wire:
    if url is None:
        from institutions.settings import Settings  # takes long to import, and is of no use where a URL was given

        url = Settings().access(address).urls  # of the environment
    return AmqpWire((url,) if isinstance(url, str) else url, f"institution {address}")
