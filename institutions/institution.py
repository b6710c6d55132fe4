"""An institution on the network: it asks, it supplies. `docs/institutions.md` is the guide."""

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

import uvloop

from institutions.answer import Answer, read_answer
from institutions.answering import Answering
from institutions.asking import Asking, Reply
from institutions.errors import AskingError, NotOpen, UnknownService, UnreadableAnswer
from institutions.metrics import Metrics
from institutions.question import Supplier
from institutions.receiving import Receiving
from institutions.report import Report, Reporter, log_report
from institutions.request import Ask, Criteria, build
from institutions.wire import AmqpWire, Trouble, Wire
from institutions.word import Receiver
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import read_head
from schemas.parser import Malformed, parse
from schemas.period import Period
from schemas.service import Service
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.client.reporting import log_event
from schemas.wire.transport import NotConnected, Observer, Transport

#: Seconds that a caller waits for its answer, unless it says otherwise.
TIMEOUT = 5.0
#: Questions worked on at a time.
CONCURRENCY = 50

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
    observe, report: told of the wire and of what goes wrong with single questions; by default it is logged.
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
    ) -> None:
        self.address = address if isinstance(address, Address) else Address.parse(address)
        self.centre = centre or (f"{self.address.sector}-0" if self.address.is_cooperating else names.HUB)
        self.metrics = metrics if metrics is not None else Metrics()
        self._timeout, self._patient, self._concurrency = timeout, patient, concurrency
        self._observe, self._report = observe, report
        self._catalogue = catalogue
        self._wire = wire if wire is not None else _amqp(self.address, url)
        self._suppliers: dict[str | Service, Supplier] = {}
        self._supplying: dict[str, asyncio.Task[bool]] = {}
        self._receivers: dict[str | Service, Receiver] = {}
        self._asking: Asking | None = None
        #: Whether the connection for asking was begun.
        self._asks = False
        self._transport: Transport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._answering: Answering | None = None
        self._receiving: Receiving | None = None
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
        ssin: Ssin | str,
        legal_context: str,
        period: Period | None = None,
        criteria: Criteria | None = None,
        ticket: str | None = None,
        user: str | None = None,
        customer: Address | str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Ask about a person, and return the one answer; a refusal is one too.

        What was lost on the way is asked again under the same ticket, until `timeout` seconds. Raises `InvalidRequest`,
        `UnknownService` and `SsinError` with nothing sent; `OverLimit`, `NoAnswer`, `Unreachable`, `NotAllowed`.
        """
        known = self._service(service)
        asked_for = self.address if customer is None else customer
        ask = Ask(
            service=known,
            customer=asked_for if isinstance(asked_for, Address) else Address.parse(asked_for),
            ticket=ticket if ticket is not None else str(uuid.uuid4()),
            ssin=ssin if isinstance(ssin, Ssin) else Ssin.parse(ssin),
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

    async def _ask(
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

    def supplies(self, service: str | Service) -> Callable[[_S], _S]:
        """Decorator: this function answers this service's questions (`Name/version`).

        It gets a `Question` and returns data elements, or None for no data, or raises `UnknownSsin` or `Deceased`; a
        coroutine, or a plain function, which runs in a thread. Within `async with` it is asked from now on.
        """

        def register(supplier: _S) -> _S:
            self._suppliers[service] = supplier
            if self._asking is not None:
                self._supply(service, supplier)
            return supplier

        return register

    async def supplying(self) -> bool:
        """Wait until each supplier's queue, and that of the words, has been tried; whether all of them are taken from
        now. A patient institution waits for its broker first."""
        return all(await asyncio.gather(*self._supplying.values()))

    def _supply(self, named: str | Service, supplier: Supplier) -> None:
        service = self._service(named)
        if service.type in self._supplying:
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
            )
        answering = self._answering
        self._supplying[service.type] = asyncio.create_task(
            self._begin(transport, lambda: answering.add(service, supplier))
        )

    # --- be told --------------------------------------------------------------------------------------------------

    def receives(self, service: str | Service) -> Callable[[_R], _R]:
        """Decorator: this function gets what the centre tells unasked of this service (`Name/version`, of mode
        `mutation`): `SsinReplaced/1`, a number was replaced.

        It gets a `Word`, one after the other, in the order in which they were told, and returns when it has kept it:
        then the word is acked. What it raises is reported, and it gets the same word again, after 1 to 30 s; those
        behind it wait. A word whose service nobody here receives waits too. A word may come again after a kill or a
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
            transport, self.address, self.centre, self.catalogue, metrics=self.metrics, report=self._report
        )
        receiving.add(service, receiver)
        self._supplying[names.mutations(self.address)] = asyncio.create_task(self._begin(transport, receiving.begin))

    # --- the connections that answer and are told -----------------------------------------------------------------

    def _connect(self) -> Transport:
        if self._transport is None:
            self._transport = self._wire.transport(self._observe)
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
        trouble = Trouble(self._observe)
        line = self._wire.line(trouble.observe)
        self._asking = Asking(line, trouble, str(self.address), self.centre, self.metrics)
        self._asks = False
        try:
            if not self._patient:
                await self._begin_to_ask(self._asking)
                await self._asking.let_in(self._timeout)
            for service, supplier in self._suppliers.items():
                self._supply(service, supplier)
            for service, receiver in self._receivers.items():
                self._receive(service, receiver)
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
        await asyncio.gather(*(part.close() for part in (self._answering, self._receiving) if part is not None))
        if self._transport is not None:
            await self._transport.close()
        if self._asking is not None:
            await self._asking.close()
        self._asking = self._transport = self._starting = self._answering = self._receiving = None

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
