"""One party of a flood, a process of its own: `python -m tests.trials.flood.party`.

The first line on standard input says who it is; each further line is an order, each line on standard output its result.

| order | result |
|---|---|
| `{"do": "ask", "rate": 57, "seconds": 20, "seed": 1}` | a `Result`, when every answer has come or failed to |
| `{"do": "flood", "rate": 1500, "lean": 1440}` | `{"over_limit": true}` at the first `OverLimit` |
| `{"do": "stop"}`, of a flood | a `Result` |

Of a flood's rate, `lean` goes past the library, by the client beneath it: what a flooder's machine spends on its flood
is nobody's concern, but here it stands on the same two cores as those who must not notice.
"""

import asyncio
import contextlib
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiormq
import uvloop
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError
from lxml import etree
from pamqp.commands import Basic

from institutions import AskingError, Institution, OverLimit, Question
from institutions.request import Ask, build
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from schemas.wire import names

#: Seconds that an asker waits for its answer: a busy machine is no loss.
PATIENCE = 60.0
#: Requests that leave before what came gets its turn.
BURST = 20
_TICKET = b"00000000-0000-4000-8000-000000000000"
_CODE = re.compile(rb"<(?:code|reasonCode)>([A-Z0-9]+)</")


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
    ended: dict[str, int] = field(default_factory=Counter)
    #: The hub's tickets of what was answered; the askers' own of what was refused.
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


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
        body = bodies[number % len(bodies)].replace(_TICKET, ticket.encode())
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


class Lean:
    """The same institution by the client beneath the library."""

    def __init__(self, address: Address, url: str, type_: str, bodies: Sequence[bytes]) -> None:
        self._address, self._url, self._type, self._bodies = address, url, type_, bodies
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def open(self) -> None:
        self._connection = await aiormq.connect(self._url)
        self._channel: Any = await self._connection.channel(publisher_confirms=True)
        await self._channel.basic_consume(names.DIRECT_REPLY_TO, self._take, no_ack=True)

    async def close(self) -> None:
        await self._connection.close()

    async def _take(self, message: DeliveredMessage) -> None:
        self._waiting[message.header.properties.correlation_id or ""].set_result(message.body)

    async def one(self, number: int, due: float, result: Result) -> None:
        ticket = str(uuid4())
        body = self._bodies[number % len(self._bodies)].replace(_TICKET, ticket.encode())
        answer = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            await self._channel.basic_publish(
                body,
                exchange=names.out(self._address),
                routing_key="online",
                mandatory=True,
                wait=False,
                properties=Basic.Properties(
                    correlation_id=ticket,
                    reply_to=names.DIRECT_REPLY_TO,
                    user_id=str(self._address),
                    message_type=self._type,
                    content_type="application/xml",
                    delivery_mode=2,
                ),
            )
            async with asyncio.timeout(PATIENCE):
                found = _CODE.search(await answer)
        except DeliveryError:
            result.ended["refused"] += 1
            result.refused.append(ticket)
        except TimeoutError:
            result.ended["unanswered"] += 1
        else:
            result.ended[found[1].decode() if found else "no code"] += 1
            result.latencies.append((time.perf_counter() - due) * 1000)
            result.answered.append(str(ticket_cbss(self._address, ticket)))
        finally:
            del self._waiting[ticket]


async def ask(client: Library | Lean, rate: float, until: Callable[[float], bool], seed: int) -> Result:
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
        library, lean = _clients(party, institutions)
        if lean is not None:
            await lean.open()
            stack.push_async_callback(lean.close)
        _say({"ready": True})
        while line := await orders.readline():
            order: dict[str, Any] = json.loads(line)
            if library is None or lean is None:
                raise SystemExit("this party supplies: it takes no orders")
            if order["do"] == "ask":
                _tell(await ask(library, order["rate"], _after(order["seconds"]), order["seed"]))
            else:
                await _flood(order, library, lean, orders)


async def _flood(order: dict[str, Any], library: Library, lean: Lean, orders: asyncio.StreamReader) -> None:
    stop = asyncio.Event()
    library.over_limit.clear()

    def stopped(_: float) -> bool:
        return stop.is_set()

    rates: list[tuple[Library | Lean, float]] = [(library, order["rate"] - order["lean"]), (lean, order["lean"])]
    floods = [asyncio.create_task(ask(client, rate, stopped, 1)) for client, rate in rates if rate]
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


def _clients(party: Party, institutions: Sequence[Institution]) -> tuple[Library | None, Lean | None]:
    if not party.persons:
        return None, None
    service = institutions[0].catalogue.services[party.service]
    ticket = _TICKET.decode()
    bodies = [
        [build(Ask(service, one.address, ticket, Ssin.parse(digits), party.context)) for digits in party.persons]
        for one in institutions
    ]
    first = institutions[0].address
    return Library(institutions, service.type, bodies), Lean(first, party.urls[str(first)], service.type, bodies[0])


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
