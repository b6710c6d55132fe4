"""What is told is numbered in the order in which the transactions that tell it commit."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from institutions import Database, Entry, PostgresOutbox, Verdict
from institutions.outbox import AGAIN, IN_ORDER, NEXT
from tests.institutions.world import Database as Server


@pytest.fixture
async def url(postgresql: Server) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    yield await postgresql.create_database(name)
    await postgresql.drop_database(name)


def entry(person: str) -> Entry:
    return Entry("Change/1", person, str(uuid4()), b"<x/>")


async def test_of_two_transactions_about_one_person_the_one_that_is_later_waits(url: str) -> None:
    database = Database(url)
    outbox = PostgresOutbox(database)
    one, two, other = entry("one"), entry("one"), entry("other")
    assert await outbox.next(10) == []
    first, second, third = [await asyncpg.connect(url) for _ in range(3)]

    async def add(connection: asyncpg.Connection, told: Entry) -> None:
        async with connection.transaction():
            await outbox.add(told, connection)

    async def waits() -> None:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        while not await third.fetchval(waiting):  # noqa: ASYNC110  a database tells nobody
            await asyncio.sleep(0.01)

    try:
        async with asyncio.timeout(20):
            async with first.transaction():
                await outbox.add(one, first)
                adding = asyncio.create_task(add(second, two))
                await waits()
                await add(third, other)
                assert [sent.ticket for sent in await outbox.next(10)] == [other.ticket]
            await adding
        [sent] = await outbox.next(10)
        assert sent.ticket == one.ticket
        assert await outbox.next(10) == []
        await outbox.verdict(Verdict(sent.number, "verdict", "DATA_FOUND", "MSG00000"))
        assert [each.ticket for each in await outbox.next(10)] == [two.ticket]
    finally:
        for connection in (first, second, third):
            await connection.close()
        await database.close()


async def test_verdicts_that_come_together_are_marked_together_and_the_first_on_one_counts(url: str) -> None:
    database = Database(url)
    outbox = PostgresOutbox(database)
    entries = [entry(f"{number:011d}") for number in range(30)]
    for one in entries:
        await outbox.add(one)
    sent = await outbox.next(100)
    assert len(sent) == 30
    codes = {one.number: f"MSG{one.number:05d}" for one in sent}
    verdicts = [Verdict(number, "verdict", "NO_RESULT", code) for number, code in codes.items()]
    await asyncio.gather(*(outbox.verdict(one) for one in (*verdicts, *(replace(v, code="late") for v in verdicts))))
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT number, code FROM crossroads_outbox")
    finally:
        await connection.close()
        await database.close()
    assert {row["number"]: row["code"] for row in rows} == codes


async def test_those_that_wait_behind_are_not_looked_at(url: str) -> None:
    """Also before the database has gathered what there is."""
    database = Database(url)
    try:
        async with database.connection() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO crossroads_outbox (person, ticket, service, body)"
                " SELECT n::text, n::text, 'Change/1', '' FROM generate_series(1, 2000) n"
            )
            await connection.execute(IN_ORDER)
            told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {NEXT}", 10, list(AGAIN), [])
        read = re.findall(r'"(?:Actual Rows|Rows Removed by Filter)": ([0-9]+)', told)
        assert 10 <= max(map(int, read)) <= 20
    finally:
        await database.close()


async def test_of_a_service_that_rests_nothing_is_taken_nor_what_is_behind_it_about_the_same_person(url: str) -> None:
    database = Database(url)
    outbox = PostgresOutbox(database)
    try:
        for service, person in (("Rests/1", "1"), ("Change/1", "1"), ("Change/1", "2")):
            await outbox.add(Entry(service, person, str(uuid4()), b"<x/>"))
        assert [(one.service, one.person) for one in await outbox.next(10, {"Rests/1"})] == [("Change/1", "2")]
        assert [(one.service, one.person) for one in await outbox.next(10)] == [("Rests/1", "1")]
    finally:
        await database.close()
