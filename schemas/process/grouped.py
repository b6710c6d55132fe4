"""Calls that are answered many at a time: what comes while a group is on its way is the next group."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from schemas.process.log import logger, told

_T = TypeVar("_T")
_R = TypeVar("_R")
_Waiting: TypeAlias = tuple[_T, asyncio.Future[_R]]


class Grouped(Generic[_T, _R]):
    """Call it with one; it is answered with its group. To be used from one event loop. Holds no task while idle."""

    def __init__(
        self,
        answer: Callable[[Sequence[_T]], Awaitable[Sequence[_R]]],
        *,
        most: int,
        key: Callable[[_T], Hashable] | None = None,
        of_all: tuple[type[Exception], ...] = (),
    ) -> None:
        """`answer`: of each in its place, in the order in which they came. `most`: of one group. `key`: two of the same
        key are never in one group. `of_all`: what it raises of these is raised to the whole group; whatever else it
        raises was one's fault, and each of the group is answered by itself."""
        self._answer, self._most, self._key, self._of_all = answer, most, key, of_all
        self._waiting: deque[_Waiting[_T, _R]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, one: _T) -> _R:
        """The answer. Raises what `answer` raises. Who is cancelled before his group begins is not in it; after that it
        may have been done all the same."""
        future: asyncio.Future[_R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._working is None:
            # Not in the context of who comes first: what is logged of a group is of no ticket.
            self._working = asyncio.create_task(self._work(), context=contextvars.Context())
        return await future

    async def close(self) -> None:
        """Cancel whoever waits."""
        for _, future in self._waiting:
            future.cancel()
        if self._working is not None:
            self._working.cancel()
            with suppress(asyncio.CancelledError):
                await self._working

    async def _work(self) -> None:
        try:
            while group := self._take():
                await self._answered(group)
        finally:
            self._working = None

    async def _answered(self, group: Sequence[_Waiting[_T, _R]]) -> None:
        futures = [future for _, future in group]
        try:
            answers = list(zip(futures, await self._answer([one for one, _ in group]), strict=True))
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001  (whoever asked has it)
            if len(group) > 1 and not isinstance(error, self._of_all):
                logger().warning("group failed: one by one", size=len(group), **told(error))
                for one in group:
                    await self._answered([one])
                return
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, answer in answers:
            if not future.done():
                future.set_result(answer)

    def _take(self) -> list[_Waiting[_T, _R]]:
        group: list[_Waiting[_T, _R]] = []
        later: list[_Waiting[_T, _R]] = []
        keys: set[Hashable] = set()
        while self._waiting and len(group) < self._most:
            one, future = self._waiting.popleft()
            if future.done():  # its waiter has gone
                continue
            key = None if self._key is None else self._key(one)
            if key is not None and key in keys:
                later.append((one, future))
                continue
            keys.add(key)
            group.append((one, future))
        self._waiting.extendleft(reversed(later))
        return group
