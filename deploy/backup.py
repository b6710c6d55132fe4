"""A database in one file, and back: docs/running.md.

The file is a tar of three: `database.dump` (pg_dump's custom format), `manifest.json` (what must be in it: of every
table its rows and a keyed digest of them, taken in the very snapshot that was dumped), `manifest.sha256`.
A file of that name is whole: it is written as FILE.part, and renamed when all is on the disk.
"""

import asyncio
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
from pydantic import BaseModel, ConfigDict, ValidationError

from hub import migrations
from hub.journal.journal import MONTHS_AHEAD
from hub.queries import QUERIES
from institutions.nsso import office
from institutions.registers import registry
from institutions.relay import sectoral_repertory
from institutions.statuses import buffer
from schemas.errors import CrossroadsError
from schemas.process import migrating

Progress = Callable[[str], None]
Kind = Literal["hub", "relay", "statuses", "nsso", "registers"]

_DUMP, _MANIFEST, _SUM = "database.dump", "manifest.json", "manifest.sha256"
_BLOCK, _PART = 512, 1 << 20
#: A manifest is smaller.
_MOST_MANIFEST = 16 << 20
#: Seconds between two words of progress.
_EVERY = 1.0
#: A hub that finds no tables comes again within a second: so long, seconds, it is looked whether somebody does; and so
#: long one who left may be seen still.
_COMES_AGAIN, _LEAVES = 2.5, 0.5
_PLACES = "usr/lib/postgresql/*/bin"


@dataclass(frozen=True, slots=True)
class _Home:
    """How a kind of database is known: a table that no other has, and the steps that made it."""

    mark: str
    steps: Path


#: In the order of the looks: the hub has a table `person` too.
_HOMES: Mapping[Kind, _Home] = {
    "hub": _Home("journal", Path(migrations.__file__).parent),
    "relay": _Home("member", Path(sectoral_repertory.__file__).parent / "migrations"),
    "statuses": _Home("holding", Path(buffer.__file__).parent / "migrations"),
    "nsso": _Home("dmfa", Path(office.__file__).parent / "migrations"),
    "registers": _Home("person", Path(registry.__file__).parent / "migrations"),
}

_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' ORDER BY 1
"""
_SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename) AS name, coalesce(last_value, 0) AS last FROM pg_sequences ORDER BY 1
"""
#: Whatever somebody may have made here.
_STANDS = """
SELECT count(*) FROM (
    SELECT relnamespace AS place FROM pg_class UNION ALL SELECT pronamespace FROM pg_proc
    UNION ALL SELECT typnamespace FROM pg_type
) one JOIN pg_namespace n ON n.oid = one.place
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
"""
#: Who else is connected, as each calls itself; what the server itself runs there has no user.
_OTHERS = """
SELECT DISTINCT coalesce(nullif(application_name, ''), 'somebody without a name') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL ORDER BY 1
"""
# The sum of two halves of each row's hash: the same in whatever order the rows come.
_DIGEST = """
SELECT count(*) AS rows, coalesce(sum(('x' || encode(substr(h, 1, 8), 'hex'))::bit(64)::bigint), 0) AS one,
       coalesce(sum(('x' || encode(substr(h, 9, 8), 'hex'))::bit(64)::bigint), 0) AS other
FROM (SELECT sha256($1::bytea || convert_to(t::text, 'UTF8')) AS h FROM ONLY {} t OFFSET 0) hashed
"""
#: A row reads the same whatever the server's own settings are.
_READING = {
    "timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex",
    "extra_float_digits": "1", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
}  # fmt: skip


class BackupError(CrossroadsError):
    """A backup or a restore that was not done; the text says why, what to do, and nothing of any row."""


class Table(BaseModel):
    """What a table held."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    digest: str


class Manifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    #: Of Crossroads, and of PostgreSQL.
    version: str
    server: str
    kind: Kind
    #: The newest step of its migrations.
    head: str
    #: Of the snapshot.
    at: datetime
    #: Of the dump.
    bytes: int
    sha256: str
    #: Of the digests, hexadecimal: without it nobody can try numbers of persons against them.
    key: str
    tables: Mapping[str, Table]
    #: Sequence to the last number that was given, at least.
    sequences: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands after a restore, and what is set back to it."""

    manifest: Manifest
    #: Recipients that have a new series of positions.
    series: int
    #: Of a hub: newest row of the journal, load of rules; lots and questions that are open.
    journal: int | None = None
    load: int | None = None
    lots: int | None = None
    questions: int | None = None
    #: What was paused then, and is again.
    paused: int | None = None


async def backup(database_url: str, file: Path, progress: Progress = lambda _: None) -> Manifest:
    """Write one snapshot of the database to `file` (mode 0600), while it is used. Raises BackupError; then there is
    no file of that name."""
    part = _part_of(file)
    try:
        async with _connected(database_url) as connection:
            kind, head = await _kind(connection)
            if kind == "hub":  # made before: nobody has to wait for the dump to make them
                await connection.fetchval(QUERIES["journal_partitions"], datetime.now(UTC), MONTHS_AHEAD)
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as out:
                os.fchmod(out.fileno(), 0o600)
                manifest = await _write(connection, database_url, kind, head, out, progress)
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
            _sync(file.parent)
    except OSError as error:
        raise BackupError(f"{error.filename or file}: {error.strerror or type(error).__name__}") from None
    finally:
        part.unlink(missing_ok=True)
    return manifest


async def restore(file: Path, database_url: str, progress: Progress = lambda _: None) -> Restored:
    """Put a backup into an empty database. Raises BackupError; the database is then empty still, or the text says that
    it must not be used: no process of ours starts on it."""
    with _opened(file) as archive:
        manifest, dump = await asyncio.to_thread(_examined, archive, file, progress)
        home = _HOMES[manifest.kind]
        if manifest.head not in migrating.numbers(home.steps):
            raise BackupError(
                f"{file} is of a newer version ({manifest.version}, step {manifest.head}): restore it with that version"
            )
        async with _connected(database_url) as connection:
            if await connection.fetchval(_STANDS):
                raise BackupError("the database is not empty: name one that is (`createdb NAME` makes one)")
            await _alone(connection)
            progress(f"restoring {manifest.rows:,} rows of {manifest.at:%Y-%m-%d %H:%M:%S %Z}")
            await _put(archive, dump, database_url, progress)
            await _compare(connection, manifest, progress)
            # Until here it has no number of a step, and nothing of ours starts on it.
            async with connection.transaction():
                series = await _new_series(connection, manifest.kind)
                if await connection.fetchval("SELECT to_regclass('hub_process') IS NOT NULL"):
                    await connection.execute("DELETE FROM hub_process")  # none of those beats any more
                await connection.execute("INSERT INTO alembic_version VALUES ($1)", manifest.head)
            await migrating.migrate(database_url, home.steps)
            await connection.execute("ANALYZE")
            return await _restored(connection, manifest, series)


# --- writing ---------------------------------------------------------------------------------------------------------


async def _write(
    connection: Any, database_url: str, kind: Kind, head: str, out: IO[bytes], progress: Progress
) -> Manifest:
    key = secrets.token_bytes(32)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        snapshot, at = await connection.fetchrow("SELECT pg_export_snapshot(), clock_timestamp()")
        server = await connection.fetchval("SHOW server_version")
        sequences = {row["name"]: row["last"] for row in await connection.fetch(_SEQUENCES)}
        out.write(bytes(_BLOCK))  # for the head, when the size is known
        dumping = asyncio.create_task(_dump(database_url, snapshot, server, out, progress))
        try:
            tables = await _tables(connection, key, progress)
            size, digest = await dumping
        finally:
            dumping.cancel()
            await asyncio.gather(dumping, return_exceptions=True)
    manifest = Manifest(
        version=version("crossroads"), server=server, kind=kind, head=head, at=at.astimezone(UTC), bytes=size,
        sha256=digest, key=key.hex(), tables=tables, sequences=sequences,
    )  # fmt: skip
    said = manifest.model_dump_json(indent=1).encode()
    out.write(bytes(-size % _BLOCK))
    for name, content in ((_MANIFEST, said), (_SUM, hashlib.sha256(said).hexdigest().encode())):
        out.write(_member(name, len(content), at) + content + bytes(-len(content) % _BLOCK))
    out.write(bytes(2 * _BLOCK))
    out.seek(0)
    out.write(_member(_DUMP, size, at))
    return manifest


def _member(name: str, size: int, at: datetime) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(at.timestamp())
    return info.tobuf(tarfile.GNU_FORMAT)


async def _dump(database_url: str, snapshot: str, server: str, out: IO[bytes], progress: Progress) -> tuple[int, str]:
    """The dump's size and SHA-256."""
    program, found = client("pg_dump")
    if found < int(server.partition(".")[0]):
        raise BackupError(f"pg_dump {found} cannot read PostgreSQL {server}: install the client of that version")
    words = (
        "--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password", "--lock-wait-timeout=30s",
        f"--snapshot={snapshot}",
    )  # fmt: skip
    size, digest, said = 0, hashlib.sha256(), time.monotonic()
    async with _program(program, words, database_url) as process:
        assert process.stdout is not None  # noqa: S101
        while read := await process.stdout.read(_PART):
            out.write(read)
            digest.update(read)
            size += len(read)
            if time.monotonic() > said + _EVERY:
                progress(f"{size >> 20:,} MiB dumped")
                said = time.monotonic()
    return size, digest.hexdigest()


async def _tables(connection: Any, key: bytes, progress: Progress) -> dict[str, Table]:
    found, said = {}, time.monotonic()
    for name in [row[0] for row in await connection.fetch(_TABLES)]:
        if time.monotonic() > said + _EVERY:
            progress(f"counting {name}")
            said = time.monotonic()
        row = await connection.fetchrow(_DIGEST.format(name), key)
        found[name] = Table(rows=row["rows"], digest=f"{int(row['one']):x}.{int(row['other']):x}")
    return found


# --- reading ---------------------------------------------------------------------------------------------------------


def _opened(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, "r:")
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror or type(error).__name__}") from None
    except tarfile.TarError:
        raise BackupError(f"{file} is no backup, or only a part of one") from None


def _examined(archive: tarfile.TarFile, file: Path, progress: Progress) -> tuple[Manifest, tarfile.TarInfo]:
    """What is in it, once all of it is there and as it was written."""
    broken = BackupError(f"{file} is cut off or was altered: it is not restored. Take another backup")
    try:
        members = {one.name: one for one in archive.getmembers()}
        if members.keys() != {_DUMP, _MANIFEST, _SUM} or members[_MANIFEST].size > _MOST_MANIFEST:
            raise broken
        said, written = (_content(archive, members[name]) for name in (_MANIFEST, _SUM))
        if hashlib.sha256(said).hexdigest().encode() != written:
            raise broken
        manifest = Manifest.model_validate(json.loads(said))
        dump = members[_DUMP]
        progress(f"examining {dump.size >> 20:,} MiB")
        stream = archive.extractfile(dump)
        if stream is None or dump.size != manifest.bytes:
            raise broken
        if hashlib.file_digest(stream, "sha256").hexdigest() != manifest.sha256:  # type: ignore[arg-type]
            raise broken
    except (tarfile.TarError, OSError, KeyError):
        raise broken from None
    except (ValidationError, ValueError):
        raise BackupError(f"{file} has a manifest that this version does not know: restore it with its own") from None
    return manifest, dump


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream is not None else b""


async def _alone(connection: Any) -> None:
    """Whoever is connected, a hub first of all, would take on exchanges while the rows come, under old positions."""
    begun = time.monotonic()
    while (since := time.monotonic() - begun) < _COMES_AGAIN:
        others = [row[0] for row in await connection.fetch(_OTHERS)]
        if others and since > _LEAVES:
            raise BackupError(
                f"connected to this database: {', '.join(others)}. Stop hubs, and whatever else runs on it, until it is"
                " restored; nothing was done"
            )
        await asyncio.sleep(0.002)


async def _put(archive: tarfile.TarFile, dump: tarfile.TarInfo, database_url: str, progress: Progress) -> None:
    """All of the dump but the number of its step, or nothing."""
    program, _ = client("pg_restore")
    listed = await _fed(program, ("--list",), None, archive, dump, lambda _: None)
    kept = [line for line in listed.decode().splitlines() if not re.search(r" TABLE DATA \S+ alembic_version ", line)]
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        chosen.write("\n".join(kept) + "\n")
        chosen.flush()
        words = (
            "--no-owner", "--no-privileges", "--no-password", "--exit-on-error", "--single-transaction",
            f"--use-list={chosen.name}",
        )  # fmt: skip
        await _fed(program, words, database_url, archive, dump, progress)


async def _fed(
    program: str,
    words: Sequence[str],
    database_url: str | None,
    archive: tarfile.TarFile,
    dump: tarfile.TarInfo,
    progress: Progress,
) -> bytes:
    """What the program says, given the dump."""
    stream = archive.extractfile(dump)
    assert stream is not None  # noqa: S101
    fed, said = 0, time.monotonic()
    async with _program(program, words, database_url) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        output = asyncio.create_task(process.stdout.read())
        with suppress(BrokenPipeError, ConnectionResetError):  # a list ends before the rows; a failure is told below
            while read := await asyncio.to_thread(stream.read, _PART):
                process.stdin.write(read)
                await process.stdin.drain()
                fed += len(read)
                if time.monotonic() > said + _EVERY:
                    progress(f"{fed >> 20:,} of {dump.size >> 20:,} MiB restored")
                    said = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.close()
            await process.stdin.wait_closed()
        return await output


async def _compare(connection: Any, manifest: Manifest, progress: Progress) -> None:
    progress("comparing every table")
    there = await _tables(connection, bytes.fromhex(manifest.key), progress)
    own = "public.alembic_version"
    wrong = [name for name, table in manifest.tables.items() if name != own and there.get(name) != table]
    wrong += sorted(there.keys() - manifest.tables.keys())
    sequences = {row["name"]: row["last"] for row in await connection.fetch(_SEQUENCES)}
    wrong += [name for name, last in manifest.sequences.items() if sequences.get(name, -1) < last]
    if wrong:
        raise BackupError(
            f"{', '.join(wrong)}: not as in the backup. The database must not be used: drop it. Take another backup"
        )


async def _new_series(connection: Any, kind: Kind) -> int:
    """Positions that were given after the backup are given again, to other words: each recipient goes on in a series
    of its own, where the one before ends. How many there are."""
    if kind not in ("hub", "relay"):
        return 0
    table = "recipient" if kind == "hub" else "member_recipient"
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", table):
        return 0
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{table}_earlier"):
        await connection.execute(
            f"INSERT INTO {table}_earlier (address, series, last) SELECT address, series, last FROM {table}"  # noqa: S608
            " ON CONFLICT (address, series) DO NOTHING"
        )
    done: str = await connection.execute(f"UPDATE {table} SET series = gen_random_uuid()")  # noqa: S608
    return int(done.rpartition(" ")[2])


async def _restored(connection: Any, manifest: Manifest, series: int) -> Restored:
    if manifest.kind != "hub":
        return Restored(manifest, series)
    journal = await connection.fetchval("SELECT max(number) FROM journal")
    load = await connection.fetchval("SELECT max(number) FROM rules_load")
    lots = await connection.fetchval("SELECT count(*) FROM lot WHERE closed IS NULL")
    questions = await connection.fetchval("SELECT count(*) FROM open_question WHERE told IS NULL")
    paused = await connection.fetchval(
        "SELECT count(*) FROM control WHERE ended IS NULL AND (until IS NULL OR until > now())"
    )
    return Restored(manifest, series, journal or 0, load or 0, lots, questions, paused)


# --- the server and its programs -------------------------------------------------------------------------------------


def client(name: str) -> tuple[str, int]:
    """A program of PostgreSQL's client, the newest there is, and its version. Raises BackupError."""
    found = [
        (int(place.parent.name), str(place / name))
        for place in Path("/").glob(_PLACES)
        if place.parent.name.isdigit() and (place / name).exists()
    ]
    if found:
        newest, program = max(found)
        return program, newest
    on_path = shutil.which(name)
    if on_path is None:
        raise BackupError(f"{name} is not installed: install PostgreSQL's client (apt-get install postgresql-client)")
    said = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)", said)
    return on_path, int(number.group(1)) if number else 0


@asynccontextmanager
async def _program(
    program: str, words: Sequence[str], database_url: str | None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """It runs; what fails of it is told without what it says of rows. The password stands in its environment alone."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "CROSSROADS_"))}
    where: list[str] = []
    if database_url is not None:
        parts = urlsplit(database_url)
        if parts.password is not None:
            environment["PGPASSWORD"] = unquote(parts.password)
        user, at, place = parts.netloc.rpartition("@")
        where = ["--dbname=" + urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + place))]
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            program, *words, *where, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=errors, limit=2 * _PART,
        )  # fmt: skip
        try:
            yield process
            if await process.wait():
                errors.seek(0)
                raise BackupError(_failure(Path(program).name, errors.read().decode(errors="replace")))
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _failure(program: str, said: str) -> str:
    """Its first error, up to where PostgreSQL's own words begin, which may repeat a row."""
    lines = [line for line in said.splitlines() if line.startswith(f"{program}: error:")]
    first = lines[0] if lines else f"{program}: it failed"
    told, error, _ = first.partition("ERROR:")
    return f"{told.strip().rstrip(':')}{': the server refused it, its log says why' if error else ''}"


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(
            database_url, timeout=10, command_timeout=None,
            server_settings={"application_name": "crossroads backup", **_READING},
        )  # fmt: skip
        try:
            yield connection
        finally:
            connection.terminate()
    except asyncpg.InvalidCatalogNameError:
        raise BackupError("there is no database of that name: make it first (`createdb NAME`)") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, ConnectionError) as error:
        # Their texts may repeat a row.
        raise BackupError(f"the database does not answer as it should ({type(error).__name__}): is it up?") from None


async def _kind(connection: Any) -> tuple[Kind, str]:
    """What database it is, and the newest step of its migrations."""
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        head = await connection.fetchval("SELECT max(version_num) FROM alembic_version")
        for kind, home in _HOMES.items():
            if head and await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", home.mark):
                return kind, head
    raise BackupError("this is no database of Crossroads: its hub's, a relay's, 25-0's, 25-1's or 12-0's")


def _part_of(file: Path) -> Path:
    if file.exists():
        raise BackupError(f"{file} is there already: name another file, or move it away")
    return file.with_name(file.name + ".part")


def _sync(directory: Path) -> None:
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
