"""A payroll year as two senders hand it in, drawn from a seed, with what must become of every form. Pure.

Each form is right by how it is built, or wrong in the one way that is planted in it: what must be told of it follows
from that, and not from any rule of the NSSO's code. Lives do not touch each other; the forms of one follow each other.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Literal, Self

from institutions.nsso.register import Employer, Mandate, Register
from schemas.declarations.number import PeriodId
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.period import Period, today
from schemas.ssin import Ssin, check_digits
from tests.institutions.nsso.ground import (
    block,
    dimona_cancel,
    dimona_in,
    dimona_out,
    dimona_update,
    message,
)
from tests.institutions.payroll.ground import A, B

YEAR = 2026
#: The business day of each month.
DAY_OF_MONTH = 12
DAY = timedelta(days=1)
REOPENED = date(9999, 12, 31)
#: Stands in a form for the id of its period.
PERIOD = "610000000000000"
SINCE = date(2000, 1, 1)
QUOTA = 600
SENDERS = (A, B)
DOES_NOT_BLOCK = frozenset({"90373-460", "90373-369", "00024-348"})
Kind = Literal["IN", "OUT", "UPDATE", "CANCEL", "OTHER", "lock", "unlock", "block", "unblock"]
_HOLIDAYS = {(1, 1), (4, 6), (5, 1), (5, 14), (5, 25), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25)}


def next_working_day(day: date) -> date:
    """Of this year, by its calendar."""
    day += DAY
    while day.weekday() > 4 or (day.month, day.day) in _HOLIDAYS:
        day += DAY
    return day


def worker(number: int) -> Ssin:
    """Synthetic: born in 1972, 1 to 28 of a month, in the order of the numbers."""
    month, rest = divmod(number, 28 * 998)
    day, counter = divmod(rest, 998)
    nine = f"72{month + 1:02d}{day + 1:02d}{counter + 1:03d}"
    return Ssin.parse(nine + check_digits(nine, born_2000=False))


@dataclass(frozen=True, slots=True)
class Company:
    """An employer, and who may declare for it."""

    nsso: NssoNumber
    enterprise: EnterpriseNumber
    senders: tuple[str, ...]
    active: Period
    #: Until when the senders may.
    until: date | None = None

    @classmethod
    def of(cls, number: int, senders: tuple[str, ...], active: Period | None = None, until: date | None = None) -> Self:
        nsso, enterprise = NssoNumber.of(1_300_000 + number), EnterpriseNumber.of(18_300_000 + number)
        return cls(nsso, enterprise, senders, active or Period(SINCE, None), until)


@dataclass(frozen=True, slots=True)
class Work:
    """A period of work as it is after a form."""

    employer: NssoNumber
    begins: date
    ends: date | None
    worker_type: str = "OTH"
    cancelled: bool = False
    late: bool = False
    #: Known by name alone.
    named: bool = False
    #: Planned, of a student.
    hours: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One form, or what an agent of the NSSO does to a period."""

    month: int
    sender: str
    kind: Kind
    #: What it is there for.
    what: str
    body: bytes = field(repr=False, default=b"")
    #: Which period of this life it makes or names.
    period: int | None = None
    #: ErrorIDs that it must be told, sorted.
    told: tuple[str, ...] = ()
    #: The period as it is after it; None: the form changes nothing.
    after: Work | None = None
    #: Its place in the life: the form whose key it uses again.
    key_of: int | None = None
    #: It must be told what that one was told.
    again: bool = False
    environment: Literal["R", "T", "S"] = "R"

    @property
    def accepted(self) -> bool:
        """With nothing to be told, or with what never blocks."""
        return DOES_NOT_BLOCK.issuperset(self.told)

    @property
    def is_form(self) -> bool:
        return self.kind not in ("lock", "unlock", "block", "unblock")


@dataclass(slots=True)
class Life:
    """A worker, and what is declared about him or her, in order."""

    number: int
    ssin: Ssin = field(repr=False)
    random: Random = field(repr=False)
    steps: list[Step] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    #: Of students: hours by period.
    planned: dict[int, int] = field(default_factory=dict)

    @property
    def forms(self) -> int:
        return sum(step.is_form for step in self.steps)

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


@dataclass(frozen=True, slots=True)
class Plan:
    months: tuple[date, ...]
    companies: tuple[Company, ...]
    register: Register
    #: On line, then those of whom a file speaks: every form of such a one stands by itself.
    lives: tuple[Life, ...]
    in_file: tuple[Life, ...]

    @property
    def everybody(self) -> tuple[Life, ...]:
        return (*self.lives, *self.in_file)

    @property
    def forms(self) -> int:
        """On line."""
        return sum(life.forms for life in self.lives)

    def what(self) -> Counter[str]:
        """How many forms there are of each sort."""
        return Counter(step.what for life in self.everybody for step in life.steps)


class Planner:
    """Draws lives until there are forms enough."""

    def __init__(self, seed: int, forms: int, employers: int, months: int = 12) -> None:
        self._random = Random(seed)
        self._forms = forms
        self.months = tuple(date(YEAR, month, DAY_OF_MONTH) for month in range(1, months + 1))
        #: On these forms are handed in; the last is the clock's, by which files are named.
        self.days = (*self.months, today())
        half = date(YEAR, months // 2 + 1, 1) - DAY
        # Most have one sender, some have both.
        self.companies = [Company.of(n, SENDERS if n % 10 == 3 else (SENDERS[n % 5 == 0],)) for n in range(employers)]
        #: Not active any more; may not declare DWD; has no sender; whose mandate ends within the year.
        self.closed = Company.of(employers, SENDERS, Period(SINCE, date(YEAR - 1, 12, 31)))
        self.forbidding = Company.of(employers + 1, SENDERS)
        self.alone = Company.of(employers + 2, ())
        self.leaving = Company.of(employers + 3, SENDERS, until=half)
        self.nobody = NssoNumber.of(1_299_999)
        self.half = half

    def plan(self) -> Plan:
        every = (*self.companies, self.closed, self.forbidding, self.alone, self.leaving)
        register = Register(
            employers=tuple(
                Employer(one.nsso, one.enterprise, one.active, frozenset({"DWD"} if one is self.forbidding else ()))
                for one in every
            ),
            mandates=tuple(
                Mandate(sender, one.nsso, Period(SINCE, one.until)) for one in every for sender in one.senders
            ),
        )
        lives: list[Life] = []
        count = 0
        # First each error that can be planted, once, then whatever comes.
        first = [*ERRORS, *CHAINS]
        while count < self._forms:
            number = len(lives)
            life = Life(number, worker(number), Random(self._random.random()))
            month = 0
            while month < len(self.months) and count + life.forms < self._forms:
                name = first[0] if first else self._drawn(life)
                try:
                    month = self._recipe(life, month, name)
                    if first:
                        first.pop(0)
                except NoRoomError:
                    if first:
                        break
                    month = self._recipe(life, month, "a job in one month")
                month += life.random.choice((0, 0, 0, 1))
            count += life.forms
            lives.append(life)
        if first:
            raise ValueError(f"not room for every error: {len(first)} are left")
        in_file, count = list[Life](), 0
        while count < self._forms // 10:
            number = len(lives) + len(in_file)
            life = Life(number, worker(number), Random(self._random.random()))
            names = IN_FILES if life.random.random() < 0.6 else WRONG_IN_FILES
            self._recipe(life, len(self.months), life.random.choice(names), A)
            in_file.append(life)
            count += life.forms
        return Plan(self.months, tuple(self.companies), register, tuple(lives), tuple(in_file))

    def _drawn(self, life: Life) -> str:
        draw = life.random.random()
        if draw < 0.80:
            return life.random.choice(list(RIGHT))
        return life.random.choice(list(ERRORS) if draw < 0.90 else list(CHAINS))

    def _recipe(self, life: Life, month: int, name: str, by: str | None = None) -> int:
        """The next month that is free. Raises NoRoomError, with nothing done."""
        if by is None and month + _MONTHS.get(name, 1) > len(self.months):
            raise NoRoomError
        recipe = Recipe(self, life, month, name, by)
        (RIGHT | ERRORS | CHAINS)[name](recipe)
        return recipe.month + 1


class NoRoomError(Exception):
    """It takes more months than are left."""


class Recipe:
    """What is declared of one person in one month, or some."""

    def __init__(self, planner: Planner, life: Life, month: int, what: str, by: str | None = None) -> None:
        self.planner, self.life, self.month, self.what = planner, life, month, what
        self.company = life.random.choice([one for one in planner.companies if by is None or by in one.senders])
        self.sender = by or life.random.choice(self.company.senders)
        self.other = B if self.sender == A else A

    # --- days ----------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.planner.days[self.month]

    @property
    def start(self) -> date:
        """In time, some days ahead, in this month."""
        return self.today + 3 * DAY

    @property
    def end(self) -> date:
        """In this month too."""
        return self.today + 12 * DAY

    # --- forms ---------------------------------------------------------------------------------------------------

    def refused(self, body: bytes, *told: str, **more: object) -> int:
        """A form that is told this, and does nothing."""
        return self.life.add(self._step("OTHER", body, told=told, **more))

    def begins(
        self,
        start: date | None = None,
        end: date | None = None,
        *,
        told: Sequence[str] = (),
        environment: Literal["R", "T", "S"] = "R",
        **form: object,
    ) -> int:
        """An IN that is accepted; the number of its period in this life."""
        begins = self.start if start is None else start
        body = self.form(start=begins, end=end, **form)
        kind = str(form.get("kind", "OTH"))
        late = "90373-460" in told
        work = Work(self.company.nsso, begins, end, kind, late=late, named="worker" in form, hours=form.get("planned"))  # type: ignore[arg-type]
        period = len(self.life.works)
        self.life.works.append(work)
        self.life.add(self._step("IN", body, period=period, told=told, after=work, environment=environment))
        return period

    def form(self, **given: object) -> bytes:
        """An IN of this worker at this employer, with this beside."""
        said: dict[str, object] = {
            "worker": self.life.ssin,
            "start": self.start,
            "employer": self.company.nsso,
            "created": self.today,
        }
        return dimona_in(**(said | given))  # type: ignore[arg-type]

    def changes(self, period: int, kind: Kind, told: Sequence[str] = (), **work: object) -> int:
        """An OUT, UPDATE or CANCEL that is accepted: `begins`, `ends`, `cancelled` as they are then."""
        before = self.life.works[period]
        after = replace(before, late=before.late or "90373-460" in told, **work)  # type: ignore[arg-type]
        self.life.works[period] = after
        if kind == "OUT":
            body = dimona_out(PERIOD, after.ends)  # type: ignore[arg-type]
        elif kind == "CANCEL":
            body = dimona_cancel(PERIOD)
        else:
            start = after.begins if after.begins != before.begins else None
            end = None if after.ends == before.ends else after.ends or REOPENED
            body = dimona_update(PERIOD, start, end)
        return self.life.add(self._step(kind, body, period=period, told=told, after=after))

    def refuses(self, period: int, body: bytes, *told: str, **more: object) -> int:
        """A form about a period that is told this, and does nothing."""
        return self.life.add(self._step("OTHER", body, period=period, told=told, **more))

    def agent(self, period: int, kind: Kind) -> None:
        self.life.add(self._step(kind, b"", period=period))

    def later(self, months: int = 1) -> "Recipe":
        """What follows comes on a later business day."""
        self.month += months
        return self

    def _step(self, kind: Kind, body: bytes, told: Sequence[str] = (), **more: object) -> Step:
        sender = str(more.pop("sender", self.sender))
        return Step(self.month, sender, kind, self.what, body, told=tuple(sorted(told)), **more)  # type: ignore[arg-type]


Make = Callable[[Recipe], object]
_LATE = "90373-460"

# --- what is right, or late ------------------------------------------------------------------------------------------


def _one_month(r: Recipe) -> None:
    r.begins(end=r.end)


def _open_and_out(r: Recipe) -> None:
    period = r.begins()
    r.later()
    r.changes(period, "OUT", ends=r.end)


def _out_around_the_last_day(r: Recipe) -> None:
    period = r.begins()
    r.later()
    end = r.today - r.life.random.randrange(7) * DAY
    r.changes(period, "OUT", () if next_working_day(end) >= r.today else (_LATE,), ends=end)


def _late_in(r: Recipe) -> None:
    r.begins(r.today - r.life.random.randint(1, 11) * DAY, r.end, told=[_LATE])


def _on_the_day(r: Recipe) -> None:
    r.begins(r.today, r.end)


def _late_out(r: Recipe) -> None:
    period = r.begins()
    end = r.end
    r.later()
    r.changes(period, "OUT", [_LATE], ends=end)


def _longer(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "UPDATE", ends=r.end + 2 * DAY)


def _longer_late(r: Recipe) -> None:
    period = r.begins(end=r.end)
    end = r.end + 2 * DAY
    r.later()
    r.changes(period, "UPDATE", [_LATE], ends=end)


def _shorter(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "UPDATE", ends=r.end - 4 * DAY)


def _earlier(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "UPDATE", begins=r.start - 2 * DAY)


def _earlier_late(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "UPDATE", [_LATE], begins=r.today - 3 * DAY)


def _reopened(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "UPDATE", ends=None)
    r.later()
    r.changes(period, "OUT", ends=r.start)


def _cancelled(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "CANCEL", cancelled=True)
    # Then it may be declared anew.
    r.begins(end=r.end)


def _cancelled_late(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.later()
    r.changes(period, "CANCEL", [_LATE], cancelled=True)


def _student(r: Recipe) -> None:
    hours = r.life.random.randint(40, 200)
    over = sum(r.life.planned.values()) + hours > QUOTA
    period = r.begins(end=r.end, kind="STU", planned=hours, told=["90373-369"] if over else [])
    r.life.planned[period] = hours


def _two_jobs_at_once(r: Recipe) -> None:
    r.begins(end=r.end)
    here = r.company
    there = r.life.random.choice([one for one in r.planner.companies if one is not here])
    r.company, r.sender = there, there.senders[0]
    r.begins(end=r.end)


def _evenings(r: Recipe) -> None:
    for n in range(3):
        day = r.start + n * DAY
        r.begins(day, day, kind="EXT", committee="302", hours=("1800", "2200"))
    day = r.start + 5 * DAY
    r.begins(day, day, kind="FLX", committee="302", hours=("1800", "2200"))


def _known_by_enterprise(r: Recipe) -> None:
    r.begins(end=r.end, employer=None, company=r.company.enterprise)


def _another_birth_date(r: Recipe) -> None:
    r.begins(end=r.end, told=["00024-348"], said=[("WorkerBirthdate", "1971-01-01")])


def _only_named(r: Recipe) -> None:
    name = f"Nemo{r.life.number}"
    r.begins(end=r.end, worker=None, said=[("WorkerName", name), *_NAMES[1:]])


RIGHT: dict[str, Make] = {
    "a job in one month": _one_month,
    "begun, and ended in time": _open_and_out,
    "ended around the last day in time": _out_around_the_last_day,
    "begun late": _late_in,
    "begun on the day": _on_the_day,
    "ended late": _late_out,
    "made longer": _longer,
    "made longer, late": _longer_late,
    "made shorter": _shorter,
    "begun earlier": _earlier,
    "begun earlier, late": _earlier_late,
    "went on after all": _reopened,
    "cancelled": _cancelled,
    "cancelled late": _cancelled_late,
    "a student": _student,
    "two jobs at once": _two_jobs_at_once,
    "evenings": _evenings,
    "named by the enterprise number": _known_by_enterprise,
    "another birth date": _another_birth_date,
    "only named": _only_named,
}

# --- one form that is wrong ------------------------------------------------------------------------------------------


def _wrong(told: Sequence[str], change: Callable[[Recipe], dict[str, object]]) -> Make:
    """An IN that would be right but for this."""
    return lambda r: r.refused(r.form(**({"end": r.end} | change(r))), *told)


def _text(told: Sequence[str], old: bytes, new: bytes) -> Make:
    """An IN of which some bytes are others."""

    def make(r: Recipe) -> None:
        body = r.form(end=r.end)
        changed = body.replace(old, new)
        assert changed != body
        r.refused(changed, *told)

    return make


def _bytes(told: str, body: bytes) -> Make:
    return lambda r: r.refused(body, f"ACRF-{told}")


def _digits(digits: str) -> str:
    """With other check digits."""
    return f"{digits[:-2]}{(int(digits[-2:]) + 1) % 97:02d}"


def _number(r: Recipe) -> None:
    r.refused(r.form(end=r.end, worker=_digits(r.life.ssin.digits)), "00024-004")


def _nsso(r: Recipe) -> None:
    body = r.form(end=r.end)
    r.refused(body.replace(r.company.nsso.digits.encode(), _digits(r.company.nsso.digits).encode()), "00011-004")


def _two_quarters(r: Recipe) -> None:
    last = r.today.replace(day=1)
    while (last.month % 3, last.day) != (1, 1) or last <= r.today:
        last += DAY
    over = last.year == r.today.year and sum(r.life.planned.values()) + 8 > QUOTA
    r.refused(r.form(start=last - DAY, end=last, kind="STU", planned=8), "90373-421", *(["90373-369"] if over else []))


def _two_forms(r: Recipe) -> None:
    good = r.form(end=r.end)
    form = good[good.index(b"<Form>") : good.index(b"</Dimona>")]
    r.refused(good.replace(b"</Form>", b"</Form>" + form), "ACRF-172")


def _unknown_period(r: Recipe) -> None:
    missing = PeriodId.of(9_000_000_000 + r.life.number)
    for body in (dimona_cancel(missing), dimona_out(missing, r.end), dimona_update(missing, r.start)):
        r.refused(body, "00913-354")


def _period_digits(r: Recipe) -> None:
    r.refused(dimona_cancel(_digits(str(PeriodId.of(9_000_000_000)))), "00913-004")


def _flexi_too_early(r: Recipe) -> None:
    year, quarter = divmod(r.today.year * 4 + (r.today.month - 1) // 3 + 2, 4)
    r.refused(r.form(start=date(year, 3 * quarter + 1, 1), kind="FLX", committee="302"), "00910-003")


_EXTRA: dict[str, object] = {"kind": "EXT", "committee": "302"}
_NAMES = [("WorkerName", "Nemo"), ("WorkerFirstName", "An"), ("WorkerBirthdate", "1972-01-01")]

ERRORS: dict[str, Make] = {
    "created in the future": _wrong(["00218-003"], lambda r: {"created": r.today + DAY}),
    "created two years ago": _wrong(["00218-003"], lambda r: {"created": date(r.today.year - 2, 12, 31)}),
    "check digits of the person": _number,
    "check digits of the employer": _nsso,
    "ends before it begins": _wrong(["00911-014"], lambda r: {"end": r.start - DAY}),
    "begins too far ahead": _wrong(["00910-003"], lambda r: {"start": date(r.today.year + 10, 1, 5), "end": None}),
    "nobody": _wrong(["90017-363"], lambda r: {"worker": None}),
    "a type the employer may not declare": _wrong(
        ["00655-350"], lambda r: {"employer": r.planner.forbidding.nsso, "kind": "DWD"}
    ),
    "an employer that is closed": _wrong(["90373-343"], lambda r: {"employer": r.planner.closed.nsso}),
    "no mandate": _wrong(["90256-155"], lambda r: {"employer": r.planner.alone.nsso}),
    "no mandate, by enterprise number": _wrong(
        ["90256-155"], lambda r: {"employer": None, "company": r.planner.alone.enterprise}
    ),
    "no such employer": _wrong(["00011-235"], lambda r: {"employer": r.planner.nobody}),
    "no such enterprise": _wrong(
        ["00014-235"], lambda r: {"employer": None, "company": EnterpriseNumber.of(18_299_999)}
    ),
    "another's enterprise number": _wrong(["00014-022"], lambda r: {"company": r.planner.alone.enterprise}),
    "check digits of the enterprise": _wrong(
        ["00014-004"], lambda r: {"company": _digits(r.company.enterprise.digits)}
    ),
    "no employer": _wrong(["90256-001"], lambda r: {"employer": None}),
    "O17 too far ahead": _wrong(
        ["00910-003"],
        lambda r: {"kind": "O17", "planned": 5, "start": r.today + 16 * DAY, "end": r.today + 16 * DAY},
    ),
    "flexi too far ahead": _flexi_too_early,
    "a student in two quarters": _two_quarters,
    "a student without hours": _wrong(["01135-001"], lambda r: {"kind": "STU"}),
    "hours of who may have none": _wrong(["01135-005"], lambda r: {"planned": 8}),
    "casual without a number": _wrong(
        ["00024-001"],
        lambda r: _EXTRA | {"worker": None, "said": _NAMES, "end": r.start, "hours": ("1200", "1300")},
    ),
    "casual without hours": _wrong(["00777-001", "00778-001"], lambda r: _EXTRA | {"end": r.start}),
    "casual for more than a day": _wrong(
        ["90373-341"], lambda r: _EXTRA | {"end": r.start + DAY, "hours": ("1200", "1201")}
    ),
    "casual on three days": _wrong(
        ["00910-459"], lambda r: _EXTRA | {"end": r.start + 2 * DAY, "hours": ("2300", "0100")}
    ),
    "flexi of a day without hours": _wrong(
        ["00777-001", "00778-001"], lambda r: {"kind": "FLX", "committee": "302", "end": r.start}
    ),
    "training without an end": _wrong(["00911-001"], lambda r: {"kind": "IVT", "end": None}),
    "interim without a user": _wrong(["90107-001"], lambda r: {"committee": "322"}),
    "a user without interim": _wrong(["90107-005"], lambda r: {"user": str(r.planner.alone.enterprise)}),
    "check digits of the user": _wrong(["00131-004"], lambda r: {"committee": "322", "user": "0123456789"}),
    "no such type": _text(["00655-008"], b"<WorkerType>OTH", b"<WorkerType>QQQ"),
    "a number of letters": _text(["00024-002"], b"<INSS>", b"<INSS>x"),
    "no day of the start": lambda r: r.refused(
        r.form(end=r.end).replace(f"<StartingDate>{r.start}</StartingDate>".encode(), b""), "00910-001"
    ),
    "no declaration": lambda r: r.refused(message("", created=r.today), "90059-134"),
    "a daily registration": lambda r: r.refused(
        message(block("DailyRegistrationDeclaration", ("AttestationStatus", 0)), created=r.today), "90480-082"
    ),
    "no XML": _bytes("102", b"<Dimona"),
    "unknown root": _bytes("089", b"<Strange/>"),
    "no release": _text(["ACRF-088"], b"Dimona_20231", b"Dimona_20201"),
    "not for senders": _bytes("158", b"<NOTIFICATION/>"),
    "no form": _bytes("142", b"<Dimona/>"),
    "two forms": _two_forms,
    "unknown period": _unknown_period,
    "check digits of the period": _period_digits,
}

# --- forms that are wrong by what was declared before ---------------------------------------------------------------


def _the_same_again(r: Recipe) -> None:
    r.begins(end=r.end)
    r.refused(r.life.steps[-1].body, "90373-333")


def _told_again(r: Recipe) -> None:
    period = r.begins(end=r.end)
    first = r.life.steps[-1]
    r.life.add(r._step("OTHER", first.body, key_of=len(r.life.steps) - 1, again=True))
    r.changes(period, "UPDATE", ends=r.end + DAY)
    last = r.life.steps[-1]
    r.life.add(r._step("OTHER", last.body, period=period, key_of=len(r.life.steps) - 1, again=True))


def _a_refusal_told_again(r: Recipe) -> None:
    place = r.refused(r.form(end=r.start - DAY), "00911-014")
    r.life.add(r._step("OTHER", r.life.steps[place].body, told=["00911-014"], key_of=place, again=True))


def _the_key_of_another(r: Recipe) -> None:
    r.begins(end=r.end)
    r.refused(r.form(start=r.start + DAY, end=r.end), "90059-006", key_of=len(r.life.steps) - 1)


def _overlapping(r: Recipe) -> None:
    r.begins(end=r.end)
    r.refused(r.form(start=r.end, end=r.end + DAY), "90373-334")


def _update_overlapping(r: Recipe) -> None:
    first = r.begins(end=r.end - 5 * DAY)
    r.begins(r.end, r.end + DAY)
    r.refuses(first, dimona_update(PERIOD, end=r.end), "90373-334")


def _cancelled_twice(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.changes(period, "CANCEL", cancelled=True)
    for body in (dimona_cancel(PERIOD), dimona_out(PERIOD, r.end), dimona_update(PERIOD, end=r.end)):
        r.refuses(period, body, "00913-355")


def _ended_twice(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.refuses(period, dimona_out(PERIOD, r.end), "00913-356")


def _closed_by_update(r: Recipe) -> None:
    period = r.begins()
    r.refuses(period, dimona_update(PERIOD, end=r.end), "00913-359")
    r.changes(period, "OUT", ends=r.end)


def _out_before_the_start(r: Recipe) -> None:
    period = r.begins()
    r.refuses(period, dimona_out(PERIOD, r.start - DAY), "00911-014")
    r.refuses(period, dimona_out(PERIOD, REOPENED), "00911-003")
    r.changes(period, "OUT", ends=r.start)


def _by_an_agent(r: Recipe) -> None:
    period = r.begins(end=r.end)
    for kind, back, code in (("lock", "unlock", "362"), ("block", "unblock", "357")):
        r.agent(period, kind)  # type: ignore[arg-type]
        r.refuses(period, dimona_cancel(PERIOD), f"00913-{code}")
        r.agent(period, back)  # type: ignore[arg-type]
    r.changes(period, "UPDATE", ends=r.end + DAY)


def _beside_the_period(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.refuses(period, dimona_cancel(PERIOD, worker(300_000)), "00024-022")
    mine = next(one for one in r.planner.companies if one is not r.company and r.sender in one.senders)
    r.refuses(period, dimona_cancel(PERIOD, employer=mine.nsso), "90256-022")
    r.refuses(period, dimona_cancel(PERIOD, employer=r.planner.alone.nsso), "90256-155")


def _by_the_other_sender(r: Recipe) -> None:
    one = next(one for one in r.planner.companies if len(one.senders) == 1)
    r.company, r.sender, r.other = one, one.senders[0], B if one.senders[0] == A else A
    period = r.begins(end=r.end)
    r.refuses(period, dimona_cancel(PERIOD), "00913-354", sender=r.other)
    r.refused(r.form(start=r.end + DAY, end=r.end + DAY), "90256-155", sender=r.other)


def _by_both_senders(r: Recipe) -> None:
    one = next(one for one in r.planner.companies if len(one.senders) == 2)
    r.company, r.sender, r.other = one, A, B
    period = r.begins(end=r.end)
    r.sender = B
    r.changes(period, "UPDATE", ends=r.end + DAY)


def _casual_on_full(r: Recipe) -> None:
    r.begins(end=r.end)
    r.refused(r.form(end=r.start, hours=("1200", "1300"), **_EXTRA), "90373-336")


def _full_on_casual(r: Recipe) -> None:
    r.begins(r.start, r.start, hours=("1200", "1300"), **_EXTRA)
    r.refused(r.form(end=r.end), "90373-337")
    r.refused(r.form(end=r.start, hours=("1259", "1400"), **_EXTRA), "90373-334")
    r.begins(r.start, r.start, hours=("1300", "1400"), **_EXTRA)


def _light_into_full(r: Recipe) -> None:
    period = r.begins(r.start, r.start, kind="FLX", committee="302", hours=("1200", "1300"))
    r.refuses(period, dimona_update(PERIOD, end=r.start + DAY), "90373-338")


def _full_into_light(r: Recipe) -> None:
    period = r.begins(kind="FLX", committee="302")
    r.refuses(period, dimona_out(PERIOD, r.start), "90373-338")
    r.changes(period, "OUT", ends=r.start + DAY)


def _hours_by_update(r: Recipe) -> None:
    period = r.begins(end=r.end)
    r.refuses(period, dimona_update(PERIOD, planned=3), "01135-005")


def _a_mandate_that_ends(r: Recipe) -> None:
    last = max(n for n, day in enumerate(r.planner.months) if day <= r.planner.half)
    if r.month > last:
        raise NoRoomError
    r.company, r.month = r.planner.leaving, last
    period = r.begins(end=r.end)
    r.later()
    r.refused(r.form(end=r.end), "90256-155")
    r.refuses(period, dimona_cancel(PERIOD), "00913-354")


def _a_simulation(r: Recipe) -> None:
    body = r.form(end=r.end)
    for _ in range(2):
        r.life.add(r._step("OTHER", body, environment="S"))
    r.begins(end=r.end)
    r.refused(body, "90373-333", environment="S")


def _a_test(r: Recipe) -> None:
    r.life.add(r._step("OTHER", r.form(end=r.end), environment="T"))
    r.begins(end=r.end)
    r.refused(r.form(end=r.end), "90373-333", environment="T")


CHAINS: dict[str, Make] = {
    "the same under another key": _the_same_again,
    "the same key": _told_again,
    "the same key of a refusal": _a_refusal_told_again,
    "another's key": _the_key_of_another,
    "overlapping": _overlapping,
    "made to overlap": _update_overlapping,
    "cancelled twice": _cancelled_twice,
    "ended twice": _ended_twice,
    "ended by an UPDATE": _closed_by_update,
    "ended before it begins": _out_before_the_start,
    "locked or blocked by an agent": _by_an_agent,
    "beside the period's own": _beside_the_period,
    "by the other sender": _by_the_other_sender,
    "by both senders": _by_both_senders,
    "casual on full": _casual_on_full,
    "full on casual": _full_on_casual,
    "light made full": _light_into_full,
    "full made light": _full_into_light,
    "hours by an UPDATE": _hours_by_update,
    "a mandate that ends": _a_mandate_that_ends,
    "a simulation": _a_simulation,
    "a test": _a_test,
}
#: Months that a recipe takes, where it is more than one.
_MONTHS = {
    "begun, and ended in time": 2,
    "ended around the last day in time": 2,
    "ended late": 2,
    "made longer, late": 2,
    "went on after all": 2,
    "cancelled late": 2,
    "a mandate that ends": 2,
}
#: What stands in a file: no form of it needs what another was told. A student's days would end with the quarter.
_ALONE = {"no XML", "unknown root", "no release", "not for senders", "no form", "two forms", "a student without hours"}
IN_FILES = (
    *("a job in one month", "begun late", "begun on the day", "named by the enterprise number", "another birth date"),
    *("only named", "the same under another key", "overlapping", "casual on full", "full on casual"),
)
WRONG_IN_FILES = tuple(name for name in ERRORS if name not in _ALONE)
