"""`crossroads prepare`: the databases of a network made, migrated, and filled where they are empty."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from deploy.databases import Databases
    from institutions.reference.population import Population

Server = Annotated[
    str | None,
    typer.Option(
        envvar="CROSSROADS_POSTGRESQL_ADMIN_URL",
        help="A superuser's: makes each database, and its URL's user as its owner, where they are missing.",
    ),
]
Hub = Annotated[str, typer.Option(envvar="CROSSROADS_DATABASE_URL", help="The hub's database.")]
Sectoral = Annotated[
    str,
    typer.Option(
        envvar="CROSSROADS_SECTORAL_URLS",
        help="Sectoral repertories: JSON object, managing institution's address to database.",
    ),
]
Registers = Annotated[str, typer.Option(envvar="CROSSROADS_REGISTERS_URL", help="25-0's database.")]
Statuses = Annotated[str, typer.Option(envvar="CROSSROADS_STATUSES_URL", help="25-1's database.")]
Nsso = Annotated[str, typer.Option(envvar="CROSSROADS_NSSO_URL", help="12-0's database.")]
Reader = Annotated[
    str | None,
    typer.Option(envvar="CROSSROADS_READER_URL", help="The hub's database as the watcher's user, who may only read."),
]
Seed = Annotated[int, typer.Option(envvar="CROSSROADS_POPULATION_SEED", help="Seed of the synthetic population.")]
Size = Annotated[int, typer.Option(envvar="CROSSROADS_POPULATION_SIZE", min=1, help="Persons of it.")]


def prepare(
    hub_url: Hub,
    sectoral_urls: Sectoral,
    registers_url: Registers,
    statuses_url: Statuses,
    nsso_url: Nsso,
    server_url: Server = None,
    reader_url: Reader = None,
    seed: Seed = 2026,
    size: Size = 1_000,
) -> None:
    """Make the databases of the reference network ready: users, migrations, rules, synthetic persons.

    Repeatable, at every start and after an update: what is missing is made, what is empty is filled, what stands stays.
    `crossroads provision` then makes the broker ready.
    """
    from deploy.databases import Databases
    from institutions.reference.population import Population

    try:
        sectoral = {str(address): str(url) for address, url in json.loads(sectoral_urls).items()}
    except (ValueError, AttributeError):
        raise CrossroadsError('CROSSROADS_SECTORAL_URLS is no JSON object: {"17-0": "postgresql://…"}') from None
    databases = Databases(hub_url, sectoral, registers_url, statuses_url, nsso_url)
    asyncio.run(_prepare(databases, server_url, reader_url, Population(seed=seed, size=size)))


async def _prepare(
    databases: "Databases", server_url: str | None, reader_url: str | None, population: "Population"
) -> None:
    import asyncpg

    from deploy.databases import admit, admit_reader, fill_empty, managing, migrate
    from deploy.network import FILES
    from hub.repertory import files
    from schemas.catalogue import Catalogue

    catalogue = Catalogue.from_environment()
    rules = files.read(FILES, catalogue)
    if lacking := sorted(str(one) for one in managing(rules) if str(one) not in databases.sectoral):
        raise CrossroadsError(f"CROSSROADS_SECTORAL_URLS has no database for {', '.join(lacking)}")
    try:
        if server_url is not None:
            new = [await admit(server_url, url) for url in databases.all()]
            typer.echo(f"{len(new)} databases, {sum(new)} new")
        await migrate(databases)
        if server_url is not None and reader_url is not None:
            await admit_reader(server_url, reader_url)
        number = await fill_empty(
            databases, rules, catalogue, population, lambda what: typer.echo(f"{what} …", err=True)
        )
    except (asyncpg.PostgresError, OSError) as error:
        # Their texts may repeat a statement.
        raise CrossroadsError(f"a database cannot be made ready ({type(error).__name__}): is the server up?") from None
    typer.echo(f"ready: rules of load {number}")
