"""The way of one incapacity: declared by the employer alone, told to who insures and to no other, wages asked of the
NSSO, and nobody asks the employer."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from institutions import Answer, Institution
from institutions.reference.incapacity import INCAPACITY
from schemas.declarations.outcome import Result
from schemas.employer import NssoNumber
from schemas.message import text_at
from schemas.period import Period, today
from schemas.ssin import Ssin
from tests.institutions.conformance.network import person
from tests.institutions.nsso.dmfa_forms import Line, Quarter
from tests.institutions.nsso.risk_forms import incapacity, quarter, record, resumption
from tests.institutions.nsso.sickness import A, B, C, Sickness, Tap, opens, questions, words
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import starts
from tests.institutions.payroll.ground import OWN, SECOND
from tests.institutions.payroll.ground import A as SENDER
from tests.institutions.payroll.ground import B as STRANGER

DAY = timedelta(days=1)
TODAY = today()
ILL = TODAY - 3 * DAY
QUARTER = f"{TODAY.year}{(TODAY.month + 2) // 3}"
SINCE = date(2000, 1, 1)


@pytest.fixture
def world(sickness: Sickness) -> Sickness:
    return sickness


async def employed(world: Sickness, who: Ssin) -> None:
    """By a Dimona, which the hub has taken."""
    async with world.sender(SENDER) as me:
        told = await me.declare(starts(OWN, who, TODAY - 200 * DAY))
        assert told.accepted
    await world.all_told()


async def test_the_way_of_one_incapacity(world: Sickness) -> None:
    who = await world.insured((B, SINCE, TODAY - 100 * DAY), (A, TODAY - 99 * DAY, None))
    await employed(world, who)
    form = incapacity(OWN, who, ILL, quarter(OWN, who, QUARTER, record(QUARTER, 1_200_000, days=6_000)))
    async with Tap(world) as tap, world.sender(SENDER) as me:
        begun = await me.declare(form)
        assert begun.result is Result.TO_VALIDATE
        ended = await world.ended(begun.ticket)
        assert [one.text for one in ended.iter("ErrorID")] == []
        assert ended.findtext("TypeForm") == "FA"
        seen = await tap.seen()
        over = await me.declare(resumption(OWN, who, TODAY, of=begun.ticket))
        await world.ended(over.ticket)
        later = await tap.seen()
    # Whom it concerns has it, and no other.
    assert words(seen) == {("RiskMutation/1", "11-0"): 1, ("RiskMutation/1", A): 1}
    assert [begun.ticket in world.mutualities[one].desk.dossiers for one in (A, B, C)] == [True, False, False]
    # Each datum is asked once, of who has it, and never of the employer; who is told asks, and nobody else.
    assert questions(seen) == {("IdentifyPerson.1", "0-0", A): 1, ("DmfaAttestation.1", "12-0", A): 1}
    assert [(one.type, one.by) for one in seen if one.exchange == f"sender-{SENDER}.out"] == [("", f"sender-{SENDER}")]
    # What is paid follows from what was declared once: 60 % of 12,000 euro in 60 days.
    dossier = world.mutualities[A].desk.dossiers[begun.ticket]
    assert (dossier.daily, dossier.starts, dossier.recovers) == (Decimal("120.00"), ILL, TODAY)
    assert await world.rows(who, "11-1", 2) == [Period(ILL, TODAY - DAY)]
    assert words(later) == {("RiskMutation/1", "11-0"): 1, ("RiskMutation/1", A): 1}
    assert ("DmfaAttestation.1", "12-0", A) not in questions(later)


async def test_who_insured_on_that_day_is_told_and_not_who_does_so_today(world: Sickness) -> None:
    who = await world.insured((B, SINCE, TODAY - 2 * DAY), (C, TODAY - DAY, None))
    await employed(world, who)
    async with world.sender(SENDER) as me:
        begun = await me.declare(incapacity(OWN, who, ILL))
        await world.ended(begun.ticket)
    assert [begun.ticket in world.mutualities[one].desk.dossiers for one in (A, B, C)] == [False, True, False]
    assert world.mutualities[B].desk.dossiers[begun.ticket].daily is None  # nothing was declared


async def test_of_whom_nobody_insures_the_sender_is_told_so(world: Sickness) -> None:
    who = await world.insured()
    formerly = await world.insured((A, SINCE, TODAY - 100 * DAY))
    async with world.sender(SENDER) as me:
        for one in (who, formerly):
            await employed(world, one)
            begun = await me.declare(incapacity(OWN, one, ILL))
            ended = await world.ended(begun.ticket)
            assert [one.text for one in ended.iter("ErrorID")] == ["90017-051"]
            assert ended.findtext("HandlingResult/ResultCode") == "1"


async def test_a_sender_without_a_mandate_is_refused_and_nobody_is_told(world: Sickness) -> None:
    who = await world.insured((A, SINCE, None))
    await employed(world, who)
    async with Tap(world) as tap, world.sender(STRANGER) as me:
        told = await me.declare(incapacity(OWN, who, ILL))
        assert [one.error_id for one in told.anomalies] == ["90256-155"]
        seen = await tap.seen()
    assert words(seen) == questions(seen) == {}


async def test_a_cancelled_risk_is_taken_back_where_it_was_told(world: Sickness) -> None:
    who = await world.insured((A, SINCE, None))
    await employed(world, who)
    async with world.sender(SENDER) as me:
        begun = await me.declare(incapacity(OWN, who, ILL))
        await opens(world, A, begun.ticket)
        taken_back = await me.declare(incapacity(OWN, who, ILL, status=3, earlier=begun.ticket))
        await world.ended(taken_back.ticket)
    await until(lambda: begun.ticket not in world.mutualities[A].desk.dossiers)
    assert await world.rows(who, "11-1", 2) == []


# --- declared data answer others' questions -----------------------------------------------------------------------


async def test_wages_are_answered_as_declared_to_who_may_ask_and_without_amounts_to_who_may_not_see_them(
    world: Sickness,
) -> None:
    """From the DmfA; of who has a dossier alone. Nobody asks the employer."""
    who = await world.insured((A, SINCE, None))
    await world.integrate(who, "7-0", quality=101)
    line, asked = Line(), Period(date(2026, 6, 15), date(2026, 6, 20))
    async with world.sender(SENDER) as me:
        assert (await me.declare(starts(SECOND, who, date(2026, 6, 1)))).accepted
        await world.all_told()
        dmfa = Quarter(((who, (line,)),), NssoNumber(SECOND), quarter="20262", created=TODAY)
        told = await me.declare(dmfa.xml)
        # Other tests' workers there are not declared.
        assert told.accepted
        assert {one.error_id for one in told.anomalies} <= {"90007-263"}
    mutuality = world.mutualities[A].me
    async with world.institution("7-0", timeout=PATIENCE) as family, Tap(world) as tap:

        async def ask(by: Institution, context: str, period: Period = asked) -> Answer:
            return await by.consult("DmfaAttestation/1", ssin=who, legal_context=context, period=period)

        assert (await ask(mutuality, INCAPACITY)).code == "MSG00012"  # insured, and no dossier
        assert (await ask(family, INCAPACITY)).code == "MSG00013"
        cut = await ask(family, "FAMILYALLOWANCES:RIGHT")
        nothing = await ask(family, "FAMILYALLOWANCES:RIGHT", Period(date(2026, 7, 1), date(2026, 7, 31)))
        assert questions(await tap.seen()) == {("DmfaAttestation.1", "12-0", "7-0"): 2}
    assert (cut.code, nothing.code) == ("MSG00000", "MSG00100")
    assert cut.filtered == ("attestation/record/occupation/remuneration/amount",)
    [attestation] = cut.data
    assert [text_at(attestation, name) for name in ("quarter", "nssoNumber", "state", "version")] == [
        "20262", SECOND, "DECLARED", "1",
    ]  # fmt: skip
    assert text_at(attestation, "record/occupation/service/days") == str(line.works[0].days)
    assert [child.tag for child in attestation.iterfind("record/occupation/remuneration/*")] == ["code"]
    # With the incapacity it asks by itself, and sees what is paid: 60 % of 9,000 euro in 66 days.
    async with world.sender(SENDER) as me:
        begun = await me.declare(incapacity(SECOND, who, ILL))
        await world.ended(begun.ticket)
    assert world.mutualities[A].desk.dossiers[begun.ticket].daily == Decimal("81.82")
    assert (await ask_whole(mutuality, who)).code == "MSG00000"


async def test_what_was_declared_under_an_older_number_is_answered_once(world: Sickness) -> None:
    who, old = await world.insured((A, SINCE, None)), person()
    await world.integrate(who, "7-0", quality=101)
    async with world.sender(SENDER) as me:
        assert (await me.declare(starts(SECOND, old, date(2025, 10, 1)))).accepted
        await world.all_told()
        dmfa = Quarter(((old, (Line(),)),), NssoNumber(SECOND), quarter="20254", created=TODAY)
        assert (await me.declare(dmfa.xml)).accepted
    await world.nsso.persons.replaced(old, who)
    await world.integrate(who, "12-0", quality=30)
    asked = Period(date(2025, 10, 15), date(2025, 10, 20))
    async with world.institution("7-0", timeout=PATIENCE) as family:
        told = await family.consult("DmfaAttestation/1", ssin=who, legal_context="FAMILYALLOWANCES:RIGHT", period=asked)
    assert (told.code, [text_at(one, "quarter") for one in told.data]) == ("MSG00000", ["20254"])


async def ask_whole(by: Institution, who: Ssin) -> Answer:
    period = Period(date(2026, 6, 1), None)
    return await by.consult("DmfaAttestation/1", ssin=who, legal_context=INCAPACITY, period=period)
