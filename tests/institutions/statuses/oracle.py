"""Which statuses somebody of the population has in a quarter: read off the life, with nothing of
`institutions.statuses` but the names."""

from collections.abc import Iterator
from datetime import date, timedelta

from institutions.reference.career import Means
from institutions.reference.identity import AS_OF
from institutions.reference.mutations import reduced_by
from institutions.reference.person import Person
from institutions.reference.suppliers import assistance, handicap, insurance, pensions, unemployment

#: What begins in a year lasts to its end.
YEARLY = {"INCOME_GUARANTEE", "HANDICAP_ALLOWANCE", "HANDICAP_RECOGNISED", "INCREASED_REIMBURSEMENT"}
DE_LIJN = {
    "LIVING_WAGE", "EQUIVALENT_LIVING_WAGE", "HANDICAP_ALLOWANCE", "HANDICAP_RECOGNISED", "INCREASED_REIMBURSEMENT",
}  # fmt: skip
SOCIAL_TARIFF = {"LIVING_WAGE", "EQUIVALENT_LIVING_WAGE", "INCOME_GUARANTEE", "HANDICAP_ALLOWANCE"}


def statuses_of(person: Person, year: int, quarter: int) -> set[str]:
    """The codes of those that hold in this quarter (1 to 4)."""
    first = date(year, 3 * quarter - 2, 1)
    next_ = date(year + quarter // 4, 3 * quarter % 12 + 1, 1)
    found = set()
    for status, begin, end in _facts(person):
        since = date(year, 1, 1) if status in YEARLY else first
        if begin < next_ and (end is None or end >= since):
            found.add(status)
    return found


def _facts(person: Person) -> Iterator[tuple[str, date, date | None]]:
    for dossier in assistance.dossiers_of(person):
        status = {2: "LIVING_WAGE", 3: "EQUIVALENT_LIVING_WAGE"}.get(dossier.quality)
        ends = [day for day in (dossier.period.end, person.died) if day is not None]
        if status is not None and (not ends or dossier.period.begin <= min(ends)):
            yield status, dossier.period.begin, min(ends, default=None)
    for right in pensions.rights_of(person):
        if right.kind == "GRAPA":
            yield "INCOME_GUARANTEE", right.period.begin, right.period.end
    for recognition in handicap.recognitions_of(person):
        days = recognition.period
        if recognition.quality == handicap.ALLOWANCE:
            yield "HANDICAP_ALLOWANCE", days.begin, days.end
        if reduced_by(person, recognition) >= 66:
            yield "HANDICAP_RECOGNISED", days.begin, days.end
    if person.head.means in (Means.LIVING_WAGE, Means.HANDICAP, Means.GRAPA):
        for membership in insurance.memberships_of(person):
            yield "INCREASED_REIMBURSEMENT", membership.period.begin, membership.period.end
    for spell in unemployment.rights_of(person):
        days = spell.period
        if spell.quality == unemployment.UNEMPLOYED and (days.end or AS_OF) - days.begin >= timedelta(days=364):
            yield "LONG_UNEMPLOYED", days.begin, days.end
