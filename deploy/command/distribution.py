"""`crossroads distribution`: what is distributed and not done with."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from deploy.command.repertory.place import Database, Json, run, url_of
from deploy.command.table import tell
from schemas.errors import CrossroadsError

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


Inbox = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="CROSSROADS_INBOX_URL",
        help="The institution's own database, as given to PostgresInbox; of a relay that of its sectoral repertory.",
        show_default=False,
    ),
]
Word = Annotated[
    str, typer.Argument(metavar="POSITION", help="Its position, or its ticketCBSS, as reports and logs say it.")
]
As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="Whose inbox it is: 7-0.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@group.command("aside")
def aside(inbox: Inbox, as_json: Json = False) -> None:
    """What an institution has set aside, in its order, since its own code failed on it or does not know the service.
    Who it is about is not told."""
    from institutions import skipping

    position, found = run(skipping.aside(inbox))
    typer.echo(f"up to position {position} all is applied or set aside", err=True)
    rows = ((one.position, one.service, one.flow, str(one.ticket_cbss)) for one in found)
    tell(as_json, ("position", "service", "flow", "ticketCBSS"), rows)


@group.command("skip")
def skip(word: Word, as_: As, inbox: Inbox, yes: Yes = False) -> None:
    """Give up one word for good, so that an institution goes on behind it.

    Either one that is set aside (`crossroads distribution aside` lists them): what came later about that person is
    then taken with the next try, and the sender of a Z is told that it could not be processed (CRB00020). Or the next
    one, on which the institution's process ends again and again, so that it is never set aside: nothing is known of it
    here, and a Z stays open. The institution may run meanwhile. What was skipped is written down in the table
    crossroads_skipped; `await me.take(POSITION)` has the word again, as long as its owner keeps it.

    Example: crossroads distribution skip 4711 --as 7-0 --inbox postgresql://…/fund

    Exit status: 0 skipped, 1 not confirmed, 2 it cannot be skipped: nothing was changed.
    """
    from institutions import skipping
    from schemas.address import Address
    from schemas.catalogue import Catalogue

    recipient = Address.parse(as_)
    named = _word(word)
    if not yes:
        typer.confirm(f"Give up {word} of {recipient} for good?", abort=True, err=True)
    done = run(skipping.skip(inbox, recipient, named, Catalogue.from_environment()))
    what = "the next one" if done.kind == "next" else f"{done.service}, ticketCBSS {done.ticket_cbss}"
    typer.echo(f"skipped: position {done.position} of {recipient} ({what})")
    if done.answered:
        typer.echo("its sender will be told CRB00020, with the institution's next answers")
    elif done.flow == "Z":
        typer.echo("its sender is told nothing: its service is not known here (CROSSROADS_SERVICES)", err=True)


def _word(text: str) -> int | UUID:
    if text.isdecimal():
        return int(text)
    try:
        return UUID(text)
    except ValueError:
        raise CrossroadsError(f"{text!r} is neither a position (1, 2, 3 ...) nor a ticketCBSS (a UUID)") from None


async def _rows(url: str, query: str, *values: Any) -> Sequence[Any]:
    from hub.queries import QUERIES
    from hub.repertory.database import connected

    async with connected(url, "distribution") as connection:
        return await connection.fetch(QUERIES[query], *values)
