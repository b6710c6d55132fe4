"""A right without asking: a living wage granted at a PCSW reaches De Lijn and the social tariff as a status.

Down one star and up the other: the PCSW and its relay, the hub, the buffer of 25-1, the hub again, both bodies. Each
step is told with its ticket; nothing of a person is. docs/statuses.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from deploy.access import Access
from institutions import Institution, MemoryOutbox, Verdict, Word
from institutions.answer import Answer
from institutions.reference import network, whereabouts
from institutions.reference.granting import Granting, statuses_in
from institutions.reference.identity import Identity
from institutions.reference.mutations import living_wage, told_of
from institutions.reference.person import Person
from institutions.reference.population import Population
from institutions.statuses.buffer import Buffer
from institutions.statuses.quarters import quarter_of, written
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.period import Period, today
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss

_T = TypeVar("_T")

GRANT, TELL, ASK = "LivingWageMutation/1", "StatusMutation/1", "SocialStatus/1"
BODIES = {whereabouts.DE_LIJN: "DELIJN:FREE_PASS", whereabouts.SOCIAL_TARIFF: "SOCIALTARIFF:AUTOMATIC_RIGHT"}
_PCSW, _INQUIRY, _GRANT = network.PCSW_A, "PCSA:SOCIAL_INQUIRY", "PCSA:GRANT"
_STATUS = "LIVING_WAGE"
#: The way of what a PCSW says.
_UP = f"{_PCSW.sector}-0 → hub"
#: Seconds that each step may take.
_PATIENCE = 30.0
_REFERENCE = "SCENE-1"


class SceneError(CrossroadsError):
    """What did not come, or came otherwise."""


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody told or asked somebody."""

    sender: str
    receiver: str
    service: str
    #: What was said, without anything of anybody.
    what: str
    ticket_cbss: UUID | None
    #: Since the grant.
    ms: float


class Scene:
    """Play it once, on a network that runs. `tell` is called for each step, as it comes."""

    def __init__(
        self,
        access: Access,
        catalogue: Catalogue,
        population: Population,
        tell: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self._access, self._catalogue, self._population, self._tell = access, catalogue, population, tell
        self._verdicts: asyncio.Queue[Verdict] = asyncio.Queue()
        self._words: dict[Address, asyncio.Queue[Word]] = {address: asyncio.Queue() for address in BODIES}
        self._granting = {address: Granting() for address in BODIES}
        self._began = 0.0

    async def play(self) -> None:
        """Raises SceneError where a step does not come, or comes otherwise."""
        person = chosen(self._population)
        async with AsyncExitStack() as stack:
            pcsw = await stack.enter_async_context(self._institution(_PCSW, outbox=MemoryOutbox()))
            bodies = {address: self._institution(address) for address in BODIES}
            for address, body in bodies.items():
                body.receives(TELL)(self._receiver(address))
                await stack.enter_async_context(body)
            pcsw.verdicts(self._verdicts.put)
            await asyncio.gather(*(body.supplying() for body in bodies.values()))
            self._began = time.perf_counter()
            await self._know(pcsw, person.identity)
            source = await self._grant(pcsw, person.ssin)
            for address in BODIES:
                await self._told(address, person.ssin, source)
            for address, body in bodies.items():
                await self._ask(address, body, person.ssin)

    async def _know(self, pcsw: Institution, who: Identity) -> None:
        """The PCSW says that it knows the person, in quality 2."""
        answer = await pcsw.consult(
            "RegisterIntegration/1",
            ssin=who.ssin,
            legal_context=_INQUIRY,
            criteria={
                "criteria/qualityCode": 2,
                "criteria/period/beginDate": today(),
                "criteria/proofOfAuthentication/personData/lastName": who.last_name,
                "criteria/proofOfAuthentication/personData/birthDate": who.born,
            },
        )
        self._step(_PCSW, _UP, "RegisterIntegration/1", f"quality 2: {answer.code}", answer.ticket_cbss)
        _expect(answer, "MSG00000")

    async def _grant(self, pcsw: Institution, person: Ssin) -> UUID:
        """The PCSW grants a living wage; the hub's ticket of it."""
        told = living_wage(_PCSW, person, Period(today(), None), _REFERENCE)
        entry = pcsw.mutation(
            GRANT,
            person=person,
            period=told.period,
            action=told.action,
            reference=told.reference,
            legal_context=_GRANT,
            content=[told.content] if told.content is not None else [],
        )
        ticket = ticket_cbss(_PCSW, entry.ticket)
        await pcsw.publish(entry)
        verdict = await _wait(self._verdicts.get(), "verdict on the grant")
        to = ", ".join(verdict.recipients)
        self._step(_PCSW, _UP, GRANT, f"CREATED; verdict {verdict.code}, told {to}", ticket)
        if verdict.code != "MSG00000" or str(network.STATUSES) not in verdict.recipients:
            raise SceneError(f"the grant: {verdict.code}, told {to or 'nobody'}")
        while verdict.kind != "definitive" or verdict.recipients != (str(network.STATUSES),):
            verdict = await _wait(self._verdicts.get(), "definitive answer of 25-1")
        self._step(network.STATUSES, _PCSW, GRANT, f"definitive answer {verdict.code}", ticket)
        return ticket

    async def _told(self, address: Address, person: Ssin, source: UUID) -> None:
        """25-1 tells a body, because of that grant and of nothing else."""
        word = await _wait(self._words[address].get(), f"status at {address}")
        [status] = statuses_in(word.root)
        run = f"{written(status.quarters.first)} to {written(status.quarters.last) if status.quarters.last else 'on'}"
        self._step(network.STATUSES, address, TELL, f"{word.says.action} {status.code}, {run}", word.ticket_cbss)
        if word.ssin != person or status.code != _STATUS or status.quarters.first != quarter_of(today()):
            raise SceneError(f"{address} was told something else")
        buffer = await Buffer.connect(self._access.statuses_url)
        try:
            because = {ticket_cbss(network.STATUSES, ticket) for ticket in await buffer.led_to(source)}
        finally:
            await buffer.close()
        if word.ticket_cbss not in because:
            raise SceneError(f"25-1 does not know that {word.ticket_cbss} is because of {source}")

    async def _ask(self, address: Address, body: Institution, person: Ssin) -> None:
        """A body that asks is answered what it knows already."""
        answer = await body.consult(ASK, ssin=person, legal_context=BODIES[address])
        codes = sorted(status.code for status in statuses_in(answer.root))
        self._step(address, network.STATUSES, ASK, f"{answer.code} {', '.join(codes)}", answer.ticket_cbss)
        _expect(answer, "MSG00000")
        if _STATUS not in codes or not self._granting[address].codes(person, quarter_of(today())) <= set(codes):
            raise SceneError(f"{address} asks, and is told otherwise than it was told before")

    def _receiver(self, address: Address) -> Callable[[Word], Awaitable[None]]:
        async def receive(word: Word) -> None:
            self._granting[address].told(word.ssin, word.says.action, word.says.reference, word.root)
            await self._words[address].put(word)

        return receive

    def _institution(self, address: Address, outbox: MemoryOutbox | None = None) -> Institution:
        urls = self._access.institution_urls(address)
        # What goes wrong ends the scene: the wire's own words would stand between its steps.
        return Institution(
            address, urls, catalogue=self._catalogue, timeout=_PATIENCE, outbox=outbox, observe=lambda _: None
        )

    def _step(
        self, sender: Address | str, receiver: Address | str, service: str, what: str, ticket: UUID | None
    ) -> None:
        ms = 1000 * (time.perf_counter() - self._began)
        self._tell(Step(str(sender), str(receiver), service, what, ticket, ms))


async def _wait(coming: Awaitable[_T], what: str) -> _T:
    try:
        return await asyncio.wait_for(coming, _PATIENCE)
    except TimeoutError:
        raise SceneError(f"no {what} within {_PATIENCE:g} s") from None


def chosen(population: Population) -> Person:
    """Somebody whom both bodies know and who never had a living wage; a number of the National Register."""
    for person in population.persons:
        if person.died is not None or person.scenario is not None or person.ssin.kind != "national":
            continue
        kinds = {row.kind for row in whereabouts.rows_at_the_hub(person) if row.ssin == person.ssin}
        if kinds.issuperset(BODIES) and not any(one.service == GRANT for one in told_of(person)):
            return person
    raise SceneError("a population this small has nobody whom both bodies know: make it larger")


def _expect(answer: Answer, code: str) -> None:
    if answer.code != code:
        raise SceneError(f"{answer.code}, not {code}")
