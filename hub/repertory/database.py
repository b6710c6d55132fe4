"""What every reader and writer of the repertory does with its database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from schemas.errors import CrossroadsError

#: Of a pool, or held.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

#: A connection that takes longer has failed, seconds.
CONNECT_TIMEOUT = 5.0
#: What asyncpg raises where the database, or the way to it, fails; InternalClientError where a connection is used
#: while it is being ended.
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class RepertoryUnavailableError(CrossroadsError):
    """The repertory's database does not answer: nothing may be decided. Try again; the text says what failed."""


def unavailable(error: BaseException) -> RepertoryUnavailableError:
    """In our words: the database's own text may quote a row."""
    return RepertoryUnavailableError(
        f"the repertory's database does not answer as it should ({type(error).__name__}): is it up, and migrated?"
    )


async def connect(
    database_url: str, name: str, settings: Mapping[str, str] | None = None
) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection that the server lists as `name`, with these settings. Raises what is in FAILURES."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        database_url, timeout=CONNECT_TIMEOUT, server_settings={"application_name": name, **(settings or {})}
    )
    return connection


@asynccontextmanager
async def connected(database_url: str, name: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection for one piece of work. Whatever fails of it is a RepertoryUnavailableError."""
    try:
        connection = await connect(database_url, name)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT)
    except FAILURES as error:
        raise unavailable(error) from error
