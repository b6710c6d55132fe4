"""The pensions service (5-0): pensions, and the income guarantee for the elderly."""

from dataclasses import dataclass
from datetime import date, timedelta

from lxml import etree

from institutions.reference.career import DAY, Means
from institutions.reference.household import Role
from institutions.reference.person import Person
from institutions.reference.suppliers.elements import Asked, element, euro, period
from schemas.period import Period

AWARD, GRAPA, PAYMENT = 20, 30, 100
"""Qualities of sector 5."""

_INDEXATIONS = (
    date(2018, 9, 1), date(2020, 3, 1), date(2021, 9, 1), date(2022, 5, 1), date(2023, 1, 1), date(2024, 5, 1),
    date(2025, 2, 1),
)  # fmt: skip
_FULL_CAREER = 45


@dataclass(frozen=True, slots=True)
class PensionRight:
    """One pension that is or was paid."""

    quality: int
    kind: str
    scheme: str
    period: Period
    decided: date


def rights_of(person: Person) -> tuple[PensionRight, ...]:
    """What the person is paid, one right at most."""
    draws = person.draws("pension")
    decided_before = draws.between(40, 200)
    return tuple(
        PensionRight(
            quality=GRAPA if spell.means is Means.GRAPA else PAYMENT,
            kind="GRAPA" if spell.means is Means.GRAPA else "RETIREMENT",
            scheme=_scheme(person, spell.means),
            period=spell.period,
            decided=spell.period.begin - timedelta(days=decided_before),
        )
        for spell in person.spells
        if spell.means in (Means.PENSION, Means.GRAPA)
    )


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The rights that touch the asked period."""
    return [_pension(person, right) for right in rights_of(person) if right.period.overlaps(asked.period)]


def _scheme(person: Person, means: Means) -> str:
    if means is Means.GRAPA:
        return "ASSISTANCE"
    own_account = any(spell.means is Means.SELF_EMPLOYMENT for spell in person.spells)
    return "SELF_EMPLOYED" if own_account else "EMPLOYEE"


def _pension(person: Person, right: PensionRight) -> etree._Element:
    draws = person.draws("pension amount")
    cents = draws.between(95_000, 240_000) if right.kind != "GRAPA" else draws.between(20_000, 150_000)
    worked = [spell for spell in person.spells if spell.means in (Means.WORK, Means.SELF_EMPLOYMENT)]
    days = sum(((spell.period.end or right.period.begin) - spell.period.begin).days for spell in worked)
    years = min(days // 365, _FULL_CAREER)
    alone = len(person.household.adults) == 1
    entries = []
    begins = [
        right.period.begin,
        *(day for day in _INDEXATIONS if right.period.contains(day) and day > right.period.begin),
    ]
    for number, begin in enumerate(begins):
        end = begins[number + 1] - DAY if number + 1 < len(begins) else right.period.end
        if number:
            cents = cents * 102 // 100
        reason = "INDEXATION" if number else "AWARD"
        entries.append(
            element(
                "entry", period("period", Period(begin, end)), element("reason", reason), euro("monthlyAmount", cents)
            )
        )
    return element(
        "pension",
        element("dossierNumber", f"P{person.draws('pension dossier').below(10**9):09d}"),
        element("qualityCode", right.quality),
        element("scheme", right.scheme),
        element("kind", right.kind),
        element("decisionDate", right.decided),
        period("validityPeriod", right.period),
        element("householdRate", "SINGLE" if alone else "FAMILY" if person.role is Role.HEAD else "COHABITANT"),
        element("careerYears", years),
        element("careerFraction", f"{years}/{_FULL_CAREER}"),
        element("paymentStatus", "PAID" if right.period.end is None else "ENDED"),
        euro("monthlyAmount", cents),
        element("history", *entries),
    )
