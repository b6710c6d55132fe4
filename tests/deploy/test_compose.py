"""The compose file against its specification, and what no schema sees. That its commands start: test_compose_starts."""

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement

from deploy import children
from deploy.command import cli
from deploy.databases import managing
from deploy.environment import PROCESSES, settings_of, variables
from deploy.image.runtime import runtime
from deploy.network import FILES
from deploy.secret_files import contents
from hub.process import _DRAIN_BEYOND
from hub.repertory import files
from schemas.catalogue import Catalogue
from tests.deploy import compose

ROOT = compose.FILE.parent
COMPOSE = compose.read()
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = compose.ours(COMPOSE)
#: What runs on and on.
PROCESS = {name: one for name, one in OURS.items() if one["command"][0] in PROCESSES}
catalogue = cache(Catalogue.from_environment)
DOCKERFILE = (ROOT / "image" / "Dockerfile").read_text()


def test_it_is_as_the_specification_says() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", compose.FILE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_names_is_there(service: str) -> None:
    one = SERVICES[service]
    assert set(one.get("depends_on", {})) <= SERVICES.keys()
    for other, how in one.get("depends_on", {}).items():
        assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    assert set(one["networks"]) <= COMPOSE["networks"].keys()
    for kind in ("secrets", "configs"):
        assert set(compose.given(one, kind).values()) <= COMPOSE[kind].keys()
    for volume in one.get("volumes", ()):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("kind", ["secrets", "configs", "volumes"])
def test_what_is_declared_is_used(kind: str) -> None:
    if kind == "volumes":
        used = {volume.split(":")[0] for one in SERVICES.values() for volume in one.get("volumes", ())}
        assert COMPOSE[kind].keys() == {name for name in used if not name.startswith(".")}
    else:
        assert COMPOSE[kind].keys() == {name for s in SERVICES.values() for name in compose.given(s, kind).values()}


def test_every_file_is_there_and_every_secret_is_made() -> None:
    assert all((ROOT / one["file"]).is_file() for one in COMPOSE["configs"].values())
    made = contents({})
    secrets = {one["file"] for one in COMPOSE["secrets"].values()}
    assert secrets == {f"secrets/{name}" for name in made} - {"secrets/passwords"}


def test_no_secret_stands_in_it() -> None:
    for name, one in SERVICES.items():
        for variable, value in (one.get("environment") or {}).items():
            assert not re.search(r"://[^/]*@", str(value)), (name, variable)
            assert not re.search(r"(PASSWORD|SECRET|KEY|TOKEN)$", variable), (name, variable)


@pytest.mark.parametrize("service", PROCESS)
def test_a_process_is_told_what_its_settings_know_and_all_that_they_require(service: str) -> None:
    one = PROCESS[service]
    known = settings_of(PROCESSES[one["command"][0]])
    told = compose.variables(one) - {"CROSSROADS_SECRETS"}
    assert told <= known.keys()
    assert {name for name, field in known.items() if field.is_required()} <= told
    assert one["environment"]["CROSSROADS_NAME"] == service


def test_operators_commands_are_told_what_they_read() -> None:
    told = compose.variables(OURS["operator"])
    assert told <= {one.name for one in variables()}
    watched = OURS["operator"]["environment"]["CROSSROADS_METRICS"].split()
    ports = {name: settings_of(PROCESSES[one["command"][0]]) for name, one in PROCESS.items()}
    assert sorted(watched) == sorted(
        f"http://{name}:{known['CROSSROADS_HTTP_PORT'].default}" for name, known in ports.items()
    )


@pytest.mark.parametrize("service", sorted(OURS.keys() - PROCESS.keys() - {"operator"}))
def test_a_command_is_told_what_its_options_know_and_all_that_they_require(service: str) -> None:
    one = OURS[service]
    word, *words = one["command"]
    params = typer.main.get_command(cli).commands[word].params  # type: ignore[attr-defined]
    told = compose.variables(one) - {"CROSSROADS_SECRETS"}
    assert told <= {param.envvar for param in params}
    for param in params:
        assert not param.required or param.envvar in told or param.opts[0] in words


def test_the_institutions_are_those_that_up_starts() -> None:
    rules = files.read(FILES, catalogue())
    for name, addresses in children.shared_out(managing(rules)).items():
        assert SERVICES[name]["command"] == ["institution", *map(str, addresses)]


def test_a_process_may_finish_what_it_has_begun() -> None:
    longest = max(one.deadline_ms for one in catalogue().services.values()) / 1000
    given = {float(one["stop_grace_period"].removesuffix("s")) for one in PROCESS.values()}
    assert min(given) >= longest + _DRAIN_BEYOND + 5


@pytest.mark.parametrize("service", PROCESS)
def test_a_process_is_watched_at_the_port_that_it_serves_on(service: str) -> None:
    one = PROCESS[service]
    settings = PROCESSES[one["command"][0]]
    port = one["environment"].get("CROSSROADS_HTTP_PORT", settings.model_fields["http_port"].default)
    assert f"http://127.0.0.1:{port}/ready" in one["healthcheck"]["test"][-1]
    assert one["environment"]["CROSSROADS_HTTP_HOST"] == "0.0.0.0"  # noqa: S104
    assert one["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_is_root_and_every_image_has_a_version(service: str) -> None:
    one = SERVICES[service]
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", one["image"])
    assert one["user"].split(":")[0] not in ("0", "root")
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in one


def test_nothing_is_published_but_to_this_machine_and_to_operators() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published.keys() <= {"grafana", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert COMPOSE["networks"]["inside"]["internal"]
    assert all(one["networks"] == ["inside"] for one in OURS.values())


def test_a_broker_made_anew_finds_its_queues() -> None:
    assert SERVICES["rabbitmq"]["hostname"] == "rabbitmq"
    assert SERVICES["rabbitmq"]["volumes"] == ["rabbitmq:/var/lib/rabbitmq"]


def test_the_image_is_of_the_lock_file_and_of_nothing_that_only_developers_need() -> None:
    pyproject = (ROOT.parent / "pyproject.toml").read_text()
    lock = (ROOT.parent / "requirements.lock").read_text()
    kept = {line.split("==")[0].split("[")[0] for line in runtime(lock, pyproject).splitlines() if "==" in line}
    assert not kept & {"pytest", "mypy", "ruff", "hypothesis", "setuptools", "pip", "grafana-foundation-sdk"}
    # What the installed packages themselves say that they need.
    needed, looked = {"crossroads"}, set[str]()
    while more := needed - looked:
        for name in more:
            looked.add(name)
            for said in map(Requirement, requires(name) or ()):
                if said.marker is None or said.marker.evaluate({"extra": ""}):
                    needed.add(re.sub(r"[._-]+", "-", said.name).lower())
    assert needed - {"crossroads"} <= kept


def test_the_image_is_made_in_two_stages_and_runs_as_nobody_in_particular() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", stage) for stage in stages)
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert not re.search(r"gcc|build-essential|pip install", last)
    assert {one["image"] for one in OURS.values()} == {f"crossroads:{version('crossroads')}"}
    uid = {one["user"] for one in OURS.values()}
    assert uid == {"10001:10001"}
    # The client that makes backups is of the server's version.
    client = re.search(r"postgresql-client-(\d+)", last)
    assert client is not None
    assert SERVICES["postgresql"]["image"].startswith(f"postgres:{client.group(1)}.")
    assert "://" not in DOCKERFILE
