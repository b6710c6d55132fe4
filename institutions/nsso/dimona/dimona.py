"""A Dimona: what a form says, in what situation it is judged, and what becomes of it. `docs/declarations.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from lxml import etree

from institutions.nsso.register import Employer
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import (
    OTHER_COMMITTEE,
    OTHER_TYPE,
    DimonaPeriod,
    Features,
    blocks_of,
)
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.number import NumberError, PeriodId
from schemas.declarations.values import day as day_of
from schemas.declarations.values import integer, text_of, value
from schemas.ssin import Ssin, SsinError

Kind = Literal["IN", "OUT", "UPDATE", "CANCEL"]
_KINDS: Mapping[str, Kind] = {
    "DimonaIn": "IN",
    "DimonaOut": "OUT",
    "DimonaUpdate": "UPDATE",
    "DimonaCancel": "CANCEL",
}
#: As EndingDate of an UPDATE: the period goes on again.
REOPENED = date(9999, 12, 31)
NO_NUMBER = "0"

#: Block 90373 and the elements of which rules tell: zone, and path below an IN's block.
_DECLARED = "90373"
_ZONES: Mapping[str, tuple[str, str]] = {
    "FormCreationDate": ("00218", ""),
    "StartingDate": ("00910", "StartingDate"),
    "StartingHour": ("00777", "StartingHour"),
    "EndingDate": ("00911", "EndingDate"),
    "EndingHour": ("00778", "EndingHour"),
    "PlannedHoursNbr": ("01135", "PlannedHoursNbr"),
    "DimonaPeriodId": ("00913", "DimonaPeriodId"),
    "EmployerId": ("90256", "EmployerId"),
    "NaturalPerson": ("90017", "NaturalPerson"),
    "INSS": ("00024", "INSS"),
    "WorkerType": ("00655", "DimonaFeatures/WorkerType"),
    "UsingEmployer": ("90107", "DimonaFeatures/UsingEmployer"),
    "UsingEmployerCompanyID": ("00131", "DimonaFeatures/UsingEmployer/UsingEmployerCompanyID"),
}


@dataclass(frozen=True, slots=True)
class Dimona:
    """What a Form says, as read from one that its schema accepts. What is not there is None."""

    kind: Kind
    #: Name of the block, `DimonaIn`.
    block: str
    created: date
    employer: EmployerNumbers = field(default_factory=EmployerNumbers)
    inss: str | None = field(default=None, repr=False)
    period: str | None = None
    starting_date: date | None = None
    starting_hour: str | None = None
    ending_date: date | None = None
    ending_hour: str | None = None
    planned_hours: int | None = None
    planned_days: int | None = None
    #: Of an IN: elements of NaturalPerson but INSS.
    said: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    features: Features = field(default_factory=Features)
    #: Enterprise number of the user, as written.
    user_company: str | None = None
    #: Whether there is a block UsingEmployer.
    has_user: bool = False

    @property
    def ssin(self) -> Ssin | None:
        """None where none is given, or one that cannot be."""
        try:
            return None if self.inss is None else Ssin.parse(self.inss)
        except SsinError:
            return None

    @property
    def period_id(self) -> PeriodId | None:
        """None where none is given, or one that cannot be."""
        try:
            return None if self.period is None else PeriodId.parse(self.period)
        except NumberError:
            return None

    def anomaly(self, name: str, code: str, told: str | int | date | None = None) -> Anomaly:
        """What is wrong with an element of this form; `told`: what stands there."""
        zone, below = _ZONES[name]
        if name == "INSS" and self.kind == "IN":
            below = "NaturalPerson/INSS"
        path = f"{self.block}/{below}" if below else name
        return Anomaly(zone, code, name, None if told is None else str(told), path)

    def declared(self, code: str) -> Anomaly:
        """What is wrong with the period as a whole."""
        return Anomaly(_DECLARED, code, self.block, None, self.block)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a Dimona is judged."""

    #: The employer that the form names, or of an IN that names none the only one there is a mandate for; or what is
    #: wrong with its numbers. None: an OUT, UPDATE or CANCEL that names none.
    employer: Employer | Anomaly | None = None
    #: Whether the sender has a mandate for `employer`.
    mandated: bool = False
    #: The period that the form names; None: there is none, or none of an employer that the sender has a mandate for.
    period: DimonaPeriod | None = None
    #: Its employer.
    owner: Employer | None = None
    #: What the person has, at all employers, in this environment.
    others: Sequence[DimonaPeriod] = ()
    #: Of the period that an IN would make.
    new: PeriodId = field(default_factory=lambda: PeriodId.of(10**9))
    environment: str = "R"


@dataclass(frozen=True, slots=True)
class Change:
    """What a declaration did to a period. An IN has nothing before, a CANCEL nothing after."""

    before: DimonaPeriod | None
    after: DimonaPeriod | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a declaration."""

    #: With paths below the Form.
    anomalies: tuple[Anomaly, ...]
    #: None: refused.
    change: Change | None = None
    #: The period as it is known from now on; of a CANCEL the cancelled one.
    kept: DimonaPeriod | None = None


# --- reading ------------------------------------------------------------------------------------------------------


def read(form: etree._Element) -> Dimona | Anomaly:
    """What a Form says that its schema accepts; an anomaly where it is no declaration that is taken here."""
    block = next((child for child in form.iterchildren("*") if child.tag in _KINDS), None)
    if block is None:
        name = "DailyRegistrationDeclaration"
        if form.find(name) is not None:
            return Anomaly("90480", "082", name, None, name)
        return Anomaly("90059", "134", "Form")
    kind = _KINDS[str(block.tag)]
    created = day_of(form, "FormCreationDate")
    assert created is not None  # noqa: S101 - its schema asks it
    person = block.find("NaturalPerson") if kind == "IN" else block
    inss = value(person, "INSS")
    features = block.find("DimonaFeatures")
    user = None if features is None else features.find("UsingEmployer")
    return Dimona(
        kind,
        str(block.tag),
        created,
        EmployerNumbers.of(block),
        None if inss == NO_NUMBER else inss,
        value(block, "DimonaPeriodId"),
        day_of(block, "StartingDate"),
        value(block, "StartingHour"),
        day_of(block, "EndingDate"),
        value(block, "EndingHour"),
        integer(block, "PlannedHoursNbr"),
        integer(block, "PlannedDaysNbr"),
        _said(person) if kind == "IN" else (),
        _features(block, features, user) if kind == "IN" else Features(),
        value(user, "UsingEmployerCompanyID"),
        user is not None,
    )


def _said(person: etree._Element | None) -> tuple[tuple[str, str], ...]:
    if person is None:
        return ()
    return tuple((str(one.tag), text_of(one)) for one in person.iterchildren("*") if one.tag != "INSS")


def _features(block: etree._Element, features: etree._Element | None, user: etree._Element | None) -> Features:
    xml = blocks_of(
        block, "DimonaFeatures", "ConstructionControlCards", "StudentPlaceOfWork", "SmallStatutesInformation"
    )
    if features is None:
        return Features(xml=xml)
    company = value(user, "UsingEmployerCompanyID")
    return Features(
        value(features, "JointCommissionNbr") or OTHER_COMMITTEE,
        value(features, "WorkerType") or OTHER_TYPE,
        value(features, "SubEntityNbr"),
        company.zfill(10) if company is not None and company != NO_NUMBER else value(user, "UsingEmployerName"),
        xml,
    )
