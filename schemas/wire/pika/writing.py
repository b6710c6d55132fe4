"""Frames of what is said once or more a message."""

import struct
from functools import lru_cache

from pika import data

from schemas.wire.transport import Properties

_FRAME = struct.Struct(">BHI")
_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3
_PUBLISH = struct.Struct(">BHIHHH")  # a frame's head, class, method, ticket
_CONTENT = struct.Struct(">BHIHHQH")  # a frame's head, class, weight, size of the body, flags
_SETTLE = struct.Struct(">BHIHHQBB")  # a frame's head, class, method, tag, flag, end
_OVERHEAD = 8  # bytes of a frame around its payload
_BASIC = 60
_PERSISTENT = b"\x02"


def settled(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Basic.Ack."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, 80, tag, multiple, 0xCE)


def rejected(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Basic.Reject."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, 90, tag, requeue, 0xCE)


def published(
    channel: int,
    exchange: str,
    key: str,
    body: bytes,
    properties: Properties,
    message_id: str,
    *,
    mandatory: bool,
    frame_max: int,
) -> bytes:
    """Basic.Publish with its header and body, whose frames are at most `frame_max` bytes. ValueError for what AMQP
    cannot write; the text has nothing of it."""
    try:
        flags, written = _properties(properties, message_id)
        place = _short(exchange) + _short(key)
        size = len(body)
        pieces = [
            _PUBLISH.pack(_METHOD, channel, 7 + len(place), _BASIC, 40, 0),
            place,
            b"\x01\xce" if mandatory else b"\x00\xce",
            _CONTENT.pack(_HEADER, channel, 14 + len(written), _BASIC, 0, size, flags),
            written,
            _END,
        ]
    except Exception as error:  # noqa: BLE001  whatever the encoders say
        raise ValueError(f"this message cannot be written: {type(error).__name__}") from None
    if 14 + len(written) + _OVERHEAD > frame_max:
        raise ValueError(f"this message cannot be written: its properties exceed a frame of {frame_max} bytes")
    most = frame_max - _OVERHEAD
    for start in range(0, size, most):
        part = body if size <= most else body[start : start + most]
        pieces += (_FRAME.pack(_BODY, channel, len(part)), part, _END)
    return b"".join(pieces)


def _properties(properties: Properties, message_id: str) -> tuple[int, bytes]:
    """Flags, and the properties behind them in the order of the flags."""
    flags = 1 << 12 | 1 << 7
    pieces: list[bytes] = []
    if properties.content_type is not None:
        flags |= 1 << 15
        pieces.append(_word(properties.content_type))
    if properties.content_encoding is not None:
        flags |= 1 << 14
        pieces.append(_word(properties.content_encoding))
    if properties.headers:
        flags |= 1 << 13
        data.encode_table(pieces, dict(properties.headers))
    pieces.append(_PERSISTENT)
    if properties.correlation_id is not None:
        flags |= 1 << 10
        pieces.append(_short(properties.correlation_id))
    if properties.reply_to is not None:
        flags |= 1 << 9
        pieces.append(_short(properties.reply_to))
    if properties.expiration_ms is not None:
        flags |= 1 << 8
        pieces.append(_short(str(properties.expiration_ms)))
    pieces.append(_short(message_id))
    if properties.type is not None:
        flags |= 1 << 5
        pieces.append(_word(properties.type))
    if properties.user_id is not None:
        flags |= 1 << 4
        pieces.append(_word(properties.user_id))
    return flags, b"".join(pieces)


def _short(text: str) -> bytes:
    written = text.encode()
    return bytes((len(written),)) + written  # more than 255: ValueError


#: For the few texts that every message has.
_word = lru_cache(1_024)(_short)
