"""The rules as the hub holds them in memory: the register, and three of the repertory's four tables.

Frozen values. A row is cited by its `id` and `version`: the same id with the next version says something else, and the
store keeps both (design section 5, "so that a past decision can be told again with the rows of that day").
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TypeVar

from schemas.address import Address
from schemas.integration import DEFINITIVE, PROVISIONAL, REPLACED
from schemas.period import Period
from schemas.sectors import qualities_of

_K = TypeVar("_K")
_V = TypeVar("_V")

#: Requests a second that an institution may send where its row says nothing.
DEFAULT_RATE = 200


@dataclass(frozen=True, slots=True)
class RowId:
    """What the journal cites: a row of the rules, as it was."""

    id: str
    version: int

    def __str__(self) -> str:
        return f"{self.id} v{self.version}"


@dataclass(frozen=True, slots=True)
class Institution:
    """A row of the register: who is connected, and through whom."""

    #: Without enterprise number: directly connected. With one: a cooperating institution of `managed_by`.
    address: Address
    #: Enterprise number, 10 digits. Several addresses may share one.
    cbe: str
    name: str
    #: Who manages the secondary network it belongs to; None: connected to the hub itself.
    managed_by: Address | None = None
    #: An inactive one is told so (CRB00006), and nobody may speak for it.
    active: bool = True
    #: Requests a second it may send to each hub.
    rate: int = DEFAULT_RATE
    version: int = field(default=0, compare=False)

    @property
    def id(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Availability:
    """A sector and type, in this quality, holds the data of this service."""

    #: `Name` for every version, `Name/2` for that one.
    service: str
    #: Sector and type, also of cooperating institutions: `11-1`.
    address: Address
    #: Of the persons it has integrated in this quality; None: of everybody (the National Register).
    quality: int | None
    #: `online`, or `batch`: it answers in its own time.
    mode: str = "online"
    version: int = field(default=0, compare=False)

    @property
    def id(self) -> str:
        return f"{self.service} {self.address} {'everybody' if self.quality is None else self.quality}"


@dataclass(frozen=True, slots=True)
class Deliberation:
    """The Information Security Committee's decision that an authorisation stands on."""

    number: str
    decided: date
    #: Days on which the committee changed it.
    changes: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorisation:
    """This sector and type may, in this legal context, for persons it knows so, ask this service of these suppliers."""

    #: Chosen by who writes the file; unique over all files. Those that fit are tried in the order of their ids.
    id: str
    #: Sector and type.
    customer: Address
    legal_context: str
    service: str
    #: The customer must know the person in one of these.
    qualities: frozenset[int]
    #: ... and in this phase or a later one; None: in any.
    min_phase: int | None
    #: Sectors and types that may be asked.
    suppliers: tuple[Address, ...]
    #: Elements of the response that are cut: paths of local names below its root.
    without: tuple[str, ...]
    deliberation: Deliberation
    #: Days on which it may be used.
    valid: Period
    #: A mutation under it registers the person in this quality, where the customer does not know him so; None: never.
    integrate: int | None = None
    version: int = field(default=0, compare=False)

    @property
    def row(self) -> RowId:
        return RowId(self.id, self.version)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A mutation of this service goes to this sector and type, for the persons that it knows so."""

    service: str
    recipient: Address
    #: It must know the person in one of these; empty with `everybody`.
    qualities: frozenset[int]
    #: Elements of the mutation that are cut: paths of local names below its root.
    without: tuple[str, ...]
    deliberation: Deliberation
    #: Days on which it may be used.
    valid: Period
    #: Whether it is told of everybody.
    everybody: bool = False
    #: Distribution codes that it is told; empty: every message, with any code or none.
    codes: frozenset[str] = frozenset()
    #: `active`: the person is known on a day of the message's period; `all`: in whatever period.
    dossiers: str = "active"
    #: One named as destination who does not know the person is registered in this quality; None: never.
    integrate: int | None = None
    version: int = field(default=0, compare=False)

    @property
    def id(self) -> str:
        known = "everybody" if self.everybody else ",".join(map(str, sorted(self.qualities)))
        return " ".join((self.service, str(self.recipient), known, *sorted(self.codes)))


Row = Institution | Availability | Authorisation | Distribution


def fits(service: str, service_type: str) -> bool:
    """Whether a row that names `service` (`Name` or `Name/2`) speaks of `service_type` (`Name/2`)."""
    return service in (service_type, service_type.partition("/")[0])


def is_significant(kind: Address, quality: int) -> bool:
    """Whether the quality says why the person is known there: not a provisional or merely definitive registration.

    Quality 0 is significant in the sectors that have no list of their own.
    """
    if quality == DEFINITIVE:
        return not qualities_of(kind.sector).keys() - _EVERYWHERE
    return quality not in _EVERYWHERE


_NOBODY: frozenset[Address] = frozenset()
_EVERYWHERE = frozenset((DEFINITIVE, PROVISIONAL, REPLACED))


class Rules:
    """All rules of one moment. Never changed: a reload makes another one; work in hand keeps the one it began with."""

    __slots__ = ("_authorisations", "_availabilities", "_distributions", "_later", "_managers", "_members",
                 "authorisations", "availabilities", "distributions", "institutions", "number")  # fmt: skip

    def __init__(self, rows: Iterable[Row] = (), *, number: int = 0) -> None:
        """`number` is the load that made these rules; each load has a higher one."""
        self.number = number
        institutions: dict[Address, Institution] = {}
        availabilities: list[Availability] = []
        authorisations: list[Authorisation] = []
        distributions: list[Distribution] = []
        for row in rows:
            match row:
                case Institution():
                    institutions[row.address] = row
                case Availability():
                    availabilities.append(row)
                case Authorisation():
                    authorisations.append(row)
                case Distribution():
                    distributions.append(row)
        self.institutions: Mapping[Address, Institution] = MappingProxyType(
            dict(sorted(institutions.items(), key=lambda item: item[0]))
        )
        #: In the order in which they are tried.
        self.authorisations: tuple[Authorisation, ...] = tuple(sorted(authorisations, key=lambda row: row.id))
        self.availabilities: tuple[Availability, ...] = tuple(sorted(availabilities, key=lambda row: row.id))
        self.distributions: tuple[Distribution, ...] = tuple(sorted(distributions, key=lambda row: row.id))
        self._members = _grouped((i.managed_by, i) for i in self.institutions.values() if i.managed_by is not None)
        self._managers = {i.address.kind: i.managed_by for i in self.institutions.values() if i.managed_by is not None}
        self._authorisations = _grouped(((a.customer, a.legal_context), a) for a in self.authorisations)
        self._availabilities = _grouped((a.service, a) for a in self.availabilities)
        self._later = _grouped((a.service, self.asked_as(a.address)) for a in self.availabilities if a.mode == "batch")
        self._distributions = _grouped((d.service, d) for d in self.distributions)

    def rows(self) -> tuple[Row, ...]:
        """Every row, of all four kinds."""
        return (*self.institutions.values(), *self.availabilities, *self.authorisations, *self.distributions)

    def members(self, managing: Address) -> Sequence[Institution]:
        """The cooperating institutions of the network that `managing` manages, active or not, by address."""
        return self._members.get(managing, ())

    def asked_as(self, kind: Address) -> Address:
        """Where the hub asks a sector and type: at the managing institution of its network, else at itself."""
        return self._managers.get(kind, kind)

    def authorised(
        self, customer: Address, legal_context: str, service_type: str, day: date
    ) -> tuple[Authorisation, ...]:
        """What `customer` may ask in this context on this day, in the order in which it is tried."""
        rows = self._authorisations.get((customer.kind, legal_context), ())
        return tuple(row for row in rows if fits(row.service, service_type) and row.valid.contains(day))

    def rights(self, customer: Address) -> tuple[Authorisation, ...]:
        """Every authorisation of this customer's sector and type, past and future ones too, by id."""
        return tuple(row for row in self.authorisations if row.customer == customer.kind)

    def available(self, service_type: str) -> tuple[Availability, ...]:
        """The rows that say who holds the data of this service."""
        name = service_type.partition("/")[0]
        return (*self._availabilities.get(name, ()), *self._availabilities.get(service_type, ()))

    def holders(self, service_type: str) -> tuple[Address, ...]:
        """Sectors and types that may be asked this service: those with an availability row; where no row names the
        service, the suppliers that its authorisations name."""
        if rows := self.available(service_type):
            return tuple(sorted({row.address for row in rows}))
        named = {kind for row in self.authorisations if fits(row.service, service_type) for kind in row.suppliers}
        return tuple(sorted(named))

    def answers_in_batch(self, service_type: str, kind: Address) -> bool:
        """Whether a sector and type answers this service in its own time."""
        return any(row.mode == "batch" and row.address == kind for row in self.available(service_type))

    def later(self, service_type: str) -> frozenset[Address]:
        """Whom the hub asks this service in their own time."""
        if not self._later:
            return _NOBODY
        name = service_type.partition("/")[0]
        return frozenset((*self._later.get(name, ()), *self._later.get(service_type, ())))

    def recipients(self, service_type: str) -> tuple[Distribution, ...]:
        """The rows that say whom a mutation of this service goes to."""
        name = service_type.partition("/")[0]
        return (*self._distributions.get(name, ()), *self._distributions.get(service_type, ()))


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, tuple[_V, ...]]:
    groups: defaultdict[_K, list[_V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(values) for key, values in groups.items()}
