"""The double: it takes requests as a hub does, asks the institutions that supply, and answers."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import UUID

from lxml import etree

from institutions.double.broker import MemoryBroker, MemoryLine, MemoryTransport
from institutions.double.register import ANY_QUALITY, Authorisation, Refused, Register, Told, row_of
from institutions.institution import Institution
from institutions.question import Raw
from institutions.reading import Wrong, known_service, read
from institutions.supply import say
from schemas.address import Address
from schemas.answers import fault, refusal
from schemas.catalogue import Catalogue, Service
from schemas.codes import CODES
from schemas.message import Request, read_head
from schemas.parser import Information
from schemas.parts import PartAnswer, combine
from schemas.period import Period, today
from schemas.splice import put_information_cbss
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss, ticket_cbss_of_message
from schemas.verification import Accepted, to_tell, verify
from schemas.violation import Violation
from schemas.wire import names
from schemas.wire.exchange import Received, receive
from schemas.wire.transport import Delivery, Observer, Properties, Unroutable

#: Seconds after the deadline in which a late answer is still told from silence.
GRACE = 0.3
#: The address that answers what a test programmed, in a service with several suppliers.
_PROGRAMMED = Address(0, 0)


@dataclass(slots=True)
class _Question:
    """A question to one supplier, waiting."""

    supplier: Address
    future: "asyncio.Future[bytes]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What of a request was found so far."""

    received: datetime
    begun: float
    ticket: UUID
    customer: Address


class _MemoryWire:
    """An institution's way to the double."""

    def __init__(self, broker: MemoryBroker, user: str) -> None:
        self._broker, self._user = broker, user

    def line(self, observe: Observer) -> MemoryLine:
        return self._broker.line(self._user)

    def transport(self, observe: Observer) -> MemoryTransport:
        return self._broker.transport(self._user)


class HubDouble:
    """A hub in memory. Told nothing, it lets everybody ask everything; see docs/institutions.md.

    catalogue: the services; those of the environment by default.
    deadline: seconds that suppliers get, instead of the services' own: a test of silence need not wait.
    """

    def __init__(self, *, catalogue: Catalogue | None = None, deadline: float | None = None) -> None:
        self.catalogue = catalogue if catalogue is not None else Catalogue.from_environment()
        self.register = Register()
        self._deadline = deadline
        self._broker = MemoryBroker(self._request, self._reply)
        self._questions: dict[str, _Question] = {}
        self._tickets: dict[UUID, bytes] = {}
        self._running: dict[tuple[UUID, bytes], asyncio.Task[tuple[bytes, str, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._twice = 0
        #: Requests taken, by service type; what a test looks at.
        self.asked: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (*self._tasks, *self._running.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._running.values(), return_exceptions=True)

    # --- what a test says ---------------------------------------------------------------------------------------

    def institution(self, address: Address | str, *, active: bool = True, timeout: float = 5.0) -> Institution:
        """An institution of this network: the real class, on a wire in memory."""
        known = _address(address)
        self.register.institutions[known] = active
        return Institution(
            known,
            wire=_MemoryWire(self._broker, str(known)),
            catalogue=self.catalogue,
            centre=names.HUB,
            timeout=timeout,
        )

    def answer(
        self, service_type: str, ssin: Ssin | str | None, data: Sequence[etree._Element] | etree._Element | bytes
    ) -> None:
        """The hub gives these data of this person (None: of anybody), as if of a supplier: elements, or their bytes."""
        if isinstance(data, bytes):
            told = Told(raw=Raw(data))
        else:
            told = Told(data=(data,) if isinstance(data, etree._Element) else tuple(data))
        self._program(service_type, ssin, told)

    def refuse(self, service_type: str, ssin: Ssin | str | None, code: str, information: Information = ()) -> None:
        """The hub refuses with this code (or a supplier does: MSG00100, MSG00005, MSG00009)."""
        self._program(service_type, ssin, Told(code=code, information=information))

    def silent(self, service_type: str, ssin: Ssin | str | None = None) -> None:
        """The only supplier says nothing: CRB00010 at the deadline."""
        self._program(service_type, ssin, Told(silent=True))

    def integrate(
        self,
        ssin: Ssin | str,
        address: Address | str,
        *,
        quality: int = ANY_QUALITY,
        begin: date = date(2000, 1, 1),
        end: date | None = None,
        replaced_by: Ssin | str | None = None,
    ) -> None:
        """This sector and type knows this person. From now on nobody is known where nobody said so."""
        new = _ssin(replaced_by) if replaced_by is not None else None
        kind = _address(address).kind
        self.register.integrate(row_of(_ssin(ssin), kind, quality, Period(begin, end), new))

    def authorise(
        self,
        customer: Address | str,
        service_type: str,
        legal_context: str,
        *,
        qualities: Sequence[int] = (ANY_QUALITY,),
        suppliers: Sequence[Address | str] | None = None,
    ) -> None:
        """This sector and type may ask this (of these suppliers). From now on nobody may where nobody said so."""
        asked = None if suppliers is None else tuple(_address(supplier) for supplier in suppliers)
        self.register.authorise(
            Authorisation(_address(customer).kind, service_type, legal_context, frozenset(qualities), asked)
        )

    def lose_connections(self, address: Address | str | None = None) -> None:
        """An institution's connections (None: everybody's) drop and come back: answers on the way are lost, questions
        come again."""
        self._broker.lose_connections(None if address is None else str(address))

    def refuse_publishes(self, count: int = 1) -> None:
        """The broker refuses the next publishes: the sender's queue is full."""
        self._broker.refused = count

    def unconfirm_publishes(self, count: int = 1) -> None:
        """The broker takes the next publishes and never says so."""
        self._broker.unconfirmed = count

    def answer_twice(self, count: int = 1) -> None:
        """The next answers are delivered twice."""
        self._twice = count

    def go_down(self, *, down: bool = True) -> None:
        """No broker can be reached, or it can again."""
        self._broker.down = down

    def put_question(self, service_type: str, supplier: Address | str, body: bytes, properties: Properties) -> None:
        """Put any message into a supplier's queue, as nobody but a hub could."""
        self._broker.deliver(names.supplier_queue(str(supplier), "online", service_type), body, properties)

    def answer_as(self, user: str, body: bytes, properties: Properties, institution: Institution) -> None:
        """Deliver any answer to an institution's line, as nobody but a broker could."""
        self._broker.answer(str(institution.address), body, replace(properties, user_id=user))

    def _program(self, service_type: str, ssin: Ssin | str | None, told: Told) -> None:
        if service_type not in self.catalogue.services:
            raise KeyError(f"no service {service_type} in the catalogue: {', '.join(sorted(self.catalogue.services))}")
        self.register.programmed[service_type, None if ssin is None else _ssin(ssin).digits] = told

    # --- what a hub does ----------------------------------------------------------------------------------------

    def _request(
        self, sender: str, body: bytes, properties: Properties, answer: Callable[[bytes, Properties], None]
    ) -> None:
        task = asyncio.create_task(self._serve(Address.parse(sender), body, properties, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, sender: Address, body: bytes, properties: Properties, answer: Callable[[bytes, Properties], None]
    ) -> None:
        told, kind, filtered = await self._exchange(sender, body, properties)
        sent = Properties(
            user_id=names.HUB,
            correlation_id=properties.correlation_id,
            type=kind,
            headers={"filtered": filtered} if filtered else {},
        )
        answer(told, sent)
        if self._twice:
            self._twice -= 1
            answer(told, sent)

    async def _exchange(self, sender: Address, body: bytes, properties: Properties) -> tuple[bytes, str, str]:
        """Checks 1 to 9, then the rest, once for each ticket and content at a time."""
        named = replace(properties, reply_to=names.answers(sender))
        received = receive(Delivery(body, names.ingress(sender), named, False, 0, 0))
        if not isinstance(received, Received):
            raise TypeError("the double's own reply_to is one that may be told")
        began = _Exchange(datetime.now(UTC), monotonic(), _ticket(sender, None, properties), sender)
        if received.code is not None or received.root is None:
            return self._fault(None, received.code or "CRB00003", received.root, began, [received.information])
        if sender not in self.register.institutions or not self.register.institutions[sender]:
            known = sender in self.register.institutions
            return self._fault(None, "CRB00006" if known else "CRB00005", received.root, began)
        service = known_service(self.catalogue, properties.type, received.root)
        if isinstance(service, Wrong):
            return self._fault(None, service.code, received.root, began)
        head = read_head(received.root)
        if head.cbe not in (None, sender.cbe) or head.sector_institution not in (None, sender.kind):
            return self._fault(service, "CRB00007", received.root, began)
        exchange = replace(began, ticket=_ticket(sender, head.ticket, properties))
        request = read(service, body, received.root)
        if isinstance(request, Wrong):
            if request.fault:
                return self._fault(service, request.code, received.root, exchange, request.details)
            return self._refused(service, received.root, exchange, request.code, request.information)
        key = (exchange.ticket, received.digest)
        if (running := self._running.get(key)) is None:
            running = asyncio.create_task(self._decide(*request, exchange, received.digest))
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)

    async def _decide(self, request: Request, ssin: Ssin, exchange: _Exchange, digest: bytes) -> tuple[bytes, str, str]:
        """Checks 13 to 17, suppliers, answer."""
        service, asked = request.service, request.asked or Period(today(), today())
        customer, legal_context = exchange.customer, request.head.legal_context or ""
        refused = self.register.may_ask(customer, service.type, legal_context, ssin, asked, service.period_rule)
        told = self.register.told(service.type, ssin)
        named = self.register.suppliers(customer, service.type, legal_context)
        suppliers = [a for a in named or self._suppliers(service) if self.register.holds(a, ssin, asked)]
        if refused is None and told is None and not suppliers:
            refused = Refused("MSG00021")
        if self._tickets.setdefault(exchange.ticket, digest) != digest:
            return self._fault(service, "CRB00009", request.root, exchange)
        if refused is not None:
            return self._refused(service, request.root, exchange, refused.code, refused.information)
        self.asked.append(service.type)
        if told is not None:
            return await self._programmed(request, exchange, told)
        return await self._ask(request, exchange, suppliers)

    async def _programmed(self, request: Request, exchange: _Exchange, told: Told) -> tuple[bytes, str, str]:
        service = request.service
        if told.silent:
            await asyncio.sleep(self._patience(service))
            return self._fault(service, "CRB00010", request.root, exchange)
        if told.code is not None:
            if is_fault(told.code):
                return self._fault(service, told.code, request.root, exchange, [told.information])
            return self._refused(service, request.root, exchange, told.code, told.information)
        forwarded = put_information_cbss(request.body, exchange.ticket, exchange.received, datetime.now(UTC))
        found = told.raw if told.raw is not None else [e for e in told.data if isinstance(e, etree._Element)]
        said = say(service, _PROGRAMMED, forwarded, found)
        return self._collected(request, exchange, [(_PROGRAMMED, said.body)])

    async def _ask(self, request: Request, exchange: _Exchange, suppliers: Sequence[Address]) -> tuple[bytes, str, str]:
        body = put_information_cbss(request.body, exchange.ticket, exchange.received, datetime.now(UTC))
        numbered = enumerate(suppliers, 1)
        answers = await asyncio.gather(*(self._ask_one(request, exchange, body, n, a) for n, a in numbered))
        if request.service.combine is None and len(answers) == 1 and answers[0][1] == b"":
            return self._fault(request.service, "CRB00011", request.root, exchange)
        return self._collected(request, exchange, [(a, reply or None) for a, reply in answers])

    async def _ask_one(
        self, request: Request, exchange: _Exchange, body: bytes, part: int, supplier: Address
    ) -> tuple[Address, bytes | None]:
        """A supplier's reply; None: silent, empty: late."""
        service, patience = request.service, self._patience(request.service)
        correlation_id = f"{exchange.ticket}/{part}"
        question = _Question(supplier, asyncio.get_running_loop().create_future())
        self._questions[correlation_id] = question
        headers = {"deadline_ms": int(patience * 1000), "customer": str(exchange.customer)}
        properties = Properties(
            user_id=names.HUB,
            correlation_id=correlation_id,
            reply_to=names.reply_queue(uuid.UUID(int=0)),
            type=service.type,
            expiration_ms=int(patience * 1000),
            headers=headers,
        )
        try:
            self._broker.deliver(names.supplier_queue(supplier, "online", service.type), body, properties)
            done, _ = await asyncio.wait({question.future}, timeout=patience)
            if done:
                return supplier, question.future.result()
            done, _ = await asyncio.wait({question.future}, timeout=GRACE)
            return supplier, b"" if done else None
        except Unroutable:
            return supplier, None
        finally:
            del self._questions[correlation_id]

    def _reply(self, user: str, key: str, body: bytes, properties: Properties) -> None:
        question = self._questions.get(properties.correlation_id or "")
        if question is not None and str(question.supplier) == user and not question.future.done():
            question.future.set_result(body)

    def _collected(
        self, request: Request, exchange: _Exchange, answers: Sequence[tuple[Address, bytes | None]]
    ) -> tuple[bytes, str, str]:
        service = request.service
        verified = [(a, verify(request, exchange.ticket, reply, ()) if reply else None) for a, reply in answers]
        now = datetime.now(UTC)
        if service.combine is not None:
            parts = [PartAnswer(a, v.body if isinstance(v, Accepted) and not v.fault else None) for a, v in verified]
            done = combine(service, request.root, parts, exchange.ticket, exchange.received, now)
            return done.body, done.kind, ""
        if len(verified) > 1:
            return self._fault(service, "MSG00003", request.root, exchange)
        found = verified[0][1]
        if isinstance(found, Accepted):
            body, untold = to_tell(service, found, exchange.ticket, exchange.received, now)
            return body, "fault" if found.fault else "response", ",".join(untold)
        code = "CRB00010" if found is None or found.code == "CRB00013" else found.code
        return self._fault(service, code, request.root, exchange)

    def _suppliers(self, service: Service) -> list[Address]:
        """Institutions that ever took questions of this service here, in the order of their addresses."""
        ending = "." + names.supplier_queue("", "online", service.type).lstrip(".")
        taken = [queue.removesuffix(ending) for queue in self._broker.queues if queue.endswith(ending)]
        return sorted(Address.parse(address) for address in taken)

    def _patience(self, service: Service) -> float:
        return self._deadline if self._deadline is not None else service.deadline_ms / 1000

    def _fault(
        self,
        service: Service | None,
        code: str,
        root: etree._Element | None,
        exchange: _Exchange,
        details: Sequence[Violation | Information] = (),
    ) -> tuple[bytes, str, str]:
        body = fault(
            service,
            code,
            head_root=root,
            ticket_cbss=exchange.ticket,
            received=exchange.received,
            replied=datetime.now(UTC),
            details=details,
        )
        return body, "fault", ""

    def _refused(
        self, service: Service, root: etree._Element, exchange: _Exchange, code: str, information: Information
    ) -> tuple[bytes, str, str]:
        body = refusal(
            service,
            root,
            code,
            ticket_cbss=exchange.ticket,
            received=exchange.received,
            replied=datetime.now(UTC),
            information=information,
        )
        return body, "response", ""


def is_fault(code: str) -> bool:
    """Whether this code is told by a fault."""
    return code in CODES and CODES[code].kind == "fault"


def _address(address: Address | str) -> Address:
    return address if isinstance(address, Address) else Address.parse(address)


def _ssin(number: Ssin | str) -> Ssin:
    return number if isinstance(number, Ssin) else Ssin.parse(number)


def _ticket(sender: Address, ticket: str | None, properties: Properties) -> UUID:
    if ticket is not None:
        return ticket_cbss(sender, ticket)
    return ticket_cbss_of_message(sender, properties.message_id or properties.correlation_id or "")
