"""Walks a service that the hub answers: ask others, then effect and outcome in one transaction.

Whoever changes rows of persons locks in this order: the table against loads of files, the persons by number, the
ticket. Whether the ticket was told already is asked under its lock: a change is made once.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID

from lxml import etree

from hub.journal import Journal, Outcome
from hub.journal.entry import Took
from hub.own.service import Answered, Call, Ending, OwnService
from hub.queries import QUERIES
from hub.repertory.database import Connection, Pool
from hub.suppliers import Suppliers, took
from hub.verification import Accepted, verify
from schemas import answers
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import Request, read_request
from schemas.parser import parse
from schemas.process import log

#: Connections of one hub for changes, at most: others wait their turn.
_CONNECTIONS = 8
#: A transaction that takes longer has failed, seconds; it may wait for one of a file's.
_ACT_TIMEOUT = 20.0

#: Values of an answer with data: they are told again too.
_WITH_DATA = ("DATA_FOUND", "INCOMPLETE_DATA")

Tell = Callable[[Ending], Outcome]


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended, and whether it had been told before."""

    ending: Ending = field(repr=False)
    again: bool


class Acting:
    """The connections for changes. `close` at the end; the first use opens them."""

    def __init__(self, database_url: str, journal: Journal, name: str) -> None:
        self._journal = journal
        self._pool = Pool(database_url, f"{name} acts", _CONNECTIONS, _ACT_TIMEOUT)

    async def close(self) -> None:
        await self._pool.close()

    async def act(self, service: OwnService, call: Call, prepared: Any, tell: Tell) -> Done:
        """The effect and its outcome, or what was told before. `tell` makes the outcome of an ending; an `Ending` as
        `prepared` is told without an effect. Raises RepertoryUnavailableError: whether it was done is not known, and
        doing it again is safe. What the database says against a row is raised as it is: nothing was done."""
        async with self.connection() as connection, connection.transaction():
            return await self._within(connection, service, call, prepared, tell)

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """See `Pool.connection`."""
        return self._pool.connection()

    async def _within(self, connection: Connection, service: OwnService, call: Call, prepared: Any, tell: Tell) -> Done:
        changes = call.request.service.changes
        now: datetime
        if changes:
            await connection.execute(QUERIES["person_write_lock"])
            for number in sorted(ssin.number for ssin in service.persons(call)):
                await connection.execute(QUERIES["person_lock"], number)
            told = await connection.fetchrow(QUERIES["ticket_lock"], call.ticket_cbss)
            if told is not None and told["told"] is not None:
                ending = Ending(told["told_code"])
                if told["told_value"] in _WITH_DATA:
                    ending = await service.again(call, ending, told["told"], connection)
                now = await connection.fetchval(QUERIES["moment"])
                await self._journal.outcome_in(connection, tell(ending), now)
                return Done(ending, again=True)
        now = await connection.fetchval(QUERIES["moment"])
        ending = prepared if isinstance(prepared, Ending) else await service.act(call, prepared, connection, now)
        await self._journal.outcome_in(connection, tell(ending), now)
        return Done(ending, again=False)


class Asking:
    """`Others` of one call."""

    def __init__(
        self,
        call: Call,
        catalogue: Catalogue,
        suppliers: Suppliers,
        acting: Acting,
        paused: frozenset[Address] = frozenset(),
    ) -> None:
        self._call, self._catalogue, self._suppliers, self._acting = call, catalogue, suppliers, acting
        #: Who is not asked, and counts as silent; and whether somebody was not for that.
        self._paused, self.without_paused = paused, False
        self._parts = 1
        #: Seconds in which suppliers were waited for, of several at once once; and whether one failed.
        self.waited, self.failed = 0.0, False
        self._open, self._begun = 0, 0.0
        #: When the first question left, and how long each supplier took.
        self.asked: datetime | None = None
        self.took: list[Took] = []

    async def ask(
        self, service_type: str, suppliers: Sequence[Address], criteria: Sequence[etree._Element]
    ) -> list[Answered | None]:
        """See `Others`."""
        service = self._catalogue.services.get(service_type)
        if service is None or not suppliers:
            log.logger().error("cannot be asked", service=service_type)
            return [None] * len(suppliers)
        now = datetime.now(UTC)
        self.asked = self.asked or now
        body = answers.question(
            service, self._call.request.root, criteria, ticket_cbss=self._call.ticket_cbss,
            received=self._call.received, replied=now,
        )  # fmt: skip
        request = read_request(service, body, parse(body))
        if not isinstance(request, Request):
            log.logger().error("question not valid", service=service_type, why=service.for_log(request[0]))
            return [None] * len(suppliers)
        first, self._parts = self._parts, self._parts + len(suppliers)
        if not self._open:
            self._begun = monotonic()
        self._open += 1
        try:
            heard = await self._suppliers.ask(
                service,
                suppliers,
                body,
                customer=self._call.customer,
                ticket_cbss=self._call.ticket_cbss,
                deadline=self._call.deadline,
                first=first,
                paused=self._paused,
            )
        finally:
            self._open -= 1
            if not self._open:
                self.waited += monotonic() - self._begun
        self.took += took(heard, self._paused)
        answered = [
            None if one.body is None else _answered(request, self._call.ticket_cbss, one.supplier, one.body)
            for one in heard
        ]
        for supplier, one in zip(suppliers, answered, strict=True):
            if one is None:
                self.without_paused |= supplier in self._paused
                self.failed |= supplier not in self._paused
        return answered

    async def fetch(self, query: str, *values: Any) -> Sequence[Any]:
        """See `Others`."""
        async with self._acting.connection() as connection:
            return await connection.fetch(QUERIES[query], *values)


class AskedError(Exception):
    """Of `Foreseen`: whom a call asks first."""

    def __init__(self, suppliers: Sequence[Address]) -> None:
        super().__init__()
        self.suppliers = suppliers


class Foreseen:
    """`Others` of a call that is not to ask anybody yet: who would be asked first is raised."""

    def __init__(self, acting: Acting) -> None:
        self._acting = acting

    async def ask(
        self, service_type: str, suppliers: Sequence[Address], criteria: Sequence[etree._Element]
    ) -> list[Answered | None]:
        """Raises AskedError."""
        raise AskedError(suppliers)

    async def fetch(self, query: str, *values: Any) -> Sequence[Any]:
        """See `Others`."""
        async with self._acting.connection() as connection:
            return await connection.fetch(QUERIES[query], *values)


def _answered(request: Request, ticket_cbss: UUID, supplier: Address, body: bytes) -> Answered | None:
    accepted = verify(request, ticket_cbss, body, ())
    if isinstance(accepted, Accepted):
        return None if accepted.status is None else Answered(supplier, accepted.root, accepted.status)
    log.logger().warning("answer refused", code=accepted.code, supplier=str(supplier), reason=accepted.reason)
    return None
