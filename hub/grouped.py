"""Calls that are answered many at a time: what comes while a group is on its way is the next group."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


class Grouped(Generic[_T, _R]):
    """Call it with one; it is answered with its group. To be used from one event loop. Holds no task while idle."""

    def __init__(
        self,
        answer: Callable[[Sequence[_T]], Awaitable[Sequence[_R]]],
        *,
        most: int,
        key: Callable[[_T], Hashable] | None = None,
    ) -> None:
        """`answer`: of each in its place; what it raises is raised to all of the group. `most`: of one group. `key`:
        two of the same key are never in one group, and come in the order in which they were asked."""
        self._answer, self._most, self._key = answer, most, key
        self._waiting: deque[tuple[_T, asyncio.Future[_R]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, one: _T) -> _R:
        """The answer. Who is cancelled before his group begins is not in it."""
        future: asyncio.Future[_R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._working is None:
            # Not in the context of who comes first: what is logged of a group is of no ticket.
            self._working = asyncio.create_task(self._work(), context=contextvars.Context())
        return await future

    async def _work(self) -> None:
        try:
            while group := self._take():
                await self._answered(group)
        finally:
            self._working = None

    async def _answered(self, group: Sequence[tuple[_T, asyncio.Future[_R]]]) -> None:
        futures = [future for _, future in group]
        try:
            answers = await self._answer([one for one, _ in group])
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001  (whoever asked has it)
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, answer in zip(futures, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    def _take(self) -> list[tuple[_T, "asyncio.Future[_R]"]]:
        group: list[tuple[_T, asyncio.Future[_R]]] = []
        later: list[tuple[_T, asyncio.Future[_R]]] = []
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
