"""`crossroads backup` and `crossroads restore`: a database in one file, and back. docs/running.md."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.command.repertory.place import Database, Json, url_of

if TYPE_CHECKING:
    from deploy.backup import Manifest

To = Annotated[Path, typer.Argument(help="The file to write; FILE.part until it is whole.", show_default=False)]
From = Annotated[Path, typer.Argument(help="What `crossroads backup` wrote.", show_default=False)]
Empty = Annotated[
    str,
    typer.Option(envvar="CROSSROADS_DATABASE_URL", help="An empty database: postgresql://user:password@host:port/name"),
]


def backup(file: To, database: Database = None, as_json: Json = False) -> None:
    """Write a database to one file, in one snapshot, while it is used: repertory and journal.

    The hub's, or, with --database, a relay's, 25-0's, 25-1's or 12-0's. The file holds personal data: only its owner
    can read it. The journal's key (CROSSROADS_JOURNAL_KEY) is not in it: keep it elsewhere.
    """
    from deploy.backup import backup as write

    manifest = asyncio.run(write(url_of(database), file, _tell))
    if as_json:
        typer.echo(json.dumps(_told(manifest) | {"file": str(file)}))
        return
    typer.echo(f"{file}: {_sentence(manifest)}")


def restore(file: From, database: Empty, as_json: Json = False) -> None:
    """Put a backup into an empty database, compare every table with it, and make it fit to go on with.

    Nothing of ours may run on that database meanwhile: it is refused where somebody else is connected to it. Every
    recipient of mutations gets a new series of positions, and catches up. What was done after the backup is gone:
    docs/running.md says what that means, and what to do.
    """
    from deploy.backup import restore as put

    done = asyncio.run(put(file, database, _tell))
    manifest = done.manifest
    if as_json:
        more = {"series": done.series, "journal": done.journal, "load": done.load}
        typer.echo(
            json.dumps(_told(manifest) | more | {"lots": done.lots, "questions": done.questions, "paused": done.paused})
        )
        return
    typer.echo(f"{_sentence(manifest)}: every table as in the backup")
    typer.echo(f"set back to {manifest.at:%Y-%m-%d %H:%M:%S %Z}; what was done after that is gone:")
    if manifest.kind == "hub":
        typer.echo(f"  journal up to row {done.journal}; rules of load {done.load}: load what changed since again")
        typer.echo(
            f"  {done.lots} lots and {done.questions} questions open; what was opened since is unknown: lots are sent"
            " again, answers to those questions go to nobody"
        )
        typer.echo("  tickets since then: who sends one again has it done again")
        typer.echo("  registrations since then: institutions reconcile (docs/integrations.md)")
        if done.paused:
            typer.echo(f"  {done.paused} pauses or maintenance in force, as then: `crossroads top` shows them")
    if manifest.kind in ("hub", "relay"):
        typer.echo(f"  {done.series} recipients have a new series, and go on where this one ends")


def _told(manifest: "Manifest") -> dict[str, object]:
    return {
        "kind": manifest.kind,
        "version": manifest.version,
        "head": manifest.head,
        "at": manifest.at.isoformat(),
        "bytes": manifest.bytes,
        "tables": {name: table.rows for name, table in manifest.tables.items()},
    }


def _sentence(manifest: "Manifest") -> str:
    return f"{manifest.kind}, {len(manifest.tables)} tables, {manifest.rows:,} rows, {manifest.bytes >> 10:,} KiB"


def _tell(what: str) -> None:
    typer.echo(f"{what} …", err=True)
