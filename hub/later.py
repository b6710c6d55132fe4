"""Questions whose answer comes later: put to a supplier that answers in its own time, and what becomes of the answer.

docs/lots.md, "Who answers when". Nothing of a question's content is kept: an answer is held against a row that says who
was asked, under which ticket and about whom (a keyed hash), and brings head and criteria with it.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog
from lxml import etree

from hub.admission import Admitted
from hub.barrier import Barrier
from hub.consultation import FAULT, OTHER, Consultation
from hub.journal import Journal, Outcome
from hub.journal.entry import Took
from hub.metrics import Metrics
from hub.queries import QUERIES
from hub.repertory.database import Pool, RepertoryUnavailableError, connected
from hub.settings import CONFIRM_TIMEOUT
from hub.suppliers import Suppliers
from hub.verification import Accepted, Rejected, to_tell, verify
from schemas import answers, splice
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.codes import CODES
from schemas.message import Request, read_head, read_request, read_status, ssin_in, text_at
from schemas.parser import MAX_ONLINE, Malformed, parse
from schemas.parts import PartAnswer, combine
from schemas.process import log
from schemas.service import Service
from schemas.ssin import Ssin, SsinError
from schemas.violation import local
from schemas.wire import names
from schemas.wire.telling import Answer, Full, Park, Teller, Told
from schemas.wire.telling import Outcome as Ended
from schemas.wire.transport import Delivery, Properties, Refused, Transport, Unconfirmed, Unroutable
from schemas.wire.words import Later, later_headers

#: Bytes of an answer that several suppliers made together.
_MAX_COMBINED = 16 * MAX_ONLINE
_CONNECTIONS = 4
_TIMEOUT = 10.0
#: How long a lot's question is tried to be put, seconds.
_PATIENCE = 20.0
#: Tries to get one answer into its asker's queue; and between two, seconds: doubled each time, up to the second.
_TRIES = 20
_BACKOFF = (0.05, 1.0)
#: Between two looks for questions that nobody answered, seconds; and how many of a look.
SWEEP = 60.0
_SWEPT = 200
#: How long after its time was over a question is still known, days; and how many are forgotten at a look.
_KNOWN = 30
_FORGOTTEN = 10_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Question:
    """A row of `open_question`."""

    ticket_cbss: UUID
    supplier: Address
    service: str
    customer: Address
    reply_to: str
    correlation_id: str | None
    ticket: str
    person: bytes | None
    without: tuple[str, ...]
    online: tuple[Address, ...]
    received: datetime
    passed_on: datetime | None
    answered: datetime | None
    answer_sha256: bytes | None
    told: datetime | None


@dataclass(frozen=True, slots=True)
class _Made:
    """A definitive answer, and what the journal is told of it."""

    body: bytes
    value: str
    code: str
    filtered: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    silent: tuple[Address, ...] = ()
    #: When those that answer on line were asked, and how long each took.
    asked: datetime | None = None
    took: tuple[Took, ...] = ()


class Questions:
    """Those of every hub: what one has put, another may hear. `close` at the end; the first use opens connections."""

    def __init__(
        self,
        *,
        database_url: str,
        transport: Transport,
        catalogue: Catalogue,
        journal: Journal,
        suppliers: Suppliers,
        barrier: Barrier,
        metrics: Metrics,
        name: str,
        full: Full,
    ) -> None:
        self._url, self._transport, self._catalogue, self._journal = database_url, transport, catalogue, journal
        self._pool = Pool(database_url, f"{name} later", _CONNECTIONS, _TIMEOUT)
        self._suppliers, self._barrier, self._metrics, self._name = suppliers, barrier, metrics, name
        self._teller = Teller(transport, names.HUB, "", names.DLX, CONFIRM_TIMEOUT, full)
        #: Whether what has not answered by now did not: not while answers may wait in their queue unread.
        self.calm: Callable[[], bool] = lambda: True

    async def close(self) -> None:
        await self._pool.close()

    # --- asking ----------------------------------------------------------------------------------------------------

    async def put(
        self, consultation: Consultation, request: Request, verdict: Admitted, supplier: Address, *, again: bool
    ) -> bool:
        """Put the question to the supplier that answers later; whether it has it. One that has an open question under
        this ticket is not asked twice; one that has answered is asked anew, unless this is a redelivery (`again`)."""
        service = request.service
        reply_to = names.answers(consultation.received.sender)
        asked = consultation.correlation_id if consultation.lot else str(consultation.ticket_cbss)
        row = (
            consultation.ticket_cbss, str(supplier), service.type, str(verdict.customer), reply_to, asked,
            request.head.ticket or "", self._person(consultation.ssin), list(verdict.without),
            [str(other) for other in verdict.suppliers if other != supplier], consultation.at,
            datetime.now(UTC) + timedelta(days=service.definitive_days), again,
        )  # fmt: skip
        if await self.stored(lambda: self._fetchval("question_open", *row)):
            return True
        body = splice.put_information_cbss(
            request.body, consultation.ticket_cbss, consultation.at, datetime.now(UTC)
        )  # fmt: skip
        properties = Properties(
            user_id=names.HUB,
            correlation_id=f"{consultation.ticket_cbss}/1",
            reply_to=names.DEFINITIVE,
            type=service.type,
            expiration_ms=service.definitive_days * 24 * 3_600_000,
            headers={"customer": str(verdict.customer)},
        )
        queue = names.supplier_queue(supplier, "batch", service.type)
        # For a lot nobody waits at a screen.
        until = monotonic() + _PATIENCE if consultation.lot else consultation.deadline
        if not await self._published(queue, body, properties, until):
            await self.stored(lambda: self._execute("question_given_up", consultation.ticket_cbss))
            return False
        await self.stored(lambda: self._execute("question_asked", consultation.ticket_cbss))
        return True

    async def _published(self, queue: str, body: bytes, properties: Properties, deadline: float) -> bool:
        while (left := deadline - monotonic()) > 0:
            try:
                await self._transport.publish(
                    names.INSTITUTIONS, queue, body, properties, timeout=min(left, CONFIRM_TIMEOUT)
                )
            except (Unroutable, Refused) as error:
                log.logger().warning("not asked", queue=queue, why=type(error).__name__)
                return False
            except Unconfirmed:
                await asyncio.sleep(0)  # a connection that fails at once must not keep the loop from others
            else:
                return True
        return False

    def _person(self, ssin: Ssin | None) -> bytes | None:
        return None if ssin is None else self._journal.keys.current.hash(ssin.digits)

    # --- hearing ---------------------------------------------------------------------------------------------------

    async def answered(self, delivery: Delivery) -> Ended:
        """What came to `hub.definitive` under `ticketCBSS/1`: told to who asked, once. Returns None when that is done
        and durable, or when it counts for nothing."""
        ticket = _ticket(delivery.properties.correlation_id)
        question = None if ticket is None else await self.stored(lambda: self._known(ticket))
        if question is None:
            return self._dropped("no such question")
        with structlog.contextvars.bound_contextvars(ticket=str(question.ticket_cbss)):
            if delivery.properties.user_id != str(question.supplier):
                return self._dropped("not who was asked")
            service = self._catalogue.services.get(question.service)
            if service is None:
                return Park(f"a service that is no longer known: {question.service}")
            if delivery.properties.type == "intermediate":
                return await self._intermediate(delivery, question, service)
            return await self._definitive(delivery, question, service)

    async def _definitive(self, delivery: Delivery, question: _Question, service: Service) -> Ended:
        digest = hashlib.sha256(delivery.body).digest()
        if question.answered is not None:
            if question.answer_sha256 != digest or not delivery.redelivered:
                return self._dropped("a second answer")
            if question.told is not None:
                return None
        with self._metrics.step("check"):
            made = await self._made(question, service, delivery.body)
        if made is None:
            return self._dropped("another question's")
        if question.answered is None and not await self.stored(lambda: self._record(question, made, digest)):
            return self._dropped("a second answer")
        while not await self._tell(delivery, question, "definitive", made.body, made.untold):  # noqa: ASYNC110
            await asyncio.sleep(_BACKOFF[-1])
        await self.stored(lambda: self._execute("question_told", question.ticket_cbss))
        self._metrics.answered(service.type, made.value, made.code, monotonic() - delivery.at, forwarded=False)
        log.logger().info("answered later", service=service.type, value=made.value, code=made.code)
        return None

    async def _intermediate(self, delivery: Delivery, question: _Question, service: Service) -> Ended:
        """A relay says that it has passed the question on. Told once."""
        accepted = self._accepted(question, service, delivery.body)
        if not isinstance(accepted, Accepted) or accepted.status is None or accepted.status.code != "CRB00017":
            return self._dropped("no intermediate answer")
        if question.answered is not None or (question.passed_on is not None and not delivery.redelivered):
            return self._dropped("a second intermediate answer")
        body, _ = to_tell(service, accepted, question.ticket_cbss, question.received, datetime.now(UTC))
        made = _Made(body, accepted.status.value, accepted.status.code)
        await self.stored(lambda: self._execute("question_passed_on", question.ticket_cbss))
        await self.stored(lambda: self._journal.intermediate(_outcome(question, made)))
        while not await self._tell(delivery, question, "intermediate", body, ()):  # noqa: ASYNC110
            await asyncio.sleep(_BACKOFF[-1])
        return None

    async def _made(self, question: _Question, service: Service, body: bytes) -> _Made | None:
        """The definitive answer out of the supplier's; None: it is another question's."""
        accepted = self._accepted(question, service, body)
        if isinstance(accepted, Rejected):
            log.logger().warning(
                "answer refused", code=accepted.code, supplier=str(question.supplier), reason=accepted.reason
            )
            return None if accepted.code == "CRB00013" else self._fault(question, service, accepted.code)
        if service.combine is not None:
            return await self._together(question, service, accepted)
        told, untold = to_tell(service, accepted, question.ticket_cbss, question.received, datetime.now(UTC))
        if accepted.status is None:
            return _Made(told, FAULT, _known(text_at(accepted.root, "detail/reasonCode") or ""), untold=untold)
        return _Made(told, accepted.status.value, _known(accepted.status.code), accepted.filtered, untold)

    def _accepted(self, question: _Question, service: Service, body: bytes) -> Accepted | Rejected:
        """Step 10 of docs/hub.md, with what the row knows of the question."""
        told = ""
        try:
            root = parse(body, limit=_MAX_COMBINED)
            told = ssin_in(service, root) or ""
        except Malformed:
            root = etree.Element("unread")
        head = replace(read_head(root), ticket=question.ticket or None)
        # The number is the answer's own: that it is the asked person's, the hash tells.
        accepted = verify(Request(service, b"", root, head, told, None), question.ticket_cbss, body, question.without)
        if isinstance(accepted, Accepted) and not accepted.fault and question.person is not None:
            try:
                hashes = self._journal.keys.hashes(Ssin.unchecked(told))
            except SsinError:
                hashes = []
            if question.person not in hashes:
                return Rejected("CRB00012", "it is about another person")
        return accepted

    async def _together(self, question: _Question, service: Service, accepted: Accepted) -> _Made:
        """Several suppliers: the others are asked now, on line, so that nothing waits at the hub meanwhile."""
        now = datetime.now(UTC)
        asked = None if accepted.fault else self._asked_again(question, service, accepted.root, now)
        if asked is None:  # a fault brings no criteria with it
            return self._fault(question, service, "CRB00010", (question.supplier, *question.online))
        parts = [PartAnswer(question.supplier, accepted.body)]
        filtered = dict.fromkeys(accepted.filtered)
        took: tuple[Took, ...] = ()
        if question.online:
            heard = await self._suppliers.ask(
                service,
                question.online,
                asked.body,
                customer=question.customer,
                ticket_cbss=question.ticket_cbss,
                deadline=monotonic() + service.deadline_ms / 1000,
                first=2,
            )
            took = tuple([(one.supplier, one.ms) for one in heard])
            for one in heard:
                body = None
                if one.body is not None:
                    checked = verify(asked, question.ticket_cbss, one.body, question.without)
                    if isinstance(checked, Accepted) and not checked.fault:
                        body = checked.body
                        filtered.update(dict.fromkeys(checked.filtered))
                parts.append(PartAnswer(one.supplier, body))
        done = combine(service, asked.root, parts, question.ticket_cbss, question.received, now)
        told, untold = done.body, tuple(filtered)
        if untold and service.filters_place is not None and done.kind == "response":
            told, untold = splice.put_data_filters(told, untold, service.filters_place), ()
        root, violations = service.violations(told, done.kind, limit=_MAX_COMBINED)
        if violations:
            return self._fault(question, service, "CRB00012")
        status = read_status(root)
        silent = tuple(part.address for part in parts if part.body is None)
        value = FAULT if status is None else status.value
        return _Made(told, value, done.code, tuple(filtered), untold, silent, now if took else None, took)

    def _asked_again(
        self, question: _Question, service: Service, root: etree._Element, now: datetime
    ) -> Request | None:
        """The request, out of the head and the criteria that an answer repeats."""
        repeated = service.response_children[: service.response_children.index("status")]
        criteria = [
            child
            for child in root.iterchildren("*")
            if (name := local(str(child.tag))) in repeated
            and name not in ("informationCustomer", "informationCBSS", "legalContext")
        ]
        body = answers.question(
            service, root, criteria, ticket_cbss=question.ticket_cbss, received=question.received, replied=now
        )
        request = read_request(service, body, parse(body))
        return request if isinstance(request, Request) else None

    def _fault(
        self, question: _Question, service: Service | None, code: str, silent: tuple[Address, ...] = ()
    ) -> _Made:
        body = answers.fault(
            service,
            code,
            head_root=None,
            ticket_cbss=question.ticket_cbss,
            received=question.received,
            replied=datetime.now(UTC),
        )
        return _Made(body, FAULT, code, silent=silent or (question.supplier,))

    async def _record(self, question: _Question, made: _Made, digest: bytes | None) -> bool:
        """The row is answered and the outcome in the journal, together. False: it was answered before."""
        async with self._pool.connection() as connection, connection.transaction():
            now = await connection.fetchval(QUERIES["question_answered"], question.ticket_cbss, digest)
            if now is not None:
                await self._journal.outcome_in(connection, _outcome(question, made), now)
            return now is not None

    async def _tell(
        self, delivery: Delivery | None, question: _Question, kind: str, body: bytes, untold: tuple[str, ...]
    ) -> bool:
        """Into the asker's queue, or `hub.dead` where it does not take it; False: neither, it is still to be told."""
        headers = {**later_headers(Later(question.ticket_cbss, question.customer, None, kind))}
        if untold:
            headers["filtered"] = ",".join(untold)
        given = Properties(reply_to=question.reply_to, correlation_id=question.correlation_id, user_id=names.HUB)
        stand_in = (
            replace(delivery, properties=given)
            if delivery is not None
            else Delivery(body, names.DEFINITIVE, given, False, 0, 0)
        )
        answer, (pause, most) = Answer(body, kind, headers), _BACKOFF
        for _ in range(_TRIES):
            if await self._teller.tell(stand_in, answer) is not Told.AGAIN:
                return True
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
        return await self._teller.tell(stand_in, Park("its answer was not confirmed")) is not Told.AGAIN

    def _dropped(self, why: str) -> Ended:
        self._metrics.dropped_later(why)
        log.logger().warning("answer dropped", code="CRB00013", why=why)
        return None

    # --- what nobody answers ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell the faults of those whose time is over, until cancelled. One hub at a time does."""
        while True:
            await asyncio.sleep(SWEEP)
            if self.calm():
                await self.sweep()

    async def sweep(self) -> int:
        """One look; how many were told."""
        told = 0
        try:
            # A connection of its own: what it finds is told while its transaction stands.
            async with connected(self._url, f"{self._name} sweeps") as connection, connection.transaction():
                if not await connection.fetchval(QUERIES["question_sweep_lock"]):
                    return 0
                await connection.execute(QUERIES["question_forget"], timedelta(days=_KNOWN), _FORGOTTEN)
                rows = await connection.fetch(QUERIES["question_overdue"], _SWEPT)
                for question in map(_question, rows):
                    made = self._fault(question, self._catalogue.services.get(question.service), "CRB00010")
                    if question.answered is None and not await self._record(question, made, None):
                        continue
                    if not await self._tell(None, question, "definitive", made.body, ()):
                        break  # the broker is away: with the next look
                    await self._execute("question_told", question.ticket_cbss)
                    told += 1
        except RepertoryUnavailableError as error:
            log.logger().warning("no sweep", **log.told(error))
        return told

    # --- the database ----------------------------------------------------------------------------------------------

    async def stored(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await self._barrier.stored(call)

    async def _known(self, ticket: UUID) -> _Question | None:
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(QUERIES["question_known"], ticket)
        return None if row is None else _question(row)

    async def _fetchval(self, query: str, *values: Any) -> Any:
        async with self._pool.connection() as connection:
            return await connection.fetchval(QUERIES[query], *values)

    async def _execute(self, query: str, *values: Any) -> None:
        await self._fetchval(query, *values)


def _ticket(correlation_id: str | None) -> UUID | None:
    ticket, _, part = (correlation_id or "").partition("/")
    try:
        return UUID(ticket) if part == "1" else None
    except ValueError:
        return None


def _outcome(question: _Question, made: _Made) -> Outcome:
    return Outcome(
        ticket_cbss=question.ticket_cbss,
        value=made.value,
        code=made.code,
        replied=datetime.now(UTC),
        answer_sha256=hashlib.sha256(made.body).digest(),
        filtered=made.filtered,
        silent=made.silent,
        asked=made.asked,
        took=made.took,
    )


def _known(code: str) -> str:
    return code if code in CODES else OTHER


def _question(row: asyncpg.Record) -> _Question:
    return _Question(
        ticket_cbss=row["ticket_cbss"],
        supplier=Address.parse(row["supplier"]),
        service=row["service"],
        customer=Address.parse(row["customer"]),
        reply_to=row["reply_to"],
        correlation_id=row["correlation_id"],
        ticket=row["ticket"],
        person=row["person"],
        without=tuple(row["without"]),
        online=tuple(map(Address.parse, row["online"])),
        received=row["received"],
        passed_on=row["passed_on"],
        answered=row["answered"],
        answer_sha256=row["answer_sha256"],
        told=row["told"],
    )
