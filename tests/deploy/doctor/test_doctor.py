"""A small network on the real broker and database, in vhosts and databases of its own, made wrong one thing at a time.

What the broker counts it tells every 5 s: what shows by that comes last, is made together and waited for once.
"""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import aio_pika
import asyncpg
import pytest

from deploy import provision
from deploy.doctor.broker import look_at_standing
from deploy.doctor.examination import Examination, examine
from deploy.doctor.facts import PATIENCE
from deploy.doctor.place import Place
from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from hub.journal import Decision, Journal, Outcome, PersonKeys
from hub.migrations import migrate
from hub.repertory import store
from hub.repertory.files import parse
from institutions.relay import sectoral_repertory
from institutions.relay.sectoral_repertory import Member, SectoralRepertory
from schemas.address import Address
from schemas.period import today
from schemas.wire import names
from tests.deploy.doctor.sound import CATALOGUE, INSTITUTIONS, MEMBER, RIGHTS
from tests.passwords import passwords_of

RELAY = Address(17, 0)
SUPPLIER_QUEUE = "5-0.online.Pension.1"
#: Two hubs that say that they live, for as long as this test runs.
BEATING = """
INSERT INTO hub_process
    (instance, name, url, started, beat, ready, draining, seen, settled, in_hand, services, suppliers)
SELECT gen_random_uuid(), name, 'http://127.0.0.1', now(), now() + interval '1 day', true, false, 0, 0, 0, '{}', '{}'
FROM unnest('{hub-1,hub-2}'::text[]) AS name
"""


class Small:
    """The network, what it is looked at by, and the readers of its queues."""

    def __init__(
        self, rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, prefix: str, database_url: str, sectoral_url: str
    ) -> None:
        self.rabbitmq, self.management, self.prefix = rabbitmq, rabbitmq.management, prefix
        self.primary, self.secondary = f"{prefix}crossroads", f"{prefix}{names.secondary(RELAY)}"
        self.place = Place(
            catalogue=CATALOGUE,
            database_url=database_url,
            management_url=rabbitmq.management_url,
            sectoral_urls={str(RELAY): sectoral_url},
            journal_keys="2026a:a-secret-that-only-the-tests-know",
            primary=self.primary,
            prefix=prefix,
        )
        self.database_url = database_url
        self.readers: dict[tuple[str, str], aio_pika.abc.AbstractConnection] = {}

    async def load(self, *texts: str) -> None:
        """These are the rules."""
        files = [parse(text, f"{place}.toml") for place, text in enumerate(texts)]
        await store.load_files(self.database_url, files, CATALOGUE)

    async def provision(self) -> None:
        rules = await store.read(self.database_url)
        self.network = provision.network_of(
            rules, CATALOGUE.services.values(), primary=self.primary, prefix=self.prefix
        )
        self.passwords = passwords_of(provision.users(self.network))
        document = provision.definitions(self.network, self.passwords)
        await asyncio.to_thread(provision.apply, self.management, document)

    async def read(self, vhost: str, queue: str, user: str) -> None:
        url = self.rabbitmq.amqp_url(user, self.passwords[user], vhost)
        connection = await aio_pika.connect(url)
        channel = await connection.channel()
        await channel.set_qos(1)

        async def keep(_: object) -> None:
            """Nothing is acknowledged."""

        await (await channel.get_queue(queue, ensure=False)).consume(keep)
        self.readers[vhost, queue] = connection

    async def leave(self, vhost: str, queue: str) -> None:
        """Nobody reads it any more."""
        await self.readers.pop((vhost, queue)).close()

    async def read_all(self) -> None:
        """As a whole network does: a hub, a relay, the supplier."""
        for vhost, centre in ((self.primary, names.HUB), (self.secondary, str(RELAY))):
            for institution in self.network.institutions:
                if (self.primary if institution.managed_by is None else self.secondary) == vhost:
                    for mode in self.network.modes:
                        await self.read(vhost, names.ingress(institution.address, mode), centre)
            await self.read(vhost, names.DEFINITIVE, centre)
        await self.read(self.primary, SUPPLIER_QUEUE, "5-0")

    async def close(self) -> None:
        for connection in self.readers.values():
            await connection.close()

    async def examine(self) -> Examination:
        return await examine(self.place)

    async def until(self, *checks: str, state: str) -> Examination:
        """The first examination in which all of these are so; or the last, when the broker has long told all it has."""
        end = asyncio.get_running_loop().time() + 30
        while True:
            found = await self.examine()
            if all(found.findings[check].state == state for check in checks):
                return found
            if asyncio.get_running_loop().time() > end:
                return found
            await asyncio.sleep(0.3)

    @asynccontextmanager
    async def sql(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def small(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, postgresql: PrivatePostgreSQL | ForeignPostgreSQL
) -> AsyncIterator[Small]:
    mark = f"test_{secrets.token_hex(6)}"
    database, sectoral = [await postgresql.create_database(f"{mark}_{name}") for name in ("hub", "sectoral")]
    network = Small(rabbitmq, f"{mark}_", database, sectoral)
    try:
        await migrate(database)
        await network.load(INSTITUTIONS, RIGHTS)
        async with network.sql() as connection:
            await connection.execute(BEATING)
        await sectoral_repertory.migrate(sectoral)
        repertory = await SectoralRepertory.connect(sectoral)
        await repertory.load_members([await member(network)])
        await repertory.close()
        await network.provision()
        await network.read_all()
        yield network
    finally:
        await network.close()
        for vhost in (network.primary, network.secondary):
            network.management.delete(f"/api/vhosts/{vhost}")
        for name in ("hub", "sectoral"):
            await postgresql.drop_database(f"{mark}_{name}")


async def member(network: Small) -> Member:
    known = (await store.read(network.database_url)).institutions[Address.parse(MEMBER)]
    return Member(known.address, known.name, known.active, known.rate)


async def found(small: Small, check: str) -> tuple[str, str]:
    """State and words of one check."""
    finding = (await small.examine()).findings[check]
    return finding.state, "\n".join((finding.saw, *finding.details))


async def test_a_queue_that_is_missing_or_made_otherwise(small: Small) -> None:
    path = f"/api/queues/{quote(small.primary, safe='')}/5-0.answers"
    small.management.delete(path)
    state, told = await found(small, "provisioned")
    assert (state, f"queue {small.primary}/5-0.answers" in told) == ("wrong", True)
    small.management.put(path, {"durable": True, "arguments": {"x-queue-type": "classic"}})
    assert (await found(small, "queues' arguments"))[0] == "wrong"
    small.management.delete(path)
    await small.provision()
    assert (await found(small, "provisioned"))[0] == (await found(small, "queues' arguments"))[0] == "good"


async def test_rights_that_were_widened(small: Small) -> None:
    path = f"/api/permissions/{small.primary}/5-0"
    small.management.put(path, {"configure": ".*", "write": ".*", "read": ".*"})
    state, told = await found(small, "permissions")
    assert (state, f"5-0 in {small.primary}: configure .*" in told) == ("wrong", True)
    await small.provision()
    assert (await found(small, "permissions"))[0] == "good"


async def test_rights_that_end_soon(small: Small) -> None:
    last = today() + timedelta(days=3)
    await small.load(INSTITUTIONS, RIGHTS.replace("from = 2020-01-01", f"from = 2020-01-01\nto = {last}"))
    state, told = await found(small, "authorisations ending")
    assert (state, f"{last}: authorisation pension" in told) == ("warning", True)
    await small.load(INSTITUTIONS, RIGHTS)
    assert (await found(small, "authorisations ending"))[0] == "good"


async def test_a_journal_that_could_be_changed(small: Small) -> None:
    async with small.sql() as connection:
        await connection.execute("ALTER TABLE journal DISABLE TRIGGER journal_append_only")
        state, told = await found(small, "journal kept")
        assert (state, "journal: journal_append_only is switched off" in told) == ("wrong", True)
        await connection.execute("ALTER TABLE journal ENABLE TRIGGER journal_append_only")
    assert (await found(small, "journal kept"))[0] == "good"


async def test_months_that_have_no_partition(small: Small) -> None:
    async with small.sql() as connection:
        months = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'journal'::regclass ORDER BY 1"
        )
        for row in months[1:]:
            await connection.execute(f"ALTER TABLE journal DETACH PARTITION {row['name']}")
            await connection.execute(f"DROP TABLE {row['name']}")
        assert (await found(small, "partitions"))[0] in ("warning", "wrong")  # by the day of the month
        await connection.execute("SELECT journal_partitions_v1(now(), 3)")
    assert (await found(small, "partitions"))[0] == "good"


async def test_tables_of_an_older_version(small: Small) -> None:
    async with small.sql() as connection:
        newest = await connection.fetchval("SELECT version_num FROM alembic_version")
        await connection.execute("UPDATE alembic_version SET version_num = '0001'")
        state, told = await found(small, "migrations")
        assert (state, "at 0001" in told) == ("wrong", True)
        await connection.execute("UPDATE alembic_version SET version_num = $1", newest)
    assert (await found(small, "migrations"))[0] == "good"


async def test_a_log_that_repeats_values(small: Small) -> None:
    async with small.sql() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        state, told = await found(small, "database's log")
        assert (state, "log_statement = all" in told) == ("wrong", True)
        await connection.execute(f"ALTER DATABASE {name} RESET ALL")
    assert (await found(small, "database's log"))[0] == "good"


async def test_who_has_to_catch_up(small: Small) -> None:
    async with small.sql() as connection:
        await connection.execute("INSERT INTO recipient (address, last, owed_from) VALUES ('5-0', 9, 4)")
        state, told = await found(small, "distribution")
        assert (state, "5-0: 6 words" in told) == ("warning", True)
        await connection.execute("DELETE FROM recipient")
    assert (await found(small, "distribution"))[0] == "good"


async def test_what_is_paused(small: Small) -> None:
    async with small.sql() as connection:
        await connection.execute(
            "INSERT INTO control (kind, what, since) VALUES ('supplier', '5-0', now() - interval '2 hours')"
        )
        state, told = await found(small, "paused")
        assert (state, "supplier 5-0, since" in told, "(2 h)" in told) == ("warning", True, True)
        await connection.execute("DELETE FROM control")
    assert (await found(small, "paused"))[0] == "good"


async def test_a_sectoral_repertory_that_differs(small: Small) -> None:
    repertory = await SectoralRepertory.connect(small.place.sectoral_urls[str(RELAY)])
    try:
        await repertory.load_members([replace(await member(small), active=False)])
        state, told = await found(small, "members")
        assert (state, f"17-0 has {MEMBER} inactive" in told) == ("wrong", True)
        await repertory.load_members([await member(small)])
    finally:
        await repertory.close()
    assert (await found(small, "members"))[0] == "good"


async def test_it_needs_no_right_but_to_read(small: Small) -> None:
    """By a role that may read alone all of the database is seen; what that role may not, the check of it says."""
    role = f"test_{secrets.token_hex(6)}"
    async with small.sql() as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        try:
            given, place = small.place, small.database_url.partition("@")[2]
            url = f"postgresql://{role}:{role}@{place}"
            findings = (await examine(replace(given, database_url=url))).findings
        finally:
            await connection.execute(f"DROP OWNED BY {role}")
            await connection.execute(f"DROP ROLE {role}")
    assert (findings["journal kept"].state, "may not add" in findings["journal kept"].saw) == ("wrong", True)
    rest = ("database", "migrations", "partitions", "database's log", "institutions gone", "distribution", "paused")
    assert {name: findings[name].state for name in rest} == dict.fromkeys(rest, "good")


async def test_it_changes_nothing_on_the_broker(small: Small) -> None:
    before = look_at_standing(small.management)
    await small.examine()
    assert look_at_standing(small.management) == before


async def test_a_user_who_may_only_watch_is_told_less_and_nothing_is_wrong(small: Small) -> None:
    password = small.passwords[names.MONITOR]
    url = small.rabbitmq.management_url
    host = url.rpartition("@")[2]
    findings = (
        await examine(replace(small.place, management_url=f"http://{names.MONITOR}:{password}@{host}"))
    ).findings
    assert findings["permissions"].state == findings["provisioned"].state == "unknown"
    assert findings["broker"].state == "good"
    assert findings["suppliers read"].state != "unknown"


async def test_what_does_not_answer_is_wrong_once_and_the_rest_unknown(small: Small, unused_port: int) -> None:
    nowhere = f"127.0.0.1:{unused_port}"
    place = replace(
        small.place,
        database_url=f"postgresql://hub:secret@{nowhere}/hub",
        management_url=f"http://hub:secret@{nowhere}",
        processes={"hub-1": f"http://{nowhere}"},
    )
    examination = await examine(place)
    findings = examination.findings
    wrong = {name for name, finding in findings.items() if finding.state == "wrong"}
    assert wrong == {"broker", "database", "hubs"}
    assert examination.seconds < PATIENCE  # nobody waits for what refuses
    assert "secret" not in repr(findings)


async def test_of_a_network_in_order_nothing_is_wrong(small: Small) -> None:
    examination = await small.until("suppliers read", "requests read", "relays", state="good")
    states = {name: finding.state for name, finding in examination.findings.items()}
    unknown = {"hubs' parts", "hubs' rules", "hubs' version", "watcher"}  # no process runs here
    assert {name for name, state in states.items() if state == "unknown"} <= unknown | {"largest message"}
    assert {name: examination.findings[name] for name, state in states.items() if state in ("wrong", "warning")} == {}
    assert examination.exit_status == 0
    assert json.loads(json.dumps(examination.as_dict()))["counts"]["wrong"] == 0


async def test_an_institution_that_was_taken_out_of_the_rules(small: Small) -> None:
    """One of the three faults that an operator has to find with `doctor`."""
    await small.leave(small.primary, SUPPLIER_QUEUE)
    publish(small, names.INSTITUTIONS, SUPPLIER_QUEUE)
    await refused(small, "MSG00021")  # it was there still: that has another reason
    before, five, after = INSTITUTIONS.partition('[[institution]]\naddress = "5-0"')
    await small.load(before + "[[institution]]" + after.partition("[[institution]]")[2], RIGHTS)
    await refused(small, "CRB00005")
    examination = await small.until("left over", state="wrong")
    gone = examination.findings["institutions gone"]
    told = "\n".join((gone.saw, *gone.details))
    assert gone.state == "wrong"
    assert "5-0 (answers): since" in told
    assert "5-0 asked Pension/1 1 time within the last hour and was told CRB00005" in told
    assert "MSG00021" not in told
    assert "1 authorisation names 5-0: pension" in told
    assert f"{small.primary}/{SUPPLIER_QUEUE}: 1 message waits" in told
    assert f"{small.primary}/{SUPPLIER_QUEUE}: 1 message" in "\n".join(examination.findings["left over"].details)
    assert examination.findings["services held"].state == examination.findings["availability"].state == "wrong"
    assert examination.exit_status == 1
    await small.load(INSTITUTIONS, RIGHTS)
    small.management.delete(f"/api/queues/{small.primary}/{SUPPLIER_QUEUE}/contents")
    await small.read(small.primary, SUPPLIER_QUEUE, "5-0")
    assert (await found(small, "institutions gone"))[0] == (await found(small, "left over"))[0] == "good"
    assert five


async def test_what_the_broker_counts(small: Small) -> None:
    """Nobody reads a supplier's queue, a direct institution's, a member's; something could not be answered."""
    left = [
        (small.primary, SUPPLIER_QUEUE),
        (small.primary, "hub.in.1-0.online"),
        (small.secondary, f"hub.in.{MEMBER}.batch"),
    ]
    for vhost, queue in left:
        await small.leave(vhost, queue)
    publish(small, names.INSTITUTIONS, SUPPLIER_QUEUE)
    publish(small, names.DLX, "")
    checks = ("suppliers read", "requests read", "relays", "hub.dead")
    findings = (await small.until(*checks, state="wrong")).findings
    for check, (vhost, queue) in zip(checks, [*left, (small.primary, "1 message")], strict=True):
        finding = findings[check]
        assert finding.state == "wrong", check
        assert any(vhost in line and queue in line for line in finding.details), check
    for vhost, queue in left:
        await small.read(
            vhost, queue, "5-0" if queue == SUPPLIER_QUEUE else "hub" if vhost == small.primary else "17-0"
        )
    for queue in (names.DEAD, SUPPLIER_QUEUE):
        small.management.delete(f"/api/queues/{small.primary}/{queue}/contents")


@pytest.fixture
def unused_port() -> Iterator[int]:
    """One on which nobody listens, kept so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def refused(small: Small, code: str) -> None:
    """A request of 5-0's that was refused now."""
    five, ticket, now = Address(5, 0), uuid4(), datetime.now(UTC)
    async with Journal(small.database_url, PersonKeys.parse("a:0123456789abcdef"), hub="test") as journal:
        await journal.decide(
            Decision(
                ticket_cbss=ticket,
                sender=five,
                customer=five,
                verdict="refused",
                code=code,
                received=now,
                request_sha256=bytes(32),
                service="Pension/1",
            ),
            Outcome(ticket_cbss=ticket, value="NO_RESULT", code=code, replied=now, answer_sha256=bytes(32)),
        )


def publish(small: Small, exchange: str, key: str) -> None:
    """As an operator: through the management API."""
    vhost = quote(small.primary, safe="")
    told = small.management.post(
        f"/api/exchanges/{vhost}/{exchange}/publish",
        {"properties": {"delivery_mode": 2}, "routing_key": key, "payload": "x", "payload_encoding": "string"},
    )
    assert told == {"routed": True}
