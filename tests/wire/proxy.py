"""A TCP proxy before the broker that cuts, freezes, and cuts after so many bytes."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self

from yarl import URL

LOOPBACK = "127.0.0.1"
Way = Literal["up", "down"]
#: Bytes of a connection's beginning that are kept, in which the client tells its name.
_HELLO = 2048


@dataclass(eq=False)
class Through:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    hello: bytearray = field(default_factory=bytearray)
    #: Lets nothing through to the broker, and drops what comes.
    deaf: bool = False
    #: Bytes that were dropped.
    dropped: int = 0
    #: Set while the way from the broker is open.
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    #: Nothing more is passed on from the broker.
    hung_up: bool = False

    def hang_up(self) -> None:
        """End the stream to the client, and go on taking nothing from it."""
        self.hung_up = True
        self.client.write_eof()

    def cut(self) -> None:
        """Reset both ends."""
        for writer in (self.client, self.broker):
            writer.transport.abort()


class Proxy:
    """Stands before the host and port of an AMQP URL.

    `up` is the way to the broker, `down` the way from it. `tls`: speak TLS with clients (not with the broker).
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._target = URL(url)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[Way, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._left: dict[Way, int | None] = {"up": None, "down": None}
        self.refusing = False
        #: Connections that are let through now.
        self.connections: list[Through] = []
        #: Connections accepted since the start.
        self.accepted = 0

    @property
    def url(self) -> str:
        """The broker's URL, by way of the proxy."""
        url = self._target.with_host(LOOPBACK).with_port(self._port)
        return str(url.with_scheme("amqps") if self._tls else url)

    async def __aenter__(self) -> Self:
        self.thaw()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def named(self, name: str) -> list[Through]:
        """The connections whose client's name holds `name`."""
        return [one for one in self.connections if name.encode() in one.hello]

    def cut(self, name: str = "") -> int:
        """Reset the connections whose client's name holds `name`. How many there were."""
        found = self.named(name)
        for one in found:
            one.cut()
        return len(found)

    def freeze(self, *ways: Way) -> None:
        """Let nothing through any more, both ways unless told which, and keep the connections open."""
        for way in ways or ("up", "down"):
            self._open[way].clear()

    def thaw(self) -> None:
        """Let all through again, what waited first."""
        for event in self._open.values():
            event.set()

    def cut_after(self, way: Way, count: int) -> None:
        """Reset all connections when so many more bytes went that way, the last of them let through."""
        self._left[way] = count

    async def _accept(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            client.transport.abort()
            return
        try:
            broker_reader, broker = await asyncio.open_connection(self._target.host, self._target.port)
        except OSError:
            client.transport.abort()
            return
        through = Through(client, broker)
        through.heard.set()
        self.connections.append(through)
        pumps = [
            asyncio.create_task(self._pump(through, "up", client_reader, broker)),
            asyncio.create_task(self._pump(through, "down", broker_reader, client)),
        ]
        self._tasks.update(pumps)
        for pump in pumps:
            pump.add_done_callback(self._tasks.discard)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        through.cut()
        self.connections.remove(through)

    async def _pump(
        self, through: Through, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open[way].wait()
                if way == "up" and len(through.hello) < _HELLO:
                    through.hello += data
                if way == "down":
                    await through.heard.wait()
                if through.deaf if way == "up" else through.hung_up:
                    through.dropped += len(data)
                    continue
                left = self._left[way]
                writer.write(data if left is None else data[:left])
                if left is not None:
                    self._left[way] = left = left - len(data)
                    if left <= 0:
                        self._left[way] = None
                        await writer.drain()
                        writer.close()  # what was written goes out before
                        self._cut_others(through)
                        return
                await writer.drain()

    def _cut_others(self, but: Through) -> None:
        """Reset all connections but one."""
        for one in self.connections:
            if one is not but:
                one.cut()
