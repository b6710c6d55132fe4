"""One row into the repertory: a dossier, or a right."""

import json
import uuid
from dataclasses import replace
from datetime import date
from typing import Annotated

import typer

from deploy.command.repertory.place import (
    Database,
    Json,
    Number,
    catalogue_of,
    check_member,
    run,
    sectoral_url,
    url_of,
    wait_for_network,
)
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin


def integrate(
    ssin: Number,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Sector and type, 17-1, or a cooperating institution.")
    ],
    quality: Annotated[int, typer.Option(help="Quality code of the sector (schemas/data/qualities.csv).")],
    begin: Annotated[str, typer.Option("--from", help="First day, yyyy-mm-dd.")],
    end: Annotated[str, typer.Option("--to", help="Last day; leave it out for an open dossier.")] = "",
    phase: Annotated[int | None, typer.Option(min=0, help="Phase of the dossier.")] = None,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Put one row into the person repertory; of a cooperating institution, into its sectoral repertory too."""
    from hub.repertory.loading import integrate as put
    from schemas.sectors import check_quality

    where = Address.parse(address)
    check_quality(where, quality)
    row = Integration(Ssin.parse(ssin), where.kind, quality, phase, Period.parse(begin, end or None))
    new = False
    if where.is_cooperating:
        new = run(_integrate_at(sectoral_url(Address(where.sector, 0)), replace(row, member=where)))
    new |= run(put(url_of(database), row))
    if as_json:
        typer.echo(json.dumps({"address": str(where), "quality": quality, "new": new}))
    else:
        typer.echo("integrated" if new else "it stood there already")


async def _integrate_at(url: str, row: Integration) -> bool:
    """One row into a sectoral repertory; False: it stood there already. The same person, member, quality and first day
    is the same dossier: what it said before is replaced."""
    from institutions.relay.sectoral_repertory import SectoralRepertory

    repertory = await SectoralRepertory.connect(url)
    try:
        await check_member(repertory, row.member or row.kind)
        if row in await repertory.rows(row.ssin):
            return False
        # What is loaded from one source replaces what came from it: so each dossier is a source of its own.
        dossier = uuid.uuid5(uuid.NAMESPACE_URL, f"{row.ssin.digits} {row.member} {row.quality} {row.period.begin}")
        await repertory.load((row,), f"(command) {dossier}")
    finally:
        await repertory.close()
    return True


def authorise(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="The authorisation's id; an id that is there is changed.")
    ],
    customer: Annotated[str, typer.Option(help="Who may ask: sector and type, as 17-1.")],
    service: Annotated[str, typer.Option(help="Name, or Name/version.")],
    legal_context: Annotated[str, typer.Option(help="As the request must name it.")],
    quality: Annotated[list[int], typer.Option(help="In which the customer must know the person; may be repeated.")],
    supplier: Annotated[list[str], typer.Option(help="Who may be asked: sector and type; may be repeated.")],
    deliberation: Annotated[str, typer.Option(help="Number and date, as '26/001 2026-01-15'.")],
    without: Annotated[list[str] | None, typer.Option(help="A path of the response to cut; may be repeated.")] = None,
    min_phase: Annotated[int | None, typer.Option(help="Lowest phase.")] = None,
    begin: Annotated[str, typer.Option("--from", help="First day; today by default.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it could be.")] = False,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Add or change one authorisation. For more than one, write a rules file and `load` it."""
    from hub.repertory import store
    from hub.repertory.rules import Authorisation, Deliberation
    from schemas.period import today

    number, _, day = deliberation.rpartition(" ")
    try:
        decided = Deliberation(number, date.fromisoformat(day))
    except ValueError:
        raise CrossroadsError("a deliberation has a number and a date: '26/001 2026-01-15'") from None
    row = Authorisation(
        identity,
        Address.parse(customer),
        legal_context,
        service,
        frozenset(quality),
        min_phase,
        tuple(map(Address.parse, supplier)),
        tuple(without or ()),
        decided,
        Period.parse(begin or today().isoformat(), end or None),
    )
    difference = run(store.add_rule(url_of(database), row, catalogue_of(database)(), dry_run=dry_run))
    for remark in difference.remarks:
        typer.echo(f"note: {remark}", err=True)
    if not dry_run:
        wait_for_network(database, difference.number)
    new, changed, _ = difference.count()
    what = "authorised" if new else "changed" if changed else "it stood there already"
    if as_json:
        typer.echo(json.dumps({"id": identity, "new": bool(new), "changed": bool(changed), "written": not dry_run}))
    else:
        typer.echo(f"{what} (--dry-run: nothing was written)" if dry_run else what)
