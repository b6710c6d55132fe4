"""`crossroads repertory`: the reference repertory of the running network, read and loaded."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin

group = typer.Typer(
    no_args_is_help=True, help="Who is connected, who is known where, who may ask what: read and load it."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[str, typer.Argument(metavar="SSIN", help="Eleven digits.", show_default=False)]
Database = Annotated[
    str | None,
    typer.Option(envvar="CROSSROADS_DATABASE_URL", help="The hub's database; else that of the network that runs here."),
]


@group.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="Rules (.toml) and persons (.csv).", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Load rules files and persons files; all rules together or none, each persons file whole or not at all.

    Rules replace what came from the same file name; hubs have them within 2 s. A persons file with a column `member`
    goes to its managing institution's sectoral repertory.
    """
    asyncio.run(_load(files, _url(database), dry_run=dry_run, as_json=as_json))


async def _load(files: Sequence[Path], url: str, *, dry_run: bool, as_json: bool) -> None:
    from hub.repertory import loading, store
    from schemas.catalogue import Catalogue

    for file in files:
        if file.suffix not in (".toml", ".csv"):
            raise CrossroadsError(f"{file}: rules end in .toml, persons in .csv")
        if not file.is_file():
            raise CrossroadsError(f"{file}: no such file")
    told: list[dict[str, Any]] = []
    if rules := [file for file in files if file.suffix == ".toml"]:
        difference = await store.load(url, rules, Catalogue.from_environment(), dry_run=dry_run)
        new, changed, gone = difference.count()
        for change in difference.changes:
            sign = "+" if change.old is None else "-" if change.new is None else "~"
            row = change.new or change.old
            told.append({"file": change.file, "change": sign, "kind": type(row).__name__, "id": getattr(row, "id", "")})
            if not as_json:
                typer.echo(f"{sign} {type(row).__name__.lower()} {getattr(row, 'id', '')}  ({change.file})")
        for remark in difference.remarks:
            typer.echo(f"note: {remark}", err=True)
        typer.echo(f"rules: {new} new, {changed} changed, {gone} gone, {difference.same} as they were", err=True)
    for file in (file for file in files if file.suffix == ".csv"):
        if managing := _managing(file):
            if dry_run:
                raise CrossroadsError(
                    f"{file}: --dry-run is for rules and the hub's persons, not for a sectoral repertory"
                )
            rows = await _load_sectoral(file, managing)
            told.append({"file": file.name, "rows": rows, "sectoral": str(managing)})
            typer.echo(f"{file.name}: {rows} rows in the sectoral repertory of {managing}", err=True)
            continue
        loaded = await loading.load_file(url, file, dry_run=dry_run, progress=_progress(file))
        told.append({"file": file.name, "rows": loaded.rows, "new": loaded.new, "changed": loaded.changed})
        typer.echo(f"{file.name}: {loaded.rows} rows, {loaded.new} new, {loaded.changed} changed", err=True)
    if dry_run:
        typer.echo("nothing was written (--dry-run)", err=True)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))


def _progress(file: Path) -> Callable[[int], None]:
    def tell(rows: int) -> None:
        if rows >= 100_000:
            typer.echo(f"{file.name}: {rows:,} rows read …", err=True)

    return tell


def _managing(file: Path) -> Address | None:
    """Whose sectoral repertory a persons file is for; None: the hub's."""
    from schemas.integration import read_csv

    with file.open(encoding="utf-8-sig", newline="") as lines:
        if "member" not in lines.readline().rstrip("\r\n").split(","):
            return None
        lines.seek(0)
        first = next(read_csv(lines, file.name), None)
    if first is None or first.member is None:
        raise CrossroadsError(f"{file}: a sectoral repertory's file has rows, each with its member")
    return Address(first.member.sector, 0)


async def _load_sectoral(file: Path, managing: Address) -> int:
    from deploy.access import Access, home
    from institutions.relay.sectoral_repertory import SectoralRepertory

    url = Access.load(home()).sectoral_urls.get(str(managing))
    if url is None:
        raise CrossroadsError(f"{file}: {managing} manages no network here")
    repertory = await SectoralRepertory.connect(url)
    try:
        return await repertory.load_file(file)
    finally:
        await repertory.close()


@group.command()
def institutions(as_json: Json = False, database: Database = None) -> None:
    """The register: who is connected, through whom, at which rate."""
    rules = _run(_rules(_url(database)))
    _tell(
        as_json,
        ("address", "cbe", "name", "managed_by", "active", "rate"),
        (
            (str(i.address), i.cbe, i.name, str(i.managed_by) if i.managed_by else None, i.active, i.rate)
            for i in rules.institutions.values()
        ),
    )


@group.command()
def persons(
    known_to: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Sector and type, as 17-1; an enterprise number is of a sectoral repertory and is left out.",
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, help="Persons.")] = 20,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Whom a sector and type has integrated, with their numbers: personal data, shown because you ask for it."""
    from hub.repertory.persons import known_to as find

    rows = _run(find(_url(database), Address.parse(known_to).kind, limit))
    _tell(as_json, _COLUMNS, map(_cells, rows))


@group.command()
def person(ssin: Number, as_json: Json = False, database: Database = None) -> None:
    """Where a person is known, now and formerly."""
    from hub.repertory.persons import person as find

    believed = _run(find(_url(database), Ssin.parse(ssin)))
    _tell(
        as_json,
        (*_COLUMNS, "known_from", "known_to"),
        (
            (*_cells(b.integration), b.known_from.isoformat(), b.known_to.isoformat() if b.known_to else None)
            for b in believed
        ),
    )


@group.command()
def rights(
    address: Annotated[str, typer.Argument(help="An institution, or a sector and type: 17-1.", show_default=False)],
    as_json: Json = False,
    database: Database = None,
) -> None:
    """What an institution may ask, of whom, about whom, without which elements, and under which deliberation."""
    rules = _run(_rules(_url(database)))
    _tell(
        as_json,
        (
            "id",
            "service",
            "legal_context",
            "qualities",
            "min_phase",
            "suppliers",
            "without",
            "deliberation",
            "from",
            "to",
        ),
        (
            (
                a.id,
                a.service,
                a.legal_context,
                sorted(a.qualities),
                a.min_phase,
                [str(s) for s in a.suppliers],
                list(a.without),
                f"{a.deliberation.number} of {a.deliberation.date}",
                a.valid.begin.isoformat(),
                a.valid.end.isoformat() if a.valid.end else None,
            )
            for a in rules.rights(Address.parse(address))
        ),
    )


@group.command()
def integrate(
    ssin: Number,
    address: Annotated[
        str, typer.Argument(help="Sector and type, or a cooperating institution: then its sectoral repertory too.")
    ],
    quality: Annotated[int, typer.Option(help="Quality code of the sector (schemas/data/qualities.csv).")],
    begin: Annotated[str, typer.Option("--from", help="First day, yyyy-mm-dd.")],
    end: Annotated[str, typer.Option("--to", help="Last day; leave it out for an open dossier.")] = "",
    phase: Annotated[int | None, typer.Option(min=0, help="Phase of the dossier.")] = None,
    database: Database = None,
) -> None:
    """Put one row into the person repertory."""
    from hub.repertory.loading import integrate as put
    from schemas.sectors import check_quality

    where = Address.parse(address)
    check_quality(where, quality)
    row = Integration(Ssin.parse(ssin), where.kind, quality, phase, Period.parse(begin, end or None))
    new = _run(put(_url(database), row))
    typer.echo("integrated" if new else "it stood there already")


@group.command()
def authorise(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="The authorisation's id; an id that is there is changed.")
    ],
    customer: Annotated[str, typer.Option(help="Who may ask: sector and type, as 17-1.")],
    service: Annotated[str, typer.Option(help="Name, or Name/version.")],
    legal_context: Annotated[str, typer.Option(help="As the request must name it.")],
    quality: Annotated[list[int], typer.Option(help="In which the customer must know the person; may be repeated.")],
    supplier: Annotated[list[str], typer.Option(help="Who may be asked: sector and type; may be repeated.")],
    deliberation: Annotated[str, typer.Option(help="Number and date, as '26/001 2026-01-15'.")],
    without: Annotated[list[str] | None, typer.Option(help="A path of the response to cut; may be repeated.")] = None,
    min_phase: Annotated[int | None, typer.Option(help="Lowest phase.")] = None,
    begin: Annotated[str, typer.Option("--from", help="First day; today by default.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it could be.")] = False,
    database: Database = None,
) -> None:
    """Add or change one authorisation. For more than one, write a rules file and `load` it."""
    from hub.repertory import store
    from hub.repertory.rules import Authorisation, Deliberation
    from schemas.catalogue import Catalogue
    from schemas.period import today

    number, _, day = deliberation.rpartition(" ")
    try:
        decided = Deliberation(number, date.fromisoformat(day))
    except ValueError:
        raise CrossroadsError("a deliberation has a number and a date: '26/001 2026-01-15'") from None
    row = Authorisation(
        identity,
        Address.parse(customer),
        legal_context,
        service,
        frozenset(quality),
        min_phase,
        tuple(map(Address.parse, supplier)),
        tuple(without or ()),
        decided,
        Period.parse(begin or today().isoformat(), end or None),
    )
    difference = _run(store.add_rule(_url(database), row, Catalogue.from_environment(), dry_run=dry_run))
    for remark in difference.remarks:
        typer.echo(f"note: {remark}", err=True)
    new, changed, _ = difference.count()
    typer.echo("authorised" if new else "changed" if changed else "it stood there already")


_COLUMNS = ("ssin", "address", "quality", "phase", "from", "to", "replaced_by")


def _cells(row: Integration) -> tuple[object, ...]:
    return (
        row.ssin.digits,
        str(row.kind),
        row.quality,
        row.phase,
        row.period.begin.isoformat(),
        row.period.end.isoformat() if row.period.end else None,
        row.replaced_by.digits if row.replaced_by else None,
    )


async def _rules(url: str) -> Any:
    from hub.repertory import store

    return await store.read(url)


def _url(database: str | None) -> str:
    """The hub's database: the one named, else that of the network that runs here."""
    if database:
        return database
    from deploy.access import Access, home

    return Access.load(home()).database_url


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def _tell(as_json: bool, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as a table for the eye, or as JSON objects."""
    found = list(rows)
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in found], ensure_ascii=False))
        return
    table = Table(*columns, box=None)
    for row in found:
        table.add_row(*("" if cell is None else _text(cell) for cell in row))
    Console(width=None if Console().is_terminal else 200).print(table)


def _text(cell: object) -> str:
    return ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)
