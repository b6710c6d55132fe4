"""`crossroads provision`: the broker made ready from the register."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import CrossroadsError

Passwords = Annotated[
    Path,
    typer.Option(help="JSON file, user to password; users that it does not name get a new one, which is added to it."),
]
Admin = Annotated[
    str, typer.Option(envvar="CROSSROADS_RABBITMQ_ADMIN_URL", help="Management API, with its administrator.")
]
Database = Annotated[str, typer.Option(envvar="CROSSROADS_DATABASE_URL", help="The hub's database.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the definitions (without passwords' hashes) only.")]


def provision(admin_url: Admin, database_url: Database, passwords: Passwords, dry_run: DryRun = False) -> None:
    """Make users, vhosts, exchanges, queues and rights from the register of institutions and the services there are.

    Repeatable: what stands already stays. A queue that stands with other arguments is named, and not touched.
    """
    import asyncio
    import secrets

    from deploy import provision as making
    from deploy.servers.management import Management
    from hub.repertory import store
    from schemas.catalogue import Catalogue

    rules = asyncio.run(store.read(database_url))
    network = making.network_of(rules, Catalogue.from_environment().services.values())
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


def _save(path: Path, known: dict[str, str]) -> None:
    written = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(json.dumps(known, indent=2) + "\n")
    except OSError as error:
        raise CrossroadsError(f"{path}: {error.strerror}") from None
    written.replace(path)
