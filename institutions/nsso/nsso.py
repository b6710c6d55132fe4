"""Institution 12-0 at work: senders' centre in its own vhost, an institution like others in the primary network.

docs/declarations.md says what flows where, who owns what state, and what happens when it breaks.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Self

from lxml import etree

from institutions.database import Database
from institutions.institution import Institution
from institutions.metrics import Metrics
from institutions.nsso import office as offices
from institutions.nsso.attestation import ANSWERS, Attestation, answer
from institutions.nsso.clerks import CLERKS
from institutions.nsso.dmfa.store import quarters_of
from institutions.nsso.employment import TELLS, Employments
from institutions.nsso.files.batch import BatchIntake
from institutions.nsso.files.filing import Filing
from institutions.nsso.files.processing import Processing
from institutions.nsso.intake import SenderIntake
from institutions.nsso.office import PostgresOffice, tells_nobody
from institutions.nsso.persons import Persons
from institutions.nsso.risks.answers import RiskAnswers
from institutions.nsso.risks.clerk import RiskClerk
from institutions.nsso.risks.numbers import RiskNumbers
from institutions.nsso.risks.rows import anticipated_of
from institutions.nsso.risks.telling import service_of
from institutions.nsso.searching import SEARCH, Searching
from institutions.nsso.submission import OfficeUnavailable
from institutions.nsso.telling import Telling
from institutions.outbox import PostgresOutbox, Verdict
from institutions.question import Question
from institutions.word import Word
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.process.log import logger, told
from schemas.ssin import Ssin
from schemas.wire.choice import DEFAULT, Client
from schemas.wire.client.reporting import log_event
from schemas.wire.guard import GuardedTransport
from schemas.wire.transport import NotConnected, Observer

#: A number was replaced.
REPLACED = "SsinReplaced/1"
#: Verdicts: passed on to somebody, or there was nobody.
_WELL = ("MSG00000", "MSG00021")
#: Seconds between looks at who may send, and at whether the database is there.
FOLLOW = 2.0
#: Seconds a stop waits for what runs.
DRAIN = 10.0
_CONNECT_ROUND = 10.0


class Nsso:
    """Use it with `async with`.

    urls: its user's in the primary network. secondary_urls: the same user's in the senders' vhost.
    today: the business day, where it is not the clock's. Further options: those of `Institution`.
    Where the catalogue has no DimonaMutation, as in a trial without a hub, it tells the network nothing.
    """

    def __init__(
        self,
        address: Address,
        urls: Sequence[str],
        secondary_urls: Sequence[str],
        database_url: str,
        *,
        catalogue: Catalogue,
        today: date | None = None,
        client: Client = DEFAULT,
        metrics: Metrics | None = None,
        observe: Observer = log_event,
        **options: Any,
    ) -> None:
        self.address, self._who = address, str(address)
        self._database_url, self._today = database_url, today
        self.metrics = metrics if metrics is not None else Metrics()
        tells = catalogue.services.get(TELLS)
        self._own = Database(database_url)
        self._employments = None if tells is None else Employments(tells, address)
        outbox, risks = PostgresOutbox(self._own), service_of(catalogue)
        self._clerks = {**CLERKS, **RiskClerk(outbox, address, risks).forms}
        self._risks, self._numbers = RiskAnswers(self._own, today), RiskNumbers(outbox, address, risks)
        #: What it is asked, and tells, in the primary network.
        self.institution = Institution(
            address,
            urls,
            catalogue=catalogue,
            metrics=self.metrics,
            observe=observe,
            outbox=None if tells is None else outbox,
            **options,
        )
        self.institution.verdicts(self._heard)
        if ANSWERS in catalogue.services:
            self.institution.supplies(ANSWERS)(self._attest)
        if REPLACED in catalogue.services:
            self.institution.receives(REPLACED)(self._replaced)
        self._searches = tells is not None and SEARCH in catalogue.services
        name = f"senders {self._who}"
        self._transport = GuardedTransport(
            client.transport(secondary_urls, name=name, observe=observe),
            client.transport(secondary_urls, name=f"{name} spare", observe=observe),
        )
        self._office: PostgresOffice | None = None
        self._persons: Persons | None = None
        self._searching: asyncio.Task[None] | None = None
        self._senders: SenderIntake | None = None
        self._files: BatchIntake | None = None
        self._processing: Processing | None = None
        self._telling: Telling | None = None
        self._following: asyncio.Task[None] | None = None
        #: The office was found away, and why; whether that is known to be so still.
        self._look, self._why, self._away = asyncio.Event(), "", False
        self._followed = asyncio.Event()
        #: Forms of the files in hand by state, as of the last look; None: it is not known.
        self._forms: Mapping[str, int] | None = None

    @property
    def office(self) -> PostgresOffice:
        if self._office is None:
            raise RuntimeError("not within `async with`")
        return self._office

    @property
    def persons(self) -> Persons:
        if self._persons is None:
            raise RuntimeError("not within `async with`")
        return self._persons

    @property
    def connected(self) -> bool:
        """Whether declarations are taken."""
        return self._followed.is_set() and all(up() for up in self.parts().values())

    def parts(self) -> dict[str, Callable[[], bool]]:
        """What answers: both networks, the database."""
        return {
            self._who: lambda: self.institution.connected,
            f"{self._who} senders": lambda: self._transport.connected,
            f"{self._who} declarations": lambda: self._office is not None and not self._away,
        }

    async def __aenter__(self) -> Self:
        await offices.migrate(self._database_url)
        async with self._own.connection():
            pass  # the outbox has its tables before the first form is taken
        tell = tells_nobody if self._employments is None else self._employments
        self._office = await PostgresOffice.connect(
            self._database_url, today=self._today, tell=tell, clerks=self._clerks
        )
        self._office.committed = self.institution.wake
        self._persons = Persons(self._office, self._employments, self._today, [self._numbers.moved])
        self._senders = SenderIntake(
            self._transport, self._office, self._who, self.metrics, self._found_away, self._today
        )
        filing = Filing(self._office, today=self._today)
        self._telling = Telling(self._office, self._transport, self._who)
        self._processing = Processing(self._office, filing, self._who, self._telling.wake)
        self._files = BatchIntake(self._transport, filing, self._who, self._processing.wake, self._found_away)
        intake = self._senders.intake
        self.metrics.watch(f"{self._who} senders", lambda: intake.in_flight)
        self.metrics.watch_forms(lambda: self._forms)
        processing = self._processing
        self.metrics.watch(f"{self._who} files", lambda: processing.in_hand)
        await self._transport.start()
        await self.institution.__aenter__()
        if self._searches:
            self._searching = asyncio.create_task(Searching(self._persons, self.institution.consult, self._who).run())
        self._following = asyncio.create_task(self._follow(self._office, filing, (self._senders, self._files)))
        self._processing.start()
        self._telling.start()
        return self

    async def supplying(self) -> bool:
        """Return when senders' queues are taken; waits for the broker as long as it takes."""
        await self._followed.wait()
        return True

    async def __aexit__(self, *error: Any) -> None:
        """Drain: start nothing new, finish what runs, ack, close. What is left then goes back to its queue."""
        if self._senders is not None and self._files is not None and self._followed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await asyncio.gather(self._senders.intake.drain(), self._files.intake.drain())
        await self.kill()
        await self.institution.__aexit__(*error)
        await self._own.close()

    async def kill(self) -> None:
        """Take nothing more from senders at once: what runs is dropped, and comes to another process."""
        tasks = [task for task in (self._following, self._searching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in (self._senders, self._files, self._processing, self._telling):
            if part is not None:
                await part.close()
        await self._transport.close()
        if self._office is not None:
            await self._office.close()

    async def _replaced(self, word: Word) -> None:
        """The hub says that one number took another's place."""
        new = Ssin.parse(word.text("criteria/newSsin") or "")
        moved = await self.persons.replaced(word.ssin, new, word.day("criteria/day"))
        logger().info("number replaced", institution=self._who, periods=moved)

    async def _heard(self, verdict: Verdict) -> None:
        """What became of a mutation. Under a number that was replaced it is told again."""
        if await self._ends_a_risk(verdict) or verdict.kind != "verdict" or verdict.code in _WELL:
            return
        if verdict.newer is not None and (whose := await self.persons.whose(verdict.number)) is not None:
            await self.persons.replaced(whose[0], verdict.newer)
            return
        logger().warning("not told", institution=self._who, number=verdict.number, code=verdict.code)

    async def _ends_a_risk(self, verdict: Verdict) -> bool:
        """Of a Dimona it is known without a look into the database."""
        told = self._employments
        return (told is None or verdict.root not in told.answers) and await self._risks.hear(verdict)

    async def _attest(self, question: Question) -> list[etree._Element] | None:
        """What employers declared of a person, also under numbers that were replaced."""
        async with self._own.connection() as connection:
            declared = await quarters_of(connection, question.ssin, question.period)
            anticipated = await anticipated_of(connection, question.ssin, question.period)
        return answer([*map(Attestation.declared, declared), *anticipated])

    async def _follow(
        self, office: PostgresOffice, filing: Filing, intakes: Sequence[SenderIntake | BatchIntake]
    ) -> None:
        """Who may send, and how far files are; and while the database is away, nothing is taken."""
        while True:
            try:
                await self._transport.wait_connected(_CONNECT_ROUND)
                break
            except NotConnected as error:
                logger().warning("no broker yet", institution=self._who, **told(error))
        while True:
            if self._look.is_set():
                self._look.clear()
                await self._goes_away(intakes, self._why)
            try:
                senders = {one.number: one.rate for one in await office.senders()}
                await asyncio.gather(*(one.follow(senders) for one in intakes))
                self._forms = await filing.forms()
            except OfficeUnavailable as error:
                await self._goes_away(intakes, str(error))
            except Exception as error:  # noqa: BLE001  a bug in one look is no reason never to look again
                logger().error("senders not followed", institution=self._who, **told(error))
            else:
                if self._away:
                    self._away = False
                    logger().info("declarations are back", institution=self._who)
                    await asyncio.gather(*(one.resume() for one in intakes))
                self._followed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW):
                    await self._look.wait()

    def _found_away(self, error: OfficeUnavailable) -> None:
        self._why = str(error)
        self._look.set()

    async def _goes_away(self, intakes: Sequence[SenderIntake | BatchIntake], why: str) -> None:
        self._forms = None
        if not self._away:
            self._away = True
            logger().warning("declarations are away: nothing is taken", institution=self._who, why=why)
            await asyncio.gather(*(one.pause() for one in intakes))
