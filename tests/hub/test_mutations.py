"""Mutations over the real broker and database: who is told what, under which position, and what the sender hears."""

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from hub.delivering import Delivering
from hub.distribution import MutationFacts, recipients
from hub.mutation import Mutations
from hub.positions import Positions
from hub.queries import QUERIES
from schemas import answers
from schemas.address import Address
from schemas.period import Period, today
from schemas.wire import names
from tests.hub.mutations import Owner, Receiver, mutation, right, row
from tests.hub.star import (
    CUSTOMER,
    INACTIVE,
    MANAGING,
    ONE,
    PATIENCE,
    PCSW_A,
    STRANGER,
    THREE,
    TWO,
    opened,
    refusing,
    until,
)

OWNER, FUND, GRANTING = ONE, TWO, CUSTOMER

MORE_RULES = "".join([
    right("change", "5-0", "Change/1", 100),
    right("change-anew", "7-0", "Change/1", 101, "integrate = 101"),
    right("claim", "5-0", "Claim/1", 100),
    row("Change/1", "7-0", [102], 'without = ["benefit/amount", "benefit/account"]'),
    row("Change/1", "7-0", [103], 'without = ["benefit/account"]\nintegrate = 103'),
    row("Change/1", "64-0", [0], 'dossiers = "all"'),
    row("Change/1", "16-0", [1], 'codes = ["X"]'),
    row("Change/1", "12-0", []),
    row("Change/1", "17-1", [2]),
    right("person", "5-0", "PersonMutation/1", 100),
    row("PersonMutation/1", "7-0", [102]),
    row("Claim/1", "7-0", [102]),
    row("Claim/1", "64-0", [0]),
])  # fmt: skip


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory):
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), MORE_RULES) as star:
        await star.hub()
        await star.hub()
        yield star


@pytest.fixture(scope="module")
async def owner(star):
    return await Owner(star, OWNER).open()


@pytest.fixture(scope="module")
async def told(star):
    return {address: await Receiver(star, address).open() for address in (FUND, GRANTING, THREE, MANAGING, STRANGER)}


@pytest.fixture(scope="module")
async def fund(star):
    """As a sender: what it sends registers the person with it."""
    return await Owner(star, FUND).open()


#: The fund, as its messages name it.
SEVEN = "<sector>7</sector><institution>0</institution>"


async def known(star, *more):
    """A new person whom the owner knows too."""
    return await star.person((OWNER, 100), *more)


async def who(told, answered):
    """Who got it, once all who did have: positions say that nobody is still to come."""
    ticket = str(answered.later.ticket_cbss)
    return {str(a): [one for one in r.words if one.ticket == ticket] for a, r in told.items()}


async def test_who_knows_the_person_is_told_what_it_may_see_and_nobody_else(star, owner, told):
    ssin = await known(star, (FUND, 103), (GRANTING, 0, None, date(2001, 1, 1), date(2002, 1, 1)))
    rules = star.hubs[0].rules.rules
    facts = MutationFacts("Change/1", OWNER, Period(date(2026, 1, 1), None), today())
    previewed = recipients(rules, facts, await star.hubs[0].persons.rows(ssin))
    verdict = await owner.send(mutation(ssin))
    assert (verdict.code, verdict.recipients, verdict.later.customer) == ("MSG00000", [], OWNER)
    ticket = str(verdict.later.ticket_cbss)
    fund, granting = await told[FUND].of_ticket(ticket), await told[GRANTING].of_ticket(ticket)
    assert fund.benefit == {"kind": "pension", "amount": "1"}
    assert granting.benefit == {"kind": "pension", "amount": "1", "account": "BE1"}
    assert fund.word.flow == "M"
    assert fund.delivery.properties.reply_to is None
    assert [(str(e.recipient), e.qualities) for e in fund.word.entitled] == [("7-0", {103})]
    got = await who(told, verdict)
    assert sorted(a for a, words in got.items() if words) == sorted(str(one.address) for one in previewed)
    assert await star.kinds(verdict.later.ticket_cbss) == ["decision", "outcome"]


async def test_two_qualities_get_different_content_and_both_what_either_may_have(star, owner, told):
    for qualities, seen in (((102,), {"kind"}), ((103,), {"kind", "amount"}), ((102, 103), {"kind", "amount"})):
        ssin = await known(star, *((FUND, quality) for quality in qualities))
        verdict = await owner.send(mutation(ssin))
        assert set((await told[FUND].of_ticket(str(verdict.later.ticket_cbss))).benefit) == seen


async def test_a_code_and_a_network_and_an_inactive_institution(star, owner, told):
    ssin = await known(star, (THREE, 1), (Address(17, 1), 2), (INACTIVE, 0))
    without_code = await owner.send(mutation(ssin))
    await told[MANAGING].of_ticket(str(without_code.later.ticket_cbss))
    with_code = await owner.send(mutation(ssin, code="X"))
    await told[THREE].of_ticket(str(with_code.later.ticket_cbss))
    await told[MANAGING].of_ticket(str(with_code.later.ticket_cbss))
    assert [one.ticket for one in told[THREE].words] == [str(with_code.later.ticket_cbss)]
    assert await star.depth(names.mutations(INACTIVE)) == 0


async def test_nobody_and_a_destination_that_may_not_be_told(star, owner, told):
    ssin = await known(star, (FUND, 102))
    nobody = await owner.send(mutation(await known(star)))
    assert nobody.code == "MSG00021"
    refused = await owner.send(mutation(ssin, destinations=[STRANGER]))
    assert (refused.code, refused.information) == ("MSG00021", [("destination", "1-0")])
    partly = await owner.send(mutation(ssin, destinations=[STRANGER, FUND]))
    assert (partly.code, partly.information) == ("MSG00000", [("destination", "1-0")])


async def test_what_was_refused_stays_refused_under_its_ticket(star, owner, told):
    ssin = await star.person((FUND, 102))
    body = mutation(ssin)
    before = await owner.send(body)
    assert before.code not in ("MSG00000", "MSG00021")
    await star.know(ssin, (OWNER, 100))
    again = await owner.send(body)
    assert again.code == before.code
    assert (await owner.send(mutation(ssin))).code == "MSG00000"


async def test_positions_have_no_gap_and_follow_the_verdicts(star, owner, told):
    ssin = await known(star, (FUND, 102))
    before = max((one.position for one in told[FUND].words), default=0)
    tickets = [str((await owner.send(mutation(ssin, reference="a"))).later.ticket_cbss) for _ in range(6)]
    words = [await told[FUND].of_ticket(ticket) for ticket in tickets]
    assert [one.position for one in words] == list(range(before + 1, before + 7))
    assert len({one.word.series for one in words}) == 1


async def test_many_at_once_by_several_hubs_are_each_told_once_under_positions_without_a_gap(star, owner, told):
    persons = [await known(star, (FUND, 102), (GRANTING, 0)) for _ in range(20)]
    begun = {a: len(told[a].words) for a in (FUND, GRANTING)}
    last = {a: max((one.position for one in told[a].words), default=0) for a in (FUND, GRANTING)}
    verdicts = await asyncio.gather(*(owner.send(mutation(ssin)) for ssin in persons for _ in range(3)))
    assert {one.code for one in verdicts} == {"MSG00000"}
    for address in (FUND, GRANTING):
        await until(lambda address=address: len(told[address].words) >= begun[address] + 60)
        positions = sorted(one.position for one in told[address].words[begun[address] :])
        assert positions == list(range(last[address] + 1, last[address] + 61))


async def test_what_comes_again_is_decided_once_and_told_alike_whatever_the_rules_are_now(star, owner, told):
    ssin = await known(star, (FUND, 102))
    body = mutation(ssin)
    first = await owner.send(body)
    word = await told[FUND].of_ticket(str(first.later.ticket_cbss))
    await star.reload(star.rules.replace('id = "change"', 'id = "change-not"\nmin_phase = 9'))
    try:
        again = await owner.send(body)
    finally:
        await star.reload(star.rules)
    assert (again.code, again.later.ticket_cbss) == ("MSG00000", first.later.ticket_cbss)
    await until(lambda: len([one for one in told[FUND].words if one.ticket == word.ticket]) == 2)
    assert {one.position for one in told[FUND].words if one.ticket == word.ticket} == {word.position}
    assert (await star.kinds(first.later.ticket_cbss))[:2] == ["decision", "outcome"]
    assert set(await star.kinds(first.later.ticket_cbss)) == {"decision", "outcome", "resumed", "repeated"}
    other = await owner.send(body.replace(b"<amount>1<", b"<amount>2<"))
    assert other.code == "CRB00009"


@pytest.mark.parametrize(
    ("change", "properties", "code"),
    [
        (lambda b: b.replace(b"<kind>pension</kind>", b""), {}, "MSG00008"),
        (lambda b: b.replace(b"<action>CREATED", b"<action>MADE"), {}, "MSG00008"),
        (lambda b: b.replace(b"2026-01-01</beginDate>", b"2026-01-01</beginDate><endDate>2025-01-01</endDate>"), {},
         "MSG00008"),
        (lambda b: b.replace(b"<legalContext>TEST", b"<legalContext>OTHER"), {}, "MSG00013"),
        (lambda b: b.replace(b"<ticket>", b"<!--").replace(b"</ticket>", b"-->"), {}, "MSG00008"),
        (lambda b: b.replace(b"pension", b"x" * 600_000), {}, "CRB00001"),
        (lambda b: b, {"type": "Probe/1"}, "CRB00008"),
        (lambda b: b.replace(b"<sector>5<", b"<sector>7<"), {}, "CRB00007"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_and_nobody_gets_it(star, owner, told, change, properties, code):
    ssin = await known(star, (FUND, 102))
    before = len(told[FUND].words)
    verdict = await owner.send(change(mutation(ssin)), **properties)
    assert verdict.code == code
    assert len(told[FUND].words) == before


async def test_what_the_database_will_never_take_costs_that_mutation_alone(star, owner, told):
    persons = [await known(star, (FUND, 102)) for _ in range(20)]
    before = len(told[FUND].words)
    async with refusing(star, "mutation", "correlation_id <> 'never'"):
        verdict, *others = await asyncio.gather(
            owner.send(mutation(persons[0]), correlation_id="never"),
            *(owner.send(mutation(ssin)) for ssin in persons[1:]),
        )
    assert (verdict.code, verdict.later.type) == ("MSG00003", "fault")
    assert {one.code for one in others} == {"MSG00000"}
    assert await star.kinds(verdict.later.ticket_cbss) == ["decision", "outcome"]
    assert (await owner.send(mutation(persons[0]))).code == "MSG00000"
    assert len(told[FUND].words) == before + len(persons)


def of_a_register(ssin):
    """A mutation of who knows everybody."""
    body = mutation(ssin, service="PersonMutation/1", content="<person><birthDate>1950-01-01</birthDate></person>")
    return body.replace(b"urn:test:", b"urn:crossroads:services:").replace(b"r:request", b"r:personMutationRequest")


async def test_a_replaced_number_is_told_to_the_owner_who_knows_everybody_too(star, owner, told):
    old, new = await star.person(), await star.person((FUND, 102))
    assert (await owner.send(of_a_register(new))).code == "MSG00000"
    assert (await owner.send(of_a_register(old))).code == "MSG00021"
    await star.replace(old, new)
    refused = await owner.send(of_a_register(old))
    assert (refused.code, refused.information) == ("MSG00006", [("newSSIN", new.digits)])
    assert (await owner.send(of_a_register(new))).code == "MSG00000"
    assert (await owner.send(mutation(old))).code == "MSG00012"  # who does not know the person is told nothing of it


async def test_nobody_is_registered_under_a_number_that_was_replaced(star, fund, told):
    """Who may register whomever he tells of is told the number that stands, though he knew the person under none."""
    old, new = await star.person(), await star.person((GRANTING, 0))
    await star.replace(old, new)
    refused = await fund.send(mutation(old, owner=SEVEN))
    assert (refused.code, refused.information) == ("MSG00006", [("newSSIN", new.digits)])
    assert await rows_of(star, old, FUND) == []
    assert (await fund.send(mutation(new, owner=SEVEN))).code == "MSG00000"
    assert len(await rows_of(star, new, FUND)) == 1


async def behind(star):
    """From which position on each recipient is owed."""
    connection = await star.connect()
    try:
        records = await connection.fetch("SELECT address, owed_from FROM recipient WHERE owed_from IS NOT NULL")
        await connection.execute("UPDATE recipient SET owed_from = NULL")
    finally:
        await connection.close()
    return {record["address"]: record["owed_from"] for record in records}


async def test_a_bug_for_one_recipient_is_no_refusal_and_costs_no_other_its_word(star, owner, told, monkeypatch):
    ssin = await known(star, (FUND, 102), (GRANTING, 0))
    last = max((one.position for one in told[FUND].words), default=0)

    def crash(rows):
        if rows[0].recipient == FUND:
            raise ZeroDivisionError
        return ()

    with monkeypatch.context() as broken:
        broken.setattr("hub.delivering.cuts", crash)
        body = mutation(ssin, service="Claim/1")
        verdict = await owner.send(body)
    assert (verdict.code, verdict.recipients) == ("MSG00000", ["7-0", "64-0"])
    ticket = str(verdict.later.ticket_cbss)
    await told[GRANTING].of_ticket(ticket)
    assert [one for one in told[FUND].words if one.ticket == ticket] == []
    assert await behind(star) == {"7-0": last + 1}
    assert await star.kinds(verdict.later.ticket_cbss) == ["decision", "outcome"]
    assert (await owner.send(body)).code == "MSG00000"
    assert (await told[FUND].of_ticket(ticket)).position == last + 1


@pytest.mark.parametrize("step", ["deliver", "_verdict"])
async def test_a_bug_after_the_commit_is_no_refusal(star, owner, told, monkeypatch, step):
    ssin = await known(star, (FUND, 102), (GRANTING, 0))
    last = {a: max((one.position for one in told[a].words), default=0) for a in (FUND, GRANTING)}
    of, real, calls = (Delivering, None, []) if step == "deliver" else (Mutations, Mutations._verdict, [])

    def crash(self, *arguments):
        calls.append(1)
        if real is not None and len(calls) == 1:
            return real(self, *arguments)  # the one that is made before the commit
        raise ZeroDivisionError

    dead = await star.depth(names.DEAD)
    body = mutation(ssin)
    with monkeypatch.context() as broken:
        broken.setattr(of, step, crash)
        correlation = await owner.publish(body)
        if step == "deliver":
            assert (verdict := await owner.heard(correlation)).code == "MSG00000"
            assert await behind(star) == {str(a): position + 1 for a, position in last.items()}
        else:
            async with asyncio.timeout(PATIENCE):
                while await star.depth(names.DEAD) == dead:  # noqa: ASYNC110  nobody is told; its owner sends again
                    await asyncio.sleep(0.01)
    await behind(star)
    verdict = await owner.send(body)
    assert verdict.code == "MSG00000"
    for address, position in last.items():
        word = await told[address].of_ticket(str(verdict.later.ticket_cbss))
        assert word.position == position + 1
    outcomes = [entry.code for entry in await star.journal(verdict.later.ticket_cbss) if entry.kind != "decision"]
    assert "MSG00003" not in outcomes


async def test_who_does_not_know_the_person_may_not_send_and_a_reference_is_one_persons(star, owner):
    stranger = await star.person((FUND, 102))
    assert (await owner.send(mutation(stranger))).code == "MSG00012"
    one, other = await known(star, (FUND, 102)), await known(star, (FUND, 102))
    reference = str(uuid4())
    assert (await owner.send(mutation(one, reference=reference))).code == "MSG00000"
    assert (await owner.send(mutation(other, reference=reference))).code == "MSG00008"
    assert (await owner.send(mutation(other, reference=reference, service="Claim/1"))).code == "MSG00000"


async def test_a_direct_reply_to_and_an_on_line_queue_take_no_mutation(star, owner):
    ssin = await known(star, (FUND, 102))
    told = await star.send(mutation(ssin), sender=OWNER)
    assert told.code == "CRB00008"


async def rows_of(star, ssin, address):
    rows = await star.hubs[0].persons.rows(ssin)
    return sorted((row.quality, row.period.begin, row.period.end) for row in rows if row.kind == address)


async def test_a_destination_is_registered_and_cancelling_takes_that_out_again(star, owner, told):
    ssin = await known(star)
    reference, period = str(uuid4()), ("2026-01-01", "2026-03-31")
    first = await owner.send(mutation(ssin, reference=reference, destinations=[FUND], period=period))
    assert first.code == "MSG00000"
    await told[FUND].of_ticket(str(first.later.ticket_cbss))
    assert await rows_of(star, ssin, FUND) == [(103, date(2026, 1, 1), date(2026, 3, 31))]
    other = await owner.send(mutation(ssin, destinations=[FUND], period=("2026-03-01", "2026-05-31")))
    assert other.code == "MSG00000"
    assert await rows_of(star, ssin, FUND) == [(103, date(2026, 1, 1), date(2026, 5, 31))]
    cancelled = await owner.send(mutation(ssin, reference=reference, action="CANCELLED", period=period))
    assert cancelled.code == "MSG00000"
    await told[FUND].of_ticket(str(cancelled.later.ticket_cbss))
    # March is the other one's too, and stays.
    assert await rows_of(star, ssin, FUND) == [(103, date(2026, 3, 1), date(2026, 5, 31))]
    assert await rows_of(star, ssin, OWNER) == [(100, date(2000, 1, 1), None)]


async def test_a_cancelling_one_reaches_who_was_told_though_it_knows_the_person_no_more(star, owner, told):
    ssin, reference = await known(star), str(uuid4())
    await owner.send(mutation(ssin, reference=reference, destinations=[FUND]))
    await owner.send(mutation(ssin, reference=reference, action="CANCELLED", destinations=[FUND]))
    assert await rows_of(star, ssin, FUND) == []
    again = await owner.send(mutation(ssin, reference=reference, action="CANCELLED"))
    await told[FUND].of_ticket(str(again.later.ticket_cbss))


async def test_what_is_older_than_100_days_is_forgotten_but_what_is_in_force_or_open(star, owner, told):
    ssin, reference = await known(star, (FUND, 102)), str(uuid4())
    old = await owner.send(mutation(await known(star, (FUND, 103))))
    z = await owner.send(mutation(ssin, service="Claim/1"))
    force = await owner.send(mutation(await known(star), reference=str(uuid4()), destinations=[FUND]))
    gone = await owner.send(mutation(taken := await known(star), reference=reference, destinations=[FUND]))
    await owner.send(mutation(taken, reference=reference, action="CANCELLED"))
    tickets = [one.later.ticket_cbss for one in (old, z, force, gone)]
    connection = await star.connect()
    try:
        for table, column in (("mutation", "at"), ("mutation_integration", "withdrawn")):
            await connection.execute(
                f"UPDATE {table} SET {column} = {column} - interval '101 days' WHERE ticket_cbss = ANY ($1)", tickets
            )
        await star.hubs[0]._positions.forget()

        async def left(table):
            found = await connection.fetch(f"SELECT ticket_cbss FROM {table} WHERE ticket_cbss = ANY ($1)", tickets)
            return {record["ticket_cbss"] for record in found}

        assert await left("mutation") == await left("delivery") == {z.later.ticket_cbss}
        assert await left("mutation_integration") == {force.later.ticket_cbss}
    finally:
        await connection.close()


async def test_a_sender_with_the_right_is_registered(star, fund, told):
    ssin, reference = await star.person((GRANTING, 0)), str(uuid4())
    verdict = await fund.send(mutation(ssin, owner=SEVEN, reference=reference))
    assert verdict.code == "MSG00000"
    await told[GRANTING].of_ticket(str(verdict.later.ticket_cbss))
    assert await rows_of(star, ssin, FUND) == [(101, date(2026, 1, 1), None)]
    await fund.send(mutation(ssin, owner=SEVEN, reference=reference, action="CANCELLED"))
    assert await rows_of(star, ssin, FUND) == []


async def test_a_registration_follows_the_newest_mutation_of_its_reference(star, fund, told):
    """Two work relations of one person: each opens, closes, moves; what neither wants goes. docs/decisions/0008."""
    ssin, first, second = await star.person((GRANTING, 0)), str(uuid4()), str(uuid4())

    async def says(action, reference, *period):
        told_ = await fund.send(mutation(ssin, owner=SEVEN, reference=reference, action=action, period=period))
        assert told_.code == "MSG00000"
        return [(begin, end) for quality, begin, end in await rows_of(star, ssin, FUND) if quality == 101]

    day = date.fromisoformat
    assert await says("CREATED", first, "2026-01-01", "") == [(day("2026-01-01"), None)]
    assert await says("STOPPED", first, "2026-01-01", "2026-02-28") == [(day("2026-01-01"), day("2026-02-28"))]
    # The second holds days of the first, whatever becomes of that.
    assert await says("CREATED", second, "2026-02-01", "2026-02-28") == [(day("2026-01-01"), day("2026-02-28"))]
    assert await says("CHANGED", first, "2026-01-15", "") == [(day("2026-01-15"), None)]
    assert await says("CHANGED", first, "2026-03-10", "2026-03-31") == [
        (day("2026-02-01"), day("2026-02-28")),
        (day("2026-03-10"), day("2026-03-31")),
    ]
    assert await says("CANCELLED", second, "2026-02-01", "2026-02-28") == [(day("2026-03-10"), day("2026-03-31"))]
    assert await says("CANCELLED", first, "2026-03-10", "2026-03-31") == []


async def test_who_registered_itself_is_not_registered_for_less(star, fund, told):
    """Nothing that a mutation did not add is ever taken out."""
    ssin, reference = await star.person((FUND, 101), (GRANTING, 0)), str(uuid4())
    before = await rows_of(star, ssin, FUND)
    for action, end in (("CREATED", ""), ("STOPPED", "2026-02-28"), ("CANCELLED", "2026-02-28")):
        body = mutation(ssin, owner=SEVEN, reference=reference, action=action, period=("2026-01-01", end))
        assert (await fund.send(body)).code == "MSG00000"
        assert await rows_of(star, ssin, FUND) == before


@pytest.mark.parametrize("action", ["CREATED", "CHANGED"])
async def test_ones_own_registration_is_not_made_longer_by_the_second_mutation_either(star, fund, told, action):
    ssin, first = await star.person((FUND, 101, None, date(2000, 1, 1), date(2026, 6, 30)), (GRANTING, 0)), str(uuid4())
    before = await rows_of(star, ssin, FUND)
    second = first if action == "CHANGED" else str(uuid4())
    for what, reference in (("CREATED", first), (action, second)):
        body = mutation(ssin, owner=SEVEN, reference=reference, action=what)
        assert (await fund.send(body)).code == "MSG00000"
        assert await rows_of(star, ssin, FUND) == before


async def test_a_load_of_a_file_holds_up_those_alone_that_change_the_repertory(star, owner, fund, told):
    waiting, others = await star.person((GRANTING, 0)), [await known(star, (FUND, 102)) for _ in range(6)]
    connection = await star.connect()
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["persons_lock"])
            late = [await fund.publish(mutation(waiting, owner=SEVEN)) for _ in star.hubs]
            await until_waiting(connection, len(star.hubs))
            assert {(await owner.send(mutation(ssin))).code for ssin in others} == {"MSG00000"}
            assert not any(fund.queue(one).qsize() for one in late)
    finally:
        await connection.close()
    assert {(await fund.heard(one)).code for one in late} == {"MSG00000"}


async def until_waiting(connection, count):
    """So many wait for the lock of the table of persons."""
    query = "SELECT count(*) FROM pg_locks WHERE relation = 'person'::regclass AND NOT granted"
    async with asyncio.timeout(PATIENCE):
        while await connection.fetchval(query) < count:  # noqa: ASYNC110  a database tells nobody that one waits
            await asyncio.sleep(0.02)


async def test_of_two_under_one_ticket_in_one_commit_the_recipients_of_one_alone_are_told(
    star, owner, told, monkeypatch
):
    """Of two persons, so that nothing keeps them out of one group; who knows the one has no right to the other."""
    persons = [await known(star, (FUND, 102)), await known(star, (GRANTING, 0))]
    decide, came, both = Positions.decide, [], asyncio.Event()

    async def together(self, *given):
        came.append(given)
        if len(came) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), PATIENCE)
        return await decide(star.hubs[0]._positions, *given)

    monkeypatch.setattr(Positions, "decide", together)
    ticket = str(uuid4())
    verdicts = await asyncio.gather(*(owner.send(mutation(ssin, ticket=ticket)) for ssin in persons))
    codes = [one.code for one in verdicts]
    assert sorted(codes) == ["CRB00009", "MSG00000"]
    connection = await star.connect()
    try:
        query = "SELECT array_agg(recipient) FROM delivery WHERE ticket_cbss = $1"
        told_ = await connection.fetchval(query, verdicts[0].later.ticket_cbss)
    finally:
        await connection.close()
    assert told_ == [str((FUND, GRANTING)[codes.index("MSG00000")])]


async def test_a_recipient_that_is_not_named_again_is_wanted_in_the_newest_days(star, owner, told):
    ssin, reference = await known(star), str(uuid4())
    for action, destinations, end, rows in (
        ("CREATED", [FUND], "", [(103, date(2026, 1, 1), None)]),
        ("STOPPED", [], "2026-03-31", [(103, date(2026, 1, 1), date(2026, 3, 31))]),
        ("CHANGED", [], "2026-06-30", [(103, date(2026, 1, 1), date(2026, 6, 30))]),
        ("CANCELLED", [], "2026-06-30", []),
    ):
        body = mutation(ssin, reference=reference, action=action, destinations=destinations, period=("2026-01-01", end))
        assert (await owner.send(body)).code == "MSG00000"
        assert await rows_of(star, ssin, FUND) == rows


async def test_a_number_that_is_replaced_while_its_mutation_is_decided(star, fund, told, monkeypatch):
    """Between the look and the lock: nothing is registered under the number that is no more."""
    ssin = await star.person((FUND, 101), (GRANTING, 0))
    new = await star.person()
    decide = Positions.decide

    async def replaced_first(self, passing, make, made=None):
        monkeypatch.undo()
        await star.replace(ssin, new)
        return await decide(self, passing, make, made)

    monkeypatch.setattr(Positions, "decide", replaced_first)
    verdict = await fund.send(mutation(ssin, owner=SEVEN, reference=str(uuid4())))
    assert (verdict.code, verdict.information) == ("MSG00006", [("newSSIN", new.digits)])


async def test_registrations_that_come_together_are_each_as_if_alone(star, fund, told):
    """A hundred persons at once, two mutations each, and one that was decided before under other content."""
    persons = [await star.person((GRANTING, 0)) for _ in range(100)]
    used = mutation(persons[0], owner=SEVEN, ticket=(ticket := str(uuid4())), reference="used")
    assert (await fund.send(used)).code == "MSG00000"
    before = len(told[GRANTING].words)
    position = told[GRANTING].words[-1].position
    bodies = [
        mutation(ssin, owner=SEVEN, reference=f"{ssin.digits}{period[0]}", period=period)
        for ssin in persons
        for period in (("2026-01-01", "2026-01-31"), ("2026-03-01", "2026-03-31"))
    ]
    other = mutation(persons[0], owner=SEVEN, ticket=ticket, reference="other")
    verdicts = await asyncio.gather(*map(fund.send, (*bodies[:100], other, *bodies[100:])))
    codes = [one.code for one in verdicts]
    assert codes.pop(100) == "CRB00009"
    assert set(codes) == {"MSG00000"}
    await until(lambda: len(told[GRANTING].words) >= before + len(bodies))
    positions = sorted(one.position for one in told[GRANTING].words[before:])
    assert positions == list(range(position + 1, position + 1 + len(bodies)))
    for ssin in persons[1:]:
        assert await rows_of(star, ssin, FUND) == [
            (101, date(2026, 1, 1), date(2026, 1, 31)),
            (101, date(2026, 3, 1), date(2026, 3, 31)),
        ]


async def test_a_verdict_of_a_z_names_the_recipients(star, owner, told):
    ssin = await known(star, (FUND, 102), (GRANTING, 0))
    verdict = await owner.send(mutation(ssin, service="Claim/1"))
    assert (verdict.code, verdict.recipients) == ("MSG00000", ["7-0", "64-0"])
    word = await told[FUND].of_ticket(str(verdict.later.ticket_cbss))
    assert (word.word.flow, word.delivery.properties.reply_to) == ("Z", names.DEFINITIVE)
    assert word.delivery.properties.correlation_id == f"{UUID(word.ticket)}/m"


@pytest.mark.parametrize(("names_", "left"), [(FUND, ["7-0"]), (Address(17, 1, PCSW_A), []), (GRANTING, [])], ids=str)
async def test_a_definitive_answer_names_nobody_whom_the_verdict_did_not(star, owner, told, names_, left):
    """Behind a relay it would say which member knows the person."""
    ssin = await known(star, (FUND, 102))
    verdict = await owner.send(mutation(ssin, service="Claim/1"), correlation_id=(of_it := f"mutation:{uuid4()}"))
    word = await told[FUND].of_ticket(str(verdict.later.ticket_cbss))
    service, now = star.catalogue.services["Claim/1"], datetime.now(UTC)
    supplier = answers.information_supplier(word.root, names_, now, now)
    body = answers.data_response(
        service, word.root, [supplier], "MSG00000", replied=now, ticket_cbss=verdict.later.ticket_cbss
    )
    await told[FUND].answer(word, body)
    answer = await owner.heard(of_it)
    assert (answer.code, answer.later.recipient) == ("MSG00000", FUND)
    assert not service.violations_of(answer.root, "response")
    named = [one.findtext("sector") for one in answer.root.iterfind("informationSupplier/supplierIdentification")]
    assert [f"{sector}-0" for sector in named] == left
    assert PCSW_A.encode() not in answer.delivery.body


async def test_who_does_not_wait_for_the_verdict_has_no_order_and_is_told_of_each_once(star, owner, told):
    ssin = await known(star, (FUND, 102))
    before = len(told[FUND].words)
    verdicts = await asyncio.gather(*(owner.send(mutation(ssin, reference=f"{n}")) for n in range(10)))
    assert {one.code for one in verdicts} == {"MSG00000"}
    await until(lambda: len(told[FUND].words) >= before + 10)
    assert {one.reference for one in told[FUND].words[before:]} == {f"{n}" for n in range(10)}
