"""pika's connection, as `client` asks for it."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

from pika import ConnectionParameters
from pika.credentials import ExternalCredentials, PlainCredentials
from pika.exceptions import AMQPError
from yarl import URL

from schemas.wire.client.connection import ChannelGone
from schemas.wire.client.link import CLOSE_TIMEOUT
from schemas.wire.pika.channel import PikaChannel
from schemas.wire.pika.stream import Socket, Stream
from schemas.wire.transport import NotConnected

_PORTS = {"amqp": 5672, "amqps": 5671}


class PikaConnection:
    """A `Connection` of `client`."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._stream = Stream(_parameters(url), opened=self._on_open, failed=self._on_failed, closed=self._closed.set)

    @property
    def heartbeat(self) -> float:
        return float(self._stream.params.heartbeat or 0)

    @property
    def heard(self) -> float:
        return self._stream.heard

    async def open(self) -> None:
        if self._url.host is None:
            raise NotConnected("an AMQP URL names a host: amqp://user:password@host:5672/vhost")
        context = await asyncio.to_thread(_context, self._url) if self._url.scheme == "amqps" else None
        port = self._url.port or _PORTS[self._url.scheme]
        await asyncio.get_running_loop().create_connection(
            lambda: Socket(self._stream), self._url.host, port, ssl=context
        )
        await self._opened

    def on_lost(self, tell: Callable[[str], None]) -> None:
        self._stream.on_lost = tell
        if self._stream.why:
            tell(self._stream.why)

    async def channel(self, told: Callable[[str], None], *, confirms: bool) -> PikaChannel:
        if self._stream.why:
            raise ChannelGone(self._stream.why)
        channel = PikaChannel(self._stream, told)
        await channel.open(confirms=confirms)
        return channel

    async def close(self) -> None:
        with suppress(AMQPError):
            self._stream.close()
        await self._closed.wait()

    def abort(self) -> None:
        self._opened.cancel()
        self._stream.abort()

    async def wound_up(self) -> str | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._closed.wait()
        return self._stream.why or None

    def _on_open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _on_failed(self, error: Exception) -> None:
        self._closed.set()
        if not self._opened.done():
            self._opened.set_exception(error)


def _parameters(url: URL) -> ConnectionParameters:
    external = url.query.get("auth", "plain").lower() == "external"
    return ConnectionParameters(
        host=url.host or "",
        port=url.port or _PORTS[url.scheme],
        virtual_host=url.path[1:].replace("%2F", "/") or "/",
        credentials=ExternalCredentials() if external else PlainCredentials(url.user or "", url.password or ""),
        heartbeat=int(url.query.get("heartbeat", "0")),
        client_properties={"connection_name": url.query.get("name", "")},
    )


def _context(url: URL) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=url.query.get("cafile"), capath=url.query.get("capath"))
    if (certificate := url.query.get("certfile")) is not None:
        context.load_cert_chain(certificate, url.query.get("keyfile"))
    if url.query.get("no_verify_ssl", "0") != "0":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
