"""Forms that came one by one are handled together: what arrives while a group is committed is the next group."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from institutions.nsso.submission import Handled, Office, OfficeUnavailable, Submission
from schemas.process.log import logger, told

#: Forms of a group; the office takes no more.
MOST = 200


@dataclass(slots=True, eq=False)
class _Waiting:
    submission: Submission
    handled: "asyncio.Future[Handled]" = field(repr=False)


class Grouping:
    """`office`, for who has one form at a time. Forms are handled in the order in which they came."""

    def __init__(self, office: Office, most: int = MOST) -> None:
        self._office, self._most = office, most
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        #: Groups committed, and forms in them.
        self.groups = self.forms = 0

    async def handle(self, submission: Submission) -> Handled:
        """What became of it. Raises OfficeUnavailable, and what the office raises at this very form. Who is cancelled
        may have been handled all the same."""
        one = _Waiting(submission, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await one.handled

    async def close(self) -> None:
        """Drop what is in hand: nothing of it is kept that was not committed."""
        for one in self._waiting:
            one.handled.cancel()
        if self._working is not None:
            self._working.cancel()
            with suppress(asyncio.CancelledError):
                await self._working

    async def _work(self) -> None:
        try:
            while group := self._next():
                await self._one_group(group)
        finally:
            self._working = None

    def _next(self) -> list[_Waiting]:
        """Those that are still waited for."""
        group: list[_Waiting] = []
        while self._waiting and len(group) < self._most:
            one = self._waiting.popleft()
            if not one.handled.done():
                group.append(one)
        return group

    async def _one_group(self, group: Sequence[_Waiting]) -> None:
        try:
            found = await self._office.handle([one.submission for one in group])
        except asyncio.CancelledError:
            for one in group:
                one.handled.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whatever it was, it was one form's; the others live
            if len(group) == 1 or isinstance(error, OfficeUnavailable):
                for one in group:
                    _fail(one, error)
                return
            logger().error("group failed: its forms go one by one", forms=len(group), **told(error))
            for one in group:
                await self._one_group([one])
            return
        self.groups += 1
        self.forms += len(group)
        for one, handled in zip(group, found, strict=True):
            if not one.handled.done():
                one.handled.set_result(handled)


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.handled.done():
        one.handled.set_exception(error)
