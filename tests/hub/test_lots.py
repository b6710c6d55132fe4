"""Lots over the broker: sequence, order, totals, what is sent again; on line beside them nobody notices."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from random import Random
from uuid import UUID, uuid4

import aio_pika
import pytest

from hub.process import LOT_PREFETCH
from institutions import Answer, Institution, LotDiffers, LotRefused
from schemas import lot as lots
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from schemas.wire import names
from schemas.wire.transport import Delivery, Properties
from tests.hub.controls import paused
from tests.hub.star import CONTEXT, CUSTOMER, ONE, PATIENCE, Question, Star, answer_with_data, full, opened, until

RULES = "".join(
    f'[[authorisation]]\nid = "{customer}-{service}"\ncustomer = "{customer}"\nlegal_context = "LOT"\n'
    f'qualities = [0]\nservice = "{service}/1"\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
    for customer in ("64-0", "1-0")
    for service in ("OpenLot", "CloseLot")
)
PROBE = "Probe/1"


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), RULES) as star:
        await star.hub()
        yield star


@pytest.fixture
async def me(star: Star) -> AsyncIterator[Institution]:
    async with institution(star) as institution_:
        yield institution_


def institution(star: Star, address: str = "64-0") -> Institution:
    return Institution(address, star.url(address), catalogue=star.catalogue, timeout=PATIENCE)


async def next_sequence(star: Star) -> int:
    connection = await star.connect()
    try:
        return 1 + await connection.fetchval("SELECT coalesce(max(sequence), 0) FROM lot WHERE customer = '64-0'")
    finally:
        await connection.close()


async def ask(star: Star, me: Institution, persons: Sequence[Ssin], **more) -> list[Answer]:
    more.setdefault("sequence", await next_sequence(star))
    return [answer async for answer in me.lot(PROBE, persons, legal_context=CONTEXT, **more)]


async def several(star: Star, count: int) -> tuple[list[Ssin], list[tuple[str | None, str]]]:
    """Persons of whom data are found, unknown ones and strangers by turns, and how each is answered."""
    persons, expected = [], []
    for n in range(count):
        match n % 3:
            case 0:
                persons.append(await star.known(ONE))
                expected.append(("DATA_FOUND", "MSG00000"))
            case 1:
                persons.append(await star.person((CUSTOMER, 0)))
                expected.append(("NO_DATA_FOUND", "MSG00021"))
            case _:
                persons.append(await star.person((ONE, 100)))
                expected.append(("NO_RESULT", "MSG00012"))
    return persons, expected


async def slowly(question: Question) -> None:
    """In any order but that in which it was asked."""
    await asyncio.sleep(Random(question.ssin).random() / 10)
    await answer_with_data(question)


async def test_answers_come_in_order_and_both_count_the_same(star, me):
    persons, expected = await several(star, 60)
    for ssin in persons:
        star.script(ONE, ssin, slowly)
    number, lot = await next_sequence(star), uuid4()
    answers = await ask(star, me, persons, sequence=number, lot=lot)
    assert [(answer.value, answer.code) for answer in answers] == expected
    assert [answer.ticket for answer in answers] == [str(lots.ticket(lot, n)) for n in range(1, 61)]
    found = [ssin.digits for ssin, answer in zip(persons, answers, strict=True) if answer.found]
    assert [answer.root.findtext("criteria/ssin") for answer in answers if answer.found] == found
    assert await closed(star, lot) == {
        ("DATA_FOUND", "MSG00000"): 20, ("NO_DATA_FOUND", "MSG00021"): 20, ("NO_RESULT", "MSG00012"): 20,
    }  # fmt: skip
    assert await star.depth(names.answers(CUSTOMER)) == 0


@pytest.mark.parametrize(("kind", "what"), [("service", PROBE), ("supplier", str(ONE)), ("maintenance", "")])
async def test_a_lot_that_is_asked_during_a_pause_is_answered_whole_and_in_order_after_it(star, me, kind, what):
    persons, expected = await several(star, 30)
    lot, begun = uuid4(), star.hubs[0].lots.counts.answered
    number = await next_sequence(star)

    async def asked() -> list[Answer]:
        return await ask(star, me, persons, sequence=number, lot=lot)

    async with paused(star, kind, what):
        asking = asyncio.create_task(asked())
        if kind == "maintenance":  # the voucher is not taken, and tried again
            await until(lambda: '"held back"' in star.log.getvalue())
        else:
            await until(lambda: star.hubs[0].lots.counts.answered > begun)
        assert not asking.done()
    answers = await asking
    assert [(answer.value, answer.code) for answer in answers] == expected
    assert await closed(star, lot) is not None
    assert [len(star.questions(ONE, ssin)) for ssin in persons[::3]] == [1] * 10


async def closed(star: Star, lot: UUID) -> lots.Totals | None:
    connection = await star.connect()
    try:
        totals = await connection.fetchval("SELECT totals::text FROM lot WHERE lot = $1 AND closed IS NOT NULL", lot)
    finally:
        await connection.close()
    if totals is None:
        return None
    return {(value, code): count for value, code, count in json.loads(totals)}


async def test_the_tickets_of_a_lot_are_kept_thirty_days_and_no_promise_counts_it(star, me):
    ssin, lot = await star.known(ONE), uuid4()
    await ask(star, me, [ssin], lot=lot)
    connection = await star.connect()
    try:
        kept = await connection.fetchval(
            "SELECT expires - decided FROM ticket WHERE ticket_cbss = $1",
            ticket_cbss(CUSTOMER, str(lots.ticket(lot, 1))),
        )
    finally:
        await connection.close()
    assert kept.days == 30


async def test_only_the_next_of_the_sequence_is_taken(star, me):
    ssin, number = await star.known(ONE), await next_sequence(star)
    for wrong in (number + 1, number - 1):
        with pytest.raises(LotRefused, match="CRB00018") as raised:
            await ask(star, me, [ssin], sequence=wrong)
        assert raised.value.expected == str(number)
    assert len(star.questions(ONE, ssin)) == 0
    assert len(await ask(star, me, [ssin], sequence=number)) == 1


async def test_a_lot_needs_the_right_to_send_lots(star):
    ssin = await star.known(ONE)
    async with institution(star, "5-0") as other:
        with pytest.raises(LotRefused, match="MSG00013"):
            [answer async for answer in other.lot(PROBE, [ssin], legal_context=CONTEXT, sequence=1)]


async def test_another_s_lot_is_not_closed(star, me):
    lot = uuid4()
    await ask(star, me, [await star.known(ONE)], lot=lot)
    async with institution(star, "1-0") as other:
        answer = await other._voucher("CloseLot/1", str(uuid4()), {"criteria/lot": str(lot)})
    assert (answer.value, answer.code) == ("NO_RESULT", "MSG00008")


async def test_a_lot_that_was_cut_is_gone_on_with(star):
    persons, expected = await several(star, 30)
    number, lot = await next_sequence(star), uuid4()
    had: list[Answer] = []
    async with (
        institution(star) as me,
        aclosing(me.lot(PROBE, persons, legal_context=CONTEXT, sequence=number, lot=lot)) as answers,
    ):
        async for answer in answers:
            had.append(answer)
            if len(had) == 7:
                break
    assert await closed(star, lot) is None
    totals = lots.counted((lots.kind(answer.value, answer.code), 1) for answer in had)
    async with institution(star) as me:
        had += await ask(star, me, persons, sequence=number, lot=lot, had=totals)
    assert [(answer.value, answer.code) for answer in had] == expected
    assert sum((await closed(star, lot) or {}).values()) == 30


async def test_a_lot_sent_again_is_the_same_lot(star, me):
    persons, _ = await several(star, 9)
    number, lot = await next_sequence(star), uuid4()
    first = await ask(star, me, persons, sequence=number, lot=lot)
    again = await ask(star, me, persons, sequence=number, lot=lot)
    assert [(a.value, a.code, a.ticket_cbss) for a in again] == [(a.value, a.code, a.ticket_cbss) for a in first]
    found = first[0].ticket_cbss
    assert await star.kinds(found) == ["decision", "outcome", "resumed", "repeated"]
    with pytest.raises(LotRefused, match="CRB00009"):
        await ask(star, me, persons[:8], sequence=number, lot=lot)


async def test_a_hub_that_is_killed_in_the_middle_of_a_lot_is_not_noticed(star, me):
    persons, expected = await several(star, 45)
    for ssin in persons:
        star.script(ONE, ssin, slowly)
    twin, lot = await star.hub(), uuid4()
    asking = asyncio.create_task(ask(star, me, persons, lot=lot))
    try:
        await until(lambda: twin.lots.in_flight)
    finally:
        await twin.kill()
        star.hubs.remove(twin)
    answers = await asyncio.wait_for(asking, PATIENCE)
    assert [(answer.value, answer.code) for answer in answers] == expected
    assert sum((await closed(star, lot) or {}).values()) == 45


async def test_other_totals_than_the_hubs_do_not_close_it(star, me):
    persons, lot = [await star.known(ONE) for _ in range(3)], uuid4()
    planted = {("DATA_FOUND", "MSG00000"): 1, ("NO_RESULT", "MSG00012"): 1}
    number = await next_sequence(star)
    with pytest.raises(LotDiffers) as raised:
        await ask(star, me, persons, sequence=number, lot=lot, had=planted)
    # The first two were never sent, whatever the caller says he had.
    assert (raised.value.open, raised.value.theirs) == (2, {("DATA_FOUND", "MSG00000"): 1})
    assert await closed(star, lot) is None
    await ask(star, me, persons, sequence=number, lot=lot)
    assert await closed(star, lot) == {("DATA_FOUND", "MSG00000"): 3}


async def test_the_numbers_without_an_outcome_are_named(star, me):
    persons, lot, number = [await star.known(ONE) for _ in range(4)], uuid4(), await next_sequence(star)
    with pytest.raises(LotDiffers):
        await ask(star, me, persons, sequence=number, lot=lot, had={("DATA_FOUND", "MSG00000"): 2})
    answer = await me._voucher("CloseLot/1", str(uuid4()), {"criteria/lot": str(lot)})
    assert (answer.value, answer.code) == ("NO_RESULT", "CRB00019")
    assert [(e.tag, e.text) for e in answer.data if e.tag != "total"] == [
        ("open", "2"), ("openNumber", "1"), ("openNumber", "2"),
    ]  # fmt: skip


# --- the queue of lots, without the library -------------------------------------------------------------------------


async def sent(star: Star, body: bytes, **given) -> Delivery:
    """One message on the queue of lots, and what comes to the queue of answers."""
    transport = await star.transport(CUSTOMER)
    came: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
    queue = names.answers(CUSTOMER)

    def take(delivery: Delivery) -> None:
        if not came.done():
            came.set_result(delivery)

    await transport.consume(queue, take, prefetch=1)
    try:
        properties = Properties(user_id="64-0", **({"reply_to": queue, "correlation_id": "mine"} | given))
        await transport.publish(names.out(CUSTOMER), "batch", body, properties)
        delivery = await asyncio.wait_for(came, PATIENCE)
        await transport.ack(delivery)
        return delivery
    finally:
        await transport.release(queue)


async def test_an_answer_names_its_ticket_and_its_customer(star):
    ssin, ticket = await star.known(ONE), str(uuid4())
    delivery = await sent(star, star.request(ssin, ticket=ticket))
    given = delivery.properties
    assert (given.user_id, given.type, given.correlation_id) == ("hub", "response", "mine")
    assert given.headers["ticketCBSS"] == str(ticket_cbss(CUSTOMER, ticket))
    assert given.headers["customer"] == "64-0"


async def test_a_consultation_of_a_lot_has_a_ticket(star):
    delivery = await sent(star, star.request(await star.known(ONE), ticket=None))
    assert b"MSG00008" in delivery.body


async def test_a_lot_is_not_answered_directly(star):
    async with star.channel("64-0") as channel:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        direct = await channel.get_queue(names.DIRECT_REPLY_TO, ensure=False)

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await came.put(message.body)

        await direct.consume(take, no_ack=True)
        exchange = await channel.get_exchange(names.out(CUSTOMER), ensure=False)
        message = aio_pika.Message(
            star.request(await star.known(ONE)), user_id="64-0", reply_to=names.DIRECT_REPLY_TO, correlation_id="1"
        )
        await exchange.publish(message, "batch")
        body = await asyncio.wait_for(came.get(), PATIENCE)
    assert b"CRB00005" in body


async def test_who_takes_no_answers_is_tried_once_an_answer_and_holds_up_nobody(star, monkeypatch):
    """When his queue has refused for long enough, what is for him is parked at once; until it takes one again."""
    monkeypatch.setattr("schemas.wire.telling.PATIENCE", 0.0)
    hub, transport, ssin = star.hubs[0], await star.transport(CUSTOMER), await star.known(ONE)
    properties = Properties(user_id="64-0", reply_to=names.answers(CUSTOMER), correlation_id="mine")
    parked, unconfirmed = hub.lots.counts.parked, hub.lots.counts.unconfirmed
    async with full(star, names.answers(CUSTOMER)):
        for _ in range(20):
            await transport.publish(names.out(CUSTOMER), "batch", star.request(ssin), properties)
        await until(lambda: hub.lots.counts.parked == parked + 20)
        assert hub.lots.counts.unconfirmed == unconfirmed
        monkeypatch.undo()
        await transport.publish(names.out(CUSTOMER), "batch", star.request(ssin), properties)
        await until(lambda: hub.lots.counts.parked == parked + 21)
        assert hub.lots.counts.unconfirmed == unconfirmed
    assert (await sent(star, star.request(ssin))).properties.type == "response"
    assert not hub.lots._teller._full._full


async def test_on_line_is_answered_while_a_lot_waits(star, me):
    """As many consultations of a lot as the hub takes at a time are held by their supplier; on line goes on."""
    hub, release = star.hubs[0], asyncio.Event()

    async def held(question: Question) -> None:
        await release.wait()
        await answer_with_data(question)

    persons = [await star.known(ONE) for _ in range(40)]
    for ssin in persons:
        star.script(ONE, ssin, held)
    lot = asyncio.create_task(ask(star, me, persons))
    try:
        await until(lambda: hub.lots.in_flight == LOT_PREFETCH)
        for _ in range(5):
            assert (await star.consult(await star.known(ONE))).said == ("DATA_FOUND", "MSG00000")
        assert not lot.done()
    finally:
        release.set()
    answers = await lot
    assert len(answers) == 40
