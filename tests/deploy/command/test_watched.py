"""A network under traffic, seen by a real Prometheus: every query of every panel and every rule finds something.

Grafana itself is not run: that a panel's query has data is shown, not how it is drawn.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import isnan
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy import children
from deploy.access import Access
from deploy.children import Child
from deploy.demo.examples import FOLDER
from deploy.demo.plan import Plan
from deploy.demo.scene import Scene
from deploy.demo.traffic import Traffic
from deploy.monitoring import made, recording, scraping
from deploy.monitoring.pace import Pace
from deploy.monitoring.rules import document
from deploy.network import FILES
from deploy.servers import ForeignPrometheus, PrivatePrometheus
from deploy.servers.prometheus import Sample
from hub import control
from hub.control import Process
from hub.repertory import files
from institutions.reference.population import Population
from schemas.catalogue import Catalogue
from tests.deploy.command.network import Network, until
from tests.deploy.command.test_payroll import declare, example

#: Five minutes are five: what was asked once is in a rate until the end.
PACE = Pace(scrape=1.0)
#: A figure that is not there yet is there after some looks, seconds.
_PATIENCE = 30.0
#: What Grafana puts in the place of its own variables.
_GRAFANA = {"$__rate_interval": "5m", "$__range": "15m"}
#: An institution with members, a supplier, and who only asks.
_ADDRESSES = ("17-0", "5-0", "64-0")
#: Figures, and those of Prometheus itself.
_FIGURE = re.compile(
    r"\b((?:crossroads|service:|network:|supplier:)[a-z0-9_:]+|up|ALERTS|scrape_[a-z_]+)\b(\{[^}]*\})?"
)
#: Of these there is nothing while all is well, so that only their names can be held against what processes count.
_TROUBLE = frozenset(
    {
        "ALERTS",
        "crossroads_dropped_total",
        "crossroads_later_dropped_total",
        "crossroads_open_question_age_seconds",
        "crossroads_open_questions",
        "crossroads_paused",
        "crossroads_untold_total",
    }
)
#: Nor of these: what is paused; what an institution that is watched here asks and may not.
_TROUBLES = ('code=~"CRB0002[12]"', 'crossroads_asked_total{institution=~".+", result=~"NO_RESULT|fault"}')


@dataclass(frozen=True)
class Asked:
    """A query of a panel, with the words that a failure names it by."""

    board: str
    panel: str
    promql: str

    def __str__(self) -> str:
        return f"{self.board} / {self.panel}: {self.promql}"


def queries(promql_of: Mapping[str, Any]) -> Sequence[Asked]:
    """All queries of a dashboard, its variables as they stand."""
    return [
        Asked(promql_of["title"], panel["title"], target["expr"])
        for panel in promql_of["panels"]
        for target in panel.get("targets", ())
    ]


def filled(promql: str, address: str) -> str:
    for variable, value in _GRAFANA.items():
        promql = promql.replace(variable, value)
    return promql.replace("$address", address)


BOARDS = [board.json() for board in made.boards()]
QUERIES = [asked for board in BOARDS for asked in queries(board)]


@pytest.fixture(scope="module")
def prometheus(network: Network) -> Iterator[PrivatePrometheus]:
    """It sees the network under traffic."""
    access = Access.load(network.home)
    rules = document(recording.groups(PACE))
    with PrivatePrometheus(scraping.targets(access.http), rules=[rules], scrape=PACE.scrape, in_memory=True) as server:
        ask = traffic(access)
        asyncio.run(ask(scene=True))
        assert network.send(FOLDER / "OpenLot.xml", "70-3").status == 0
        refused = network.send(FOLDER / "codes" / "MSG00013.xml", "17-1-1917010109", "--new-ticket")
        assert refused.status == 1, refused
        assert declare(network, example("DimonaIn")).status in (0, 1)  # refused, where another test declared it
        # A series that is born has no rate: it has to be seen, and then to move.
        until(lambda: server.query("crossroads_supplier_seconds_count") and server.query("crossroads_questions_total"))
        asyncio.run(ask(scene=False))
        yield server


@pytest.fixture(scope="module")
def second(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """Another hub, which does not belong to `up`; it starts while others are tested."""
    access, directory = Access.load(network.home), tmp_path_factory.mktemp("second")
    child = children.hub(
        "hub-second", access.urls("hub"), access.database_url, access.journal_keys, access.services, directory
    )
    child.launch()
    yield child
    child.stop()


def traffic(access: Access) -> Callable[..., Coroutine[Any, Any, None]]:
    """Traffic: what is answered and what is refused on line, also through relays; with `scene` mutations too, and words
    that nobody takes."""
    catalogue = Catalogue.from_environment()
    population = Population(seed=access.seed, size=access.size)
    plan = Plan(population, files.read(FILES, catalogue), catalogue)
    chosen = [*islice(plan.exchanges(), 30)]

    async def ask(*, scene: bool) -> None:
        exchanges = Traffic(access, catalogue, chosen, in_flight=4)
        await exchanges.run()
        assert exchanges.seen.wrong == []
        if scene:
            await Scene(access, catalogue, population).play()

    return ask


def numbers(found: Sequence[Sample]) -> list[float]:
    return [one.value for one in found if not isnan(one.value)]


def without_data(prometheus: PrivatePrometheus, todo: Mapping[str, str]) -> list[str]:
    """Of these (what it is → its query), those that find nothing, after some patience."""
    left = dict(todo)

    def found() -> bool:
        for what, promql in [*left.items()]:
            if numbers(prometheus.query(promql)):
                del left[what]
        return not left

    with contextlib.suppress(AssertionError):
        until(found, within=_PATIENCE)
    return sorted(left)


def test_every_panel_has_data(prometheus: PrivatePrometheus) -> None:
    todo = {
        f"{asked} ({address})": filled(asked.promql, address)
        for asked in QUERIES
        for address in (_ADDRESSES if "$address" in asked.promql else ("",))
    }
    assert len(todo) > 100
    assert without_data(prometheus, todo) == []


def test_every_figure_that_a_panel_names_was_counted(network: Network, prometheus: PrivatePrometheus) -> None:
    """Many panels show 0 where there is nothing; so each figure that they name is looked for by itself."""
    counted = set()
    for job in scraping.targets(network.access["http"]).values():
        for url in job.values():
            with urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 (our own loopback)
                counted |= set(re.findall(r"^# TYPE (\S+) ", answer.read().decode(), re.MULTILINE))
    todo = {}
    for asked in QUERIES:
        for name, labels in _FIGURE.findall(filled(asked.promql, "").replace('=""', '=~".+"')):
            if name.startswith("crossroads"):
                assert {name, re.sub("_(bucket|sum|count)$", "", name)} & counted, f"nobody counts {name}: {asked}"
            if name not in _TROUBLE and not any(trouble in f"{name}{labels}" for trouble in _TROUBLES):
                todo[f"{name}{labels} in {asked.board} / {asked.panel}"] = f"{name}{labels}"
    assert without_data(prometheus, todo) == []


def test_every_recording_rule_has_data(prometheus: PrivatePrometheus) -> None:
    names = {rule["record"]: rule["record"] for group in recording.groups(PACE) for rule in group.rules}
    assert without_data(prometheus, names) == []
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}


@pytest.mark.usefixtures("second")
async def test_what_operators_pause_is_marked_and_shown(network: Network, prometheus: PrivatePrometheus) -> None:
    marks = {one["name"]: one["expr"] for one in BOARDS[0]["annotations"]["list"]}
    [shown] = {one.promql for one in QUERIES if one.panel == "Paused now"}

    def marked() -> dict[str, list[dict[str, str]]]:
        return {name: [dict(one.labels) for one in prometheus.query(promql)] for name, promql in marks.items()}

    async def seen(wanted: dict[str, list[dict[str, str]]]) -> None:
        await asyncio.to_thread(until, lambda: marked() == wanted, why="what is paused is not marked")

    nothing: dict[str, list[dict[str, str]]] = {"Paused": [], "Maintenance": [], "Draining": []}
    await seen(nothing)
    connection = await asyncpg.connect(Access.load(network.home).database_url)
    try:
        await control.begin(connection, "supplier", "1-0")
        await control.begin(connection, "maintenance")
        await seen({"Paused": [{"kind": "supplier", "what": "1-0"}], "Maintenance": [{}], "Draining": []})
        [row] = prometheus.query(shown)
        assert (row.labels["what"], row.value) == ("1-0", 1)
    finally:
        await control.end(connection, "supplier", "1-0")
        await control.end(connection, "maintenance")
        await connection.close()
    await seen(nothing)
    [row] = prometheus.query(shown)
    assert (row.labels["what"], row.value) == ("nothing", 0)


def test_values_of_the_variables_are_there(prometheus: PrivatePrometheus) -> None:
    [variable] = [one for board in BOARDS for one in board["templating"]["list"] if one["type"] == "query"]
    figure, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    addresses = {one.labels[label] for one in prometheus.query(figure)}
    assert addresses >= {*_ADDRESSES, "17-1-1917010109"}


def test_up_has_a_prometheus_beside_it_that_follows_hubs_as_they_come_and_go(network: Network, second: Child) -> None:
    beside = ForeignPrometheus(network.access["http"]["prometheus"])
    there = dict.fromkeys(("hub-1", "institutions", "relays", "nsso", "watcher"), "up")
    until(lambda: beside.health() == there | {"hub-second": "up"}, why="not all are scraped")
    second.stop()
    until(lambda: beside.health() == there, why="who ended in order is scraped still")
    until(lambda: {rule["health"] for rule in beside.rules()} == {"ok"}, why="a rule fails")


def test_a_killed_hub_stays_as_one_that_does_not_answer_until_another_of_its_name_comes() -> None:
    old, new, other = (uuid4() for _ in range(3))

    def one(instance: UUID, name: str, started: int, silent: float) -> Process:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=started)
        return Process(instance, name, f"http://{instance}", at, True, False, 0, 0, 0, {}, {}, silent)

    killed = one(old, "hub-1", 1, 1e4)
    assert scraping.hubs([killed, one(other, "hub-2", 2, 0.5)]) == {
        "hub-1": f"http://{old}",
        "hub-2": f"http://{other}",
    }
    assert scraping.hubs([one(new, "hub-1", 3, 0.5), killed]) == {"hub-1": f"http://{new}"}
    twice = scraping.hubs([one(new, "hub", 3, 0.5), one(other, "hub", 2, 0.5)])
    assert twice == {"hub": f"http://{other}", f"hub {new}": f"http://{new}"}
