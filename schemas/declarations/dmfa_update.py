"""A DmfAUpdate: what of a kept DmfA is to change, read from a Form that its schema accepts (field digest 6.2).

It names what it changes by PID, and by the versions that the declarant last saw; `docs/declarations.md`, "DmfA".
"""

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

from lxml import etree

from schemas.declarations.blocks import Kept, Reading
from schemas.declarations.dmfa import Record, Unrelated, Vehicle, days_of, flag, record, ssin_of, vehicle
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import day
from schemas.period import Period
from schemas.ssin import Ssin


class Action(IntEnum):
    """UpdateAction, zone 00618."""

    DELETE = 0
    MODIFY = 1
    #: What the original lacked.
    CREATE = 3
    #: A worker record that stays, named since something beside it changes.
    KEEP = 9


@dataclass(frozen=True, slots=True)
class Last(Kept):
    """LastSituationWR, or LastSituationCUNP: the record, or contribution, that the declarant last saw."""

    #: 3 digits each.
    employer_class: str
    worker_code: str
    version: int

    @property
    def key(self) -> tuple[str, str]:
        return self.employer_class, self.worker_code


@dataclass(frozen=True, slots=True)
class RecordUpdate(Kept):
    """Block 90223."""

    action: Action
    #: 3 digits each; of what is to be. MODIFY may change them: `last` has those before.
    employer_class: str
    worker_code: str
    #: None: it names none; it then has to be a CREATE.
    last: Last | None = None
    #: The record as it is to be, whole; None: the form does not say its dates and Border, which DELETE and KEEP need
    #: not.
    content: Record | None = None
    #: OccupationVersionNbr, of the content's occupations, in order; None: a new one.
    versions: tuple[int | None, ...] = ()
    #: There is no content, and yet it says some of it.
    incomplete: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.employer_class, self.worker_code


@dataclass(frozen=True, slots=True)
class PersonUpdate(Kept):
    """Block 90220. A person who was not declared has no PID."""

    sequence: int
    #: 11 digits.
    inss: str = field(repr=False)
    #: As written; the sender's own.
    reference: str | None = field(default=None, repr=False)
    #: NaturalPersonPID, DeclNaturalPersonPID, DeclNaturalPersonVersionNbr.
    pid: int | None = None
    declared_pid: int | None = None
    version: int | None = None
    justification: str | None = field(default=None, repr=False)
    records: tuple[RecordUpdate, ...] = ()

    @property
    def ssin(self) -> Ssin | None:
        """None where it is no person's number."""
        return ssin_of(self.inss)


@dataclass(frozen=True, slots=True)
class VehicleUpdate(Kept):
    """Block 90312."""

    action: Action
    vehicle: Vehicle
    version: int | None = None


@dataclass(frozen=True, slots=True)
class UnrelatedUpdate(Kept):
    """Block 90224."""

    action: Action
    #: 3 digits each; of what is to be.
    employer_class: str
    worker_code: str
    last: Last | None = None
    #: None: the form says no amount, which DELETE and KEEP need not.
    content: Unrelated | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.employer_class, self.worker_code


@dataclass(frozen=True, slots=True)
class Update(Kept):
    """Block 90219: changes of an employer's quarter."""

    quarter: Quarter
    #: As written; 0: none.
    nsso: str
    company: str
    trusteeship: bool
    #: EmployerDeclarationPID.
    pid: int
    #: FormCreationDate.
    created: date | None = None
    system5: bool | None = None
    holiday_starts: date | None = None
    justification: str | None = field(default=None, repr=False)
    persons: tuple[PersonUpdate, ...] = ()
    vehicles: tuple[VehicleUpdate, ...] = ()
    unrelated: tuple[UnrelatedUpdate, ...] = ()

    @property
    def employer(self) -> EmployerNumbers:
        """Who declares, for `Directory.meant`."""
        return EmployerNumbers(nsso=self.nsso, company=self.company)

    @property
    def days(self) -> Period:
        """Of the quarter."""
        return days_of(self.quarter)


def read(form: etree._Element) -> Update:
    """What a Form of DmfAUpdate says that its schema accepts."""
    block = form.find("EmployerDeclarationUpdate")
    assert block is not None  # noqa: S101 - its schema asks it
    said = Reading(block)
    return Update(
        quarter=Quarter.parse(said.code("Quarter", 5)),
        nsso=said.text("NOSSRegistrationNbr"),
        company=said.text("CompanyID"),
        trusteeship=bool(said.integer("Trusteeship")),
        pid=said.integer("EmployerDeclarationPID"),
        created=day(form, "FormCreationDate"),
        system5=flag(said, "System5"),
        holiday_starts=said.optional_day("HolidayStartingDate"),
        justification=said.optional_text("Justification"),
        persons=tuple(map(_person, said.blocks("NaturalPersonUpdate"))),
        vehicles=tuple(map(_vehicle, said.blocks("CompanyVehicleUpdateAction"))),
        unrelated=tuple(map(_unrelated, said.blocks("ContributionUnrelatedToNPUpdate"))),
    )


def _person(element: etree._Element) -> PersonUpdate:
    said = Reading(element)
    return PersonUpdate(
        said.integer("NaturalPersonSequenceNbr"),
        said.text("INSS"),
        said.optional_text("NaturalPersonUserReference"),
        said.optional_integer("NaturalPersonPID"),
        said.optional_integer("DeclNaturalPersonPID"),
        said.optional_integer("DeclNaturalPersonVersionNbr"),
        said.optional_text("Justification"),
        tuple(map(_record, said.blocks("WorkerRecordUpdate"))),
    )


def _record(element: etree._Element) -> RecordUpdate:
    parts = Reading(element)
    (block,) = parts.blocks("WorkerRecordUpdateAction")
    said = Reading(block)
    action = Action(said.integer("UpdateAction"))
    whole = all(map(said.has, ("NOSSQuarterStartingDate", "NOSSQuarterEndingDate", "Border")))
    content = record(said, "OccupationUpdate") if whole else None
    versions = (Reading(one).optional_integer("OccupationVersionNbr") for one in block.iterchildren("OccupationUpdate"))
    return RecordUpdate(
        action,
        said.code("EmployerClass", 3) if content is None else content.employer_class,
        said.code("WorkerCode", 3) if content is None else content.worker_code,
        _last(parts, "LastSituationWR", "EmployerClass", "WorkerCode", "WorkerRecordVersionNbr"),
        content,
        () if content is None else tuple(versions),
        content is None and any(len(one) for one in block.iterchildren("*")),
    )


def _last(said: Reading, block: str, employer_class: str, worker_code: str, version: str) -> Last | None:
    found = said.blocks(block)
    if not found:
        return None
    last = Reading(found[0])
    return Last(last.code(employer_class, 3), last.code(worker_code, 3), last.integer(version))


def _vehicle(element: etree._Element) -> VehicleUpdate:
    said = Reading(element)
    return VehicleUpdate(
        Action(said.integer("UpdateAction")), vehicle(element), said.optional_integer("CompanyVehicleVersionNbr")
    )


def _unrelated(element: etree._Element) -> UnrelatedUpdate:
    parts = Reading(element)
    (block,) = parts.blocks("CUNPUpdateAction")
    said = Reading(block)
    names = "UnrelatedEmployerClass", "UnrelatedWorkerCode"
    key = said.code(names[0], 3), said.code(names[1], 3)
    content = None
    if said.has("UnrelatedAmount"):
        content = Unrelated(*key, said.integer("UnrelatedAmount"), said.optional_integer("UnrelatedCalculationBasis"))
    return UnrelatedUpdate(
        Action(said.integer("UpdateAction")),
        *key,
        _last(
            parts, "LastSituationCUNP", "UnrelatedEmployerClass", "UnrelatedWorkerCode", "ContUnrelatedToNPVersionNbr"
        ),
        content,
    )
