"""`crossroads dead`: what could not be answered, looked at masked, handed in again, dropped.

Each act is in the journal before anything is shown or done.
"""

import json
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import typer

from deploy.command.acting import Key, Program, noted, program_of
from deploy.command.repertory.place import Database, Json, network_here, run, url_of
from deploy.command.table import tell
from schemas.address import Address
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from deploy.dead.looking import Look
    from deploy.dead.message import Dead, Place
    from hub.journal import Act
    from hub.repertory.database import Connection

group = typer.Typer(
    no_args_is_help=True,
    help="What could not be answered (`hub.dead`, one a network, 7 days): masked, names and sizes, never a text.",
)
#: Characters of an id that are enough, where they are of one message alone.
_LEAST = 6
_COLUMNS = ("id", "network", "at", "reason", "queue", "sender", "type", "bytes", "ticketCBSS", "replay")

Network = Annotated[
    str,
    typer.Option("--network", metavar="ADDRESS", help="Of one network: hub, or who manages it (17-0, 12-0). Else all."),
]
Broker = Annotated[
    str | None,
    typer.Option(
        envvar="CROSSROADS_OPERATOR_URL",
        help="Nodes of the broker with its user `operator`, comma separated: amqp://operator:password@host:5672. Else "
        "those of the network that runs here.",
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `crossroads dead list` shows it.", show_default=False)]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `crossroads dead list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that can be, instead of ids; with --network of that one.")]
Reason = Annotated[str, typer.Option(help="Why, for the journal; no person's number.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@group.command("list")
def list_(
    network: Network = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    broker: Broker = None,
    key: Key = None,
) -> None:
    """What stands there, oldest first in each network: since when, why, whose, and whether it can be handed in again.

    Nothing is taken away by a look; several at once wait for each other.
    """
    from hub.journal import Act

    async def work() -> list[dict[str, Any]]:
        await noted(database, key, _deed(Act.DEAD_LIST, network or "all", program), hub="crossroads dead")
        async with view(database, broker, network) as seen:
            for look in seen.looks:
                if look.more:
                    typer.echo(f"{look.place.network}: {look.more} more are not shown: drop or replay first", err=True)
            return [_listed(dead) for dead in seen.dead]

    rows = run(work())
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        tell(False, _COLUMNS, ([_cell(row, name) for name in _COLUMNS] for row in rows))


@group.command()
def show(
    id_: Id,
    network: Network = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    broker: Broker = None,
    key: Key = None,
) -> None:
    """One message: its properties, and its body without its values.

    Names are shown where a schema of ours has them; of every text its kind and length alone.

    Example: crossroads dead show cgahkbbcpidh
    """
    from hub.journal import Act

    async def work() -> dict[str, Any]:
        async with view(database, broker, network) as seen:
            dead = seen.named([id_])[0]
            await noted(database, key, _of(Act.DEAD_SHOW, dead, program), hub="crossroads dead")
            return _listed(dead) | _shown(dead, _folders(database))

    shown = run(work())
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        if name == "properties":
            for title, text in value.items():
                typer.echo(f"{title}: {text}")
        elif name == "body":
            typer.echo(f"body: {value['what']}, {shown['bytes']} bytes, SHA-256 {value['sha256']}")
            for line in value["elements"]:
                typer.echo(f"  {line}")
            if value["more"]:
                typer.echo(f"  ... and {value['more']} elements more")
        elif value is not None:
            typer.echo(f"{name}: {value}")


@group.command()
def replay(
    ids: Ids = None,
    all_: All = False,
    network: Network = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    broker: Broker = None,
    key: Key = None,
) -> None:
    """Hand messages in again, to the queue that each came from and in its sender's name.

    Only what came in a batch or as a mutation, under a ticket that is still kept: nobody waits for anything else any
    more, or it could be done twice. Killed on the way, give the same command again: what was done is not done twice.

    Example: crossroads dead replay cgahkbbcpidh

    Exit status: 0 all were, 1 some stay, 2 the command could not be done and nothing was.
    """
    from deploy.dead.looking import DeadError
    from hub.journal import Act

    async def work() -> list[dict[str, Any]]:
        async with view(database, broker, network) as seen:
            chosen = [dead for dead in seen.dead if dead.stays is None] if all_ else seen.named(ids or [])
            # Also of those that stay: it is told what they are, and why.
            deeds = [_of(Act.DEAD_REPLAY, dead, program, found=dead.stays is None) for dead in chosen]
            if deeds:
                await noted(database, key, *deeds, hub="crossroads dead")
            done = []
            for dead in chosen:
                why = dead.stays
                if why is None:
                    try:
                        await seen.of(dead).hand_in(dead)
                        await seen.of(dead).take_off(dead)
                    except DeadError as error:
                        why = str(error)
                done.append(_done(dead, why))
            return done

    _check_chosen(ids, all_=all_)
    _tell_done(run(work()), as_json, "handed in again to {queue} as {sender}", "stays")


@group.command()
def drop(
    reason: Reason,
    ids: Ids = None,
    all_: All = False,
    yes: Yes = False,
    network: Network = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    broker: Broker = None,
    key: Key = None,
) -> None:
    """Take messages out of hub.dead for good. The journal keeps which, who and why.

    Example: crossroads dead drop cgahkbbcpidh --reason "its asker has asked again"

    Exit status: 0 all were, 1 some stay or it was not confirmed, 2 the command could not be done and nothing was.
    """
    from deploy.dead.looking import DeadError
    from hub.journal import Act

    if not reason.strip():
        raise CrossroadsError("--reason: say why, for the journal")
    _check_chosen(ids, all_=all_)

    async def work() -> list[dict[str, Any]]:
        async with view(database, broker, network) as seen:
            chosen = list(seen.dead) if all_ else seen.named(ids or [])
            if not yes and chosen:
                typer.confirm(f"Drop {len(chosen)} for good?", abort=True, err=True)
            if chosen:
                deeds = [_of(Act.DEAD_DROP, dead, program, reason) for dead in chosen]
                await noted(database, key, *deeds, hub="crossroads dead")
            done = []
            for dead in chosen:
                why = None
                try:
                    await seen.of(dead).take_off(dead)
                except DeadError as error:
                    why = str(error)
                done.append(_done(dead, why))
            return done

    _tell_done(run(work()), as_json, "dropped", "stays")


# --- looking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _View:
    """What stands in every hub.dead that is looked at, held until the command ends."""

    looks: "tuple[Look, ...]"
    dead: "tuple[Dead, ...]"

    def of(self, dead: "Dead") -> "Look":
        return next(look for look in self.looks if look.place == dead.place)

    def named(self, ids: Sequence[str]) -> "list[Dead]":
        """Every message of these ids, in the order of the queue. CrossroadsError where one has none, or several."""
        wanted: set[str] = set()
        for given in ids:
            found = {dead.id for dead in self.dead if dead.id.startswith(given)} if len(given) >= _LEAST else set()
            if len(found) != 1:
                # What was typed is not repeated: it may be anything.
                what = "no message of that id is" if not found else "several messages begin with that id"
                raise CrossroadsError(f"{what} in hub.dead: `crossroads dead list` shows them")
            wanted |= found
        return [dead for dead in self.dead if dead.id in wanted]


@asynccontextmanager
async def view(database: str | None, broker: str | None, network: str) -> AsyncIterator[_View]:
    """Every hub.dead, or that of one network; what is in them is given back when it ends."""
    from dataclasses import replace

    from deploy.dead.looking import looking
    from deploy.dead.message import FORGOTTEN, read
    from hub.queries import QUERIES
    from hub.repertory import store
    from hub.repertory.database import connected

    url = url_of(database)
    rules = await store.read(url)
    # Every service that a rule names: to read the catalogue itself takes a second.
    services = {
        one.service for rows in (rules.availabilities, rules.authorisations, rules.distributions) for one in rows
    }
    places = _places(database, [str(address) for address in _managing(rules)], network)
    async with connected(url, "crossroads dead") as connection, AsyncExitStack() as stack:
        looks, dead = [], []
        for place in places:
            look = await stack.enter_async_context(looking(place, _urls(database, broker, place), connection))
            looks.append(look)
            dead += [read(delivery, place, rules, services) for delivery in look.found]
        forgotten = await _forgotten(connection, {one.ticket_cbss for one in dead if one.ticket_cbss}, QUERIES)
        dead = [
            replace(one, stays=FORGOTTEN) if one.stays is None and one.ticket_cbss in forgotten else one for one in dead
        ]
        yield _View(tuple(looks), tuple(dead))


async def _forgotten(connection: "Connection", tickets: Collection[UUID], queries: Any) -> set[UUID]:
    return {row[0] for row in await connection.fetch(queries["tickets_forgotten"], list(tickets))} if tickets else set()


def _folders(database: str | None) -> list[Path]:
    """Of services beside the shipped ones."""
    access = network_here(database)
    named = access.services if access is not None else os.environ.get("CROSSROADS_SERVICES", "")
    return [Path(folder) for folder in named.split(os.pathsep) if folder]


def _managing(rules: Any) -> list[Address]:
    return sorted({one.managed_by for one in rules.institutions.values() if one.managed_by is not None})


def _places(database: str | None, managing: Sequence[str], network: str) -> "list[Place]":
    """Each network's hub.dead: of the one that was named, else of all."""
    from deploy.dead.message import Place
    from institutions.reference.network import NSSO
    from schemas.wire import names

    access = network_here(database)
    if access is not None:
        vhosts = {names.HUB: access.vhosts[names.HUB], **access.secondary}
    else:
        vhosts = {names.HUB: names.PRIMARY} | {who: names.secondary(Address.parse(who)) for who in managing}
        if network == str(NSSO):  # of senders alone: the register of institutions does not say that there are any
            vhosts[network] = names.secondary(NSSO)
    if network and network not in vhosts:
        raise CrossroadsError(f"--network: one of {', '.join(vhosts)}")
    return [Place(who, vhost) for who, vhost in vhosts.items() if network in ("", who)]


def _urls(database: str | None, broker: str | None, place: "Place") -> tuple[str, ...]:
    from schemas.wire import names

    access = network_here(database)
    if access is not None:
        return access.urls(names.OPERATOR, place.vhost)
    if not broker:
        raise CrossroadsError(
            "which broker: --broker amqp://operator:password@host:5672, or CROSSROADS_OPERATOR_URL; the user and its "
            "password are made by `crossroads provision`"
        )
    nodes = [urlsplit(node.strip()) for node in broker.split(",") if node.strip()]
    return tuple(urlunsplit(node._replace(path="/" + quote(place.vhost, safe=""))) for node in nodes)


# --- journalling -----------------------------------------------------------------------------------------------------


def _deed(act: "Act", subject: str, program: str, reason: str = "", *, found: bool = True) -> Any:
    from hub.journal import Deed

    return Deed(act=act, subject=subject, reason=reason, program=program_of(program), found=found)


def _of(act: "Act", dead: "Dead", program: str, reason: str = "", *, found: bool = True) -> Any:
    """The subject is the ticketCBSS where there is one, so that `crossroads ticket` shows the act."""
    text = f"{dead.id}: {reason}" if reason else dead.id
    return _deed(act, str(dead.ticket_cbss or dead.id), program, text, found=found)


# --- telling ---------------------------------------------------------------------------------------------------------


def _listed(dead: "Dead") -> dict[str, Any]:
    return {
        "id": dead.id,
        "network": dead.place.network,
        "at": dead.at.isoformat(timespec="milliseconds") if dead.at is not None else None,
        "reason": dead.reason,
        "queue": dead.queue,
        "sender": dead.sender,
        "type": dead.type,
        "bytes": dead.bytes,
        "ticketCBSS": str(dead.ticket_cbss) if dead.ticket_cbss is not None else None,
        "replay": dead.stays is None,
        "why_not": dead.stays,
    }


def _cell(row: dict[str, Any], name: str) -> object:
    return {True: "yes", False: row["why_not"]}[row["replay"]] if name == "replay" else row[name]


def _shown(dead: "Dead", folders: Sequence[Path]) -> dict[str, Any]:
    import hashlib

    from deploy.dead.masking import outline
    from deploy.dead.message import properties_shown

    told = outline(dead.delivery.body, folders)
    return {
        "properties": properties_shown(dead),
        "body": {
            "what": told.what,
            "sha256": hashlib.sha256(dead.delivery.body).hexdigest(),
            "elements": [str(line) for line in told.lines],
            "more": told.more,
        },
    }


def _done(dead: "Dead", why: str | None) -> dict[str, Any]:
    return _listed(dead) | {"done": why is None, "why_not": why}


def _tell_done(done: list[dict[str, Any]], as_json: bool, what: str, not_done: str) -> None:
    if as_json:
        typer.echo(json.dumps(done))
    for one in () if as_json else done:
        if one["done"]:
            typer.echo(f"{one['id']} ({one['network']}): {what.format(**one)}")
        else:
            typer.echo(f"{one['id']} ({one['network']}) {not_done}: {one['why_not']}", err=True)
    if not as_json and not done:
        typer.echo("nothing was there to do")
    if any(not one["done"] for one in done):
        raise typer.Exit(1)


def _check_chosen(ids: Sequence[str] | None, *, all_: bool) -> None:
    if bool(ids) == all_:
        raise CrossroadsError("name ids, or --all, and not both")


def operators_broker() -> bool:
    """Whether the environment names the broker for the operators' user."""
    return bool(os.environ.get("CROSSROADS_OPERATOR_URL"))
