"""An institution and the real broker: its limits, its refusals, its absence."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from lxml import etree

from deploy.servers.ports import free_ports
from institutions import Institution, NoAnswer, NotAllowed, OverLimit, Question, Unreachable
from institutions.report import Report
from schemas import answers
from schemas.address import Address
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Properties
from schemas.wire.words import Later, later_headers
from tests.institutions.conformance.network import (
    CONTEXT,
    CUSTOMER,
    SERVICES,
    STRANGER,
    SUPPLIER,
    known,
    permit,
    person,
)
from tests.institutions.patience import until
from tests.institutions.world import World

PERMIT = "Permit/1"


async def test_a_wrong_password_is_told_at_once(world: World) -> None:
    url = world.url(CUSTOMER).replace(world.passwords[CUSTOMER], "guessed")
    with pytest.raises(NotAllowed, match="password") as raised:
        async with Institution(CUSTOMER, url, catalogue=world.catalogue):
            pass
    assert "guessed" not in str(raised.value)


async def test_another_s_vhost_is_told_at_once(world: World) -> None:
    url = world.url(STRANGER, world.network.vhosts()[1])
    with pytest.raises(NotAllowed, match="vhost"):
        async with Institution(STRANGER, url, catalogue=world.catalogue):
            pass


async def test_an_institution_without_rights_is_told_so(world: World) -> None:
    management, place = world.broker.management, f"/api/permissions/{world.network.primary}/{STRANGER}"
    rights = await asyncio.to_thread(management.get, place)
    async with world.institution(STRANGER) as me:
        await asyncio.to_thread(management.put, place, rights | {"write": "^$"})
        try:
            with pytest.raises(NotAllowed, match="no right") as raised:
                await me.consult(PERMIT, ssin=person(), legal_context=CONTEXT, ticket="mine")
        finally:
            await asyncio.to_thread(management.put, place, rights)
    assert raised.value.ticket == "mine"


async def test_a_broker_that_is_not_there_is_unreachable(world: World) -> None:
    [port] = free_ports(1)
    nowhere = f"amqp://17-0:x@127.0.0.1:{port}/x"
    with pytest.raises(Unreachable):
        async with Institution(CUSTOMER, nowhere, catalogue=world.catalogue, timeout=0.5):
            pass


async def test_the_next_node_of_the_list_is_tried(world: World) -> None:
    [port] = free_ports(1)
    urls = [f"amqp://17-0:x@127.0.0.1:{port}/x", world.url(CUSTOMER)]
    async with Institution(CUSTOMER, urls, catalogue=world.catalogue) as me:
        assert me.connected


async def test_an_institution_that_is_not_provisioned_is_told_so(world: World) -> None:
    queue = names.ingress(STRANGER)
    management, vhost = world.broker.management, world.network.primary
    binding = f"/api/bindings/{vhost}/e/{names.out(STRANGER)}/q/{queue}/online"
    async with world.institution(STRANGER) as me:
        await asyncio.to_thread(management.delete, binding)
        try:
            with pytest.raises(Unreachable, match="provisioned"):
                await me.send(b"<x/>")
        finally:
            place = f"/api/bindings/{vhost}/e/{names.out(STRANGER)}/q/{queue}"
            await asyncio.to_thread(management.post, place, {"routing_key": "online"})


async def test_who_sends_more_than_its_rate_is_told_over_limit(world: World) -> None:
    """Nobody reads the queue for a while: it fills, as it would at the rate. The broker takes some hundred more than
    its length, sent at once, before it says so."""
    await world.hub.intake.pause()
    async with world.institution(STRANGER) as me:
        flood = [asyncio.create_task(me.send(b"<x/>", timeout=20)) for _ in range(1_500)]
        done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_EXCEPTION)
        assert {type(task.exception()) for task in done} == {OverLimit}
        await world.hub.intake.resume()
        ended = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(one).__name__ for one in ended} == {"Answer", "OverLimit"}


async def test_no_answer_in_time_can_be_asked_for_again(world: World) -> None:
    ssin = await known(world, CUSTOMER, SUPPLIER)
    await world.hub.intake.pause()
    async with world.institution(CUSTOMER) as me, world.institution(SUPPLIER) as fund:
        fund.supplies(PERMIT)(lambda question: permit("P-1"))
        assert await fund.supplying()
        with pytest.raises(NoAnswer) as raised:
            await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, timeout=0.3)
        await world.hub.intake.resume()
        answer = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, ticket="another of ours")
    assert raised.value.ticket
    assert answer.found


_SUPPLIER = """
import asyncio, os, sys
from pathlib import Path
from institutions import Institution, Question
from schemas.catalogue import Catalogue

fund = Institution(sys.argv[1], os.environ["URL"], catalogue=Catalogue([Path(sys.argv[2])]))

@fund.supplies("Permit/1")
async def answer(question: Question):
    print("asked", flush=True)
    await asyncio.sleep(0.5)
    return question.element("permit", question.element("number", "P-1"))

fund.run(ready=lambda: print("ready", flush=True))
print("closed", flush=True)
"""


async def test_sigterm_finishes_what_runs_and_takes_nothing_new(world: World, tmp_path: Path) -> None:
    script = tmp_path / "fund.py"
    script.write_text(_SUPPLIER)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        SUPPLIER,
        str(SERVICES),
        env={"URL": world.url(SUPPLIER), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        running, waiting = await known(world, CUSTOMER, SUPPLIER), await known(world, CUSTOMER, SUPPLIER)
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        async with world.institution(CUSTOMER) as me:
            first = asyncio.create_task(me.consult(PERMIT, ssin=running, legal_context=CONTEXT))
            assert await asyncio.wait_for(process.stdout.readline(), 30) == b"asked\n"
            process.send_signal(signal.SIGTERM)
            answer = await first
            assert (await asyncio.wait_for(process.stdout.readline(), 15)) == b"closed\n"
            assert await asyncio.wait_for(process.wait(), 15) == 0
            later = await me.consult(PERMIT, ssin=waiting, legal_context=CONTEXT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert answer.found
    assert later.code == "CRB00010"


async def test_a_late_supplier_gets_its_questions_when_its_queue_is_made(world: World) -> None:
    """A supplier that was there before its queue: it is looked for until it comes."""
    queue = names.supplier_queue(STRANGER, "online", PERMIT)
    management, vhost = world.broker.management, world.network.primary
    async with world.institution(STRANGER) as fund:
        asked = asyncio.Event()

        @fund.supplies(PERMIT)
        async def answer(question: Question) -> etree._Element | None:
            asked.set()
            return None

        assert not await fund.supplying()
        body = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
        await asyncio.to_thread(management.put, f"/api/queues/{vhost}/{queue}", body)
        for _ in range(200):
            found = await asyncio.to_thread(management.get, f"/api/queues/{vhost}/{queue}")
            if found.get("consumers"):
                break
            await asyncio.sleep(0.1)
    await asyncio.to_thread(management.delete, f"/api/queues/{vhost}/{queue}")
    assert found["consumers"] == 1


Tell = Callable[[UUID], Coroutine[Any, Any, None]]


@asynccontextmanager
async def told_later(world: World) -> AsyncIterator[Tell]:
    """Puts a definitive answer into the customer's queue, as the hub does."""
    hub = AioPikaTransport((world.url("hub"),), name="the hub answers")
    await hub.start()

    async def tell(ticket: UUID) -> None:
        now = datetime.now(UTC)
        body = answers.fault(
            world.catalogue.services[PERMIT], "CRB00010", head_root=None, ticket_cbss=ticket, received=now, replied=now
        )
        headers = later_headers(Later(ticket, Address.parse(CUSTOMER), None, "definitive"))
        properties = Properties(user_id="hub", correlation_id=str(ticket), type="definitive", headers=headers)
        await hub.publish("", names.answers(CUSTOMER), body, properties, timeout=20)

    yield tell
    await hub.close()


async def test_answers_that_nobody_asks_for_stop_no_other_and_those_that_are_given_up_are_told(world: World) -> None:
    reports: list[Report] = []
    tickets = [uuid4() for _ in range(520)]
    async with told_later(world) as tell, world.institution(CUSTOMER, report=reports.append) as me:
        await me._reader()
        asking = asyncio.create_task(me.definitive(tickets[-1], timeout=20))
        for ticket in tickets:
            await tell(ticket)
        answer = await asking
        for ticket in tickets[119:-1]:  # the newest 400 that nobody asked for
            assert (await me.definitive(ticket, timeout=20)).ticket_cbss == ticket
        with pytest.raises(NoAnswer):
            await me.definitive(tickets[118], timeout=0.01)
    assert (answer.ticket_cbss, answer.code) == (tickets[-1], "CRB00010")
    assert [(report.what, report.ticket_cbss) for report in reports] == [
        ("unclaimed", ticket) for ticket in tickets[:119]
    ]


async def test_an_answer_that_nobody_asks_for_goes_back_before_the_broker_closes_the_channel(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("institutions.later.IN_HAND", 0.2)
    monkeypatch.setattr("institutions.later.LOOK", 0.1)
    ticket = uuid4()
    async with told_later(world) as tell, world.institution(CUSTOMER) as me:
        reader = await me._reader()
        await tell(ticket)
        await until(lambda: any(claim.answer.redelivered for claim in me._definitive._claims.values() if claim.answer))
        monkeypatch.setattr("institutions.later.IN_HAND", 60)
        answer = await me.definitive(ticket, timeout=20)
        await until(lambda: not reader._tasks)
    assert answer.ticket_cbss == ticket
