"""A Dimona period: one work relation as it was declared, and as answers tell it (blocks 90393 to 90396)."""

from dataclasses import dataclass, field
from datetime import date, datetime

from lxml import etree

from schemas.declarations.number import PeriodId
from schemas.declarations.values import text_of
from schemas.declarations.writing import element
from schemas.employer import NssoNumber
from schemas.period import Period
from schemas.ssin import Ssin

#: Joint committee and worker type where a form says none.
OTHER_COMMITTEE, OTHER_TYPE = "XXX", "OTH"
#: Worker types that no release of an answer knows: the element is left out there.
_NOT_TOLD = {"ALT"}


@dataclass(frozen=True, slots=True)
class Span:
    """When, and how much is planned."""

    starting_date: date
    #: `HHmm`
    starting_hour: str | None = None
    #: None: it goes on.
    ending_date: date | None = None
    ending_hour: str | None = None
    planned_hours: int | None = None
    planned_days: int | None = None

    @property
    def days(self) -> Period:
        """Raises PeriodError where it ends before it begins."""
        return Period(self.starting_date, self.ending_date)

    @property
    def xml(self) -> str:
        """As it stands in DimonaPeriodBefore and DimonaPeriodAfter."""
        return self.times + self.planned

    @property
    def times(self) -> str:
        return (
            f"<StartingDate>{self.starting_date}</StartingDate>"
            f"{element('StartingHour', self.starting_hour)}"
            f"{element('EndingDate', self.ending_date)}"
            f"{element('EndingHour', self.ending_hour)}"
        )

    @property
    def planned(self) -> str:
        return element("PlannedHoursNbr", self.planned_hours) + element("PlannedDaysNbr", self.planned_days)


@dataclass(frozen=True, slots=True)
class Features:
    """What kind of work, for whom: it can be declared only, never changed."""

    joint_commission: str = OTHER_COMMITTEE
    worker_type: str = OTHER_TYPE
    sub_entity: str | None = None
    #: The user of an interim worker, by enterprise number, else by name.
    user: str | None = None
    #: The blocks as declared, `DimonaFeatures` to `SmallStatutesInformation`, without the white space between.
    xml: str = field(default="", repr=False)

    @property
    def group(self) -> tuple[str, str, str | None]:
        """Of these no two periods of a person at an employer may overlap."""
        return self.joint_commission, self.worker_type, self.user


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works, as declared. Without SSIN: to be identified by what else is said."""

    ssin: Ssin | None
    #: Elements of NaturalPerson but INSS, in the schema's order.
    said: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def xml(self) -> str:
        """`NaturalPerson` of an answer."""
        told = "" if self.ssin is None else f"<INSS>{self.ssin.digits}</INSS>"
        return f"<NaturalPerson>{told}{''.join(element(name, text) for name, text in self.said)}</NaturalPerson>"


@dataclass(frozen=True, slots=True)
class DimonaPeriod:
    """As it is known now. It is one employer's."""

    id: PeriodId
    employer: NssoNumber
    worker: Worker
    span: Span
    features: Features
    #: When it was declared or changed last, aware.
    updated: datetime
    #: `R` or `T`
    environment: str = "R"
    late: bool = False
    #: Of what did not block, in the order it was told.
    error_ids: tuple[str, ...] = ()
    #: Hours by which it was beyond a quota when it was declared or changed.
    exceeding: int = 0
    #: Declared by an agent of the NSSO: the employer may not touch it.
    locked: bool = False
    #: It has a blocking anomaly, found later.
    blocked: bool = False
    cancelled: bool = False


def blocks_of(block: etree._Element | None, *names: str) -> str:
    """Elements below as they were declared, without white space between and comments."""
    if block is None:
        return ""
    return "".join(_written(child) for child in block.iterchildren(*names))


def _written(found: etree._Element) -> str:
    children = list(found.iterchildren("*"))
    if not children:
        text = text_of(found)
        return "" if found.tag == "WorkerType" and text in _NOT_TOLD else element(str(found.tag), text)
    return f"<{found.tag}>{''.join(map(_written, children))}</{found.tag}>"
