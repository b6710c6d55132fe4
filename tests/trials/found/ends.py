"""Traffic on the reference network at a pace that a busy machine follows, and a supplier whose slowness is turned on.

By hand, beside `crossroads up --without 16-0`: `python -m tests.trials.found.ends FILE`, seconds of delay in FILE.
"""

import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from lxml import etree

from deploy.access import Access, home
from deploy.demo.plan import Exchange, Plan
from deploy.network import FILES
from hub.repertory import files
from institutions import AskingError, Institution, OverLimit
from institutions.question import Question
from institutions.reference.population import Population
from institutions.reference.suppliers import data
from schemas.address import Address
from schemas.catalogue import Catalogue

#: Who becomes slow: persons with a handicap, asked alone and as one of several.
SLOW = Address(16, 0)
#: What an answer of its takes on a good day, and how many times as long on a bad one.
USUAL, TIMES = 0.3, 10
#: Exchanges a second, and how many may be on their way.
RATE, IN_FLIGHT = 8.0, 60


class Ends:
    """Who asks, and 16-0. `seconds`: what one answer of 16-0 takes, a third more or less."""

    def __init__(self, access: Access) -> None:
        self._access, self._catalogue = access, Catalogue.from_environment()
        self._population = Population(seed=access.seed, size=access.size)
        self.seconds = USUAL
        self.told: Counter[str] = Counter()
        #: Numbers of those who were asked about: no command may show one.
        self.numbers: set[str] = set()
        self._chance = random.Random(3)
        self._askers: dict[Address, Institution] = {}
        self._opening = asyncio.Lock()
        self._exit = contextlib.AsyncExitStack()
        self._asks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Ends":
        supplier = Institution(SLOW, self._access.institution_urls(SLOW), catalogue=self._catalogue, concurrency=100)
        for service in data.services_of(SLOW):
            supplier.supplies(service)(self._answer)
        await self._exit.enter_async_context(supplier)
        assert await supplier.supplying()
        going = asyncio.create_task(self._go_on())
        self._exit.push_async_callback(_end, going)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def _answer(self, question: Question) -> list[etree._Element] | None:
        await asyncio.sleep(self.seconds * self._chance.uniform(2 / 3, 4 / 3))
        return data.answer(self._population, question)

    async def _go_on(self) -> None:
        try:
            for exchange in self._exchanges():
                await asyncio.sleep(1 / RATE)
                if len(self._asks) < IN_FLIGHT:
                    task = asyncio.create_task(self._ask(exchange))
                    self._asks.add(task)
                    task.add_done_callback(self._asks.discard)
        finally:
            await _end(*self._asks)

    def _exchanges(self) -> Iterator[Exchange]:
        """Every service, by everyone who may ask it; one in three is of 16-0's own."""
        plan = Plan(self._population, files.read(FILES, self._catalogue), self._catalogue)
        handicap = (one for one in plan.exchanges() if one.service == "HandicapRecognition/1")
        for number, exchange in enumerate(plan.exchanges()):
            yield next(handicap) if number % 3 == 0 else exchange

    async def _ask(self, exchange: Exchange) -> None:
        """What comes of it is for operators to see."""
        self.numbers.add(exchange.ssin.digits)
        try:
            asker = await self._asker(exchange.customer)
            answer = await asker.consult(
                exchange.service, ssin=exchange.ssin, legal_context=exchange.legal_context, period=exchange.period
            )
            self.told[answer.code] += 1
        except (AskingError, OverLimit) as error:
            self.told[type(error).__name__] += 1

    async def _asker(self, address: Address) -> Institution:
        async with self._opening:
            if address not in self._askers:
                asker = Institution(address, self._access.institution_urls(address), catalogue=self._catalogue)
                self._askers[address] = await self._exit.enter_async_context(asker)
        return self._askers[address]


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Ends]:
    """Beside the network whose home this is."""
    async with Ends(Access.load(directory)) as ends:
        yield ends


async def _by_hand(file: Path) -> None:
    async with opened(home()) as ends:
        while True:
            with contextlib.suppress(OSError, ValueError):
                ends.seconds = float(await asyncio.to_thread(file.read_text))
            await asyncio.sleep(10)
            print(dict(ends.told.most_common()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(_by_hand(Path(sys.argv[1])))
