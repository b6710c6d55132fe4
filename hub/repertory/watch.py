"""The rules as they are now, in a process that runs on while they change."""

import asyncio
import contextlib
from collections.abc import Callable

from hub.liveness import Liveness
from hub.queries import QUERIES
from hub.repertory.database import FAILURES, connect, unavailable
from hub.repertory.rules import Rules
from hub.repertory.store import CHANNEL, rules_of
from schemas.errors import CrossroadsError

#: The database is asked this often, seconds, should its word have been lost.
POLL = 2.0
_PAUSE = 1.0
_QUERY_TIMEOUT = 5.0


class RulesWatch(Liveness):
    """Keeps `rules` up to date: the database tells of a change (LISTEN), and is asked every two seconds besides.

    While it is not `healthy`, a right may have been withdrawn that `rules` still holds.
    """

    def __init__(
        self,
        database_url: str,
        *,
        on_change: Callable[[Rules], None] | None = None,
        on_health: Callable[[bool], None] | None = None,
        poll: float = POLL,
    ) -> None:
        """`on_change` is called with each new set of rules, and not for the first; `on_health` at each change of
        `healthy`."""
        self._url, self._poll = database_url, poll
        self._on_change = [on_change] if on_change is not None else []
        super().__init__(on_health)
        self._told = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._rules = Rules()

    @property
    def rules(self) -> Rules:
        """The newest rules that were read; take them once per request, and keep them to its end."""
        return self._rules

    def on_change(self, callback: Callable[[Rules], None]) -> None:
        """Call this too with each new set of rules."""
        self._on_change.append(callback)

    async def start(self) -> None:
        """Read the rules, then follow them. RepertoryUnavailableError if they cannot be read now."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = self._begin(self._run(begun), "rules")
        try:
            await begun
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End at once; `rules` stays what it was."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            self._loop = None

    async def __aenter__(self) -> "RulesWatch":
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
        connection = await connect(self._url, "hub rules")
        try:
            connection.add_termination_listener(lambda _: self._told.set())
            await connection.add_listener(CHANNEL, lambda *_: self._told.set())
            while True:
                self._told.clear()
                async with asyncio.timeout(_QUERY_TIMEOUT):
                    number = await connection.fetchval(QUERIES["rules_number"])
                    if number != self._rules.number or not begun.done():
                        self._take(await rules_of(connection), first=not begun.done())
                if not begun.done():
                    begun.set_result(None)
                self._set_healthy(True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):
                        await self._told.wait()
        finally:
            connection.terminate()

    def _take(self, rules: Rules, *, first: bool) -> None:
        self._rules = rules
        if not first:
            for callback in self._on_change:
                callback(rules)
