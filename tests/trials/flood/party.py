"""One party of a flood, a process of its own: `python -m tests.trials.flood.party`.

The first line on standard input says who it is; each further line is an order, each line on standard output its result.

| order | result |
|---|---|
| `{"do": "ask", "rate": 57, "seconds": 20, "seed": 1}` | a `Result`, when every answer has come or failed to |
| `{"do": "flood", "rate": 1500}` | `{"over_limit": true}` at the first `OverLimit` |
| `{"do": "stop"}`, of a flood | a `Result` |
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from lxml import etree

from institutions import AskingError, Institution, OverLimit, Question
from institutions.request import Ask, build
from schemas.catalogue import Catalogue, shipped
from schemas.ssin import Ssin

#: Seconds that an asker waits for its answer: a busy machine is no loss.
PATIENCE = 60.0
_TICKET = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Party:
    """Who it is. `persons` are asked about in turn; who has none supplies."""

    urls: dict[str, str]
    services: str
    service: str
    context: str
    persons: Sequence[str] = field(default=(), repr=False)


@dataclass(slots=True)
class Result:
    """What came of an order to ask."""

    asked: int = 0
    #: Seconds that it took to ask them all.
    seconds: float = 0.0
    #: Milliseconds from when a request was due to its answer.
    latencies: list[float] = field(default_factory=list)
    #: Answers by code, and errors by name.
    ended: dict[str, int] = field(default_factory=dict)
    #: The hub's tickets of what was answered; the askers' own of what was refused.
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Askers:
    """Institutions that ask, each in turn, with bodies prepared but for their tickets."""

    def __init__(self, party: Party, institutions: Sequence[Institution]) -> None:
        self._institutions = institutions
        service = institutions[0].catalogue.services[party.service]
        self._type = service.type
        self._bodies = [
            [
                build(Ask(service, institution.address, _TICKET, Ssin.parse(digits), party.context))
                for digits in party.persons
            ]
            for institution in institutions
        ]
        self._number = 0
        self.over_limit = asyncio.Event()
        self.stop = asyncio.Event()

    async def ask(self, rate: float, seconds: float, seed: int) -> Result:
        """Poisson arrivals, whatever the answers do. `seconds` 0: until `stop`."""
        chance, result, ended = random.Random(seed), Result(), Counter[str]()
        tasks: set[asyncio.Task[None]] = set()
        began = at = time.perf_counter()
        while not self.stop.is_set() and (not seconds or at < began + seconds):
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            elif len(tasks) % 50 == 0:
                await asyncio.sleep(0)
            task = asyncio.create_task(self._one(at, result, ended))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            result.asked += 1
            at += chance.expovariate(rate)
        result.seconds = time.perf_counter() - began
        await asyncio.gather(*tasks)
        result.ended = dict(ended)
        return result

    async def _one(self, due: float, result: Result, ended: Counter[str]) -> None:
        number, ticket = self._number, str(uuid4())
        self._number += 1
        which = number % len(self._institutions)
        bodies = self._bodies[which]
        body = bodies[number % len(bodies)].replace(_TICKET.encode(), ticket.encode())
        try:
            answer = await self._institutions[which].send(body, type=self._type, timeout=PATIENCE)
        except AskingError as error:
            ended[type(error).__name__] += 1
            if isinstance(error, OverLimit):
                result.refused.append(ticket)
                self.over_limit.set()
            return
        ended[answer.code] += 1
        result.latencies.append((time.perf_counter() - due) * 1000)
        result.answered.append(str(answer.ticket_cbss))


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
        _say({"ready": True})
        askers = Askers(party, institutions) if party.persons else None
        while line := await orders.readline():
            order: dict[str, Any] = json.loads(line)
            if askers is None:
                continue
            if order["do"] == "ask":
                _say(asdict(await askers.ask(order["rate"], order["seconds"], order["seed"])))
                continue
            flood = asyncio.create_task(askers.ask(order["rate"], 0, 1))
            await askers.over_limit.wait()
            _say({"over_limit": True})
            await orders.readline()
            askers.stop.set()
            _say(asdict(await flood))
            askers.stop.clear()
            askers.over_limit.clear()


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
