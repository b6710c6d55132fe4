"""DG HAN (16-0): recognitions of a handicap, and allowances."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference.career import DAY, PENSION_AGE, Means
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from institutions.reference.suppliers.elements import Asked, element, period
from schemas.period import Period

CHILD, MEDICAL, ALLOWANCE, AGED = 2, 3, 5, 7
"""Qualities of sector 16."""

_ALLOWANCES = {CHILD: ("CHILD_SUPPLEMENT",), MEDICAL: ("NONE",), ALLOWANCE: ("IVT", "IVT_IT"), AGED: ("THAB",)}
_CRITERIA = ("moving", "eating", "washing", "household", "vigilance", "contacts")
_CHAPTERS = "FGHIMSTZ"
_LOWEST_POINTS = (7, 9, 12, 15, 17)  # of the categories 1 to 5


@dataclass(frozen=True, slots=True)
class Recognition:
    """A recognised handicap."""

    quality: int
    period: Period


def recognitions_of(person: Person) -> tuple[Recognition, ...]:
    """One at most: what the person lives on, an aged person's, a child's, or a medical recognition alone."""
    for spell in person.spells:
        if spell.means is Means.HANDICAP:
            return (Recognition(ALLOWANCE, spell.period),)
    draws = person.draws("handicap")
    drawn = draws.below(1000)
    age = person.identity.age
    if person.scenario is not None:
        return ()
    if age >= PENSION_AGE:
        return _since(person, AGED, draws.day(person.identity.turned(PENSION_AGE), AS_OF - DAY)) if drawn < 120 else ()
    if age < 18:
        born = person.identity.born
        return _since(person, CHILD, draws.day(born, AS_OF - DAY)) if drawn < 15 else ()
    return _since(person, MEDICAL, draws.day(person.identity.turned(18), AS_OF - DAY)) if drawn < 25 else ()


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The recognitions that touch the asked period."""
    found = [recognition for recognition in recognitions_of(person) if recognition.period.overlaps(asked.period)]
    return [_recognition(person, recognition) for recognition in found]


def _since(person: Person, quality: int, begin: date) -> tuple[Recognition, ...]:
    lived = person.alive(begin)
    return (Recognition(quality, lived),) if lived is not None else ()


def _recognition(person: Person, recognition: Recognition) -> etree._Element:
    draws = person.draws("handicap file")
    points = [draws.between(1, 3) for _ in _CRITERIA]
    total = sum(points)
    category = sum(1 for lowest in _LOWEST_POINTS if total >= lowest)
    begin, end = recognition.period.begin, recognition.period.end
    reviewed = begin + timedelta(days=draws.between(400, 1200))
    is_reviewed = reviewed < (end or AS_OF)
    before = max(total - draws.between(0, 3), 0) if is_reviewed else total
    entries = [_entry(Period(begin, reviewed - DAY if is_reviewed else end), "RECOGNISED", before)]
    if is_reviewed:
        entries.append(_entry(Period(reviewed, end), "REVISED", total))
    mobile = points[0] < 3
    return element(
        "recognition",
        element("dossierNumber", f"H{draws.below(10**9):09d}"),
        element("qualityCode", recognition.quality),
        element("decisionDate", reviewed if is_reviewed else begin),
        period("validityPeriod", recognition.period),
        element("allowanceKind", draws.pick(_ALLOWANCES[recognition.quality])),
        element("autonomyCategory", category) if category else None,
        element("earningCapacityReduced", recognition.quality == ALLOWANCE),
        element("autonomyPoints", total),
        element(
            "autonomyCriteria",
            *(element(name, scored) for name, scored in zip(_CRITERIA, points, strict=True)),
        ),
        element("pathologyCode", f"{draws.pick(_CHAPTERS)}{draws.below(100):02d}"),
        element("reducedMobility", not mobile),
        element("parkingCardNumber", f"{draws.below(10**10):010d}") if not mobile else None,
        element("reviewDate", AS_OF + timedelta(days=draws.between(100, 1800)))
        if end is None and draws.chance(400)
        else None,
        element("history", *entries),
    )


def _entry(days: Period, decision: str, points: int) -> etree._Element:
    return element("entry", period("period", days), element("decision", decision), element("autonomyPoints", points))
