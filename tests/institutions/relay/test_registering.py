"""A member registers through its relay: the hub's repertory and the network's own say the same."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from schemas.dossier import normal
from schemas.period import today
from tests.hub.integrations import PROOF
from tests.hub.integrations import days as days_of
from tests.hub.integrations import rows as rows_of
from tests.institutions.relay.conftest import Sector, sector
from tests.institutions.relay.registration import (
    BEGIN,
    A,
    B,
    Member,
    at_the_hub,
    in_the_sector,
    registering_world,
    somebody,
)
from tests.institutions.world import PCSW_A, PCSW_B, Broker, Database, World


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    async with registering_world(rabbitmq, postgresql) as found:
        yield found


@pytest.fixture(scope="module")
async def sector17(world: World, postgresql: Database) -> AsyncIterator[Sector]:
    async with sector(world, postgresql, "17-0") as found:
        yield found


@pytest.fixture(scope="module")
async def a(world: World, pcsw: Sector) -> AsyncIterator[Member]:
    async with world.institution(PCSW_A) as found:
        yield Member(found)


@pytest.fixture(scope="module")
async def b(world: World, pcsw: Sector) -> AsyncIterator[Member]:
    async with world.institution(PCSW_B) as found:
        yield Member(found)


async def test_who_registers_may_ask_who_unregisters_may_not_and_nobody_else_ever_could(world, pcsw, a, b):
    ssin = await somebody(world)
    assert await a.ask(ssin) == ("NO_RESULT", "MSG00012")
    told = await a.register(ssin, 1, BEGIN, today().isoformat())
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert await a.ask(ssin) == ("DATA_FOUND", "MSG00000")
    assert await b.ask(ssin) == ("NO_RESULT", "MSG00012")
    gone = await a.unregister(ssin, 5, 1)
    assert (gone.said, days_of(gone)) == (("DATA_FOUND", "MSG00000"), [])
    assert await a.ask(ssin) == ("NO_RESULT", "MSG00012")
    assert await at_the_hub(world, ssin) == await in_the_sector(pcsw, ssin, A) == []


async def test_all_is_primary_and_secondary(world, pcsw, a, b):
    ssin = await somebody(world)
    await a.register(ssin, 2, "2024-01-01", None, phase=2)
    await b.register(ssin, 2, "2025-01-01", None, phase=1)
    primary, secondary, both = [rows_of(await a.list(ssin, name)) for name in ("PRIMARY", "SECONDARY", "ALL")]
    assert primary == [("PRIMARY", "17-1", 2, 2, "2024-01-01", None)]
    assert secondary == [("SECONDARY", A.cbe, 2, 2, "2024-01-01", None)]
    assert both == primary + secondary
    assert rows_of(await b.list(ssin, "SECONDARY")) == [("SECONDARY", B.cbe, 2, 1, "2025-01-01", None)]


async def test_what_one_member_takes_back_another_keeps(world, pcsw, a, b):
    ssin = await somebody(world)
    await a.register(ssin, 2, "2024-01-01", None)
    await b.register(ssin, 2, "2025-01-01", "2025-12-31")
    told = await a.unregister(ssin, 1)
    assert days_of(told) == [(2, None, "2025-01-01", "2025-12-31")]
    assert await in_the_sector(pcsw, ssin, A) == []
    assert await at_the_hub(world, ssin) == await in_the_sector(pcsw, ssin, B)
    await b.unregister(ssin, 1)
    assert await at_the_hub(world, ssin) == []


async def test_a_refused_registration_changes_neither_repertory(world, pcsw, a):
    ssin = await somebody(world)
    for quality, proof, code in ((3, PROOF, "MSG00013"), (2, PROOF.replace("DHERTOGE", "Other"), "CRB00015")):
        told = await a.register(ssin, quality, proof=proof)
        assert told.said == ("NO_RESULT", code)
    assert await at_the_hub(world, ssin) == await in_the_sector(pcsw, ssin, A) == []


async def test_a_file_in_examination_is_not_prolonged_beyond_two_months(world, pcsw, a, b):
    ssin = await somebody(world)
    assert (await a.register(ssin, 1, "2026-01-15", "2026-02-14")).said == ("DATA_FOUND", "MSG00000")
    assert (await a.register(ssin, 1, "2026-02-15", "2026-03-14")).said == ("DATA_FOUND", "MSG00000")
    assert (await a.register(ssin, 1, "2026-03-15", "2026-03-16")).said == ("NO_RESULT", "MSG00008")
    assert (await b.register(ssin, 1, "2026-03-15", "2026-05-14")).said == ("DATA_FOUND", "MSG00000")
    assert (await a.register(ssin, 1, "2026-03-16", "2026-05-15")).said == ("DATA_FOUND", "MSG00000")


async def test_the_same_ticket_changes_both_repertories_once(world, pcsw, a):
    ssin = await somebody(world)
    body = a.registering(ssin, 2, "2024-01-01", ticket=str(uuid4()))
    first = await a.send(body)
    await a.unregister(ssin, 1)
    again = await a.send(body)
    assert (again.said, rows_of(again)) == (first.said, rows_of(first))
    assert await at_the_hub(world, ssin) == await in_the_sector(pcsw, ssin, A) == []


async def test_members_that_change_one_person_at_once_leave_both_repertories_in_step(world, pcsw, a, b):
    ssin = await somebody(world)
    await a.register(ssin, 2, "2024-01-01", None)
    told = await asyncio.gather(
        a.unregister(ssin, 1),
        b.register(ssin, 2, "2025-01-01", "2025-06-30"),
        b.register(ssin, 1, "2026-01-01", "2026-01-31"),
        a.register(ssin, 1, "2026-02-01", "2026-02-28"),
    )
    assert {one.said for one in told} == {("DATA_FOUND", "MSG00000")}
    both = [*await in_the_sector(pcsw, ssin, A), *await in_the_sector(pcsw, ssin, B)]
    assert normal(await at_the_hub(world, ssin)) == normal(both)
