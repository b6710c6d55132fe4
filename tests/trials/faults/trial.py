"""One trial: suppliers that look into the journal before they answer, callers that never stop asking, and the count."""

import asyncio
import hashlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
from lxml import etree

from institutions import Answer, AskingError, Institution, Question
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from tests.trials.faults.network import (
    CALLERS,
    CONTEXT,
    ONE,
    PATIENCE,
    SEVERAL,
    SUPPLIERS,
    Network,
    until,
)
from tests.trials.faults.reckoning import Consultation, Got, Reckoning, Seen, Sight, reckon
from tests.wire.proxy import Proxy

#: Consultations that are open at any time: the issue's 50, and some that are between two.
IN_FLIGHT = 60
#: What a supplier takes for an answer, seconds: so every hub has work in hand whenever something fails.
_WORK = 0.05
_DECIDED = (
    "SELECT EXISTS (SELECT FROM journal WHERE ticket_cbss = $1 AND kind = 'decision' AND verdict = 'admitted'"
    " AND $2 = ANY (suppliers))"
)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a caller asks, and who must be asked for it."""

    service: str
    ssin: Ssin
    suppliers: tuple[str, ...]


class Trial:
    """Callers and suppliers around a network's hubs."""

    def __init__(self, network: Network, through: Mapping[str, Proxy]) -> None:
        """`through`: what stands between an institution and its broker."""
        self.network, self._through = network, through
        self.consultations: list[Consultation] = []
        self.sights: list[Sight] = []
        self.answered = 0
        #: Seconds that each answered consultation took.
        self.seconds: list[float] = []
        #: The fewest that were open when something was made to fail.
        self.least_in_flight = IN_FLIGHT
        self._open: set[int] = set()
        self._disturbing = False
        self._callers: list[Institution] = []
        self._suppliers: list[Institution] = []
        self._errands = self._draw()
        self._progress = asyncio.Condition()
        self._enough = False
        self._workers: list[asyncio.Task[None]] = []
        self._exit = AsyncExitStack()
        self._journal: asyncpg.Pool[asyncpg.Record]

    # --- its course ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Suppliers first, then callers, who ask from now on."""
        self._journal = await asyncpg.create_pool(self.network.database_url, min_size=2, max_size=4)
        self._exit.push_async_callback(self._journal.close)
        for address in SUPPLIERS:
            supplier = self.network.institution(address, self._through.get(address))
            for service in (ONE, SEVERAL):
                if service == SEVERAL or address == SUPPLIERS[0]:
                    supplier.supplies(service)(self._supply)
            self._suppliers.append(await self._exit.enter_async_context(supplier))
            assert await supplier.supplying()
        for address in CALLERS:
            caller = self.network.institution(address, self._through.get(address))
            self._callers.append(await self._exit.enter_async_context(caller))
        callers = itertools.cycle(self._callers)
        self._workers = [asyncio.create_task(self._ask(next(callers))) for _ in range(IN_FLIGHT)]

    async def reaches(self, answered: int) -> None:
        """Wait until so many consultations have been answered in all."""
        async with asyncio.timeout(PATIENCE), self._progress:
            await self._progress.wait_for(lambda: self.answered >= answered or any(w.done() for w in self._workers))
        for worker in self._workers:
            if worker.done():
                worker.result()

    async def more(self, answered: int) -> None:
        """Wait until so many more have been answered."""
        await self.reaches(self.answered + answered)

    @asynccontextmanager
    async def disturbed(self) -> AsyncIterator[None]:
        """The broker goes and comes back within; left when everybody is at work again. Whoever is open meanwhile may be
        told that there was no time."""
        self._disturbing = True
        for number in self._open:
            self.consultations[number].disturbed = True
        yield
        seen = {supplier: self._seen(supplier) for supplier in SUPPLIERS}
        await until(lambda: all(self._seen(supplier) > count for supplier, count in seen.items()))
        await asyncio.gather(*(hub.works() for hub in self.network.alive))
        self._disturbing = False

    def strike(self) -> None:
        """Something is made to fail now."""
        self.least_in_flight = min(self.least_in_flight, len(self._open))

    async def end(self) -> Reckoning:
        """Ask no more, let everything come to rest, and count."""
        self._enough = True
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._workers)
        await self.network.at_rest()
        await asyncio.gather(*(hub.stop() for hub in self.network.hubs))
        await self._exit.aclose()
        killed = sum(hub.killed for hub in self.network.hubs)
        queues = await self.network.depths()
        return reckon(Seen(self.consultations, self.sights, await self.network.journal(), queues, killed))

    async def close(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._exit.aclose()

    @property
    def second_answers(self) -> int:
        """Answers that came to a caller who had one; its library drops them."""
        return self._counted("crossroads_answers_dropped", reason="second_answer")

    @property
    def asked_again(self) -> int:
        """Attempts after the first, by the callers' libraries."""
        return self._counted("crossroads_asked_again_total")

    def _counted(self, name: str, **labels: str) -> int:
        return int(sum(c.metrics.value(name, institution=str(c.address), **labels) for c in self._callers))

    def told(self, reckoning: Reckoning) -> str:
        """The trial in a line."""
        times = sorted(self.seconds)
        return (
            f"{len(self.consultations)} consultations, {self.least_in_flight} or more open at each fault; "
            f"asked again {self.asked_again}, second answers dropped {self.second_answers}; {reckoning}; "
            f"p50 {times[len(times) // 2] * 1000:.0f} ms, longest {times[-1]:.1f} s"
        )

    # --- callers ---------------------------------------------------------------------------------------------------

    def _draw(self) -> "itertools.chain[Errand]":
        """Of ten, seven of one supplier, two of both, one about a person whom the caller does not know."""

        def errand(number: int) -> Errand:
            if number % 10 == 9:
                strangers = self.network.strangers
                return Errand(ONE, strangers[number // 10 % len(strangers)], ())
            ssin = self.network.persons[number % len(self.network.persons)]
            return Errand(SEVERAL, ssin, SUPPLIERS) if number % 10 in (3, 6) else Errand(ONE, ssin, SUPPLIERS[:1])

        return itertools.chain.from_iterable([errand(number)] for number in itertools.count())

    async def _ask(self, caller: Institution) -> None:
        try:
            while not self._enough:
                await self._consult(caller, next(self._errands))
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _consult(self, caller: Institution, errand: Errand) -> None:
        ticket, number = str(uuid4()), len(self.consultations)
        consultation = Consultation(ticket_cbss(caller.address, ticket), errand.suppliers, disturbed=self._disturbing)
        self.consultations.append(consultation)
        self._open.add(number)
        begun = time.monotonic()
        try:
            answer = await caller.consult(errand.service, ssin=errand.ssin, legal_context=CONTEXT, ticket=ticket)
        except AskingError as error:
            consultation.error = type(error).__name__
        else:
            consultation.got.append(_got(answer, errand.ssin))
            self.seconds.append(time.monotonic() - begun)
        finally:
            self._open.remove(number)
        async with self._progress:
            self.answered += 1
            self._progress.notify_all()

    # --- suppliers -------------------------------------------------------------------------------------------------

    async def _supply(self, question: Question) -> etree._Element:
        """Look whether this was decided, and give a receipt that no other question gets."""
        assert question.ticket_cbss is not None
        supplier, receipt = str(question.supplier), secrets.token_hex(8)
        decided = await self._journal.fetchval(_DECIDED, question.ticket_cbss, supplier)
        self.sights.append(Sight(question.ticket_cbss, supplier, receipt, bool(decided)))
        await asyncio.sleep(_WORK)
        return question.element("errand", question.element("receipt", receipt))

    def _seen(self, supplier: str) -> int:
        return sum(sight.supplier == supplier for sight in self.sights)


def _got(answer: Answer, ssin: Ssin) -> Got:
    receipts = tuple(element.text or "" for each in answer.data for element in each.iter("receipt"))
    about = answer.root.findtext("criteria/ssin") == ssin.digits
    return Got(answer.code, answer.ticket_cbss, hashlib.sha256(answer.xml).digest(), receipts, about)


@asynccontextmanager
async def begun(network: Network, through: Mapping[str, Proxy] | None = None) -> AsyncIterator[Trial]:
    """A trial whose callers ask."""
    trial = Trial(network, through or {})
    try:
        await trial.begin()
        yield trial
    finally:
        await trial.close()
