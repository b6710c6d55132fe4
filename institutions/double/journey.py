"""A request's way through the double: the checks of docs/wire.md in their order, the suppliers, the answer."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from lxml import etree

from institutions.double.broker import MemoryBroker
from institutions.double.register import Refused, Register, Told
from institutions.passage import Passage, arrival, key_of
from institutions.passage import Told as Answer
from institutions.reading import Wrong, known_service, read
from institutions.supply import GRACE, say
from schemas.address import Address
from schemas.catalogue import Catalogue, Service
from schemas.codes import CODES
from schemas.message import Request, read_head
from schemas.parts import PartAnswer, combine
from schemas.period import Period, today
from schemas.splice import put_information_cbss
from schemas.ssin import Ssin
from schemas.verification import Accepted, to_tell, verify
from schemas.wire import names
from schemas.wire.exchange import Received, receive
from schemas.wire.transport import Delivery, Properties, Unroutable

#: The address that answers what a test programmed, in a service with several suppliers.
_PROGRAMMED = Address(0, 0)
_LATE = b""


@dataclass(slots=True)
class _Question:
    """A question to one supplier, waiting."""

    supplier: Address
    future: "asyncio.Future[bytes]" = field(repr=False)


class Journey:
    """Takes requests. `patience`: seconds that suppliers get, instead of what each service says."""

    def __init__(self, register: Register, catalogue: Catalogue, broker: MemoryBroker, patience: float | None) -> None:
        self._register, self._catalogue, self._broker, self._patience = register, catalogue, broker, patience
        self._questions: dict[str, _Question] = {}
        #: What each ticket was used for.
        self._tickets: dict[UUID, bytes] = {}
        self._running: dict[tuple[UUID, bytes], asyncio.Task[Answer]] = {}
        #: Requests that went on to suppliers, by service type.
        self.asked: list[str] = []

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def walk(self, sender: Address, body: bytes, properties: Properties) -> Answer:
        """The one answer to a request; the same ticket and content at a time are one exchange."""
        named = replace(properties, reply_to=names.answers(sender))
        delivery = Delivery(body, names.ingress(sender), named, False, 0, 0)
        received = receive(delivery)
        if not isinstance(received, Received):
            raise TypeError("the double's own reply_to is one that may be told")
        head = read_head(received.root) if received.root is not None else None
        ticket = key_of(sender, head.ticket if head is not None else None, received, named)
        passage = Passage(ticket, arrival(delivery), received.root)
        read_so_far = self._read(passage, received, body, properties.type)
        if isinstance(read_so_far, Answer):
            self._tickets.setdefault(ticket, received.digest)
            return read_so_far
        key = (ticket, received.digest)
        if (running := self._running.get(key)) is None:
            running = asyncio.create_task(self._decide(passage, sender, *read_so_far, received.digest))
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)

    def reply(self, user: str, key: str, body: bytes, properties: Properties) -> None:
        """A supplier's answer; another's is not heard."""
        question = self._questions.get(properties.correlation_id or "")
        if question is not None and str(question.supplier) == user and not question.future.done():
            question.future.set_result(body)

    def _read(
        self, passage: Passage, received: Received, body: bytes, type_: str | None
    ) -> tuple[Request, Ssin] | Answer:
        """Checks 1 to 12."""
        sender, root = received.sender, received.root
        if received.code is not None or root is None:
            return passage.fault(received.code or "CRB00003", [received.information])
        active = self._register.institutions.get(sender)
        if not active:
            return passage.fault("CRB00005" if active is None else "CRB00006")
        service = known_service(self._catalogue, type_, root)
        if isinstance(service, Wrong):
            return passage.fault(service.code)
        passage.service, head = service, read_head(root)
        if head.cbe not in (None, sender.cbe) or head.sector_institution not in (None, sender.kind):
            return passage.fault("CRB00007")
        request = read(service, body, root)
        if isinstance(request, Wrong):
            if request.fault:
                return passage.fault(request.code, request.details)
            return passage.refusal(request.code, request.information)
        valid, ssin = request
        # The double has neither a repertory to change nor registers to search.
        return passage.fault("CRB00008") if ssin is None or service.answered_by == "hub" else (valid, ssin)

    async def _decide(self, passage: Passage, customer: Address, request: Request, ssin: Ssin, digest: bytes) -> Answer:
        """Checks 13 to 17, suppliers, answer."""
        service, asked = request.service, request.asked or Period(today(), today())
        legal_context = request.head.legal_context or ""
        refused = self._register.may_ask(customer, service.type, legal_context, ssin, asked, service.period_rule)
        told = self._register.told(service.type, ssin)
        named = self._register.suppliers(customer, service.type, legal_context)
        suppliers = [a for a in named or self._taking(service) if self._register.holds(a, ssin, asked)]
        if refused is None and told is None and not suppliers:
            refused = Refused("MSG00021")
        # Every verdict uses up its ticket; what fails another check is told of that.
        used_for = self._tickets.setdefault(passage.ticket_cbss, digest)
        if refused is not None:
            return passage.refusal(refused.code, refused.information)
        if used_for != digest:
            return passage.fault("CRB00009")
        self.asked.append(service.type)
        if told is not None:
            return await self._programmed(passage, request, told)
        return await self._ask(passage, request, customer, suppliers)

    async def _programmed(self, passage: Passage, request: Request, told: Told) -> Answer:
        service = request.service
        if told.silent:
            await asyncio.sleep(self._seconds(service))
            return passage.fault("CRB00010")
        if told.code is not None:
            if told.code in CODES and CODES[told.code].kind == "fault":
                return passage.fault(told.code, [told.information])
            return passage.refusal(told.code, told.information)
        forwarded = put_information_cbss(request.body, passage.ticket_cbss, passage.at, datetime.now(UTC))
        found = told.raw if told.raw is not None else [e for e in told.data if isinstance(e, etree._Element)]
        said = say(service, _PROGRAMMED, forwarded, found)
        return self._collected(passage, request, [(_PROGRAMMED, said.body)])

    async def _ask(self, passage: Passage, request: Request, customer: Address, suppliers: Sequence[Address]) -> Answer:
        body = put_information_cbss(request.body, passage.ticket_cbss, passage.at, datetime.now(UTC))
        questions = (
            self._ask_one(request.service, customer, supplier, f"{passage.ticket_cbss}/{part}", body)
            for part, supplier in enumerate(suppliers, 1)
        )
        return self._collected(passage, request, list(zip(suppliers, await asyncio.gather(*questions), strict=True)))

    async def _ask_one(
        self, service: Service, customer: Address, supplier: Address, correlation_id: str, body: bytes
    ) -> bytes | None:
        """A supplier's reply; None: silent, `_LATE`: late."""
        seconds = self._seconds(service)
        question = _Question(supplier, asyncio.get_running_loop().create_future())
        self._questions[correlation_id] = question
        properties = Properties(
            user_id=names.HUB,
            correlation_id=correlation_id,
            reply_to=names.reply_queue(uuid.UUID(int=0)),
            type=service.type,
            expiration_ms=int(seconds * 1000),
            headers={"deadline_ms": int(seconds * 1000), "customer": str(customer)},
        )
        try:
            self._broker.deliver(names.supplier_queue(supplier, "online", service.type), body, properties)
            done, _ = await asyncio.wait({question.future}, timeout=seconds)
            if done:
                return question.future.result()
            done, _ = await asyncio.wait({question.future}, timeout=GRACE)
            return _LATE if done else None
        except Unroutable:
            return None
        finally:
            del self._questions[correlation_id]

    def _collected(self, passage: Passage, request: Request, answers: Sequence[tuple[Address, bytes | None]]) -> Answer:
        service, now = request.service, datetime.now(UTC)
        verified = [(a, verify(request, passage.ticket_cbss, reply, ()) if reply else None) for a, reply in answers]
        if service.combine is not None:
            parts = [PartAnswer(a, v.body if isinstance(v, Accepted) and not v.fault else None) for a, v in verified]
            done = combine(service, request.root, parts, passage.ticket_cbss, passage.at, now)
            return passage.told(done.body, done.kind)
        if len(verified) > 1:
            return passage.fault("MSG00003")
        found = verified[0][1]
        if isinstance(found, Accepted):
            body, untold = to_tell(service, found, passage.ticket_cbss, passage.at, now)
            return passage.told(body, "fault" if found.fault else "response", filtered=",".join(untold))
        if found is None:
            return passage.fault("CRB00011" if answers[0][1] == _LATE else "CRB00010")
        return passage.fault("CRB00010" if found.code == "CRB00013" else found.code)

    def _taking(self, service: Service) -> list[Address]:
        """Institutions that ever took questions of this service here, in the order of their addresses."""
        ending = f".online.{service.name}.{service.version}"
        taken = [queue.removesuffix(ending) for queue in self._broker.queues if queue.endswith(ending)]
        return sorted(Address.parse(address) for address in taken)

    def _seconds(self, service: Service) -> float:
        return self._patience if self._patience is not None else service.deadline_ms / 1000
