"""A hub dies between any two steps of a mutation: another brings it to its end, decided once, applied once."""

import asyncio
from collections import defaultdict
from datetime import date

import pytest

from hub.delivering import Delivering
from hub.positions import Positions
from institutions import Institution, MemoryInbox, MemoryOutbox
from institutions.inbox import Place
from schemas.period import Period
from tests.hub.mutations import right, row
from tests.hub.star import CONTEXT, CUSTOMER, ONE, PATIENCE, TWO, opened, until
from tests.hub.test_distribution_over_the_wire import Applied, Sender

OWNER, FUND, GRANTING = ONE, TWO, CUSTOMER
PERIOD = Period(date(2026, 1, 1), None)
RULES = right("change", "5-0", "Change/1", 100) + row("Change/1", "7-0", [101]) + row("Change/1", "64-0", [0])


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory):
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), RULES) as star:
        yield star


async def positions(star):
    """How far each recipient is told."""
    connection = await star.connect()
    try:
        records = await connection.fetch("SELECT address, series, last FROM recipient")
    finally:
        await connection.close()
    return defaultdict(Place, {r["address"]: Place(r["series"], r["last"]) for r in records})


def dies(cls, name, when):
    """The hub that first comes there dies, before or after the step; whoever comes later does not."""
    original = getattr(cls, name)
    died, reached = asyncio.Event(), asyncio.Event()

    async def step(self, *arguments):
        if died.is_set():
            return await original(self, *arguments)
        died.set()
        if when == "after":
            await original(self, *arguments)
        reached.set()
        return await asyncio.Event().wait()  # until it is killed

    return step, reached


@pytest.mark.parametrize(
    ("cls", "name", "when"),
    [
        (Positions, "decide", "before"),
        (Positions, "decide", "after"),
        (Delivering, "_deliver", "before"),
        (Delivering, "_deliver", "after"),
        (Delivering, "deliver", "after"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_a_hub_dies_between_two_steps(star, monkeypatch, cls, name, when):
    first = await star.hub()
    step, reached = dies(cls, name, when)
    monkeypatch.setattr(cls, name, step)
    ssin = await star.person((OWNER, 100), (FUND, 101), (GRANTING, 0))

    def institution(address, **more):
        url = star.url(str(address))
        return Institution(address, url, catalogue=star.catalogue, timeout=PATIENCE, report=lambda _: None, **more)

    recipients = [Applied(institution(address, inbox=MemoryInbox())) for address in (FUND, GRANTING)]
    sender = Sender(institution(OWNER, outbox=MemoryOutbox()))
    begun = await positions(star)
    for one in recipients:
        one.me._inbox._place = begun[str(one.me.address)]
    async with sender.me, recipients[0].me, recipients[1].me:
        numbers = [
            await sender.me.publish(
                sender.me.mutation(
                    "Change/1", person=ssin, period=PERIOD, action="CHANGED", reference=f"{name}{when}{n}",
                    legal_context=CONTEXT,
                )
            )
            for n in range(3)
        ]  # fmt: skip
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await star.hub()
        await first.kill()
        verdicts = [(await sender.verdict(number))[0].code for number in numbers]
        assert verdicts == ["MSG00000"] * 3
        for one in recipients:
            await until(lambda one=one: len(one.words) >= 3)
            assert one.of(ssin) == [f"{name}{when}{n}" for n in range(3)]
            place = begun[str(one.me.address)].position
            assert [word.position for word in one.words] == [place + 1, place + 2, place + 3]
    connection = await star.connect()
    try:
        tickets = await connection.fetch("SELECT ticket_cbss FROM mutation ORDER BY at DESC LIMIT 3")
        for record in tickets:
            kinds = await star.kinds(record["ticket_cbss"])
            assert kinds.count("decision") == kinds.count("outcome") == 1
    finally:
        await connection.close()
    await star.hubs[-1].stop()
    star.hubs.clear()
