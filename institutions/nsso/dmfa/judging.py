"""What becomes of a DmfA, pure: all that is wrong with it, and whether it is taken. `docs/declarations.md`, "DmfA"."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from institutions.nsso.dmfa.rules import (
    DECLARATION,
    FIRST_RULES,
    WHOLE_RULES,
    Case,
    Known,
    Place,
    inss,
    net,
    of_record,
    persons,
)
from institutions.nsso.dmfa.terms import Terms, is_too_many, terms
from institutions.nsso.moment import Moment
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Declaration
from schemas.declarations.dmfa_update import Action, Update
from schemas.declarations.notification import MOST_ANOMALIES

__all__ = ["DECLARATION", "Judgement", "Known", "content_of", "judge", "net"]

#: Diagnosis, zone 00232 (field digest 6.2).
INCOMPLETE, MISSING_DIMONAS, MISSING_SSINS, BLOCKING, TOO_MANY = range(5)
_NO_SSIN = "90017-151"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a declaration. What is kept of it is the declaration itself."""

    #: With paths below the Form; those that block first, and no more than were asked for.
    anomalies: tuple[Anomaly, ...] = field(repr=False)
    #: Why it is refused, in order; none: it is accepted.
    diagnosis: tuple[int, ...]
    #: How many there are of what may be too many, by its diagnosis.
    counts: Mapping[int, int] = field(default_factory=dict, compare=False)

    @property
    def accepted(self) -> bool:
        return not self.diagnosis

    def worse_than(self, before: "Judgement") -> tuple[int, ...]:
        """Why it is refused, but for what was too many before already and has not become more."""
        return tuple(
            one
            for one in self.diagnosis
            if one not in before.diagnosis or one not in self.counts or self.counts[one] > before.counts.get(one, 0)
        )


def judge(
    declaration: Declaration,
    known: Known,
    moment: Moment,
    configured: Terms | None = None,
    most: int | None = MOST_ANOMALIES,
) -> Judgement:
    """What becomes of it. Where the whole cannot be, its content is not judged: of who may not declare for an employer
    nothing is told of what is known of that employer. `configured`: by default as `nsso.toml` says. `most`: how many
    anomalies are told; None: all, for who compares them."""
    case = Case(declaration, known, moment, configured or terms())
    first = [one for rule in FIRST_RULES for one in rule(case)]
    if _blocks(first):
        return Judgement(_told(first, most), (BLOCKING,))
    found = [*first, *(one for rule in WHOLE_RULES for one in rule(case)), *_of_records(case)]
    counts = _counts(case, found)
    return Judgement(_told(found, most), tuple(_diagnosis(case, found, counts)), counts)


def _counts(case: Case, found: Sequence[Anomaly]) -> Mapping[int, int]:
    return {
        INCOMPLETE: len(case.not_declared),
        MISSING_DIMONAS: len(case.without_dimona),
        MISSING_SSINS: sum(one.error_id == _NO_SSIN for one in found),
        TOO_MANY: sum(one.anomaly_class == "P" for one in found),
    }


def _diagnosis(case: Case, found: Sequence[Anomaly], counts: Mapping[int, int]) -> Iterator[int]:
    configured = case.terms
    records = sum(1 for _ in case.declaration.records)
    workers = len(case.declaration.persons)
    if is_too_many(counts[INCOMPLETE], len(case.to_declare), configured.missing_workers):
        yield INCOMPLETE
    if is_too_many(counts[MISSING_DIMONAS], len(case.at_work), configured.missing_dimonas):
        yield MISSING_DIMONAS
    if is_too_many(counts[MISSING_SSINS], workers, configured.missing_ssins):
        yield MISSING_SSINS
    if _blocks(found):
        yield BLOCKING
    if is_too_many(counts[TOO_MANY], records, configured.percentage):
        yield TOO_MANY


def content_of(update: Update, known: Known, configured: Terms | None = None) -> tuple[Anomaly, ...]:
    """What is wrong with what an update brings, by the rules of an original's persons and records; no more than an
    answer may hold, and those that block first."""
    return _told(_of_update(update, known, configured or terms()))


def _of_update(update: Update, known: Known, configured: Terms) -> Iterator[Anomaly]:
    for number, person in enumerate(update.persons, 1):
        path = f"{DECLARATION}Update/NaturalPersonUpdate[{number}]"
        yield from inss(path, person.inss, known)
        for count, record in enumerate(person.records, 1):
            if record.action not in (Action.MODIFY, Action.CREATE):
                continue
            at = f"{path}/WorkerRecordUpdate[{count}]/WorkerRecordUpdateAction"
            if record.content is None:
                yield Anomaly("00038", "001", "NOSSQuarterStartingDate", None, f"{at}/NOSSQuarterStartingDate")
                continue
            place = Place(record.content, person.inss, at, update.days, known, configured, "OccupationUpdate")
            yield from of_record(place)


def _of_records(case: Case) -> Iterator[Anomaly]:
    for path, person in persons(case.declaration):
        for count, record in enumerate(person.records, 1):
            at = f"{path}/WorkerRecord[{count}]"
            yield from of_record(Place(record, person.inss, at, case.declaration.days, case.known, case.terms))


def _told(found: Iterable[Anomaly], most: int | None = MOST_ANOMALIES) -> tuple[Anomaly, ...]:
    return tuple(sorted(found, key=lambda one: not one.blocks)[:most])


def _blocks(found: Iterable[Anomaly]) -> bool:
    return any(one.blocks for one in found)
