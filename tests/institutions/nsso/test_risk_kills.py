"""12-0, the relay of the mutualities, a mutuality and the hub die between any two steps of an incapacity: it is kept
once, told once, paid once, and its form ends once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from hub.delivering import Delivering
from hub.positions import Positions
from institutions.nsso.office import PostgresOffice
from institutions.nsso.risks.answers import RiskAnswers
from institutions.publishing import Publishing
from institutions.reference.incapacity import Incapacity
from institutions.relay.distributing import Distributing
from schemas.declarations.outcome import Result
from schemas.period import Period, today
from tests.hub.test_mutation_kills import dies
from tests.institutions.nsso.risk_forms import incapacity, quarter, record
from tests.institutions.nsso.sickness import A, Sickness, opens
from tests.institutions.patience import PATIENCE
from tests.institutions.payroll.forms import starts
from tests.institutions.payroll.ground import OWN
from tests.institutions.payroll.ground import A as SENDER

DAY = timedelta(days=1)
TODAY = today()
ILL = TODAY - 3 * DAY
QUARTER = f"{TODAY.year}{(TODAY.month + 2) // 3}"
Kill = Callable[[Sickness], Awaitable[None]]


async def nsso(world: Sickness) -> None:
    await world.kill()
    await world.start()


async def relay(world: Sickness) -> None:
    await world.relay_again()


async def hub(world: Sickness) -> None:
    await world.hub_killed()


async def mutuality(world: Sickness) -> None:
    await world.mutualities[A].kill()
    await world.mutualities[A].start()


@pytest.fixture
def world(sickness: Sickness) -> Sickness:
    return sickness


@pytest.mark.parametrize(
    ("who", "cls", "name", "when"),
    [
        (nsso, PostgresOffice, "_committed", "before"),
        (nsso, PostgresOffice, "_committed", "after"),
        (nsso, Publishing, "_send", "before"),
        (nsso, Publishing, "_send", "after"),
        (nsso, RiskAnswers, "hear", "before"),
        (nsso, RiskAnswers, "hear", "after"),
        (hub, Positions, "decide", "after"),
        (hub, Delivering, "_deliver", "after"),
        (relay, Distributing, "_tell", "before"),
        (relay, Distributing, "_tell", "after"),
        (mutuality, Incapacity, "_says", "before"),
        (mutuality, Incapacity, "_says", "after"),
        (mutuality, Incapacity, "_daily", "after"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_somebody_dies_between_two_steps(
    world: Sickness, monkeypatch: pytest.MonkeyPatch, who: Kill, cls: Any, name: str, when: str
) -> None:
    ill = await world.insured((A, date(2000, 1, 1), None))
    async with world.sender(SENDER) as me:
        await me.declare(starts(OWN, ill, TODAY - 200 * DAY))
        await world.all_told()
        step, reached = dies(cls, name, when)
        monkeypatch.setattr(cls, name, step)
        form = incapacity(OWN, ill, ILL, quarter(OWN, ill, QUARTER, record(QUARTER)))
        key = uuid4()
        declaring = asyncio.create_task(me.declare(form, key=key))
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await who(world)
        begun = await declaring
        # What was sent and has no verdict is sent again after ten minutes: not while a test waits.
        await world.fetch("UPDATE crossroads_outbox SET due = now() WHERE code IS NULL", url=world.nsso_url)
        ended = await world.ended(begun.ticket)
        assert [one.text for one in ended.iter("ErrorID")] == []
        await opens(world, A, begun.ticket)
        again = await me.declare(form, key=key)
    assert again.ticket == begun.ticket
    assert again.result is Result.ACCEPTED
    for statement, whose in (
        ("SELECT FROM risk WHERE person = $1::text::bigint", ill.digits),
        ("SELECT FROM crossroads_outbox WHERE person = $1 AND service = 'RiskMutation/1'", ill.digits),
        ("SELECT FROM outgoing WHERE reference = $1", begun.ticket),
    ):
        assert len(await world.fetch(statement, whose, url=world.nsso_url)) == 1
    assert await world.rows(ill, "11-1", 2) == [Period(ILL, None)]
    await world.all_told()
