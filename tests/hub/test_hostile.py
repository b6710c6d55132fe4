"""What an institution with bad intentions can send: it harms nobody, and the hub serves the next request."""

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest
from lxml import etree

from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.star import CUSTOMER, ONE, PATIENCE, STRANGER, Star, opened

_PREFIX = names.DIRECT_REPLY_TO + "."


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as star:
        await star.hub()
        yield star


@pytest.fixture
async def dead(star) -> AsyncIterator["asyncio.Queue[aio_pika.abc.AbstractIncomingMessage]"]:
    """What comes to hub.dead."""
    came: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    async with star.admin() as channel:
        queue = await channel.get_queue(names.DEAD, ensure=False)
        await queue.consume(came.put, no_ack=True)
        yield came


async def publish(star: Star, body: bytes, **properties: object) -> None:
    """As the customer, with whatever properties."""
    async with star.channel(str(CUSTOMER)) as channel:
        exchange = await channel.get_exchange(names.out(CUSTOMER), ensure=False)
        values = {"user_id": str(CUSTOMER), "content_type": "application/xml", "correlation_id": "c"} | properties
        await exchange.publish(aio_pika.Message(body, **values), "online")  # type: ignore[arg-type]


async def serves_the_next(star: Star, ssin: Ssin) -> bool:
    return (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")


@pytest.mark.parametrize(
    "reply_to",
    [
        None,
        "",
        names.answers(STRANGER),
        names.DEAD,
        names.ingress(STRANGER),
        names.answers(CUSTOMER) + "x",
        _PREFIX,
        _PREFIX + "not base64!.key",
        _PREFIX + base64.b64encode(b"garbage").decode() + ".key",
        _PREFIX + "g" * 200,
    ],
)
async def test_a_reply_to_that_is_not_the_senders_own_is_parked_with_its_reason(star, dead, reply_to):
    ssin = await star.known(ONE)
    await publish(star, star.request(ssin), reply_to=reply_to)
    message = await asyncio.wait_for(dead.get(), PATIENCE)
    assert "reply_to" in str(message.headers["reason"])
    assert not star.questions(ONE, ssin)
    assert await serves_the_next(star, ssin)


def forged_token(node: bytes, number: int, serial: int) -> str:
    """A direct reply-to of the broker's own form."""
    raw = b"\x83Xv" + len(node).to_bytes(2) + node + number.to_bytes(4) + serial.to_bytes(4) + bytes(4)
    return f"{_PREFIX}{base64.b64encode(raw).decode()}.{base64.b64encode(bytes(16)).decode()}"


@pytest.mark.parametrize(
    "reply_to",
    [
        pytest.param(forged_token(b"reply@1", 1, 0), id="a node that there is not"),
        pytest.param(forged_token(b"reply@1", 0xFFFFFFFF, 0), id="a process that cannot be"),
    ],
)
async def test_a_forged_token_does_not_cost_the_others_their_connection(star, reply_to):
    hub = star.hubs[0]
    ssin, other = await star.known(ONE), await star.known(ONE)
    assert await serves_the_next(star, other)
    before = star.log.getvalue().count('"what": "lost"')
    await publish(star, star.request(ssin), reply_to=reply_to)
    told = await asyncio.gather(*(star.consult(other) for _ in range(20)))
    assert {one.said for one in told} == {("DATA_FOUND", "MSG00000")}
    async with asyncio.timeout(PATIENCE):
        while hub.intake.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    lost = [line for line in star.log.getvalue().splitlines() if '"what": "lost"' in line][before:]
    assert all('"where": "spare ' in line for line in lost)
    assert hub.intake.counts.unconfirmed == 0
    assert await serves_the_next(star, other)


async def test_an_answer_asked_for_by_a_queue_comes_to_the_senders_own(star):
    ssin = await star.known(ONE)
    correlation = uuid4().hex
    await publish(star, star.request(ssin), reply_to=names.answers(CUSTOMER), correlation_id=correlation)
    async with star.channel(str(CUSTOMER)) as channel:
        came: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        queue = await channel.get_queue(names.answers(CUSTOMER), ensure=False)
        await queue.consume(came.put, no_ack=True)
        message = await asyncio.wait_for(came.get(), PATIENCE)
    assert message.correlation_id == correlation
    assert message.user_id == names.HUB
    assert etree.fromstring(message.body).findtext("status/code") == "MSG00000"


@pytest.mark.parametrize(
    "headers", [{"x-death": [{"queue": "q", "reason": "expired"}]}, {"x-death": "a word"}], ids=["list", "word"]
)
async def test_a_message_that_says_it_was_dead_is_no_request(star, headers):
    ssin = await star.known(ONE)
    assert (await star.send(star.request(ssin), headers=headers)).said == (None, "CRB00005")


async def test_copies_asked_for_by_header_reach_no_supplier(star):
    ssin = await star.known(ONE)
    queue = names.supplier_queue(ONE, "online", "Plain/1")
    headers = {"CC": [queue, names.answers(STRANGER), names.DEAD], "BCC": [queue]}
    told = await star.send(star.request(ssin), headers=headers)
    assert told.said == ("DATA_FOUND", "MSG00000")
    [question] = star.questions(ONE, ssin)
    assert set(question.delivery.properties.headers) == {"customer", "deadline_ms"}
    assert "CC" not in told.properties.headers
    assert await star.depth(names.answers(STRANGER)) == 0


async def test_a_hub_that_traces_nothing_passes_no_trace_on(star):
    ssin = await star.known(ONE)
    headers = {"traceparent": f"00-{uuid4().hex}-{uuid4().hex[:16]}-01", "tracestate": "a=b"}
    told = await star.send(star.request(ssin), headers=headers)
    assert told.said == ("DATA_FOUND", "MSG00000")
    [question] = star.questions(ONE, ssin)
    assert set(question.delivery.properties.headers) == {"customer", "deadline_ms"}
    assert set(told.properties.headers) == set()


@pytest.mark.parametrize("user", ["00900000123", "85010100115"])
async def test_the_end_user_is_for_the_journal_alone(star, user):
    ssin = await star.known(ONE)
    told = await star.send(star.request(ssin), headers={"user": user})
    [question] = star.questions(ONE, ssin)
    assert user.encode() not in question.delivery.body
    assert "user" not in question.delivery.properties.headers
    decision = (await star.journal(told))[0]
    assert decision.program == (user if user.startswith("009") else None)
    if decision.program is None:
        entries = await star.hubs[0].journal.who(Ssin.parse(user), as_user=True)
        assert decision.number in [entry.number for entry in entries]


@pytest.mark.parametrize("user", ["Jan Janssens", 12345678901, "8501010011", ["85010100115"]])
async def test_an_end_user_that_is_no_number_is_not_recorded(star, user):
    ssin = await star.known(ONE)
    told = await star.send(star.request(ssin), headers={"user": user})
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert (await star.journal(told))[0].program is None


async def test_a_reply_that_nobody_asked_for_is_counted_and_forgotten(star):
    hub = star.hubs[0]
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    [question] = star.questions(ONE, ssin)
    before = hub.asking.counts.unknown
    await question.reply(question.response(("again", None)))
    async with asyncio.timeout(PATIENCE):
        while hub.asking.counts.unknown == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await star.kinds(told) == ["decision", "outcome"]
    assert await serves_the_next(star, ssin)
