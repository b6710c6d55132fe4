"""A lot of consultations: a voucher before it, totals behind it. docs/lots.md.

What a lot holds is in no table: the ticket of its consultation n follows from the lot's, and totals are counted over
the tickets that were used.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from lxml import etree

from hub.admission import Admitted, Refused
from hub.own.service import Call, Ending, Others
from hub.queries import QUERIES
from hub.repertory.database import Connection
from schemas import lot
from schemas.address import Address
from schemas.message import find_all, text_at
from schemas.splice import stamp
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss

#: Consultations of one look at the tickets: others get their turn between two.
_SLICE = 2_000
#: Numbers that an answer names, at most.
_NAMED = 100

_Totals = Counter[tuple[str, str]]


class _OfNobody:
    """What both have in common: they ask about nobody, and need nobody."""

    async def prepare(self, call: Call, others: Others) -> None:
        return None

    def persons(self, call: Call) -> Sequence[Ssin]:
        return ()


class OpenLot(_OfNobody):
    """The next lot of the customer's own sequence is begun."""

    def decide(self, call: Call) -> Admitted | Refused:
        service = call.catalogue.services.get(_text(call, "service"))
        if _uuid(call.request.head.ticket) is None:
            return Refused("MSG00008", (("expected", "a ticket that is a UUID: it is the lot"),), call.customer)
        if service is None or service.mode != "online" or service.answered_by == "hub":
            return Refused("MSG00008", (("expected", "a service that suppliers answer, Name/version"),), call.customer)
        return Admitted(call.customer, call.fitting[0].row, None, (), ())

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        customer, sequence = str(call.customer), int(_text(call, "sequence"))
        await connection.execute(QUERIES["lot_lock"], customer)
        last: int = await connection.fetchval(QUERIES["lot_last"], customer)
        if sequence != last + 1:
            return Ending("CRB00018", (("expected", str(last + 1)),))
        await connection.execute(
            QUERIES["lot_open"], call.ticket_cbss, call.request.head.ticket, customer, sequence,
            int(_text(call, "count")), _text(call, "service"), now,
        )  # fmt: skip
        return Ending()

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        """It was opened; perhaps it was closed since."""
        found = await connection.fetchrow(QUERIES["lot_known"], call.request.head.ticket, str(call.customer))
        if found is None or found["closed"] is None:
            return ending
        closed = etree.Element("closed")
        closed.text = stamp(found["closed"])
        return Ending(data=(closed, *lot.elements(_totals(found["totals"]))))


class CloseLot(_OfNobody):
    """The customer has all answers: both have counted the same."""

    def decide(self, call: Call) -> Admitted | Refused:
        return Admitted(call.customer, call.fitting[0].row, None, (), ())

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        found = await connection.fetchrow(QUERIES["lot_known"], _text(call, "lot"), str(call.customer))
        if found is None:
            return Ending("MSG00008", (("expected", "a lot that this customer has opened"),))
        told = lot.read(find_all(call.request.root, "criteria")[0])
        if found["closed"] is not None:
            totals, missing, numbers = _totals(found["totals"]), 0, list[int]()
        else:
            totals, missing, numbers = await _count(connection, call.customer, found["lot"], found["count"])
        if not _agree(told, totals, missing, behind_relay=call.customer.is_cooperating):
            still_open = [_number("open", missing), *(_number("openNumber", n) for n in numbers)] if missing else []
            return Ending("CRB00019", data=(*lot.elements(totals), *still_open))
        written = json.dumps([[*kind, count] for kind, count in sorted(told.items())])
        await connection.execute(QUERIES["lot_close"], found["ticket_cbss"], now, written)
        return Ending(data=lot.elements(told))

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return Ending(data=lot.elements(lot.read(find_all(call.request.root, "criteria")[0])))


def _agree(told: _Totals, totals: _Totals, missing: int, *, behind_relay: bool) -> bool:
    """Whether both counted the same. What a relay refused never reached the hub: of a member's lot so many may lack an
    outcome as it counted refusals more."""
    if not missing:
        return told == totals
    more = told - totals
    refused = all(value in ("NO_RESULT", "fault") for value, _ in more)
    return behind_relay and refused and not totals - told and more.total() == missing


async def _count(connection: Connection, customer: Address, number: UUID, count: int) -> tuple[_Totals, int, list[int]]:
    """What was told of a lot, how many have no outcome, and the first of their numbers."""
    totals: _Totals = Counter()
    missing: list[int] = []
    left = 0
    for first in range(1, count + 1, _SLICE):
        numbers = range(first, min(first + _SLICE, count + 1))
        tickets = [ticket_cbss(customer, str(lot.ticket(number, n))) for n in numbers]
        for row in await connection.fetch(QUERIES["lot_counted"], tickets, _NAMED):
            if row["value"] is None:
                left += row["count"]
                missing += [first + place - 1 for place in row["places"]]
            else:
                totals[row["value"], row["code"]] += row["count"]
    return totals, left, missing[:_NAMED]


def _number(name: str, number: int) -> etree._Element:
    element = etree.Element(name)
    element.text = str(number)
    return element


def _totals(written: str) -> _Totals:
    found: list[Any] = json.loads(written)
    return lot.counted(((value, code), count) for value, code, count in found)


def _text(call: Call, name: str) -> str:
    return text_at(call.request.root, f"criteria/{name}") or ""


def _uuid(text: str | None) -> UUID | None:
    """In the one form in which it is written everywhere."""
    try:
        found = UUID(text or "")
    except ValueError:
        return None
    return found if str(found) == text else None
