"""FEDRIS (1-0) and the insurers (1-1): accidents at work."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference import network
from institutions.reference.career import DAY
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from institutions.reference.scenarios import Scenario
from institutions.reference.suppliers.elements import Asked, element, euro, organization, period
from institutions.reference.suppliers.employment import employments_of
from schemas.address import Address
from schemas.period import Period

VICTIM = 10
"""Quality of sector 1."""

_PLACED = (Scenario.OCCUPATIONAL_ACCIDENT, Scenario.PHASE_TOO_LOW)
_LASTING_OF = 1000


@dataclass(frozen=True, slots=True)
class Accident:
    """An accident during work for one employer."""

    day: date
    employer: str
    insurer: Address
    #: not able to work
    incapacity: Period
    #: percent that stays; 0: none does
    permanent: int


def accidents_of(person: Person) -> tuple[Accident, ...]:
    """One at most, on a day on which the person worked."""
    draws = person.draws("accident")
    happened, lasting, length = draws.below(1000) < 25, draws.below(_LASTING_OF), draws.between(5, 300)
    insurer = draws.pick(network.INSURERS)
    placed = person.scenario in _PLACED
    if not (placed or (happened and person.scenario is None)):
        return ()
    employments = employments_of(person)
    if not employments:
        return ()
    job = employments[-1]
    end = job.period.end
    latest = min(end or AS_OF - DAY, AS_OF - DAY)
    if placed and end is not None:
        # The accident ended the work, and the incapacity that follows is the one that the mutuality knows.
        ends = person.spells[-1].period.end
        return (Accident(end, job.employer, insurer, Period(end + DAY, ends), 20),)
    day = draws.day(job.period.begin, latest)
    until = min(day + timedelta(days=length), latest)
    permanent = draws.between(2, 30) if lasting < _LASTING_OF * 3 // 10 else 0
    return (Accident(day, job.employer, insurer, Period(min(day + DAY, until), until), permanent),)


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The accidents that happened, or whose consequences lasted, in the asked period."""
    return [
        _accident(person, accident)
        for accident in accidents_of(person)
        if _consequences(accident).overlaps(asked.period)
    ]


def _consequences(accident: Accident) -> Period:
    return Period(accident.day, None if accident.permanent else accident.incapacity.end)


def _accident(person: Person, accident: Accident) -> etree._Element:
    draws = person.draws("accident file")
    healed = accident.incapacity.end
    consolidated = accident.permanent > 0 and healed is not None
    status = "CONSOLIDATED" if consolidated else "ACCEPTED"
    half = draws.pick((25, 50, 75))
    return element(
        "accident",
        element("accidentNumber", f"{accident.day.year}/{draws.below(10**7):07d}"),
        element("qualityCode", VICTIM),
        element("accidentDate", accident.day),
        element("declarationDate", accident.day + timedelta(days=draws.between(1, 8))),
        element("place", "WAY_TO_WORK" if draws.chance(150) else "WORKPLACE"),
        element("status", status),
        organization("insurer", accident.insurer),
        element("employer", accident.employer),
        element(
            "injury",
            element("injuryCode", f"{draws.between(1, 12):02d}"),
            element("bodyPartCode", f"{draws.between(11, 78):02d}"),
        ),
        element("consolidationDate", healed) if consolidated else None,
        element("permanentIncapacity", accident.permanent) if consolidated else None,
        euro("yearlyAnnuity", accident.permanent * draws.between(25_000, 42_000)) if consolidated else None,
        element("incapacities", *_incapacities(accident, half, consolidated=consolidated)),
    )


def _incapacities(accident: Accident, half: int, *, consolidated: bool) -> list[etree._Element]:
    """Total at first, partial after two months, and what is permanent from the consolidation on."""
    begin, end = accident.incapacity.begin, accident.incapacity.end
    turn = begin + timedelta(days=60)
    if end is not None and turn >= end:
        found = [_incapacity(accident.incapacity, "TEMPORARY_TOTAL", 100)]
    else:
        found = [
            _incapacity(Period(begin, turn - DAY), "TEMPORARY_TOTAL", 100),
            _incapacity(Period(turn, end), "TEMPORARY_PARTIAL", half),
        ]
    if consolidated and end is not None:
        found.append(_incapacity(Period(end + DAY, None), "PERMANENT", accident.permanent))
    return found


def _incapacity(days: Period, nature: str, degree: int) -> etree._Element:
    return element("incapacity", period("period", days), element("nature", nature), element("degree", degree))
