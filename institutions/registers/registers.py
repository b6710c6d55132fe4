"""Institution 25-0 at work: it searches, gives numbers, and tells which numbers belong together."""

from collections.abc import Sequence
from typing import Any, Self
from uuid import uuid5

from lxml import etree

from institutions.institution import Institution
from institutions.question import InvalidData, Question, UnknownSsin
from institutions.registers.registry import Candidate, Registry, Wanted, migrate
from institutions.word import Word
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.identity import IncompleteDate, IncompleteDateError
from schemas.message import find_all, text_at, text_of
from schemas.period import today
from schemas.ssin import Ssin, SsinError

#: Candidates that are told, at most (RegisterPerson of the field: ExistingPersons).
MOST = 50
_SEARCH = "{urn:crossroads:services:SearchPerson:v1}searchPersonRequest"


class SearchFailed(CrossroadsError):  # noqa: N818
    """Other registers could not be searched: nobody is registered then."""


class Registers:
    """Use it with `async with`. `options`: of the `Institution` that it is."""

    def __init__(self, address: Address, urls: Sequence[str], database_url: str, **options: Any) -> None:
        self.address, self._database_url = address, database_url
        self._institution = Institution(address, urls, **options)
        self._registry: Registry | None = None
        for service, supplier in (
            ("IdentifyPerson/1", self._identify),
            ("SearchPerson/1", self._search),
            ("RegisterPerson/1", self._register),
            ("RelatedSsins/1", self._related),
            ("CurrentSsin/1", self._current),
        ):
            self._institution.supplies(service)(supplier)
        self._institution.receives("SsinReplaced/1")(self._note)

    @property
    def registry(self) -> Registry:
        if self._registry is None:
            raise RuntimeError("not within `async with`")
        return self._registry

    @property
    def connected(self) -> bool:
        return self._institution.connected

    async def __aenter__(self) -> Self:
        await migrate(self._database_url)
        self._registry = await Registry.connect(self._database_url)
        await self._institution.__aenter__()
        return self

    async def supplying(self) -> bool:
        return await self._institution.supplying()

    async def __aexit__(self, *error: Any) -> None:
        await self._institution.__aexit__(*error)
        await self.registry.close()

    # --- what it is asked -------------------------------------------------------------------------------------------

    async def _identify(self, question: Question) -> list[etree._Element]:
        """Who has this number today; of a replaced one nobody has."""
        if (found := await self.registry.person(question.ssin)) is None:
            raise UnknownSsin
        return [candidate_element("person", found)]

    async def _search(self, question: Question) -> list[etree._Element] | None:
        wanted = wanted_of(question.root)
        return found_elements(await self.registry.search(wanted), question.root)

    async def _register(self, question: Question) -> list[etree._Element] | None:
        wanted, ticket = wanted_of(question.root), question.ticket_cbss
        if ticket is None:
            raise ValueError("a question without ticketCBSS")
        if wanted.birth_date.is_after(today()):
            raise InvalidData("a birth date that has come")
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

    async def _note(self, word: Word) -> None:
        """A number was replaced. Noted again, nothing changes."""
        new, day = word.text("criteria/newSsin"), word.day("criteria/day")
        if new is not None and day is not None:
            await self.registry.replace(word.ssin, Ssin.parse(new), day)


# --- words of the two searches --------------------------------------------------------------------------------------


def wanted_of(root: etree._Element) -> Wanted:
    """Who is meant, by the criteria of SearchPerson or RegisterPerson. Raises InvalidData where nothing of the last
    name can be heard, and for a birth date that is none."""
    first = (text_of(name) for name in find_all(root, "criteria/firstName"))
    try:
        born = IncompleteDate.parse(text_at(root, "criteria/birthDate") or "")
    except IncompleteDateError as error:
        raise InvalidData(f"birthDate: {error}") from None
    wanted = Wanted(
        text_at(root, "criteria/lastName") or "",
        tuple(filter(None, first)),
        born,
        int(text_at(root, "criteria/gender") or 0),
        int(text_at(root, "criteria/tolerance") or 0),
    )
    if not wanted.sound:
        raise InvalidData("lastName: a name with letters")
    return wanted


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
