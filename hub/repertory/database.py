"""What every reader and writer of the repertory does with its database."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
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
#: SQLSTATE classes that are the row's fault: data exception, integrity. Every other failure is the database's.
_OF_THE_ROW = ("22", "23")


class RepertoryUnavailableError(CrossroadsError):
    """The repertory's database does not answer: nothing may be decided. Try again; the text says what failed."""


def unavailable(error: BaseException) -> RepertoryUnavailableError:
    """In our words: the database's own text may quote a row."""
    return RepertoryUnavailableError(
        f"the repertory's database does not answer as it should ({type(error).__name__}): is it up, and migrated?"
    )


def is_of_the_row(error: BaseException) -> bool:
    """Whether the database will never take what it was given (a text it cannot hold, a rule that it breaks): to try
    again is of no use, and nothing is wrong with the database."""
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return False  # no partition for the row: the clock went ahead of the maintenance
    if isinstance(error, asyncpg.PostgresError):
        return bool(error.sqlstate and error.sqlstate.startswith(_OF_THE_ROW))
    return isinstance(error, ValueError)  # asyncpg.DataError: a value that its column cannot hold


@contextmanager
def telling() -> Iterator[None]:
    """Whatever the database fails at is a RepertoryUnavailableError: whether it was done is not known. What it says
    against the row is raised as it is."""
    try:
        yield
    except FAILURES as error:
        if is_of_the_row(error):
            raise
        raise unavailable(error) from error


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


class Pool:
    """A few connections for changes and looks of one part of a hub, which the first use opens. `close` at the end."""

    def __init__(self, database_url: str, name: str, most: int, timeout: float) -> None:
        """`most`: connections; others wait their turn. `timeout`: of one use with the wait for it, seconds."""
        self._url, self._name, self._most, self._timeout = database_url, name, most, timeout
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one change or look. Raises as `telling` says."""
        with telling():
            async with asyncio.timeout(self._timeout), (await self._opened()).acquire() as connection:
                yield connection

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._most,
                    timeout=CONNECT_TIMEOUT,
                    reset=_as_it_is,
                    server_settings={"application_name": self._name},
                )
            return self._pool


async def _as_it_is(connection: object) -> None:
    """Nothing is ever set on these connections beyond a transaction: to reset one would be a round trip each time."""
