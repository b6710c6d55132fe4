"""Who handles a DmfA, and who handles its update: judged, kept and answered within one transaction.

`docs/declarations.md`, "DmfA". An employer's quarter is locked, its persons are not. What takes long of a large one is
done beside the event loop: others are answered meanwhile.
"""

import re
from asyncio import to_thread
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from institutions.nsso import outgoing, statements
from institutions.nsso.clerk import Case, Decided
from institutions.nsso.dmfa import store
from institutions.nsso.dmfa.judging import BLOCKING, DECLARATION, Judgement, Known, content_of, judge, net
from institutions.nsso.dmfa.kept import KeptDmfa, numbers_wanted
from institutions.nsso.dmfa.rules import of_employer
from institutions.nsso.dmfa.update import BLOCK, Facts, apply, placed, unknown
from institutions.nsso.dmfa.update import numbers_wanted as numbers_of_update
from institutions.nsso.register import Employer
from institutions.nsso.rows import period_of, quarter_lock
from schemas.declarations import dmfa, dmfa_update, pid
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Declaration, Occupation, Person, Record
from schemas.declarations.dmfa_update import PersonUpdate, Update
from schemas.declarations.notification import MOST_ANOMALIES
from schemas.declarations.number import ticket
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.period import Period
from schemas.ssin import Ssin

_REAL = "R"
_PERSON = re.compile(r"/NaturalPerson(?:Update)?\[([0-9]+)\]")
_TICKET = "SELECT nextval('ticket_counter')"

#: What else follows from a quarter's being declared: the case, the employer, what is declared, with the numbers of
#: persons that stand today, the clock of what is kept. Called within the transaction, under the quarter's lock; what it
#: gives is told with the rest, and blocks nothing.
Reconcile = Callable[[Case, Employer, Declaration, datetime], Awaitable[Sequence[Anomaly]]]


async def nothing_anticipated(*_: object) -> Sequence[Anomaly]:
    """Nothing was said of a quarter before it is declared."""
    return ()


class OriginalClerk:
    """DmfAOriginal: an employer's quarter is declared, once. `reconcile`: with what was anticipated of it."""

    def __init__(self, reconcile: Reconcile = nothing_anticipated) -> None:
        self._reconcile = reconcile

    async def handle(self, case: Case) -> Decided:
        """See `Clerk.handle`."""
        declaration = await to_thread(dmfa.read, case.form)
        meant = await case.employer_locked(
            declaration.employer, DECLARATION, lambda nsso: lock_of(case.world, nsso, declaration.quarter)
        )
        if isinstance(meant, Anomaly):
            judgement = judge(declaration, Known(meant), case.moment)
            return Decided.by(judgement.anomalies, judgement.diagnosis)
        employer, clock = meant
        there = await store.pid_of(case.connection, case.world, employer.nsso, declaration.quarter)
        ssins = _ssins(declaration.persons)
        known = await _known(case, employer, declaration.days, ssins, declared=there is not None)
        judgement = await to_thread(judge, declaration, known, case.moment)
        if not judgement.accepted:
            return Decided.by(judgement.anomalies, judgement.diagnosis)
        differing = await self._reconcile(case, employer, _current(declaration, known), clock)
        numbers = await store.numbers(case.connection, numbers_wanted(declaration))
        naturals = await store.given(case.connection, case.world, ssins)
        kept = await to_thread(
            KeptDmfa.original,
            declaration,
            case.world,
            employer.nsso,
            None if employer.company is None else employer.company.digits,
            case.sender.number,
            case.ticket,
            naturals,
            numbers,
        )
        await store.write(case.connection, None, kept, clock)
        await tell(case.connection, kept, case.sender.number, case.now.received, case.head.references)
        return Decided.by([*judgement.anomalies, *differing])


class UpdateClerk:
    """DmfAUpdate: what was declared changes, if it is the last situation that is named."""

    async def handle(self, case: Case) -> Decided:
        """See `Clerk.handle`."""
        update = dmfa_update.read(case.form)
        meant = await case.employer_locked(
            update.employer, BLOCK, lambda nsso: lock_of(case.world, nsso, update.quarter)
        )
        if isinstance(meant, Anomaly):
            return Decided.by([of_employer(meant, BLOCK, update.nsso)])
        employer, clock = meant
        before = await store.of_quarter(case.connection, case.world, employer.nsso, update.quarter)
        if before is None or before.pid != update.pid:
            return Decided.by([unknown(update)])
        facts = await _facts(case, update, before)
        numbers = await store.numbers(case.connection, numbers_of_update(update))
        found, after = apply(update, before, facts, numbers)
        if found:
            return Decided.by(found)
        ssins = _ssins(person.said for person in after.persons)
        known = await _known(case, employer, update.days, ssins)
        whole = replace(after.whole, created=update.created)
        after = replace(
            after,
            sender=case.sender.number,
            ticket=case.ticket,
            said=replace(after.said, net_owed=net(whole), created=update.created),
        )
        brought = await to_thread(content_of, update, known)
        was = await _all_of(replace(before.whole, created=update.created), known, case)
        judgement = await _all_of(after.whole, known, case)
        diagnosis = judgement.worse_than(was)
        if not diagnosis and not any(one.blocks for one in brought):
            naturals = await store.given(case.connection, case.world, ssins)
            kept = _identified(before, after, naturals)
            await store.write(case.connection, before, kept, max(clock, before.known_from or clock))
            await tell(case.connection, kept, case.sender.number, case.now.received, case.head.references)
        told_before = {_which(one, update.persons) for one in brought}
        if set(diagnosis) <= {BLOCKING}:
            # What was so before was told before, but for what is now too many.
            told_before.update(_which(one, before.whole.persons) for one in was.anomalies if not one.blocks)
        persons = after.whole.persons
        newly = [one for one in judgement.anomalies if _which(one, persons) not in told_before]
        place = placed(update, after, DECLARATION)
        told = sorted(dict.fromkeys([*brought, *map(place, newly)]), key=lambda one: not one.blocks)
        return Decided.by(told[:MOST_ANOMALIES], diagnosis)


async def _all_of(declaration: Declaration, known: Known, case: Case) -> Judgement:
    """With all anomalies: they are compared."""
    return await to_thread(judge, declaration, known, case.moment, None, None)


def lock_of(world: str, employer: NssoNumber, quarter: Quarter) -> int:
    """Of an employer's quarter."""
    return quarter_lock(world, employer.digits, str(store.written(quarter)))


def same(anticipated: Sequence[Record], declared: Sequence[Record]) -> bool:
    """Whether each occupation that was anticipated was declared so: its days, joint commission, contract, what was
    worked and what was paid of each kind, in whatever order."""
    said = [_essence(one) for record in declared for one in record.occupations]
    for record in anticipated:
        for one in record.occupations:
            if (essence := _essence(one)) not in said:
                return False
            said.remove(essence)
    return True


def _essence(occupation: Occupation) -> tuple[object, ...]:
    return (
        occupation.starts,
        occupation.ends,
        occupation.joint_commission,
        occupation.contract_type,
        sorted((one.code, one.days, one.hours or 0) for one in occupation.services),
        sorted((one.code, one.frequency or 0, one.amount) for one in occupation.remunerations),
    )


def _which(anomaly: Anomaly, persons: Sequence[Person | PersonUpdate]) -> tuple[str, str | None, str]:
    """What is wrong, and with whom of these: the same, wherever it stands."""
    place = _PERSON.search(anomaly.path)
    return anomaly.error_id, anomaly.value, "" if place is None else persons[int(place[1]) - 1].inss


def _ssins(persons: Iterable[Person]) -> list[Ssin]:
    return [ssin for person in persons if (ssin := person.ssin) is not None]


def _current(declaration: Declaration, known: Known) -> Declaration:
    if not known.replaced:
        return declaration
    persons = (
        one if (ssin := one.ssin) is None else replace(one, inss=known.current(ssin).digits)
        for one in declaration.persons
    )
    return replace(declaration, persons=tuple(persons))


async def _known(
    case: Case, employer: Employer, days: Period, persons: Iterable[Ssin], *, declared: bool = False
) -> Known:
    rows = await case.connection.fetch(statements.EMPLOYED, employer.nsso.digits, case.world, days.begin, days.end)
    periods = await to_thread(lambda: [period_of(row) for row in rows])
    newest = await case.connection.fetch(statements.NEWEST, [one.number for one in persons])
    replaced = {Ssin.from_number(row["old"]): Ssin.from_number(row["newest"]) for row in newest}
    return Known(employer, periods, declared, replaced)


async def _facts(case: Case, update: Update, before: KeptDmfa) -> Facts:
    here = {one.pid for one in before.persons}
    named = [one.declared_pid for one in update.persons if one.declared_pid is not None]
    elsewhere = [one for one in named if one not in here and await store.is_elsewhere(case.connection, one, before)]
    ssins = [ssin for person in update.persons if (ssin := person.ssin) is not None]
    return Facts(
        await store.highest(case.connection, before.pid, named),
        await store.naturals(case.connection, case.world, ssins),
        frozenset(elsewhere),
    )


def _identified(before: KeptDmfa, after: KeptDmfa, naturals: dict[str, int]) -> KeptDmfa:
    """With the NaturalPersonPID of each person who is new in it."""
    known = {one.pid: one.said.inss for one in before.persons}
    persons = (
        one if known.get(one.pid) == one.said.inss else replace(one, natural=naturals.get(one.said.inss, one.natural))
        for one in after.persons
    )
    return replace(after, persons=tuple(persons))


async def tell(
    connection: Any,
    kept: KeptDmfa,
    sender: str,
    now: datetime,
    references: Sequence[tuple[str, str, str]] = (),
) -> int:
    """Put the identifiers as they are into `outgoing`, for a sender: in how many messages. `references`: of the form
    that made it so."""
    own = ticket(await connection.fetchval(_TICKET))
    messages = await to_thread(pid.written, kept.pids, own, now, references)
    headers = {"ticket": kept.ticket} if kept.world == _REAL else {"ticket": kept.ticket, "environment": kept.world}
    for number, body in enumerate(messages, 1):
        reference = own if len(messages) == 1 else f"{own}/{number}"
        await outgoing.put(connection, sender, pid.FORM, reference, body, headers=headers)
    return len(messages)
