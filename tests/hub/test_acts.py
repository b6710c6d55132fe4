"""What operators do stands in the journal before it is done, and holds nobody's number."""

import asyncpg
import pytest

from hub.journal import Act, ActError, Deed, Journal, JournalUnavailableError, PersonKeys, note
from hub.queries import QUERIES
from schemas.ssin import check_digits, holds_number

KEYS = PersonKeys.parse("a:0123456789abcdef")
PROGRAM = "00900000123"
_NINE = "850101998"
SOMEBODY = _NINE + check_digits(_NINE, born_2000=False)


async def acts(url: str, most: int = 10):
    async with Journal(url, KEYS, hub="test") as journal:
        return await journal.acts(most)


async def test_an_act_is_found_by_what_it_was_about_who_did_it_and_why(hub_database):
    await note(
        hub_database,
        KEYS,
        Deed(act=Act.PAUSE, subject="Pension/1", reason="5-0 mends its disks", program=PROGRAM),
        Deed(act=Act.TICKET, subject="6a0f2c1e-0000-5000-8000-000000000000", program=SOMEBODY, found=False),
        hub="crossroads pause",
    )
    paused, looked = await acts(hub_database)
    assert (paused.service, paused.ticket, paused.legal_context, paused.program, paused.hub) == (
        "OperatorPause/1",
        "Pension/1",
        "5-0 mends its disks",
        PROGRAM,
        "crossroads pause",
    )
    assert (str(paused.sender), str(paused.customer), paused.verdict) == ("25-0", "25-0", "admitted")
    # A person who looked is known by the keyed hash alone.
    assert (looked.service, looked.program) == ("OperatorTicket/1", None)
    async with Journal(hub_database, KEYS, hub="test") as journal:
        assert [kind.kind for kind in await journal.exchange(looked.ticket_cbss)] == ["decision", "outcome"]
        assert (await journal.summary()).without_outcome == 0
    assert [one.service for one in await acts(hub_database, 1)] == ["OperatorTicket/1"]


@pytest.mark.parametrize(
    "text",
    [SOMEBODY, f"about {SOMEBODY[:6]}-{SOMEBODY[6:9]}.{SOMEBODY[9:]}", "x" * 201],
    ids=["run together", "set apart", "long"],
)
def test_a_reason_that_may_hold_a_number_is_not_written_and_not_repeated(text):
    with pytest.raises(ActError) as told:
        Deed(act=Act.DEAD_DROP, subject="3f2a91bc04d1", reason=text)
    assert text not in str(told.value)


def test_a_ticket_an_address_and_a_program_are_no_numbers_of_persons():
    assert not any(map(holds_number, ["17-1-0212344876", "6a0f2c1e-0000-5000-8000-000000000000", "Pension/1", "3f2a"]))
    assert holds_number(f"00000000-0000-5000-8000-0{SOMEBODY}")


async def test_what_cannot_be_written_is_an_error_before_anything_is_done(hub_database):
    with pytest.raises(JournalUnavailableError):
        await note(hub_database + "_gone", KEYS, Deed(act=Act.DRAIN, subject="hub"), hub="test")


async def test_acts_are_found_by_index_however_long_the_journal_is(connection):
    await connection.execute(f"PREPARE acts (bigint) AS {QUERIES['journal_acts']}")
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE acts (10)"))
    assert plan.count("_at_number_idx") >= 4, plan
    assert "Sort" not in plan, plan


async def test_what_was_told_lately_is_found_by_index_however_long_the_journal_is(connection):
    await connection.execute(
        f"PREPARE lately (timestamptz, text, text, text, text, bigint) AS {QUERIES['journal_lately']}"
    )
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    words = "now() - interval '1 hour', 'MSG00013', NULL, NULL, NULL, 10"
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE lately ({words})"))
    assert "Seq Scan" not in plan, plan
    assert "Sort" not in plan, plan


async def test_a_month_made_later_has_the_index_too(connection: asyncpg.Connection):
    await connection.execute("SELECT journal_partitions_v1(now() + interval '400 days', 0)")
    months, indexes = await connection.fetchrow(
        """SELECT count(DISTINCT i.inhrelid), count(DISTINCT x.indexrelid) FROM pg_inherits i
           LEFT JOIN pg_index x ON x.indrelid = i.inhrelid AND x.indpred IS NOT NULL
           WHERE i.inhparent = 'journal'::regclass"""
    )
    assert months == indexes == 5
