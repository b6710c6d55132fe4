"""Pieces that the answers of several suppliers share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from lxml import etree

from institutions.question import Question
from schemas.address import Address
from schemas.period import Period

element = Question.element


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a supplier, beside whom it is about."""

    period: Period
    #: the day on which it answers: nothing that is later has been paid
    today: date
    #: who is asked; of a cooperating institution only its own dossiers
    supplier: Address
    #: of labels, in RetrieveTIGroups
    language: str = "fr"
    #: also what held before, in RetrieveTIGroups
    history: bool = False

    def holds(self, dossier: Address) -> bool:
        """Whether a dossier of this cooperating institution is the asked one's to tell; a managing one tells of all."""
        return self.supplier.cbe is None or self.supplier == dossier


def period(name: str, days: Period) -> etree._Element:
    """An OpenPeriodType."""
    return element(name, element("beginDate", days.begin), element("endDate", days.end) if days.end else None)


def organization(name: str, address: Address) -> etree._Element:
    """An OrganizationIdentificationType."""
    if address.cbe is not None:
        return element(name, element("cbeNumber", address.cbe))
    return element(name, element("sector", address.sector), element("institution", address.type))


def euro(name: str, cents: int) -> etree._Element:
    """An amount."""
    return element(name, Decimal(cents).scaleb(-2))


def month_after(day: date) -> date:
    """The first day of the next month."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def months(days: Period, asked: Asked, most: int) -> Iterator[date]:
    """First days of the months that lie in the dossier's and the asked period and have been paid; the last `most`."""
    begin = max(days.begin, asked.period.begin)
    last = min(day for day in (days.end, asked.period.end, asked.today) if day is not None)
    found = []
    month = date(begin.year, begin.month, 1)
    while month <= last and pay_day(month) <= asked.today:
        found.append(month)
        month = month_after(month)
    yield from found[-most:]


def pay_day(month: date) -> date:
    """When a month is paid: on the fifth of the next."""
    return month_after(month) + timedelta(days=4)
