"""DmfA's rules, pure: one small function each, in the order of the table in `docs/declarations.md`, "DmfA".

Those of what is declared of one person are also an update's, whose elements have other names: `Place`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from institutions.nsso.dimona.rules import creation_is_wrong
from institutions.nsso.dmfa.terms import Terms
from institutions.nsso.moment import Moment
from institutions.nsso.register import Employer
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.blocks import Block
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.declarations.dmfa import Declaration, Deduction, Occupation, Person, Record, ssin_of
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import number
from schemas.employer import EmployerNumberError, EstablishmentNumber
from schemas.period import Period
from schemas.ssin import Ssin

_T = TypeVar("_T")
DECLARATION = "EmployerDeclaration"
_LAST_WITH_SYSTEM5 = Quarter(2004, 2)
_FULL_TIME = 0
_WEEK, _FIVE_DAYS = 7, 5
#: INSS of who has none, or none that is known.
_NOBODY = "00000000000"
#: Worker type of who is in no DmfA, and of students at work (zone 00655).
_WITHOUT_DMFA, _STUDENT = "DWD", "STU"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a DmfA is judged."""

    #: The employer that the form names, for which the sender has a mandate; or what is wrong with that.
    employer: Employer | Anomaly
    #: The employer's Dimona periods that touch the quarter.
    periods: Sequence[DimonaPeriod] = field(default=(), repr=False)
    #: Whether there is an original of the employer's quarter.
    declared: bool = False
    #: Numbers that were replaced, of persons declared or in `periods`, and by which.
    replaced: Mapping[Ssin, Ssin] = field(default_factory=dict, repr=False)
    #: By deduction code, what its authentic source knows: on which days who has a right. A code that has no source
    #: here is not judged.
    rights: Mapping[str, Mapping[Ssin, Sequence[Period]]] = field(default_factory=dict, repr=False)

    def current(self, ssin: Ssin) -> Ssin:
        """The number by which a person is known now."""
        return self.replaced.get(ssin, ssin)


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules of the whole look at."""

    declaration: Declaration
    known: Known
    moment: Moment
    terms: Terms

    @property
    def employer(self) -> Employer | None:
        return self.known.employer if isinstance(self.known.employer, Employer) else None

    @property
    def at_work(self) -> dict[Ssin, tuple[str, Person]]:
        """Who worked in the quarter, as declared, with the place of each; not who is only paid afterwards."""
        return {
            self.known.current(ssin): (path, person)
            for path, person in persons(self.declaration)
            if (ssin := person.ssin) is not None and _worked(person, self.declaration.days)
        }

    @property
    def with_dimona(self) -> set[Ssin]:
        """Who has a Dimona in the quarter."""
        return {self.known.current(one.worker.ssin) for one in self.periods if one.worker.ssin is not None}

    @property
    def periods(self) -> Iterator[DimonaPeriod]:
        """Dimona periods of the quarter that are not cancelled."""
        days = self.declaration.days
        return (one for one in self.known.periods if not one.cancelled and one.span.days.overlaps(days))

    @property
    def to_declare(self) -> set[Ssin]:
        """Who has a Dimona that asks for a DmfA."""
        return {
            self.known.current(one.worker.ssin)
            for one in self.periods
            if one.worker.ssin is not None and one.features.worker_type != _WITHOUT_DMFA
        }

    @property
    def not_declared(self) -> set[Ssin]:
        """Of these who is not declared."""
        declared = {self.known.current(ssin) for person in self.declaration.persons if (ssin := person.ssin)}
        return self.to_declare - declared

    @property
    def without_dimona(self) -> dict[Ssin, tuple[str, Person]]:
        """Who worked and has no Dimona."""
        known = self.with_dimona
        return {ssin: found for ssin, found in self.at_work.items() if ssin not in known}


@dataclass(frozen=True, slots=True)
class Place:
    """A worker record, and where it stands."""

    record: Record
    inss: str = field(repr=False)
    #: Of the record, below the Form.
    path: str
    #: Of the quarter.
    days: Period
    known: Known
    terms: Terms
    #: Name of its occupations' elements.
    occupation: str = "Occupation"

    def anomaly(self, zone: str, code: str, name: str, told: str | int | date | None = None) -> Anomaly:
        """What is wrong with an element of the record; `name` may be a path below it."""
        return _anomaly(zone, code, f"{self.path}/{name}", told)

    @property
    def occupations(self) -> Iterator[tuple[str, Occupation]]:
        """With the path of each below the record."""
        return _numbered(self.occupation, self.record.occupations)

    @property
    def deductions(self) -> Iterator[tuple[str, Deduction]]:
        """The record's and those of its occupations, with the path of each below the record."""
        yield from _numbered("WorkerDeduction", self.record.deductions)
        for path, occupation in self.occupations:
            for below, one in _numbered("OccupationDeduction", occupation.deductions):
                yield f"{path}/{below}", one

    @property
    def ssin(self) -> Ssin | None:
        return ssin_of(self.inss)

    @property
    def has_days(self) -> bool:
        """Whether its dates are such that others can be held against them."""
        record, slack = self.record, self.terms.slack
        return record.starts <= record.ends and all(
            _within(day, self.days, slack) for day in (record.starts, record.ends)
        )


Rule = Callable[[Case], Iterator[Anomaly]]
RecordRule = Callable[[Place], Iterator[Anomaly]]


def persons(declaration: Declaration) -> Iterator[tuple[str, Person]]:
    """With the path of each below the Form."""
    return ((f"{DECLARATION}/{path}", person) for path, person in _numbered("NaturalPerson", declaration.persons))


def _numbered(name: str, things: Iterable[_T]) -> Iterator[tuple[str, _T]]:
    return ((f"{name}[{place}]", thing) for place, thing in enumerate(things, 1))


def _anomaly(zone: str, code: str, path: str, told: str | int | date | None = None) -> Anomaly:
    tag = path.rpartition("/")[2].partition("[")[0]
    return Anomaly(zone, code, tag, None if told is None else str(told), path)


# --- of the whole, before anything else ---------------------------------------------------------------------------


def creation_date(case: Case) -> Iterator[Anomaly]:
    created = case.declaration.created
    if created is not None and creation_is_wrong(created, case.moment):
        yield _anomaly("00218", "003", "FormCreationDate", created)


def quarter(case: Case) -> Iterator[Anomaly]:
    """From 2003/1, which the schema asks, to the last that ended; not longer ago than it may be declared."""
    told, end = case.declaration.quarter, _end(case.declaration.days)
    if end >= case.moment.day:
        yield _anomaly("00013", "008", f"{DECLARATION}/Quarter", _written(told))
    elif case.moment.day > _years_after(end, case.terms.years):
        yield _anomaly("00013", "313", f"{DECLARATION}/Quarter", _written(told))


def system5(case: Case) -> Iterator[Anomaly]:
    declaration = case.declaration
    if declaration.system5 is not None and declaration.quarter > _LAST_WITH_SYSTEM5:
        yield _anomaly("00016", "034", f"{DECLARATION}/System5", int(declaration.system5))


def employer(case: Case) -> Iterator[Anomaly]:
    """As Dimona's (`employers.py`), and active on a day of the quarter."""
    found = case.known.employer
    if isinstance(found, Anomaly):
        yield of_employer(found, DECLARATION, case.declaration.nsso)
    elif not found.active.overlaps(case.declaration.days):
        yield _anomaly("00011", "051", f"{DECLARATION}/NOSSRegistrationNbr", case.declaration.nsso)


def of_employer(found: Anomaly, path: str, said: str) -> Anomaly:
    """What is wrong with the employer that the block at `path` names. A DmfA, or its update, has no element EmployerId:
    who names none has left out the NSSO number."""
    return _anomaly("00011", "001", f"{path}/NOSSRegistrationNbr", said) if found.error_id == "90256-001" else found


def declared_before(case: Case) -> Iterator[Anomaly]:
    if case.employer is not None and case.known.declared:
        yield _anomaly("90007", "006", DECLARATION)


FIRST_RULES: tuple[Rule, ...] = (creation_date, quarter, system5, employer, declared_before)


# --- of the whole -------------------------------------------------------------------------------------------------


def person_numbers(case: Case) -> Iterator[Anomaly]:
    for path, person in persons(case.declaration):
        yield from inss(path, person.inss, case.known)


def inss(path: str, written: str, known: Known) -> Iterator[Anomaly]:
    """A person's number; `path` is the person's. That it was replaced is told, and blocks nothing."""
    ssin = ssin_of(written)
    if written == _NOBODY:
        yield _anomaly("90017", "151", path)
    elif ssin is None:
        yield _anomaly("00024", "004", f"{path}/INSS", written)
    elif ssin in known.replaced:
        yield Anomaly("90017", "252", "INSS", written, f"{path}/INSS")


def same_persons(case: Case) -> Iterator[Anomaly]:
    """Sequence numbers, and a person twice, also under the number before."""
    places = list(persons(case.declaration))
    for path, told in _again((path, person.sequence) for path, person in places):
        yield _anomaly("00023", "006", f"{path}/NaturalPersonSequenceNbr", told)
    ssins = ((path, case.known.current(ssin)) for path, person in places if (ssin := person.ssin) is not None)
    written = {path: person.inss for path, person in places}
    for path, _ in _again(ssins):
        yield Anomaly("90017", "006", "INSS", written[path], f"{path}/INSS")


def same_records(case: Case) -> Iterator[Anomaly]:
    for path, person in persons(case.declaration):
        for at, _ in _again((at, record.key) for at, record in _numbered("WorkerRecord", person.records)):
            yield _anomaly("90012", "006", f"{path}/{at}")


def same_behind(case: Case) -> Iterator[Anomaly]:
    """Vehicles by sequence number, contributions unrelated to a person by class and code."""
    declaration = case.declaration
    vehicles = ((f"{DECLARATION}/{at}", one.sequence) for at, one in _numbered("CompanyVehicle", declaration.vehicles))
    for path, told in _again(vehicles):
        yield _anomaly("00780", "006", f"{path}/CompanyVehicleSequenceNbr", told)
    unrelated = _numbered("ContributionUnrelatedToNP", declaration.unrelated)
    for path, _ in _again((f"{DECLARATION}/{at}", one.key) for at, one in unrelated):
        yield _anomaly("90002", "006", path)


def balance(case: Case) -> Iterator[Anomaly]:
    owed = net(case.declaration)
    if owed < 0:
        yield _anomaly("00015", "011", f"{DECLARATION}/NetOwedAmount", case.declaration.net_owed)
    elif owed != case.declaration.net_owed:
        yield _anomaly("00015", "007", f"{DECLARATION}/NetOwedAmount", case.declaration.net_owed)


#: Amounts that are owed, of blocks that stand in the place of occupations.
_OWED = {
    "DismissedStatutoryWorkerContribution": "GrossRefRemunContributionAmount",
    "EarlyRetirementContribution": "EarlyRetirementContributionAmount",
    "ComplIndemnityContribution": "ContributionAmount",
}


def net(declaration: Declaration) -> int:
    """Contributions without deductions, in eurocents."""
    return sum(one.amount for one in declaration.unrelated) + sum(map(_net_of, declaration.records))


def _net_of(record: Record) -> int:
    owed = sum(one.amount for one in record.contributions) + (record.student.amount if record.student else 0)
    for block in _all(record.blocks):
        owed += number(block.value(_OWED[block.name]) or "") if block.name in _OWED else 0
    deductions = [*record.deductions, *(one for occupation in record.occupations for one in occupation.deductions)]
    return owed - sum(one.amount or 0 for one in deductions)


def more_than_dimona(case: Case) -> Iterator[Anomaly]:
    for path, person in case.without_dimona.values():
        yield Anomaly("90007", "262", "INSS", person.inss, f"{path}/INSS")


def fewer_than_dimona(case: Case) -> Iterator[Anomaly]:
    for ssin in sorted(case.not_declared):
        yield Anomaly("90007", "263", DECLARATION, ssin.digits, DECLARATION)


def students(case: Case) -> Iterator[Anomaly]:
    """Whole days and hours of students against what was planned for them in the quarter."""
    planned_days: Counter[Ssin] = Counter()
    planned_hours: Counter[Ssin] = Counter()
    by_days: set[Ssin] = set()
    for one in case.periods:
        if one.worker.ssin is None or one.features.worker_type != _STUDENT:
            continue
        ssin = case.known.current(one.worker.ssin)
        planned_hours[ssin] += one.span.planned_hours or 0
        planned_days[ssin] += one.span.planned_days or 0
        if one.span.planned_days is not None:
            by_days.add(ssin)
    known = case.with_dimona
    for ssin, (path, person) in case.at_work.items():
        declared = [(at, one.student) for at, one in _numbered("WorkerRecord", person.records) if one.student]
        if not declared or ssin not in known:
            continue
        at = f"{path}/{declared[0][0]}/StudentContribution"
        hours = [one.hours for _, one in declared if one.hours is not None]
        days = [one.days for _, one in declared if one.days is not None]
        if hours and sum(hours) != planned_hours[ssin]:
            yield Anomaly("90017", "502", "StudentHoursNbr", str(sum(hours)), f"{at}/StudentHoursNbr")
        if days and ssin in by_days and sum(days) != planned_days[ssin]:
            yield Anomaly("90017", "429", "StudentNbrDays", str(sum(days)), f"{at}/StudentNbrDays")


WHOLE_RULES: tuple[Rule, ...] = (
    person_numbers,
    same_persons,
    same_records,
    same_behind,
    balance,
    more_than_dimona,
    fewer_than_dimona,
    students,
)


# --- of a worker record -------------------------------------------------------------------------------------------


def record_numbers(place: Place) -> Iterator[Anomaly]:
    """Check digits of establishment units and of persons beside the worker."""
    record = place.record
    units = [("LocalUnitID", record.local_unit)]
    if record.student is not None:
        units.append(("StudentContribution/LocalUnitID", record.student.local_unit))
    units += ((f"{path}/LocalUnitID", one.local_unit) for path, one in place.occupations)
    for path, unit in units:
        if unit is not None and unit.strip("0") and not _is_unit(unit):
            yield place.anomaly("00042", "004", path, unit)
    for path, one in place.deductions:
        for zone, name, other in (("00092", "ReplacedINSS", one.replaced), ("00093", "ApplicantINSS", one.applicant)):
            if _is_wrong(other):
                yield place.anomaly(zone, "004", f"{path}/{name}", other)
    for path, block in _blocks(record.blocks, "ComplementaryIndemnity"):
        if _is_wrong(other := block.value("SubstituteINSS")):
            yield place.anomaly("00749", "004", f"{path}/SubstituteINSS", other)


def sequences(place: Place) -> Iterator[Anomaly]:
    """A sequence number occurs once within the block above it."""
    record = place.record
    occupations = list(place.occupations)
    for path, told in _again((path, one.sequence) for path, one in occupations):
        yield place.anomaly("00043", "006", f"{path}/OccupationSequenceNbr", told)
    for at, occupation in occupations:
        services = _numbered("Service", occupation.services)
        for path, told in _again((f"{at}/{path}", one.sequence) for path, one in services):
            yield place.anomaly("00061", "006", f"{path}/ServiceSequenceNbr", told)
        wages = _numbered("Remun", occupation.remunerations)
        for path, told in _again((f"{at}/{path}", one.sequence) for path, one in wages):
            yield place.anomaly("00066", "006", f"{path}/RemunSequenceNbr", told)
    for at, deduction in place.deductions:
        yield from _same_blocks(place, at, deduction.details, "DeductionDetailSequenceNbr", "00138")
    for at, block in _blocks(record.blocks, "ComplementaryIndemnity"):
        below = [one for one in block.blocks if one.name == "ComplIndemnityContribution"]
        yield from _same_blocks(place, at, below, "ContributionSequenceNbr", "00955")


def same_contributions(place: Place) -> Iterator[Anomaly]:
    contributions = _numbered("WorkerContribution", place.record.contributions)
    for path, _ in _again((path, one.key) for path, one in contributions):
        yield place.anomaly("90001", "006", path)


def record_dates(place: Place) -> Iterator[Anomaly]:
    """Of the quarter, and a few days beside it where wages are paid by the week."""
    record, days = place.record, place.days
    if record.ends < record.starts:
        yield place.anomaly("00039", "014", "NOSSQuarterEndingDate", record.ends)
        return
    if not _within(record.starts, days, place.terms.slack):
        yield place.anomaly("00038", "034", "NOSSQuarterStartingDate", record.starts)
    if not _within(record.ends, days, place.terms.slack):
        yield place.anomaly("00039", "034", "NOSSQuarterEndingDate", record.ends)


def occupation_dates(place: Place) -> Iterator[Anomaly]:
    """It may have begun long ago; it has not begun after the worker record, nor ended before it."""
    record = place.record
    for path, one in place.occupations:
        if one.starts is not None and one.ends is not None and one.ends < one.starts:
            yield place.anomaly("00045", "014", f"{path}/OccupationEndingDate", one.ends)
            continue
        if not place.has_days:
            continue
        if one.starts is not None and one.starts > record.ends:
            yield place.anomaly("00044", "034", f"{path}/OccupationStartingDate", one.starts)
        if one.ends is not None and one.ends < record.starts:
            yield place.anomaly("00045", "034", f"{path}/OccupationEndingDate", one.ends)


def contributions(place: Place) -> Iterator[Anomaly]:
    """Basis × rate, of those for which `nsso.toml` has a rate."""
    rates, cents = place.terms.rates, place.terms.cents
    for path, one in _numbered("WorkerContribution", place.record.contributions):
        rate = rates.get(one.key)
        if rate is not None and one.basis is not None and abs(one.amount - calculated(one.basis, rate)) > cents:
            yield place.anomaly("00085", "044", f"{path}/ContributionAmount", one.amount)
    student = place.record.student
    if student is not None and abs(student.amount - calculated(student.remuneration, place.terms.student)) > cents:
        yield place.anomaly("00077", "044", "StudentContribution/StudentContributionAmount", student.amount)


def calculated(basis: int, rate: Decimal) -> int:
    """So many per cent, in eurocents, halves up."""
    return int((basis * rate / 100).quantize(Decimal(1), ROUND_HALF_UP))


def days_of_services(place: Place) -> Iterator[Anomaly]:
    """Of each occupation, against the calendar; too few of one that is full time only."""
    record, tolerance = place.record, place.terms.days
    if not place.has_days:
        return
    for path, one in place.occupations:
        days = one.days_in(Period(record.starts, record.ends))
        if one.working_days_system == 0 or days is None:
            continue
        there, expected = sum(service.days for service in one.services), calendar_days(days, one.working_days_system)
        if there > expected + tolerance:
            yield place.anomaly("90015", "095", path, there)
        elif there < expected - tolerance and one.contract_type == _FULL_TIME:
            yield place.anomaly("90015", "096", path, there)


def calendar_days(days: Period, system: int) -> int:
    """Days × 100 that one works within these days, `system` × 100 a week, on the first days of the week."""
    week = min(_WEEK, max(_FIVE_DAYS, -(-system // 100)))
    weeks, rest = divmod((_end(days) - days.begin).days + 1, _WEEK)
    first = days.begin.weekday()
    count = weeks * week + sum((first + more) % _WEEK < week for more in range(rest))
    return count * system // week


def deductions(place: Place) -> Iterator[Anomaly]:
    """A right in the quarter, from the day that is declared, by the authentic source of the deduction."""
    ssin = place.ssin
    for path, one in place.deductions:
        source = place.known.rights.get(one.code)
        if source is None or ssin is None:
            continue
        there = [right for right in source.get(place.known.current(ssin), ()) if right.overlaps(place.days)]
        if not there:
            yield place.anomaly("00086", "064", f"{path}/DeductionCode", one.code)
        elif one.right_starts is not None and all(right.begin != one.right_starts for right in there):
            yield place.anomaly("00086", "065", f"{path}/DeductionCode", one.code)


RECORD_RULES: tuple[RecordRule, ...] = (
    record_numbers,
    sequences,
    same_contributions,
    record_dates,
    occupation_dates,
    contributions,
    days_of_services,
    deductions,
)


def of_record(place: Place) -> Iterator[Anomaly]:
    """What all rules of a worker record find."""
    for rule in RECORD_RULES:
        yield from rule(place)


# --- days, numbers, blocks ----------------------------------------------------------------------------------------


def _worked(person: Person, days: Period) -> bool:
    return any(
        record.student is not None or any(one.days_in(days) is not None for one in record.occupations)
        for record in person.records
    )


def _end(days: Period) -> date:
    assert days.end is not None  # noqa: S101 - a quarter, or days of one
    return days.end


def _years_after(day: date, years: int) -> date:
    # A quarter never ends on 29 February.
    return day.replace(year=day.year + years)


def _within(day: date, days: Period, slack: int) -> bool:
    return (days.begin - day).days <= slack and (day - _end(days)).days <= slack


def _written(one: Quarter) -> str:
    return f"{one.year:04}{one.number}"


def _is_unit(digits: str) -> bool:
    try:
        EstablishmentNumber.parse(digits)
    except EmployerNumberError:
        return False
    return True


def _is_wrong(inss: str | None) -> bool:
    """Whether it is given, and no person's; 0 stands for none."""
    return inss is not None and inss.strip().strip("0") != "" and ssin_of(inss.strip()) is None


def _again(places: Iterable[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """Those of which one before has the same key."""
    seen: set[_T] = set()
    for path, key in places:
        if key in seen:
            yield path, key
        seen.add(key)


def _blocks(blocks: Iterable[Block], name: str) -> Iterator[tuple[str, Block]]:
    return _numbered(name, (one for one in blocks if one.name == name))


def _all(blocks: Iterable[Block]) -> Iterator[Block]:
    for one in blocks:
        yield one
        yield from _all(one.blocks)


def _same_blocks(place: Place, at: str, blocks: Sequence[Block], name: str, zone: str) -> Iterator[Anomaly]:
    sequences = ((f"{at}/{one.name}[{count}]", number(one.value(name) or "")) for count, one in enumerate(blocks, 1))
    for path, told in _again(sequences):
        yield place.anomaly(zone, "006", f"{path}/{name}", told)
