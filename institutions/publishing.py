"""Sends what stands in the outbox, one mutation a person at a time, and takes the verdicts. docs/distribution.md."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from lxml import etree

from institutions import spans
from institutions.answer import read_answer
from institutions.later import LaterAnswer
from institutions.outbox import Entry, Outbox, Verdict
from institutions.question import Question
from institutions.report import Report, Reporter
from institutions.request import Ask, Content, build
from institutions.resting import Resting
from schemas.address import Address
from schemas.codes import NO_VERDICT
from schemas.message import find_all, text_at, text_of
from schemas.parser import Information, Malformed
from schemas.period import Period
from schemas.process.log import logger, told
from schemas.service import Service
from schemas.ssin import Ssin, SsinError
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, WireError

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

#: What stands before an entry's number in the correlation id of its verdict.
PREFIX = "mutation:"
#: Mutations without a verdict at a time, of as many persons.
MOST = 100
#: Between two looks at an outbox that others may write, seconds; and before one is sent that the broker refused.
LOOK, AGAIN = 1.0, 0.5
#: Seconds a close waits for what is under way to the broker.
DRAIN = 2.0
#: Between two looks for what is kept no longer, seconds.
_FORGET = 86_400.0
#: Mutations of which is remembered what service they are of, the newest: verdicts on others, heard by another process
#: of this institution, never come here.
REMEMBERED = 10_000
#: By which the hub asks for what was told, for who catches up.
REPEAT = "RepeatMutation/1"
#: Bytes of one answer to it.
_MOST_BYTES = 512 * 1024

Told = Callable[[Verdict], Awaitable[None]]


def entry(
    service: Service,
    owner: Address,
    *,
    person: Ssin,
    period: Period,
    action: str,
    reference: str,
    legal_context: str,
    content: "list[etree._Element]",
    code: str | None = None,
    destinations: "tuple[Address, ...]" = (),
    ticket: str | None = None,
) -> Entry:
    """A mutation's bytes, valid against its schema. Raises InvalidRequest."""
    says = etree.Element("mutation")

    def put(parent: etree._Element, name: str, text: Content) -> None:
        etree.SubElement(parent, name).text = str(text)

    put(says, "action", action)
    put(says, "reference", reference)
    if code is not None:
        put(says, "distributionCode", code)
    for address in destinations:
        destination = etree.SubElement(says, "destination")
        put(destination, "sector", address.sector)
        put(destination, "institution", address.type)
    criteria = {"mutation": says, **{f"content{n}": element for n, element in enumerate(content)}}
    ask = Ask(service, owner, ticket or str(uuid4()), person, legal_context, period, criteria)
    return Entry(service.type, person.digits, ask.ticket, build(ask))


class Publishing:
    """An owner's mutations, over `transport`. `handler` is told of each verdict, at least once."""

    def __init__(
        self, transport: Transport, address: Address, outbox: Outbox, report: Reporter, tracer: "Tracer | None" = None
    ) -> None:
        self._transport, self._address, self._outbox, self._report = transport, str(address), outbox, report
        self._resting = Resting()
        #: Of what service each is that waits for its verdict.
        self._under_way: dict[int, str] = {}
        self._tracer = tracer
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.handler: Told | None = None

    def start(self) -> None:
        """Send from now on."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take no more; what was taken is sent, within `DRAIN`, or has its turn again at the next start. What was sent
        has its verdict then."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=DRAIN)
        if self._sending and self._transport.connected:
            await asyncio.wait(self._sending, timeout=DRAIN)
        tasks = [*self._sending, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something was put into the outbox."""
        self._wake.set()

    async def _run(self) -> None:
        forget = 0.0
        while not self._stopping:
            self._wake.clear()
            try:
                if monotonic() >= forget:
                    await self._outbox.forget()
                    forget = monotonic() + _FORGET
                entries = await self._outbox.next(MOST, self._resting.services())
            except Exception as error:  # noqa: BLE001  the institution's database is away: what is in it is sent later
                logger().error("outbox", institution=self._address, **told(error))
                entries = ()
            for one in entries:
                sending = self._send(one) if self._resting.may(one.service) else self._hold(one)
                task = asyncio.create_task(sending)
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            if not entries and not self._stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._wake.wait()

    async def _hold(self, one: Entry) -> None:
        """Its service rests: another one of it is tried."""
        with suppress(Exception):  # without the database it is sent again as what has no verdict
            await self._outbox.again(one.number, 0.0)

    async def _send(self, one: Entry) -> None:
        self._under_way[one.number] = one.service
        while len(self._under_way) > REMEMBERED:
            del self._under_way[next(iter(self._under_way))]
        properties = Properties(
            user_id=self._address,
            correlation_id=f"{PREFIX}{one.number}",
            reply_to=names.answers(self._address),
            type=one.service,
        )
        try:
            if self._tracer is None:
                await self._transport.publish(names.out(self._address), "mutation", one.body, properties)
            else:
                with spans.telling(self._tracer, self._address, one.service):
                    await self._transport.publish(names.out(self._address), "mutation", one.body, properties)
        except WireError as error:
            if not isinstance(error, Refused):  # a full queue tells that it is sent too fast, which is no mishap
                logger().warning("not sent yet", institution=self._address, why=type(error).__name__)
            with suppress(Exception):  # without the database it is sent again as what has no verdict
                await self._outbox.again(one.number, AGAIN)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._outbox.again(one.number, 0.0)
            raise

    async def take(self, answer: LaterAnswer) -> None:
        """A `Handler` of `Later`: a verdict, or a definitive answer."""
        number = int(answer.correlation.removeprefix(PREFIX))
        try:
            read = read_answer(answer.body, answer.properties, 0.0)
        except (Malformed, ValueError):
            self._report(Report("unreadable", self._address, "answers", answer.ticket_cbss))
            return
        code, service = read.code or "", self._under_way.pop(number, None)
        if code in NO_VERDICT:
            if service is not None:
                self._resting.busy(service)
            await self._outbox.again(number, AGAIN if service is None else 0.0)
            return
        if service is not None:
            self._resting.answered(service)
        definitive = answer.type == "definitive"
        recipients = (str(answer.recipient),) if definitive else tuple(map(_address, find_all(read.root, "recipient")))
        kind, newer = "definitive" if definitive else "verdict", _newer(read.information)
        verdict = Verdict(number, kind, read.value or "fault", code, recipients, newer, str(read.root.tag))
        if not definitive:
            await self._outbox.verdict(verdict)
            self._wake.set()
        if self.handler is not None:
            await self.handler(verdict)


def _newer(information: Information) -> Ssin | None:
    """The number that stands, where the verdict tells it."""
    try:
        return next((Ssin.parse(value) for name, value in information if name == "newSSIN"), None)
    except SsinError:
        return None


def _address(element: etree._Element) -> str:
    if (cbe := text_at(element, "cbeNumber")) is not None:
        return cbe
    return f"{text_at(element, 'sector')}-{text_at(element, 'institution')}"


async def repeat(outbox: Outbox, question: Question) -> list[etree._Element]:
    """Answers RepeatMutation: the bytes of these tickets, as they were told, as many as fit."""
    tickets = [text_of(element) or "" for element in find_all(question.root, "criteria/ticket")]
    found: list[etree._Element] = []
    size = 0
    told_ = await outbox.bytes_of(tickets)
    for ticket in tickets:
        body = told_.get(ticket)
        if body is None:
            continue
        if found and size + len(body) > _MOST_BYTES:
            break
        size += len(body)
        element = etree.Element("mutation")
        etree.SubElement(element, "ticket").text = ticket
        etree.SubElement(element, "message").text = base64.b64encode(body).decode()
        found.append(element)
    return found
