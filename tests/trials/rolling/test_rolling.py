"""Two hubs are replaced one after the other under traffic: nothing is lost, nothing answered twice, nobody waits long.

Open loop: a request is sent when its time has come, whatever became of those before, and its time counts from then.
Suppliers take up to a second. Long: `./crossroads test -m slow tests/trials/rolling -s`, with figures; on a machine
that does not carry a hundred a second, with less in ROLLING_RATE.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest

from deploy import children
from deploy.children import Child
from hub import control
from hub.migrations import migrate
from schemas.wire.transport import Refused
from tests.hub import services
from tests.hub.star import CUSTOMER, KEY, ONE, Question, Star, opened

#: What the network promises, seconds.
PROMISE = 4.0
PERSONS = 50
RATE = float(os.environ.get("ROLLING_RATE", "100"))


@pytest.fixture
async def star(rabbitmq, postgresql, tmp_path: Path, monkeypatch) -> AsyncIterator[Star]:
    """A star whose supplier takes its time, without a hub."""
    monkeypatch.setattr(services, "DEADLINE_MS", 15_000)
    async with opened(rabbitmq, postgresql, tmp_path / "services") as star:
        await migrate(star.database_url)
        yield star


@dataclass
class Traffic:
    """Requests at a rate, until `end`."""

    star: Star
    rate: float
    persons: list[object] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    #: Of the first ones, before any hub was replaced.
    undisturbed: list[float] = field(default_factory=list)
    said: dict[object, tuple[str | None, str | None]] = field(default_factory=dict)
    #: Publishes that a full queue refused for a moment, each made again.
    refused: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        chance = random.Random(8)
        for _ in range(PERSONS):
            ssin = await self.star.known(ONE)
            self.persons.append(ssin)

            async def take_its_time(question: Question) -> None:
                await asyncio.sleep(chance.random() ** 3)
                await question.reply(question.response(("x", None)))

            self.star.script(ONE, ssin, take_its_time)
        await self.star.consult(self.persons[0])  # the connection stands
        self._loop = asyncio.create_task(self._run())

    async def _run(self) -> None:
        begun = monotonic()
        number = 0
        while not self._ending.is_set():
            due = begun + number / self.rate
            await asyncio.sleep(max(0.0, due - monotonic()))
            self._tasks.add(asyncio.create_task(self._one(number, due)))
            number += 1

    async def _one(self, number: int, due: float) -> None:
        body = self.star.request(self.persons[number % PERSONS])
        while True:
            try:
                told = await self.star.send(body, timeout=60)
            except Refused:
                self.refused += 1
                await asyncio.sleep(0.05)
                continue
            self.seconds.append(monotonic() - due)
            assert told.ticket_cbss not in self.said
            self.said[told.ticket_cbss] = told.said
            return

    async def more(self, count: int) -> None:
        """Return when so many more were answered."""
        wanted = len(self.seconds) + count
        async with asyncio.timeout(120):
            while len(self.seconds) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def end(self) -> int:
        """Send no more, and wait for every answer; how many were asked."""
        self._ending.set()
        if self._loop is not None:
            await self._loop
        await asyncio.gather(*self._tasks)
        return len(self._tasks)

    def figures(self) -> str:
        over = sum(seconds > PROMISE for seconds in self.seconds)
        return (
            f"at {self.rate:g} a second {_figures(self.seconds)}; over 4 s: {over}; {self.refused} tries refused for a"
            f" moment; before: {_figures(self.undisturbed)}"
        )


def _figures(seconds: list[float]) -> str:
    each = sorted(seconds)
    parts = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    told = ", ".join(f"{name} {each[int(len(each) * part)] * 1000:.0f}" for name, part in parts.items())
    return f"{len(each)} answered, {told}, most {each[-1] * 1000:.0f} ms"


class Hubs:
    """Hub processes of one star."""

    def __init__(self, star: Star, directory: Path) -> None:
        self._star, self._directory, self._count = star, directory, 0
        self.running: list[Child] = []

    async def start(self) -> Child:
        self._count += 1
        star = self._star
        hub = children.hub(
            f"hub-{self._count}", (star.url("hub"),), star.database_url, KEY, str(star.folder), self._directory
        )
        self.running.append(hub)
        await asyncio.to_thread(hub.launch)
        await hub.wait_ready()
        return hub

    async def replace(self, old: Child, how: str) -> float:
        """Its successor first, then the old one: by SIGTERM, by `crossroads drain`, or kill -9; how long it took."""
        await self.start()
        begun = monotonic()
        if how == "kill":
            await asyncio.to_thread(old.kill)
        elif how == "drain":
            status, said = await self.drain(old.name)
            assert status == 0, said
            await asyncio.to_thread(old.stop)
        else:
            await asyncio.to_thread(old.stop)
        self.running.remove(old)
        return monotonic() - begun

    async def drain(self, name: str) -> tuple[int | None, str]:
        """By the command; its exit status and what it said."""
        words = ("drain", name, "--database", self._star.database_url, "--reason", "a new release")
        environment = os.environ | {"CROSSROADS_JOURNAL_KEY": KEY}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy", *words, env=environment, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        return process.returncode, said.decode()

    async def close(self) -> None:
        for hub in self.running:
            await asyncio.to_thread(hub.stop)


async def roll(star: Star, directory: Path, rate: float, ways: list[str], between: int) -> tuple[Traffic, list[float]]:
    """Replace hubs, one after the other, each in one of these ways, with so many answers between."""
    hubs, traffic = Hubs(star, directory), Traffic(star, rate)
    took: list[float] = []
    try:
        await asyncio.gather(hubs.start(), hubs.start())
        await traffic.begin()
        await traffic.more(between)
        traffic.undisturbed = list(traffic.seconds)
        for how in ways:
            await traffic.more(between)
            took.append(await hubs.replace(hubs.running[0], how))
        await traffic.more(between)
        asked = await traffic.end()
        await _even(star, traffic, asked, killed="kill" in ways)
        connection = await star.connect()
        try:
            beat = [one.name for one in await control.processes(connection) if one.beats]
            if "kill" not in ways:
                assert sorted(beat) == sorted(hub.name for hub in hubs.running)
        finally:
            await connection.close()
    finally:
        await hubs.close()
    return traffic, took


async def _even(star: Star, traffic: Traffic, asked: int, *, killed: bool) -> None:
    """Each has one answer, with data, and one decision and one outcome in the journal."""
    assert len(traffic.said) == asked
    assert set(traffic.said.values()) == {("DATA_FOUND", "MSG00000")}
    connection = await star.connect()
    try:
        rows = await connection.fetch(
            "SELECT count(*) FILTER (WHERE kind = 'decision'), count(*) FILTER (WHERE kind = 'outcome'),"
            " count(*) FILTER (WHERE kind NOT IN ('decision', 'outcome'))"
            " FROM journal WHERE ticket_cbss = ANY ($1::uuid[]) GROUP BY ticket_cbss",
            list(traffic.said),
        )
    finally:
        await connection.close()
    assert len(rows) == asked
    assert {tuple(row)[:2] for row in rows} == {(1, 1)}
    if not killed:
        # Nothing was begun twice, and nobody was told twice.
        assert {tuple(row)[2] for row in rows} == {0}
        assert star._askers[CUSTOMER].counts.unknown == 0


async def test_two_hubs_are_replaced_and_nothing_is_lost(star, tmp_path):
    """The short one: no time is asserted."""
    await roll(star, tmp_path, 20, ["stop", "drain"], 15)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hubs_are_replaced_round_after_round_under_a_hundred_a_second(star, tmp_path, capsys):
    traffic, took = await roll(star, tmp_path, RATE, ["stop", "stop", "drain", "drain", "stop", "drain"], int(5 * RATE))
    with capsys.disabled():
        sys.stdout.write(f"\nreplaced {len(took)} hubs: {traffic.figures()}\n")
        sys.stdout.write(f"each took, s: {', '.join(f'{one:.1f}' for one in took)}\n")
    assert max(traffic.undisturbed) < PROMISE, "this machine does not carry the rate: set ROLLING_RATE"
    assert max(traffic.seconds) < PROMISE


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_hubs_that_are_killed_under_a_hundred_a_second_lose_nothing(star, tmp_path, capsys):
    traffic, _ = await roll(star, tmp_path, RATE, ["kill", "kill", "kill", "kill"], int(5 * RATE))
    with capsys.disabled():
        sys.stdout.write(f"\nkilled 4 hubs: {traffic.figures()}\n")
