"""Reads what the broker says so that no sender's properties can end the connection.

The broker passes on properties that pamqp cannot decode (a correlation_id that is no UTF-8, a timestamp beyond the
calendar, tables within tables) and tables that take it a third of a second, on the event loop of everybody. What pamqp
raises there ends the consuming connection with all its queues; the broker then delivers the message again, up to the
delivery limit (tried on 3.10.8 with aiormq 7.2: twenty lost connections for one message). So each content header is
looked at before aiormq sees it, and one that cannot be read is handed on without its properties.
"""

import asyncio
import struct

from pamqp.constants import FRAME_HEADER
from pamqp.header import ContentHeader

from schemas.wire.transport import MOST_PROPERTIES

#: What stands in the place of properties that cannot be read, as the one property that nobody uses (cluster_id).
UNREADABLE = "?"

_HEAD = 7  # bytes of a frame before its payload
_CLASS_WEIGHT_SIZE = 12  # of a content header, before the flags
_FLAGS = 2
_CLUSTER_ID = struct.pack(">HB", 1 << 2, len(UNREADABLE)) + UNREADABLE.encode()


class FrameReader(asyncio.StreamReader):
    """A stream of frames, read by its head (in one piece or two) and then its payload with the byte that ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._head = b""

    async def readexactly(self, n: int) -> bytes:
        data = await super().readexactly(n)
        if len(self._head) < _HEAD:
            self._head += data
            return data
        kind, self._head = self._head[0], b""
        return readable(data) if kind == FRAME_HEADER else data


def readable(payload: bytes) -> bytes:
    """A content header's payload, or one of the same length and body size that says `UNREADABLE`."""
    if len(payload) <= _CLASS_WEIGHT_SIZE + _FLAGS + MOST_PROPERTIES:
        try:
            ContentHeader().unmarshal(payload)
            return payload
        except Exception:  # noqa: BLE001, S110  whatever it is, aiormq would die of it
            pass
    kept, rest = payload[:_CLASS_WEIGHT_SIZE], payload[_CLASS_WEIGHT_SIZE:]
    instead = _CLUSTER_ID if len(rest) >= len(_CLUSTER_ID) else bytes(_FLAGS)
    return kept + instead + rest[len(instead) :]
