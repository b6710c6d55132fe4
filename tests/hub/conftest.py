"""A migrated database, and a journal on it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub.migrations import migrate


@pytest.fixture
async def hub_database(database: str) -> str:
    """The URL of a fresh database with the hub's tables."""
    await migrate(database)
    return database


@pytest.fixture
async def connection(hub_database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection to look into that database."""
    opened = await asyncpg.connect(hub_database)
    yield opened
    await opened.close()
