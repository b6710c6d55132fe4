"""`crossroads journal`: who consulted what about a person, and the journal counted."""

import asyncio
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.command.acting import Program, noted, program_of
from deploy.command.repertory.place import Database, Json, Number, network_here, run, url_of
from deploy.command.table import tell
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin

if TYPE_CHECKING:
    from hub.journal import Ended, Entry, Journal

group = typer.Typer(no_args_is_help=True, help="What the hub decided and told: who asked what about whom, and counts.")

Key = Annotated[
    str | None,
    typer.Option(
        help="Keys of the person hashes, id:secret comma separated: what was written under one of them is found. Else "
        "those of the network that runs here, else CROSSROADS_JOURNAL_KEY.",
    ),
]

_COLUMNS = (
    "at", "kind", "sender", "customer", "program", "service", "legal_context", "quality", "authorisation", "verdict",
    "code", "suppliers", "filtered", "ticket", "ticketCBSS", "hub",
)  # fmt: skip


@group.command()
def who(
    ssin: Number,
    as_user: Annotated[bool, typer.Option("--as-user", help="What this person asked as an end user instead.")] = False,
    as_json: Json = False,
    database: Database = None,
    key: Key = None,
) -> None:
    """Who asked what about a person, when, under which authorisation, and what the hub decided; the oldest first."""
    person = Ssin.parse(ssin)
    entries = asyncio.run(_journal(database, key).who(person, as_user=as_user))
    tell(as_json, _COLUMNS, map(_cells, entries))


@group.command()
def lately(
    code: Annotated[str, typer.Option(metavar="CODE", help="What was told: MSG00013, CRB00010, …")] = "",
    service: Annotated[str, typer.Option(metavar="SERVICE", help="Name, or Name/version.")] = "",
    by: Annotated[str, typer.Option(metavar="ADDRESS", help="Who asked, or for whom.")] = "",
    supplier: Annotated[str, typer.Option(metavar="ADDRESS", help="Who was asked.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest, so many.")] = 10,
    minutes: Annotated[int, typer.Option(min=1, max=1_440, help="How far back it looks.")] = 60,
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    key: Key = None,
) -> None:
    """Which exchanges ended so lately, oldest first: their tickets, for `crossroads ticket`.

    No person's number and nothing of what was asked or answered. `suppliers`: who was asked on line, each with its
    milliseconds. The look is written into the journal first.

    \b
    crossroads journal lately --code MSG00013
    crossroads journal lately --supplier 16-0 --limit 3
    """
    told = run(_lately(code, service, by, supplier, limit, minutes, program, database, key))
    columns = ("at", "sender", "customer", "service", "value", "code", "ms", "suppliers", "ticketCBSS")
    tell(as_json, columns, map(_ended, told))


async def _lately(
    code: str,
    service: str,
    by: str,
    supplier: str,
    limit: int,
    minutes: int,
    program: str,
    database: str | None,
    key: str | None,
) -> "tuple[Ended, ...]":
    from hub.journal import Act, Deed

    if code and not re.fullmatch(r"[A-Z]{3}[0-9]{5}", code):
        raise CrossroadsError("--code: a code is three capitals and five digits: docs/codes.md")
    found = await _journal(database, key or "none:not-needed-to-list").lately(
        limit,
        datetime.now(UTC) - timedelta(minutes=minutes),
        code=code or None,
        service=service or None,
        asker=Address.parse(by) if by else None,
        supplier=Address.parse(supplier) if supplier else None,
    )
    subject = " ".join(filter(None, (code, service, by and f"by {by}", supplier and f"of {supplier}")))
    deed = Deed(act=Act.LATELY, subject=subject, program=program_of(program), found=bool(found))
    await noted(database, key, deed, hub="crossroads journal")
    return found


def _ended(one: "Ended") -> tuple[object, ...]:
    took = [f"{supplier} {'silent' if ms is None else f'{ms:,}'}" for supplier, ms in one.suppliers]
    return (
        one.at.isoformat(timespec="milliseconds"),
        None if one.sender is None else str(one.sender),
        None if one.customer is None else str(one.customer),
        one.service,
        one.value,
        one.code,
        one.ms,
        took,
        str(one.ticket_cbss),
    )


@group.command()
def acts(
    limit: Annotated[int, typer.Option(min=1, help="The newest, so many.")] = 100,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """What operators looked at and did, oldest first: explained, looked at a ticket, replayed, paused.

    Each was written before it was shown or done. The program is who acted (--program, CROSSROADS_PROGRAM); a person's
    own number is not kept in clear.

    Example: crossroads journal acts --limit 20
    """
    entries = asyncio.run(_journal(database, "none:not-needed-to-list").acts(limit))
    columns = ("at", "act", "subject", "reason", "program", "by", "ticketCBSS")
    tell(as_json, columns, map(_act, entries))


@group.command()
def summary(as_json: Json = False, database: Database = None) -> None:
    """The journal counted: rows by kind, outcomes by service and code, and what should never be.

    Exit status 1 where a ticket was decided or told twice.
    """
    counted = asyncio.run(_journal(database, "none:not-needed-to-count").summary())
    never = {"decided_twice": counted.decided_twice, "told_twice": counted.told_twice}
    outcomes = [(*key, number) for key, number in sorted(counted.outcomes.items())]
    columns = ("service", "value", "code", "exchanges")
    if as_json:
        rows = [dict(zip(columns, row, strict=True)) for row in outcomes]
        counts = {"kinds": dict(counted.kinds), "without_outcome": counted.without_outcome, **never}
        typer.echo(json.dumps(counts | {"outcomes": rows}))
    else:
        tell(False, columns, outcomes)
        told = [f"{number} {kind}" for kind, number in sorted(counted.kinds.items())] or ["no rows"]
        typer.echo(f"{', '.join(told)}; {counted.without_outcome} in hand or without outcome")
        for name, number in never.items():
            if number:
                typer.echo(f"{number} {name.replace('_', ' ')}: this should never be")
    raise typer.Exit(int(any(never.values())))


def _journal(database: str | None, key: str | None) -> "Journal":
    from hub.journal import Journal, PersonKeys

    network = network_here(database)
    keys = key or (network.journal_keys if network is not None else os.environ.get("CROSSROADS_JOURNAL_KEY", ""))
    return Journal(url_of(database), PersonKeys.parse(keys), hub="crossroads journal")


def _act(entry: "Entry") -> tuple[object, ...]:
    act = (entry.service or "").partition("/")[0].removeprefix("Operator")
    at = entry.at.isoformat()
    return at, act, entry.ticket, entry.legal_context, entry.program, entry.hub, str(entry.ticket_cbss)


def _cells(entry: "Entry") -> tuple[object, ...]:
    from deploy.dead.masking import text_shown

    return (
        entry.at.isoformat(),
        entry.kind,
        str(entry.sender) if entry.sender else None,
        str(entry.customer) if entry.customer else None,
        entry.program,
        entry.service,
        text_shown(entry.legal_context) if entry.legal_context else None,
        entry.quality,
        str(entry.authorisation) if entry.authorisation else None,
        entry.verdict,
        entry.code,
        [str(supplier) for supplier in entry.suppliers],
        list(entry.filtered),
        text_shown(entry.ticket) if entry.ticket else None,
        str(entry.ticket_cbss),
        entry.hub,
    )
