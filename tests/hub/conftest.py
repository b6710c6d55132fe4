"""Databases with the hub's tables."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL
from hub.migrations import migrate


@pytest.fixture(scope="session")
async def _template(postgresql: PrivatePostgreSQL | ForeignPostgreSQL) -> AsyncIterator[str]:
    """The name of a migrated database that others are copied from: a copy is made in a tenth of the time."""
    name = f"test_{secrets.token_hex(6)}"
    await migrate(await postgresql.create_database(name))
    yield name
    await postgresql.drop_database(name)


@pytest.fixture
async def hub_database(postgresql: PrivatePostgreSQL | ForeignPostgreSQL, _template: str) -> AsyncIterator[str]:
    """The URL of a fresh database with the hub's tables."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgresql.url())
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {_template}")
    finally:
        await connection.close()
    yield postgresql.url(name)
    await postgresql.drop_database(name)


@pytest.fixture
async def connection(hub_database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to look into that database."""
    opened = await asyncpg.connect(hub_database)
    yield opened
    await opened.close()
