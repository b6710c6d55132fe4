"""aiormq's connection, as `client` asks for it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiormq.connection import Connection
from yarl import URL

from schemas.wire.aiopika.channel import WireChannel, open_channel
from schemas.wire.aiopika.door import Door
from schemas.wire.client.connection import CUT, words
from schemas.wire.client.link import CLOSE_TIMEOUT
from schemas.wire.transport import NotConnected


class _Connection(Connection):
    """aiormq's connection, with room for all that is to be written. Ten frames are its measure; who waits for room
    when the connection dies waits for ever, and it holds back nothing, since its writer never waits for the socket.
    How much we let be under way bounds it instead."""

    FRAME_BUFFER_SIZE = 0


class AioPikaConnection:
    """A `Connection` of `client`."""

    def __init__(self, url: URL) -> None:
        self._door = Door()
        self._connection = _Connection(url, transport_factory=self._door)

    @property
    def heartbeat(self) -> float:
        return self._connection.connection_tune.heartbeat or 0

    @property
    def heard(self) -> float:
        return self._door.socket.heard if self._door.socket is not None else 0.0

    async def open(self) -> None:
        await self._connection.connect()
        if self._door.socket is None:
            raise NotConnected("aiormq connected without a socket of ours")

    def on_lost(self, tell: Callable[[str], None]) -> None:
        self._connection.closing.add_done_callback(lambda future: tell(_reason(future)))
        if self._door.socket is not None:
            self._door.socket.on_gone = lambda: tell(CUT)
            if self._door.socket.gone:
                tell(CUT)

    @property
    def blocked(self) -> bool:
        """Whether the broker blocks the connection, an alarm being on. aiormq tells only by making `ready()` wait, so
        it is asked without waiting: a coroutine that ends at its first step did not have to."""
        ready = self._connection.ready()
        try:
            ready.send(None)
        except StopIteration:
            return False
        finally:
            ready.close()
        return True

    async def channel(self, told: Callable[[str], None], *, confirms: bool) -> WireChannel:
        return await open_channel(self._connection, told, confirms=confirms)

    async def close(self) -> None:
        with suppress(Exception):
            await self._connection.close()

    def abort(self) -> None:
        self._door.abort()

    async def wound_up(self) -> str | None:
        closing = self._connection.closing
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT)  # until aiormq has told all who wait for it
        return _reason(closing) if closing.done() else None


def _reason(closing: "asyncio.Future[Any]") -> str:
    if closing.cancelled():
        return "closed"
    error = closing.exception()
    if error is None or isinstance(error, asyncio.CancelledError):
        return "closed"
    return words(error)
