"""Institution 25-0 at work: it searches, gives numbers, and tells which numbers belong together."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self
from uuid import uuid5

from lxml import etree

from institutions.institution import Institution
from institutions.question import Question, UnknownSsin
from institutions.registers.registry import Candidate, Registry, Wanted, migrate
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.identity import IncompleteDate, IncompleteDateError
from schemas.message import day_at, find_all, text_at, text_of
from schemas.parser import Malformed, parse
from schemas.process.log import logger, told
from schemas.ssin import Ssin, SsinError
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Delivery

#: Who keeps them.
ADDRESS = Address(25, 0)
#: Candidates that are told, at most (RegisterPerson of the field: ExistingPersons).
MOST = 50
_SEARCH = "{urn:crossroads:services:SearchPerson:v1}searchPersonRequest"
_PREFETCH = 20
#: Seconds until what could not be noted is tried again.
_AGAIN = 1.0


class SearchFailed(CrossroadsError):  # noqa: N818
    """Other registers could not be searched: nobody is registered then."""


class Registers:
    """Use it with `async with`."""

    def __init__(
        self, address: Address, urls: Sequence[str], database_url: str, *, catalogue: Catalogue, patient: bool = False
    ) -> None:
        self.address, self._database_url = address, database_url
        self._institution = Institution(address, urls, catalogue=catalogue, patient=patient)
        self._told = AioPikaTransport(tuple(urls), name=f"{address} is told")
        self._registry: Registry | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        for service, supplier in (
            ("SearchPerson/1", self._search),
            ("RegisterPerson/1", self._register),
            ("RelatedSsins/1", self._related),
            ("CurrentSsin/1", self._current),
        ):
            self._institution.supplies(service)(supplier)

    @property
    def registry(self) -> Registry:
        if self._registry is None:
            raise RuntimeError("not within `async with`")
        return self._registry

    @property
    def connected(self) -> bool:
        return self._institution.connected and self._told.connected

    async def __aenter__(self) -> Self:
        await migrate(self._database_url)
        self._registry = await Registry.connect(self._database_url)
        await self._institution.__aenter__()
        await self._told.start()
        await self._told.consume(names.mutations(self.address), self._hear, prefetch=_PREFETCH)
        return self

    async def supplying(self) -> bool:
        return await self._institution.supplying()

    async def __aexit__(self, *error: Any) -> None:
        await self._institution.__aexit__(*error)
        await self._told.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.registry.close()

    # --- what it is asked -------------------------------------------------------------------------------------------

    async def _search(self, question: Question) -> list[etree._Element] | None:
        wanted = wanted_of(question.root)
        if not wanted.sound:
            return None
        return found_elements(await self.registry.search(wanted), question.root)

    async def _register(self, question: Question) -> list[etree._Element] | None:
        wanted, ticket = wanted_of(question.root), question.ticket_cbss
        if ticket is None or not wanted.sound:
            return None
        confirmed = {Ssin(digits) for one in find_all(question.root, "criteria/confirmed") if (digits := text_of(one))}
        elsewhere = await self._search_elsewhere(question, wanted)
        given = await self.registry.register(wanted, elsewhere, confirmed, ticket)
        if isinstance(given, Ssin):
            return [question.element("newlyRegistered", given.digits)]
        return [candidate_element("existing", one) for one in given[: 2 * MOST]]

    async def _search_elsewhere(self, question: Question, wanted: Wanted) -> list[Candidate]:
        """Asked of the hub as any institution asks, in the legal context of the question."""
        ticket = uuid5(question.ticket_cbss, "search") if question.ticket_cbss else None
        criteria = [
            question.element("lastName", wanted.last_name),
            *(question.element("firstName", name) for name in wanted.first_names[:1]),
            question.element("birthDate", str(wanted.birth_date)),
            question.element("gender", wanted.gender),
        ]
        root = etree.Element(_SEARCH)
        root.append(
            question.element(
                "informationCustomer",
                question.element("ticket", str(ticket)),
                question.element(
                    "customerIdentification",
                    question.element("sector", self.address.sector),
                    question.element("institution", self.address.type),
                ),
            )
        )
        root.append(question.element("legalContext", question.legal_context or ""))
        root.append(question.element("criteria", *criteria))
        answer = await self._institution.send(
            etree.tostring(root), type="SearchPerson/1", timeout=max(question.left, 0.1)
        )
        if answer.value not in ("DATA_FOUND", "NO_DATA_FOUND"):
            raise SearchFailed("the other registers could not be searched")
        return [candidate for one in find_all(answer.root, "part/person") if (candidate := _candidate(one)) is not None]

    async def _related(self, question: Question) -> list[etree._Element]:
        numbers = await self._numbers(question)
        return [
            question.element(
                "number",
                question.element("ssin", ssin.digits),
                question.element("replacedBy", newer.digits) if newer is not None else None,
            )
            for ssin, newer in numbers
        ]

    async def _current(self, question: Question) -> list[etree._Element]:
        newer = dict(await self._numbers(question))
        current = question.ssin
        for _ in newer:
            current = newer.get(current) or current
        return [question.element("currentSsin", current.digits)]

    async def _numbers(self, question: Question) -> list[tuple[Ssin, Ssin | None]]:
        if numbers := await self.registry.related(question.ssin):
            return numbers
        raise UnknownSsin

    # --- what it is told --------------------------------------------------------------------------------------------

    def _hear(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._note(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self, delivery: Delivery) -> None:
        """A number was replaced: noted, then acked. What is none of the hub's words is dropped."""
        word = _replacement(delivery)
        while word is not None:
            try:
                await self.registry.replace(*word)
                break
            except Exception as error:  # noqa: BLE001 (whatever ails the database, the word is kept)
                logger().warning("not noted", institution=str(self.address), **told(error))
                await asyncio.sleep(_AGAIN)
        await self._told.ack(delivery)


def _replacement(delivery: Delivery) -> tuple[Ssin, Ssin, Any] | None:
    if delivery.properties.user_id != names.HUB or delivery.properties.type != "SsinReplaced/1":
        return None
    try:
        root = parse(delivery.body)
        old, new = (Ssin.parse(text_at(root, f"criteria/{name}") or "") for name in ("ssin", "newSsin"))
    except (Malformed, SsinError):
        return None
    day = day_at(root, "criteria/day")
    return None if day is None else (old, new, day)


# --- words of the two searches --------------------------------------------------------------------------------------


def wanted_of(root: etree._Element) -> Wanted:
    """Who is meant, by the criteria of SearchPerson or RegisterPerson. Raises IncompleteDateError."""
    first = (text_of(name) for name in find_all(root, "criteria/firstName"))
    return Wanted(
        text_at(root, "criteria/lastName") or "",
        tuple(filter(None, first)),
        IncompleteDate.parse(text_at(root, "criteria/birthDate") or ""),
        int(text_at(root, "criteria/gender") or 0),
        int(text_at(root, "criteria/tolerance") or 0),
    )


def found_elements(found: Sequence[Candidate], root: etree._Element) -> list[etree._Element] | None:
    """What SearchPerson tells of them: as many as are wanted, at most 50, and whether there are more; None: nobody."""
    most = int(text_at(root, "criteria/maximum") or MOST)
    told_ = [candidate_element("person", one) for one in found[:most]]
    return [*told_, Question.element("more", len(found) > most)] if told_ else None


def candidate_element(name: str, one: Candidate) -> etree._Element:
    return Question.element(
        name,
        Question.element("ssin", one.ssin.digits),
        Question.element("register", one.register),
        Question.element("lastName", one.last_name),
        *(Question.element("firstName", first) for first in one.first_names[:9]),
        Question.element("birthDate", str(one.birth_date)),
        Question.element("gender", one.gender),
    )


def _candidate(element: etree._Element) -> Candidate | None:
    try:
        return Candidate(
            Ssin(text_at(element, "ssin") or ""),
            text_at(element, "register") or "",
            text_at(element, "lastName") or "",
            tuple(filter(None, map(text_of, find_all(element, "firstName")))),
            IncompleteDate.parse(text_at(element, "birthDate") or ""),
            int(text_at(element, "gender") or 0),
        )
    except (SsinError, IncompleteDateError):
        return None
