"""What the hub's database tells, over a connection that may read only."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

import hub.migrations
from deploy.doctor import queries
from hub.control import Process as Hub
from hub.control import processes as hub_processes
from hub.queries import QUERIES
from hub.repertory.database import connect

_STATEMENT_TIMEOUT = "8s"
#: Settings by which a value could get into the server's log: docs/hub.md, last lines.
LOG_SETTINGS = (
    "log_error_verbosity", "log_parameter_max_length_on_error", "log_statement", "log_min_duration_statement",
    "log_parameter_max_length", "auto_explain.log_min_duration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trigger:
    """What keeps the journal as it was written, on one of its tables."""

    table: str
    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Database:
    """The server and the tables, not what is in them."""

    #: As in 150004.
    version: int
    #: Its clock less ours, seconds.
    ahead: float
    #: Step of the migrations that it is at, and the newest that there is.
    revision: str | None
    newest: str | None
    #: First day of the month that has no partition of the journal any more; None: there is none at all.
    partitions_until: date | None
    #: The journal and its partitions.
    tables: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    #: Whether the hub's role may add to the journal.
    writable: bool
    #: Whether it may switch off what keeps it.
    superuser: bool
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gone:
    """An institution that was in the register."""

    address: str
    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """Who asked lately and was refused."""

    sender: str
    customer: str
    service: str
    code: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Paused:
    """What is paused."""

    #: service, supplier, customer, maintenance, hub.
    kind: str
    what: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Behind:
    """A recipient to whom nothing is published until it has caught up."""

    recipient: str
    owed: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that a check needs."""

    gone: tuple[Gone, ...]
    #: Of those that are gone, of the last hour; None: it took too long to count.
    refused: tuple[Refused, ...] | None
    paused: tuple[Paused, ...]
    behind: tuple[Behind, ...]
    #: Hub processes that did not end in order, also those that were killed within a day.
    hubs: tuple[Hub, ...]
    #: Now, by the database.
    at: datetime
    #: The key that the newest hash of the journal was made with; None: there is none.
    key_id: str | None


async def look_at_database(url: str) -> Database:
    """Raises what is in `hub.repertory.database.FAILURES`."""
    async with _reading(url) as connection:
        before = datetime.now(UTC)
        there = await connection.fetchval(QUERIES["moment"])
        after = datetime.now(UTC)
        journal = await connection.fetchval(queries.HAS_TABLE, "journal")
        triggers, tables = [], ()
        if journal:
            tables = tuple(row["name"] for row in await connection.fetch(queries.JOURNAL_TABLES))
            triggers = [
                Trigger(row["table"], row["name"], row["enabled"])
                for row in await connection.fetch(queries.JOURNAL_TRIGGERS)
            ]
        migrated = await connection.fetchval(queries.HAS_TABLE, "alembic_version")
        settings = await connection.fetch(queries.SETTINGS, list(LOG_SETTINGS))
        return Database(
            version=await connection.fetchval(queries.VERSION),
            ahead=(there - before).total_seconds() - (after - before).total_seconds() / 2,
            revision=await connection.fetchval(queries.REVISION) if migrated else None,
            newest=_newest(),
            partitions_until=await connection.fetchval(queries.PARTITIONS_UNTIL) if journal else None,
            tables=tables,
            triggers=tuple(triggers),
            writable=bool(journal) and await connection.fetchval(queries.WRITABLE),
            superuser=await connection.fetchval(queries.SUPERUSER),
            settings={row["name"]: row["setting"] for row in settings},
        )


async def look_at_rows(url: str) -> Kept:
    """Raises what is in `hub.repertory.database.FAILURES`."""
    async with _reading(url) as connection:
        gone = [Gone(row["address"], row["name"], row["since"]) for row in await connection.fetch(queries.GONE)]
        paused, controlled = [], await connection.fetchval(queries.HAS_TABLE, "hub_process")
        if controlled:
            paused = [
                Paused(row["kind"], row["what"], row["since"], row["until"])
                for row in await connection.fetch(queries.PAUSED)
            ]
        behind = await connection.fetch(QUERIES["recipients_behind"])
        return Kept(
            gone=tuple(gone),
            refused=await _refused(connection, gone) if gone else (),
            paused=tuple(paused),
            behind=tuple(Behind(row["address"], row["last"] - row["owed_from"] + 1) for row in behind),
            hubs=await hub_processes(connection) if controlled else (),
            at=await connection.fetchval(QUERIES["moment"]),
            key_id=await connection.fetchval(queries.KEY_ID),
        )


async def _refused(
    connection: "asyncpg.Connection[asyncpg.Record]", gone: Sequence[Gone]
) -> tuple[Refused, ...] | None:
    try:
        rows = await connection.fetch(queries.REFUSED, [one.address for one in gone], [one.since for one in gone])
    except asyncpg.QueryCanceledError:
        return None
    return tuple(
        Refused(row["sender"], row["customer"], row["service"], row["code"], row["count"], row["last"]) for row in rows
    )


@asynccontextmanager
async def _reading(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    settings = {"default_transaction_read_only": "on", "statement_timeout": _STATEMENT_TIMEOUT, "jit": "off"}
    connection = await connect(url, "crossroads doctor", settings)
    try:
        yield connection
    finally:
        connection.terminate()


def _newest() -> str | None:
    config = Config()
    config.set_main_option("script_location", str(Path(hub.migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()
