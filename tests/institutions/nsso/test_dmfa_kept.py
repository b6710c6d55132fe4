"""DmfAs and their updates in the office, on a real PostgreSQL: what is kept, what is told, and what is refused."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime
from itertools import count
from random import Random

import pytest

from deploy.demo.examples import FOLDER
from institutions.nsso.clerk import Case
from institutions.nsso.dmfa import again as dmfa_again
from institutions.nsso.dmfa import store as dmfa_store
from institutions.nsso.dmfa.again import NotDeclared
from institutions.nsso.dmfa.clerk import OriginalClerk, lock_of, same
from institutions.nsso.dmfa.kept import KeptDmfa
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register import Employer, Mandate, Register
from institutions.nsso.statements import LOCK
from schemas.declarations import dmfa, pid
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Declaration, Record
from schemas.declarations.outcome import Result
from schemas.declarations.pid import PersonPid, Pids
from schemas.declarations.quarter import Quarter as Named
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.parser import MAX_ELEMENTS, MAX_ONLINE, parse
from schemas.period import Period
from schemas.ssin import Ssin, check_digits
from tests.institutions.nsso.dmfa_forms import (
    QUARTER,
    STARTS,
    Line,
    Quarter,
    Work,
    modified,
    person_update,
    record_update,
    update,
)
from tests.institutions.nsso.ground import (
    ACTIVE,
    FORMS,
    OWN,
    SECRETARIAT,
    TODAY,
    Answer,
    Desk,
    block,
    dimona_cancel,
    dimona_in,
    opened,
    person,
    submission,
)
from tests.institutions.nsso.sending import CERTIFICATES, Post, joined, name_of, signed

EXAMPLES = FOLDER / "declarations"
_numbers, _places = count(1), count(1)
_theirs: set[NssoNumber] = set()
#: No PID yet.
MISSING = 49_999_999_998
DONE = ("ACCEPTED", "WARNED")
#: How many transactions do.
WAIT_FOR_A_LOCK = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
"""
AGAIN = Line(works=(Work(wage=910_000),), basis=910_000)


@pytest.fixture(scope="module")
async def desks(postgresql) -> AsyncIterator[list[Desk]]:
    """Two offices on a database of their own: employers come in here."""
    async with opened(postgresql, offices_wanted=2) as found:
        yield found


@pytest.fixture
async def employer(desk: Desk) -> NssoNumber:
    """One of this test alone, for which the secretariat declares."""
    return await employer_of(desk, SECRETARIAT)


async def employer_of(desk: Desk, sender: str) -> NssoNumber:
    place = next(_places)
    number = NssoNumber.of(1300000 + place)
    there = Employer(number, EnterpriseNumber.of(4500000 + place), ACTIVE)
    await desk.office.load(Register(employers=(there,), mandates=(Mandate(sender, number, ACTIVE),)), f"test {place}")
    if sender == OWN:
        _theirs.add(number)
    return number


async def hired(desk: Desk, employer: NssoNumber, number: int) -> list[Ssin]:
    """New persons, with a Dimona each."""
    found = []
    for _ in range(number):
        nine = f"810101{next(_numbers):03d}"
        found.append(Ssin.parse(nine + check_digits(nine, born_2000=False)))
    sender = OWN if employer in _theirs else SECRETARIAT
    answers = await desk.hand(*(submission(dimona_in(one, STARTS, employer=employer), sender) for one in found))
    assert not any(answer.handled.result is Result.REFUSED for answer in answers)
    return found


async def told(desk: Desk, answer: Answer) -> Pids:
    """What was put into `outgoing` in the same commit."""
    ((_, found),) = await identified(desk, answer.handled.ticket)
    return found


async def identified(desk: Desk, ticket: str) -> list[tuple[str, Pids]]:
    """DmfAPIDs to be told, that follow from the form with this ticket: to whom."""
    rows = await desk.office._pool.fetch(
        "SELECT sender, headers, body FROM outgoing WHERE form = 'DmfAPID' AND headers->>'ticket' = $1 ORDER BY id",
        ticket,
    )
    found = []
    for row in rows:
        assert FORMS.violations(row["body"])[1] == ()
        assert json.loads(row["headers"]) == {"ticket": ticket}
        found.append((row["sender"], pid.read(row["body"])))
        assert found[-1][1].ticket == ticket
    return found


async def kept(desk: Desk, employer: NssoNumber, at: datetime | None = None, world: str = "R") -> KeptDmfa | None:
    async with desk.office._pool.acquire() as connection:
        return await dmfa_store.of_quarter(connection, world, employer, Named.parse(QUARTER), at)


async def declared(
    desk: Desk, employer: NssoNumber, *lines: tuple[Ssin, tuple[Line, ...]], quarter: str = QUARTER
) -> Pids:
    answer = await desk.say(Quarter(lines, employer, quarter=quarter).xml)
    assert answer.result in DONE, answer.ids
    return await told(desk, answer)


async def count_of(desk: Desk, *keys: str) -> int:
    found: int = await desk.office._pool.fetchval("SELECT count(*) FROM declaration WHERE key = ANY ($1)", list(keys))
    return found


def alike(answer: Answer, number: int) -> bytes:
    """But for ticket, time and what was asked for."""
    body = re.sub(rb"<(FormCreationHour|ReferenceNbr)>[^<]*<", rb"<\1><", answer.handled.body)
    return body.replace(str(number).encode(), b"...")


# --- an original -----------------------------------------------------------------------------------------------------


async def test_an_original_is_kept_and_its_identifiers_are_told(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    two = Line("495", (Work(1, reference=" A b"), Work(2, days=0)))
    form = Quarter(((ann, (two, Line("015"))), (bob, (Line(),))), employer, (("855", 700),), ("1-AAA-001",))
    answer = await desk.say(form.xml)
    assert answer.result in DONE, answer.ids
    pids = await told(desk, answer)
    assert (pids.quarter, pids.nsso, pids.ticket) == (Named(2026, 3), employer.digits, answer.handled.ticket)
    assert [(one.inss, one.version, len(one.records)) for one in pids.persons] == [
        (ann.digits, 1, 2),
        (bob.digits, 1, 1),
    ]
    record = pids.persons[0].record("010", "495")
    assert [(one.sequence, one.version, one.reference) for one in record.occupations] == [(1, 1, " A b"), (2, 1, None)]
    assert [(one.worker_code, one.version) for one in pids.unrelated] == [("855", 1)]
    assert [(one.plate, one.version) for one in pids.vehicles] == [("1-AAA-001", 1)]
    found = await kept(desk, employer)
    assert found.pids == pids
    said = found.whole
    assert said.net_owed == 3 * 340_560 + 700
    assert said.persons[0].records[0].occupations[0].remunerations[0].amount == 900_000
    numbers = {one for each in pids.persons for one in (each.pid, each.declared_pid)}
    assert len(numbers | {pids.pid}) == 5


async def test_a_person_has_one_number_at_all_employers_and_one_in_each_declaration(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    first = await declared(desk, employer, (ann, (Line(),)))
    second = await declared(desk, await employer_of(desk, SECRETARIAT), (ann, (Line(),)))
    assert first.persons[0].pid == second.persons[0].pid
    assert first.persons[0].declared_pid != second.persons[0].declared_pid


async def test_dimona_is_looked_at_within_the_transaction(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    answer = await desk.say(Quarter(((ann, (Line(),)), (bob, (Line(),))), employer).xml)
    assert (answer.result, answer.ids) == ("ACCEPTED", [])
    other = await employer_of(desk, SECRETARIAT)
    form = Quarter(((ann, (Line(),)), (bob, (Line(),))), other).xml
    hires = [submission(dimona_in(one, STARTS, employer=other)) for one in (ann, bob)]
    answer = await desk.say(form)
    assert (answer.result, set(answer.ids), answer.form.findtext(".//Diagnosis")) == ("REFUSED", {"90007-262"}, "1")
    # What stands before it in the same hand counts.
    *_, answer = await desk.hand(*hires, submission(form))
    assert (answer.result, answer.ids) == ("ACCEPTED", [])


async def test_an_original_where_there_is_one_is_refused_in_each_world(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    form = Quarter(((ann, (Line(),)),), employer).xml
    assert (await desk.say(form)).result in DONE
    again = await desk.say(form)
    assert (again.result, again.ids, again.form.findtext(".//Diagnosis")) == ("REFUSED", ["90007-006"], "3")
    assert await desk.office._pool.fetchval("SELECT count(*) FROM dmfa WHERE employer = $1", employer.digits) == 1
    simulated = await desk.say(form, environment="S")
    assert simulated.ids == ["90007-006"], "a simulation is judged by what is real"
    assert (await desk.say(form, environment="T")).result in DONE
    assert (await kept(desk, employer)).pid != (await kept(desk, employer, world="T")).pid


async def test_a_simulation_leaves_nothing(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    answer = await desk.say(Quarter(((ann, (Line(),)),), employer).xml, environment="S")
    assert answer.result in DONE
    assert await kept(desk, employer) is None
    assert await identified(desk, answer.handled.ticket) == []


async def test_two_originals_at_once_over_two_offices_are_one(desks):
    for _ in range(3):
        employer = await employer_of(desks[0], SECRETARIAT)
        (ann,) = await hired(desks[0], employer, 1)
        form = Quarter(((ann, (Line(),)),), employer).xml
        answers = await asyncio.gather(*(desks[place % 2].say(form) for place in range(4)))
        refused = [answer.ids for answer in answers if answer.result == "REFUSED"]
        assert refused == [["90007-006"]] * 3


async def test_the_same_new_persons_at_many_employers_at_once(desks):
    employers = [await employer_of(desks[0], SECRETARIAT) for _ in range(6)]
    persons = await hired(desks[0], employers[0], 8)
    for employer in employers[1:]:
        await desks[0].hand(*(submission(dimona_in(one, STARTS, employer=employer)) for one in persons))
    forms = [
        Quarter(tuple((one, (Line(),)) for one in (persons if place % 2 else persons[::-1])), employer).xml
        for place, employer in enumerate(employers)
    ]
    answers = await asyncio.gather(*(desks[place % 2].say(form) for place, form in enumerate(forms)))
    found = [await told(desks[0], answer) for answer in answers]
    assert len({one.pid for each in found for one in each.persons}) == 8


async def test_killed_before_the_commit_it_leaves_nothing_and_the_same_key_tells_again(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    form = submission(Quarter(((ann, (Line(),)),), employer).xml)
    reached = asyncio.Event()

    async def stops(_connection: object, _done: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    killed = asyncio.create_task(desk.office.handle([form], within=stops))
    await reached.wait()
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert await kept(desk, employer) is None
    assert await count_of(desk, form.key) == 0
    (first,) = await desk.hand(form)
    (again,) = await desk.hand(form)
    assert (first.result in DONE, first.handled.again) == (True, False)
    assert (again.handled.body, again.handled.again) == (first.handled.body, True)
    assert len((await told(desk, first)).persons) == 1


async def test_what_fits_on_line_is_taken_however_short_its_elements_are(desk, employer):
    persons = [(f"{81010100000 + place:011d}", (Line(),)) for place in range(850)]
    form = Quarter(tuple(persons), employer).xml
    assert len(form) < MAX_ONLINE
    assert form.count(b"</") > MAX_ELEMENTS
    answer = await desk.say(form)
    assert (answer.handled.form, answer.result, len(answer.ids)) == ("NOTIFICATION", "REFUSED", 30)
    assert set(answer.ids) == {"00024-004"}, "what blocks is among what is told"


# --- an update -------------------------------------------------------------------------------------------------------


async def test_an_update_is_done_and_tells_new_versions(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    line = Line(works=(Work(1), Work(2, days=0)))
    pids = await declared(desk, employer, (ann, (line, Line("015"))), (bob, (Line(),)))
    changed = replace(line, works=(Work(1, wage=910_000), Work(2, days=0)), basis=910_000)
    answer = await desk.say(modified(pids, ann, changed))
    assert answer.result in DONE, answer.ids
    after = await told(desk, answer)
    assert (after.pid, after.ticket) == (pids.pid, answer.handled.ticket)
    one, other = after.persons
    assert other == pids.persons[1]
    assert (one.pid, one.declared_pid, one.version) == (pids.persons[0].pid, pids.persons[0].declared_pid, 2)
    record = one.record("010", "495")
    assert (record.version, [each.version for each in record.occupations]) == (2, [2, 1])
    assert one.record("010", "015") == pids.persons[0].record("010", "015")
    said = (await kept(desk, employer)).whole
    assert [each.remunerations[0].amount for each in said.persons[0].records[0].occupations] == [910_000, 900_000]
    assert said.net_owed == changed.owed + 2 * Line().owed, "what is owed is reckoned anew"


async def test_a_stale_version_refuses_the_whole_update(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)), (bob, (Line(),)))
    assert (await desk.say(modified(pids, ann, AGAIN))).result in DONE
    before = await kept(desk, employer)
    stale = await desk.say(modified(pids, ann, Line()))
    assert (stale.result, stale.ids) == ("REFUSED", ["00620-180"])
    change = record_update(1, AGAIN, ("495", 1), [1])
    both = update(
        pids.pid,
        person_update(bob, pids.person(bob.digits), change),
        person_update(ann, pids.person(ann.digits), change, DeclNaturalPersonVersionNbr=2),
        employer=employer,
    )
    refused = await desk.say(both)
    assert (refused.result, refused.ids) == ("REFUSED", ["00610-180"]), "bob's was right, and is not done either"
    change = record_update(1, AGAIN, ("495", 1), [2])
    occupation = update(pids.pid, person_update(bob, pids.person(bob.digits), change), employer=employer)
    assert (await desk.say(occupation)).ids == ["00619-180"]
    assert await kept(desk, employer) == before


async def test_two_updates_of_one_version_at_once_over_two_offices(desks):
    for _ in range(3):
        employer = await employer_of(desks[0], SECRETARIAT)
        (ann,) = await hired(desks[0], employer, 1)
        pids = await declared(desks[0], employer, (ann, (Line(),)))
        forms = [modified(pids, ann, Line(works=(Work(wage=900_000 + place),))) for place in range(4)]
        answers = await asyncio.gather(*(desks[place % 2].say(form) for place, form in enumerate(forms)))
        assert [answer.ids for answer in answers if answer.result == "REFUSED"] == [["00620-180"]] * 3
        (place,) = (place for place, answer in enumerate(answers) if answer.result in DONE)
        found = await kept(desks[0], employer)
        assert found.whole.persons[0].records[0].occupations[0].remunerations[0].amount == 900_000 + place
        assert found.persons[0].version == 2


async def test_what_is_not_there_and_what_is_anothers_is_told_alike(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    mine = await declared(desk, employer, (ann, (Line(),)))
    theirs = await employer_of(desk, OWN)
    (bob,) = await hired(desk, theirs, 1)
    foreign = await told(desk, await desk.say(Quarter(((bob, (Line(),)),), theirs).xml, OWN))
    for zone, other in (("00534", foreign.pid), ("00548", foreign.persons[0].declared_pid)):
        answers = []
        for number in (other, MISSING):
            known = replace(foreign.persons[0], declared_pid=number if zone == "00548" else MISSING)
            change = person_update(ann, known, record_update(9, Line(), ("495", 1)))
            answers.append(await desk.say(update(number if zone == "00534" else mine.pid, change, employer=employer)))
        assert [one.ids for one in answers] == [[f"{zone}-182"]] * 2
        first, second = (alike(one, number) for one, number in zip(answers, (other, MISSING), strict=True))
        assert first == second
    test = modified(mine, ann, AGAIN)
    assert (await desk.say(test, environment="T")).ids == ["00534-182"], "a world of its own"


async def test_history_can_be_read_at_any_moment(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)))
    situations = [await kept(desk, employer)]
    for wage in (1, 2, 3):
        pids = await told(desk, await desk.say(modified(pids, ann, Line(works=(Work(wage=wage),)))))
        situations.append(await kept(desk, employer))
    added = update(pids.pid, person_update(bob, None, record_update(3, Line())), employer=employer)
    pids = await told(desk, await desk.say(added))
    situations.append(await kept(desk, employer))
    gone = record_update(0, Line(), ("495", 4))
    removed = update(pids.pid, person_update(ann, pids.person(ann.digits), gone), employer=employer)
    pids = await told(desk, await desk.say(removed))
    assert [one.inss for one in pids.persons] == [bob.digits]
    situations.append(await kept(desk, employer))
    assert len({one.known_from for one in situations}) == 6
    for situation in situations:
        assert await kept(desk, employer, situation.known_from) == situation
    assert await kept(desk, employer, datetime.fromisoformat("2020-01-01T00:00:00+00:00")) is None


async def test_a_version_never_comes_twice(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(), Line("015"))), (bob, (Line(),)))
    stale = modified(pids, ann, AGAIN)
    gone = update(
        pids.pid,
        person_update(ann, pids.person(ann.digits), record_update(0, Line(), ("495", 1))),
        employer=employer,
    )
    pids = await told(desk, await desk.say(gone))
    assert pids.person(ann.digits).record("010", "495") is None
    back = person_update(ann, pids.person(ann.digits), record_update(3, Line()))
    pids = await told(desk, await desk.say(update(pids.pid, back, employer=employer)))
    assert pids.person(ann.digits).record("010", "495").version == 2
    assert (await desk.say(stale)).ids == ["00620-180"]
    # A record that takes the place of another goes on behind it too.
    known = pids.person(ann.digits)
    both = person_update(
        ann,
        known,
        record_update(0, Line(), ("495", 2)),
        record_update(1, Line("495", (Work(wage=5),)), ("015", 1), [1]),
    )
    pids = await told(desk, await desk.say(update(pids.pid, both, employer=employer)))
    assert [(one.worker_code, one.version) for one in pids.person(ann.digits).records] == [("495", 3)]


async def test_what_an_update_names_wrongly(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)))
    other = await declared(desk, await _same_employers(desk, employer, ann), (ann, (Line(),)), quarter="20262")
    known = pids.person(ann.digits)
    last, keep = ("495", 1), record_update(9, Line(), ("495", 1))

    async def ids(change: str) -> list[str]:
        answer = await desk.say(update(pids.pid, change, employer=employer))
        assert answer.result == "REFUSED"
        return answer.ids

    assert await ids(person_update(ann, known, keep, NaturalPersonPID=MISSING)) == ["00549-177"]
    assert await ids(person_update(ann, other.persons[0], keep)) == ["00548-178"]
    assert await ids(person_update(ann, known, keep, NaturalPersonPID=None)) == ["00549-001"]
    assert await ids(person_update(ann, known, keep, DeclNaturalPersonVersionNbr=None)) == ["00620-001"]
    assert await ids(person_update(bob, None, record_update(3, Line()), NaturalPersonPID=known.pid)) == ["00549-177"]
    assert await ids(person_update(bob, None, keep)) == ["00610-180"]
    assert await ids(person_update(bob, None, record_update(1, Line()))) == ["00618-003"]
    assert await ids(person_update(ann, known, record_update(3, Line(), last))) == ["00618-003"]
    assert await ids(person_update(ann, known, record_update(0, Line("015"), last))) == ["00618-003"]
    assert await ids(person_update(ann, known, keep, keep)) == ["90012-006"]
    assert await ids(person_update(ann, known, keep) + person_update(ann, known, keep)) == ["00548-006"]
    assert await ids(person_update(ann, known, record_update(3, Line()))) == ["90012-006"]
    assert await ids(person_update(ann, None, record_update(3, Line()))) == ["90017-006"]
    two = Line(works=(Work(1), Work(2, days=0)))
    assert await ids(person_update(ann, known, record_update(1, two, last, [1, 1]))) == ["00619-180"]
    assert await ids(person_update(ann, known, record_update(1, two, last, [None, None]))) == ["00619-180"]
    wrong = update(pids.pid, person_update(ann, known, keep), employer=employer)
    assert (await desk.say(wrong.replace(b"<Trusteeship>0", b"<Trusteeship>1"))).ids == ["00012-022"]
    assert (await desk.say(wrong.replace(b"20263", b"20261"))).ids == ["00534-182"]
    assert (await kept(desk, employer)).pids == pids


async def _same_employers(desk: Desk, employer: NssoNumber, worker: Ssin) -> NssoNumber:
    """The quarter before, with a Dimona too."""
    await desk.say(dimona_in(worker, date(2026, 4, 1), date(2026, 6, 30), employer=employer))
    return employer


async def test_an_update_that_makes_the_quarter_wrong_is_refused_as_a_whole(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)), (bob, (Line(),)))
    before = await kept(desk, employer)
    bare = Line(works=(Work(days=9_000),), basis=1)
    many = [person_update(one, pids.person(one.digits), record_update(1, bare, ("495", 1), [1])) for one in (ann, bob)]
    answer = await desk.say(update(pids.pid, *many, employer=employer))
    assert (answer.result, set(answer.ids)) == ("REFUSED", {"90015-095"})
    assert answer.form.findtext(".//Diagnosis") == "4", "too many of the quarter's records, though each alone may be"
    assert await kept(desk, employer) == before
    one = await desk.say(update(pids.pid, many[0], employer=employer))
    assert (one.result, one.ids) == ("WARNED", ["90015-095"])
    path = one.form.findtext(".//AnomalyLocation/Location")
    assert path.startswith("/DmfAUpdate/Form/EmployerDeclarationUpdate/NaturalPersonUpdate[1]/WorkerRecordUpdate[1]/")
    twice = person_update(bob, pids.person(bob.digits), record_update(3, Line()))
    answer = await desk.say(update(pids.pid, twice, employer=employer))
    assert (answer.result, answer.ids) == ("REFUSED", ["90012-006"])
    assert answer.form.findtext(".//AnomalyLocation/Location").endswith("/NaturalPersonUpdate[1]")


async def test_what_is_of_nobody_in_particular_has_versions_too(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    answer = await desk.say(Quarter(((ann, (Line(),)),), employer, (("855", 700), ("856", 1)), ("1-AAA-001",)).xml)
    pids = await told(desk, answer)

    def unrelated(action: int, code: str, amount: int, last: tuple[str, int] | None = None) -> str:
        situation = None
        if last is not None:
            situation = block(
                "LastSituationCUNP",
                ("UnrelatedEmployerClass", "010"),
                ("UnrelatedWorkerCode", last[0]),
                ("ContUnrelatedToNPVersionNbr", last[1]),
            )
        said = block(
            "CUNPUpdateAction",
            ("UnrelatedEmployerClass", "010"),
            ("UnrelatedWorkerCode", code),
            ("UnrelatedAmount", amount),
            ("UpdateAction", action),
        )
        return block("ContributionUnrelatedToNPUpdate", ("", situation), ("", said))

    def vehicle(action: int, place: int, plate: str, version: int | None = None) -> str:
        return block(
            "CompanyVehicleUpdateAction",
            ("CompanyVehicleSequenceNbr", place),
            ("LicensePlate", plate),
            ("CompanyVehicleVersionNbr", version),
            ("UpdateAction", action),
        )

    async def say(*blocks: str) -> Answer:
        return await desk.say(update(pids.pid, *blocks, employer=employer))

    answer = await say(
        vehicle(1, 1, "1-AAA-002", 1),
        vehicle(3, 2, "1-BBB-001"),
        unrelated(1, "855", 800, ("855", 1)),
        unrelated(0, "856", 0, ("856", 1)),
        unrelated(3, "857", 9),
    )
    pids = await told(desk, answer)
    assert [(one.worker_code, one.version) for one in pids.unrelated] == [("855", 2), ("857", 1)]
    assert [(one.plate, one.version) for one in pids.vehicles] == [("1-AAA-002", 2), ("1-BBB-001", 1)]
    assert (await kept(desk, employer)).whole.net_owed == Line().owed + 809
    assert (await say(unrelated(1, "855", 1, ("855", 1)))).ids == ["00611-180"]
    assert (await say(unrelated(3, "855", 1))).ids == ["90002-006"]
    assert (await say(unrelated(1, "855", 1))).ids == ["00618-003"]
    assert (await say(vehicle(0, 1, "1-AAA-002", 1))).ids == ["00782-180"]
    assert (await say(vehicle(0, 1, "1-AAA-002"))).ids == ["00618-003"]
    assert (await say(vehicle(3, 1, "1-CCC-001"))).ids == ["00780-006"]
    pids = await told(desk, await say(vehicle(0, 1, "1-AAA-002", 2), unrelated(3, "856", 2)))
    assert [(one.worker_code, one.version) for one in pids.unrelated] == [("855", 2), ("856", 2), ("857", 1)]
    assert [(one.plate, one.version) for one in pids.vehicles] == [("1-BBB-001", 1)]


async def test_a_wrong_number_is_put_right(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)))
    known = pids.person(ann.digits)
    right = person_update(bob, known, record_update(9, Line(), ("495", 1)))
    pids = await told(desk, await desk.say(update(pids.pid, right, employer=employer)))
    (person,) = pids.persons
    assert (person.inss, person.declared_pid, person.version) == (bob.digits, known.declared_pid, 2)
    assert person.pid != known.pid
    assert person.records == known.records, "named and unchanged"
    again = person_update(bob, person, record_update(9, Line(), ("495", 1)))
    after = await told(desk, await desk.say(update(pids.pid, again, employer=employer)))
    assert after.persons == pids.persons, "nothing is changed, and no version either"


async def test_what_is_kept_as_it_was_may_not_be_said_otherwise(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    line = Line(works=(Work(1), Work(2, days=0)))
    pids = await declared(desk, employer, (ann, (line,)))
    before = await kept(desk, employer)

    async def say(line: Line, versions: tuple[int | None, ...] = ()) -> Answer:
        change = record_update(9, line, ("495", 1), versions)
        return await desk.say(update(pids.pid, person_update(ann, pids.person(ann.digits), change), employer=employer))

    assert (await say(AGAIN, (1,))).ids == ["00618-003"], "another wage, another basis"
    assert (await say(replace(line, basis=1), (1, 1))).ids == ["00618-003"]
    assert (await say(replace(line, works=(Work(3),)))).ids == ["00618-003"], "an occupation that is not there"
    assert (await say(line, (1, 7))).ids == ["00619-180"]
    bare = update(
        pids.pid,
        person_update(ann, pids.person(ann.digits), record_update(9, AGAIN, ("495", 1), (1,))),
        employer=employer,
    ).replace(b"<Border>0</Border>", b"")
    assert (await desk.say(bare)).ids == ["00038-001"], "what is said in part is not passed over either"
    assert await kept(desk, employer) == before
    assert (await say(line, (1, 1))).result in DONE
    assert (await say(replace(line, works=line.works[:1]), (1,))).result in DONE, "what it leaves out stays"
    assert (await kept(desk, employer)).persons == before.persons


async def test_a_quarter_that_became_bad_is_mended_step_by_step(desk, employer):
    people = await hired(desk, employer, 4)
    pids = await declared(desk, employer, *((one, (Line(),)) for one in people))
    rows = await desk.office._pool.fetch(
        "SELECT id, ssin FROM period WHERE employer = $1 AND known_to IS NULL", employer.digits
    )
    periods = {row["ssin"]: row["id"] for row in rows}
    for one in people[:3]:
        assert (await desk.say(dimona_cancel(periods[one.number]))).result in DONE
    answer = await desk.say(modified(pids, people[3], AGAIN))
    assert (answer.result, answer.ids) == ("ACCEPTED", []), "as bad as it was, and told before"
    pids = await told(desk, answer)
    stranger = person(650)
    more = person_update(stranger, None, record_update(3, Line()))
    answer = await desk.say(update(pids.pid, more, employer=employer))
    assert (answer.result, answer.form.findtext(".//Diagnosis")) == ("REFUSED", "1"), "one more"
    for one in people[:3]:
        gone = person_update(one, pids.person(one.digits), record_update(0, Line(), ("495", 1)))
        answer = await desk.say(update(pids.pid, gone, employer=employer))
        assert answer.result in DONE, answer.ids
        pids = await told(desk, answer)
    assert [one.inss for one in pids.persons] == [people[3].digits]


async def test_a_mandate_that_is_withdrawn_while_the_lock_is_waited_for(desks):
    employer = await employer_of(desks[0], SECRETARIAT)
    (ann,) = await hired(desks[0], employer, 1)
    await _same_employers(desks[0], employer, ann)
    pids = await declared(desks[0], employer, (ann, (Line(),)))
    pool = desks[0].office._pool
    source = await pool.fetchval("SELECT source FROM mandate WHERE employer = $1 AND known_to IS NULL", employer.digits)
    quarters = [lock_of("R", employer, Named.parse(one)) for one in (QUARTER, "20262")]
    forms = modified(pids, ann, AGAIN), Quarter(((ann, (Line(),)),), employer, quarter="20262").xml
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK, sorted(quarters))
        waiting = [asyncio.create_task(desk.say(form)) for desk, form in zip(desks, forms, strict=True)]
        while await pool.fetchval(WAIT_FOR_A_LOCK) < 2:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)
        there = Employer(employer, None, ACTIVE)
        await desks[0].office.load(Register(employers=(there,)), source)
    answers = await asyncio.gather(*waiting)
    assert [answer.ids for answer in answers] == [["90256-155"]] * 2
    assert (await kept(desks[0], employer)).pids == pids


async def test_a_person_who_is_gone_is_not_of_another_declaration(desk, employer):
    ann, bob = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (ann, (Line(),)), (bob, (Line(),)))
    known = pids.person(ann.digits)
    gone = update(pids.pid, person_update(ann, known, record_update(0, Line(), ("495", 1))), employer=employer)
    assert (await desk.say(gone)).result in DONE
    assert (await desk.say(gone)).ids == ["00548-182"]


async def test_a_version_of_an_occupation_never_comes_twice(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    one, two = Line(works=(Work(1),)), Line(works=(Work(1), Work(2, days=0)))
    pids = await declared(desk, employer, (ann, (two, Line("015"))))

    def versions(pids: Pids, code: str = "495") -> list[tuple[int, int]]:
        record = pids.person(ann.digits).record("010", code)
        return [(each.sequence, each.version) for each in record.occupations]

    for line in (one, two):
        pids = await told(desk, await desk.say(modified(pids, ann, line)))
    assert versions(pids) == [(1, 1), (2, 2)], "gone, and declared anew"
    known = pids.person(ann.digits)
    gone = person_update(ann, known, record_update(0, two, ("495", known.record("010", "495").version)))
    pids = await told(desk, await desk.say(update(pids.pid, gone, employer=employer)))
    back = person_update(ann, pids.person(ann.digits), record_update(3, two))
    pids = await told(desk, await desk.say(update(pids.pid, back, employer=employer)))
    assert versions(pids) == [(1, 2), (2, 3)], "with its record too"
    # A record that takes the place of another: what it brings is not what had that version there.
    known = pids.person(ann.digits)
    last = known.record("010", "495")
    both = person_update(
        ann,
        known,
        record_update(0, Line("015"), ("015", 1)),
        record_update(1, Line("015", two.works), ("495", last.version), [each.version for each in last.occupations]),
    )
    pids = await told(desk, await desk.say(update(pids.pid, both, employer=employer)))
    assert versions(pids, "015") == [(1, 3), (2, 3)]
    twice = await desk.office._pool.fetch(
        "SELECT o.record, o.number, o.version FROM dmfa_occupation o WHERE o.dmfa = $1 GROUP BY 1, 2, 3 "
        "HAVING count(*) > 1",
        pids.pid,
    )
    assert twice == []


async def test_what_is_new_is_found_beyond_what_an_answer_may_tell(desk, employer):
    """Of 32 persons the Dimonas are cancelled: that is known, and there are more than are told."""
    people = await hired(desk, employer, 34)
    pids = await declared(desk, employer, *((one, (Line(),)) for one in people))
    rows = await desk.office._pool.fetch(
        "SELECT id, ssin FROM period WHERE employer = $1 AND known_to IS NULL", employer.digits
    )
    cancelled = [row["id"] for row in rows if row["ssin"] in {one.number for one in people[:32]}]
    await desk.hand(*(submission(dimona_cancel(one)) for one in cancelled))
    answer = await desk.say(modified(pids, people[33], AGAIN))
    assert (answer.result, answer.ids) == ("ACCEPTED", [])


async def test_who_names_no_employer_is_told_alike_by_an_original_and_an_update(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    pids = await declared(desk, employer, (ann, (Line(),)))
    number = f"<NOSSRegistrationNbr>{employer}<".encode()
    for form in (Quarter(((ann, (Line(),)),), employer).xml, modified(pids, ann, AGAIN)):
        assert form.count(number) == 1
        answer = await desk.say(form.replace(number, b"<NOSSRegistrationNbr>0<"))
        assert (answer.result, answer.ids) == ("REFUSED", ["00011-001"])


# --- what is attested ------------------------------------------------------------------------------------------------


async def attested(desk: Desk, ssin: Ssin, period: Period) -> list[tuple[str, int, list[str]]]:
    async with desk.office._pool.acquire() as connection:
        found = await dmfa_store.quarters_of(connection, ssin, period)
    return [(str(one.quarter), one.version, [record.worker_code for record in one.records]) for one in found]


async def test_quarters_of_a_person(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    pids = await declared(desk, employer, (ann, (Line(), Line("015"))))
    await declared(desk, await _same_employers(desk, employer, ann), (ann, (Line(),)), quarter="20262")
    theirs = await employer_of(desk, OWN)
    await desk.say(dimona_in(ann, STARTS, employer=theirs), OWN)
    answer = await desk.say(Quarter(((ann, (Line(),)),), theirs).xml, OWN)
    assert answer.result in DONE
    await desk.say(Quarter(((ann, (Line(),)),), employer).xml, environment="T")
    second, third = ("2026/2", 1, ["495"]), ("2026/3", 1, ["495", "015"])
    fourth = ("2026/3", 1, ["495"])
    assert await attested(desk, ann, Period(date(2026, 1, 1), date(2026, 12, 31))) == [second, third, fourth]
    assert await attested(desk, ann, Period(date(2026, 6, 30), date(2026, 6, 30))) == [second]
    assert await attested(desk, ann, Period(date(2026, 9, 30), None)) == [third, fourth]
    await told(desk, await desk.say(modified(pids, ann, AGAIN)))
    async with desk.office._pool.acquire() as connection:
        found = await dmfa_store.quarters_of(connection, ann, Period(date(2026, 7, 1), date(2026, 9, 1)))
        asked = [Named(2026, number) for number in (1, 2, 3)]
        there = await dmfa_store.declared_of(connection, "R", employer.digits, asked)
    (mine,) = (one for one in found if one.employer == employer)
    assert (mine.version, mine.company) == (2, (await kept(desk, employer)).company)
    assert mine.records[0].occupations[0].remunerations[0].amount == 910_000
    assert there == {Named(2026, 2), Named(2026, 3)}


async def test_a_number_that_was_replaced_is_the_same_person(desk, employer):
    old, new = await hired(desk, employer, 2)
    pids = await declared(desk, employer, (old, (Line(),)), (new, (Line("015"),)))
    other = await employer_of(desk, SECRETARIAT)
    third = pids.person(old.digits).pid
    (newest,) = await hired(desk, other, 1)
    quarter = Period(STARTS, STARTS)
    await desk.office._pool.execute(
        "INSERT INTO replaced_number (old, newest, day) VALUES ($1, $2, $3)", old.number, newest.number, STARTS
    )
    answer = await desk.say(Quarter(((old, (Line(),)),), other).xml)
    assert (answer.result, answer.ids) == ("WARNED", ["90017-252"]), "it counts as the new one, which has a Dimona"
    assert (await told(desk, answer)).persons[0].pid == third
    assert [one[0] for one in await attested(desk, newest, quarter)] == ["2026/3", "2026/3"]
    again = update(
        (await told(desk, answer)).pid,
        person_update(newest, None, record_update(3, Line("015"))),
        employer=other,
    )
    assert (await desk.say(again)).ids[0] == "90017-006"
    another = await declared(desk, await employer_of(desk, SECRETARIAT), (newest, (Line(),)))
    assert another.persons[0].pid == third


async def test_what_follows_from_an_original_is_told_with_it_and_kept_with_it(desk, employer):
    seen = []

    async def reconcile(case: Case, of: Employer, declaration: Declaration, clock: datetime) -> list[Anomaly]:
        seen.append(
            (case.connection.is_in_transaction(), of.nsso, declaration.persons[0].ssin, clock.utcoffset() is not None)
        )
        return [Anomaly("90015", "044", "INSS", declaration.persons[0].inss, "EmployerDeclaration/NaturalPerson[1]")]

    office = await PostgresOffice.connect(
        desk.url, forms=FORMS, today=TODAY, clerks={"DmfAOriginal": OriginalClerk(reconcile)}
    )
    before, ann = await hired(desk, employer, 2)
    await desk.office._pool.execute(
        "INSERT INTO replaced_number (old, newest, day) VALUES ($1, $2, $3)", before.number, ann.number, STARTS
    )
    form = Quarter(((before, (Line(),)),), employer).xml
    try:
        refused = await Desk(office).say(form.replace(b"<Retired>0", b"<Retired>9"))
        assert (refused.result, seen) == ("REFUSED", [])
        answer = await Desk(office).say(form)
    finally:
        await office.close()
    assert (answer.result, seen) == ("WARNED", [(True, employer, ann, True)])
    assert answer.ids == ["90017-252", "90015-044"]


def test_what_is_anticipated_and_declared_is_compared_by_what_it_says():
    def records(*lines: Line) -> tuple[Record, ...]:
        form = parse(Quarter(((person(1), lines),)).xml)[0]
        return dmfa.read(form).persons[0].records

    one, two = Line(), Line("015", (Work(1, wage=5), Work(2, days=0)))
    assert same(records(one), records(two, one))
    assert same(records(two), records(replace(two, works=two.works[::-1])))
    assert not same(records(one, two), records(one))
    assert not same(records(one), records(AGAIN))
    assert not same(records(one), records(Line(works=(Work(days=6_500),))))
    twice = Line(works=(Work(1), Work(2)))
    assert not same(records(twice), records(one)), "each has to be there"


@pytest.mark.parametrize("seed", range(3))
async def test_any_history_of_updates_is_what_a_list_says(desk, employer, seed):
    """Worker records are created, changed, moved to another code and deleted at random, several in one update; what is
    kept is what a plain dictionary has, now and at every moment, and no version comes twice."""
    random, codes = Random(seed), ("495", "015", "027", "046")
    persons = await hired(desk, employer, 4)
    model = {one: {"495": Line()} for one in persons}
    pids = await declared(desk, employer, *((one, tuple(lines.values())) for one, lines in model.items()))
    past, seen = [], set[tuple[object, ...]]()
    for turn in range(15):
        blocks, stale = [], None
        for ssin in random.sample(persons, random.randint(1, 3)):
            known, lines = pids.person(ssin.digits), model[ssin]
            before, changes = dict(lines), _changes(random, codes, known, lines, turn)
            blocks.append(person_update(ssin, known, *changes))
            if lines != before:
                record = known.records[0]
                named = record_update(9, Line(record.worker_code), (record.worker_code, record.version))
                stale = person_update(ssin, known, named)
        answer = await desk.say(update(pids.pid, *blocks, employer=employer))
        assert answer.result in DONE, answer.ids
        pids = await told(desk, answer)
        if stale is not None:
            assert (await desk.say(update(pids.pid, stale, employer=employer))).result == "REFUSED"
        found = await kept(desk, employer)
        past.append((found, {ssin: dict(lines) for ssin, lines in model.items()}))
        assert found.pids == pids
        given = {
            (one.declared_pid, record.worker_code, record.version, record.occupations)
            for one in pids.persons
            for record in one.records
        }
        assert len({one[:3] for one in given | seen}) == len(given | seen), "a version names one content"
        seen |= given
    for found, lines in past:
        at = await kept(desk, employer, found.known_from)
        assert at == found
        said = {
            one.ssin: {each.worker_code: each.occupations[0].remunerations[0].amount for each in one.records}
            for one in at.whole.persons
        }
        assert said == {one: {code: line.works[0].wage for code, line in each.items()} for one, each in lines.items()}


def _changes(random: Random, codes: tuple[str, ...], known: PersonPid, lines: dict[str, Line], turn: int) -> list[str]:
    """Changes of one person's records, and the same in `lines`."""
    changes, before = [], dict(lines)
    for code in random.sample(codes, random.randint(1, 3)):
        line = Line(code, (Work(wage=1_000 * turn + random.randint(1, 999)),))
        if code not in before:
            if code not in lines:
                changes.append(record_update(3, line))
                lines[code] = line
            continue
        record = known.record("010", code)
        last, versions = (code, record.version), [one.version for one in record.occupations]
        free = [one for one in codes if one not in before and one not in lines]
        match random.randint(0, 3 if free else 2):
            case 0 if len(lines) > 1:
                changes.append(record_update(0, line, last))
                del lines[code]
            case 1:
                changes.append(record_update(1, line, last, versions))
                lines[code] = line
            case 0 | 2:
                changes.append(record_update(9, lines[code], last))
            case _:
                moved = replace(line, code=free[0])
                changes.append(record_update(1, moved, last, versions))
                del lines[code]
                lines[free[0]] = moved
    return changes


async def test_who_lost_the_identifiers_or_took_over_is_told_them_again(desk, employer):
    (ann,) = await hired(desk, employer, 1)
    pids = await declared(desk, employer, (ann, (Line(),)))
    pids = await told(desk, await desk.say(modified(pids, ann, AGAIN)))
    quarter = Named.parse(QUARTER)
    assert await dmfa_again.tell_again(desk.office, employer, quarter, SECRETARIAT, TODAY) == 1
    assert await identified(desk, pids.ticket) == [(SECRETARIAT, pids)] * 2
    with pytest.raises(NotDeclared, match="no mandate"):
        await dmfa_again.tell_again(desk.office, employer, quarter, OWN, TODAY)
    with pytest.raises(NotDeclared, match="has not declared"):
        await dmfa_again.tell_again(desk.office, employer, quarter.before(), SECRETARIAT, TODAY)
    await desk.office.load(Register(mandates=(Mandate(OWN, employer, ACTIVE),)), f"taken over {employer.digits}")
    await dmfa_again.tell_again(desk.office, employer, quarter, OWN, TODAY)
    assert (await identified(desk, pids.ticket))[2:] == [(OWN, pids)]
    answer = await desk.say(modified(pids, ann, Line()), OWN)
    assert [sender for sender, _ in await identified(desk, answer.handled.ticket)] == [OWN]


async def test_the_examples_run(desk, employer):
    def example(name: str) -> str:
        text = (EXAMPLES / f"{name}.xml").read_text().replace("190000010", employer.digits)
        return re.sub(r"(?<=<FormCreationDate>).*?(?=<)", str(TODAY), text)

    unknown = await desk.say(example("DmfAUpdate").encode())
    assert unknown.ids == ["00534-182"]
    pids = await told(desk, await desk.say(example("DmfAOriginal").encode()))
    (known,) = pids.persons
    changes = example("DmfAUpdate")
    for name, number in (
        ("EmployerDeclarationPID", pids.pid),
        ("NaturalPersonPID", known.pid),
        ("DeclNaturalPersonPID", known.declared_pid),
    ):
        changes = re.sub(rf"(?<=<{name}>).*?(?=<)", str(number), changes)
    answer = await desk.say(changes.encode())
    assert (answer.result, answer.ids) == ("ACCEPTED", [])
    assert (await told(desk, answer)).persons[0].version == 2
    assert (await desk.say(changes.encode())).ids == ["00620-180"]


# --- in a file -------------------------------------------------------------------------------------------------------


async def test_each_of_a_file_is_in_a_commit_of_its_own(desk, monkeypatch):
    """One at which the code fails stops the file; those before it are kept, and it goes on behind them."""
    post, name = Post(desk), name_of("DMFA", environment="R")
    await post.rows("UPDATE sender SET certificates = $2 WHERE number = $1", SECRETARIAT, " ".join(CERTIFICATES))
    employers = [await employer_of(desk, SECRETARIAT) for _ in range(3)]
    forms = [Quarter((((await hired(desk, one, 1))[0], (Line(),)),), one).xml for one in employers]
    transfer = await post.send(name, body := joined(forms), signatures=[signed(body)])
    handle = OriginalClerk.handle

    async def failing(clerk: OriginalClerk, case: Case) -> object:
        if employers[1].digits.encode() in case.submission.body:
            raise RuntimeError("a bug")
        return await handle(clerk, case)

    monkeypatch.setattr(OriginalClerk, "handle", failing)
    await post.work()
    sent = await post.file(transfer)
    assert (sent.state, sent.forms, sent.done) == ("accepted", 3, 1)
    assert sent.stopped is not None
    assert sent.stopped.startswith("form 2: RuntimeError at test_dmfa_kept.py:")
    assert [await kept(desk, one) is not None for one in employers] == [True, False, False]
    monkeypatch.undo()
    await post.filing.go_on(str(name))
    await post.work()
    assert (await post.file(transfer)).state == "done"
    assert all(one in DONE for one in await post.declared(name))
    order = "SELECT form FROM outgoing WHERE id >= (SELECT id FROM outgoing WHERE reference = $1) ORDER BY id"
    assert [row["form"] for row in await post.rows(order, transfer)] == ["ACRF", "DmfAPID", "DmfAPID", "DmfAPID"]
