"""What the behaviours need of a network, be it the double or a real hub on a real broker."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from lxml import etree

from institutions import Answer, Institution, Question
from schemas.ssin import Ssin, check_digits

SERVICES = Path(__file__).parent.parent / "services"
CONTEXT = "TEST:PERMITS"

#: 17-0 may ask Permit/1 of 5-0 and Permits/1 of 5-0 and 16-0, knowing the person in quality 1; 7-0 may ask nothing.
CUSTOMER, STRANGER = "17-0", "7-0"
SUPPLIER, SECOND = "5-0", "16-0"

_numbers = itertools.count(1)


class Network(Protocol):
    """A hub and those around it."""

    def institution(self, address: str, **options: Any) -> Institution:
        """An institution of it, not yet entered."""
        ...

    async def integrate(
        self,
        ssin: Ssin,
        kind: str,
        *,
        quality: int = 1,
        begin: date = date(2000, 1, 1),
        end: date | None = None,
        replaced_by: Ssin | None = None,
    ) -> None:
        """This sector and type knows the person."""
        ...

    async def tell(self, address: str, ssin: Ssin, said: str, *, word_id: UUID | None = None) -> UUID:
        """The hub tells this institution, which receives words already, a `Notice/1`; the word's id."""
        ...

    async def cut(self, address: str) -> None:
        """Every connection of this institution drops; it may come back."""
        ...


Opened = Callable[[], AbstractAsyncContextManager[Network]]


def person() -> Ssin:
    """Somebody nobody has heard of yet."""
    n = next(_numbers)
    nine = f"60{1 + n // 800 % 12:02d}{1 + n // 9600:02d}{1 + n % 800:03d}"
    return Ssin.parse(nine + check_digits(nine, born_2000=False))


async def known(network: Network, *kinds: str) -> Ssin:
    """A new person, known at these."""
    ssin = person()
    for kind in kinds:
        await network.integrate(ssin, kind)
    return ssin


def permit(number: str) -> etree._Element:
    """Data of the test services."""
    element = Question.element
    return element("permit", element("number", number), element("grantedOn", date(2020, 2, 29)))


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True)


def ended(answer: Answer) -> tuple[str, str | None, str]:
    """Kind, value and code: what a status table says."""
    return answer.kind, answer.value, answer.code
