"""The buffer on a real PostgreSQL: what follows from what sources tell, and equal to an oracle over a population."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from institutions.reference.mutations import Telling, living_wage, told_of
from institutions.reference.population import Population
from institutions.reference.suppliers.elements import element
from institutions.statuses import buffer as buffers
from institutions.statuses.buffer import Buffer
from institutions.statuses.definitions import SHIPPED, read
from institutions.statuses.derive import CannotDerive
from institutions.statuses.derive import read as read_fact
from institutions.statuses.quarters import read as quarter
from institutions.statuses.quarters import written
from schemas.address import Address
from schemas.parser import parse
from schemas.period import Period
from schemas.ssin import Ssin
from tests.institutions.statuses.oracle import DE_LIJN, statuses_of
from tests.reference.messages import CATALOGUE

DEFINITIONS = read(SHIPPED, CATALOGUE)
PERSONS = Population().persons
PCSW_A, PCSW_B = Address(17, 1, "1917010109"), Address(17, 1, "1917010208")
PENSIONS, HANDICAP = Address(5, 0), Address(16, 0)
YEAR = Period(date(2026, 1, 1), date(2026, 12, 31))


@asynccontextmanager
async def opened(postgresql) -> AsyncIterator[Buffer]:
    name = f"test_{uuid4().hex[:12]}"
    url = await postgresql.create_database(name)
    await buffers.migrate(url)
    buffer = await Buffer.connect(url)
    try:
        yield buffer
    finally:
        await buffer.close()
        await postgresql.drop_database(name)


@pytest.fixture(scope="module")
async def buffer(postgresql) -> AsyncIterator[Buffer]:
    async with opened(postgresql) as buffer:
        yield buffer


@pytest.fixture
def person(request) -> Ssin:
    """A person of this test alone."""
    person.count = getattr(person, "count", 0) + 1
    return PERSONS[person.count].ssin


def facts(*tellings: Telling):
    return [read_fact(CATALOGUE.services[one.service], parse(one.message("TEST")), uuid4()) for one in tellings]


async def tell(buffer: Buffer, *tellings: Telling) -> list[str]:
    """Told one by one; what 25-1 tells of it: action, status, quarters."""
    found = []
    for fact in facts(*tellings):
        async with buffer.pool.acquire() as connection, connection.transaction():
            told = await buffer.apply(connection, DEFINITIONS, [fact])
        assert all(one.because == fact.ticket_cbss for one in told)
        found += map(named, told)
    return found


def named(told) -> str:
    return f"{told.change.action} {told.status} {run(told.change.quarters)}"


def run(quarters) -> str:
    return f"{written(quarters.first)}-{written(quarters.last) if quarters.last else ''}"


async def has(buffer: Buffer, person: Ssin, first: str, last: str | None = None) -> list[str]:
    days = Period(date(int(first[:4]), int(first[5]) * 3 - 2, 1), None)
    if last is not None:
        days = Period(days.begin, date(int(last[:4]), int(last[5]) * 3, 28))
    held = await buffer.answer(person, days, DEFINITIONS.statuses)
    return [f"{one.status} {run(one.quarters)}" for one in held]


def granted(person: Ssin, begin: str, end: str | None = None, reference: str = "L", by: Address = PCSW_A, quality=2):
    """A reference is one person's."""
    return living_wage(by, person, Period.parse(begin, end), f"{reference} {person.digits}", quality)


async def test_a_right_that_begins_is_there_and_told_with_its_quarters(buffer, person):
    assert await tell(buffer, granted(person, "2026-05-12")) == ["CREATED LIVING_WAGE 2026Q2-"]
    assert await has(buffer, person, "2026Q1", "2026Q1") == []
    assert await has(buffer, person, "2026Q2", "2026Q2") == ["LIVING_WAGE 2026Q2-"]
    assert await has(buffer, person, "2030Q1") == ["LIVING_WAGE 2026Q2-"]


async def test_the_past_is_told_too(buffer, person):
    assert await tell(buffer, granted(person, "2026-05-12"), granted(person, "2026-01-15")) == [
        "CREATED LIVING_WAGE 2026Q2-",
        "CHANGED LIVING_WAGE 2026Q1-",
    ]


async def test_told_again_it_changes_nothing_and_is_not_told(buffer, person):
    assert len(await tell(buffer, granted(person, "2026-05-12"), granted(person, "2026-05-12"))) == 1
    assert await tell(buffer, granted(person, "2026-04-01")) == []  # other days, the same quarters


async def test_what_stops_ends_with_its_quarter(buffer, person):
    begun = granted(person, "2026-01-15")
    assert await tell(buffer, begun, begun.ended(date(2026, 5, 3))) == [
        "CREATED LIVING_WAGE 2026Q1-",
        "STOPPED LIVING_WAGE 2026Q1-2026Q2",
    ]
    assert await has(buffer, person, "2026Q3") == []


async def test_what_lasts_to_the_end_of_the_year_ends_with_it(buffer, person):
    content = element("pension", element("kind", "GRAPA"))
    awarded = Telling("PensionMutation/1", PENSIONS, person, Period(date(2025, 5, 1), None), "P", content)
    assert await tell(buffer, awarded, awarded.ended(date(2026, 1, 31))) == [
        "CREATED INCOME_GUARANTEE 2025Q2-",
        "STOPPED INCOME_GUARANTEE 2025Q2-2026Q4",
    ]


async def test_what_is_cancelled_never_was(buffer, person):
    begun = granted(person, "2026-01-15")
    assert await tell(buffer, begun, begun.cancelled()) == [
        "CREATED LIVING_WAGE 2026Q1-",
        "CANCELLED LIVING_WAGE 2026Q1-",
    ]
    assert await has(buffer, person, "2020Q1") == []


async def test_a_change_may_end_one_status_and_begin_another(buffer, person):
    begun, changed = granted(person, "2026-01-15"), granted(person, "2026-01-15", quality=3)
    assert await tell(buffer, begun, changed) == [
        "CREATED LIVING_WAGE 2026Q1-",
        "CREATED EQUIVALENT_LIVING_WAGE 2026Q1-",
        "CANCELLED LIVING_WAGE 2026Q1-",
    ]


async def test_of_two_dossiers_one_that_ends_ends_nothing_that_the_other_holds(buffer, person):
    here, there = (
        granted(person, "2026-01-15"),
        granted(person, "2026-04-01", by=PCSW_B),
    )  # the same reference, two owners
    assert await tell(buffer, here, there, here.ended(date(2026, 6, 30)), there.ended(date(2026, 9, 30))) == [
        "CREATED LIVING_WAGE 2026Q1-",
        "STOPPED LIVING_WAGE 2026Q1-2026Q3",
    ]


async def test_two_runs_are_two_and_joined_one(buffer, person):
    assert await tell(
        buffer,
        granted(person, "2025-01-15", "2025-03-31", "L1"),
        granted(person, "2025-09-01", "2025-10-31", "L2"),
        granted(person, "2025-04-01", "2025-08-31", "L3"),
    ) == [
        "CREATED LIVING_WAGE 2025Q1-2025Q1",
        "CREATED LIVING_WAGE 2025Q3-2025Q4",
        "CHANGED LIVING_WAGE 2025Q1-2025Q4",
        "CANCELLED LIVING_WAGE 2025Q3-2025Q4",
    ]


async def test_what_a_replaced_number_had_is_the_new_ones(buffer, person):
    old, new = person, PERSONS[500].ssin
    await tell(buffer, granted(old, "2026-01-15"), granted(new, "2025-10-01", "2025-12-31", "other", PCSW_B))
    async with buffer.pool.acquire() as connection, connection.transaction():
        told = await buffer.replace(connection, DEFINITIONS, old, new, uuid4())
    assert sorted(map(named, told)) == ["CANCELLED LIVING_WAGE 2026Q1-", "CHANGED LIVING_WAGE 2025Q4-"]
    assert {one.person for one in told} == {new}
    assert await has(buffer, old, "2025Q1") == []
    assert await has(buffer, new, "2026Q1") == ["LIVING_WAGE 2025Q4-"]
    ended = replace(granted(old, "2026-01-15"), person=new).ended(date(2026, 3, 31))  # the same dossier
    assert await tell(buffer, ended) == ["STOPPED LIVING_WAGE 2025Q4-2026Q1"]
    async with buffer.pool.acquire() as connection, connection.transaction():
        assert await buffer.replace(connection, DEFINITIONS, old, new, uuid4()) == []


async def test_what_goes_on_under_a_new_number_is_told_again(buffer, person):
    """What was on its way under the old number may have been refused."""
    new = PERSONS[501].ssin
    await tell(buffer, granted(person, "2026-01-15"))
    async with buffer.pool.acquire() as connection, connection.transaction():
        told = await buffer.replace(connection, DEFINITIONS, person, new, uuid4())
    assert [(named(one), one.person) for one in told] == [("CHANGED LIVING_WAGE 2026Q1-", new)]


async def test_a_transaction_that_fails_leaves_nothing(buffer, person):
    begun = granted(person, "2026-01-15")
    [first, second] = facts(begun, replace(begun, action="STOPPED"))
    with pytest.raises(CannotDerive):
        async with buffer.pool.acquire() as connection, connection.transaction():
            await buffer.apply(connection, DEFINITIONS, [first, second])
    assert await has(buffer, person, "2020Q1") == []


async def test_who_may_not_see_a_status_is_not_told_it(buffer, person):
    await tell(
        buffer,
        granted(person, "2026-01-15"),
        Telling(
            "HandicapMutation/1", HANDICAP, person, YEAR, "H",
            element("recognition", element("allowanceKind", "NONE"), element("reducedBy", 80)),
        ),
    )  # fmt: skip
    for body, expected in (("64-0", ["HANDICAP_RECOGNISED", "LIVING_WAGE"]), ("70-3", ["LIVING_WAGE"]), ("5-0", [])):
        held = await buffer.answer(person, YEAR, DEFINITIONS.seen_by(Address.parse(body)))
        assert [one.status for one in held] == expected


async def test_nothing_that_a_source_said_is_kept(buffer, person):
    """No reference, no source, no content: what the tables hold is a number, a status and days."""
    secret = "DOSSIER-4711"
    await tell(buffer, granted(person, "2026-01-15", reference=secret))
    for table in ("holding", "quarters", "told"):
        for row in await buffer.pool.fetch(f"SELECT t::text AS row FROM {table} t"):
            assert all(word not in row["row"] for word in (secret, "Mutation", "1917010109"))
            assert not re.search(r"\b17-1\b", row["row"])  # within a UUID it may stand by chance


async def test_what_ended_long_ago_is_forgotten_and_the_rest_stays(postgresql, person):
    async with opened(postgresql) as buffer:
        await tell(
            buffer,
            granted(person, "2015-01-15", "2016-02-29", "L1"),
            granted(person, "2019-01-15", "2022-02-28", "L2"),
            granted(person, "2026-01-15", None, "L3"),
        )
        await buffer.forget(date(2021, 1, 1))
        assert await has(buffer, person, "2000Q1") == ["LIVING_WAGE 2019Q1-2022Q1", "LIVING_WAGE 2026Q1-"]
        assert await buffer.pool.fetchval("SELECT count(*) FROM holding") == 2
        assert await tell(buffer, granted(person, "2019-01-15", "2022-02-28", "L2")) == []


async def test_the_buffer_says_what_the_lives_say(postgresql):
    """1,000 persons, told in parts of 500 as a first fill is, in five quarters each."""
    persons = Population(size=1_000).persons
    codes = set()
    async with opened(postgresql) as buffer:
        for begin in range(0, len(persons), 500):
            told = facts(*(one for person in persons[begin : begin + 500] for one in told_of(person)))
            async with buffer.pool.acquire() as connection, connection.transaction():
                await buffer.apply(connection, DEFINITIONS, told)
        for person in persons:
            for year, number in ((2019, 4), (2023, 2), (2025, 1), (2025, 4), (2026, 1)):
                asked = Period(date(year, number * 3 - 1, 5), date(year, number * 3, 7))
                held = {one.status for one in await buffer.answer(person.ssin, asked, DEFINITIONS.statuses)}
                assert held == statuses_of(person, year, number), person
                codes |= held
            asked = Period(date(2025, 12, 31), date(2025, 12, 31))
            seen = {one.status for one in await buffer.answer(person.ssin, asked, DEFINITIONS.seen_by(Address(64, 0)))}
            assert seen == statuses_of(person, 2025, 4) & DE_LIJN
        assert quarter("2026Q1") > quarter("2025Q4")
    assert codes == set(DEFINITIONS.statuses)
