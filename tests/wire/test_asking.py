"""Questions to suppliers and what comes of them. Over the real broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from schemas.wire import names
from schemas.wire.asking import Asking, Late, Reply, Silent
from schemas.wire.transport import Properties, Transport
from tests.wire.conftest import Connect
from tests.wire.ground import Ground, Witness, until
from tests.wire.proxy import Proxy

SUPPLIER_QUEUE = "18-0.online.Pension.1"


class Supplier:
    """A plain client that takes questions and replies as it is told to."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.questions: list[AbstractIncomingMessage] = []

    async def open(self, url: str) -> None:
        self._connection = await aio_pika.connect(url)
        self._channel = await self._connection.channel(on_return_raises=True)
        self._exchange = await self._channel.get_exchange(names.REPLIES, ensure=False)
        queue = await self._channel.get_queue(SUPPLIER_QUEUE, ensure=False)
        await queue.consume(self._take)

    async def close(self) -> None:
        await self._connection.close()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self.questions.append(message)
        await message.ack()

    async def question(self, number: int = 1) -> AbstractIncomingMessage:
        """Wait for a question."""
        await until(lambda: len(self.questions) >= number)
        return self.questions[number - 1]

    async def reply(self, question: AbstractIncomingMessage, body: bytes, *, user: str | None) -> None:
        message = aio_pika.Message(body, correlation_id=question.correlation_id, user_id=user, type="response")
        await self._exchange.publish(message, question.reply_to or "")


@pytest.fixture
async def replies(ground: Ground) -> None:
    """The exchanges and the supplier's queue."""
    institutions = await ground.channel.declare_exchange(names.INSTITUTIONS, durable=True)
    await ground.channel.declare_exchange(names.REPLIES, durable=True)
    queue = await ground.queue(SUPPLIER_QUEUE)
    await queue.bind(institutions, SUPPLIER_QUEUE)


@pytest.fixture
async def supplier(ground: Ground, replies: None) -> AsyncIterator[Supplier]:
    supplier = Supplier(ground)
    await supplier.open(ground.url)
    yield supplier
    await supplier.close()


class Asker:
    """An Asking with the parameters of these tests."""

    def __init__(self, transport: Transport, **options: float) -> None:
        self.wrong: list[tuple[str | None, str]] = []
        self.user = transport.user or ""
        self.asking = Asking(
            transport,
            names.reply_queue(uuid4()),
            wrong_sender=lambda delivery, supplier: self.wrong.append((delivery.properties.user_id, supplier)),
            **options,  # type: ignore[arg-type]
        )

    def ask(
        self,
        *,
        key: str = SUPPLIER_QUEUE,
        seconds: float = 20,
        supplier: str | None = None,
        correlation_id: str = "t/1",
    ) -> "asyncio.Task[Reply | Late | Silent]":
        return asyncio.create_task(
            self.asking.ask(
                names.INSTITUTIONS,
                key,
                b"<question/>",
                Properties(correlation_id=correlation_id, type="Pension/1", headers={"customer": "5-0"}),
                deadline=time.monotonic() + seconds,
                supplier=supplier or self.user,
            )
        )


async def start(transport: Transport, **options: float) -> Asker:
    asker = Asker(transport, **options)
    assert await asker.asking.start()
    return asker


async def test_a_question_carries_the_time_left_and_where_to_reply_and_its_reply_comes_back(
    ground: Ground, connect: Connect, supplier: Supplier
) -> None:
    asker = await start(await connect(ground.url))
    asked = asker.ask()
    question = await supplier.question()
    left = question.headers["deadline_ms"]
    assert isinstance(left, int)
    assert 15_000 < left <= 20_000
    assert question.expiration == pytest.approx(left / 1000)
    assert (question.headers["customer"], question.correlation_id, question.type) == ("5-0", "t/1", "Pension/1")
    assert (question.reply_to or "").startswith("hub.reply.")
    await supplier.reply(question, b"<reply/>", user=asker.user)
    reply = await asked
    assert isinstance(reply, Reply)
    assert (reply.body, reply.properties.type, reply.properties.user_id) == (b"<reply/>", "response", asker.user)
    assert (asker.asking.counts.asked, asker.asking.counts.replied, asker.asking.open) == (1, 1, 0)


async def test_many_questions_at_once_get_their_own_replies(
    ground: Ground, connect: Connect, supplier: Supplier
) -> None:
    asker = await start(await connect(ground.url))
    asked = [asker.ask(correlation_id=f"t/{i}") for i in range(60)]
    await supplier.question(60)
    for question in reversed(supplier.questions):
        await supplier.reply(question, str(question.correlation_id).encode(), user=asker.user)
    replies = await asyncio.gather(*asked)
    assert [reply.body for reply in replies if isinstance(reply, Reply)] == [b"t/%d" % i for i in range(60)]


@pytest.mark.parametrize("false_user", [None, "another"])
async def test_a_reply_of_another_is_ignored_and_counted(
    ground: Ground, connect: Connect, supplier: Supplier, false_user: str | None
) -> None:
    asker = await start(await connect(ground.url))
    asked = asker.ask(supplier="18-0" if false_user else asker.user)
    question = await supplier.question()
    await supplier.reply(question, b"<forged/>", user=asker.user if false_user else None)
    await until(lambda: asker.asking.counts.wrong_sender == 1)
    assert not asked.done()
    assert asker.wrong == [(asker.user, "18-0") if false_user else (None, asker.user)]
    if not false_user:
        await supplier.reply(question, b"<true/>", user=asker.user)
        reply = await asked
        assert isinstance(reply, Reply)
        assert reply.body == b"<true/>"
    asked.cancel()


async def test_a_second_reply_is_counted_and_acked(ground: Ground, connect: Connect, supplier: Supplier) -> None:
    transport = await connect(ground.url)
    asker = await start(transport)
    asked = asker.ask()
    question = await supplier.question()
    await supplier.reply(question, b"<reply/>", user=asker.user)
    await asked
    await supplier.reply(question, b"<reply/>", user=asker.user)
    await until(lambda: asker.asking.counts.unknown == 1)
    await asker.asking.close()
    await transport.close()
    assert await ground.depth(question.reply_to or "") == 0


async def test_no_queue_at_the_supplier_is_silence_at_once(ground: Ground, connect: Connect, replies: None) -> None:
    asker = await start(await connect(ground.url))
    began = time.monotonic()
    assert await asker.ask(key="18-0.online.Unknown.1", seconds=60) == Silent("no queue")
    assert time.monotonic() - began < 10
    assert (asker.asking.counts.silent, asker.asking.open) == (1, 0)


async def test_a_full_queue_at_the_supplier_is_silence_at_once(ground: Ground, connect: Connect, replies: None) -> None:
    full = await ground.queue("full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    await full.bind(names.INSTITUTIONS, "full")
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await _fill(ground, "full")
    asker = await start(await connect(ground.url))
    began = time.monotonic()
    assert await asker.ask(key="full", seconds=60) == Silent("queue full")
    assert time.monotonic() - began < 10


async def _fill(ground: Ground, queue: str) -> None:
    """Put messages until the broker refuses one."""
    for _ in range(50):  # the limit of a quorum queue takes hold some messages late
        await ground.put(queue, b"x")


async def test_silence_is_told_after_the_deadline_and_the_grace(
    ground: Ground, connect: Connect, supplier: Supplier
) -> None:
    asker = await start(await connect(ground.url), grace=0.2)
    began = time.monotonic()
    assert await asker.ask(seconds=0.3) == Silent("no reply")
    assert 0.5 <= time.monotonic() - began < 5


async def test_a_reply_within_the_grace_is_late_and_one_after_it_is_counted(
    ground: Ground, connect: Connect, supplier: Supplier
) -> None:
    asker = await start(await connect(ground.url), grace=30)
    asked = asker.ask(seconds=0.5)
    deadline = time.monotonic() + 0.5
    question = await supplier.question()
    await until(lambda: time.monotonic() > deadline)
    await supplier.reply(question, b"<late/>", user=asker.user)
    assert isinstance(await asked, Late)
    assert asker.asking.counts.late == 1
    await supplier.reply(question, b"<later/>", user=asker.user)
    await until(lambda: asker.asking.counts.unknown == 1)


async def test_a_question_past_its_deadline_is_not_sent(ground: Ground, connect: Connect, supplier: Supplier) -> None:
    asker = await start(await connect(ground.url), grace=0)
    assert await asker.ask(seconds=-1) == Silent("not sent")
    asked = asker.ask(correlation_id="t/2")
    assert (await supplier.question()).correlation_id == "t/2"
    asked.cancel()


async def test_a_caller_that_goes_leaves_nothing_behind(ground: Ground, connect: Connect, supplier: Supplier) -> None:
    asker = await start(await connect(ground.url))
    asked = asker.ask()
    question = await supplier.question()
    asked.cancel()
    await asyncio.wait({asked})
    assert asker.asking.open == 0
    await supplier.reply(question, b"<reply/>", user=asker.user)
    await until(lambda: asker.asking.counts.unknown == 1)
    again = asker.ask()  # the same correlation id is free again
    await supplier.reply(await supplier.question(2), b"<reply/>", user=asker.user)
    assert isinstance(await again, Reply)


async def test_two_open_questions_may_not_share_a_correlation_id(
    ground: Ground, connect: Connect, supplier: Supplier
) -> None:
    asker = await start(await connect(ground.url))
    asked = asker.ask()
    await supplier.question()
    with pytest.raises(ValueError, match="correlation_id of its own"):
        await asker.ask()
    await supplier.reply(supplier.questions[0], b"<reply/>", user=asker.user)
    assert isinstance(await asked, Reply)


async def test_replies_that_come_while_the_connection_is_away_are_not_lost(
    ground: Ground, proxy: Proxy, connect: Connect, supplier: Supplier, witness: Witness
) -> None:
    asker = await start(await connect(proxy.url))
    asked = [asker.ask(correlation_id=f"t/{i}") for i in range(20)]
    await supplier.question(20)
    proxy.refusing = True
    proxy.cut()
    await witness.sees("unreachable", "consume")
    for question in supplier.questions:
        await supplier.reply(question, b"<reply/>", user=asker.user)
    proxy.refusing = False
    assert all(isinstance(reply, Reply) for reply in await asyncio.gather(*asked))


async def test_a_question_whose_publish_was_cut_is_published_again_under_its_correlation_id(
    ground: Ground, proxy: Proxy, connect: Connect, supplier: Supplier, witness: Witness
) -> None:
    asker = await start(await connect(proxy.url))
    for through in proxy.connections:
        through.deaf = b"tested publish" in through.hello
    asked = asker.ask()
    await until(lambda: asker.asking.open == 1)
    proxy.cut("tested publish")
    question = await supplier.question()
    assert question.correlation_id == "t/1"
    await supplier.reply(question, b"<reply/>", user=asker.user)
    assert isinstance(await asked, Reply)


async def test_without_a_connection_nothing_is_sent_and_silence_says_so(
    ground: Ground, proxy: Proxy, connect: Connect, supplier: Supplier, witness: Witness
) -> None:
    asker = await start(await connect(proxy.url), grace=0)
    proxy.refusing = True
    proxy.cut()
    await witness.sees("unreachable", "publish")
    assert await asker.ask(seconds=0.3) == Silent("not sent")


def test_nothing_of_a_reply_shows_in_its_repr() -> None:
    assert "secret" not in repr(Reply(b"secret", Properties(headers={"user": "secret"})))
