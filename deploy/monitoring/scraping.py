"""Who is scraped: of a network that `crossroads up` runs, and of one in containers (prometheus.yml)."""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.monitoring.pace import REAL
from hub.control import Process

#: What has no figures.
_PAGES = frozenset({"schemas", "prometheus"})
#: Port of the figures in containers, unless CROSSROADS_HTTP_PORT says otherwise.
_PORTS = {"hub": 8080, "watcher": 8080, "institution": 8081}
#: Names of the containers (`deploy/compose.yaml`), by job. They are named, not looked for: one that is away has to be
#: seen as one that does not answer.
_CONTAINERS = {"hub": ("hub-1", "hub-2"), "watcher": ("watcher",), "institution": ("institutions", "relays", "nsso")}
#: RabbitMQ's own plugin rabbitmq_prometheus.
_BROKER = ("rabbitmq", 15692)


def job(process: str) -> str | None:
    """The job of a process of `crossroads up`, by its name; None if it has no figures."""
    if process in _PAGES:
        return None
    if process == "watcher":
        return "watcher"
    return "hub" if process.startswith("hub") else "institution"


def targets(http: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Jobs with their processes, from the processes' base URLs (`Access.http`), as `PrivatePrometheus` takes them."""
    found: dict[str, dict[str, str]] = {}
    for process, url in http.items():
        if (its := job(process)) is not None:
            found.setdefault(its, {})[process] = url
    return found


def hubs(processes: Iterable[Process]) -> dict[str, str]:
    """Hubs with their URLs, from what they tell in the database. One that was killed stays, as one that is silent,
    until another of its name comes or it is forgotten a day later; one that ended in order is gone."""
    found: dict[str, Process] = {}
    for process in sorted(processes, key=lambda one: one.started):
        same = found.get(process.name)
        alone = same is None or not same.beats
        found[process.name if alone else f"{process.name} {process.instance}"] = process
    return {name: process.url for name, process in found.items()}


def configuration() -> dict[str, Any]:
    """Of a Prometheus beside containers that are called as in `deploy/compose.yaml`."""
    jobs = [_named(job, names, _PORTS[job]) for job, names in _CONTAINERS.items()]
    broker, port = _BROKER
    return {
        "global": {"scrape_interval": f"{REAL.scrape:g}s", "evaluation_interval": f"{REAL.scrape:g}s"},
        "rule_files": ["recording.yml", "alerts.yml"],
        "scrape_configs": [*jobs, _named("broker", (broker,), port)],
    }


def _named(job: str, names: tuple[str, ...], port: int) -> dict[str, Any]:
    """A job; its processes are called as their containers, without a port."""
    return {
        "job_name": job,
        "static_configs": [{"targets": [f"{name}:{port}" for name in names]}],
        "relabel_configs": [{"source_labels": ["__address__"], "regex": "([^:]+):.+", "target_label": "instance"}],
    }
