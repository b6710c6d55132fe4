"""The demo's traffic: many institutions asking at once, each answer held against what it had to be."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from deploy.access import Access
from deploy.demo.plan import Exchange
from institutions import AskingError, Institution, OverLimit
from schemas.address import Address
from schemas.catalogue import Catalogue

#: The promise: an on-line answer in less than this, seconds.
PROMISE = 4.0
#: An institution over its rate asks again after this, seconds.
_BACK_OFF = 0.2


@dataclass
class Seen:
    """What was answered so far."""

    #: (service, code) to number of exchanges
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    under_promise: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    #: what ended otherwise than it had to, without any personal data
    wrong: list[str] = field(default_factory=list)
    over_limit: int = 0
    in_flight: int = 0

    @property
    def count(self) -> int:
        return sum(self.ended.values())


class Traffic:
    """All these exchanges, `in_flight` at a time."""

    def __init__(self, access: Access, catalogue: Catalogue, exchanges: Sequence[Exchange], in_flight: int) -> None:
        self._access, self._catalogue, self._exchanges, self._in_flight = access, catalogue, exchanges, in_flight
        self.seen = Seen()
        self._askers: dict[Address, Institution] = {}
        self._opening = asyncio.Lock()

    async def run(self) -> None:
        """Ask them all."""
        async with AsyncExitStack() as stack:
            todo = iter(self._exchanges)

            async def one_after_another() -> None:
                for exchange in todo:
                    await self._ask(await self._asker(exchange.customer, stack), exchange)

            await asyncio.gather(*(one_after_another() for _ in range(self._in_flight)))

    async def _asker(self, address: Address, stack: AsyncExitStack) -> Institution:
        async with self._opening:
            if address not in self._askers:
                asker = Institution(address, self._access.institution_urls(address), catalogue=self._catalogue)
                self._askers[address] = await stack.enter_async_context(asker)
        return self._askers[address]

    async def _ask(self, asker: Institution, exchange: Exchange) -> None:
        seen = self.seen
        seen.in_flight += 1
        began = time.perf_counter()
        try:
            while True:
                try:
                    answer = await asker.consult(
                        exchange.service,
                        ssin=exchange.ssin,
                        legal_context=exchange.legal_context,
                        period=exchange.period,
                    )
                    code = answer.code
                    break
                except OverLimit:
                    seen.over_limit += 1
                    await asyncio.sleep(_BACK_OFF)
        except AskingError as error:
            code = type(error).__name__
        finally:
            seen.in_flight -= 1
        seconds = time.perf_counter() - began
        seen.seconds.append(seconds)
        seen.ended[exchange.service, code] += 1
        seen.under_promise[exchange.service] += seconds < PROMISE
        if code != exchange.expected:
            asked = f"{exchange.customer} asked {exchange.service} in {exchange.legal_context}"
            seen.wrong.append(f"{asked}: {code}, not {exchange.expected}")
