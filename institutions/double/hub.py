"""The double: what a test says to it, and its place in the middle of a wire in memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from lxml import etree

from institutions.double.broker import MemoryBroker, MemoryLine, MemoryTransport
from institutions.double.journey import Journey
from institutions.double.register import ANY_QUALITY, Authorisation, Register, Told, row_of
from institutions.errors import UnknownService
from institutions.institution import Institution
from institutions.question import Raw
from institutions.request import Ask, Criteria, build
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.parser import Information
from schemas.period import Period
from schemas.splice import put_information_cbss
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.transport import Observer, Properties

Data = Sequence[etree._Element] | etree._Element | bytes
_BEGINNING = date(2000, 1, 1)
#: In whose name, and in which legal context, the double tells what nobody asked.
_OPERATOR, _CONTEXT = Address(25, 0), "DOUBLE"


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
        self._register = Register()
        self._broker = MemoryBroker(self._request, self._reply)
        self._journey = Journey(self._register, self.catalogue, self._broker, deadline)
        self._tasks: set[asyncio.Task[None]] = set()
        self._twice = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._journey.close()

    @property
    def asked(self) -> tuple[str, ...]:
        """The service types of the requests that went on to suppliers, in their order."""
        return tuple(self._journey.asked)

    # --- who there is -------------------------------------------------------------------------------------------

    def institution(self, address: Address | str, *, active: bool = True, timeout: float = 5.0) -> Institution:
        """An institution of this network: the real class, on a wire in memory."""
        known = _address(address)
        self._register.institutions[known] = active
        wire = _MemoryWire(self._broker, str(known))
        return Institution(known, wire=wire, catalogue=self.catalogue, centre=names.HUB, timeout=timeout)

    # --- what it answers ----------------------------------------------------------------------------------------

    def answer(self, service_type: str, ssin: Ssin | str | None, data: Data) -> None:
        """It gives these data of this person (None: of anybody), as if of a supplier: elements, or their bytes."""
        if isinstance(data, bytes):
            told = Told(raw=Raw(data))
        else:
            told = Told(data=(data,) if isinstance(data, etree._Element) else tuple(data))
        self._program(service_type, ssin, told)

    def refuse(self, service_type: str, ssin: Ssin | str | None, code: str, information: Information = ()) -> None:
        """It refuses with this code (or says what a supplier may say: MSG00100, MSG00005, MSG00009)."""
        self._program(service_type, ssin, Told(code=code, information=information))

    def silent(self, service_type: str, ssin: Ssin | str | None = None) -> None:
        """The only supplier says nothing: CRB00010 at the deadline."""
        self._program(service_type, ssin, Told(silent=True))

    # --- who may ask what of whom -------------------------------------------------------------------------------

    def integrate(
        self,
        ssin: Ssin | str,
        address: Address | str,
        *,
        quality: int = ANY_QUALITY,
        begin: date = _BEGINNING,
        end: date | None = None,
        replaced_by: Ssin | str | None = None,
    ) -> None:
        """This sector and type knows this person. From now on nobody is known where nobody said so."""
        new = _ssin(replaced_by) if replaced_by is not None else None
        self._register.rows.append(row_of(_ssin(ssin), _address(address).kind, quality, Period(begin, end), new))

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
        self._register.authorisations.append(
            Authorisation(_address(customer).kind, service_type, legal_context, frozenset(qualities), asked)
        )

    # --- what it tells unasked ----------------------------------------------------------------------------------

    def tell(
        self,
        address: Address | str,
        service_type: str,
        ssin: Ssin | str,
        criteria: Criteria,
        *,
        word_id: UUID | None = None,
    ) -> UUID:
        """Put a word into an institution's queue, which receives words already; its `id`. The same one again is the
        same word. `criteria` as `consult` has them, in the schema's order."""
        service = self.catalogue.services.get(service_type)
        if service is None:
            raise UnknownService(f"no service {service_type} is known here")
        ticket, now = word_id or uuid4(), datetime.now(UTC)
        ask = Ask(service, _OPERATOR, str(ticket), _ssin(ssin), _CONTEXT, criteria=criteria)
        body = put_information_cbss(build(ask), ticket, now, now)
        properties = Properties(user_id=names.HUB, correlation_id=str(ticket), type=service_type)
        self._broker.deliver(names.mutations(_address(address)), body, properties)
        return ticket

    # --- what goes wrong ----------------------------------------------------------------------------------------

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

    # --- requests -----------------------------------------------------------------------------------------------

    def _program(self, service_type: str, ssin: Ssin | str | None, told: Told) -> None:
        if service_type not in self.catalogue.services:
            known = ", ".join(sorted(self.catalogue.services)) or "none"
            raise UnknownService(f"no service {service_type} is known here; there are: {known}")
        self._register.programmed[service_type, None if ssin is None else _ssin(ssin).digits] = told

    def _request(
        self, sender: str, body: bytes, properties: Properties, answer: Callable[[bytes, Properties], None]
    ) -> None:
        task = asyncio.create_task(self._serve(Address.parse(sender), body, properties, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, sender: Address, body: bytes, properties: Properties, answer: Callable[[bytes, Properties], None]
    ) -> None:
        told = await self._journey.walk(sender, body, properties)
        sent = Properties(
            user_id=names.HUB, correlation_id=properties.correlation_id, type=told.type, headers=told.headers
        )
        answer(told.body, sent)
        if self._twice:
            self._twice -= 1
            answer(told.body, sent)

    def _reply(self, user: str, key: str, body: bytes, properties: Properties) -> None:
        self._journey.reply(user, key, body, properties)


def _address(address: Address | str) -> Address:
    return address if isinstance(address, Address) else Address.parse(address)


def _ssin(number: Ssin | str) -> Ssin:
    return number if isinstance(number, Ssin) else Ssin.parse(number)
