"""Who is known where: the rows of the person repertory, and of the sectoral repertories, that follow from a life."""

from collections.abc import Iterator
from datetime import date, timedelta

from institutions.reference.career import DAY, PENSION_AGE, Means
from institutions.reference.identity import AS_OF
from institutions.reference.network import PCSW_A, REGISTERS
from institutions.reference.numbering import number_of_nobody
from institutions.reference.person import Person
from institutions.reference.scenarios import Scenario
from institutions.reference.suppliers.accidents import VICTIM, accidents_of
from institutions.reference.suppliers.assistance import OTHER_AID, dossiers_of
from institutions.reference.suppliers.employment import disease_since, holiday_fund_of, is_worker
from institutions.reference.suppliers.family import roles_of
from institutions.reference.suppliers.handicap import recognitions_of
from institutions.reference.suppliers.insurance import INCAPACITY, INSURABILITY, incapacities_of, memberships_of
from institutions.reference.suppliers.pensions import AWARD, rights_of
from institutions.reference.suppliers.self_employment import SELF_EMPLOYED, affiliations_of
from institutions.reference.suppliers.unemployment import rights_of as unemployment_rights_of
from schemas.address import Address
from schemas.integration import DEFINITIVE, PROVISIONAL, REPLACED, Integration
from schemas.period import Period

_DISEASE = 10  # quality of sector 6
_EMPLOYEE = 10  # quality of sector 12
_WORKER = 10  # quality of sector 10
_POOR = frozenset((Means.LIVING_WAGE, Means.HANDICAP, Means.GRAPA))
_PROVISIONAL_SINCE = date(2025, 2, 1)
_NOBODY_SINCE = date(2024, 5, 1)
_TARIFF_SINCE = date(2020, 1, 1)
_AWARDED = timedelta(days=365)

ACCIDENTS, PENSIONS, DISEASES = Address(1, 0), Address(5, 0), Address(6, 0)
FAMILY, HOLIDAYS, EMPLOYERS = Address(7, 0), Address(10, 0), Address(12, 0)
SELF_EMPLOYMENT, HANDICAP = Address(15, 0), Address(16, 0)
DE_LIJN, SOCIAL_TARIFF = Address(64, 0), Address(70, 3)
MUTUALITIES = Address(11, 1)


def rows_at_the_hub(person: Person) -> Iterator[Integration]:
    """The person's rows in the hub's repertory: sectors and types, never a cooperating institution; no row twice."""
    seen: set[tuple[Address, int, int | None, Period]] = set()
    for row in _rows(person):
        key = (row.kind, row.quality, row.phase, row.period)
        if key not in seen:
            seen.add(key)
            yield Integration(row.ssin, *key) if row.member is not None else row
    if person.scenario is Scenario.AT_NO_MUTUALITY:
        yield _row(person, MUTUALITIES, INSURABILITY, Period(date(2010, 1, 1), None))
    yield from _replaced(person, {key[0] for key in seen})


def rows_of_members(person: Person, managing: Address) -> Iterator[Integration]:
    """The person's rows in the sectoral repertory of `managing`, each with the cooperating institution that has it."""
    own = [row for row in _rows(person) if row.member is not None and row.kind.sector == managing.sector]
    yield from own
    yield from _replaced(person, dict.fromkeys(row.member for row in own if row.member is not None))


def row_of_nobody(seed: int, member: Address | None = None) -> Integration:
    """PCSW A has integrated a number that nobody has; in its sectoral repertory, with `member`."""
    since = Period(_NOBODY_SINCE, None)
    return Integration(number_of_nobody(seed), PCSW_A.kind, OTHER_AID, None, since, None, member)


def _row(person: Person, at: Address, quality: int, period: Period, phase: int | None = None) -> Integration:
    """A row at `at`. One that ends with a death stays open: dossiers are kept while survivors have rights."""
    if person.died is not None and period.end == person.died:
        period = Period(period.begin, None)
    return Integration(person.ssin, at.kind, quality, phase, period, None, at if at.is_cooperating else None)


def _replaced(person: Person, places: dict[Address, None] | set[Address]) -> Iterator[Integration]:
    """Where the old number was known, it is told to be replaced."""
    former, since = person.identity.former, person.identity.replaced_on
    if former is None or since is None:
        return
    for place in sorted(places):
        member = place if place.is_cooperating else None
        yield Integration(former, place.kind, REPLACED, None, Period(since, None), person.ssin, member)


def _rows(person: Person) -> Iterator[Integration]:
    """Everything, cooperating institutions included; where both know a person, the managing institution's own too."""
    for accident in accidents_of(person):
        period = Period(accident.day, None)
        yield _row(person, ACCIDENTS, VICTIM, period)
        yield _row(person, accident.insurer, VICTIM, period)
    for right in rights_of(person):
        yield _row(person, PENSIONS, AWARD, Period(right.period.begin - _AWARDED, right.period.begin - DAY))
        yield _row(person, PENSIONS, right.quality, right.period)
    if (since := disease_since(person)) is not None:
        yield _row(person, DISEASES, _DISEASE, Period(since, None))
    for part in roles_of(person):
        yield _row(person, FAMILY, part.quality, part.period)
        yield _row(person, part.fund, part.quality, part.period)
    yield from _work(person)
    for membership in memberships_of(person):
        yield _row(person, membership.member, INSURABILITY, membership.period)
    for incapacity in incapacities_of(person):
        yield _row(person, incapacity.member, INCAPACITY, incapacity.period, incapacity.phase)
    for recognition in recognitions_of(person):
        yield _row(person, HANDICAP, recognition.quality, recognition.period)
    if person.scenario is Scenario.PROVISIONAL_ONLY:
        yield _row(person, HANDICAP, PROVISIONAL, Period(_PROVISIONAL_SINCE, None))
    for dossier in dossiers_of(person):
        yield _row(person, dossier.member, dossier.quality, dossier.period, dossier.phase)
    for unemployed in unemployment_rights_of(person):
        yield _row(person, unemployed.member, unemployed.quality, unemployed.period)
    yield from _elsewhere(person)


def _work(person: Person) -> Iterator[Integration]:
    worked = [spell.period for spell in person.spells if spell.means is Means.WORK]
    for period in worked:
        yield _row(person, EMPLOYERS, _EMPLOYEE, period)
    if worked and is_worker(person):
        fund = holiday_fund_of(person) or HOLIDAYS
        for period in worked:
            yield _row(person, fund, _WORKER, period)
    for affiliation in affiliations_of(person):
        yield _row(person, SELF_EMPLOYMENT, SELF_EMPLOYED, affiliation.period)
        yield _row(person, affiliation.fund, SELF_EMPLOYED, affiliation.period)


def _elsewhere(person: Person) -> Iterator[Integration]:
    """Those who ask without having data of their own to tell, and the registers."""
    if person.ssin.kind != "national":
        yield _row(person, REGISTERS, DEFINITIVE, Period(max(person.identity.born, date(1998, 1, 1)), None))
    if person.identity.municipality.language == "nl":
        since = [recognition.period.begin for recognition in recognitions_of(person)]
        since += [spell.period.begin for spell in person.spells if spell.means is Means.LIVING_WAGE]
        if (old := person.identity.turned(PENSION_AGE)) < AS_OF:
            since.append(old)
        if since:
            yield _row(person, DE_LIJN, DEFINITIVE, Period(min(since), None))
    # Suppliers of energy know who has a contract with them: heads of households, those with the right among them.
    if person.index == person.household.head and (person.means in _POOR or person.draws("energy").chance(250)):
        yield _row(person, SOCIAL_TARIFF, DEFINITIVE, Period(_TARIFF_SINCE, None))
