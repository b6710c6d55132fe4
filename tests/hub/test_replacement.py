"""A number takes another's place, over the broker: who may know, what moves, who is told."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from uuid import uuid4

import pytest
from aio_pika import Message

from hub.queries import QUERIES
from hub.repertory import persons
from schemas.address import Address
from schemas.integration import REPLACED
from schemas.period import today
from schemas.wire import names
from tests.hub.integrations import MORE_RULES, NATIONAL_REGISTER, Registrar, days, identify, members
from tests.hub.star import CONTEXT, CUSTOMER, MANAGING, ONE, PATIENCE, STRANGER, THREE, TWO, Star, opened, until

_KEEPS = "<sector>0</sector><institution>0</institution>"
PCSW = Address(17, 1)
_TOLD = (NATIONAL_REGISTER, CUSTOMER, MANAGING, ONE, TWO, THREE, STRANGER)
OPEN = None
RULES = MORE_RULES + "".join(
    f'[[authorisation]]\nid = "{customer}-replaces"\ncustomer = "{customer}"\nlegal_context = "{CONTEXT}"\n'
    'qualities = [0]\nservice = "ReplaceSsin/1"\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
    for customer in ("0-0",)
)


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), RULES) as star:
        await star.hub()
        await star.supply(NATIONAL_REGISTER, "IdentifyPerson/1", identify)
        await star.supply(MANAGING, "SectoralIntegrations/1", members({}))
        await listen(star)
        yield star


@pytest.fixture
def customer(star) -> Registrar:
    return Registrar(star)


def replacing(star, old, new, day: date | str = "2026-01-01", *, ticket: str = "", sender=NATIONAL_REGISTER) -> bytes:
    registrar = Registrar(star, sender, f"<sector>{sender.sector}</sector><institution>{sender.type}</institution>")
    digits = new if isinstance(new, str) else new.digits
    return registrar.body("ReplaceSsin", old, f"<newSsin>{digits}</newSsin><day>{day}</day>", ticket=ticket)


async def replace(star, old, new, day: date | str = "2026-01-01", **more):
    sender = more.get("sender", NATIONAL_REGISTER)
    return await star.send(replacing(star, old, new, day, **more), sender=sender)


async def told_to(star, ticket) -> dict[str, int]:
    """How often each institution was told under a ticket, of all that stood in its queue until now."""
    mark = str(uuid4())
    async with star.channel("hub") as channel:
        exchange = await channel.get_exchange(names.INSTITUTIONS, ensure=False)
        for address in _TOLD:
            message = Message(b"", correlation_id=mark, user_id=names.HUB)
            await exchange.publish(message, names.mutations(address))
    await until(lambda: all(star.heard[address, mark] for address in _TOLD))
    return {str(address): len(found) for address in _TOLD if (found := star.heard[address, str(ticket)])}


async def listen(star) -> None:
    """Institutions take what they are told, as themselves; an answer must never be made of it."""
    star.heard = defaultdict(list)
    for address in _TOLD:
        transport = await star.transport(address)

        def hear(delivery, address=address, transport=transport) -> None:
            assert delivery.properties.user_id == names.HUB
            star.heard[address, delivery.properties.correlation_id].append(delivery.body)
            asyncio.ensure_future(transport.ack(delivery))  # noqa: RUF006

        assert await transport.consume(names.mutations(address), hear, prefetch=50)


async def untold(star, ticket) -> list[str]:
    connection = await star.connect()
    try:
        rows = await connection.fetch(
            "SELECT recipient FROM outbox WHERE ticket_cbss = $1 AND told IS NULL ORDER BY number", ticket
        )
        return [row["recipient"] for row in rows]
    finally:
        await connection.close()


async def all_told(star, ticket, but: tuple[str, ...] = ()) -> None:
    """Return when all of them are, but these."""
    async with asyncio.timeout(PATIENCE):
        while await untold(star, ticket) != list(but):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# --- what consultations are told ------------------------------------------------------------------------------------


@pytest.mark.parametrize("integrated", ["old", "new"])
async def test_who_had_integrated_the_old_or_the_new_number_is_told_the_new_one(star, integrated):
    old, new = await star.person((ONE, 100)), await star.person()
    await star.know(old if integrated == "old" else new, (CUSTOMER, 0))
    assert (await replace(star, old, new)).said == ("DATA_FOUND", "MSG00000")
    told = await star.consult(old)
    assert told.said == ("NO_RESULT", "MSG00006")
    assert told.information == [("newSSIN", new.digits)]
    assert star.questions(ONE, old) == []
    assert (await star.consult(new)).said == ("DATA_FOUND", "MSG00000")


async def test_a_stranger_is_not_told_that_the_number_was_replaced(star):
    old, new = await star.person((ONE, 100)), await star.person()
    before = await star.consult(old)
    await replace(star, old, new)
    after = await star.consult(old)
    assert after.said == before.said == ("NO_RESULT", "MSG00012")
    assert after.information == before.information
    assert new.digits.encode() not in after.body


async def test_a_number_replaced_twice_leads_to_the_newest(star):
    first, second, third = await star.person((CUSTOMER, 0), (ONE, 100)), await star.person(), await star.person()
    await replace(star, first, second)
    await replace(star, second, third)
    assert (await star.consult(first)).information == [("newSSIN", third.digits)]
    assert (await star.consult(second)).information == [("newSSIN", third.digits)]
    assert (await star.consult(third)).said == ("DATA_FOUND", "MSG00000")


# --- what moves -----------------------------------------------------------------------------------------------------


async def test_rows_move_and_are_merged_and_history_tells_both(star, customer):
    old, new = await star.person((TWO, 101)), await star.person()
    await customer.register(old, 0, "2024-01-01", "2024-06-30")
    await customer.register(new, 0, "2024-06-01", OPEN)
    told = await replace(star, old, new)
    assert told.root.findtext("moved") == "2"
    assert days(await customer.list(new)) == [(0, None, "2024-01-01", OPEN)]
    assert (await customer.list(old)).said == ("NO_RESULT", "MSG00006")
    of_old = await persons.person(star.database_url, old)
    believed = [row.integration for row in of_old if row.known_to is None]
    assert [(row.quality, row.replaced_by, str(row.kind)) for row in believed] == [(REPLACED, new, "0-0")]
    past = {(str(row.integration.kind), row.integration.quality) for row in of_old if row.known_to is not None}
    assert past == {("64-0", 0), ("7-0", 101)}
    of_new = [row for row in await persons.person(star.database_url, new) if row.known_to is None]
    [moment] = {row.known_from for row in of_new}
    assert {row.known_to for row in of_old if row.known_to is not None} == {moment}


async def test_the_same_replacement_again_does_nothing(star):
    old, new = await star.person((ONE, 100)), await star.person()
    ticket = str(uuid4())
    first = await replace(star, old, new, ticket=ticket)
    again = await replace(star, old, new, ticket=ticket)
    assert again.root.findtext("moved") == first.root.findtext("moved") == "1"
    other = await replace(star, old, new)
    assert other.said == ("DATA_FOUND", "MSG00000")
    assert other.root.findtext("moved") == "0"
    await all_told(star, first.ticket_cbss)
    assert await told_to(star, first.ticket_cbss) == {"5-0": 1}
    assert await told_to(star, other.ticket_cbss) == {}
    assert len([row for row in await persons.person(star.database_url, new) if row.known_to is None]) == 1


async def test_what_contradicts_is_refused(star):
    old, new, other = await star.person((CUSTOMER, 0)), await star.person(), await star.person()
    await replace(star, old, new)
    for one, two in ((old, other), (new, old), (other, old)):
        assert (await replace(star, one, two)).said == ("NO_RESULT", "MSG00008")
    assert (await replace(star, new, new)).said == ("NO_RESULT", "MSG00008")
    assert (await replace(star, new, other, today() + timedelta(days=1))).said == ("NO_RESULT", "MSG00008")
    mistyped = other.digits[:9] + f"{int(other.digits[9:]) % 96 + 1:02d}"
    assert (await replace(star, new, mistyped)).said == ("NO_RESULT", "MSG00011")


async def test_two_replacements_in_a_circle_at_once_leave_one(star):
    one, two = await star.person((ONE, 100)), await star.person((TWO, 101))
    told = await asyncio.gather(replace(star, one, two), replace(star, two, one))
    assert sorted(each.code for each in told) == ["MSG00000", "MSG00008"]


async def test_nobody_else_may_replace(star):
    old, new = await star.person((CUSTOMER, 0)), await star.person()
    assert (await replace(star, old, new, sender=CUSTOMER)).said == ("NO_RESULT", "MSG00013")


# --- who is told ----------------------------------------------------------------------------------------------------


async def test_everybody_who_knows_the_person_is_told_once(star):
    old = await star.person((CUSTOMER, 0), (ONE, 100), (ONE, 10), (PCSW, 2))
    new = await star.person((ONE, 100), (TWO, 101))
    told = await replace(star, old, new)
    await all_told(star, told.ticket_cbss)
    expected = {"64-0": 1, "5-0": 1, "7-0": 1, "17-0": 1}
    assert await told_to(star, told.ticket_cbss) == expected
    root, violations = star.catalogue.services["SsinReplaced/1"].violations(
        star.heard[ONE, str(told.ticket_cbss)][0], "request"
    )
    assert not violations
    assert [element.text for element in root.iterfind("criteria/*")] == [old.digits, new.digits, "2026-01-01"]
    assert root.findtext("informationCBSS/ticketCBSS") == str(told.ticket_cbss)


async def test_a_hub_killed_before_it_told_leaves_it_to_another_and_each_is_told_once(star):
    old, new = await star.person((CUSTOMER, 0), (ONE, 100), (TWO, 101)), await star.person((THREE, 1))
    async with _nobody_tells(star):
        told = await replace(star, old, new)
        assert told.said == ("DATA_FOUND", "MSG00000")
        assert sorted(await untold(star, told.ticket_cbss)) == ["16-0", "5-0", "64-0", "7-0"]
        await star.hubs[0].kill()
    star.hubs.clear()
    await star.hub()
    await all_told(star, told.ticket_cbss)
    assert await told_to(star, told.ticket_cbss) == {"16-0": 1, "5-0": 1, "64-0": 1, "7-0": 1}


async def test_one_without_a_queue_keeps_nobody_else_waiting(star):
    old, new = await star.person((ONE, 100), (Address(70, 3), 0)), await star.person()
    told = await replace(star, old, new)
    await all_told(star, told.ticket_cbss, ("70-3",))
    assert await told_to(star, told.ticket_cbss) == {"5-0": 1}
    later = await replace(star, new, await star.person())
    await all_told(star, later.ticket_cbss, ("70-3",))


@asynccontextmanager
async def _nobody_tells(star) -> AsyncIterator[None]:
    """The lock of who tells, held by the test."""
    connection = await star.connect()
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(QUERIES["outbox_lock"].replace("pg_try_", "pg_"))
        yield
        await transaction.rollback()
    finally:
        await connection.close()
