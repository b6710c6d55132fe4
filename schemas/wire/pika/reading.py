"""Reads content headers so that no sender's properties can end the connection.

The broker passes on what cannot be decoded: a text that is no UTF-8, a timestamp beyond the calendar, tables within
tables. pika raises at some of it, which ends the connection, and hands on the rest as bytes. Here a header that cannot
be read whole is read as one that says so.
"""

import struct
from functools import lru_cache
from typing import Any

from pika import data

from schemas.wire.transport import MOST_PROPERTIES, Properties

_HEAD = struct.Struct(">4xQH")  # class and weight, size of the body, flags
_LONG = struct.Struct(">Q")
#: 9999-12-31T23:59:59Z, the last second that Python's calendar has.
_LAST_SECOND = 253_402_300_799
_UNREADABLE = Properties(content_type=None, readable=False)

_SHORT, _TABLE, _OCTET, _TIME = range(4)
#: Each property, from the highest flag down; those without a name are read over.
_ORDER = (
    ("content_type", _SHORT),
    ("content_encoding", _SHORT),
    ("headers", _TABLE),
    ("", _OCTET),  # delivery_mode
    ("", _OCTET),  # priority
    ("correlation_id", _SHORT),
    ("reply_to", _SHORT),
    ("expiration", _SHORT),
    ("message_id", _SHORT),
    ("", _TIME),  # timestamp
    ("type", _SHORT),
    ("user_id", _SHORT),
    ("", _SHORT),  # app_id
    ("", _SHORT),  # cluster_id
)


def body_size_of(payload: bytes) -> int:
    """Bytes of the body that a content header announces."""
    size: int = _HEAD.unpack_from(payload)[0]
    return size


def properties_of(payload: bytes, *, own: bool = False) -> Properties:
    """A content header's properties. Not `readable`, and nothing else, where any of them cannot be read, or where they
    are more than 8 KiB and not our `own` that came back."""
    if own or len(payload) <= _HEAD.size + MOST_PROPERTIES:
        try:
            return _read(payload)
        except Exception:  # noqa: BLE001, S110  whatever it is, the connection would die of it
            pass
    return _UNREADABLE


def _read(payload: bytes) -> Properties:
    _, flags = _HEAD.unpack_from(payload)
    offset = _HEAD.size
    found: dict[str, Any] = {"content_type": None}
    for name, kind in _plan(flags):
        if kind == _SHORT:
            end = offset + 1 + payload[offset]
            text = payload[offset + 1 : end].decode()
            offset = end
            if name:
                found[name] = text
        elif kind == _TABLE:
            table, offset = data.decode_table(payload, offset)
            _check_names(table)
            found["headers"] = table
        elif kind == _OCTET:
            offset += 1
        else:
            if _LONG.unpack_from(payload, offset)[0] > _LAST_SECOND:
                raise ValueError("beyond the calendar")
            offset += _LONG.size
    if offset > len(payload):
        raise ValueError("cut short")
    expiration = found.pop("expiration", "")
    if expiration.isdecimal():  # one that is no number is none
        found["expiration_ms"] = int(expiration)
    return Properties(**found)


@lru_cache(1_024)
def _plan(flags: int) -> tuple[tuple[str, int], ...]:
    """The properties that are there. ValueError where there are more than the protocol has."""
    if flags & 0b11:
        raise ValueError("unknown properties")
    return tuple(one for bit, one in enumerate(_ORDER) if flags & 1 << 15 - bit)


def _check_names(value: Any) -> None:
    """ValueError where a table has a name that is no UTF-8: pika leaves it bytes."""
    if isinstance(value, dict):
        for name, one in value.items():
            if not isinstance(name, str):
                raise ValueError("a name that is no UTF-8")  # noqa: TRY004
            _check_names(one)
    elif isinstance(value, list):
        for one in value:
            _check_names(one)
