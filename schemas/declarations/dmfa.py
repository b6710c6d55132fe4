"""A DmfA: an employer's quarter, read from a Form that its schema accepts (field digest 6.2).

Amounts are in eurocents; days, hours, percentages and days a week × 100, as declared. Codes have their leading zeros.
Elements that no rule looks at are kept in `values` and `blocks`, so that nothing of what was declared is lost.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from lxml import etree

from schemas.declarations.blocks import Block, Kept, Reading, block_of
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import day
from schemas.period import Period
from schemas.ssin import Ssin, SsinError

#: Simple elements by name, in the order in which they were declared.
Values = tuple[tuple[str, str], ...]


def days_of(quarter: Quarter) -> Period:
    """The first to the last day of a quarter."""
    last = 3 * quarter.number
    return Period(date(quarter.year, last - 2, 1), date(quarter.year, last, monthrange(quarter.year, last)[1]))


@dataclass(frozen=True, slots=True)
class Service(Kept):
    """Block 90018: working time of one kind."""

    sequence: int
    #: 3 digits.
    code: str
    days: int
    hours: int | None = None
    flight_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Remuneration(Kept):
    """Block 90019: wages of one kind."""

    sequence: int
    #: 3 digits.
    code: str
    amount: int
    frequency: int | None = None
    percentage: int | None = None


@dataclass(frozen=True, slots=True)
class Contribution(Kept):
    """Block 90001: a contribution owed for a worker record."""

    #: 3 digits.
    worker_code: str
    type: int
    amount: int
    basis: int | None = None
    first_hiring: date | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Of these a worker record has one each."""
        return self.worker_code, self.type


@dataclass(frozen=True, slots=True)
class Deduction(Kept):
    """Blocks 90110 and 90109: what is owed less, of a worker record or of an occupation."""

    #: 4 digits.
    code: str
    basis: int | None = None
    amount: int | None = None
    right_starts: date | None = None
    #: INSS as written; `0` or None: nobody.
    replaced: str | None = field(default=None, repr=False)
    applicant: str | None = field(default=None, repr=False)
    #: DeductionDetail, or OccupationDeductionDetail.
    details: tuple[Block, ...] = ()
    values: Values = ()


@dataclass(frozen=True, slots=True)
class Student(Kept):
    """Block 90003: a student's solidarity contribution."""

    remuneration: int
    amount: int
    #: Of these two one is there; whole days, whole hours.
    days: int | None = None
    hours: int | None = None
    #: 10 digits, 0 and all.
    local_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Occupation(Kept):
    """Block 90015: one way in which a worker worked, from day to day."""

    sequence: int
    #: As written: `124`, `124.01`, `999`.
    joint_commission: str
    working_days_system: int
    #: 0 full time, 1 part time.
    contract_type: int
    starts: date | None = None
    ends: date | None = None
    mean_working_hours: int | None = None
    ref_mean_working_hours: int | None = None
    #: As written; the sender's own.
    reference: str | None = field(default=None, repr=False)
    #: 10 digits, 0 and all.
    local_unit: str | None = None
    services: tuple[Service, ...] = ()
    remunerations: tuple[Remuneration, ...] = ()
    deductions: tuple[Deduction, ...] = ()
    values: Values = ()
    blocks: tuple[Block, ...] = ()

    def days_in(self, period: Period) -> Period | None:
        """Its days of a period; None: it has none there."""
        begin = period.begin if self.starts is None else max(self.starts, period.begin)
        ends = [end for end in (self.ends, period.end) if end is not None]
        end = min(ends) if ends else None
        return None if end is not None and end < begin else Period(begin, end)


@dataclass(frozen=True, slots=True)
class Record(Kept):
    """Block 90012: what an employer declares of a worker under one class and code."""

    #: 3 digits each.
    employer_class: str
    worker_code: str
    starts: date
    ends: date
    border: bool
    activity_with_risk: str | None = None
    #: 10 digits, 0 and all.
    local_unit: str | None = None
    #: As written; the sender's own.
    reference: str | None = field(default=None, repr=False)
    occupations: tuple[Occupation, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    deductions: tuple[Deduction, ...] = ()
    student: Student | None = None
    #: ActivationInformation, and what stands in the place of occupations: dismissed statutory workers, early
    #: retirement, complementary indemnities, indemnities after accidents at work.
    blocks: tuple[Block, ...] = ()
    values: Values = ()

    @property
    def key(self) -> tuple[str, str]:
        """Employer class and worker code: of these a person has one record each."""
        return self.employer_class, self.worker_code

    @property
    def at_work(self) -> bool:
        """Whether it is of somebody who worked, so that there has to be a Dimona; not of one who is paid afterwards."""
        return bool(self.occupations) or self.student is not None


@dataclass(frozen=True, slots=True)
class Person(Kept):
    """Block 90017."""

    sequence: int
    #: 11 digits.
    inss: str = field(repr=False)
    #: As written; the sender's own.
    reference: str | None = field(default=None, repr=False)
    records: tuple[Record, ...] = ()

    @property
    def ssin(self) -> Ssin | None:
        """None where it is no person's number."""
        return ssin_of(self.inss)


@dataclass(frozen=True, slots=True)
class Unrelated(Kept):
    """Block 90002: a contribution that is owed for nobody in particular."""

    #: 3 digits each.
    employer_class: str
    worker_code: str
    amount: int
    basis: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Of these a declaration has one each."""
        return self.employer_class, self.worker_code


@dataclass(frozen=True, slots=True)
class Vehicle(Kept):
    """Block 90294: a company vehicle."""

    sequence: int
    plate: str = field(repr=False)
    eco: bool | None = None


@dataclass(frozen=True, slots=True)
class Declaration(Kept):
    """Block 90007: an employer's quarter."""

    quarter: Quarter
    #: As written; 0: none.
    nsso: str
    company: str
    trusteeship: bool
    net_owed: int
    #: FormCreationDate; None where it was not said with what is here.
    created: date | None = None
    system5: bool | None = None
    holiday_starts: date | None = None
    persons: tuple[Person, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()
    unrelated: tuple[Unrelated, ...] = ()

    @property
    def employer(self) -> EmployerNumbers:
        """Who declares, for `Directory.meant`."""
        return EmployerNumbers(nsso=self.nsso, company=self.company)

    @property
    def days(self) -> Period:
        """Of the quarter."""
        return days_of(self.quarter)

    @property
    def records(self) -> Iterator[Record]:
        """Of all persons."""
        return (record for person in self.persons for record in person.records)


# --- reading ------------------------------------------------------------------------------------------------------


def read(form: etree._Element) -> Declaration:
    """What a Form of DmfAOriginal says that its schema accepts."""
    block = form.find("EmployerDeclaration")
    assert block is not None  # noqa: S101 - its schema asks it
    said = Reading(block)
    return Declaration(
        quarter=Quarter.parse(said.code("Quarter", 5)),
        nsso=said.text("NOSSRegistrationNbr"),
        company=said.text("CompanyID"),
        trusteeship=bool(said.integer("Trusteeship")),
        net_owed=said.integer("NetOwedAmount"),
        created=day(form, "FormCreationDate"),
        system5=flag(said, "System5"),
        holiday_starts=said.optional_day("HolidayStartingDate"),
        persons=tuple(map(_person, said.blocks("NaturalPerson"))),
        vehicles=tuple(map(vehicle, said.blocks("CompanyVehicle"))),
        unrelated=tuple(map(_unrelated, said.blocks("ContributionUnrelatedToNP"))),
    )


def flag(said: Reading, name: str) -> bool | None:
    """0 or 1."""
    written = said.optional_integer(name)
    return None if written is None else bool(written)


def ssin_of(inss: str) -> Ssin | None:
    """None where it is no person's number."""
    try:
        return Ssin.parse(inss)
    except SsinError:
        return None


def _person(element: etree._Element) -> Person:
    said = Reading(element)
    return Person(
        said.integer("NaturalPersonSequenceNbr"),
        said.text("INSS"),
        said.optional_text("NaturalPersonUserReference"),
        tuple(record(Reading(one), "Occupation") for one in said.blocks("WorkerRecord")),
    )


def record(said: Reading, occupation: str) -> Record:
    """A worker record whose dates are said; its occupations are in elements of this name."""
    students = said.blocks("StudentContribution")
    return Record(
        employer_class=said.code("EmployerClass", 3),
        worker_code=said.code("WorkerCode", 3),
        starts=said.day("NOSSQuarterStartingDate"),
        ends=said.day("NOSSQuarterEndingDate"),
        border=bool(said.integer("Border")),
        activity_with_risk=said.optional_code("ActivityWithRisk", 3),
        local_unit=said.optional_code("LocalUnitID", 10),
        reference=said.optional_text("WorkerRecordUserReference"),
        occupations=tuple(map(_occupation, said.blocks(occupation))),
        contributions=tuple(map(_contribution, said.blocks("WorkerContribution"))),
        deductions=_deductions(said.blocks("WorkerDeduction"), "DeductionDetail"),
        student=_student(students[0]) if students else None,
        blocks=said.rest_blocks,
        values=said.rest_values,
    )


def _occupation(element: etree._Element) -> Occupation:
    said = Reading(element)
    said.optional_text("OccupationVersionNbr")  # of an update, which keeps it beside
    return Occupation(
        sequence=said.integer("OccupationSequenceNbr"),
        joint_commission=said.text("JointCommissionNbr"),
        working_days_system=said.integer("WorkingDaysSystem"),
        contract_type=said.integer("ContractType"),
        starts=said.optional_day("OccupationStartingDate"),
        ends=said.optional_day("OccupationEndingDate"),
        mean_working_hours=said.optional_integer("MeanWorkingHours"),
        ref_mean_working_hours=said.optional_integer("RefMeanWorkingHours"),
        reference=said.optional_text("OccupationUserReference"),
        local_unit=said.optional_code("LocalUnitID", 10),
        services=tuple(map(_service, said.blocks("Service"))),
        remunerations=tuple(map(_remuneration, said.blocks("Remun"))),
        deductions=_deductions(said.blocks("OccupationDeduction"), "OccupationDeductionDetail"),
        values=said.rest_values,
        blocks=said.rest_blocks,
    )


def _service(element: etree._Element) -> Service:
    said = Reading(element)
    return Service(
        said.integer("ServiceSequenceNbr"),
        said.code("ServiceCode", 3),
        said.integer("ServiceNbrDays"),
        said.optional_integer("ServiceNbrHours"),
        said.optional_integer("FlightNbrMinutes"),
    )


def _remuneration(element: etree._Element) -> Remuneration:
    said = Reading(element)
    return Remuneration(
        said.integer("RemunSequenceNbr"),
        said.code("RemunCode", 3),
        said.integer("RemunAmount"),
        said.optional_integer("BonusPaymentFrequency"),
        said.optional_integer("PercentagePaid"),
    )


def _contribution(element: etree._Element) -> Contribution:
    said = Reading(element)
    return Contribution(
        said.code("ContributionWorkerCode", 3),
        said.integer("ContributionType"),
        said.integer("ContributionAmount"),
        said.optional_integer("ContributionCalculationBasis"),
        said.optional_day("FirstHiringDate"),
    )


def _deductions(elements: Sequence[etree._Element], detail: str) -> tuple[Deduction, ...]:
    return tuple(_deduction(Reading(one), detail) for one in elements)


def _deduction(said: Reading, detail: str) -> Deduction:
    return Deduction(
        said.code("DeductionCode", 4),
        said.optional_integer("DeductionCalculationBasis"),
        said.optional_integer("DeductionAmount"),
        said.optional_day("DeductionRightStartingDate"),
        said.text("ReplacedINSS") if said.has("ReplacedINSS") else None,
        said.text("ApplicantINSS") if said.has("ApplicantINSS") else None,
        tuple(map(block_of, said.blocks(detail))),
        said.rest_values,
    )


def _student(element: etree._Element) -> Student:
    said = Reading(element)
    return Student(
        said.integer("StudentRemunAmount"),
        said.integer("StudentContributionAmount"),
        said.optional_integer("StudentNbrDays"),
        said.optional_integer("StudentHoursNbr"),
        said.optional_code("LocalUnitID", 10),
    )


def _unrelated(element: etree._Element) -> Unrelated:
    said = Reading(element)
    return Unrelated(
        said.code("UnrelatedEmployerClass", 3),
        said.code("UnrelatedWorkerCode", 3),
        said.integer("UnrelatedAmount"),
        said.optional_integer("UnrelatedCalculationBasis"),
    )


def vehicle(element: etree._Element) -> Vehicle:
    """Of a company vehicle, or of its update."""
    said = Reading(element)
    return Vehicle(
        said.integer("CompanyVehicleSequenceNbr"), said.optional_text("LicensePlate") or "", flag(said, "EcoVehicle")
    )
