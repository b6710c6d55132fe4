"""A quarter's DmfA of every employer, of the workers whom the year left there, with errors planted; then updates, some
of a version that is not the last.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from institutions.nsso.dmfa import store as dmfa_store
from institutions.payroll import Notification, Pids, Sender
from schemas.declarations.dmfa import Declaration, Person, Record, days_of
from schemas.declarations.dmfa_update import Action, Last, PersonUpdate, RecordUpdate, Update
from schemas.declarations.quarter import Quarter
from tests.institutions.nsso.quarters import ACCEPTED, PLANTED, REFUSED, Planted, Work, declared, original, update
from tests.trials.declarations.plan import Company
from tests.trials.declarations.year import Year

#: Of an employer, before its quarter is declared as it is to be: so many are declared with an error that refuses them.
WRONG_FIRST = 3
#: Each third employer's declaration has an error with which it is accepted.
_WITH_ERROR = 3
#: Employers that declare at a time.
_AT_ONCE = 12
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Raised:
    """An update that raises one worker's wages, and the declaration as it is with it."""

    update: Update
    after: Declaration


def raised(said: Declaration, pids: Pids, created: date) -> Raised | None:
    """A euro more for the first who has one record with wages; None: nobody has."""
    for place, person in enumerate(said.persons):
        if len(person.records) != 1 or not person.records[0].occupations:
            continue
        (record,) = person.records
        occupation, *others = record.occupations
        wage, *more = occupation.remunerations
        higher = replace(occupation, remunerations=(replace(wage, amount=wage.amount + 100), *more))
        changed = replace(record, occupations=(higher, *others))
        known = pids.person(person.inss)
        last = None if known is None else known.record(*record.key)
        if known is None or last is None:
            return None
        action = RecordUpdate(
            Action.MODIFY, *record.key, Last(*record.key, last.version), changed,
            tuple(one.version for one in last.occupations),
        )  # fmt: skip
        who = PersonUpdate(1, person.inss, None, known.pid, known.declared_pid, known.version, None, (action,))
        told = Update(said.quarter, said.nsso, said.company, said.trusteeship, pids.pid, created, persons=(who,))
        persons = (*said.persons[:place], replace(person, records=(changed,)), *said.persons[place + 1 :])
        return Raised(told, replace(said, persons=persons))
    return None


class Quarters:
    """The quarter of a year that was played."""

    def __init__(self, year: Year, quarter: Quarter) -> None:
        self._year, self.quarter, self._inboxes = year, quarter, year.inboxes
        end = days_of(quarter).end
        assert end is not None
        #: On which it is declared.
        self.day = end + timedelta(days=20)
        self.planted: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._kept: dict[Company, Declaration] = {}
        self._pids: dict[Company, Pids] = {}
        self._right: set[Company] = set()
        self._wrong = self._year.wrong

    def _works(self, company: Company) -> list[Work]:
        """As the Dimonas that were accepted have them."""
        found = []
        for life, work in self._year.ledger.works.values():
            if work.employer == company.nsso and not work.cancelled and not work.named:
                ssin = self._year.plan.everybody[life].ssin
                found.append(Work(ssin, work.begins, work.ends, work.worker_type, work.hours))
        return sorted(found, key=lambda one: (one.ssin.digits, one.starts))

    async def declare(self) -> None:
        """Every employer's; what is wrong is refused, and then declared as it is to be."""
        await self._year.business_day(self.day)
        errors = list(REFUSED)
        tasks = list(enumerate(self._year.plan.companies))
        await self._each(tasks, lambda number, company: self._declare(number, company, errors))
        self._year.stages.done(
            f"{self.counts['originals']:,} DmfAs of {len(tasks)} employers and {self.counts['workers']:,} workers,"
            f" {sum(self.planted.values()):,} of them with one of {len(self.planted)} errors"
        )

    async def _each(self, tasks: Sequence[tuple[int, Company]], use: Callable[[int, Company], Awaitable[None]]) -> None:
        waiting = list(reversed(tasks))

        async def work() -> None:
            while waiting:
                number, company = waiting.pop()
                await use(number, company)
                self._year.stages.progress(f"{len(waiting)} of {len(tasks)} employers are left")

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    def _sender(self, company: Company) -> Sender:
        return self._year.sender(company.senders[0])

    async def _declare(self, number: int, company: Company, errors: list[str]) -> None:
        works, sender = self._works(company), self._sender(company)
        said = declared(company.nsso, self.quarter, works, number, created=self.day)
        fit = len(said.persons) >= 3 and any(record.occupations for person in said.persons for record in person.records)
        if fit:
            for turn in range(WRONG_FIRST):
                name = errors[(number * WRONG_FIRST + turn) % len(errors)]
                if PLANTED[name].fits(said):
                    await self._spoilt(sender, said, name, PLANTED[name])
        whole = said
        name = ACCEPTED[number // _WITH_ERROR % len(ACCEPTED)]
        if fit and number % _WITH_ERROR == 0 and PLANTED[name].fits(said):
            whole = PLANTED[name].spoil(said)
            told = await self._spoilt(sender, said, name, PLANTED[name])
        else:
            told = await sender.declare(original(whole), timeout=_PATIENCE)
            self._expect("a DmfA that is right", told, accepted=True)
            self._right.add(company)
        self.counts["originals"] += 1
        self.counts["workers"] += len(whole.persons)
        if told.accepted:
            self._pids[company] = await self._inboxes[sender.number].of(told.ticket)
            self._kept[company] = whole
            again = await sender.declare(original(said), timeout=_PATIENCE)
            self.counts["originals"] += 1
            self._expect("a quarter that is declared already", again, "90007-006", accepted=False)

    async def _spoilt(self, sender: Sender, said: Declaration, name: str, planted: Planted) -> Notification:
        told = await sender.declare(original(planted.spoil(said)), timeout=_PATIENCE)
        self.planted[name] += 1
        self.counts["originals"] += 1
        self._expect(f"planted {name}", told, *planted.ids, accepted=not planted.diagnosis)
        return told

    def _expect(self, what: str, told: Notification, *ids: str, accepted: bool) -> None:
        found = sorted(one.error_id for one in told.anomalies)
        if found != sorted(ids) or told.accepted is not accepted:
            self._wrong[f"DmfA, {what}: {told.result.name}, told {', '.join(found) or 'nothing'}"] += 1

    async def update(self) -> None:
        """Of each employer whose declaration is right two updates, one after the other, each of the version that the
        one before left; beside each another of the same version, and behind them one of the first."""
        tasks = [(number, one) for number, one in enumerate(self._year.plan.companies) if one in self._right]
        await self._each(tasks, self._update)
        self._year.stages.done(
            f"{self.counts['updates']:,} updates of {len(tasks)} employers, {self.counts['stale']:,} of a version that"
            " was not the last"
        )

    async def _update(self, number: int, company: Company) -> None:
        sender, said, pids = self._sender(company), self._kept[company], self._pids[company]
        first = raised(said, pids, self.day)
        if first is None:
            return
        changes = first
        for _ in range(2):
            body = update(changes.update)
            both = await asyncio.gather(*(sender.declare(body, timeout=_PATIENCE) for _ in range(2)))
            done, stale = sorted(both, key=lambda one: not one.accepted)
            self.counts["updates"] += 2
            self.counts["stale"] += 1
            self._expect("an update", done, accepted=True)
            self._expect("a second of one version", stale, "00620-180", accepted=False)
            if not done.accepted:
                return
            self._kept[company], self._pids[company] = (
                changes.after,
                await self._inboxes[sender.number].of(done.ticket),
            )
            following = raised(changes.after, self._pids[company], self.day)
            assert following is not None
            changes = following
        late = await sender.declare(update(first.update), timeout=_PATIENCE)
        self.counts["updates"] += 1
        self.counts["stale"] += 1
        self._expect("an update of the first version", late, "00620-180", accepted=False)

    async def kept(self) -> None:
        """What 12-0 keeps of each quarter is what was declared, and then raised."""
        async with self._year.world.nsso.office.transaction() as connection:
            for company, said in self._kept.items():
                found = await dmfa_store.of_quarter(connection, "R", company.nsso, self.quarter)
                if found is None or _persons(found.whole) != _persons(said):
                    self._wrong["a DmfA is kept as another than was declared"] += 1
        self._year.stages.done(f"{len(self._kept)} DmfAs kept as they were declared and changed")


def _persons(said: Declaration) -> Mapping[tuple[str, int], Sequence[Record]]:
    found: dict[tuple[str, int], Sequence[Record]] = {}
    one: Person
    for one in said.persons:
        found[one.inss, one.sequence] = sorted(one.records, key=lambda record: record.key)
    return found
