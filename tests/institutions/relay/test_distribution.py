"""Mutations down and up a relay's arm: which members are told, under positions of their own, and what they answer."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest

from hub.repertory.files import parse
from hub.repertory.store import load_files, read
from institutions import Institution, MemoryInbox, MemoryOutbox, Unprocessable, Verdict, Word
from institutions.relay.relay import LOT_IN_FLIGHT
from institutions.request import Ask, build
from schemas.address import Address
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Properties
from tests.hub.mutations import right, row
from tests.hub.star import CONTEXT as OTHER_CONTEXT
from tests.institutions.conformance.network import CONTEXT, person
from tests.institutions.relay.conftest import END_WAITING, Sector, locked, running
from tests.institutions.world import PCSW_A, PCSW_B, RULES, Broker, Database, World, opened

GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
MORE_RULES = "".join([
    right("change", "5-0", "Change/1", 1),
    right("claim", "5-0", "Claim/1", 1),
    right("member-change", "17-1", "Change/1", 1),
    row("Change/1", "17-1", [1], 'dossiers = "all"\nwithout = ["benefit/account"]'),
    row("Claim/1", "17-1", [1]),
    row("Change/1", "7-0", [102]),
    f'[[authorisation]]\nid = "catch-up"\ncustomer = "17-0"\nlegal_context = "DISTRIBUTION"\nservice = "CatchUp/1"\n'
    f"qualities = [1]\n{GIVEN}",
    '[[availability]]\nservice = "RepeatMutation/1"\naddress = "5-0"\neverybody = true\n',
    '[[availability]]\nservice = "RepeatMutation/1"\naddress = "17-1"\neverybody = true\n',
]).replace(OTHER_CONTEXT, CONTEXT)  # fmt: skip
PERIOD = Period(date(2021, 1, 1), date(2022, 12, 31))


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    async with opened(rabbitmq, postgresql, MORE_RULES) as found:
        yield found


class Member:
    """An institution with the library: what it was told, what it is told of its own."""

    def __init__(self, world: World, address: str, **more: Any) -> None:
        self.me: Institution = world.institution(address, timeout=20, report=lambda _: None, **more)
        self.words: list[Word] = []
        self.refuses = False
        self.may = asyncio.Event()
        self.may.set()
        self.verdicts: defaultdict[int, list[Verdict]] = defaultdict(list)
        self.me.receives("Change/1")(self.take)
        self.me.receives("Claim/1")(self.take)
        self.me.verdicts(self.hear)

    async def take(self, word: Word) -> None:
        if self.refuses and word.flow == "Z":
            raise Unprocessable
        self.words.append(word)
        await self.may.wait()

    async def hear(self, verdict: Verdict) -> None:
        self.verdicts[verdict.number].append(verdict)

    def of(self, ssin: Ssin) -> list[str]:
        return [word.says.reference for word in self.words if word.ssin == ssin]

    async def send(self, ssin: Ssin, service: str, reference: str) -> int:
        return await self.me.publish(
            self.me.mutation(
                service, person=ssin, period=PERIOD, action="CHANGED", reference=reference, legal_context=CONTEXT
            )
        )


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def owner(world: World) -> AsyncIterator[Member]:
    sender = Member(world, "5-0", outbox=MemoryOutbox())
    async with sender.me:
        yield sender


@pytest.fixture(scope="module")
async def members(world: World, pcsw: Sector) -> AsyncIterator[tuple[Member, Member]]:
    a, b = Member(world, PCSW_A, outbox=MemoryOutbox()), Member(world, PCSW_B)
    async with a.me, b.me:
        yield a, b


async def known(world: World, pcsw: Sector, *dossiers: tuple[str, date, date | None]) -> Ssin:
    """Somebody whom the owner knows, and these members for so long."""
    ssin = person()
    await world.integrate(ssin, "5-0")
    for member, begin, end in dossiers:
        await pcsw.knows(ssin, member, begin=begin, end=end)
    await world.integrate(ssin, "17-1")
    return ssin


async def test_a_name_reaches_closed_dossiers_and_a_benefit_the_active_or_the_last_one(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    a, b = members
    active = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2021, 1, 1), date(2021, 6, 1)))
    ended = await known(
        world, pcsw, (PCSW_A, date(2020, 1, 1), date(2021, 6, 1)), (PCSW_B, date(2020, 1, 1), date(2022, 6, 1))
    )
    sent = [
        await owner.send(ssin, service, f"{service}{ssin.digits[-3:]}")
        for ssin in (active, ended)
        for service in ("Change/1", "Claim/1")
    ]
    await until(lambda: all(owner.verdicts[number] for number in sent))  # all have their positions
    last = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2020, 1, 1), None))
    await owner.send(last, "Change/1", "last")
    await until(lambda: a.of(last) and b.of(last))
    claims = [f"Claim/1{ssin.digits[-3:]}" for ssin in (active, ended)]
    changes = [f"Change/1{ssin.digits[-3:]}" for ssin in (active, ended)]
    assert a.of(active) == [changes[0], claims[0]]
    assert b.of(ended) == [changes[1], claims[1]]
    assert a.of(ended) == [changes[1]]
    assert b.of(active) == [changes[0]]
    assert [word.position for word in a.words] == list(range(1, len(a.words) + 1))


async def test_a_z_has_one_answer_of_the_network_the_worst_of_its_members(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    a, b = members
    both = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2020, 1, 1), None))
    nobody = await known(world, pcsw, (PCSW_A, date(2000, 1, 1), date(2001, 1, 1)))
    number = await owner.send(both, "Claim/1", str(uuid4()))
    await until(lambda: len(owner.verdicts[number]) == 2)
    assert [(v.kind, v.code, v.recipients) for v in owner.verdicts[number]] == [
        ("verdict", "MSG00000", ("17-0",)), ("definitive", "MSG00000", ("17-0",)),
    ]  # fmt: skip
    b.refuses = True
    number, none = await owner.send(both, "Claim/1", str(uuid4())), await owner.send(nobody, "Claim/1", str(uuid4()))
    await until(lambda: len(owner.verdicts[number]) == len(owner.verdicts[none]) == 2)
    b.refuses = False
    assert owner.verdicts[number][1].code == "CRB00020"
    assert owner.verdicts[none][1].code == "MSG00021"
    assert a.of(nobody) == []


async def test_a_members_own_goes_up_and_to_others_of_its_network_but_not_back(
    world: World, pcsw: Sector, members: tuple[Member, Member]
) -> None:
    a, b = members
    ssin = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2020, 1, 1), None))
    stranger = await known(world, pcsw, (PCSW_B, date(2020, 1, 1), None))
    number, refused = await a.send(ssin, "Change/1", "own"), await a.send(stranger, "Change/1", "not")
    await until(lambda: a.verdicts[number] and a.verdicts[refused] and b.of(ssin))
    assert a.verdicts[number][0].code == "MSG00000"
    assert a.verdicts[refused][0].code == "MSG00012"
    assert b.of(ssin) == ["own"]
    assert a.of(ssin) == b.of(stranger) == []


async def test_a_members_mutation_passes_its_network_s_lots(
    world: World, pcsw: Sector, members: tuple[Member, Member]
) -> None:
    """The hub takes no lots: as many as the relay has in hand wait for that, and a mutation does not."""
    a, _ = members
    ssin = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2020, 1, 1), None))
    place = f"/api/policies/{quote(world.network.primary, safe='')}/full"
    queue = names.ingress(Address.parse("17-0"), "batch")
    policy = {"pattern": f"^{re.escape(queue)}$", "apply-to": "queues", "definition": {"max-length": 1}}
    lots = pcsw.running._lots
    await world.hub.lots.pause()
    await asyncio.to_thread(world.broker.management.put, place, policy)
    senders = [AioPikaTransport((world.url(member),), name=member) for member in (PCSW_A, PCSW_B)]
    try:
        for member, sender in zip((PCSW_A, PCSW_B), senders, strict=True):
            await sender.start()
            given = {"user_id": member, "reply_to": names.answers(member), "correlation_id": "mine"}
            for _ in range(LOT_IN_FLIGHT):
                ask = Ask(
                    world.catalogue.services["Permit/1"], Address.parse(member), str(uuid4()), ssin, CONTEXT, None, {}
                )
                await sender.publish(names.out(member), "batch", build(ask), Properties(**given), timeout=20)
        await until(lambda: lots.in_flight == LOT_IN_FLIGHT)
        number = await a.send(ssin, "Change/1", str(uuid4()))
        await until(lambda: a.verdicts[number])
        assert lots.in_flight == LOT_IN_FLIGHT
    finally:
        await asyncio.to_thread(world.broker.management.delete, place)
        for sender in senders:
            await sender.close()
        await world.hub.lots.resume()
    await until(lambda: lots.in_flight == 0)


async def test_a_member_catches_up_through_its_relay_and_a_relay_goes_on_where_it_was(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    _, b = members
    ssin = await known(world, pcsw, (PCSW_B, date(2020, 1, 1), None))
    for reference in ("one", "two"):
        await owner.send(ssin, "Change/1", reference)
    await until(lambda: b.of(ssin) == ["one", "two"])
    count = b.words[-1].position or 0
    async with running(pcsw.relay()):  # a second relay process of the network
        again = Member(world, PCSW_B, inbox=MemoryInbox(start=count - 2))
        async with again.me:
            await until(lambda: again.of(ssin) == ["one", "two"])
        assert [word.position for word in again.words] == [count - 1, count]
        await owner.send(ssin, "Change/1", "three")
        await until(lambda: b.of(ssin) == ["one", "two", "three"])
        assert b.words[-1].position == count + 1


async def test_what_a_member_told_comes_out_of_its_own_outbox_for_who_catches_up(
    world: World, pcsw: Sector, members: tuple[Member, Member]
) -> None:
    a, b = members
    ssin = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None), (PCSW_B, date(2020, 1, 1), None))
    for reference in ("mine-1", "mine-2"):
        await a.send(ssin, "Change/1", reference)
    await until(lambda: b.of(ssin) == ["mine-1", "mine-2"])
    again = Member(world, PCSW_B, inbox=MemoryInbox(start=(b.words[-1].position or 0) - 2))
    missed: list[object] = []

    @again.me.missed
    async def miss(one: object) -> None:
        missed.append(one)

    async with again.me:
        await until(lambda: again.of(ssin) == ["mine-1", "mine-2"] or missed)
    assert missed == []
    assert again.of(ssin) == ["mine-1", "mine-2"]


async def test_a_members_answer_is_kept_though_the_database_fails_meanwhile(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    _, b = members
    ssin = await known(world, pcsw, (PCSW_B, date(2020, 1, 1), None))
    b.may.clear()
    number = await owner.send(ssin, "Claim/1", str(uuid4()))
    await until(lambda: b.of(ssin))
    async with locked(pcsw, "member_word") as connection:
        b.may.set()
        async with asyncio.timeout(20):
            # Its connection is lost in the middle of looking what that member was told.
            while not await connection.fetchval(END_WAITING, "%ticket_cbss = $1 AND recipient = $2%"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await until(lambda: len(owner.verdicts[number]) == 2)
    assert (owner.verdicts[number][1].kind, owner.verdicts[number][1].code) == ("definitive", "MSG00000")
    async with pcsw.repertory.transaction() as connection, asyncio.timeout(20):
        # The hub has it: nothing of it stays.
        while await connection.fetchval("SELECT count(answer) FROM member_word"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_a_relay_could_not_pass_on_is_passed_on_by_the_next_and_nothing_twice(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("institutions.ordered.TRIES", 1)
    monkeypatch.setattr("institutions.ordered.AGAIN", 0.01)
    _, b = members
    ssin = await known(world, pcsw, (PCSW_B, date(2020, 1, 1), None))
    connection = await asyncpg.connect(pcsw.database_url)
    try:
        await connection.execute("ALTER TABLE member_recipient RENAME TO gone")
        for reference in ("aside-one", "aside-two"):
            await owner.send(ssin, "Change/1", reference)
        async with asyncio.timeout(20):
            while await connection.fetchval("SELECT count(*) FROM crossroads_aside") != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await connection.execute("ALTER TABLE gone RENAME TO member_recipient")
        assert b.of(ssin) == []
        async with running(pcsw.relay()) as relay:
            await until(lambda: b.of(ssin) == ["aside-one", "aside-two"])
            # The first relay's, which knew of something set aside about this person.
            await owner.send(ssin, "Change/1", "aside-three")
            await until(lambda: b.of(ssin) == ["aside-one", "aside-two", "aside-three"])
            assert await connection.fetchval("SELECT count(*) FROM crossroads_aside") == 0
            assert relay._distributing is not None
            position = await connection.fetchval("SELECT position FROM crossroads_inbox")
            assert await relay._distributing.receiving.ordered.fetch(position)
            await owner.send(ssin, "Change/1", "aside-four")
            await until(lambda: b.of(ssin) == ["aside-one", "aside-two", "aside-three", "aside-four"])
    finally:
        await connection.close()
    positions = [word.position or 0 for word in b.words if word.ssin == ssin]
    assert positions == list(range(positions[0], positions[0] + 4))


async def test_a_member_that_catches_up_is_told_what_todays_rules_let_it_have(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    """Also of what still waits at the relay for its queue."""
    _, b = members
    ssin = await known(world, pcsw, (PCSW_B, date(2020, 1, 1), None))
    queue, vhost = names.mutations(PCSW_B), world.network.secondary(Address.parse("17-0"))
    binding = f"/api/bindings/{vhost}/e/{names.INSTITUTIONS}/q/{queue}"
    connection = await asyncpg.connect(pcsw.database_url)
    waiting = "SELECT position FROM member_word WHERE recipient = $1 AND body IS NOT NULL"
    told = 'recipient = "17-1"\nqualities = [1]\ndossiers'
    ended = MORE_RULES.replace(told, f"to = 2025-01-01\n{told}")
    assert ended != MORE_RULES
    await asyncio.to_thread(world.broker.management.delete, f"{binding}/{queue}")
    try:
        await owner.send(ssin, "Change/1", str(uuid4()))
        async with asyncio.timeout(20):
            while (position := await connection.fetchval(waiting, PCSW_B)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        said = [await caught_up(b, position)]
        await reload(world, RULES + ended)
        said.append(await caught_up(b, position))
    finally:
        await reload(world, RULES + MORE_RULES)
        await asyncio.to_thread(world.broker.management.post, binding, {"routing_key": queue})
        await connection.close()
    assert said == ["message", "withheld"]


async def test_a_member_that_catches_up_waits_for_a_silent_owner_and_not_for_what_the_hub_forgot(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    a, _ = members  # the other one's words wait for its queue, after the test before
    ssin = await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None))
    await owner.send(ssin, "Change/1", str(uuid4()))
    await until(lambda: a.of(ssin))
    position = a.words[-1].position or 0
    queue = names.supplier_queue("5-0", "online", "RepeatMutation/1")
    binding = f"/api/bindings/{quote(world.vhost_of('5-0'), safe='')}/e/{names.INSTITUTIONS}/q/{queue}"
    said = [await caught_up(a, position)]
    await asyncio.to_thread(world.broker.management.delete, f"{binding}/{queue}")
    try:
        said.append(await caught_up(a, position))
    finally:
        await asyncio.to_thread(world.broker.management.post, binding, {"routing_key": queue})
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute("DELETE FROM mutation WHERE ticket_cbss = $1", a.words[-1].ticket_cbss)
    finally:
        await connection.close()
    said.append(await caught_up(a, position))
    assert said == ["message", None, "lost"]


async def test_a_position_that_a_restored_hub_gave_to_another_word_brings_a_member_nothing_that_is_not_its_own(
    world: World, pcsw: Sector, owner: Member, members: tuple[Member, Member]
) -> None:
    a, _ = members
    mine, others = [await known(world, pcsw, (PCSW_A, date(2020, 1, 1), None)) for _ in range(2)]
    for ssin in (mine, others):
        await owner.send(ssin, "Change/1", str(uuid4()))
        await until(lambda ssin=ssin: a.of(ssin))
    position = next(word.position for word in a.words if word.ssin == mine) or 0
    said = [await caught_up(a, position)]
    connection = await asyncpg.connect(pcsw.database_url)
    try:
        await connection.execute(
            "UPDATE member_word w SET origin = other.origin FROM member_word other"
            " WHERE other.recipient = w.recipient AND other.position = w.position + 1"
            " AND w.recipient = $1 AND w.position = $2",
            PCSW_A,
            position,
        )
    finally:
        await connection.close()
    said.append(await caught_up(a, position))
    assert said == ["message", "lost"]


async def caught_up(member: Member, position: int) -> str | None:
    """What is there of a word of that position; None: it is to be asked for again."""
    criteria = {"criteria/position": position}
    answer = await member.me.consult("CatchUp/1", ssin=None, legal_context="DISTRIBUTION", criteria=criteria)
    words = list(answer.root.iterfind("word"))
    assert len(words) <= 1
    return str(words[0][-1].tag) if words else None


async def reload(world: World, rules: str) -> None:
    """These are the rules, and the hub has them."""
    await load_files(world.database_url, [parse(rules, "world.toml")], world.catalogue)
    number = (await read(world.database_url)).number
    await until(lambda: world.hub.rules.rules.number >= number)
