"""`crossroads provision`: the broker made ready from the register."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from institutions.nsso.register import Sender

Passwords = Annotated[
    Path,
    typer.Option(help="JSON file, user to password; users that it does not name get a new one, which is added to it."),
]
Admin = Annotated[
    str, typer.Option(envvar="CROSSROADS_RABBITMQ_ADMIN_URL", help="Management API, with its administrator.")
]
Database = Annotated[str, typer.Option(envvar="CROSSROADS_DATABASE_URL", help="The hub's database.")]
Nsso = Annotated[
    str | None,
    typer.Option(envvar="CROSSROADS_NSSO_URL", help="12-0's database, with the senders; without it none is made."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the definitions (without passwords' hashes) only.")]


def provision(
    admin_url: Admin, database_url: Database, passwords: Passwords, nsso_url: Nsso = None, dry_run: DryRun = False
) -> None:
    """Make users, vhosts, exchanges, queues and rights from the register of institutions, the services there are, and
    12-0's register of senders.

    Repeatable: what stands already stays. A queue that stands with other arguments is named, and not touched.
    """
    import asyncio
    import secrets

    from deploy import provision as making
    from deploy.servers.management import Management
    from hub.repertory import store
    from schemas.catalogue import Catalogue

    rules = asyncio.run(store.read(database_url))
    senders = asyncio.run(_senders(nsso_url)) if nsso_url else []
    network = making.network_of(rules, Catalogue.from_environment().services.values(), senders=senders)
    known: dict[str, str] = {}
    if passwords.exists():
        known = json.loads(passwords.read_text())
    missing = [user for user in making.users(network) if user not in known]
    known |= {user: secrets.token_urlsafe(18) for user in missing}
    document = making.definitions(network, known)
    if dry_run:
        shown = {key: value for key, value in document.items() if key != "users"}
        typer.echo(json.dumps(shown | {"users": [user["name"] for user in document["users"]]}, indent=2))
        return
    management = Management(admin_url)
    if missing:
        _save(passwords, known)
    making.apply(management, document)
    for queue in making.differing(management, document):
        typer.echo(f"{queue} stands with other arguments: empty it, delete it, provision again", err=True)
    typer.echo(
        f"{len(document['vhosts'])} vhosts, {len(document['users'])} users ({len(missing)} new), "
        f"{len(document['queues'])} queues"
    )


async def _senders(database_url: str) -> "list[Sender]":
    from institutions.nsso import office as offices

    await offices.migrate(database_url)
    office = await offices.PostgresOffice.connect(database_url)
    try:
        return await office.senders()
    finally:
        await office.close()


def _save(path: Path, known: dict[str, str]) -> None:
    written = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(json.dumps(known, indent=2) + "\n")
    except OSError as error:
        raise CrossroadsError(f"{path}: {error.strerror}") from None
    written.replace(path)
