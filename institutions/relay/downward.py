"""Down the star's arm: a member asks, the relay asks the hub as itself (docs/relay.md, "Down")."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from institutions.asking import Asking
from institutions.errors import AskingError
from institutions.ordered import CATCH_UP
from institutions.passage import Passage, Told, arrival, key_of
from institutions.reading import Wrong, known_service, read
from institutions.relay.admission import Refused, admit_member, admit_person, speaks_for_itself
from institutions.relay.answers import MARK
from institutions.relay.lookup import Lookup
from institutions.relay.registering import REGISTER, UNREGISTER, LimitError, change
from institutions.relay.sectoral_repertory import RepertoryUnavailable
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import Head, Request, read_head
from schemas.period import Period, today
from schemas.process.log import logger
from schemas.splice import put_customer_cbe, put_ticket
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.exchange import Received, Unanswerable, receive
from schemas.wire.intake import Park
from schemas.wire.transport import Delivery, Properties, Transport, Unconfirmed
from schemas.wire.transport import Refused as QueueFull

#: Seconds beyond a service's deadline in which the hub's own word about silence still comes.
BEYOND = 0.5
#: Seconds before a registration is tried again whose own half could not be made.
AGAIN = 0.2
#: No verdict on the request: the same ticket may be sent again.
NO_VERDICT = "CRB00014"
#: Between two tries of the hub's queue, seconds.
_BACKOFF = (0.05, 1.0)
CatchUp = Callable[[Passage, Request, Address], Awaitable[Told]]
_KINDS = ("response", "fault", "intermediate")


class Downward:
    """Members' requests, one at a time."""

    def __init__(
        self,
        address: Address,
        lookup: Lookup,
        catalogue: Catalogue,
        asking: Asking,
        primary: Transport,
        catch_up: CatchUp,
    ) -> None:
        """`catch_up`: answers a member that asks for what it missed."""
        self._who, self._lookup, self._catalogue, self._asking = str(address), lookup, catalogue, asking
        self._primary, self._catch_up = primary, catch_up

    async def walk(self, delivery: Delivery) -> Told | Park:
        """What becomes of a member's request. Raises only for a mistake of ours."""
        told = await self.walk_lot(delivery)
        if told is None:
            raise TypeError("a request on line that is not answered")
        return told

    async def walk_lot(self, delivery: Delivery) -> Told | Park | None:
        """As `walk`; None: it is of a lot, or a mutation, and in the hub's queue, which answers later."""
        received = receive(delivery)
        if isinstance(received, Unanswerable):
            return Park(received.reason)
        head = read_head(received.root) if received.root is not None else None
        ticket = key_of(received.sender, head.ticket if head is not None else None, received, delivery.properties)
        lot = names.comes_later(delivery.queue)
        passage = Passage(ticket, arrival(delivery), received.root, member=received.sender if lot else None)
        if received.code is not None or received.root is None or head is None:
            return passage.fault(received.code or "CRB00003", [received.information] if received.information else [])
        request = self._interface(passage, received, head, delivery)
        return request if isinstance(request, Told) else await self._admit(passage, received, *request, delivery)

    def failed(self, delivery: Delivery) -> Told | Park:
        """MSG00003, for when `walk` raised."""
        received = receive(delivery)
        if isinstance(received, Unanswerable):
            return Park(received.reason)
        head = read_head(received.root) if received.root is not None else None
        ticket = key_of(received.sender, head.ticket if head is not None else None, received, delivery.properties)
        return Passage(ticket, arrival(delivery), None).fault("MSG00003")

    def _interface(
        self, passage: Passage, received: Received, head: Head, delivery: Delivery
    ) -> tuple[Request, Ssin | None] | Told:
        """Checks 6 to 12."""
        root = received.root
        if root is None:
            return passage.fault("CRB00003")
        member = admit_member(self._lookup.members, received.sender)
        if isinstance(member, Refused):
            return passage.fault(member.code, [member.information])
        mode = "mutation" if names.mode_of(delivery.queue) == "mutation" else "online"
        service = known_service(self._catalogue, delivery.properties.type, root, mode)
        if isinstance(service, Wrong):
            return passage.fault(service.code)
        passage.service = service
        if (other := speaks_for_itself(received.sender, head)) is not None:
            return passage.fault(other.code, [other.information])
        request = read(service, delivery.body, root)
        if isinstance(request, Wrong):
            told = request.code, request.details
            return passage.fault(*told) if request.fault else passage.refusal(request.code, request.information)
        return request

    async def _admit(
        self, passage: Passage, received: Received, request: Request, ssin: Ssin | None, delivery: Delivery
    ) -> Told | None:
        """The very member's integration, where the service wants it, then the hub."""
        service, day, lot = request.service, today(), passage.member is not None
        asked = request.asked or Period(day, day)
        # A lot's consultation may have waited for its turn.
        deadline = (monotonic() if lot else delivery.at) + service.deadline_ms / 1000 + BEYOND
        if lot and service.answered_by == "hub":
            return passage.fault("CRB00008")
        if lot and request.head.ticket is None:
            return passage.refusal("MSG00008", (("expected", "informationCustomer/ticket"),))
        if service.type == CATCH_UP:
            return await self._catch_up(passage, request, received.sender)
        if ssin is not None and service.type in (REGISTER, UNREGISTER):
            return await self._register(passage, received, request, ssin, deadline)
        if ssin is not None and service.person_check:
            try:
                rows = await self._lookup.rows(ssin, deadline)
            except RepertoryUnavailable:
                return _unavailable(passage)
            refused = admit_person(rows, received.sender, ssin, asked, service.period_rule, day)
            if refused is not None:
                return passage.refusal(refused.code, refused.information)
        if lot:
            await self._pass_on(received, request, delivery)
            return None
        return await self._ask(passage, received, request, deadline)

    async def _pass_on(self, received: Received, request: Request, delivery: Delivery) -> None:
        """Into the hub's queue for lots or mutations. While that is full the member's own one fills."""
        properties = Properties(
            user_id=self._who,
            correlation_id=f"{received.sender}{MARK}{delivery.properties.correlation_id or ''}",
            reply_to=names.answers(self._who),
            type=request.service.type,
            headers={"user": received.user} if received.user is not None else {},
        )
        body, (pause, most) = _of_member(request, received), _BACKOFF
        while True:
            try:
                await self._primary.publish(names.out(self._who), names.mode_of(delivery.queue), body, properties)
                return
            except (QueueFull, Unconfirmed):
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)

    async def _register(
        self, passage: Passage, received: Received, request: Request, ssin: Ssin, deadline: float
    ) -> Told:
        """The hub's repertory, then this network's own."""
        told: list[Told] = []

        async def ask() -> bytes | None:
            told[:] = [await self._ask(passage, received, request, deadline)]
            return told[0].body if told[0].type == "response" else None

        while True:
            try:
                await change(self._lookup.repertory, request, ssin, received.sender, passage.ticket_cbss, ask)
            except LimitError as error:
                expected = f"with what it prolongs, quality {error.quality} lasts to {error.last.isoformat()} at most"
                return passage.refusal("MSG00008", (("expected", expected),))
            except RepertoryUnavailable:
                # What the hub did must be done here too: it tells the same again.
                if monotonic() + AGAIN >= deadline:
                    return _unavailable(passage)
                await asyncio.sleep(AGAIN)
                continue
            return told[0]

    async def _ask(self, passage: Passage, received: Received, request: Request, deadline: float) -> Told:
        """The hub's answer as it came."""
        service = request.service
        ticket = request.head.ticket or str(passage.ticket_cbss)
        body = _of_member(request, received)
        if request.head.ticket is None:
            body = put_ticket(body, ticket)
        try:
            reply = await self._asking.ask(
                body,
                service_type=service.type,
                user=received.user,
                ticket=ticket,
                timeout=max(0.0, deadline - monotonic()),
            )
        except AskingError as error:
            why = type(error).__name__
            logger().warning("the hub gave no answer", ticket=str(passage.ticket_cbss), why=why)
            return passage.fault(NO_VERDICT, [(("hub", why),)])
        kind, filtered = reply.properties.type, reply.properties.headers.get("filtered")
        return passage.told(
            reply.body,
            kind if kind in _KINDS else "response",
            filtered=filtered if isinstance(filtered, str) else "",
        )


def _of_member(request: Request, received: Received) -> bytes:
    """The request, with the member named by its enterprise number."""
    if request.head.cbe is None and received.sender.cbe is not None:
        return put_customer_cbe(request.body, received.sender.cbe)
    return request.body


def _unavailable(passage: Passage) -> Told:
    return passage.fault(NO_VERDICT, [(("unavailable", "the sectoral repertory"),)])
