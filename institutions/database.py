"""The tables that the library keeps in an institution's own PostgreSQL database: made when first used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

#: Advisory lock of who makes the tables.
_LOCK = -8
_TABLES = """
CREATE TABLE IF NOT EXISTS crossroads_inbox (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    series uuid,
    position bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS crossroads_aside (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series uuid,
    position bigint NOT NULL,
    person text NOT NULL,
    service text NOT NULL,
    flow text NOT NULL,
    ticket_cbss uuid NOT NULL,
    body bytea NOT NULL,
    entitled text NOT NULL,
    late boolean NOT NULL,
    UNIQUE (series, position)
);
CREATE TABLE IF NOT EXISTS crossroads_skipped (
    series uuid,
    position bigint NOT NULL,
    service text,
    ticket_cbss uuid,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS crossroads_answer (
    ticket_cbss uuid PRIMARY KEY,
    kind text NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS crossroads_outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person text NOT NULL,
    ticket text NOT NULL UNIQUE,
    service text NOT NULL,
    body bytea NOT NULL,
    added timestamptz NOT NULL DEFAULT now(),
    due timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    value text,
    code text
);
CREATE INDEX IF NOT EXISTS crossroads_outbox_open ON crossroads_outbox (person, number) WHERE code IS NULL;
CREATE INDEX IF NOT EXISTS crossroads_outbox_turn ON crossroads_outbox (number) WHERE code IS NULL;
DROP INDEX IF EXISTS crossroads_outbox_due;
CREATE INDEX IF NOT EXISTS crossroads_outbox_refused ON crossroads_outbox (person)
    WHERE code <> 'MSG00000' AND code <> 'MSG00021';
"""


class Database:
    """A pool that is opened, and whose tables are made, at the first use. Inbox and outbox may share one, and the
    institution's own code too."""

    def __init__(self, url: str, most: int = 8) -> None:
        """`most`: connections."""
        self._url, self._most = url, most
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of asyncpg's. Raises what asyncpg raises."""
        pool = self._pool if self._pool is not None else await self._open()
        async with pool.acquire() as connection:
            yield connection

    async def close(self) -> None:
        """End all connections."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _open(self) -> "asyncpg.Pool[Any]":
        import asyncpg

        async with self._opening:
            if self._pool is None:
                pool = await asyncpg.create_pool(self._url, min_size=0, max_size=self._most, timeout=5.0)
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                    await connection.execute(_TABLES)
                self._pool = pool
            return self._pool
