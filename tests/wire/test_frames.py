"""What the pika room reads and writes by itself, against another library's frames (pamqp) and the same reading."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from schemas.wire.pika.reading import body_size_of, properties_of
from schemas.wire.pika.writing import published, rejected, settled
from schemas.wire.transport import MOST_PROPERTIES, Properties
from tests.trials.broken.raw import header_of
from tests.wire.test_reading import UNREADABLE

_TEXT = st.text(max_size=60)
_SENT = st.builds(
    Properties,
    user_id=st.none() | _TEXT,
    correlation_id=st.none() | _TEXT,
    reply_to=st.none() | _TEXT,
    type=st.none() | _TEXT,
    content_type=st.none() | _TEXT,
    content_encoding=st.none() | _TEXT,
    expiration_ms=st.none() | st.integers(0, 10**9),
    headers=st.dictionaries(_TEXT, _TEXT | st.integers(-(2**62), 2**62) | st.booleans() | st.none(), max_size=5),
)


def frames(written: bytes) -> list[object]:
    """All frames that were written, as pamqp reads them."""
    found = []
    while written:
        count, _, one = frame.unmarshal(written)
        found.append(one)
        written = written[count:]
    return found


def write(body: bytes = b"", properties: Properties | None = None, *, key: str = "k", frame_max: int = 4_096) -> bytes:
    return published(1, "e", key, body, properties or Properties(), "id.1", mandatory=True, frame_max=frame_max)


@given(sent=_SENT, body=st.binary(max_size=40), exchange=_TEXT, key=_TEXT, mandatory=st.booleans())
def test_what_is_written_is_what_another_library_and_we_read(sent, body, exchange, key, mandatory):
    written = published(7, exchange, key, body, sent, "id.1", mandatory=mandatory, frame_max=131_072)
    method, header, *rest = frames(written)
    assert isinstance(method, commands.Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == (exchange, key, mandatory)
    assert isinstance(header, ContentHeader)
    assert (header.body_size, header.properties.delivery_mode) == (len(body), 2)
    assert (header.properties.correlation_id, header.properties.message_id) == (sent.correlation_id, "id.1")
    assert b"".join(one.value for one in rest if isinstance(one, ContentBody)) == body
    _, _, size = struct.unpack_from(">BHI", written)
    start = 8 + size + 7
    payload = written[start : start + struct.unpack_from(">I", written, start - 4)[0]]
    assert body_size_of(payload) == len(body)
    assert properties_of(payload) == replace(sent, message_id="id.1")


@pytest.mark.parametrize("size", [4_087, 4_088, 4_089, 8_176, 8_177, 20_000])
def test_no_frame_is_larger_than_agreed(size):
    body = bytes(i % 251 for i in range(size))
    _, _, *bodies = frames(write(body))
    assert max(len(one.value) for one in bodies) <= 4_096 - 8
    assert b"".join(one.value for one in bodies) == body


@pytest.mark.parametrize(
    ("key", "properties"),
    [
        ("k" * 256, Properties()),
        ("k", Properties(correlation_id="é" * 128)),
        ("k", Properties(headers={"a": object()})),
        ("k", Properties(headers={"a" * 256: 1})),
        ("k", Properties(headers={"a": 1 << 64})),
        ("k", Properties(headers={"a": "b" * 4_096})),  # more than a frame
    ],
)
def test_what_cannot_be_written_is_told(key, properties):
    with pytest.raises(ValueError, match="cannot be written"):
        write(b"x", properties, key=key)


@pytest.mark.parametrize("given", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_properties_that_cannot_be_read_are_none(given):
    payload = header_of({"user_id": "64-0", **given}, 12)
    assert properties_of(payload) == Properties(content_type=None, readable=False)
    assert body_size_of(payload) == 12


@given(st.binary(max_size=200), st.integers(0, 0xFFFF))
def test_no_header_whatever_its_bytes_raises(properties, flags):
    read = properties_of(struct.pack(">HHQH", 60, 0, 1, flags) + properties)
    assert read.readable or read == Properties(content_type=None, readable=False)


def test_our_own_that_came_back_are_read_whatever_their_size():
    payload = header_of({"headers": {"a": "b" * MOST_PROPERTIES}, "message_id": "m"}, 0)
    assert properties_of(payload, own=True).message_id == "m"


def test_properties_of_all_kinds_are_read():
    payload = header_of(
        {
            "headers": {"a": "b" * (MOST_PROPERTIES - 200), "list": [{"x": 1}]},
            "timestamp": 1,
            "priority": 3,
            "app_id": "a",
            "expiration": "soon",
            "user_id": "64-0",
        },
        1,
    )
    read = properties_of(payload)
    assert (read.readable, read.user_id, read.expiration_ms) == (True, "64-0", None)
    assert read.headers["list"] == [{"x": 1}]


def test_acks_and_rejects_are_what_another_library_reads():
    acks = settled(3, 9, multiple=False) + settled(3, 1 << 40, multiple=True)
    given_back = rejected(3, 5, requeue=True)
    [ack, several, reject, back] = frames(acks + rejected(3, 2, requeue=False) + given_back)
    assert (ack.name, ack.delivery_tag, ack.multiple) == ("Basic.Ack", 9, False)
    assert (several.delivery_tag, several.multiple) == (1 << 40, True)
    assert (reject.name, reject.delivery_tag, reject.requeue) == ("Basic.Reject", 2, False)
    assert (back.name, back.delivery_tag, back.requeue) == ("Basic.Reject", 5, True)
