"""What rests when the centre has no verdict: one is tried, later each time, the others wait, and order stays."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest

from institutions import Entry, MemoryOutbox
from institutions import resting as module
from institutions.later import LaterAnswer
from institutions.publishing import Publishing
from institutions.resting import FIRST, LONGEST, Resting
from schemas.address import Address
from schemas.codes import NO_VERDICT
from schemas.wire.transport import Properties, Transport
from tests.institutions.patience import PATIENCE


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


def test_one_is_tried_later_each_time_up_to_a_minute(clock) -> None:
    resting, pauses = Resting(), []
    assert resting.may("A/1")
    for _ in range(10):
        resting.busy("A/1")
        assert not resting.may("A/1")
        assert resting.services() == {"A/1"}
        assert resting.may("B/1")
        pauses.append(resting.wait("A/1"))
        clock(pauses[-1])
        assert resting.may("A/1")
        assert not resting.may("A/1")  # one alone
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST
    resting.answered("A/1")
    assert all(resting.may("A/1") for _ in range(3))
    resting.busy("A/1")
    assert resting.wait("A/1") == FIRST


def test_what_was_under_way_when_it_began_says_nothing_new_and_what_is_lost_is_tried_by_another(clock) -> None:
    resting = Resting()
    for _ in range(50):
        resting.busy("A/1")
    assert resting.wait("A/1") == FIRST
    clock(FIRST)
    assert resting.may("A/1")
    clock(60)
    assert resting.may("A/1")


class Centre:
    """Tells each mutation of a paused service a code, all others that they are passed on."""

    connected = True

    def __init__(self) -> None:
        self.paused: dict[str, str] = {}
        self.sent: list[tuple[str, str]] = []
        self.done: list[str] = []
        self.publishing: Publishing
        self.answers: set[asyncio.Task[None]] = set()

    async def publish(self, exchange: str, key: str, body: bytes, properties: Properties) -> None:
        self.sent.append((properties.type or "", body.decode()))
        task = asyncio.create_task(self._answer(body.decode(), properties))
        self.answers.add(task)
        task.add_done_callback(self.answers.discard)

    async def _answer(self, ticket: str, given: Properties) -> None:
        code = self.paused.get(given.type or "")
        if code is None:
            self.done.append(ticket)
        body, kind = (_verdict(), "response") if code is None else (_fault(code), "fault")
        answer = LaterAnswer(
            body, kind, uuid4(), given.correlation_id or "", Address(5, 0), None, Properties(type=kind)
        )
        await self.publishing.take(answer)


def _fault(code: str) -> bytes:
    return f"<f:fault xmlns:f='urn:crossroads:v1'><detail><reasonCode>{code}</reasonCode></detail></f:fault>".encode()


def _verdict() -> bytes:
    return b"<x:r xmlns:x='urn:x'><status><value>DATA_FOUND</value><code>MSG00000</code></status></x:r>"


@pytest.mark.parametrize("code", sorted(NO_VERDICT))
async def test_a_paused_services_mutations_wait_in_order_and_the_others_go_on(code: str, monkeypatch) -> None:
    monkeypatch.setattr(module, "FIRST", 0.05)
    monkeypatch.setattr(module, "LONGEST", 0.2)
    monkeypatch.setattr("institutions.publishing.LOOK", 0.02)
    centre, outbox = Centre(), MemoryOutbox()
    one = centre.publishing = Publishing(cast(Transport, centre), Address(5, 0), outbox, lambda _: None)
    centre.paused["A/1"] = code
    tickets: list[str] = []
    for number in range(30):
        # Of each person two of a paused service, and one behind them of another.
        for service in ("A/1", "A/1", "B/1"):
            tickets.append(f"{number}-{len(tickets) % 3}")
            await outbox.add(Entry(service, str(number), tickets[-1], tickets[-1].encode()))
    await outbox.add(Entry("B/1", "nobody else", "free", b"free"))
    one.start()
    await _until(lambda: "free" in centre.done)
    await _until(lambda: len(centre.sent) > 40)
    assert centre.done == ["free"]
    del centre.paused["A/1"]
    await _until(lambda: len(centre.done) == 91)
    await one.close()
    assert len(set(centre.done)) == 91
    for number in range(30):
        mine = [ticket for ticket in centre.done if ticket.startswith(f"{number}-")]
        assert mine == [f"{number}-{nth}" for nth in range(3)]


async def test_what_another_process_hears_the_verdict_of_is_not_remembered_for_ever(monkeypatch) -> None:
    monkeypatch.setattr("institutions.publishing.LOOK", 0.02)
    monkeypatch.setattr("institutions.publishing.REMEMBERED", 10, raising=False)
    centre, outbox = Centre(), MemoryOutbox()
    centre.publishing = cast(Publishing, _Other())
    one = Publishing(cast(Transport, centre), Address(5, 0), outbox, lambda _: None)
    for number in range(30):
        await outbox.add(Entry("A/1", str(number), str(number), str(number).encode()))
    one.start()
    await _until(lambda: len(centre.done) == 30)
    await one.close()
    assert len(one._under_way) <= 10


class _Other:
    """The process that hears all verdicts."""

    async def take(self, answer: LaterAnswer) -> None: ...


async def _until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_rests_is_not_taken_from_the_outbox_nor_what_is_behind_it() -> None:
    outbox = MemoryOutbox()
    for service, person in (("A/1", "1"), ("B/1", "1"), ("B/1", "2")):
        await outbox.add(Entry(service, person, str(uuid4()), b""))
    found: Sequence[Entry] = await outbox.next(10, {"A/1"})
    assert [(entry.service, entry.person) for entry in found] == [("B/1", "2")]
