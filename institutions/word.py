"""What an institution is told without having asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from lxml import etree

from institutions.supply import ADDED
from schemas.address import Address
from schemas.distribution import Entitled
from schemas.message import Mutation, Request, day_at, read_mutation, read_request, text_at
from schemas.parser import MAX_ONLINE, Malformed, parse
from schemas.period import Period
from schemas.service import Service
from schemas.ssin import Ssin, SsinError


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the centre's, valid against its service's schema. It may come again, with the same `id`. Who it is
    about is in no repr."""

    service: Service
    #: Who is told.
    recipient: Address
    #: The same each time this word comes: what was done under it is done. The hub's ticketCBSS.
    id: str
    ticket_cbss: UUID | None
    #: None: about nobody in particular, as the service has it.
    person: Ssin | None = field(repr=False)
    #: The whole message.
    root: etree._Element = field(repr=False)
    #: Its place among the words of this institution, 1, 2, 3 ...; None: it has none.
    position: int | None = None
    #: `M`; of `Z` the sender is told how it went; empty: a word of the hub's own.
    flow: str = ""
    #: The rows of the distribution table by which it is told.
    entitled: tuple[Entitled, ...] = ()
    #: As it came.
    body: bytes = field(default=b"", repr=False)
    #: It was given up as lost, and others were applied before it.
    late: bool = False

    @property
    def ssin(self) -> Ssin:
        """The number of the person it is about. LookupError where it is about nobody in particular."""
        if self.person is None:
            raise LookupError(f"{self.service.type} is about nobody in particular")
        return self.person

    @property
    def says(self) -> Mutation:
        """Action, reference, distribution code and destinations of a mutation."""
        return read_mutation(self.root)

    @property
    def period(self) -> Period | None:
        """The days on which the change holds; None where it says none."""
        path = self.service.period
        begin = day_at(self.root, f"{path}/beginDate") if path is not None else None
        return None if begin is None else Period(begin, day_at(self.root, f"{path}/endDate"))

    def text(self, path: str) -> str | None:
        """The text at a path of local names below the root: `criteria/newSsin`. None where there is none."""
        return text_at(self.root, path)

    def day(self, path: str) -> date | None:
        """The day at a path of local names below the root; None where there is none."""
        return day_at(self.root, path)


def read_word(service: Service, recipient: Address, word_id: str, ticket_cbss: UUID | None, body: bytes) -> Word | None:
    """A word's message, read. None: it breaks its schema, or its number is none: nothing that a centre says."""
    try:
        root = parse(body, limit=MAX_ONLINE + ADDED)
        request = read_request(service, body, root)
        if not isinstance(request, Request):
            return None
        person = Ssin.parse(request.ssin_text) if service.ssin else None
    except (Malformed, SsinError):
        return None
    return Word(service, recipient, word_id, ticket_cbss, person, root, body=body)


Receiver = Callable[[Word], Awaitable[None]] | Callable[[Word], None] | Callable[[Word, Any], Awaitable[None]]
"""The institution's own code: it returns when what it was told is kept, and raises where it could not. One with two
parameters gets the inbox's connection: what it does over it is committed with the position, both or nothing."""


class Unprocessable(Exception):  # noqa: N818  what the design calls it
    """What the institution's own code raises at a mutation that it will never be able to take: it is done with, and
    the sender of a Z is told so by a definitive answer with `code`."""

    def __init__(self, code: str = "CRB00020") -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Missed:
    """A word that cannot be had any more: its place was passed over."""

    position: int
    service: str
    #: `withheld`: the right to it ended; `lost`: its owner does not have it, or does not answer.
    why: str
