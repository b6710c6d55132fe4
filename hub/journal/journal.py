"""The group commit: one loop takes everything pending, commits it in one round trip, tells the waiters, begins again.

No timer: groups form by themselves under load (measured: 40 % more exchanges a second than a transaction a row).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.prepared_stmt import PreparedStatement

from hub.journal import row
from hub.journal.entry import Decision, Ended, Entry, OtherContent, Outcome, Recorded, Repeat, Summary
from hub.journal.keys import PersonKeys
from hub.liveness import Liveness
from hub.queries import QUERIES
from hub.repertory.database import is_of_the_row
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin

#: Rows' exchanges in one transaction, at most.
LARGEST_GROUP = 500
#: A connection or a commit that takes longer has failed, seconds.
_CONNECT_TIMEOUT = 5.0
_COMMIT_TIMEOUT = 5.0
#: Between two tries while the database does not take rows, seconds: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: Months whose partitions are made ahead.
MONTHS_AHEAD = 3
#: Tickets forgotten in one transaction.
_EXPIRE_BATCH = 10_000
#: InternalClientError: a connection that is used while it is being ended.
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


class JournalUnavailableError(CrossroadsError):
    """The database did not take the row in time; whether it will is not known. Nothing may leave. Write the same object
    again when `healthy` is true: it counts once."""


class JournalRefusedError(CrossroadsError):
    """The database will never take this row (text it cannot hold): a bug of who made it. The others were written."""


@dataclass(slots=True, eq=False)
class _Pending:
    """What must be committed together, and who waits for it."""

    ticket_cbss: UUID
    rows: tuple[row.Row, ...]
    done: "asyncio.Future[Recorded | Repeat | OtherContent]" = field(repr=False)


class Journal(Liveness):
    """The journal of one hub process; several processes share the database. To be used from one event loop."""

    def __init__(
        self,
        database_url: str,
        keys: PersonKeys,
        *,
        hub: str,
        timeout: float = 5.0,
        on_health: Callable[[bool], None] | None = None,
        on_group: Callable[[int], None] | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`hub` is the process's name in its rows; `timeout` how long a waiter waits, seconds. `on_health` is called at
        each change of `healthy`, `on_group` with each committed group's rows. `clock` stands in for the database's.
        """
        self._url, self._keys, self._hub, self._timeout = database_url, keys, hub, timeout
        super().__init__(on_health)
        self._on_group, self._clock = on_group, clock
        self._pending: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._statement: PreparedStatement[asyncpg.Record] | None = None
        self._loop: asyncio.Task[None] | None = None
        self._closing = False
        #: What the last failure was, for the log; never what the database said, which may quote a row.
        self.failure: str | None = None

    @property
    def keys(self) -> PersonKeys:
        """Under which it writes and finds persons."""
        return self._keys

    async def start(self) -> None:
        """Connect, make the partitions that are missing, begin. JournalUnavailableError if that cannot be done now."""
        await self.ensure_partitions()
        try:
            await self._connect()
        except _FAILURES as error:
            raise JournalUnavailableError(_unavailable(error)) from error
        self._set_healthy(True)
        self._loop = self._begin(self._run(), "journal")

    async def close(self) -> None:
        """Commit what is pending, then end. Whose row the database does not take is told so when his time is over."""
        self._closing = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
            self._loop = None
        self._disconnect()

    async def __aenter__(self) -> "Journal":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def decide(self, decision: Decision, outcome: Outcome | None = None) -> Recorded | Repeat | OtherContent:
        """Claim the ticket and commit the decision, in one transaction; with the outcome, where it is already known.

        Of any number of hubs that bring a ticket at once, one is told `Recorded`. A repeat gets a `resumed` row; the
        outcome that came with it is written (as `repeated` where there was one). OtherContent writes its own row, and
        no outcome.
        Returns when it is durable. Raises JournalUnavailableError, JournalRefusedError.
        """
        rows = [row.of_decision(decision, "decision", self._hub, self._keys)]
        if outcome is not None:
            rows.append(row.of_outcome(outcome, self._hub, decision.request_sha256))
        return await self._write(decision.ticket_cbss, rows)

    async def outcome(self, outcome: Outcome) -> None:
        """Commit what the customer is about to be told: as the ticket's one `outcome`, or `repeated` where it has one.

        Returns when it is durable. Raises JournalUnavailableError, JournalRefusedError.
        """
        await self._write(outcome.ticket_cbss, [row.of_outcome(outcome, self._hub, None)])

    async def intermediate(self, outcome: Outcome) -> None:
        """Commit that the customer is about to be told that the answer comes later; the ticket has no outcome by it.

        Returns when it is durable. Raises JournalUnavailableError, JournalRefusedError.
        """
        entry = row.of_outcome(outcome, self._hub, None)._replace(kind="intermediate")
        await self._write(outcome.ticket_cbss, [entry])

    async def outcome_in(
        self,
        connection: "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]",
        outcome: Outcome,
        at: datetime,
    ) -> None:
        """As `outcome`, in the transaction that is open on a connection of somebody's own: what else is done in it and
        this are there together or not at all. `at`: when it was told. Raises what asyncpg raises."""
        await connection.execute(QUERIES["journal_write"], uuid4(), at, [row.of_outcome(outcome, self._hub, None)])

    async def busy(self, decision: Decision) -> None:
        """Commit that the request was told a code of NO_VERDICT: the ticket stays as it was.

        Returns when it is durable. Raises JournalUnavailableError, JournalRefusedError.
        """
        await self._write(decision.ticket_cbss, [row.of_decision(decision, "busy", self._hub, self._keys)])

    async def ensure_partitions(self) -> int:
        """Make the partitions of this month and the next three; returns how many were missing. Call it once a day."""
        async with self._reading() as connection:
            now = self._now() or datetime.now(UTC)
            made: int = await connection.fetchval(QUERIES["journal_partitions"], now, MONTHS_AHEAD)
            return made

    async def expire(self) -> int:
        """Forget the tickets whose time is over, in batches; returns how many. Call it hourly; several hubs may."""
        forgotten = 0
        async with self._reading() as connection:
            for query in ("tickets_expire", "journal_groups_expire"):
                gone = _EXPIRE_BATCH
                while gone == _EXPIRE_BATCH:
                    gone = _count(await connection.execute(QUERIES[query], _EXPIRE_BATCH))
                    forgotten += gone if query == "tickets_expire" else 0
        return forgotten

    async def who(self, ssin: Ssin, *, as_user: bool = False) -> tuple[Entry, ...]:
        """The rows of requests about this person, oldest first; or of those that he made himself as an end user.

        They are found under every key that this journal was given, and under no other.
        """
        async with self._reading() as connection:
            role = "user" if as_user else "asked"
            records = await connection.fetch(QUERIES["journal_who"], self._keys.hashes(ssin), role)
            return tuple(map(row.entry, records))

    async def acts(self, most: int) -> tuple[Entry, ...]:
        """What operators looked at and did, at most the newest `most`, oldest first."""
        async with self._reading() as connection:
            records = await connection.fetch(QUERIES["journal_acts"], most)
            return tuple(map(row.entry, reversed(records)))

    async def lately(
        self,
        most: int,
        since: datetime,
        *,
        code: str | None = None,
        service: str | None = None,
        asker: Address | None = None,
        supplier: Address | None = None,
    ) -> tuple[Ended, ...]:
        """What was told since then, at most the newest `most`, oldest first. `service`: `Name/version`, or a name;
        `asker`: who sent it, or for whom; `supplier`: who was asked. Nothing of what operators looked at."""
        parts = (
            code,
            service,
            None if asker is None else str(asker),
            None if supplier is None else str(supplier),
        )
        async with self._reading() as connection:
            records = await connection.fetch(QUERIES["journal_lately"], since, *parts, most)
            return tuple(map(row.ended, reversed(records)))

    async def exchange(self, ticket_cbss: UUID) -> tuple[Entry, ...]:
        """All rows of one exchange, in the order in which they were written."""
        async with self._reading() as connection:
            return tuple(map(row.entry, await connection.fetch(QUERIES["journal_ticket_rows"], ticket_cbss)))

    async def summary(self, since: datetime | None = None) -> Summary:
        """The rows written since then, counted."""
        begin = since or _BEGINNING
        async with self._reading() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            kinds = await connection.fetch(QUERIES["journal_kinds"], begin)
            outcomes = await connection.fetch(QUERIES["journal_outcomes"], begin)
            uneven = await connection.fetchrow(QUERIES["journal_uneven"], begin)
        assert uneven is not None  # noqa: S101 - an aggregate always gives a row
        return Summary(
            {r["kind"]: r["rows"] for r in kinds},
            {(r["service"], r["value"], r["code"]): r["rows"] for r in outcomes},
            uneven["without_outcome"],
            uneven["decided_twice"],
            uneven["told_twice"],
        )

    async def _write(self, ticket_cbss: UUID, rows: Sequence[row.Row]) -> Recorded | Repeat | OtherContent:
        if self._closing or self._loop is None:
            raise JournalUnavailableError("the journal is closed: start it, and write before closing it")
        pending = _Pending(ticket_cbss, tuple(rows), asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        self._wake.set()
        try:
            async with asyncio.timeout(self._timeout):
                return await pending.done
        except TimeoutError as error:
            text = f"the journal was not written within {self._timeout:g} s; write the same again when it is healthy"
            raise JournalUnavailableError(text) from error

    async def _run(self) -> None:
        while self._pending or not self._closing:
            if not self._pending:
                self._wake.clear()
                # Nobody brings rows while the journal is not healthy: an empty group finds out when it is again.
                pause = None if self._healthy else _LONGEST_PAUSE
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                if self._closing and not self._pending:
                    return
            await self._commit(self._take())

    def _take(self) -> list[_Pending]:
        """The next group: no ticket stands in it twice, so that who comes second sees what the first did."""
        group: list[_Pending] = []
        later: list[_Pending] = []
        tickets: set[UUID] = set()
        while self._pending and len(group) < LARGEST_GROUP:
            pending = self._pending.popleft()
            if pending.done.done():  # its waiter has gone
                continue
            (later if pending.ticket_cbss in tickets else group).append(pending)
            tickets.add(pending.ticket_cbss)
        self._pending.extendleft(reversed(later))
        return group

    async def _commit(self, group: list[_Pending]) -> None:
        """Commit a group, however often it takes. Its id tells the database whether it did so already."""
        identity, pause, waited = uuid4(), _FIRST_PAUSE, bool(group)
        while True:
            group = [pending for pending in group if not pending.done.done()]
            if waited and not group:
                return
            try:
                results = await self._send(identity, group)
            except asyncpg.TransactionRollbackError:  # two hubs waited for each other: nothing failed
                continue
            except _FAILURES as error:
                if is_of_the_row(error):
                    await self._apart(group, error)
                    return
                failure: Exception = error
                if isinstance(error, asyncpg.CheckViolationError):  # no partition for the row
                    with contextlib.suppress(JournalUnavailableError):
                        await self.ensure_partitions()
            except ValueError as error:  # UnicodeEncodeError among them
                await self._apart(group, error)
                return
            else:
                self._set_healthy(True)
                for pending, result in zip(group, results, strict=True):
                    if not pending.done.done():
                        pending.done.set_result(result)
                if self._on_group is not None and group:
                    self._on_group(sum(len(pending.rows) for pending in group))
                return
            self._failed(failure)
            if not group:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _send(self, identity: UUID, group: Sequence[_Pending]) -> list[Recorded | Repeat | OtherContent]:
        rows = [entry for pending in group for entry in pending.rows]
        async with asyncio.timeout(_CONNECT_TIMEOUT + _COMMIT_TIMEOUT):
            statement = self._statement if self._statement is not None else await self._connect()
            records = await statement.fetch(identity, self._now(), rows, timeout=_COMMIT_TIMEOUT)
        verdicts = {record["place"] - 1: row.verdict(record) for record in records}
        results: list[Recorded | Repeat | OtherContent] = []
        place = 0
        for pending in group:
            results.append(verdicts.get(place, Recorded()))
            place += len(pending.rows)
        return results

    async def _apart(self, group: Sequence[_Pending], error: Exception) -> None:
        """Find the row that the database will not take: the others must not suffer for it."""
        if len(group) > 1:
            for pending in group:
                await self._commit([pending])
            return
        for pending in group:
            if not pending.done.done():
                # The database's own text may quote the row.
                text = f"the journal does not take this row: {type(error).__name__}"
                pending.done.set_exception(JournalRefusedError(text))

    def _failed(self, failure: Exception) -> None:
        self.failure = type(failure).__name__
        self._set_healthy(False)
        self._disconnect()

    async def _connect(self) -> "PreparedStatement[asyncpg.Record]":
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_TIMEOUT,
            server_settings={"application_name": f"{self._hub} journal", "synchronous_commit": "on"},
        )
        connection.add_termination_listener(self._lost)
        self._connection = connection
        self._statement = await connection.prepare(QUERIES["journal_write"], timeout=_CONNECT_TIMEOUT)
        return self._statement

    def _lost(self, connection: object) -> None:
        """The connection ended, perhaps while nobody wrote: what is taken in meanwhile could not be journalled."""
        if connection is self._connection:
            self._connection = self._statement = None
            self._set_healthy(False)
            self._wake.set()

    def _disconnect(self) -> None:
        connection, self._connection, self._statement = self._connection, None, None
        if connection is not None:
            connection.terminate()

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()

    @contextlib.asynccontextmanager
    async def _reading(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection of its own, so that reading never holds up a commit."""
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                self._url, timeout=_CONNECT_TIMEOUT, server_settings={"application_name": f"{self._hub} journal reader"}
            )
        except _FAILURES as error:
            raise JournalUnavailableError(_unavailable(error)) from error
        try:
            yield connection
        except _FAILURES as error:
            raise JournalUnavailableError(_unavailable(error)) from error
        finally:
            connection.terminate()


def _unavailable(error: BaseException) -> str:
    return f"the journal's database does not answer as it should ({type(error).__name__}): is it up, and migrated?"


def _count(status: str) -> int:
    """Rows of a command tag, as in `DELETE 3`."""
    return int(status.rpartition(" ")[2])
