"""Institutions say whom they know, over the broker: what they may ask follows from it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from hub.repertory.persons import person
from schemas.integration import REPLACED
from schemas.period import today
from tests.hub.integrations import (
    MORE_RULES,
    NATIONAL_REGISTER,
    PROOF,
    Registrar,
    days,
    identify,
    members,
    pcsw,
    rows,
)
from tests.hub.integrations import nobody as knows_nobody
from tests.hub.star import CUSTOMER, MANAGING, ONE, PCSW_A, PCSW_B, TWO, Star, opened, stay_silent, until

OPEN = None


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), MORE_RULES) as star:
        await star.hub()
        await star.supply(NATIONAL_REGISTER, "IdentifyPerson/1", identify)
        await star.supply(MANAGING, "SectoralIntegrations/1", members({}))
        yield star


@pytest.fixture
def customer(star) -> Registrar:
    return Registrar(star)


@pytest.fixture
def pensions(star) -> Registrar:
    return Registrar(star, ONE, "<sector>5</sector><institution>0</institution>")


# --- what it is for ---------------------------------------------------------------------------------------------------


async def test_who_registers_may_ask_and_who_unregisters_may_not(star, customer):
    ssin = await star.person((ONE, 100))
    assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")
    told = await customer.register(ssin, 0)
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert rows(told) == [("PRIMARY", "64-0", 0, None, "2026-01-01", OPEN)]
    assert rows(told, "overlapping") == []
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")
    gone = await customer.unregister(ssin, 5, 0)
    assert gone.said == ("DATA_FOUND", "MSG00000")
    assert rows(gone) == []
    again = await star.consult(ssin)
    assert again.said == ("NO_RESULT", "MSG00012")
    assert again.information == [("missing", "quality")]


async def test_every_hub_sees_at_once_what_another_registered(star, customer):
    """No hub keeps persons: whichever of several takes the consultation looks the person up."""
    second = await star.hub()
    try:
        for _ in range(8):
            ssin = await star.person((ONE, 100))
            await customer.register(ssin, 0)
            assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")
            await customer.unregister(ssin, 1)
            assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")
    finally:
        await second.stop()
        star.hubs.remove(second)


@pytest.mark.parametrize("distance", [-1, 0, 1])
@pytest.mark.parametrize("edge", ["begin", "end"])
async def test_a_day_before_the_begin_and_a_day_after_the_end_are_not_open(star, customer, edge, distance):
    begin, end = today() - timedelta(days=30), today() - timedelta(days=10)
    ssin = await star.person((ONE, 100))
    await customer.register(ssin, 0, begin.isoformat(), end.isoformat())
    day = ((begin if edge == "begin" else end) + timedelta(days=distance)).isoformat()
    told = await star.consult(ssin, period=(day, day))
    inside = (distance >= 0) if edge == "begin" else (distance <= 0)
    assert told.said == (("DATA_FOUND", "MSG00000") if inside else ("NO_RESULT", "MSG00012"))


async def test_two_rows_that_adjoin_are_one_and_open_a_period_over_both(star, customer):
    ssin = await star.person((ONE, 100))
    await customer.register(ssin, 0, "2026-01-01", "2026-01-31")
    told = await customer.register(ssin, 0, "2026-02-01", "2026-02-28")
    assert days(told) == [(0, None, "2026-01-01", "2026-02-28")]
    assert rows(told, "overlapping") == []
    assert (await star.consult(ssin, period=("2026-01-01", "2026-02-28"))).said == ("DATA_FOUND", "MSG00000")
    assert (await star.consult(ssin, period=("2026-01-01", "2026-03-01"))).said == ("NO_RESULT", "MSG00012")


async def test_what_overlapped_is_told(star, pensions):
    ssin = await star.person()
    await pensions.register(ssin, 100, "2024-01-01", "2024-12-31", phase=1)
    told = await pensions.register(ssin, 100, "2024-06-01", OPEN, phase=2)
    assert days(told, "overlapping") == [(100, 1, "2024-01-01", "2024-12-31")]
    assert days(told) == [(100, 1, "2024-01-01", "2024-05-31"), (100, 2, "2024-06-01", OPEN)]


async def test_a_provisional_registration_opens_only_what_names_it(star, customer):
    ssin = await star.person((ONE, 100))
    assert (await customer.register(ssin, 902)).said == ("DATA_FOUND", "MSG00000")
    assert (await star.consult(ssin)).said == ("NO_RESULT", "MSG00012")
    await customer.register(ssin, 0)
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")
    assert sorted(days(await customer.list(ssin))) == [(0, None, "2026-01-01", OPEN), (902, None, "2026-01-01", OPEN)]


# --- the six situations ---------------------------------------------------------------------------------------------

_LINES = [(10, 1, "2024-01-01", "2024-06-30"), (10, 2, "2024-07-01", OPEN), (100, 1, "2024-01-01", OPEN)]


@pytest.mark.parametrize(
    ("situation", "quality", "more", "left"),
    [
        (1, None, {}, []),
        (2, None, {"period": ("2024-03-01", "2024-08-31")},
         [(10, 1, "2024-01-01", "2024-02-29"), (10, 2, "2024-09-01", OPEN),
          (100, 1, "2024-01-01", "2024-02-29"), (100, 1, "2024-09-01", OPEN)]),
        (5, 10, {}, [(100, 1, "2024-01-01", OPEN)]),
        (6, 10, {"period": ("2024-06-30", "2024-07-01")},
         [(10, 1, "2024-01-01", "2024-06-29"), (10, 2, "2024-07-02", OPEN), (100, 1, "2024-01-01", OPEN)]),
        (7, 10, {"phase": 2}, [(10, 1, "2024-01-01", "2024-06-30"), (100, 1, "2024-01-01", OPEN)]),
        (8, 10, {"line": "2024-07-01", "period": ("2024-01-01", "2024-07-31")},
         [(10, 1, "2024-01-01", "2024-06-30"), (10, 2, "2024-08-01", OPEN), (100, 1, "2024-01-01", OPEN)]),
        (8, 10, {"line": "2024-07-01", "period": ("2024-08-01", "2024-08-31")},
         [(10, 1, "2024-01-01", "2024-06-30"), (10, 2, "2024-07-01", "2024-07-31"), (10, 2, "2024-09-01", OPEN),
          (100, 1, "2024-01-01", OPEN)]),
    ],
    ids=["1", "2", "5", "6", "7", "8 shortens", "8 splits"],
)  # fmt: skip
async def test_each_situation_of_s607_takes_out_what_it_says(star, pensions, situation, quality, more, left):
    ssin = await star.person()
    for line_quality, phase, begin, end in _LINES:
        await pensions.register(ssin, line_quality, begin, end, phase=phase)
    told = await pensions.unregister(ssin, situation, quality, **more)
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert days(told) == left
    listed = await pensions.list(ssin)
    assert days(listed) == left
    assert listed.said == (("DATA_FOUND", "MSG00000") if left else ("NO_DATA_FOUND", "MSG00100"))


async def test_what_is_not_there_cannot_be_taken_out(star, pensions):
    ssin = await star.person((ONE, 10))
    assert (await pensions.unregister(ssin, 5, 100)).said == ("NO_DATA_FOUND", "MSG00100")
    assert (await pensions.unregister(ssin, 8, 10, line="2000-01-02", period=("2000-01-01", OPEN))).said == (
        "NO_DATA_FOUND",
        "MSG00100",
    )


@pytest.mark.parametrize(
    ("situation", "quality", "more"),
    [(1, 10, {}), (2, None, {}), (6, 10, {}), (7, 10, {}), (8, 10, {"period": ("2024-01-01", None)})],
    ids=str,
)
async def test_what_does_not_belong_to_a_situation_is_refused(star, pensions, situation, quality, more):
    ssin = await star.person((ONE, 10))
    told = await pensions.unregister(ssin, situation, quality, **more)
    assert told.said == ("NO_RESULT", "MSG00008")
    assert told.information[0][1].startswith(f"situation {situation} with")


# --- what is allowed --------------------------------------------------------------------------------------------------


async def test_only_qualities_of_the_authorisation_are_registered_unregistered_and_listed(star, customer, pensions):
    ssin = await star.person((ONE, 30), (ONE, 10))
    told = await pensions.register(ssin, 30)
    assert (told.said, told.information) == (("NO_RESULT", "MSG00013"), [("missing", "quality")])
    assert (await pensions.unregister(ssin, 5, 30)).said == ("NO_RESULT", "MSG00013")
    assert (await pensions.list(ssin, quality=30)).said == ("NO_RESULT", "MSG00013")
    assert days(await pensions.list(ssin)) == [(10, None, "2000-01-01", OPEN)]
    assert days(await pensions.unregister(ssin, 1)) == []
    assert {row.quality for row in await _rows(star, ssin)} == {30}


async def test_a_quality_of_another_sector_and_999_are_never_registered(star, pensions):
    ssin = await star.person()
    assert (await pensions.register(ssin, 101)).said == ("NO_RESULT", "MSG00013")
    assert (await pensions.register(ssin, REPLACED)).said == ("NO_RESULT", "MSG00008")
    assert await _rows(star, ssin) == []


async def test_the_phase_is_one_that_the_authorisation_takes(star):
    family = Registrar(star, TWO, "<sector>7</sector><institution>0</institution>")
    ssin = await star.person()
    for phase in (None, 1):
        told = await family.register(ssin, 101, phase=phase)
        assert (told.said, told.information) == (("NO_RESULT", "MSG00013"), [("missing", "phase")])
    assert (await family.register(ssin, 101, phase=2)).said == ("DATA_FOUND", "MSG00000")


async def test_nobody_registers_in_another_sectors_name(star):
    ssin = await star.person()
    told = await Registrar(star, CUSTOMER, "<sector>5</sector><institution>0</institution>").register(ssin, 10)
    assert told.said == (None, "CRB00007")
    assert await _rows(star, ssin) == []


async def test_one_sector_never_touches_the_rows_of_another(star, customer, pensions):
    ssin = await star.person((ONE, 100))
    await customer.register(ssin, 0)
    assert (await customer.unregister(ssin, 1)).said == ("DATA_FOUND", "MSG00000")
    assert [(str(row.kind), row.quality) for row in await _rows(star, ssin)] == [("5-0", 100)]
    assert (await customer.list(ssin)).said == ("NO_DATA_FOUND", "MSG00100")


@pytest.mark.parametrize(
    ("end", "code"),
    [("2026-03-14", "MSG00000"), ("2026-03-15", "MSG00008"), (OPEN, "MSG00008"), ("2026-01-15", "MSG00000")],
)
async def test_a_file_in_examination_at_a_pcsw_lasts_two_months(star, end, code):
    ssin = await star.person()
    assert (await pcsw(star).register(ssin, 1, "2026-01-15", end)).code == code
    assert len(await _rows(star, ssin)) == (code == "MSG00000")


async def test_a_period_turned_round_and_a_wrong_number_are_refused_before_anything_else(star, customer):
    ssin = await star.person()
    assert (await customer.register(ssin, 0, "2026-02-01", "2026-01-31")).said == ("NO_RESULT", "MSG00008")
    body = customer.registering(ssin, 0).replace(ssin.digits.encode(), (ssin.digits[:9] + "00").encode())
    assert (await customer.send(body)).said == ("NO_RESULT", "MSG00011")


# --- proof ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (PROOF, "MSG00000"),
        ("<identityCardNumber>590123456789</identityCardNumber>", "MSG00000"),
        ("<personData><lastName>d'hertogé</lastName><firstName>ZOE</firstName><birthDate>1985-00-00</birthDate>"
         "</personData>", "MSG00000"),
        ("<sisCardNumber>0123456789</sisCardNumber>" + PROOF, "MSG00000"),
        ("<sisCardNumber>0123456789</sisCardNumber>", "CRB00015"),
        (PROOF.replace("DHERTOGE", "Janssens"), "CRB00015"),
        (PROOF.replace("1985-01-01", "1985-01-02"), "CRB00015"),
        (PROOF.replace("1985-01-01", "1985-13-01"), "MSG00008"),
        ("", "MSG00008"),
    ],
    ids=["name", "identity card", "accents and incomplete date", "one is enough", "wrong card", "wrong name",
         "wrong date", "no date", "none"],
)  # fmt: skip
async def test_who_the_person_is_must_be_proven(star, customer, proof, code):
    ssin = await star.person()
    told = await customer.register(ssin, 0, proof=proof)
    assert told.code == code
    assert len(await _rows(star, ssin)) == (code == "MSG00000")
    if code == "CRB00015":
        assert told.information == []
        await star.know(ssin, (CUSTOMER, 0))
        assert (await customer.unregister(ssin, 1, proof=proof)).code == code
        assert len(await _rows(star, ssin)) == 1


async def test_a_number_that_nobody_has_is_not_registered(star, customer):
    ssin = await star.person()
    star.script(NATIONAL_REGISTER, ssin, knows_nobody)
    assert (await customer.register(ssin, 0)).said == ("NO_RESULT", "MSG00005")
    assert await _rows(star, ssin) == []


async def test_nothing_is_done_while_who_keeps_identities_is_silent(star, customer):
    ssin = await star.person()
    star.script(NATIONAL_REGISTER, ssin, stay_silent)
    told = await customer.register(ssin, 0)
    assert told.said == (None, "CRB00010")
    assert await _rows(star, ssin) == []
    [_, outcome] = await star.journal(told)
    assert outcome.silent == (NATIONAL_REGISTER,)


async def test_a_replaced_number_is_registered_no_more(star, customer):
    old, new = await star.person((CUSTOMER, 0)), await star.person()
    await star.replace(old, new)
    told = await customer.register(old, 902)
    assert (told.said, told.information) == (("NO_RESULT", "MSG00006"), [("newSSIN", new.digits)])
    assert (await Registrar(star, ONE, "<sector>5</sector><institution>0</institution>").register(old, 10)).said == (
        "NO_RESULT",
        "MSG00005",
    )
    assert (await customer.register(new, 902)).said == ("DATA_FOUND", "MSG00000")


# --- members of a network ---------------------------------------------------------------------------------------------


async def test_what_another_member_still_has_stays(star):
    ssin = await star.person()
    one = pcsw(star)
    await one.register(ssin, 2, "2024-01-01", OPEN)
    star.script(
        MANAGING,
        ssin,
        members({PCSW_A: [(2, None, "2024-01-01", None)], PCSW_B: [(2, 3, "2025-01-01", "2025-12-31")]}),
    )
    told = await one.unregister(ssin, 1)
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert days(told) == [(2, 3, "2025-01-01", "2025-12-31")]


async def test_a_member_takes_out_of_its_own_lines_only(star):
    ssin = await star.person()
    one = pcsw(star)
    await one.register(ssin, 2, "2023-01-01", OPEN)
    star.script(
        MANAGING,
        ssin,
        members({PCSW_A: [(2, None, "2024-01-01", None)], PCSW_B: [(2, None, "2023-01-01", "2024-12-31")]}),
    )
    assert (await one.unregister(ssin, 8, 2, line="2023-01-01", period=("2023-01-01", OPEN))).code == "MSG00100"
    told = await one.unregister(ssin, 8, 2, line="2024-01-01", period=("2024-06-01", OPEN))
    assert days(told) == [(2, None, "2023-01-01", "2024-12-31")]


async def test_a_member_is_listed_in_both_registers(star):
    ssin = await star.person()
    one = pcsw(star)
    await one.register(ssin, 2, "2024-01-01", OPEN)
    star.script(
        MANAGING, ssin, members({PCSW_A: [(2, None, "2024-01-01", None)], PCSW_B: [(2, None, "2023-01-01", None)]})
    )
    primary, secondary, both = [await one.list(ssin, register) for register in ("PRIMARY", "SECONDARY", "ALL")]
    assert rows(primary) == [("PRIMARY", "17-1", 2, None, "2024-01-01", OPEN)]
    assert rows(secondary) == [("SECONDARY", PCSW_A, 2, None, "2024-01-01", OPEN)]
    assert rows(both) == rows(primary) + rows(secondary)
    assert rows(await one.list(ssin)) == rows(primary)


async def test_a_silent_managing_institution_is_told_of_and_nothing_is_unregistered(star):
    ssin = await star.person()
    one = pcsw(star)
    await one.register(ssin, 2, "2024-01-01", OPEN)
    star.script(MANAGING, ssin, stay_silent)
    all_, secondary, gone = await asyncio.gather(
        one.list(ssin, "ALL"), one.list(ssin, "SECONDARY"), one.unregister(ssin, 1)
    )
    assert all_.said == ("INCOMPLETE_DATA", "HAN20200")
    assert all_.information == [("silent", "17-0")]
    assert days(all_) == [(2, None, "2024-01-01", OPEN)]
    assert secondary.said == (None, "CRB00010")
    assert gone.said == (None, "CRB00010")
    assert len(await _rows(star, ssin)) == 1


async def test_a_direct_institution_has_no_second_register(star, customer):
    ssin = await star.person((CUSTOMER, 0))
    assert (await customer.list(ssin, "SECONDARY")).said == ("NO_DATA_FOUND", "MSG00100")
    assert rows(await customer.list(ssin, "ALL")) == rows(await customer.list(ssin, "PRIMARY"))


async def test_members_dossiers_are_told_to_no_institution_that_asks(star):
    ssin = await star.person()
    told = await pcsw(star).send(pcsw(star).body("SectoralIntegrations", ssin, ""))
    assert told.said == ("NO_RESULT", "MSG00013")


# --- once a ticket ----------------------------------------------------------------------------------------------------


async def test_the_same_ticket_changes_once_and_is_told_the_same_again(star, pensions):
    ssin = await star.person()
    ticket = str(uuid4())
    await pensions.register(ssin, 100, "2023-01-01", "2024-06-30", phase=2)
    body = pensions.registering(ssin, 100, "2024-01-01", ticket=ticket)
    first = await pensions.send(body)
    await pensions.unregister(ssin, 1)
    again = await pensions.send(body)
    assert again.said == first.said
    assert rows(again) == rows(first) != []
    assert rows(again, "overlapping") == rows(first, "overlapping") != []
    assert len(star.questions(NATIONAL_REGISTER, ssin)) == 3  # what is told again is not asked again
    assert await _rows(star, ssin) == []
    assert await star.kinds(first) == ["decision", "outcome", "resumed", "repeated"]


async def test_a_refusal_is_told_again_though_it_could_be_done_by_now(star, customer):
    ssin = await star.person()
    star.script(NATIONAL_REGISTER, ssin, knows_nobody)
    body = customer.registering(ssin, 0)
    assert (await customer.send(body)).code == "MSG00005"
    star.script(NATIONAL_REGISTER, ssin, identify)
    assert (await customer.send(body)).code == "MSG00005"
    assert await _rows(star, ssin) == []
    assert (await customer.register(ssin, 0)).code == "MSG00000"


async def test_a_ticket_with_other_content_is_refused_and_changes_nothing(star, customer):
    ssin = await star.person()
    ticket = str(uuid4())
    await customer.register(ssin, 0, ticket=ticket)
    told = await customer.register(ssin, 902, ticket=ticket)
    assert told.said == (None, "CRB00009")
    assert [row.quality for row in await _rows(star, ssin)] == [0]


async def test_the_key_of_a_change_is_kept_thirty_days_and_of_a_list_one(star, customer):
    ssin = await star.person()
    changed, listed = await customer.register(ssin, 0), await customer.list(ssin)
    connection = await star.connect()
    try:
        keep = "SELECT extract(day FROM expires - decided) FROM ticket WHERE ticket_cbss = $1"
        assert await connection.fetchval(keep, changed.ticket_cbss) == 30
        assert await connection.fetchval(keep, listed.ticket_cbss) == 1
    finally:
        await connection.close()


async def test_many_tickets_about_one_person_at_once_leave_the_rows_of_all(star, pensions):
    ssin = await star.person()
    months = [f"2024-{month:02d}" for month in range(1, 13)]
    told = await asyncio.gather(
        *(pensions.register(ssin, 100, f"{month}-01", f"{month}-28") for month in months),
        *(pensions.register(ssin, 10, "2024-01-01", f"{month}-28") for month in months),
    )
    assert {one.code for one in told} == {"MSG00000"}
    left = days(await pensions.list(ssin))
    assert [row for row in left if row[0] == 10] == [(10, None, "2024-01-01", "2024-12-28")]
    assert [row[2:] for row in left if row[0] == 100] == [(f"{month}-01", f"{month}-28") for month in months]


async def test_a_registration_says_in_the_journal_who_did_what_under_which_right(star, customer):
    ssin = await star.person()
    told = await customer.register(ssin, 0)
    decision, outcome = await star.journal(told)
    assert (str(decision.customer), decision.quality, decision.service) == ("64-0", 0, "RegisterIntegration/1")
    assert decision.authorisation is not None
    assert decision.authorisation.id == "64-0-RegisterIntegration/1"
    assert (outcome.value, outcome.code) == ("DATA_FOUND", "MSG00000")


async def test_history_keeps_what_was_taken_back(star, customer):
    ssin = await star.person()
    await customer.register(ssin, 0)
    await customer.unregister(ssin, 1)
    [row] = await person(star.database_url, ssin)
    assert row.known_to is not None


async def test_no_log_line_holds_a_number_or_a_name(star, customer):
    ssin = await star.person()
    star.script(NATIONAL_REGISTER, ssin, identify)
    await customer.register(ssin, 0)
    await customer.register(ssin, 0, proof=PROOF.replace("DHERTOGE", "Vandamme"))
    text = star.log.getvalue()
    assert ssin.digits not in text
    for name in ("DHERTOGE", "rtoge", "Vandamme", "590123456789"):
        assert name not in text


async def test_who_a_number_is_can_be_asked_before_it_is_integrated(star, customer):
    """`person_check = false`: no integration is needed, an authorisation is."""
    ssin = await star.person()
    told = await customer.send(customer.body("IdentifyPerson", ssin, ""))
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert told.root.findtext("part/person/lastName") == "D'Hértoge"
    assert told.root.find("part/person/identityCardNumber") is None
    assert told.filtered == ["part/person/identityCardNumber"]
    stranger = Registrar(star, ONE, "<sector>5</sector><institution>0</institution>")
    assert (await stranger.send(stranger.body("IdentifyPerson", ssin, ""))).said == ("NO_RESULT", "MSG00013")


# --- when it breaks ---------------------------------------------------------------------------------------------------


async def test_a_hub_killed_while_it_asks_for_the_proof_leaves_the_change_to_the_next(star, customer):
    """The decision is committed, nothing else: the redelivery resumes it."""
    [first] = star.hubs
    ssin = await star.person()
    asked = asyncio.Event()

    async def only_the_second_time(question):
        if asked.is_set():
            await identify(question)
        asked.set()

    star.script(NATIONAL_REGISTER, ssin, only_the_second_time)
    answer = asyncio.create_task(customer.register(ssin, 0))
    await asked.wait()
    await first.kill()
    star.hubs.remove(first)
    await star.hub()
    told = await answer
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert len(await _rows(star, ssin)) == 1
    assert (await star.kinds(told))[:2] == ["decision", "resumed"]
    assert (await star.kinds(told)).count("outcome") == 1


async def test_a_hub_killed_between_the_change_and_its_answer_changes_nothing_twice(star, pensions):
    [first] = star.hubs
    ssin = await star.person()
    await pensions.register(ssin, 100, "2024-01-01", "2024-12-31")
    done = asyncio.Event()
    act = first.acting.act

    async def act_and_stop(*given):
        found = await act(*given)
        done.set()
        await asyncio.Event().wait()
        return found

    first.acting.act = act_and_stop
    answer = asyncio.create_task(pensions.unregister(ssin, 6, 100, period=("2024-05-01", "2024-05-31")))
    await done.wait()
    await first.kill()
    star.hubs.remove(first)
    await star.hub()
    told = await answer
    left = [(100, None, "2024-01-01", "2024-04-30"), (100, None, "2024-06-01", "2024-12-31")]
    assert (told.said, days(told)) == (("DATA_FOUND", "MSG00000"), left)
    assert (await star.kinds(told)).count("outcome") == 1
    assert days(await pensions.list(ssin)) == left


async def test_two_hubs_that_act_on_one_ticket_change_once(star, customer):
    """As when a request comes again to another hub while the first still works on it."""
    [hub] = star.hubs
    ssin = await star.person()
    seen = []
    act = hub.acting.act

    async def twice(*given):
        both = await asyncio.gather(act(*given), act(*given))
        seen.extend(both)
        return both[0]

    hub.acting.act = twice
    try:
        told = await customer.register(ssin, 0)
    finally:
        hub.acting.act = act
    assert sorted(one.again for one in seen) == [False, True]
    assert [row.quality for row in await _rows(star, ssin)] == [0]
    assert (await star.kinds(told)).count("outcome") == 1


async def test_the_database_away_for_a_while_loses_nothing(star, customer):
    [hub] = star.hubs
    ssin = await star.person()
    connection = await star.connect()
    try:
        reached = asyncio.Event()

        async def cut_then_identify(question):
            if not reached.is_set():
                await connection.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            reached.set()
            await identify(question)

        star.script(NATIONAL_REGISTER, ssin, cut_then_identify)
        told = await customer.register(ssin, 0)
        assert reached.is_set()
        assert told.said == ("DATA_FOUND", "MSG00000")
        await until(lambda: hub.ready)
    finally:
        await connection.close()
    assert len(await _rows(star, ssin)) == 1


async def _rows(star, ssin):
    """What is believed now of a number."""
    return [one.integration for one in await person(star.database_url, ssin) if one.known_to is None]
