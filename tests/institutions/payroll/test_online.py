"""Declarations on line over the real broker: who may, what is told, and that nobody is told of another's."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import AMQPException

from institutions.errors import NotAllowed
from institutions.payroll import ListRefused
from institutions.payroll.answers import Told
from institutions.payroll.notification import Notification, read_notification
from schemas.declarations.outcome import Result
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.parser import MAX_ONLINE
from schemas.period import Period, today
from schemas.wire import names
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import cancels, changes, ends, person, starts
from tests.institutions.payroll.ground import INACTIVE, OTHERS, OWN, REGISTER, SECOND, A, B, Ground

TODAY = today()
SOON = TODAY + timedelta(days=10)


def ids(told: Notification) -> list[str]:
    return [one.error_id for one in told.anomalies]


def nameless(told: Notification) -> bytes:
    """All that an answer says but the ticket and the times of day."""
    kept = told.xml.replace(told.ticket.encode(), b"TICKET")
    return b"".join(part for part in kept.split(b"<") if b"Hour>" not in part)


async def send(ground: Ground, number: str, body: bytes, **properties: Any) -> None:
    """As a plain client of this sender."""
    user = names.sender_user(number)
    connection = await ground.connection(user)
    try:
        channel = await connection.channel(on_return_raises=True)
        out = await channel.get_exchange(names.out(user), ensure=False)
        given = {"user_id": user, "reply_to": names.answers(user), "headers": {"key": str(uuid4())}} | properties
        await out.publish(aio_pika.Message(body, **given), "online", mandatory=True, timeout=PATIENCE)
    finally:
        with suppress(AMQPException):
            await connection.close()


async def answered(ground: Ground, number: str) -> tuple[Notification, aio_pika.abc.AbstractIncomingMessage]:
    user = names.sender_user(number)
    message = await ground.take(names.answers(user), user)
    assert message.user_id == "12-0"
    return read_notification(message.body), message


async def test_a_work_relation_from_its_beginning_to_its_end(ground: Ground) -> None:
    who = person()
    async with ground.sender(A) as me:
        told = await me.declare(starts(OWN, who, SOON))
        assert (told.result, told.anomalies, told.before) == (Result.ACCEPTED, (), None)
        assert told.period_id is not None
        assert told.after is not None
        assert (told.after.starting_date, told.after.ending_date) == (SOON, None)
        assert len(told.ticket) == 13
        end = SOON + timedelta(days=30)
        ended = await me.declare(ends(told.period_id, end))
        assert (ended.period_id, ended.result) == (told.period_id, Result.ACCEPTED)
        assert ended.before == told.after
        assert ended.after is not None
        assert ended.after.ending_date == end
        [worker] = [w for w in await me.workers(NssoNumber(OWN), SOON) if w.ssin == who.digits]
        assert (worker.period_id, worker.span, worker.worker_type) == (told.period_id, ended.after, "OTH")
        assert (await me.declare(cancels(told.period_id))).accepted
        assert all(w.ssin != who.digits for w in await me.workers(NssoNumber(OWN), SOON))
        with_cancelled = await me.workers(NssoNumber(OWN), SOON, cancelled=True)
        assert [w.cancelled for w in with_cancelled if w.ssin == who.digits] == [True]
        again = await me.declare(cancels(told.period_id))
        assert (again.result, ids(again)) == (Result.REFUSED, ["00913-355"])


async def test_one_key_is_one_declaration(ground: Ground) -> None:
    who, key = person(), uuid4()
    body = starts(OWN, who, SOON)
    async with ground.sender(A) as me:
        first, second = await asyncio.gather(me.declare(body, key=key), me.declare(body, key=key))
        third = await me.declare(body, key=str(key).upper())
        assert (first.ticket, first.period_id) == (second.ticket, second.period_id) == (third.ticket, third.period_id)
        other = await me.declare(starts(OWN, person(), SOON), key=key)
        assert (other.result, ids(other)) == (Result.REFUSED, ["90059-006"])
        twice = await me.declare(body)  # the same content under another key is another declaration
        assert ids(twice) == ["90373-333"]
    async with ground.sender(B) as another:  # the key is another sender's: its own
        theirs = await another.declare(starts(OTHERS, person(), SOON), key=key)
        assert theirs.result is Result.ACCEPTED
        assert theirs.ticket != first.ticket


async def test_equal_bytes_under_two_keys_are_two_declarations_also_at_once(ground: Ground) -> None:
    body = starts(OWN, person(), SOON)
    async with ground.sender(A) as me:
        told = await asyncio.gather(*(me.declare(body) for _ in range(4)))
    assert sorted(one.result.name for one in told) == ["ACCEPTED", "REFUSED", "REFUSED", "REFUSED"]


async def test_many_come_in_groups_and_each_is_told_its_own(ground: Ground) -> None:
    who = [person() for _ in range(60)]
    commits = "SELECT count(DISTINCT xmin::text) FROM period"
    before = await ground.count(commits), await ground.count("SELECT count(*) FROM period")
    async with ground.sender(A) as me, ground.sender(B) as other:
        told = await asyncio.gather(
            *(
                (me if n % 2 else other).declare(starts(OWN if n % 2 else OTHERS, one, SOON))
                for n, one in enumerate(who)
            )
        )
    assert all(one.result is Result.ACCEPTED for one in told)
    assert len({one.period_id for one in told}) == len({one.ticket for one in told}) == 60
    assert await ground.count("SELECT count(*) FROM period") == before[1] + 60
    assert await ground.count(commits) < before[0] + 60


async def test_without_a_mandate_nothing_is_declared_and_no_list_given(ground: Ground) -> None:
    before = await ground.count("SELECT count(*) FROM period")
    async with ground.sender(A) as me:
        told = await me.declare(starts(OTHERS, person(), SOON))
        assert (told.result, ids(told), told.period_id) == (Result.REFUSED, ["90256-155"], None)
        for employer in (NssoNumber(OTHERS), EnterpriseNumber.of(18_100_002)):
            with pytest.raises(ListRefused, match="90256-155") as caught:
                await me.workers(employer, Period(date(2020, 1, 1), None))
            assert ids(caught.value.notification) == ["90256-155"]
    assert await ground.count("SELECT count(*) FROM period") == before


async def test_a_mandate_that_is_withdrawn_counts_for_the_next_declaration(ground: Ground) -> None:
    async with ground.sender(A) as me:
        told = await me.declare(starts(SECOND, person(), SOON))
        assert told.period_id is not None
        without = tuple(m for m in REGISTER.mandates if m.employer.digits != SECOND)
        await ground.nsso.office.load(replace(REGISTER, mandates=without), "test")
        assert ids(await me.declare(starts(SECOND, person(), SOON))) == ["90256-155"]
        assert ids(await me.declare(cancels(told.period_id))) == ["00913-354"]
        await ground.nsso.office.load(REGISTER, "test")
        assert (await me.declare(cancels(told.period_id))).accepted


async def test_anothers_period_is_told_exactly_as_one_that_does_not_exist(ground: Ground) -> None:
    async with ground.sender(B) as other, ground.sender(A) as me:
        theirs = await other.declare(starts(OTHERS, person(), SOON))
        assert theirs.period_id is not None
        nobody = "6999999999" + f"{6_999_999_999 % 97:02d}"
        for form in (cancels, lambda period: ends(period, SOON), lambda period: changes(period, SOON)):
            of_other, of_nobody = await me.declare(form(theirs.period_id)), await me.declare(form(nobody))
            assert ids(of_other) == ids(of_nobody) == ["00913-354"]
            assert of_other.period_id is of_nobody.period_id is None
            told = [nameless(of_other), nameless(of_nobody)]
            assert told[0].replace(theirs.period_id.encode(), nobody.encode()) == told[1]
        assert await other.workers(NssoNumber(OTHERS), SOON)
        assert (await other.declare(cancels(theirs.period_id))).accepted


async def test_a_mandate_is_for_its_employer_alone_and_a_list_tells_no_other(ground: Ground) -> None:
    who = person()
    async with ground.sender(A) as me:
        told = await me.declare(starts(SECOND, who, SOON))
        assert who.digits not in {w.ssin for w in await me.workers(NssoNumber(OWN), SOON)}
        by_enterprise = await me.workers(EnterpriseNumber.of(18_100_001), SOON)
        assert [w.period_id for w in by_enterprise if w.ssin == who.digits] == [told.period_id]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"user_id": None}, "user_id"),
        ({"reply_to": None}, "no reply_to"),
        ({"reply_to": names.answers(names.sender_user(B))}, "reply_to is neither"),
        ({"reply_to": "hub.definitive"}, "reply_to is neither"),
        ({"reply_to": f"hub.in.{names.sender_user(A)}.online"}, "reply_to is neither"),
        ({"reply_to": "amq.rabbitmq.reply-to.nonsense.key"}, "reply_to is neither"),
        ({"headers": {"key": str(uuid4()), "x-death": "forged"}}, "x-death"),
        ({"headers": {"key": "k" * 9_000}}, "8 KiB"),
    ],
    ids=[
        "nobody",
        "no answer",
        "another's answers",
        "a queue of the centre",
        "its own queue",
        "no token",
        "dead",
        "big",
    ],
)
async def test_who_cannot_be_trusted_with_an_answer_is_parked_and_nothing_is_declared(
    ground: Ground, properties: dict[str, Any], reason: str
) -> None:
    before = await ground.count("SELECT count(*) FROM declaration")
    await send(ground, A, starts(OWN, person(), SOON), **properties)
    dead = await ground.take(names.DEAD)
    assert reason in str(dead.headers["reason"])
    assert await ground.count("SELECT count(*) FROM declaration") == before


async def test_a_senders_word_for_another_closes_its_channel(ground: Ground) -> None:
    with pytest.raises(AMQPException):
        await send(ground, A, starts(OTHERS, person(), SOON), user_id=names.sender_user(B))


async def test_a_carbon_copy_reaches_nobody(ground: Ground) -> None:
    """The broker itself routes by CC, but only within the sender's own exchange; nothing of it is copied."""
    key = str(uuid4())
    headers: dict[str, Any] = {"key": key, "CC": [names.answers(names.sender_user(B))]}
    await send(ground, A, starts(OWN, person(), SOON), headers=headers)
    told, message = await answered(ground, A)
    assert told.result is Result.ACCEPTED
    assert set(message.headers) == {"key", "ticket"}
    await ground.empty(names.answers(names.sender_user(B)))


@pytest.mark.parametrize(
    ("body", "properties", "error_id"),
    [
        (b"<Dimona>" + b"x" * MAX_ONLINE, {}, "ACRF-184"),
        (b"<Dimona", {}, "ACRF-102"),
        (b"<Dimona/>", {"content_encoding": "gzip"}, "ACRF-102"),
        (b"<Dimona/>", {"headers": {}}, "ACRF-112"),
        (b"<Dimona/>", {"headers": {"key": "mine"}}, "ACRF-112"),
        (b"<Dimona/>", {"headers": {"key": 5}}, "ACRF-112"),
        (b"<Dimona/>", {"headers": {"key": str(uuid4()), "environment": "X"}}, "ACRF-117"),
        (b"<Strange/>", {}, "ACRF-089"),
        (b"<Dimona/>", {}, "ACRF-142"),
    ],
    ids=["large", "no XML", "packed", "no key", "no UUID", "a number", "no environment", "unknown", "no form"],
)
async def test_what_is_no_form_is_told_by_an_acknowledgement(
    ground: Ground, body: bytes, properties: dict[str, Any], error_id: str
) -> None:
    await send(ground, A, body, **properties)
    told, message = await answered(ground, A)
    assert (message.type, told.form, told.result, ids(told)) == ("ACRF", "ACRF", Result.REFUSED, [error_id])
    assert told.anomalies[0].text("FR")


async def test_an_acknowledgement_is_of_the_business_day(ground: Ground) -> None:
    await ground.kill()
    await ground.start(day=date(2025, 3, 4))
    try:
        for body, headers in ((b"<Dimona", {"key": str(uuid4())}), (b"<Dimona/>", {})):
            await send(ground, A, body, headers=headers)
            told, _ = await answered(ground, A)
            assert b"<FormCreationDate>2025-03-04<" in told.xml
    finally:
        await ground.kill()
        await ground.start()


async def test_who_is_inactive_is_let_in_no_more_and_what_it_had_sent_is_told_so(ground: Ground) -> None:
    user = names.sender_user(INACTIVE)
    management, place = ground.broker.management, f"/api/permissions/{ground.vhost}/{user}"
    rights = dict(zip(("configure", "write", "read"), names.sender_permissions(INACTIVE), strict=True))
    await asyncio.to_thread(management.put, place, rights)
    await send(ground, INACTIVE, starts(OWN, person(), SOON))
    told, _ = await answered(ground, INACTIVE)
    assert ids(told) == ["ACRF-103"]
    await asyncio.to_thread(management.put, place, dict.fromkeys(rights, "^$"))
    async with ground.sender(INACTIVE, observe=lambda _: None) as me:
        with pytest.raises(NotAllowed, match="one that is not active has no right there"):
            await me.declare(starts(OWN, person(), SOON))


async def test_what_comes_unasked_is_handed_on_one_by_one_until_it_is_taken(ground: Ground) -> None:
    me, seen, failing = ground.sender(A, report=lambda _: None), [], [True]

    @me.receives("NOTIFICATION")
    async def take(told: Told) -> None:
        seen.append(told.key)
        if failing.pop() if failing else False:
            raise RuntimeError

    keys = [str(uuid4()) for _ in range(2)]
    async with me:
        for key in keys:
            await send(ground, A, starts(OWN, person(), SOON), headers={"key": key})
        await until(lambda: len(seen) == 3)
    assert seen == [keys[0], keys[0], keys[1]]


async def test_a_simulation_is_answered_and_forgotten_and_a_test_is_a_world_of_its_own(ground: Ground) -> None:
    who = person()
    async with ground.sender(A) as me:
        body = starts(OWN, who, SOON)
        assert (await me.declare(body, environment="S")).result is Result.ACCEPTED
        assert (await me.declare(body, environment="T")).result is Result.ACCEPTED
        assert (await me.declare(body)).result is Result.ACCEPTED
        assert len([w for w in await me.workers(NssoNumber(OWN), SOON) if w.ssin == who.digits]) == 1
