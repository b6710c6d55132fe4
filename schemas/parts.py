"""Several suppliers, one answer: what hub and relay do with the answers to one question (`combine`).

The rules are those of `docs/wire.md`. The parts are collected from all answers, in the order of the suppliers'
addresses; a relay's answer may hold several, one for each of its members, and may itself tell that some were silent.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from lxml import etree

from schemas.address import Address
from schemas.answers import beside, fault, information_supplier, refusal, response_to, status_element, written
from schemas.codes import code
from schemas.errors import CrossroadsError
from schemas.message import Status, find_all, read_status, text_at, text_of
from schemas.parser import MAX_ONLINE, Malformed, parse
from schemas.service import Service
from schemas.splice import put_data_filters

_SILENT = "silent"
_DECEASED = "MSG00009"
_TOLD_AS_ONE = {"MSG00005", "MSG00008", "MSG00009", "MSG00021", "MSG00100"}
_MOST_BYTES = 16 * MAX_ONLINE  # of one answer, which may itself be collected


class PartsError(CrossroadsError):
    """The service has no `combine`: its answers cannot be put together."""


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """What the supplier at `address` answered, valid against the service's schema; None: nothing that can be used."""

    address: Address
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Combined:
    """The one answer."""

    body: bytes = field(repr=False)
    kind: Literal["response", "fault"]
    #: its status or reason code
    code: str
    #: addresses that gave no part, those that relays told of included
    silent: tuple[str, ...]


def combine(
    service: Service,
    request_root: etree._Element,
    answers: Sequence[PartAnswer],
    ticket_cbss: UUID,
    received: datetime,
    replied: datetime,
    *,
    language: str = "EN",
) -> Combined:
    """One answer out of `answers`: a response with a `part` each, or the fault CRB00010 where all were silent."""
    if service.combine is None:
        raise PartsError(f"{service.type} has no combine: one supplier is asked, and its answer passes unchanged")
    times = _Times(ticket_cbss, received, replied)
    root = response_to(service, request_root, ticket_cbss=ticket_cbss, received=received, replied=replied)
    parts: list[etree._Element] = []
    silent: list[str] = []
    filtered: list[str] = []
    for answer in sorted(answers, key=lambda one: one.address):
        collected = _collected(service, answer, root, times)
        if collected is None:
            silent.append(str(answer.address))
        else:
            parts += collected.parts
            silent += collected.silent
            filtered += collected.filtered
    silence = tuple((_SILENT, address) for address in silent)
    if not parts:
        body = fault(
            service,
            "CRB00010",
            head_root=request_root,
            ticket_cbss=ticket_cbss,
            received=received,
            replied=replied,
            details=(silence,),
            language=language,
        )
        return Combined(body, "fault", "CRB00010", tuple(silent))
    verdict = _verdict(service, [read_status(part) for part in parts], silent=bool(silent))
    if verdict == _DECEASED and service.deceased == "refuse":
        body = refusal(
            service,
            request_root,
            verdict,
            ticket_cbss=ticket_cbss,
            received=received,
            replied=replied,
            language=language,
        )
        return Combined(body, "response", verdict, tuple(silent))
    root.append(status_element(root, code(verdict), silence, language))
    root.extend(parts)
    body = written(root)
    if filtered and service.filters_place is not None:
        body = put_data_filters(body, tuple(dict.fromkeys(filtered)), service.filters_place)
    return Combined(body, "response", verdict, tuple(silent))


@dataclass(frozen=True, slots=True)
class _Times:
    ticket: UUID
    received: datetime
    replied: datetime


@dataclass(frozen=True, slots=True)
class _Collected:
    """What one answer brings into the common one."""

    parts: tuple[etree._Element, ...]
    silent: tuple[str, ...]
    filtered: tuple[str, ...]


def _verdict(service: Service, statuses: Sequence[Status | None], *, silent: bool) -> str:
    codes = {status.code for status in statuses if status is not None}
    if service.deceased == "refuse" and _DECEASED in codes:
        return _DECEASED
    if silent:
        return "HAN20200"
    if any(status is not None and status.value == "DATA_FOUND" for status in statuses):
        return "MSG00000"
    # All say the same, as "deceased" or "no such number": so does the whole.
    return codes.pop() if len(codes) == 1 and codes <= _TOLD_AS_ONE else "MSG00100"


def _collected(service: Service, answer: PartAnswer, root: etree._Element, times: _Times) -> _Collected | None:
    """None where the answer cannot be used: the supplier counts as silent."""
    if answer.body is None or service.combine is None:
        return None
    try:
        given = parse(answer.body, limit=_MOST_BYTES)
    except Malformed:
        return None
    status = read_status(given)
    if service.kind_of(given) != "response" or status is None:
        return None
    parts = [_moved(part, root, service.combine) for part in find_all(given, service.combine)]
    if any(_names_other(part, answer.address) for part in parts):
        return None
    silent = tuple(value for name, value in status.information if name == _SILENT)
    if not parts and not silent:
        parts = [_without_data(service.combine, given, root, answer.address, times)]
    filtered = tuple(text for entry in find_all(given, "dataFilters/filteredElement") if (text := text_of(entry)))
    return _Collected(tuple(parts), silent, filtered)


def _names_other(part: etree._Element, address: Address) -> bool:
    """Whether a part names a sector that is not its supplier's own (its members stand under their numbers)."""
    sector = text_at(part, "informationSupplier/supplierIdentification/sector")
    return sector is not None and (not sector.isdecimal() or int(sector) != address.sector)


def _moved(part: etree._Element, root: etree._Element, name: str) -> etree._Element:
    """A copy of a part that means the same below `root`: with the prefixes that were known where it stood."""
    known = {prefix: uri for prefix, uri in part.nsmap.items() if prefix}
    copied = etree.Element(beside(root, name), nsmap=known)
    for attribute, value in part.attrib.items():
        copied.set(attribute, value)
    copied.text = part.text
    copied.extend(deepcopy(child) for child in part)
    return copied


def _without_data(
    name: str, given: etree._Element, root: etree._Element, address: Address, times: _Times
) -> etree._Element:
    """The part of a supplier that answered with a status alone, as a relay does when no member holds the person."""
    part = etree.Element(beside(root, name))
    part.append(information_supplier(root, address, times.received, times.replied))
    part.extend(deepcopy(status) for status in given.iterchildren("{*}status"))
    return part
