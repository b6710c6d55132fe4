"""The mutualities (11-1): insurability, and incapacity for work."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference import network
from institutions.reference.career import DAY, Means
from institutions.reference.household import Role
from institutions.reference.person import Person
from institutions.reference.scenarios import Scenario
from institutions.reference.suppliers.elements import Asked, element, euro, period
from schemas.address import Address
from schemas.period import Period

INSURABILITY, INCAPACITY = 1, 2
"""Qualities of sector 11."""

REPORTED, RECOGNISED = 1, 2
"""Phases of a dossier of incapacity."""

_FIRST = date(1990, 1, 1)
_YEAR = timedelta(days=365)
_STATUS = {
    Means.UNEMPLOYMENT: "UNEMPLOYED",
    Means.INCAPACITY: "INVALID",
    Means.HANDICAP: "HANDICAPPED",
    Means.PENSION: "PENSIONER",
    Means.GRAPA: "RESIDENT",
    Means.LIVING_WAGE: "RESIDENT",
}


@dataclass(frozen=True, slots=True)
class Membership:
    """Insured at this mutuality."""

    member: Address
    period: Period


@dataclass(frozen=True, slots=True)
class Incapacity:
    """A dossier of incapacity for work at this mutuality."""

    member: Address
    period: Period
    phase: int


def memberships_of(person: Person) -> tuple[Membership, ...]:
    """Where the person is insured, in order; nowhere, for whom 11-0's own repertory does not have."""
    draws = person.draws("mutuality")
    first = draws.pick(network.MUTUALITIES)
    other = draws.pick([member for member in network.MUTUALITIES if member != first])
    begin = max(person.identity.born, _FIRST)
    changed = draws.day(date(2018, 1, 1), date(2025, 6, 30))
    changes = draws.chance(80)
    if person.scenario is Scenario.AT_NO_MUTUALITY:
        return ()
    if person.scenario is Scenario.AT_TWO_MUTUALITIES:
        return (Membership(first, Period(begin, None)), Membership(other, Period(date(2025, 1, 1), None)))
    if changes and begin < changed and person.scenario is None and person.died is None:
        return (Membership(first, Period(begin, changed - DAY)), Membership(other, Period(changed, None)))
    lived = person.alive(begin)
    return (Membership(first, lived),) if lived is not None else ()


def incapacities_of(person: Person) -> tuple[Incapacity, ...]:
    """A dossier for each spell of incapacity, at the mutuality of that time."""
    spells = [spell for spell in person.spells if spell.means is Means.INCAPACITY]
    memberships = memberships_of(person) if spells else ()
    phase = REPORTED if person.scenario is Scenario.PHASE_TOO_LOW else RECOGNISED
    return tuple(Incapacity(memberships[-1].member, spell.period, phase) for spell in spells if memberships)


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The insurability that touches the asked period, at the mutuality asked."""
    memberships = [m for m in memberships_of(person) if m.period.overlaps(asked.period) and asked.holds(m.member)]
    if not memberships:
        return []
    incapacities = [i for i in incapacities_of(person) if i.period.overlaps(asked.period) and asked.holds(i.member)]
    qualities = (INSURABILITY, INCAPACITY) if incapacities else (INSURABILITY,)
    dependant = person.role is not Role.HEAD and person.means is Means.NOTHING
    return [
        element(
            "Insurance",
            element("HolderRights", not dependant),
            *(element("QualityCode", quality) for quality in qualities),
            *(_part(person, membership, dependant=dependant) for membership in memberships),
            *(_indemnity(person, incapacity) for incapacity in incapacities),
        )
    ]


def _part(person: Person, membership: Membership, *, dependant: bool) -> etree._Element:
    draws = person.draws("insurance")
    poor = person.head.means in (Means.LIVING_WAGE, Means.HANDICAP, Means.GRAPA)
    regime = 2 if person.means is Means.SELF_EMPLOYMENT else 1
    status = "DEPENDANT" if dependant else _STATUS.get(person.means, "ACTIVE")
    return element(
        "InsurancePart",
        element("HealthServiceIdentification", f"{100 + 100 * network.MUTUALITIES.index(membership.member) + 9}"),
        element("RegistrationNumber", f"{draws.below(10**6):06d}{draws.below(10**7):07d}"),
        _holder_code("HolderCode1", regime, status, increased=poor),
        _holder_code("HolderCode2", 1, "DEPENDANT", increased=poor) if draws.chance(50) and not dependant else None,
        period("InsurancePeriod", membership.period),
        element("ThirdPartyPayer", poor),
    )


def _holder_code(name: str, regime: int, status: str, *, increased: bool) -> etree._Element:
    return element(
        name, element("Regime", regime), element("SocialStatus", status), element("IncreasedIntervention", increased)
    )


def _indemnity(person: Person, incapacity: Incapacity) -> etree._Element:
    begin, end = incapacity.period.begin, incapacity.period.end
    long = end is None or end - begin > _YEAR
    return element(
        "Indemnity",
        period("IncapacityPeriod", incapacity.period),
        element("Nature", "INVALIDITY" if long and incapacity.phase == RECOGNISED else "PRIMARY_INCAPACITY"),
        element("RecognitionDate", begin + timedelta(days=7)),
        euro("DailyAmount", person.draws("indemnity").between(4_500, 9_500)),
    )
