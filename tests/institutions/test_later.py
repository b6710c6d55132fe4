"""Answers that come later, read from their queue: acked when they were handled, whatever the handlers do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from institutions.double.broker import MemoryBroker, MemoryTransport
from institutions.later import Later, LaterAnswer
from institutions.report import Report
from schemas.address import Address
from schemas.wire import names
from schemas.wire.transport import Properties

ME = Address(64, 0)
QUEUE = names.answers(ME)


class _Room:
    def __init__(self) -> None:
        self.broker = MemoryBroker(lambda *_: None, lambda *_: None)
        self.transport: MemoryTransport = self.broker.transport(str(ME))
        self.reports: list[Report] = []
        self.later = Later(self.transport, ME, names.HUB, self.reports.append)
        self.got: list[LaterAnswer] = []
        self.came = asyncio.Event()

    async def take(self, answer: LaterAnswer) -> None:
        self.got.append(answer)
        self.came.set()

    def put(self, correlation: str | None, *, user: str = names.HUB, **more: Any) -> UUID:
        ticket = uuid4()
        headers = more.pop("headers", {"ticketCBSS": str(ticket), "customer": "64-0"})
        given = Properties(user_id=user, correlation_id=correlation, type="response", headers=headers, **more)
        self.broker.deliver(QUEUE, b"<x/>", given)
        return ticket

    def left(self) -> int:
        queue = self.broker.queues[QUEUE]
        return len(queue.waiting) + len(queue.unacked)

    async def emptied(self, but: int = 0) -> None:
        async with asyncio.timeout(10):
            while self.left() > but:  # noqa: ASYNC110  an ack announces itself by nothing
                await asyncio.sleep(0.005)


@pytest.fixture
async def room() -> AsyncIterator[_Room]:
    found = _Room()
    await found.transport.start()
    assert await found.later.start()
    yield found
    await found.later.close()
    await found.transport.close()


async def test_an_answer_goes_to_the_longest_prefix_and_is_acked(room: _Room) -> None:
    others: list[LaterAnswer] = []

    async def other(answer: LaterAnswer) -> None:
        others.append(answer)

    room.later.on("lot:a/", room.take)
    room.later.on("", other)
    mine, his = room.put("lot:a/1"), room.put(str(uuid4()))
    await room.emptied()
    assert [(a.ticket_cbss, a.correlation, a.customer, a.type) for a in room.got] == [(mine, "lot:a/1", ME, "response")]
    assert [a.ticket_cbss for a in others] == [his]


async def test_a_handler_that_raises_is_tried_again_and_others_go_on(room: _Room) -> None:
    tried: list[LaterAnswer] = []

    async def fails_once(answer: LaterAnswer) -> None:
        tried.append(answer)
        if len(tried) == 1:
            raise ValueError("a number of ours")

    room.later.on("mutation:", fails_once)
    room.later.on("lot:a/", room.take)
    room.put("mutation:1")
    room.put("lot:a/1")
    await asyncio.wait_for(room.came.wait(), 10)
    await room.emptied()
    assert len(tried) == 2
    assert [(r.what, "number" in r.why) for r in room.reports] == [("failed", False)]


async def test_what_nobody_asked_for_waits_until_somebody_does(room: _Room) -> None:
    ticket = room.put("mutation:1")
    room.later.on("lot:a/", room.take)
    room.put("lot:a/1")
    await asyncio.wait_for(room.came.wait(), 10)
    await room.emptied(but=1)
    room.later.on("mutation:", room.take)
    await room.emptied()
    assert ticket in {answer.ticket_cbss for answer in room.got}


async def test_what_no_lot_asks_for_is_dropped(room: _Room) -> None:
    ticket = room.put("lot:another/1")
    await room.emptied()
    assert [(r.what, r.ticket_cbss) for r in room.reports] == [("unclaimed", ticket)]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"user": "5-0"}, "wrong sender"),
        ({"headers": {}}, "unreadable"),
        ({"headers": {"ticketCBSS": "x"}}, "unreadable"),
    ],
)
async def test_what_is_no_answer_of_the_centre_is_dropped(room: _Room, more: dict[str, Any], what: str) -> None:
    room.later.on("", room.take)
    room.put("mutation:1", **more)
    await room.emptied()
    assert (room.got, [report.what for report in room.reports]) == ([], [what])


async def test_an_answer_in_hand_comes_again_when_its_connection_went(room: _Room) -> None:
    going = asyncio.Event()

    async def never(answer: LaterAnswer) -> None:
        going.set()
        await asyncio.Event().wait()

    room.later.on("mutation:", never)
    ticket = room.put("mutation:1")
    await asyncio.wait_for(going.wait(), 10)
    room.later.on("mutation:", room.take)
    room.transport.lose()
    await room.emptied()
    assert [(answer.ticket_cbss, answer.redelivered) for answer in room.got] == [(ticket, True)]
