"""A proxy that counts what it passes on: AMQP methods by name, PostgreSQL's messages by kind."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Protocol, Self

from yarl import URL

LOOPBACK = "127.0.0.1"

#: Class and method of what an exchange is made of.
_METHODS = {(60, 40): "publish", (60, 60): "deliver", (60, 80): "ack"}
_METHOD_FRAME = 1
_GREETING = 8
#: PostgreSQL: what a client may send before messages have a kind, and after: run a statement, end a round trip.
_SSL_REQUEST = 80877103
_KINDS = {b"E": "statement", b"Q": "statement", b"S": "round trip"}


class Reader(Protocol):
    """Finds in a stream what counts."""

    def read(self, data: bytes) -> Iterator[str]: ...


class Amqp:
    """One direction of an AMQP connection."""

    def __init__(self, *, greets: bool) -> None:
        self._kept, self._greeting = bytearray(), _GREETING if greets else 0

    def read(self, data: bytes) -> Iterator[str]:
        self._kept += data
        if self._greeting:
            if len(self._kept) < self._greeting:
                return
            del self._kept[: self._greeting]
            self._greeting = 0
        while len(self._kept) >= 7:
            whole = 8 + int.from_bytes(self._kept[3:7])
            if len(self._kept) < whole:
                return
            if self._kept[0] == _METHOD_FRAME:
                method = int.from_bytes(self._kept[7:9]), int.from_bytes(self._kept[9:11])
                if method in _METHODS:
                    yield _METHODS[method]
            del self._kept[:whole]


class PostgreSql:
    """What a client says to PostgreSQL, unless its connection is one of those that `but` names: by how the name of the
    application that it gives ends."""

    def __init__(self, but: Collection[str] = ()) -> None:
        self._kept, self._started = bytearray(), False
        self._but, self._counts = tuple(but), True

    def read(self, data: bytes) -> Iterator[str]:
        self._kept += data
        while len(self._kept) >= (5 if self._started else 8):
            at = 1 if self._started else 0
            whole = at + int.from_bytes(self._kept[at : at + 4])
            if len(self._kept) < whole:
                return
            if self._started:
                kind = bytes(self._kept[:1])
                if kind in _KINDS and self._counts:
                    yield _KINDS[kind]
            elif int.from_bytes(self._kept[4:8]) != _SSL_REQUEST:
                self._started = True
                self._counts = not _named(bytes(self._kept[8:whole])).endswith(self._but)
            del self._kept[:whole]


def _named(parameters: bytes) -> str:
    """The application's name among a connection's parameters."""
    told = parameters.decode().split("\0")
    return dict(zip(told[::2], told[1::2], strict=False)).get("application_name", "")


class Silent:
    """A direction that nobody counts."""

    def read(self, data: bytes) -> Iterator[str]:
        return iter(())


class Tap:
    """Stands before the host and port of a URL. `counts`: by what was seen, and the way it went; of PostgreSQL's
    connections `but` those, see `PostgreSql`."""

    def __init__(self, url: str, but: Collection[str] = ()) -> None:
        self._target, self._but = URL(url), but
        self.counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The same URL, by way of the tap."""
        return str(self._target.with_host(LOOPBACK).with_port(self._port))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(self._target.host, self._target.port)
        amqp = self._target.scheme == "amqp"
        up: Reader = Amqp(greets=True) if amqp else PostgreSql(self._but)
        down: Reader = Amqp(greets=False) if amqp else Silent()
        for ends in ((reader, to_there, up, "sent"), (there, writer, down, "got")):
            task = asyncio.create_task(self._pump(*ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Reader, way: str) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.counts.update(f"{what} {way}" for what in seen.read(data))
                writer.write(data)
                await writer.drain()
        writer.close()
