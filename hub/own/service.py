"""What a service that the hub answers is made of; `hub/own/acting.py` walks it.

docs/integrations.md, "The journey"."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from lxml import etree

from hub.admission import Admitted, Asked, Refused
from hub.journal import PersonKeys
from hub.repertory.database import Connection
from hub.repertory.rules import Authorisation, Rules
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import Request, Status
from schemas.parser import Information
from schemas.ssin import Ssin


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed the checks 1 to 13, for a service that the hub answers."""

    request: Request
    #: Customer, legal context, person and period asked about.
    asked: Asked
    #: Whose broker user sent it: the customer, or the relay of its network.
    sender: Address
    #: The authorisations that fit, in the order in which they are tried; never empty.
    fitting: tuple[Authorisation, ...]
    #: The rules that it began with.
    rules: Rules
    #: The services there are.
    catalogue: Catalogue
    #: Under which the journal has persons' hashes.
    keys: PersonKeys
    ticket_cbss: UUID
    #: When the hub had it.
    received: datetime
    #: When it must be answered, by `time.monotonic`.
    deadline: float

    @property
    def customer(self) -> Address:
        return self.asked.customer


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ends: a code of `schemas.codes`, told as status or fault as the catalogue says, and the data."""

    code: str = "MSG00000"
    #: May hold a person's number.
    information: Information = field(default=(), repr=False)
    #: Elements behind `status`; of a status code alone.
    data: Sequence[etree._Element] = field(default=(), repr=False)
    #: Institutions that were asked and did not answer.
    silent: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """A valid response of an institution that the hub asked in a customer's name."""

    supplier: Address
    root: etree._Element = field(repr=False)
    status: Status


class Others(Protocol):
    """Institutions, asked on the way of one call."""

    async def ask(
        self, service_type: str, suppliers: Sequence[Address], criteria: Sequence[etree._Element]
    ) -> list[Answered | None]:
        """Put a question of this service to each at once, in the customer's name and under its ticket. In their order;
        None: silent, late, or what came was no valid response. Never raises for what they do."""
        ...

    async def fetch(self, query: str, *values: Any) -> Sequence[Any]:
        """Rows of one of the hub's named queries, outside any transaction. Raises RepertoryUnavailableError."""
        ...


class OwnService(Protocol):
    """One service. Stateless: any hub may walk any step of it, and each again."""

    def decide(self, call: Call) -> Admitted | Refused:
        """Its own checks. Pure; the verdict is journalled before anything else happens. An admitted one has no
        suppliers but those that `prepare` asks."""
        ...

    async def prepare(self, call: Call, others: Others) -> Any:
        """What must be known of others; changes nothing. An `Ending` ends it here. Made anew each time it comes."""
        ...

    def persons(self, call: Call) -> Sequence[Ssin]:
        """Whose rows are locked while `act` runs; none for a service that changes nothing."""
        ...

    async def act(self, call: Call, prepared: Any, connection: Connection, now: datetime) -> Ending:
        """The effect, within the one transaction that also writes the outcome. `now`: the moment its rows are known
        from. Raises what asyncpg raises: nothing was done then."""
        ...

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        """It was told `ending.code` at `told`: the same with its data, of the rows as they were then. Only of a service
        that changes something."""
        ...
