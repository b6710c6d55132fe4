"""Words in whatever order, twice, with gaps, over connections that are lost: each is applied once, in their order."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from institutions import MemoryInbox, Word
from institutions.answer import Answer, read_answer
from institutions.double.broker import MemoryBroker
from institutions.inbox import Place
from institutions.metrics import Metrics
from institutions.publishing import entry
from institutions.receiving import Receiving
from institutions.request import Ask, build
from schemas.address import Address
from schemas.answers import data_response
from schemas.catalogue import Catalogue, shipped
from schemas.parser import parse
from schemas.period import Period
from schemas.splice import put_information_cbss
from schemas.wire import names
from schemas.wire.transport import Properties
from schemas.wire.words import Word as Header
from schemas.wire.words import to_headers
from tests.institutions.conformance.network import SERVICES, person

CATALOGUE = Catalogue([shipped(), SERVICES])
FUND, SERIES = Address(7, 0), UUID(int=7)
SSINS = [person() for _ in range(3)]
MOST = 12


def message(position: int) -> bytes:
    period = Period(date(2026, 1, 1), None)
    mutation = entry(
        CATALOGUE.services["Change/1"], Address(5, 0), person=SSINS[position % 3], period=period, action="CHANGED",
        reference=str(position), legal_context="TEST", content=[],
    )  # fmt: skip
    now = datetime.now(UTC)
    return put_information_cbss(mutation.body, UUID(int=position), now, now)


BODIES = [message(position) for position in range(MOST + 1)]


def properties(position: int, series: UUID = SERIES) -> Properties:
    headers = to_headers(Header(series, position, "M"))
    return Properties(user_id=names.HUB, correlation_id=f"{UUID(int=position)}/m", type="Change/1", headers=headers)


class Hub:
    """What the hub tells of catching up: everything up to `last`, but what is `gone`."""

    def __init__(self, last: int, gone: frozenset[int] = frozenset(), series: UUID = SERIES) -> None:
        self.last, self.gone, self.series = last, gone, series
        self.asked: list[int] = []

    async def catch_up(self, criteria: Mapping[str, Any]) -> Answer:
        after = int(criteria["criteria/after"])
        self.asked.append(after)
        service = CATALOGUE.services["CatchUp/1"]
        body = build(Ask(service, FUND, str(uuid4()), None, "DISTRIBUTION", None, criteria))
        data = [element("series", str(self.series)), element("last", str(self.last))]
        most = min(int(criteria["criteria/most"]), 4)
        data += [self.word(position) for position in range(after + 1, min(after + most, self.last) + 1)]
        told = data_response(service, parse(body), data, replied=datetime.now(UTC), ticket_cbss=uuid4())
        assert service.violations(told, "response")[1] == ()
        return read_answer(told, Properties(type="response"), 0.0)

    def word(self, position: int) -> etree._Element:
        word, ticket = etree.Element("word"), str(UUID(int=position))
        for name, text in (
            ("position", str(position)), ("service", "Change/1"), ("flow", "M"), ("ticketCBSS", ticket),
            ("entitled", "[]"),
        ):  # fmt: skip
            word.append(element(name, text))
        if position in self.gone:
            etree.SubElement(word, "lost")
        else:
            word.append(element("message", base64.b64encode(BODIES[position]).decode()))
        return word


def element(name: str, text: str) -> etree._Element:
    made = etree.Element(name)
    made.text = text
    return made


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("institutions.ordered.MISSING", 0.02)


async def applied(hub: Hub, came: Sequence[int | str], inbox: MemoryInbox | None = None) -> tuple[list[int], list[int]]:
    """Positions in the order in which they were applied, and those that were missed; `came`: positions as the queue
    brings them, or `lost`: the connection drops."""
    broker = MemoryBroker(lambda *_: None, lambda *_: None)
    transport = broker.transport(str(FUND))
    await transport.start()
    receiving = Receiving(
        transport, FUND, names.HUB, CATALOGUE, inbox=inbox or MemoryInbox(), ask=hub.catch_up, eager=False,
        metrics=Metrics(), report=lambda _: None,
    )  # fmt: skip
    found: list[int] = []
    missed: list[int] = []
    done = asyncio.Event()

    def look() -> None:
        if len(found) + len(missed) >= hub.last:
            done.set()

    async def take(word: Word) -> None:
        found.append(int(word.says.reference))
        await asyncio.sleep(0)
        look()

    async def miss(one: Any) -> None:
        missed.append(one.position)
        look()

    receiving.ordered.missed = miss
    receiving.add(CATALOGUE.services["Change/1"], take)
    await receiving.begin()
    for one in came:
        if one == "lost":
            broker.lose_connections()
        else:
            broker.deliver(names.mutations(FUND), BODIES[int(one)], properties(int(one)))
        await asyncio.sleep(0)
    await asyncio.wait_for(done.wait(), 20)
    # What is still to come would be too much.
    async with asyncio.timeout(20):
        while receiving.ordered.behind:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await receiving.close()
    await transport.close()
    return found, missed


_CAME = st.lists(st.one_of(st.integers(1, MOST), st.just("lost")), min_size=1, max_size=3 * MOST)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_CAME.filter(lambda came: any(one != "lost" for one in came)), st.frozensets(st.integers(1, MOST), max_size=3))
async def test_each_once_and_in_order(came: Sequence[int | str], gone: frozenset[int]) -> None:
    gone = gone - {int(one) for one in came if one != "lost"}
    found, missed = await applied(Hub(MOST, gone), came)
    assert found == [position for position in range(1, MOST + 1) if position not in gone]
    assert missed == sorted(gone)


async def test_nothing_is_asked_for_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("institutions.ordered.MISSING", 20)
    hub = Hub(4)
    assert await applied(hub, [1, 2, 4, 3, 2, 1]) == ([1, 2, 3, 4], [])
    assert hub.asked == [0]  # at the start, to know the newest


async def test_positions_begin_anew_in_another_series() -> None:
    inbox = MemoryInbox()
    await inbox.begin(Place(UUID(int=6), 5))
    assert await applied(Hub(3), [1, 2, 3], inbox) == ([1, 2, 3], [])
    assert await inbox.at() == Place(SERIES, 3)


class _Others(Hub):
    """While it tells of a new series, another process of the recipient is told so too, and goes on to `place`."""

    def __init__(self, inbox: MemoryInbox, place: Place, last: int) -> None:
        super().__init__(last)
        self._inbox, self._place = inbox, place

    async def catch_up(self, criteria: Mapping[str, Any]) -> Answer:
        answer = await super().catch_up(criteria)
        if len(self.asked) == 1:
            await self._inbox.begin(self._place)
        return answer


@pytest.mark.parametrize("before", [Place(), Place(UUID(int=6), 5)])
async def test_of_two_processes_that_learn_of_a_new_series_none_takes_the_other_one_back(before: Place) -> None:
    inbox = MemoryInbox()
    await inbox.begin(before)
    hub = _Others(inbox, Place(SERIES, 3), 6)
    assert await _applied(hub, inbox, [(6, properties(6))], 3) == [(4, False), (5, False), (6, False)]


@pytest.mark.parametrize("before", [Place(), Place(UUID(int=6), 1)])
async def test_words_of_a_series_that_nobody_knows_any_more_are_applied_late(before: Place) -> None:
    """The hub was restored from a backup of before this recipient was told anything."""
    inbox = MemoryInbox()
    await inbox.begin(before)
    came = [(position + 3, properties(position, UUID(int=6))) for position in (1, 2, 3)]
    found = await _applied(Hub(3), inbox, came, 6 - before.position)
    assert [one for one in found if not one[1]] == [(1, False), (2, False), (3, False)]
    assert [one for one in found if one[1]] == [(n, True) for n in range(4 + before.position, 7)]


async def _applied(
    hub: Hub, inbox: MemoryInbox, came: Sequence[tuple[int, Properties]], count: int
) -> list[tuple[int, bool]]:
    """What was applied, and whether late, when so many were and all of the hub's. `came`: body and properties."""
    broker = MemoryBroker(lambda *_: None, lambda *_: None)
    transport = broker.transport(str(FUND))
    await transport.start()
    receiving = Receiving(
        transport, FUND, names.HUB, CATALOGUE, inbox=inbox, ask=hub.catch_up, eager=False, metrics=Metrics(),
        report=lambda _: None,
    )  # fmt: skip
    found: list[tuple[int, bool]] = []

    async def take(word: Word) -> None:
        found.append((int(word.says.reference), word.late))

    receiving.add(CATALOGUE.services["Change/1"], take)
    await receiving.begin()
    for body, given_ in came:
        broker.deliver(names.mutations(FUND), BODIES[body], given_)
    async with asyncio.timeout(20):
        while len(found) < count or await inbox.at() != Place(hub.series, hub.last):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await receiving.close()
    await transport.close()
    return found
