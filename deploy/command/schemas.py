"""`crossroads schemas`: the services there are, and whether messages and XSDs are right."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from deploy.command.table import tell

if TYPE_CHECKING:
    from lxml import etree

    from schemas.catalogue import Catalogue

group = typer.Typer(no_args_is_help=True, help="The services there are; whether messages and XSDs are right.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Files = Annotated[list[Path], typer.Argument(help="Messages, or XSDs.", show_default=False)]

#: Exit status: something is wrong; a file cannot be read.
_INVALID, _UNREADABLE = 1, 2
_ROOT = "/"
_PLACED = re.compile(r"(?P<file>[^:;]+\.xsd):(?P<line>\d+): (?P<reason>.*)")


class Fault(NamedTuple):
    """One thing that is wrong, as `FILE:line: path: reason`; never with the value that is."""

    file: str
    line: int
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.reason}"


@group.command("list")
def list_(as_json: Json = False) -> None:
    """The services that ship, those of CROSSROADS_SERVICES, and those of the network that runs here."""
    catalogue = _catalogue()
    tell(
        as_json,
        ("service", "mode", "deadline_ms", "combine", "period_rule", "deceased", "request", "folder"),
        (
            (s.type, s.mode, s.deadline_ms, s.combine, s.period_rule, s.deceased, s.request, str(s.folder))
            for _, s in sorted(catalogue.services.items())
        ),
    )
    for change in catalogue.found:
        if change.kind in ("broken", "shadowed"):
            typer.echo(f"note: {change}", err=True)


@group.command()
def check(files: Files, as_json: Json = False) -> None:
    """Hold messages against the schema of their service, or of their declaration form in the release they name; and see
    whether XSDs compile.

    Prints a line `FILE:line: path: reason` for each error, and never what stands there. Exit status: 0 all are valid,
    1 one is not, 2 a file cannot be read.
    """
    catalogue, unreadable = _catalogue(), False
    found: list[Fault] = []
    for file in files:
        try:
            body = file.read_bytes()
        except OSError as error:
            typer.echo(f"crossroads: {file}: {error.strerror}", err=True)
            unreadable = True
            continue
        found += _faults(file, body, catalogue)
    if as_json:
        typer.echo(json.dumps([fault._asdict() for fault in found], ensure_ascii=False))
    else:
        for fault in found:
            typer.echo(str(fault))
    raise typer.Exit(_UNREADABLE if unreadable else _INVALID if found else 0)


def _faults(file: Path, body: bytes, catalogue: "Catalogue") -> Iterator[Fault]:
    from schemas.codes import code
    from schemas.grammar import MAX_SCHEMA
    from schemas.parser import MAX_ONLINE, Malformed, parse

    try:
        root = parse(body, limit=MAX_SCHEMA if file.suffix == ".xsd" else MAX_ONLINE)
    except Malformed as error:
        line = dict(error.information).get("line", "1")
        yield Fault(str(file), int(line) if line.isdigit() else 1, _ROOT, f"{error}: {code(error.code).text['EN']}")
        return
    if root.tag == "{http://www.w3.org/2001/XMLSchema}schema":
        yield from _of_schema(file)
        return
    service = catalogue.by_root(str(root.tag))
    if service is None:
        yield from _of_declaration(file, root)
        return
    for violation in service.violations_of(root):
        yield Fault(str(file), violation.line, violation.path, violation.reason)


def _of_declaration(file: Path, root: "etree._Element") -> Iterator[Fault]:
    from schemas.declarations.form import FormError
    from schemas.declarations.forms import Forms, shipped
    from schemas.declarations.quarter import QuarterError

    forms = Forms([shipped()])
    if not forms.knows(root):
        reason = "no service and no declaration form has this root element: see `crossroads schemas list`"
        yield Fault(str(file), 1, _ROOT, reason)
        return
    try:
        release = forms.release_of(root)
    except (FormError, QuarterError) as error:
        yield Fault(str(file), 1, _ROOT, str(error))
        return
    for violation in release.violations_of(root):
        yield Fault(str(file), violation.line, violation.path, violation.reason)


def _of_schema(file: Path) -> Iterator[Fault]:
    from schemas.grammar import Grammar, GrammarError

    try:
        Grammar.read(file.parent, file.name)
    except GrammarError as error:
        for told in str(error).split("; "):
            place = _PLACED.fullmatch(told)
            if place is None:
                yield Fault(str(file), 1, _ROOT, told)
            else:
                yield Fault(str(file.with_name(place["file"])), int(place["line"]), _ROOT, place["reason"])


def _catalogue() -> "Catalogue":
    from deploy.access import Access, NoNetworkError, home
    from schemas.catalogue import Catalogue

    try:
        return Access.load(home()).catalogue()
    except NoNetworkError:
        return Catalogue.from_environment()
