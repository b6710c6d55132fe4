"""Whether something answers, for those who must not go on without it."""

import asyncio
from collections.abc import Callable, Coroutine


class Liveness:
    """What answers or not, and says so at each change. It tries by itself to come back while it does not."""

    def __init__(self, on_health: Callable[[bool], None] | None = None) -> None:
        self._healthy = False
        #: A bug ended it: it will not come back, the process must be started again.
        self.broken = False
        self._on_health = [] if on_health is None else [on_health]

    @property
    def healthy(self) -> bool:
        """False before the start, and from the first failure until something succeeds."""
        return self._healthy

    def on_health(self, callback: Callable[[bool], None]) -> None:
        """Call this too at each change of `healthy`."""
        self._on_health.append(callback)

    def _set_healthy(self, healthy: bool) -> None:
        if healthy != self._healthy:
            self._healthy = healthy
            for callback in self._on_health:
                callback(healthy)

    def _begin(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run it beside all else. If a bug ends it, it is not healthy any more."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.broken = True
            self._healthy = True  # so that the change is told even if it was known to be down
            self._set_healthy(False)
