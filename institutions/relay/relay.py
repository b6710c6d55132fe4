"""The relay of a managing institution: an institution in the primary network, in the hub's part in its secondary one.

`docs/relay.md` says what flows where, who owns what state, and what happens when it breaks.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from institutions.later import Later
from institutions.metrics import Metrics
from institutions.passage import Told
from institutions.relay.admission import speaks_for_itself
from institutions.relay.answers import Answers
from institutions.relay.deferred import Deferred
from institutions.relay.distributing import Distributing
from institutions.relay.downward import Downward
from institutions.relay.lookup import Lookup
from institutions.relay.numbers import Numbers
from institutions.relay.sectoral_repertory import RepertoryUnavailable, SectoralRepertory, migrate
from institutions.relay.spans import Spans
from institutions.relay.upward import Upward
from institutions.report import Report
from institutions.settings import Access
from institutions.wire import Trouble
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.message import Head
from schemas.process.log import logger, told
from schemas.ssdn.door import Door, Enveloped
from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine
from schemas.wire.choice import DEFAULT, Client
from schemas.wire.guard import GuardedTransport
from schemas.wire.intake import Answer, Intake, Outcome, Park, identity
from schemas.wire.transport import Delivery, Event, NotConnected
from schemas.wire.words import OF_A_WORD

if TYPE_CHECKING:
    from schemas.process.tracing import Tracing

#: Seconds between looks at the members, the services and the repertory's health.
FOLLOW = 2.0
#: Seconds a stop waits for what runs, beyond the longest deadline.
DRAIN_BEYOND = 2.0
#: Seconds between looks for queues of services that members answer later.
LOOK_AGAIN = 60.0
_HEALTH = 1.0
_CONNECT_ROUND = 10.0
_PREFETCH = 50
#: Consultations of members' lots in hand, of all and of one; of mutations as many.
LOT_IN_FLIGHT, _LOT_PREFETCH = 32, 16


class RelayError(CrossroadsError):
    """A relay that cannot be: it has no sectoral repertory, or is no managing institution."""


class Relay:
    """Everything one relay runs. `start`, then `stop`.

    access: its user in both networks, and its sectoral repertory.
    catalogue: shared with whoever else is in the process, and kept up by them or by `watch`.
    """

    def __init__(
        self,
        access: Access,
        catalogue: Catalogue,
        *,
        own: Collection[str] = (),
        metrics: Metrics | None = None,
        max_in_flight: int = 1_000,
        client: Client = DEFAULT,
        tracing: "Tracing | None" = None,
    ) -> None:
        """`own`: services (`Name/version`) that the managing institution answers itself, which are not relayed.
        `tracing`: where its spans go; None: nothing is traced."""
        if access.address.is_cooperating or access.database_url is None:
            raise RelayError(
                f"{access.address} cannot relay: a managing institution (17-0) has a sectoral repertory; set "
                "CROSSROADS_DATABASE_URL, or CROSSROADS_SECTORAL_URLS for several"
            )
        self.address, self._catalogue, self._own = access.address, catalogue, frozenset(own)
        self.metrics = metrics if metrics is not None else Metrics()
        self._database_url = access.database_url
        self._who = str(access.address)
        name = f"relay {self._who}"
        self._spans = Spans(tracing, self._who, catalogue)
        trouble = Trouble(self._observed)
        self._hub = self._spans.hub_asking(
            AioPikaLine(access.urls, name=name, observe=trouble.observe), trouble, self.metrics
        )
        self._primary = self._spans.transport(client.transport(access.urls, name=name, observe=self._observed))
        self._secondary = self._spans.transport(
            GuardedTransport(
                client.transport(access.secondary_urls, name=name, observe=self._observed),
                client.transport(access.secondary_urls, name=f"{name} spare", observe=self._observed),
            )
        )
        self._members = self._spans.member_asking(self._secondary, names.reply_queue(uuid4()), self._wrong)
        self._down = self._of_members(self._walk_down, max_in_flight)
        self._up = Intake(
            self._primary,
            self._walk_up,
            user=self._who,
            on_failure=self._up_failed,
            key=_key_up,
            reply_exchange=names.REPLIES,
            dead_exchange=None,
            max_in_flight=max_in_flight,
            on_told=lambda delivery, answer: self._counted("up", delivery, answer),
            around=self._spans.around("up"),
        )
        #: Members' lots: fewer at a time, so that what somebody waits for at a screen does not suffer.
        self._lots = self._of_members(self._walk_lot, LOT_IN_FLIGHT)
        #: Members' mutations: while the hub's queue for lots is full, these go on.
        self._mutations = self._of_members(self._walk_lot, LOT_IN_FLIGHT)
        #: Members' answers that come in their own time.
        self._definitive = Intake(
            self._secondary,
            self._walk_definitive,
            user=self._who,
            on_failure=self._definitive_failed,
            key=lambda delivery: (delivery.properties.user_id, identity(delivery)),
            around=self._spans.definitive(),
        )
        #: What the hub answers later: to members, and to this institution itself by who asks here.
        self.later = Later(self._primary, access.address, names.HUB, _report, self._spans.tracer)
        self._numbers = Numbers(access.address, access.database_url, self._secondary)
        self._repertory: SectoralRepertory | None = None
        self._downward: Downward | None = None
        self._upward: Upward | None = None
        self._deferred: Deferred | None = None
        self._distributing: Distributing | None = None
        self._lookup: Lookup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = self._stopping = self._paused = False
        #: When the queues of services that members answer later were looked for.
        self._looked: float | None = None
        self.metrics.watch(self._who, lambda: self.in_flight)

    def _of_members(self, walk: Callable[[Delivery], Awaitable[Outcome]], max_in_flight: int) -> Intake:
        """Takes what members send."""
        return Intake(
            self._secondary,
            walk,
            user=self._who,
            on_failure=self._down_failed,
            key=_key_down,
            max_in_flight=max_in_flight,
            on_told=lambda delivery, answer: self._counted("down", delivery, answer),
            around=self._spans.around("down"),
        )

    @property
    def ready(self) -> bool:
        """Whether requests are taken on both sides."""
        return self._started and not self._stopping and not self._paused and all(self.parts().values())

    @property
    def paused(self) -> bool:
        """Whether it takes nothing because its repertory is down."""
        return self._paused

    @property
    def in_flight(self) -> int:
        """Requests and questions in hand."""
        return sum(intake.in_flight for intake in self._intakes)

    @property
    def _intakes(self) -> tuple[Intake, ...]:
        return self._down, self._lots, self._mutations, self._up, self._definitive

    def parts(self) -> dict[str, bool]:
        """What answers: both networks, the repertory."""
        return {
            f"{self._who} primary": self._primary.connected and self._hub.connected,
            f"{self._who} secondary": self._secondary.connected,
            f"{self._who} repertory": self._repertory is not None and self._repertory.healthy,
        }

    async def start(self) -> None:
        """Return when requests are taken. Raises where the repertory cannot be read; waits for both brokers as long as
        it takes."""
        await migrate(self._database_url)
        self._repertory = await SectoralRepertory.connect(self._database_url)
        self._lookup = Lookup(self._repertory)
        await self._lookup.refresh()
        self._distributing = Distributing(
            self.address,
            self._database_url,
            self._lookup,
            self._catalogue,
            self._primary,
            self._secondary,
            self._hub,
            self._numbers,
            metrics=self.metrics,
            report=_report,
            tracer=self._spans.tracer,
        )
        self._downward = Downward(
            self.address, self._lookup, self._catalogue, self._hub, self._primary, self._distributing.answer
        )
        self._deferred = Deferred(
            self.address, self._lookup, self._catalogue, self._primary, self._secondary, self.metrics
        )
        self.later.on("", Answers(self.address, self._secondary, self._is_member, self.metrics).take)
        self._upward = Upward(self.address, self._lookup, self._catalogue, self._members, self.metrics)
        await asyncio.gather(self._primary.start(), self._secondary.start(), self._hub.start())
        while True:
            try:
                await self._primary.wait_connected(_CONNECT_ROUND)
                await self._secondary.wait_connected(_CONNECT_ROUND)
                break
            except NotConnected as error:
                logger().warning("no broker yet", relay=self._who, **told(error))
        await self._members.start()
        await self._read_queues()
        await self._definitive.add(names.DEFINITIVE, prefetch=_PREFETCH)
        await self.later.start()
        await self._distributing.start()
        self._keep(self._distributing.run(), "words to members")
        self._keep(self._deferred.run(), "questions that members answer later")
        self._keep(self._follow(), "register and services")
        self._keep(self._follow_repertory(), "repertory")
        self._started = True
        logger().info("ready", relay=self._who, members=len(self._down.queues), services=len(self._up.queues))

    async def stop(self) -> None:
        """Drain: start nothing new, finish what runs, ack, close. What is left then goes back to its queue."""
        self._stopping = True
        longest = max((service.deadline_ms for service in self._catalogue.services.values()), default=0) / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(longest + DRAIN_BEYOND if self._started else 0):
                await asyncio.gather(*(intake.drain() for intake in self._intakes))
        await self.kill()

    async def kill(self) -> None:
        """Close at once: what runs is dropped, and comes to another relay."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.later.close(), *(intake.close() for intake in self._intakes))
        if self._distributing is not None:
            await self._distributing.close()
        await asyncio.gather(self._secondary.close(), self._primary.close(), self._hub.close())
        if self._repertory is not None:
            await self._repertory.close()

    # --- messages -----------------------------------------------------------------------------------------------

    async def _walk_down(self, delivery: Delivery) -> Outcome:
        if self._downward is None:
            raise RelayError("not started")
        return await Door(self._downward.walk, self._catalogue, _customer).walk(delivery)

    async def _walk_lot(self, delivery: Delivery) -> Outcome:
        if self._downward is None:
            raise RelayError("not started")
        return await self._downward.walk_lot(delivery)

    async def _walk_definitive(self, delivery: Delivery) -> Outcome:
        if self._deferred is None or self._distributing is None:
            raise RelayError("not started")
        if (delivery.properties.correlation_id or "").endswith(OF_A_WORD):
            return await self._distributing.answered(delivery)
        return await self._deferred.answered(delivery)

    def _is_member(self, address: Address) -> bool:
        return self._lookup is not None and address in self._lookup.members

    async def _walk_up(self, delivery: Delivery) -> Outcome:
        if self._upward is None or self._deferred is None:
            raise RelayError("not started")
        if delivery.queue.startswith(f"{self._who}.batch."):
            return await self._deferred.walk(delivery)
        return await self._upward.walk(delivery)

    def _down_failed(self, delivery: Delivery, error: Exception) -> Outcome:
        logger().error("failed", relay=self._who, direction="down", **told(error))
        return self._downward.failed(delivery) if self._downward is not None else None

    def _up_failed(self, delivery: Delivery, error: Exception) -> Outcome:
        logger().error("failed", relay=self._who, direction="up", **told(error))
        return self._upward.failed(delivery) if self._upward is not None else None

    def _definitive_failed(self, delivery: Delivery, error: Exception) -> Outcome:
        """Nobody waits for an answer to an answer, and whoever wrote it chose its reply_to: nothing goes there."""
        logger().error("failed", relay=self._who, direction="definitive", **told(error))
        return Park("the relay failed on it")

    def _counted(self, direction: str, delivery: Delivery, answer: Answer) -> None:
        """An answer is confirmed; of an envelope each that is in it."""
        if isinstance(answer, Enveloped):
            for one in answer.answers:
                self._counted(direction, delivery, one)
        if not isinstance(answer, Told):
            return
        seconds = monotonic() - delivery.at
        self.metrics.relayed(self._who, direction, answer.service, answer.result, seconds)
        logger().info(
            "relayed",
            ticket=str(answer.ticket_cbss),
            relay=self._who,
            direction=direction,
            service=answer.service,
            result=answer.result,
            ms=round(seconds * 1000, 1),
        )

    def _wrong(self, delivery: Delivery, supplier: str) -> None:
        self.metrics.dropped(self._who, "reply_of_another")
        logger().warning("reply refused", relay=self._who, code="CRB00013", supplier=supplier)

    # --- register, services, repertory --------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW)
            with suppress(RepertoryUnavailable):
                if self._lookup is not None:
                    await self._lookup.refresh()
            if self._distributing is not None:
                self._distributing.follow()
            await self._read_queues()

    async def _read_queues(self) -> None:
        """Every member's ingress queue, inactive ones too (they are told CRB00006), and 17-0's own queue of each
        service: one that is not there is tried until it is, of those that members answer later once a minute."""
        adding: list[Coroutine[Any, Any, bool]] = []
        ingress: tuple[tuple[names.Mode, Intake, int], ...] = (
            ("online", self._down, _PREFETCH),
            ("batch", self._lots, _LOT_PREFETCH),
            ("mutation", self._mutations, _LOT_PREFETCH),
        )
        members = self._lookup.members.values() if self._lookup is not None else ()
        for member in members:
            for mode, intake, prefetch in ingress:
                queue = names.ingress(member.address, mode)
                if queue in intake.queues:
                    intake.set_rate(queue, member.rate)
                else:
                    adding.append(intake.add(queue, prefetch=prefetch, rate=member.rate))
        relayed = [
            service
            for service in self._catalogue.services.values()
            if service.mode == "online" and service.type not in self._own
        ]
        wanted = {names.supplier_queue(self.address, "online", service.type) for service in relayed}
        later = {
            names.supplier_queue(self.address, "batch", service.type)
            for service in relayed
            if service.answered_by != "hub"
        }
        adding += [self._up.add(queue, prefetch=_PREFETCH) for queue in wanted - self._up.queues]
        await asyncio.gather(*adding, *(self._up.remove(queue) for queue in self._up.queues - wanted - later))
        if self._looked is None or self._looked + LOOK_AGAIN < monotonic():
            self._looked = monotonic()
            await asyncio.gather(*(self._read_if_there(queue) for queue in later - self._up.queues))

    async def _read_if_there(self, queue: str) -> None:
        """Few services are answered later: to look on and on for the queues of all would be most of what it says."""
        if not await self._up.add(queue, prefetch=_PREFETCH):
            await self._up.remove(queue)

    async def _follow_repertory(self) -> None:
        """Take no request while the repertory is down: nothing could be decided."""
        while True:
            await asyncio.sleep(_HEALTH)
            alive = self._repertory is not None and await self._repertory.alive()
            if alive == self._paused:
                logger().warning("repertory", relay=self._who, up=alive)
                for intake in self._intakes:
                    await (intake.resume() if alive else intake.pause())
                self._paused = not alive

    def _observed(self, event: Event) -> None:
        # A service that is not relayed has no queue, and is looked for on and on.
        line = logger().bind(relay=self._who, what=event.what, where=event.where, why=event.why)
        if event.what == "not consuming":
            line.debug("wire")
        else:
            line.info("wire")

    def _keep(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(_ended)


def _customer(sender: Address, cbe: str | None, kind: Address) -> Address | None:
    """The member itself, where the marks of an envelope are its own."""
    return sender if speaks_for_itself(sender, Head(None, None, cbe, kind, None)) is None else None


def _key_down(delivery: Delivery) -> Hashable:
    """Which deliveries are the same request. Without a ticket two alike are two, told apart by their message's id."""
    if b"ticket>" in delivery.body:
        return identity(delivery)
    given = delivery.properties
    return identity(delivery), given.message_id, given.correlation_id, hashlib.sha256(delivery.body).digest()


def _key_up(delivery: Delivery) -> Hashable:
    """The hub's name of the question: it comes again with another time of forwarding in its body."""
    given = delivery.properties
    if given.user_id != names.HUB or not given.correlation_id:
        return identity(delivery)
    return given.correlation_id


def _report(report: Report) -> None:
    logger().warning(report.what, relay=report.institution, ticket=str(report.ticket_cbss), why=report.why)


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger().error("task ended", task=task.get_name(), **told(error))
