"""Rights without asking: 25-1 tells De Lijn and the social tariff who has which status, over the hub and the broker."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from functools import partial
from uuid import UUID

import pytest
from lxml import etree

from institutions.reference.granting import Granting, Home, statuses_in
from institutions.reference.mutations import Telling, living_wage, moved
from institutions.reference.network import STATUSES
from institutions.reference.population import Population
from institutions.reference.suppliers.elements import element
from institutions.reference.whereabouts import rows_at_the_hub
from institutions.statuses.quarters import read
from schemas.address import Address
from schemas.parser import parse
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from tests.hub.star import CONTEXT, MANAGING, PCSW_A, until
from tests.hub.statuses import BODIES, QUEUES, Body, Statuses, equal_to_the_oracle, with_statuses
from tests.institutions.statuses.oracle import statuses_of

DE_LIJN, TARIFF = BODIES
PCSWS, PENSIONS, HANDICAP, REGISTER = Address(17, 1), Address(5, 0), Address(16, 0), Address(0, 0)


def granted(person: Ssin) -> Telling:
    """A PCSW grants a living wage from 12 May 2026 on."""
    return living_wage(Address(17, 1, PCSW_A), person, Period(date(2026, 5, 12), None), f"L{person.digits}")


@pytest.fixture(scope="module")
async def statuses(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Statuses]:
    async with with_statuses(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as statuses:
        yield statuses


async def test_two_bodies_ask_in_lots_and_are_told_what_the_lives_say_and_no_source_hears_of_it(statuses, tmp_path):
    """As the slow trial does with 100,000 (tests/trials/statuses)."""
    asked, found = await equal_to_the_oracle(statuses, 600, tmp_path / "fill", read("2025Q4"))
    assert asked > 130
    assert 30 < found < asked
    for queue in QUEUES:
        assert await statuses.star.depth(queue) == 0, queue


@pytest.fixture(scope="module")
async def bodies(statuses) -> AsyncIterator[dict[Address, Body]]:
    """De Lijn and the social tariff, listening."""
    async with AsyncExitStack() as stack:
        found = {}
        for address in BODIES:
            found[address] = Body(statuses, address)
            await stack.enter_async_context(found[address].me)
            assert await found[address].me.supplying()
        yield found


async def test_a_living_wage_reaches_both_bodies_as_a_status_and_nothing_of_why(statuses, bodies):
    """Told by a PCSW, through its managing institution, to 25-1; who does not know the person hears nothing."""
    ssin = await statuses.star.person((PCSWS, 2), (DE_LIJN, 0), (TARIFF, 0))
    stranger = await statuses.star.person((PCSWS, 2))
    pcsw = await statuses.source(MANAGING)
    for person in (stranger, ssin):
        assert (await pcsw.tell(granted(person))).code == "MSG00000"
    for body in bodies.values():
        assert await body.heard(ssin) == ["CREATED LIVING_WAGE 2026Q2-"]
    assert (await pcsw.tell(granted(ssin).ended(date(2026, 8, 1)))).code == "MSG00000"
    for body in bodies.values():
        assert await body.heard(ssin, 2) == ["CREATED LIVING_WAGE 2026Q2-", "STOPPED LIVING_WAGE 2026Q2-2026Q3"]
    assert (await pcsw.tell(granted(ssin).cancelled())).code == "MSG00000"
    for body in bodies.values():
        assert await body.heard(ssin, 3) == [
            "CREATED LIVING_WAGE 2026Q2-", "STOPPED LIVING_WAGE 2026Q2-2026Q3", "CANCELLED LIVING_WAGE 2026Q2-2026Q3",
        ]  # fmt: skip
        assert body.granting.codes(ssin, read("2026Q2")) == set()
        assert stranger not in body.granting.known
        for word in body.words:
            assert {element.tag for element in word.root.iter()} & {
                "livingWage",
                "QualityCode",
                "DecisionDate",
            } == set()
            assert b"17-1" not in etree.tostring(word.root)
            assert PCSW_A.encode() not in etree.tostring(word.root)


async def test_what_the_sources_of_a_population_tell_reaches_who_knows_the_person_as_the_lives_say(statuses, bodies):
    """Nobody asks: each body knows of its own persons what the oracle says, and of others nothing."""
    persons = Population(size=800).persons[600:]  # nobody of the first fill
    assert await statuses.publish(persons) > 50
    theirs = {
        address: {
            person.ssin: statuses_of(person, 2025, 4) & codes - {"INCREASED_REIMBURSEMENT"}
            for person in persons
            if any(one.kind == address and one.ssin == person.ssin for one in rows_at_the_hub(person))
        }
        for address, codes in BODIES.items()
    }
    for address, expected in theirs.items():
        granting = bodies[address].granting
        await until(partial(knows, granting, expected, read("2025Q4")))
        assert not {person.ssin for person in persons} & granting.known.keys() - expected.keys()
    assert sum(map(bool, theirs[DE_LIJN].values())) > 5


def knows(granting: Granting, expected: dict[Ssin, set[str]], quarter: int) -> bool:
    return all(granting.codes(ssin, quarter) == codes for ssin, codes in expected.items())


async def test_a_body_is_told_only_of_what_it_grants_by(statuses, bodies):
    """An income guarantee is the social tariff's to know, a recognised handicap De Lijn's, an allowance both's."""
    ssin = await statuses.star.person((PENSIONS, 30), (HANDICAP, 5), (DE_LIJN, 0), (TARIFF, 0))
    days = Period(date(2026, 2, 3), None)
    grapa = Telling("PensionMutation/1", PENSIONS, ssin, days, f"P{ssin}", element("pension", element("kind", "GRAPA")))
    recognised = element("recognition", element("allowanceKind", "IVT"), element("reducedBy", 70))
    pensions = await statuses.source(PENSIONS)
    handicap = await statuses.source(HANDICAP)
    await pensions.tell(grapa)
    await handicap.tell(Telling("HandicapMutation/1", HANDICAP, ssin, days, f"H{ssin}", recognised))
    told = {address: {line.split()[1] for line in await body.heard(ssin, 2)} for address, body in bodies.items()}
    assert told == {
        DE_LIJN: {"HANDICAP_ALLOWANCE", "HANDICAP_RECOGNISED"},
        TARIFF: {"INCOME_GUARANTEE", "HANDICAP_ALLOWANCE"},
    }


async def test_what_was_told_without_asking_is_what_the_next_run_answers(statuses, bodies):
    """The lot of a quarter is a reconciliation: it finds nothing new."""
    ssin = await statuses.star.person((PCSWS, 2), (DE_LIJN, 0), (TARIFF, 0))
    pcsw = await statuses.source(MANAGING)
    await pcsw.tell(granted(ssin))
    for address, body in bodies.items():
        await body.heard(ssin)
        answer = await body.me.consult(
            "SocialStatus/1", ssin=ssin, legal_context=CONTEXT, period=Period(date(2026, 7, 1), date(2026, 9, 30))
        )
        assert statuses_in(answer.root) != []
        assert not body.granting.asked(ssin, answer.root, read("2026Q3")), address


async def test_a_move_between_two_runs_does_not_lose_the_right(statuses, bodies):
    """The National Register tells of the new address: the contract there has the tariff from the first day of the
    quarter, and the next quarter's run finds nothing new."""
    ssin, body = await statuses.star.person((PCSWS, 2), (TARIFF, 0)), bodies[TARIFF]
    tariff, register, pcsw = body.granting, await statuses.source(REGISTER), await statuses.source(MANAGING)
    before = moved(ssin, date(2020, 1, 1), "Oude straat", 1, "9000", f"A{ssin.digits}")
    after = moved(ssin, date(2026, 8, 20), "Nieuwe straat", 2, "8500", f"A{ssin.digits}")
    for telling, contract in ((before, "C-1"), (after, "C-2")):
        tariff.contracts[Home.of(parse(telling.message(CONTEXT)))] = contract
    assert (await register.tell(before)).code == "MSG00000"
    assert (await pcsw.tell(granted(ssin))).code == "MSG00000"
    await body.heard(ssin)
    await until(lambda: ssin in tariff.homes)
    assert tariff.granted(read("2026Q3")) == {"C-1"}
    assert (await register.tell(after)).code == "MSG00000"
    await until(lambda: len(tariff.homes[ssin]) == 2)
    quarters = {quarter: tariff.granted(read(quarter)) for quarter in ("2026Q2", "2026Q3", "2026Q4")}
    assert quarters == {"2026Q2": {"C-1"}, "2026Q3": {"C-2"}, "2026Q4": {"C-2"}}
    [answer] = [answer async for answer in body.me.lot(
        "SocialStatus/1", [ssin], legal_context=CONTEXT, sequence=statuses.next(TARIFF),
        period=Period(date(2026, 10, 1), date(2026, 12, 31)),
    )]  # fmt: skip
    assert not tariff.asked(ssin, answer.root, read("2026Q4"))
    assert tariff.granted(read("2026Q4")) == {"C-2"}


async def test_whom_25_1_has_from_its_first_fill_alone_keeps_the_status_under_a_new_number(statuses, bodies, tmp_path):
    """Nothing was told of the person, so that nobody has integrated him for 25-1: it is told of every number."""
    old, new = [await statuses.star.person((DE_LIJN, 0)) for _ in range(2)]
    assert (await statuses.fill([granted(old)], tmp_path / "fill")).taken == 1
    await statuses.replace(old, new)
    assert await bodies[DE_LIJN].heard(new) == ["CHANGED LIVING_WAGE 2026Q2-"]
    answer = await bodies[DE_LIJN].me.consult("SocialStatus/1", ssin=new, legal_context=CONTEXT)
    assert [status.code for status in statuses_in(answer.root)] == ["LIVING_WAGE"]


async def test_what_cannot_be_told_is_not_derived_and_then_both_once(statuses, bodies, monkeypatch):
    """The outbox fails: holdings, quarters and this word's place are taken back, and all of it is done again."""
    ssin, running = await statuses.star.person((PCSWS, 2), (DE_LIJN, 0)), statuses.statuses
    kept, left = running._outbox.add, ["full"]

    async def add(entry, connection):
        if left:
            left.pop()
            raise OSError
        return await kept(entry, connection)

    monkeypatch.setattr(running._outbox, "add", add)
    await (await statuses.source(MANAGING)).tell(granted(ssin))
    assert await bodies[DE_LIJN].heard(ssin) == ["CREATED LIVING_WAGE 2026Q2-"]
    assert left == []
    rows = "SELECT count(*) FROM {} WHERE ssin = $1"
    for table in ("holding", "quarters"):
        assert await running.buffer.pool.fetchval(rows.format(table), ssin.number) == 1


async def test_which_message_led_to_which_is_25_1s_alone_to_know(statuses, bodies):
    ssin = await statuses.star.person((PCSWS, 2), (DE_LIJN, 0))
    pcsw = await statuses.source(MANAGING)
    verdict = await pcsw.tell(granted(ssin))
    await bodies[DE_LIJN].heard(ssin)
    [word] = [word for word in bodies[DE_LIJN].words if word.ssin == ssin]
    source = UUID(verdict.root.findtext("informationCBSS/ticketCBSS"))
    [ticket] = await statuses.statuses.buffer.led_to(source)
    assert ticket_cbss(STATUSES, ticket) == word.ticket_cbss
    assert word.root.findtext("informationCustomer/ticket") == ticket
    assert str(source).encode() not in etree.tostring(word.root)


async def test_25_1_away_is_told_of_nothing_twice_when_it_is_back(statuses, bodies):
    ssin = await statuses.star.person((PCSWS, 2), (DE_LIJN, 0))
    pcsw = await statuses.source(MANAGING)
    await statuses.process.stop()
    for action in ("CREATED", "CHANGED", "CHANGED"):
        assert (await pcsw.tell(replace(granted(ssin), action=action))).code == "MSG00000"
    await statuses.start()
    assert (await pcsw.tell(granted(ssin).ended(date(2026, 8, 1)))).code == "MSG00000"
    lines = ["CREATED LIVING_WAGE 2026Q2-", "STOPPED LIVING_WAGE 2026Q2-2026Q3"]
    assert await bodies[DE_LIJN].heard(ssin, 2) == lines
