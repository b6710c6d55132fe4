"""A consultation's journey: one message through the rooms, in the order of docs/hub.md."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from lxml import etree

from hub.admission import Admitted, Asked, Refused, authorise, decide, decide_without_person, interface
from hub.barrier import Barrier
from hub.consultation import FAULT, Consultation, Told, key_of, unread
from hub.control import BOOKKEEPING, PAUSED, QUIET, Control, Controls
from hub.exchange import Unanswerable, receive
from hub.journal import Journal, OtherContent, Outcome, Repeat
from hub.later import Questions
from hub.metrics import INCOMPLETE, UNKNOWN, Metrics
from hub.own import OWN, OwnService
from hub.own.acting import Acting, AskedError, Asking, Foreseen
from hub.own.service import Call, Ending
from hub.queries import QUERIES
from hub.repertory.persons import Persons
from hub.repertory.rules import Authorisation, Rules
from hub.settings import Settings
from hub.suppliers import Heard, Suppliers, took
from hub.verification import Accepted, Rejected, to_tell, verify
from schemas import answers, splice
from schemas.address import Address, AddressError
from schemas.catalogue import Catalogue
from schemas.codes import CODES
from schemas.errors import CrossroadsError
from schemas.message import Request, read_head, read_request, read_status, text_at
from schemas.parser import MAX_ONLINE
from schemas.parts import PartAnswer, combine
from schemas.period import today
from schemas.process import log
from schemas.service import Service
from schemas.ssin import Ssin, SsinError
from schemas.violation import Violation
from schemas.wire import names
from schemas.wire.intake import Park
from schemas.wire.transport import Delivery

#: Bytes of an answer that several suppliers made together.
_MAX_COMBINED = 16 * MAX_ONLINE

_Answer = Callable[[Consultation], Awaitable[Told | Park]]


class JourneyError(CrossroadsError):
    """The hub's own rules or code do not hold together: MSG00003. The text names the service, never a person."""


@dataclass(frozen=True, slots=True)
class Breach:
    """The request breaks its service's schema."""

    violations: tuple[Violation, ...]


class Journey:
    """Walks messages. Holds nothing between two of them but who is walking."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        rules: Callable[[], Rules],
        persons: Persons,
        journal: Journal,
        suppliers: Suppliers,
        acting: Acting,
        questions: Questions,
        barrier: Barrier,
        metrics: Metrics,
        settings: Settings,
        in_flight: Callable[[], int],
        controls: Callable[[], Controls] = lambda: QUIET,
    ) -> None:
        self._controls = controls
        self._catalogue, self._rules, self._persons, self._journal = catalogue, rules, persons, journal
        self._suppliers, self._acting, self._metrics = suppliers, acting, metrics
        #: What a call gives, however long its store is down.
        self.stored = barrier.stored
        self._questions = questions
        self._settings, self._in_flight = settings, in_flight
        self._walking: dict[UUID, tuple[asyncio.Lock, int]] = {}

    async def walk(
        self,
        delivery: Delivery,
        mode: str = "online",
        answer: _Answer | None = None,
        controls: Controls | None = None,
    ) -> Told | Park:
        """The answer to a delivery from an ingress queue. When this returns its outcome is in the journal.

        mode: of the services that are served by this queue. answer: the steps 3 and after, where they are other ones.
        controls: what is paused for it, where that is not what is paused now.
        """
        failure: Exception | None = None
        with self._metrics.step("exchange"):
            try:
                consultation = self._open(delivery, mode)
            except Exception as error:  # noqa: BLE001 (as below, of a message that could not even be read)
                failure, consultation = error, unread(delivery)
        if isinstance(consultation, Unanswerable):
            log.logger().warning("parked", queue=delivery.queue, reason=consultation.reason)
            return Park(consultation.reason)
        consultation.controls = controls
        service = UNKNOWN if consultation.service is None else consultation.service.type
        self._metrics.of_services[service] += 1
        try:
            with structlog.contextvars.bound_contextvars(ticket=str(consultation.ticket_cbss)):
                async with self._alone(consultation.ticket_cbss):
                    try:
                        if failure is not None:
                            raise failure
                        return await (self._answer if answer is None else answer)(consultation)
                    except Exception as error:  # noqa: BLE001 (a bug in one message must cost that message alone)
                        return await self._failed(consultation, error)
        finally:
            self._metrics.of_services[service] -= 1

    # --- steps 1 and 2 ---------------------------------------------------------------------------------------------

    def _open(self, delivery: Delivery, mode: str) -> Consultation | Unanswerable:
        received = receive(delivery)
        if isinstance(received, Unanswerable):
            return received
        root, given = received.root, delivery.properties
        head = read_head(root) if root is not None else None
        service = self._service(given.type, str(root.tag), mode) if root is not None else None
        verdict: Address | Refused
        if received.code is not None:
            verdict = Refused(received.code, received.information)
        else:
            verdict = interface(
                self._rules(),
                received.sender,
                service_known=service is not None,
                cbe=head.cbe if head is not None else None,
                sector_institution=head.sector_institution if head is not None else None,
            )
        customer = verdict if isinstance(verdict, Address) else None
        ticket = head.ticket if head is not None else None
        lot = names.comes_later(delivery.queue)
        # A lot's deadlines count from when the hub begins with one: it may have waited for its turn.
        begun = monotonic() if lot else delivery.at
        return Consultation(
            received=received,
            body=delivery.body,
            at=datetime.now(UTC) - timedelta(seconds=monotonic() - begun),
            begun=begun,
            service=service,
            head=head,
            customer=customer,
            ticket_cbss=key_of(received.sender, customer, ticket, received, given),
            refused=verdict if isinstance(verdict, Refused) else None,
            lot=lot,
            correlation_id=given.correlation_id,
            redelivered=delivery.redelivered,
        )

    def _service(self, type_: str | None, root: str, mode: str) -> Service | None:
        service = self._catalogue.find(type_, root)
        return service if service is not None and service.mode == mode else None

    # --- steps 3 to 7 ----------------------------------------------------------------------------------------------

    async def _answer(self, consultation: Consultation) -> Told:
        if self._in_flight() > self._settings.max_in_flight:
            return await self._busy(consultation, "in hand")
        if consultation.refused is not None:
            return await self.refuse(consultation, consultation.refused)
        controls = consultation.controls = consultation.controls or self._controls()
        if not controls.quiet and (told := await self.paused(consultation)) is not None:
            return told
        with self._metrics.step("decision"):
            asked = self.read(consultation)
        if isinstance(asked, Refused | Breach):
            return await self.refuse(consultation, asked)
        request, question = asked
        with self._metrics.step("decision"):
            rules = self._rules()
            fitting = authorise(rules, question)
        if isinstance(fitting, Refused):
            return await self.refuse(consultation, fitting)
        if request.service.answered_by == "hub":
            return await self._own(consultation, request, question, rules, fitting)
        verdict: Admitted | Refused
        if request.service.person_check and question.ssin is not None:
            ssin = question.ssin
            with self._metrics.step("repertory"):
                rows = await self.stored(lambda: self._persons.rows(ssin))
            with self._metrics.step("decision"):
                verdict = decide(rules, question, rows, fitting)
        else:
            verdict = decide_without_person(rules, question, fitting)
        if isinstance(verdict, Refused):
            return await self.refuse(consultation, verdict)
        if controls.suppliers and (told := await self._put_to(consultation, verdict.suppliers)) is not None:
            return told
        return await self._forward(consultation, request, verdict)

    def read(self, consultation: Consultation) -> "tuple[Request, Asked] | Refused | Breach":
        """Checks 10 to 12."""
        service, root, customer = consultation.service, consultation.received.root, consultation.customer
        if service is None or root is None or customer is None:
            raise JourneyError("a consultation without service, body or customer came past step 2")
        request = read_request(service, consultation.body, root, consultation.head)
        if not isinstance(request, Request):
            return Breach(request)
        consultation.head, consultation.valid = request.head, True
        if service.ssin:
            try:
                consultation.ssin = Ssin.unchecked(request.ssin_text)
                consultation.ssin = Ssin.parse(request.ssin_text)
            except SsinError:
                return Refused("MSG00011", (), customer)
        if consultation.lot and request.head.ticket is None:
            return Refused("MSG00008", (("expected", "informationCustomer/ticket"),), customer)
        if request.asked is None:
            return Refused("MSG00008", (("expected", "a period whose end is not before its begin"),), customer)
        question = Asked(
            customer=customer,
            service=service,
            legal_context=request.head.legal_context or "",
            ssin=consultation.ssin,
            period=request.asked,
            today=today(),
        )
        return request, question

    async def refuse(self, consultation: Consultation, verdict: Refused | Breach) -> Told:
        """Tell a refusal: the decision and the outcome are one row each, committed together."""
        if isinstance(verdict, Breach):
            told = consultation.refusal("MSG00008", violations=verdict.violations)
            verdict = Refused("MSG00008", (), consultation.customer)
        else:
            told = consultation.refusal(verdict.code, verdict.information)
        decision, outcome = consultation.decision(verdict), consultation.outcome(told)
        with self._metrics.step("journal_decision"):
            recorded = await self.stored(lambda: self._journal.decide(decision, outcome))
        consultation.decided = True
        if isinstance(recorded, Repeat):
            self._metrics.resumed()
        # That the ticket was used for other content is the last check: this one was earlier.
        return told

    async def _busy(self, consultation: Consultation, why: str) -> Told:
        """CRB00014: no verdict; the ticket is not used up."""
        log.logger().warning("busy", why=why, in_flight=self._in_flight())
        decision = consultation.decision(Refused("CRB00014", (), consultation.customer))
        await self.stored(lambda: self._journal.busy(decision))
        return consultation.refusal("CRB00014")

    # --- what operators have paused --------------------------------------------------------------------------------

    async def paused(self, consultation: Consultation) -> Told | None:
        """Behind check 9: what is told of what may not be asked now."""
        controls = consultation.controls = consultation.controls or self._controls()
        service = consultation.service
        if controls.quiet or service is None:
            return None
        online = not consultation.lot
        control = controls.asked(service.type, consultation.customer, consultation.received.sender, online=online)
        return None if control is None else await self._held_back(consultation, control)

    async def _put_to(self, consultation: Consultation, suppliers: Sequence[Address]) -> Told | None:
        """Behind check 16: the same of whom it would be put to. Of several the paused ones are not asked."""
        controls = consultation.controls
        if controls is None or controls.suppliers.isdisjoint(suppliers):
            return None
        if (control := controls.put_to(suppliers)) is not None:
            return await self._held_back(consultation, control)
        if not (await self._begun(consultation, PAUSED, consultation.at))["decided"]:
            consultation.paused = controls.suppliers.intersection(suppliers)
        return None

    async def _held_back(self, consultation: Consultation, control: Control) -> Told | None:
        """No verdict: the ticket is not used up. None: it has its decision, and is finished."""
        begun = await self._begun(consultation, control.code, control.since)
        if begun["decided"]:
            return None
        log.logger().info("held back", kind=control.kind, what=control.what)
        if not begun["told"]:
            decision = consultation.decision(Refused(control.code, (), consultation.customer))
            await self.stored(lambda: self._journal.busy(decision))
        return consultation.refusal(control.code, control.information)

    async def _begun(self, consultation: Consultation, code: str, since: datetime) -> Any:
        async def look() -> Any:
            async with self._acting.connection() as connection:
                return await connection.fetchrow(QUERIES["ticket_begun"], consultation.ticket_cbss, code, since)

        return await self.stored(look)

    async def enveloped(self, parts: Sequence[Delivery]) -> Controls:
        """What is paused for the parts of an envelope, until the last of them is answered: nothing, once one was
        decided; all of them, where one may not be asked now; else what is paused now."""
        controls = self._controls()
        opened = [] if controls.quiet else [self._open(part, "online") for part in parts]
        found = [one for one in opened if isinstance(one, Consultation)]
        asked = [
            controls.asked(one.service.type, one.customer, one.received.sender, online=True)
            for one in found
            if one.refused is None and one.service is not None
        ]
        held = [control for control in asked if control is not None]
        if not held:
            return controls
        tickets = [one.ticket_cbss for one in found]

        async def look() -> bool:
            async with self._acting.connection() as connection:
                return bool(await connection.fetchval(QUERIES["tickets_begun"], tickets))

        return QUIET if await self.stored(look) else controls.forbidding(held[0])

    @property
    def walking(self) -> frozenset[UUID]:
        """Tickets of what is in hand."""
        return frozenset(self._walking)

    # --- steps 8 to 11 ---------------------------------------------------------------------------------------------

    async def _forward(self, consultation: Consultation, request: Request, verdict: Admitted) -> Told:
        service = request.service
        if len(verdict.suppliers) > 1 and service.combine is None:
            raise JourneyError(
                f"{service.type} has no combine, but its rules lead to {len(verdict.suppliers)} suppliers"
            )
        if (told := await self._decided(consultation, verdict)) is not None:
            return told
        if not self._has_time(consultation):
            return await self._end(consultation, consultation.refusal("CRB00014"))
        later = self._rules().later(service.type)
        if later and (found := later.intersection(verdict.suppliers) - consultation.paused):
            return await self._passed_on(consultation, request, verdict, found)
        consultation.asked = datetime.now(UTC)
        forwarded = splice.put_information_cbss(
            request.body, consultation.ticket_cbss, consultation.at, consultation.asked
        )
        with self._metrics.step("suppliers") as asking:
            heard = await self._suppliers.ask(
                service,
                verdict.suppliers,
                forwarded,
                customer=verdict.customer,
                ticket_cbss=consultation.ticket_cbss,
                deadline=consultation.deadline,
                paused=consultation.paused,
            )
        consultation.waited = asking.seconds
        consultation.took = took(heard, consultation.paused)
        if service.combine is not None:
            return await self._together(consultation, request, verdict, heard)
        return await self._alone_answered(consultation, request, verdict, heard[0])

    async def _passed_on(
        self, consultation: Consultation, request: Request, verdict: Admitted, later: frozenset[Address]
    ) -> Told:
        """One of the suppliers answers in its own time: an intermediate answer now."""
        if len(later) > 1:
            raise JourneyError(f"{request.service.type}: its rules lead to {len(later)} suppliers that answer later")
        (supplier,) = later
        consultation.asked, consultation.took = datetime.now(UTC), ((supplier, None),)
        put = self._questions.put(consultation, request, verdict, supplier, again=consultation.redelivered)
        with self._metrics.step("suppliers"):
            if not await put:
                consultation.failed = True
                return await self._end(consultation, consultation.refusal("CRB00010"), (supplier,))
        told = replace(consultation.refusal("CRB00016"), type="intermediate")
        outcome = consultation.outcome(told)
        with self._metrics.step("journal_outcome"):
            await self.stored(lambda: self._journal.intermediate(outcome))
        return told

    async def _decided(self, consultation: Consultation, verdict: Admitted) -> Told | None:
        """Commit that it was admitted; what is told instead, where it may not go on."""
        if not self._has_time(consultation):
            return await self._busy(consultation, "no time left")
        decision = consultation.decision(verdict)
        with self._metrics.step("journal_decision"):
            recorded = await self.stored(lambda: self._journal.decide(decision))
        consultation.decided = True
        if isinstance(recorded, OtherContent):
            return consultation.refusal("CRB00009")
        if isinstance(recorded, Repeat):
            self._metrics.resumed()
            consultation.told_before = recorded.outcome is not None
            if recorded.verdict == "refused":
                # A right that came since is not used: that takes a new ticket.
                return await self._end(consultation, consultation.refusal(recorded.code or "MSG00003"))
        consultation.admitted = verdict
        return None

    def _has_time(self, consultation: Consultation) -> bool:
        return (consultation.deadline - monotonic()) * 1000 >= self._settings.least_ms

    async def _alone_answered(
        self, consultation: Consultation, request: Request, verdict: Admitted, heard: Heard
    ) -> Told:
        """One supplier: its answer passes through, or a fault that says what was wrong with it."""
        silent = (heard.supplier,)
        if heard.body is None:
            consultation.failed = True
            return await self._end(consultation, consultation.refusal("CRB00011" if heard.late else "CRB00010"), silent)
        with self._metrics.step("check"):
            accepted = self._check(consultation, request, verdict, heard.supplier, heard.body)
            if accepted is None or isinstance(accepted, Rejected):
                consultation.failed = True
                code = "CRB00010" if accepted is None else accepted.code
                return await self._end(consultation, consultation.refusal(code), silent)
            body, untold = to_tell(
                request.service, accepted, consultation.ticket_cbss, consultation.at, datetime.now(UTC)
            )
        if accepted.status is None:
            consultation.failed = True
            told = consultation.told(body, FAULT, FAULT, _reason(accepted))
        else:
            consultation.failed = accepted.status.value == INCOMPLETE
            told = consultation.told(body, "response", accepted.status.value, accepted.status.code, untold)
        return await self._end(consultation, told, filtered=accepted.filtered)

    async def _together(
        self, consultation: Consultation, request: Request, verdict: Admitted, heard: list[Heard]
    ) -> Told:
        """Several suppliers, one answer."""
        service = request.service
        with self._metrics.step("check"):
            answers: list[PartAnswer] = []
            filtered: dict[str, None] = {}
            for one in heard:
                body: bytes | None = None
                if one.body is not None:
                    accepted = self._check(consultation, request, verdict, one.supplier, one.body)
                    if isinstance(accepted, Accepted) and not accepted.fault:
                        body = accepted.body
                        filtered.update(dict.fromkeys(accepted.filtered))
                answers.append(PartAnswer(one.supplier, body))
            combined = combine(
                service, request.root, answers, consultation.ticket_cbss, consultation.at, datetime.now(UTC)
            )
            told_body, untold = combined.body, tuple(filtered)
            if untold and service.filters_place is not None and combined.kind == "response":
                told_body, untold = splice.put_data_filters(told_body, untold, service.filters_place), ()
            root, violations = service.violations(told_body, combined.kind, limit=_MAX_COMBINED)
            if violations:
                raise JourneyError(f"the combined answer of {service.type} is not valid: {violations[0].reason}")
        value = FAULT if combined.kind == FAULT else _value(root)
        missing = [one.supplier for one, answer in zip(heard, answers, strict=True) if answer.body is None]
        consultation.without_paused = not consultation.paused.isdisjoint(missing)
        consultation.failed = not consultation.paused.issuperset(missing) if missing else value == INCOMPLETE
        told = consultation.told(told_body, combined.kind, value, combined.code, untold)
        return await self._end(consultation, told, _addresses(combined.silent), tuple(filtered))

    def _check(
        self, consultation: Consultation, request: Request, verdict: Admitted, supplier: Address, body: bytes
    ) -> Accepted | Rejected | None:
        """Step 10 for one answer; None: it is another question's, and counts as silence."""
        accepted = verify(request, consultation.ticket_cbss, body, verdict.without)
        if isinstance(accepted, Accepted):
            return accepted
        log.logger().warning("answer refused", code=accepted.code, supplier=str(supplier), reason=accepted.reason)
        if accepted.code == "CRB00013":
            self._metrics.wrong_ticket()
            return None
        return accepted

    async def _end(
        self,
        consultation: Consultation,
        told: Told,
        silent: tuple[Address, ...] = (),
        filtered: tuple[str, ...] = (),
    ) -> Told:
        """Commit the outcome; only then may the answer leave."""
        outcome = consultation.outcome(told, silent=silent, filtered=filtered)
        with self._metrics.step("journal_outcome"):
            await self.stored(lambda: self._journal.outcome(outcome))
        return told

    # --- services that the hub answers -----------------------------------------------------------------------------

    async def _own(
        self,
        consultation: Consultation,
        request: Request,
        question: Asked,
        rules: Rules,
        fitting: tuple[Authorisation, ...],
    ) -> Told:
        """Its own checks, what must be asked of others, then effect and outcome in one transaction."""
        service = OWN.get(request.service.type)
        if service is None:
            raise JourneyError(f"{request.service.type} says that the hub answers it; hub/own knows no such service")
        call = Call(
            request,
            question,
            consultation.received.sender,
            fitting,
            rules,
            self._catalogue,
            self._journal.keys,
            consultation.ticket_cbss,
            consultation.at,
            consultation.deadline,
        )
        with self._metrics.step("decision"):
            verdict = service.decide(call)
        if isinstance(verdict, Refused):
            return await self.refuse(consultation, verdict)
        paused = consultation.controls is not None and consultation.controls.suppliers
        if paused and (told := await self._foreseen(consultation, service, call)) is not None:
            return told
        if (told := await self._decided(consultation, verdict)) is not None:
            return told
        prepared = None
        if not (consultation.told_before and request.service.changes):  # what is told again needs nobody
            others = Asking(call, self._catalogue, self._suppliers, self._acting, consultation.paused)
            with self._metrics.step("suppliers"):
                prepared = await self.stored(lambda: service.prepare(call, others))
            consultation.waited, consultation.failed = others.waited, others.failed
            consultation.without_paused = others.without_paused
            consultation.asked, consultation.took = others.asked, tuple(others.took)
        last: list[Told] = []

        def tell(ending: Ending) -> Outcome:
            last[:] = [self._ended(consultation, request, ending)]
            return consultation.outcome(last[0], silent=ending.silent)

        with self._metrics.step("journal_outcome"):
            await self.stored(lambda: self._acting.act(service, call, prepared, tell))
        return last[0]

    async def _foreseen(self, consultation: Consultation, service: OwnService, call: Call) -> Told | None:
        """What is told, before the decision, where whom it would ask is paused. What the bookkeeping asks is silent."""
        controls = consultation.controls or QUIET
        suppliers: Sequence[Address] = ()
        if call.request.service.type not in BOOKKEEPING:
            try:
                await self.stored(lambda: service.prepare(call, Foreseen(self._acting)))
            except AskedError as asked:
                suppliers = asked.suppliers
        told = await self._put_to(consultation, suppliers)
        if told is None and not (await self._begun(consultation, PAUSED, consultation.at))["decided"]:
            consultation.paused = controls.suppliers
        return told

    def _ended(self, consultation: Consultation, request: Request, ending: Ending) -> Told:
        value = CODES[ending.code].value
        if value is None or not ending.data:
            return consultation.refusal(ending.code, ending.information)
        body = answers.data_response(
            request.service,
            request.root,
            ending.data,
            ending.code,
            replied=datetime.now(UTC),
            received=consultation.at,
            ticket_cbss=consultation.ticket_cbss,
            information=ending.information,
        )
        _, violations = request.service.violations(body, "response")
        if violations:
            raise JourneyError(f"the hub's own answer of {request.service.type} is not valid: {violations[0].reason}")
        return consultation.told(body, "response", value, ending.code)

    # --- when it breaks --------------------------------------------------------------------------------------------

    async def _failed(self, consultation: Consultation, error: Exception) -> Told:
        self._metrics.failed()
        log.logger().error("failed", **log.told(error))
        told = consultation.refusal("MSG00003")
        # It is not its suppliers' fault: so the journal does not name them beside it, as it does beside one of theirs.
        consultation.asked, consultation.took, consultation.failed = None, (), False
        if consultation.decided:
            return await self._end(consultation, told)
        decision = consultation.decision(Refused("MSG00003", (), consultation.customer))
        outcome = consultation.outcome(told)
        await self.stored(lambda: self._journal.decide(decision, outcome))
        return told

    @contextlib.asynccontextmanager
    async def _alone(self, ticket_cbss: UUID) -> AsyncIterator[None]:
        """One at a time under a ticket: a second would ask its suppliers under the same correlation_id."""
        lock, users = self._walking.get(ticket_cbss, (asyncio.Lock(), 0))
        self._walking[ticket_cbss] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._walking[ticket_cbss]
            if users == 1:
                del self._walking[ticket_cbss]
            else:
                self._walking[ticket_cbss] = (lock, users - 1)


def _value(root: etree._Element) -> str:
    status = read_status(root)
    return status.value if status is not None else FAULT


def _reason(accepted: Accepted) -> str:
    """The reason code of a supplier's fault."""
    return text_at(accepted.root, "detail/reasonCode") or ""


def _addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    """Those that are addresses: relays name their silent members, in their own words."""
    found = []
    for text in texts:
        with contextlib.suppress(AddressError):
            found.append(Address.parse(text))
    return tuple(found)
