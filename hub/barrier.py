"""Nothing passes while a store is down: neither requests into the hub, nor work in hand past the step that needs it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from hub import log

#: Between two tries of a store that is down, seconds.
EVERY = 1.0

Check = Callable[[], Awaitable[None]]
"""Returns when the store answers; raises whatever it raises when not."""


class Barrier:
    """Which stores answer. `lower` closes it at once; `keep` tries the stores that are down and opens it again."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._down: set[str] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._lowered = asyncio.Event()
        self._on_change: list[Callable[[bool], None]] = []

    @property
    def open(self) -> bool:
        """Whether every store answers."""
        return not self._down

    def up(self, store: str) -> bool:
        """Whether this store answers, as far as is known."""
        return store not in self._down

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Call with `open` each time it changes, at once."""
        self._on_change.append(callback)

    def lower(self, store: str, error: BaseException) -> None:
        """This store does not answer; `error` says so."""
        if store in self._down:
            return
        was_open = self.open
        self._down.add(store)
        self._open.clear()
        self._lowered.set()
        log.logger().error("store down", store=store, **log.told(error))
        if was_open:
            self._tell()

    async def passed(self) -> None:
        """Return when every store answers."""
        await self._open.wait()

    async def keep(self) -> None:
        """Try what is down, each second, until cancelled."""
        while True:
            await self._lowered.wait()
            for store in sorted(self._down):
                try:
                    async with asyncio.timeout(EVERY):
                        await self._checks[store]()
                except Exception as error:  # noqa: BLE001 (any failure of a store means that it is down)
                    log.logger().debug("store still down", store=store, **log.told(error))
                else:
                    self._down.discard(store)
                    log.logger().info("store up", store=store)
            if self._down:
                await asyncio.sleep(EVERY)
                continue
            self._lowered.clear()
            self._open.set()
            self._tell()

    def _tell(self) -> None:
        for callback in self._on_change:
            callback(self.open)
