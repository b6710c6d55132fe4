"""A lot of consultations: its tickets, and the totals that both ends count (docs/lots.md). Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid5

from lxml import etree

from schemas.codes import CODES
from schemas.message import find_all, text_at

#: Consultations of one lot, at most.
MOST = 200_000

#: How often a lot was answered so: by value (a status, or `fault`) and code.
Totals = Mapping[tuple[str, str], int]


def ticket(lot: UUID, number: int) -> UUID:
    """The ticket of consultation `number`, 1 to count: which lot it is of needs no record."""
    return uuid5(lot, str(number))


def correlation(lot: UUID, number: int | str = "") -> str:
    """The correlation_id of a consultation; without its number, what all of the lot begin with."""
    return f"lot:{lot}/{number}"


def number_in(correlation_id: str) -> int | None:
    """Which consultation of its lot it is; None: it does not say."""
    last = correlation_id.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdecimal() and len(last) < len(str(MOST)) + 1 else None


def kind(value: str | None, code: str) -> tuple[str, str]:
    """How an answer is counted: a fault has no value, and a code that is none of the network's is `other`."""
    return value or "fault", code if code in CODES else "other"


def elements(totals: Totals) -> list[etree._Element]:
    """`total`, one a kind, in their order."""
    made = []
    for (value, code), count in sorted(totals.items()):
        total = etree.Element("total")
        for name, text in (("value", value), ("code", code), ("count", str(count))):
            etree.SubElement(total, name).text = text
        made.append(total)
    return made


def read(parent: etree._Element) -> Counter[tuple[str, str]]:
    """The totals that stand below `parent`; kinds that came no time are left out."""
    return counted(
        ((text_at(one, "value") or "", text_at(one, "code") or ""), int(text_at(one, "count") or 0))
        for one in find_all(parent, "total")
    )


def counted(pairs: Iterable[tuple[tuple[str, str], int]]) -> Counter[tuple[str, str]]:
    """The sum of pairs of kind and count."""
    totals: Counter[tuple[str, str]] = Counter()
    for each, count in pairs:
        if count:
            totals[each] += count
    return totals
