"""Whom a person works for, as 12-0 has it of the employers. No service tells it yet; other branches build on it."""

from dataclasses import dataclass
from datetime import date, timedelta

from institutions.reference import network
from institutions.reference.career import DAY, Means
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from schemas.address import Address
from schemas.period import Period

_MODULUS = 97


@dataclass(frozen=True, slots=True)
class Employment:
    """Work for one employer."""

    employer: str
    period: Period
    #: a manual worker, whose holidays a holiday fund or 10-0 pays
    worker: bool


def employments_of(person: Person) -> tuple[Employment, ...]:
    """One after the other, within the spells of work."""
    draws = person.draws("employment")
    worker = is_worker(person)
    found = []
    for spell in person.spells:
        if spell.means is not Means.WORK:
            continue
        begin, last = spell.period.begin, spell.period.end or AS_OF
        while True:
            end = begin + timedelta(days=draws.between(700, 6000))
            employer = invented_enterprise(draws.below(1_000_000))
            if end >= last - timedelta(days=200):
                found.append(Employment(employer, Period(begin, spell.period.end), worker))
                break
            found.append(Employment(employer, Period(begin, end), worker))
            begin = end + DAY
    return tuple(found)


def is_worker(person: Person) -> bool:
    """Whether the person does manual work when working for an employer."""
    return person.draws("worker").chance(400)


def holiday_fund_of(person: Person) -> Address | None:
    """The fund of the trade that pays a worker's holidays; None: 10-0 itself does."""
    draws = person.draws("holiday fund")
    return draws.pick(network.HOLIDAY_FUNDS) if draws.chance(400) else None


def disease_since(person: Person) -> date | None:
    """Since when 6-0 compensates an occupational disease, of a few who worked."""
    draws = person.draws("disease")
    worked = [spell for spell in person.spells if spell.means is Means.WORK]
    if not draws.chance(6) or not worked:
        return None
    last = worked[-1].period.end or AS_OF
    return draws.day(worked[-1].period.begin, last)


def invented_enterprise(ordinal: int) -> str:
    """An invented enterprise number: 18, ordinal, check number."""
    eight = f"18{ordinal:06d}"
    return f"{eight}{_MODULUS - int(eight) % _MODULUS:02d}"
