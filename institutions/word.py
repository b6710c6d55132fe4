"""What an institution is told without having asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from lxml import etree

from schemas.address import Address
from schemas.message import day_at, text_at
from schemas.service import Service
from schemas.ssin import Ssin


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

    @property
    def ssin(self) -> Ssin:
        """The number of the person it is about. LookupError where it is about nobody in particular."""
        if self.person is None:
            raise LookupError(f"{self.service.type} is about nobody in particular")
        return self.person

    def text(self, path: str) -> str | None:
        """The text at a path of local names below the root: `criteria/newSsin`. None where there is none."""
        return text_at(self.root, path)

    def day(self, path: str) -> date | None:
        """The day at a path of local names below the root; None where there is none."""
        return day_at(self.root, path)


Receiver = Callable[[Word], Awaitable[None]] | Callable[[Word], None]
"""The institution's own code: it returns when what it was told is kept, and raises where it could not."""
