"""The lean ends of a measurement: an asker and a supplier with as little of their own cost as the client allows.

Both speak aiormq directly and know nothing of XML beyond three substitutions, so that what is measured is what
stands between them: the hub, or a relay that does nothing.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from tests.benchmarks.loop import Result

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


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go and how answers come back. `reply_exchange`: a queue bound there takes them; without one they
    come by direct reply-to."""

    exchange: str
    key: str
    user: str
    type: str | None = None
    content_type: str = "application/xml"
    reply_exchange: str = ""


def to_hub(address: str) -> Route:
    """An institution's way to the hub, as docs/wire.md has it."""
    return Route(f"{address}.out", "online", address, SERVICE)


_CODE = re.compile(rb"<(?:code|reasonCode)>([A-Z0-9]+)</")


class Asker:
    """Publishes prepared requests on one route and matches answers by correlation id."""

    def __init__(self, url: str, route: Route, requests: Sequence[bytes]) -> None:
        self._url, self._route, self._requests = url, route, requests
        self._reply_to = "amq.rabbitmq.reply-to"
        self._pending: dict[str, asyncio.Future[bytes]] = {}
        self._asked = 0

    async def open(self) -> None:
        self._connection = await aiormq.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        queue = self._reply_to
        if self._route.reply_exchange:
            self._reply_to = uuid4().hex
            queue = (await self._channel.queue_declare("", exclusive=True)).queue or ""
            await self._channel.queue_bind(queue, self._route.reply_exchange, self._reply_to)
        await self._channel.basic_consume(queue, self._on_answer, no_ack=True)

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
            exchange=self._route.exchange,
            routing_key=self._route.key,
            mandatory=True,
            wait=False,
            properties=Basic.Properties(
                correlation_id=correlation_id,
                reply_to=self._reply_to,
                user_id=self._route.user,
                message_type=self._route.type,
                content_type=self._route.content_type,
                delivery_mode=2,
            ),
        )
        try:
            body = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            self._pending.pop(correlation_id, None)
            result.unanswered += 1
            return
        found = _CODE.search(body)
        result.answered(found[1].decode() if found else "none", time.perf_counter() - meant)


class Supplier:
    """Answers every question on one queue with the same data, `delay` seconds after it came."""

    def __init__(self, url: str, address: str, *, delay: float = 0.0) -> None:
        self._url, self._address, self._delay = url, address, delay

    async def open(self) -> None:
        self._connection = await aiormq.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.basic_qos(prefetch_count=200)
        await self._channel.basic_consume(f"{self._address}.online.{SERVICE.replace('/', '.')}", self._on_question)

    async def close(self) -> None:
        await self._connection.close()

    async def _on_question(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        if self._delay:
            await asyncio.sleep(self._delay)
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


#: The data elements, 2 kB.
DATA = (
    '<rrn_it_implicit><r:Groups xmlns:r="http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema">'
    f"{_DATA}</r:Groups></rrn_it_implicit>"
).encode()
_STATUS = b"<status><value>DATA_FOUND</value><code>MSG00000</code></status>" + DATA + b"</v2:retrieveTIGroupsResponse>"


def answer_to(request: bytes) -> bytes:
    """The response to one of `REQUEST`s: head and criteria as they came, then the same 2 kB of data."""
    body = request.replace(b"retrieveTIGroupsRequest", b"retrieveTIGroupsResponse")
    return body.replace(b"</v2:retrieveTIGroupsResponse>", _STATUS)
