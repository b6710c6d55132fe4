"""The database's steps: repeatable, safe when two hubs start at once, and the journal's own guards."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from hub.migrations import migrate
from hub.queries import QUERIES
from schemas.process import migrating

TABLES = {
    "institution", "availability", "authorisation", "distribution", "person", "journal", "journal_person", "ticket",
}  # fmt: skip


async def test_several_hubs_may_migrate_at_once_and_again(database):
    await asyncio.gather(*(migrate(database) for _ in range(4)))
    await migrate(database)
    connection = await asyncpg.connect(database)
    try:
        found = {
            r["tablename"]
            for r in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
        assert found >= TABLES
        assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    finally:
        await connection.close()


@pytest.mark.parametrize("name", sorted(QUERIES))
async def test_every_named_query_is_right_for_the_tables(connection, name):
    for staging in ("person_staging", "reconcile_staging"):
        if staging in QUERIES[name] and name != staging:
            await connection.execute(QUERIES[staging].replace("ON COMMIT DROP", ""))
    await connection.prepare(QUERIES[name])


_MANY = """
INSERT INTO mutation
    SELECT gen_random_uuid(), now() - n * interval '1 minute', '5-0', '5-0', NULL, n::text, 'Claim/1',
           CASE WHEN n % 2 = 0 THEN 'M' ELSE 'Z' END, 'CREATED', NULL, 'k', sha256(n::text::bytea), '', '',
           'DATA_FOUND', 'MSG00000', '{}'
    FROM generate_series(1, 20000) n;
INSERT INTO delivery (recipient, position, ticket_cbss, entitled, answered, awaited)
    SELECT '64-0', ticket::bigint, ticket_cbss, '[]', CASE WHEN flow = 'Z' AND NOT open THEN now() END, open
    FROM (SELECT *, flow = 'Z' AND ticket::int % 501 = 0 AS open FROM mutation) m;
INSERT INTO open_question
    (ticket_cbss, supplier, service, customer, reply_to, ticket, without, online, received, expires, told)
    SELECT gen_random_uuid(), '5-0', 'Later/1', '64-0', '', '', '{}', '{}', now(),
           now() - n * interval '2 minutes' + interval '1 day', now()
    FROM generate_series(1, 20000) n;
ANALYZE;
"""


async def test_what_is_open_and_what_is_forgotten_is_found_by_index_however_much_there_is(connection):
    await connection.execute(_MANY)
    for mode in ("force_custom_plan", "force_generic_plan"):
        for query, types, values in (
            ("mutations_open", "text, timestamptz, bigint", "'5-0', NULL, 100"),
            ("mutations_open", "text, timestamptz, bigint", "NULL, NULL, 100"),
            ("question_forget", "interval, bigint", "'26 days', 10000"),
            ("question_overdue", "bigint", "200"),
        ):
            await connection.execute(f"SET plan_cache_mode = {mode}; PREPARE asked ({types}) AS {QUERIES[query]}")
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked ({values})"))
            await connection.execute("DEALLOCATE asked")
            assert "Seq Scan" not in plan, query
    assert len(await connection.fetch(QUERIES["mutations_open"], "5-0", None, 100)) == 20
    assert await connection.execute(QUERIES["question_forget"], timedelta(days=26), 100) == "DELETE 100"


async def test_partitions_are_made_ahead_and_only_once(connection):
    async def months():
        return await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'journal'::regclass")

    assert await months() == 4
    now = datetime.now(UTC)
    assert await connection.fetchval(QUERIES["journal_partitions"], now, 3) == 0
    assert await connection.fetchval(QUERIES["journal_partitions"], now + timedelta(days=366), 0) == 2
    assert await months() == 5


async def test_partitions_are_made_by_two_hubs_at_once(hub_database):
    later = datetime.now(UTC) + timedelta(days=800)
    connections = [await asyncpg.connect(hub_database) for _ in range(4)]
    try:
        made = await asyncio.gather(*(c.fetchval(QUERIES["journal_partitions"], later, 2) for c in connections))
        assert sum(made) == 6
    finally:
        for connection in connections:
            await connection.close()


async def test_the_end_of_a_month_is_its_end_in_utc_whatever_the_session_says(connection):
    await connection.execute("SET timezone = 'Pacific/Auckland'")
    await connection.fetchval(QUERIES["journal_partitions"], datetime(2031, 5, 31, 23, 59, tzinfo=UTC), 0)
    await connection.execute("SET timezone = 'UTC'")
    bounds = await connection.fetchval(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'journal_2031_05'"
    )
    assert bounds == "FOR VALUES FROM ('2031-05-01 00:00:00+00') TO ('2031-06-01 00:00:00+00')"


_STEPS = {
    "0001": "op.execute('CREATE TABLE kept (number integer)')",
    "0002": "op.execute('ALTER TABLE kept ADD COLUMN more text')",
}


async def test_a_step_that_waits_for_a_long_look_holds_up_nobody_behind_it(database, tmp_path, monkeypatch):
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT_MS", 100, raising=False)
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text("from schemas.process.migrating import environment\n\nenvironment()\n")

    def step(number, before):
        text = f"from alembic import op\n\nrevision, down_revision = {number!r}, {before!r}\n\n\ndef upgrade():\n"
        (tmp_path / "versions" / f"{number}.py").write_text(f"{text}    {_STEPS[number]}\n")

    step("0001", None)
    await migrating.migrate(database, tmp_path)
    looking, writing = await asyncpg.connect(database), await asyncpg.connect(database)
    try:
        async with looking.transaction():  # as a backup does, for as long as it takes
            await looking.fetch("SELECT FROM kept")
            step("0002", "0001")
            migrates = asyncio.create_task(migrating.migrate(database, tmp_path))
            waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'kept'::regclass AND NOT granted)"
            async with asyncio.timeout(20):
                while not await writing.fetchval(waits):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await writing.execute("INSERT INTO kept VALUES (1)")
            assert not migrates.done()
        await migrates
        assert [tuple(row) for row in await looking.fetch("SELECT number, more FROM kept")] == [(1, None)]
    finally:
        await looking.close()
        await writing.close()
