"""Institution 25-1 at work: it is told by the sources, answers from its buffer, and tells who grants rights."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncpg
from lxml import etree

from institutions.institution import Institution
from institutions.question import Question
from institutions.statuses import buffer as buffers
from institutions.statuses.buffer import Buffer
from institutions.statuses.definitions import ANSWERS, SHIPPED
from institutions.statuses.following import Following
from institutions.statuses.quarters import Quarters, written
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.period import today
from schemas.process.log import logger, told

#: Who keeps them.
ADDRESS = Address(25, 1)
#: Years that what has ended is kept.
KEPT = 5
#: Seconds between two times that what is older is taken out.
_UPKEEP = 3_600.0


class Statuses:
    """Use it with `async with`. `definitions`: the file (`statuses.toml`). Further options: those of `Institution`."""

    def __init__(
        self,
        address: Address,
        urls: Sequence[str],
        database_url: str,
        *,
        catalogue: Catalogue,
        definitions: Path = SHIPPED,
        **options: Any,
    ) -> None:
        self.address, self._database_url = address, database_url
        self._following = Following(definitions, catalogue)
        self._institution = Institution(address, urls, catalogue=catalogue, **options)
        self._institution.supplies(ANSWERS)(self._answer)
        self._buffer: Buffer | None = None
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def buffer(self) -> Buffer:
        if self._buffer is None:
            raise RuntimeError("not within `async with`")
        return self._buffer

    @property
    def connected(self) -> bool:
        return self._institution.connected

    async def __aenter__(self) -> Self:
        await buffers.migrate(self._database_url)
        self._buffer = await Buffer.connect(self._database_url)
        await self._institution.__aenter__()
        self._upkeep = asyncio.create_task(self._forget())
        return self

    async def supplying(self) -> bool:
        return await self._institution.supplying()

    async def __aexit__(self, *error: Any) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await self._upkeep
        await self._institution.__aexit__(*error)
        await self.buffer.close()

    async def _answer(self, question: Question) -> list[etree._Element] | None:
        """From the buffer alone; of what the asker may see."""
        seen = self._following.now.seen_by(question.customer)
        held = await self.buffer.answer(question.ssin, question.period, seen)
        return [status_element(one.status, one.quarters) for one in held] or None

    async def _forget(self) -> None:
        while True:
            day = today()
            try:
                await self.buffer.forget(day.replace(year=day.year - KEPT, day=1))
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger().warning("statuses: nothing taken out", institution=str(self.address), **told(error))
            await asyncio.sleep(_UPKEEP)


def status_element(code: str, run: Quarters) -> etree._Element:
    """A `socialStatus`."""
    return Question.element(
        "socialStatus",
        Question.element("code", code),
        Question.element("firstQuarter", written(run.first)),
        Question.element("lastQuarter", written(run.last)) if run.last is not None else None,
    )
