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
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

#: Alembic keeps the migration that runs in globals: two databases at once in one process would take each other's.
_ONE_IN_THIS_PROCESS = Lock()
#: Advisory lock of whoever migrates. Negative: persons' numbers lock the positive ones.
_LOCK = -1


async def migrate(database_url: str, steps: Path) -> None:
    """Bring the database to the newest of these steps, in one transaction. Repeatable; who starts at once waits for
    the other.

    `database_url`: `postgresql://user:password@host:port/database`. Raises what asyncpg or SQLAlchemy raises, whose
    texts may repeat the URL or a statement.
    """
    await asyncio.to_thread(_migrate_alone, database_url, steps)


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
