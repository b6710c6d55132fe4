"""Who is known where: look-ups in groups, over a connection that may break."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from hub.queries import QUERIES
from hub.repertory import loading, persons
from hub.repertory.database import RepertoryUnavailableError
from hub.repertory.persons import Persons
from schemas.address import Address
from schemas.ssin import SsinError
from tests.hub.people import known, person, replaced
from tests.hub.star import PATIENCE


@pytest.fixture
async def looked_up(hub_database):
    async with Persons(hub_database) as opened:
        yield opened


async def test_a_person_is_found_with_all_rows(hub_database, looked_up):
    rows = {known(person(1), "17-1", 2, phase=1), known(person(1), "5-0", 100, "2015-01-01", "2019-12-31")}
    await loading.load_persons(hub_database, [*rows, known(person(2), "5-0", 100)], "rows")
    assert set(await looked_up.rows(person(1))) == rows
    assert await looked_up.rows(person(3)) == ()


async def test_a_number_is_found_with_those_it_replaced_and_that_replaced_it(hub_database, looked_up):
    oldest, older, newest, other_old = (person(n) for n in range(1, 5))
    rows = {
        known(oldest, "17-1", 2), replaced(oldest, older), known(older, "5-0", 100), replaced(older, newest),
        known(newest, "7-1", 101), known(other_old, "16-0", 1), replaced(other_old, newest),
    }  # fmt: skip
    await loading.load_persons(hub_database, [*rows, known(person(9), "5-0", 100)], "rows")
    for number in (oldest, older, newest, other_old):
        assert set(await looked_up.rows(number)) == rows


async def test_a_circle_of_replacements_ends(hub_database, looked_up):
    rows = [replaced(person(1), person(2)), replaced(person(2), person(1))]
    await loading.load_persons(hub_database, rows, "rows")
    async with asyncio.timeout(5):
        assert set(await looked_up.rows(person(1))) == set(rows)


async def test_only_what_is_believed_now_is_found(hub_database, looked_up):
    await loading.integrate(hub_database, known(person(1), "5-0", 100, end=None))
    await loading.integrate(hub_database, known(person(1), "5-0", 100, end="2023-12-31"))
    assert await looked_up.rows(person(1)) == (known(person(1), "5-0", 100, end="2023-12-31"),)


async def test_concurrent_look_ups_share_queries_and_each_gets_its_own_person(hub_database, monkeypatch):
    await loading.load_persons(hub_database, [known(person(n), "5-0", 100) for n in range(400)], "rows")
    asked = []
    async with Persons(hub_database, timeout=PATIENCE) as looked_up:
        look_up = looked_up._look_up

        async def counted(numbers):
            asked.append(len(numbers))
            return await look_up(numbers)

        monkeypatch.setattr(looked_up, "_look_up", counted)
        found = await asyncio.gather(*(looked_up.rows(person(n % 400)) for n in range(800)))
    assert [rows[0].ssin for rows in found] == [person(n % 400) for n in range(800)]
    assert asked == [100] * 8


async def test_a_lost_connection_fails_who_waits_and_the_next_look_up_finds_another(hub_database, connection):
    health = []
    async with Persons(hub_database, on_health=health.append) as looked_up:
        assert health == [True]
        await loading.integrate(hub_database, known(person(1), "5-0", 100))
        await connection.execute("BEGIN; LOCK TABLE person")
        waiting = asyncio.gather(*(looked_up.rows(person(1)) for _ in range(3)), return_exceptions=True)
        await asyncio.sleep(0)
        while not await connection.fetchval(  # noqa: ASYNC110
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub persons'"
            " AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)
        assert {type(error) for error in await waiting} == {RepertoryUnavailableError}
        assert looked_up.healthy is False
        await connection.execute("ROLLBACK")
        assert len(await looked_up.rows(person(1))) == 1
        assert looked_up.healthy is True
        assert health == [True, False, True]


async def test_a_look_up_that_takes_too_long_is_given_up(hub_database, connection):
    async with Persons(hub_database, timeout=0.2) as looked_up:
        await connection.execute("BEGIN; LOCK TABLE person")
        with pytest.raises(RepertoryUnavailableError):
            await looked_up.rows(person(1))
        assert looked_up.healthy is False
        await connection.execute("ROLLBACK")
        async with asyncio.timeout(5):
            while not looked_up.healthy:  # noqa: ASYNC110 - it tries by itself
                await asyncio.sleep(0.01)


async def test_an_answer_that_meets_the_end_of_its_time_leaves_nothing_down_for_good(hub_database, monkeypatch):
    """After the loop was held up both are due at once: who asked has given up, and nobody asks any more."""
    async with Persons(hub_database, timeout=0.2) as looked_up:
        look_up, asked, answer = looked_up._look_up, asyncio.Event(), asyncio.Event()

        async def late(numbers):
            found = await look_up(numbers)
            asked.set()
            await answer.wait()
            return found

        monkeypatch.setattr(looked_up, "_look_up", late)
        asking = asyncio.create_task(looked_up.rows(person(1)))
        await asked.wait()
        answer.set()
        time.sleep(0.5)  # noqa: ASYNC251 - the loop is held up
        with pytest.raises(RepertoryUnavailableError):
            await asking
        async with asyncio.timeout(PATIENCE):
            while not looked_up.healthy:  # noqa: ASYNC110 - it tries by itself
                await asyncio.sleep(0.01)


async def test_a_repertory_that_is_not_there_is_unavailable(database):
    with pytest.raises(RepertoryUnavailableError, match="migrated"):
        await Persons(database).start()


async def test_who_is_known_to_an_institution(hub_database):
    rows = [known(person(n), "17-1", 2) for n in (3, 1, 2)]
    await loading.load_persons(hub_database, [*rows, known(person(0), "5-0", 100)], "rows")
    found = await persons.known_to(hub_database, Address(17, 1), 2)
    assert [row.ssin for row in found] == sorted(row.ssin for row in rows)[:2]


async def test_a_person_is_told_with_what_was_believed_before(hub_database):
    before, after = known(person(1), "5-0", 100), known(person(1), "5-0", 100, end="2023-12-31")
    await loading.integrate(hub_database, before)
    await loading.integrate(hub_database, after)
    first, second = await persons.person(hub_database, person(1))
    assert (first.integration, second.integration) == (before, after)
    assert first.known_from < first.known_to == second.known_from < datetime.now(UTC)
    assert second.known_to is None


async def test_the_look_up_goes_by_the_index_however_many_there_are(hub_database, connection):
    await loading.load_persons(hub_database, [known(person(n), "5-0", 100) for n in range(30_000)], "rows")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    for query in ("person_rows", "person_rows_replaced"):
        await connection.execute(f"PREPARE {query} (bigint[]) AS {QUERIES[query]}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE {query} (ARRAY[{','.join(str(n) for n in range(100))}])")
        told = "\n".join(record[0] for record in plan)
        assert "Seq Scan on person" not in told, query


async def test_rows_are_told_again_as_they_were_at_a_moment_under_every_number(hub_database, connection):
    moments = [await connection.fetchval(QUERIES["moment"])]
    for row in (
        known(person(1), "5-0", 100),
        replaced(person(1), person(2)),
        known(person(1), "5-0", 100, end="2023-12-31"),
        replaced(person(1), person(3)),
        known(person(3), "17-1", 2),
    ):
        await loading.integrate(hub_database, row)
        moments.append(await connection.fetchval(QUERIES["moment"]))

    async def at(n, number):
        return set(await persons.rows_at(connection, person(number), moments[n]))

    assert await at(0, 1) == set()
    assert await at(1, 1) == {known(person(1), "5-0", 100)}
    assert await at(2, 1) == await at(2, 2) == {known(person(1), "5-0", 100), replaced(person(1), person(2))}
    last = {known(person(1), "5-0", 100, end="2023-12-31"), replaced(person(1), person(3)), known(person(3), "17-1", 2)}
    assert await at(5, 1) == await at(5, 3) == last
    assert await at(5, 2) == set()
    async with Persons(hub_database) as looked_up:
        assert set(await looked_up.rows(person(1))) == last


async def test_the_past_too_is_looked_up_by_index(hub_database, connection):
    for end in (None, "2024-01-01"):
        rows = [known(person(n), "5-0", 100, end=end) for n in range(10_000)]
        await loading.load_persons(hub_database, rows, "rows")
    await connection.execute("ANALYZE person; SET plan_cache_mode = force_generic_plan")
    for query, types, values in (
        ("person_rows_at_replaced", "bigint, timestamptz", "1, now()"),
        ("person_rows_at", "bigint, timestamptz", "1, now()"),
        ("person_history", "bigint", "1"),
        ("person_lines_at", "bigint, smallint, smallint, timestamptz", "1, 5, 0, now()"),
        ("person_lines_before", "bigint, smallint, smallint, timestamptz", "1, 5, 0, now()"),
    ):
        await connection.execute(f"PREPARE {query} ({types}) AS {QUERIES[query]}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {query} ({values})"))
        assert "Seq Scan" not in plan, query


async def test_no_number_stands_in_an_error(database):
    with pytest.raises(RepertoryUnavailableError) as caught:
        await loading.integrate(database, known(person(1), "5-0", 100))
    assert person(1).digits not in str(caught.value)


async def test_a_row_that_no_load_can_have_written_fails_its_own_look_up_only(hub_database, looked_up, connection):
    await loading.load_persons(hub_database, [known(person(1), "5-0", 100), known(person(2), "5-0", 100)], "rows")
    await connection.execute(
        "INSERT INTO person (ssin, replaced_by, known_from, valid_from, sector, type, quality)"
        " VALUES ($1, 5, now(), '2020-01-01', 0, 0, 999)",
        person(1).number,
    )
    wrong, right = await asyncio.gather(looked_up.rows(person(1)), looked_up.rows(person(2)), return_exceptions=True)
    assert isinstance(wrong, SsinError)
    assert [row.ssin for row in right] == [person(2)]
    assert looked_up.healthy
