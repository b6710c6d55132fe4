"""A DmfA as it is kept: each block with the numbers by which an update names it. Values only; `store` keeps them.

`docs/declarations.md`, "DmfA".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.declarations.dmfa import Declaration, Occupation, Person, Record, Unrelated, Vehicle
from schemas.declarations.pid import OccupationPid, PersonPid, Pids, RecordPid, UnrelatedPid, VehiclePid
from schemas.employer import NssoNumber


@dataclass(frozen=True, slots=True)
class KeptOccupation:
    version: int
    said: Occupation = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptRecord:
    #: Ours; it stays when class or code change.
    id: int
    version: int
    #: Without its occupations.
    said: Record = field(repr=False)
    occupations: tuple[KeptOccupation, ...] = ()

    @property
    def whole(self) -> Record:
        return replace(self.said, occupations=tuple(one.said for one in self.occupations))

    @property
    def key(self) -> tuple[str, str]:
        return self.said.key

    @classmethod
    def new(cls, number: int, version: int, record: Record) -> "KeptRecord":
        """A record that was not there, with all its occupations in their first version."""
        occupations = tuple(KeptOccupation(1, one) for one in record.occupations)
        return cls(number, version, replace(record, occupations=()), occupations)


@dataclass(frozen=True, slots=True)
class KeptPerson:
    """A person in one declaration."""

    #: DeclNaturalPersonPID.
    pid: int
    version: int
    #: NaturalPersonPID.
    natural: int
    #: Without its records.
    said: Person = field(repr=False)
    records: tuple[KeptRecord, ...] = ()

    @property
    def whole(self) -> Person:
        return replace(self.said, records=tuple(one.whole for one in self.records))

    def record(self, key: tuple[str, str]) -> KeptRecord | None:
        return next((one for one in self.records if one.key == key), None)


@dataclass(frozen=True, slots=True)
class KeptUnrelated:
    version: int
    said: Unrelated


@dataclass(frozen=True, slots=True)
class KeptVehicle:
    version: int
    said: Vehicle = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptDmfa:
    """An employer's quarter."""

    #: EmployerDeclarationPID.
    pid: int
    #: R or T.
    world: str
    employer: NssoNumber
    #: Digits of the enterprise number.
    company: str | None
    #: Of the declaration, or update, that made it so.
    sender: str
    ticket: str
    #: Without persons, vehicles and what is unrelated to any.
    said: Declaration = field(repr=False)
    #: None: it is not kept yet.
    known_from: datetime | None = None
    persons: tuple[KeptPerson, ...] = ()
    #: By class and code; by sequence number.
    unrelated: tuple[KeptUnrelated, ...] = ()
    vehicles: tuple[KeptVehicle, ...] = ()

    @property
    def whole(self) -> Declaration:
        """The declaration, as if it had been declared so at once."""
        return replace(
            self.said,
            persons=tuple(one.whole for one in self.persons),
            unrelated=tuple(one.said for one in self.unrelated),
            vehicles=tuple(one.said for one in self.vehicles),
        )

    @property
    def pids(self) -> Pids:
        """What its sender is told."""
        return Pids(
            self.said.quarter,
            None if self.employer.provisional else self.employer.digits,
            self.company or "0",
            self.said.trusteeship,
            self.pid,
            self.ticket,
            tuple(map(_person_pid, self.persons)),
            tuple(UnrelatedPid(one.said.employer_class, one.said.worker_code, one.version) for one in self.unrelated),
            tuple(VehiclePid(one.said.plate, one.version) for one in self.vehicles),
        )

    @classmethod
    def original(
        cls,
        declaration: Declaration,
        world: str,
        employer: NssoNumber,
        company: str | None,
        sender: str,
        ticket: str,
        naturals: Mapping[str, int],
        numbers: Iterator[int],
    ) -> "KeptDmfa":
        """All blocks in their first version. `naturals`: NaturalPersonPID by INSS; who has none gets one that is
        nobody's. `numbers`: as many as `numbers_wanted`."""
        return cls(
            next(numbers),
            world,
            employer,
            company,
            sender,
            ticket,
            replace(declaration, persons=(), vehicles=(), unrelated=()),
            None,
            tuple(_new_person(one, naturals, numbers) for one in declaration.persons),
            tuple(KeptUnrelated(1, one) for one in sorted(declaration.unrelated, key=lambda one: one.key)),
            tuple(KeptVehicle(1, one) for one in sorted(declaration.vehicles, key=lambda one: one.sequence)),
        )


def numbers_wanted(declaration: Declaration) -> int:
    """Of a declaration that is new: its own, two a person, one a record."""
    return 1 + sum(2 + len(person.records) for person in declaration.persons)


def _new_person(person: Person, naturals: Mapping[str, int], numbers: Iterator[int]) -> KeptPerson:
    pid, nobodys = next(numbers), next(numbers)
    records = tuple(KeptRecord.new(next(numbers), 1, one) for one in person.records)
    return KeptPerson(pid, 1, naturals.get(person.inss, nobodys), replace(person, records=()), records)


def _person_pid(person: KeptPerson) -> PersonPid:
    return PersonPid(
        person.said.inss,
        person.natural,
        person.pid,
        person.version,
        person.said.reference,
        tuple(
            RecordPid(
                *one.key,
                one.version,
                one.said.reference,
                tuple(OccupationPid(each.said.sequence, each.version, each.said.reference) for each in one.occupations),
            )
            for one in person.records
        ),
    )
