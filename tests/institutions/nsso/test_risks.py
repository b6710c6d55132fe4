"""Risks at the office: judged, kept, told to the network and ended, each once. The office's database is real."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from lxml import etree

from institutions.database import Database
from institutions.nsso.attestation import Attestation
from institutions.nsso.dmfa.store import quarters_of
from institutions.nsso.office import PostgresOffice
from institutions.nsso.persons import Persons
from institutions.nsso.register import Employer, Mandate, Register
from institutions.nsso.risks.answers import RiskAnswers
from institutions.nsso.risks.clerk import RiskClerk
from institutions.nsso.risks.numbers import RiskNumbers
from institutions.nsso.risks.rows import anticipated_of
from institutions.nsso.risks.telling import service_of
from institutions.nsso.submission import InFile
from institutions.outbox import PostgresOutbox, Verdict
from institutions.reference.network import NSSO
from schemas.catalogue import Catalogue, shipped
from schemas.declarations.number import ticket
from schemas.employer import NssoNumber
from schemas.message import text_at
from schemas.parser import parse
from schemas.period import Period
from schemas.ssin import Ssin
from tests.institutions.nsso import ground
from tests.institutions.nsso.dmfa_forms import Line, Quarter, Work
from tests.institutions.nsso.ground import (
    BAKER,
    BREWER,
    FORMS,
    MILLER,
    NOON,
    OWN,
    SECRETARIAT,
    TODAY,
    Desk,
    dimona_cancel,
    dimona_in,
    submission,
)
from tests.institutions.nsso.risk_forms import anticipates, incapacity, quarter, record, resumption

DAY = timedelta(days=1)
SERVICES = Catalogue([shipped()]).services
ILL = TODAY - 5 * DAY
#: A ticket that could be given, and was not.
STRANGE = ticket(36**8 - 1)
_numbers = count(500)


def somebody() -> Ssin:
    return ground.person(next(_numbers))


def of(worker: Any, day: date | None = ILL, *blocks: str, employer: NssoNumber = BAKER, **more: Any) -> bytes:
    return incapacity(employer, worker, day, *blocks, created=NOON, **more)


def back(worker: Any, day: date = TODAY, employer: NssoNumber = BAKER, **more: Any) -> bytes:
    return resumption(employer, worker, day, created=NOON, **more)


class Risks(Desk):
    """An office that takes risks, and 12-0's outbox beside it."""

    def __init__(self, office: PostgresOffice, url: str, own: Database) -> None:
        super().__init__(office, url)
        self.own, self.answers = own, RiskAnswers(own, TODAY)

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        async with self.own.connection() as connection:
            return list(await connection.fetch(statement, *arguments))

    async def worker(self, employer: NssoNumber = BAKER, start: date = date(2026, 1, 5), sender: str = "") -> Ssin:
        """Somebody who works there."""
        who = somebody()
        told = await self.say(dimona_in(who, start, employer=employer), sender or SECRETARIAT)
        assert told.result != "REFUSED"
        return who

    async def told(self, who: Ssin) -> list[etree._Element]:
        """What the network is told of somebody, in order."""
        rows = await self.rows("SELECT body FROM crossroads_outbox WHERE person = $1 ORDER BY number", who.digits)
        for row in rows:
            assert SERVICES["RiskMutation/1"].violations(row["body"], "request")[1] == ()
        return [parse(row["body"]) for row in rows]

    async def waits_for(self, ticket: str) -> int:
        """The entry of the outbox on which this form's end depends."""
        (row,) = await self.rows(
            "SELECT number FROM risk_told JOIN declaration USING (sender, environment, key) WHERE ticket = $1", ticket
        )
        return int(row["number"])

    async def ended(self, ticket: str) -> list[etree._Element]:
        """Final NOTIFICATIONs of a form."""
        rows = await self.rows("SELECT body FROM outgoing WHERE reference = $1", ticket)
        return [parse(row["body"])[0] for row in rows]


@asynccontextmanager
async def _opened(desk: Desk) -> AsyncIterator[Risks]:
    own = Database(desk.url)
    outbox = PostgresOutbox(own)
    async with own.connection():
        pass
    office = await PostgresOffice.connect(
        desk.url, forms=FORMS, today=TODAY, clerks=RiskClerk(outbox, NSSO, service_of()).forms
    )
    try:
        yield Risks(office, desk.url, own)
    finally:
        await office.close()
        await own.close()


@pytest.fixture(scope="module")
async def desk(postgresql: Any) -> AsyncIterator[Risks]:
    async with ground.opened(postgresql) as (first,), _opened(first) as found:
        yield found


def said(root: etree._Element) -> tuple[str | None, ...]:
    """Action, reference, first day of the period, form and recovery of a mutation."""
    return tuple(
        text_at(root, path)
        for path in (
            "mutation/action",
            "mutation/reference",
            "criteria/period/beginDate",
            "risk/form",
            "risk/recoveryDate",
        )
    )


async def test_an_incapacity_is_kept_told_to_the_mutualities_and_still_to_be_answered(desk: Risks) -> None:
    who = await desk.worker()
    form = submission(of(who))
    (answer,) = await desk.hand(form)
    assert (answer.result, answer.ids) == ("TO_VALIDATE", [])
    assert [answer.form.findtext(name) for name in ("TypeForm", "HandlingResult/ResultCode")] == ["PA", "2"]
    ticket = answer.handled.ticket
    (mutation,) = await desk.told(who)
    assert said(mutation) == ("CREATED", ticket, ILL.isoformat(), "ZIMA001", None)
    destination = [text_at(mutation, f"mutation/destination/{name}") for name in ("sector", "institution")]
    assert destination == ["11", "1"]
    assert text_at(mutation, "criteria/period/endDate") == ILL.isoformat()
    assert text_at(mutation, "risk/nssoNumber") == BAKER.digits
    (again,) = await desk.hand(form)
    assert (again.handled.again, again.handled.ticket, again.handled.body) == (True, ticket, answer.handled.body)
    assert len(await desk.told(who)) == 1


def _cases() -> Iterator[Any]:
    late, soon = TODAY - 400 * DAY, TODAY + DAY

    def case(name: str, *ids: str, **form: Any) -> Any:
        return pytest.param(form, list(ids), id=name)

    yield case("right")
    yield case("long ago, and without a Dimona", "90017-262", day=late)
    yield case("to come", "00408-003", day=soon)
    yield case("no day", "00408-001", day=None)
    yield case("what", "00430-001", kind=None)
    yield case("over before it began", "00128-014", recovers=ILL)
    yield case("over, but not yet", "00128-003", recovers=soon)
    yield case("over today", recovers=TODAY)
    yield case("no number", "00024-004", inss="80010150095")
    yield case("no such employer", "00011-235", employer=NssoNumber.of(1_999_999))
    yield case("wrong check digits of the employer", "00011-004", employer="123456700")
    yield case("somebody else's employer", "90256-155", employer=BREWER)
    yield case("change of nothing", "00222-001", status=1)
    yield case("change of what is not known", "00222-166", status=1, earlier=STRANGE)
    yield case("no ticket", "00222-004", status=3, earlier="350000000RQ00")
    yield case("a change of what was declared on paper", status=7)
    yield case("a quarter to come", "00013-003", quarters=["20271"])
    yield case("the running quarter", quarters=["20264"])
    yield case("a quarter twice", "00013-006", quarters=["20264", "20264"])


@pytest.mark.parametrize(("form", "ids"), list(_cases()))
async def test_what_is_wrong_with_an_incapacity(desk: Risks, form: dict[str, Any], ids: list[str]) -> None:
    who = await desk.worker()
    inss, employer = form.pop("inss", who), form.pop("employer", BAKER)
    day, quarters = form.pop("day", ILL), form.pop("quarters", [])
    blocks = [quarter(employer, inss, number, record(number)) for number in quarters]
    answer = await desk.say(of(inss, day, *blocks, employer=employer, **form))
    assert answer.ids == ids
    refused = any(one != "90017-262" for one in ids)
    assert answer.result == ("REFUSED" if refused else "TO_VALIDATE")
    assert len(await desk.told(who)) == (0 if refused else 1)


async def test_of_whom_an_employer_never_declared_it_learns_nothing(desk: Risks) -> None:
    stranger, elsewhere, gone = somebody(), await desk.worker(MILLER), somebody()
    begun = await desk.say(dimona_in(gone, TODAY + DAY))
    assert (await desk.say(dimona_cancel(begun.period, gone))).result == "ACCEPTED"
    for who in (stranger, elsewhere, gone):
        answer = await desk.say(of(who))
        assert (answer.result, answer.ids) == ("REFUSED", ["90017-181"])
        assert await desk.told(who) == []


async def test_a_form_is_one_workers_at_one_employer(desk: Risks) -> None:
    who, other = await desk.worker(), await desk.worker()
    two = [quarter(BAKER, who, "20263", record("20263")), quarter(BAKER, other, "20264", record("20264"))]
    assert (await desk.say(of(who, ILL, *two))).ids == ["00024-022"]
    two[1] = quarter(MILLER, who, "20264", record("20264"))
    assert (await desk.say(of(who, ILL, *two))).ids == ["90256-022"]


async def test_what_is_anticipated_is_judged_as_a_dmfa(desk: Risks) -> None:
    who = await desk.worker()
    few, twice = record("20263", days=1_000), record("20263")
    told = await desk.say(of(who, ILL, quarter(BAKER, who, "20263", few)))
    assert (told.result, told.ids) == ("TO_VALIDATE", ["90015-096"])
    running = await desk.say(of(who, ILL - 2 * DAY, quarter(BAKER, who, "20264", record("20264", days=1_000))))
    assert (running.result, running.ids) == ("TO_VALIDATE", [])
    told = await desk.say(of(who, ILL - DAY, quarter(BAKER, who, "20263", twice, twice)))
    assert (told.result, told.ids) == ("REFUSED", ["90012-006"])
    wrong = quarter(BAKER, who, "20263", twice.replace("2026-09-30", "2026-12-31"))
    told = await desk.say(of(who, ILL - DAY, quarter(BAKER, who, "20262", record("20262")), wrong))
    assert (told.result, told.ids) == ("REFUSED", ["00039-034"])
    place = told.form.findtext(".//AnomalyLocation/Location") or ""
    assert place.endswith("EmployerDeclaration[2]/NaturalPerson/WorkerRecord[1]/NOSSQuarterEndingDate")


async def test_who_has_no_mandate_is_told_so_and_nothing_of_anybodys_risk(desk: Risks) -> None:
    """155 before anything that is known of the worker; a ticket of another employer's risk is as one that is not."""
    who = await desk.worker()
    known = (await desk.say(of(who))).handled.ticket
    for form in (of(who), of(who, status=3, earlier=known), back(who, of=known)):
        told = await desk.say(form, OWN)
        assert (told.result, told.ids) == ("REFUSED", ["90256-155"])
    await desk.say(dimona_in(who, date(2026, 1, 5), employer=BREWER), OWN)
    for form in (
        of(who, status=3, earlier=known, employer=BREWER),
        of(who, status=1, earlier=known, employer=BREWER),
        back(who, of=known, employer=BREWER),
    ):
        told = await desk.say(form, OWN)
        assert (told.result, told.ids) == ("REFUSED", ["00222-166"])
    assert [said(one)[0] for one in await desk.told(who)] == ["CREATED"]


async def test_the_same_risk_twice_is_refused_and_another_is_not(desk: Risks) -> None:
    who = await desk.worker()
    await desk.say(of(who))
    assert (await desk.say(of(who))).ids == ["90138-167"]
    assert (await desk.say(of(who, kind=2))).ids == []
    assert (await desk.say(of(who, ILL - DAY))).ids == []


async def test_a_resumption_refers_to_its_incapacity_by_ticket_or_as_the_newest_one(desk: Risks) -> None:
    who = await desk.worker()
    assert (await desk.say(back(who))).ids == ["00222-001"]
    first = (await desk.say(of(who, ILL - 60 * DAY))).handled.ticket
    second = (await desk.say(of(who))).handled.ticket
    assert (await desk.say(back(who, of=STRANGE))).ids == ["00222-166"]
    assert (await desk.say(back(who, TODAY + DAY, of=second))).ids == ["00128-003"]
    assert (await desk.say(back(who, ILL, of=second))).ids == ["00128-014"]
    named = await desk.say(back(who, ILL - 30 * DAY, of=first))
    newest = await desk.say(back(who))
    assert (named.result, newest.result) == ("TO_VALIDATE", "TO_VALIDATE")
    assert (await desk.say(back(who, of=second))).ids == ["90143-167"]
    assert [said(one) for one in (await desk.told(who))[2:]] == [
        ("STOPPED", first, (ILL - 60 * DAY).isoformat(), "ZIMA006", (ILL - 30 * DAY).isoformat()),
        ("STOPPED", second, ILL.isoformat(), "ZIMA006", TODAY.isoformat()),
    ]


async def test_changes_and_cancellations_name_any_form_of_the_scenario_and_are_told_under_its_reference(
    desk: Risks,
) -> None:
    who = await desk.worker()
    begun = (await desk.say(of(who))).handled.ticket
    changed = (await desk.say(of(who, kind=2, status=1, earlier=begun))).handled.ticket
    moved = (await desk.say(of(who, ILL - DAY, kind=2, status=1, earlier=changed))).handled.ticket
    over = (await desk.say(back(who))).handled.ticket
    later = (await desk.say(back(who, TODAY - DAY, status=1, earlier=over))).handled.ticket
    assert (await desk.say(back(who, status=3, earlier=later))).result == "TO_VALIDATE"
    assert (await desk.say(of(who, status=3, earlier=moved))).result == "TO_VALIDATE"
    assert (await desk.say(of(who, status=3, earlier=begun))).ids == ["00222-241"]
    assert (await desk.say(back(who, of=begun))).ids == ["00222-166"]
    day, before = ILL.isoformat(), (ILL - DAY).isoformat()
    assert [said(one) for one in await desk.told(who)] == [
        ("CREATED", begun, day, "ZIMA001", None),
        ("CHANGED", begun, day, "ZIMA001", None),
        # On another day somebody else may insure.
        ("CANCELLED", begun, day, "ZIMA001", None),
        ("CREATED", begun, before, "ZIMA001", None),
        ("STOPPED", begun, before, "ZIMA006", TODAY.isoformat()),
        ("STOPPED", begun, before, "ZIMA006", (TODAY - DAY).isoformat()),
        ("CHANGED", begun, before, "ZIMA006", None),
        ("CANCELLED", begun, before, "ZIMA001", None),
    ]
    assert [row["made_by"] for row in await desk.rows("SELECT made_by FROM risk WHERE ticket = $1", begun)][:3] == [
        begun,
        changed,
        moved,
    ]


async def test_a_risk_does_not_begin_behind_the_day_on_which_work_was_resumed(desk: Risks) -> None:
    who = await desk.worker()
    begun = (await desk.say(of(who))).handled.ticket
    assert (await desk.say(back(who, TODAY - 2 * DAY))).result == "TO_VALIDATE"
    for day in (TODAY - 2 * DAY, TODAY - DAY):
        answer = await desk.say(of(who, day, status=1, earlier=begun))
        assert (answer.result, answer.ids) == ("REFUSED", ["00128-014"])
    assert len(await desk.told(who)) == 2
    # It may say another day of recovery itself.
    later = await desk.say(of(who, TODAY - 2 * DAY, status=1, earlier=begun, recovers=TODAY))
    assert later.result == "TO_VALIDATE"


async def test_what_is_anticipated_is_kept_told_and_replaced_with_the_risk(desk: Risks) -> None:
    who, year = await desk.worker(), Period(date(2026, 1, 1), TODAY)

    async def known() -> list[tuple[str, str, int]]:
        async with desk.own.connection() as connection:
            found = await anticipated_of(connection, who, year)
        return [(f"{one.quarter}", one.state, one.records[0].occupations[0].remunerations[0].amount) for one in found]

    blocks = [quarter(BAKER, who, number, record(number, amount)) for number, amount in (("20263", 9), ("20264", 5))]
    begun = (await desk.say(of(who, ILL, *blocks))).handled.ticket
    assert await known() == [("2026/3", "ANTICIPATED", 9), ("2026/4", "ANTICIPATED", 5)]
    (mutation,) = await desk.told(who)
    amounts = [one.text for one in mutation.iterfind("attestation/record/occupation/remuneration/amount")]
    assert amounts == ["9", "5"]
    await desk.say(of(who, ILL, quarter(BAKER, who, "20264", record("20264", 7)), status=1, earlier=begun))
    assert await known() == [("2026/4", "ANTICIPATED", 7)]
    await desk.say(of(who, status=3, earlier=begun))
    assert await known() == []


async def test_what_is_not_real_is_judged_and_told_to_nobody(desk: Risks) -> None:
    who = await desk.worker()
    assert (await desk.say(of(who), environment="S")).result == "ACCEPTED"
    assert (await desk.say(of(who), environment="T")).ids == ["90017-181"]  # a world of its own, without Dimona
    assert await desk.told(who) == []
    assert (await desk.say(of(who))).result == "TO_VALIDATE"  # neither was the same risk


def heard(kind: str, code: str) -> dict[str, str]:
    value = {"MSG00000": "DATA_FOUND", "MSG00021": "NO_DATA_FOUND"}.get(code, "NO_RESULT")
    return {"kind": kind, "value": value, "code": code}


@pytest.mark.parametrize(
    ("verdicts", "ids"),
    [
        ([("verdict", "MSG00000"), ("definitive", "MSG00000")], []),
        ([("verdict", "MSG00000"), ("verdict", "MSG00000"), ("definitive", "MSG00021")], ["90017-051"]),
        ([("definitive", "CRB00020"), ("verdict", "MSG00000"), ("definitive", "MSG00000")], ["90064-146"]),
        ([("verdict", "MSG00021"), ("verdict", "MSG00021")], ["90017-051"]),
        ([("verdict", "MSG00012")], ["90064-151"]),
    ],
    ids=["taken", "nobody at the relay", "not taken, and once", "nobody at the hub", "not told"],
)
async def test_a_form_ends_once_with_what_the_network_says(
    desk: Risks, verdicts: list[tuple[str, str]], ids: list[str]
) -> None:
    who = await desk.worker()
    form = submission(of(who))
    (begun,) = await desk.hand(form)
    ticket = begun.handled.ticket
    number = await desk.waits_for(ticket)
    assert await desk.ended(ticket) == []
    for kind, code in verdicts:
        await desk.answers.hear(Verdict(number, **heard(kind, code)))
    (ended,) = await desk.ended(ticket)
    assert [one.text for one in ended.iter("ErrorID")] == ids
    assert [ended.findtext(name) for name in ("TypeForm", "HandlingResult/ResultCode")] == ["FA", "1"]
    assert ended.findtext("HandledReference/ReferenceNbr") == ticket
    (again,) = await desk.hand(form)
    assert (again.handled.again, again.result, again.ids) == (True, "WARNED" if ids else "ACCEPTED", ids)


async def test_the_end_of_a_form_in_a_file_says_where_it_stood(desk: Risks) -> None:
    name = "GO.ZIMA.123456.20261125.00001.R.1"
    file = InFile(name, 7, "3500000000182", 90)
    (begun,) = await desk.hand(submission(of(await desk.worker()), key=f"{name}#7", file=file))
    ticket = begun.handled.ticket
    await desk.answers.hear(Verdict(await desk.waits_for(ticket), **heard("verdict", "MSG00021")))
    (row,) = await desk.rows("SELECT headers FROM outgoing WHERE reference = $1", ticket)
    assert json.loads(row["headers"]) == {"ticket": ticket, "file": name, "first": 7, "count": 1}
    (ended,) = await desk.ended(ticket)
    assert ended.findtext("FileReference/FileName") == name


async def test_a_verdict_on_what_is_no_risk_ends_nothing(desk: Risks) -> None:
    assert not await desk.answers.hear(Verdict(10**9, **heard("verdict", "MSG00000")))
    who = await desk.worker()
    ticket = (await desk.say(of(who))).handled.ticket
    assert await desk.answers.hear(Verdict(await desk.waits_for(ticket), **heard("verdict", "MSG00000")))
    assert await desk.ended(ticket) == []


async def test_a_replaced_number_moves_risks_and_what_was_refused_under_it_is_told_anew(desk: Risks) -> None:
    old, new = await desk.worker(), somebody()
    begun = (await desk.say(of(old, ILL, quarter(BAKER, old, "20264", record("20264"))))).handled.ticket
    refused = await desk.waits_for(begun)
    await desk.rows("UPDATE crossroads_outbox SET code = 'MSG00006', value = 'NO_RESULT' WHERE number = $1", refused)
    assert not await desk.answers.hear(Verdict(refused, **heard("verdict", "MSG00006"), newer=new))
    numbers = RiskNumbers(PostgresOutbox(desk.own), NSSO, service_of())
    persons = Persons(desk.office, None, TODAY, [numbers.moved])
    for _ in range(2):
        await persons.replaced(old, new)
    (again,) = await desk.told(new)
    (first,) = await desk.told(old)
    assert said(again) == said(first)
    assert [len(one.findall("attestation")) for one in (again, first)] == [1, 1]
    assert await desk.waits_for(begun) != refused
    async with desk.own.connection() as connection:
        assert len(await anticipated_of(connection, new, Period(TODAY, TODAY))) == 1
        assert await anticipated_of(connection, old, Period(TODAY, TODAY)) == []
    # Whoever still names the old number means the person.
    assert (await desk.say(of(old))).ids == ["90138-167"]
    assert (await desk.say(back(old, of=begun))).result == "TO_VALIDATE"
    assert [said(one)[0] for one in await desk.told(new)] == ["CREATED", "STOPPED"]


# --- held against the DmfA ----------------------------------------------------------------------------------------

#: Employers whose workers are those of one test each: a DmfA has all of them.
EMPLOYERS = tuple(NssoNumber.of(1_400_000 + place) for place in range(12))
_free = iter(EMPLOYERS)
LINE = Line()
_THIRD = Period(date(2026, 7, 1), date(2026, 9, 30))


async def employer_of(desk: Risks) -> NssoNumber:
    """One of these, which is nobody else's."""
    register = Register(
        (),
        tuple(Employer(one, None, Period(date(2000, 1, 1), None)) for one in EMPLOYERS),
        tuple(Mandate(SECRETARIAT, one, Period(date(2000, 1, 1), None)) for one in EMPLOYERS),
    )
    await desk.office.load(register, "risks")
    return next(_free)


async def attested(desk: Risks, who: Ssin) -> list[tuple[str, int]]:
    """State and wages of what is told of the third quarter."""
    async with desk.own.connection() as connection:
        declared = await quarters_of(connection, who, _THIRD)
        anticipated = await anticipated_of(connection, who, _THIRD)
    found = [*map(Attestation.declared, declared), *anticipated]
    return [(one.state, one.records[0].occupations[0].remunerations[0].amount) for one in found]


async def test_a_dmfa_that_says_the_same_takes_the_place_of_what_was_anticipated(desk: Risks) -> None:
    employer = await employer_of(desk)
    who = await desk.worker(employer)
    await desk.say(of(who, ILL, quarter(employer, who, "20263", anticipates(LINE)), employer=employer))
    assert await attested(desk, who) == [("ANTICIPATED", 900_000)]
    dmfa = await desk.say(Quarter(((who, (LINE,)),), employer).xml)
    assert (dmfa.result, dmfa.ids) == ("ACCEPTED", [])
    assert await attested(desk, who) == [("DECLARED", 900_000)]
    assert [said(one)[0] for one in await desk.told(who)] == ["CREATED"]


async def test_a_dmfa_that_says_otherwise_is_told_so_and_so_is_who_had_it(desk: Risks) -> None:
    """Of two risks both; of one that was cancelled nobody; of another quarter nothing."""
    employer = await employer_of(desk)
    who, other = await desk.worker(employer), await desk.worker(employer)
    block = quarter(employer, who, "20263", anticipates(LINE))
    first = await desk.say(of(who, ILL, block, quarter(employer, who, "20264", record("20264")), employer=employer))
    second = await desk.say(of(who, ILL, block, employer=employer, kind=2))
    gone = await desk.say(of(who, ILL - DAY, block, employer=employer))
    await desk.say(of(who, ILL - DAY, employer=employer, status=3, earlier=gone.handled.ticket))
    before = len(await desk.told(who))
    other_line = replace(LINE, works=(Work(wage=950_000),))
    dmfa = await desk.say(Quarter(((other, (LINE,)), (who, (other_line,))), employer).xml)
    assert (dmfa.result, dmfa.ids) == ("WARNED", ["90015-044", "90015-044"])
    assert dmfa.form.findtext(".//AnomalyLocation/Location") == (
        "/DmfAOriginal/Form/EmployerDeclaration/NaturalPerson[2]/INSS"
    )
    corrections = (await desk.told(who))[before:]
    assert [said(one)[:2] for one in corrections] == [
        ("CHANGED", first.handled.ticket),
        ("CHANGED", second.handled.ticket),
    ]
    for one in corrections:
        assert [text_at(one, f"attestation/{name}") for name in ("quarter", "state")] == ["20263", "DECLARED"]
        assert text_at(one, "attestation/record/occupation/remuneration/amount") == "950000"
    assert await attested(desk, who) == [("DECLARED", 950_000)]
    async with desk.own.connection() as connection:
        assert len(await anticipated_of(connection, who, Period(TODAY, TODAY))) == 1
    assert await desk.told(other) == []


async def test_of_a_quarter_that_is_declared_nothing_is_anticipated(desk: Risks) -> None:
    employer = await employer_of(desk)
    who = await desk.worker(employer)
    assert (await desk.say(Quarter(((who, (LINE,)),), employer).xml)).result == "ACCEPTED"
    block = quarter(employer, who, "20263", anticipates(replace(LINE, works=(Work(wage=1),))))
    told = await desk.say(of(who, ILL, block, employer=employer))
    assert (told.result, told.ids) == ("TO_VALIDATE", ["90007-313"])
    assert await attested(desk, who) == [("DECLARED", 900_000)]
    (mutation,) = await desk.told(who)
    assert mutation.find("attestation") is None


async def test_a_number_that_is_replaced_while_its_quarter_is_declared(desk: Risks) -> None:
    """What was anticipated moves to the new number, and is held against what is declared under the old one."""
    employer = await employer_of(desk)
    old, new = await desk.worker(employer), somebody()
    form = of(old, ILL, quarter(employer, old, "20263", anticipates(LINE)), employer=employer)
    assert (await desk.say(form)).result == "TO_VALIDATE"
    numbers = RiskNumbers(PostgresOutbox(desk.own), NSSO, service_of())
    persons = Persons(desk.office, None, TODAY, [numbers.moved])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with desk.own.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM anticipated WHERE person = $1 FOR UPDATE", old.number)
        going = []
        for one in (persons.replaced(old, new), desk.say(Quarter(((old, (LINE,)),), employer).xml)):
            going.append(asyncio.ensure_future(one))  # type: ignore[arg-type]
            while (await desk.rows(waiting))[0]["count"] < len(going):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
    _, answer = await asyncio.gather(*going)
    assert answer.ids == []
    assert await attested(desk, new) == [("DECLARED", 900_000)]
    assert [said(one)[0] for who in (old, new) for one in await desk.told(who)] == ["CREATED"]


async def test_a_dmfa_and_a_risk_at_once_never_leave_what_was_anticipated_beside_what_was_declared(
    desk: Risks,
) -> None:
    """Whichever comes first: it is held against the DmfA, or found declared."""
    employer = await employer_of(desk)
    workers = [await desk.worker(employer) for _ in range(6)]
    less = anticipates(replace(LINE, works=(Work(wage=800_000),)))
    forms = [of(who, ILL, quarter(employer, who, "20263", less), employer=employer) for who in workers]
    dmfa = Quarter(tuple((who, (LINE,)) for who in workers), employer).xml
    answers = await asyncio.gather(*(desk.say(form) for form in (*forms[:3], dmfa, *forms[3:])))
    declared = answers.pop(3)
    found = [one.ids for one in answers]
    assert all(ids in ([], ["90007-313"]) for ids in found)
    assert declared.ids == ["90015-044"] * found.count([])
    for who, ids in zip(workers, found, strict=True):
        assert await attested(desk, who) == [("DECLARED", 900_000)]
        assert [said(one)[0] for one in await desk.told(who)] == ["CREATED", *["CHANGED"] * (not ids)]
