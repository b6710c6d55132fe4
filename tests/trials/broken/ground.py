"""The star that the broken inputs are sent to, and all that must not change while they are."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aio_pika
from lxml import etree

from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from schemas.process import log
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.star import CUSTOMER, ONE, PATIENCE, Star, opened, until
from tests.trials.broken.kind import DATA_FOUND, ByBroker, Clear, Ignored, Kind, Maker, Parked, Told, Variant
from tests.trials.broken.raw import DIRECT, Answer, Confirmed, Raw, Refused
from tests.trials.broken.traces import NAME, persons, told
from tests.wire.proxy import Proxy

#: A right request among so many broken ones, and one behind them.
_AMONG = 4
_TROUBLE = ("consumer lost", "publishing lost", "not consuming", "failed")


class Ground:
    """A star with one hub, who sends to it, and what stands around it."""

    def __init__(self, star: Star, proxy: Proxy) -> None:
        """`proxy`: stands between the hub and the broker."""
        self.star, self.hub, self.proxy = star, star.hubs[0], proxy
        self._raw: dict[str, Raw] = {}
        self._dead: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        self._called = 0
        self._logged = 0
        self.listener = ""
        self._new = persons()
        #: Everybody whom a body was about.
        self.persons: list[Ssin] = []
        #: Those of whom the broker alone was told: it breaks down over some of that, and writes it into its own log.
        self.at_the_broker: list[Ssin] = []

    @asynccontextmanager
    async def stands(self) -> AsyncIterator[None]:
        async def call(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._called += 1
            writer.close()

        listener = await asyncio.start_server(call, "127.0.0.1", 0)
        self.listener = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._good = await self.known()
        async with self.star.admin() as channel:
            self._admin = channel
            queue = await channel.get_queue(names.DEAD, ensure=False)
            await queue.consume(self._dead.put, no_ack=True)
            self._queues = await asyncio.to_thread(self._all_queues)
            await self.serves()
            question = self.star.questions(ONE, self._good)[0]
            self._reply_queue = question.delivery.properties.reply_to or ""
            yield
            for raw in self._raw.values():
                await raw.close()
        listener.close()
        await listener.wait_closed()

    async def known(self) -> Ssin:
        """A new person, whom the customer and a supplier know."""
        ssin = next(self._new)
        self.persons.append(ssin)
        await self.star.know(ssin, (CUSTOMER, 0), (ONE, 100))
        return ssin

    async def maker(self, kind: Kind) -> Maker:
        """Of a kind's variants, about a new person."""
        ssin = await self.known()
        if not isinstance(kind.outcome, ByBroker):
            return Maker(kind.name, ssin, NAME, self.listener, self._reply_queue)
        self.at_the_broker.append(ssin)
        return Maker(kind.name, ssin, "a name", self.listener, self._reply_queue)

    # --- one kind --------------------------------------------------------------------------------------------------

    async def endures(self, kind: Kind, most: int | None = None) -> int:
        """Send every variant of a kind, or `most` of them, and hold the outcome and everything around it against what
        follows from the kind; how many there were."""
        make = await self.maker(kind)
        generation, unconfirmed = self.hub.transport.generation, self.hub.intake.counts.unconfirmed
        asked, owed, variants = self._asked(), 0, 0
        if kind.paused:
            await self.hub.intake.pause()
        for variant in itertools.islice(kind.variants(make), most):
            variants += 1
            try:
                owed += await self._meets(kind, variant, make)
                if not kind.paused and variants % _AMONG == 0:
                    await self.serves()
                    owed += 1
            except Exception as error:
                error.add_note(f"{kind.name}: {variant.note}")
                raise
        if kind.paused:
            await self.hub.intake.resume()
        await self.serves()
        owed += 1
        await self.is_quiet()
        assert self._asked() - asked == owed, "suppliers were asked what they should not, or not asked"
        assert kind.paused or self.hub.transport.generation == generation, "a consumer of the hub's was lost"
        assert self.hub.intake.counts.unconfirmed == unconfirmed, "the hub's publishing connection was lost"
        assert b"crossroads_failures_total 0.0" in self.hub.metrics.text(), "a message met a bug of the hub"
        self.tells_nothing(paused=kind.paused)
        return variants

    async def _meets(self, kind: Kind, variant: Variant, make: Maker) -> int:
        """The outcome is the kind's; how often suppliers should have been asked."""
        owed = variant.asked + (variant.first is not None)
        raw = self.sender(variant.sender)
        if variant.first is not None:
            assert isinstance(await self._publish(raw, Variant("first", variant.first), "first"), Confirmed)
            assert said(await raw.answer()) == DATA_FOUND, "what came first was not answered"
        unknown = self.hub.asking.counts.unknown
        heard = await self._publish(raw, variant, "c")
        match kind.outcome:
            case Told() | Clear():
                assert isinstance(heard, Confirmed), heard.text
                answer = await raw.answer()
                if isinstance(kind.outcome, Told):
                    assert said(answer) == kind.outcome, said(answer)
                owed += said(answer) == DATA_FOUND
                self._is_the_hubs(answer, variant, make)
            case ByBroker(codes=codes):
                assert isinstance(heard, Refused), "the broker took it"
                assert heard.code in codes, f"{heard.code} {heard.text}"
            case Parked(reason=reason):
                assert isinstance(heard, Confirmed), heard.text
                message = await self.parked()
                assert reason in reason_of(message.headers)
                assert message.body == variant.body, "another message was parked"
            case Ignored():
                assert isinstance(heard, Confirmed), heard.text
                await until(lambda: self.hub.asking.counts.unknown == unknown + 1)
        assert not raw.answers, "more was answered than asked"
        assert self._dead.empty(), "more was parked than should be"
        return owed

    async def _publish(self, raw: Raw, variant: Variant, correlation_id: str) -> Confirmed | Refused:
        if variant.frames is not None:
            return await raw.say(variant.frames)
        properties: dict[str, Any] = {
            "content_type": "application/xml",
            "delivery_mode": 2,
            "user_id": variant.sender,
            "reply_to": DIRECT,
            "correlation_id": correlation_id,
            **variant.properties,
        }
        exchange = names.out(variant.sender) if variant.exchange is None else variant.exchange
        return await raw.publish(exchange, variant.key, properties, variant.body)

    def _is_the_hubs(self, answer: Answer, variant: Variant, make: Maker) -> None:
        """It comes from the hub, to this question, and a fault repeats nothing of what was wrong."""
        assert answer.properties.user_id == names.HUB
        assert answer.properties.correlation_id == variant.properties.get("correlation_id", "c")
        assert not set(answer.properties.headers or {}) - {"filtered"}
        if answer.properties.message_type == "fault":
            text = answer.body.decode()
            assert told(text, (make.ssin,)) is None, f"a fault tells {told(text, (make.ssin,))}"

    async def parked(self) -> aio_pika.abc.AbstractIncomingMessage:
        """The next message in `hub.dead`."""
        return await asyncio.wait_for(self._dead.get(), PATIENCE)

    def sender(self, user: str) -> Raw:
        """The connection of a user."""
        if user not in self._raw:
            self._raw[user] = Raw(self.star.url(user))
        return self._raw[user]

    async def serves(self) -> None:
        answer = await self.star.consult(self._good)
        assert answer.said == ("DATA_FOUND", "MSG00000"), "the next request is not answered"
        assert answer.names == ["of 5-0"]

    # --- what stands around ----------------------------------------------------------------------------------------

    def _asked(self) -> int:
        return sum(len(questions) for questions in self.star.asked.values())

    async def is_quiet(self) -> None:
        """Nothing is in hand, and no queue of the whole network holds anything, and nobody was called."""
        await until(lambda: not self.hub.intake.in_flight and not self.hub.intake.held)
        for queue in self._queues:
            declared = await self._admin.declare_queue(queue, passive=True)
            assert not declared.declaration_result.message_count, f"something waits in {queue}"
        assert not self._called, "something was fetched from the network"

    def _all_queues(self) -> list[str]:
        vhost = quote(self.star.vhost, safe="")
        queues = self.star.broker.management.get(f"/api/queues/{vhost}?disable_stats=true")
        return [str(queue["name"]) for queue in queues]

    def tells_nothing(self, *, paused: bool = False) -> None:
        """No line since the last time and no figure tells of a person, and none says that something broke."""
        lines = self.star.log.getvalue()[self._logged :]
        self._logged += len(lines)
        for text in (lines, self.hub.metrics.text().decode()):
            assert (form := told(text, self.persons)) is None, f"{form} is told"
        for line in lines.splitlines():
            assert json.loads(line).get("what") not in _TROUBLE, line
            assert paused or "paused" not in line, line


def said(answer: Answer) -> Told:
    """What an answer says."""
    root = etree.fromstring(answer.body)
    return Told(
        root.findtext("status/code") or root.findtext("detail/reasonCode") or "nothing", root.findtext("status/value")
    )


def reason_of(headers: Any) -> str:
    """Why a message is in `hub.dead`: the hub's words, or the broker's."""
    return str(headers.get("reason") or headers.get("x-first-death-reason"))


@asynccontextmanager
async def prepared(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, postgresql: PrivatePostgreSQL | ForeignPostgreSQL, folder: Path
) -> AsyncIterator[Ground]:
    """A star with one hub, which logs all it has and reaches the broker through a proxy."""
    async with opened(rabbitmq, postgresql, folder) as star, Proxy(star.url(names.HUB)) as proxy:
        await star.hub(amqp_url=proxy.url)
        log.configure("DEBUG", stream=star.log)
        ground = Ground(star, proxy)
        async with ground.stands():
            yield ground
