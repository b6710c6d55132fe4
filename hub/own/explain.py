"""`ExplainDecision/1`: an institution asks about its own tickets and its own side (docs/explain.md).

What it is told of others is no more than it was told under the ticket, or would be told if it asked today: a past day
is no way round a right that has ended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from lxml import etree

from hub import hindsight
from hub.admission import Admitted, Refused
from hub.distribution import MutationFacts, recipients
from hub.explanation import Cited, Explanation, Question, explain
from hub.hindsight import Exchange
from hub.own.service import Call, Ending, Others
from hub.repertory.database import Connection
from hub.repertory.persons import rows_at
from schemas.integration import Integration
from schemas.message import day_at, find_all, text_at
from schemas.period import Period, end_of
from schemas.splice import stamp
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss

#: Another's ticket is as one that does not exist.
_NOTHING = Ending("MSG00100")
#: The first check that looks at who else knows the person.
_OF_OTHERS = 16


class ExplainDecision:
    """Reads; changes nothing."""

    def decide(self, call: Call) -> Admitted | Refused:
        if (day := _day(call)) is not None and day > call.asked.today:
            return Refused("MSG00008", (("expected", "a day that has begun"),), call.customer)
        return Admitted(call.customer, call.fitting[0].row, None, (), ())

    async def prepare(self, call: Call, others: Others) -> None:
        return None

    def persons(self, call: Call) -> Sequence[Ssin]:
        return ()

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        if find_all(call.request.root, "criteria/question"):
            return await _of_question(call, connection, now)
        return await _of_ticket(call, connection, now)

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return ending


async def _of_question(call: Call, connection: Connection, now: datetime) -> Ending:
    asked, day = call.asked, _day(call) or call.asked.today
    service = _text(call, "question/service")
    question = Question(
        call.customer,
        service,
        call.catalogue.services.get(service),
        _text(call, "question/legalContext"),
        asked.ssin,
        _period(call) or Period(day, day),
        day,
    )
    rules, rows = call.rules, await _rows(call, connection, now)
    explanation = explain(rules, replace(question, day=asked.today), rows)
    if day < asked.today:
        rules, rows = await hindsight.believed(connection, asked.ssin, end_of(day))
        past = explain(rules, question, rows)
        if _tells_of_others(past) and not _tells_of_others(explanation):
            return Ending(explanation.code or "MSG00012", explanation.information)
        explanation = past
    receives = [
        Cited("distribution", row.id, row.version)
        for one in recipients(rules, MutationFacts(service, None, question.period, day, any_code=True), rows)
        for row in one.rows
        if row.recipient == call.customer.kind
    ]
    return Ending(data=(_element(explanation, receives=receives),))


async def _of_ticket(call: Call, connection: Connection, now: datetime) -> Ending:
    written, ssin = _text(call, "ticketCBSS"), call.asked.ssin
    ticket = UUID(written) if written else ticket_cbss(call.customer, _text(call, "ticket"))
    found = await hindsight.exchange(connection, ticket)
    if found is None or ssin is None or (found.person is not None and not found.is_about(ssin, call.keys)):
        return _NOTHING
    decision, told = found.decision, hindsight.recorded(found)
    if call.customer != (decision.customer or decision.sender):
        if call.customer not in decision.suppliers:
            return _NOTHING
        # A supplier: what it was asked under, and nothing of the customer's rows or of other suppliers.
        return Ending(data=(_element(replace(told, suppliers=(), remarks=()), found),))
    question = hindsight.question_of(found, ssin, _period(call), call.catalogue.services.get)
    if question is not None and _tells_of_others(told):
        today = replace(question, day=call.asked.today)
        if not _tells_of_others(explain(call.rules, today, await _rows(call, connection, now))):
            question = None
    explanation = await hindsight.explain_exchange(connection, found, question)
    return Ending(data=(_element(explanation, found, outcome=True),))


async def _rows(call: Call, connection: Connection, now: datetime) -> tuple[Integration, ...]:
    return () if call.asked.ssin is None else await rows_at(connection, call.asked.ssin, now)


def _tells_of_others(explanation: Explanation) -> bool:
    return explanation.admitted is True or explanation.check == _OF_OTHERS


def _text(call: Call, path: str) -> str:
    return text_at(call.request.root, f"criteria/{path}") or ""


def _day(call: Call) -> date | None:
    return day_at(call.request.root, "criteria/question/day")


def _period(call: Call) -> Period | None:
    return call.asked.period if find_all(call.request.root, "criteria/period") else None


# --- the answer ------------------------------------------------------------------------------------------------------


def _element(
    told: Explanation, found: Exchange | None = None, *, outcome: bool = False, receives: Iterable[Cited] = ()
) -> etree._Element:
    """`explanation`. `outcome`: with the code of what the customer was told."""
    root = etree.Element("explanation")
    _put(root, "verdict", "ADMITTED" if told.admitted else "REFUSED")
    _put(root, "code", told.code)
    _put(root, "check", told.check)
    _put(root, "step", told.step)
    for name, value in told.information:
        entry = etree.SubElement(root, "information")
        _put(entry, "fieldName", name)
        _put(entry, "fieldValue", value)
    if found is not None:
        _put(root, "decided", stamp(found.decision.at))
        if outcome and found.outcome is not None:
            _put(root, "told", found.outcome.code)
    for row in told.decided_by:
        _put_row(root, "decidedBy", row)
    for missing in told.missing:
        entry = etree.SubElement(root, "missing")
        _put(entry, "table", missing.table)
        _put(entry, "text", missing.text)
        for who in missing.by:
            _put(entry, "mayBeAddedBy", who)
    for supplier in told.suppliers:
        entry = etree.SubElement(root, "supplier")
        _put(entry, "sector", supplier.sector)
        _put(entry, "institution", supplier.type)
    for row in receives:
        _put_row(root, "receives", row)
    for remark in told.remarks:
        _put(root, "remark", remark)
    return root


def _put_row(root: etree._Element, name: str, row: Cited) -> None:
    entry = etree.SubElement(root, name)
    _put(entry, "table", row.table)
    _put(entry, "id", row.id)
    _put(entry, "version", row.version)


def _put(parent: etree._Element, name: str, value: object) -> None:
    if value is not None:
        etree.SubElement(parent, name).text = str(value)
