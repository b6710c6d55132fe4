"""The journal: one decision and one outcome a ticket, whatever happens to the connection."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from hub.journal import (
    CHANGE,
    Decision,
    Journal,
    OtherContent,
    Outcome,
    PersonKeyError,
    PersonKeys,
    Recorded,
    Repeat,
)
from hub.journal import journal as module
from hub.repertory.rules import RowId
from schemas.address import Address
from tests.hub.people import person

KEYS = "2026b:second-secret-of-the-tests,2026a:first-secret-of-the-tests"
PCSW = Address.parse("17-1-0212344876")
PENSIONS = Address.parse("5-0")
BODY, OTHER_BODY, ANSWER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
SSIN = person(1)


def decision(ticket=None, **changes):
    values = {
        "ticket_cbss": ticket or uuid4(), "sender": Address(17, 0), "customer": PCSW, "verdict": "admitted",
        "code": None, "received": datetime.now(UTC), "request_sha256": BODY, "ticket": "T-1", "user": None,
        "service": "Pension/1", "legal_context": "SOCIAL_INQUIRY", "ssin": SSIN, "quality": 1,
        "authorisation": RowId("pcsw-pension", 3), "suppliers": (PENSIONS,), "without": ("pension/bankAccount",),
    }  # fmt: skip
    return Decision(**values | changes)


def outcome(ticket, **changes):
    values = {
        "ticket_cbss": ticket, "value": "DATA_FOUND", "code": "MSG00000", "replied": datetime.now(UTC),
        "answer_sha256": ANSWER, "filtered": ("pension/bankAccount",),
    }  # fmt: skip
    return Outcome(**values | changes)


@pytest.fixture
async def journal(hub_database):
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a") as opened:
        yield opened


@pytest.fixture
async def another(hub_database, journal):
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-b") as opened:
        yield opened


async def kinds(journal, ticket):
    return [entry.kind for entry in await journal.exchange(ticket)]


async def test_a_decision_and_its_outcome_stand_in_the_journal_as_they_were_given(journal):
    made = decision(user="00900000123")
    assert await journal.decide(made) == Recorded()
    told = outcome(made.ticket_cbss)
    await journal.outcome(told)
    first, second = await journal.exchange(made.ticket_cbss)
    assert (first.kind, first.hub, first.sender, first.customer) == ("decision", "hub-a", made.sender, PCSW)
    assert (first.ticket, first.service, first.legal_context) == ("T-1", "Pension/1", "SOCIAL_INQUIRY")
    assert (first.verdict, first.code, first.quality) == ("admitted", None, 1)
    assert (first.authorisation, first.suppliers) == (RowId("pcsw-pension", 3), (PENSIONS,))
    assert (first.received, first.request_sha256, first.filtered) == (made.received, BODY, ("pension/bankAccount",))
    assert first.program == "00900000123"
    assert (second.kind, second.value, second.code) == ("outcome", "DATA_FOUND", "MSG00000")
    assert (second.replied, second.answer_sha256, second.filtered) == (told.replied, ANSWER, ("pension/bankAccount",))


async def test_the_same_ticket_and_content_is_a_repeat_and_gets_no_second_decision(journal):
    made = decision()
    await journal.decide(made)
    again = await journal.decide(decision(made.ticket_cbss))
    assert isinstance(again, Repeat)
    assert (again.verdict, again.code, again.suppliers, again.outcome) == ("admitted", None, (PENSIONS,), None)
    assert await kinds(journal, made.ticket_cbss) == ["decision", "resumed"]


async def test_a_repeat_after_the_outcome_is_told_what_was_told(journal):
    made = decision(verdict="refused", code="MSG00012")
    await journal.decide(made, outcome(made.ticket_cbss, value="NO_RESULT", code="MSG00012"))
    again = await journal.decide(decision(made.ticket_cbss))
    assert isinstance(again, Repeat)
    assert (again.verdict, again.code) == ("refused", "MSG00012")
    assert again.outcome is not None
    assert (again.outcome.value, again.outcome.code) == ("NO_RESULT", "MSG00012")


async def test_the_same_ticket_with_other_content_is_refused_and_says_so(journal):
    made = decision()
    await journal.decide(made)
    other = decision(made.ticket_cbss, request_sha256=OTHER_BODY)
    assert await journal.decide(other, outcome(made.ticket_cbss)) == OtherContent()
    assert await kinds(journal, made.ticket_cbss) == ["decision", "other"]
    written = (await journal.exchange(made.ticket_cbss))[1]
    assert (written.verdict, written.code) == ("refused", "CRB00009")


async def test_a_second_outcome_is_a_repeated_row(journal):
    made = decision()
    await journal.decide(made, outcome(made.ticket_cbss))
    await journal.outcome(outcome(made.ticket_cbss))
    await journal.decide(decision(made.ticket_cbss), outcome(made.ticket_cbss))
    assert await kinds(journal, made.ticket_cbss) == ["decision", "outcome", "repeated", "resumed", "repeated"]


async def test_a_resumed_decision_brings_the_outcome_that_was_still_missing(journal):
    made = decision()
    await journal.decide(made)
    await journal.decide(decision(made.ticket_cbss), outcome(made.ticket_cbss))
    assert await kinds(journal, made.ticket_cbss) == ["decision", "resumed", "outcome"]


async def test_the_same_object_written_again_counts_once(journal):
    made, told = decision(), outcome(uuid4())
    made = decision(told.ticket_cbss)
    for _ in range(3):
        assert await journal.decide(made, told) == Recorded()
        await journal.outcome(told)
    assert await kinds(journal, told.ticket_cbss) == ["decision", "outcome"]


async def test_busy_does_not_use_up_the_ticket(journal):
    made = decision(verdict="refused", code="CRB00014")
    await journal.busy(made)
    assert await journal.decide(decision(made.ticket_cbss)) == Recorded()
    assert await kinds(journal, made.ticket_cbss) == ["busy", "decision"]


async def test_many_hubs_with_one_ticket_give_one_decision(journal, another):
    tickets = [uuid4() for _ in range(20)]
    results = await asyncio.gather(
        *(hub.decide(decision(ticket)) for ticket in tickets for hub in (journal, another) for _ in range(5))
    )
    assert sum(result == Recorded() for result in results) == len(tickets)
    assert sum(isinstance(result, Repeat) for result in results) == 9 * len(tickets)
    for ticket in tickets:
        assert sorted(await kinds(journal, ticket)) == ["decision"] + 9 * ["resumed"]


async def test_two_hubs_with_one_ticket_and_two_contents_give_one_decision(journal, another):
    ticket = uuid4()
    results = await asyncio.gather(
        journal.decide(decision(ticket)), another.decide(decision(ticket, request_sha256=OTHER_BODY))
    )
    assert sorted(type(result).__name__ for result in results) == ["OtherContent", "Recorded"]


async def test_concurrent_rows_are_committed_in_groups(hub_database):
    groups = []
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a", on_group=groups.append) as journal:
        await asyncio.gather(*(journal.decide(decision()) for _ in range(300)))
    assert sum(groups) == 300
    assert len(groups) < 30


async def test_closing_commits_what_is_pending(hub_database):
    journal = Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a")
    await journal.start()
    waiting = [asyncio.ensure_future(journal.decide(decision())) for _ in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    assert await asyncio.gather(*waiting) == [Recorded()] * 50


async def test_who_asked_about_a_person_is_found_and_nothing_else(journal):
    mine, other = decision(), decision(ssin=person(2))
    for made in (mine, other):
        await journal.decide(made, outcome(made.ticket_cbss))
    assert [entry.ticket_cbss for entry in await journal.who(SSIN)] == [mine.ticket_cbss]
    assert await journal.who(person(3)) == ()


async def test_what_a_person_asked_as_end_user_is_found(journal):
    made = decision(user=person(2).digits)
    await journal.decide(made)
    assert [entry.ticket_cbss for entry in await journal.who(person(2), as_user=True)] == [made.ticket_cbss]
    assert await journal.who(person(2)) == ()
    assert (await journal.exchange(made.ticket_cbss))[0].program is None


async def test_no_persons_number_stands_in_the_database(journal, connection):
    made = decision(user=person(2).digits)
    await journal.decide(made, outcome(made.ticket_cbss))
    await journal.decide(decision(made.ticket_cbss))
    await journal.busy(decision(user=person(2).digits))
    for table in ("journal", "journal_person", "ticket", "journal_group"):
        rows = [record[0] for record in await connection.fetch(f"SELECT t::text FROM {table} t")]
        assert rows
        for digits in (SSIN.digits, person(2).digits):
            assert not any(digits in row or digits.encode().hex() in row for row in rows), table


async def test_rows_are_found_under_every_key_that_is_named(hub_database):
    async with Journal(hub_database, PersonKeys.parse("2026a:first-secret-of-the-tests"), hub="hub-a") as journal:
        old = decision()
        await journal.decide(old)
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a") as journal:
        new = decision()
        await journal.decide(new)
        assert [entry.ticket_cbss for entry in await journal.who(SSIN)] == [old.ticket_cbss, new.ticket_cbss]
    async with Journal(hub_database, PersonKeys.parse("2026b:second-secret-of-the-tests"), hub="hub-a") as journal:
        assert [entry.ticket_cbss for entry in await journal.who(SSIN)] == [new.ticket_cbss]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret-without-an-id-of-its-own",
        "a:short",
        "a b:long-enough-to-be-a-secret",
        "a:" + 16 * "x" + ",a:" + 16 * "y",
    ],
)
def test_keys_that_are_none_are_refused_without_being_told(text):
    with pytest.raises(PersonKeyError) as caught:
        PersonKeys.parse(text)
    assert "secret-without" not in str(caught.value)
    assert "xxx" not in repr(PersonKeys.parse("a:" + 16 * "x").current)


async def test_the_journal_is_append_only(journal, connection):
    made = decision()
    await journal.decide(made)
    month = await connection.fetchval("SELECT tableoid::regclass::text FROM journal")
    for statement in (
        "UPDATE journal SET code = 'MSG00000'", "DELETE FROM journal", "TRUNCATE journal",
        f"UPDATE {month} SET code = 'MSG00000'", f"DELETE FROM {month}", f"TRUNCATE {month}",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await connection.execute(statement)
    assert await kinds(journal, made.ticket_cbss) == ["decision"]


async def test_a_row_of_next_month_is_written(hub_database):
    later = datetime.now(UTC).replace(day=28) + timedelta(days=10)
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a", clock=lambda: later) as journal:
        made = decision()
        await journal.decide(made, outcome(made.ticket_cbss))
        assert [entry.at for entry in await journal.who(SSIN)] == [later]


async def test_a_row_beyond_the_partitions_makes_its_own(hub_database):
    moments = [datetime.now(UTC)]
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a", clock=lambda: moments[-1]) as journal:
        moments.append(moments[0] + timedelta(days=3660))
        made = decision()
        assert await journal.decide(made) == Recorded()
        assert [entry.at for entry in await journal.exchange(made.ticket_cbss)] == [moments[-1]]


async def test_tickets_are_forgotten_when_their_time_is_over(hub_database, monkeypatch):
    monkeypatch.setattr(module, "_EXPIRE_BATCH", 3)
    now = datetime.now(UTC)
    past = now - timedelta(days=2)
    moments = [past]
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a", clock=lambda: moments[-1]) as journal:
        consultations = [decision() for _ in range(10)]
        change = decision(keep=CHANGE)
        for made in (*consultations, change):
            await journal.decide(made)
        moments.append(now)
        recent = decision()
        await journal.decide(recent)
        assert await journal.expire() == 10
        assert await journal.expire() == 0
        for kept in (change, recent):
            assert isinstance(await journal.decide(decision(kept.ticket_cbss)), Repeat)
        assert await journal.decide(decision(consultations[0].ticket_cbss)) == Recorded()


async def test_an_outcome_after_its_ticket_was_forgotten_is_still_one(hub_database, connection):
    async with Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a") as journal:
        made = decision()
        await journal.decide(made)
        await connection.execute("DELETE FROM ticket")
        for _ in range(2):
            await journal.outcome(outcome(made.ticket_cbss))
        assert await kinds(journal, made.ticket_cbss) == ["decision", "outcome", "repeated"]


async def test_the_summary_counts_what_an_auditor_asks_first(journal):
    for code, value in (("MSG00000", "DATA_FOUND"), ("MSG00000", "DATA_FOUND"), ("CRB00010", "fault")):
        made = decision()
        await journal.decide(made)
        await journal.outcome(outcome(made.ticket_cbss, code=code, value=value))
    open_ = decision(service="HealthInsurance/1")
    await journal.decide(open_)
    await journal.decide(decision(open_.ticket_cbss))
    summary = await journal.summary()
    assert summary.kinds == {"decision": 4, "outcome": 3, "resumed": 1}
    assert summary.outcomes == {("Pension/1", "DATA_FOUND", "MSG00000"): 2, ("Pension/1", "fault", "CRB00010"): 1}
    assert (summary.without_outcome, summary.decided_twice, summary.told_twice) == (1, 0, 0)
    later = await journal.summary(datetime.now(UTC) + timedelta(days=1))
    assert (later.kinds, later.outcomes, later.without_outcome) == ({}, {}, 0)
