"""What every transport must do, over the real broker. Faults are made by a TCP proxy."""

import asyncio
import logging
import os
import random
import shutil
import ssl
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aio_pika
import pytest

from deploy.servers import PrivateRabbitMQ
from schemas.wire import names
from schemas.wire.transport import (
    Delivery,
    Event,
    NotConnected,
    Properties,
    Refused,
    Transport,
    Unconfirmed,
    Unroutable,
)
from tests.wire.conftest import Connect, Make
from tests.wire.ground import PATIENCE, Basket, Ground, Witness, until
from tests.wire.proxy import Proxy

#: What a prompt end may take on a busy machine, against timeouts of a minute.
PROMPTLY = 5.0


async def _outcome(publish: "asyncio.Future[None]") -> str:
    try:
        await publish
    except (Unconfirmed, Unroutable, Refused) as error:
        return type(error).__name__
    return "confirmed"


def _publish(transport: Transport, queue: str, body: bytes, *, timeout: float = 60) -> "asyncio.Task[None]":
    return asyncio.ensure_future(transport.publish("", queue, body, Properties(), timeout=timeout))


async def test_a_message_arrives_with_its_properties_persistent_and_with_an_identity_of_its_own(
    ground: Ground, connect: Connect
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    sent = Properties(
        user_id=transport.user,
        correlation_id="c/1",
        reply_to="q",
        message_id="ours",
        type="Pension/1",
        content_encoding="utf-8",
        expiration_ms=60_000,
        headers={"deadline_ms": 3500, "customer": "18-0"},
    )
    await transport.publish("", "q", "é".encode(), sent)
    seen = await ground.get("q")
    assert seen.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (seen.body.decode(), seen.user_id, seen.correlation_id, seen.reply_to, seen.type) == (
        "é",
        transport.user,
        "c/1",
        "q",
        "Pension/1",
    )
    assert (seen.content_type, seen.content_encoding, seen.expiration) == ("application/xml", "utf-8", 60.0)
    assert (seen.headers["deadline_ms"], seen.headers["customer"]) == (3500, "18-0")
    assert seen.message_id not in (None, "ours")

    basket = Basket()
    await transport.consume("q", basket, prefetch=1)
    await transport.publish("", "q", b"<a/>", sent)
    [delivery] = await basket.holds(1)
    assert (delivery.body, delivery.queue, delivery.redelivered, delivery.routing_key) == (b"<a/>", "q", False, "q")
    assert delivery.properties.message_id not in (None, "ours")
    seen_by_us = {**delivery.properties.headers}
    seen_by_us.pop("x-delivery-count", None)  # a quorum queue's
    assert replace(delivery.properties, message_id="ours", headers=seen_by_us) == sent
    assert await transport.ack(delivery)


async def test_nothing_of_a_message_shows_in_a_deliverys_repr(ground: Ground, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=1)
    await ground.put("q", b"secret body", correlation_id="secret id")
    [delivery] = await basket.holds(1)
    assert "secret" not in repr(delivery)


async def test_a_message_of_a_mebibyte_passes(ground: Ground, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    body = bytes(range(256)) * 4096
    await transport.publish("", "q", body, Properties())
    assert (await ground.get("q")).body == body


async def test_what_no_queue_takes_is_unroutable_and_so_alone(ground: Ground, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    publishes = [_publish(transport, "nowhere" if i % 5 == 0 else "q", b"x") for i in range(50)]
    outcomes = [await _outcome(publish) for publish in publishes]
    assert outcomes == ["Unroutable" if i % 5 == 0 else "confirmed" for i in range(50)]


async def test_what_is_not_mandatory_is_confirmed_though_nobody_takes_it(ground: Ground, connect: Connect) -> None:
    transport = await connect(ground.url)
    await transport.publish("", "nowhere", b"x", Properties(), mandatory=False)


async def test_a_full_queue_refuses(ground: Ground, connect: Connect) -> None:
    await ground.queue("q", {"x-max-length": 2, "x-overflow": "reject-publish"})
    transport = await connect(ground.url)
    # The limit of a quorum queue takes hold some messages late.
    outcomes = [await _outcome(_publish(transport, "q", b"x")) for _ in range(20)]
    assert outcomes[:2] == ["confirmed"] * 2
    assert outcomes[-1] == "Refused"


async def test_a_confirm_that_never_comes_raises_after_its_timeout(
    ground: Ground, proxy: Proxy, connect: Connect
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    proxy.freeze("down")
    began = time.monotonic()
    with pytest.raises(Unconfirmed, match=r"0\.3 s"):
        await transport.publish("", "q", b"x", Properties(), timeout=0.3)
    assert 0.3 <= time.monotonic() - began < PROMPTLY
    proxy.thaw()
    assert (await ground.get("q")).body == b"x"  # unconfirmed is not undelivered


async def test_publishes_under_way_on_a_cut_connection_raise_at_once(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    proxy.freeze("down")
    publishes = [_publish(transport, "q", b"x" * 5000) for _ in range(300)]  # more than may be under way
    await ground.depth_is("q", 200)
    proxy.thaw()
    proxy.freeze("up")
    began = time.monotonic()
    assert proxy.cut("tested publish") == 1
    first = [await _outcome(publish) for publish in publishes[:200]]
    assert time.monotonic() - began < PROMPTLY
    assert set(first) <= {"Unconfirmed", "confirmed"}
    assert "Unconfirmed" in first
    proxy.thaw()
    assert {await _outcome(publish) for publish in publishes[200:]} == {"confirmed"}
    await witness.sees("connected", "publish", times=2)


async def test_a_broker_that_ends_the_stream_while_ours_to_it_is_stuck_is_lost_at_once(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    [through] = proxy.named("tested publish")
    proxy.freeze("up")
    publishes = [_publish(transport, "q", bytes(1 << 20)) for _ in range(20)]  # more than sockets hold
    began = time.monotonic()
    through.hang_up()
    assert {await _outcome(publish) for publish in publishes} == {"Unconfirmed"}
    assert time.monotonic() - began < PROMPTLY
    proxy.thaw()
    await witness.sees("connected", "publish", times=2)


async def test_what_is_under_way_when_the_transport_is_closed_is_unconfirmed(
    ground: Ground, proxy: Proxy, connect: Connect
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    [through] = proxy.named("tested publish")
    through.deaf = True
    publishes = [_publish(transport, "q", b"x") for _ in range(3)]
    await until(lambda: through.dropped > 0)
    await transport.close()
    assert [await _outcome(publish) for publish in publishes] == ["Unconfirmed"] * 3


@pytest.mark.parametrize("count", [1, 700, 5_000, 123_456])
async def test_what_was_confirmed_is_there_wherever_the_connection_is_cut(
    ground: Ground, proxy: Proxy, connect: Connect, count: int
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    proxy.cut_after("up", count)
    publishes = [_publish(transport, "q", b"%d" % i + b" " * 1500) for i in range(150)]
    outcomes = [await _outcome(publish) for publish in publishes]
    assert "Unconfirmed" in outcomes
    await transport.publish("", "q", b"last", Properties())
    arrived = set()
    while (body := (await ground.get("q")).body) != b"last":
        arrived.add(int(body))
    confirmed = {i for i, outcome in enumerate(outcomes) if outcome == "confirmed"}
    assert confirmed <= arrived


async def test_a_publish_waits_for_a_connection_within_its_timeout(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    proxy.refusing = True
    proxy.cut()
    await witness.sees("lost", "publish")
    with pytest.raises(Unconfirmed):
        await transport.publish("", "q", b"given up", Properties(), timeout=0.2)
    publish = _publish(transport, "q", b"waited")
    await witness.sees("unreachable", "publish", times=2)
    assert not publish.done()
    proxy.refusing = False
    await publish
    assert (await ground.get("q")).body == b"waited"
    assert await ground.depth("q") == 0


async def test_a_cancelled_publish_leaves_the_channel_as_it_was(ground: Ground, proxy: Proxy, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    proxy.freeze("down")
    publishes = [_publish(transport, "q", b"x") for _ in range(20)]
    await ground.depth_is("q", 20)
    for publish in publishes[::2]:
        publish.cancel()
    proxy.thaw()
    assert {await _outcome(publish) for publish in publishes[1::2]} == {"confirmed"}
    assert [publish.cancelled() for publish in publishes[::2]] == [True] * 10
    await transport.publish("", "q", b"x", Properties())


async def test_a_false_user_id_is_refused_here_and_harms_nothing(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    publishes = [_publish(transport, "q", b"x") for _ in range(50)]
    with pytest.raises(ValueError, match="somebody-else"):
        await transport.publish("", "q", b"x", Properties(user_id="somebody-else"))
    assert {await _outcome(publish) for publish in publishes} == {"confirmed"}
    assert witness.count("publishing lost") == 0


@pytest.mark.parametrize("fault", ["no exchange", "no right"])
async def test_a_publish_that_closes_the_channel_is_told_to_all_under_way_and_the_channel_is_made_again(
    ground: Ground, connect: Connect, witness: Witness, fault: str
) -> None:
    await ground.queue("q")
    await ground.channel.declare_exchange("closed", durable=True)
    transport = await connect(await ground.user(write=r"^amq\.default$"))
    bad = {"no exchange": "missing", "no right": "closed"}[fault]
    publishes = [
        asyncio.ensure_future(transport.publish(bad if i == 20 else "", "q", b"%d" % i, Properties()))
        for i in range(150)
    ]
    outcomes = [await _outcome(publish) for publish in publishes]
    assert outcomes[20] == "Unconfirmed"
    lost = await witness.sees("publishing lost")
    assert bad in lost.why
    assert witness.count("lost") == 0, "the connection itself must survive"
    for i, outcome in enumerate(outcomes):
        if outcome == "Unconfirmed" and i != 20:
            await transport.publish("", "q", b"%d" % i, Properties())
    await transport.publish("", "q", b"last", Properties())
    arrived = set()
    while (body := (await ground.get("q")).body) != b"last":
        arrived.add(int(body))
    assert arrived == set(range(150)) - {20}


async def test_a_consumer_without_configure_rights_works_and_comes_back(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("18-0.answers")
    async with Proxy(await ground.user(read=r"^18-0\.answers$")) as proxy:
        transport = await connect(proxy.url)
        basket = Basket()
        assert await transport.consume("18-0.answers", basket, prefetch=1)
        for body in (b"1", b"2"):
            await ground.put("18-0.answers", body)
        await basket.holds(1)
        assert await transport.ack(basket.deliveries[0])
        await basket.holds(2)  # the second comes when the ack was taken
        proxy.cut()
        await witness.sees("consuming", "18-0.answers", times=2)
        await basket.holds(3)
        assert basket.bodies == [b"1", b"2", b"2"]
        await transport.close()


async def test_prefetch_bounds_what_is_unacked_a_consumer(ground: Ground, connect: Connect) -> None:
    for queue in ("a", "b"):
        await ground.queue(queue)
    transport = await connect(ground.url)
    a, b = Basket(), Basket()
    for _ in range(10):
        await ground.put("a", b"x")
        await ground.put("b", b"x")
    await transport.consume("a", a, prefetch=3)
    await transport.consume("b", b, prefetch=5)
    await ground.depth_is("a", 7)
    await ground.depth_is("b", 5)
    assert (len(a.deliveries), len(b.deliveries)) == (3, 5)
    assert await transport.ack(a.deliveries[0])
    await a.holds(4)


async def test_a_missing_queue_is_reported_and_retried_and_disturbs_nobody(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("here")
    transport = await connect(ground.url)
    here, later = Basket(), Basket()
    assert await transport.consume("here", here, prefetch=8)
    assert not await transport.consume("later", later, prefetch=8)
    missing = await witness.sees("not consuming", "later")
    assert "later" in missing.why
    await ground.put("here", b"x")
    await here.holds(1)
    await ground.queue("later")
    await ground.put("later", b"y")
    await later.holds(1)
    assert await transport.ack(here.deliveries[0])
    assert await transport.ack(later.deliveries[0])
    assert witness.count("consumer lost") == 0


async def test_a_queue_that_is_not_ours_to_read_is_reported_and_disturbs_nobody(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    for queue in ("own", "others"):
        await ground.queue(queue)
    transport = await connect(await ground.user(read="^own$"))
    own = Basket()
    assert await transport.consume("own", own, prefetch=8)
    assert not await transport.consume("others", Basket(), prefetch=8)
    assert "ACCESS_REFUSED" in (await witness.sees("not consuming", "others")).why
    await ground.put("own", b"x")
    [delivery] = await own.holds(1)
    assert await transport.ack(delivery)


async def test_a_deleted_queue_is_noticed_reported_and_consumed_again_once_it_is_there(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    await ground.queue("other")
    transport = await connect(ground.url)
    ended: list[int] = []
    transport.on_generation(ended.append)
    basket, other = Basket(), Basket()
    await transport.consume("q", basket, prefetch=8)
    await transport.consume("other", other, prefetch=8)
    await ground.put("q", b"1")
    await ground.put("other", b"1")
    [old], [kept] = await basket.holds(1), await other.holds(1)
    await ground.channel.queue_delete("q")
    await witness.sees("consumer lost", "q")
    assert old.generation in ended
    assert kept.generation not in ended
    assert not await transport.ack(old)
    assert await transport.ack(kept)
    await ground.queue("q")
    await witness.sees("consuming", "q", times=2)
    await ground.put("q", b"2")
    await basket.holds(2)
    assert await transport.ack(basket.deliveries[1])


async def test_a_cut_ends_the_generation_at_once_and_brings_the_delivery_again(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    ended: list[int] = []
    transport.on_generation(ended.append)
    basket = Basket()
    await transport.consume("q", basket, prefetch=8)
    await ground.put("q", b"x")
    [old] = await basket.holds(1)
    assert transport.stands(old)
    proxy.cut("tested consume")
    await until(lambda: ended)
    assert witness.count("connected", "consume") == 1, "told before it reconnects"
    assert not transport.stands(old)
    assert not await transport.ack(old)
    assert not await transport.reject(old)
    new = (await basket.holds(2))[1]
    assert (new.body, new.redelivered) == (b"x", True)
    assert new.generation > old.generation
    assert ended == [old.generation]
    assert await transport.ack(new)
    await transport.close()
    assert await ground.depth("q") == 0


async def test_one_channel_closed_by_the_broker_ends_one_generation(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("a")
    await ground.queue("b")
    transport = await connect(ground.url)
    ended: list[int] = []
    transport.on_generation(ended.append)
    a, b = Basket(), Basket()
    await transport.consume("a", a, prefetch=8)
    await transport.consume("b", b, prefetch=8)
    for body in (b"1", b"2"):
        await ground.put("a", body)
    await ground.put("b", b"1")
    await a.holds(2)
    [kept] = await b.holds(1)
    assert await transport.ack(a.deliveries[0])
    assert await transport.ack(a.deliveries[0])  # twice the same: the broker closes the channel
    assert "unknown delivery tag" in (await witness.sees("consumer lost", "a")).why
    assert ended == [a.deliveries[1].generation]
    assert not transport.stands(a.deliveries[1])
    again = (await a.holds(3))[2]
    assert (again.body, again.redelivered) == (b"2", True)
    assert await transport.ack(again)
    assert await transport.ack(kept)
    assert witness.count("lost", "consume") == 0


async def test_what_a_cancelled_consumer_holds_can_be_acked_and_released(ground: Ground, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=2)
    for body in (b"1", b"2", b"3"):
        await ground.put("q", body)
    await basket.holds(2)
    await transport.cancel("q")
    assert await transport.ack(basket.deliveries[0])
    await ground.depth_is("q", 1)  # the third is not taken though there would be room
    assert len(basket.deliveries) == 2
    ended: list[int] = []
    transport.on_generation(ended.append)
    await transport.release("q")
    assert ended == [basket.deliveries[1].generation]
    await ground.depth_is("q", 2)
    assert await transport.consume("q", basket, prefetch=2)
    await basket.holds(4)
    assert sorted(basket.bodies[2:]) == [b"2", b"3"]


async def test_what_was_on_its_way_when_a_consumer_was_cancelled_is_handed_on(
    ground: Ground, proxy: Proxy, connect: Connect
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=8)
    proxy.freeze("down")
    await ground.put("q", b"x")
    await ground.depth_is("q", 0)
    cancelling = asyncio.ensure_future(transport.cancel("q"))
    await asyncio.sleep(0.05)
    proxy.thaw()
    await cancelling
    [delivery] = await basket.holds(1)
    assert not delivery.redelivered
    assert await transport.ack(delivery)
    await transport.close()
    assert await ground.depth("q") == 0


async def test_rejected_messages_are_dead_lettered(ground: Ground, connect: Connect) -> None:
    await ground.queue("dead")
    await ground.queue("q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    transport = await connect(ground.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=2)
    await ground.put("q", b"x")
    [delivery] = await basket.holds(1)
    assert await transport.reject(delivery)
    assert (await ground.get("dead")).body == b"x"


async def test_what_is_given_back_comes_again_marked_and_the_others_are_acked(ground: Ground, connect: Connect) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    basket, other = Basket(), Basket()
    await transport.consume("q", basket, prefetch=10)
    await asyncio.gather(*(ground.put("q", b"%d" % i) for i in range(6)))
    deliveries = list(await basket.holds(6))
    await transport.cancel("q")
    for nth in (4, 1, 0):
        assert await transport.ack(deliveries[nth])
    for nth in (5, 2):
        assert await transport.give_back(deliveries[nth])
    second = await connect(ground.url)
    await second.consume("q", other, prefetch=10)
    again = await other.holds(2)
    assert {delivery.body for delivery in again} == {deliveries[5].body, deliveries[2].body}
    assert all(delivery.redelivered for delivery in again)
    await transport.release("q")
    assert not await transport.give_back(deliveries[3])
    assert [delivery.body for delivery in await other.holds(3)][2:] == [deliveries[3].body]


@pytest.mark.parametrize(("count", "acked"), [(20, 12), (100, 60)])
async def test_acks_written_before_closing_are_taken_and_the_rest_given_back(
    ground: Ground, connect: Connect, count: int, acked: int
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=count)
    await asyncio.gather(*(ground.put("q", b"%d" % i) for i in range(count)))
    await basket.holds(count)
    for delivery in basket.deliveries[:acked]:
        assert await transport.ack(delivery)
    await transport.close()
    await ground.depth_is("q", count - acked)
    with pytest.raises(Unconfirmed):
        await transport.publish("", "q", b"x", Properties(), timeout=0.1)


async def test_acks_and_rejects_count_in_whatever_order_they_come(ground: Ground, connect: Connect) -> None:
    await ground.queue("dead")
    await ground.queue("q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    transport = await connect(ground.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=30)
    await asyncio.gather(*(ground.put("q", b"%d" % i) for i in range(30)))
    deliveries = list(await basket.holds(30))
    kept, rejected = {deliveries[i].body for i in (3, 17, 18, 29)}, {deliveries[i].body for i in (0, 12, 20)}
    order = list(range(30))
    random.Random(7).shuffle(order)
    for i in order:
        if deliveries[i].body in rejected:
            assert await transport.reject(deliveries[i])
        elif deliveries[i].body not in kept:
            assert await transport.ack(deliveries[i])
        if i % 7 == 0:
            await asyncio.sleep(0)  # some in this turn of the loop, some in the next
    await ground.depth_is("dead", 3)
    await transport.close()
    await ground.depth_is("q", 4)
    assert {(await ground.get("q")).body for _ in range(4)} == kept
    assert {(await ground.get("dead")).body for _ in range(3)} == rejected


async def test_nothing_of_a_message_is_logged(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await ground.queue("q")
    await ground.queue("full", {"x-max-length": 0, "x-overflow": "reject-publish"})
    transport = await connect(proxy.url)
    basket = Basket()
    await transport.consume("q", basket, prefetch=8)
    secret = Properties(correlation_id="secret", type="secret", headers={"user": "secret"})
    for key in ("q", "nowhere", "full", "full"):
        with suppress(Unroutable, Refused):
            await transport.publish("", key, b"secret", secret)
    with pytest.raises(Unconfirmed):
        await transport.publish("missing", "q", b"secret", secret)
    with pytest.raises(ValueError, match="cannot be written") as unwritten:
        await transport.publish("", "q", b"secret", Properties(headers={"secret": object()}))
    [delivery] = await basket.holds(1)
    proxy.cut()
    await basket.holds(2)
    assert not await transport.ack(delivery)
    assert await transport.ack(basket.deliveries[1])
    await transport.close()
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("aio_pika"))
    assert "secret" not in ours + repr(witness.events) + str(unwritten.value)


async def test_a_handler_that_raises_is_reported_and_consuming_goes_on(
    ground: Ground, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(ground.url)
    seen: list[bytes] = []

    def handler(delivery: Delivery) -> None:
        seen.append(delivery.body)
        raise LookupError("what was in it must not be told")

    await transport.consume("q", handler, prefetch=8)
    await ground.put("q", b"1")
    await ground.put("q", b"2")
    await until(lambda: len(seen) == 2)
    assert (await witness.sees("failed", "q")).why == "LookupError"


async def test_a_reply_queue_is_made_bound_and_kept(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.channel.declare_exchange(names.REPLIES, durable=True)
    transport = await connect(proxy.url)
    await transport.declare_reply_queue("hub.reply.1")
    basket = Basket()
    assert await transport.consume("hub.reply.1", basket, prefetch=8)
    await transport.publish(names.REPLIES, "hub.reply.1", b"1", Properties())
    await basket.holds(1)
    proxy.cut()
    await witness.sees("lost", "consume")
    await transport.publish(names.REPLIES, "hub.reply.1", b"2", Properties())
    await basket.holds(3)
    await ground.channel.queue_delete("hub.reply.1")  # as if it had expired
    await witness.sees("consumer lost", "hub.reply.1")
    await witness.sees("consuming", "hub.reply.1", times=3)
    await transport.publish(names.REPLIES, "hub.reply.1", b"3", Properties())
    await basket.holds(4)
    assert (basket.bodies[0], sorted(basket.bodies[1:3]), basket.bodies[3]) == (b"1", [b"1", b"2"], b"3")


async def test_the_centres_rights_suffice_for_a_reply_queue(ground: Ground, connect: Connect) -> None:
    await ground.channel.declare_exchange(names.REPLIES, durable=True)
    configure, write, read = names.CENTRE_PERMISSIONS
    transport = await connect(await ground.user(configure=configure, write=write, read=read))
    await transport.declare_reply_queue("hub.reply.2")
    assert await transport.consume("hub.reply.2", Basket(), prefetch=8)


async def test_a_dead_node_is_passed_over(ground: Ground, proxy: Proxy, connect: Connect, witness: Witness) -> None:
    async with Proxy(ground.url) as dead:
        url = dead.url
    await ground.queue("q")
    transport = await connect(url, proxy.url)
    await transport.publish("", "q", b"1", Properties())
    assert witness.count("unreachable") >= 2
    proxy.cut()
    await witness.sees("connected", "publish", times=2)
    await transport.publish("", "q", b"2", Properties())


async def test_a_node_that_goes_is_left_for_the_next(ground: Ground, connect: Connect, witness: Witness) -> None:
    await ground.queue("q")
    async with Proxy(ground.url) as first, Proxy(ground.url) as second:
        transport = await connect(first.url, second.url)
        basket = Basket()
        await transport.consume("q", basket, prefetch=8)
        assert (len(first.connections), len(second.connections)) == (2, 0)
        first.refusing = True
        first.cut()
        await ground.put("q", b"x")
        await basket.holds(1)
        await transport.publish("", "q", b"y", Properties())
        assert len(second.connections) == 2
        await transport.close()


async def test_a_node_that_takes_connections_and_says_nothing_is_left_for_the_next(
    ground: Ground, proxy: Proxy, make: Make, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schemas.wire.client.link.CONNECT_TIMEOUT", 0.3)
    async with Proxy(ground.url) as mute:
        mute.freeze()
        transport = make([mute.url, proxy.url], name="tested", observe=witness)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        assert "no AMQP handshake" in witness.events[0].why
        await transport.close()


async def test_a_frozen_connection_is_lost_within_two_heartbeats(
    ground: Ground, proxy: Proxy, connect: Connect, witness: Witness
) -> None:
    await ground.queue("q")
    transport = await connect(proxy.url + "?heartbeat=2")
    ended: list[int] = []
    transport.on_generation(ended.append)
    basket = Basket()
    await transport.consume("q", basket, prefetch=8)
    await ground.put("q", b"x")
    [old] = await basket.holds(1)
    proxy.freeze()
    began = time.monotonic()
    publish = _publish(transport, "q", b"y")
    assert await _outcome(publish) == "Unconfirmed"
    await until(lambda: ended == [old.generation])
    assert time.monotonic() - began < 2 * 2 + PROMPTLY
    proxy.thaw()
    assert "sign of life" in (await witness.sees("lost", "publish")).why
    await basket.holds(2)


async def test_an_unreachable_broker_is_told_without_the_password(ground: Ground, make: Make, witness: Witness) -> None:
    url = ground.url.replace("@", "-wrong@", 1)
    transport = make([url], name="tested", observe=witness)
    await transport.start()
    with pytest.raises(NotConnected, match="ACCESS_REFUSED") as refused:
        await transport.wait_connected(1)
    told = str(refused.value) + repr(witness.events)
    assert url.partition("://")[2].partition("@")[0].partition(":")[2] not in told
    await transport.close()


async def test_no_url_at_all_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="at least one AMQP URL"):
        make([], name="tested")


async def test_an_observer_that_raises_stops_nothing(ground: Ground, proxy: Proxy, make: Make) -> None:
    def observe(event: Event) -> None:
        raise LookupError(event.what)

    await ground.queue("q")
    transport = make([proxy.url], name="tested", observe=observe)
    await transport.start()
    await transport.wait_connected(PATIENCE)
    basket = Basket()
    await transport.consume("q", basket, prefetch=1)
    proxy.cut()
    await ground.put("q", b"x")
    await basket.holds(1)
    await transport.close()


async def test_over_tls(ground: Ground, make: Make, witness: Witness, tmp_path: Path) -> None:
    """The certificate is checked, and a cut is noticed as at once."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, request, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    await ground.queue("q")
    async with Proxy(ground.url, tls=context) as proxy:
        unknown = make([proxy.url], name="unknown", observe=witness)
        await unknown.start()
        with pytest.raises(NotConnected, match="certificate"):
            await unknown.wait_connected(1)
        await unknown.close()
        transport = make([f"{proxy.url}?cafile={certificate}"], name="tested", observe=witness)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        basket = Basket()
        await transport.consume("q", basket, prefetch=1)
        await transport.publish("", "q", b"x", Properties())
        [old] = await basket.holds(1)
        proxy.cut("tested")
        await until(lambda: not transport.stands(old))
        assert await transport.ack((await basket.holds(2))[1])
        await transport.close()


async def test_two_transports_share_a_queue_and_one_takes_over_from_the_other(
    ground: Ground, proxy: Proxy, connect: Connect
) -> None:
    await ground.queue("q")
    first, second = await connect(proxy.url), await connect(ground.url)
    mine, others = Basket(), Basket()
    await first.consume("q", mine, prefetch=8)
    await ground.put("q", b"x")
    await mine.holds(1)
    await second.consume("q", others, prefetch=8)
    proxy.refusing = True
    proxy.cut()
    [delivery] = await others.holds(1)
    assert (delivery.body, delivery.redelivered) == (b"x", True)
    assert await second.ack(delivery)


async def test_consumers_and_messages_survive_a_restart_of_the_broker(
    private_rabbitmq: PrivateRabbitMQ, make: Make, witness: Witness
) -> None:
    async with Ground(private_rabbitmq, "/") as ground:
        await ground.queue("restarted")
        transport = make([ground.url], name="tested", observe=witness)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        basket = Basket()
        await transport.consume("restarted", basket, prefetch=8)
        await transport.publish("", "restarted", b"x", Properties())
        [old] = await basket.holds(1)
        await asyncio.to_thread(private_rabbitmq.restart)
        await until(lambda: len(basket.deliveries) > 1, 60)
        assert not transport.stands(old)
        assert (basket.deliveries[1].body, basket.deliveries[1].redelivered) == (b"x", True)
        assert await transport.ack(basket.deliveries[1])
        await transport.publish("", "restarted", b"y", Properties(), timeout=30)
        await basket.holds(3)
        await transport.close()
        await ground.reopen()
        await ground.channel.queue_delete("restarted")


def _control(server: PrivateRabbitMQ, *arguments: str) -> None:
    """Run rabbitmqctl on a private node."""
    own = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
    program = str(own) if own.exists() else shutil.which("rabbitmqctl")
    assert program is not None
    environment = {"PATH": os.environ["PATH"], **server._environment()}
    subprocess.run([program, *arguments], env=environment, check=True, capture_output=True, timeout=60)


async def _until_blocked(transport: Transport, queue: str) -> int:
    """Publish until the broker says that it blocks us, which it does to who publishes after its alarm, and that is some
    time after rabbitmqctl returns. How many it took before."""
    before = 0
    with suppress(Unconfirmed):
        while True:
            await transport.publish("", queue, b"early", Properties(), timeout=0.5)
            before += 1
    return before


async def test_an_alarm_stops_publishing_and_nothing_else(
    private_rabbitmq: PrivateRabbitMQ, make: Make, witness: Witness
) -> None:
    async with Ground(private_rabbitmq, "/") as ground:
        await ground.queue("alarmed")
        transport = make([ground.url], name="tested", observe=witness)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        basket = Basket()
        await transport.consume("alarmed", basket, prefetch=2)
        for _ in range(6):
            await ground.put("alarmed", b"x")
        await basket.holds(2)
        await asyncio.to_thread(_control, private_rabbitmq, "set_vm_memory_high_watermark", "0.000001")
        try:
            before = await _until_blocked(transport, "alarmed")
            with pytest.raises(Unconfirmed):
                await transport.publish("", "alarmed", b"never sent", Properties(), timeout=0.5)
            for i in range(6):
                assert await transport.ack((await basket.holds(i + 1))[i])
            waiting = _publish(transport, "alarmed", b"waited")
        finally:
            await asyncio.to_thread(_control, private_rabbitmq, "set_vm_memory_high_watermark", "0.4")
        await waiting
        for i in range(6, before + 8):
            assert await transport.ack((await basket.holds(i + 1))[i])
        assert basket.bodies[6:] == [b"early"] * (before + 1) + [b"waited"]
        assert witness.count("lost") == 0
        await transport.close()
        await ground.channel.queue_delete("alarmed")
