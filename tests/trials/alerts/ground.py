"""A small network for the trial of alerts: the star's institutions in this process, hubs and watcher as processes of
their own, and a Prometheus that looks every second and for which a minute passes in a second."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from deploy import children
from deploy.children import Child
from deploy.monitoring import alerts, recording
from deploy.monitoring.pace import QUICK, Pace
from deploy.monitoring.rules import document
from deploy.monitoring.scraping import targets
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from deploy.servers.prometheus import Alert, PrivatePrometheus
from institutions import Institution
from schemas.address import Address
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub import services
from tests.hub.mutations import right, row
from tests.hub.star import CUSTOMER, KEY, ONE, PATIENCE, THREE, TWO, Question, Star, answer_with_data

Result = TypeVar("Result")
#: An alert and labels of it.
Expected = tuple[str, Mapping[str, str]]
#: A day a minute, and a day a second, for what takes hours and days.
HOURS, DAYS = Pace(scrape=1.0, ratio=1 / 1_440), Pace(scrape=1.0, ratio=1 / 86_400)
_GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
#: 64-0 asks on line, in lots, and of who answers later; 5-0 tells 64-0 of changes.
RULES = "".join([
    '[[availability]]\nservice = "Later/1"\naddress = "5-0"\nquality = 100\nmode = "batch"\n',
    '[[authorisation]]\nid = "later"\ncustomer = "64-0"\nlegal_context = "TEST"\nqualities = [0]\n'
    f'service = "Later/1"\nsuppliers = ["5-0"]\nwithout = []\n{_GIVEN}',
    *(
        f'[[authorisation]]\nid = "{service}"\ncustomer = "64-0"\nlegal_context = "LOT"\nqualities = [0]\n'
        f'service = "{service}/1"\n{_GIVEN}'
        for service in ("OpenLot", "CloseLot")
    ),
    right("change", "5-0", "Change/1", 100),
    row("Change/1", "64-0", [0]),
])  # fmt: skip
#: Of these alerts an hour, or a day, passes more quickly still.
PACES: Mapping[str, Pace] = {
    **dict.fromkeys(("RecipientBehind", "LotStands", "PromiseWears", "Paused", "MaintenanceLong", "FilesStand"), HOURS),
    "AnswersOverdue": DAYS,
}
#: Exchanges a second that go on all the time.
_RATE = 10
#: An alert fires, or stops, or it never will, seconds.
WITHIN = 120.0


@dataclass
class Row:
    """What the trial prints of an alert."""

    alert: str
    cause: str
    fired: float
    silent: float


class Ground:
    """The star, its processes and the Prometheus."""

    def __init__(self, star: Star, prometheus: PrivatePrometheus, directory: Path) -> None:
        self.star, self.prometheus, self._directory = star, prometheus, directory
        self.children: dict[str, Child] = {}
        self._also: dict[str, str] = {}
        #: What each supplier does with a question of the traffic.
        self.does: dict[Address, Callable[[Question], Awaitable[None]]] = dict.fromkeys(
            (ONE, TWO, THREE), answer_with_data
        )
        self.rows: list[Row] = []
        self.failures: list[str] = []
        self._traffic: asyncio.Task[None] | None = None
        self._asks: set[asyncio.Task[None]] = set()
        self.quiet = False

    # --- processes ---------------------------------------------------------------------------------------------------

    async def begin(self, name: str, database_url: str = "") -> None:
        """Start a hub, or the watcher, of this name, until it is ready. `database_url`: if not the star's."""
        star = self.star
        if name == "watcher":
            parts = urlsplit(star.broker.management_url)
            login = f"{names.MONITOR}:{star.passwords[names.MONITOR]}@{parts.netloc.rpartition('@')[2]}"
            url = urlunsplit(parts._replace(netloc=login))
            child = children.watcher(name, database_url or star.database_url, url, self._directory)
        else:
            urls = (star.url("hub"),)
            child = children.hub(name, urls, star.database_url, KEY, str(star.folder), self._directory)
        child.launch()
        await child.wait_ready()
        self.children[child.name] = child
        self._follow()

    def _follow(self) -> None:
        self.prometheus.follow(targets({name: child.url for name, child in self.children.items()} | self._also))

    def also(self, name: str, url: str | None) -> None:
        """Another process that is scraped, or is no more."""
        self._also = {} if url is None else {name: url}
        self._follow()

    async def kill(self, name: str) -> None:
        """kill -9; it is a target still."""
        await asyncio.to_thread(self.children[name].kill)

    def hang(self, name: str) -> None:
        """It stands still: SIGSTOP."""
        for process in self._processes(name):
            os.kill(process, signal.SIGSTOP)

    def goes_on(self, name: str) -> None:
        for process in self._processes(name):
            os.kill(process, signal.SIGCONT)

    def _processes(self, name: str) -> Sequence[int]:
        guardian = self.children[name].pid
        return [int(one) for one in Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()]

    # --- traffic -----------------------------------------------------------------------------------------------------

    async def begin_traffic(self) -> None:
        persons = [await self.star.known(ONE, TWO, THREE) for _ in range(20)]
        for ssin in persons:
            for supplier in (ONE, TWO, THREE):
                self.star.script(supplier, ssin, self._do)
        self._traffic = asyncio.create_task(self._go_on(persons))

    async def _do(self, question: Question) -> None:
        await self.does[question.supplier](question)

    async def _go_on(self, persons: Sequence[Ssin]) -> None:
        number = 0
        while True:
            await asyncio.sleep(1 / _RATE)
            if not self.quiet:
                number += 1
                service = "Gather/1" if number % 4 else "Probe/1"
                task = asyncio.create_task(self.ask(persons[number % len(persons)], service))
                self._asks.add(task)
                task.add_done_callback(self._asks.discard)

    async def ask(self, ssin: Ssin, service: str, **more: str) -> None:
        """One exchange; what comes of it is the alerts' to say."""
        with suppress(Exception):
            await self.star.consult(ssin, service=service, **more)

    async def close(self) -> None:
        tasks = [*self._asks, *([self._traffic] if self._traffic is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for child in self.children.values():
            await asyncio.to_thread(child.kill)

    # --- alerts ------------------------------------------------------------------------------------------------------

    async def firing(self, name: str, **labels: str) -> list[Alert]:
        found = await asyncio.to_thread(self.prometheus.alerts)
        return [
            one
            for one in found
            if one.name == name and one.state == "firing" and labels.items() <= dict(one.labels).items()
        ]

    async def _until(self, name: str, labels: Mapping[str, str], since: float, *, fires: bool) -> float:
        """Seconds since then until it fires, or until it does not."""
        while bool(await self.firing(name, **labels)) is not fires:
            assert time.monotonic() - since < WITHIN, f"{name} {labels} {'does not fire' if fires else 'fires still'}"
            await asyncio.sleep(0.25)
        return time.monotonic() - since

    async def seen(self, query: str) -> None:
        """Until a query finds something."""
        begun = time.monotonic()
        while not await asyncio.to_thread(self.prometheus.query, query):
            assert time.monotonic() - begun < WITHIN, f"nothing: {query}"
            await asyncio.sleep(0.5)

    async def database(self, *statements: str) -> None:
        """Done in the hub's database."""
        connection = await self.star.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def control(self, change: Callable[..., Awaitable[object]], *what: str) -> None:
        """An operator's lever: `hub.control.begin` or `end`."""
        connection = await self.star.connect()
        try:
            await change(connection, *what)
        finally:
            await connection.close()

    async def settled(self) -> None:
        """Until nothing fires but what always does."""
        begun = time.monotonic()
        while (names_ := await self._names()) != {"Alive"}:
            logs = "\n".join(child.log_tail() for child in self.children.values())
            assert time.monotonic() - begun < WITHIN / 2, f"these fire still: {names_}\n{logs}"
            await asyncio.sleep(0.25)

    async def _names(self) -> set[str]:
        found = await asyncio.to_thread(self.prometheus.alerts)
        return {one.name for one in found if one.state == "firing"}

    async def trial(
        self,
        cause: str,
        made: Callable[[], Awaitable[None]],
        mended: Callable[[], Awaitable[None]],
        *expected: Expected,
    ) -> None:
        """Make a cause; these fire that did not before; mend it; they stop. What does not is in `failures`: the other
        causes go on."""
        try:
            self.rows += await self._trial(cause, made, mended, expected)
        except Exception as error:  # noqa: BLE001
            text = "".join(format_exception(error))
            self.failures.append(f"{cause}: {text}")

    async def _trial(
        self,
        cause: str,
        made: Callable[[], Awaitable[None]],
        mended: Callable[[], Awaitable[None]],
        expected: Sequence[Expected],
    ) -> list[Row]:
        for name, labels in expected:
            assert not await self.firing(name, **labels), f"{name} {labels} fires before {cause}"
        begun = time.monotonic()
        try:
            await made()
            fired = await together(*(self._until(name, labels, begun, fires=True) for name, labels in expected))
        finally:
            await mended()
        gone = time.monotonic()
        silent = await together(*(self._until(name, labels, gone, fires=False) for name, labels in expected))
        return [
            Row(" ".join([name, *labels.values()]), cause, *seconds)
            for (name, labels), *seconds in zip(expected, fired, silent, strict=True)
        ]

    def table(self) -> str:
        """As the trial prints it."""
        lines = [f"{'alert':<34} {'cause':<66} {'fires, s':>8} {'silent, s':>9}"]
        lines += [f"{one.alert:<34} {one.cause:<66} {one.fired:>8.1f} {one.silent:>9.1f}" for one in self.rows]
        return "\n".join(lines)


async def together(*doing: Coroutine[Any, Any, Result]) -> list[Result]:
    """All of them at once; where one fails the others end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in doing]
    return [task.result() for task in tasks]


def _rules() -> Mapping[str, Any]:
    """Recording rules and alerts at the trial's pace."""
    rules = document([*recording.groups(QUICK), *alerts.groups(QUICK, PACES)])
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        if rule.get("alert") == "PartitionsEnd":  # months that are there are always nearer than so, whatever day it is
            assert rule["expr"].endswith(" < 10")
            rule["expr"] = rule["expr"].replace(" < 10", " < 45")
    return rules


@asynccontextmanager
async def opened(rabbitmq: PrivateRabbitMQ, postgresql: PrivatePostgreSQL, directory: Path) -> AsyncIterator[Ground]:
    """With hubs, a watcher and traffic; the vhost is the primary one's, which the watcher knows."""
    folder = services.write_later(services.write(directory / "services"))
    for file in folder.glob("*/service.toml"):
        # A supplier that takes over 2 s is slow and not silent.
        file.write_text(file.read_text().replace(f"deadline_ms = {services.DEADLINE_MS}", "deadline_ms = 3500"))
    name = f"test_alerts_{os.getpid()}"
    async with AsyncExitStack() as stack:
        database = await postgresql.create_database(name)
        stack.push_async_callback(postgresql.drop_database, name)
        star = Star(rabbitmq, database, folder, RULES)
        star.vhost, star.secondary = names.PRIMARY, ""
        prometheus = PrivatePrometheus(rules=[_rules()], scrape=1, in_memory=True)
        booting = asyncio.create_task(asyncio.to_thread(prometheus.start))
        stack.push_async_callback(asyncio.to_thread, prometheus.stop)
        await star.open()
        stack.push_async_callback(star.close)
        await booting
        ground = Ground(star, prometheus, directory)
        stack.push_async_callback(ground.close)
        await asyncio.gather(*(ground.begin(name) for name in ("hub-1", "hub-2", "watcher")))
        await ground.begin_traffic()
        await ground.settled()
        yield ground


def institution(star: Star, address: Address = CUSTOMER) -> Institution:
    """One with the library."""
    return Institution(address, star.url(str(address)), catalogue=star.catalogue, timeout=PATIENCE)
