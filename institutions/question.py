"""What a supplier is asked, and what it may say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from time import monotonic
from uuid import UUID

from lxml import etree

from institutions.errors import InstitutionError
from institutions.request import Content, text_of
from schemas.address import Address
from schemas.period import Period
from schemas.service import Service
from schemas.ssin import Ssin


class UnknownSsin(InstitutionError):  # noqa: N818  what a supplier raises, named by what it says
    """Raise it in a supplier: there is no such number (NO_RESULT, MSG00005)."""


class Deceased(InstitutionError):  # noqa: N818
    """Raise it in a supplier: the person has died (NO_DATA_FOUND, MSG00009). In a service that answers about the dead
    as about the living (`question.refuses_deceased` is false) give the data instead."""

    def __init__(self, on: date | None = None) -> None:
        super().__init__("the person has died")
        self.on = on


class InvalidData(InstitutionError):  # noqa: N818
    """Raise it in a supplier: the request keeps to its schema, and what it says cannot be (NO_RESULT, MSG00008).
    `expected`: what would be right, which the asker is told; nothing of what was said."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected: {expected}")
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer in bytes that are not to be touched. `data`: the data elements, each with the namespaces it uses;
    `whole`: everything from `status` on."""

    data: bytes = field(repr=False)
    whole: bool = False


Answering = Sequence[etree._Element] | etree._Element | Raw | None
"""What a supplier returns: data elements, or None where it has none (MSG00100)."""

Supplier = Callable[["Question"], Awaitable[Answering]] | Callable[["Question"], Answering]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the hub's. Who it is about is in no repr: `ssin.digits` gives the number, deliberately."""

    service: Service
    #: Who is asked.
    supplier: Address
    #: None: nobody in particular, as the service has it.
    person: Ssin | None = field(repr=False)
    #: The asked period; of a service without one, today.
    period: Period = field(repr=False)
    #: Who asks, as the hub says it; in a service with several suppliers and relays the first asker.
    customer: Address | None
    legal_context: str | None
    ticket_cbss: UUID | None
    #: The whole request.
    root: etree._Element = field(repr=False)
    #: When the hub's patience ends, in `time.monotonic()` seconds.
    deadline: float = field(repr=False)

    @property
    def ssin(self) -> Ssin:
        """The number of the person asked about. LookupError for a service that asks about nobody in particular."""
        if self.person is None:
            raise LookupError(f"{self.service.type} asks about nobody in particular")
        return self.person

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - monotonic()

    @property
    def refuses_deceased(self) -> bool:
        """Whether this service says MSG00009 of the dead (raise `Deceased`) and nothing else."""
        return self.service.deceased == "refuse"

    @staticmethod
    def element(name: str, *content: Content | etree._Element | None, **attributes: str) -> etree._Element:
        """An element for the answer: text, or elements in it; what is None is left out. Values are written as XML
        Schema writes them (dates, booleans, decimals)."""
        made = etree.Element(name, attrib=attributes)
        for piece in content:
            if isinstance(piece, etree._Element):
                made.append(piece)
            elif isinstance(piece, str | int | bool | Decimal | date | datetime):
                made.text = (made.text or "") + text_of(piece)
        return made
