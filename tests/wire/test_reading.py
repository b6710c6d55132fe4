"""Properties that cannot be read cost their message alone, never the connection."""

import struct

import pytest

from schemas.wire.aiopika.reading import readable
from schemas.wire.transport import MOST_PROPERTIES, Properties
from tests.trials.broken.raw import Bytes, Confirmed, Raw, header_of
from tests.wire.ground import Basket


def _within(levels: int) -> bytes:
    table = b""
    for _ in range(levels):
        table = b"\x01aF" + struct.pack(">I", len(table)) + table
    return table


UNREADABLE = {
    "a correlation_id that is no UTF-8": {"correlation_id": Bytes(b"\xff")},
    "a timestamp beyond the calendar": {"timestamp": (1 << 64) - 1},
    "a header whose name is no UTF-8": {"headers": Bytes(b"\x01\xffV")},
    "a header with a date beyond the calendar": {"headers": Bytes(b"\x01aT" + b"\xff" * 8)},
    "tables within tables": {"headers": Bytes(_within(1_000))},
    "more than 8 KiB": {"headers": {"a": "b" * MOST_PROPERTIES}},
}


@pytest.mark.parametrize("properties", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_message_with_unreadable_properties_comes_without_them_and_its_connection_stays(
    ground, connect, witness, properties
):
    basket = Basket()
    await ground.queue("work")
    transport = await connect(ground.url)
    await transport.consume("work", basket, prefetch=10)
    raw = Raw(ground.url)
    for body, given in ((b"bad", {"user_id": raw.user, **properties}), (b"good", {"correlation_id": "c"})):
        assert await raw.publish("", "work", given, body) == Confirmed()
    await raw.close()
    bad, good = await basket.holds(2)
    assert (bad.body, good.body) == (b"bad", b"good")
    assert bad.properties == Properties(content_type=None, readable=False)
    assert good.properties.readable
    assert good.properties.correlation_id == "c"
    assert await transport.ack(bad)
    assert witness.count("lost") == 0


def test_what_can_be_read_is_left_alone():
    payload = header_of({"headers": {"a": "b" * (MOST_PROPERTIES - 100)}, "user_id": "64-0"}, 1)
    assert readable(payload) is payload


@pytest.mark.parametrize("given", [*UNREADABLE.values(), {}])
def test_a_replaced_header_keeps_its_length_and_the_bodys(given):
    payload = header_of(given, 1_000)
    read = readable(payload)
    assert len(read) == len(payload)
    assert read[:12] == payload[:12]
