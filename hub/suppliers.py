"""Steps 8 and 9: ask one to many suppliers at once, and gather until all have answered or the deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from uuid import UUID

from hub.journal.entry import Took
from hub.metrics import Metrics
from schemas.address import Address
from schemas.service import Service
from schemas.wire import names
from schemas.wire.asking import Asking, Late, Reply, Silent
from schemas.wire.transport import Properties


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of the question to one supplier. Without body: it is silent."""

    supplier: Address
    body: bytes | None = field(default=None, repr=False)
    #: An answer came, but after the deadline, within the grace.
    late: bool = False
    #: From the question until the reply was there, whether in time or not; None: it is silent.
    ms: int | None = None


def took(heard: Iterable[Heard], paused: Collection[Address]) -> tuple[Took, ...]:
    """How long each took, for the journal. Who is paused was not asked."""
    return tuple([(one.supplier, one.ms) for one in heard if one.supplier not in paused])


class Suppliers:
    """Asks in the hub's name, over its own reply queue."""

    def __init__(self, asking: Asking, metrics: Metrics) -> None:
        self._asking, self._metrics = asking, metrics

    async def ask(
        self,
        service: Service,
        suppliers: Sequence[Address],
        body: bytes,
        *,
        customer: Address,
        ticket_cbss: UUID,
        deadline: float,
        first: int = 1,
        paused: Collection[Address] = (),
    ) -> list[Heard]:
        """Put the forwarded request to all of them; in their order, what was heard by `deadline` (`time.monotonic`).

        Only for an only supplier is the grace waited out, to tell late from silent. `first`: the number of the first
        part, where others were asked under this ticket before. `paused`: of several those that are not asked: silent.
        """
        if paused:
            asked = [one for one in suppliers if one not in paused]
            found = {one: Heard(one) for one in suppliers}
            if asked:
                more = await self.ask(
                    service, asked, body, customer=customer, ticket_cbss=ticket_cbss, deadline=deadline, first=first
                )
                found.update((one.supplier, one) for one in more)
            return list(found.values())
        questions = [
            partial(self._ask_one, service, supplier, f"{ticket_cbss}/{part}", body, customer, deadline)
            for part, supplier in enumerate(suppliers, start=first)
        ]
        if len(questions) == 1:
            return [await questions[0]()]
        return await asyncio.gather(
            *(self._by(deadline, one, supplier) for one, supplier in zip(questions, suppliers, strict=True))
        )

    async def _by(self, deadline: float, question: Callable[[], Awaitable[Heard]], supplier: Address) -> Heard:
        begun = monotonic()
        try:
            async with asyncio.timeout(deadline - begun):
                return await question()
        except TimeoutError:
            self._metrics.supplier(str(supplier), "no reply", monotonic() - begun)
            return Heard(supplier)

    async def _ask_one(
        self,
        service: Service,
        supplier: Address,
        correlation_id: str,
        body: bytes,
        customer: Address,
        deadline: float,
    ) -> Heard:
        who, begun, in_hand = str(supplier), monotonic(), self._metrics.of_suppliers
        in_hand[who] += 1
        try:
            reply = await self._asking.ask(
                names.INSTITUTIONS,
                names.supplier_queue(supplier, "online", service.type),
                body,
                Properties(
                    user_id=names.HUB,
                    correlation_id=correlation_id,
                    type=service.type,
                    headers={"customer": str(customer)},
                ),
                deadline=deadline,
                supplier=who,
            )
        finally:
            in_hand[who] -= 1
        seconds = monotonic() - begun
        match reply:
            case Reply():
                self._metrics.supplier(who, "answered", seconds)
                return Heard(supplier, reply.body, ms=round(seconds * 1000))
            case Late():
                self._metrics.supplier(who, "late", seconds)
                return Heard(supplier, late=True, ms=round(seconds * 1000))
            case Silent():
                self._metrics.supplier(who, reply.reason, seconds)
                return Heard(supplier)
