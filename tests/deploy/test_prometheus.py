"""A private Prometheus scrapes what it is told, evaluates rules, and leaves nothing behind.

That it follows processes that come and go: tests/deploy/command/test_watched.py."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server

from deploy.monitoring import recording, rules
from deploy.monitoring.pace import QUICK, REAL, Pace, duration
from deploy.servers import PrivatePrometheus, ServerError
from deploy.servers import prometheus as prometheus_module
from deploy.servers.prometheus import QueryError
from tests.deploy.test_servers import assert_all_gone, processes_of

#: A busy machine is no failure, seconds.
PATIENCE = 60.0


def until(what: Callable[[], Any], why: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, why
        time.sleep(0.1)
    return found


class Process:
    """A process with figures of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.promise = Counter("crossroads_promise", "", ("service", "kept", "fault"), registry=registry)
        self.server: WSGIServer
        self.thread: threading.Thread
        self.server, self.thread = start_http_server(0, "127.0.0.1", registry)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    one = Process()
    yield one
    one.close()


LOUD = {"alert": "Missed", "expr": "network:crossroads_promise:burn5m > 1", "for": "1s", "labels": {"severity": "page"}}


@pytest.fixture(scope="module")
def prometheus(process: Process) -> Iterator[PrivatePrometheus]:
    groups = [*recording.groups(QUICK), rules.Group("alerts", [LOUD])]
    targets = {"hub": {"hub-1": process.url}}
    with PrivatePrometheus(targets, rules=[rules.document(groups)], scrape=QUICK.scrape, in_memory=True) as server:
        yield server


def test_rules_are_evaluated_and_an_alert_fires(prometheus, process):
    first = process.promise
    kept, hub = first.labels("A/1", "yes", "none"), first.labels("A/1", "no", "hub")
    paused = first.labels("A/1", "no", "paused")  # no miss, and no exchange
    first.labels("B/1", "yes", "none")  # nobody asks it

    def asked(promql: str = "") -> Any:
        kept.inc(9)
        hub.inc()
        paused.inc(10)
        if promql:
            return prometheus.query(promql)
        return any(alert.name == "Missed" and alert.state == "firing" for alert in prometheus.alerts())

    until(asked, "the alert does not fire")
    for window in recording.WINDOWS:
        share = f"service:crossroads_promise_kept:share{window}"
        [kept_share] = until(partial(asked, share), f"no {share}")
        assert kept_share.labels["service"] == "A/1"
        assert kept_share.value == pytest.approx(0.9, abs=0.05)
        missed = prometheus.query(f"network:crossroads_promise_missed:share{window}")
        by_fault = {one.labels["fault"]: one.value for one in missed}
        assert by_fault == {"supplier": 0, "hub": pytest.approx(0.1, abs=0.05)}
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}


def test_a_wrong_query_says_so(prometheus):
    with pytest.raises(QueryError, match="parse error"):
        prometheus.query("sum(")
    with pytest.raises(QueryError, match="instant vector"):
        prometheus.query("up[1m]")
    assert prometheus.query("1 + 1")[0].value == 2


def test_it_leaves_nothing_behind():
    server = PrivatePrometheus(in_memory=True)
    server.start()
    directory = server.directory
    assert processes_of(directory)
    server.stop()
    assert_all_gone([directory])


def test_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(prometheus_module.shutil, "which", lambda _: None)
    with pytest.raises(ServerError, match="apt-get install --no-install-recommends prometheus"):
        PrivatePrometheus().start()


@pytest.mark.parametrize(
    ("pace", "length", "window", "hold"),
    [
        (REAL, "5m", "5m", "5m"),
        (REAL, "30s", "1m", "30s"),
        (REAL, "0s", "1m", "0s"),
        (REAL, "30d", "30d", "30d"),
        (QUICK, "5m", "5s", "5s"),
        (QUICK, "1m", "4s", "1s"),
        (QUICK, "1h", "1m", "1m"),
        (Pace(scrape=0.5, ratio=1 / 60), "90s", "2s", "1500ms"),
    ],
)
def test_a_length_has_its_time_at_each_pace(pace, length, window, hold):
    assert (pace.window(length), pace.hold(length)) == (window, hold)


def test_a_length_is_whole_and_has_a_unit():
    for wrong in ("5", "5x", "1.5m", "", "-1m"):
        with pytest.raises(ValueError, match="is not a length"):
            REAL.window(wrong)
    assert duration(86_400) == "1d"
