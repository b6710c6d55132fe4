"""Whatever fails, each entitled recipient applies each mutation exactly once, a person's in the order sent; nobody else
gets one; each was previewed.

The long ones, 10,000 mutations over 500 persons: `./crossroads test -m slow tests/trials/distribution -s`.
"""

import asyncio
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest

from deploy import children
from deploy.children import Child
from hub.distribution import MutationFacts, recipients
from hub.repertory.store import read
from institutions import Institution, MemoryInbox, MemoryOutbox, Verdict, Word
from schemas.address import Address
from schemas.integration import Integration
from schemas.period import Period, today
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.mutations import right, row
from tests.hub.star import CONTEXT, CUSTOMER, KEY, ONE, STRANGER, THREE, TWO, Star, opened
from tests.trials.distribution.recipient import TABLES

OWNER, FUND, GRANTING, CODED, EVERYBODY = ONE, TWO, CUSTOMER, THREE, STRANGER
#: Who is absent half of the time.
ABSENT = GRANTING
GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
QUALITIES = {"7-0": 102, "64-0": 0, "16-0": 1, "1-0": 902}
RULES = "".join([
    right("change", "5-0", "Change/1", 100),
    right("claim", "5-0", "Claim/1", 100),
    *(
        f'[[authorisation]]\nid = "catch-up-{kind}"\ncustomer = "{kind}"\nlegal_context = "DISTRIBUTION"\n'
        f'service = "CatchUp/1"\nqualities = [{quality}]\n{GIVEN}'
        for kind, quality in QUALITIES.items()
    ),
    '[[availability]]\nservice = "RepeatMutation/1"\naddress = "5-0"\neverybody = true\n',
    row("Change/1", "7-0", [102], 'without = ["benefit/amount"]'),
    row("Change/1", "7-0", [103]),
    row("Change/1", "64-0", [0]),
    row("Change/1", "16-0", [1], 'codes = ["X"]'),
    row("Change/1", "1-0", []),
    row("Claim/1", "7-0", [102, 103]),
    row("Claim/1", "64-0", [0]),
])  # fmt: skip
PERIOD = Period(date(2026, 1, 1), None)
#: Seconds after which what did not happen will not.
PATIENCE = 240.0


@dataclass
class Sent:
    """What was sent, and who is to apply it: references, by recipient and person."""

    expected: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    #: Recipients of the mutations of flow Z, by number.
    answering: dict[int, list[str]] = field(default_factory=dict)
    count: int = 0


class Recipient:
    """With the library; what it applied survives its absence."""

    def __init__(self, star: Star, address: Address) -> None:
        self._star, self.address = star, address
        self._inbox = MemoryInbox()
        self.applied: defaultdict[str, list[str]] = defaultdict(list)
        self.seen: Counter[str] = Counter()
        self.amounts: defaultdict[str, set[bool]] = defaultdict(set)
        self.missed: list[int] = []
        self.count = 0

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        me = Institution(
            self.address, self._star.url(str(self.address)), catalogue=self._star.catalogue, inbox=self._inbox,
            timeout=20, observe=lambda _: None, report=lambda _: None,
        )  # fmt: skip

        async def take(word: Word) -> None:
            self.applied[word.ssin.digits].append(word.says.reference)
            self.seen[word.says.reference] += 1
            self.amounts[word.ssin.digits].add(word.text("benefit/amount") is not None)
            self.count += 1

        for service in ("Change/1", "Claim/1"):
            me.receives(service)(take)

        @me.missed
        async def missed(one: object) -> None:
            self.missed.append(getattr(one, "position", 0))

        async with me:
            yield


class Stored:
    """A process of its own, with its position and what it applied in its own database."""

    def __init__(self, star: Star, address: Address, postgresql: Any) -> None:
        self._star, self.address, self._postgresql = star, address, postgresql
        self.applied: defaultdict[str, list[str]] = defaultdict(list)
        self.seen: Counter[str] = Counter()
        self.missed: list[int] = []
        self.count = 0
        self._url = ""
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        name = f"test_{uuid4().hex[:12]}"
        self._url = await self._postgresql.create_database(name)
        connection = await asyncpg.connect(self._url)
        following = asyncio.create_task(self._follow(connection))
        try:
            await connection.execute(TABLES)
            await self.launch()
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self.kill()
            await connection.close()
            await self._postgresql.drop_database(name)

    async def launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig=KILL", "--", sys.executable, "-m", "tests.trials.distribution.recipient",
            str(self.address), self._star.url(str(self.address)), self._url, str(self._star.folder),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[3],
        )  # fmt: skip
        assert self._process.stdout is not None
        assert await asyncio.wait_for(self._process.stdout.readline(), PATIENCE) == b"ready\n"

    async def kill(self) -> None:
        """As SIGKILL does: whatever it is at."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _follow(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        while True:
            await asyncio.sleep(0.1)
            if await connection.fetchval("SELECT to_regclass('missed')") is None:
                continue
            rows = await connection.fetch("SELECT person, reference FROM applied ORDER BY number OFFSET $1", self.count)
            for person, reference in rows:
                self.applied[person].append(reference)
                self.seen[reference] += 1
            self.count += len(rows)
            self.missed = [row["position"] for row in await connection.fetch("SELECT position FROM missed")]


class Trial:
    """One run: persons, an owner, recipients, hubs that are processes."""

    def __init__(self, star: Star, directory: Path, persons: int, mutations: int, postgresql: Any) -> None:
        self.star, self._directory = star, directory
        self._persons, self._mutations = persons, mutations
        self.sent = Sent()
        self.fund = Stored(star, FUND, postgresql)
        self.recipients: dict[Address, Recipient | Stored] = {
            FUND: self.fund,
            **{a: Recipient(star, a) for a in (GRANTING, CODED, EVERYBODY)},
        }
        self.verdicts: defaultdict[int, list[Verdict]] = defaultdict(list)
        self.hubs: list[Child] = []
        self._stack = AsyncExitStack()
        self.random = random.Random(6)

    async def hub(self) -> Child:
        child = children.hub(
            f"hub-{len(self.hubs)}", (self.star.url(names.HUB),), self.star.database_url, KEY, str(self.star.folder),
            self._directory,
        )  # fmt: skip
        self.hubs.append(child)
        child.launch()
        await child.wait_ready()
        return child

    async def people(self) -> list[tuple[Ssin, list[Integration]]]:
        """Persons, each known to some; the owner knows them all."""
        known = {FUND: (102, 103), GRANTING: (0,), CODED: (1,)}
        found = []
        for _ in range(self._persons):
            who = [
                (address, quality)
                for address, qualities in known.items()
                for quality in qualities
                if self.random.random() < 0.6
            ]
            ssin = await self.star.person((OWNER, 100), *who)
            rows = [Integration(ssin, a, q, None, Period(date(2000, 1, 1), None)) for a, q in [(OWNER, 100), *who]]
            found.append((ssin, rows))
        return found

    async def run(self, disturb: Callable[["Trial"], Awaitable[None]], hubs: int) -> float:
        """Everything sent, everything applied; mutations a second."""
        people = await self.people()
        rules = await read(self.star.database_url)
        for _ in range(hubs):
            await self.hub()
        outbox = MemoryOutbox()
        owner = Institution(
            OWNER, self.star.url(str(OWNER)), catalogue=self.star.catalogue, outbox=outbox, timeout=20,
            observe=lambda _: None, report=lambda _: None,
        )  # fmt: skip

        @owner.verdicts
        async def heard(verdict: Verdict) -> None:
            if verdict not in self.verdicts[verdict.number]:
                self.verdicts[verdict.number].append(verdict)

        async with self._stack, owner:
            for address, recipient in self.recipients.items():
                if address != ABSENT:
                    await self._stack.enter_async_context(recipient.present())
            begun = monotonic()
            absence = asyncio.create_task(self._come_and_go())
            disturbance = asyncio.create_task(disturb(self))
            for n in range(self._mutations):
                ssin, rows = people[n % len(people)]
                await self._send(owner, rules, ssin, rows, n)
            await self._until("verdicts", lambda: len(self.verdicts) == self._mutations)
            await disturbance
            absence.cancel()
            await asyncio.gather(absence, return_exceptions=True)
            seconds = monotonic() - begun
            async with self.recipients[ABSENT].present():
                for address, recipient in self.recipients.items():
                    wanted = sum(len(v) for (to, _), v in self.sent.expected.items() if to == str(address))
                    await self._until(f"{address} {wanted}", lambda r=recipient, w=wanted: r.count >= w)
                await self._until(
                    "definitive answers",
                    lambda: all(len(self.verdicts[n]) == 1 + len(who) for n, who in self.sent.answering.items()),
                )
        for hub in self.hubs:
            await asyncio.to_thread(hub.stop)
        return self._mutations / seconds

    async def _send(self, owner: Institution, rules: object, ssin: Ssin, rows: list[Integration], n: int) -> None:
        service, code = ("Claim/1" if n % 10 == 9 else "Change/1"), "X" if n % 3 == 0 else None
        facts = MutationFacts(service, OWNER, PERIOD, today(), code)
        previewed = [str(one.address) for one in recipients(rules, facts, rows)]  # type: ignore[arg-type]
        reference = f"r{n}"
        for address in previewed:
            self.sent.expected[address, ssin.digits].append(reference)
        mutation = owner.mutation(
            service, person=ssin, period=PERIOD, action="CHANGED", reference=reference, legal_context=CONTEXT,
            content=_benefit(), code=code,
        )  # fmt: skip
        number = await owner.publish(mutation)
        if service == "Claim/1":
            self.sent.answering[number] = previewed
        self.sent.count += 1
        if n % 50 == 0:
            await asyncio.sleep(0)

    async def _come_and_go(self) -> None:
        recipient = self.recipients[ABSENT]
        while True:
            done = len(self.verdicts)
            await self._until("absence", lambda done=done: len(self.verdicts) >= done + self._mutations // 8)
            async with recipient.present():
                done = len(self.verdicts)
                await self._until("presence", lambda done=done: len(self.verdicts) >= done + self._mutations // 8)

    async def reached(self, share: float) -> None:
        """Wait until so many have their verdicts."""
        await self._until(f"{share}", lambda: len(self.verdicts) >= share * self._mutations)

    async def _until(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            counts = {str(a): r.count for a, r in self.recipients.items()}
            raise AssertionError(f"{what}: not within {PATIENCE:.0f} s; {len(self.verdicts)} {counts}") from None

    def reckon(self) -> None:
        """What was applied is what was sent, nothing twice, nothing else."""
        for address, recipient in self.recipients.items():
            assert recipient.missed == []
            wanted = {p: refs for (to, p), refs in self.sent.expected.items() if to == str(address)}
            assert {p: refs for p, refs in recipient.applied.items() if refs} == wanted, str(address)
            assert set(recipient.seen.values()) <= {1}
        for number, verdicts in self.verdicts.items():
            kinds = Counter(one.kind for one in verdicts)
            assert kinds["verdict"] == 1
            if number in self.sent.answering:
                answered = sorted(one.recipients[0] for one in verdicts if one.kind == "definitive")
                assert answered == sorted(self.sent.answering[number])


def _benefit() -> list[object]:
    from lxml import etree

    element = etree.Element("benefit")
    for name, text in (("kind", "pension"), ("amount", "1"), ("account", "BE1")):
        etree.SubElement(element, name).text = text
    return [element]


async def policy(star: Star, definition: dict[str, object]) -> None:
    """The absent one's queue keeps less than it is made for."""
    path = f"/api/policies/{quote(star.vhost, safe='')}/absent"
    told = {"pattern": f"^{ABSENT}\\.mutation$", "apply-to": "queues", "definition": definition}
    await asyncio.to_thread(star.broker.management.put, path, told)


def slow(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Only on request."""
    marked: Callable[..., Awaitable[None]] = pytest.mark.slow(pytest.mark.timeout(900)(test))
    return marked


async def one_kill(trial: Trial) -> None:
    await trial.reached(0.4)
    await asyncio.to_thread(trial.hubs[0].kill)
    await killed_recipient(trial)


async def killed_recipient(trial: Trial) -> None:
    """Killed while it applies, and back at once."""
    count = trial.fund.count
    await trial._until("fund at work", lambda: trial.fund.count > count)
    await trial.fund.kill()
    assert trial.fund.count < sum(len(v) for (to, _), v in trial.sent.expected.items() if to == str(FUND))
    await trial.fund.launch()


async def all_of_it(trial: Trial) -> None:
    """Two hubs and a recipient killed, one hub stopped politely, the broker restarted."""
    await trial.reached(0.15)
    await asyncio.to_thread(trial.hubs[0].kill)
    await trial.hub()
    await trial.reached(0.35)
    await asyncio.to_thread(trial.star.broker.restart)  # type: ignore[union-attr]
    await trial.reached(0.55)
    await asyncio.to_thread(trial.hubs[1].kill)
    await trial.hub()
    await killed_recipient(trial)
    await trial.reached(0.75)
    await asyncio.to_thread(trial.hubs[2].stop)
    await trial.hub()


async def test_four_hundred_over_forty_persons_and_a_hub_and_a_recipient_are_killed(rabbitmq, postgresql, tmp_path):
    async with opened(rabbitmq, postgresql, tmp_path / "services", RULES) as star:
        await policy(star, {"max-length": 10, "overflow": "reject-publish"})
        trial = Trial(star, tmp_path, 40, 400, postgresql)
        await trial.run(one_kill, 2)
        trial.reckon()


@slow
@pytest.mark.parametrize(
    "definition", [{"max-length": 200, "overflow": "reject-publish"}, {"message-ttl": 2_000}], ids=["full", "expired"]
)
async def test_ten_thousand_over_five_hundred_persons_while_everything_fails(
    private_rabbitmq, postgresql, tmp_path, definition
):
    async with opened(private_rabbitmq, postgresql, tmp_path / "services", RULES) as star:
        await policy(star, definition)
        trial = Trial(star, tmp_path, 500, 10_000, postgresql)
        rate = await trial.run(all_of_it, 3)
        trial.reckon()
        print(f"\n{rate:.0f} mutations a second; applied {[(str(a), r.count) for a, r in trial.recipients.items()]}")
