"""`crossroads registers`: 25-0's own registers of persons whom the National Register does not hold."""

import asyncio
import os
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import CrossroadsError
from schemas.period import Period, today
from schemas.ssin import Ssin

if TYPE_CHECKING:
    from institutions.answer import Answer

group = typer.Typer(no_args_is_help=True, help="25-0's registers of persons whom the National Register does not hold.")


@group.callback()
def registers() -> None:
    """25-0's registers of persons whom the National Register does not hold."""


@group.command()
def replace(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The number that is replaced; eleven digits.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one that takes its place, of whatever register.")],
    day: Annotated[str, typer.Option("--day", help="From this day on, yyyy-mm-dd; today by default.")] = "",
    context: Annotated[str, typer.Option("--context", help="The legal context.")] = "REGISTERS:UPKEEP",
) -> None:
    """Replace a number of the registers: everybody who knows the person is told.

    The hub moves the rows of the repertory and tells who knows the person; then the registers note it. Cut in between,
    the same command again does the rest. Of the network that runs here, else of CROSSROADS_AMQP_URL (25-0's user) and
    CROSSROADS_REGISTERS_URL. Exit status: 0 done, 1 refused, 2 the command could not be done.
    """
    from institutions.errors import AskingError

    numbers = Ssin.parse(old), Ssin.parse(new)
    on = Period.parse(day, None).begin if day else today()
    try:
        answer = asyncio.run(_replace(*numbers, on, context))
    except AskingError as error:
        raise CrossroadsError(str(error)) from None
    if not answer.found:
        told = "; ".join(f"{name}: {value}" for name, value in answer.information if name == "expected")
        typer.echo(f"refused: {answer.code} {answer.text}{f' ({told})' if told else ''}", err=True)
        raise typer.Exit(1)
    typer.echo(f"replaced; rows of {answer.root.findtext('moved')} sectors moved")


async def _replace(old: Ssin, new: Ssin, day: date, context: str) -> "Answer":
    from institutions.institution import Institution
    from institutions.reference.network import REGISTERS
    from institutions.registers.registry import Registry
    from institutions.registers.replacing import replace as replace_number
    from schemas.catalogue import Catalogue, shipped

    urls, database = _places()
    registry = await Registry.connect(database)
    try:
        async with Institution(REGISTERS, urls, catalogue=Catalogue([shipped()])) as institution:
            return await replace_number(institution, registry, old, new, day, context)
    finally:
        await registry.close()


def _places() -> tuple[tuple[str, ...] | None, str]:
    """URLs of 25-0's user (None: of the environment), and its database."""
    from deploy.access import Access, NoNetworkError, home
    from institutions.reference.network import REGISTERS

    try:
        access = Access.load(home())
    except NoNetworkError:
        database = os.environ.get("CROSSROADS_REGISTERS_URL")
        if not database or not os.environ.get("CROSSROADS_AMQP_URL"):
            raise
        return None, database
    return access.institution_urls(REGISTERS), access.registers_url
