"""Institution 25-1 at work: it is told by the sources, answers from its buffer, and tells who grants rights."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncpg
from lxml import etree

from institutions.database import Database
from institutions.inbox import PostgresInbox
from institutions.institution import Institution
from institutions.outbox import PostgresOutbox, Verdict
from institutions.question import Question
from institutions.statuses import buffer as buffers
from institutions.statuses import statements
from institutions.statuses.buffer import Buffer, Told
from institutions.statuses.definitions import ANSWERS, SHIPPED, TELLS
from institutions.statuses.derive import CannotDerive, read
from institutions.statuses.following import Following
from institutions.statuses.quarters import Quarters, written
from institutions.word import Unprocessable, Word
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.period import today
from schemas.process.log import logger
from schemas.process.log import told as words
from schemas.ssin import Ssin

#: Who keeps them.
ADDRESS = Address(25, 1)
#: The legal context in which it tells.
CONTEXT = "STATUSES:UPKEEP"
#: A number was replaced.
REPLACED = "SsinReplaced/1"
#: Verdicts: passed on to somebody, or there was nobody; under a number that was replaced meanwhile (told again).
_WELL = ("MSG00000", "MSG00021", "MSG00006")
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
        self._own = Database(database_url)
        self._outbox = PostgresOutbox(self._own)
        self._institution = Institution(
            address, urls, catalogue=catalogue, inbox=PostgresInbox(self._own), outbox=self._outbox, **options
        )
        self._institution.supplies(ANSWERS)(self._answer)
        self._institution.receives(REPLACED)(self._replaced)
        for service in catalogue.services.values():  # also those that the file does not name yet
            if service.mode == "mutation" and service.answered_by != "hub" and service.type != TELLS:
                self._institution.receives(service)(self._hear)
        self._institution.verdicts(self._heard)
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
        await self._own.close()
        await self.buffer.close()

    async def _answer(self, question: Question) -> list[etree._Element] | None:
        """From the buffer alone; of what the asker may see."""
        seen = self._following.now.seen_by(question.customer)
        held = await self.buffer.answer(question.ssin, question.period, seen)
        return [status_element(one.status, one.quarters) for one in held] or None

    async def _hear(self, word: Word, connection: Any) -> None:
        """What a source tells: the holdings, what follows, and this word's place are one transaction."""
        try:
            fact = read(word.service, word.root, word.ticket_cbss)
            told = await self.buffer.apply(connection, self._following.now, [fact])
        except CannotDerive:
            raise Unprocessable from None
        await self._tell(told, connection)

    async def _replaced(self, word: Word, connection: Any) -> None:
        if connection is None:  # a word without a position; done twice, it does nothing
            async with self._own.connection() as own, own.transaction():
                await self._replaced(word, own)
            return
        new = Ssin.parse(word.text("criteria/newSsin") or "")
        told = await self.buffer.replace(connection, self._following.now, word.ssin, new, word.ticket_cbss)
        await self._tell(told, connection)

    async def _tell(self, told: Sequence[Told], connection: Any) -> None:
        """To whoever grants rights by it and knows the person: whom, the hub knows."""
        for one in told:
            change = one.change
            entry = self._institution.mutation(
                TELLS,
                person=one.person,
                period=change.days,
                action=change.action,
                reference=str(change.reference),
                legal_context=CONTEXT,
                content=[status_element(one.status, change.quarters)],
                code=one.status,
            )
            await self._outbox.add(entry, connection)
            await connection.execute(statements.TOLD, change.reference, entry.ticket, one.because)

    async def _heard(self, verdict: Verdict) -> None:
        if verdict.code not in _WELL:
            logger().warning("status not told", institution=str(self.address), code=verdict.code, number=verdict.number)

    async def _forget(self) -> None:
        while True:
            day = today()
            try:
                await self.buffer.forget(day.replace(year=day.year - KEPT, day=1))
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger().warning("statuses: nothing taken out", institution=str(self.address), **words(error))
            await asyncio.sleep(_UPKEEP)


def status_element(code: str, run: Quarters) -> etree._Element:
    """A `socialStatus`."""
    return Question.element(
        "socialStatus",
        Question.element("code", code),
        Question.element("firstQuarter", written(run.first)),
        Question.element("lastQuarter", written(run.last)) if run.last is not None else None,
    )
