"""The NSSO's office: forms judged in groups, each as if it had come alone, and kept in one transaction.

docs/declarations.md, "A form, exactly".
"""

import asyncio
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from institutions.nsso import loading, statements
from institutions.nsso.clerk import Case, Clerk, Decided
from institutions.nsso.clerks import CLERKS
from institutions.nsso.dimona.dimona import Change
from institutions.nsso.group import Group, world_of
from institutions.nsso.loading import Unknown
from institutions.nsso.moment import business
from institutions.nsso.reading_form import Read, read
from institutions.nsso.register import Employer, Register, Sender
from institutions.nsso.rows import (
    DECLARATION_COLUMNS,
    PERIOD_COLUMNS,
    PERIOD_KNOWN,
    period_of,
    period_row,
    sender_of,
)
from institutions.nsso.submission import Handled, OfficeUnavailable, Submission, Within
from institutions.nsso.working_days import next_working_day
from institutions.outbox import Entry
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.declarations.forms import Forms
from schemas.declarations.notification import MOST_ANOMALIES
from schemas.declarations.outcome import Result
from schemas.errors import CrossroadsError
from schemas.process import migrating
from schemas.process.log import logger, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: What the network is told of a change of a period, and whose employee it is; within the transaction that makes it.
Tell = Callable[[Change, Employer | None], Sequence[Entry]]

#: Two are held for the locks of files and of telling.
_CONNECTIONS = (1, 12)
#: Seconds for a statement.
_TIMEOUT = 30.0
#: When the database ends the session of a process that it does not hear of any more, and with it the locks of files and
#: of telling: within a minute, not the two hours of the operating system.
_LOST = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
#: How often a group is begun again, since a period's person, or its days, changed meanwhile.
_ATTEMPTS = 10
_SIMULATED = "S"
#: Forms after which others of the process have their turn.
_TURN = 16
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    # It is there and lets nobody in, or nobody write: no form's fault.
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class HandlingFailed(CrossroadsError):  # noqa: N818  the word callers say
    """A bug was met in one of the forms; nothing of all was kept. It says where, and names no data."""


class _Moved(Exception):  # noqa: N818  what happened
    """A period is another person's now, or begins earlier; or a number that a form names was replaced."""

    def __init__(self, newer: Mapping[int, int] | None = None) -> None:
        super().__init__()
        #: Old numbers and the newest, where that is why.
        self.newer = newer


def tells_nobody(_: Change, __: Employer | None) -> Sequence[Entry]:
    """No one in the network is told."""
    return ()


async def migrate(database_url: str) -> None:
    """See `schemas.process.migrating.migrate`."""
    await migrating.migrate(database_url, Path(__file__).parent / "migrations")


class PostgresOffice:
    """An `Office` on a PostgreSQL database that was migrated. Any number of them, in any number of processes, may work
    on one."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        forms: Forms,
        today: date | None = None,
        tell: Tell = tells_nobody,
        clerks: Mapping[str, Clerk] = CLERKS,
    ) -> None:
        self._pool, self._forms, self._today, self._tell, self._clerks = pool, forms, today, tell, clerks
        #: Called behind each commit that may have put something into the outbox.
        self.committed: Callable[[], None] = lambda: None

    @classmethod
    async def connect(
        cls,
        database_url: str,
        *,
        forms: Forms | None = None,
        today: date | None = None,
        tell: Tell = tells_nobody,
        clerks: Mapping[str, Clerk] = CLERKS,
    ) -> Self:
        """`today`: the business day, instead of the clock's. What `tell` gives is put into `crossroads_outbox`, which
        is there where the library's outbox was opened on this database. `clerks`: who handles a form that is handled
        alone. Raises what asyncpg raises."""
        least, most = _CONNECTIONS
        pool = await asyncpg.create_pool(
            database_url, min_size=least, max_size=most, command_timeout=_TIMEOUT, server_settings=_LOST
        )
        # What knows the holidays takes half a second to import: not while the first sender waits.
        await asyncio.to_thread(next_working_day, date.today() if today is None else today)  # noqa: DTZ011
        return cls(pool, forms if forms is not None else Forms.from_environment(), today, tell, clerks)

    async def close(self) -> None:
        """End all connections."""
        self._pool.terminate()

    async def handle(self, submissions: Sequence[Submission], *, within: Within | None = None) -> list[Handled]:
        """See `Office.handle`. Raises OfficeUnavailable and HandlingFailed."""
        if not submissions:
            return []
        async with _named():
            found: list[Read] = []
            for number, submission in enumerate(submissions):
                if number % _TURN == _TURN - 1:
                    await asyncio.sleep(0)
                found.append(read(submission, self._forms, self._clerks))
            handled: list[Handled] = []
            for part in self._parts(found):
                handled += await self._committed(part, within, len(handled) + len(part))
            return handled

    def _parts(self, found: Sequence[Read]) -> Iterator[Sequence[Read]]:
        """In order: as many as may be committed together, and each that is handled alone."""
        for alone, together in groupby(found, lambda one: one.kind in self._clerks):
            part = list(together)
            yield from ([one] for one in part) if alone else (part,)

    async def _committed(self, part: Sequence[Read], within: Within | None, done: int) -> list[Handled]:
        newer: Mapping[int, int] = {}
        for _ in range(_ATTEMPTS):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    if part[0].kind in self._clerks:
                        handled = [await self._alone(connection, part[0])]
                    else:
                        handled = await self._group(connection, part, newer)
                    if within is not None:
                        await within(connection, done)
            except _Moved as moved:
                newer = newer if moved.newer is None else moved.newer
            else:
                self.committed()
                return handled
        raise OfficeUnavailable("the periods that are named change too fast; hand the forms in again")

    async def _alone(self, connection: Any, found: Read) -> Handled:
        group = Group(self._today)
        group.take([found])
        await connection.execute(statements.LOCK, group.key_locks)
        clock = await self._numbered(connection, group)
        await self._register(connection, group)
        given = group.next_ticket()
        handled = group.answered(found, given)
        if handled is None:
            decided = await self._decided(connection, found, group.sender(found), given, clock)
            # More than can be told: what refuses it is among what is told.
            first = sorted(decided.anomalies, key=lambda one: not one.blocks)[:MOST_ANOMALIES]
            told_of = first if len(decided.anomalies) > MOST_ANOMALIES else decided.anomalies
            placed = [found.placed(one) for one in told_of]
            handled = group.decided(found, given, decided.result, placed, None, decided.diagnosis)
        await self._write(connection, group, clock)
        return handled

    async def _decided(self, connection: Any, found: Read, sender: Sender, given: str, clock: datetime) -> Decided:
        """What its clerk makes of it; what a refused or a simulated form wrote is taken back."""
        moment, now = business(found.submission.received, self._today), business(clock, self._today)
        case = Case(connection, found, sender, moment, now, given, world_of(found))
        writing = connection.transaction()
        await writing.start()
        try:
            decided = await self._clerks[found.kind].handle(case)
        except BaseException:
            await writing.rollback()
            raise
        if decided.result is Result.REFUSED or found.submission.environment == _SIMULATED:
            await writing.rollback()
        else:
            await writing.commit()
        return decided

    async def _numbered(self, connection: Any, group: Group) -> datetime:
        """Behind the locks: the clock of what is written, numbers, and what came before under these keys."""
        numbers = await connection.fetchrow(statements.NUMBERS, group.tickets_wanted, group.periods_wanted)
        group.number(business(numbers["now"], self._today).received, numbers["tickets"], numbers["periods"])
        keys = list(zip(*group.keys, strict=True)) or [(), (), ()]
        group.known(await connection.fetch(statements.DECLARATIONS, *keys) if group.keys else ())
        clock: datetime = numbers["now"]
        return clock

    async def _group(self, connection: Any, found: Sequence[Read], newer: Mapping[int, int]) -> list[Handled]:
        """`newer`: of numbers that the forms name and that were replaced, the newest; as far as is known."""
        group, named = Group(self._today), [one.number for one in found if one.number is not None]
        found = [one.under(newer) for one in found]
        group.take(found)
        whose = await _fetch(connection, statements.WHOSE, group.period_ids)
        persons, since = {*group.persons, *(row["person"] for row in whose)}, group.since(whose)
        await connection.execute(statements.LOCK, sorted({*group.key_locks, *persons, *newer}))
        replaced = {row["old"]: row["newest"] for row in await _fetch(connection, statements.NEWEST, named)}
        if replaced != newer:
            raise _Moved(replaced)
        clock = await self._numbered(connection, group)
        if persons or group.period_ids:
            rows = await connection.fetch(statements.PERIODS, list(persons), group.period_ids, since)
            if not persons.issuperset(row["person"] for row in rows) or group.since(rows) < since:
                raise _Moved
            group.situated(rows)
            if (file := group.simulated_file) is not None:
                # What the file did before stands in front of what is real.
                group.situated(await connection.fetch(statements.SIMULATED, *file, list(persons), group.period_ids))
        await self._register(connection, group)
        handled: list[Handled] = []
        for number, one in enumerate(found):
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            if group.asks_for_workers(one):
                # The list has what the forms before it did.
                await self._write(connection, group, clock)
                rows = await connection.fetch(statements.WORKERS, *group.workers_wanted(one))
                handled.append(group.workers(one, rows))
            else:
                handled.append(group.judge(one))
        await self._write(connection, group, clock)
        return handled

    async def _register(self, connection: Any, group: Group) -> None:
        register = await connection.fetchrow(
            statements.REGISTER, group.senders, *group.employers_wanted, group.unnamed, *group.days
        )
        group.registered(*register)

    async def _write(self, connection: Any, group: Group, now: datetime) -> None:
        """What the forms up to here did; then there is nothing more to write."""
        declarations, periods, changes = group.taken_out()
        if declarations:
            await connection.copy_records_to_table(
                "declaration", records=[one.row for one in declarations], columns=DECLARATION_COLUMNS
            )
        if periods:
            await put(connection, periods, now)
        if (simulated := group.simulated_out()) and (file := group.simulated_file) is not None:
            rows = [(*period_row(period), *file) for period in simulated]
            await connection.execute(statements.NOT_SIMULATED, *file, [row[0] for row in rows])
            await connection.copy_records_to_table(
                "simulated", records=rows, columns=(*PERIOD_COLUMNS, "sender", "file")
            )
        entries: list[Entry] = []
        for number, change in enumerate(changes):
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            entries += self._tell(change, group.employer_of(change))
        await tell(connection, entries)

    async def load(self, register: Register, source: str) -> None:
        """Replaces what came from `source`, in one transaction. Raises RegisterError and OfficeUnavailable."""
        await self.load_all({source: register})

    async def load_all(self, files: Mapping[str, Register]) -> list[Unknown]:
        """As `load`, several sources in one transaction. Gives who has mandates and is in no source."""
        async with _named(), self._pool.acquire() as connection, connection.transaction():
            return await loading.load(connection, files)

    async def senders(self) -> list[Sender]:
        """All there are and ever were, by number; who is in the register no more as inactive. Raises
        OfficeUnavailable."""
        async with _named():
            return [sender_of(row) for row in await self._pool.fetch(statements.ALL_SENDERS)]

    async def lock(self, period_id: int, *, locked: bool = True) -> bool:
        """An agent of the NSSO keeps the employer from touching a period, or lets it again. False: there is no such
        period. Raises OfficeUnavailable."""
        return await self._mark(period_id, lambda period: replace(period, locked=locked))

    async def block(self, period_id: int, *, blocked: bool = True) -> bool:
        """A period has a blocking anomaly, found later, or has it no more. As `lock`."""
        return await self._mark(period_id, lambda period: replace(period, blocked=blocked))

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[Any]":
        """A transaction on the office's database. Raises OfficeUnavailable, and a bug in it as HandlingFailed."""
        async with _named():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
            self.committed()

    @asynccontextmanager
    async def session(self) -> "AsyncIterator[Any]":
        """A connection to hold, for locks of a session's length. Raises as `transaction`."""
        async with _named(), self._pool.acquire() as connection:
            yield connection

    @property
    def forms(self) -> Forms:
        """The forms it knows."""
        return self._forms

    async def _mark(self, period_id: int, change: Callable[[DimonaPeriod], DimonaPeriod]) -> bool:
        async with _named():
            for _ in range(_ATTEMPTS):
                async with self._pool.acquire() as connection, connection.transaction():
                    row = await connection.fetchrow(statements.PERIOD, period_id)
                    if row is None:
                        return False
                    await connection.execute(statements.LOCK, [row["person"]])
                    again = await connection.fetchrow(statements.PERIOD, period_id)
                    if again is None or again["person"] != row["person"]:
                        continue
                    now = await connection.fetchval(statements.NUMBERS, 0, 0)
                    await put(connection, [(change(period_of(again)), None)], now)
                    return True
        raise OfficeUnavailable("the person of this period changes too fast; try again")


async def put(connection: Any, periods: Iterable[tuple[DimonaPeriod, str | None]], now: datetime) -> None:
    """New versions of periods, each with the ticket of the declaration that made it."""
    rows = [(*period_row(period), ticket, now) for period, ticket in periods]
    await connection.execute(statements.CLOSE, [row[0] for row in rows], now)
    await connection.copy_records_to_table("period", records=rows, columns=(*PERIOD_COLUMNS, *PERIOD_KNOWN))


async def _fetch(connection: Any, statement: str, numbers: list[int]) -> Sequence[Any]:
    found: Sequence[Any] = await connection.fetch(statement, numbers) if numbers else ()
    return found


async def tell(connection: Any, entries: Sequence[Entry]) -> None:
    """Put them into the outbox, in this order. Their persons are locked until the transaction ends."""
    if entries:
        columns = zip(*((one.person, one.ticket, one.service, one.body) for one in entries), strict=True)
        await connection.execute(statements.TELL, *map(list, columns))


@asynccontextmanager
async def _named() -> "AsyncIterator[None]":
    """Texts of the database, and of a bug, repeat what somebody sent: what goes out of here does not."""
    try:
        yield
    except (CrossroadsError, _Moved):
        raise
    except Exception as error:  # noqa: BLE001 - it goes on as what names no data
        if isinstance(error, _AWAY) and not isinstance(error, ValueError):  # asyncpg.DataError: a value of ours
            raise OfficeUnavailable(f"the NSSO's database does not answer: {type(error).__name__}") from None
        # Who logs the error below tells where it was raised: here. Where the bug is stands in this line alone.
        logger().error("a form's handling failed", **told(error))
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise HandlingFailed(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}") from None
