"""The hub's database, step by step: Alembic runs numbered steps of plain SQL.

A step that the running hubs' code can live with is `pre` (run before the new code starts); one that only the new code
can live with is `post` (run when the old code is gone). SQL functions carry a version (`_v1`): a change makes a `_v2`
beside it, and a later `post` step drops the first.
"""

import asyncio
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

#: Alembic keeps the migration that runs in globals.
_ONE_IN_THIS_PROCESS = Lock()
#: Advisory lock of whoever migrates. Negative: persons' numbers lock the positive ones.
LOCK = -1


async def migrate(database_url: str) -> None:
    """Bring the database to the newest step, in one transaction. Repeatable; who starts at once waits for the other.

    `database_url`: `postgresql://user:password@host:port/database`. Raises what asyncpg or SQLAlchemy raises.
    """
    await asyncio.to_thread(_migrate_alone, database_url)


def _migrate_alone(database_url: str) -> None:
    with _ONE_IN_THIS_PROCESS:
        asyncio.run(_migrate(database_url))


async def _migrate(database_url: str) -> None:
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
