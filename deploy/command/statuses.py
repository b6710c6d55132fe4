"""`crossroads statuses`: what harmonised social statuses are, and their buffer (docs/statuses.md)."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from institutions.statuses.filling import Filled
    from schemas.catalogue import Catalogue

group = typer.Typer(no_args_is_help=True, help="Harmonised social statuses: check what they are, fill their buffer.")
#: Lines of a file that are said to be wrong one by one.
_TOLD = 20

File = Annotated[Path, typer.Argument(help="As institutions/statuses/statuses.toml.", show_default=False)]
Lines = Annotated[Path, typer.Argument(help="Mutations, one a line, of one source or of several.", show_default=False)]
Database = Annotated[
    str | None,
    typer.Option(help="25-1's database; else that of the network that runs here, else CROSSROADS_STATUSES_URL."),
]
Definitions = Annotated[
    Path | None, typer.Option("--statuses", help="What statuses are; else CROSSROADS_STATUSES_FILE, else what ships.")
]


@group.command()
def check(file: File) -> None:
    """Say what is wrong with a file of statuses, line by line; exit status 2. Nothing wrong: what it says."""
    from institutions.statuses.definitions import read
    from schemas.catalogue import Catalogue

    found = read(file, Catalogue.from_environment())
    for one in found.statuses.values():
        rule = " and ".join(condition.path for condition in one.when) or "always"
        typer.echo(f"{one.code}: {one.source}, {rule}, days of {one.validity}, to the end of the {one.until}")
    for body, codes in found.grants.items():
        typer.echo(f"{body} sees {', '.join(sorted(codes))}")


@group.command()
def fill(file: Lines, database: Database = None, statuses: Definitions = None) -> None:
    """Put what sources say of everybody into the buffer; nobody is told of it.

    In parts of 5,000 lines, each one transaction: killed and started again with the same file, it goes on behind the
    last. The same file again does nothing. A line that cannot be used is told and skipped; exit status 1.
    """
    if not file.is_file():
        raise CrossroadsError(f"{file}: no such file")
    if statuses is None and (named := os.environ.get("CROSSROADS_STATUSES_FILE")):
        statuses = Path(named)
    filled = asyncio.run(_fill(file, database, statuses))
    for number, why in filled.wrong[:_TOLD]:
        typer.echo(f"{file.name}:{number}: {why}", err=True)
    typer.echo(
        f"{file.name}: {filled.lines:,} lines, {filled.taken:,} taken now, {len(filled.wrong):,} wrong", err=True
    )
    if filled.wrong:
        raise typer.Exit(1)


async def _fill(file: Path, database: str | None, statuses: Path | None) -> "Filled":
    from institutions.statuses import buffer as buffers
    from institutions.statuses.buffer import FILL_TIMEOUT, Buffer
    from institutions.statuses.definitions import SHIPPED, read
    from institutions.statuses.filling import fill as fill_buffer

    url, catalogue = _place(database)
    definitions = read(statuses or SHIPPED, catalogue)
    await buffers.migrate(url)
    buffer = await Buffer.connect(url, FILL_TIMEOUT)
    try:
        return await fill_buffer(
            buffer, definitions, catalogue, file, lambda done: typer.echo(f"{file.name}: {done:,} lines …", err=True)
        )
    finally:
        await buffer.close()


def _place(database: str | None) -> "tuple[str, Catalogue]":
    """25-1's database, and the services."""
    from deploy.access import Access, NoNetworkError, home
    from schemas.catalogue import Catalogue

    if database is None:
        try:
            access = Access.load(home())
        except NoNetworkError:
            if not (database := os.environ.get("CROSSROADS_STATUSES_URL")):
                raise
        else:
            return access.statuses_url, access.catalogue()
    return database, Catalogue.from_environment()
