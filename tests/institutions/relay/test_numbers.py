"""The hub says that a number was replaced: a network's repertory follows, and its members are told."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import date
from uuid import uuid4

import pytest

from institutions import Institution, Word
from schemas.catalogue import Catalogue, shipped
from schemas.integration import REPLACED
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Delivery, Properties
from tests.institutions.conformance.network import person
from tests.institutions.relay.conftest import Sector
from tests.institutions.world import PCSW_A, PCSW_B, Broker, Database, World, opened

Heard = Mapping[tuple[str, str], list[bytes]]


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    """One that knows the services that ship."""
    async with opened(rabbitmq, postgresql, "\n") as found:
        yield found


@pytest.fixture(scope="module")
async def hub(world: World, pcsw: Sector) -> AsyncIterator[AioPikaTransport]:
    """The hub's user, to say what the hub's outbox says."""
    transport = AioPikaTransport((world.url("hub"),), name="says")
    await transport.start()
    await transport.wait_connected(20)
    yield transport
    await transport.close()


@pytest.fixture(scope="module")
async def heard(world: World, pcsw: Sector) -> AsyncIterator[Heard]:
    """What each member was told, by member and ticketCBSS: PCSW A at the wire, PCSW B by the library."""
    found: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)
    transport = AioPikaTransport((world.url(PCSW_A),), name=f"{PCSW_A} hears")
    await transport.start()
    await transport.wait_connected(20)

    def hear(delivery: Delivery) -> None:
        assert delivery.properties.user_id == "17-0"
        found[PCSW_A, delivery.properties.correlation_id or ""].append(delivery.body)
        asyncio.ensure_future(transport.ack(delivery))  # noqa: RUF006

    assert await transport.consume(names.mutations(PCSW_A), hear, prefetch=10)
    member = Institution(PCSW_B, world.url(PCSW_B), catalogue=Catalogue([shipped()]))

    @member.receives("SsinReplaced/1")
    async def replaced(word: Word) -> None:
        found[PCSW_B, word.id].append(f"{word.ssin.digits} {word.text('criteria/newSsin')}".encode())

    async with member:
        assert await member.supplying()
        yield found
    await transport.close()


async def say(hub: AioPikaTransport, old: Ssin, new: Ssin) -> str:
    """One word, and its ticketCBSS."""
    ticket = str(uuid4())
    await again(hub, old, new, ticket)
    return ticket


async def again(hub: AioPikaTransport, old: Ssin, new: Ssin, ticket: str) -> None:
    body = (
        '<r:ssinReplacedRequest xmlns:r="urn:crossroads:services:SsinReplaced:v1"><informationCustomer>'
        f"<ticket>{ticket}</ticket><customerIdentification><sector>0</sector><institution>0</institution>"
        "</customerIdentification></informationCustomer><legalContext>TEST</legalContext><criteria>"
        f"<ssin>{old.digits}</ssin><newSsin>{new.digits}</newSsin><day>2026-01-01</day></criteria>"
        "</r:ssinReplacedRequest>"
    ).encode()
    properties = Properties(user_id="hub", correlation_id=ticket, type="SsinReplaced/1")
    await hub.publish(names.INSTITUTIONS, names.mutations("17-0"), body, properties)


async def told(heard: Heard, member: str, ticket: str, times: int = 1) -> None:
    async with asyncio.timeout(20):
        while len(heard.get((member, ticket), [])) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def rows(found) -> list[tuple[str, str, int, date, date | None]]:  # type: ignore[no-untyped-def]
    return sorted((r.ssin.digits, str(r.member), r.quality, r.period.begin, r.period.end) for r in found)


async def test_rows_of_members_move_and_those_who_have_the_person_are_told(
    pcsw: Sector, hub: AioPikaTransport, heard: Heard
) -> None:
    old, new, marker = person(), person(), person()
    await pcsw.knows(old, PCSW_A, begin=date(2020, 1, 1), end=date(2020, 6, 30))
    await pcsw.knows(new, PCSW_A, begin=date(2020, 6, 1))
    await pcsw.knows(marker, PCSW_B)
    ticket = await say(hub, old, new)
    await told(heard, PCSW_A, ticket)
    day = date(2026, 1, 1)
    expected = sorted([(old.digits, PCSW_A, REPLACED, day, None), (new.digits, PCSW_A, 1, date(2020, 1, 1), None)])
    assert rows(await pcsw.repertory.rows(old)) == expected
    await again(hub, old, new, ticket)
    await told(heard, PCSW_B, await say(hub, marker, person()))
    assert rows(await pcsw.repertory.rows(old)) == expected
    assert len(heard[PCSW_A, ticket]) == 1
    assert (PCSW_B, ticket) not in heard


async def test_what_is_no_word_of_numbers_is_dropped_and_the_next_is_heard(
    pcsw: Sector, hub: AioPikaTransport, heard: Heard
) -> None:
    for body in (b"", b"<x/>", b"not xml"):
        properties = Properties(user_id="hub", correlation_id=str(uuid4()), type="SsinReplaced/1")
        await hub.publish(names.INSTITUTIONS, names.mutations("17-0"), body, properties)
    old = person()
    await pcsw.knows(old, PCSW_B)
    new = person()
    ticket = await say(hub, old, new)
    await told(heard, PCSW_B, ticket)
    assert heard[PCSW_B, ticket] == [f"{old.digits} {new.digits}".encode()]
    assert len(await pcsw.repertory.rows(old)) == 2
