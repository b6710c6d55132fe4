"""What operators pause: who is told, what is finished, what waits, over the wire (docs/operators.md, "Levers")."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aio_pika import Message

from hub import control
from hub.control import BOOKKEEPING, QUIET, Control, Controls
from hub.metrics import fault
from schemas.address import Address
from schemas.wire import names
from tests.hub import services
from tests.hub.star import CUSTOMER, MANAGING, ONE, PATIENCE, PCSW_A, THREE, TWO, Question, Star, opened, until

PAUSED, MAINTENANCE = (None, "CRB00021"), (None, "CRB00022")
FOUND = ("DATA_FOUND", "MSG00000")
_SINCE = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
async def shared(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    """Two hubs, so that each lever is heard of by both."""
    deadline, services.DEADLINE_MS = services.DEADLINE_MS, 15_000
    try:
        async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("control") / "services") as star:
            await star.hub()
            await star.hub()
            yield star
    finally:
        services.DEADLINE_MS = deadline


@pytest.fixture
async def star(shared: Star) -> AsyncIterator[Star]:
    yield shared
    await resume_all(shared)


async def begin(star: Star, kind: control.Kind, what: object = "", **more: Any) -> None:
    """Pause, and return when every hub knows."""
    await _changed(star, await _with(star, control.begin, kind, str(what), **more))


async def end(star: Star, kind: control.Kind, what: object = "") -> None:
    assert await _with(star, control.end, kind, str(what)) is not None
    await _changed(star)


async def resume_all(star: Star) -> None:
    connection = await star.connect()
    try:
        for one in (await control.read(connection)).found.values():
            await control.end(connection, one.kind, one.what)
    finally:
        await connection.close()
    await _changed(star)


async def _with(star: Star, call: Any, *values: Any, **more: Any) -> Any:
    connection = await star.connect()
    try:
        return await call(connection, *values, **more)
    finally:
        await connection.close()


async def _empty(star: Star, queue: str) -> bool:
    return not await star.depth(queue)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _changed(star: Star, _: object = None) -> None:
    version = (await _with(star, control.read)).version
    await until(lambda: all(hub.control.controls.version == version for hub in star.hubs))


async def test_a_paused_service_is_told_so_and_keeps_no_ticket(star):
    ssin, other = await star.known(ONE), await star.known(ONE)
    body = star.request(ssin)
    await begin(star, "service", "Probe/1", until=datetime.now(UTC) + timedelta(hours=1), reason="not to be told")
    told = await star.send(body)
    assert told.said == PAUSED
    assert b"WARNING" in told.body
    assert b"Probe/1" in told.body
    assert b"not to be told" not in told.body
    assert not star.questions(ONE, ssin)
    again = await star.send(body)
    assert again.said == PAUSED
    # Others go on, and the first of a ticket and pause is journalled.
    assert (await star.consult(other, service="Plain/1")).said == FOUND
    assert await star.kinds(told) == ["busy"]
    await end(star, "service", "Probe/1")
    assert (await star.send(body)).said == FOUND
    assert await star.kinds(told) == ["busy", "decision", "outcome"]
    await begin(star, "service", "Probe/1")
    fresh = star.request(other)
    await star.send(fresh)
    await end(star, "service", "Probe/1")
    await begin(star, "service", "Probe/1")
    told = await star.send(fresh)
    assert await star.kinds(told) == ["busy", "busy"]


async def test_what_ends_by_itself_ends_without_a_word(star):
    ssin = await star.known(ONE)
    await _with(star, control.begin, "service", "Probe/1", until=datetime.now(UTC) + timedelta(seconds=1))
    await until(lambda: all(("service", "Probe/1") in hub.control.controls.found for hub in star.hubs))
    await until(lambda: all(hub.control.controls.quiet for hub in star.hubs))
    assert (await star.consult(ssin)).said == FOUND
    assert await _with(star, control.end, "service", "Probe/1") is None


async def test_who_is_refused_before_check_10_learns_of_no_pause(star):
    ssin = await star.known(ONE)
    await begin(star, "service", "Probe/1")
    wrong = await star.consult(ssin, customer="<sector>1</sector><institution>0</institution>")
    assert wrong.said == (None, "CRB00007")
    # ... and who breaks the schema is told of the pause: that is the earlier check.
    assert (await star.consult("12")).said == PAUSED


@pytest.mark.parametrize("who", [CUSTOMER, MANAGING, Address.parse(f"17-1-{PCSW_A}")], ids=str)
async def test_who_is_paused_asking_is_told_so_itself_or_through_its_relay(star, who):
    ssin = await star.person((CUSTOMER, 0), (ONE, 100), (Address(17, 1), 2, 2, date(2000, 1, 1), None))
    member = f"<cbeNumber>{PCSW_A}</cbeNumber>"
    await begin(star, "customer", who)
    by_relay = await star.consult(ssin, sender=MANAGING, customer=member)
    direct = await star.consult(ssin)
    assert direct.said == (PAUSED if who == CUSTOMER else FOUND)
    assert by_relay.said == (FOUND if who == CUSTOMER else PAUSED)


async def test_a_paused_supplier_is_not_asked(star):
    ssin = await star.known(ONE)
    body = star.request(ssin)
    await begin(star, "supplier", ONE)
    told = await star.send(body)
    assert told.said == PAUSED
    assert str(ONE).encode() in told.body
    # Not of whom the data are is told, but to who may ask: checks 10 to 16 come first.
    nobody = await star.person((CUSTOMER, 0))
    assert (await star.consult(nobody)).said == ("NO_DATA_FOUND", "MSG00021")
    await end(star, "supplier", ONE)
    assert (await star.send(body)).said == FOUND
    assert len(star.questions(ONE, ssin)) == 1
    assert await star.kinds(told) == ["busy", "decision", "outcome"]


async def test_of_several_suppliers_the_paused_one_is_silent_and_it_is_nobodys_miss(star):
    ssin = await star.known(ONE, TWO)
    await begin(star, "supplier", TWO)
    told = await star.consult(ssin, service="Gather/1")
    assert told.said == ("INCOMPLETE_DATA", "HAN20200")
    assert not star.questions(TWO, ssin)
    [outcome] = [entry for entry in await star.journal(told) if entry.kind == "outcome"]
    assert outcome.silent == (TWO,)
    text = "".join(hub.metrics.text().decode() for hub in star.hubs)
    assert 'crossroads_promise_total{fault="paused",kept="no",service="Gather/1"} 1.0' in text
    await begin(star, "supplier", ONE)
    assert (await star.consult(ssin, service="Gather/1")).said == PAUSED
    assert f'crossroads_paused{{kind="supplier",what="{ONE}"}} 1.0' in star.hubs[0].metrics.text().decode()


async def test_what_is_in_hand_when_the_pause_begins_is_finished(star):
    ssin = await star.known(ONE)
    may = asyncio.Event()

    async def later(question: Question) -> None:
        await may.wait()
        await question.reply(question.response(("x", None)))

    star.script(ONE, ssin, later)
    consulting = asyncio.create_task(star.consult(ssin))
    await until(lambda: star.questions(ONE, ssin))
    await begin(star, "service", "Probe/1")
    await begin(star, "supplier", ONE)
    processes: Sequence[control.Process] = ()

    async def settled() -> bool:
        nonlocal processes
        processes = await _with(star, control.processes)
        version = (await _with(star, control.read)).version
        return all(one.seen == version for one in processes)

    await eventually(settled)
    [busy] = [one for one in processes if one.services]
    assert (dict(busy.services), dict(busy.suppliers)) == ({"Probe/1": 1}, {str(ONE): 1})
    assert busy.settled < busy.seen
    [idle] = [one for one in processes if one is not busy]
    assert idle.settled == idle.seen
    may.set()
    assert (await consulting).said == FOUND

    async def done() -> bool:
        return all(one.settled == one.seen and not one.services for one in await _with(star, control.processes))

    await eventually(done)


async def test_what_was_decided_before_a_pause_is_finished_by_another_hub(star):
    ssin, not_begun = await star.known(ONE), await star.known(ONE)

    async def answer_the_second(question: Question) -> None:
        if len(star.questions(ONE, ssin)) > 1:
            await question.reply(question.response(("resumed", None)))

    star.script(ONE, ssin, answer_the_second)
    consulting = asyncio.create_task(star.consult(ssin))
    await until(lambda: star.questions(ONE, ssin))
    await begin(star, "service", "Probe/1")
    await begin(star, "supplier", ONE)
    [lost] = [hub for hub in star.hubs if hub.intake.in_flight]
    star.hubs.remove(lost)
    await lost.kill()
    told = await consulting
    await star.hub()
    assert (told.said, told.names) == (FOUND, ["resumed"])
    assert await star.kinds(told) == ["decision", "resumed", "outcome"]
    assert (await star.consult(not_begun)).said == PAUSED


async def test_in_maintenance_who_asks_on_line_is_told_so_and_definitive_answers_wait(star):
    ssin = await star.known(ONE)
    body = star.request(ssin)
    await begin(star, "maintenance")
    told = await star.send(body)
    assert told.said == MAINTENANCE
    assert "crossroads_maintenance 1.0" in star.hubs[0].metrics.text().decode()
    async with star.channel(str(ONE)) as channel:
        exchange = await channel.get_exchange(names.REPLIES, ensure=False)
        message = Message(b"<x/>", user_id=str(ONE), correlation_id=f"{uuid4()}/1", type="response")
        await exchange.publish(message, names.DEFINITIVE)
    assert await star.depth(names.DEFINITIVE) == 1
    assert not any(hub.questions.calm() for hub in star.hubs)
    await end(star, "maintenance")
    await eventually(lambda: _empty(star, names.DEFINITIVE))
    assert (await star.send(body)).said == FOUND
    assert await star.kinds(told) == ["busy", "decision", "outcome"]
    # What has not answered by now did not: but only at the look after the one that found nothing to read.
    assert [hub.questions.calm() for hub in star.hubs] == [False, False]
    assert [hub.questions.calm() for hub in star.hubs] == [True, True]


async def test_a_storm_during_pause_and_resume_is_answered_once_each_and_loses_nothing(star):
    persons = [await star.known(ONE) for _ in range(20)]
    bodies = [star.request(ssin) for ssin in persons * 10]

    async def flip() -> None:
        for _ in range(6):
            await begin(star, "service", "Probe/1")
            await end(star, "service", "Probe/1")

    flipping = asyncio.create_task(flip())
    gate = asyncio.Semaphore(30)

    async def send(body: bytes) -> Any:
        async with gate:
            return await star.send(body)

    told = list(await asyncio.gather(*map(send, bodies)))
    await flipping
    assert {one.said for one in told} <= {FOUND, PAUSED}
    answered = {one.ticket_cbss: one.said for one in told}
    assert len(answered) == len(bodies)
    again = [await star.send(body) for body, one in zip(bodies, told, strict=True) if one.said == PAUSED]
    assert {one.said for one in again} <= {FOUND}
    connection = await star.connect()
    try:
        rows = await connection.fetch(
            "SELECT count(*) FILTER (WHERE kind = 'decision') AS decided,"
            " count(*) FILTER (WHERE kind = 'outcome') AS told,"
            " count(*) FILTER (WHERE kind NOT IN ('decision', 'outcome', 'busy')) AS more"
            " FROM journal WHERE ticket_cbss = ANY ($1::uuid[]) GROUP BY ticket_cbss",
            list(answered),
        )
    finally:
        await connection.close()
    assert {tuple(row) for row in rows} == {(1, 1, 0)}
    assert len(rows) == len(bodies)


async def test_a_hub_that_is_to_end_is_named_by_its_instance_and_not_its_successor(star):
    first, second = star.hubs
    await begin(star, "hub", first.control.instance)
    await until(first.drained.is_set)
    assert not second.drained.is_set()
    assert first.control.controls.quiet
    found = await _with(star, control.processes)
    assert {one.instance for one in found} == {first.control.instance, second.control.instance}
    assert {one.url.rpartition(":")[2] for one in found if one.ready} == {str(hub.http_port) for hub in star.hubs}
    first.drained.clear()


# --- pure -------------------------------------------------------------------------------------------------------------


def _controls(*found: tuple[control.Kind, str]) -> Controls:
    return Controls.of(1, [Control(n, kind, what, _SINCE) for n, (kind, what) in enumerate(found)])


async def test_a_beat_waits_for_no_disk_also_over_another_connection(hub_database):
    said: list[str] = []

    class Watched(control.ControlWatch):
        async def _look(self, connection: Any, *, first: bool) -> float:
            seconds = await super()._look(connection, first=first)
            said.append(await connection.fetchval("SHOW synchronous_commit"))
            return seconds

    in_hand = control.InHand(ready=True, draining=False, count=0, services={}, suppliers={}, tickets=frozenset())
    async with Watched(hub_database, "beating", lambda: in_hand) as watch:
        admin = await asyncpg.connect(hub_database)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'beating control' AND datname = current_database()"
        )
        await admin.close()
        await until(lambda: not watch.healthy)
        await until(lambda: watch.healthy)
    assert len(said) > 1
    assert set(said) == {"off"}


@pytest.mark.parametrize("service", sorted(BOOKKEEPING))
def test_the_bookkeeping_of_the_network_is_asked_whatever_is_paused_but_on_line_in_maintenance(service):
    controls = _controls(("service", service), ("customer", "64-0"))
    assert controls.asked(service, CUSTOMER, CUSTOMER, online=True) is None
    maintenance = _controls(("maintenance", ""))
    assert maintenance.asked(service, CUSTOMER, CUSTOMER, online=True) is not None
    assert maintenance.asked(service, CUSTOMER, CUSTOMER, online=False) is None


def test_nothing_is_in_force_and_that_is_one_look():
    assert QUIET.quiet
    assert _controls(("hub", str(uuid4()))).quiet
    assert not _controls(("supplier", "5-0")).quiet
    assert QUIET.put_to((ONE,)) is None


def test_what_is_told_names_what_is_paused_and_until_when():
    until_then = datetime(2026, 11, 28, 19, 30, tzinfo=UTC)
    assert Control(1, "supplier", "5-0", _SINCE, until_then).information == (
        ("supplier", "5-0"), ("until", "2026-11-28T19:30:00Z"),
    )  # fmt: skip
    assert Control(1, "maintenance", "", _SINCE).information == ()


def test_all_must_be_paused_of_several():
    controls = _controls(("supplier", "5-0"), ("supplier", "16-0"))
    assert controls.put_to((ONE, THREE)) is not None
    assert controls.put_to((ONE, TWO)) is None
    assert controls.put_to(()) is None


@pytest.mark.parametrize(
    ("value", "failed", "paused", "whose"),
    [
        ("INCOMPLETE_DATA", False, True, "paused"),
        ("INCOMPLETE_DATA", True, True, "supplier"),
        ("DATA_FOUND", False, True, "none"),
        ("fault", False, False, "hub"),
    ],
)
def test_a_part_that_is_paused_is_no_miss_unless_something_else_is_amiss(value, failed, paused, whose):
    assert fault(value, 1.0, 0.5, failed=failed, paused=paused) == whose


def test_a_hub_drains_by_its_instance():
    instance = uuid4()
    assert _controls(("hub", str(instance))).drains(instance)
    assert not _controls(("hub", str(instance))).drains(uuid4())
