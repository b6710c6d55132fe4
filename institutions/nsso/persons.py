"""Whose periods are: who was only named is identified, a number that was replaced moves what it had, and what was
refused under it is told under the one that stands. docs/declarations.md, "Whose a period is".
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from institutions.nsso import outgoing, statements
from institutions.nsso.dimona.identified import judge_identified
from institutions.nsso.employment import TELLS, Action, Employments
from institutions.nsso.moment import business
from institutions.nsso.office import PostgresOffice, put, tell
from institutions.nsso.register import Employer
from institutions.nsso.rows import Declaration, employer_of, period_of, sender_of
from institutions.nsso.submission import OfficeUnavailable
from institutions.outbox import Entry
from schemas.declarations.dimona_period import DimonaPeriod, Worker
from schemas.declarations.idflux import Replacement, idflux
from schemas.declarations.notification import notification
from schemas.declarations.number import PeriodId, ticket
from schemas.declarations.outcome import Result
from schemas.employer import NssoNumber
from schemas.errors import CrossroadsError
from schemas.message import read_head, read_mutation
from schemas.parser import parse
from schemas.process.log import logger
from schemas.ssin import Ssin

#: Moves what a number has to the one that stands: connection, both, the database's clock.
Moves = Callable[[Any, Ssin, Ssin, datetime], Awaitable[None]]

#: How often it is begun again, since a period's person changed meanwhile.
_ATTEMPTS = 10
_MOVED = "the person of this period changes too fast; try again"
_REAL = "R"
_REPLACED = "MSG00006"
#: Years that a sender is told of who worked for its employer once.
_REMEMBERED = 5


class NotIdentified(CrossroadsError):  # noqa: N818  the word callers say
    """Why a period is not identified so; the text names nobody."""


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A period whose worker was only named."""

    period: DimonaPeriod
    #: What came of the search: None, it is not over; `nobody`, `several`, `another` (one only, and of another name or
    #: day of birth), `unsearchable` (no date that can be searched by).
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Untold:
    """A mutation that the hub refused."""

    number: int
    code: str
    added: datetime
    ticket: str
    period: PeriodId
    action: str


class Persons:
    """Over an office. Raises OfficeUnavailable as that does.

    employments: what the network is told; None: nothing. moves: what else moves with a number, in the same
    transaction, with both numbers locked.
    """

    def __init__(
        self,
        office: PostgresOffice,
        employments: Employments | None,
        today: date | None = None,
        moves: Sequence[Moves] = (),
    ) -> None:
        self._office, self._employments, self._today, self._moves = office, employments, today, moves

    # --- who was only named ------------------------------------------------------------------------------------------

    async def unidentified(self) -> list[Unidentified]:
        """All there are, by id."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.UNIDENTIFIED)
        return [Unidentified(period_of(row), row["outcome"]) for row in rows]

    async def claim(self, most: int, seconds: float) -> list[DimonaPeriod]:
        """Some whose worker was not looked for yet; nobody else is given them for so long."""
        async with self._office.transaction() as connection:
            claimed = await connection.fetch(statements.CLAIM, most, timedelta(seconds=seconds))
            rows = [await connection.fetchrow(statements.PERIOD, row["period"]) for row in claimed]
        return [period_of(row) for row in rows if row is not None and row["ssin"] is None]

    async def searched(self, period: PeriodId, outcome: str) -> None:
        """It stays to be validated, and is not looked for again."""
        async with self._office.transaction() as connection:
            await connection.execute(statements.OUTCOME, period.number, outcome)

    async def identify(self, period: PeriodId, ssin: Ssin) -> Result:
        """Whose it is. The sender is told for good, and the network as of an IN. REFUSED: a rule blocks that could not
        be judged before, and the period is cancelled. Raises NotIdentified, with nothing done."""
        for _ in range(_ATTEMPTS):
            async with self._office.transaction() as connection:
                row = await connection.fetchrow(statements.PERIOD, period.number)
                if row is None:
                    raise NotIdentified("no such period: `crossroads nsso unidentified` lists those that wait")
                newest = await _newest(connection, ssin)
                await _lock(connection, row["person"], ssin.number, newest.number)
                again = await connection.fetchrow(statements.PERIOD, period.number)
                if again["person"] == row["person"] and await _newest(connection, ssin) == newest:
                    return await self._identified(connection, period_of(again), newest)
        raise OfficeUnavailable(_MOVED)

    async def _identified(self, connection: Any, period: DimonaPeriod, ssin: Ssin) -> Result:
        if period.worker.ssin is not None:
            raise NotIdentified("it is known already whose this period is")
        if period.cancelled:
            raise NotIdentified("this period was cancelled")
        now = await _now(connection)
        moment = business(now, self._today)
        since = period.span.starting_date.replace(month=1, day=1)
        rows = await connection.fetch(statements.PERIODS, [ssin.number], [], since)
        others = [one for one in map(period_of, rows) if one.environment == period.environment]
        judgement = judge_identified(period, ssin, others, moment)
        assert judgement.kept is not None  # noqa: S101 - it always keeps the period
        await put(connection, [(judgement.kept, None)], now)
        if judgement.change is not None and self._employments is not None and period.environment == _REAL:
            employer = (await _employers(connection, [period.employer])).get(period.employer)
            await tell(connection, self._employments(judgement.change, employer))
        known = await connection.fetchrow(statements.DECLARED_BY, period.id.number)
        declaration = Declaration.of_row(known)
        anomalies = (*declaration.anomalies, *judgement.anomalies)
        refused = judgement.change is None
        result = Result.REFUSED if refused else Result.WARNED if anomalies else Result.ACCEPTED
        final = replace(declaration, result=result, anomalies=anomalies, impact=None if refused else declaration.impact)
        await self._settle(connection, final, moment.received)
        return result

    async def _settle(self, connection: Any, declaration: Declaration, at: datetime) -> None:
        """What became of a declaration in the end: from now on it is told so, and its sender unasked."""
        told, stands = json.dumps([one.row for one in declaration.anomalies]), declaration.impact is not None
        await connection.execute(statements.SETTLE, declaration.ticket, declaration.result.name, told, stands)
        senders, _, _ = await _register(connection, [declaration.sender], ())
        language = sender_of(senders[0]).language if senders else "NL"
        headers: dict[str, str | int] = {"ticket": declaration.ticket}
        if declaration.file_name is None:
            headers["key"] = declaration.key
        else:
            headers |= {"file": declaration.file_name, "first": _ordinal(declaration.key), "count": 1}
        body = notification([declaration.told(language)], at)
        await outgoing.put(connection, declaration.sender, "NOTIFICATION", declaration.ticket, body, headers=headers)

    # --- numbers that are replaced ------------------------------------------------------------------------------------

    async def replaced(self, old: Ssin, new: Ssin, day: date | None = None) -> int:
        """`old` is replaced by `new` since `day` (None: it is not known, today): how many periods moved. What was
        refused under the old number is told anew. Told twice, it does nothing."""
        for _ in range(_ATTEMPTS):
            async with self._office.transaction() as connection:
                newest = await _newest(connection, new)
                if newest == old:  # of two words that contradict each other the first stands
                    return 0
                await _lock(connection, old.number, new.number, newest.number)
                if await _newest(connection, new) == newest:
                    return await self._move(connection, old, newest, day)
        raise OfficeUnavailable(_MOVED)

    async def _move(self, connection: Any, old: Ssin, newest: Ssin, day: date | None) -> int:
        now = await _now(connection)
        today = business(now, self._today).day
        await connection.execute(statements.REPLACED, old.number, newest.number, day or today)
        await connection.execute(statements.REPLACED_BEFORE, old.number, newest.number)
        periods = [period_of(row) for row in await connection.fetch(statements.PERIODS_OF, old.number)]
        moved = [replace(period, worker=Worker(newest, period.worker.said)) for period in periods]
        if moved:
            await put(connection, [(period, None) for period in moved], now)
            await self._tell_senders(connection, old, newest, day or today, moved, now)
        for move in self._moves:
            await move(connection, old, newest, now)
        if self._employments is not None:
            await self._tell_again(
                connection, await connection.fetch(statements.UNTOLD_OF, TELLS, old.digits, _REPLACED)
            )
        return len(moved)

    async def _tell_senders(
        self, connection: Any, old: Ssin, new: Ssin, day: date, periods: Iterable[DimonaPeriod], now: datetime
    ) -> None:
        """An IDFLUX for each sender with a mandate today for an employer where the person worked not long ago."""
        moment = business(now, self._today)
        since = _years_before(moment.day, _REMEMBERED)
        # By employer, what it said of the worker itself, the newest last: nobody is told what another one said.
        said: dict[NssoNumber, dict[str, str]] = {}
        for period in sorted(periods, key=lambda one: one.updated):
            ended = period.span.ending_date is not None and period.span.ending_date <= since
            if period.environment == _REAL and not period.cancelled and not ended:
                said.setdefault(period.employer, {}).update(period.worker.said)
        # A mandate for one that is no employer any more counts for nothing.
        employers = await _employers(connection, said)
        senders = await connection.fetch(statements.SENDERS_FOR, [one.digits for one in employers], moment.day)
        if not senders:
            return
        counters = (await connection.fetchrow(statements.NUMBERS, len(senders), 0))["tickets"]
        for row, counter in zip(senders, counters, strict=True):
            number, given = NssoNumber(row["employer"]), ticket(counter)
            told = Replacement(old, new, day, number, employers[number].company, said[number])
            body = idflux(told, given, moment.received)
            if body is None:
                logger().warning("a replaced number has no place in IDFLUX", sender=row["sender"], ticket=given)
                continue
            await outgoing.put(connection, row["sender"], "IDFLUX", given, body, headers={"ticket": given})

    # --- what the hub refused --------------------------------------------------------------------------------------

    async def whose(self, number: int) -> tuple[Ssin, str] | None:
        """Whom an entry of the outbox is about, and of which service."""
        async with self._office.transaction() as connection:
            row = await connection.fetchrow(statements.ENTRY, number)
        return None if row is None else (Ssin.parse(row["person"]), row["service"])

    async def untold(self) -> list[Untold]:
        """What was refused and not told anew, oldest first."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.UNTOLD, TELLS)
        return [_untold(row) for row in rows]

    async def tell_again(self, number: int) -> bool:
        """Tell anew what was refused, as the period is now. False: nothing of this number was."""
        for _ in range(_ATTEMPTS):
            async with self._office.transaction() as connection:
                rows = await connection.fetch(statements.UNTOLD_ONE, TELLS, number)
                if not rows:
                    return False
                period = _untold(rows[0]).period.number
                row = await connection.fetchrow(statements.PERIOD, period)
                await _lock(connection, row["person"])
                again = await connection.fetchrow(statements.PERIOD, period)
                if again["person"] == row["person"]:
                    return await self._tell_again(connection, rows) > 0
        raise OfficeUnavailable(_MOVED)

    async def _tell_again(self, connection: Any, rows: Iterable[Any]) -> int:
        """Their persons, as they are now, are locked."""
        entries: list[Entry] = []
        for untold in map(_untold, rows):
            if await connection.fetchval(statements.TOLD_AGAIN, untold.number) is None:
                continue
            period = period_of(await connection.fetchrow(statements.PERIOD, untold.period.number))
            employer = (await _employers(connection, [period.employer])).get(period.employer)
            assert self._employments is not None  # noqa: S101 - somebody told it
            entries.append(self._employments.entry(_action(untold.action, period), period, employer))
        await tell(connection, entries)
        return len(entries)


def _action(refused: str, period: DimonaPeriod) -> Action:
    """What a period is told as that was refused, by what became of it since."""
    if period.cancelled:
        return "CANCELLED"
    if refused == "CREATED":
        return "CREATED"
    return "STOPPED" if refused == "STOPPED" and period.span.ending_date is not None else "CHANGED"


def _untold(row: Any) -> Untold:
    root = parse(row["body"])
    says = read_mutation(root)
    return Untold(
        row["number"],
        row["code"],
        row["added"],
        read_head(root).ticket or "",
        PeriodId.parse(says.reference),
        says.action,
    )


async def _lock(connection: Any, *persons: int) -> None:
    await connection.execute(statements.LOCK, sorted(set(persons)))


async def _now(connection: Any) -> datetime:
    """The database's clock, behind the locks."""
    now: datetime = (await connection.fetchrow(statements.NUMBERS, 0, 0))["now"]
    return now


async def _newest(connection: Any, ssin: Ssin) -> Ssin:
    row = await connection.fetchrow(statements.NEWEST, [ssin.number])
    return ssin if row is None else Ssin.from_number(row["newest"])


async def _employers(connection: Any, numbers: Iterable[NssoNumber]) -> Mapping[NssoNumber, Employer]:
    _, rows, _ = await _register(connection, (), numbers)
    return {one.nsso: one for one in map(employer_of, rows)}


async def _register(connection: Any, senders: Iterable[str], employers: Iterable[NssoNumber]) -> Any:
    """Of the register, these senders and employers, and mandates."""
    numbers = [one.digits for one in employers]
    return await connection.fetchrow(statements.REGISTER, list(senders), numbers, [], [], None, None)


def _ordinal(key: str) -> int:
    """Of a form in a file, `<GO name>#<ordinal>`."""
    return int(key.rpartition("#")[2])


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)
