"""Nothing passes while a store is down: neither requests into the hub, nor work in hand past the step that needs it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from hub.journal import JournalUnavailableError
from hub.repertory.database import RepertoryUnavailableError
from schemas.process import log

#: Between two tries of a store that failed and says that it is well, seconds.
_BETWEEN_TRIES = 0.1

_T = TypeVar("_T")


class Store(Protocol):
    """What answers or not, says so, and tries by itself to come back: the journal, the person repertory, the rules."""

    @property
    def healthy(self) -> bool: ...

    @property
    def broken(self) -> bool: ...

    def on_health(self, callback: Callable[[bool], None]) -> None: ...


class Barrier:
    """Open while every store answers."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = dict(stores)
        self._open = asyncio.Event()
        self._changed = asyncio.Event()
        for name, store in self._stores.items():
            store.on_health(lambda healthy, name=name: self._heard(name, healthy))  # type: ignore[misc]
        self._look()

    @property
    def open(self) -> bool:
        """Whether every store answers."""
        return self._open.is_set()

    @property
    def broken(self) -> tuple[str, ...]:
        """Stores that a bug ended: they do not come back in this process."""
        return tuple(name for name, store in self._stores.items() if store.broken)

    def parts(self) -> dict[str, Callable[[], bool]]:
        """Each store's name, and what tells whether it answers."""
        return {name: lambda store=store: bool(store.healthy) for name, store in self._stores.items()}  # type: ignore[misc]

    async def stored(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """What `call` gives, however long its store is down. What is in hand stays unacked meanwhile, or goes
        elsewhere."""
        while True:
            await self.passed()
            try:
                return await call()
            except (JournalUnavailableError, RepertoryUnavailableError) as error:
                log.logger().warning("store does not answer", **log.told(error))
                await asyncio.sleep(_BETWEEN_TRIES)

    async def passed(self) -> None:
        """Return when every store answers."""
        await self._open.wait()

    async def changed(self) -> bool:
        """Wait until a store's word has changed since the last call; whether the barrier is open now."""
        await self._changed.wait()
        self._changed.clear()
        return self.open

    def _heard(self, name: str, healthy: bool) -> None:
        if healthy:
            log.logger().info("store up", store=name)
        else:
            log.logger().error("store down", store=name)
        self._look()

    def _look(self) -> None:
        if all(store.healthy for store in self._stores.values()):
            self._open.set()
        else:
            self._open.clear()
        self._changed.set()
