"""A social risk as an employer declares it (ZIMA001, ZIMA006): read from its form, and judged, pure.

docs/declarations.md, "Risks". Facts: field digest 6.3; what the field's text leaves open is ours, marked * there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from lxml import etree

from institutions.nsso.dimona.rules import creation_is_wrong
from institutions.nsso.dmfa.rules import Known, Place, of_record
from institutions.nsso.dmfa.terms import terms
from institutions.nsso.moment import Moment
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.blocks import Reading
from schemas.declarations.dmfa import Person, Record, days_of, record, ssin_of
from schemas.declarations.head import EmployerNumbers, Head
from schemas.declarations.number import NumberError, parse_ticket
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import day, integer, value
from schemas.ssin import Ssin

Form = Literal["ZIMA001", "ZIMA006"]
Action = Literal["CREATED", "CHANGED", "STOPPED", "CANCELLED"]

BEGINS: Form = "ZIMA001"
RESUMES: Form = "ZIMA006"
#: AttestationStatus: a modification, a cancellation; 7 is a modification of what was declared on paper.
_CHANGES, _CANCELS, _ON_PAPER = 1, 3, 7
#: Of a reference: the declaration that this one changes or cancels; the declaration of the risk that it belongs to*.
_EARLIER, _RISK = "3", "5"
_OF_SOCIAL_SECURITY = "2"
_BLOCKS = (
    "EmployerDeclaration",
    "NOSSLPAEmployerDeclaration",
    "EmployerDeclarationLink",
    "NOSSLPAEmployerDeclarationLink",
)
#: Days in an occupation's services.
_TOO_FEW = "096"
_REFERENCE = "Reference/ReferenceNbr"
_STARTS = "RiskDetail/RiskStartingDate"


@dataclass(frozen=True, slots=True)
class Anticipated:
    """An employer's block of a form: a quarter, with wages and working time where it anticipates the DmfA."""

    #: Its element, below the Form.
    path: str
    numbers: EmployerNumbers
    #: As written.
    inss: str = field(repr=False)
    #: None: of a resumption.
    quarter: Quarter | None = None
    records: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def person(self) -> Person:
        """As the rules of a DmfA look at it."""
        return Person(1, self.inss, None, self.records)


@dataclass(frozen=True, slots=True)
class Said:
    """What a form says."""

    form: Form
    created: date
    #: 0 original, 1 changes, 3 cancels, 7 changes what was declared on paper.
    status: int
    #: One at least.
    blocks: tuple[Anticipated, ...]
    #: 1 to 8, field digest 6.3.
    identification: int | None = None
    starts: date | None = None
    #: The day on which work is taken up again.
    recovers: date | None = None
    #: Tickets, as written: of the declaration that is changed or cancelled, of the risk it belongs to.
    earlier: str | None = None
    risk: str | None = None
    #: Where work is taken up again, below the Form.
    recovery_path: str = "WorkRecovery/WorkRecoveryDate"

    @property
    def first(self) -> Anticipated:
        return self.blocks[0]

    @property
    def ssin(self) -> Ssin | None:
        """None where it is no person's number."""
        return ssin_of(self.first.inss)

    @property
    def anticipates(self) -> Iterator[Anticipated]:
        """Blocks that have content."""
        return (one for one in self.blocks if one.records)


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk as it is known: its scenario begins with the form that declared it."""

    #: Of that form: the reference under which it is told.
    ticket: str
    environment: str
    #: NSSO number, and enterprise number where there is one.
    employer: str
    company: str | None
    ssin: Ssin = field(repr=False)
    identification: int
    starts: date
    recovers: date | None = None
    #: Tickets of the forms that declared it and changed it, and of those that declared and changed the resumption:
    #: each may be named by who changes or cancels.
    forms: tuple[str, ...] = ()
    resumptions: tuple[str, ...] = ()
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a form is judged; of this worker at this employer, in this environment."""

    employer: str
    company: str | None
    #: Every risk, cancelled ones too, the oldest first.
    risks: Sequence[Risk]
    #: What the rules of a DmfA know, for what is anticipated.
    known: Known
    #: Whether there is a Dimona period on the day of the risk.
    worked: bool = True
    #: Whether there is one at all, of whatever days.
    employed: bool = True
    #: Quarters of which the employer has declared a DmfA.
    declared: frozenset[Quarter] = frozenset()
    environment: str = "R"
    #: That the form is given.
    ticket: str = ""
    #: The worker's number as it stands today; None: as the form has it.
    ssin: Ssin | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a form."""

    #: With paths below the Form.
    anomalies: tuple[Anomaly, ...]
    #: The risk as it was, and is from now on; None: there was none; it is refused.
    before: Risk | None = None
    after: Risk | None = None
    action: Action = "CREATED"
    #: What is kept until the DmfA comes; None: what was kept of this risk stays as it is.
    anticipated: tuple[Anticipated, ...] | None = None


# --- reading ------------------------------------------------------------------------------------------------------


def read(form: etree._Element, head: Head) -> Said:
    """What a Form says that its schema accepts."""
    created, status = head.created, value(form, "AttestationStatus")
    assert created is not None  # noqa: S101 - its schema asks it
    kind: Form = RESUMES if value(form, "Identification") == RESUMES else BEGINS
    blocks = tuple(_block(one) for one in form.iterchildren("*") if one.tag in _BLOCKS)
    recovery = "WorkRecovery/WorkRecoveryDate"
    if kind == RESUMES:
        recovery = f"{blocks[0].path}/NaturalPerson/{recovery}"
    told = {kind: number for kind, origin, number in head.references if origin == _OF_SOCIAL_SECURITY}
    return Said(
        kind,
        created,
        int(status or 0),
        blocks,
        integer(form, "RiskIdentification/IdentificationOfRisk"),
        day(form, _STARTS),
        day(form, recovery),
        told.get(_EARLIER),
        told.get(_RISK),
        recovery,
    )


def _block(element: etree._Element) -> Anticipated:
    person, quarter = element.find("NaturalPerson"), value(element, "Quarter")
    assert person is not None  # noqa: S101 - its schema asks it
    return Anticipated(
        str(element.tag),
        EmployerNumbers(
            nsso=value(element, "NOSSRegistrationNbr"),
            company=value(element, "CompanyID"),
            local=value(element, "NOSSLPARegistrationNbr"),
        ),
        value(person, "INSS") or "",
        None if quarter is None else Quarter.parse(quarter),
        tuple(record(Reading(one), "Occupation") for one in person.iterchildren("WorkerRecord")),
    )


# --- judging ------------------------------------------------------------------------------------------------------


def first_look(said: Said, moment: Moment) -> list[Anomaly]:
    """What is wrong with a form, whatever else is known; without a person's number, or of two, nothing else can be
    judged."""
    return [*_creation(said, moment), *_numbers(said), *_one_of_each(said)]


def judge(said: Said, situation: Situation, moment: Moment) -> Judgement:
    """What becomes of a form whose employer, mandate and person are right."""
    if said.form == RESUMES:
        return _resumed(said, situation, moment)
    return _risk(said, situation, moment)


def _creation(said: Said, moment: Moment) -> Iterator[Anomaly]:
    if creation_is_wrong(said.created, moment):
        yield Anomaly("00218", "003", "FormCreationDate", said.created.isoformat(), "FormCreationDate")


def _numbers(said: Said) -> Iterator[Anomaly]:
    if said.ssin is None:
        path = f"{said.first.path}/NaturalPerson/INSS"
        yield Anomaly("00024", "004", "INSS", said.first.inss, path)
    for number in (said.earlier, said.risk):
        if number is not None and not _is_ticket(number):
            yield Anomaly("00222", "004", "ReferenceNbr", number, _REFERENCE)


def _is_ticket(text: str) -> bool:
    try:
        parse_ticket(text)
    except NumberError:
        return False
    return True


def _one_of_each(said: Said) -> Iterator[Anomaly]:
    """A form is one worker's at one employer*, and has a quarter once."""
    for one in said.blocks[1:]:
        if one.inss != said.first.inss:
            yield Anomaly("00024", "022", "INSS", one.inss, f"{one.path}/NaturalPerson/INSS")
        if one.numbers != said.first.numbers:
            yield Anomaly("90256", "022", one.path, None, one.path)
    quarters = [one.quarter for one in said.anticipates]
    for quarter in sorted({one for one in quarters if one is not None and quarters.count(one) > 1}):
        yield Anomaly("00013", "006", "Quarter", _written(quarter), "EmployerDeclaration/Quarter")


def _risk(said: Said, situation: Situation, moment: Moment) -> Judgement:
    """ZIMA001."""
    before, found = None, []
    if said.status in (_CHANGES, _CANCELS):
        before = next((one for one in situation.risks if said.earlier in one.forms), None)
        found = list(_earlier(said, before))
        if before is None or found:
            return Judgement(tuple(found))
        if said.status == _CANCELS:
            return Judgement((), before, replace(before, cancelled=True), "CANCELLED", ())
    if before is None and not situation.employed:
        # What comes of a risk tells who is insured: of nobody but one's own workers.
        return Judgement((Anomaly("90017", "181", "NaturalPerson", None, f"{said.first.path}/NaturalPerson"),))
    found += _days(said, moment)
    recovers = said.recovers
    if recovers is None and before is not None:
        recovers = before.recovers
        if recovers is not None and said.starts is not None and recovers <= said.starts:
            found.append(Anomaly("00128", "014", "WorkRecoveryDate", recovers.isoformat(), _STARTS))
    if said.identification is None or said.starts is None or any(one.blocks for one in found):
        return Judgement(tuple(found))
    if any(_is_same(one, said, before) for one in situation.risks):
        found.append(Anomaly("90138", "167", "ZIMA001", None, ""))
    found += _quarters(said, moment)
    found += _content(said, situation.known, moment)
    if not situation.worked:
        found.append(Anomaly("90017", "262", "NaturalPerson", None, f"{said.first.path}/NaturalPerson"))
    declared = [one for one in said.anticipates if one.quarter in situation.declared]
    found += (
        Anomaly("90007", "313", one.path, None if one.quarter is None else _written(one.quarter), one.path)
        for one in declared
    )
    if any(one.blocks for one in found):
        return Judgement(tuple(found))
    ssin = situation.ssin or said.ssin
    assert ssin is not None  # noqa: S101 - of the first look
    forms, resumptions = ((), ()) if before is None else (before.forms, before.resumptions)
    forms = (*forms, situation.ticket)
    after = Risk(
        forms[0],
        situation.environment,
        situation.employer,
        situation.company,
        ssin,
        said.identification,
        said.starts,
        recovers,
        forms,
        resumptions,
    )
    anticipated = tuple(one for one in said.anticipates if one not in declared)
    return Judgement(tuple(found), before, after, "CREATED" if before is None else "CHANGED", anticipated)


def _resumed(said: Said, situation: Situation, moment: Moment) -> Judgement:
    """ZIMA006: of the risk that it names, else the newest one that is open*."""
    recovers = said.recovers
    assert recovers is not None  # noqa: S101 - its schema asks it
    if said.status in (_CHANGES, _CANCELS):
        before = next((one for one in situation.risks if said.earlier in one.resumptions), None)
        found = list(_earlier(said, before))
        if before is None or found:
            return Judgement(tuple(found))
        if said.status == _CANCELS:
            return Judgement((), before, replace(before, recovers=None, resumptions=()), "CHANGED")
    elif said.risk is not None:
        before = next((one for one in situation.risks if one.ticket == said.risk and not one.cancelled), None)
        if before is None:
            return Judgement((Anomaly("00222", "166", "ReferenceNbr", said.risk, _REFERENCE),))
    else:
        live = [one for one in situation.risks if not one.cancelled and one.starts <= recovers]
        still = [one for one in live if one.recovers is None]
        chosen = sorted(still or live, key=lambda one: one.starts)
        if not chosen:
            return Judgement((Anomaly("00222", "001", "ReferenceNbr", None, _REFERENCE),))
        before = chosen[-1]
    found = []
    if said.status not in (_CHANGES, _CANCELS) and before.resumptions:
        found.append(Anomaly("90143", "167", "ZIMA006", None, ""))
    if recovers > moment.day:
        found.append(Anomaly("00128", "003", "WorkRecoveryDate", recovers.isoformat(), said.recovery_path))
    if recovers <= before.starts:
        found.append(Anomaly("00128", "014", "WorkRecoveryDate", recovers.isoformat(), said.recovery_path))
    if found:
        return Judgement(tuple(found))
    after = replace(before, recovers=recovers, resumptions=(*before.resumptions, situation.ticket))
    return Judgement((), before, after, "STOPPED")


def _earlier(said: Said, before: Risk | None) -> Iterator[Anomaly]:
    """What a form changes or cancels has to be there, this employer's and this worker's; else it is unknown."""
    if said.earlier is None:
        yield Anomaly("00222", "001", "ReferenceNbr", None, _REFERENCE)
    elif before is None:
        yield Anomaly("00222", "166", "ReferenceNbr", said.earlier, _REFERENCE)
    elif before.cancelled:
        yield Anomaly("00222", "241", "ReferenceNbr", said.earlier, _REFERENCE)


def _days(said: Said, moment: Moment) -> Iterator[Anomaly]:
    if said.identification is None:
        path = "RiskIdentification/IdentificationOfRisk"
        yield Anomaly("00430", "001", "IdentificationOfRisk", None, path)
    if said.starts is None:
        yield Anomaly("00408", "001", "RiskStartingDate", None, _STARTS)
    elif said.starts > moment.day:
        yield Anomaly("00408", "003", "RiskStartingDate", said.starts.isoformat(), _STARTS)
    if said.recovers is not None and said.recovers > moment.day:
        yield Anomaly("00128", "003", "WorkRecoveryDate", said.recovers.isoformat(), said.recovery_path)
    if said.recovers is not None and said.starts is not None and said.recovers <= said.starts:
        yield Anomaly("00128", "014", "WorkRecoveryDate", said.recovers.isoformat(), said.recovery_path)


def _quarters(said: Said, moment: Moment) -> Iterator[Anomaly]:
    """What is anticipated has begun."""
    for one in said.anticipates:
        if one.quarter is not None and days_of(one.quarter).begin > moment.day:
            yield Anomaly("00013", "003", "Quarter", _written(one.quarter), f"{one.path}/Quarter")


def _content(said: Said, known: Known, moment: Moment) -> Iterator[Anomaly]:
    """What is anticipated, by the rules of a DmfA's worker records. Too few days are none of a quarter that runs."""
    for number, block in enumerate(said.blocks, 1):
        keys = []
        for count, one in enumerate(block.records, 1):
            path = f"{block.path}[{number}]/NaturalPerson/WorkerRecord[{count}]"
            if one.key in keys:
                yield Anomaly("90012", "006", "WorkerRecord", None, path)
            keys.append(one.key)
            assert block.quarter is not None  # noqa: S101 - of a form that anticipates
            days = days_of(block.quarter)
            for anomaly in of_record(Place(one, block.inss, path, days, known, terms())):
                if anomaly.code != _TOO_FEW or (days.end is not None and days.end < moment.day):
                    yield anomaly


def _is_same(one: Risk, said: Said, before: Risk | None) -> bool:
    if one.cancelled or (before is not None and one.ticket == before.ticket):
        return False
    return one.identification == said.identification and one.starts == said.starts


def _written(quarter: Quarter) -> str:
    return f"{quarter.year:04}{quarter.number}"
