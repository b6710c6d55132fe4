"""What an institution tells others, kept from its own transaction until the hub's verdict, and 100 days for who has to
catch up. docs/distribution.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from institutions.database import Database
from schemas.process.grouped import Grouped
from schemas.ssin import Ssin

#: How long what was told is kept: so long a recipient can catch up with it.
KEPT = timedelta(days=100)
#: Until a mutation without a verdict is sent again, under its ticket; then an operator must look.
AGAIN = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))
#: Class of the advisory locks of who adds, a person one.
_LOCK = -8
#: Verdicts that are marked together.
_GROUP = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A mutation, built and valid."""

    #: `Name/version`.
    service: str
    #: Whom it is about, eleven digits.
    person: str = field(repr=False)
    ticket: str
    body: bytes = field(repr=False)
    #: Its place in the outbox, once it is there.
    number: int = 0
    #: How often it was sent.
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutation: the hub's verdict, or a recipient's definitive answer."""

    number: int
    #: `verdict` or `definitive`
    kind: str
    #: DATA_FOUND: passed on; NO_DATA_FOUND, NO_RESULT or `fault`.
    value: str
    code: str
    #: Of a Z's verdict: whom it went to; of a definitive answer: who gives it.
    recipients: tuple[str, ...] = ()
    #: Of MSG00006: the number under which it is to be told.
    newer: Ssin | None = field(default=None, repr=False)
    #: Its root element, in Clark notation: of which service it is, where it is no fault of none.
    root: str = ""


class Outbox(Protocol):
    """Of a person's entries without a verdict the oldest alone is ever sent: any number of processes may."""

    async def add(self, entry: Entry, connection: Any = None) -> int:
        """Keep it, in the caller's own transaction if there is a connection; its number. A ticket once.

        A person's numbers are in the order in which their transactions commit: until the caller's has ended, others
        that add for the same person wait. So who adds for several in one transaction does it in the order of their
        numbers, else two may wait for each other, of which the database ends one with an error.
        """
        ...

    async def next(self, most: int, resting: Collection[str] = ()) -> Sequence[Entry]:
        """Those whose turn it is, which are taken as sent by that; none of these services."""
        ...

    async def again(self, number: int, seconds: float) -> None:
        """It was not sent, or is to be sent again: after this time."""
        ...

    async def verdict(self, verdict: Verdict) -> None:
        """The next one about this person may be sent."""
        ...

    async def bytes_of(self, tickets: Collection[str]) -> Mapping[str, bytes]:
        """What was told under these tickets, as far as it is here."""
        ...

    async def unanswered(self) -> Sequence[Entry]:
        """What was sent and has no verdict though it was sent again."""
        ...

    async def forget(self) -> None:
        """What was told longer ago than it is kept for."""
        ...


def _due(tries: int) -> datetime:
    """When a mutation that was sent so often is sent again, if nothing is heard."""
    return datetime.now(UTC) + AGAIN[tries - 1] if 0 < tries <= len(AGAIN) else datetime.max.replace(tzinfo=UTC)


#: The first of those whose turn it is are found where they stand; those that wait behind them, perhaps very many, are
#: not looked at. A planner that was told nothing of them yet would read and sort them all, each time.
IN_ORDER = """
SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off
"""
#: $1: how many; $2: after which time each is sent again, by how often it was; $3: services that rest. What is behind
#: one of theirs, about the same person, waits with it.
NEXT = """
WITH turn AS (
    SELECT o.number FROM crossroads_outbox o WHERE o.code IS NULL AND o.due <= now() AND o.service <> ALL ($3)
    AND NOT EXISTS (
        SELECT FROM crossroads_outbox e WHERE e.code IS NULL AND e.person = o.person AND e.number < o.number
    )
    ORDER BY o.number LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE crossroads_outbox o SET tries = o.tries + 1,
    due = now() + coalesce(($2::interval[])[o.tries + 1], interval '100 years')
FROM turn WHERE o.number = turn.number
RETURNING o.number, o.person, o.ticket, o.service, o.body, o.tries
"""


class MemoryOutbox:
    """For tests and trials: what was not sent yet is lost with the process."""

    def __init__(self) -> None:
        self._count = 0
        self._bytes: dict[str, bytes] = {}
        #: Without a verdict, in their order; and when each is due.
        self._open: dict[int, Entry] = {}
        self._due: dict[int, datetime] = {}

    async def add(self, entry: Entry, connection: Any = None) -> int:
        self._count += 1
        self._open[self._count] = replace(entry, number=self._count)
        self._due[self._count] = datetime.now(UTC)
        self._bytes[entry.ticket] = entry.body
        return self._count

    async def next(self, most: int, resting: Collection[str] = ()) -> Sequence[Entry]:
        now, seen = datetime.now(UTC), set[str]()
        found: list[Entry] = []
        for number, entry in self._open.items():
            if len(found) == most:
                break
            if entry.person not in seen and entry.service not in resting and self._due[number] <= now:
                sent = replace(entry, tries=entry.tries + 1)
                self._due[number] = _due(sent.tries)
                found.append(sent)
            seen.add(entry.person)
        self._open.update((entry.number, entry) for entry in found)
        return found

    async def again(self, number: int, seconds: float) -> None:
        if (entry := self._open.get(number)) is not None:
            self._open[number] = replace(entry, tries=max(0, entry.tries - 1))
            self._due[number] = datetime.now(UTC) + timedelta(seconds=seconds)

    async def verdict(self, verdict: Verdict) -> None:
        self._open.pop(verdict.number, None)
        self._due.pop(verdict.number, None)

    async def bytes_of(self, tickets: Collection[str]) -> Mapping[str, bytes]:
        return {ticket: self._bytes[ticket] for ticket in tickets if ticket in self._bytes}

    async def unanswered(self) -> Sequence[Entry]:
        return [entry for entry in self._open.values() if entry.tries > len(AGAIN)]

    async def forget(self) -> None:
        return None


class PostgresOutbox:
    """In the institution's own database; its table is made when it is not there."""

    def __init__(self, database: Database | str) -> None:
        self._database = database if isinstance(database, Database) else Database(database)
        self._verdicts: Grouped[Verdict, None] = Grouped(self._mark, most=_GROUP)

    async def add(self, entry: Entry, connection: Any = None) -> int:
        if connection is None:
            async with self._database.connection() as own:
                return await self.add(entry, own)
        number: int = await connection.fetchval(
            # Locked before the number is drawn. The class is this table's, beside whatever else the database locks.
            "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock($5, hashtext($1)))"
            " INSERT INTO crossroads_outbox (person, ticket, service, body) SELECT $1, $2, $3, $4 FROM locked"
            " RETURNING number",
            entry.person,
            entry.ticket,
            entry.service,
            entry.body,
            _LOCK,
        )
        return number

    async def next(self, most: int, resting: Collection[str] = ()) -> Sequence[Entry]:
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(IN_ORDER)
            rows = await connection.fetch(NEXT, most, list(AGAIN), list(resting))
        found = [Entry(r["service"], r["person"], r["ticket"], r["body"], r["number"], r["tries"]) for r in rows]
        return sorted(found, key=lambda entry: entry.number)

    async def again(self, number: int, seconds: float) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE crossroads_outbox SET due = now() + $2::interval, tries = greatest(0, tries - 1)"
                " WHERE number = $1 AND code IS NULL",
                number,
                timedelta(seconds=seconds),
            )

    async def verdict(self, verdict: Verdict) -> None:
        await self._verdicts(verdict)

    async def _mark(self, verdicts: Sequence[Verdict]) -> list[None]:
        """Those that come while others are marked are marked together. Of two on one the first counts."""
        first = {one.number: one for one in reversed(verdicts)}
        rows = [(number, first[number].value, first[number].code) for number in sorted(first)]
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE crossroads_outbox o SET value = v.value, code = v.code"
                " FROM unnest($1::bigint[], $2::text[], $3::text[]) AS v (number, value, code)"
                " WHERE o.number = v.number AND o.code IS NULL",
                *map(list, zip(*rows, strict=True)),
            )
        return [None] * len(verdicts)

    async def bytes_of(self, tickets: Collection[str]) -> Mapping[str, bytes]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT ticket, body FROM crossroads_outbox WHERE ticket = ANY ($1::text[])", list(tickets)
            )
        return {r["ticket"]: r["body"] for r in rows}

    async def unanswered(self) -> Sequence[Entry]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM crossroads_outbox WHERE code IS NULL AND tries > $1 ORDER BY number", len(AGAIN)
            )
        return [Entry(r["service"], r["person"], r["ticket"], r["body"], r["number"], r["tries"]) for r in rows]

    async def forget(self) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM crossroads_outbox WHERE code IS NOT NULL AND added < now() - $1::interval", KEPT
            )
