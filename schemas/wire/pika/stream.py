"""pika's connection on a socket of asyncio's own.

pika reads four kilobytes at a time, writes each frame by itself, copies what is left in its buffer for each frame that
it takes from it, and looks up every method among callbacks. Here asyncio (or uvloop) reads and writes, all frames of
one turn of the loop leave in one piece, and what passes once or more a message is handed to its channel at once.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pika import frame
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import ConnectionClosed, InvalidFrameError, StreamLostError

from schemas.wire.client.connection import CUT, words

if TYPE_CHECKING:
    from schemas.wire.pika.channel import PikaChannel

_FRAME = struct.Struct(">BHI")
_AROUND = 8  # bytes of a frame around its payload
_END = 0xCE
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER, _RETURN = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32"
_ACK, _NACK = b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"
_CONFIRM = struct.Struct(">4xQB")


class Stream(AsyncioConnection):  # type: ignore[misc]
    """A connection of pika's, to be opened by whoever makes its socket (`Socket`)."""

    def __init__(
        self,
        parameters: Any,
        *,
        opened: Callable[[], None],
        failed: Callable[[Exception], None],
        closed: Callable[[], None],
    ) -> None:
        self._native_loop = asyncio.get_running_loop()
        self.channels: dict[int, PikaChannel] = {}
        self.heard = self._native_loop.time()
        #: Whether the broker takes no publishes for now.
        self.blocked = False
        #: Set while it does, and when the connection is lost.
        self.flowing = asyncio.Event()
        self.flowing.set()
        #: Called with the reason at once when the connection is lost.
        self.on_lost: Callable[[str], None] = lambda _: None
        #: Why it ended; empty while it has not.
        self.why = ""
        #: What was read of a frame that is not whole yet.
        self._rest = b""
        self._pending: list[bytes] = []
        self._acking: list[PikaChannel] = []
        self._scheduled = False
        super().__init__(
            parameters,
            lambda _: opened(),
            lambda _, error: failed(error),
            lambda _, error: closed(),
            custom_ioloop=self._native_loop,
            internal_connection_workflow=False,
        )
        self.add_on_connection_blocked_callback(lambda *_: self._block())
        self.add_on_connection_unblocked_callback(lambda *_: self._flow())

    @property
    def frame_max(self) -> int:
        """Bytes of the largest frame, as agreed with the broker."""
        size: int = self.params.frame_max
        return size

    def lose(self, why: str) -> None:
        """Tell, once, that the connection is lost."""
        if not self.why:
            self.why = why
            self.on_lost(why)
            self._flow()

    def abort(self) -> None:
        """Drop the socket without a word."""
        if self._transport is not None:
            self._terminate_stream(StreamLostError(CUT))

    def _block(self) -> None:
        self.blocked = True
        self.flowing.clear()

    def _flow(self) -> None:
        self.blocked = False
        self.flowing.set()

    def _terminate_stream(self, error: Exception | None) -> None:
        super()._terminate_stream(error)
        self.lose(_reason(self._error))

    def _on_stream_terminated(self, error: Exception | None) -> None:
        self.lose(_reason(self._error if error is None else error))
        super()._on_stream_terminated(error)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _on_data_available(self, data_in: bytes) -> None:
        self.heard = self._native_loop.time()
        self.bytes_received += len(data_in)
        buffer = self._rest + data_in if self._rest else data_in
        offset, end = 0, len(buffer)
        try:
            while end - offset >= _AROUND and not self.why:
                kind, number, size = _FRAME.unpack_from(buffer, offset)
                following = offset + _AROUND + size
                if following > end:
                    break
                if buffer[following - 1] != _END:
                    raise InvalidFrameError("a frame without its end")
                self._take(kind, number, buffer, offset, following)
                offset = following
        except Exception as error:  # noqa: BLE001  what the broker says makes no sense any more
            self._terminate_stream(InvalidFrameError(f"cannot read what the broker says: {type(error).__name__}"))
            return
        self._rest = buffer[offset:]

    def _take(self, kind: int, number: int, buffer: bytes, start: int, end: int) -> None:
        """One frame. Of a channel that is closed nothing is read but what pika wants to know."""
        channel = self.channels.get(number)
        if channel is not None:
            if kind == _BODY:
                channel.on_body(buffer[start + 7 : end - 1])
                return
            if kind == _HEADER:
                channel.on_header(buffer[start + 7 : end - 1])
                return
            if kind == _METHOD:
                method = buffer[start + 7 : start + 11]
                if method in (_DELIVER, _RETURN):
                    channel.on_content(buffer[start + 7 : end - 1])
                    return
                if method in (_ACK, _NACK):
                    tag, bits = _CONFIRM.unpack_from(buffer, start + 7)
                    channel.on_confirm(tag, multiple=bool(bits & 1), taken=method == _ACK)
                    return
        elif kind in (_HEADER, _BODY):
            return
        _, read = frame.decode_frame(buffer[start:end])
        if read is not None:
            self._process_frame(read)

    # --- writing ---------------------------------------------------------------------------------------------------

    def write(self, frames: bytes) -> None:
        """Write at the end of this turn of the loop."""
        self._pending.append(frames)
        self._schedule()

    def at_end_of_turn(self, channel: "PikaChannel") -> None:
        """Have the channel write its acks then."""
        self._acking.append(channel)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._native_loop.call_soon(self._flush)

    def _flush(self) -> None:
        acking, self._acking = self._acking, []
        for channel in acking:
            channel.write_acks()
        self._scheduled = False
        pending, self._pending = self._pending, []
        if pending and self._transport is not None:
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        self._pending += marshaled_frames
        self._schedule()


class Socket(asyncio.Protocol):
    """Hands what the socket says to a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream._proto_connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._stream._proto_data_received(data)

    def eof_received(self) -> bool:
        self._stream._proto_eof_received()
        self._stream.lose(CUT)
        return False  # closes our side, too: nothing more can come of a connection that is half open

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream._proto_connection_lost(exc)


def _reason(error: Exception | None) -> str:
    if error is None or isinstance(error, StreamLostError):
        return CUT
    if isinstance(error, ConnectionClosed):
        return str(error.reply_text) or "closed"
    return words(error)
