"""A Dimona is an integration and a mutation, by one message, once."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas.period import Period, today
from tests.institutions.nsso.network import Declared, Recipient, opened
from tests.institutions.patience import until
from tests.institutions.payroll.forms import cancels, changes, ends, person, starts
from tests.institutions.payroll.ground import OWN, REGISTER, A
from tests.institutions.world import Broker, Database

DAY = timedelta(days=1)
TODAY = today()
SOON = TODAY + 10 * DAY


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[Declared]:
    async with opened(rabbitmq, postgresql) as found:
        yield found


@pytest.fixture(scope="module")
async def told(world: Declared) -> AsyncIterator[dict[str, Recipient]]:
    recipients = {address: Recipient(world, address) for address in ("5-0", "7-0", "16-0")}
    for one in recipients.values():
        await one.me.__aenter__()
    yield recipients
    for one in recipients.values():
        await one.me.__aexit__(None, None, None)


async def test_a_dimona_registers_the_worker_and_is_told_to_whom_it_concerns_once(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    await world.integrate(who, "7-0", quality=101)
    await world.integrate(who, "16-0")
    async with world.sender(A) as me:
        begun = await me.declare(starts(OWN, who, SOON))
        period = begun.period_id
        await world.all_told()
        assert await world.rows(who) == [Period(SOON, None)]
        end, earlier = SOON + 30 * DAY, SOON - 5 * DAY
        await me.declare(ends(period, end))
        await world.all_told()
        assert await world.rows(who) == [Period(SOON, end)]
        await me.declare(changes(period, earlier))
        await world.all_told()
        assert await world.rows(who) == [Period(earlier, end)]
        await me.declare(cancels(period))
        await world.all_told()
        assert await world.rows(who) == []
    expected = [
        ("CREATED", period, SOON, None),
        ("STOPPED", period, SOON, end),
        ("CHANGED", period, earlier, end),
        ("CANCELLED", period, earlier, end),
    ]
    for address in ("5-0", "7-0"):
        await until(lambda address=address: len(told[address].of(who)) >= 4)
        assert told[address].of(who) == expected
    assert told["16-0"].words == []
    word = next(word for word in told["5-0"].words if word.ssin == who)
    (employer,) = [one for one in REGISTER.employers if one.nsso.digits == OWN]
    assert word.text("employment/nssoNumber") == OWN
    assert word.text("employment/enterpriseNumber") == employer.company.digits
    assert (word.text("employment/workerType"), word.text("employment/jointCommission")) == ("OTH", "XXX")
