"""Questions from the centre, each answered once: what an institution's suppliers stand behind."""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from institutions.metrics import Metrics
from institutions.question import Supplier
from institutions.report import Report, Reporter
from institutions.supply import Memory, Said, answer
from schemas.address import Address
from schemas.answers import fault
from schemas.service import Service
from schemas.wire import names
from schemas.wire.intake import Answer, Around, Intake, Outcome, identity
from schemas.wire.transport import Delivery, Transport

#: Seconds that a question without a deadline may be in hand: the broker takes back what is longer.
IN_HAND = 1_500.0
#: Seconds that a stop waits for what runs.
DRAIN_SECONDS = 10.0


class Answering:
    """Takes an institution's questions over `transport`, `concurrency` at a time."""

    def __init__(
        self,
        transport: Transport,
        address: Address,
        centre: str,
        *,
        concurrency: int,
        metrics: Metrics,
        report: Reporter,
        around: Around | None = None,
    ) -> None:
        self._transport, self._address, self._centre = transport, address, centre
        self._concurrency, self._metrics, self._report = concurrency, metrics, report
        self._suppliers: dict[str, tuple[Service, Supplier]] = {}
        self._memory = Memory()
        self._intake = Intake(
            transport,
            self._handle,
            user=str(address),
            on_failure=self._failed,
            key=self._key,
            reply_exchange=names.REPLIES,
            dead_exchange=None,
            max_in_flight=concurrency,
            around=around,
        )
        metrics.watch(str(address), lambda: self._intake.in_flight)

    @property
    def in_flight(self) -> int:
        """Questions being worked on."""
        return self._intake.in_flight

    async def add(self, service: Service, supplier: Supplier, mode: names.Mode = "online") -> bool:
        """Take the questions of this service. False: its queue is not there (yet); it is tried again."""
        queue = names.supplier_queue(self._address, mode, service.type)
        self._suppliers[queue] = service, supplier
        return await self._intake.add(queue, prefetch=self._concurrency)

    async def close(self) -> None:
        """Start nothing new, finish what runs, within `DRAIN_SECONDS`; what is left goes back to its queue."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._intake.drain()
        await self._intake.close()
        self._memory.clear()

    def _key(self, delivery: Delivery) -> Hashable:
        """The centre's name of the question: it comes again with another time of forwarding in its body."""
        properties = delivery.properties
        if properties.user_id != self._centre or not properties.correlation_id:
            return identity(delivery)
        return properties.correlation_id

    async def _handle(self, delivery: Delivery) -> Outcome:
        service, supplier = self._suppliers[delivery.queue]
        properties = delivery.properties
        if properties.user_id != self._centre:
            self._metrics.dropped(str(self._address), "wrong_sender")
            self._report(Report("wrong sender", str(self._address), service.type))
            return None
        key = f"{delivery.queue} {properties.correlation_id}"
        said = self._memory.get(key)
        if said is None:
            patience = None if delivery.queue.startswith(f"{self._address}.online.") else IN_HAND
            said = await answer(service, supplier, self._address, delivery.body, properties, delivery.at, patience)
            self._told(service, delivery, said, monotonic() - delivery.at)
            self._memory.put(key, said)
        return Answer(said.body, said.kind) if said.body is not None else None

    def _told(self, service: Service, delivery: Delivery, said: Said, seconds: float) -> None:
        self._metrics.answered(str(self._address), service.type, said.result, seconds)
        if said.result in ("failed", "invalid", "late"):
            self._report(Report(said.result, str(self._address), service.type, ticket_of(delivery), said.why))

    def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        """A question that no hub would send, or a bug of ours."""
        service, _ = self._suppliers[delivery.queue]
        ticket = ticket_of(delivery)
        self._report(Report("failed", str(self._address), service.type, ticket, type(error).__qualname__))
        self._metrics.answered(str(self._address), service.type, "failed", 0.0)
        if ticket is None:
            return None
        return Answer(nothing_but_fault(service, ticket), "fault")


def ticket_of(delivery: Delivery) -> UUID | None:
    """The centre's ticket, as a question's correlation id says it: `ticketCBSS/part`."""
    try:
        return UUID((delivery.properties.correlation_id or "").partition("/")[0])
    except ValueError:
        return None


def nothing_but_fault(service: Service, ticket: UUID) -> bytes:
    """MSG00003, without anything of the question."""
    now = datetime.now(UTC)
    return fault(service, "MSG00003", head_root=None, ticket_cbss=ticket, received=now, replied=now)
