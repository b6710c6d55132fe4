"""`crossroads schemas`: the services and declaration forms there are, whether messages and XSDs are right, and what
changed between two schemas."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple, Self

import typer

from deploy.command.table import tell
from schemas.errors import CrossroadsError
from schemas.grammar import GrammarError

if TYPE_CHECKING:
    from lxml import etree

    from schemas.catalogue import Catalogue
    from schemas.declarations.forms import Forms
    from schemas.declarations.notes import Flow
    from schemas.folders import Change
    from schemas.grammar import Grammar

group = typer.Typer(
    no_args_is_help=True,
    help="The services and declaration forms there are; whether messages and XSDs are right; what changed.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Files = Annotated[list[Path], typer.Argument(help="Messages, or XSDs.", show_default=False)]

#: Exit status: something is wrong; a file cannot be read.
_INVALID, _UNREADABLE = 1, 2
_ROOT = "/"
#: Bytes read at once, and seconds between two words on how far it is.
_CHUNK, _TOLD_EVERY = 65_536, 0.5
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
    """The services that ship, those of CROSSROADS_SERVICES, and those of the network that runs here; and the
    declaration forms that ship and those of CROSSROADS_FORMS, by release."""
    catalogue, forms = _catalogue(), _forms()
    services = [
        (s.type, s.mode, s.deadline_ms, s.combine, s.period_rule, s.deceased, s.request, str(s.folder))
        for _, s in sorted(catalogue.services.items())
    ]
    releases = [
        (release.form, release.label, form.validity(release), form.sender, form.receiver, str(form.folder))
        for _, form in sorted(forms.forms.items())
        for release in form.releases
    ]
    of_services = ("service", "mode", "deadline_ms", "combine", "period_rule", "deceased", "request", "folder")
    of_releases = ("form", "release", "valid", "sender", "receiver", "folder")
    if as_json:
        rows = [dict(zip(of_services, row, strict=True)) for row in services]
        rows += [dict(zip(of_releases, row, strict=True)) for row in releases]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        tell(False, of_services, services)
        typer.echo()
        tell(False, of_releases, releases)
    for change in (*catalogue.found, *forms.found):
        _note(change)


@group.command()
def check(files: Files, as_json: Json = False) -> None:
    """Hold messages against the schema of their service, or of their declaration form in the release they name; and see
    whether XSDs compile. Declarations may be of any size.

    Prints a line `FILE:line: path: reason` for each error, and never what stands there. Exit status: 0 all are valid,
    1 one is not, 2 a file cannot be read.
    """
    catalogue, forms, unreadable = _catalogue(), _forms(), False
    many = 0
    for file in files:
        try:
            for fault in _faults(file, catalogue, forms):
                if as_json:
                    typer.echo(("," if many else "[") + json.dumps(fault._asdict(), ensure_ascii=False))
                else:
                    typer.echo(str(fault))
                many += 1
        except OSError as error:
            typer.echo(f"crossroads: {file}: {error.strerror}", err=True)
            unreadable = True
    if as_json:
        typer.echo("]" if many else "[]")
    raise typer.Exit(_UNREADABLE if unreadable else _INVALID if many else 0)


@group.command()
def diff(
    old: Annotated[str, typer.Argument(help="A release, as in Dimona_20223, or an XSD file.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The other release or XSD file.", show_default=False)],
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option(help="Write it as a page of HTML to this file.", metavar="FILE")] = None,
) -> None:
    """What changed between two releases of a declaration form, or any two XSDs, in what messages may look like, and
    which flows it hits. Says nothing where nothing changed.

    Exit status: 0 both were read, 1 a schema does not compile, 2 there is no such release, or a file cannot be read or
    written.
    """
    from schemas.declarations.form import FormError, Release
    from schemas.declarations.notes import between_releases, between_schemas
    from schemas.declarations.page import of_notes

    forms = _forms()
    try:
        one, other = (written if _is_file(written) else forms.named(written) for written in (old, new))
        if isinstance(one, Release) and isinstance(other, Release):
            notes = between_releases(one, other, forms.forms.values())
        else:
            grammars = [side.grammar if isinstance(side, Release) else _grammar(Path(side)) for side in (one, other)]
            known = tuple(forms.forms.values())
            notes = between_schemas((old, new), grammars[0], grammars[1], known, _flows(_catalogue()))
    except OSError as error:
        raise _stop(f"{error.filename}: {error.strerror}", _UNREADABLE) from None
    except FormError as error:
        raise _stop(str(error), _UNREADABLE) from None
    except CrossroadsError as error:
        raise _stop(str(error), _INVALID) from None
    if page is not None:
        try:
            page.write_text(of_notes(notes), encoding="utf-8")
        except OSError as error:
            raise _stop(f"{page}: {error.strerror}", _UNREADABLE) from None
    if as_json:
        typer.echo(json.dumps(notes.rows, ensure_ascii=False))
    elif page is None:
        for line in notes.lines:
            typer.echo(line)


@group.command()
def glossary(
    zone: Annotated[str | None, typer.Argument(help="A zone or block number.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """What a zone of the declarations is: name, meaning (NL, FR, EN), type and limits, every form and release it stands
    in, and where they differ. Without a number: all zones."""
    from schemas.declarations.glossary import glossary as all_zones
    from schemas.declarations.glossary import zone as one_zone

    forms = _forms().forms.values()
    if zone is None:
        columns = ("zone", "names", "type", "forms", "EN")
        tell(
            as_json,
            columns,
            (
                (z.number, list(z.names), list(z.types), list(dict.fromkeys(u.form for u in z.uses)), z.texts.get("EN"))
                for z in all_zones(forms).values()
            ),
        )
        return
    found = one_zone(forms, zone)
    if as_json:
        typer.echo(json.dumps(found.row, ensure_ascii=False))
        return
    typer.echo(f"{found.number} {', '.join(found.names)}")
    for language, text in found.texts.items():
        typer.echo(f"{language} {text}")
    if not found.texts:
        typer.echo("no meaning is written for this zone yet")
    if found.differs:
        typer.echo("differs:")
        tell(False, ("type", "limits", "releases"), ((t, limits, list(r)) for t, limits, r in found.differs))
    columns = ("release", "occurs", "type", "limits", "path")
    tell(False, columns, ((u.release, u.occurs, u.type, u.limits, u.path) for u in found.uses))


@group.command()
def serve(
    host: Annotated[str, typer.Option(help="Where to listen.", envvar="CROSSROADS_HTTP_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: a free one.", min=0, max=65535, envvar="CROSSROADS_HTTP_PORT")] = 0,
) -> None:
    """Pages and downloads of the declarations' schemas and the glossary over HTTP, until Ctrl-C.

    Prints the address. Forms that are dropped in while it runs are shown from the next request on.
    """
    asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    from schemas.declarations.site import ROOT, Site
    from schemas.process.http import Http

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    forms = _forms()
    for change in forms.found:
        _note(change)
    http = Http(Site(forms, _note).answer)
    try:
        taken = await http.start(host, port)
    except OSError as error:
        raise CrossroadsError(f"{host}:{port} cannot be listened on ({error.strerror}): give another --port") from None
    typer.echo(f"http://{host}:{taken}{ROOT}")
    await stop.wait()
    await http.close()


def _faults(file: Path, catalogue: "Catalogue", forms: "Forms") -> Iterator[Fault]:
    """As they are found: a file may be larger than memory. Raises OSError."""
    from schemas.codes import code
    from schemas.grammar import MAX_SCHEMA
    from schemas.parser import MAX_ONLINE, Malformed, parse

    most = MAX_SCHEMA if file.suffix == ".xsd" else MAX_ONLINE
    try:
        with file.open("rb") as opened:
            body = opened.read(most + 1)
            if len(body) > most and file.suffix != ".xsd":
                yield from _of_large(file, body, opened, forms)
                return
        root = parse(body, limit=most)
    except Malformed as error:
        line = dict(error.information).get("line", "1")
        yield Fault(str(file), int(line) if line.isdigit() else 1, _ROOT, f"{error}: {code(error.code).text['EN']}")
        return
    if root.tag == "{http://www.w3.org/2001/XMLSchema}schema":
        yield from _of_schema(file)
        return
    service = catalogue.by_root(str(root.tag))
    if service is None:
        yield from _of_declaration(file, root, forms)
        return
    for violation in service.violations_of(root):
        yield Fault(str(file), violation.line, violation.path, violation.reason)


def _of_declaration(file: Path, root: "etree._Element", forms: "Forms") -> Iterator[Fault]:
    from schemas.declarations.form import FormError
    from schemas.declarations.quarter import QuarterError

    if not forms.knows(root):
        reason = "no service and no declaration form has this root element: see `crossroads schemas list`"
        yield Fault(str(file), 1, _ROOT, reason)
        return
    try:
        violations = forms.release_of(root).violations_of(root)
    except (FormError, QuarterError, GrammarError) as error:
        yield Fault(str(file), 1, _ROOT, str(error))
        return
    for violation in violations:
        yield Fault(str(file), violation.line, violation.path, violation.reason)


def _of_large(file: Path, begun: bytes, opened: BinaryIO, forms: "Forms") -> Iterator[Fault]:
    """Of a declaration of any size, of which `begun` has been read. Raises `Malformed` and OSError."""
    from schemas.declarations.form import FormError
    from schemas.declarations.forms import checked
    from schemas.declarations.quarter import QuarterError
    from schemas.declarations.stream import StreamError

    size = file.stat().st_size
    try:
        with Progress(file.name, size) as progress:
            for violation in checked(forms, _chunks(begun, opened, progress)):
                yield Fault(str(file), violation.line, violation.path, violation.reason)
    except (FormError, QuarterError, GrammarError, StreamError) as error:
        yield Fault(str(file), 1, _ROOT, str(error))


def _chunks(begun: bytes, opened: BinaryIO, progress: "Progress") -> Iterator[bytes]:
    for at in range(0, len(begun), _CHUNK):
        yield begun[at : at + _CHUNK]
    read = len(begun)
    while chunk := opened.read(_CHUNK):
        read += len(chunk)
        progress.tell(read)
        yield chunk


class Progress:
    """How far the reading of a file is, on standard error where that is a terminal, and nowhere else."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._shown = sys.stderr.isatty() and size > 0
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._next:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def tell(self, read: int) -> None:
        """So many bytes were read."""
        if not self._shown or (now := time.monotonic()) < self._next:
            return
        self._next = now + _TOLD_EVERY
        sys.stderr.write(f"\r{self._name}: {min(100 * read // self._size, 100)} % of {self._size >> 20} MiB\033[K")
        sys.stderr.flush()


def _of_schema(file: Path) -> Iterator[Fault]:
    from schemas.grammar import Grammar

    try:
        Grammar.read(file.parent, file.name)
    except GrammarError as error:
        yield from _placed(file, error)


def _placed(file: Path, error: CrossroadsError) -> Iterator[Fault]:
    """Why a schema does not compile: a complaint each, at its place in its own file."""
    for told in str(error).split("; "):
        place = _PLACED.fullmatch(told)
        if place is None:
            yield Fault(str(file), 1, _ROOT, told)
        else:
            yield Fault(str(file.parent / place["file"]), int(place["line"]), _ROOT, place["reason"])


def _is_file(written: str) -> bool:
    return written.endswith(".xsd") or os.sep in written or Path(written).is_file()


def _grammar(file: Path) -> "Grammar":
    """OSError where it cannot be read; CrossroadsError with file, line and reason where it does not compile."""
    from schemas.grammar import Grammar

    file.open("rb").close()
    try:
        return Grammar.read(file.parent, file.name)
    except GrammarError as error:
        told = (f"{fault.file}:{fault.line}: {fault.reason}" for fault in _placed(file, error))
        raise CrossroadsError("\n".join(told)) from None


def _flows(catalogue: "Catalogue") -> "list[tuple[str, Flow]]":
    """Who sends the messages of services, by root element."""
    from schemas.declarations.notes import Flow

    customer, supplier = "the customer", "the suppliers"
    found = []
    for type_, service in catalogue.services.items():
        found.append((service.request, Flow(type_, customer, supplier)))
        found.append((service.response, Flow(type_, supplier, customer)))
    return found


def _note(change: "Change") -> None:
    """What is wrong with a folder, on standard error."""
    if change.kind in ("broken", "shadowed"):
        typer.echo(f"note: {change}", err=True)


def _stop(why: str, status: int) -> typer.Exit:
    for line in why.splitlines():
        typer.echo(f"crossroads: {line}", err=True)
    return typer.Exit(status)


def _forms() -> "Forms":
    from schemas.declarations.forms import Forms

    return Forms.from_environment()


def _catalogue() -> "Catalogue":
    from deploy.access import Access, NoNetworkError, home
    from schemas.catalogue import Catalogue

    try:
        return Access.load(home()).catalogue()
    except NoNetworkError:
        return Catalogue.from_environment()
