"""A small HTTP server: GET and HEAD, one answer a connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

#: A request that is not read whole, or an answer that is not taken, within this time is given up, seconds.
_TIMEOUT = 5.0
_LONGEST_HEAD = 8_192


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path has to say."""

    body: bytes
    kind: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK


class Http:
    """Serves what `answer` says of a path (with its slash, without a query)."""

    def __init__(self, answer: Callable[[str], Awaitable[Answer]]) -> None:
        self._answer = answer
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
        try:
            with contextlib.suppress(
                TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
            ):
                async with asyncio.timeout(_TIMEOUT):
                    head = await reader.readuntil(b"\r\n\r\n")
                method, _, rest = head.partition(b" ")
                path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
                written = await self._written(method, path)
                async with asyncio.timeout(_TIMEOUT):
                    writer.write(written)
                    await writer.drain()
        finally:  # also where `answer` raised: the client is not left waiting
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _written(self, method: bytes, path: str) -> bytes:
        if method in (b"GET", b"HEAD"):
            answer = await self._answer(path)
        else:
            answer = Answer(b'{"error": "GET or HEAD"}', status=HTTPStatus.METHOD_NOT_ALLOWED)
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\ncontent-type: {answer.kind}\r\n"
            f"content-length: {len(answer.body)}\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if method == b"HEAD" else answer.body)
