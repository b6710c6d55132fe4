"""What the journal does when the database, or the way to it, fails: no row lost, none doubled, and it says so."""

import asyncio
import random

import asyncpg
import pytest

from hub.journal import Journal, JournalRefusedError, JournalUnavailableError, PersonKeys, Recorded, Repeat
from hub.migrations import migrate
from tests.hub.test_journal import KEYS, decision, outcome
from tests.wire.proxy import Proxy

PATIENCE = 30.0


class Health:
    """What the journal says of itself, and a way to wait for it."""

    def __init__(self):
        self._said = asyncio.Queue()

    def __call__(self, healthy):
        self._said.put_nowait(healthy)

    async def next(self):
        async with asyncio.timeout(PATIENCE):
            return await self._said.get()


@pytest.fixture
async def way(hub_database):
    async with Proxy(hub_database) as proxy:
        yield proxy


@pytest.fixture
async def health():
    return Health()


@pytest.fixture
async def journal(way, health):
    opened = Journal(way.url, PersonKeys.parse(KEYS), hub="hub-a", timeout=PATIENCE, on_health=health)
    await opened.start()
    assert await health.next() is True
    yield opened
    way.refusing = False
    way.thaw()
    await opened.close()


async def written(connection, ticket):
    rows = await connection.fetch("SELECT kind FROM journal WHERE ticket_cbss = $1 ORDER BY number", ticket)
    return [row["kind"] for row in rows]


async def until_written(connection, ticket, *expected):
    async with asyncio.timeout(PATIENCE):
        while await written(connection, ticket) != list(expected):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(journal, way, connection, health):
    made = decision()
    way.freeze("down")
    deciding = asyncio.ensure_future(journal.decide(made, outcome(made.ticket_cbss)))
    await until_written(connection, made.ticket_cbss, "decision", "outcome")
    assert not deciding.done()
    way.cut()
    way.thaw()
    assert await deciding == Recorded()
    assert [await health.next(), await health.next()] == [False, True]
    assert await written(connection, made.ticket_cbss) == ["decision", "outcome"]


@pytest.mark.parametrize("what", ["outcome", "repeated", "resumed", "busy"])
async def test_no_kind_of_row_is_doubled_when_its_answer_is_lost(journal, way, connection, what):
    made = decision()
    await journal.decide(made)
    before = ["decision"]
    if what == "repeated":
        await journal.outcome(outcome(made.ticket_cbss))
        before.append("outcome")
    again = decision(made.ticket_cbss)
    write = {
        "outcome": lambda: journal.outcome(outcome(made.ticket_cbss)),
        "repeated": lambda: journal.outcome(outcome(made.ticket_cbss)),
        "resumed": lambda: journal.decide(again),
        "busy": lambda: journal.busy(again),
    }[what]
    way.freeze("down")
    writing = asyncio.ensure_future(write())
    await until_written(connection, made.ticket_cbss, *before, what)
    way.cut()
    way.thaw()
    result = await writing
    assert isinstance(result, Repeat) is (what == "resumed")
    assert await written(connection, made.ticket_cbss) == [*before, what]


async def test_a_row_that_never_reached_the_database_is_written_when_it_is_back(journal, way, connection):
    made = decision()
    way.refusing = True
    way.cut()
    deciding = asyncio.ensure_future(journal.decide(made))
    await asyncio.sleep(0)
    assert await written(connection, made.ticket_cbss) == []
    way.refusing = False
    assert await deciding == Recorded()
    assert await written(connection, made.ticket_cbss) == ["decision"]


async def test_an_idle_journal_notices_its_loss_and_comes_back_by_itself(journal, way, health):
    way.refusing = True
    way.cut()
    assert await health.next() is False
    assert not journal.healthy
    way.refusing = False
    assert await health.next() is True
    assert journal.healthy


async def test_who_waited_long_enough_is_told_and_may_write_the_same_again(hub_database, connection):
    async with Proxy(hub_database) as way:
        journal = Journal(way.url, PersonKeys.parse(KEYS), hub="hub-a", timeout=0.3)
        await journal.start()
        made = decision()
        way.freeze("down")
        with pytest.raises(JournalUnavailableError, match="again"):
            await journal.decide(made)
        await until_written(connection, made.ticket_cbss, "decision")
        way.cut()
        way.thaw()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    assert await journal.decide(made) == Recorded()
                    break
                except JournalUnavailableError:
                    continue
        assert await written(connection, made.ticket_cbss) == ["decision"]
        await journal.close()


async def test_what_a_caller_no_longer_waits_for_is_not_written(journal, way, connection):
    way.refusing = True
    way.cut()
    left = asyncio.ensure_future(journal.decide(gone := decision()))
    await asyncio.sleep(0)
    left.cancel()
    way.refusing = False
    await journal.decide(made := decision())
    assert await written(connection, gone.ticket_cbss) == []
    assert await written(connection, made.ticket_cbss) == ["decision"]


async def test_one_row_that_cannot_be_written_does_not_take_others_with_it(journal, connection):
    good, bad = [decision() for _ in range(20)], decision(ticket="a zero \x00 in a text")
    results = await asyncio.gather(*(journal.decide(one) for one in (*good, bad)), return_exceptions=True)
    assert results[:-1] == [Recorded()] * len(good)
    assert isinstance(results[-1], JournalRefusedError)
    assert journal.healthy
    for one in good:
        assert await written(connection, one.ticket_cbss) == ["decision"]


async def test_two_hubs_under_load_with_cut_connections_lose_and_double_nothing(hub_database, connection):
    chance = random.Random(20261123)
    async with Proxy(hub_database) as way:
        hubs = [Journal(way.url, PersonKeys.parse(KEYS), hub=f"hub-{n}", timeout=PATIENCE) for n in "ab"]
        for hub in hubs:
            await hub.start()
        tickets = [decision() for _ in range(400)]

        few = asyncio.Semaphore(10)

        async def exchange(hub, made):
            async with few:
                result = await hub.decide(made)
                await hub.outcome(outcome(made.ticket_cbss))
                return result

        async def cut():
            for _ in range(15):
                way.cut_after(chance.choice(["up", "down"]), chance.randrange(100, 4_000))
                await hubs[0].decide(decision())
                await hubs[1].decide(decision())

        work = [exchange(hubs[0], made) for made in tickets]
        work += [exchange(hubs[1], decision(made.ticket_cbss)) for made in tickets]
        chance.shuffle(work)
        results, _ = await asyncio.gather(asyncio.gather(*work), cut())
        assert sum(result == Recorded() for result in results) == len(tickets)
        assert way.accepted > 10
        summary = await hubs[0].summary()
        for hub in hubs:
            await hub.close()
    assert (summary.without_outcome, summary.decided_twice, summary.told_twice) == (30, 0, 0)
    assert summary.kinds == {"decision": 430, "outcome": 400, "resumed": 400, "repeated": 400}
    assert await connection.fetchval("SELECT count(*) FROM journal_person") == 830


async def test_a_database_that_is_killed_and_started_again_has_all_that_was_told(private_postgresql):
    name = "test_journal_killed"
    url = await private_postgresql.create_database(name)
    await migrate(url)
    health = Health()
    journal = Journal(url, PersonKeys.parse(KEYS), hub="hub-a", timeout=PATIENCE, on_health=health)
    await journal.start()
    before = [decision() for _ in range(50)]
    assert await asyncio.gather(*map(journal.decide, before)) == [Recorded()] * 50
    assert await health.next() is True
    during = [decision() for _ in range(50)]
    deciding = asyncio.gather(*map(journal.decide, during))
    await asyncio.sleep(0)
    await asyncio.to_thread(private_postgresql.kill)
    assert await health.next() is False
    await asyncio.to_thread(private_postgresql.start)
    assert await deciding == [Recorded()] * 50
    assert await health.next() is True
    summary = await journal.summary()
    assert (summary.kinds, summary.decided_twice) == ({"decision": 100}, 0)
    await journal.close()
    await private_postgresql.drop_database(name)


async def test_a_journal_without_tables_or_server_does_not_start(database):
    with pytest.raises(JournalUnavailableError, match="migrated"):
        await Journal(database, PersonKeys.parse(KEYS), hub="hub-a").start()
    with pytest.raises(JournalUnavailableError):
        await Journal("postgresql://nobody@127.0.0.1:1/none", PersonKeys.parse(KEYS), hub="hub-a").start()


async def test_a_closed_journal_takes_nothing(hub_database):
    journal = Journal(hub_database, PersonKeys.parse(KEYS), hub="hub-a")
    await journal.start()
    await journal.close()
    with pytest.raises(JournalUnavailableError, match="closed"):
        await journal.decide(decision())


async def test_reading_does_not_hold_up_writing(journal, hub_database):
    reader = await asyncpg.connect(hub_database)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetch("SELECT * FROM journal")
            async with asyncio.timeout(PATIENCE):
                await journal.ensure_partitions()
                assert await journal.decide(decision()) == Recorded()
    finally:
        await reader.close()
