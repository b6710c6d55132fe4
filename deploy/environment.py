"""The page `docs/environment.md`: every variable, who reads it, what it is by default and what it says.

    python -m deploy.environment          writes the page

It is made from the settings of the processes and the options of the commands; a test holds the page to them.
"""

import ast
import inspect
import sys
import textwrap
import typing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deploy.command import cli
from deploy.watcher.settings import Settings as Watcher
from hub.settings import Settings as Hub
from institutions.settings import Settings as Institution

PAGE = Path(__file__).parents[1] / "docs" / "environment.md"
_ROOT = Path(__file__).parents[1]
#: The settings of each process, by the command that starts it.
PROCESSES: Mapping[str, type[BaseSettings]] = {"hub": Hub, "institution": Institution, "watcher": Watcher}
#: Of these a value is never shown, wherever it is read.
_SECRET_ENDS = ("_URL", "_PASSWORD", "_KEY", "_PASSWORDS", "_URLS", "_TRACES")
#: What is read where there are no settings and no options.
_ELSEWHERE = (
    ("CROSSROADS_SECRETS", "all", "", "A directory of files named as variables in small letters: their values."),
    ("CROSSROADS_HOME", "commands, senders", ".crossroads", "Where `up` writes how to get in, and commands read it."),
    ("CROSSROADS_PROMETHEUS_URL", "Grafana", "", "Where its data source looks (deploy/grafana/provisioning)."),
    ("CROSSROADS_FORMS", "up, schemas, 12-0", "", "Folders of declaration forms beside the shipped ones."),
    ("CROSSROADS_KEY_PASSWORD", "payroll publish", "", "Opens the private key that signs files."),
    ("CROSSROADS_RABBITMQ_ADMIN_URL", "demo, up, test", "", "Management API of a broker of your own."),
    ("CROSSROADS_DATABASE_URL", "demo, up, test", "", "A database server of your own."),
    ("CROSSROADS_DATABASE_URL", "repertory, journal", "", "The hub's database."),
    ("CROSSROADS_AMQP_URL", "demo, up, test", "", "A broker of your own."),
    ("CROSSROADS_AMQP_URL", "payroll, registers", "", "One's own way to the network."),
    ("CROSSROADS_JOURNAL_KEY", "journal, repertory explain", "", "As the hub's: rows of a person are found by it."),
    ("CROSSROADS_STATUSES_FILE", "statuses fill", "", "As 25-1's."),
    ("CROSSROADS_STATUSES_URL", "statuses fill", "", "As 25-1's."),
    ("CROSSROADS_REGISTERS_URL", "registers replace", "", "As 25-0's."),
    ("CROSSROADS_NSSO_URL", "nsso", "", "As 12-0's."),
    ("CROSSROADS_METRICS", "top, doctor", "", "URLs of processes that tell figures, NAME=URL or URL, comma separated."),
    ("CROSSROADS_DATABASE_URL", "doctor", "", "The hub's database, where no network runs here."),
    ("CROSSROADS_RABBITMQ_ADMIN_URL", "doctor", "", "Management API with its administrator, if no network is here."),
    ("CROSSROADS_NSSO_URL", "doctor", "", "As 12-0's, for its senders."),
    ("CROSSROADS_SECTORAL_URLS", "doctor", "", "As of institution, of all relays."),
    ("CROSSROADS_JOURNAL_KEY", "doctor", "", "As the hub's."),
)  # fmt: skip
_HEAD = """\
# The environment

Made by `python -m deploy.environment` from the settings of the processes (`hub/settings.py`,
`institutions/settings.py`, `deploy/watcher/settings.py`) and the options of the commands; a test holds this page to
them. A variable must be set where it says *required*. Of a *secret* no value is ever shown, logged or repeated in an
error; it may stand in a file instead: `CROSSROADS_SECRETS` names a directory whose files are called as variables, in
small letters. How all of them are set in a network of containers: `deploy/compose.yaml`, [running.md](running.md).
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """What one process or command reads."""

    name: str
    reader: str
    default: str
    says: str


def settings_of(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The fields of a process's settings by variable."""
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper(): field for name, field in settings.model_fields.items()}


def comments(settings: type) -> dict[str, str]:
    """What the `#:` above each field of a class says. A field without one is not there."""
    source = textwrap.dedent(inspect.getsource(settings))
    lines = source.splitlines()
    [found] = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)][:1]
    said: dict[str, str] = {}
    for node in found.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        above: list[str] = []
        for line in reversed(lines[: node.lineno - 1]):
            text = line.strip()
            if not text.startswith("#:"):
                break
            above.insert(0, text.removeprefix("#:").strip())
        if above:
            said[node.target.id] = " ".join(above)
    return said


def is_secret(name: str, annotation: object = None) -> bool:
    """Whether a value of it is never shown."""
    return name.endswith(_SECRET_ENDS) or SecretStr in _types(annotation)


def variables() -> list[Variable]:
    """Of every process and command, by name, then by who reads it."""
    found = [*_of_processes(), *_of_commands(), *_elsewhere()]
    return sorted(found, key=lambda one: (one.name, one.reader))


def page() -> str:
    """The whole page."""
    rows: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in variables():
        rows[one.name, one.default, one.says].append(one.reader)
    lines = ["| variable | read by | default | says |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(readers)} | {default} | {says} |" for (name, default, says), readers in rows.items()
    ]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _of_processes() -> Iterator[Variable]:
    for process, settings in PROCESSES.items():
        said = comments(settings)
        for variable, field in settings_of(settings).items():
            name = variable.removeprefix("CROSSROADS_").lower()
            yield Variable(variable, f"**{process}**", _default(variable, field), _cell(said.get(name, "")))


def _of_commands() -> Iterator[Variable]:
    for words, command in _commands(typer.main.get_command(cli), ()):
        for option in command.params:
            for variable in [option.envvar] if isinstance(option.envvar, str) else option.envvar or ():
                if is_secret(variable):
                    default = "*required*, secret" if option.required else "secret"
                else:
                    default = "*required*" if option.required else _code(option.default)
                yield Variable(variable, " ".join(words), default, _cell(getattr(option, "help", "") or ""))


def _elsewhere() -> Iterator[Variable]:
    for name, reader, default, says in _ELSEWHERE:
        yield Variable(name, reader, "secret" if is_secret(name) else _code(default), says)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, (*words, name))


def _default(variable: str, field: FieldInfo) -> str:
    secret = "secret" if is_secret(variable, field.annotation) else ""
    if field.is_required():
        return "*required*" + (f", {secret}" if secret else "")
    if secret:
        return secret
    if field.default_factory is not None:
        return "made from host and process"
    return _code(field.default)


def _code(value: object) -> str:
    if value is None or value == () or value == {} or value == "":
        return ""
    if isinstance(value, Path):
        value = value.relative_to(_ROOT) if value.is_relative_to(_ROOT) else value
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _types(annotation: object) -> Iterable[object]:
    yield annotation
    for one in typing.get_args(annotation):
        yield from _types(one)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"{PAGE}: {len(variables())} variables read\n")
