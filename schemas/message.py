"""What a message says of itself: head, person, period, status.

Elements are found by their local names, so that a service may qualify them or not. Reading is lenient: what is not
there or makes no sense is None, because the register is asked about a sender before the schema is held against its
message.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import cast
from uuid import UUID

from lxml import etree

from schemas.address import Address, AddressError
from schemas.parser import Information
from schemas.period import Period, PeriodError, today
from schemas.service import Service
from schemas.violation import Violation, local

_NUMBER = re.compile(r"\+?[0-9]{1,9}\Z")
_DATE = re.compile(r"(-?)([0-9]{4,})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?\Z")


_DESTINATION = "mutation/destination"
_STRING = etree.XPath("string()")


@dataclass(frozen=True, slots=True)
class Head:
    """Who asks, as the message says it: `informationCustomer` and `legalContext`."""

    ticket: str | None
    time_sent: datetime | None
    #: the enterprise number as written; one of these two names the customer
    cbe: str | None
    sector_institution: Address | None
    legal_context: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that keeps to its service's schema. Its text is never in its repr: it is personal data."""

    service: Service
    body: bytes = field(repr=False)
    root: etree._Element = field(repr=False)
    head: Head
    #: the person's number as written: its pattern is right, its check number may be wrong; empty: about nobody
    ssin_text: str = field(repr=False)
    #: the asked period, today where the service or the request names none; None: it is turned round
    asked: Period | None


@dataclass(frozen=True, slots=True)
class Mutation:
    """What a valid mutation says of itself."""

    #: CREATED, CHANGED, STOPPED or CANCELLED.
    action: str
    #: The sender's own name of what it is about.
    reference: str = field(repr=False)
    #: Its distribution code.
    code: str | None
    #: Sectors and types; empty: everybody who is entitled.
    destinations: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """How an exchange ended, as a response says it."""

    value: str
    code: str
    information: Information


def find_all(root: etree._Element, path: str) -> list[etree._Element]:
    """The elements at a path of local names below `root`."""
    level = [root]
    for name in _steps(path):
        level = [child for parent in level for child in _named(parent, name)]
    return level


def _local(element: etree._Element) -> str:
    """Its name without its namespace; of a comment or an instruction, whose tag is a function, nothing."""
    tag: object = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _named(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    # Half the price of iterchildren("{*}name"), which this is.
    qualified = "}" + name
    for child in parent:
        tag: object = child.tag  # of a comment or an instruction, a function
        if tag == name or (isinstance(tag, str) and tag.endswith(qualified)):
            yield child


def text_at(root: etree._Element, path: str) -> str | None:
    """The text of the first element at `path`, without white space around it; None where it is empty or not there."""
    found = _first(root, _steps(path), 0)
    return text_of(found) if found is not None else None


def _first(parent: etree._Element, steps: tuple[str, ...], depth: int) -> etree._Element | None:
    """The first of `find_all`, reading no further."""
    for child in _named(parent, steps[depth]):
        if depth + 1 == len(steps):
            return child
        if (found := _first(child, steps, depth + 1)) is not None:
            return found
    return None


@lru_cache(1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def text_of(element: etree._Element) -> str | None:
    """The whole text of an element, without white space around it; None where it is empty."""
    # `.text` ends at the first comment, and what is checked would differ from what the supplier reads.
    text = (element.text or "") if len(element) == 0 else str(_STRING(element))
    return text.strip() or None


def read_head(root: etree._Element) -> Head:
    """The head of any message, valid or not."""
    # One walk: of each name the first there is, as `text_at` finds it.
    first: dict[str, etree._Element] = {}
    for child in root:
        if (name := _local(child)) == "informationCustomer":
            for inner in child:
                if (inside := _local(inner)) == "customerIdentification":
                    for mark in inner:
                        if (inside := _local(mark)) in ("cbeNumber", "sector", "institution"):
                            first.setdefault(inside, mark)
                elif inside in ("ticket", "timestampSent"):
                    first.setdefault(inside, inner)
        elif name == "legalContext":
            first.setdefault(name, child)

    def text(name: str) -> str | None:
        return text_of(first[name]) if name in first else None

    return Head(
        ticket=text("ticket"),
        time_sent=_moment(text("timestampSent")),
        cbe=text("cbeNumber"),
        sector_institution=_address(text("sector"), text("institution")),
        legal_context=text("legalContext"),
    )


def read_request(
    service: Service, body: bytes, root: etree._Element, head: Head | None = None
) -> Request | tuple[Violation, ...]:
    """Checks `root`, parsed from `body`, against the service's schema and reads it, or gives what it does wrong.

    head: as `read_head` gave it, where that was asked before.
    """
    violations = service.violations_of(root, "request")
    if violations:
        return violations
    if not service.ssin:
        return Request(service, body, root, head or read_head(root), "", _asked(service, root))
    if (ssin := ssin_in(service, root)) is None:
        # Of two numbers, one would be asked about without anyone checking the right to it.
        where = f"/{local(str(root.tag))}/{service.ssin}"
        line = cast("int | None", root.sourceline)
        return (Violation(line or 1, where, "the person's number must stand there, exactly once"),)
    return Request(service, body, root, head or read_head(root), ssin, _asked(service, root))


def read_status(root: etree._Element) -> Status | None:
    """The status of a response, or of one `part` of it; None where it has none, as a fault."""
    for status in _named(root, "status"):
        value, code = text_at(status, "value"), text_at(status, "code")
        if value is not None and code is not None:
            information = tuple(
                (text_at(entry, "fieldName") or "", text_at(entry, "fieldValue") or "")
                for entry in _named(status, "information")
            )
            return Status(value, code, information)
    return None


def read_mutation(root: etree._Element) -> Mutation:
    """What the request of a mutation that keeps to its schema says beside its criteria."""
    found = (_address(text_at(one, "sector"), text_at(one, "institution")) for one in find_all(root, _DESTINATION))
    return Mutation(
        text_at(root, "mutation/action") or "",
        text_at(root, "mutation/reference") or "",
        text_at(root, "mutation/distributionCode"),
        tuple(dict.fromkeys(address for address in found if address is not None)),
    )


def ssin_in(service: Service, root: etree._Element) -> str | None:
    """The number of the person a message of this service is about; None where it does not stand there exactly once."""
    if not service.ssin:
        return None
    persons = find_all(root, service.ssin)
    return text_of(persons[0]) if len(persons) == 1 else None


def day_at(root: etree._Element, path: str) -> date | None:
    """The day that stands at `path` as an `xs:date`; None where there is none. One beyond Python's years is the first
    or the last that there is."""
    try:
        return _date(text_at(root, path))
    except ValueError:
        return None


def ticket_cbss_in(root: etree._Element) -> UUID | None:
    """The hub's own ticket, where the message has one that is a UUID."""
    try:
        return UUID(text_at(root, "informationCBSS/ticketCBSS") or "")
    except ValueError:
        return None


def _asked(service: Service, root: etree._Element) -> Period | None:
    now = today()
    if service.period is None or not (periods := find_all(root, service.period)):
        return Period(now, now)
    try:
        begin, end = (_date(text_at(periods[0], name)) for name in ("beginDate", "endDate"))
        return Period(begin or now, end)
    except (PeriodError, ValueError):
        return None


def _date(text: str | None) -> date | None:
    """An `xs:date`: its year may be beyond Python's, and its zone means nothing for the day of a right."""
    if text is None:
        return None
    if (match := _DATE.match(text)) is None:
        raise ValueError("not an xs:date")
    if match[1]:
        return date.min
    return date.max if len(match[2]) > 4 else date(int(match[2]), int(match[3]), int(match[4]))


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        return None


def _address(sector: str | None, institution: str | None) -> Address | None:
    if sector is None or institution is None or not (_NUMBER.match(sector) and _NUMBER.match(institution)):
        return None
    try:
        return Address(int(sector), int(institution))
    except AddressError:
        return None
