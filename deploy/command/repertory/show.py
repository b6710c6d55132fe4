"""What the repertory says: who is connected, who is known where, who may ask what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.command.repertory.place import Database, Json, Number, check_member, run, sectoral_url, url_of
from deploy.command.table import tell
from schemas.address import Address
from schemas.integration import Integration
from schemas.ssin import Ssin

if TYPE_CHECKING:
    from hub.repertory.rules import Rules


def institutions(as_json: Json = False, database: Database = None) -> None:
    """The register: who is connected, through whom, at which rate."""
    rules = run(_rules(url_of(database)))
    tell(
        as_json,
        ("address", "cbe", "name", "managed_by", "active", "rate"),
        (
            (str(i.address), i.cbe, i.name, str(i.managed_by) if i.managed_by else None, i.active, i.rate)
            for i in rules.institutions.values()
        ),
    )


def persons(
    known_to: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Sector and type, 17-1, or a cooperating institution.",
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, help="Persons.")] = 20,
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Whom a sector and type has integrated, or one cooperating institution of the network that runs here, with their
    numbers: personal data, shown because you ask for it."""
    from hub.repertory.persons import known_to as find

    where = Address.parse(known_to)
    if where.is_cooperating:
        rows = run(_known_to_member(sectoral_url(Address(where.sector, 0)), where, limit))
    else:
        rows = run(find(url_of(database), where, limit))
    tell(as_json, _COLUMNS, map(_cells, rows))


async def _known_to_member(url: str, member: Address, limit: int) -> Sequence[Integration]:
    from institutions.relay.sectoral_repertory import SectoralRepertory

    repertory = await SectoralRepertory.connect(url)
    try:
        await check_member(repertory, member)
        return await repertory.known_to(member, limit)
    finally:
        await repertory.close()


def person(ssin: Number, as_json: Json = False, database: Database = None) -> None:
    """Where a person is known, now and formerly."""
    from hub.repertory.persons import person as find

    believed = run(find(url_of(database), Ssin.parse(ssin)))
    tell(
        as_json,
        (*_COLUMNS, "known_from", "known_to"),
        (
            (*_cells(b.integration), b.known_from.isoformat(), b.known_to.isoformat() if b.known_to else None)
            for b in believed
        ),
    )


def rights(
    address: Annotated[str, typer.Argument(help="An institution, or a sector and type: 17-1.", show_default=False)],
    as_json: Json = False,
    database: Database = None,
) -> None:
    """What an institution may ask, of whom, about whom, without which elements, and under which deliberation."""
    rules = run(_rules(url_of(database)))
    tell(
        as_json,
        (
            "id",
            "service",
            "legal_context",
            "qualities",
            "min_phase",
            "suppliers",
            "without",
            "deliberation",
            "from",
            "to",
        ),
        (
            (
                a.id,
                a.service,
                a.legal_context,
                sorted(a.qualities),
                a.min_phase,
                [str(s) for s in a.suppliers],
                list(a.without),
                f"{a.deliberation.number} of {a.deliberation.decided}",
                a.valid.begin.isoformat(),
                a.valid.end.isoformat() if a.valid.end else None,
            )
            for a in rules.rights(Address.parse(address))
        ),
    )


_COLUMNS = ("ssin", "address", "quality", "phase", "from", "to", "replaced_by")


def _cells(row: Integration) -> tuple[object, ...]:
    return (
        row.ssin.digits,
        str(row.member or row.kind),
        row.quality,
        row.phase,
        row.period.begin.isoformat(),
        row.period.end.isoformat() if row.period.end else None,
        row.replaced_by.digits if row.replaced_by else None,
    )


async def _rules(url: str) -> "Rules":
    from hub.repertory import store

    return await store.read(url)
