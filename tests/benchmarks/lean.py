"""The lean ends of a measurement: an asker and a supplier with as little of their own cost as the client allows.

Both speak aiormq directly and know nothing of XML beyond three substitutions, so that what is measured is what
stands between them: the hub, or a relay that does nothing.
"""

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

NAMESPACE = "http://kszbcss.fgov.be/intf/RetrieveTIGroupsService/v2"
SERVICE = "RetrieveTIGroups/2"

REQUEST = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<v2:retrieveTIGroupsRequest xmlns:v2="{NAMESPACE}"><informationCustomer><ticket>%s</ticket>'
    "<timestampSent>2026-11-02T09:00:00Z</timestampSent><customerIdentification><sector>%d</sector>"
    "<institution>%d</institution></customerIdentification></informationCustomer>"
    "<legalContext>%s</legalContext><searchInformation><ssin>%s</ssin><language>fr</language>"
    "<history>false</history></searchInformation></v2:retrieveTIGroupsRequest>"
)

_DATA = "".join(
    f'<r:Group Type="{kind:03d}" Structure="A1"><r:Date><r:Century>20</r:Century><r:Year>26</r:Year>'
    f"<r:Month>01</r:Month><r:Day>15</r:Day></r:Date>"
    f"<r:Code>{kind}</r:Code><r:Label>information type {kind:03d}</r:Label></r:Group>"
    for kind in (0, 1, 10, 20, 100, 110, 120)
)


@dataclass
class Result:
    """What one asker saw. Latencies in seconds, from the moment a request was meant to leave."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0


_CODE = re.compile(rb"<(?:code|reasonCode)>([A-Z0-9]+)</")


class Asker:
    """Publishes prepared requests as one institution and matches answers by correlation id."""

    def __init__(self, url: str, address: str, requests: Sequence[bytes]) -> None:
        self._url, self._address, self._requests = url, address, requests
        self._pending: dict[str, asyncio.Future[bytes]] = {}
        self._asked = 0

    async def open(self) -> None:
        self._connection = await aiormq.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.basic_consume("amq.rabbitmq.reply-to", self._on_answer, no_ack=True)

    async def close(self) -> None:
        await self._connection.close()

    async def _on_answer(self, message: DeliveredMessage) -> None:
        future = self._pending.pop(message.header.properties.correlation_id or "", None)
        if future is not None and not future.done():
            future.set_result(message.body)

    async def ask(self, meant: float, result: Result, timeout: float = 10.0) -> None:
        """One exchange; its latency counts from `meant`."""
        number = self._asked
        self._asked += 1
        correlation_id = f"{number:x}"
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[correlation_id] = future
        await self._channel.basic_publish(
            self._requests[number % len(self._requests)],
            exchange=f"{self._address}.out",
            routing_key="online",
            mandatory=True,
            wait=False,
            properties=Basic.Properties(
                correlation_id=correlation_id,
                reply_to="amq.rabbitmq.reply-to",
                user_id=self._address,
                message_type=SERVICE,
                content_type="application/xml",
                delivery_mode=2,
            ),
        )
        try:
            body = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            self._pending.pop(correlation_id, None)
            result.unanswered += 1
            return
        result.latencies.append(time.perf_counter() - meant)
        found = _CODE.search(body)
        code = found[1].decode() if found else "none"
        result.codes[code] = result.codes.get(code, 0) + 1

    async def closed_loop(self, in_flight: int, seconds: float) -> Result:
        """Keep `in_flight` requests open for `seconds`."""
        result, began = Result(), time.perf_counter()

        async def one_after_another() -> None:
            while time.perf_counter() - began < seconds:
                await self.ask(time.perf_counter(), result)

        await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
        result.seconds = time.perf_counter() - began
        return result

    async def open_loop(self, rate: float, seconds: float, seed: int = 1) -> Result:
        """Poisson arrivals at `rate` a second, whatever the answers do."""
        chance, result, began = random.Random(seed), Result(), time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        at = began
        while (at := at + chance.expovariate(rate)) < began + seconds:
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self.ask(at, result))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        result.seconds = time.perf_counter() - began
        return result


class Supplier:
    """Answers every question on one queue with the same data."""

    def __init__(self, url: str, address: str) -> None:
        self._url, self._address = url, address

    async def open(self) -> None:
        self._connection = await aiormq.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.basic_qos(prefetch_count=200)
        await self._channel.basic_consume(f"{self._address}.online.{SERVICE.replace('/', '.')}", self._on_question)

    async def close(self) -> None:
        await self._connection.close()

    async def _on_question(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        await self._channel.basic_publish(
            answer_to(message.body),
            exchange="hub.replies",
            routing_key=properties.reply_to or "",
            mandatory=True,
            wait=False,
            properties=Basic.Properties(
                correlation_id=properties.correlation_id,
                user_id=self._address,
                message_type="response",
                content_type="application/xml",
                delivery_mode=2,
            ),
        )
        await self._channel.basic_ack(message.delivery.delivery_tag or 0, wait=False)


_STATUS = (
    b"<status><value>DATA_FOUND</value><code>MSG00000</code></status><rrn_it_implicit>"
    b'<r:Groups xmlns:r="http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema">'
    + _DATA.encode()
    + b"</r:Groups></rrn_it_implicit></v2:retrieveTIGroupsResponse>"
)


def answer_to(request: bytes) -> bytes:
    """The response to one of `REQUEST`s: head and criteria as they came, then the same 2 kB of data."""
    body = request.replace(b"retrieveTIGroupsRequest", b"retrieveTIGroupsResponse")
    return body.replace(b"</v2:retrieveTIGroupsResponse>", _STATUS)
