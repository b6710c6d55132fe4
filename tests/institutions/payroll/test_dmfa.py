"""A DmfA over the real broker: declared, its identifiers received by who declared alone, changed by them."""

import asyncio
from dataclasses import replace
from pathlib import Path

from institutions.payroll import Pids, Report, read_pids
from institutions.payroll.answers import Told
from schemas.declarations.dmfa import Declaration
from schemas.declarations.dmfa_update import Action, Last, PersonUpdate, RecordUpdate, Update
from schemas.declarations.outcome import Result
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.period import today
from schemas.wire import names
from tests.institutions.nsso.quarters import Work, declared, original, update
from tests.institutions.patience import PATIENCE
from tests.institutions.payroll.forms import person, starts
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND, A, B, Ground

TODAY = today()
QUARTER = Quarter(TODAY.year, (TODAY.month + 2) // 3).before()
FIRST = Work(person(), (declared(NssoNumber(OWN), QUARTER, ()).days).begin)


def raised(said: Declaration, pids: Pids) -> Update:
    """One worker's wages are a euro higher."""
    (one,) = said.persons
    (record,) = one.records
    (occupation,) = record.occupations
    (first, *others) = occupation.remunerations
    changed = replace(occupation, remunerations=(replace(first, amount=first.amount + 100), *others))
    known = pids.person(one.inss)
    assert known is not None
    last = known.record(*record.key)
    assert last is not None
    action = RecordUpdate(
        Action.MODIFY,
        *record.key,
        Last(*record.key, last.version),
        replace(record, occupations=(changed,)),
        (last.occupations[0].version,),
    )
    person = PersonUpdate(1, one.inss, None, known.pid, known.declared_pid, known.version, None, (action,))
    return Update(QUARTER, said.nsso, said.company, said.trusteeship, pids.pid, TODAY, persons=(person,))


async def test_a_quarter_is_declared_and_changed_by_what_was_received(ground: Ground) -> None:
    came: asyncio.Queue[tuple[Pids, Told]] = asyncio.Queue()
    me = ground.sender(A)

    @me.receives("DmfAPID")
    async def take(told: Told) -> None:
        await came.put((read_pids(told.body), told))

    async def received() -> Pids:
        pids, told = await asyncio.wait_for(came.get(), PATIENCE)
        assert (told.key, told.properties.headers["ticket"]) == (None, pids.ticket)
        return pids

    said = declared(NssoNumber(OWN), QUARTER, [FIRST], created=TODAY)
    async with me:
        assert (await me.declare(starts(OWN, FIRST.ssin, FIRST.starts))).accepted
        told = await me.declare(original(said))
        assert (told.result, told.anomalies) == (Result.ACCEPTED, ())
        first = await received()
        assert (first.ticket, first.nsso, first.quarter) == (told.ticket, OWN, QUARTER)
        # Received once, and a quarter is declared once: here by another who has no mandate, and again.
        async with ground.sender(B) as other:
            refused = await other.declare(update(raised(said, first)))
            assert [one.error_id for one in refused.anomalies] == ["90256-155"]
        again = await me.declare(original(said))
        assert [one.error_id for one in again.anomalies] == ["90007-006"]
        changes = update(raised(said, first))
        one, two = await asyncio.gather(me.declare(changes), me.declare(changes))
        done, stale = sorted((one, two), key=lambda answer: answer.result is Result.REFUSED)
        assert done.accepted
        assert [one.error_id for one in stale.anomalies] == ["00620-180"]
        second = await received()
        assert second.ticket == done.ticket
        known = second.person(FIRST.ssin.digits)
        assert known is not None
        assert (known.version, known.records[0].version, known.records[0].occupations[0].version) == (2, 2, 2)
        third = await me.declare(update(raised(said, second)), key="4d3c2b1a-0000-4000-8000-00000000000d")
        assert third.accepted
        assert (await received()).ticket == third.ticket
    assert came.empty(), "each is told once"
    await ground.empty(names.answers(names.sender_user(B)))


async def test_quarters_are_declared_and_changed_by_files(ground: Ground, tmp_path: Path) -> None:
    """In T, a world of its own, so that no signature is asked for."""
    works = {number: Work(person(), FIRST.starts) for number in (OWN, SECOND, OTHERS)}
    quarters = [declared(NssoNumber(number), QUARTER, [work], created=TODAY) for number, work in works.items()]
    box = tmp_path / "box"
    async with ground.sender(A) as me:
        for number in (OWN, SECOND):
            hired = await me.declare(starts(number, works[number].ssin, FIRST.starts), environment="T")
            assert hired.accepted
    file = tmp_path / "quarter.xml"
    file.write_bytes(original(*quarters, quarters[0]))
    report = await ground.sender(A, box=box).publish(file, environment="T")
    ends = [(one.result, [each.error_id for each in one.anomalies]) for one in report.outcomes()]
    accepted, refused = (Result.ACCEPTED, []), Result.REFUSED
    assert ends == [accepted, accepted, (refused, ["90256-155"]), (refused, ["90007-006"])]

    async def identifiers(report: Report) -> list[Pids]:
        """Those that follow from what was accepted, in its order."""
        found = {one.ticket: None for one in report.outcomes() if one.result is Result.ACCEPTED}
        async for kept in ground.sender(A, box=box).listen(idle=PATIENCE):
            pids = read_pids(kept.body)
            # The last that was looked at comes again: it was not done with.
            if (kept.form, pids.ticket in found) == ("DmfAPID", True):
                found[pids.ticket] = pids
            if all(found.values()):
                break
        return [one for one in found.values() if one is not None]

    pids = await identifiers(report)
    assert [one.nsso for one in pids] == [OWN, SECOND]
    changes = tmp_path / "changes.xml"
    changes.write_bytes(update(*map(raised, quarters[:2], pids)))
    report = await ground.sender(A, box=box).publish(changes, environment="T")
    assert [(one.result, one.anomalies) for one in report.outcomes()] == [(Result.ACCEPTED, ())] * 2
    assert [one.persons[0].version for one in await identifiers(report)] == [2, 2]
