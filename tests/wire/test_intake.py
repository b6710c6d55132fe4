"""Requests are answered once, whatever is cut. Over the real broker; faults are made by a TCP proxy."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from schemas.wire import names
from schemas.wire.intake import Answer, Intake, Outcome, Park
from schemas.wire.transport import Delivery, Transport
from tests.wire.conftest import Connect
from tests.wire.ground import PATIENCE, Ground, Witness, until
from tests.wire.proxy import Proxy


class Handler:
    """A handler that keeps count, tells when two of it run for one request at a time, and can be held up."""

    def __init__(self) -> None:
        self.handled: Counter[bytes] = Counter()
        self.cancelled: Counter[bytes] = Counter()
        self.at_once: Counter[bytes] = Counter()
        self.running: set[bytes] = set()
        self.go = asyncio.Event()
        self.outcome: Callable[[Delivery], Outcome] = lambda delivery: Answer(b"to " + delivery.body)

    async def __call__(self, delivery: Delivery) -> Outcome:
        body = delivery.body
        self.handled[body] += 1
        if body in self.running:
            self.at_once[body] += 1
        self.running.add(body)
        try:
            await self.work(body)
        except asyncio.CancelledError:
            self.cancelled[body] += 1
            raise
        finally:
            self.running.discard(body)
        return self.outcome(delivery)

    async def work(self, body: bytes) -> None:
        await self.go.wait()


class Askers:
    """A plain client that asks and counts every answer it gets, by correlation id."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.answers: Counter[str] = Counter()
        self.messages: list[AbstractIncomingMessage] = []

    async def open(self) -> None:
        self.queue = await self._ground.channel.declare_queue(exclusive=True)
        await self.queue.consume(self._take, no_ack=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self.answers[str(message.correlation_id)] += 1
        self.messages.append(message)

    async def ask(self, queue: str, body: bytes, correlation_id: str | None = None, **properties: Any) -> None:
        given = {"reply_to": self.queue.name, "correlation_id": correlation_id or body.decode()} | properties
        await self._ground.put(queue, body, **given)

    async def get(self, count: int) -> list[AbstractIncomingMessage]:
        """Wait for at least so many answers."""
        await until(lambda: len(self.messages) >= count)
        return self.messages


def failed(delivery: Delivery, error: Exception) -> Outcome:
    return Answer(type(error).__name__.encode(), type="fault")


@pytest.fixture
async def askers(ground: Ground) -> Askers:
    askers = Askers(ground)
    await askers.open()
    return askers


@pytest.fixture
def handler() -> Handler:
    return Handler()


MakeIntake = Callable[..., Intake]


@pytest.fixture
async def intake_over(handler: Handler) -> AsyncIterator[MakeIntake]:
    made: list[Intake] = []

    def make(transport: Transport, **options: Any) -> Intake:
        handle = options.pop("handle", handler)
        intake = Intake(transport, handle, user=transport.user or "", on_failure=failed, **options)
        made.append(intake)
        return intake

    yield make
    for intake in made:
        await intake.close()


async def test_a_request_is_answered_under_its_correlation_id_and_acked(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    assert await intake.add("q")
    handler.outcome = lambda _: Answer(b"<b/>", type="response", headers={"filtered": "a/b"})
    await askers.ask("q", b"<a/>", "c-1")
    await until(lambda: intake.in_flight == 1)
    assert askers.messages == []
    handler.go.set()
    [answer] = await askers.get(1)
    assert (answer.body, answer.correlation_id, answer.type, answer.user_id) == (
        b"<b/>",
        "c-1",
        "response",
        transport.user,
    )
    assert answer.headers == {"filtered": "a/b"}
    await until(lambda: intake.in_flight == 0)
    await transport.close()
    assert await ground.depth("q") == 0


async def test_a_direct_reply_to_is_answered(
    ground: Ground, connect: Connect, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url))
    await intake.add("q")
    handler.go.set()
    got: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    replies = await ground.channel.get_queue(names.DIRECT_REPLY_TO, ensure=False)
    await replies.consume(got.put, no_ack=True)
    await ground.put("q", b"x", reply_to=names.DIRECT_REPLY_TO, correlation_id="c")
    async with asyncio.timeout(10):
        assert (await got.get()).body == b"to x"
    assert intake.counts.parked == 0


@pytest.mark.parametrize("which", ["tested consume", "tested"], ids=["consuming", "both"])
async def test_600_requests_over_11_cuts_are_each_handled_one_at_a_time_and_answered_once(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
    which: str,
) -> None:
    queues = [f"q{i}" for i in range(3)]
    for queue in queues:
        await ground.queue(queue)
    transport = await connect(proxy.url)
    intake = intake_over(transport)
    for queue in queues:
        await intake.add(queue, prefetch=20)

    async def work(body: bytes) -> None:
        await asyncio.sleep(0.005 * (int(body) % 20))  # the suppliers' time: 0 to 95 ms

    handler.work = work  # type: ignore[method-assign]

    async def ask() -> None:
        for i in range(600):
            await askers.ask(queues[i % 3], b"%d" % i)

    asking = asyncio.create_task(ask())
    for cut in range(1, 12):
        await askers.get(50 * cut)
        assert proxy.cut(which) == (1 if which == "tested consume" else 2)
        await witness.sees("connected", "consume", times=cut + 1)
        await witness.sees("connected", "publish", times=cut + 1 if which == "tested" else 1)
    await asking
    await until(lambda: len(askers.answers) == 600, 60)
    # What comes again after the last cut comes before what is asked now.
    for i, queue in enumerate(queues, 600):
        await askers.ask(queue, b"%d" % i)
    await until(lambda: len(askers.answers) == 603)
    await intake.drain()
    await transport.close()
    for queue in queues:
        await ground.depth_is(queue, 0)

    assert handler.at_once == Counter()
    assert set(askers.answers) == {str(i) for i in range(603)}
    twice = sum(askers.answers.values()) - 603
    # An answer whose confirm went with the publishing connection is told again: nobody can know whether it arrived.
    assert twice <= intake.counts.unconfirmed
    if which == "tested consume":
        assert twice == 0
    assert intake.counts.joined + intake.counts.repeated > 0, "the cuts met work in hand"


async def test_a_redelivery_joins_the_work_in_hand(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    intake = intake_over(transport)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    proxy.cut()
    await until(lambda: intake.counts.joined == 1)
    handler.go.set()
    await askers.get(1)
    await intake.drain()
    await transport.close()
    await ground.depth_is("q", 0)
    assert handler.handled == {b"1": 1}
    assert askers.answers == {"1": 1}


async def test_an_answer_ready_while_the_connection_is_away_waits_for_the_redelivery(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url), orphan_seconds=30)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    proxy.refusing = True
    proxy.cut("tested consume")
    await witness.sees("unreachable", "consume")
    handler.go.set()
    await until(lambda: not handler.running)
    assert intake.in_flight == 1
    assert askers.messages == []  # though the publishing connection stands
    proxy.refusing = False
    await askers.get(1)
    assert handler.handled == {b"1": 1}
    await intake.drain()


async def test_an_answer_whose_ack_was_lost_is_not_told_again(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    intake = intake_over(transport)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    # The answer leaves by the publishing connection; the ack is stuck on the consuming one.
    [held] = proxy.named("tested consume")
    held.deaf = True
    handler.go.set()
    await askers.get(1)
    await until(lambda: intake.in_flight == 0)
    held.cut()
    await until(lambda: intake.counts.repeated == 1)
    await intake.drain()
    await transport.close()
    await ground.depth_is("q", 0)
    assert handler.handled == {b"1": 1}
    assert askers.answers == {"1": 1}


async def test_an_orphan_whose_answer_is_on_its_way_is_kept_until_that_is_known(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url), orphan_seconds=0.05, publish_timeout=60)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    [publishing] = proxy.named("tested publish")
    publishing.heard.clear()
    handler.go.set()
    await askers.get(1)  # told, and the confirm is stuck
    proxy.refusing = True
    proxy.cut("tested consume")
    orphaned_for = asyncio.get_running_loop().time() + 0.3
    await until(lambda: asyncio.get_running_loop().time() > orphaned_for)
    publishing.heard.set()
    await until(lambda: intake.in_flight == 0)
    proxy.refusing = False
    await until(lambda: intake.counts.repeated == 1)
    assert (handler.handled, askers.answers) == ({b"1": 1}, {"1": 1})


async def test_an_answer_that_waits_for_a_connection_is_not_published_when_another_took_over(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
) -> None:
    await ground.queue("q")
    first = intake_over(await connect(proxy.url), publish_timeout=60)
    await first.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    proxy.refusing = True
    proxy.cut("tested publish")
    await witness.sees("unreachable", "publish")
    handler.go.set()
    await until(lambda: not handler.running)
    assert first.in_flight == 1
    other = Handler()
    other.go.set()
    second = intake_over(await connect(ground.url, name="other"), handle=other)
    await second.add("q")
    proxy.cut("tested consume")
    await askers.get(1)
    proxy.refusing = False
    await witness.sees("connected", "publish", times=3)
    await until(lambda: first.in_flight == 0)
    assert first.counts.answered == 0
    await askers.ask("q", b"last")
    await askers.get(2)
    assert askers.answers == {"1": 1, "last": 1}


async def test_work_that_no_delivery_stands_for_is_dropped_and_done_by_another(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
) -> None:
    await ground.queue("q")
    first = intake_over(await connect(proxy.url), orphan_seconds=0.2)
    await first.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    other = Handler()
    other.go.set()
    second = intake_over(await connect(ground.url), handle=other)
    await second.add("q")
    proxy.refusing = True
    proxy.cut()
    await askers.get(1)
    await until(lambda: first.in_flight == 0)
    assert (first.counts.orphaned, handler.cancelled) == (1, {b"1": 1})
    assert (other.handled, askers.answers) == ({b"1": 1}, {"1": 1})


async def test_work_of_two_askers_does_not_wait_for_the_one_whose_request_went_elsewhere(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url), orphan_seconds=3)
    await intake.add("q")
    await askers.ask("q", b"1", "one")
    await askers.ask("q", b"1", "another")
    await until(lambda: intake.counts.joined == 1)
    proxy.refusing = True
    proxy.cut("tested consume")
    elsewhere = await ground.get("q")
    proxy.refusing = False
    await until(lambda: intake.counts.joined == 2)
    handler.go.set()
    [answer] = await askers.get(1)
    assert answer.correlation_id != elsewhere.correlation_id
    await until(lambda: intake.in_flight == 0)
    assert handler.handled == {b"1": 1}


async def test_dropped_work_starts_again_when_its_delivery_comes_late(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url), orphan_seconds=0.1)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    proxy.refusing = True
    proxy.cut()
    await until(lambda: intake.counts.orphaned == 1 and intake.in_flight == 0)
    proxy.refusing = False
    handler.go.set()
    await askers.get(1)
    assert handler.handled == {b"1": 2}
    assert handler.at_once == Counter()


async def test_the_same_request_again_joins_and_every_asker_is_told(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    await intake.add("q")
    for correlation_id in ("a", "b", "a"):
        await askers.ask("q", b"same", correlation_id)
    await until(lambda: intake.counts.joined == 2)
    handler.go.set()
    await intake.drain()
    await askers.get(2)
    await transport.close()
    await ground.depth_is("q", 0)
    assert handler.handled == {b"same": 1}
    assert askers.answers == {"a": 1, "b": 1}


async def test_a_request_asked_again_after_its_answer_is_answered_again(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url))
    await intake.add("q")
    handler.go.set()
    for count in (1, 2):
        await askers.ask("q", b"same", "a")
        await askers.get(count)
    assert handler.handled == {b"same": 2}


@pytest.mark.parametrize("difference", ["queue", "user_id", "reply_to", "type"])
async def test_who_does_not_ask_the_same_never_joins(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake, difference: str
) -> None:
    for queue in ("q", "other", "replies"):
        await ground.queue(queue)
    intake = intake_over(await connect(ground.url))
    await intake.add("q")
    await intake.add("other")
    given: dict[str, Any] = {"user_id": _user(ground), "type": "Pension/1"}
    await askers.ask("q", b"same", "a", **given)
    changes: dict[str, dict[str, Any]] = {
        "queue": {},
        "user_id": {"user_id": None},
        "reply_to": {"reply_to": "replies"},
        "type": {"type": "Pension/2"},
    }
    changed = given | changes[difference]
    await askers.ask("other" if difference == "queue" else "q", b"same", "b", **changed)
    await until(lambda: intake.in_flight == 2)
    assert intake.counts.joined == 0
    handler.go.set()
    await intake.drain()


def _user(ground: Ground) -> str:
    return ground.url.partition("://")[2].partition(":")[0]


async def test_a_handler_that_raises_is_answered_for(
    ground: Ground, connect: Connect, askers: Askers, intake_over: MakeIntake
) -> None:
    await ground.queue("q")

    async def handle(delivery: Delivery) -> Outcome:
        if delivery.body == b"cancelled":
            raise asyncio.CancelledError  # of something it waited for, not of itself
        raise LookupError(delivery.body)

    intake = intake_over(await connect(ground.url), handle=handle)
    await intake.add("q")
    await askers.ask("q", b"1")
    await askers.ask("q", b"cancelled")
    await askers.get(2)
    assert sorted(message.body for message in askers.messages) == [b"LookupError", b"RuntimeError"]
    assert intake.counts.failed == 2


async def test_a_delivery_without_a_key_is_handled_by_itself(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")

    def key(delivery: Delivery) -> str:
        raise ValueError("no key in it")

    intake = intake_over(await connect(ground.url), key=key)
    await intake.add("q")
    handler.go.set()
    await askers.ask("q", b"1")
    await askers.get(1)


async def test_an_outcome_of_none_is_acked_and_nobody_told(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    await intake.add("q")
    handler.outcome = lambda delivery: None if delivery.body == b"1" else Answer(b"")
    handler.go.set()
    await askers.ask("q", b"1")
    await askers.ask("q", b"2")
    await askers.get(1)
    await intake.drain()
    await transport.close()
    await ground.depth_is("q", 0)
    assert askers.answers == {"2": 1}


class Dead:
    """The dead letters' exchange and queue."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def open(self) -> None:
        await self._ground.queue(names.DEAD)
        exchange = await self._ground.channel.declare_exchange(names.DLX, aio_pika.ExchangeType.FANOUT, durable=True)
        await (await self._ground.channel.get_queue(names.DEAD)).bind(exchange)

    async def get(self) -> AbstractIncomingMessage:
        return await self._ground.get(names.DEAD)


@pytest.fixture
async def dead(ground: Ground) -> Dead:
    dead = Dead(ground)
    await dead.open()
    return dead


@pytest.mark.parametrize(
    ("asked", "outcome", "reason"),
    [
        ({}, Park("not a request"), "not a request"),
        ({"reply_to": None}, Answer(b""), "no reply_to"),
        ({"reply_to": "gone.answers"}, Answer(b""), "nobody takes its answer"),
        ({}, Answer(b"", headers={"not an AMQP type": object()}), "cannot be sent"),
    ],
    ids=["as said", "no reply_to", "no such queue", "unwritable answer"],
)
async def test_what_cannot_be_answered_is_parked_with_its_reason_and_none_of_its_headers(
    ground: Ground,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    dead: Dead,
    asked: dict[str, Any],
    outcome: Outcome,
    reason: str,
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    await intake.add("q")
    handler.outcome = lambda _: outcome
    handler.go.set()
    await askers.ask("q", b"1", "c", type="Pension/1", headers={"CC": ["elsewhere"], "own": 1}, **asked)
    parked = await dead.get()
    assert (parked.body, parked.correlation_id, parked.type) == (b"1", "c", "Pension/1")
    assert set(parked.headers) - {"x-delivery-count"} == {"reason", "queue", "sender", "parked"}
    assert reason in str(parked.headers["reason"])
    assert parked.headers["queue"] == "q"
    await intake.drain()
    await transport.close()
    await ground.depth_is("q", 0)
    assert intake.counts.parked == 1


@pytest.mark.parametrize("dead_exchange", [None, "no.such.binding"])
async def test_what_cannot_be_parked_is_rejected_so_that_the_broker_dead_letters_it(
    ground: Ground,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    dead: Dead,
    dead_exchange: str | None,
) -> None:
    await ground.queue("q", {"x-dead-letter-exchange": names.DLX})
    if dead_exchange is not None:
        await ground.channel.declare_exchange(dead_exchange, durable=True)
    intake = intake_over(await connect(ground.url), dead_exchange=dead_exchange)
    await intake.add("q")
    handler.outcome = lambda _: Park("not a request")
    handler.go.set()
    await askers.ask("q", b"1")
    assert (await dead.get()).body == b"1"
    await askers.ask("q", b"2")  # the channel stands
    assert (await dead.get()).body == b"2"


async def test_an_answer_refused_for_now_is_tried_until_it_is_taken(
    ground: Ground, connect: Connect, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    await ground.queue("18-0.answers", {"x-max-length": 1, "x-overflow": "reject-publish"})
    intake = intake_over(await connect(ground.url))
    await intake.add("q", prefetch=20)
    handler.go.set()
    for i in range(8):
        await ground.put("q", b"%d" % i, reply_to="18-0.answers", correlation_id=str(i))
    seen = {(await ground.get("18-0.answers")).correlation_id for _ in range(8)}
    assert seen == {str(i) for i in range(8)}
    assert intake.counts.unconfirmed > 0


async def test_a_supplier_answers_over_the_exchange_for_replies(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("18-0.online.Pension.1")
    exchange = await ground.channel.declare_exchange(names.REPLIES, durable=True)
    await askers.queue.bind(exchange, askers.queue.name)
    url = await ground.user(write=r"^(18-0\.out|hub\.replies)$", read=r"^18-0\.(online|answers)(\.|$)")
    intake = intake_over(await connect(url), reply_exchange=names.REPLIES, dead_exchange=None)
    await intake.add("18-0.online.Pension.1")
    handler.go.set()
    await askers.ask("18-0.online.Pension.1", b"1")
    [answer] = await askers.get(1)
    assert answer.exchange == names.REPLIES


async def test_over_its_rate_a_queue_is_held_without_acks_and_others_go_on(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    for queue in ("fast", "other"):
        await ground.queue(queue)
    intake = intake_over(await connect(ground.url))
    await intake.add("fast", prefetch=8, rate=0.01)  # one at once, the next after 100 s
    await intake.add("other", prefetch=8)
    handler.go.set()
    for i in range(20):
        await askers.ask("fast", b"fast %d" % i)
    await ground.depth_is("fast", 11)  # 20 less one answered and 8 unacked
    assert intake.held == 8
    for i in range(20):
        await askers.ask("other", b"other %d" % i)
    await askers.get(21)
    assert sum(name.startswith("fast") for name in askers.answers) == 1
    intake.set_rate("fast", None)
    await askers.get(40)
    assert set(askers.answers.values()) == {1}


async def test_what_was_held_over_a_cut_is_taken_once(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    witness: Witness,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url))
    await intake.add("q", rate=0.01)
    handler.go.set()
    for i in range(5):
        await askers.ask("q", b"%d" % i)
    await until(lambda: intake.held == 4)
    proxy.cut()
    await until(lambda: intake.held == 0)
    await witness.sees("consuming", "q", times=2)
    await until(lambda: intake.held == 4)
    intake.set_rate("q", None)
    await askers.get(5)
    await intake.drain()
    assert set(handler.handled.values()) == {1}


async def test_a_flood_of_one_queue_lets_another_have_its_turn(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    for queue in ("flood", "other"):
        await ground.queue(queue)
    intake = intake_over(await connect(ground.url), max_in_flight=2)
    started: list[bytes] = []

    async def work(body: bytes) -> None:
        started.append(body)
        await handler.go.wait()

    handler.work = work  # type: ignore[method-assign]
    await intake.add("flood", prefetch=50)
    await intake.add("other", prefetch=50)
    for i in range(60):
        await askers.ask("flood", b"flood %d" % i)
    await until(lambda: intake.held == 48)
    for i in range(5):
        await askers.ask("other", b"other %d" % i)
    await until(lambda: intake.held == 53)
    assert intake.in_flight == 2
    handler.go.set()
    await askers.get(65)
    turns = [body.startswith(b"other") for body in started[2:14]]
    assert sum(turns) == 5, "every second turn was the other's, though the flood came first"


async def test_drain_starts_nothing_finishes_what_runs_and_gives_the_rest_back(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    await intake.add("q", prefetch=4)
    for i in range(4):
        await askers.ask("q", b"%d" % i)
    await until(lambda: len(handler.running) == 4)
    draining = asyncio.create_task(intake.drain())
    for i in range(4, 10):
        await askers.ask("q", b"%d" % i)
    handler.go.set()
    await draining
    await askers.get(4)
    assert intake.in_flight == 0
    await until(lambda: intake.held == 4)  # the consumer stays, and starts nothing
    await transport.close()
    await ground.depth_is("q", 6)
    assert set(handler.handled) == {b"0", b"1", b"2", b"3"}
    assert askers.answers == {"0": 1, "1": 1, "2": 1, "3": 1}


async def test_a_redelivery_joins_while_draining(
    ground: Ground,
    proxy: Proxy,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(proxy.url))
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    draining = asyncio.create_task(intake.drain())
    proxy.cut()
    await until(lambda: intake.counts.joined == 1)
    handler.go.set()
    await draining
    await askers.get(1)
    assert askers.answers == {"1": 1}


async def test_paused_it_gives_everything_back_and_resumed_it_takes_it_again(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url), orphan_seconds=0.1)
    await intake.add("q", prefetch=4)
    for i in range(6):
        await askers.ask("q", b"%d" % i)
    await until(lambda: len(handler.running) == 4)
    await intake.pause()
    await ground.depth_is("q", 6)
    await until(lambda: intake.in_flight == 0)
    assert not await intake.add("missing")
    handler.go.set()
    await intake.resume()
    await askers.get(6)
    assert set(askers.answers.values()) == {1}
    assert handler.at_once == Counter()


async def test_resumed_soon_it_goes_on_with_what_runs(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url), orphan_seconds=30)
    await intake.add("q")
    await askers.ask("q", b"1")
    await until(lambda: handler.running)
    await asyncio.gather(intake.pause(), intake.resume(), intake.pause(), intake.resume())
    await until(lambda: intake.counts.joined >= 1)
    handler.go.set()
    await askers.get(1)
    assert handler.handled == {b"1": 1}


async def test_who_hands_back_gives_another_at_once_what_it_has_not_begun_and_finishes_what_it_has(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    """Of six taken four run, two are held; two more come meanwhile: another has these four while the four still run."""
    await ground.queue("q")
    first = intake_over(await connect(ground.url), max_in_flight=4)
    await first.add("q", prefetch=6)
    for i in range(6):
        await askers.ask("q", b"%d" % i)
    await until(lambda: first.held == 2)
    draining = asyncio.create_task(first.drain(hand_back=True))
    other = Handler()
    other.go.set()
    second = intake_over(await connect(ground.url), handle=other)
    await second.add("q", prefetch=6)
    for i in range(6, 8):
        await askers.ask("q", b"%d" % i)
    await askers.get(4)
    assert not draining.done()
    assert set(other.handled) == {b"4", b"5", b"6", b"7"}
    handler.go.set()
    await draining
    await askers.get(8)
    assert set(handler.handled) == {b"0", b"1", b"2", b"3"}
    assert set(askers.answers.values()) == {1}
    await ground.depth_is("q", 0)


async def test_at_rest_it_finishes_what_runs_and_takes_nothing_until_it_goes_on(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url), max_in_flight=2)
    await intake.add("q", prefetch=4)
    for i in range(6):
        await askers.ask("q", b"%d" % i)
    await until(lambda: intake.held == 2)
    await intake.rest()
    assert intake.held == 0
    assert not await intake.add("missing")
    handler.go.set()
    await askers.get(2)
    await until(lambda: intake.in_flight == 0)
    await ground.depth_is("q", 4)
    assert set(handler.handled) == {b"0", b"1"}
    await asyncio.gather(intake.resume(), intake.rest(), intake.resume())
    await askers.get(6)
    assert set(askers.answers.values()) == {1}
    assert set(handler.handled.values()) == {1}


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[Transport, str], tuple[asyncio.Event, asyncio.Event]]:
    """Releasing this queue takes until the second event is set; the first tells that it has begun."""

    def hold(transport: Transport, queue: str) -> tuple[asyncio.Event, asyncio.Event]:
        begun, go, release = asyncio.Event(), asyncio.Event(), transport.release

        async def slow(released: str) -> None:
            if released == queue:
                begun.set()
                await go.wait()
            await release(released)

        monkeypatch.setattr(transport, "release", slow)
        return begun, go

    return hold


Hold = Callable[[Transport, str], tuple[asyncio.Event, asyncio.Event]]


async def _task(coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """It has begun, as far as it goes by itself."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_resumed_again_while_it_resumes_it_takes_from_every_queue(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake, hold: Hold
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    await intake.add("q")
    await intake.rest()
    begun, go = hold(transport, "q")
    resuming = await _task(intake.resume())
    await begun.wait()
    turns = [resuming, await _task(intake.pause()), await _task(intake.resume())]
    go.set()
    await asyncio.gather(*turns)
    handler.go.set()
    await askers.ask("q", b"1")
    await askers.get(1)


_LIMITED = {"x-delivery-limit": 20, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


@pytest.mark.parametrize("then", ["rests", "goes on"])
async def test_what_comes_while_it_is_to_rest_and_cannot_yet_goes_back_once_and_not_for_ever(
    then: str,
    ground: Ground,
    connect: Connect,
    askers: Askers,
    handler: Handler,
    intake_over: MakeIntake,
    hold: Hold,
) -> None:
    await ground.queue("q", _LIMITED)
    await ground.queue("other")
    await ground.queue("dead")
    transport = await connect(ground.url)
    intake = intake_over(transport)
    for queue in ("q", "other"):
        await intake.add(queue, prefetch=1)
    await intake.rest()
    begun, go = hold(transport, "other")
    turns = [await _task(intake.resume())]
    await begun.wait()
    async with asyncio.timeout(PATIENCE):
        while not (await ground.channel.declare_queue("q", passive=True)).declaration_result.consumer_count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    turns.append(await _task(intake.rest()))
    await askers.ask("q", b"1")
    async with asyncio.timeout(PATIENCE):
        while not intake.held and not await ground.depth("dead"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    if then == "goes on":
        turns.append(await _task(intake.resume()))
    go.set()
    await asyncio.gather(*turns)
    if then == "rests":
        await ground.depth_is("q", 1)
        await intake.resume()
    handler.go.set()
    await askers.get(1)
    assert await ground.depth("dead") == 0


async def test_a_removed_queue_is_finished_and_given_back(
    ground: Ground, connect: Connect, askers: Askers, handler: Handler, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url))
    await intake.add("q", prefetch=4, rate=0.01)
    for i in range(6):
        await askers.ask("q", b"%d" % i)
    await until(lambda: handler.running and intake.held == 3)
    removing = asyncio.create_task(intake.remove("q"))
    again = asyncio.create_task(intake.add("q", prefetch=4))
    await until(lambda: intake.held == 0)
    handler.go.set()
    await removing
    assert await again
    await askers.get(6)
    assert set(askers.answers.values()) == {1}


async def test_a_queue_that_is_taken_from_is_not_taken_from_twice(
    ground: Ground, connect: Connect, intake_over: MakeIntake
) -> None:
    await ground.queue("q")
    intake = intake_over(await connect(ground.url))
    await intake.add("q")
    with pytest.raises(ValueError, match="taken from already"):
        await intake.add("q")
