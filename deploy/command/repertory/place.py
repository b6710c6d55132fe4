"""Where the repertory is: the hub's database, and the sectoral repertories of the network that runs here."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from schemas.address import Address
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from deploy.access import Access
    from institutions.relay.sectoral_repertory import SectoralRepertory
    from schemas.catalogue import Catalogue

_T = TypeVar("_T")

#: Seconds that a network has to follow new rules, and between two looks.
_PATIENCE, _LOOK = 10.0, 0.1

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[str, typer.Argument(metavar="SSIN", help="Eleven digits.", show_default=False)]
Database = Annotated[
    str | None,
    typer.Option(help="The hub's database; else that of the network that runs here, else CROSSROADS_DATABASE_URL."),
]


def network_here(database: str | None) -> "Access | None":
    """The network that runs here, unless another database was named. NoNetworkError where there is neither that nor
    CROSSROADS_DATABASE_URL."""
    if database:
        return None
    from deploy.access import Access, NoNetworkError, home

    try:
        return Access.load(home())
    except NoNetworkError:
        if os.environ.get("CROSSROADS_DATABASE_URL"):
            return None
        raise


def url_of(database: str | None) -> str:
    """The hub's database: the one named, else that of the network that runs here, else the environment's."""
    network = network_here(database)
    return network.database_url if network is not None else database or os.environ["CROSSROADS_DATABASE_URL"]


def catalogue_of(database: str | None) -> "Callable[[], Catalogue]":
    """How to read the services: those of the network that runs here, and those of CROSSROADS_SERVICES."""
    network = network_here(database)
    if network is not None:
        return network.catalogue
    from schemas.catalogue import Catalogue

    return Catalogue.from_environment


def wait_for_network(database: str | None, number: int) -> None:
    """Return when the network that runs here has the queues and users that this load of rules wants; its hubs have the
    rules by then. A database that was named belongs to another network, and is not waited for."""
    end = time.monotonic() + _PATIENCE
    while (network := network_here(database)) is not None and network.rules < number:
        if time.monotonic() > end:
            typer.echo("note: the network has not made its queues yet; `crossroads up` says why", err=True)
            return
        time.sleep(_LOOK)


def sectoral_url(managing: Address) -> str:
    """The database of a sectoral repertory of the network that runs here."""
    from deploy.access import Access, home

    url = Access.load(home()).sectoral_urls.get(str(managing))
    if url is None:
        raise CrossroadsError(f"{managing} manages no network here: name sector and type alone, as in 17-1")
    return url


async def check_member(repertory: "SectoralRepertory", member: Address) -> None:
    """CrossroadsError where `member` is not of that network."""
    if member not in await repertory.members():
        raise CrossroadsError(f"{member} is no member of that network: `crossroads repertory institutions` lists them")


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it in a loop of its own."""
    return asyncio.run(work)
