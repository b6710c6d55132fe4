"""`crossroads repertory load`: rules files and persons files."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.command.repertory.place import Database, Json, catalogue_of, url_of, wait_for_network
from schemas.address import Address
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from schemas.catalogue import Catalogue


def load(
    files: Annotated[list[Path], typer.Argument(help="Rules (.toml) and persons (.csv).", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Load rules files and persons files; all rules together or none, each persons file whole or not at all.

    Rules replace what came from the same file name. Hubs have them within 2 s; beside `crossroads up` it is waited
    until the network has followed. A persons file with a column `member`
    goes to its managing institution's sectoral repertory.
    """
    number = asyncio.run(_load(files, url_of(database), catalogue_of(database), dry_run=dry_run, as_json=as_json))
    if not dry_run:
        wait_for_network(database, number)


async def _load(
    files: Sequence[Path], url: str, catalogue: "Callable[[], Catalogue]", *, dry_run: bool, as_json: bool
) -> int:
    """The number of the load of rules; 0 where there were none."""
    from hub.repertory import loading, store

    for file in files:
        if file.suffix not in (".toml", ".csv"):
            raise CrossroadsError(f"{file}: rules end in .toml, persons in .csv")
        if not file.is_file():
            raise CrossroadsError(f"{file}: no such file")
    told: list[dict[str, Any]] = []
    number = 0
    if rules := [file for file in files if file.suffix == ".toml"]:
        difference = await store.load(url, rules, catalogue(), dry_run=dry_run)
        new, changed, gone = difference.count()
        number = difference.number
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
    return number


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
