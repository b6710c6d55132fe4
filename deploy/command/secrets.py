"""`crossroads secrets`: the files that deploy/compose.yaml hands to its containers."""

from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Argument(help="deploy/secrets, where deploy/compose.yaml looks.", show_default=False)]


def secrets(directory: Directory) -> None:
    """Make passwords, URLs and the journal's key for the reference network in containers, a file each.

    Repeatable: what is there stays. Only you can enter the directory. Keep a copy of it elsewhere: without the
    journal's key no row of a person is found again. docs/running.md tells how they are changed.
    """
    from deploy.secret_files import write

    changed = write(directory)
    typer.echo(f"{directory}: {len(changed)} files written" if changed else f"{directory}: as it was")
