"""Whose fault a late or missing answer is, and each step of an exchange, as the journal knows them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hub.journal import Entry
from hub.journal.account import account, read, times
from hub.repertory.rules import RowId
from schemas.address import Address
from tests.hub.star import ONE, TWO, opened, stay_silent

A, B = Address(5, 0), Address(7, 0)
AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
TICKET = uuid4()
_EMPTY = {
    "ticket_cbss": TICKET, "hub": "hub-1", "sender": None, "customer": None, "program": None, "ticket": None,
    "service": None, "legal_context": None, "quality": None, "authorisation": None, "verdict": None, "value": None,
    "code": None, "suppliers": (), "filtered": (), "silent": (), "received": None, "replied": None, "asked": None,
    "took_ms": (), "request_sha256": None, "answer_sha256": None,
}  # fmt: skip


def ms(count: int) -> datetime:
    return AT + timedelta(milliseconds=count)


def decision(number: int = 1, **says) -> Entry:
    values = _EMPTY | {
        "kind": "decision", "sender": Address(64, 0), "customer": Address(64, 0), "service": "Pension/1",
        "legal_context": "TEST", "authorisation": RowId("a", 1), "verdict": "admitted", "suppliers": (A, B),
        "received": AT,
    }  # fmt: skip
    return Entry(number=number, at=ms(5), **values | says)


def outcome(replied: int, took: tuple[int | None, ...] = (), number: int = 2, **says) -> Entry:
    values = _EMPTY | {
        "kind": "outcome", "value": "DATA_FOUND", "code": "MSG00000", "replied": ms(replied),
        "asked": ms(10) if took else None, "suppliers": (A, B)[: len(took)], "took_ms": took,
    }  # fmt: skip
    return Entry(number=number, at=ms(replied + 1), **values | says)


@pytest.mark.parametrize(
    ("told", "total", "suppliers", "fault"),
    [
        (outcome(300, (200, 250)), 300, 250, "none"),
        (outcome(4_100, (4_000, 20)), 4_100, 4_000, "supplier"),
        (outcome(4_100, (300, 20)), 4_100, 300, "hub"),
        (outcome(3_900, (None,), silent=(A,), value="fault", code="CRB00010"), 3_900, 3_890, "supplier"),
        (outcome(900, (20, None), silent=(B,), value="INCOMPLETE_DATA", code="HAN20200"), 900, 890, "supplier"),
        (outcome(50, (20,), value="fault", code="CRB00012"), 50, 20, "supplier"),
        (outcome(50, (20,), value="fault", code="other"), 50, 20, "supplier"),
        # A supplier tells what it tells, also by codes that the hub has too: its code failed, its relay is busy.
        (outcome(50, (20,), value="fault", code="MSG00003"), 50, 20, "supplier"),
        (outcome(50, (20,), value="fault", code="CRB00014"), 50, 20, "supplier"),
        (outcome(50, (), value="fault", code="MSG00003"), 50, 0, "hub"),
        (outcome(50, (), value="fault", code="CRB00014"), 50, 0, "hub"),
        (outcome(20, (), code="MSG00100", value="NO_DATA_FOUND"), 20, 0, "none"),
        # B is paused, and was not asked.
        (outcome(50, (20,), silent=(B,), value="INCOMPLETE_DATA", code="HAN20200"), 50, 20, "paused"),
        (outcome(50, (None,), silent=(A, B), value="fault", code="CRB00010"), 50, 40, "supplier"),
        # A member of a network is silent: its relay says so.
        (
            outcome(50, (20, 20), silent=(Address(17, 1, "0212344876"),), value="INCOMPLETE_DATA", code="HAN20200"),
            50,
            20,
            "supplier",
        ),
    ],
)
def test_the_time_is_the_hubs_or_its_suppliers_and_so_is_the_fault(told, total, suppliers, fault) -> None:
    found = times([decision(), told])
    assert (found.total, found.suppliers, found.hub, found.fault) == (total, suppliers, total - suppliers, fault)


def test_without_an_admitted_decision_or_an_outcome_there_is_no_time() -> None:
    assert times([]) is None
    assert times([decision()]) is None
    assert times([decision(verdict="refused", code="MSG00012"), outcome(10)]) is None
    # The newest exchange of a ticket that was forgotten and used again.
    assert times([decision(), outcome(10), decision(3)]) is None


def test_steps_are_in_the_order_in_which_they_happened() -> None:
    again = decision(4, kind="resumed", verdict=None, received=ms(900))
    entries = (decision(), outcome(800, (700, None), silent=(B,)), again)
    told = account(TICKET, entries, None, [], [], [], None, {"TEST"})
    assert [step.what for step in told.steps] == [
        "received", "decision", "resumed", "asked", "answered", "silent", "outcome", "received",
    ]  # fmt: skip
    assert [step.at for step in told.steps] == sorted(step.at for step in told.steps)
    [answered] = [step for step in told.steps if step.what == "answered"]
    assert (answered.at, answered.says) == (ms(710), {"supplier": "5-0", "ms": 700})
    assert told.steps[1].says["legal_context"] == "TEST"


def test_a_legal_context_that_no_rule_names_is_not_repeated() -> None:
    refused = decision(legal_context="anything at all", verdict="refused", code="MSG00013")
    [step] = [one for one in account(TICKET, (refused,), None, [], [], [], None, set()).steps if one.what == "decision"]
    assert step.says["legal_context"] == "named by no rule"


async def test_an_exchange_is_told_from_its_receipt_to_its_end(rabbitmq, postgresql, tmp_path) -> None:
    async with opened(rabbitmq, postgresql, tmp_path) as star:
        await star.hub()
        ssin = await star.known(ONE, TWO)
        star.script(TWO, ssin, stay_silent)
        told = await star.consult(ssin, service="Gather/1")
        connection = await star.connect()
        try:
            found = await read(connection, told.ticket_cbss)
            assert await read(connection, uuid4()) is None
        finally:
            await connection.close()
    assert [step.what for step in found.steps] == ["received", "decision", "asked", "answered", "silent", "outcome"]
    assert found.steps[-1].says["silent"] == ["7-0"]
    assert found.times.fault == "supplier"
    assert found.times.hub < found.times.suppliers
    assert found.kept_until is not None
    assert found.open is None
