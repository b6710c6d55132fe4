"""`crossroads ticket`: every step of one exchange, and whose fault it is."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from deploy.command.acting import Key, Program, noted, program_of
from deploy.command.dead import Broker, operators_broker
from deploy.command.repertory.place import Database, Json, network_here, run, url_of
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.ticket import ticket_cbss

if TYPE_CHECKING:
    from hub.journal import Entry
    from hub.journal.account import Account

Ticket = Annotated[
    str,
    typer.Argument(
        metavar="TICKET", help="A ticketCBSS; with --as also that institution's own ticket.", show_default=False
    ),
]
As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="Whose own ticket it is: 18-0.")]


def ticket(
    ticket: Ticket,
    as_: As = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    broker: Broker = None,
    key: Key = None,
) -> None:
    """Every step of one exchange, oldest first: received, decided, asked, answered, told; what is still to come, and
    how much of the time was the hub's and how much its suppliers'.

    No person's number and nothing of what was asked or answered. The look is written into the journal first.

    Example: crossroads ticket 6a0f2c1e-0000-5000-8000-000000000000

    Whence a ticket: its asker's word, `crossroads journal lately`, `crossroads dead list`, or a hub's log.

    Exit status: 0 shown, 1 the journal has no such ticket (then it is said whether it lies in a hub.dead), 2 the
    command could not be done.
    """
    told, dead = run(_told(_tickets(ticket, as_), program, database, broker, key))
    if told is None:
        typer.echo("the journal has no such ticket: nothing was decided under it", err=True)
        for line in _lying(dead):
            typer.echo(line, err=True)
        if not isinstance(dead, list) or not dead:
            typer.echo("`crossroads journal lately` lists tickets, `crossroads journal who` a person's", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo("\n".join(_lines(told)))


def _tickets(text: str, as_: str) -> list[UUID]:
    """What it may be: a customer's own first. What was typed is never repeated: it may hold anything."""
    found = [ticket_cbss(Address.parse(as_), text)] if as_ else []
    try:
        found.append(UUID(text))
    except ValueError:
        if not found:
            raise CrossroadsError(
                "not a ticketCBSS (a UUID): of an institution's own ticket say whose, with --as"
            ) from None
    return found


async def _told(
    tickets: list[UUID], program: str, database: str | None, broker: str | None, key: str | None
) -> tuple[dict[str, Any] | None, Any]:
    """What is known of the exchange, None where it is not in the journal; and what of it lies in a hub.dead."""
    from hub.journal import Act, Deed
    from hub.journal.account import read
    from hub.repertory.database import connected

    by = program_of(program)
    async with connected(url_of(database), "crossroads ticket") as connection:
        found = None
        for one in tickets:
            found = found or await read(connection, one)
    # Of one that is not there the computed one: what was typed may be anything.
    subject = str(found.ticket_cbss if found is not None else tickets[0]) if found or len(tickets) > 1 else ""
    deed = Deed(act=Act.TICKET, subject=subject, program=by, found=found is not None)
    await noted(database, key, deed, hub="crossroads ticket")
    dead = await _dead(tickets if found is None else [found.ticket_cbss], database, broker)
    return (None if found is None else _as_dict(found) | {"dead": dead}), dead


async def _dead(tickets: list[UUID], database: str | None, broker: str | None) -> Any:
    """Its messages in every hub.dead; a text that says why, where they cannot be looked at."""
    from deploy.command.dead import view

    if network_here(database) is None and not (broker or operators_broker()):
        return "not looked at: no broker is named (--broker)"
    try:
        async with view(database, broker, "") as seen:
            return [
                {"id": dead.id, "network": dead.place.network, "reason": dead.reason, "replay": dead.stays is None}
                for dead in seen.dead
                if dead.ticket_cbss in tickets
            ]
    except CrossroadsError as error:
        return f"not looked at: {error}"


def _as_dict(found: "Account") -> dict[str, Any]:
    from deploy.dead.masking import text_shown

    decision, outcome, times = found.decision, found.outcome, found.times
    begun = found.steps[0].at if found.steps else None
    own = decision.ticket if decision is not None else None
    return {
        "ticketCBSS": str(found.ticket_cbss),
        "customer": str(decision.customer) if decision is not None and decision.customer is not None else None,
        "ticket": text_shown(own) if own is not None else None,
        "service": decision.service if decision is not None else None,
        "verdict": decision.verdict if decision is not None else None,
        "refused_by": _check(decision) if decision is not None else None,
        "told": {"value": outcome.value, "code": outcome.code, "final": outcome.kind == "outcome"} if outcome else None,
        "ms": times.total if times is not None else None,
        "hub_ms": times.hub if times is not None else None,
        "suppliers_ms": times.suppliers if times is not None else None,
        "under_4_s": times.in_time if times is not None else None,
        "fault": times.fault if times is not None else None,
        "at_fault": _suppliers(outcome) if times is not None and times.fault == "supplier" else [],
        "kept_until": _moment(found.kept_until),
        "steps": [
            {"at": _moment(step.at), "ms": round((step.at - begun).total_seconds() * 1000) if begun else 0,
             "what": step.what, **step.says}
            for step in found.steps
        ],
        "open": found.open and {"who": found.open["who"], "until": _moment(found.open["until"])},
        "recipients": [
            {"recipient": one.address, "position": one.position, "owed": one.owed, "awaited": one.awaited,
             "answered": _moment(one.answered), "code": one.code}
            for one in found.recipients
        ],
        "words": [word | {"at": _moment(word["at"]), "told": _moment(word["told"])} for word in found.words],
    }  # fmt: skip


def _suppliers(outcome: "Entry | None") -> list[str]:
    """Whose fault a supplier's is: who was silent, late or invalid; where all were well, the slowest."""
    if outcome is None:
        return []
    if outcome.silent:
        return [str(address) for address in outcome.silent]
    took = zip(outcome.suppliers, outcome.took_ms, strict=False)
    return [str(address) for address, _ in sorted(took, key=lambda one: -(one[1] or 0))[:1]]


def _check(decision: "Entry") -> dict[str, Any] | None:
    """Which check refused it, and what its code means; None: it was admitted."""
    from hub.explanation import CHECKS
    from schemas.codes import CODES

    if decision.verdict != "refused" or decision.code is None:
        return None
    step, number = CHECKS.get(decision.code, (None, None))
    known = CODES.get(decision.code)
    return {"code": decision.code, "check": number, "step": step, "meaning": known.text["EN"] if known else None}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


# --- for the eye -----------------------------------------------------------------------------------------------------


def _lines(told: dict[str, Any]) -> list[str]:
    own = f", its own ticket {told['ticket']}" if told["ticket"] else ""
    lines = [
        f"{told['ticketCBSS']}: {told['service'] or 'no known service'}, for {told['customer'] or 'nobody known'}{own}"
    ]
    for step in told["steps"]:
        says = ", ".join(
            f"{name} {_text(value)}" for name, value in step.items() if name not in ("at", "ms", "what") and value != ""
        )
        lines.append(f"{step['at']}  {step['ms']:>8,} ms  {step['what']}{': ' + says if says else ''}")
    lines += _summary(told)
    if told["open"]:
        lines.append(f"still open: the answer of {told['open']['who']}, until {told['open']['until']}")
    for one in told["recipients"]:
        state = "owed: it catches up" if one["owed"] else "in its queue, or taken"
        if one["answered"]:
            state = f"answered {one['code']} at {one['answered']}"
        elif one["awaited"]:
            state += ", its answer is awaited"
        lines.append(f"recipient {one['recipient']}, position {one['position']}: {state}")
    for word in told["words"]:
        state = f"told {word['told']}" if word["told"] else "not told yet"
        lines.append(f"word {word['service']} to {word['recipient']}: {state}")
    return lines + _lying(told["dead"])


def _lying(dead: Any) -> list[str]:
    """What lies in a hub.dead, or why that is not known."""
    if isinstance(dead, str):
        return [f"hub.dead {dead}"]
    return [
        f"in hub.dead of {one['network']}: {one['id']}, {one['reason']}: crossroads dead "
        f"{'replay' if one['replay'] else 'show'} {one['id']}"
        for one in dead
    ]


def _summary(told: dict[str, Any]) -> list[str]:
    if (by := told["refused_by"]) is not None:
        check = f"check {by['check']}, {by['step']}" if by["check"] else "a check of the service's own"
        return [
            f"refused by {check}: {by['meaning'] or by['code']}",
            f"which row is missing: crossroads repertory explain {told['ticketCBSS']}",
        ]
    if told["ms"] is None:
        if told["told"] is None:
            return ["nothing was told yet"]
        return []
    place = "under" if told["under_4_s"] else "over"
    lines = [f"{told['ms']:,} ms, {place} 4 s: the hub {told['hub_ms']:,} ms, suppliers {told['suppliers_ms']:,} ms"]
    whose = {
        "none": [],
        "supplier": [f"at fault: a supplier, {_text(told['at_fault'])}"],
        "hub": ["at fault: the hub"],
        "paused": ["a part is missing because its supplier is paused: nobody is at fault"],
    }
    return [*lines, *whose[told["fault"]]]


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
