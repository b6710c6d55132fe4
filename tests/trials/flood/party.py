"""One party of a flood, a process of its own: `python -m tests.trials.flood.party`.

The first line on standard input says who it is; each further line is an order, each line on standard output its result.

| order | result |
|---|---|
| `{"do": "ask", "rate": 57, "seconds": 20, "seed": 1}` | a `Result`, when every answer has come or failed to |
| `{"do": "flood", "rate": 1500, "past": 1470}` | `{"over_limit": true}` at the first `OverLimit` |
| `{"do": "stop"}`, of a flood | a `Result` |

Of a flood's rate, `past` goes past the library (`hose.py`).
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from lxml import etree

from institutions import AskingError, Institution, OverLimit, Question
from institutions.request import Ask, build
from schemas.catalogue import Catalogue, shipped
from schemas.ssin import Ssin
from tests.trials.flood.hose import Hose
from tests.trials.flood.result import TICKET, Result

#: Seconds that an asker waits for its answer: a busy machine is no loss.
PATIENCE = 60.0
#: Requests that leave before what came gets its turn.
BURST = 20


@dataclass(frozen=True, slots=True)
class Party:
    """Who it is. `persons` are asked about in turn; who has none supplies."""

    urls: dict[str, str]
    services: str
    service: str
    context: str
    persons: Sequence[str] = field(default=(), repr=False)


async def arrivals(rate: float, until: Callable[[float], bool], seed: int) -> AsyncIterator[float]:
    """When requests are due: Poisson, whatever the answers do. What is late is due at once, and others get a turn."""
    chance, at, burst = random.Random(seed), time.perf_counter(), 0
    while not until(at):
        if (wait := at - time.perf_counter()) > 0 or burst == BURST:
            burst = 0
            await asyncio.sleep(max(wait, 0))
        burst += 1
        yield at
        at += chance.expovariate(rate)


class Library:
    """Institutions that ask, each in turn, with bodies prepared but for their tickets."""

    def __init__(self, institutions: Sequence[Institution], type_: str, bodies: Sequence[Sequence[bytes]]) -> None:
        self._institutions, self._type, self._bodies = institutions, type_, bodies
        self.over_limit = asyncio.Event()

    async def one(self, number: int, due: float, result: Result) -> None:
        ticket, which = str(uuid4()), number % len(self._institutions)
        bodies = self._bodies[which]
        body = bodies[number % len(bodies)].replace(TICKET, ticket.encode())
        try:
            answer = await self._institutions[which].send(body, type=self._type, timeout=PATIENCE)
        except AskingError as error:
            result.ended[type(error).__name__] += 1
            if isinstance(error, OverLimit):
                result.refused.append(ticket)
                self.over_limit.set()
            return
        result.ended[answer.code] += 1
        result.latencies.append((time.perf_counter() - due) * 1000)
        result.answered.append(str(answer.ticket_cbss))


async def ask(client: Library, rate: float, until: Callable[[float], bool], seed: int) -> Result:
    """Ask at this rate, and wait for what becomes of each."""
    result, began = Result(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        async for due in arrivals(rate, until, seed):
            group.create_task(client.one(result.asked, due, result))
            result.asked += 1
        result.seconds = time.perf_counter() - began
    return result


async def supply(question: Question) -> etree._Element:
    """What every question is given."""
    return question.element("errand", question.element("receipt", "done"))


async def main() -> None:
    orders = await _lines()
    party = Party(**json.loads(await orders.readline()))
    catalogue = Catalogue((shipped(), Path(party.services)))
    async with contextlib.AsyncExitStack() as stack:
        institutions = [Institution(address, url, catalogue=catalogue) for address, url in party.urls.items()]
        for institution in institutions:
            if not party.persons:
                institution.supplies(party.service)(supply)
            await stack.enter_async_context(institution)
            if not await institution.supplying():
                raise SystemExit(f"{institution.address} cannot supply {party.service}")
        library, hose = _clients(party, institutions)
        if hose is not None:
            await hose.open()
            stack.push_async_callback(hose.close)
        _say({"ready": True})
        while line := await orders.readline():
            order: dict[str, Any] = json.loads(line)
            if library is None or hose is None:
                raise SystemExit("this party supplies: it takes no orders")
            if order["do"] == "ask":
                _tell(await ask(library, order["rate"], _after(order["seconds"]), order["seed"]))
            else:
                await _flood(order, library, hose, orders)


async def _flood(order: dict[str, Any], library: Library, hose: Hose, orders: asyncio.StreamReader) -> None:
    stop = asyncio.Event()
    library.over_limit.clear()
    past = order["past"]
    floods = [asyncio.create_task(ask(library, order["rate"] - past, lambda _: stop.is_set(), 1))]
    if past:
        floods.append(asyncio.create_task(hose.flood(past, stop.is_set)))
    await library.over_limit.wait()
    _say({"over_limit": True})
    await orders.readline()
    stop.set()
    results = await asyncio.gather(*floods)
    whole = Result(seconds=results[0].seconds)
    for result in results:
        whole.asked += result.asked
        whole.ended = Counter(whole.ended) + Counter(result.ended)
        whole.answered += result.answered
        whole.refused += result.refused
    _tell(whole)


def _clients(party: Party, institutions: Sequence[Institution]) -> tuple[Library | None, Hose | None]:
    if not party.persons:
        return None, None
    service = institutions[0].catalogue.services[party.service]
    ticket = TICKET.decode()
    bodies = [
        [build(Ask(service, one.address, ticket, Ssin.parse(digits), party.context)) for digits in party.persons]
        for one in institutions
    ]
    first = institutions[0].address
    return Library(institutions, service.type, bodies), Hose(first, party.urls[str(first)], service.type, bodies[0])


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _after(seconds: float) -> Callable[[float], bool]:
    end = time.perf_counter() + seconds
    return lambda at: at > end


def _tell(result: Result) -> None:
    _say(asdict(replace(result, ended=dict(result.ended))))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
