"""No reply_to that an asker can name ends the connection that answers, or brings an answer into the broker's log."""

import base64

import pytest

from deploy.servers import PrivateRabbitMQ
from schemas.wire import names
from schemas.wire.guard import GuardedTransport
from schemas.wire.transport import Properties, Unroutable
from tests.trials.broken.raw import DIRECT, Confirmed, Raw
from tests.wire.ground import Basket, until


def forged(node: bytes = b"reply@1", number: int = 5) -> str:
    """A direct reply-to of the broker's own form."""
    process = b"\x83Xv" + len(node).to_bytes(2) + node + number.to_bytes(4) + bytes(8)
    return f"{names.DIRECT_REPLY_TO}.{base64.b64encode(process).decode()}.{base64.b64encode(bytes(16)).decode()}"


@pytest.fixture
async def guarded(ground, make, witness):
    spare = make((ground.url,), name="spare", observe=lambda _: None)
    transport = GuardedTransport(make((ground.url,), name="guarded", observe=witness), spare)
    await transport.start()
    await transport.wait_connected(20)
    yield transport
    await transport.close()


@pytest.mark.parametrize("reply_to", [forged(), forged(number=0xFFFFFFFF), names.DIRECT_REPLY_TO + ".x.y"])
async def test_an_answer_to_a_forged_token_is_unroutable_and_only_the_spare_is_lost(guarded, witness, reply_to):
    with pytest.raises(Unroutable):
        await guarded.publish("", reply_to, b"an answer", Properties(), mandatory=False)
    assert guarded.connected
    assert witness.count("lost") == 0


async def test_the_answer_is_not_what_a_token_is_tried_with(guarded, rabbitmq):
    if not isinstance(rabbitmq, PrivateRabbitMQ):
        pytest.skip("the log of a broker that others run is not ours to read")
    reply_to = forged(b"reply@4711")
    with pytest.raises(Unroutable):
        await guarded.publish("", reply_to, b"what nobody else may read", Properties(), mandatory=False)
    token = reply_to.removeprefix(names.DIRECT_REPLY_TO).split(".")[1]
    await until(lambda: token in _told(rabbitmq))
    assert "what nobody else may read" not in _told(rabbitmq)


async def test_an_asker_gets_its_answer_and_nothing_of_the_trial(ground, guarded):
    basket = Basket()
    await ground.queue("asked")
    await guarded.consume("asked", basket, prefetch=10)
    asker = Raw(ground.url)
    for _ in range(2):
        assert await asker.publish("", "asked", {"reply_to": DIRECT, "correlation_id": "c"}, b"?") == Confirmed()
    for delivery in await basket.holds(2):
        reply_to = delivery.properties.reply_to or ""
        await guarded.publish("", reply_to, b"!", Properties(correlation_id="c"), mandatory=False)
    assert [(await asker.answer()).body for _ in range(2)] == [b"!", b"!"]
    assert not asker.answers
    await asker.close()


def _told(rabbitmq: PrivateRabbitMQ) -> str:
    return "".join(log.read_text(errors="replace") for log in rabbitmq._logs() if log.exists())
