"""Synthetic quarters of employers: a DmfA that is right and agrees with given Dimonas, and errors planted in it.

`declared(employer, quarter, works, seed)` is a Declaration without an anomaly; `original` and `update` write what a
sender sends. Each of `PLANTED` spoils a declaration in one way and says which ErrorIDs that has to be told.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from institutions.nsso.dmfa.terms import terms
from schemas.declarations.blocks import Block
from schemas.declarations.dimona_period import DimonaPeriod, Features, Span, Worker
from schemas.declarations.dmfa import (
    Contribution,
    Declaration,
    Deduction,
    Occupation,
    Person,
    Record,
    Remuneration,
    Service,
    Student,
    Unrelated,
    Vehicle,
    days_of,
)
from schemas.declarations.dmfa_update import Last, PersonUpdate, RecordUpdate, UnrelatedUpdate, Update, VehicleUpdate
from schemas.declarations.number import PeriodId
from schemas.declarations.quarter import Quarter
from schemas.declarations.writing import element
from schemas.employer import EstablishmentNumber, NssoNumber
from schemas.ssin import Ssin

#: Of Dimona's worker types: in no DmfA; a student at work.
WITHOUT_DMFA, STUDENT = "DWD", "STU"
CLASS = "010"
UNITS = tuple(EstablishmentNumber.of(20_000_001 + place).digits for place in range(3))
COMMITTEES = ("124", "200", "302", "118.03")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Work:
    """A Dimona period, as far as a DmfA has to agree with it."""

    ssin: Ssin
    starts: date
    ends: date | None = None
    worker_type: str = "OTH"
    #: Planned hours of a student.
    hours: int | None = None

    @classmethod
    def of(cls, period: DimonaPeriod) -> "Work":
        """Raises AssertionError where nobody is identified."""
        assert period.worker.ssin is not None
        span = period.span
        return cls(
            period.worker.ssin,
            span.starting_date,
            span.ending_date,
            period.features.worker_type,
            span.planned_hours,
        )


# --- Dimonas ------------------------------------------------------------------------------------------------------


def works(quarter: Quarter, ssins: Sequence[Ssin], seed: int = 0) -> list[Work]:
    """Of each person one Dimona or two that touch the quarter; the first person works all of it, full time or part
    time."""
    random = Random(seed)
    days = days_of(quarter)
    assert days.end is not None
    found = [Work(ssins[0], days.begin - 700 * _DAY)] if ssins else []
    length = (days.end - days.begin).days
    for ssin in ssins[1:]:
        start = days.begin + random.randrange(0, length) * _DAY
        end = start + random.randrange(0, (days.end - start).days + 1) * _DAY
        match random.randrange(8):
            case 0:
                found.append(Work(ssin, start, end, STUDENT, random.randrange(1, 200)))
            case 1:
                found.append(Work(ssin, start, start, random.choice(("EXT", "FLX"))))
            case 2:
                found.append(Work(ssin, days.begin - 30 * _DAY, end))
            case 3 if start > days.begin:
                found.append(Work(ssin, days.begin, start - _DAY))
                found.append(Work(ssin, start, None))
            case 4:
                found.append(Work(ssin, start, days.end + 40 * _DAY))
            case _:
                found.append(Work(ssin, days.begin - random.randrange(1, 4000) * _DAY))
    return found


def period(work: Work, employer: NssoNumber, number: int = 0) -> DimonaPeriod:
    """As 12-0 knows it."""
    return DimonaPeriod(
        PeriodId.of(6_100_000_000 + number),
        employer,
        Worker(work.ssin),
        Span(work.starts, None, work.ends, None, work.hours),
        Features(worker_type=work.worker_type),
        datetime(2020, 1, 1, tzinfo=UTC),
    )


# --- a quarter that is right --------------------------------------------------------------------------------------


def declared(
    employer: NssoNumber,
    quarter: Quarter,
    works: Sequence[Work],
    seed: int = 0,
    *,
    created: date | None = None,
    company: str = "0",
) -> Declaration:
    """What an employer declares of a quarter, from the Dimonas that touch it; the same for the same seed."""
    random = Random(seed)
    days = days_of(quarter)
    assert days.end is not None
    by_person: dict[Ssin, list[Work]] = defaultdict(list)
    for work in works:
        touches = work.starts <= days.end and (work.ends is None or work.ends >= days.begin)
        if touches and work.worker_type != WITHOUT_DMFA:
            by_person[work.ssin].append(work)
    persons = tuple(
        Person(number, ssin.digits, f"P{number}", _records(quarter, alike, random))
        for number, (ssin, alike) in enumerate(by_person.items(), 1)
    )
    unrelated = (Unrelated(CLASS, "855", random.randrange(1, 5000)),)
    vehicles = (Vehicle(1, f"1-XXX-{random.randrange(1000):03}", False),) if random.random() < 0.5 else ()
    said = Declaration(
        quarter,
        employer.digits,
        company,
        trusteeship=False,
        net_owed=0,
        created=created or days.end + _DAY,
        persons=persons,
        # A declaration without persons has at least one.
        unrelated=unrelated if not persons or random.random() < 0.5 else (),
        vehicles=vehicles,
    )
    return settled(said)


def settled(said: Declaration) -> Declaration:
    """With the sum that is owed."""
    owed = sum(one.amount for one in said.unrelated)
    for record in said.records:
        owed += sum(one.amount for one in record.contributions) + (record.student.amount if record.student else 0)
        owed -= sum(one.amount or 0 for one in record.deductions)
    return replace(said, net_owed=max(owed, 0))


def _records(quarter: Quarter, works: Sequence[Work], random: Random) -> tuple[Record, ...]:
    at_school = [work for work in works if work.worker_type == STUDENT]
    ordinary = sorted((work for work in works if work.worker_type != STUDENT), key=lambda work: work.starts)
    days = days_of(quarter)
    assert days.end is not None
    records = []
    if ordinary:
        occupations = tuple(_occupation(quarter, work, number, random) for number, work in enumerate(ordinary[:99], 1))
        blue = random.random() < 0.4
        wages = sum(one.amount for occupation in occupations for one in occupation.remunerations)
        basis = wages * 108 // 100 if blue else wages
        code = "015" if blue else "495"
        contributions = (
            Contribution(code, 0, percent(basis, code, 0), basis),
            Contribution("856", 0, 100),
        )
        deductions = (Deduction("0001", amount=min(500, percent(basis, code, 0))),) if random.random() < 0.3 else ()
        records.append(
            Record(
                CLASS,
                code,
                days.begin,
                days.end,
                border=False,
                reference=f"R{random.randrange(10_000)}",
                occupations=occupations,
                contributions=contributions,
                deductions=deductions,
            )
        )
    if at_school:
        wages = random.randrange(10_000, 200_000)
        amount = half_up(wages * terms().student)
        hours = sum(work.hours or 0 for work in at_school)
        student = Student(wages, amount, None, hours, random.choice(UNITS))
        records.append(Record(CLASS, "840", days.begin, days.end, border=False, student=student))
    return tuple(records)


def _occupation(quarter: Quarter, work: Work, number: int, random: Random) -> Occupation:
    days = days_of(quarter)
    assert days.end is not None
    part_time = work.worker_type in ("EXT", "FLX") or random.random() < 0.25
    end = days.end if work.ends is None else min(work.ends, days.end)
    worked = 100 * week_days(max(work.starts, days.begin), end)
    ill = 100 * random.randrange(0, 3) if worked > 1000 else 0
    services = [Service(1, "001", worked - ill, 8 * (worked - ill) if part_time else None)] if worked else []
    if ill:
        services.append(Service(2, "050", ill))
    remunerations = [Remuneration(1, "001", random.randrange(50_000, 1_200_000))]
    if random.random() < 0.2:
        remunerations.append(Remuneration(2, "002", random.randrange(1_000, 90_000), 12))
    return Occupation(
        number,
        random.choice(COMMITTEES),
        500,
        int(part_time),
        starts=work.starts,
        ends=work.ends if work.ends is not None and work.ends <= days.end else None,
        mean_working_hours=1900 if part_time else 3800,
        ref_mean_working_hours=3800,
        reference=f"O{number}",
        local_unit=random.choice(UNITS),
        services=tuple(services),
        remunerations=tuple(remunerations),
        values=(("Retired", "0"),),
    )


def week_days(begin: date, end: date) -> int:
    """Mondays to Fridays, both days included."""
    days = (begin + more * _DAY for more in range((end - begin).days + 1))
    return sum(day.weekday() < 5 for day in days)


def percent(basis: int, code: str, kind: int) -> int:
    """What is owed by a rate of `nsso.toml`."""
    return half_up(basis * terms().rates[code, kind])


def half_up(hundredfold: Any) -> int:
    """A hundredth of it, rounded."""
    return int((2 * hundredfold + 100) // 200)


# --- errors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """A way to be wrong."""

    #: Of a declaration of at least three persons, of whom the first has worked.
    spoil: Callable[[Declaration], Declaration]
    #: What is told then, in order of ErrorID, and nothing else.
    ids: tuple[str, ...]
    #: None: it is accepted all the same.
    diagnosis: tuple[int, ...] = (3,)
    #: Whether a declaration has what it needs besides.
    fits: Callable[[Declaration], bool] = lambda said: True


def first_worker(said: Declaration) -> tuple[int, Record, Occupation]:
    """The first person with an occupation: place, record, occupation."""
    return next(
        (place, record, record.occupations[0])
        for place, person in enumerate(said.persons)
        for record in person.records[:1]
        if record.occupations and record.occupations[0].services
    )


def _person(said: Declaration, place: int, **more: Any) -> Declaration:
    persons = list(said.persons)
    persons[place] = replace(persons[place], **more)
    return settled(replace(said, persons=tuple(persons)))


def _record(said: Declaration, **more: Any) -> Declaration:
    place, record, _ = first_worker(said)
    return _person(said, place, records=(replace(record, **more), *said.persons[place].records[1:]))


def _occupation_of(said: Declaration, **more: Any) -> Declaration:
    _, record, occupation = first_worker(said)
    return _record(said, occupations=(replace(occupation, **more), *record.occupations[1:]))


def _again_in(said: Declaration, name: str) -> Declaration:
    """The first service or remuneration twice, the second of no weight."""
    _, _, occupation = first_worker(said)
    first = getattr(occupation, name)[0]
    none = replace(first, days=100) if isinstance(first, Service) else replace(first, amount=0)
    return _occupation_of(said, **{name: (*getattr(occupation, name), none)})


def _services(said: Declaration, more: int) -> Declaration:
    """A full-time occupation with so many days × 100 more than the calendar has."""
    _, _, occupation = first_worker(said)
    (first, *others) = occupation.services
    return _occupation_of(said, services=(replace(first, days=first.days + more, hours=None), *others))


def _wrong(number: str) -> str:
    """With other check digits."""
    return f"{number[:-2]}{(int(number[-2:]) + 1) % 97 or 97:02d}"


def _places(said: Declaration) -> list[tuple[int, int, Record]]:
    return [
        (place, number, record)
        for place, person in enumerate(said.persons)
        for number, record in enumerate(person.records)
    ]


def _full_time(said: Declaration) -> bool:
    _, _, occupation = first_worker(said)
    return occupation.contract_type == 0 and occupation.services[0].days > 500


def _student(said: Declaration, **more: int) -> Declaration:
    place, number, record = next(one for one in _places(said) if one[2].student is not None)
    assert record.student is not None
    records = list(said.persons[place].records)
    records[number] = replace(record, student=replace(record.student, **more))
    return _person(said, place, records=tuple(records))


def _has_student(said: Declaration) -> bool:
    return any(record.student is not None for record in said.records)


def _amount(said: Declaration) -> int:
    """What a student owes."""
    return next(record.student.amount for record in said.records if record.student is not None)


def _hours(said: Declaration) -> int:
    return next(record.student.hours or 0 for record in said.records if record.student is not None)


def _same_contribution(said: Declaration) -> Declaration:
    _, record, _ = first_worker(said)
    return _record(said, contributions=(*record.contributions, record.contributions[-1]))


def _contribution(said: Declaration) -> Declaration:
    _, record, _ = first_worker(said)
    first, *others = record.contributions
    return _record(said, contributions=(replace(first, amount=first.amount + 2), *others))


def _same_record(said: Declaration) -> Declaration:
    place, record, _ = first_worker(said)
    return _person(said, place, records=(*said.persons[place].records, record))


def _same_occupation(said: Declaration) -> Declaration:
    _, record, occupation = first_worker(said)
    none = replace(occupation, services=occupation.services, remunerations=())
    return _record(said, occupations=(*record.occupations, none))


def _same_number(said: Declaration) -> Declaration:
    return _person(said, len(said.persons) - 1, sequence=said.persons[0].sequence)


def _twice(said: Declaration) -> Declaration:
    last = max(person.sequence for person in said.persons)
    again = replace(said.persons[0], sequence=last + 1)
    return settled(replace(said, persons=(*said.persons, again)))


def _stranger(said: Declaration) -> Declaration:
    """A worker of whom no Dimona knows."""
    _, record, _ = first_worker(said)
    taken = {person.inss for person in said.persons}
    nines = ("600201998", "600202997")
    ssins = [Ssin.parse(f"{nine}{97 - int(nine) % 97:02d}") for nine in nines]
    inss = next(ssin.digits for ssin in ssins if ssin.digits not in taken)
    last = max(person.sequence for person in said.persons)
    return settled(replace(said, persons=(*said.persons, Person(last + 1, inss, None, (record,)))))


def _negative(said: Declaration) -> Declaration:
    return _record(said, deductions=(Deduction("0001", amount=said.net_owed * 2 + 10_000),))


def _ends_before(said: Declaration) -> Declaration:
    _, _, occupation = first_worker(said)
    assert occupation.starts is not None
    return _occupation_of(said, ends=occupation.starts - _DAY)


#: By name; the ErrorID it is about comes first in it.
PLANTED: Mapping[str, Planted] = {
    "00011-004": Planted(lambda said: replace(said, nsso=_wrong(said.nsso)), ("00011-004",)),
    "00013-008": Planted(lambda said: replace(said, quarter=Quarter(2098, 1)), ("00013-008",)),
    "00013-313": Planted(lambda said: replace(said, quarter=Quarter(2003, 1)), ("00013-313",)),
    "00015-007": Planted(lambda said: replace(said, net_owed=said.net_owed + 1), ("00015-007",), ()),
    "00015-011": Planted(_negative, ("00015-011",)),
    "00016-034": Planted(lambda said: replace(said, system5=True), ("00016-034",)),
    "00023-006": Planted(_same_number, ("00023-006",)),
    # Who has a Dimona is then not declared.
    "00024-004": Planted(
        lambda said: _person(said, first_worker(said)[0], inss=_wrong(said.persons[first_worker(said)[0]].inss)),
        ("00024-004", "90007-263"),
    ),
    "00038-034": Planted(lambda said: _record(said, starts=said.days.begin - 7 * _DAY), ("00038-034",)),
    "00039-014": Planted(lambda said: _record(said, ends=said.days.begin - _DAY), ("00039-014",)),
    "00042-004": Planted(lambda said: _occupation_of(said, local_unit=_wrong(UNITS[0])), ("00042-004",)),
    "00043-006": Planted(_same_occupation, ("00043-006",)),
    "00045-014": Planted(_ends_before, ("00045-014",)),
    "00061-006": Planted(lambda said: _again_in(said, "services"), ("00061-006",)),
    "00066-006": Planted(lambda said: _again_in(said, "remunerations"), ("00066-006",)),
    "00077-044": Planted(lambda said: _student(said, amount=_amount(said) + 2), ("00077-044",), (), _has_student),
    "00085-044": Planted(_contribution, ("00085-044",), ()),
    "90001-006": Planted(_same_contribution, ("90001-006",)),
    "90007-262": Planted(_stranger, ("90007-262",), ()),
    "90007-263": Planted(lambda said: settled(replace(said, persons=said.persons[1:])), ("90007-263",), ()),
    "90012-006": Planted(_same_record, ("90012-006",)),
    "90015-095": Planted(lambda said: _services(said, 400), ("90015-095",), ()),
    "90015-096": Planted(lambda said: _services(said, -400), ("90015-096",), (), _full_time),
    "90017-006": Planted(_twice, ("90017-006",)),
    "90017-151": Planted(
        lambda said: _person(said, first_worker(said)[0], inss="00000000000"), ("90007-263", "90017-151")
    ),
    "90017-502": Planted(lambda said: _student(said, hours=_hours(said) + 1), ("90017-502",), (), _has_student),
}
#: With these a declaration is accepted; one at most of class P in a small one.
ACCEPTED = tuple(name for name, one in PLANTED.items() if not one.diagnosis)
REFUSED = tuple(name for name, one in PLANTED.items() if one.diagnosis)


# --- what a sender sends ------------------------------------------------------------------------------------------

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:noNamespaceSchemaLocation="{root}_20223.xsd">'
)
#: In the schema's order, as far as one writes them here.
_OF_OCCUPATION = (
    *("OccupationSequenceNbr", "OccupationStartingDate", "OccupationEndingDate", "JointCommissionNbr"),
    *("WorkingDaysSystem", "ContractType", "RefMeanWorkingHours", "WorkerStatus", "MeanWorkingHours"),
    *("ReorganisationMeasure", "EmploymentPromotion", "Retired", "Apprenticeship", "RemunMethod", "PositionCode"),
    *("FlyingStaffClass", "TenthOrTwelfth", "OccupationUserReference", "DaysJustification", "ActivityCode"),
    *("OccupationVersionNbr", "LocalUnitID", "ShipId", "StaffCode", "SubsidizedMeanWorkingHours"),
)
_BEFORE_SERVICES = ("OccupationInformations", "SecondPillarInformation")


def original(*said: Declaration, reference: str | None = None) -> bytes:
    """A message of DmfAOriginal, a Form each."""
    forms = "".join(original_form(one, reference) for one in said)
    return f"{_HEAD.format(root='DmfAOriginal')}\n{forms}</DmfAOriginal>".encode()


def original_form(said: Declaration, reference: str | None = None) -> str:
    """A Form, with a line break behind."""
    persons = "".join(
        f"<NaturalPerson>{_said_of(person)}"
        f"{''.join(f'<WorkerRecord>{_head_of(one)}{_content_of(one)}</WorkerRecord>' for one in person.records)}"
        "</NaturalPerson>"
        for person in said.persons
    )
    vehicles = "".join(f"<CompanyVehicle>{_vehicle(one)}</CompanyVehicle>" for one in said.vehicles)
    unrelated = "".join(
        f"<ContributionUnrelatedToNP>{_unrelated(one)}</ContributionUnrelatedToNP>" for one in said.unrelated
    )
    return (
        f"<Form>{_form_head('DMFA', 0, said.created, reference)}<EmployerDeclaration>{_employer(said)}"
        f"{element('NetOwedAmount', said.net_owed)}{_more(said)}{persons}{vehicles}{unrelated}"
        "</EmployerDeclaration></Form>\n"
    )


def update(*said: Update, reference: str | None = None) -> bytes:
    """A message of DmfAUpdate, a Form each."""
    forms = "".join(_update_form(one, reference) for one in said)
    return f"{_HEAD.format(root='DmfAUpdate')}\n{forms}</DmfAUpdate>".encode()


def _update_form(said: Update, reference: str | None) -> str:
    return (
        f"<Form>{_form_head('DMFAUPD', 1, said.created, reference)}<EmployerDeclarationUpdate>{_employer(said)}"
        f"{_more(said)}{element('EmployerDeclarationPID', said.pid)}{element('Justification', said.justification)}"
        f"{''.join(map(_person_update, said.persons))}{''.join(map(_vehicle_update, said.vehicles))}"
        f"{''.join(map(_unrelated_update, said.unrelated))}</EmployerDeclarationUpdate></Form>\n"
    )


def _form_head(identification: str, status: int, created: date | None, reference: str | None) -> str:
    told = ""
    if reference is not None:
        told = (
            "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin>"
            f"{element('ReferenceNbr', reference)}</Reference>"
        )
    return (
        f"<Identification>{identification}</Identification>{element('FormCreationDate', created)}"
        f"<FormCreationHour>10:00:00.000</FormCreationHour><AttestationStatus>{status}</AttestationStatus>"
        f"<TypeForm>SU</TypeForm>{told}"
    )


def _employer(said: Declaration | Update) -> str:
    return (
        f"<Quarter>{said.quarter.year}{said.quarter.number}</Quarter>{element('NOSSRegistrationNbr', said.nsso)}"
        f"<Trusteeship>{int(said.trusteeship)}</Trusteeship>{element('CompanyID', said.company)}"
    )


def _more(said: Declaration | Update) -> str:
    return _flag("System5", said.system5) + element("HolidayStartingDate", said.holiday_starts)


def _flag(name: str, value: bool | None) -> str:
    return element(name, None if value is None else int(value))


def _said_of(person: Person | PersonUpdate) -> str:
    return (
        element("NaturalPersonSequenceNbr", person.sequence)
        + element("INSS", person.inss)
        + element("NaturalPersonUserReference", person.reference)
    )


def _person_update(person: PersonUpdate) -> str:
    return (
        f"<NaturalPersonUpdate>{_said_of(person)}{element('NaturalPersonPID', person.pid)}"
        f"{element('DeclNaturalPersonPID', person.declared_pid)}"
        f"{element('DeclNaturalPersonVersionNbr', person.version)}{element('Justification', person.justification)}"
        f"{''.join(map(_record_update, person.records))}</NaturalPersonUpdate>"
    )


def _record_update(record: RecordUpdate) -> str:
    last = _last("LastSituationWR", record.last, "EmployerClass", "WorkerCode", "WorkerRecordVersionNbr")
    action = element("UpdateAction", int(record.action))
    if record.content is None:
        told = element("EmployerClass", record.employer_class) + element("WorkerCode", record.worker_code) + action
    else:
        versions = record.versions or (None,) * len(record.content.occupations)
        told = _head_of(record.content) + action + _content_of(record.content, "OccupationUpdate", versions)
    block = f"<WorkerRecordUpdateAction>{told}</WorkerRecordUpdateAction>"
    return f"<WorkerRecordUpdate>{last}{block}</WorkerRecordUpdate>"


def _last(block: str, last: Last | None, employer_class: str, worker_code: str, version: str) -> str:
    if last is None:
        return ""
    return (
        f"<{block}>{element(employer_class, last.employer_class)}{element(worker_code, last.worker_code)}"
        f"{element(version, last.version)}</{block}>"
    )


def _vehicle(vehicle: Vehicle) -> str:
    return (
        element("CompanyVehicleSequenceNbr", vehicle.sequence)
        + element("LicensePlate", vehicle.plate)
        + _flag("EcoVehicle", vehicle.eco)
    )


def _vehicle_update(one: VehicleUpdate) -> str:
    return (
        f"<CompanyVehicleUpdateAction>{_vehicle(one.vehicle)}{element('CompanyVehicleVersionNbr', one.version)}"
        f"{element('UpdateAction', int(one.action))}</CompanyVehicleUpdateAction>"
    )


def _unrelated(one: Unrelated) -> str:
    return (
        element("UnrelatedEmployerClass", one.employer_class)
        + element("UnrelatedWorkerCode", one.worker_code)
        + element("UnrelatedCalculationBasis", one.basis)
        + element("UnrelatedAmount", one.amount)
    )


def _unrelated_update(one: UnrelatedUpdate) -> str:
    last = _last(
        "LastSituationCUNP",
        one.last,
        "UnrelatedEmployerClass",
        "UnrelatedWorkerCode",
        "ContUnrelatedToNPVersionNbr",
    )
    names = element("UnrelatedEmployerClass", one.employer_class) + element("UnrelatedWorkerCode", one.worker_code)
    content = names if one.content is None else _unrelated(one.content)
    return (
        f"<ContributionUnrelatedToNPUpdate>{last}<CUNPUpdateAction>{content}{element('UpdateAction', int(one.action))}"
        "</CUNPUpdateAction></ContributionUnrelatedToNPUpdate>"
    )


def _head_of(record: Record) -> str:
    return (
        element("EmployerClass", record.employer_class)
        + element("WorkerCode", record.worker_code)
        + element("NOSSQuarterStartingDate", record.starts)
        + element("NOSSQuarterEndingDate", record.ends)
        + _flag("Border", record.border)
        + element("ActivityWithRisk", record.activity_with_risk)
        + element("LocalUnitID", record.local_unit)
        + element("WorkerRecordUserReference", record.reference)
    )


def _content_of(record: Record, occupation: str = "Occupation", versions: Sequence[int | None] = ()) -> str:
    numbers = versions or (None,) * len(record.occupations)
    told = "".join(
        f"<{occupation}>{_occupation_xml(one, version)}</{occupation}>"
        for one, version in zip(record.occupations, numbers, strict=True)
    )
    if record.student is not None:
        student = record.student
        told += (
            f"<StudentContribution>{element('StudentRemunAmount', student.remuneration)}"
            f"{element('StudentContributionAmount', student.amount)}{element('StudentNbrDays', student.days)}"
            f"{element('StudentHoursNbr', student.hours)}{element('LocalUnitID', student.local_unit)}"
            "</StudentContribution>"
        )
    contributions = "".join(map(_contribution_xml, record.contributions))
    deductions = "".join(_deduction_xml("WorkerDeduction", one) for one in record.deductions)
    activation = [one for one in record.blocks if one.name == "ActivationInformation"]
    others = [one for one in record.blocks if one.name != "ActivationInformation"]
    return told + _blocks(activation) + contributions + deductions + _blocks(others)


def _occupation_xml(one: Occupation, version: int | None) -> str:
    texts = {
        "OccupationSequenceNbr": one.sequence,
        "OccupationStartingDate": one.starts,
        "OccupationEndingDate": one.ends,
        "JointCommissionNbr": one.joint_commission,
        "WorkingDaysSystem": one.working_days_system,
        "ContractType": one.contract_type,
        "RefMeanWorkingHours": one.ref_mean_working_hours,
        "MeanWorkingHours": one.mean_working_hours,
        "OccupationUserReference": one.reference,
        "OccupationVersionNbr": version,
        "LocalUnitID": one.local_unit,
        **dict(one.values),
    }
    told = "".join(element(name, texts.get(name)) for name in _OF_OCCUPATION)
    told += _blocks([block for block in one.blocks if block.name in _BEFORE_SERVICES])
    for service in one.services:
        told += (
            f"<Service>{element('ServiceSequenceNbr', service.sequence)}{element('ServiceCode', service.code)}"
            f"{element('ServiceNbrDays', service.days)}{element('ServiceNbrHours', service.hours)}"
            f"{element('FlightNbrMinutes', service.flight_minutes)}</Service>"
        )
    for wage in one.remunerations:
        told += (
            f"<Remun>{element('RemunSequenceNbr', wage.sequence)}{element('RemunCode', wage.code)}"
            f"{element('BonusPaymentFrequency', wage.frequency)}{element('PercentagePaid', wage.percentage)}"
            f"{element('RemunAmount', wage.amount)}</Remun>"
        )
    told += _blocks([block for block in one.blocks if block.name not in _BEFORE_SERVICES])
    return told + "".join(_deduction_xml("OccupationDeduction", deduction) for deduction in one.deductions)


def _contribution_xml(one: Contribution) -> str:
    return (
        f"<WorkerContribution>{element('ContributionWorkerCode', one.worker_code)}"
        f"{element('ContributionType', one.type)}{element('ContributionCalculationBasis', one.basis)}"
        f"{element('ContributionAmount', one.amount)}{element('FirstHiringDate', one.first_hiring)}"
        "</WorkerContribution>"
    )


def _deduction_xml(name: str, one: Deduction) -> str:
    texts = {
        "DeductionCode": one.code,
        "DeductionCalculationBasis": one.basis,
        "DeductionAmount": one.amount,
        "DeductionRightStartingDate": one.right_starts,
        "ManagementCostNbrMonths": None,
        "ReplacedINSS": one.replaced,
        "ApplicantINSS": one.applicant,
        "CertificateOrigin": None,
        **dict(one.values),
    }
    return f"<{name}>{''.join(element(*pair) for pair in texts.items())}{_blocks(one.details)}</{name}>"


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(
        f"<{one.name}>{''.join(element(*pair) for pair in one.values)}{_blocks(one.blocks)}</{one.name}>"
        for one in blocks
    )
