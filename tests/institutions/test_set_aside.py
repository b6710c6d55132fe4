"""Words with positions, and what is set aside: nothing about a person goes before what waits of him."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from institutions.double.broker import MemoryBroker
from institutions.inbox import Arrived, MemoryInbox, OvertakenError, Place
from institutions.metrics import Metrics
from institutions.ordered import Ordered
from institutions.word import Word
from schemas.address import Address
from schemas.wire import names
from schemas.wire.transport import Properties
from schemas.wire.words import Word as Header
from schemas.wire.words import of, to_headers
from tests.institutions.test_ordered import BODIES, CATALOGUE

ME = Address(7, 0)
QUEUE = names.mutations(ME)
SERIES = uuid4()
PERSON = "a person"


def word(position: int) -> Arrived:
    return Arrived(Place(SERIES, position), "Change/1", "M", uuid4(), BODIES[position])


async def taken(_: Word) -> None:
    """By a receiver that does not matter."""


async def ordered(inbox: MemoryInbox) -> tuple[MemoryBroker, Ordered]:
    async def asked(_: Any) -> Any:
        raise AssertionError("nobody is asked")

    async def consumed() -> bool:
        return True

    broker = MemoryBroker(lambda *_: None, lambda *_: None)
    transport = broker.transport(str(ME))
    await transport.start()
    made = Ordered(
        transport, ME, CATALOGUE, inbox, {"Change/1": taken}, asked, consumed,
        answers=True, busy=asyncio.Lock(), stop=asyncio.Event(), metrics=Metrics(), report=lambda _: None,
    )  # fmt: skip
    return broker, made


async def test_what_is_set_aside_while_it_is_tried_again_stays_so_with_its_person() -> None:
    class Meanwhile(MemoryInbox):
        came = False

        @asynccontextmanager
        async def taking(self, arrived: Arrived) -> AsyncIterator[Any]:
            async with super().taking(arrived) as connection:
                yield connection
            if not self.came:
                self.came = True
                await self.set_aside(None, PERSON, word(2))

    inbox = Meanwhile()
    await inbox.set_aside(None, PERSON, word(1))
    _, made = await ordered(inbox)
    assert await made.retry() == 1
    assert made._aside == {PERSON}
    assert await made.retry() == 0
    assert made._aside == set()


async def test_who_comes_too_late_knows_what_the_other_process_set_aside() -> None:
    class Others(MemoryInbox):
        @asynccontextmanager
        async def applying(self, place: Place) -> AsyncIterator[Any]:
            await self.set_aside(None, PERSON, word(1))
            await self.begin(Place(SERIES, 1))
            raise OvertakenError
            yield

    _, made = await ordered(Others())
    await made._apply(word(1))
    assert made._place == Place(SERIES, 1)
    assert made._aside == {PERSON}


async def test_of_a_word_told_twice_that_waits_for_its_turn_one_is_in_hand() -> None:
    broker, made = await ordered(MemoryInbox())
    transport = made._transport
    assert await transport.consume(QUEUE, lambda delivery: made.take(delivery, of(delivery.properties)), prefetch=9)
    given = Properties(
        user_id=names.HUB, correlation_id=f"{uuid4()}/m", type="Change/1", headers=to_headers(Header(SERIES, 2, "M"))
    )
    for _ in range(2):
        broker.deliver(QUEUE, b"<x/>", given)
    queue = broker.queues[QUEUE]
    async with asyncio.timeout(10):
        while len(queue.waiting) + len(queue.unacked) != 1 or not made._hand:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await transport.close()
