"""How far an institution is with what it is told, and what of it could not be taken: in memory, or in PostgreSQL with
the effect itself, in one transaction. docs/distribution.md, "Order, once, nobody waits for another".
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from institutions.database import Database
from schemas.errors import CrossroadsError


class OvertakenError(CrossroadsError):
    """Another process of this institution applied it: what was done here is taken back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Up to here all is applied. Without a series: nothing was told yet."""

    series: UUID | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A word as it came, before it is read."""

    place: Place
    #: `Name/version`, as its properties say.
    service: str
    flow: str
    ticket_cbss: UUID
    body: bytes = field(repr=False)
    #: The rows by which it is told, as the header says them.
    entitled: str = "[]"
    late: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A definitive answer that the hub has not confirmed yet."""

    ticket_cbss: UUID
    kind: str
    body: bytes = field(repr=False)


class Inbox(Protocol):
    """The state of one recipient. One process at a time applies; where two try, one is told `OvertakenError`."""

    async def at(self) -> Place:
        """How far it is."""
        ...

    async def begin(self, place: Place, was: Place | None = None) -> None:
        """Go on from here: another series, or a position that an operator chose. `was`: only if it is there still;
        else another process began already, or is further than was thought."""
        ...

    def applying(self, place: Place) -> AbstractAsyncContextManager[Any]:
        """What is done within, and that `place` is applied, are kept both or not at all. Gives what handlers get.
        Raises OvertakenError."""
        ...

    async def set_aside(self, connection: Any, person: str, arrived: Arrived) -> None:
        """Within `applying` or `late`: keep a word that could not be taken."""
        ...

    async def aside(self, person: str | None = None) -> Sequence[tuple[str, Arrived]]:
        """What was set aside, in order, with its person; of one person, or of all."""
        ...

    def taking(self, arrived: Arrived) -> AbstractAsyncContextManager[Any]:
        """As `applying`, of what was set aside: it is no longer."""
        ...

    def late(self) -> AbstractAsyncContextManager[Any]:
        """As `applying`, of what was missed: no place changes."""
        ...

    async def answer(self, connection: Any, answer: Answer) -> None:
        """Within `applying`: a definitive answer is to be told."""
        ...

    async def answers(self) -> Sequence[Answer]:
        """Those that are still to be told."""
        ...

    async def answered(self, answer: Answer) -> None:
        """The hub has it."""
        ...


class MemoryInbox:
    """For who keeps its state in memory too: after a restart both are built anew, from `start` on."""

    def __init__(self, start: int = 0) -> None:
        self._place = Place(None, start)
        self._aside: dict[int, tuple[str, Arrived]] = {}
        self._answers: dict[UUID, Answer] = {}

    async def at(self) -> Place:
        return self._place

    async def begin(self, place: Place, was: Place | None = None) -> None:
        if was in (None, self._place):
            self._place = place

    @asynccontextmanager
    async def applying(self, place: Place) -> AsyncIterator[Any]:
        yield None
        self._place = place

    async def set_aside(self, connection: Any, person: str, arrived: Arrived) -> None:
        self._aside[arrived.place.position] = person, arrived

    async def aside(self, person: str | None = None) -> Sequence[tuple[str, Arrived]]:
        return [self._aside[n] for n in sorted(self._aside) if person in (None, self._aside[n][0])]

    @asynccontextmanager
    async def taking(self, arrived: Arrived) -> AsyncIterator[Any]:
        yield None
        self._aside.pop(arrived.place.position, None)

    @asynccontextmanager
    async def late(self) -> AsyncIterator[Any]:
        yield None

    async def answer(self, connection: Any, answer: Answer) -> None:
        self._answers[answer.ticket_cbss] = answer

    async def answers(self) -> Sequence[Answer]:
        return list(self._answers.values())

    async def answered(self, answer: Answer) -> None:
        self._answers.pop(answer.ticket_cbss, None)


class PostgresInbox:
    """In the institution's own database; its tables are made when they are not there."""

    def __init__(self, database: Database | str, start: int = 0) -> None:
        """`start`: where a recipient begins that has no position yet."""
        self._database = database if isinstance(database, Database) else Database(database)
        self._start = start

    async def at(self) -> Place:
        async with self._database.connection() as connection:
            row = await connection.fetchrow("SELECT series, position FROM crossroads_inbox")
        return Place(None, self._start) if row is None else Place(row["series"], row["position"])

    async def begin(self, place: Place, was: Place | None = None) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO crossroads_inbox AS i (series, position) VALUES ($1, $2)"
                " ON CONFLICT (one) DO UPDATE SET series = $1, position = $2"
                " WHERE $4::bigint IS NULL OR (i.series IS NOT DISTINCT FROM $3 AND i.position = $4)",
                place.series,
                place.position,
                was and was.series,
                was and was.position,
            )

    @asynccontextmanager
    async def applying(self, place: Place) -> AsyncIterator[Any]:
        async with self._database.connection() as connection, connection.transaction():
            # First: a second process waits here, and then finds that it came too late.
            done = await connection.execute(
                "UPDATE crossroads_inbox SET position = $2 WHERE series = $1 AND position = $2 - 1",
                place.series,
                place.position,
            )
            if done != "UPDATE 1":
                raise OvertakenError(f"position {place.position} is applied, or not the next")
            yield connection

    async def set_aside(self, connection: Any, person: str, arrived: Arrived) -> None:
        await connection.execute(
            "INSERT INTO crossroads_aside (series, position, person, service, flow, ticket_cbss, body, entitled, late)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (series, position) DO NOTHING",
            arrived.place.series, arrived.place.position, person, arrived.service, arrived.flow, arrived.ticket_cbss,
            arrived.body, arrived.entitled, arrived.late,
        )  # fmt: skip

    async def aside(self, person: str | None = None) -> Sequence[tuple[str, Arrived]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM crossroads_aside WHERE $1::text IS NULL OR person = $1 ORDER BY number", person
            )
        return [
            (
                r["person"],
                Arrived(
                    Place(r["series"], r["position"]),
                    r["service"],
                    r["flow"],
                    r["ticket_cbss"],
                    r["body"],
                    r["entitled"],
                    r["late"],
                ),
            )
            for r in rows
        ]

    @asynccontextmanager
    async def taking(self, arrived: Arrived) -> AsyncIterator[Any]:
        async with self._database.connection() as connection, connection.transaction():
            done = await connection.execute(
                "DELETE FROM crossroads_aside WHERE series = $1 AND position = $2",
                arrived.place.series,
                arrived.place.position,
            )
            if done != "DELETE 1":
                raise OvertakenError(f"position {arrived.place.position} is set aside no more")
            yield connection

    @asynccontextmanager
    async def late(self) -> AsyncIterator[Any]:
        async with self._database.connection() as connection, connection.transaction():
            yield connection

    async def answer(self, connection: Any, answer: Answer) -> None:
        await connection.execute(
            "INSERT INTO crossroads_answer (ticket_cbss, kind, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            answer.ticket_cbss,
            answer.kind,
            answer.body,
        )

    async def answers(self) -> Sequence[Answer]:
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT ticket_cbss, kind, body FROM crossroads_answer")
        return [Answer(r["ticket_cbss"], r["kind"], r["body"]) for r in rows]

    async def answered(self, answer: Answer) -> None:
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM crossroads_answer WHERE ticket_cbss = $1", answer.ticket_cbss)
