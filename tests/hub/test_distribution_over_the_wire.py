"""Owner and recipients with the library, around real hubs: applied once and in order, caught up with, answered."""

import asyncio
import json
import shutil
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
from lxml import etree
from typer.testing import CliRunner

from deploy.command.distribution import group
from institutions import (
    Database,
    Institution,
    MemoryInbox,
    MemoryOutbox,
    PostgresInbox,
    PostgresOutbox,
    Unprocessable,
)
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.period import Period
from schemas.wire import names
from tests.hub.controls import paused
from tests.hub.mutations import right, row
from tests.hub.star import CONTEXT, CUSTOMER, ONE, PATIENCE, THREE, TWO, opened, until

OWNER, FUND, GRANTING = ONE, TWO, CUSTOMER
GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
ROWS = "".join([
    row("Change/1", "7-0", [101], 'without = ["benefit/account"]'),
    row("Change/1", "64-0", [0]),
    row("Change/1", "16-0", [1], 'dossiers = "all"'),
    row("Claim/1", "7-0", [101]),
    row("Claim/1", "64-0", [0]),
])  # fmt: skip
MORE_RULES = "".join([
    right("change", "5-0", "Change/1", 100),
    right("claim", "5-0", "Claim/1", 100),
    *(
        f'[[authorisation]]\nid = "catch-up-{kind}"\ncustomer = "{kind}"\nlegal_context = "DISTRIBUTION"\n'
        f'service = "{service}"\nqualities = [{quality}]\n{GIVEN}'
        for kind, service, quality in (
            ("7-0", "CatchUp/1", 101), ("64-0", "CatchUp/1", 0), ("16-0", "CatchUp/1", 1), ("5-0", "FollowUp/1", 100),
        )
    ),
    '[[availability]]\nservice = "RepeatMutation/1"\naddress = "5-0"\neverybody = true\n',
    ROWS,
])  # fmt: skip
PERIOD = Period(date(2026, 1, 1), None)


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory):
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), MORE_RULES) as star:
        await star.hub()
        yield star


@pytest.fixture(scope="module")
async def database(postgresql):
    """Makes databases of institutions."""
    async with AsyncExitStack() as stack:

        async def make():
            name = f"test_{uuid4().hex[:12]}"
            made = Database(await postgresql.create_database(name))
            stack.push_async_callback(postgresql.drop_database, name)
            stack.push_async_callback(made.close)
            return made

        yield make


def institution(star, address, **more):
    return Institution(
        address, star.url(str(address)), catalogue=star.catalogue, timeout=PATIENCE, report=lambda _: None, **more
    )


def benefit(kind="pension"):
    element = etree.Element("benefit")
    for name, text in (("kind", kind), ("amount", "1"), ("account", "BE1")):
        etree.SubElement(element, name).text = text
    return [element]


class Sender:
    """An owner with the library, and what it heard."""

    def __init__(self, me):
        self.me = me
        self.heard = defaultdict(list)
        self._more = asyncio.Event()
        me.verdicts(self._hear)

    async def _hear(self, verdict):
        self.heard[verdict.number].append(verdict)
        self._more.set()
        self._more = asyncio.Event()

    async def send(self, ssin, service="Change/1", **more):
        says = {"action": "CREATED", "reference": str(uuid4()), "legal_context": CONTEXT, "content": benefit()} | more
        return await self.me.publish(self.me.mutation(service, person=ssin, period=PERIOD, **says))

    async def verdict(self, number, count=1):
        """What was heard of it, once there is so much."""
        async with asyncio.timeout(PATIENCE):
            while len(self.heard[number]) < count:
                await self._more.wait()
        return self.heard[number]


@asynccontextmanager
async def sending(star, outbox=None):
    me = institution(star, OWNER, outbox=outbox or MemoryOutbox())
    sender = Sender(me)
    async with me:
        assert await me.supplying()
        yield sender


class Applied:
    """A recipient with the library, and what it applied, in its order."""

    def __init__(self, me, *services):
        self.me, self.words, self.missed = me, [], []
        for service in services or ("Change/1", "Claim/1"):
            me.receives(service)(self.take)
        me.missed(self._miss)
        self.fail = lambda word: None

    async def take(self, word):
        self.fail(word)
        self.words.append(word)

    async def _miss(self, missed):
        self.missed.append(missed)

    def of(self, ssin):
        return [word.says.reference for word in self.words if word.ssin == ssin]


async def operator(star, command):
    """What `crossroads distribution` prints."""
    arguments = [command, "--json", "--database", star.database_url]
    told = await asyncio.to_thread(CliRunner().invoke, group, arguments)
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


async def known(star, *more):
    return await star.person((OWNER, 100), *more)


async def test_applied_in_the_order_sent_with_its_effect_in_one_transaction(star, database):
    ssins = [await known(star, (FUND, 101), (GRANTING, 0)) for _ in range(3)]
    store = await database()
    async with store.connection() as connection:
        await connection.execute("CREATE TABLE effect (ssin text, reference text)")
    fund = institution(star, FUND, inbox=PostgresInbox(store))

    @fund.receives("Change/1")
    async def change(word, connection):
        await connection.execute("INSERT INTO effect VALUES ($1, $2)", word.ssin.digits, word.says.reference)

    granting = Applied(institution(star, GRANTING))
    async with sending(star, PostgresOutbox(await database())) as sender, fund, granting.me:
        numbers = [await sender.send(ssin, reference=f"{ssin.digits[-4:]}-{n}") for n in range(8) for ssin in ssins]
        verdicts = [(await sender.verdict(number))[0] for number in numbers]
        assert {(one.kind, one.code, one.recipients) for one in verdicts} == {("verdict", "MSG00000", ())}
        await until(lambda: len(granting.words) == 24)

        async def effects():
            async with store.connection() as connection:
                return await connection.fetch("SELECT ssin, reference FROM effect")

        async with asyncio.timeout(PATIENCE):
            while len(found := await effects()) < 24:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    for ssin in ssins:
        sent = [f"{ssin.digits[-4:]}-{n}" for n in range(8)]
        assert [r["reference"] for r in found if r["ssin"] == ssin.digits] == sent
        assert granting.of(ssin) == sent
    assert [word.position for word in granting.words] == list(range(1, 25))
    assert (await PostgresInbox(store).at()).position == 24


@pytest.mark.parametrize(("kind", "what"), [("service", "Change/1"), ("customer", str(OWNER)), ("maintenance", "")])
async def test_what_is_sent_during_a_pause_arrives_after_it_in_order_and_once(star, database, kind, what):
    ssins = [await known(star, (GRANTING, 0)) for _ in range(3)]
    granting = Applied(institution(star, GRANTING))
    async with sending(star, PostgresOutbox(await database())) as sender, granting.me:
        begun = star.hubs[0].mutations.counts.answered
        async with paused(star, kind, what):
            references = [[str(uuid4()) for _ in range(5)] for _ in ssins]
            numbers = [
                await sender.send(ssin, reference=mine[n])
                for n in range(5)
                for ssin, mine in zip(ssins, references, strict=True)
            ]
            if kind == "maintenance":
                await waiting(star, names.ingress(OWNER, "mutation"))
            else:
                await until(lambda: star.hubs[0].mutations.counts.answered > begun)
            if kind == "service":  # others go on
                claim = await sender.send(await known(star, (GRANTING, 0)), "Claim/1")
                assert (await sender.verdict(claim))[0].code == "MSG00000"
            assert not any(sender.heard[number] for number in numbers)
        verdicts = [(await sender.verdict(number))[0] for number in numbers]
        assert {one.code for one in verdicts} == {"MSG00000"}
        await until(lambda: all(len(granting.of(ssin)) == 5 for ssin in ssins))
    assert [granting.of(ssin) for ssin in ssins] == references


async def waiting(star, queue):
    """Return when something waits in a queue."""
    async with asyncio.timeout(PATIENCE):
        while not await star.depth(queue):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_z_has_one_verdict_and_one_definitive_answer_of_each_recipient(star):
    ssin = await known(star, (FUND, 101), (GRANTING, 0))
    fund, granting = Applied(institution(star, FUND)), Applied(institution(star, GRANTING))

    def refuse(word):
        if word.flow == "Z":
            raise Unprocessable

    granting.fail = refuse
    async with sending(star) as sender:
        number = await sender.send(ssin, "Claim/1")
        [verdict] = await sender.verdict(number)
        assert (verdict.kind, verdict.code, verdict.recipients) == ("verdict", "MSG00000", ("7-0", "64-0"))
        asks = {"ssin": None, "legal_context": "DISTRIBUTION", "criteria": {"criteria/most": 5}}
        still = await sender.me.consult("FollowUp/1", **asks)
        assert [one.findtext("sector") for one in still.root.iterfind("submission/open")] == ["64", "7"]
        [told] = await operator(star, "open")
        assert (told["owner"], told["service"], told["open"]) == ("5-0", "Claim/1", ["64-0", "7-0"])
        async with fund.me, granting.me:
            heard = await sender.verdict(number, 3)
        assert Counter((one.kind, one.code, one.recipients) for one in heard) == Counter(
            [("verdict", "MSG00000", ("7-0", "64-0")), ("definitive", "MSG00000", ("7-0",)),
             ("definitive", "CRB00020", ("64-0",))]
        )  # fmt: skip
        assert (await sender.me.consult("FollowUp/1", **asks)).code == "MSG00100"
    assert [word.says.reference for word in granting.words if word.flow == "Z"] == []


async def test_what_the_database_cannot_even_be_asked_is_told_to_who_asked(star):
    """A moment that is none in the universal time."""
    async with institution(star, OWNER) as me:
        criteria = {"criteria/since": "0001-01-01T00:00:00+14:00"}
        answer = await me.consult("FollowUp/1", ssin=None, legal_context="DISTRIBUTION", criteria=criteria)
    assert (answer.kind, answer.code) == ("fault", "MSG00003")


@asynccontextmanager
async def bounded(star, address, most):
    """The queue of a recipient takes so many words."""
    path = f"/api/policies/{quote(star.vhost, safe='')}/bounded"
    policy = {
        "pattern": f"^{address}\\.mutation$", "apply-to": "queues",
        "definition": {"max-length": most, "overflow": "reject-publish"},
    }  # fmt: skip
    management = star.broker.management
    await asyncio.to_thread(management.put, path, policy)
    try:
        yield
    finally:
        await asyncio.to_thread(management.delete, path)


async def owed_from(star, address):
    connection = await star.connect()
    try:
        return await connection.fetchval("SELECT owed_from FROM recipient WHERE address = $1", str(address))
    finally:
        await connection.close()


async def test_who_was_away_for_longer_than_its_queue_catches_up_without_gap_or_double(star):
    ssins = [await known(star, (THREE, 1), (FUND, 101)) for _ in range(4)]
    away, fund = Applied(institution(star, THREE, inbox=MemoryInbox())), Applied(institution(star, FUND))
    async with sending(star) as sender, fund.me:
        async with bounded(star, THREE, 3):
            for n in range(40):
                number = await sender.send(ssins[n % 4], reference=f"{ssins[n % 4].digits[-4:]}-away-{n}")
                if n >= 8:  # the broker lets a few more in than it may
                    await sender.verdict(number)
            [told] = await operator(star, "behind")
            assert (told["address"], told["last"]) == ("16-0", 40)
            # Nobody else noticed anything.
            await until(lambda: len([w for w in fund.words if "-away-" in w.says.reference]) == 40)
            assert await owed_from(star, FUND) is None
        async with away.me:
            await until(lambda: len(away.words) >= 40)
            assert [word.position for word in away.words] == list(range(1, 41))
            for k, ssin in enumerate(ssins):
                assert away.of(ssin) == [f"{ssin.digits[-4:]}-away-{n}" for n in range(k, 40, 4)]
            async with asyncio.timeout(PATIENCE):
                while await owed_from(star, THREE) is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await sender.send(ssins[0], reference="afterwards")
            await until(lambda: len(away.words) == 41)
        assert away.missed == []
    assert await star.depth(names.mutations(THREE)) == 0


async def test_what_a_right_or_its_owner_does_not_give_any_more_is_told_as_missed(star):
    ssin = await known(star, (THREE, 1))
    outbox = MemoryOutbox()
    async with sending(star, outbox) as sender:
        async with bounded(star, THREE, 1):
            for n in range(6):
                number = await sender.send(ssin, "Change/1", reference=f"gone-{n}", action="CHANGED")
                await sender.verdict(number)
            last = 41 + 6
        outbox._bytes.pop(next(reversed(outbox._bytes)))  # the owner has the newest no more
        await purged(star, THREE)
        away = Applied(institution(star, THREE, inbox=MemoryInbox(start=last - 6)))
        async with away.me:
            await until(lambda: away.missed)
            assert [(one.position, one.why) for one in away.missed] == [(last, "lost")]
            assert [word.position for word in away.words] == list(range(last - 5, last))
        await star.reload(star.rules.replace('recipient = "16-0"', 'recipient = "16-0"\nto = 2025-01-01'))
        try:
            late = Applied(institution(star, THREE, inbox=MemoryInbox(start=last - 6)))
            async with late.me:
                await until(lambda: len(late.missed) == 6)
            assert {one.why for one in late.missed} == {"withheld"}
        finally:
            await star.reload(star.rules)


async def purged(star, address):
    """What its queue had is gone, as after 30 days."""
    await star.depth(names.mutations(address))
    async with star.admin() as channel:
        queue = await channel.get_queue(names.mutations(address), ensure=False)
        await queue.purge()


async def test_who_was_away_for_longer_than_the_hub_knows_goes_on_behind_what_is_forgotten(star):
    ssin = await known(star, (THREE, 1))
    connection = await star.connect()
    try:
        async with sending(star) as sender:
            for n in range(4):
                await sender.verdict(await sender.send(ssin, reference=f"forgotten-{n}"))
            await purged(star, THREE)
            last = await connection.fetchval("SELECT last FROM recipient WHERE address = '16-0'")
            await connection.execute(
                "DELETE FROM mutation WHERE ticket_cbss IN (SELECT ticket_cbss FROM delivery"
                " WHERE recipient = '16-0' AND position = ANY ($1::bigint[]))",
                [last - 3, last - 1],
            )
            away = Applied(institution(star, THREE, inbox=MemoryInbox(start=last - 4)))
            async with away.me:
                await until(lambda: len(away.words) == 2)
            assert [word.position for word in away.words] == [last - 2, last]
            assert [(one.position, one.why) for one in away.missed] == [(last - 3, "lost"), (last - 1, "lost")]
    finally:
        await connection.close()


async def test_an_owner_that_is_gone_stops_nobody_for_more_than_a_day_however_much_it_told(star):
    ssin = await known(star, (THREE, 1))
    async with sending(star) as sender:
        for n in range(3):
            await sender.verdict(await sender.send(ssin, reference=f"silent-{n}"))
    await purged(star, THREE)
    connection = await star.connect()
    try:
        last = await connection.fetchval("SELECT last FROM recipient WHERE address = '16-0'")
        away = Applied(institution(star, THREE, inbox=MemoryInbox(start=last - 3)))
        marked = "SELECT count(*) FROM delivery WHERE recipient = '16-0' AND position > $1 AND silent_since IS NOT NULL"
        async with away.me:
            async with asyncio.timeout(3 * PATIENCE):
                while await connection.fetchval(marked, last - 3) != 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert away.missed == []
        await connection.execute(
            "UPDATE delivery SET silent_since = now() - interval '2 days' WHERE silent_since IS NOT NULL"
        )
        later = Applied(institution(star, THREE, inbox=MemoryInbox(start=last - 3)))
        async with later.me:
            await until(lambda: len(later.missed) == 3)
        assert {one.why for one in later.missed} == {"lost"}
    finally:
        await connection.close()


async def test_what_cannot_be_taken_is_set_aside_with_what_follows_about_that_person(star, monkeypatch):
    monkeypatch.setattr("institutions.ordered.AGAIN", 0.01)
    one, other, third = [await known(star, (FUND, 101)) for _ in range(3)]
    fund = Applied(institution(star, FUND))
    errors = {one: RuntimeError, third: RuntimeError}

    def fail(word):
        if error := errors.get(word.ssin):
            raise error

    fund.fail = fail
    async with sending(star) as sender, fund.me:
        for ssin, reference in ((one, "a"), (one, "b"), (third, "d"), (other, "c")):
            await sender.verdict(await sender.send(ssin, reference=f"{ssin.digits[-4:]}{reference}"))
        await until(lambda: fund.of(other))
        assert fund.of(one) == []
        assert await fund.me.retry() == 3
        del errors[one]
        errors[third] = Unprocessable
        assert await fund.me.retry() == 0
        assert fund.of(third) == []
        assert fund.of(one) == [f"{one.digits[-4:]}a", f"{one.digits[-4:]}b"]


async def at_the_newest(star, store):
    """An inbox of the fund's own database, which begins where the fund is."""
    connection = await star.connect()
    try:
        last = await connection.fetchval("SELECT coalesce(max(last), 0) FROM recipient WHERE address = '7-0'")
    finally:
        await connection.close()
    return PostgresInbox(store, start=last)


async def test_what_is_set_aside_is_tried_again_each_hour_and_at_each_start(star, database, monkeypatch):
    monkeypatch.setattr("institutions.ordered.AGAIN", 0.01)
    one, third, other = [await known(star, (FUND, 101)) for _ in range(3)]
    inbox = await at_the_newest(star, await database())
    fund = Applied(institution(star, FUND, inbox=inbox))
    failing = {one, third}

    def fail(word):
        if word.ssin in failing:
            raise RuntimeError

    fund.fail = fail
    async with sending(star) as sender:
        async with fund.me:
            for ssin, reference in ((one, "a"), (one, "b"), (third, "c"), (third, "d"), (other, "e")):
                await sender.verdict(await sender.send(ssin, reference=f"{ssin.digits[-4:]}{reference}"))
            await until(lambda: fund.of(other))
            assert fund.of(one) == fund.of(third) == []
            failing.remove(one)
            monkeypatch.setattr("institutions.ordered.LOOK", 0.2)
            await sender.send(other, reference=f"{other.digits[-4:]}f")  # wakes it
            await until(lambda: fund.of(one) == [f"{one.digits[-4:]}a", f"{one.digits[-4:]}b"])
            assert fund.of(third) == []
        monkeypatch.setattr("institutions.ordered.LOOK", 3_600)
        again = Applied(institution(star, FUND, inbox=inbox))
        async with again.me:
            await sender.send(third, reference=f"{third.digits[-4:]}g")
            await until(lambda: len(again.of(third)) == 3)
        assert again.of(third) == [f"{third.digits[-4:]}{reference}" for reference in "cdg"]


async def test_one_that_is_set_aside_and_that_the_store_refuses_stops_no_others(star, database, monkeypatch):
    """What its receiver does fails at the commit alone, as a deferred constraint or a swallowed error does."""
    monkeypatch.setattr("institutions.ordered.AGAIN", 0.01)
    one, other = [await known(star, (FUND, 101)) for _ in range(2)]
    inbox = await at_the_newest(star, await database())
    fund = Applied(institution(star, FUND, inbox=inbox))

    def fail(word):
        if word.ssin == one:
            raise RuntimeError

    fund.fail = fail
    async with sending(star) as sender:
        async with fund.me:
            await sender.verdict(await sender.send(one, reference=f"{one.digits[-4:]}a"))
            await until_aside(inbox)
        taking = inbox.taking

        @asynccontextmanager
        async def refused(arrived):
            async with taking(arrived) as connection:
                yield connection
                raise asyncpg.ForeignKeyViolationError("at the commit")

        monkeypatch.setattr(inbox, "taking", refused)
        again = Applied(institution(star, FUND, inbox=inbox))
        async with again.me:
            await sender.verdict(await sender.send(other, reference=f"{other.digits[-4:]}b"))
            await until(lambda: again.of(other))
    assert len(await inbox.aside()) == 1


async def until_aside(inbox):
    async with asyncio.timeout(PATIENCE):
        while not await inbox.aside():  # noqa: ASYNC110  a database tells nobody what it has
            await asyncio.sleep(0.02)


async def test_a_word_of_a_service_that_is_not_known_here_waits_until_it_is(star, database, tmp_path):
    folder = tmp_path / "services"
    shutil.copytree(star.folder, folder)
    [claim] = [file.parent for file in folder.glob("*/service.toml") if 'name = "Claim"' in file.read_text()]
    unknown = claim.rename(tmp_path / "Claim")
    catalogue, reports = Catalogue((shipped(), folder)), []
    fund = Applied(
        Institution(
            FUND, star.url(str(FUND)), catalogue=catalogue, timeout=PATIENCE, report=reports.append,
            inbox=await at_the_newest(star, await database()),
        ),
        "Change/1",
    )  # fmt: skip
    one, other = [await known(star, (FUND, 101)) for _ in range(2)]
    numbers = []
    async with sending(star) as sender, fund.me:
        for ssin, service, reference in (
            (one, "Change/1", "a"), (one, "Claim/1", "b"), (one, "Change/1", "c"), (other, "Change/1", "d"),
        ):  # fmt: skip
            numbers.append(await sender.send(ssin, service, reference=f"{ssin.digits[-4:]}{reference}"))
            await sender.verdict(numbers[-1])
        await until(lambda: fund.of(other))
        assert fund.of(one) == [f"{one.digits[-4:]}a"]
        assert await fund.me.retry() == 2
        assert [(report.what, report.service) for report in reports] == [("nobody receives", "unknown")]
        unknown.rename(claim)
        catalogue.refresh()
        fund.me.receives("Claim/1")(fund.take)
        await until(lambda: len(fund.of(one)) == 3)
        assert fund.of(one) == [f"{one.digits[-4:]}{reference}" for reference in "abc"]
        assert [each.code for each in await sender.verdict(numbers[1], 2)] == ["MSG00000", "MSG00000"]


async def test_a_missed_word_that_its_receiver_fails_on_is_set_aside(star, database):
    ssin = await known(star, (FUND, 101))
    reference = f"{ssin.digits[-4:]}a"
    fund = Applied(institution(star, FUND, inbox=await at_the_newest(star, await database())))

    def fail(word):
        raise errors

    async with sending(star) as sender, fund.me:
        await sender.verdict(await sender.send(ssin, reference=reference))
        await until(lambda: fund.of(ssin))
        position = fund.words[-1].position
        fund.fail, errors = fail, RuntimeError()
        assert await fund.me.take(position) is False
        assert await fund.me.take(position) is False
        fund.fail = lambda _: None
        assert await fund.me.take(position) is True
        assert (fund.of(ssin), fund.words[-1].late) == ([reference] * 2, True)
        assert await fund.me.retry() == 0
        fund.fail, errors = fail, Unprocessable()
        assert await fund.me.take(position) is True
        assert await fund.me.retry() == 0


async def told_by(command, *words):
    """What a command of `crossroads distribution` says, and its exit status; of an error its text."""
    told = await asyncio.to_thread(CliRunner().invoke, group, [command, *map(str, words)])
    error = str(told.exception) if told.exception is not None and not isinstance(told.exception, SystemExit) else ""
    return told.exit_code, told.output + error


async def test_an_operator_skips_what_will_never_be_taken(star, postgresql, monkeypatch):
    monkeypatch.setattr("institutions.ordered.AGAIN", 0.01)
    monkeypatch.setenv("CROSSROADS_SERVICES", str(star.folder))
    name = f"test_{uuid4().hex[:12]}"
    url = await postgresql.create_database(name)
    where = ("--inbox", url)
    status, said = await told_by("aside", *where)
    assert (status, "no inbox in that database" in said) == (1, True)
    store = Database(url)
    one, other = [await known(star, (FUND, 101)) for _ in range(2)]
    fund = Applied(institution(star, FUND, inbox=await at_the_newest(star, store)))

    def fail(word):
        if word.ssin == one and word.service.type == "Claim/1":
            raise RuntimeError

    fund.fail = fail
    try:
        async with sending(star) as sender:
            async with fund.me:
                claim = await sender.send(one, "Claim/1", reference=f"{one.digits[-4:]}z")
                await sender.send(one, reference=f"{one.digits[-4:]}y")
                await sender.verdict(claim)
                await sender.send(other, reference=f"{other.digits[-4:]}x")
                await until(lambda: fund.of(other))
                status, said = await told_by("aside", *where, "--json")
                rows = json.loads(said[said.index("[") :])
                assert [(row["service"], row["flow"]) for row in rows] == [("Claim/1", "Z"), ("Change/1", "M")]
                assert one.digits not in said
                status, said = await told_by("skip", 999_999, *where, "--as", "7-0", "--yes")
                assert (status, "neither set aside nor the next" in said) == (1, True)
                status, said = await told_by("skip", rows[0]["ticketCBSS"], *where, "--as", "7-0", "--yes")
                assert (status, f"position {rows[0]['position']} of 7-0 (Claim/1" in said) == (0, True)
                assert await fund.me.retry() == 0
                assert fund.of(one) == [f"{one.digits[-4:]}y"]
                assert [verdict.code for verdict in await sender.verdict(claim, 2)] == ["MSG00000", "CRB00020"]
            # The next one, on which a process would end, while none runs.
            await sender.verdict(await sender.send(other, reference=f"{other.digits[-4:]}w"))
            await sender.verdict(await sender.send(other, reference=f"{other.digits[-4:]}v"))
            async with store.connection() as connection:
                position = await connection.fetchval("SELECT position FROM crossroads_inbox")
            status, said = await told_by("skip", position + 1, *where, "--as", "7-0", "--yes")
            assert (status, "the next one" in said) == (0, True)
            again = Applied(institution(star, FUND, inbox=PostgresInbox(store)))
            async with again.me:
                await until(lambda: again.words)
                assert again.of(other) == [f"{other.digits[-4:]}v"]
                assert await again.me.take(position + 1)
                assert again.of(other) == [f"{other.digits[-4:]}{reference}" for reference in "vw"]
            async with store.connection() as connection:
                skipped = await connection.fetch("SELECT position, service FROM crossroads_skipped ORDER BY position")
            assert [tuple(row) for row in skipped] == [(rows[0]["position"], "Claim/1"), (position + 1, None)]
    finally:
        await store.close()
        await postgresql.drop_database(name)


async def test_nobody_else_catches_up_in_somebodys_name(star):
    for address, after, code in ((Address(17, 0), 0, "MSG00013"), (FUND, 10**9, "MSG00008")):
        async with institution(star, address) as me:
            criteria = {"criteria/after": after, "criteria/most": 1}
            told = await me.consult("CatchUp/1", ssin=None, legal_context="DISTRIBUTION", criteria=criteria)
            assert told.code == code
