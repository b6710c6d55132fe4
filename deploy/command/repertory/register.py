"""`crossroads repertory register` and `reconcile`: an institution's many integrations, beside running hubs."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.command.repertory.place import Database, Json, run, url_of
from schemas.address import Address

if TYPE_CHECKING:
    from hub.repertory.bulk import Progress

_File = Annotated[Path, typer.Argument(help="CSV: ssin,quality,phase,from,to.", show_default=False)]
_As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="In whose name: sector and type, as 5-0 or 17-1.")]
#: Seconds between two words of progress.
_EVERY = 2.0


def register(
    file: _File,
    as_: _As,
    report: Annotated[Path | None, typer.Option(help="Refused lines; beside FILE, .refused.csv, by default.")] = None,
    unregister: Annotated[bool, typer.Option("--unregister", help="Take the periods out instead.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also a file that was done before.")] = False,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Register many integrations of one institution, in transactions of 5,000 lines; hubs run on meanwhile.

    A line that cannot be is written to the report, with its number and the reason, and skipped. Cut, and started again
    with the same file, it goes on where it was. No proof of authentication is asked: who brings the file answers.
    """
    from hub.repertory.bulk import load_file

    done = run(
        load_file(
            url_of(database),
            file,
            Address.parse(as_),
            what="unregister" if unregister else "register",
            report=report,
            again=again,
            progress=_Teller(file.name),
        )
    )
    progress = done.progress
    told = {
        "file": file.name,
        "lines": progress.lines,
        "refused": progress.refused,
        "opened": progress.opened,
        "closed": progress.closed,
        "resumed": done.resumed,
        "report": str(done.report),
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{file.name}: {progress.lines:,} lines, {progress.refused:,} refused; rows: {progress.opened:,} new,"
        f" {progress.closed:,} closed"
    )
    if done.resumed:
        typer.echo(f"{done.resumed:,} lines had been done before", err=True)
    if progress.refused:
        typer.echo(f"why they were refused: {done.report}", err=True)


def reconcile(
    file: _File,
    as_: _As,
    report: Annotated[Path | None, typer.Option(help="Differences; beside FILE, .differences.csv, by default.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make the institution's own rows those of FILE.")] = False,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Hold an institution's whole file against the repertory: what is missing, too much, or in another phase.

    Only its own sector and type and the qualities that its authorisations name are looked at, and repaired. The report
    holds numbers: personal data, for the institution alone. Exit status 1 where there are differences left.
    """
    from hub.repertory.reconcile import reconcile as hold

    found = run(hold(url_of(database), file, Address.parse(as_), report=report, repair=repair))
    told: dict[str, str | int] = {
        "file": file.name,
        "lines": found.lines,
        "persons": found.persons,
        "differing": found.differing,
        **{str(kind): count for kind, count in found.found.items()},
        "repaired": repair,
        "opened": found.opened,
        "closed": found.closed,
        "report": str(found.report),
    }
    if as_json:
        typer.echo(json.dumps(told))
    else:
        what = ", ".join(f"{count:,} {kind}" for kind, count in found.found.items())
        typer.echo(f"{file.name}: {found.persons:,} persons, {found.differing:,} with differences: {what}")
        if repair:
            typer.echo(f"repaired: {found.opened:,} rows new, {found.closed:,} closed")
        if found.differing:
            typer.echo(f"each of them: {found.report}", err=True)
    if found.differing and not repair:
        raise typer.Exit(1)


class _Teller:
    """A word of progress now and then."""

    def __init__(self, name: str) -> None:
        self._name, self._last = name, time.monotonic()

    def __call__(self, progress: "Progress") -> None:
        if time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            typer.echo(
                f"{self._name}: {progress.lines:,} lines ({progress.share:.0%}), {progress.refused:,} refused …",
                err=True,
            )
