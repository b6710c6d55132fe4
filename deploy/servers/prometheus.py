"""A private Prometheus server, 2.40 or newer."""

import json
import shutil
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.servers.ports import LOOPBACK, free_ports
from deploy.servers.server import PrivateServer, ServerError, clean_environment

#: What is scraped: job → name of the process → its base URL. The name becomes the label `instance`.
Targets = Mapping[str, Mapping[str, str]]

_TIMEOUT_S = 30.0
_INSTALL = "Install it (apt-get install --no-install-recommends prometheus); its own service need not run."


@dataclass(frozen=True)
class Sample:
    """One series of an answer and its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Alert:
    """An alert that is `pending` (its expression holds, not yet for long enough) or `firing`."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class QueryError(ServerError):
    """Prometheus does not understand a query, or could not answer it; the text is its own."""


class Queries:
    """What can be asked of a Prometheus, whoever runs it."""

    @property
    def url(self) -> str:
        """Where its API is, without a path."""
        raise NotImplementedError

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """The answer to a query, now or at a time (seconds since 1970): a sample a series. QueryError if it is wrong.

        A query that gives one number gives one sample without labels.
        """
        words = {"query": promql} | ({} if at is None else {"time": str(at)})
        found = self._get("/api/v1/query", words)
        if found["resultType"] in ("scalar", "string"):
            return [Sample({}, float(found["result"][1]))]
        if found["resultType"] != "vector":
            raise QueryError(f"this query gives a {found['resultType']}: ask for an instant vector or a number")
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    def alerts(self) -> list[Alert]:
        """What is pending or firing now."""
        return [
            Alert(one["labels"]["alertname"], one["state"], one["labels"], one["annotations"])
            for one in self._get("/api/v1/alerts")["alerts"]
        ]

    def rules(self) -> list[Mapping[str, Any]]:
        """Every rule with its state, as Prometheus' API tells it (`/api/v1/rules`)."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def health(self) -> dict[str, str]:
        """The health (`up`, `down`, `unknown`) of each process that is scraped now."""
        return {
            one["labels"]["instance"]: one["health"]
            for one in self._get("/api/v1/targets", {"state": "active"})["activeTargets"]
        }

    def _get(self, path: str, words: Mapping[str, str] | None = None) -> Any:
        url = f"{self.url}{path}?{urllib.parse.urlencode(words or {})}"
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (our own loopback)
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            told = error.read()
            try:
                raise QueryError(str(json.loads(told)["error"])) from None
            except (ValueError, KeyError, TypeError):
                raise QueryError(f"Prometheus answered {error.code} on {path}") from None
        except OSError as error:
            raise ServerError(f"Prometheus does not answer on {self.url}: {error}") from None


class ForeignPrometheus(Queries):
    """A Prometheus that others run, by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    @property
    def url(self) -> str:
        return self._url


class PrivatePrometheus(Queries, PrivateServer):
    """Prometheus on a free loopback port.

        with PrivatePrometheus({"hub": {"hub-1": "http://127.0.0.1:9101"}}, rules=[document], scrape=1) as prometheus:
            prometheus.query("crossroads_up")

    targets: as `Targets`; `follow` changes them while it runs.
    rules: rule documents (`{"groups": […]}`), or paths of rule files.
    scrape, evaluation: seconds between two looks at a target, and between two evaluations of a group that names no
        interval of its own. evaluation None: as scrape.
    """

    name = "Prometheus"
    stop_signal = signal.SIGTERM
    abandon_signal = signal.SIGKILL

    def __init__(
        self,
        targets: Targets | None = None,
        directory: Path | None = None,
        *,
        rules: Sequence[Mapping[str, Any] | Path] = (),
        scrape: float = 15.0,
        evaluation: float | None = None,
        in_memory: bool = False,
    ) -> None:
        super().__init__(directory, in_memory=in_memory)
        self._targets: Targets = targets or {}
        self._rules = rules
        self._scrape, self._evaluation = scrape, scrape if evaluation is None else evaluation
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def follow(self, targets: Targets) -> None:
        """Scrape these instead; Prometheus notices within 5 s."""
        self._targets = targets
        if self.directory is not None:
            self._write_targets()

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=2) as answer:  # noqa: S310 (our own loopback)
                return bool(answer.status == 200)
        except OSError:
            return False

    def _prepare(self, *, new_ports: bool) -> None:
        program()  # or say how to install it
        place = self._place()
        if new_ports:
            (self.port,) = free_ports(1)
        self._write_targets()
        files = []
        for number, rules in enumerate(self._rules):
            file = rules.absolute() if isinstance(rules, Path) else place / f"rules-{number}.yml"
            if not isinstance(rules, Path):
                file.write_text(yaml.safe_dump(dict(rules), sort_keys=False, allow_unicode=True))
            files.append(str(file))
        configuration = {
            "global": {
                "scrape_interval": _duration(self._scrape),
                "scrape_timeout": _duration(min(self._scrape, 10.0)),
                "evaluation_interval": _duration(self._evaluation),
            },
            "rule_files": files,
            # A job's name comes with its targets, so that jobs may come and go too.
            "scrape_configs": [
                {"job_name": "crossroads", "file_sd_configs": [{"files": [str(place / "targets.json")]}]}
            ],
        }
        (place / "prometheus.yml").write_text(yaml.safe_dump(configuration, sort_keys=False))

    def _write_targets(self) -> None:
        groups = []
        for job, processes in self._targets.items():
            for process, url in processes.items():
                parts = urlsplit(url)
                labels = {"job": job, "instance": process, "__scheme__": parts.scheme}
                labels["__metrics_path__"] = f"{parts.path.rstrip('/')}/metrics"
                groups.append({"targets": [parts.netloc], "labels": labels})
        file = self._place() / "targets.json"
        written = file.with_suffix(".new")
        written.write_text(json.dumps(groups))
        written.replace(file)  # Prometheus never reads a part

    def _commands(self) -> Sequence[Sequence[str]]:
        place = self._place()
        return [
            [
                program(),
                f"--config.file={place / 'prometheus.yml'}",
                f"--storage.tsdb.path={place / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
            ]
        ]

    def _environment(self) -> Mapping[str, str]:
        return clean_environment() | {"HOME": str(self._place())}

    def _logs(self) -> Sequence[Path]:
        return [self._place() / "boot.log"]

    def _port_was_taken(self) -> bool:
        return "address already in use" in (self._place() / "boot.log").read_text(errors="replace")

    def _variable(self) -> str:
        return ""


def program() -> str:
    """The server's program. ServerError says how to install it."""
    found = shutil.which("prometheus")
    if found is None:
        raise ServerError("Prometheus is not installed. " + _INSTALL)
    return found


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
