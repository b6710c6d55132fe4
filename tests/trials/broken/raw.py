"""An AMQP connection whose frames are written by hand: it can say what no client library would.

It speaks just enough of the protocol to publish with confirms and to take direct answers, and reads what the broker
says word for word. Each message that the broker refuses costs the channel or the connection, so one is opened anew.
"""

import asyncio
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from pamqp import commands, encode, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader, ProtocolHeader

#: Seconds for one word of the broker or the hub.
PATIENCE = 15.0
DIRECT = "amq.rabbitmq.reply-to"
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_CHANNEL = 1
_BASIC = 60

#: Flag and encoding of each property, in the order in which the protocol writes them.
_PROPERTIES: Mapping[str, tuple[int, str]] = {
    "content_type": (15, "short"),
    "content_encoding": (14, "short"),
    "headers": (13, "table"),
    "delivery_mode": (12, "octet"),
    "priority": (11, "octet"),
    "correlation_id": (10, "short"),
    "reply_to": (9, "short"),
    "expiration": (8, "short"),
    "message_id": (7, "short"),
    "timestamp": (6, "long"),
    "message_type": (5, "short"),
    "user_id": (4, "short"),
    "app_id": (3, "short"),
    "cluster_id": (2, "short"),
}


@dataclass(frozen=True, slots=True)
class Bytes:
    """A property's value as it goes over the wire: short strings without their length, tables without theirs."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came to the direct reply-to."""

    body: bytes = field(repr=False)
    properties: commands.Basic.Properties = field(repr=False)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The broker took it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker did not: the code by which it returned the message, closed the channel or closed the connection
    (0: without a word)."""

    code: int
    text: str = field(default="", repr=False)


class ConnectionGone(Exception):
    """The broker hung up."""


def header_of(properties: Mapping[str, Any], size: int) -> bytes:
    """The payload of a content header frame; a value that is `Bytes` is put in unchanged."""
    flags, parts = 0, []
    for name, (bit, kind) in _PROPERTIES.items():
        value = properties.get(name)
        if value is None:
            continue
        flags |= 1 << bit
        if kind == "short":
            raw = value.raw if isinstance(value, Bytes) else str(value).encode()
            parts.append(struct.pack("B", len(raw)) + raw)
        elif kind == "octet":
            parts.append(struct.pack("B", value))
        elif kind == "long":
            parts.append(struct.pack(">Q", value))
        elif isinstance(value, Bytes):
            parts.append(struct.pack(">I", len(value.raw)) + value.raw)
        else:
            parts.append(encode.field_table(value))
    return struct.pack(">HHQH", _BASIC, 0, size, flags) + b"".join(parts)


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


class Raw:
    """One connection with one channel in confirm mode, which takes direct answers. Not for two tasks at once."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        #: Whom the broker knows us as.
        self.user = unquote(self._parts.username or "")
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._frame_max = 131_072
        #: Direct answers that nobody has taken yet.
        self.answers: list[Answer] = []

    async def open(self) -> None:
        """Connect, if not connected."""
        if self._writer is not None:
            return
        async with asyncio.timeout(PATIENCE):
            self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            self._writer.write(ProtocolHeader().marshal())
            await self._method(commands.Connection.Start)
            secret = f"\0{self.user}\0{unquote(self._parts.password or '')}"
            self._say(commands.Connection.StartOk({}, "PLAIN", secret, "en_US"), channel=0)
            tune = await self._method(commands.Connection.Tune)
            self._frame_max = tune.frame_max or self._frame_max
            self._say(commands.Connection.TuneOk(tune.channel_max, self._frame_max, 0), channel=0)
            self._say(commands.Connection.Open(unquote(self._parts.path[1:])), channel=0)
            await self._method(commands.Connection.OpenOk)
            self._say(commands.Channel.Open())
            await self._method(commands.Channel.OpenOk)
            self._say(commands.Confirm.Select())
            await self._method(commands.Confirm.SelectOk)
            self._say(commands.Basic.Consume(queue=DIRECT, no_ack=True))
            await self._method(commands.Basic.ConsumeOk)

    async def close(self) -> None:
        """Hang up."""
        writer, self._writer, self._reader = self._writer, None, None
        self.answers.clear()
        if writer is not None:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def publish(self, exchange: str, key: str, properties: Mapping[str, Any], body: bytes) -> Confirmed | Refused:
        """Publish with `mandatory`, and what the broker says to it."""
        pieces = [self.method(commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=True))]
        pieces.append(framed(_HEADER, _CHANNEL, header_of(properties, len(body))))
        step = self._frame_max - 8
        pieces += [framed(_BODY, _CHANNEL, body[at : at + step]) for at in range(0, len(body), step)]
        return await self.say(b"".join(pieces))

    async def say(self, frames: bytes) -> Confirmed | Refused:
        """Write these bytes, and what the broker says to them."""
        await self.open()
        assert self._writer is not None
        self._writer.write(frames)
        returned: Refused | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    heard = await self._heard()
                    match heard:
                        case commands.Basic.Ack():
                            return returned or Confirmed()
                        case commands.Basic.Nack():
                            return Refused(311, "nack")
                        case commands.Basic.Return():
                            await self._content()
                            returned = Refused(heard.reply_code or 0, heard.reply_text or "")
                        case commands.Channel.Close() | commands.Connection.Close():
                            await self.close()
                            return Refused(heard.reply_code or 0, heard.reply_text or "")
        except ConnectionGone:
            await self.close()
            return Refused(0)

    async def answer(self, patience: float = PATIENCE) -> Answer:
        """The next direct answer. Raises TimeoutError."""
        async with asyncio.timeout(patience):
            while not self.answers:
                await self._next()
        return self.answers.pop(0)

    @staticmethod
    def method(said: Any, channel: int = _CHANNEL) -> bytes:
        """A method's frame."""
        return bytes(frame.marshal(said, channel))

    def _say(self, said: Any, channel: int = _CHANNEL) -> None:
        assert self._writer is not None
        self._writer.write(self.method(said, channel))

    async def _method(self, wanted: type[Any]) -> Any:
        while True:
            heard = await self._heard()
            if isinstance(heard, wanted):
                return heard
            if isinstance(heard, commands.Channel.Close | commands.Connection.Close):
                raise ConnectionGone(heard.reply_text)

    async def _heard(self) -> Any:
        """The next word that is no answer; answers are put aside."""
        while (heard := await self._next()) is None:
            pass
        return heard

    async def _next(self) -> Any:
        """The next word of the broker, or None for an answer, which is put aside."""
        heard = await self._frame()
        if not isinstance(heard, commands.Basic.Deliver):
            return heard
        properties, body = await self._content()
        self.answers.append(Answer(body, properties))
        return None

    async def _content(self) -> tuple[commands.Basic.Properties, bytes]:
        header = await self._frame()
        assert isinstance(header, ContentHeader)
        body = b""
        while len(body) < header.body_size:
            piece = await self._frame()
            assert isinstance(piece, ContentBody)
            body += bytes(piece.value)
        return header.properties, body

    async def _frame(self) -> Any:
        if self._reader is None:
            raise ConnectionGone("not open")
        try:
            head = await self._reader.readexactly(7)
            size = struct.unpack(">BHI", head)[2]
            rest = await self._reader.readexactly(size + 1)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ConnectionGone("the broker hung up") from error
        return frame.unmarshal(head + rest)[2]
