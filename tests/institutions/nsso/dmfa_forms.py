"""DmfAs and their updates as senders write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from schemas.declarations.dmfa import days_of
from schemas.declarations.pid import PersonPid, Pids
from schemas.declarations.quarter import Quarter as Named
from schemas.employer import NssoNumber
from schemas.ssin import Ssin
from tests.institutions.nsso.ground import BAKER, EARLY, block, message

#: The last that ended, and its first day.
QUARTER = "20263"
STARTS = date(2026, 7, 1)
#: Its working days in a week of five, × 100.
DAYS = 6600
#: Per cent, of an employee's ordinary contribution.
_RATE = Decimal("37.84")


@dataclass(frozen=True)
class Work:
    """An occupation of a full time of five days."""

    number: int = 1
    days: int = DAYS
    wage: int = 900_000
    reference: str | None = None

    def xml(self, name: str, version: int | None = None) -> str:
        service = None
        if self.days:
            service = block("Service", ("ServiceSequenceNbr", 1), ("ServiceCode", "001"), ("ServiceNbrDays", self.days))
        wage = block("Remun", ("RemunSequenceNbr", 1), ("RemunCode", "001"), ("RemunAmount", self.wage))
        return block(
            name,
            ("OccupationSequenceNbr", self.number),
            ("OccupationStartingDate", date(2020, 1, 1)),
            ("JointCommissionNbr", "200"),
            ("WorkingDaysSystem", 500),
            ("ContractType", 0),
            ("RefMeanWorkingHours", 3800),
            ("MeanWorkingHours", 3800),
            ("Retired", 0),
            ("OccupationUserReference", self.reference),
            ("OccupationVersionNbr", version),
            ("Service", service),
            ("Remun", wage),
        )


@dataclass(frozen=True)
class Line:
    """A worker record, with what is owed for it."""

    code: str = "495"
    works: tuple[Work, ...] = (Work(),)
    employer_class: str = "010"
    basis: int = 900_000

    @property
    def owed(self) -> int:
        return int((self.basis * _RATE / 100).quantize(Decimal(1), ROUND_HALF_UP))

    @property
    def key(self) -> tuple[tuple[str, object], tuple[str, object]]:
        return ("EmployerClass", self.employer_class), ("WorkerCode", self.code)

    def _days(self, quarter: str) -> tuple[tuple[str, object], ...]:
        days = days_of(Named.parse(quarter))
        return ("NOSSQuarterStartingDate", days.begin), ("NOSSQuarterEndingDate", days.end), ("Border", 0)

    @property
    def _contribution(self) -> str:
        return block(
            "WorkerContribution",
            ("ContributionWorkerCode", self.code),
            ("ContributionType", 0),
            ("ContributionCalculationBasis", self.basis),
            ("ContributionAmount", self.owed),
        )

    def xml(self, quarter: str = QUARTER) -> str:
        works = [("", one.xml("Occupation")) for one in self.works]
        return block("WorkerRecord", *self.key, *self._days(quarter), *works, ("", self._contribution))

    def action(self, action: int, versions: Sequence[int | None] = ()) -> str:
        """Block WorkerRecordUpdateAction, whole."""
        works = [
            ("", one.xml("OccupationUpdate", versions[place] if place < len(versions) else None))
            for place, one in enumerate(self.works)
        ]
        content = (*works, ("", self._contribution))
        return block("WorkerRecordUpdateAction", *self.key, *self._days(QUARTER), ("UpdateAction", action), *content)


@dataclass(frozen=True)
class Quarter:
    """An employer's."""

    persons: tuple[tuple[Ssin | str, tuple[Line, ...]], ...] = ()
    employer: NssoNumber | int = BAKER
    unrelated: tuple[tuple[str, int], ...] = ()
    plates: tuple[str, ...] = ()
    quarter: str = QUARTER
    created: date = EARLY
    #: What stands before the declaration.
    head: str = ""

    @property
    def xml(self) -> bytes:
        owed = sum(line.owed for _, lines in self.persons for line in lines) + sum(one[1] for one in self.unrelated)
        persons = [
            block(
                "NaturalPerson",
                ("NaturalPersonSequenceNbr", place),
                ("INSS", ssin.digits if isinstance(ssin, Ssin) else ssin),
                *(("", line.xml(self.quarter)) for line in lines),
            )
            for place, (ssin, lines) in enumerate(self.persons, 1)
        ]
        vehicles = [
            block("CompanyVehicle", ("CompanyVehicleSequenceNbr", place), ("LicensePlate", plate))
            for place, plate in enumerate(self.plates, 1)
        ]
        unrelated = [
            block(
                "ContributionUnrelatedToNP",
                ("UnrelatedEmployerClass", "010"),
                ("UnrelatedWorkerCode", code),
                ("UnrelatedAmount", amount),
            )
            for code, amount in self.unrelated
        ]
        content = block(
            "EmployerDeclaration",
            ("Quarter", self.quarter),
            ("NOSSRegistrationNbr", self.employer),
            ("Trusteeship", 0),
            ("CompanyID", 0),
            ("NetOwedAmount", owed),
            *(("", one) for one in (*persons, *vehicles, *unrelated)),
        )
        return message(content, root="DmfAOriginal", release="20223", created=self.created, head=self.head)


def update(
    pid: int,
    *blocks: str,
    employer: NssoNumber = BAKER,
    quarter: str = QUARTER,
    more: tuple[tuple[str, object], ...] = (),
) -> bytes:
    """A DmfAUpdate with these blocks; persons first."""
    content = block(
        "EmployerDeclarationUpdate",
        ("Quarter", quarter),
        ("NOSSRegistrationNbr", employer),
        ("Trusteeship", 0),
        ("CompanyID", 0),
        ("EmployerDeclarationPID", pid),
        *more,
        *(("", one) for one in blocks),
    )
    return message(content, root="DmfAUpdate", release="20223")


def person_update(ssin: Ssin | str, known: PersonPid | None, *records: str, **other: object) -> str:
    """Block NaturalPersonUpdate. `known`: as last told; `other`: elements in place of what that says."""
    said: dict[str, object] = {
        "NaturalPersonPID": known and known.pid,
        "DeclNaturalPersonPID": known and known.declared_pid,
        "DeclNaturalPersonVersionNbr": known and known.version,
        **other,
    }
    return block(
        "NaturalPersonUpdate",
        ("NaturalPersonSequenceNbr", 1),
        ("INSS", ssin.digits if isinstance(ssin, Ssin) else ssin),
        *said.items(),
        *(("", one) for one in records),
    )


def record_update(
    action: int, line: Line, last: tuple[str, int] | None = None, versions: Sequence[int | None] = ()
) -> str:
    """Block WorkerRecordUpdate. `last`: worker code and version; `versions`: of the occupations."""
    situation = None
    if last is not None:
        situation = block(
            "LastSituationWR",
            ("EmployerClass", line.employer_class),
            ("WorkerCode", last[0]),
            ("WorkerRecordVersionNbr", last[1]),
        )
    return block("WorkerRecordUpdate", ("", situation), ("", line.action(action, versions)))


def modified(pids: Pids, ssin: Ssin, line: Line, **other: object) -> bytes:
    """An update that says one record of a person anew, with what it last was."""
    person = pids.person(ssin.digits)
    assert person is not None
    record = person.record(line.employer_class, line.code)
    assert record is not None
    versions = {one.sequence: one.version for one in record.occupations}
    change = record_update(1, line, (line.code, record.version), [versions.get(one.number) for one in line.works])
    assert pids.nsso is not None
    return update(pids.pid, person_update(ssin, person, change, **other), employer=NssoNumber(pids.nsso))
