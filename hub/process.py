"""A hub process: start everything in order, follow the register, drain on SIGTERM."""

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from hub.admission import resolve_customer
from hub.barrier import Barrier
from hub.consultation import Told
from hub.control import Controls, ControlWatch, InHand
from hub.definitive import Definitive
from hub.delivering import Delivering
from hub.journal import Journal, JournalUnavailableError, PersonKeys
from hub.journey import Journey
from hub.later import Questions
from hub.migrations import migrate
from hub.mutation import Mutations
from hub.outbox import Outbox
from hub.own.acting import Acting
from hub.positions import Positions
from hub.repertory.database import RepertoryUnavailableError
from hub.repertory.persons import Persons
from hub.repertory.rules import Rules
from hub.repertory.watch import RulesWatch
from hub.settings import CONFIRM_TIMEOUT, LOOKUP_TIMEOUT, Settings
from hub.spans import Spans
from hub.suppliers import Suppliers
from schemas.address import Address
from schemas.catalogue import Catalogue, Change, shipped
from schemas.errors import CrossroadsError
from schemas.process import log
from schemas.process.health import Health
from schemas.process.traces import opened
from schemas.ssdn.door import Door, Enveloped
from schemas.wire import names
from schemas.wire.guard import GuardedTransport
from schemas.wire.intake import Answer, Intake, Park, identity
from schemas.wire.telling import Full
from schemas.wire.transport import Delivery, Event

#: How long a drain waits beyond the longest deadline, seconds.
_DRAIN_BEYOND = 2.0
#: Between two rounds of the journal's upkeep, seconds: keys that expire, partitions of coming months.
_UPKEEP = 3_600.0
_CONNECT_ROUND = 10.0
#: Mutations in hand at once; a commit each.
_MUTATIONS = 64
#: Definitive answers that the hub takes before it has dealt with the first of them.
_DEFINITIVE = 200
#: Consultations of one institution's lots that the hub takes before it has answered the first of them.
LOT_PREFETCH = 16


class HubError(CrossroadsError):
    """A bug ended a part that the hub cannot do without: the process ends, to be started anew. The log says which."""


class Hub:
    """Everything one process runs. `start`, then `stop`; or `run`, which does both."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started = False
        self._stopping = False
        #: None: nothing is traced.
        self.tracing = opened(settings.traces, settings.traces_share, settings.name)
        spans = Spans(self.tracing)
        self.metrics = spans.metrics()
        self.catalogue = Catalogue((shipped(), *settings.services))
        database = settings.database_url.get_secret_value()
        keys = PersonKeys.parse(settings.journal_key.get_secret_value())
        self.journal = Journal(database, keys, hub=settings.name, on_group=self.metrics.journal_group)
        self.persons = Persons(database, timeout=LOOKUP_TIMEOUT)
        self.rules = RulesWatch(database)
        self.control = ControlWatch(database, settings.name, self._in_hand)
        self.barrier = Barrier(
            {"journal": self.journal, "repertory": self.persons, "rules": self.rules, "control": self.control}
        )
        made = settings.transport.transport
        self.transport = spans.transport(
            GuardedTransport(
                made(settings.amqp_url, name=settings.name, observe=_observed),
                made(settings.amqp_url, name=f"{settings.name} spare", observe=_observed_spare),
            )
        )
        self.asking = spans.asking(
            self.transport, names.reply_queue(uuid4()), grace=settings.grace_ms / 1000, wrong_sender=_wrong_sender
        )
        #: Queues for answers that take no more, whoever answers there.
        full = Full(_full)
        self.intake = Intake(
            self.transport,
            self._handle,
            user=names.HUB,
            on_failure=_beyond_repair,
            key=key_of_delivery,
            publish_timeout=CONFIRM_TIMEOUT,
            on_told=self._told,
            full=full,
            around=spans.around("exchange"),
        )
        #: Lots: fewer at a time, so that what somebody waits for at a screen does not suffer.
        self.lots = Intake(
            self.transport,
            self._handle_of_lot,
            user=names.HUB,
            on_failure=_beyond_repair,
            key=key_of_delivery,
            publish_timeout=CONFIRM_TIMEOUT,
            max_in_flight=settings.lot_in_flight,
            on_told=self._told,
            full=full,
            around=spans.around("lot"),
        )
        self.acting = Acting(database, self.journal, settings.name)
        self.outbox = Outbox(database, self.transport, self.metrics, settings.name)
        suppliers = Suppliers(self.asking, self.metrics)
        self.questions = Questions(
            database_url=database,
            transport=self.transport,
            catalogue=self.catalogue,
            journal=self.journal,
            suppliers=suppliers,
            barrier=self.barrier,
            metrics=self.metrics,
            name=settings.name,
            full=full,
        )
        #: Answers that come in their own time, of every hub's questions.
        self.definitive = Intake(
            self.transport,
            Definitive(
                self.transport, self.acting, self.catalogue, keys, self.barrier, self.questions.answered, full
            ).walk,
            user=names.HUB,
            on_failure=_beyond_repair,
            key=lambda delivery: (delivery.properties.user_id, identity(delivery)),
            publish_timeout=CONFIRM_TIMEOUT,
            max_in_flight=settings.lot_in_flight,
            around=spans.later(),
        )
        self.journey = Journey(
            catalogue=self.catalogue,
            rules=lambda: self.rules.rules,
            persons=self.persons,
            journal=self.journal,
            suppliers=suppliers,
            acting=self.acting,
            questions=self.questions,
            barrier=self.barrier,
            metrics=self.metrics,
            settings=settings,
            in_flight=lambda: self.intake.in_flight,
            controls=lambda: self.control.controls,
        )
        positions = self._positions = Positions(self.acting, keys, settings.name)
        self.mutation = Mutations(
            journey=self.journey,
            rules=lambda: self.rules.rules,
            persons=self.persons,
            journal=self.journal,
            positions=positions,
            delivering=Delivering(self.transport, positions, self.metrics, spans.tracer),
            metrics=self.metrics,
        )
        self.mutations = Intake(
            self.transport,
            self.mutation.walk,
            user=names.HUB,
            on_failure=_beyond_repair,
            publish_timeout=CONFIRM_TIMEOUT,
            on_told=self._told,
            max_in_flight=_MUTATIONS,
            full=full,
            around=spans.around("mutation"),
        )
        prefetch = {"online": settings.prefetch, "batch": LOT_PREFETCH, "mutation": settings.prefetch}
        reading: dict[names.Mode, Intake] = {"online": self.intake, "batch": self.lots, "mutation": self.mutations}
        #: What takes from ingress queues, by their mode, and how many deliveries a queue may have with it.
        self._intakes = {mode: (intake, prefetch[mode]) for mode, intake in reading.items() if mode in settings.modes}
        #: Those that rest during maintenance; what is asked on line is told so.
        self._resting = (self.definitive, *(intake for mode, (intake, _) in self._intakes.items() if mode != "online"))
        self._steered = {intake: asyncio.Event() for intake in (*self._resting, self.intake)}
        #: Definitive answers may wait, unread since maintenance.
        self._catching_up = False
        self.questions.calm = self._calm
        self.door = Door(self.journey.walk, self.catalogue, self._customer, self._enter)
        parts = {
            "broker": lambda: self.transport.connected,
            **self.barrier.parts(),
            "intake": lambda: self.barrier.open and not self._stopping,
        }
        self.metrics.watch(
            in_flight=lambda: sum(intake.in_flight for intake, _ in self._intakes.values()),
            held=lambda: sum(intake.held for intake, _ in self._intakes.values()),
            queues=lambda: sum(len(intake.queues) for intake, _ in self._intakes.values()),
            parts=parts,
            intake=self.intake.counts,
            asking=self.asking.counts,
        )
        self.metrics.paused(lambda: self.control.controls.paused())
        self.metrics.maintenance(lambda: self.control.controls.maintenance is not None)
        self.metrics.draining(lambda: self._stopping)
        self.metrics.rules(lambda: self.rules.rules.number)
        self.health = Health(self.metrics, parts, lambda: self.ready)
        #: The port that health and metrics are told on, once started.
        self.http_port = 0
        #: Set when a part that runs beside the requests ended by a bug.
        self.failed = asyncio.Event()
        #: Set when operators want this process to end.
        self.drained = asyncio.Event()
        self._register_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether requests are being taken."""
        return self.started and not self._stopping and self.transport.connected and self.barrier.open

    async def start(self) -> None:
        """Return when requests are being taken. Raises where the database or its rules cannot be read; waits for the
        broker as long as it takes (health says so meanwhile)."""
        self._services_changed(self.catalogue.found)
        await migrate(self.settings.database_url.get_secret_value())
        await self.journal.start()
        await self.persons.start()
        await self.rules.start()
        self.rules.on_change(self._rules_changed)
        self.control.on_change(self._control_changed)
        await self.control.start()
        self.http_port = await self.health.start(self.settings.http_host, self.settings.http_port)
        log.logger().info("health and metrics", host=self.settings.http_host, port=self.http_port)
        everywhere = self.settings.http_host in ("0.0.0.0", "::")  # noqa: S104 (then others call it by its name)
        host = os.uname().nodename if everywhere else self.settings.http_host
        self.control.url = f"http://{host}:{self.http_port}"
        await self.transport.start()
        while True:
            try:
                await self.transport.wait_connected(_CONNECT_ROUND)
                break
            except Exception as error:  # noqa: BLE001 (the observer has told why)
                log.logger().warning("no broker yet", **log.told(error))
        await self.asking.start()
        self._keep(self._follow_stores(), "stores")
        await self._steer_all()
        for intake in self._steered:
            self._keep(self._steer(intake), "intake")
        await self._read_queues(self.rules.rules)
        await self.definitive.add(names.DEFINITIVE, prefetch=_DEFINITIVE)
        self._keep(self._follow_register(), "register")
        self._keep(self._upkeep(), "upkeep")
        self._keep(self.outbox.run(), "outbox")
        self._keep(self.questions.run(), "questions")
        self._keep(self.catalogue.watch(self._services_changed), "services")
        self.started = True
        self.control.beat()
        queues = sum(len(intake.queues) for intake, _ in self._intakes.values())
        log.logger().info("ready", queues=queues, services=len(self.catalogue.services))

    async def stop(self) -> None:
        """Drain: give back at once what is not begun, finish what is, then close. What is not finished in time goes to
        another hub."""
        self._stopping = True
        self.control.beat()
        if self.started:
            longest = max((service.deadline_ms for service in self.catalogue.services.values()), default=0) / 1000
            try:
                async with asyncio.timeout(longest + _DRAIN_BEYOND):
                    await asyncio.gather(*(intake.drain(hand_back=True) for intake in self._steered))
            except TimeoutError:
                left = sum(intake.in_flight for intake, _ in self._intakes.values())
                log.logger().warning("drained in part", left=left)
        await self.kill()
        log.logger().info("stopped")

    async def kill(self) -> None:
        """Close at once: what runs is dropped, and comes to another hub. Closes what a failed start left, too."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.definitive.close(), *(intake.close() for intake, _ in self._intakes.values()))
        parts = (
            self.transport, self.questions, self.acting, self.rules, self.control, self.persons, self.journal,
            self.health
        )  # fmt: skip
        for part in parts:
            try:
                await part.close()
            except Exception as error:  # noqa: BLE001 (the others must be closed all the same)
                log.logger().error("not closed in order", part=type(part).__name__, **log.told(error))
        if self.tracing is not None:
            await self.tracing.close()

    # --- requests --------------------------------------------------------------------------------------------------

    async def _handle(self, delivery: Delivery) -> Answer | Park:
        return await self.door.walk(delivery)

    async def _handle_of_lot(self, delivery: Delivery) -> Answer | Park:
        return await self.journey.walk(delivery)

    async def _enter(self, parts: Sequence[Delivery]) -> Callable[[Delivery], Awaitable[Told | Park]]:
        return partial(self.journey.walk, controls=await self.journey.enveloped(parts))

    def _customer(self, sender: Address, cbe: str | None, kind: Address) -> Address | None:
        """Who asks, by these marks; None: they do not agree."""
        institution = self.rules.rules.institutions.get(sender)
        found = resolve_customer(self.rules.rules, institution, cbe, kind) if institution is not None else None
        return found if isinstance(found, Address) else None

    def _told(self, delivery: Delivery, answer: Answer) -> None:
        """An answer is confirmed: count it, of an envelope each that is in it."""
        if isinstance(answer, Enveloped):
            for one in answer.answers:
                self._told(delivery, one)
        if not isinstance(answer, Told):
            return
        seconds = monotonic() - answer.begun
        self.metrics.answered(answer.service, answer.value, answer.code, seconds, forwarded=answer.admitted)
        if answer.admitted:
            self.metrics.promised(
                answer.service, answer.value, seconds, answer.waited, failed=answer.failed, paused=answer.paused
            )
        log.logger().info(
            "answered",
            ticket=str(answer.ticket_cbss),
            service=answer.service,
            value=answer.value,
            code=answer.code,
            ms=round(seconds * 1000, 1),
        )

    def _services_changed(self, changes: tuple[Change, ...]) -> None:
        _report(changes)
        self.metrics.services(self.catalogue.services)

    # --- the register ----------------------------------------------------------------------------------------------

    def _rules_changed(self, rules: Rules) -> None:
        log.logger().info("rules changed", load=rules.number)
        self._register_changed.set()

    async def _follow_register(self) -> None:
        while True:
            await self._register_changed.wait()
            self._register_changed.clear()
            await self._read_queues(self.rules.rules)

    async def _read_queues(self, rules: Rules) -> None:
        """Read the queues of every directly connected institution, inactive ones too: they are told CRB00006. One that
        left the register is read on while this process lives, and told CRB00005."""
        new: list[Coroutine[Any, Any, bool]] = []
        for institution in rules.institutions.values():
            if institution.managed_by is not None:
                continue
            for mode, (intake, prefetch) in self._intakes.items():
                queue = names.ingress(institution.address, mode)
                if queue in intake.queues:
                    intake.set_rate(queue, institution.rate)
                else:
                    new.append(intake.add(queue, prefetch=prefetch, rate=institution.rate))
        if new:
            reading = await asyncio.gather(*new)
            log.logger().info("queues read", new=len(new), not_yet=len(new) - sum(reading))

    # --- stores ----------------------------------------------------------------------------------------------------

    async def _follow_stores(self) -> None:
        """Take no request while a store is down: what could not be journalled must not leave."""
        paused = False
        while True:
            is_open = await self.barrier.changed()
            if self.barrier.broken:
                raise HubError(f"ended by a bug: {', '.join(self.barrier.broken)}")
            if is_open == paused:
                paused = not is_open
                await self._steer_all()
                log.logger().info("intake resumed" if is_open else "intake paused")

    # --- what operators want ---------------------------------------------------------------------------------------

    def _control_changed(self, controls: Controls) -> None:
        log.logger().info(
            "control changed",
            version=controls.version,
            maintenance=controls.maintenance is not None,
            paused=[f"{kind} {what}" for kind, what in controls.paused()],
        )
        self._catching_up |= controls.maintenance is not None
        for changed in self._steered.values():
            changed.set()
        if controls.drains(self.control.instance):
            self.drained.set()

    async def _steer_all(self) -> None:
        """Each intake does what the stores and maintenance want of it."""
        await asyncio.gather(*map(self._steer_once, self._steered))

    async def _steer_once(self, intake: Intake) -> None:
        if not self.barrier.open:
            await intake.pause()
        elif self._stopping:
            return
        elif self.control.controls.maintenance is not None and intake in self._resting:
            await intake.rest()
        else:
            await intake.resume()

    async def _steer(self, intake: Intake) -> None:
        changed = self._steered[intake]
        while True:
            await changed.wait()
            changed.clear()
            await self._steer_once(intake)

    def _calm(self) -> bool:
        """Whether no definitive answer waits unread: not during maintenance, nor until this process has read what
        waited then, and one look more."""
        if self._catching_up:
            waiting = self.definitive.in_flight + self.definitive.held >= _DEFINITIVE // 2
            self._catching_up = waiting or self.control.controls.maintenance is not None
            return False
        return True

    def _in_hand(self) -> InHand:
        return InHand(
            ready=self.ready,
            draining=self._stopping,
            count=sum(intake.in_flight for intake in self._steered),
            services=self.metrics.of_services,
            suppliers=self.metrics.of_suppliers,
            tickets=self.journey.walking,
        )

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(_UPKEEP)
            try:
                made, expired = await self.journal.ensure_partitions(), await self.journal.expire()
                await self._positions.forget()
            except (JournalUnavailableError, RepertoryUnavailableError) as error:
                log.logger().error("journal upkeep failed", **log.told(error))
            else:
                log.logger().info("journal upkeep", partitions=made, keys_expired=expired)

    def _keep(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.logger().error("task ended", task=task.get_name(), **log.told(error))
            self.failed.set()


async def run(settings: Settings) -> None:
    """Run a hub until SIGTERM, SIGINT or `crossroads drain`, then drain it. Raises HubError when a part of it ended by
    a bug."""
    log.configure(settings.log_level)
    hub = Hub(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(hub.start())
    ends = [asyncio.create_task(event.wait()) for event in (stop, hub.failed, hub.drained)]
    try:
        await asyncio.wait((starting, *ends), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        if hub.started:
            await hub.stop()
        else:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await starting
            await hub.kill()
    if hub.failed.is_set() and not stop.is_set() and not hub.drained.is_set():
        raise HubError("a part of the hub ended by a bug; the log says which")


def key_of_delivery(delivery: Delivery) -> Hashable:
    """Which deliveries are the same request. Without a ticket two alike are two, told apart by their message's id."""
    if b"ticket>" in delivery.body:
        return identity(delivery)
    given = delivery.properties
    return identity(delivery), given.message_id, given.correlation_id, hashlib.sha256(delivery.body).digest()


def _beyond_repair(_: Delivery, error: Exception) -> Park:
    """Not even the fault MSG00003 could be made or journalled."""
    log.logger().error("parked", reason="the hub failed", **log.told(error))
    return Park(f"the hub failed: {type(error).__name__}")


def _full(queue: str) -> None:
    log.logger().warning("answers parked", queue=queue, why="it takes no more")


def _wrong_sender(_: Delivery, supplier: str) -> None:
    log.logger().warning("reply refused", code="CRB00013", supplier=supplier)


def _observed(event: Event) -> None:
    log.logger().info("wire", what=event.what, where=event.where, why=event.why)


def _observed_spare(event: Event) -> None:
    log.logger().info("wire", what=event.what, where=f"spare {event.where}", why=event.why)


def _report(changes: tuple[Change, ...]) -> None:
    for change in changes:
        line = log.logger().bind(kind=change.kind, service=change.type, folder=str(change.folder), why=change.reason)
        if change.kind in ("broken", "shadowed"):
            line.error("service")
        else:
            line.info("service")
