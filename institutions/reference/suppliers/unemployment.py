"""The payment institutions (18-1): unemployment and career breaks."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lxml import etree

from institutions.reference import network
from institutions.reference.career import Means
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
from schemas.address import Address
from schemas.period import Period

UNEMPLOYED, CAREER_BREAK = 1, 2
"""Qualities of sector 18."""

MOST_MONTHS = 48
"""Paid sums that are told, as in the field's own service."""

_DAYS_A_MONTH = 26
_YEAR = 365


@dataclass(frozen=True, slots=True)
class UnemploymentRight:
    """One right, at the payment institution that the person has chosen."""

    quality: int
    member: Address
    period: Period
    #: A with family at charge, N alone, B cohabitant
    family: str


def rights_of(person: Person) -> tuple[UnemploymentRight, ...]:
    """A right for each spell of unemployment or career break, in order."""
    draws = person.draws("unemployment")
    return tuple(
        UnemploymentRight(
            quality=UNEMPLOYED if spell.means is Means.UNEMPLOYMENT else CAREER_BREAK,
            member=draws.pick(network.PAYMENT_INSTITUTIONS),
            period=spell.period,
            family=_family(person),
        )
        for spell in person.spells
        if spell.means in (Means.UNEMPLOYMENT, Means.CAREER_BREAK)
    )


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """The rights that touch the asked period, at the payment institution asked."""
    return [
        _unemployment(person, right, number, asked)
        for number, right in enumerate(rights_of(person))
        if right.period.overlaps(asked.period) and asked.holds(right.member)
    ]


def _family(person: Person) -> str:
    if len(person.household.members) == 1:
        return "N"
    return "A" if person.household.children and len(person.household.adults) == 1 else "B"


def _unemployment(person: Person, right: UnemploymentRight, number: int, asked: Asked) -> etree._Element:
    draws = person.draws(f"unemployment {number}")
    daily = draws.between(3_200, 7_800)
    partial = right.quality == CAREER_BREAK and draws.chance(600)
    category = "COMPLETE_UNEMPLOYMENT" if right.quality == UNEMPLOYED else "CAREER_BREAK"
    paid = [_paid(right, month, daily) for month in months(right.period, asked, MOST_MONTHS)]
    return element(
        "unemployment",
        element("qualityCode", right.quality),
        element("category", category),
        period("rightPeriod", right.period),
        element("unemploymentOffice", f"{draws.between(11, 93)}"),
        element("article", "100" if right.quality == UNEMPLOYED else "103bis"),
        element("familyCategory", right.family),
        element("weeklyHours", Decimal("19.00") if partial else Decimal("38.00")),
        organization("paymentInstitution", right.member),
        euro("dailyAmount", daily),
        element("paidSums", *paid) if paid else None,
        element("history", *_changes(right, asked.today)),
    )


def _paid(right: UnemploymentRight, month: date, daily: int) -> etree._Element:
    begin, end = max(month, right.period.begin), min(month_after(month), right.period.end or date.max)
    days = min(_DAYS_A_MONTH, max(1, (end - begin).days * _DAYS_A_MONTH // 30))
    return element(
        "paidSum",
        element("month", f"{month:%Y-%m}"),
        element("paymentDate", pay_day(month)),
        element("days", days),
        euro("amount", daily * days),
    )


def _changes(right: UnemploymentRight, today: date) -> list[etree._Element]:
    begin, end = right.period.begin, right.period.end
    degression = date.fromordinal(begin.toordinal() + _YEAR)
    changes = [(begin, "START")]
    if right.quality == UNEMPLOYED and degression <= (end or today):
        changes.append((degression, "DEGRESSION"))
    if end is not None:
        changes.append((end, "END"))
    return [
        element("change", element("date", day), element("reason", reason), element("familyCategory", right.family))
        for day, reason in changes
    ]
