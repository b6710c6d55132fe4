"""The office on a real PostgreSQL: once, in order, told to whom it concerns, and each form as if it had come alone."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import chain, repeat
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from institutions.database import Database
from institutions.errors import InvalidRequest
from institutions.nsso import file_statements, outgoing, statements
from institutions.nsso.dimona import Change
from institutions.nsso.office import HandlingFailed, PostgresOffice
from institutions.nsso.persons import Persons
from institutions.nsso.register import Employer, Mandate, Register, RegisterError, Sender
from institutions.nsso.searching import SEARCH, Searching
from institutions.nsso.submission import InFile, OfficeUnavailable
from institutions.outbox import Entry
from schemas.declarations.number import PeriodId, parse_ticket
from schemas.declarations.outcome import Result
from schemas.employer import NssoNumber
from schemas.parser import parse
from schemas.period import BRUSSELS, Period
from schemas.ssin import Ssin
from tests.institutions.nsso.ground import (
    BAKER,
    BREWER,
    CLOSED,
    COMPANIES,
    FORMS,
    LONG_AGO,
    MILLER,
    OWN,
    REGISTER,
    SECRETARIAT,
    TODAY,
    Answer,
    Desk,
    dimona_cancel,
    dimona_in,
    dimona_out,
    dimona_update,
    opened,
    person,
    question,
    submission,
)

DAY = timedelta(days=1)
MISSING = PeriodId.of(9_999_999_999)
OPEN_END = date(9999, 12, 31)
NAMED = [("WorkerName", "Peeters"), ("WorkerFirstName", "An"), ("WorkerBirthdate", "1980-01-01")]


def alike(answer: Answer, *more: str) -> bytes:
    """An answer but for ticket, time and what else differs between two."""
    body = re.sub(rb"<(FormCreationHour|ReferenceNbr)>[^<]*<", rb"<\1><", answer.handled.body)
    for text in more:
        body = body.replace(text.encode(), b"...")
    return body


async def rows(desk: Desk, statement: str, *values: object) -> list[Any]:
    return await desk.office._pool.fetch(statement, *values)


# --- once ------------------------------------------------------------------------------------------------------------


async def test_a_life_of_a_period(desk, worker):
    answer = await desk.say(dimona_in(worker))
    period = answer.period
    assert FORMS.violations(answer.handled.body)[1] == ()
    assert (answer.result, answer.ids, parse_ticket(answer.handled.ticket) > 0) == ("ACCEPTED", [], True)
    assert answer.form.findtext(".//DimonaPeriodAfter/StartingDate") == TODAY.isoformat()
    assert answer.form.find(".//DimonaPeriodBefore") is None
    out = await desk.say(dimona_out(period, TODAY))
    assert (out.result, out.period) == ("ACCEPTED", period)
    assert out.form.find(".//DimonaPeriodBefore/EndingDate") is None
    assert out.form.findtext(".//DimonaPeriodAfter/EndingDate") == TODAY.isoformat()
    assert (await desk.say(dimona_out(period, TODAY))).ids == ["00913-356"]
    assert (await desk.say(dimona_update(period, end=OPEN_END))).result == "ACCEPTED"
    cancelled = await desk.say(dimona_cancel(period))
    assert (cancelled.result, cancelled.period) == ("ACCEPTED", period)
    assert cancelled.form.find(".//DimonaPeriodAfter") is None
    assert (await desk.say(dimona_cancel(period))).ids == ["00913-355"]
    versions = await rows(desk, "SELECT known_from, known_to FROM period WHERE id = $1 ORDER BY version", int(period))
    assert [one["known_to"] for one in versions] == [one["known_from"] for one in versions[1:]] + [None]
    assert len(versions) == 4


async def test_ten_at_once_over_two_offices_are_one_and_nine_doubles(desks, worker):
    answers = await asyncio.gather(*(desks[place % 2].say(dimona_in(worker)) for place in range(10)))
    assert sorted(answer.ids for answer in answers) == [[]] + [["90373-333"]] * 9
    named = await asyncio.gather(
        *(
            desks[place % 2].say(dimona_in(None, said=[("WorkerName", worker.digits), *NAMED[1:]]))
            for place in range(10)
        )
    )
    assert sorted(answer.ids for answer in named) == [[]] + [["90373-333"]] * 9


async def test_one_key_at_once_over_two_offices_is_one_declaration(desks, worker):
    form = submission(dimona_in(worker))
    answers = await asyncio.gather(*(desks[place % 2].hand(form) for place in range(6)))
    assert {one.handled.body for (one,) in answers} == {answers[0][0].handled.body}
    assert sorted(one.handled.again for (one,) in answers) == [False] + [True] * 5
    assert len(await rows(desks[0], "SELECT FROM declaration WHERE key = $1", form.key)) == 1


async def test_the_same_key_is_told_again_and_other_bytes_are_refused(desks, worker):
    form = submission(dimona_in(worker))
    (first,) = await desks[0].hand(form)
    again, also = await desks[1].hand(form, form)
    assert again.handled.body == also.handled.body == first.handled.body
    assert (again.handled.again, again.handled.ticket) == (True, first.handled.ticket)
    other = await desks[0].say(dimona_in(worker, TODAY + DAY), key=form.key)
    assert (other.result, other.ids, other.handled.ticket) == ("REFUSED", ["90059-006"], "")
    # A key is its sender's, and its environment's.
    theirs = await desks[0].say(dimona_in(worker, employer=BREWER), OWN, key=form.key)
    assert theirs.result == "ACCEPTED"
    test = await desks[0].say(dimona_in(worker), key=form.key, environment="T")
    assert (test.result, test.handled.again) == ("ACCEPTED", False)


async def test_what_was_declared_is_kept_as_it_came(desk, worker):
    forms = [
        submission(dimona_in(worker)),
        submission(dimona_in(worker)),  # refused: the same again
        submission(dimona_in(worker).replace(b"OTH", b"QQQ")),
        submission(dimona_in(worker).replace(b"OTH", b"OTH <!-- " + worker.digits.encode() * 20_000 + b" -->")),
        submission(question(BREWER).replace(b"<RefStartingDate>", b"<Ref>")),
    ]
    answers = await desk.hand(*forms)
    assert [answer.result for answer in answers] == ["ACCEPTED", *["REFUSED"] * 4]
    kept = await rows(desk, "SELECT key, form, body FROM declaration WHERE key = ANY ($1)", [one.key for one in forms])
    assert {one["key"]: (one["form"], one["body"]) for one in kept} == {
        one.key: ("Dimona", one.body) for one in forms[:4]
    }


async def test_a_refusal_is_told_again_too(desk, worker):
    form = submission(dimona_in(worker, TODAY - DAY, TODAY - 2 * DAY))
    (first,) = await desk.hand(form)
    (again,) = await desk.hand(form)
    assert (first.result, again.handled.body) == ("REFUSED", first.handled.body)


async def test_what_is_cancelled_before_the_commit_leaves_nothing(desk, worker):
    forms = [submission(dimona_in(worker, TODAY + place * DAY, TODAY + place * DAY)) for place in range(40)]
    reached = asyncio.Event()
    office = desk.office
    write = office._write

    async def pause(*given):
        await write(*given)
        reached.set()
        await asyncio.Event().wait()

    office._write = pause
    try:
        handling = asyncio.create_task(office.handle(forms))
        await reached.wait()
        handling.cancel()
        with suppress(asyncio.CancelledError):
            await handling
    finally:
        del office._write
    keys = [form.key for form in forms]
    assert await rows(desk, "SELECT FROM declaration WHERE key = ANY ($1)", keys) == []
    assert [answer.ids for answer in await desk.hand(*forms)] == [[]] * 40


async def test_what_the_caller_keeps_is_kept_with_the_forms_or_nothing_is(desk, worker):
    kept = uuid4().hex

    async def within(connection: Any, done: int) -> None:
        await outgoing.put(connection, SECRETARIAT, "IDFLUX", kept, b"<a/>", headers={"ticket": "T"})
        await outgoing.put(connection, SECRETARIAT, "IDFLUX", kept, b"<b/>")
        if fails:
            raise RegisterError(f"{done} done")

    fails = True
    form = submission(dimona_in(worker))
    with pytest.raises(RegisterError, match="1 done"):
        await desk.office.handle([form], within=within)
    there = "SELECT body, headers FROM outgoing WHERE reference = $1"
    assert await rows(desk, there, kept) == []
    assert await rows(desk, "SELECT FROM declaration WHERE key = $1", form.key) == []
    fails = False
    (handled,) = await desk.office.handle([form], within=within)
    assert not handled.again
    ((body, headers),) = await rows(desk, there, kept)
    assert (body, headers) == (b"<a/>", '{"ticket": "T"}')


async def test_a_bug_keeps_nothing_and_names_no_data(desk, worker):
    forms = [submission(dimona_in(worker)), submission(dimona_in(worker, TODAY + DAY), key="\0")]
    with pytest.raises(HandlingFailed) as error:
        await desk.hand(*forms)
    assert worker.digits not in str(error.value)
    assert await rows(desk, "SELECT FROM declaration WHERE key = $1", forms[0].key) == []


async def test_a_database_that_is_away(postgresql):
    async with opened(postgresql) as (desk,):
        await desk.office.close()
        with pytest.raises(OfficeUnavailable):
            await desk.say(dimona_in(person(1)))


async def waiting(desk: Desk) -> None:
    """Until somebody waits for an advisory lock of this database."""
    while not await rows(  # noqa: ASYNC110 - the database tells nobody
        desk,
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ):
        await asyncio.sleep(0.005)


async def test_a_period_that_becomes_anothers_while_one_waits_is_judged_as_theirs(desk, worker):
    period = (await desk.say(dimona_in(worker))).period
    other = person(990)
    async with desk.office._pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", worker.number)
            answer = asyncio.create_task(desk.say(dimona_out(period, TODAY, worker)))
            await waiting(desk)
            await connection.execute(
                "UPDATE period SET person = $2, ssin = $2 WHERE id = $1", int(period), other.number
            )
        assert (await answer).ids == ["00024-022"]


async def test_a_period_that_begins_earlier_meanwhile_meets_what_was_then(desk, worker):
    old = date(2024, 3, 1)
    await desk.say(dimona_in(worker, old, old + 9 * DAY))
    period = (await desk.say(dimona_in(worker, TODAY - 9 * DAY, TODAY - DAY))).period
    async with desk.office._pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", worker.number)
            answer = asyncio.create_task(desk.say(dimona_update(period, end=TODAY)))
            await waiting(desk)
            await connection.execute("UPDATE period SET starting_date = $2 WHERE id = $1", int(period), old)
        assert (await answer).ids == ["90373-334"]


async def test_groups_that_meet_crosswise_do_not_stop_each_other(desks):
    workers = [person(700 + number) for number in range(20)]
    day = TODAY + 50 * DAY
    groups = [
        [submission(dimona_in(one, day, day)) for one in (workers if turn % 2 else reversed(workers))]
        for turn in range(8)
    ]
    answers = await asyncio.gather(*(desks[turn % 2].hand(*forms) for turn, forms in enumerate(groups)))
    accepted = [one.period for group in answers for one in group if one.result == "ACCEPTED"]
    assert len(accepted) == len(set(accepted)) == len(workers)
    assert {tuple(one.ids) for group in answers for one in group} == {(), ("90373-333",)}


async def test_what_is_long_past_counts_where_a_form_reaches_back(desk, worker):
    def day(text):
        return date.fromisoformat(text)

    past = {"kind": "STU", "planned": 300}
    for start in ("2025-03-03", "2025-05-05"):
        assert (await desk.say(dimona_in(worker, day(start), day(start) + 4 * DAY, **past))).period
    first = (await desk.say(dimona_in(worker, day("2025-02-03"), day("2025-02-04"), kind="STU", planned=1))).period
    now = (await desk.say(dimona_in(worker, TODAY, TODAY, kind="STU", planned=1))).period
    answers = await desk.hand(
        submission(dimona_cancel(now)),
        submission(dimona_update(first, planned=1)),
        submission(dimona_update(first, end=day("2025-03-03"))),
        submission(dimona_in(worker, day("2025-03-04"), day("2025-03-04"), kind="STU", planned=1)),
    )
    reached = ["90373-460", "90373-334", "90373-369"]
    assert [answer.ids for answer in answers] == [[], ["90373-369"], reached, reached]


async def test_after_the_database_was_killed_what_was_committed_is_told_again(private_postgresql):
    async with opened(private_postgresql) as (desk,):
        form, more = submission(dimona_in(person(1))), submission(dimona_in(person(2)))
        (first,) = await desk.hand(form)
        await asyncio.to_thread(private_postgresql.kill)
        with pytest.raises(OfficeUnavailable) as error:
            await desk.hand(form, more)
        assert person(1).digits not in str(error.value)
        await asyncio.to_thread(private_postgresql.start)
        again, second = await desk.hand(form, more)
        assert (again.handled.again, again.handled.body) == (True, first.handled.body)
        assert (second.handled.again, second.result) == (False, "ACCEPTED")


# --- whose -----------------------------------------------------------------------------------------------------------


async def test_no_mandate_no_declaration(desk, worker):
    answer = await desk.say(dimona_in(worker, employer=BREWER))
    assert (answer.result, answer.ids, answer.period) == ("REFUSED", ["90256-155"], "")


async def test_anothers_period_is_one_that_does_not_exist(desk, worker):
    theirs = (await desk.say(dimona_in(worker, employer=BREWER), OWN)).period
    missing = str(MISSING)
    for employer in (None, BAKER, BREWER):
        for make in (dimona_cancel, lambda *given, **more: dimona_out(given[0], TODAY, *given[1:], **more)):
            for said in (None, worker):
                one = await desk.say(make(theirs, said, employer=employer))
                other = await desk.say(make(missing, said, employer=employer))
                assert alike(one, theirs) == alike(other, missing)
                assert one.ids == (["90256-155"] if employer == BREWER else ["00913-354"])


async def test_a_mandate_counts_on_its_days(postgresql):
    days = Period(TODAY, TODAY + DAY)
    register = Register((Sender(SECRETARIAT, "S"),), REGISTER.employers, (Mandate(SECRETARIAT, BAKER, days),))
    async with opened(postgresql, register) as (desk,):
        url_desk = Desk(PostgresOffice(desk.office._pool, FORMS))
        for place, (received, told) in enumerate(
            (
                ("2026-11-24T23:59:59", ["90256-155"]),
                ("2026-11-25T00:00", []),
                ("2026-11-26T23:59:59", []),
                ("2026-11-27T00:00", ["90256-155"]),
            )
        ):
            moment = datetime.fromisoformat(received).replace(tzinfo=BRUSSELS)
            form = dimona_in(person(place + 1), TODAY + 9 * DAY)
            assert (await url_desk.say(form, received=moment)).ids == told, received
        # Withdrawn, it counts for the next.
        await desk.office.load(Register(register.senders, register.employers), "ground")
        assert (await desk.say(dimona_in(person(9)))).ids == ["90256-155"]


class Between:
    """A connection at which something happens behind each statement."""

    def __init__(self, connection: Any, happens: Callable[[], Awaitable[None]]) -> None:
        self._connection, self._happens = connection, happens

    async def fetch(self, *given: Any) -> Any:
        found = await self._connection.fetch(*given)
        await self._happens()
        return found

    async def fetchrow(self, *given: Any) -> Any:
        found = await self._connection.fetchrow(*given)
        await self._happens()
        return found


async def test_the_register_is_of_one_moment(postgresql):
    def only(employer: NssoNumber) -> Register:
        return Register(REGISTER.senders, REGISTER.employers, (Mandate(OWN, employer, Period(TODAY, None)),))

    async with opened(postgresql, only(BAKER)) as (desk,):
        office, turns = desk.office, chain([BAKER], repeat(BREWER))
        read = office._register

        async def meanwhile(connection, group):
            await read(Between(connection, lambda: office.load(only(next(turns)), "ground")), group)

        office._register = meanwhile
        answer = await desk.say(dimona_in(person(1), employer=None), OWN)
        assert (answer.result, answer.ids) == ("ACCEPTED", [])


async def test_which_employer_is_meant(desk, worker):
    for more, told in (
        ({"employer": None, "company": COMPANIES[BAKER]}, []),
        ({"employer": BAKER, "company": COMPANIES[BAKER]}, ["90373-333"]),
        ({"employer": BAKER, "company": COMPANIES[BREWER]}, ["00014-022"]),
        ({"employer": BAKER, "company": "4000000123"[:9]}, ["00014-004"]),
        ({"employer": None, "company": COMPANIES[BREWER]}, ["90256-155"]),
        ({"employer": None, "company": "0202239951"}, ["00014-235"]),
        ({"employer": NssoNumber("199999934")}, ["00011-235"]),
        ({"employer": None}, ["90256-001"]),
        ({"employer": CLOSED}, ["90373-343"]),
    ):
        assert (await desk.say(dimona_in(worker, **more))).ids == told, more
    wrong = dimona_in(worker).replace(str(BAKER).encode(), b"199999933")
    assert (await desk.say(wrong)).ids == ["00011-004"]
    only = await desk.say(dimona_in(worker, employer=None), OWN)
    assert only.result == "ACCEPTED"


async def test_zeros_name_no_employer_also_beside_a_form_that_names_one(desk, worker):
    nobody = dimona_in(worker, TODAY + DAY, TODAY + DAY, employer=None, company="0" * 10)
    named = dimona_in(worker, TODAY, TODAY)
    answers = await desk.hand(*map(submission, (named, nobody, question(None))))
    assert [one.ids for one in answers] == [[], ["90256-001"], ["90256-001"]]


async def test_what_is_no_form_is_told_by_an_acrf(desk, worker):
    good = dimona_in(worker)
    two = good.replace(b"</Form>", b"</Form>" + good[good.index(b"<Form>") : good.index(b"</Dimona>")])
    for body, sender, code in (
        (b"", SECRETARIAT, "102"),
        (b"<x>", "999999", "102"),
        (b"\xff\xfe", SECRETARIAT, "102"),
        (b"<!DOCTYPE a><a/>", SECRETARIAT, "102"),
        (b"<a>" + b" " * 1_048_576 + b"</a>", SECRETARIAT, "184"),
        (good, "999999", "103"),
        (good, "300001", "103"),
        (b"<x/>", "999999", "103"),
        (b"<x/>", SECRETARIAT, "089"),
        (good.replace(b"Dimona_20231", b"Dimona_20201"), SECRETARIAT, "088"),
        (good.replace(b"Dimona_20231", b"ACRF_20231"), SECRETARIAT, "088"),
        (b"<NOTIFICATION/>", SECRETARIAT, "158"),
        (b"<Dimona/>", SECRETARIAT, "142"),
        (b"<Dimona><!-- a --></Dimona>", SECRETARIAT, "142"),
        (two, SECRETARIAT, "172"),
    ):
        answer = await desk.say(body, sender, key="k")
        assert (answer.handled.form, answer.result, answer.ids) == ("ACRF", "REFUSED", [f"ACRF-{code}"])
        assert FORMS.violations(answer.handled.body)[1] == ()
        assert (answer.form.findtext(".//FileName"), answer.handled.ticket) == ("k", "")


@pytest.mark.parametrize("release", ["20222", "20223", "20231"])
async def test_all_that_an_in_may_say_comes_back_in_valid_answers(desk, worker, release):
    address = "".join(
        f"<{name}>{text}</{name}>"
        for name, text in (("Street", "Rue <!-- x -->&amp;"), ("HouseNbr", "1"), ("ZIPCode", "1000"), ("City", "B"))
    )
    address = f"<Address>{address}<Country>{'0' * 5000}150</Country></Address>"
    said = [
        *NAMED,
        ("WorkerBirthplace", "Gent"),
        ("WorkerBirthplaceCountry", "0" * 500_000 + "150"),
        ("WorkerSex", "2"),
        ("WorkerStreet", ""),
        ("Nationality", " 150 "),
    ]
    body = dimona_in(worker, said=said, sub_entity=12, end=TODAY).replace(b"20231", release.encode())
    user = f"<UsingEmployer><UsingEmployerName>B</UsingEmployerName>{address}</UsingEmployer>"
    body = body.replace(b"<JointCommissionNbr>XXX", b"<JointCommissionNbr>322")
    body = body.replace(b"</DimonaFeatures>", f"{user}</DimonaFeatures>".encode())
    cards = "<FirstMonthC32ANbr>1</FirstMonthC32ANbr><NextMonthC32ANbr>2</NextMonthC32ANbr>"
    more = f"<ConstructionControlCards>{cards}</ConstructionControlCards>"
    more += f"<StudentPlaceOfWork><Denomination>B</Denomination>{address}</StudentPlaceOfWork>"
    body = body.replace(b"</DimonaIn>", f"{more}</DimonaIn>".encode())
    assert FORMS.violations(body)[1] == ()
    form = submission(body)
    for answer in (*await desk.hand(form), *await desk.hand(form), await desk.say(question(BAKER))):
        assert FORMS.violations(answer.handled.body)[1] == ()
        assert answer.result == "ACCEPTED"
        assert len(answer.handled.body) < 500_000


async def test_no_forms_are_no_answers(desk):
    assert await desk.hand() == []


@given(junk=st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), min_size=1, max_size=4))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
async def test_whatever_bytes_come_there_is_an_answer(desk, junk: list[tuple[int, bytes]]) -> None:
    body = dimona_in(person(998), said=NAMED, committee="322", user=str(COMPANIES[BREWER]), end=TODAY)
    for place, text in junk:
        place %= len(body)
        body = body[:place] + text + body[place + len(text) :]
    answer = await desk.say(body)
    assert FORMS.violations(answer.handled.body)[1] == ()


async def test_what_breaks_the_schema_is_told_with_its_place_and_kept(desk, worker):
    body = dimona_in(worker).replace(b"<WorkerType>OTH", b"<WorkerType>QQQ").replace(worker.digits.encode(), b"80x")
    form = submission(body)
    (answer,) = await desk.hand(form)
    assert answer.ids == ["00024-002", "00655-008"]
    report = answer.form.find(".//AnomalyReport")
    assert report.findtext("TagName") == "INSS"
    assert report.findtext("Value") == "80x"
    assert report.findtext("AnomalyLocation/Location") == "/Dimona/Form/DimonaIn/NaturalPerson/INSS"
    assert report.findtext("AnomalyLocation/LineNbr") == "9"
    (again,) = await desk.hand(form)
    assert again.handled.body == answer.handled.body


async def test_a_sentence_is_in_the_senders_language(desk, worker):
    french = await desk.say(dimona_in(worker, TODAY - DAY))
    english = await desk.say(dimona_in(worker, TODAY - DAY, employer=BREWER), OWN)
    assert french.form.findtext(".//AnomalyLabel") == "La déclaration est tardive."
    assert english.form.findtext(".//AnomalyLabel") == "The declaration came late."
    assert (french.result, french.period != "") == ("WARNED", True)


# --- environments, files, agents -------------------------------------------------------------------------------------


async def test_the_test_environment_is_a_world_of_its_own(desk, worker):
    real = (await desk.say(dimona_in(worker))).period
    test = await desk.say(dimona_in(worker), environment="T")
    assert test.result == "ACCEPTED"
    assert (await desk.say(dimona_cancel(real), environment="T")).ids == ["00913-354"]
    assert (await desk.say(dimona_cancel(test.period))).ids == ["00913-354"]
    assert (await desk.say(question(), environment="T")).workers.count(test.period) == 1


async def test_a_simulation_is_judged_by_what_is_real_and_forgotten(desk, worker):
    form = submission(dimona_in(worker), environment="S")
    first, second = await desk.hand(form, form)
    assert (first.result, second.result, second.handled.again) == ("ACCEPTED", "ACCEPTED", False)
    real = await desk.say(dimona_in(worker))
    assert real.result == "ACCEPTED"
    assert (await desk.say(dimona_in(worker), environment="S")).ids == ["90373-333"]
    assert (await desk.say(dimona_cancel(real.period), environment="S")).result == "ACCEPTED"
    assert (await desk.say(dimona_cancel(real.period))).result == "ACCEPTED"
    assert await rows(desk, "SELECT FROM declaration WHERE environment = 'S'") == []


async def test_late_is_by_when_it_was_received_not_by_now(postgresql):
    async with opened(postgresql) as (desk,):
        office = Desk(PostgresOffice(desk.office._pool, FORMS))
        day = date(2026, 11, 20)
        for place, (received, told) in enumerate(
            (("2026-11-20T23:59:59.999999+01:00", []), ("2026-11-20T23:00:00+00:00", ["90373-460"]))
        ):
            moment = datetime.fromisoformat(received)
            assert (await office.say(dimona_in(person(place + 1), day), received=moment)).ids == told


async def test_a_form_of_a_file_says_which_and_where(desk, worker):
    file = InFile("GO.DIMN.123456.20261125.00001.R.1", 3, "3500000000000", 40)
    (answer,) = await desk.hand(submission(dimona_in(worker, TODAY - DAY), key=f"{file.name}#3", file=file))
    assert answer.form.findtext("FileReference/FileName") == file.name
    assert answer.form.findtext("FileReference/ReferenceNbr") == file.ticket
    assert answer.form.findtext("FileReceptionInformation/ReceptionHour") == "12:00:00.000"
    # The Form stands in line 40 of its part, and its block six lines below.
    assert answer.form.findtext(".//LineNbr") == "46"


async def test_an_agent_locks_and_blocks_a_period(desk, worker):
    period = (await desk.say(dimona_in(worker))).period
    assert await desk.office.lock(int(period))
    assert (await desk.say(dimona_out(period, TODAY))).ids == ["00913-362"]
    assert await desk.office.lock(int(period), locked=False)
    assert await desk.office.block(int(period))
    assert (await desk.say(dimona_cancel(period))).ids == ["00913-357"]
    assert await desk.office.block(int(period), blocked=False)
    assert (await desk.say(dimona_cancel(period))).result == "ACCEPTED"
    assert not await desk.office.lock(MISSING.number)


async def test_what_is_told_goes_into_the_outbox_with_the_change(desk, worker):
    mark, outbox = uuid4().hex, Database(desk.url)
    told: list[Change] = []

    def tell(change: Change, employer: Employer | None) -> Iterable[Entry]:
        told.append(change)
        return [Entry("DimonaMutation/1", worker.digits, f"{mark}-{len(told)}", b"<x/>")]

    async with outbox.connection():
        office = Desk(PostgresOffice(desk.office._pool, FORMS, TODAY, tell))
    await outbox.close()
    period = (await office.say(dimona_in(worker))).period
    refused = await office.say(dimona_in(worker))
    form = submission(dimona_out(period, TODAY))
    await office.hand(form, form)
    await office.say(dimona_in(worker), environment="T")
    await office.say(dimona_in(worker, TODAY + 9 * DAY), environment="S")
    await office.say(dimona_in(None, TODAY + 99 * DAY, said=NAMED))
    await office.say(dimona_cancel(period))
    assert refused.ids == ["90373-333"]
    assert [one.kind for one in told] == ["IN", "OUT", "CANCEL"]
    entries = await rows(desk, "SELECT ticket FROM crossroads_outbox WHERE person = $1 ORDER BY number", worker.digits)
    assert [one["ticket"] for one in entries] == [f"{mark}-{number}" for number in (1, 2, 3)]
    assert told[0].before is None
    assert told[2].after is None


async def test_the_register_keeps_its_history_and_one_source_a_sender(postgresql):
    async with opened(postgresql) as (desk,):
        first = await desk.office.senders()
        assert [one.number for one in first] == [SECRETARIAT, OWN, "300001"]
        with pytest.raises(RegisterError) as error:
            await desk.office.load(Register((Sender(OWN, "Another"),)), "another")
        assert OWN not in str(error.value)
        await desk.office.load(Register((Sender(SECRETARIAT, "Renamed"),)), "ground")
        # Who is gone is inactive: its user on the broker is left no right.
        assert [(one.number, one.name, one.active) for one in await desk.office.senders()] == [
            (SECRETARIAT, "Renamed", True),
            (OWN, first[1].name, False),
            ("300001", first[2].name, False),
        ]
        await desk.office.load(Register((Sender(SECRETARIAT, "Renamed"),)), "ground")
        known = await rows(desk, "SELECT number, known_to IS NULL AS now FROM sender ORDER BY id")
        assert [(one["number"], one["now"]) for one in known] == [
            (SECRETARIAT, False),
            (OWN, False),
            ("300001", False),
            (SECRETARIAT, True),
        ]


async def test_several_files_are_loaded_together_or_not_at_all(postgresql):
    async with opened(postgresql) as (desk,):
        rest = Register(REGISTER.senders[:1], REGISTER.employers, REGISTER.mandates)
        # What goes from one file to another is nobody's double, in whatever order the files are named.
        to_more = {"more": Register(REGISTER.senders[1:]), "ground": rest}
        for files in (to_more, {"ground": REGISTER, "more": Register()}):
            assert await desk.office.load_all(files) == []
            assert [one.active for one in await desk.office.senders()] == [True, True, False]
        with pytest.raises(RegisterError, match="more: says something of a sender twice"):
            await desk.office.load_all({"ground": rest, "more": Register((Sender(SECRETARIAT, "Another"),))})
        assert [one.active for one in await desk.office.senders()] == [True, True, False]


async def test_who_has_mandates_and_is_in_no_file_is_told(postgresql):
    async with opened(postgresql, Register()) as (desk,):
        mandates = Register(mandates=(*REGISTER.mandates, Mandate("777777", BAKER, Period(TODAY, None))))
        others = Register(REGISTER.senders, REGISTER.employers[1:])
        unknown = await desk.office.load_all({"ground": others, "m": mandates})
        assert [(one.source, one.kind, one.number, one.mandates) for one in unknown] == [
            ("m", "employer", BAKER.digits, 2),
            ("m", "sender", "777777", 1),
        ]
        # Whose row goes is told too, whichever file its mandates are of.
        assert {one.number for one in await desk.office.load_all({"ground": REGISTER})} == {"777777"}
        assert await desk.office.load_all({"m": Register(mandates=REGISTER.mandates)}) == []


# --- a group is its forms one by one ---------------------------------------------------------------------------------

SOME_DAYS = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(
        st.just("in"),
        st.integers(0, 2),
        SOME_DAYS,
        st.none() | SOME_DAYS,
        st.sampled_from(["OTH", "FLX"]),
        st.sampled_from([BAKER, BREWER]),
    ),
    st.tuples(st.just("out"), st.integers(0, 5), SOME_DAYS),
    st.tuples(st.just("update"), st.integers(0, 5), st.none() | SOME_DAYS, st.none() | st.integers(0, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("question"), SOME_DAYS),
    st.tuples(st.just("again"), st.integers(0, 30)),
)
_turns = iter(range(10**6))


def form_of(step: tuple[Any, ...], turn: int, periods: list[str]) -> tuple[bytes, str]:
    """Bytes and sender. Workers, and so their periods, are this turn's alone: of the test's own kind of number."""
    kind, *rest = step
    if kind == "in":
        who, start, end, worker_type, employer = rest
        said = [("WorkerName", f"W{turn}-{who}"), *NAMED[1:]]
        last = None if end is None else TODAY + end * DAY
        hours = ("1300", "1500") if worker_type == "FLX" and end == start else (None, None)
        sender = SECRETARIAT if employer == BAKER else OWN
        return dimona_in(
            None, TODAY + start * DAY, last, kind=worker_type, employer=employer, said=said, hours=hours
        ), sender
    if kind == "question":
        return question(BAKER, TODAY + (rest[0] + 400) * DAY, TODAY + (rest[0] + 400) * DAY), SECRETARIAT
    period = periods[rest[0] % len(periods)]
    if kind == "out":
        return dimona_out(period, TODAY + rest[1] * DAY), SECRETARIAT
    if kind == "update":
        start, end = rest[1:]
        last = None if end is None else OPEN_END if end == 4 else TODAY + end * DAY
        return dimona_update(period, None if start is None else TODAY + start * DAY, last), SECRETARIAT
    return dimona_cancel(period), SECRETARIAT


async def played(desk: Desk, steps: list[tuple[Any, ...]], together: bool) -> list[bytes]:
    """Answers, with what differs between two plays taken out."""
    turn = next(_turns)
    known = [
        (
            await desk.say(dimona_in(None, TODAY, TODAY + DAY, said=[("WorkerName", f"W{turn}-{who}"), *NAMED[1:]]))
        ).period
        for who in range(2)
    ]
    forms = []
    for step in steps:
        if step[0] == "again":
            if forms:
                forms.append(forms[step[1] % len(forms)])
            continue
        body, sender = form_of(step, turn, known)
        forms.append(submission(body, sender))
    if together:
        answers = await desk.hand(*forms)
    else:
        answers = [answer for form in forms for answer in await desk.hand(form)]
    found, ids = [], dict.fromkeys(known, "known")
    for answer in answers:
        ids.setdefault(answer.period, f"new {len(ids)}")
        body = alike(answer)
        body = re.sub(
            rb"<DimonaPeriodId>(\d+)<", lambda m: f"<DimonaPeriodId>{ids.get(m[1].decode(), '')}<".encode(), body
        )
        body = re.sub(rb"<Value>(\d{12})<", lambda m: f"<Value>{ids.get(m[1].decode(), '')}<".encode(), body)
        body = re.sub(rb"<DimonaPeriod>.*?</DimonaPeriod>", b"", body)
        found.append(body + str((answer.result, answer.handled.again)).encode())
    return found


@pytest.mark.timeout(300)
@given(steps=st.lists(STEPS, min_size=1, max_size=30))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
async def test_a_group_is_its_forms_one_by_one(desk, steps: list[tuple[Any, ...]]) -> None:
    together = await played(desk, steps, together=True)
    assert await played(desk, steps, together=False) == together


async def test_two_hundred_are_two_hundred_one_by_one(desk):
    steps = [
        ("in", place % 7, place % 4, None if place % 3 == 0 else place % 4, "OTH", BAKER) for place in range(180)
    ] + [("cancel", place) for place in range(20)]
    assert await played(desk, steps, together=True) == await played(desk, steps, together=False)


async def test_a_form_under_a_number_that_was_replaced_means_the_person(desk):
    old, new, newest = person(950), person(951), person(952)
    begun = await desk.say(dimona_in(old))
    persons = Persons(desk.office, None, TODAY)
    assert await persons.replaced(old, new, TODAY) == 1
    assert await persons.replaced(old, new, TODAY) == 0
    # What is there is found by either number, and what the form says beside it is no other person's.
    for number in (old, new):
        assert (await desk.say(dimona_in(number))).ids == ["90373-333"]
    assert (await desk.say(dimona_out(begun.period, TODAY, old))).result == "ACCEPTED"
    assert (await desk.say(dimona_cancel(begun.period, person(953)))).ids == ["00024-022"]
    assert await persons.replaced(new, newest, TODAY) == 1
    later = await desk.say(dimona_in(old, TODAY + DAY))
    (row,) = await rows(desk, "SELECT ssin FROM period WHERE id = $1 AND known_to IS NULL", int(later.period))
    assert row["ssin"] == newest.number


async def flux_of(desk: Desk, new: Ssin) -> list[bytes]:
    """The IDFLUX of a number that took another's place."""
    found = await rows(desk, "SELECT body FROM outgoing WHERE form = 'IDFLUX' ORDER BY id")
    return [row["body"] for row in found if f"<ValidSituation><INSS>{new.digits}<".encode() in row["body"]]


async def test_a_number_is_replaced_of_who_worked_for_one_that_is_no_employer_any_more(desk):
    """Its mandate is still in a file, and counts for nothing."""
    gone, mandates = NssoNumber.of(1234599), (Mandate(SECRETARIAT, NssoNumber.of(1234599), Period(LONG_AGO, None)),)
    old, new = person(970), person(971)
    active = Employer(gone, None, Period(LONG_AGO, None))
    await desk.office.load(Register(employers=(active,), mandates=mandates), "beside")
    for employer in (gone, BAKER):
        assert (await desk.say(dimona_in(old, employer=employer))).result == "ACCEPTED"
    await desk.office.load(Register(mandates=mandates), "beside")
    assert await Persons(desk.office, None, TODAY).replaced(old, new, TODAY) == 2
    (told,) = await flux_of(desk, new)
    assert BAKER.digits.encode() in told
    await desk.office.load(Register(), "beside")


async def test_of_a_replaced_number_nothing_is_told_that_a_test_declared(desk):
    old, new = person(972), person(973)
    assert (await desk.say(dimona_in(old))).result == "ACCEPTED"
    invented = await desk.say(dimona_in(old, said=[("WorkerName", "Verzonnen")]), environment="T")
    assert invented.result == "ACCEPTED"
    await Persons(desk.office, None, TODAY).replaced(old, new, TODAY)
    (told,) = await flux_of(desk, new)
    assert b"<WorkerName>-</WorkerName>" in told


async def test_whose_a_period_is_and_what_is_declared_of_him_meanwhile(desks, worker):
    """Identified and declared at once by two offices: one of them finds the other's."""
    for place in range(6):
        day = TODAY + (10 + place) * DAY
        named = await desks[0].say(dimona_in(None, day, day, said=[*NAMED[:2], ("WorkerBirthdate", "1975-05-05")]))
        assert named.result == "TO_VALIDATE"
        persons = Persons(desks[place % 2].office, None, TODAY)
        settled, declared = await asyncio.gather(
            persons.identify(PeriodId.parse(named.period), worker), desks[1].say(dimona_in(worker, day, day))
        )
        assert sorted((settled is Result.REFUSED, declared.result == "REFUSED")) == [False, True]
        standing = await rows(
            desks[0],
            "SELECT FROM period WHERE ssin = $1 AND starting_date = $2 AND known_to IS NULL AND NOT cancelled",
            worker.number,
            day,
        )
        assert len(standing) == 1


async def test_one_at_whom_the_code_fails_is_no_reason_not_to_look_for_others(desk):
    async def failing(*_: object, criteria: dict[str, str], **__: object) -> Any:
        if criteria["criteria/lastName"] == "Fout":
            raise LookupError("a bug")
        raise InvalidRequest(SEARCH, ())

    def named(last: str) -> bytes:
        return dimona_in(None, said=[("WorkerName", last), *NAMED[1:]])

    answers = [await desk.say(named(last)) for last in ("Fout", "Goed", "Beter")]
    searching = Searching(Persons(desk.office, None, TODAY), failing, "12-0")
    with suppress(LookupError):
        while await searching.look():
            pass
    found = await rows(
        desk,
        "SELECT outcome FROM identification WHERE period = ANY ($1) ORDER BY period",
        [int(one.period) for one in answers],
    )
    assert [row["outcome"] for row in found] == [None, "unsearchable", "unsearchable"]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        pytest.param(statements.DECLARED_BY, (1,), id="by which a period was declared"),
        pytest.param(file_statements.WORK, ([], 9), id="files of which something is to be done"),
    ],
)
async def test_no_whole_table_of_what_is_kept_for_good_is_read(desk, statement, values):
    """However many periods and files there were: with the index that there is, of a planner that avoids tables."""
    async with desk.office.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *values))
    whole = r"Seq Scan on (period|declaration|file)\b|Index Scan using (period_pkey|file_sender_transfer)"
    assert not re.search(whole, plan), plan


async def test_a_number_is_replaced_while_forms_name_it(desks):
    old, new = person(954), person(955)
    days = [TODAY + (10 + place) * DAY for place in range(8)]
    replacing = Persons(desks[0].office, None, TODAY).replaced(old, new, TODAY)
    forms = [desks[place % 2].say(dimona_in(old, day, day)) for place, day in enumerate(days)]
    _, *answers = await asyncio.gather(replacing, *forms)
    assert [one.result for one in answers] == ["ACCEPTED"] * len(days)
    whose = await rows(desks[0], "SELECT ssin FROM period WHERE person IN ($1, $2) AND known_to IS NULL",
        old.number, new.number)  # fmt: skip
    assert [row["ssin"] for row in whose] == [new.number] * len(days)


async def test_who_is_told_that_a_number_was_replaced_and_what_of_the_person(desk):
    """Senders with a mandate today; each the name that was declared for its employer, and nobody of what is no more."""
    old, new = person(962), person(963)
    long_ago = TODAY.replace(year=TODAY.year - 6)
    await desk.say(dimona_in(old, said=[("WorkerName", "Peeters"), ("WorkerFirstName", "An")]))
    await desk.say(dimona_in(old, employer=BREWER), OWN)
    await desk.say(dimona_in(old, long_ago, long_ago, employer=MILLER))
    assert await Persons(desk.office, None, TODAY).replaced(old, new, TODAY) == 3
    told = {}
    for row in await rows(desk, "SELECT sender, body FROM outgoing WHERE form = 'IDFLUX' ORDER BY id"):
        root = parse(row["body"])
        if root.findtext(".//ValidSituation/INSS") == new.digits:
            number = root.findtext(".//NOSSRegistrationNbr")
            told[row["sender"], number] = root.findtext(".//WorkerName")
    assert told == {(SECRETARIAT, BAKER.digits): "Peeters", (OWN, BREWER.digits): "-"}
