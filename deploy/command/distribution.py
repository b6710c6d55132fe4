"""`crossroads distribution`: what is distributed and not done with."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deploy.command.repertory.place import Database, Json, run, url_of
from deploy.command.table import tell

group = typer.Typer(no_args_is_help=True, help="Mutations and their recipients: docs/distribution.md.")

Most = Annotated[int, typer.Option(min=1, help="Mutations, the oldest first.")]


@group.command("behind")
def behind(as_json: Json = False, database: Database = None) -> None:
    """Who is behind: from which position on nothing is published to a recipient, until it has caught up."""
    rows = run(_rows(url_of(database), "recipients_behind"))
    columns = ("address", "owed_from", "last")
    tell(as_json, columns, ([row[name] for name in columns] for row in rows))


@group.command("open")
def open_(most: Most = 100, as_json: Json = False, database: Database = None) -> None:
    """Mutations of flow Z that lack definitive answers, and whose. Who they are about is not told: the hub keeps no
    content."""
    rows = run(_rows(url_of(database), "mutations_open", None, None, most))
    tell(
        as_json,
        ("ticketCBSS", "owner", "service", "at", "open"),
        (
            (str(row["ticket_cbss"]), row["owner"], row["service"], row["at"].isoformat(), row["recipients"])
            for row in rows
        ),
    )


async def _rows(url: str, query: str, *values: Any) -> Sequence[Any]:
    from hub.queries import QUERIES
    from hub.repertory.database import connected

    async with connected(url, "distribution") as connection:
        return await connection.fetch(QUERIES[query], *values)
