"""15-0 and the social insurance funds (15-1): the social status of self-employed persons."""

from dataclasses import dataclass

from lxml import etree

from institutions.reference import network
from institutions.reference.career import Means
from institutions.reference.person import Person
from institutions.reference.suppliers.elements import Asked, element, euro, months, organization, period
from institutions.reference.suppliers.employment import invented_enterprise
from schemas.address import Address
from schemas.period import Period

SELF_EMPLOYED = 2
"""Quality of sector 15."""

MOST_QUARTERS = 16

#: How many of a thousand have a trade beside work for others, and beside a career break.
_BESIDE = {Means.WORK: 25, Means.CAREER_BREAK: 250}

_ACTIVITIES = ("47110", "56101", "43320", "62010", "69201", "96021", "01500")


@dataclass(frozen=True, slots=True)
class Affiliation:
    """Insured at this fund for one activity on one's own account."""

    fund: Address
    period: Period
    kind: str


def affiliations_of(person: Person) -> tuple[Affiliation, ...]:
    """One for each spell, in order, and what may go beside other means: a trade after hours, or after pension."""
    draws = person.draws("self-employment")
    fund, late, beside = draws.pick(network.SELF_EMPLOYED_FUNDS), draws.chance(200), draws.below(1000)
    found: list[Affiliation] = []
    for spell in person.spells:
        if spell.means is Means.SELF_EMPLOYMENT:
            kind = draws.weighted((("MAIN", 80), ("HELPER", 10), ("ASSISTING_SPOUSE", 10)))
            found.append(Affiliation(fund, spell.period, kind))
        elif person.scenario is not None:
            continue
        elif spell.means is Means.PENSION and late and found:
            found.append(Affiliation(fund, spell.period, "AFTER_PENSION"))
        elif beside < _BESIDE.get(spell.means, 0):
            found.append(Affiliation(fund, spell.period, "SECONDARY"))
    return tuple(found)


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The affiliations that touch the asked period."""
    return [
        _affiliation(person, affiliation, number, asked)
        for number, affiliation in enumerate(affiliations_of(person))
        if affiliation.period.overlaps(asked.period)
    ]


def _affiliation(person: Person, affiliation: Affiliation, number: int, asked: Asked) -> etree._Element:
    draws = person.draws(f"affiliation {number}")
    affiliation_number, enterprise = draws.below(10**9), invented_enterprise(draws.below(1_000_000))
    activity = draws.pick(_ACTIVITIES)
    in_order, bridged, income = not draws.chance(100), draws.chance(50), draws.between(1_200_000, 6_500_000)
    quarters = sorted(
        {(month.year, (month.month + 2) // 3) for month in months(affiliation.period, asked, 3 * MOST_QUARTERS)}
    )
    paid = [
        _contribution(quarter, income * 205 // 4000, in_order=in_order or quarter != quarters[-1])
        for quarter in quarters
    ]
    year = min(day for day in (affiliation.period.end, asked.period.end, asked.today) if day is not None).year - 3
    return element(
        "affiliation",
        organization("fund", affiliation.fund),
        element("affiliationNumber", f"{affiliation_number:09d}"),
        element("qualityCode", SELF_EMPLOYED),
        element("enterpriseNumber", enterprise),
        period("activityPeriod", affiliation.period),
        element("activityKind", affiliation.kind),
        element("activityCode", activity),
        element("contributionsInOrder", in_order),
        element("bridgingRightUsed", bridged),
        element("referenceIncome", element("year", max(year, affiliation.period.begin.year)), euro("amount", income)),
        element("contributions", *paid[-MOST_QUARTERS:]) if paid else None,
    )


def _contribution(quarter: tuple[int, int], cents: int, *, in_order: bool) -> etree._Element:
    return element(
        "contribution",
        element("quarter", f"{quarter[0]}Q{quarter[1]}"),
        element("status", "PAID" if in_order else "DUE"),
        euro("amount", cents),
    )
