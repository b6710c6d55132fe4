"""Up the star's arm, where members answer in their own time: docs/lots.md, "Who answers when".

The hub's question and the answers that came first are kept in the sector's own database until the last one came, or
their time was over; then the hub gets one answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from institutions.metrics import Metrics
from institutions.passage import Passage, Told, arrival
from institutions.reading import Wrong, read
from institutions.relay import statements
from institutions.relay.admission import holders
from institutions.relay.lookup import Lookup
from institutions.relay.sectoral_repertory import LOOKUP_TIMEOUT, RepertoryUnavailable
from institutions.relay.upward import one_answer
from institutions.supply import ADDED, customer_of
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import Request, ticket_cbss_in
from schemas.parser import MAX_ONLINE, parse
from schemas.period import Period, today
from schemas.process.log import logger
from schemas.service import Service
from schemas.verification import Accepted, verify
from schemas.wire import names
from schemas.wire.intake import Outcome
from schemas.wire.transport import Delivery, Properties, Refused, Transport, Unconfirmed, Unroutable

#: The hub's patience ends first: what is kept for the way back, of the service's days.
KEPT = timedelta(hours=1)
#: Between two looks for questions whose time is over, seconds.
SWEEP = 60.0
#: Between two tries of a store or a broker that does not answer, seconds.
_AGAIN = 0.2
_TIMEOUT = 5.0
_PASSED_ON = "CRB00017"


@dataclass(frozen=True, slots=True)
class _Question:
    """A row of `deferred`, read."""

    passage: Passage
    request: Request
    correlation_id: str
    members: tuple[Address, ...]
    customer: str | None
    expires: datetime
    parts: Mapping[Address, bytes | None] = field(repr=False, default_factory=dict)


class Deferred:
    """Questions from `<own>.batch.…`, and members' answers from their network's `hub.definitive`."""

    def __init__(
        self,
        address: Address,
        lookup: Lookup,
        catalogue: Catalogue,
        primary: Transport,
        secondary: Transport,
        metrics: Metrics,
    ) -> None:
        self._address, self._lookup, self._catalogue = address, lookup, catalogue
        self._primary, self._secondary, self._metrics = primary, secondary, metrics

    # --- the hub asks ----------------------------------------------------------------------------------------------

    async def walk(self, delivery: Delivery) -> Outcome:
        """Ask every member that holds the dossier; the answer says that this was done, or how it ended already."""
        if delivery.properties.user_id != names.HUB:
            self._metrics.dropped(str(self._address), "wrong_sender")
            return None
        root = parse(delivery.body, limit=MAX_ONLINE + ADDED)
        ticket, service = ticket_cbss_in(root), self._service(delivery.queue)
        if ticket is None or service is None:
            logger().warning("question dropped", why="no ticketCBSS" if ticket is None else "unknown service")
            return None
        passage = Passage(ticket, arrival(delivery), root, service)
        found = read(service, delivery.body, root)
        if isinstance(found, Wrong):
            return passage.fault("MSG00008", found.details)
        request, ssin = found
        if ssin is None:
            return passage.fault("CRB00008")
        day = today()
        while True:
            try:
                rows = await self._lookup.rows(ssin, monotonic() + LOOKUP_TIMEOUT)
                break
            except RepertoryUnavailable:
                await asyncio.sleep(_AGAIN)
        members = holders(rows, self._lookup.members, ssin, request.asked or Period(day, day), day)
        if not members:
            return passage.refusal("MSG00021")
        if len(members) > 1 and service.combine is None:
            logger().error("several members hold a dossier for a service without combine", service=service.type)
            return passage.fault("MSG00003")
        customer = customer_of(delivery.properties)
        expires = datetime.now(UTC) + timedelta(days=service.definitive_days) - KEPT
        question = _Question(
            passage, request, delivery.properties.correlation_id or "", members,
            None if customer is None else str(customer), expires,
        )  # fmt: skip
        return await self._ask(question)

    async def _ask(self, question: _Question) -> Outcome:
        passage, service = question.passage, question.request.service
        row = (
            passage.ticket_cbss, question.correlation_id, service.type, question.customer,
            [str(member) for member in question.members], question.request.body, passage.at, question.expires,
        )  # fmt: skip
        if not await self._stored(statements.DEFER, *row):
            for number, member in enumerate(question.members, 1):
                if not await self._put(question, member, number):
                    await self._stored(statements.PART, passage.ticket_cbss, str(member), None)
            await self._stored(statements.DEFERRED_ASKED, passage.ticket_cbss)
        if (told := await self._complete(passage.ticket_cbss)) is not None:
            await self._stored(statements.DEFERRED_DONE, passage.ticket_cbss)
            return told
        return replace(passage.refusal(_PASSED_ON), type="intermediate")

    async def _put(self, question: _Question, member: Address, number: int) -> bool:
        """Whether the member has it in its queue."""
        service = question.request.service
        left = question.expires - datetime.now(UTC)
        properties = Properties(
            user_id=str(self._address),
            correlation_id=f"{question.correlation_id}.{number}",
            reply_to=names.DEFINITIVE,
            type=service.type,
            expiration_ms=max(1, int(left.total_seconds() * 1000)),
            headers={} if question.customer is None else {"customer": question.customer},
        )
        queue = names.supplier_queue(member, "batch", service.type)
        try:
            await self._publish(self._secondary, names.INSTITUTIONS, queue, question.request.body, properties)
        except (Unroutable, Refused) as error:
            logger().warning("member not asked", member=str(member), service=service.type, why=type(error).__name__)
            return False
        return True

    # --- a member answers ------------------------------------------------------------------------------------------

    async def answered(self, delivery: Delivery) -> Outcome:
        """A member's answer: kept, and with the last one the hub is told. Returns when that is durable."""
        ticket, number = _names(delivery.properties.correlation_id)
        question = None if ticket is None else await self._question(ticket)
        if question is None or not 0 < number <= len(question.members):
            return self._dropped("no such question")
        member = question.members[number - 1]
        if delivery.properties.user_id != str(member):
            return self._dropped("not who was asked")
        checked = verify(question.request, question.passage.ticket_cbss, delivery.body, ())
        if not isinstance(checked, Accepted):
            logger().warning("answer refused", code=checked.code, supplier=str(member), reason=checked.reason)
            if checked.code == "CRB00013":
                return self._dropped("another question's")
        body = delivery.body if isinstance(checked, Accepted) else None
        if not await self._stored(statements.PART, question.passage.ticket_cbss, str(member), body):
            return self._dropped("no such question")  # its time was over meanwhile, and the hub was told
        await self._finish(question.passage.ticket_cbss)
        return None

    async def run(self) -> None:
        """Tell what came of questions whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP)
            await self.sweep()

    async def sweep(self) -> int:
        """One look; how many ended."""
        try:
            async with self._lookup.repertory.transaction() as connection:
                overdue = [row["ticket_cbss"] for row in await connection.fetch(statements.OVERDUE)]
        except RepertoryUnavailable:
            return 0
        for ticket in overdue:
            await self._finish(ticket, over=True)
        return len(overdue)

    async def _finish(self, ticket: UUID, *, over: bool = False) -> None:
        """Tell the hub, where nothing is missing any more (or `over`), and forget it."""
        question = await self._question(ticket)
        told = await self._complete(ticket, over=over)
        if question is None or told is None:
            return
        properties = Properties(user_id=str(self._address), correlation_id=question.correlation_id, type=told.type)
        while True:
            try:
                await self._publish(self._primary, names.REPLIES, names.DEFINITIVE, told.body, properties)
                break
            except Refused:
                await asyncio.sleep(_AGAIN)
            except Unroutable:
                logger().error("no queue for definitive answers", relay=str(self._address))
                break
        await self._stored(statements.DEFERRED_DONE, ticket)

    async def _complete(self, ticket: UUID, *, over: bool = False) -> Told | None:
        """The one answer out of the members'; None: one is missing yet."""
        question = await self._question(ticket)
        if question is None or (not over and set(question.parts) != set(question.members)):
            return None
        checked: list[Accepted | None] = []
        for member in question.members:
            body = question.parts.get(member)
            one = None if body is None else verify(question.request, ticket, body, ())
            checked.append(one if isinstance(one, Accepted) else None)
        return one_answer(question.passage, question.request, question.members, checked)

    def _dropped(self, why: str) -> Outcome:
        self._metrics.dropped(str(self._address), "answer_of_nobody")
        logger().warning("answer dropped", relay=str(self._address), code="CRB00013", why=why)
        return None

    # --- what it stands on -----------------------------------------------------------------------------------------

    async def _question(self, ticket: UUID) -> _Question | None:
        while True:
            try:
                async with self._lookup.repertory.transaction() as connection:
                    row = await connection.fetchrow(statements.DEFERRED, ticket)
                    parts = await connection.fetch(statements.PARTS, ticket)
                break
            except RepertoryUnavailable:
                await asyncio.sleep(_AGAIN)
        service = None if row is None else self._catalogue.services.get(row["service"])
        return None if row is None or service is None else _read(service, row, parts)

    async def _stored(self, statement: str, *values: Any) -> Any:
        while True:
            try:
                async with self._lookup.repertory.transaction() as connection:
                    return await connection.fetchval(statement, *values)
            except RepertoryUnavailable:
                await asyncio.sleep(_AGAIN)

    async def _publish(
        self, transport: Transport, exchange: str, key: str, body: bytes, properties: Properties
    ) -> None:
        """Until the broker says whether it has it."""
        while True:
            try:
                await transport.publish(exchange, key, body, properties, timeout=_TIMEOUT)
                return
            except Unconfirmed:
                await asyncio.sleep(_AGAIN)

    def _service(self, queue: str) -> Service | None:
        name, _, version = queue.removeprefix(f"{self._address}.batch.").rpartition(".")
        return self._catalogue.services.get(f"{name}/{version}")


def _read(service: Service, row: Any, parts: Sequence[Any]) -> _Question | None:
    root = parse(row["body"], limit=MAX_ONLINE + ADDED)
    found = read(service, row["body"], root)
    if isinstance(found, Wrong):
        return None
    return _Question(
        Passage(row["ticket_cbss"], row["received"], root, service),
        found[0],
        row["correlation_id"],
        tuple(map(Address.parse, row["members"])),
        row["customer"],
        row["expires"],
        {Address.parse(part["member"]): part["body"] for part in parts},
    )


def _names(correlation_id: str | None) -> tuple[UUID | None, int]:
    """Ticket and number of the member, as a member's question names them: `ticketCBSS/1.2`."""
    ticket, _, part = (correlation_id or "").partition("/")
    number = part.rpartition(".")[2]
    try:
        return UUID(ticket), int(number) if number.isdecimal() else 0
    except ValueError:
        return None, 0
