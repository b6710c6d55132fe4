"""Wherever a process may tell something: log, libraries' logs, figures, health, standard output, the servers' logs."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from hub.process import Hub

_PATHS = ("/metrics", "/health", "/ready", "/live")


class Libraries(logging.Handler):
    """All that anything says by the standard library's logging, at any level, in its own words.

    A hub's own log leaves those words out; who configures another one must not be told of persons either.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self._said = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self._said.write(self.format(record) + "\n")

    def take(self) -> str:
        """What was said since the last time."""
        said, self._said = self._said.getvalue(), io.StringIO()
        return said


@contextmanager
def listening() -> Iterator[Libraries]:
    """Every logger says all it has."""
    root, libraries = logging.getLogger(), Libraries()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(libraries)
    try:
        yield libraries
    finally:
        root.removeHandler(libraries)
        root.setLevel(level)


async def over_http(hub: Hub) -> str:
    """Figures and health, heads and all, also of a path that somebody was called after."""
    told = []
    for path in (*_PATHS, "/85010100115"):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.http_port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        told.append((await reader.read()).decode())
        writer.close()
        await writer.wait_closed()
    return "\n".join(told)


def of_server(server: PrivateRabbitMQ | PrivatePostgreSQL) -> str:
    """A private server's own logs."""
    return "\n".join(log.read_text(errors="replace") for log in server._logs() if log.exists())
