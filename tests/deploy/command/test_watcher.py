"""The figures of docs/operators.md, as a running network tells them: its table is read here, so that page and code say
the same."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import sleep
from urllib.request import urlopen

import aio_pika
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.access import Access
from deploy.servers.management import Management, ManagementError
from deploy.watcher.broker import Broker
from deploy.watcher.figures import FIGURES
from schemas.wire import names
from tests.deploy.command.network import Network, until

PAGE = Path(__file__).parents[3] / "docs" / "operators.md"
OPEN_LOT = Path(__file__).parents[3] / "docs" / "examples" / "OpenLot.xml"
#: Nobody reads its answers here, and whose reply it is that the hub cannot give.
WHO = "6-0"
#: In the page, and not built yet.
NOT_YET: frozenset[str] = frozenset()
_NAME = re.compile(r"`(crossroads_\w+)`")
#: A word of a label list: the figure's labels are before the first of these.
_LABEL = re.compile(r"[a-z_]+")


@dataclass(frozen=True)
class Figure:
    """A row of the page's table."""

    name: str
    of: str
    labels: frozenset[str]


def figures() -> Iterator[Figure]:
    rows = PAGE.read_text().partition("## The figures")[2].partition("\n**")[0].splitlines()
    for row in (row for row in rows if row.startswith("| `crossroads_")):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if cells[1] == "as before":
            continue
        labels = re.sub(r"\([^)]*\)", "", cells[1].partition(":")[2])
        for name in _NAME.findall(cells[0]):
            found = frozenset(_LABEL.findall(labels))
            if "/" in labels:  # of several figures each has one
                found = frozenset({next(label for label in found if label in name)})
            yield Figure(name, cells[2], found)


PAGES = {figure.name: figure for figure in figures()}


@pytest.fixture(scope="module")
def access(network: Network) -> Access:
    return Access.load(network.home)


def told(access: Access, process: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Figures of a process by name, then by labels; of a histogram its count."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    with urlopen(access.http[process] + "/metrics", timeout=10) as answer:  # noqa: S310 - our own
        text = str(answer.read(), "utf-8")
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        series = found.setdefault(name, {})
        for sample in family.samples:
            if sample.name in (name, f"{name}_count"):
                series[frozenset(sample.labels.items())] = sample.value
    return found


def test_the_watcher_has_the_page_s_figures_with_its_labels_and_no_other() -> None:
    of_the_page = {name: set(one.labels) for name, one in PAGES.items() if one.of == "watcher"}
    ours = {name: set(labels) for name, (_, labels) in FIGURES.items()}
    assert of_the_page == ours


def test_each_figure_of_the_page_is_told_by_who_it_is_of_with_its_labels(network: Network, access: Access) -> None:
    said = network.here("send", OPEN_LOT, "--as", "70-3")  # somebody has asked something
    assert said.status == 0, said
    processes = {"hub": "hub-1", "watcher": "watcher", "12-0": "nsso"}
    by_process = {of: told(access, process) for of, process in processes.items()}
    for name, figure in PAGES.items():
        if name in NOT_YET:
            continue
        series = by_process[figure.of].get(name)
        assert series is not None, f"{name} is not told"
        assert all({label for label, _ in labels} == figure.labels for labels in series), name


def test_a_backlog_a_dead_letter_and_an_open_lot_are_seen(network: Network, access: Access) -> None:
    assert network.here("send", OPEN_LOT, "--as", "70-3").status == 0
    asyncio.run(_publish(access))
    waiting = labels_of("crossroads", names.answers(WHO), "answers", WHO)
    dead = labels_of("crossroads", names.DEAD, "dead", names.HUB)
    lot = frozenset({"customer": "70-3"}.items())

    def figure(name: str, labels: frozenset[tuple[str, str]]) -> float:
        sleep(0.2)  # it looks every two seconds: to ask it all the time would keep others from their work
        return told(access, "watcher")[name].get(labels, 0.0)

    try:
        until(lambda: min(figure("crossroads_queue_age_seconds", queue) for queue in (waiting, dead)) > 0)
        assert figure("crossroads_queue_messages", waiting) == 1
        assert figure("crossroads_queue_messages", dead) >= 1
        assert figure("crossroads_queue_consumers", waiting) == 0
        until(lambda: figure("crossroads_lot_declared", lot) > 0)
        assert figure("crossroads_lot_decided", lot) == 0
    finally:
        management = Management(access.management_url or "")
        for queue in (names.answers(WHO), names.DEAD):
            management.delete(f"/api/queues/{names.PRIMARY}/{queue}/contents")


async def _publish(access: Access) -> None:
    """An answer that nobody takes, and a request that cannot be answered."""
    for user, exchange, key in ((names.HUB, "", names.answers(WHO)), (WHO, names.out(WHO), "online")):
        [url] = access.urls(user)
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            place = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            await place.publish(aio_pika.Message(b"x", user_id=user), key)


def labels_of(vhost: str, queue: str, kind: str, address: str) -> frozenset[tuple[str, str]]:
    return frozenset({"vhost": vhost, "queue": queue, "kind": kind, "address": address}.items())


def monitor(access: Access) -> str:
    """The management API, as the watcher asks it."""
    scheme, _, rest = (access.management_url or "").partition("://")
    return f"{scheme}://{names.MONITOR}:{access.passwords[names.MONITOR]}@{rest.rpartition('@')[2]}"


def test_the_monitor_may_do_nothing_but_look(access: Access) -> None:
    management = Management(monitor(access))
    assert management.get("/api/nodes")
    for call in (
        lambda: management.get(f"/api/definitions/{names.PRIMARY}"),
        lambda: management.get("/api/users"),
        lambda: management.delete(f"/api/queues/{names.PRIMARY}/{names.DEAD}/contents"),
        lambda: management.post(
            f"/api/queues/{names.PRIMARY}/{names.DEAD}/get",
            {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
        ),
        lambda: management.put(f"/api/queues/{names.PRIMARY}/mine"),
    ):
        with pytest.raises(ManagementError):
            call()


def test_a_vhost_that_the_monitor_does_not_see_is_no_success(access: Access) -> None:
    for vhosts, whole, why in (
        (("crossroads", "secondary-17"), True, ""),
        (("crossroads", "secondary-99"), False, "no queue of secondary-99"),
    ):
        broker = Broker(monitor(access), partial(tuple, vhosts))
        seen = asyncio.run(broker.look())
        assert (seen.whole, seen.why) == (whole, why)
        assert any(name == "crossroads_queue_consumers" for name, *_ in seen.samples)
