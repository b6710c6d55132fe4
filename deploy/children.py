"""The network's own processes, started and stopped by the one that owns them, and never left behind."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.servers.guarded import Guarded
from deploy.servers.ports import free_ports
from institutions.reference.network import MEMBERS, NSSO
from institutions.reference.suppliers.data import services_of
from schemas.address import Address
from schemas.errors import CrossroadsError

#: A Python process of ours is ready within this time, also on a busy machine, seconds.
READY_TIMEOUT = 60.0
#: A drain ends by itself before this, seconds.
STOP_TIMEOUT = 15.0
_POLL = 0.05
#: Variables of whoever starts the network that are its processes' too.
_PASSED_ON = ("CROSSROADS_TRANSPORT", "CROSSROADS_TRACES", "CROSSROADS_TRACES_SHARE")
_TAIL_LINES = 15


class ChildError(CrossroadsError):
    """A process of the network did not come up, or went; the text has the end of its log."""


class Child:
    """One process (`python -m …`) with its health port and its log file. It never outlives its owner."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        page: str = "/metrics",
    ) -> None:
        """`page`: what there is to be read below its URL."""
        self.name, self.page = name, page
        self.log = directory / f"{name}.log"
        self.url = ""
        self._arguments, self._environment, self._directory = tuple(arguments), dict(environment), directory
        self._guarded: Guarded | None = None

    def launch(self) -> None:
        """Start it; `wait_ready` tells when it serves."""
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith("CROSSROADS_") or key in _PASSED_ON
        }
        self._guarded = Guarded(
            [(sys.executable, "-m", *self._arguments)],
            environment=kept
            | {"TMPDIR": str(self._directory)}  # what it leaves there goes with the directory
            | self._environment
            | {"CROSSROADS_HTTP_PORT": str(port), "CROSSROADS_NAME": self.name},
            directory=self._directory,
            output=self.log,
            last_signal=signal.SIGTERM,
        )

    async def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until `/ready` says so. ChildError if the process ends or the time does."""
        end = time.monotonic() + timeout
        while not await asyncio.to_thread(self._answers, "/ready"):
            if not self.running:
                raise ChildError(f"{self.name} ended while it started. The end of {self.log}:\n{self.log_tail()}")
            if time.monotonic() > end:
                raise ChildError(
                    f"{self.name} is not ready after {timeout:.0f} s: {self.complaint()}\n{self.log_tail()}"
                )
            await asyncio.sleep(_POLL)

    @property
    def pid(self) -> int:
        """Of its guardian, whose child it is; 0 where it does not run."""
        return self._guarded.pid if self._guarded is not None else 0

    @property
    def running(self) -> bool:
        return self._guarded is not None and self._guarded.running

    @property
    def ended_well(self) -> bool:
        """Whether it ended by itself and found nothing wrong with that: a hub that was drained."""
        return self._guarded is not None and not self.running and self._guarded.wait() == 0

    def complaint(self) -> str:
        """What its health check says is wrong."""
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:  # noqa: S310 (our own loopback)
                return str(answer.read(), "utf-8", "replace")
        except urllib.error.HTTPError as error:
            return str(error.read(), "utf-8", "replace")
        except OSError as error:
            return f"no health check: {error}"

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as answer:  # noqa: S310 (our own loopback)
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Ask it to drain; what has not ended by `STOP_TIMEOUT` is killed."""
        if self._guarded is None:
            return
        self._guarded.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            self._guarded.wait(STOP_TIMEOUT)
        self.kill()

    def terminate(self) -> None:
        """Ask it to drain, and do not wait."""
        if self._guarded is not None:
            self._guarded.signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        if self._guarded is not None:
            self._guarded.kill()
            self._guarded = None

    def log_tail(self) -> str:
        """The last lines of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])


#: Waits until it is told that its owner is gone; then there is no network that the file could tell of.
_KEEP = """trap 'rm -f -- "$1"; exit' TERM; while :; do sleep 3600 & wait; done"""


def keeper(directory: Path, file: Path | None) -> Guarded:
    """Removes the directory, and the file, should this process be killed."""
    return Guarded(
        [("sh", "-c", _KEEP, "sh", str(file or directory / "none"))],
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        directory=Path("/"),
        output=directory / "keeper.log",
        last_signal=signal.SIGTERM,
        remove=directory,
    )


def hub(
    name: str, amqp_urls: Sequence[str], database_url: str, journal_key: str, services: str, directory: Path
) -> Child:
    """A hub process."""
    environment = {
        "CROSSROADS_AMQP_URL": ",".join(amqp_urls),
        "CROSSROADS_DATABASE_URL": database_url,
        "CROSSROADS_JOURNAL_KEY": journal_key,
        "CROSSROADS_SERVICES": services,
    }
    return Child(name, ("hub",), environment, directory)


def shared_out(managing: Sequence[Address]) -> Mapping[str, Sequence[Address]]:
    """Which reference institutions are in one process: its name, and the addresses that it is started with."""
    alone = (*managing, NSSO)
    suppliers = [m.address for m in MEMBERS if m.active and m.address not in alone and services_of(m.address)]
    return {"institutions": suppliers, "relays": managing, "nsso": (NSSO,)}


def institutions(
    name: str,
    addresses: Sequence[str],
    nodes: Sequence[str],
    passwords: Mapping[str, str],
    *,
    secondary: Mapping[str, str],
    sectoral_urls: Mapping[str, str],
    registers_url: str,
    statuses_url: str,
    nsso_url: str,
    population: tuple[int, int],
    services: str,
    directory: Path,
) -> Child:
    """A process for several institutions: reference suppliers, relays where they manage a network, the registers,
    the buffer of statuses, the NSSO.
    `population` is seed and size."""
    environment = {
        "CROSSROADS_AMQP_URL": ",".join(nodes),
        "CROSSROADS_PASSWORDS": json.dumps({a: passwords[a] for a in addresses}),
        "CROSSROADS_SECONDARY_VHOSTS": json.dumps(dict(secondary)),
        "CROSSROADS_SECTORAL_URLS": json.dumps({a: url for a, url in sectoral_urls.items() if a in addresses}),
        "CROSSROADS_REGISTERS_URL": registers_url,
        "CROSSROADS_STATUSES_URL": statuses_url,
        "CROSSROADS_NSSO_URL": nsso_url,
        "CROSSROADS_POPULATION_SEED": str(population[0]),
        "CROSSROADS_POPULATION_SIZE": str(population[1]),
        "CROSSROADS_SERVICES": services,
    }
    if (today := os.environ.get("CROSSROADS_TODAY")) is not None:
        environment["CROSSROADS_TODAY"] = today
    return Child(name, ("institutions", *addresses), environment, directory)


def watcher(name: str, database_url: str, management_url: str, directory: Path) -> Child:
    """The figures of what no process owns. `management_url`: of the user `monitor`."""
    environment = {"CROSSROADS_DATABASE_URL": database_url, "CROSSROADS_RABBITMQ_ADMIN_URL": management_url}
    return Child(name, ("deploy", "watcher"), environment, directory)


def schemas(name: str, forms: str, directory: Path) -> Child:
    """The pages and downloads of the declarations' schemas. `forms` as CROSSROADS_FORMS has them, absolute."""
    return Child(name, ("deploy", "schemas", "serve"), {"CROSSROADS_FORMS": forms}, directory, "/schemas/")
