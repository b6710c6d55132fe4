"""Health, readiness and figures over HTTP.

| path | 200 when | else |
|---|---|---|
| `/health` | every part answers | 503, and the JSON says which does not |
| `/ready` | requests are being taken | 503 |
| `/live` | the process answers at all: what an orchestrator restarts by | |
| `/metrics` | always | |
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

#: A request that is not read whole within this time is given up, seconds.
_TIMEOUT = 5.0
_LONGEST_HEAD = 8_192


class Figures(Protocol):
    """What `/metrics` tells."""

    def text(self) -> bytes:
        """In Prometheus' text format."""
        ...


class Health:
    """A small HTTP server. `parts` says which part answers, `ready` whether requests are taken."""

    def __init__(self, metrics: Figures, parts: Mapping[str, Callable[[], bool]], ready: Callable[[], bool]) -> None:
        self._metrics, self._parts, self._ready = metrics, parts, ready
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was taken (another than asked where that was 0). OSError if it is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_HEAD)
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, rest = head.partition(b" ")
                path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
                writer.write(self._answer(method, path))
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _answer(self, method: bytes, path: str) -> bytes:
        kind = "application/json"
        if method not in (b"GET", b"HEAD"):
            status, body = HTTPStatus.METHOD_NOT_ALLOWED, b'{"error": "GET or HEAD"}'
        elif path == "/metrics":
            status, body, kind = HTTPStatus.OK, self._metrics.text(), "text/plain; version=0.0.4; charset=utf-8"
        elif path == "/live":
            status, body = HTTPStatus.OK, b'{"live": true}'
        elif path == "/ready":
            status, body = _said(self._ready(), {"ready": self._ready()})
        elif path == "/health":
            parts = {name: up() for name, up in self._parts.items()}
            status, body = _said(all(parts.values()), {"healthy": all(parts.values()), "parts": parts})
        else:
            status, body = HTTPStatus.NOT_FOUND, b'{"error": "one of /health /ready /live /metrics"}'
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if method == b"HEAD" else body)


def _said(good: bool, document: object) -> tuple[HTTPStatus, bytes]:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(document).encode()
