"""A group of forms within their transaction: what is known, and what each form makes of it for those behind it.

Pure but for its own state; `office` reads and writes the database around it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from institutions.nsso.dimona.dimona import Change, Dimona, Judgement, Situation
from institutions.nsso.dimona.judging import judge
from institutions.nsso.dimona.rules import creation_is_wrong
from institutions.nsso.employers import Directory, candidates
from institutions.nsso.moment import business
from institutions.nsso.reading_form import Read
from institutions.nsso.register import Employer, Sender
from institutions.nsso.rows import (
    Declaration,
    employer_of,
    key_lock,
    mandate_of,
    period_of,
    person_of,
    sender_of,
)
from institutions.nsso.submission import Handled
from schemas.declarations.acrf import acrf
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod, Worker
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.notification import MOST_ANOMALIES, FromFile, Impact, notification
from schemas.declarations.number import PeriodId, ticket
from schemas.declarations.outcome import Result
from schemas.declarations.personnel_file import Answer
from schemas.parser import MAX_ELEMENTS, MAX_ONLINE
from schemas.period import BRUSSELS

#: Periods that are read for an answer on line: more do not fit.
_MOST_ONLINE = MAX_ELEMENTS // 10
_ALL = 2**31 - 1
_SIMULATED = "S"
_REAL = "R"


class Group:
    """Use it once: `take`, then what is asked from the database, then `judge` or `workers` of each form in order."""

    def __init__(self, today: date | None) -> None:
        self._today = today
        self._reads: Sequence[Read] = ()
        self._now = datetime.now(BRUSSELS)
        self._tickets: Iterator[int] = iter(())
        self._numbers: Iterator[int] = iter(())
        self._senders: Mapping[str, Sender] = {}
        self._directory = Directory()
        self._declarations: dict[tuple[str, str, str], Declaration] = {}
        self._periods: dict[PeriodId, DimonaPeriod] = {}
        self._by_person: dict[int, dict[PeriodId, None]] = defaultdict(dict)
        self._new: list[Declaration] = []
        self._changed: dict[PeriodId, str] = {}
        self._changes: list[Change] = []
        #: Periods that a simulated file changed: what comes behind in it finds them so.
        self._simulated: dict[PeriodId, None] = {}

    # --- what is asked ---------------------------------------------------------------------------------------------

    def take(self, reads: Sequence[Read]) -> None:
        self._reads = reads

    @property
    def _dimonas(self) -> Iterator[Dimona]:
        return (one.dimona for one in self._reads if one.dimona is not None)

    @property
    def _forms(self) -> Iterator[Read]:
        return (one for one in self._reads if one.form is not None)

    @property
    def period_ids(self) -> list[int]:
        """Periods that forms name."""
        return list({number.number for one in self._dimonas if (number := one.period_id) is not None})

    @property
    def persons(self) -> set[int]:
        """Persons that forms name themselves."""
        return {person_of(Worker(one.ssin, one.said)) for one in self._dimonas if one.kind == "IN"}

    def since(self, named: Iterable[Mapping[str, Any]]) -> date:
        """From which day on periods matter to these forms: what ended before neither overlaps nor counts for a quota.
        `named`: rows of the periods that they name."""
        updated = {number.number for one in self._dimonas if one.kind == "UPDATE" and (number := one.period_id)}
        starts = [one.starting_date for one in self._dimonas if one.starting_date is not None]
        starts += [row["starting_date"] for row in named if row["id"] in updated]
        return min((start.replace(month=1, day=1) for start in starts), default=date.max)

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Sender, environment, key of each form."""
        return list({_key(one) for one in self._forms})

    @property
    def key_locks(self) -> list[int]:
        return [key_lock(*key) for key in self.keys]

    @property
    def simulated_file(self) -> tuple[str, str] | None:
        """Sender and name of the file, where the group is of a simulated one."""
        for one in self._reads:
            file = one.submission.file
            if one.submission.environment == _SIMULATED and file is not None:
                return one.submission.sender, file.name
        return None

    @property
    def senders(self) -> list[str]:
        return list({one.submission.sender for one in self._reads})

    @property
    def tickets_wanted(self) -> int:
        return sum(1 for _ in self._forms)

    @property
    def periods_wanted(self) -> int:
        return sum(1 for one in self._dimonas if one.kind == "IN")

    @property
    def unnamed(self) -> list[str]:
        """Senders of forms that mean an employer and name none."""
        return list(
            {
                one.submission.sender
                for one in self._reads
                if one.dimona is not None and one.dimona.kind == "IN" and not one.dimona.employer.given
            }
        )

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of receipt."""
        days = [business(one.submission.received, self._today).day for one in self._reads]
        return min(days), max(days)

    @property
    def employers_wanted(self) -> tuple[list[str], list[str]]:
        """NSSO and enterprise numbers: those that forms name, and those of the periods that they name."""
        nsso = {self._periods[number].employer.digits for one in self._dimonas if (number := self._named(one))}
        companies: set[str] = set()
        for one in self._reads:
            said = one.dimona or one.question
            if said is not None:
                numbers, enterprise = candidates(said.employer)
                nsso.update(numbers)
                companies.update(enterprise)
        return list(nsso), list(companies)

    def _named(self, dimona: Dimona) -> PeriodId | None:
        number = dimona.period_id
        return number if number in self._periods else None

    # --- what is known ---------------------------------------------------------------------------------------------

    def number(self, now: datetime, tickets: Iterable[int], periods: Iterable[int]) -> None:
        """The moment that answers tell, and numbers to give."""
        self._now, self._tickets, self._numbers = now, iter(tickets), iter(periods)

    def known(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Declarations that came before under one of the keys."""
        for row in rows:
            found = Declaration.of_row(row)
            self._declarations[found.sender, found.environment, found.key] = found

    def situated(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Periods of the persons, as they are now."""
        for row in rows:
            period = period_of(row)
            self._periods[period.id] = period
            self._by_person[row["person"]][period.id] = None

    def registered(
        self,
        senders: Iterable[Mapping[str, Any]],
        employers: Iterable[Mapping[str, Any]],
        mandates: Iterable[Mapping[str, Any]],
    ) -> None:
        """Of the register what these forms need."""
        self._senders = {row["number"]: sender_of(row) for row in senders}
        self._directory = Directory(map(employer_of, employers), map(mandate_of, mandates))

    def _keep(self, period: DimonaPeriod) -> None:
        self._periods[period.id] = period
        self._by_person[person_of(period.worker)][period.id] = None

    def taken_out(self) -> tuple[list[Declaration], list[tuple[DimonaPeriod, str | None]], list[Change]]:
        """What is to be written since it was asked last: declarations, periods with the ticket, changes to tell."""
        periods: list[tuple[DimonaPeriod, str | None]] = [
            (self._periods[number], by) for number, by in self._changed.items()
        ]
        found = self._new, periods, self._changes
        self._new, self._changed, self._changes = [], {}, []
        return found

    def simulated_out(self) -> list[DimonaPeriod]:
        """As `taken_out`: what a simulated file changed."""
        found = [self._periods[number] for number in self._simulated]
        self._simulated = {}
        return found

    def employer_of(self, change: Change) -> Employer | None:
        """Whose period was changed."""
        period = change.after or change.before
        return None if period is None else self._directory.employer(period.employer)

    # --- judging ---------------------------------------------------------------------------------------------------

    def _receipt(self, read: Read) -> Handled | None:
        """What is no form, or its sender nobody who may send one."""
        if read.no_xml:
            code = read.no_xml
        elif read.submission.file is None and not self._active(read):
            code = "103"
        elif read.no_form:
            code = read.no_form
        else:
            return None
        name = read.submission.key if read.submission.file is None else read.submission.file.name
        return Handled("ACRF", acrf(name, errors=(f"ACRF-{code}",), now=self._now), Result.REFUSED, "")

    def _active(self, read: Read) -> bool:
        sender = self._senders.get(read.submission.sender)
        return sender is not None and sender.active

    def answered(self, read: Read, given: str) -> Handled | None:
        """What is known of it before anybody looks into it: it is no form, or came before, or breaks its schema. None:
        it is to be judged. `given`: its ticket."""
        receipt = self._receipt(read)
        if receipt is not None:
            return receipt
        known = self._declarations.get(_key(read))
        if known is not None:
            if known.sha256 == read.sha256:
                return self._answer(known, again=True)
            return self._refused(read, given, Anomaly("90059", "006", "key", read.submission.key))
        if not self._active(read):
            # Its file was accepted before: it is told of each form.
            return self.decided(read, given, Result.REFUSED, [read.placed(Anomaly("90256", "155", "Form"))])
        return self.decided(read, given, Result.REFUSED, read.broken) if read.broken else None

    def decided(
        self,
        read: Read,
        given: str,
        result: Result,
        anomalies: Sequence[Anomaly],
        impact: Impact | None = None,
        diagnosis: Sequence[int] = (),
    ) -> Handled:
        """A form was judged: its declaration is kept, and answered. Anomalies have their paths from the root."""
        found = self._declaration(read, given, result, tuple(anomalies[:MOST_ANOMALIES]), impact, tuple(diagnosis))
        # A simulation's is kept until it is told, if it came in a file.
        if found.environment != _SIMULATED or found.file_name is not None:
            self._declarations[_key(read)] = found
            self._new.append(found)
        return self._answer(found)

    def next_ticket(self) -> str:
        """One of those that were asked for."""
        return ticket(next(self._tickets))

    def sender(self, read: Read) -> Sender:
        """Of a form that is received."""
        return self._senders[read.submission.sender]

    def judge(self, read: Read) -> Handled:
        """What becomes of a form; those behind it find what it did."""
        given = self.next_ticket() if read.form is not None else ""
        answered = self.answered(read, given)
        if answered is not None:
            return answered
        if read.question is not None:
            return self._refused(read, given, *self._of_question(read))
        judgement = self._judged(read)
        result, impact = _result(judgement), _impact(judgement)
        simulated = read.submission.environment == _SIMULATED
        if judgement.kept is not None and (not simulated or read.submission.file is not None):
            self._keep(judgement.kept)
            if simulated:
                self._simulated[judgement.kept.id] = None
        if not simulated:
            if judgement.kept is not None:
                self._changed[judgement.kept.id] = given
            change = judgement.change
            if change is not None and read.submission.environment == _REAL and _identified(change):
                self._changes.append(change)
        return self.decided(read, given, result, judgement.anomalies, impact)

    def _judged(self, read: Read) -> Judgement:
        dimona = read.dimona
        assert dimona is not None  # noqa: S101 - what it else may be was answered
        moment = business(read.submission.received, self._today)
        judgement = judge(dimona, self._situation(read, dimona, moment.day), moment)
        if not judgement.anomalies:
            return judgement
        placed = tuple(read.placed(one) for one in judgement.anomalies)
        return Judgement(placed, judgement.change, judgement.kept)

    def _situation(self, read: Read, dimona: Dimona, day: date) -> Situation:
        sender, world = read.submission.sender, world_of(read)
        employer: Employer | Anomaly | None = None
        if dimona.kind == "IN" or dimona.employer.given:
            path = f"{dimona.block}/EmployerId"
            employer = self._directory.meant(dimona.employer, sender, day, path)
        mandated = isinstance(employer, Employer) and self._directory.mandated(sender, employer.nsso, day)
        period = None if (number := dimona.period_id) is None else self._periods.get(number)
        if period is not None and (
            period.environment != world or not self._directory.mandated(sender, period.employer, day)
        ):
            period = None
        worker = Worker(dimona.ssin, dimona.said) if period is None else period.worker
        others = (self._periods[one] for one in self._by_person.get(person_of(worker), ()))
        return Situation(
            employer,
            mandated,
            period,
            None if period is None else self._directory.employer(period.employer),
            [one for one in others if one.environment == world],
            PeriodId.of(next(self._numbers)) if dimona.kind == "IN" else _NO_PERIOD,
            world,
        )

    def _declaration(
        self,
        read: Read,
        given: str,
        result: Result,
        anomalies: tuple[Anomaly, ...],
        impact: Impact | None = None,
        diagnosis: tuple[int, ...] = (),
    ) -> Declaration:
        submission, file = read.submission, read.submission.file
        return Declaration(
            submission.sender,
            submission.environment,
            submission.key,
            read.sha256,
            given,
            result,
            read.head,
            anomalies,
            impact,
            None if file is None else file.name,
            None if file is None else file.ticket,
            submission.received,
            self._now,
            diagnosis,
            read.kind,
            submission.body,
        )

    def _answer(self, declaration: Declaration, *, again: bool = False) -> Handled:
        sender = self._senders.get(declaration.sender)
        language = "NL" if sender is None else sender.language
        body = notification([declaration.told(language)], declaration.at)
        return Handled("NOTIFICATION", body, declaration.result, declaration.ticket, again)

    def _refused(self, read: Read, given: str, *anomalies: Anomaly) -> Handled:
        """Told, and nothing kept: its ticket is known to nobody afterwards."""
        found = self._declaration(read, given, Result.REFUSED, anomalies[:MOST_ANOMALIES])
        handled = self._answer(found)
        return Handled(handled.form, handled.body, handled.result, "")

    # --- the list of workers ---------------------------------------------------------------------------------------

    def asks_for_workers(self, read: Read) -> bool:
        """Whether it is a question that can be answered."""
        if read.question is None or self._receipt(read) is not None or not self._active(read):
            return False
        if _key(read) in self._declarations:
            return False
        return not self._of_question(read)

    def _of_question(self, read: Read) -> tuple[Anomaly, ...]:
        """What is wrong with a question."""
        question, created = read.question, read.head.created
        assert question is not None  # noqa: S101 - of a question only
        moment = business(read.submission.received, self._today)
        found = []
        if created is not None and creation_is_wrong(created, moment):
            found.append(Anomaly("00218", "003", "FormCreationDate", created.isoformat(), "FormCreationDate"))
        sender = read.submission.sender
        employer = self._meant(question.employer, sender, moment.day)
        if isinstance(employer, Anomaly):
            found.append(employer)
        elif not self._directory.mandated(sender, employer.nsso, moment.day):
            found.append(Anomaly("90256", "155", "EmployerId", None, "EmployerId"))
        if question.begin is not None and question.end is not None and question.end < question.begin:
            path = "ReferencePeriod/RefEndingDate"
            found.append(Anomaly("00075", "014", "RefEndingDate", question.end.isoformat(), path))
        return tuple(read.placed(one) for one in found)

    def _meant(self, numbers: EmployerNumbers, sender: str, day: date) -> Employer | Anomaly:
        return self._directory.meant(numbers, sender, day)

    def workers_wanted(self, read: Read) -> tuple[str, str, date | None, date | None, int]:
        """Employer, environment, days and how many, of a question that can be answered."""
        employer, begin, end = self._asked(read)
        most = _MOST_ONLINE + 1 if read.submission.file is None else _ALL
        return employer.nsso.digits, world_of(read), begin, end, most

    def _asked(self, read: Read) -> tuple[Employer, date | None, date | None]:
        question = read.question
        assert question is not None  # noqa: S101 - of a question only
        day = business(read.submission.received, self._today).day
        employer = self._meant(question.employer, read.submission.sender, day)
        assert isinstance(employer, Employer)  # noqa: S101 - it can be answered
        if question.begin is None and question.end is None:
            return employer, day, day
        return employer, question.begin, question.end

    def workers(self, read: Read, rows: Sequence[Mapping[str, Any]]) -> Handled:
        """The list, or that it is too long for an answer on line."""
        employer, begin, end = self._asked(read)
        given, file = ticket(next(self._tickets)), read.submission.file
        told = None if file is None else FromFile(file.name, file.ticket, read.submission.received)
        quotas = read.question is not None and read.question.quotas
        answer = Answer(read.head, given, employer.nsso, employer.company, begin, end, quotas, told)
        parts, size, elements = [], 0, 0
        for part in answer.written(map(period_of, rows), self._now):
            parts.append(part)
            size += len(part)
            elements += part.count(b"<") - part.count(b"</")
            if file is None and (size > MAX_ONLINE or elements > MAX_ELEMENTS):
                return self._refused(read, given, read.placed(Anomaly("90426", "172", "Form")))
        return Handled("PersonnelFileConsultationAnswer", b"".join(parts), Result.ACCEPTED, "")


#: Of what is no IN: it is never kept.
_NO_PERIOD = PeriodId.of(10**9)


def _key(read: Read) -> tuple[str, str, str]:
    return read.submission.sender, read.submission.environment, read.submission.key


def world_of(read: Read) -> str:
    """Where its periods are: a simulation is judged by what is real."""
    return _REAL if read.submission.environment == _SIMULATED else read.submission.environment


def _result(judgement: Judgement) -> Result:
    if judgement.change is None:
        return Result.REFUSED
    if judgement.kept is not None and judgement.change.kind == "IN" and judgement.kept.worker.ssin is None:
        return Result.TO_VALIDATE
    return Result.WARNED if judgement.anomalies else Result.ACCEPTED


def _impact(judgement: Judgement) -> Impact | None:
    change = judgement.change
    if change is None or judgement.kept is None:
        return None
    return Impact(
        judgement.kept.id,
        judgement.kept.locked,
        judgement.kept.features,
        None if change.before is None else change.before.span,
        None if change.after is None else change.after.span,
    )


def _identified(change: Change) -> bool:
    return any(one is not None and one.worker.ssin is not None for one in (change.before, change.after))
