"""Can these rules be, taken together and with the services there are? What an operator is told before a load."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.repertory.rules import Authorisation, Availability, Distribution, Institution, Row, Rules, fits
from schemas.address import Address
from schemas.sectors import SECTORS, QualityError, check_quality


class KnownService(Protocol):
    """What a review must know of a service; `schemas.service.Service` has it."""

    @property
    def type(self) -> str:
        """`Name/version`."""
        ...

    @property
    def combine(self) -> str | None:
        """The element of one supplier's part; None: a service of one supplier."""
        ...

    @property
    def ssin(self) -> str:
        """Where the person's number stands; empty: it is about nobody in particular."""
        ...

    @property
    def answered_by(self) -> str:
        """`suppliers`, or `hub`: itself."""
        ...

    @property
    def mode(self) -> str:
        """`online` or `mutation`."""
        ...

    def why_not_omit(self, path: str) -> str | None:
        """The sentence that says why the elements at a path of the response may not be cut; None: they may."""
        ...

    def why_not_omit_request(self, path: str) -> str | None:
        """The same of the request: what a recipient of a mutation does not get."""
        ...


@dataclass(frozen=True, slots=True)
class Review:
    """What was found: one line each, `file:line: field: sentence`."""

    errors: tuple[str, ...]
    remarks: tuple[str, ...]


class KnownServices(Protocol):
    """The services there are; `schemas.catalogue.Catalogue` is one."""

    @property
    def services(self) -> Mapping[str, KnownService]:
        """By type, `Name/version`."""
        ...


#: A row and where it stands: `file:line`.
Placed = tuple[str, Row]


def review(new: Sequence[Placed], others: Sequence[Placed], catalogue: KnownServices) -> Review:
    """Hold the rows of the files that are loaded (`new`) against each other, against those of all other files
    (`others`, which stay), and against the catalogue."""
    return _Review(new, others, catalogue.services).made()


class _Review:
    def __init__(self, new: Sequence[Placed], others: Sequence[Placed], services: Mapping[str, KnownService]) -> None:
        self._services, self._new, self._all = services, new, (*new, *others)
        self._rules = Rules(row for _, row in self._all)
        self._connected = {institution.address.kind for institution in self._rules.institutions.values()}
        self._managers: defaultdict[Address, set[Address]] = defaultdict(set)
        for institution in self._rules.institutions.values():
            if institution.managed_by is not None:
                self._managers[institution.address.kind].add(institution.managed_by)

    def made(self) -> Review:
        errors = [*self._doubles(), *self._left_behind()]
        remarks: list[str] = []
        for where, row in self._new:
            errors += (f"{where}: {sentence}" for sentence in self._wrong(row))
            remarks += (f"{where}: {sentence}" for sentence in self._odd(row))
        if any(isinstance(row, Institution) for _, row in self._new):
            remarks += self._stranded()
        return Review(tuple(errors), tuple(remarks))

    def _doubles(self) -> Iterator[str]:
        """An id belongs to one file: else each load of one would undo the other."""
        first: dict[tuple[type[Row], str], str] = {}
        for where, row in self._all:
            key = (type(row), row.id)
            if key in first:
                yield f"{first[key]}: {row.id} is also in {where}: keep it in one of both"
            first.setdefault(key, where)

    def _left_behind(self) -> Iterator[str]:
        """A file that stays must not lose what it stands on in one that is replaced."""
        for where, row in self._all[len(self._new) :]:
            if isinstance(row, Institution):
                for sentence in self._institution(row):
                    yield f"{where}: {sentence}"

    def _stranded(self) -> Iterator[str]:
        """Rows of files that stay and name whom the register no longer has: nobody has that right, nobody is asked."""
        found: defaultdict[tuple[Address, str], list[str]] = defaultdict(list)
        for _, row in self._all[len(self._new) :]:
            match row:
                case Authorisation():
                    named, table = row.customer, "authorisation"
                case Availability():
                    named, table = row.address, "availability row"
                case _:
                    continue
            if named not in self._connected:
                found[named, table].append(row.id)
        for (named, table), rows in sorted(found.items(), key=lambda one: (str(one[0][0]), one[0][1])):
            several = f"{len(rows)} {table}s name" if len(rows) > 1 else f"1 {table} names"
            yield f"the register has no institution of {named}, and {several} it: {', '.join(sorted(rows))}"

    def _wrong(self, row: Row) -> Iterator[str]:
        match row:
            case Institution():
                yield from self._institution(row)
            case Availability():
                yield from self._availability(row)
            case Authorisation():
                yield from self._authorisation(row)
            case Distribution():
                yield from self._distribution(row)

    def _odd(self, row: Row) -> Iterator[str]:
        if isinstance(row, Availability | Distribution):
            yield from self._names("service", row.service)
        if isinstance(row, Distribution):
            for service in self._of(row.service):
                if service.mode != "mutation":
                    yield f"service: {service.type} is no mutation: nothing of it is ever told without being asked"
        if not isinstance(row, Authorisation):
            return
        if strangers := [kind for kind in row.suppliers if kind not in self._connected]:
            yield f"suppliers: the register has no institution of {_list(strangers)}: a question finds nobody"
        for service in self._of(row.service):
            if service.answered_by == "hub" or service.mode == "mutation":
                continue
            available = self._rules.available(service.type)
            held = {one.address for one in available}
            if not available:
                yield (
                    f"suppliers: no availability row names {service.type}: {_list(row.suppliers)} will be asked"
                    " about the persons whom they have integrated"
                )
            elif idle := [kind for kind in row.suppliers if kind not in held]:
                yield f"suppliers: no availability row says that {_list(idle)} holds {service.type}: not asked"

    def _institution(self, row: Institution) -> Iterator[str]:
        if row.address.kind not in SECTORS:
            yield f"address: {row.address.kind} is no sector and institution type of the official list"
        if row.managed_by is not None:
            managing = self._rules.institutions.get(row.managed_by)
            if managing is None or managing.managed_by is not None:
                yield f"managed_by: {row.managed_by} is no institution that the register connects to the hub itself"
            if row.address.kind in self._rules.institutions:
                yield (
                    f"address: {row.address.kind} is itself connected to the hub: a sector and type is either one"
                    " institution or a secondary network's"
                )
            if len(rivals := self._managers[row.address.kind]) > 1:
                yield f"managed_by: the same for every institution of {row.address.kind}; now {_list(sorted(rivals))}"

    def _relayed(self, field: str, kind: Address, service: KnownService) -> Iterator[str]:
        asked = self._rules.asked_as(kind)
        if asked != kind and service.combine is None and service.ssin:
            yield (
                f"{field}: the relay of {asked} may meet two institutions of {kind} that know the person, and"
                f" {service.type} has no `combine` to bring two answers in"
            )

    def _availability(self, row: Availability) -> Iterator[str]:
        yield from self._kind("address", row.address)
        if row.quality is not None:
            yield from self._qualities("quality", row.address, (row.quality,))
        for service in self._of(row.service):
            yield from self._relayed("address", row.address, service)

    def _authorisation(self, row: Authorisation) -> Iterator[str]:
        yield from self._names("service", row.service)
        yield from self._kind("customer", row.customer)
        yield from self._qualities("qualities", row.customer, row.qualities)
        for kind in row.suppliers:
            yield from self._kind("suppliers", kind)
        for service in self._of(row.service):
            for path in row.without:
                if (why := service.why_not_omit(path)) is not None:
                    yield f"without: {path}: {why}"
            yield from self._suppliers(row, service)
        yield from self._integrate(row.customer, row.integrate, row.qualities)

    def _distribution(self, row: Distribution) -> Iterator[str]:
        yield from self._kind("recipient", row.recipient)
        yield from self._qualities("qualities", row.recipient, row.qualities)
        for service in self._of(row.service):
            for path in row.without if service.mode == "mutation" else ():
                if (why := service.why_not_omit_request(path)) is not None:
                    yield f"without: {path}: {why}"
        yield from self._integrate(row.recipient, row.integrate, row.qualities)

    def _integrate(self, kind: Address, quality: int | None, qualities: Iterable[int]) -> Iterator[str]:
        """Automatic integration: a relay's sectoral repertory would not know whose person it is."""
        if quality is None:
            return
        if quality not in qualities:
            yield f"integrate: {quality} is none of the qualities: name one in which the person is then known"
        if self._rules.asked_as(kind) != kind:
            yield f"integrate: {kind} are institutions of a network: each registers its own persons"

    def _suppliers(self, row: Authorisation, service: KnownService) -> Iterator[str]:
        if service.answered_by == "hub":
            if row.suppliers:
                yield f"suppliers: the hub itself answers {service.type}: leave them out"
            return
        if service.mode == "mutation":
            if row.suppliers:
                yield f"suppliers: {service.type} is a mutation: whom it goes to, distributions say; leave them out"
            return
        if not row.suppliers:
            yield f'suppliers: missing; {service.type} is answered by institutions: ["5-0"]'
        available = self._rules.available(service.type)
        held = {one.address for one in available} if available else set(row.suppliers)
        asked = {self._rules.asked_as(kind) for kind in row.suppliers if kind in held}
        if len(asked) > 1 and service.combine is None:
            yield f"suppliers: {service.type} has no `combine` to bring {len(asked)} answers in: name one supplier"
        slow = {self._rules.asked_as(one.address) for one in available if one.mode == "batch"} & asked
        if len(slow) > 1:
            yield f"suppliers: {_list(sorted(slow))} answer {service.type} in their own time: name one of them at most"
        if not available:
            for kind in row.suppliers:
                yield from self._relayed("suppliers", kind, service)

    def _names(self, field: str, service: str) -> Iterator[str]:
        if not self._of(service):
            known = ", ".join(sorted(self._services)) or "none"
            yield f"{field}: the catalogue has no service {service}; it has {known}"

    def _kind(self, field: str, kind: Address) -> Iterator[str]:
        if kind not in SECTORS:
            yield f"{field}: {kind} is no sector and institution type of the official list"

    def _qualities(self, field: str, kind: Address, qualities: Iterable[int]) -> Iterator[str]:
        for quality in sorted(qualities):
            try:
                check_quality(kind, quality)
            except QualityError as error:
                yield f"{field}: {error}"

    def _of(self, service: str) -> list[KnownService]:
        return [known for service_type, known in self._services.items() if fits(service, service_type)]


def _list(addresses: Iterable[Address]) -> str:
    return ", ".join(map(str, addresses))
