"""Brings the tables of a database to their newest version: Alembic runs numbered steps of plain SQL.

A folder of steps has `versions/`, and an `env.py` that calls `environment`.
"""

import asyncio
from pathlib import Path
from threading import Lock

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from schemas.process import log

#: Alembic keeps the migration that runs in globals: two databases at once in one process would take each other's.
_ONE_IN_THIS_PROCESS = Lock()
#: Advisory lock of whoever migrates. Negative: persons' numbers lock the positive ones.
_LOCK = -1
#: Milliseconds that a step waits for a table, since whoever comes behind it waits as long; and seconds until it is all
#: tried again. A backup holds every table for as long as it takes.
LOCK_TIMEOUT_MS, _AGAIN = 1_000, 3.0
_LOCK_NOT_AVAILABLE = "55P03"


async def migrate(database_url: str, steps: Path) -> None:
    """Bring the database to the newest of these steps, in one transaction. Repeatable; who starts at once waits for
    the other. What others do with a table that a step needs is waited for, and nobody has to wait for us meanwhile.

    `database_url`: `postgresql://user:password@host:port/database`. Raises what asyncpg or SQLAlchemy raises, whose
    texts may repeat the URL or a statement.
    """
    while True:
        try:
            await asyncio.to_thread(_migrate_alone, database_url, steps)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            log.logger().warning("a migration waits", why="a table that it needs is in use: does a backup run?")
            await asyncio.sleep(_AGAIN)
        else:
            return


def numbers(steps: Path) -> frozenset[str]:
    """The numbers of these steps: what a database may say that it has."""
    config = Config()
    config.set_main_option("script_location", str(steps).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return frozenset(step.revision for step in ScriptDirectory.from_config(config).walk_revisions())


def environment() -> None:
    """What an `env.py` does, called by Alembic within `migrate`."""
    connection = context.config.attributes["connection"]
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


def _migrate_alone(database_url: str, steps: Path) -> None:
    with _ONE_IN_THIS_PROCESS:
        asyncio.run(_migrate(database_url, steps))


async def _migrate(database_url: str, steps: Path) -> None:
    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(steps).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
