"""From what a source tells to the days on which a status holds. Pure."""

from dataclasses import dataclass, field
from uuid import UUID

from lxml import etree

from institutions.statuses.definitions import Definition
from schemas.errors import CrossroadsError
from schemas.message import day_at, find_all, read_head, text_at
from schemas.period import Period, PeriodError
from schemas.service import Service
from schemas.ssin import Ssin


class CannotDerive(CrossroadsError):  # noqa: N818
    """A message that says too little to derive from; the text says what is missing, and nothing of anybody."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a source tells of a person: a mutation, as far as statuses follow from it."""

    source: str
    person: Ssin = field(repr=False)
    #: Who tells, and under which of its references: one dossier, from its creation to its end.
    owner: str
    reference: str = field(repr=False)
    #: CREATED, CHANGED, STOPPED or CANCELLED
    action: str
    #: The days on which it holds.
    period: Period = field(repr=False)
    root: etree._Element = field(repr=False)
    #: Which message it was.
    ticket_cbss: UUID | None = None


def read(service: Service, root: etree._Element, ticket_cbss: UUID | None = None) -> Fact:
    """Of a valid message. Raises SsinError, PeriodError, CannotDerive."""
    head = read_head(root)
    owner = head.cbe or (str(head.sector_institution) if head.sector_institution is not None else None)
    reference, action = text_at(root, "mutation/reference"), text_at(root, "mutation/action")
    if owner is None or reference is None or action is None:
        raise CannotDerive("a mutation without owner, reference or action")
    ssin, period = Ssin.parse(text_at(root, service.ssin) or ""), _period(root, service.period or "criteria/period")
    if period is None:
        raise CannotDerive("a mutation without a period")
    return Fact(service.type, ssin, owner, reference, action, period, root, ticket_cbss)


def derive(definition: Definition, fact: Fact, before: Period | None) -> Period | None:
    """The days on which the status holds by this dossier of the source, when it held on `before`; None: it does not.

    CREATED and CHANGED say everything anew; STOPPED ends what there is on the last day of its period; CANCELLED means
    that there never was anything. Raises CannotDerive.
    """
    if fact.action == "CANCELLED":
        return None
    if fact.action == "STOPPED":
        return _until(before, fact.period)
    if not all(condition.holds(fact.root) for condition in definition.when):
        return None
    validity = _period(fact.root, definition.validity)
    if validity is None:
        raise CannotDerive(f"no days at {definition.validity}")
    return validity


def _until(before: Period | None, days: Period) -> Period | None:
    if days.end is None:
        raise CannotDerive("STOPPED, and no last day")
    if before is None or days.end < before.begin:
        return None
    return Period(before.begin, days.end if before.end is None else min(before.end, days.end))


def _period(root: etree._Element, path: str) -> Period | None:
    places = find_all(root, path)
    if len(places) != 1 or (begin := day_at(places[0], "beginDate")) is None:
        return None
    try:
        return Period(begin, day_at(places[0], "endDate"))
    except PeriodError:
        raise CannotDerive(f"{path}: it ends before it begins") from None
