"""The PCSWs (17-1): living wage, equivalent living wage and other aid."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference.career import DAY, Means
from institutions.reference.identity import AS_OF
from institutions.reference.network import PCSW_A, PCSW_B
from institutions.reference.person import Person
from institutions.reference.scenarios import Scenario
from institutions.reference.suppliers.elements import Asked, element, organization, period
from schemas.address import Address
from schemas.integration import PROVISIONAL
from schemas.period import Period

EXAMINATION, LIVING_WAGE, EQUIVALENT, OTHER_AID, COHABITANT, DEBTS, SERVICES = 1, 2, 3, 4, 5, 7, 8
"""Qualities of sector 17."""

REQUESTED, DECIDED = 1, 2
"""Phases of a dossier."""

_MOST_EXAMINATION = timedelta(days=59)  # two months, field.md 2.3
_SINCE = date(2019, 3, 1)
_MOVED = date(2025, 3, 1)
_RENEWED = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Dossier:
    """What a PCSW has integrated a person for."""

    member: Address
    quality: int
    phase: int | None
    period: Period


def dossiers_of(person: Person) -> tuple[Dossier, ...]:
    """All dossiers, in order. One that was open when the person died stays open: the PCSW has not closed it yet."""
    scenario = person.scenario
    home = _home(person)
    if scenario is Scenario.PROVISIONAL_ONLY:
        return (Dossier(home, PROVISIONAL, None, Period(_SINCE, None)),)
    if scenario is Scenario.PERIOD_OVER:
        return (Dossier(home, EXAMINATION, REQUESTED, Period(date(2025, 1, 10), date(2025, 3, 8))),)
    if scenario is Scenario.CHILD:
        return (Dossier(home, COHABITANT, None, Period(max(_SINCE, person.identity.born), None)),)
    found: list[Dossier] = []
    for spell in person.spells:
        if spell.means is Means.LIVING_WAGE:
            found += _living_wage(person, home, spell.period)
    if scenario is Scenario.KNOWN_TO_TWO_PCSWS:
        return _moved(found)
    if scenario is None:
        found += _cohabitant(person)
    if not found:
        found += _other_aid(person, home)
    return tuple(found)


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The living wages that touch the asked period, at the PCSW asked."""
    dossiers = [d for d in dossiers_of(person) if d.quality in (LIVING_WAGE, EQUIVALENT) and asked.holds(d.member)]
    found = []
    for number, dossier in enumerate(dossiers):
        lived = person.alive(dossier.period.begin, dossier.period.end)
        if lived is not None and lived.overlaps(asked.period):
            found.append(_living_wage_element(person, dossier, lived, number, asked))
    return found


def _home(person: Person) -> Address:
    """The PCSW of where the person lives; of those placed for a demo, the one they are placed at."""
    if person.scenario is None:
        return person.identity.municipality.pcsw
    return PCSW_B if person.scenario is Scenario.KNOWN_TO_PCSW_B_ONLY else PCSW_A


def _living_wage(person: Person, member: Address, spell: Period) -> list[Dossier]:
    """A file in examination until the decision, a living wage from the first day on."""
    quality = EQUIVALENT if person.ssin.kind != "national" else LIVING_WAGE
    weeks = person.draws("examination").between(2, 7)
    asked_on = spell.begin - timedelta(days=7)
    examined = Period(asked_on, min(asked_on + _MOST_EXAMINATION, spell.begin + timedelta(weeks=weeks)))
    open_ended = spell.end is None or spell.end == person.died
    return [
        Dossier(member, EXAMINATION, REQUESTED, examined),
        Dossier(member, quality, DECIDED, Period(spell.begin, None if open_ended else spell.end)),
    ]


def _moved(found: list[Dossier]) -> tuple[Dossier, ...]:
    """From PCSW A to PCSW B, of which the first goes on with the debts."""
    living_wage = found[-1]
    begin = min(living_wage.period.begin, _MOVED - 90 * DAY)
    return (
        Dossier(PCSW_A, living_wage.quality, DECIDED, Period(begin, _MOVED - DAY)),
        Dossier(PCSW_A, DEBTS, None, Period(begin, None)),
        Dossier(PCSW_B, living_wage.quality, DECIDED, Period(_MOVED, None)),
    )


def _cohabitant(person: Person) -> list[Dossier]:
    """Who lives with a head on living wage is known for it, as long as both live."""
    if person.index == person.household.head or person.head.means is not Means.LIVING_WAGE:
        return []
    spell = person.head.spells[-1].period
    lived = person.alive(max(spell.begin, person.identity.born), spell.end)
    return [Dossier(_home(person.head), COHABITANT, None, lived)] if lived is not None else []


def _other_aid(person: Person, home: Address) -> list[Dossier]:
    """Debts, services at home, other aid: for all who are placed for a demo, and for a few others."""
    if person.scenario is not None:
        return [Dossier(home, OTHER_AID, None, Period(_SINCE, None))]
    draws = person.draws("other aid")
    if person.identity.age < 18 or person.died is not None or not draws.chance(60):
        return []
    quality = draws.pick((OTHER_AID, DEBTS, SERVICES))
    begin = draws.day(max(person.identity.turned(18), date(2016, 1, 1)), AS_OF - DAY)
    end = draws.day(begin, AS_OF - DAY) if draws.chance(300) else None
    return [Dossier(home, quality, None, Period(begin, end))]


def _living_wage_element(person: Person, dossier: Dossier, lived: Period, number: int, asked: Asked) -> etree._Element:
    last = min(day for day in (lived.end, asked.today) if day is not None)
    return element(
        "LivingWage",
        organization("OcmwCpas", dossier.member),
        element("QualityCode", dossier.quality),
        element("RecentAnswer", last >= asked.today - timedelta(days=31)),
        *_attestations(person, lived, number, last),
    )


def _attestations(person: Person, lived: Period, number: int, last: date) -> list[etree._Element]:
    """A year each; every one but the first changes the one before."""
    draws = person.draws(f"attestation {number}")
    category = _category(person)
    refund = draws.pick((55, 60, 65, 70))
    contract = draws.chance(350)
    serial = draws.below(10**8)
    found: list[etree._Element] = []
    begin, before = lived.begin, None
    while begin <= max(last, lived.begin):
        end = begin + _RENEWED - DAY
        if lived.end is not None and end >= lived.end:
            end = lived.end
        identifier = f"{begin.year}-{(serial + len(found)) % 10**8:08d}"
        created = min(begin + timedelta(days=draws.between(1, 7)), max(last, begin))
        found.append(
            element(
                "Attestation",
                element(
                    "AttestationIdentification",
                    element("AttestationStatus", "CREATED" if before is None else "CHANGED"),
                    element("AttestationID", identifier),
                    element("UpdateAttestationID", before) if before is not None else None,
                    element("CreationDate", created),
                ),
                element(
                    "Details",
                    period("ValidityPeriod", Period(begin, end)),
                    element("CategoryCode", category),
                    element("DecisionDate", begin),
                    element("IntegrationContract", contract),
                    element("RefundPercentage", refund),
                ),
            )
        )
        begin, before = end + DAY, identifier
    return found


def _category(person: Person) -> int:
    """1 cohabitant, 2 living alone, 3 with family at charge."""
    if len(person.household.members) == 1:
        return 2
    return 3 if person.household.children and len(person.household.adults) == 1 else 1
