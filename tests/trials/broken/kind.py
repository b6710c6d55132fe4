"""What a kind of broken input is: variants of it, and the one outcome that follows from the kind."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from schemas.ssin import Ssin
from tests.hub import services
from tests.hub.star import CONTEXT

#: Variants of a kind, unless it says otherwise.
EACH = 16
OWN = "<sector>64</sector><institution>0</institution>"


@dataclass(frozen=True, slots=True)
class Told:
    """The hub answers the sender, with this code and, of a response, this value (None: a fault)."""

    code: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ByBroker:
    """The broker refuses it itself: returns it, closes the channel or closes the connection, with one of these."""

    codes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Parked:
    """It lands in `hub.dead`, whose header `reason` (or what the broker says in its own) holds these words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """No request at all, so nobody is owed an answer: it is acked, and counted as a reply to nothing."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Some code, whichever the accident makes of it, but never that of a bug of the hub's."""


Outcome = Told | ByBroker | Parked | Ignored | Clear
DATA_FOUND = Told("MSG00000", "DATA_FOUND")


@dataclass(frozen=True, slots=True)
class Variant:
    """One input. Its `note` says in a failure which it was; it holds nothing of a person."""

    note: str
    body: bytes = field(repr=False)
    #: Beside or instead of those of a right request; None takes one away.
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sender: str = "64-0"
    exchange: str | None = None
    key: str = "online"
    #: Sent first, and answered with data: what the variant then repeats otherwise.
    first: bytes | None = field(default=None, repr=False)
    #: The frames themselves, instead of all this.
    frames: bytes | None = field(default=None, repr=False)
    #: Questions to suppliers that it leads to although it is not answered with data.
    asked: int = 0


class Maker:
    """Makes a kind's requests: about one person, all numbers and tickets from one seed."""

    def __init__(self, seed: str, ssin: Ssin, name: str, listener: str, reply_queue: str) -> None:
        """`name`: a name that is in every body. `listener`: host and port of who must not be called."""
        self.random = random.Random(seed)
        self.ssin, self.name, self.listener, self.reply_queue = ssin, name, listener, reply_queue

    def ticket(self) -> str:
        """A new one."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def request(
        self,
        ssin: str = "",
        *,
        service: str = "Probe/1",
        ticket: str | None = "",
        customer: str = OWN,
        context: str = CONTEXT,
        period: tuple[str, str] | None = None,
        more: str = "",
    ) -> str:
        """A right request, with the name in a comment. Without `ticket` it has a new one, None: none."""
        name, _, version = service.partition("/")
        ticket_element = "" if ticket is None else f"<ticket>{ticket or self.ticket()}</ticket>"
        asked = f"<period><beginDate>{period[0]}</beginDate><endDate>{period[1]}</endDate></period>" if period else ""
        return (
            f'<r:request xmlns:r="{services.namespace(name, version)}"><!-- {self.name} --><informationCustomer>'
            f"{ticket_element}<customerIdentification>{customer}</customerIdentification></informationCustomer>"
            f"<legalContext>{context}</legalContext>"
            f"<criteria><ssin>{ssin or self.ssin.digits}</ssin>{asked}{more}</criteria></r:request>"
        )

    def body(self, ssin: str = "", **request: Any) -> bytes:
        return self.request(ssin, **request).encode()

    def edited(self, *edits: tuple[str, str], **request: Any) -> bytes:
        """A right request with these exchanges made in it. Each must find its place."""
        text = self.request(**request)
        for old, new in edits:
            if old not in text:
                raise ValueError(f"nothing to edit: {old[:40]!r}")
            text = text.replace(old, new, 1)
        return text.encode()


Make = Callable[[Maker], Iterator[Variant]]


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    outcome: Outcome
    variants: Make
    #: The hub takes nothing meanwhile.
    paused: bool = False


#: Every kind, in the order in which they were written.
KINDS: list[Kind] = []


def kind(name: str, outcome: Outcome, *, paused: bool = False) -> Callable[[Make], Make]:
    """Put a generator of variants into the table."""

    def put(make: Make) -> Make:
        if any(known.name == name for known in KINDS):
            raise ValueError(f"two kinds are called {name!r}")
        KINDS.append(Kind(name, outcome, make, paused))
        return make

    return put
