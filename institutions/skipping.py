"""What an operator does by hand in an institution's inbox: see what is set aside, and give up a word that will never be
taken. The institution may run meanwhile. docs/distribution.md, "By hand".
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import asyncpg

from institutions.database import Database
from institutions.inbox import PostgresInbox
from institutions.ordered import definitive
from institutions.word import read_word
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError

#: Seconds to wait for a process that is at work on a word.
_LOCK = 5


class SkipError(CrossroadsError):
    """It cannot be skipped; nothing was changed. Says why, and what could be."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A word that is set aside, without what it says and about whom."""

    position: int
    service: str
    flow: str
    ticket_cbss: UUID


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was given up. `next`: it was the one to be applied next, and what it is is not known here."""

    position: int
    kind: Literal["next", "set aside"]
    service: str | None = None
    ticket_cbss: UUID | None = None
    #: `M`, `Z`; empty: not known.
    flow: str = ""
    #: A Z whose sender is told that it could not be processed.
    answered: bool = False


async def aside(url: str) -> tuple[int, Sequence[Aside]]:
    """Up to which position all is applied or set aside, and what is set aside, in its order."""
    async with _inbox(url) as connection:
        position = await connection.fetchval("SELECT position FROM crossroads_inbox")
        rows = await connection.fetch(
            "SELECT position, service, flow, ticket_cbss FROM crossroads_aside ORDER BY number"
        )
    return position, [Aside(*row) for row in rows]


async def skip(url: str, recipient: Address, word: int | UUID, catalogue: Catalogue) -> Skipped:
    """Give up the word of this position, or of this ticketCBSS, for good: the next one, or one that is set aside. It is
    written down in `crossroads_skipped`. Raises SkipError."""
    async with _inbox(url) as connection:
        place = await connection.fetchrow("SELECT series, position FROM crossroads_inbox FOR UPDATE")
        row = await connection.fetchrow(
            "DELETE FROM crossroads_aside WHERE ticket_cbss = $1 OR (position = $2 AND series = $3) RETURNING *",
            word if isinstance(word, UUID) else None,
            word if isinstance(word, int) else None,
            place["series"],
        )
        if row is not None:
            answered = await _answer(connection, recipient, row, catalogue)
            done = Skipped(row["position"], "set aside", row["service"], row["ticket_cbss"], row["flow"], answered)
        elif word == place["position"] + 1:
            await connection.execute("UPDATE crossroads_inbox SET position = $1", word)
            done = Skipped(place["position"] + 1, "next")
        else:
            raise SkipError(
                f"{word} is neither set aside nor the next: up to {place['position']} all is applied or set aside, so "
                f"that the next is {place['position'] + 1}. `crossroads distribution aside` lists what is set aside"
            )
        await connection.execute(
            "INSERT INTO crossroads_skipped (series, position, service, ticket_cbss) VALUES ($1, $2, $3, $4)",
            place["series"], done.position, done.service, done.ticket_cbss,
        )  # fmt: skip
    return done


async def _answer(connection: Any, recipient: Address, row: Any, catalogue: Catalogue) -> bool:
    """Of a Z: the negative definitive answer, which the institution tells with its next ones. Whether there is one."""
    service = catalogue.services.get(row["service"])
    if row["flow"] != "Z" or service is None:
        return False
    ticket = row["ticket_cbss"]
    word = read_word(service, recipient, str(ticket), ticket, row["body"])
    if word is None:
        return False
    await PostgresInbox("").answer(connection, definitive(word, ticket, "CRB00020"))
    return True


@asynccontextmanager
async def _inbox(url: str) -> AsyncIterator[Any]:
    """A transaction in the database of an institution that has an inbox there. Raises SkipError."""
    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            if await connection.fetchval("SELECT to_regclass('crossroads_inbox')") is None:
                raise SkipError("there is no inbox in that database: name the one given to PostgresInbox")
            tables = Database(url)
            try:
                async with tables.connection():
                    pass  # makes those that came with a newer library
            finally:
                await tables.close()
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK}s'")
                if not await connection.fetchval("SELECT count(*) FROM crossroads_inbox"):
                    raise SkipError("this institution was told nothing yet: there is nothing to skip")
                yield connection
        finally:
            await connection.close()
    except asyncpg.LockNotAvailableError:
        raise SkipError("a process of the institution is at work on a word: stop it first") from None
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Their texts may repeat the URL, or a row.
        raise SkipError(f"the inbox cannot be reached: {type(error).__name__}") from None
