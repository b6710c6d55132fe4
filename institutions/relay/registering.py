"""A member registers or unregisters whom it knows: the hub first, then the sectoral repertory, once a ticket.

docs/integrations.md, "Down a relay's arm".
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from uuid import UUID

from lxml import etree

from institutions.relay.sectoral_repertory import SectoralRepertory
from schemas.address import Address
from schemas.dossier import Line, Removal, register, unregister
from schemas.integration import REPLACED, Integration
from schemas.message import Request, day_at, find_all, read_status, text_at
from schemas.parser import Malformed, parse
from schemas.sectors import exceeds
from schemas.ssin import Ssin

REGISTER, UNREGISTER = "RegisterIntegration/1", "UnregisterIntegration/1"
#: What the hub asks of a managing institution alone.
SECTORAL = "SectoralIntegrations/1"

#: What the hub said, in bytes; None: nothing in time.
Ask = Callable[[], Awaitable[bytes | None]]


class LimitError(Exception):
    """The member's own dossier would last longer than its quality may; `last` is the last day that it can have."""

    def __init__(self, quality: int, last: date) -> None:
        super().__init__()
        self.quality, self.last = quality, last


async def change(
    repertory: SectoralRepertory, request: Request, ssin: Ssin, member: Address, ticket_cbss: UUID, ask: Ask
) -> bytes | None:
    """Ask the hub, and do here what it did; its answer, None where it gave none in time.

    Others' changes of this person wait meanwhile. Raises LimitError: the hub was not asked; RepertoryUnavailable: the
    hub may have done it, and the same request again does the rest.
    """
    async with repertory.changing(ssin) as changing:
        done = await changing.done(ticket_cbss)
        before = [Line.of(row) for row in await changing.rows(member)]
        after = _after(request, before)
        if not done:
            _check_limit(member, request, after)
        answer = await ask()
        if answer is not None and not done and _was_done(answer):
            await changing.make(member, before, after, ticket_cbss)
        return answer


def dossiers(rows: Iterable[Integration], ssin: Ssin) -> list[etree._Element]:
    """What every member has of this number, as `registration` elements."""
    return [
        _registration(row) for row in rows if row.ssin == ssin and row.quality != REPLACED and row.member is not None
    ]


def _after(request: Request, before: list[Line]) -> tuple[Line, ...]:
    root = request.root
    if request.service.type == REGISTER and request.asked is not None:
        return register(before, Line(_number(root, "qualityCode") or 0, _number(root, "phaseCode"), request.asked))
    removal = Removal(
        _number(root, "situation") or 0,
        _number(root, "qualityCode"),
        _number(root, "phaseCode"),
        day_at(root, "criteria/lineBeginDate"),
        request.asked if find_all(root, "criteria/period") else None,
    )
    # What contradicts itself the hub refuses, and what it does not authorise: then nothing is done here.
    return unregister(before, removal)


def _check_limit(member: Address, request: Request, after: Iterable[Line]) -> None:
    """A new dossier that adjoins or overlaps an old one prolongs it: together they keep to the limit."""
    if request.service.type != REGISTER or request.asked is None:
        return
    quality = _number(request.root, "qualityCode")
    for line in after:
        if line.quality == quality and line.period.overlaps(request.asked):
            last = exceeds(member.sector, line.quality, line.period)
            if last is not None:
                raise LimitError(line.quality, last)


def _was_done(answer: bytes) -> bool:
    try:
        status = read_status(parse(answer))
    except Malformed:
        return False
    return status is not None and status.value == "DATA_FOUND"


def _number(root: etree._Element, name: str) -> int | None:
    text = text_at(root, f"criteria/{name}")
    return None if text is None else int(text)


def _registration(row: Integration) -> etree._Element:
    element = etree.Element("registration")
    etree.SubElement(element, "register").text = "SECONDARY"
    organization = etree.SubElement(element, "organization")
    etree.SubElement(organization, "cbeNumber").text = row.member.cbe if row.member is not None else None
    etree.SubElement(element, "qualityCode").text = str(row.quality)
    if row.phase is not None:
        etree.SubElement(element, "phaseCode").text = str(row.phase)
    period = etree.SubElement(element, "period")
    etree.SubElement(period, "beginDate").text = row.period.begin.isoformat()
    if row.period.end is not None:
        etree.SubElement(period, "endDate").text = row.period.end.isoformat()
    return element
