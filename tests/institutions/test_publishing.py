"""How the sending of mutations ends: at once where nothing is under way, and never before what is under way is sent."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest

from institutions import Entry, MemoryOutbox
from institutions.publishing import Publishing
from schemas.address import Address
from schemas.wire.transport import Transport
from tests.institutions.patience import PATIENCE


class Held:
    """A transport whose broker confirms nothing until it is let."""

    connected = True

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.sent: list[bytes] = []

    async def publish(self, exchange: str, key: str, body: bytes, *rest: Any) -> None:
        self.reached.set()
        await self.go.wait()
        self.sent.append(body)


class Watched(MemoryOutbox):
    """Tells when it was looked into: who finds nothing waits from then on, without another turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = asyncio.Event()

    async def next(self, most: int, resting: Collection[str] = ()) -> Sequence[Entry]:
        self.looked.set()
        return await super().next(most, resting)


def publishing(transport: Held, outbox: MemoryOutbox) -> Publishing:
    return Publishing(cast(Transport, transport), Address(5, 0), outbox, lambda _: None)


@pytest.mark.parametrize("turns", range(5))
async def test_it_ends_also_where_it_is_woken_at_that_moment(turns: int) -> None:
    outbox = Watched()
    one = publishing(Held(), outbox)
    one.start()
    await asyncio.wait_for(outbox.looked.wait(), PATIENCE)
    one.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = asyncio.create_task(one.close())
    done, _ = await asyncio.wait((closing,), timeout=5)
    assert done


async def test_what_is_under_way_is_sent_before_it_ends() -> None:
    transport, outbox = Held(), MemoryOutbox()
    for n in range(3):
        await outbox.add(Entry("Change/1", f"person {n}", str(uuid4()), f"<x{n}/>".encode()))
    one = publishing(transport, outbox)
    one.start()
    await asyncio.wait_for(transport.reached.wait(), PATIENCE)
    closing = asyncio.create_task(one.close())
    for _ in range(10):  # as often as it would take to end at once
        await asyncio.sleep(0)
    assert not closing.done()
    transport.go.set()
    await asyncio.wait_for(closing, PATIENCE)
    assert sorted(transport.sent) == [b"<x0/>", b"<x1/>", b"<x2/>"]
    # Nothing more is sent, and what was sent is not due again at once.
    assert await outbox.next(10) == []


async def test_without_a_broker_it_ends_at_once_and_what_was_under_way_is_sent_at_the_next_start() -> None:
    transport, outbox = Held(), MemoryOutbox()
    await outbox.add(Entry("Change/1", "person", str(uuid4()), b"<x/>"))
    one = publishing(transport, outbox)
    one.start()
    await asyncio.wait_for(transport.reached.wait(), PATIENCE)
    transport.connected = False
    await asyncio.wait_for(one.close(), PATIENCE)
    assert [each.body for each in await outbox.next(10)] == [b"<x/>"]
