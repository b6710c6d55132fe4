"""What a DmfAUpdate makes of the DmfA that is kept, pure: whether it names the last situation, and what it changes.

`docs/declarations.md`, "DmfA". What it brings is judged by `dmfa`, and so is the quarter that comes of it.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, fields, replace

from institutions.nsso.dmfa.kept import (
    KeptDmfa,
    KeptOccupation,
    KeptPerson,
    KeptRecord,
    KeptUnrelated,
    KeptVehicle,
)
from institutions.nsso.dmfa.store import Highest
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Occupation, Person, Record, Unrelated
from schemas.declarations.dmfa_update import (
    Action,
    Last,
    PersonUpdate,
    RecordUpdate,
    UnrelatedUpdate,
    Update,
    VehicleUpdate,
)

BLOCK = "EmployerDeclarationUpdate"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the declaration."""

    highest: Highest = field(default_factory=Highest)
    #: NaturalPersonPID by INSS, of persons that the update names and that have one.
    naturals: Mapping[str, int] = field(default_factory=dict, repr=False)
    #: DeclNaturalPersonPIDs that the update names, of another declaration of this employer.
    elsewhere: Set[int] = frozenset()


def numbers_wanted(update: Update) -> int:
    """New ones, at most."""
    return sum(2 + len(person.records) for person in update.persons)


def unknown(update: Update) -> Anomaly:
    """The declaration is not there, or another's: the two are told alike."""
    return Anomaly("00534", "182", "EmployerDeclarationPID", str(update.pid), f"{BLOCK}/EmployerDeclarationPID")


def apply(
    update: Update, before: KeptDmfa, facts: Facts, numbers: Iterator[int]
) -> tuple[tuple[Anomaly, ...], KeptDmfa]:
    """What is wrong with what it names, all of which blocks; and the declaration as it is to be, if that is nothing.

    It still has the sender, ticket and net amount of `before`.
    """
    work = _Work(before, facts, numbers)
    work.update(update)
    return tuple(work.found), work.after


class _Work:
    def __init__(self, before: KeptDmfa, facts: Facts, numbers: Iterator[int]) -> None:
        self._before, self._facts, self._numbers = before, facts, numbers
        self.found: list[Anomaly] = []
        self._persons = {one.pid: one for one in before.persons}
        self._unrelated = {one.said.key: one for one in before.unrelated}
        self._vehicles = {one.said.sequence: one for one in before.vehicles}
        #: What was named already.
        self._named: set[object] = set()
        self._sequence = max((one.said.sequence for one in before.persons), default=0)

    def _wrong(self, zone: str, code: str, path: str, told: object = None) -> None:
        tag = path.rpartition("/")[2].partition("[")[0]
        self.found.append(Anomaly(zone, code, tag, None if told is None else str(told), path))

    def _twice(self, *name: object) -> bool:
        """Whether this update named it before."""
        if name in self._named:
            return True
        self._named.add(name)
        return False

    @property
    def after(self) -> KeptDmfa:
        return replace(
            self._before,
            persons=tuple(one for one in self._persons.values() if one.records),
            unrelated=tuple(sorted(self._unrelated.values(), key=lambda one: one.said.key)),
            vehicles=tuple(sorted(self._vehicles.values(), key=lambda one: one.said.sequence)),
        )

    def update(self, update: Update) -> None:
        if update.trusteeship != self._before.said.trusteeship:
            self._wrong("00012", "022", f"{BLOCK}/Trusteeship", int(update.trusteeship))
        said = self._before.said
        if update.system5 is not None:
            said = replace(said, system5=update.system5)
        if update.holiday_starts is not None:
            said = replace(said, holiday_starts=update.holiday_starts)
        self._before = replace(self._before, said=said)
        for number, person in enumerate(update.persons, 1):
            self._person(f"{BLOCK}/NaturalPersonUpdate[{number}]", person)
        for number, vehicle in enumerate(update.vehicles, 1):
            self._vehicle(f"{BLOCK}/CompanyVehicleUpdateAction[{number}]", vehicle)
        for number, unrelated in enumerate(update.unrelated, 1):
            self._change_unrelated(f"{BLOCK}/ContributionUnrelatedToNPUpdate[{number}]", unrelated)

    # --- persons -----------------------------------------------------------------------------------------------

    def _person(self, path: str, said: PersonUpdate) -> None:
        if said.declared_pid is None:
            self._new_person(path, said)
            return
        kept = self._persons.get(said.declared_pid)
        if kept is None:
            code = "178" if said.declared_pid in self._facts.elsewhere else "182"
            self._wrong("00548", code, f"{path}/DeclNaturalPersonPID", said.declared_pid)
            return
        if said.pid is None or said.version is None:
            zone, name = ("00549", "NaturalPersonPID") if said.pid is None else ("00620", "DeclNaturalPersonVersionNbr")
            self._wrong(zone, "001", f"{path}/{name}")
            return
        if said.pid != kept.natural:
            self._wrong("00549", "177", f"{path}/NaturalPersonPID", said.pid)
            return
        if said.version != kept.version:
            self._wrong("00620", "180", f"{path}/DeclNaturalPersonVersionNbr", said.version)
            return
        if self._twice("person", kept.pid):
            self._wrong("00548", "006", f"{path}/DeclNaturalPersonPID", said.declared_pid)
            return
        natural = kept.natural
        if said.inss != kept.said.inss:
            # Another number: another person, or the right one of the same.
            natural = self._facts.naturals.get(said.inss) or next(self._numbers)
        reference = kept.said.reference if said.reference is None else said.reference
        records = self._records(path, kept, said)
        person = replace(
            kept, natural=natural, said=replace(kept.said, inss=said.inss, reference=reference), records=records
        )
        if person != kept:
            self._persons[kept.pid] = replace(person, version=kept.version + 1)

    def _new_person(self, path: str, said: PersonUpdate) -> None:
        if said.version is not None:
            self._wrong("00548", "001", f"{path}/DeclNaturalPersonPID")
            return
        natural = self._facts.naturals.get(said.inss)
        if said.pid is not None and said.pid != natural:
            self._wrong("00549", "177", f"{path}/NaturalPersonPID", said.pid)
            return
        pid, nobodys = next(self._numbers), next(self._numbers)
        self._sequence += 1
        person = Person(self._sequence, said.inss, said.reference)
        kept = KeptPerson(pid, 1, natural or nobodys, person)
        self._persons[pid] = replace(kept, records=self._records(path, kept, said))

    # --- worker records ----------------------------------------------------------------------------------------

    def _records(self, path: str, person: KeptPerson, said: PersonUpdate) -> tuple[KeptRecord, ...]:
        """The person's records as they are to be."""
        records = {one.id: one for one in person.records}
        for number, change in enumerate(said.records, 1):
            self._record(f"{path}/WorkerRecordUpdate[{number}]", person, change, records)
        return tuple(records.values())

    def _record(self, path: str, person: KeptPerson, change: RecordUpdate, records: dict[int, KeptRecord]) -> None:
        action, last = change.action, change.last
        if not self._is_right(path, "WorkerRecordUpdateAction", action, last):
            return
        inside = f"{path}/WorkerRecordUpdateAction"
        if last is None:
            if change.content is None:
                self._wrong("00038", "001", f"{inside}/NOSSQuarterStartingDate")
            elif any(version is not None for version in change.versions):
                self._wrong("00619", "180", f"{inside}/OccupationUpdate/OccupationVersionNbr")
            else:
                version = self._facts.highest.record(person.pid, change.key) + 1
                new = KeptRecord.new(next(self._numbers), version, change.content)
                occupations = tuple(self._new_occupation(person, change.key, one.said) for one in new.occupations)
                records[new.id] = replace(new, occupations=occupations)
            return
        kept = person.record(last.key)
        if kept is None or kept.version != last.version:
            self._wrong("00610", "180", f"{path}/LastSituationWR/WorkerRecordVersionNbr", last.version)
        elif self._twice("record", kept.id):
            self._wrong("90012", "006", path)
        elif action is not Action.MODIFY and change.key != last.key:
            self._wrong("00618", "003", f"{inside}/UpdateAction", int(action))
        elif action is Action.DELETE:
            del records[kept.id]
        elif action is Action.KEEP:
            self._stays(inside, kept, change)
        else:
            if change.content is None:
                self._wrong("00038", "001", f"{inside}/NOSSQuarterStartingDate")
            else:
                records[kept.id] = self._modified(inside, person, kept, change.content, change)

    def _stays(self, path: str, kept: KeptRecord, change: RecordUpdate) -> None:
        """Of what is not changed nothing else may be said than what is kept; what is left out stays."""
        if change.content is None:
            if change.incomplete:
                self._wrong("00038", "001", f"{path}/NOSSQuarterStartingDate")
            return
        before = {one.said.sequence: one for one in kept.occupations}
        differs = _says_otherwise(change.content, kept.said)
        for number, (said, version) in enumerate(zip(change.content.occupations, change.versions, strict=True), 1):
            last = before.get(said.sequence)
            if version is not None and (last is None or last.version != version):
                self._wrong("00619", "180", f"{path}/OccupationUpdate[{number}]/OccupationVersionNbr", version)
            differs = differs or last is None or said != last.said
        if differs:
            self._wrong("00618", "003", f"{path}/UpdateAction", int(Action.KEEP))

    def _modified(
        self, path: str, person: KeptPerson, kept: KeptRecord, content: Record, change: RecordUpdate
    ) -> KeptRecord:
        before = {one.said.sequence: one for one in kept.occupations}
        occupations = []
        for number, (said, version) in enumerate(zip(content.occupations, change.versions, strict=True), 1):
            last = before.get(said.sequence)
            if (None if last is None else last.version) != version:
                at = f"{path}/OccupationUpdate[{number}]/OccupationVersionNbr"
                self._wrong("00619", "180", at, version)
            elif last is None:
                occupations.append(self._new_occupation(person, content.key, said))
            elif said == last.said and (content.key == kept.key or self._is_new(person, content.key, said)):
                occupations.append(last)
            else:
                new = self._new_occupation(person, content.key, said)
                occupations.append(replace(new, version=max(new.version, last.version + 1)))
        version = max(kept.version, self._facts.highest.record(person.pid, content.key)) + 1
        return KeptRecord(kept.id, version, replace(content, occupations=()), tuple(occupations))

    def _new_occupation(self, person: KeptPerson, key: tuple[str, str], said: Occupation) -> KeptOccupation:
        return KeptOccupation(self._facts.highest.occupation(person.pid, key, said.sequence) + 1, said)

    def _is_new(self, person: KeptPerson, key: tuple[str, str], said: Occupation) -> bool:
        """Whether no record of this class and code ever had this occupation."""
        return self._facts.highest.occupation(person.pid, key, said.sequence) == 0

    # --- what is nobody's --------------------------------------------------------------------------------------

    def _change_unrelated(self, path: str, change: UnrelatedUpdate) -> None:
        last = change.last
        if not self._is_right(path, "CUNPUpdateAction", change.action, last):
            return
        content = change.content
        if content is None and change.action in (Action.MODIFY, Action.CREATE):
            self._wrong("00022", "001", f"{path}/CUNPUpdateAction/UnrelatedAmount")
            return
        if last is None:
            assert content is not None  # noqa: S101 - of a CREATE it was looked at
            if content.key in self._unrelated:
                self._wrong("90002", "006", path)
            else:
                self._unrelated[content.key] = self._next_unrelated(content)
            return
        kept = self._unrelated.get(last.key)
        if kept is None or kept.version != last.version:
            self._wrong("00611", "180", f"{path}/LastSituationCUNP/ContUnrelatedToNPVersionNbr", last.version)
        elif self._twice("unrelated", last.key):
            self._wrong("90002", "006", path)
        elif change.action is Action.DELETE:
            del self._unrelated[last.key]
        elif content is not None and change.action is Action.MODIFY:
            if content.key != last.key and content.key in self._unrelated:
                self._wrong("90002", "006", path)
                return
            del self._unrelated[last.key]
            self._unrelated[content.key] = self._next_unrelated(content)
        elif (content is not None and content != kept.said) or change.key != last.key:
            self._wrong("00618", "003", f"{path}/CUNPUpdateAction/UpdateAction", int(change.action))

    def _next_unrelated(self, said: Unrelated) -> KeptUnrelated:
        return KeptUnrelated(self._facts.highest.unrelated(said) + 1, said)

    def _vehicle(self, path: str, change: VehicleUpdate) -> None:
        said, kept = change.vehicle, self._vehicles.get(change.vehicle.sequence)
        creates = change.action is Action.CREATE
        if creates is not (change.version is None):
            self._wrong("00618", "003", f"{path}/UpdateAction", int(change.action))
        elif creates and kept is not None:
            self._wrong("00780", "006", f"{path}/CompanyVehicleSequenceNbr", said.sequence)
        elif not creates and (kept is None or kept.version != change.version):
            self._wrong("00782", "180", f"{path}/CompanyVehicleVersionNbr", change.version)
        elif self._twice("vehicle", said.sequence):
            self._wrong("00780", "006", f"{path}/CompanyVehicleSequenceNbr", said.sequence)
        elif change.action is Action.DELETE:
            del self._vehicles[said.sequence]
        elif change.action is not Action.KEEP:
            self._vehicles[said.sequence] = KeptVehicle(self._facts.highest.vehicle(said) + 1, said)
        elif kept is not None and said != kept.said:
            self._wrong("00618", "003", f"{path}/UpdateAction", int(change.action))

    def _is_right(self, path: str, block: str, action: Action, last: Last | None) -> bool:
        """What is created has no last situation, and all else has one."""
        if (action is Action.CREATE) is (last is None):
            return True
        self._wrong("00618", "003", f"{path}/{block}/UpdateAction", int(action))
        return False


def _says_otherwise(said: Record, kept: Record) -> bool:
    """Whether a record, but for its occupations, says what is not kept so; what it leaves out says nothing."""
    told = ((one.name, getattr(said, one.name)) for one in fields(Record) if one.name != "occupations")
    return any(value not in (None, ()) and value != getattr(kept, name) for name, value in told)


def placed(update: Update, after: KeptDmfa, inside: str) -> Callable[[Anomaly], Anomaly]:
    """Anomalies of the whole quarter have the paths of an original (`inside`): those of a person whom the update names
    are told at that person, all others at the update itself."""
    by_inss = {person.inss: number for number, person in enumerate(update.persons, 1)}

    def place(anomaly: Anomaly) -> Anomaly:
        steps = anomaly.path.split("/")
        if steps[0] != inside:
            return anomaly
        if len(steps) > 1 and steps[1].startswith("NaturalPerson["):
            person = after.persons[int(steps[1].partition("[")[2].rstrip("]")) - 1]
            if (number := by_inss.get(person.said.inss)) is not None:
                return replace(anomaly, path=f"{BLOCK}/NaturalPersonUpdate[{number}]")
        return replace(anomaly, path=BLOCK)

    return place
