"""The register of family allowances (7-0) and the funds (7-1): dossiers, and who has which role in them."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference import network
from institutions.reference.career import DAY, Means
from institutions.reference.household import Role
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from institutions.reference.suppliers.elements import (
    Asked,
    element,
    euro,
    month_after,
    months,
    organization,
    pay_day,
    period,
)
from institutions.reference.suppliers.handicap import recognitions_of
from schemas.address import Address
from schemas.period import Period

BENEFICIARY, ALLOCATAIRE_1, ALLOCATAIRE_2, CHILD = 101, 102, 103, 104
"""Qualities of sector 7."""

MOST_MONTHS = 48

_OF_AGE, _STUDENT = 18, 25
_PRESENT = frozenset((Means.UNEMPLOYMENT, Means.INCAPACITY, Means.LIVING_WAGE, Means.HANDICAP))


@dataclass(frozen=True, slots=True)
class Part:
    """One person's role in the household's dossier."""

    fund: Address
    quality: int
    period: Period


def roles_of(person: Person) -> tuple[Part, ...]:
    """Every role the person has: a child one, the head of its household as beneficiary, the mother as allocataire."""
    household = person.household
    if not household.children:
        return ()
    draws = person.draws("family", household.number)
    fund = draws.pick(network.FAMILY_FUNDS)
    allocataire_quality = ALLOCATAIRE_2 if draws.chance(700) else ALLOCATAIRE_1
    found = []
    if person.index in household.children:
        found.append(Part(fund, CHILD, _of_child(person)))
    else:
        if person.role is Role.HEAD:
            found += _of_parent(person, fund, BENEFICIARY)
        if person.index == _allocataire(person):
            found += _of_parent(person, fund, allocataire_quality)
    return tuple(found)


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The roles that touch the asked period."""
    return [_dossier(person, part, asked) for part in roles_of(person) if part.period.overlaps(asked.period)]


def _of_child(child: Person) -> Period:
    """From birth to the end of the month of the 18th birthday; of who studies, the 25th."""
    years = _STUDENT if child.draws("student").chance(600) else _OF_AGE
    end = month_after(child.identity.turned(years)) - DAY
    return Period(child.identity.born, end if end < AS_OF else None)


def _of_parent(parent: Person, fund: Address, quality: int) -> list[Part]:
    children = [_of_child(parent.relative(index)) for index in parent.household.children]
    ends = [period.end for period in children]
    end = None if None in ends else max(day for day in ends if day is not None)
    lived = parent.alive(min(period.begin for period in children), end)
    return [Part(fund, quality, lived)] if lived is not None else []


def _allocataire(person: Person) -> int:
    """The index of who receives: the first woman among the adults, else the head."""
    adults = person.household.adults
    women = (index for index in adults if person.relative(index).identity.female)
    return next(women, person.household.head)


def _dossier(person: Person, part: Part, asked: Asked) -> etree._Element:
    household = person.household
    draws = person.draws("family dossier", household.number)
    office, number = draws.between(1, 40), draws.below(10**10)
    children = [person.relative(index) for index in household.children]
    told_of = [person] if part.quality == CHILD else children
    cents = sum(_amount(child) for child in told_of)
    paid = [_payment(month, cents) for month in months(part.period, asked, MOST_MONTHS)]
    rank = household.children.index(person.index) + 1 if part.quality == CHILD else None
    return element(
        "dossier",
        organization("fund", part.fund),
        element("officeNumber", f"{office:03d}"),
        element("dossierNumber", f"{number:010d}"),
        element("qualityCode", part.quality),
        period("rolePeriod", part.period),
        element("rightBasis", _basis(person.head)),
        element("numberOfChildren", len(children)),
        element("childRank", rank) if rank is not None else None,
        element("supplement", _supplement(told_of, person.head)),
        element("paymentStatus", "PAID" if part.period.end is None else "ENDED"),
        *_related(person),
        euro("monthlyAmount", cents),
        element("payments", *paid) if paid else None,
    )


def _payment(month: date, cents: int) -> etree._Element:
    return element(
        "payment",
        element("month", f"{month:%Y-%m}"),
        element("paymentDate", pay_day(month) + timedelta(days=3)),
        euro("amount", cents),
    )


def _basis(head: Person) -> str:
    """Guaranteed family allowances are for who has neither work nor another right."""
    if head.means in (Means.LIVING_WAGE, Means.NOTHING):
        return "GUARANTEED"
    return "SELF_EMPLOYED" if head.means is Means.SELF_EMPLOYMENT else "EMPLOYEE"


def _supplement(children: list[Person], head: Person) -> str:
    if any(recognitions_of(child) for child in children):
        return "HANDICAP"
    if head.died is not None:
        return "ORPHAN"
    return "SOCIAL" if head.means in _PRESENT else "NONE"


def _amount(child: Person) -> int:
    rank = child.household.children.index(child.index)
    return 17_310 + 1_500 * min(rank, 2)


def _related(person: Person) -> list[etree._Element]:
    """The others of the dossier, each with the first role it has."""
    found = []
    for index in person.household.members:
        other = person.relative(index)
        if index != person.index and (parts := roles_of(other)):
            found.append(
                element("relatedActor", element("qualityCode", parts[0].quality), element("ssin", other.ssin.digits))
            )
    return found
