"""Owners and recipients of mutations, as lean as can be: with nothing of the library."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from lxml import etree

from schemas.address import Address
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.transport import Delivery, Properties
from schemas.wire.words import Later, Word, later_of, of
from tests.hub import services
from tests.hub.star import CONTEXT, PATIENCE, Star

GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'


def right(id_: str, customer: str, service: str, quality: int, more: str = "") -> str:
    """An authorisation to send a mutation."""
    return (
        f'[[authorisation]]\nid = "{id_}"\ncustomer = "{customer}"\nlegal_context = "{CONTEXT}"\n'
        f'service = "{service}"\n'
        f"qualities = [{quality}]\n{more}\n{GIVEN}"
    )


def row(service: str, recipient: str, qualities: Sequence[int], more: str = "") -> str:
    """A row of the distribution table."""
    known = f"qualities = {list(qualities)}" if qualities else "everybody = true"
    return f'[[distribution]]\nservice = "{service}"\nrecipient = "{recipient}"\n{known}\n{more}\n{GIVEN}'


def mutation(
    ssin: Ssin,
    *,
    service: str = "Change/1",
    action: str = "CREATED",
    reference: str = "",
    code: str = "",
    destinations: Sequence[Address] = (),
    period: tuple[str, str] = ("2026-01-01", ""),
    ticket: str = "",
    owner: str = "<sector>5</sector><institution>0</institution>",
    content: str = "<benefit><kind>pension</kind><amount>1</amount><account>BE1</account></benefit>",
) -> bytes:
    name, _, version = service.partition("/")
    end = f"<endDate>{period[1]}</endDate>" if period[1] else ""
    to = "".join(
        f"<destination><sector>{one.sector}</sector><institution>{one.type}</institution></destination>"
        for one in destinations
    )
    code_element = f"<distributionCode>{code}</distributionCode>" if code else ""
    return (
        f'<r:request xmlns:r="{services.namespace(name, version)}"><informationCustomer>'
        f"<ticket>{ticket or uuid4()}</ticket><customerIdentification>{owner}</customerIdentification>"
        f"</informationCustomer><legalContext>{CONTEXT}</legalContext>"
        f"<criteria><ssin>{ssin.digits}</ssin><period><beginDate>{period[0]}</beginDate>{end}</period></criteria>"
        f"<mutation><action>{action}</action><reference>{reference or uuid4()}</reference>{code_element}{to}</mutation>"
        f"{content}</r:request>"
    ).encode()


@dataclass
class Answered:
    """What came on a queue for answers."""

    delivery: Delivery

    def __post_init__(self) -> None:
        self.root = etree.fromstring(self.delivery.body)
        self.later: Later = later_of(self.delivery.properties)
        self.code = self.root.findtext("status/code") or self.root.findtext("detail/reasonCode")
        self.information = [
            (i.findtext("fieldName"), i.findtext("fieldValue")) for i in self.root.iterfind(".//information")
        ]
        self.recipients = [
            f"{one.findtext('sector')}-{one.findtext('institution')}" for one in self.root.iterfind("recipient")
        ]


class Owner:
    """Publishes, and hears verdicts by their correlation id."""

    def __init__(self, star: Star, address: Address) -> None:
        self._star, self.address = star, address
        self._waiting: dict[str, asyncio.Queue[Answered]] = {}

    async def open(self) -> "Owner":
        self._transport = await self._star.transport(self.address)
        await self._transport.consume(names.answers(self.address), self._take, prefetch=100)
        return self

    def _take(self, delivery: Delivery) -> None:
        self.queue(delivery.properties.correlation_id or "").put_nowait(Answered(delivery))
        self._acking = asyncio.create_task(self._transport.ack(delivery))

    def queue(self, correlation: str) -> asyncio.Queue[Answered]:
        return self._waiting.setdefault(correlation, asyncio.Queue())

    async def publish(self, body: bytes, **properties: Any) -> str:
        """Returns the correlation id under which the verdict comes."""
        correlation = properties.setdefault("correlation_id", f"mutation:{uuid4()}")
        properties.setdefault("reply_to", names.answers(self.address))
        await self._transport.publish(
            names.out(self.address), "mutation", body, Properties(user_id=str(self.address), **properties)
        )
        return str(correlation)

    async def heard(self, correlation: str) -> Answered:
        return await asyncio.wait_for(self.queue(correlation).get(), PATIENCE)

    async def send(self, body: bytes, **properties: Any) -> Answered:
        """Publish, and the verdict."""
        return await self.heard(await self.publish(body, **properties))


@dataclass
class Heard:
    """A word as it came."""

    delivery: Delivery

    def __post_init__(self) -> None:
        self.word: Word = of(self.delivery.properties)
        self.root = etree.fromstring(self.delivery.body) if self.delivery.body else etree.Element("nudge")
        self.position = self.word.position or 0
        self.benefit = {child.tag: child.text for child in self.root.iterfind("benefit/*")}
        self.ticket = self.root.findtext("informationCBSS/ticketCBSS")
        self.reference = self.root.findtext("mutation/reference")


class Receiver:
    """Takes its words and acks each at once."""

    def __init__(self, star: Star, address: Address) -> None:
        self._star, self.address = star, address
        self.words: list[Heard] = []
        self._more = asyncio.Event()

    async def open(self) -> "Receiver":
        self.transport = await self._star.transport(self.address)
        await self.transport.consume(names.mutations(self.address), self._take, prefetch=100)
        return self

    async def close(self) -> None:
        await self.transport.release(names.mutations(self.address))

    def _take(self, delivery: Delivery) -> None:
        self.words.append(Heard(delivery))
        self._acking = asyncio.create_task(self.transport.ack(delivery))
        self._more.set()

    async def of_ticket(self, ticket: str) -> Heard:
        """The word of this ticket, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while not (found := [one for one in self.words if one.ticket == ticket]):
                self._more.clear()
                await self._more.wait()
        return found[0]

    async def answer(self, heard: Heard, body: bytes, kind: str = "response") -> None:
        given = heard.delivery.properties
        await self.transport.publish(
            names.REPLIES, given.reply_to or "", body,
            Properties(user_id=str(self.address), correlation_id=given.correlation_id, type=kind),
        )  # fmt: skip
