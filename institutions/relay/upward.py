"""Up the star's arm: the hub asks the managing institution, its relay asks the members (docs/relay.md, "Up")."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from institutions.metrics import Metrics
from institutions.passage import Passage, Told, arrival
from institutions.publishing import REPEAT
from institutions.reading import Wrong, read
from institutions.relay.admission import holders
from institutions.relay.downward import NO_VERDICT
from institutions.relay.lookup import Lookup
from institutions.relay.registering import SECTORAL, dossiers
from institutions.relay.sectoral_repertory import RepertoryUnavailable
from institutions.supply import ADDED, customer_of, deadline_of
from schemas import answers
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.integration import Integration
from schemas.message import Request, text_at, ticket_cbss_in
from schemas.parser import MAX_ONLINE, parse
from schemas.parts import PartAnswer, combine
from schemas.period import Period, today
from schemas.process.log import logger
from schemas.service import Service
from schemas.ssin import Ssin
from schemas.verification import Accepted, verify
from schemas.wire import names
from schemas.wire.asking import Asking, Reply
from schemas.wire.transport import Delivery, Properties

#: Seconds of the hub's patience that the relay keeps for itself.
KEPT = 0.3
#: Bytes of an answer that several members made together.
_MAX_COMBINED = 16 * MAX_ONLINE


class Upward:
    """The hub's questions, one at a time."""

    def __init__(
        self, address: Address, lookup: Lookup, catalogue: Catalogue, asking: Asking, metrics: Metrics
    ) -> None:
        self._address, self._lookup, self._catalogue, self._asking = address, lookup, catalogue, asking
        self._metrics = metrics

    async def walk(self, delivery: Delivery) -> Told | None:
        """The answer to a question; None: nobody is told, since it is not the hub's, or nobody waits any more."""
        if delivery.properties.user_id != names.HUB:
            self._metrics.dropped(str(self._address), "wrong_sender")
            logger().warning("question dropped", why="not the hub's", queue=delivery.queue)
            return None
        root = parse(delivery.body, limit=MAX_ONLINE + ADDED)
        ticket = ticket_cbss_in(root)
        service = self._service(delivery.queue)
        if ticket is None or service is None:
            logger().warning("question dropped", why="no ticketCBSS" if ticket is None else "unknown service")
            return None
        passage = Passage(ticket, arrival(delivery), root, service)
        request = read(service, delivery.body, root)
        if isinstance(request, Wrong):
            # The hub has held it against its own copy of the schema.
            return passage.fault("MSG00008", request.details)
        valid, ssin = request
        if service.type == REPEAT:
            return await self._repeat(passage, valid, delivery)
        if ssin is None:
            return passage.fault("CRB00008")
        return await self._answer(passage, valid, ssin, delivery)

    def failed(self, delivery: Delivery) -> Told | None:
        """MSG00003, for when `walk` raised."""
        service = self._service(delivery.queue)
        try:
            ticket = UUID((delivery.properties.correlation_id or "").partition("/")[0])
        except ValueError:
            return None
        return Passage(ticket, arrival(delivery), None, service).fault("MSG00003")

    async def _answer(self, passage: Passage, request: Request, ssin: Ssin, delivery: Delivery) -> Told:
        service, day = request.service, today()
        asked = request.asked or Period(day, day)
        deadline = deadline_of(delivery.properties, service, delivery.at)
        try:
            rows = await self._lookup.rows(ssin, deadline)
        except RepertoryUnavailable:
            return passage.fault(NO_VERDICT, [(("unavailable", "the sectoral repertory"),)])
        if service.type == SECTORAL:
            return self._dossiers(passage, request, ssin, rows)
        members = holders(rows, self._lookup.members, ssin, asked, day)
        if not members:
            return passage.refusal("MSG00021")
        if len(members) > 1 and service.combine is None:
            logger().error("several members hold a dossier for a service without combine", service=service.type)
            return passage.fault("MSG00003")
        heard = await self._ask(request, members, delivery, deadline - KEPT)
        checked = [self._checked(passage, request, member, body) for member, body in zip(members, heard, strict=True)]
        return one_answer(passage, request, members, checked)

    async def _repeat(self, passage: Passage, request: Request, delivery: Delivery) -> Told:
        """What a member told, out of its own outbox: the one that the hub names."""
        cbe = text_at(request.root, "criteria/owner/cbeNumber")
        owners = sorted(address for address in self._lookup.members if cbe is not None and address.cbe == cbe)
        if len(owners) != 1:
            return passage.refusal("MSG00021")
        deadline = deadline_of(delivery.properties, request.service, delivery.at)
        [heard] = await self._ask(request, owners, delivery, deadline - KEPT)
        return one_answer(passage, request, owners, [self._checked(passage, request, owners[0], heard)])

    def _dossiers(self, passage: Passage, request: Request, ssin: Ssin, rows: Sequence[Integration]) -> Told:
        """What the members have, for the hub itself: it asks nobody below."""
        data = dossiers(rows, ssin)
        body = answers.data_response(
            request.service,
            request.root,
            data,
            "MSG00000" if data else "MSG00100",
            replied=datetime.now(UTC),
            received=passage.at,
            ticket_cbss=passage.ticket_cbss,
        )
        return passage.told(body, "response")

    async def _ask(
        self, request: Request, members: Sequence[Address], delivery: Delivery, deadline: float
    ) -> list[bytes | None]:
        """What each member said by the deadline."""
        questions = (
            self._ask_one(request, member, f"{delivery.properties.correlation_id}.{number}", delivery, deadline)
            for number, member in enumerate(members, 1)
        )
        return await asyncio.gather(*questions)

    async def _ask_one(
        self, request: Request, member: Address, correlation_id: str, delivery: Delivery, deadline: float
    ) -> bytes | None:
        if deadline <= monotonic():
            return None
        service, customer = request.service, customer_of(delivery.properties)
        heard = await self._asking.ask(
            names.INSTITUTIONS,
            names.supplier_queue(member, "online", service.type),
            request.body,
            Properties(
                user_id=str(self._address),
                correlation_id=correlation_id,
                type=service.type,
                headers={"customer": str(customer)} if customer is not None else {},
            ),
            deadline=deadline,
            supplier=str(member),
        )
        if isinstance(heard, Reply):
            return heard.body
        logger().warning(
            "member silent", member=str(member), service=service.type, why=getattr(heard, "reason", "late")
        )
        return None

    def _checked(self, passage: Passage, request: Request, member: Address, body: bytes | None) -> Accepted | None:
        """A member's answer, held against the question as the hub holds a supplier's; None: it counts as silent."""
        if body is None:
            return None
        checked = verify(request, passage.ticket_cbss, body, ())
        if isinstance(checked, Accepted):
            return checked
        logger().warning(
            "answer refused",
            ticket=str(passage.ticket_cbss),
            code=checked.code,
            supplier=str(member),
            reason=checked.reason,
        )
        return None

    def _service(self, queue: str) -> Service | None:
        rest = queue.removeprefix(f"{self._address}.online.")
        name, _, version = rest.rpartition(".")
        return self._catalogue.services.get(f"{name}/{version}")


def one_answer(
    passage: Passage, request: Request, members: Sequence[Address], checked: Sequence[Accepted | None]
) -> Told:
    """What the hub is told of what the members said, in their order; None: this one is silent."""
    service = request.service
    if service.combine is None:
        alone = checked[0]
        if alone is None:
            return passage.fault("CRB00010")
        return passage.told(alone.body, "fault" if alone.fault else "response")
    parts = [
        PartAnswer(member, None if one is None or one.fault else one.body)
        for member, one in zip(members, checked, strict=True)
    ]
    done = combine(service, request.root, parts, passage.ticket_cbss, passage.at, datetime.now(UTC))
    _, violations = service.violations(done.body, done.kind, limit=_MAX_COMBINED)
    if violations:
        logger().error("the combined answer is not valid", service=service.type, why=service.for_log(violations[0]))
        return passage.fault("MSG00003")
    return passage.told(done.body, done.kind, done.code)
