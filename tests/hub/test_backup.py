"""A hub's database is lost and restored: what stands in it, what goes on, and that no recipient loses a word."""

import asyncio
import json
import re
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy import backup as backups
from deploy.backup import BackupError, backup, restore
from deploy.command import cli
from hub.migrations import migrate
from institutions import MemoryInbox
from institutions.nsso import office
from institutions.registers import registry
from institutions.relay import sectoral_repertory
from institutions.statuses import buffer
from schemas.wire import names
from tests.hub.star import ONE, PATIENCE, THREE, TWO, opened, until
from tests.hub.test_distribution_over_the_wire import MORE_RULES, Applied, institution, known, sending

OWNER, FUND, AWAY = ONE, TWO, THREE


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory):
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), MORE_RULES) as star:
        await star.hub()
        yield star


@pytest.fixture(autouse=True)
def nobody(request, monkeypatch):
    """That nobody else is connected is looked at for seconds: in one test alone."""
    if request.node.name != "test_a_database_on_which_a_hub_runs_is_not_restored":
        monkeypatch.setattr(backups, "_COMES_AGAIN", 0.0)


@asynccontextmanager
async def connected(url):
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def another(postgresql, name):
    """An empty database."""
    yield await postgresql.create_database(name)
    await postgresql.drop_database(name)


async def rows(url):
    """Every row of every table, as text, but for what a restore changes."""
    async with connected(url) as connection:
        await connection.execute("SET timezone = 'UTC'")
        tables = [row[0] for row in await connection.fetch(backups._TABLES)]
        left_out = {"public.recipient", "public.recipient_earlier", "public.hub_process"}
        return {
            table: sorted(row[0] for row in await connection.fetch(f"SELECT t::text FROM ONLY {table} t"))
            for table in tables
            if table not in left_out
        } | {"positions": await connection.fetch("SELECT address, last, owed_from FROM recipient ORDER BY address")}


def schema(url):
    """How it is made: tables, partitions, functions, triggers, sequences, comments."""
    program, _ = backups.client("pg_dump")
    said = subprocess.run(
        [program, "--schema-only", "--no-owner", "--dbname", url], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in said.splitlines() if line and not line.startswith(("--", "\\"))]


async def lost(star, postgresql):
    """The hub stops, and its database is gone; an empty one of its name stands there."""
    await star.hubs.pop().stop()
    name = star.database_url.rpartition("/")[2]
    await postgresql.drop_database(name)
    await postgresql.create_database(name)


async def test_a_database_that_is_lost_is_restored_and_no_recipient_loses_a_word(star, postgresql, tmp_path):
    ssins = [await known(star, (FUND, 101), (AWAY, 1)) for _ in range(3)]
    asked = await star.known(ONE)
    fund, away = Applied(institution(star, FUND)), Applied(institution(star, AWAY, inbox=MemoryInbox()))
    sent = []
    async with sending(star) as sender, fund.me:

        async def send(word, many=3):
            for n in range(many):
                sent.append(f"{word}-{n}")
                await sender.verdict(await sender.send(ssins[n % 3], reference=sent[-1]))

        async def traffic(stop):
            told = 0
            while not stop.is_set():
                assert (await star.consult(asked)).code == "MSG00000"
                told += 1
            return told

        stop = asyncio.Event()
        running = [asyncio.create_task(traffic(stop)) for _ in range(4)]
        await send("before")
        during = await backup(star.database_url, tmp_path / "during", lambda _: None)
        stop.set()
        assert sum(await asyncio.gather(*running)) > 4
        async with another(postgresql, f"{star.database_url.rpartition('/')[2]}_during") as url:
            done = await restore(tmp_path / "during", url)  # it compares
            assert (done.manifest, done.series) == (during, 2)

        request = star.request(asked)
        first = await star.send(request)
        questions = len(star.questions(ONE, asked))
        await backup(star.database_url, tmp_path / "quiet")
        stood, made = await rows(star.database_url), schema(star.database_url)
        await send("after")  # the backup knows nothing of these
        await until(lambda: len(fund.words) == 6)

        await lost(star, postgresql)
        said = await asyncio.to_thread(
            CliRunner().invoke, cli, ["restore", str(tmp_path / "quiet"), "--json"],
            env={"CROSSROADS_DATABASE_URL": star.database_url},  # on a command line everybody would see the password
        )  # fmt: skip
        assert said.exit_code == 0, said.output
        told = json.loads(said.stdout)
        assert (told["kind"], told["series"]) == ("hub", 2)
        assert await rows(star.database_url) == stood
        assert schema(star.database_url) == made
        async with connected(star.database_url) as connection:
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute("DELETE FROM journal")

        await star.hub()
        again = await star.send(request)
        assert (again.said, again.ticket_cbss) == (first.said, first.ticket_cbss)
        assert await star.kinds(again) == ["decision", "outcome", "resumed", "repeated"]
        assert (await star.consult(asked)).code == "MSG00000"

        await send("later")
        await until(lambda: len(fund.words) == 9)
        async with away.me:
            await until(lambda: len(away.words) == 9)
            await send("last", 1)
            await until(lambda: len(away.words) == len(fund.words) == 10)
    assert [word.says.reference for word in fund.words] == sent
    # What came after the backup waits in its queue alone, and is known by that.
    assert [word.says.reference for word in away.words if not word.late] == [
        one for one in sent if not one.startswith("after")
    ]
    assert [word.says.reference for word in away.words if word.late] == [one for one in sent if one.startswith("after")]
    assert (fund.missed, away.missed) == ([], [])
    assert await star.depth(names.mutations(AWAY)) == 0
    assert questions < len(star.questions(ONE, asked))


async def test_a_database_on_which_a_hub_runs_is_not_restored(star, postgresql, tmp_path):
    """It was lost, and the hubs were not stopped: they come back to it by themselves, in the middle of it."""
    await backup(star.database_url, tmp_path / "file")
    name = star.database_url.rpartition("/")[2]
    await postgresql.drop_database(name)
    await postgresql.create_database(name)
    with pytest.raises(BackupError, match=r"connected to this database: .*Stop hubs"):
        await restore(tmp_path / "file", star.database_url)
    async with connected(star.database_url) as connection:
        assert await connection.fetchval(backups._STANDS) == 0
    await star.hubs.pop().stop()
    await restore(tmp_path / "file", star.database_url)
    await star.hub()


async def test_what_is_no_whole_backup_or_has_no_empty_place_is_refused(star, postgresql, tmp_path):
    file = tmp_path / "whole"
    manifest = await backup(star.database_url, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["whole"]
    with pytest.raises(BackupError, match="is there already"):
        await backup(star.database_url, file)
    content = file.read_bytes()
    assert manifest.key.encode() in content

    async with another(postgresql, f"{star.database_url.rpartition('/')[2]}_refused") as url:

        async def refused(written, why):
            broken = tmp_path / "broken"
            broken.write_bytes(written)
            with pytest.raises(BackupError, match=why):
                await restore(broken, url)
            async with connected(url) as connection:
                assert await connection.fetchval(backups._STANDS) == 0

        await refused(b"", "only a part")
        await refused(content[: len(content) // 2], "cut off|only a part")
        await refused(content[: content.index(b"manifest.json")], "cut off")
        middle = manifest.bytes // 2
        await refused(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], "altered")
        rows_of = content.index(b'"rows"')
        await refused(content[:rows_of] + b'"rowz"' + content[rows_of + 6 :], "altered")
        with pytest.raises(BackupError, match="not empty"):
            await restore(file, star.database_url)
    with pytest.raises(BackupError, match="no database of that name"):
        await restore(file, url)


async def test_a_backup_of_a_newer_version_is_refused(database, tmp_path, postgresql):
    await migrate(database)
    async with connected(database) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await backup(database, tmp_path / "newer")
    async with another(postgresql, f"{database.rpartition('/')[2]}_newer") as url:
        with pytest.raises(BackupError, match=r"newer version .* step 9999"):
            await restore(tmp_path / "newer", url)


async def test_a_restore_that_does_not_come_out_as_in_the_backup_says_so(database, tmp_path, postgresql, monkeypatch):
    await migrate(database)
    await backup(database, tmp_path / "file")

    put = backups._put

    async def put_and_lose(archive, dump, database_url, progress):
        await put(archive, dump, database_url, progress)
        async with connected(database_url) as connection:
            await connection.execute("INSERT INTO recipient (address) VALUES ('1-0')")

    monkeypatch.setattr(backups, "_put", put_and_lose)
    async with another(postgresql, f"{database.rpartition('/')[2]}_other") as url:
        with pytest.raises(BackupError, match=r"public\.recipient: not as in the backup"):
            await restore(tmp_path / "file", url)
        with pytest.raises(Exception, match="already exists"):  # no hub starts on it
            await migrate(url)


async def test_a_kill_leaves_no_file_of_that_name(star, tmp_path):
    file = tmp_path / "cut"
    running = asyncio.create_task(backup(star.database_url, file))
    async with asyncio.timeout(PATIENCE):
        while not (tmp_path / "cut.part").exists():  # noqa: ASYNC110
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert list(tmp_path.iterdir()) == []


MEMBER = "17-1-0212344876"


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("relay", sectoral_repertory.migrate),
        ("registers", registry.migrate),
        ("statuses", buffer.migrate),
        ("nsso", office.migrate),
    ],
)
async def test_an_institution_s_database_is_restored_by_the_same_command(kind, make, database, tmp_path, postgresql):
    await make(database)
    async with connected(database) as connection:
        if kind == "relay":
            await connection.execute("INSERT INTO member_recipient (address, last) VALUES ($1, 7)", MEMBER)
            before = await connection.fetchval("SELECT series FROM member_recipient")
    manifest = await backup(database, tmp_path / "file")
    assert manifest.kind == kind
    async with another(postgresql, f"{database.rpartition('/')[2]}_again") as url:
        done = await restore(tmp_path / "file", url)
        assert done.series == (1 if kind == "relay" else 0)
        assert schema(url) == schema(database)
        if kind == "relay":
            async with connected(url) as connection:
                now = await connection.fetchrow("SELECT series, last FROM member_recipient")
                earlier = await connection.fetchrow("SELECT address, series, last FROM member_recipient_earlier")
            assert now["series"] != before
            assert (now["last"], tuple(earlier)) == (7, (MEMBER, before, 7))


def test_what_another_program_says_of_a_row_is_not_told():
    said = (
        'pg_restore: error: COPY failed for table "person": ERROR:  invalid input syntax: "85010112345"\n'
        'CONTEXT:  COPY person, line 1, column ssin: "85010112345"\n'
    )
    told = backups._failure("pg_restore", said)
    assert re.search(r"\d{5}", told) is None
    assert 'table "person"' in told


def test_every_kind_of_database_is_known_by_steps_that_are_there():
    assert all(Path(home.steps).is_dir() for home in backups._HOMES.values())
