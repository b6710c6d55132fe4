"""What the watcher sees in the hub's database: rows as hubs write them."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL
from deploy.watcher import queries
from deploy.watcher.database import Hub
from hub.journal import CHANGE, Decision, Journal, Outcome, PersonKeys
from hub.migrations import migrate
from schemas import lot
from schemas.address import Address
from schemas.ticket import ticket_cbss

ASKER, SUPPLIER = Address(70, 3), Address(5, 0)
LATE = timedelta(minutes=2)


@pytest.fixture(scope="module")
async def url(postgresql: PrivatePostgreSQL | ForeignPostgreSQL) -> AsyncIterator[str]:
    """A database with the hub's tables; each test looks at rows of its own."""
    name = f"test_{secrets.token_hex(6)}"
    made = await postgresql.create_database(name)
    await migrate(made)
    yield made
    await postgresql.drop_database(name)


@pytest.fixture
async def connection(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    opened = await asyncpg.connect(url)
    yield opened
    await opened.close()


@pytest.fixture
async def journal(url: str) -> AsyncIterator[Journal]:
    async with Journal(url, PersonKeys.parse("test:secret-of-the-tests"), hub="hub-a") as opened:
        yield opened


class Watch:
    """A watcher's database; each look sees all."""

    def __init__(self, url: str, waits: dict[str, float]) -> None:
        self.waits = waits
        self.hub = Hub(url, "watcher", lambda: self.waits)

    async def look(self) -> dict[tuple[str, tuple[str, ...]], float]:
        for dear in self.hub._dear.values():
            dear.again = 0.0
        seen = await self.hub.look()
        assert seen.whole, seen.why
        return {(name, labels): value for name, labels, value in seen.samples}


@pytest.fixture
async def watch(url: str) -> AsyncIterator[Watch]:
    found = Watch(url, {})
    yield found
    await found.hub.close()


def decision(ticket: UUID, **changes: object) -> Decision:
    values: dict[str, object] = {
        "ticket_cbss": ticket, "sender": ASKER, "customer": ASKER, "verdict": "admitted", "code": None,
        "received": datetime.now(UTC), "request_sha256": b"\x01" * 32, "service": "Pension/1",
        "suppliers": (SUPPLIER,), "keep": CHANGE,
    }  # fmt: skip
    return Decision(**values | changes)  # type: ignore[arg-type]


def outcome(ticket: UUID) -> Outcome:
    return Outcome(
        ticket_cbss=ticket, value="DATA_FOUND", code="MSG00000", replied=datetime.now(UTC), answer_sha256=b"\x02" * 32
    )


async def test_the_journal_s_newest_row_and_how_long_there_are_months(
    watch: Watch, journal: Journal, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before = await watch.look()
    ticket = uuid4()
    await journal.decide(decision(ticket), outcome(ticket))
    seen = await watch.look()
    newest = await connection.fetchval("SELECT max(number) FROM journal")
    assert seen["crossroads_journal_rows", ()] == newest > before["crossroads_journal_rows", ()]
    assert 0 <= seen["crossroads_journal_age_seconds", ()] < 60
    # This month and three more.
    assert 89 < seen["crossroads_journal_partition_days", ()] < 124


async def test_who_was_decided_and_never_answered_is_counted_until_he_is(
    watch: Watch, journal: Journal, connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.watcher.database._WITHOUT", timedelta(0))  # no minute is waited for
    forgotten, answered, later, refused = uuid4(), uuid4(), uuid4(), uuid4()
    for ticket in (forgotten, answered, later):
        await journal.decide(decision(ticket))
    await journal.outcome(outcome(answered))
    await journal.decide(decision(refused, verdict="refused", code="MSG00012"), outcome(refused))
    await question(connection, later)
    assert (await watch.look())["crossroads_without_outcome", ()] == 1
    assert (await watch.look())["crossroads_without_outcome", ()] == 1  # known from the look before
    await journal.outcome(outcome(forgotten))
    assert (await watch.look())["crossroads_without_outcome", ()] == 0


async def question(
    connection: "asyncpg.Connection[asyncpg.Record]", ticket: UUID, ago: timedelta = timedelta(0)
) -> None:
    received = datetime.now(UTC) - ago
    await connection.execute(
        "INSERT INTO open_question (ticket_cbss, supplier, service, customer, reply_to, ticket, without, online, "
        "received, asked, expires) VALUES ($1, $2, 'Pension/1', '70-3', '70-3.answers', 't', '{}', '{}', $3, $3, $4)",
        ticket, str(SUPPLIER), received, received + timedelta(days=5),
    )  # fmt: skip


async def test_questions_that_are_answered_later_with_the_oldest(
    watch: Watch, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await connection.execute("TRUNCATE open_question")
    old, new = uuid4(), uuid4()
    await question(connection, old, timedelta(hours=2))
    await question(connection, new)
    seen = await watch.look()
    assert seen["crossroads_open_questions", (str(SUPPLIER),)] == 2
    assert seen["crossroads_open_question_age_seconds", (str(SUPPLIER),)] == pytest.approx(7200, abs=60)
    await connection.execute("UPDATE open_question SET answered = now(), told = now() WHERE ticket_cbss = $1", old)
    seen = await watch.look()
    assert seen["crossroads_open_questions", (str(SUPPLIER),)] == 1
    assert seen["crossroads_open_question_age_seconds", (str(SUPPLIER),)] < 60


async def test_open_lots_of_a_customer_with_what_was_decided_of_them(
    watch: Watch, journal: Journal, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    who = (str(ASKER),)
    first, second, closed = uuid4(), uuid4(), uuid4()
    for sequence, (number, count, ago) in enumerate(((first, 10, 3), (second, 5, 1), (closed, 7, 9)), start=1):
        await connection.execute(
            "INSERT INTO lot (ticket_cbss, lot, customer, sequence, count, service, opened, closed) "
            "VALUES ($1, $2, $3, $4, $5, 'Pension/1', now() - make_interval(hours => $6), $7)",
            uuid4(), number, who[0], sequence, count, ago, datetime.now(UTC) if number == closed else None,
        )  # fmt: skip
    for place in (1, 2, 4):
        await journal.decide(decision(ticket_cbss(ASKER, str(lot.ticket(first, place)))))
    seen = await watch.look()
    assert seen["crossroads_lots_open", who] == 2
    assert seen["crossroads_lot_declared", who] == 15
    assert seen["crossroads_lot_decided", who] == 3
    assert seen["crossroads_lot_age_seconds", who] == pytest.approx(3 * 3600, abs=60)
    await connection.execute("UPDATE lot SET closed = now()")
    assert ("crossroads_lots_open", who) not in await watch.look()


async def test_who_is_behind_with_what_he_is_told_and_since_when(
    watch: Watch, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    behind, slow, well = "7-0", "10-0", "11-0"
    for address, owed in ((behind, 3), (slow, None), (well, None)):
        await connection.execute("INSERT INTO recipient (address, last, owed_from) VALUES ($1, 5, $2)", address, owed)
    ticket = uuid4()
    await connection.execute(
        "INSERT INTO mutation (ticket_cbss, at, sender, owner, ticket, service, flow, action, key_id, reference, "
        "person, sha256, value, answer_code, missing) VALUES ($1, now() - interval '1 hour', '5-0', '5-0', 't', "
        "'PensionMutation/1', 'M', 'CREATED', 'k', '', '', '', 'DATA_FOUND', 'MSG00000', '{}')",
        ticket,
    )
    await connection.execute(
        "INSERT INTO delivery (recipient, position, ticket_cbss, entitled) VALUES ($1, 3, $2, '')", behind, ticket
    )
    watch.waits = {slow: 90.0}
    seen = await watch.look()
    assert {who: seen["crossroads_distribution_behind", (who,)] for who in (behind, slow, well)} == {
        behind: 3, slow: 0, well: 0,
    }  # fmt: skip
    assert seen["crossroads_distribution_lag_seconds", (behind,)] == pytest.approx(3600, abs=60)
    assert seen["crossroads_distribution_lag_seconds", (slow,)] == 90.0
    assert seen["crossroads_distribution_lag_seconds", (well,)] == 0.0


async def test_hub_processes_that_beat(watch: Watch, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for ready, ago in ((True, 0), (True, 3600), (False, 0)):
        await connection.execute(
            "INSERT INTO hub_process (instance, name, url, started, beat, ready, draining, seen, settled, in_hand, "
            "services, suppliers) VALUES ($1, 'hub', '', now(), now() - make_interval(secs => $2), $3, false, 0, 0, "
            "0, '{}', '{}')",
            uuid4(), ago, ready,
        )  # fmt: skip
    seen = await watch.look()
    assert [seen["crossroads_hub_processes", (ready,)] for ready in ("yes", "no")] == [1, 1]


async def test_the_register_says_which_vhosts_there_are(
    watch: Watch, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    assert watch.hub.vhosts == ("crossroads",)
    for address, managed_by, active in (("17-0", None, True), ("17-1-0212344876", "17-0", False)):
        await connection.execute(
            "INSERT INTO institution (address, cbe, name, managed_by, active, rate, id, version, file, known_from) "
            "VALUES ($1, '', 'Somebody', $2, $3, 10, $1, 1, 'f', now())",
            address, managed_by, active,
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO rules_load (at, files, rows_new, rows_changed, rows_gone) VALUES (now(), '{}', 2, 0, 0)"
    )
    seen = await watch.look()
    assert seen["crossroads_rules_load", ()] == 1
    assert ("crossroads_institution_info", ("17-1-0212344876", "17", "Somebody", "no", "17-0")) in seen
    assert set(watch.hub.vhosts) == {"crossroads", "secondary-17"}


async def test_what_takes_too_long_is_not_told_and_all_else_is(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    await watch.look()
    monkeypatch.setattr(queries, "QUESTIONS", "SELECT '5-0' AS supplier, 1 AS open, 1.0 AS age FROM pg_sleep(60)")
    monkeypatch.setattr("deploy.watcher.database._DEAR", 0.2)
    for dear in watch.hub._dear.values():
        dear.again = 0.0
    seen = await watch.hub.look()
    assert (seen.whole, seen.why) == (False, "takes too long: open questions")
    told = {name for name, *_ in seen.samples}
    assert "crossroads_open_questions" not in told
    assert {"crossroads_journal_rows", "crossroads_database_bytes"} <= told


async def test_it_may_only_read(watch: Watch) -> None:
    await watch.look()
    connection = watch.hub._connection
    assert connection is not None
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("DELETE FROM ticket")
