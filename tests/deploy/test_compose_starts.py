"""Every command of deploy/compose.yaml started as a plain process, and the network so started answers.

For the images of others Debian's programs stand in, with the arguments and configuration files of the compose file.
Grafana cannot be had here: that its provisioning fits is looked at, not that it starts.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
import yaml
from lxml import etree

from deploy import secret_files
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ, start_all
from deploy.servers.guarded import Guarded
from deploy.servers.ports import LOOPBACK, free_ports
from deploy.servers.postgresql import _become, programs
from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine
from schemas.wire.direct import DirectAsker
from schemas.wire.transport import Properties
from tests.deploy import compose
from tests.deploy.command.network import until

ROOT = compose.FILE.parent
COMPOSE = compose.read()
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = ROOT.parent / "docs" / "examples" / "RetrieveTIGroups.xml"
ASKER = "17-1-1917010109"
PATIENCE = 60.0
CROSSROADS = Path(sys.executable).with_name("crossroads")
PROCESSES = ("hub-1", "hub-2", "institutions", "relays", "nsso", "watcher")


class Files:
    """What a container would be given, as files of its own: secrets, configs."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.hosts: dict[str, str] = {}
        secret_files.write(place / "secrets")

    def said(self, text: str) -> str:
        """With the servers of this test instead of the compose file's."""
        for there, here in self.hosts.items():
            text = text.replace(there, here)
        return text

    def content(self, service: str, target: str) -> str:
        one = SERVICES[service]
        for kind in ("secrets", "configs"):
            if (name := compose.given(one, kind).get(target)) is not None:
                file = COMPOSE[kind][name]["file"]
                return (self._place if kind == "secrets" else ROOT).joinpath(file).read_text()
        raise KeyError(target)

    def secrets(self, service: str) -> Path:
        """/run/secrets of a service."""
        place = self._place / "run" / service
        place.mkdir(parents=True, exist_ok=True)
        for target in compose.given(SERVICES[service], "secrets"):
            if target.startswith("/run/secrets/"):
                (place / Path(target).name).write_text(self.said(self.content(service, target)))
        return place


class Broker(PrivateRabbitMQ):
    """As the service `rabbitmq`, but for its ports."""

    def __init__(self, files: Files) -> None:
        super().__init__(in_memory=True)
        self._files = files
        (self.prometheus_port,) = free_ports(1)

    def _prepare(self, *, new_ports: bool) -> None:
        super()._prepare(new_ports=new_ports)
        place = self._place()
        targets = {
            target
            for kind in ("configs", "secrets")
            for target in compose.given(SERVICES["rabbitmq"], kind)
            if target.endswith(".conf")
        }
        said = [self._files.content("rabbitmq", target) for target in sorted(targets, key=lambda one: "conf.d" in one)]
        [self.password] = [line.split(" = ")[1] for line in "".join(said).splitlines() if "default_pass" in line]
        own = {
            "listeners.tcp.default": f"{LOOPBACK}:{self.port}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": self._management_port,
            "prometheus.tcp.port": self.prometheus_port,
        }
        lines = "".join(f"{key} = {value}\n" for key, value in own.items())
        (place / "rabbitmq.conf").write_text("".join(said) + lines)
        (place / "enabled_plugins").write_text(self._files.content("rabbitmq", "/etc/rabbitmq/enabled_plugins"))


class Databases(PrivatePostgreSQL):
    """As the service `postgresql`, but for its port."""

    def __init__(self, files: Files) -> None:
        super().__init__(in_memory=True)
        self._files = files

    def _commands(self) -> Sequence[Sequence[str]]:
        one, place = SERVICES["postgresql"], self._place()
        secret = one["environment"]["POSTGRES_PASSWORD_FILE"]
        (place / "password").write_text(self._files.content("postgresql", secret))
        words = list(one["command"])
        target = next(iter(compose.given(one, "configs")))
        (place / "given.conf").write_text(self._files.content("postgresql", target))
        words = [word.replace(target, str(place / "given.conf")) for word in words]
        own = [
            "-c", f"listen_addresses={LOOPBACK}", "-c", f"port={self.port}", "-c", "unix_socket_directories=",
            "-c", "dynamic_shared_memory_type=mmap",
        ]  # fmt: skip
        initdb = f"{programs()}/initdb -D data -U postgres --pwfile=password --auth=scram-sha-256"
        made = f"{initdb} {one['environment']['POSTGRES_INITDB_ARGS']} >/dev/null"
        boot = f'{made} && export PGDATA="$PWD/data" && exec "$@"'
        return [[*_become(), "sh", "-e", "-c", boot, "sh", f"{programs()}/{words[0]}", *words[1:], *own]]


class Container:
    """A service of ours as a plain process."""

    def __init__(self, name: str, files: Files, place: Path) -> None:
        self.name, self.log = name, place / f"{name}.log"
        (self.port,) = free_ports(1)
        one = SERVICES[name]
        secrets = str(files.secrets(name))
        given = {key: files.said(str(value)) for key, value in one["environment"].items()}
        own = {"CROSSROADS_HTTP_PORT": str(self.port), "CROSSROADS_POPULATION_SIZE": "200"}
        environment = {key: value.replace("/run/secrets", secrets) for key, value in given.items()} | own
        environment |= {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
        words = [word.replace("/run/secrets", secrets) for word in one["command"]]
        self._guarded = Guarded(
            [[str(CROSSROADS), *words]],
            environment=environment, directory=place, output=self.log, last_signal=signal.SIGTERM,
        )  # fmt: skip

    def ended(self) -> int:
        return self._guarded.wait(PATIENCE)

    def stop(self) -> int:
        self._guarded.signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self._guarded.kill()

    def healthy(self) -> bool:
        """By the very check of the compose file."""
        assert self._guarded.running, self.log.read_text()
        if _got(f"http://{LOOPBACK}:{self.port}/ready") is None:
            return False
        word, program, *rest = SERVICES[self.name]["healthcheck"]["test"]
        assert (word, program) == ("CMD", "python")
        settled = [text.replace(":8080/", f":{self.port}/").replace(":8081/", f":{self.port}/") for text in rest]
        return subprocess.run([sys.executable, *settled], check=False, timeout=PATIENCE).returncode == 0

    def figures(self) -> bytes:
        return _got(f"http://{LOOPBACK}:{self.port}/metrics") or b""


def started(stack: ExitStack, name: str, files: Files, place: Path) -> Container:
    container = Container(name, files, place)
    stack.callback(container.kill)
    return container


def once(stack: ExitStack, name: str, files: Files, place: Path) -> str:
    """A command that ends: what it said."""
    container = started(stack, name, files, place)
    status = container.ended()
    said = container.log.read_text()
    assert status == 0, said
    container.log.unlink()
    return said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compose")


@pytest.fixture(scope="module")
def prometheus(place: Path) -> Iterator[str]:
    """As the service `prometheus`."""
    if (program := shutil.which("prometheus")) is None:
        pytest.fail("no prometheus: apt-get install --no-install-recommends prometheus")
    (port,) = free_ports(1)
    one = SERVICES["prometheus"]
    [config] = [volume.split(":") for volume in one["volumes"] if volume.startswith("./")]
    words = [
        word.replace(config[1], str(ROOT / config[0])).replace("=/prometheus", f"={place}/prometheus")
        for word in one["command"]
    ]
    running = Guarded(
        [[program, *words, f"--web.listen-address={LOOPBACK}:{port}"]],
        environment={"PATH": "/usr/bin"}, directory=place, output=place / "prometheus.log",
    )  # fmt: skip
    yield f"http://{LOOPBACK}:{port}"
    running.kill()


async def asked(broker: Broker, files: Files) -> str | None:
    """A question of a PCSW through its relay and a hub to the National Register: the answer's value."""
    password = json.loads(files.content("provision", "/run/secrets/broker_users"))[ASKER]
    url = f"amqp://{ASKER}:{quote(password, safe='')}@{LOOPBACK}:{broker.port}/secondary-17"
    asker = DirectAsker(AioPikaLine((url,), name="asks"), centre="17-0")
    await asker.start()
    await asker.wait_connected(PATIENCE)
    try:
        root = etree.fromstring(EXAMPLE.read_bytes())
        [ticket] = root.iter("ticket")
        ticket.text = str(uuid4())
        answer = await asker.ask(
            names.out(ASKER), "online", etree.tostring(root), Properties(user_id=ASKER), timeout=PATIENCE
        )
        return etree.fromstring(answer.body).findtext("status/value")
    finally:
        await asker.close()


@pytest.mark.timeout(300)  # a dozen starts: on a busy machine they take their time
async def test_every_command_starts_and_the_network_answers(place: Path, prometheus: str) -> None:
    files = Files(place)
    broker, databases = Broker(files), Databases(files)
    with ExitStack() as stack:
        start_all(broker, databases)
        stack.callback(broker.stop)
        stack.callback(databases.stop)
        files.hosts = {
            secret_files.BROKER: f"{LOOPBACK}:{broker.port}",
            secret_files.MANAGEMENT: f"{LOOPBACK}:{broker._management_port}",
            secret_files.DATABASES: f"{LOOPBACK}:{databases.port}",
        }
        assert "11 databases, 11 new" in once(stack, "prepare", files, place)
        assert " new)" in once(stack, "provision", files, place)
        running = {name: started(stack, name, files, place) for name in PROCESSES}
        for container in running.values():
            until(container.healthy, PATIENCE, why=f"{container.name} is not healthy")
        assert await asked(broker, files) == "DATA_FOUND"

        # What is set up at each start stays as it is; a database that was made anew (a restore) is closed again.
        administrator = files.said(files.content("prepare", "/run/secrets/crossroads_postgresql_admin_url"))
        connection = await asyncpg.connect(administrator)
        await connection.execute("GRANT CONNECT ON DATABASE crossroads TO PUBLIC")
        said = once(stack, "prepare", files, place)
        assert "11 databases, 0 new" in said
        assert "persons" not in said
        granted = "SELECT 0 = ANY (SELECT (aclexplode(datacl)).grantee) FROM pg_database WHERE datname = 'crossroads'"
        assert not await connection.fetchval(granted)
        await connection.close()

        assert b'crossroads_watched{source="database"} 1.0' in running["watcher"].figures()
        assert b"rabbitmq_" in (_got(f"http://{LOOPBACK}:{broker.prometheus_port}/metrics") or b"")
        assert running["hub-1"].stop() == 0
        assert await asked(broker, files) == "DATA_FOUND"
        for container in (one for name, one in running.items() if name != "hub-1"):
            container._guarded.signal(signal.SIGTERM)
        assert {name: one.ended() for name, one in running.items() if name != "hub-1"} == dict.fromkeys(
            set(PROCESSES) - {"hub-1"}, 0
        )

        until(lambda: _got(f"{prometheus}/-/ready") is not None, PATIENCE, why="prometheus is not ready")
        groups = json.loads(_got(f"{prometheus}/api/v1/rules") or "{}")["data"]["groups"]
        assert {rule["type"] for group in groups for rule in group["rules"]} == {"recording", "alerting"}


def _got(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own loopback)
            return bytes(answer.read())
    except OSError:
        return None


def test_grafana_is_given_what_its_provisioning_asks_for() -> None:
    one = SERVICES["grafana"]
    mounted = dict(reversed(volume.split(":")[:2]) for volume in one["volumes"])
    provisioning = ROOT / mounted["/etc/grafana/provisioning"]
    [source] = [
        each
        for file in (provisioning / "datasources").glob("*.y*ml")
        for each in yaml.safe_load(file.read_text())["datasources"]
    ]
    assert source["url"] == "${CROSSROADS_PROMETHEUS_URL}"
    url = one["environment"]["CROSSROADS_PROMETHEUS_URL"]
    assert url == "http://prometheus:9090"
    for file in (provisioning / "dashboards").glob("*.y*ml"):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            assert list((ROOT / mounted[provider["options"]["path"]]).glob("*.json"))
    assert set(one["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_prometheus_looks_at_every_process_where_it_serves() -> None:
    jobs = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    found = {target for job in jobs for each in job["static_configs"] for target in each["targets"]}
    ports = {
        name: re.search(r":(\d+)/ready", SERVICES[name]["healthcheck"]["test"][-1]).group(1)  # type: ignore[union-attr]
        for name in PROCESSES
    }
    assert found == {f"{name}:{port}" for name, port in ports.items()} | {"rabbitmq:15692"}
    assert "rabbitmq_prometheus" in (ROOT / COMPOSE["configs"]["rabbitmq_plugins"]["file"]).read_text()
