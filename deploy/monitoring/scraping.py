"""Who is scraped: of a network that `crossroads up` runs, and of one in containers (prometheus.yml)."""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.monitoring.pace import REAL
from hub.control import Process

#: What has no figures.
_PAGES = frozenset({"schemas", "prometheus"})
#: Port of the figures in containers, unless CROSSROADS_HTTP_PORT says otherwise.
_PORTS = {"hub": 8080, "watcher": 8080, "institution": 8081}
#: Names of the services in containers, by job. Several containers of a name are all scraped.
_SERVICES = {"hub": ("hub",), "watcher": ("watcher",), "institution": ("institutions", "relays", "nsso")}
#: RabbitMQ's own plugin rabbitmq_prometheus.
_BROKER = ("rabbitmq", 15692)
_FOLLOW = "15s"


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
    jobs = [_found(its, names, _PORTS[its]) for its, names in _SERVICES.items()]
    broker, port = _BROKER
    return {
        "global": {"scrape_interval": f"{REAL.scrape:g}s", "evaluation_interval": f"{REAL.scrape:g}s"},
        "rule_files": ["recording.yml", "alerts.yml"],
        "scrape_configs": [*jobs, _found("broker", (broker,), port)],
    }


def _found(job: str, names: tuple[str, ...], port: int) -> dict[str, Any]:
    """A job whose processes are found by name, however many there are."""
    return {
        "job_name": job,
        "dns_sd_configs": [{"names": list(names), "type": "A", "port": port, "refresh_interval": _FOLLOW}],
    }
