"""The plan handed in over the real broker: 12-0 on each business day, a hub, two senders, who is told."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from time import monotonic, process_time
from uuid import UUID

import asyncpg
import pytest

from institutions import Institution, MemoryInbox, Word
from institutions.nsso.nsso import Nsso
from institutions.payroll import ListRefused, Notification, Pids, Worker, read_pids
from institutions.payroll import Sender as Payroll
from institutions.payroll.answers import Told as Unasked
from institutions.reference.network import NSSO
from schemas.declarations.dimona_period import Span
from schemas.declarations.number import PeriodId
from schemas.declarations.outcome import Result
from schemas.declarations.writing import opening
from schemas.period import Period, today
from tests.institutions.nsso.network import Declared
from tests.institutions.payroll.ground import SENDERS as PARTIES
from tests.institutions.payroll.ground import SIGNER, A
from tests.trials.declarations.oracle import Ledger, Told
from tests.trials.declarations.plan import PERIOD, SENDERS, Life, Plan, Step

#: Lives of which a form is on its way, at a time.
IN_FLIGHT = 100
#: Seconds that a form may take.
PATIENCE = 120.0
#: Seconds between two lines of progress.
_PROGRESS = 10.0
#: Who is told of work: of whom it knows by this quality.
ENTITLED = {"5-0": 1, "7-0": 101}
#: Has no row of its own.
STRANGER = "16-0"


class Stages:
    """Says what is being done, how far it is, and how long it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._began = say, monotonic()
        self._stage = self._since = self._began
        self._cpu = process_time()

    def done(self, what: str) -> None:
        now, cpu = monotonic(), process_time()
        self._say(f"{now - self._began:7.1f} s  {what} ({now - self._stage:.1f} s, {cpu - self._cpu:.1f} s CPU here)")
        self._stage, self._cpu = now, cpu

    def progress(self, what: str) -> None:
        """Now and then."""
        if monotonic() - self._since >= _PROGRESS:
            self._since = monotonic()
            self._say(f"{self._since - self._began:7.1f} s    {what}")


@dataclass
class Entitled:
    """An institution that is told of work; what it applied, by person, in its order."""

    address: str
    applied: defaultdict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    async def take(self, word: Word) -> None:
        begins = word.day("employment/startingDate")
        assert begins is not None
        told = Told(word.says.action, word.says.reference, begins, word.day("employment/endingDate"))
        self.applied[word.ssin.digits].append(told)
        self.count += 1


class Inbox:
    """What the NSSO tells a sender unasked: identifiers, by the ticket of what was declared."""

    def __init__(self) -> None:
        self._came: dict[str, Pids] = {}
        self._more = asyncio.Event()
        self.count = 0

    async def take(self, told: Unasked) -> None:
        pids = read_pids(told.body)
        known = self._came.get(pids.ticket)
        self._came[pids.ticket] = pids if known is None else known.with_part(pids)
        self.count += 1
        self._more.set()
        self._more = asyncio.Event()

    async def of(self, ticket: str) -> Pids:
        async with asyncio.timeout(PATIENCE):
            while ticket not in self._came:
                await self._more.wait()
        return self._came[ticket]


class Year:
    """One run. What differs from the plan is counted in `wrong`, by what the form was there for: no person stands in
    it."""

    def __init__(self, world: Declared, plan: Plan, stages: Stages) -> None:
        self.world, self.plan, self.stages = world, plan, stages
        self.ledger = Ledger(plan.months[0] - timedelta(days=31), max(plan.months[-1], today()) + timedelta(days=45))
        self.wrong: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.handed_in = 0
        #: Errors that were planted in DmfAs.
        self.planted: frozenset[str] = frozenset()
        self._periods: dict[tuple[int, int], str] = {}
        self._answers: dict[tuple[int, int], Notification] = {}
        self._places = [0] * len(plan.lives)
        self.entitled = {address: Entitled(address) for address in (*ENTITLED, STRANGER)}
        #: Who knows whom, by life.
        self.knows: dict[str, set[int]] = defaultdict(set)
        self.inboxes = {number: Inbox() for number in SENDERS}
        self._stack = AsyncExitStack()
        self._senders: dict[str, Payroll] = {}

    def sender(self, number: str) -> Payroll:
        """One of the two, by its number."""
        return self._senders[number]

    # --- around it -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "Year":
        await self.world.nsso.office.load(self.plan.register, "trial")
        await self._integrate()
        for address, one in self.entitled.items():
            me: Institution = self.world.institution(
                address, timeout=PATIENCE, report=lambda _: None, inbox=MemoryInbox()
            )
            me.receives("DimonaMutation/1")(one.take)
            await self._stack.enter_async_context(me)
        for party in PARTIES:
            if party.number in SENDERS:
                sender = self._listening(party.number)
                self._senders[party.number] = await self._stack.enter_async_context(sender)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def _listening(self, number: str) -> Payroll:
        sender = self.world.sender(number)
        sender.receives("DmfAPID")(self.inboxes[number].take)
        return sender

    async def _integrate(self) -> None:
        """Some are known to the one, some to the other, some to both, some to nobody; some were known long ago."""
        drawn, rows = Random(len(self.plan.everybody)), []
        for life in self.plan.everybody:
            for address, quality in ENTITLED.items():
                if (draw := drawn.random()) < 0.5:
                    sector, kind = map(int, address.split("-"))
                    end = None if draw < 0.4 else date(2020, 12, 31)
                    rows.append((life.ssin.number, sector, kind, quality, date(2000, 1, 1), end))
                    if end is None:
                        self.knows[address].add(life.number)
        connection = await asyncpg.connect(self.world.database_url)
        try:
            await connection.executemany(
                "INSERT INTO person (ssin, sector, type, quality, valid_from, valid_to, known_from)"
                " VALUES ($1, $2, $3, $4, $5, $6, now())",
                rows,
            )
        finally:
            await connection.close()

    # --- the year ------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Every form, on its business day."""
        for month, day in enumerate(self.plan.months):
            await self.business_day(day)
            waiting = [life for life in self.plan.lives if self._next(life, month)]
            workers = [asyncio.create_task(self._take(waiting, month)) for _ in range(IN_FLIGHT)]
            await asyncio.gather(*workers)
        self.stages.done(f"{self.handed_in:,} forms of {len(self.plan.lives):,} workers handed in on line")

    async def business_day(self, day: date | None) -> None:
        """12-0 again, with this day; None: the clock's."""
        running = self.world._running.pop()
        await running.__aexit__(None, None, None)
        nsso = Nsso(
            NSSO, (self.world.url("12-0"),), (self.world.url("12-0", self.world._senders_vhost),), self.world.nsso_url,
            catalogue=self.world.catalogue, patient=True, report=lambda _: None, today=day,
        )  # fmt: skip
        await nsso.__aenter__()
        self.world._running.append(nsso)
        await nsso.supplying()
        self.world.nsso = nsso

    def _next(self, life: Life, month: int) -> Step | None:
        place = self._places[life.number]
        step = life.steps[place] if place < len(life.steps) else None
        return step if step is not None and step.month == month else None

    async def _take(self, waiting: list[Life], month: int) -> None:
        while waiting:
            life = waiting.pop()
            while (step := self._next(life, month)) is not None:
                await self._step(life, self._places[life.number], step)
                self._places[life.number] += 1
                rate = self.handed_in / max(1.0, monotonic() - self.stages._began)
                self.stages.progress(f"{self.handed_in:,} of {self.plan.forms:,} forms, {rate:.0f} a second")

    async def _step(self, life: Life, place: int, step: Step) -> None:
        period = "" if step.period is None else self._periods.get((life.number, step.period), "")
        if not step.is_form:
            office, number = self.world.nsso.office, PeriodId.parse(period).number
            if step.kind.endswith("lock") and "block" not in step.kind:
                assert await office.lock(number, locked=step.kind == "lock")
            else:
                assert await office.block(number, blocked=step.kind == "block")
            return
        body = step.body.replace(PERIOD.encode(), period.encode())
        key = _key(life, place if step.key_of is None else step.key_of)
        told = await self._senders[step.sender].declare(body, key=key, environment=step.environment, timeout=PATIENCE)
        self.handed_in += 1
        self._judge(life, place, step, told)

    def _judge(self, life: Life, place: int, step: Step, told: Notification) -> None:
        ids = tuple(sorted(one.error_id for one in told.anomalies))
        self._answers[life.number, place] = told
        if step.again:
            first = self._answers[life.number, step.key_of]  # type: ignore[index]
            self._unless(told.xml == first.xml, step, "not told what was told before")
            return
        self._told(life, step, ids, told.result, told.period_id, told.after)

    def _told(
        self, life: Life, step: Step, ids: tuple[str, ...], result: Result, period_id: str | None, after: Span | None
    ) -> None:
        self._unless(ids == step.told, step, f"told {', '.join(ids) or 'nothing'}, not {', '.join(step.told) or 'any'}")
        wanted = _result(step)
        self._unless(result is wanted, step, f"{result.name}, not {wanted.name}")
        self.found.update(ids)
        if step.after is None:
            self._unless(step.environment != "R" or after is None, step, "a period after what changes nothing")
            return
        if period_id is None:
            self._unless(False, step, "no period")
            return
        assert step.period is not None
        self._periods[life.number, step.period] = period_id
        self.ledger.done(life, step, period_id)
        if not step.after.cancelled:
            days = None if after is None else (after.starting_date, after.ending_date)
            self._unless(days == (step.after.begins, step.after.ends), step, "other days after it")
        else:
            self._unless(after is None, step, "a period after its end")

    def _unless(self, right: bool, step: Step, what: str) -> None:
        if not right:
            self.wrong[f"{step.what} ({step.kind}): {what}"] += 1

    async def by_file(self, folder: Path) -> None:
        """What a sender hands in as one file, signed: every form in its order. The senders listen no more."""
        await self.business_day(None)  # by the clock its name is made
        await self._senders[A].close()
        forms = [(life, step) for life in self.plan.in_file for step in life.steps]
        file = folder / "forms.xml"
        bodies = [step.body[step.body.index(b"<Form>") : step.body.index(b"</Dimona>")] for _, step in forms]
        file.write_bytes(f"{opening('Dimona_20231')}\n".encode() + b"".join(bodies) + b"</Dimona>\n")
        report = await self.world.sender(A, box=folder / "box").publish(file, signer=SIGNER, patience=PATIENCE)
        assert report.errors == ()
        outcomes = list(report.outcomes())
        for (life, step), outcome in zip(forms, outcomes, strict=True):
            ids = tuple(sorted(one.error_id for one in outcome.anomalies))
            self._told(life, step, ids, outcome.result or Result.REFUSED, outcome.period_id, outcome.after)
        self.stages.done(
            f"{len(outcomes):,} forms in a file, {report.not_sent} of them refused by the publisher,"
            f" {report.refused} by the NSSO"
        )
        self._senders[A] = await self._stack.enter_async_context(self._listening(A))

    # --- what must be so now ----------------------------------------------------------------------------------------

    async def lists(self) -> int:
        """Asks for the list of every employer, of all days at once and of some days alone; how many lists."""
        await self.business_day(None)  # who asks for a list dates the question by the clock
        expected, days, asked = self.ledger.lists(), self._days(), 0
        drawn = Random(5)
        for company in self.plan.companies:
            sender = self._senders[company.senders[0]]
            whole = await sender.workers(company.nsso, Period(days[0], days[-1]), timeout=PATIENCE)
            asked += 1
            for worker in whole:
                self._same_as_declared(worker)
            for day in days:
                there = {one.period_id for one in whole if _holds(one, day)}
                if there != expected.get((company.nsso, day), set()):
                    self.wrong["a list of an employer differs from the oracle on a day"] += 1
            for day in drawn.sample(days, 3):
                alone = {one.period_id for one in await sender.workers(company.nsso, day, timeout=PATIENCE)}
                asked += 1
                if alone != expected.get((company.nsso, day), set()):
                    self.wrong["a list of a day differs from the oracle"] += 1
            for number in set(SENDERS) - set(company.senders):
                with pytest.raises(ListRefused, match="90256-155"):
                    await self._senders[number].workers(company.nsso, day, timeout=PATIENCE)
            self.stages.progress(f"{asked:,} lists asked for")
        self.stages.done(f"{asked:,} lists of {len(self.plan.companies)} employers, each day equal to the oracle's")
        return asked

    def _same_as_declared(self, worker: Worker) -> None:
        found = self.ledger.works.get(worker.period_id)
        if found is None:
            self.wrong["a period in a list that nobody declared"] += 1
            return
        life, work = found
        ssin = None if work.named else self.plan.everybody[life].ssin.digits
        said = (worker.ssin, worker.span.starting_date, worker.span.ending_date, worker.worker_type, worker.late)
        if said != (ssin, work.begins, work.ends, work.worker_type, work.late):
            self.wrong[f"a period in a list is another than declared ({work.worker_type})"] += 1

    def _days(self) -> Sequence[date]:
        count = (self.ledger.last - self.ledger.first).days + 1
        return [self.ledger.first + timedelta(days=n) for n in range(count)]

    async def mutations(self) -> int:
        """Waits until all is told and applied; how many were applied."""
        wanted = {
            address: sum(len(self.ledger.told[life]) for life in self.knows[address]) for address in self.entitled
        }
        total = sum(map(len, self.ledger.told.values()))
        async with asyncio.timeout(60 + total / 20):
            while (untold := await self.world.untold()) or any(
                one.count < wanted[address] for address, one in self.entitled.items()
            ):
                counts = ", ".join(f"{a} {one.count:,} of {wanted[a]:,}" for a, one in self.entitled.items())
                self.stages.progress(f"{untold:,} of {total:,} mutations without a verdict; applied: {counts}")
                await asyncio.sleep(0.1)
        for address, one in self.entitled.items():
            for life in self.plan.everybody:
                told = self.ledger.told[life.number] if life.number in self.knows[address] else []
                if one.applied.get(life.ssin.digits, []) != told:
                    self.wrong[f"{address} applied other mutations of somebody than were declared"] += 1
            if one.count != wanted[address]:
                self.wrong[f"{address} applied {one.count - wanted[address]} mutations too many"] += 1
        applied = sum(one.count for one in self.entitled.values())
        self.stages.done(f"{total:,} mutations told, {applied:,} applied by who is entitled, each once, in order")
        return applied

    async def rows(self) -> int:
        """The hub knows every worker for 12-0 on the days of the oracle; how many rows there are."""
        rows = await self.world.fetch(
            "SELECT ssin, valid_from, valid_to FROM person WHERE sector = $1 AND type = $2 AND quality = 30"
            " AND known_to = 'infinity'",
            NSSO.sector, NSSO.type,
        )  # fmt: skip
        there: defaultdict[int, set[date]] = defaultdict(set)
        days = self._days()
        for row in rows:
            there[row["ssin"]].update(
                day for day in days if row["valid_from"] <= day and (row["valid_to"] is None or day <= row["valid_to"])
            )
        known = self.ledger.known()
        for life in self.plan.everybody:
            if there[life.ssin.number] != known.get(life.number, set()):
                self.wrong["the hub knows a worker on other days"] += 1
        self.stages.done(f"{len(rows):,} rows of quality 30 at the hub, day by day those of the oracle")
        return len(rows)


def _holds(worker: Worker, day: date) -> bool:
    span = worker.span
    return span.starting_date <= day and (span.ending_date is None or day <= span.ending_date)


def _result(step: Step) -> Result:
    if not step.accepted:
        return Result.REFUSED
    if step.kind == "IN" and step.after is not None and step.after.named:
        return Result.TO_VALIDATE
    return Result.WARNED if step.told else Result.ACCEPTED


def _key(life: Life, place: int) -> UUID:
    return UUID(int=(life.number << 16 | place) + (1 << 64))
