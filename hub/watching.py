"""Something of the database that a process has a copy of, as it is now, while it changes."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Self

import asyncpg

from hub.liveness import Liveness
from hub.repertory.database import FAILURES, connect, unavailable
from schemas.errors import CrossroadsError

_PAUSE = 1.0
_QUERY_TIMEOUT = 5.0


class Watch(Liveness, ABC):
    """Looks when the database tells of a change (LISTEN), and besides from time to time, should its word have been
    lost. While it is not `healthy`, what it has may be old."""

    #: Of each connection.
    _settings: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, database_url: str, name: str, channel: str, on_health: Callable[[bool], None] | None = None
    ) -> None:
        super().__init__(on_health)
        self._url, self._name, self._channel = database_url, name, channel
        self._told = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @abstractmethod
    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]", *, first: bool) -> float:
        """Read what there is; seconds until the next look, unless there is a word before. `first`: since `start`."""

    async def start(self) -> None:
        """Read, then follow. RepertoryUnavailableError if it cannot be read now."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = self._begin(self._run(begun), self._name)
        try:
            await begun
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End at once; what it has stays what it was."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            self._loop = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, begun: "asyncio.Future[None]") -> None:
        while True:
            try:
                await self._follow(begun)
            except (*FAILURES, CrossroadsError) as error:
                self._set_healthy(False)
                if not begun.done():
                    begun.set_exception(error if isinstance(error, CrossroadsError) else unavailable(error))
                    return
                await asyncio.sleep(_PAUSE)

    async def _follow(self, begun: "asyncio.Future[None]") -> None:
        connection = await connect(self._url, self._name, self._settings)
        try:
            connection.add_termination_listener(lambda _: self._told.set())
            await connection.add_listener(self._channel, lambda *_: self._told.set())
            while True:
                self._told.clear()
                async with asyncio.timeout(_QUERY_TIMEOUT):
                    until_next = await self._look(connection, first=not begun.done())
                if not begun.done():
                    begun.set_result(None)
                self._set_healthy(True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(until_next):
                        await self._told.wait()
        finally:
            connection.terminate()
