"""`crossroads pause`, `resume`, `drain`, `maintenance`: the levers of docs/operators.md.

Each act is journalled before it is done.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from deploy.command.acting import Program, noted, program_of
from deploy.command.moment import parse
from deploy.command.repertory.place import Database, Json, catalogue_of, run, url_of
from schemas.address import Address, AddressError
from schemas.errors import CrossroadsError
from schemas.ssin import is_program_number

if TYPE_CHECKING:
    from hub.control import Control, Ended, Kind, Process
    from hub.journal import Act
    from hub.repertory.database import Connection

#: Between two looks at what is in hand, seconds.
_LOOK = 0.2

What = Annotated[
    str, typer.Argument(metavar="WHAT", help="A service (Pension, or Pension/1), or an address.", show_default=False)
]
Drained = Annotated[
    str,
    typer.Argument(metavar="WHAT", help="A service, an address, or a hub by its name or instance.", show_default=False),
]
Asking = Annotated[
    bool,
    typer.Option("--asking", help="What this institution asks, itself or through its relay; not what it is asked."),
]
Reason = Annotated[str, typer.Option(help="Why, for the journal and the other operators; institutions are not told.")]
Until = Annotated[
    str, typer.Option(metavar="TIME", help="It ends by itself: in 30m, 2h, 1d; at 22:30; at 2026-12-01T06:00.")
]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait; what is paused stays so.")]
Switch = Annotated[Literal["on", "off", "status"], typer.Argument(metavar="on|off|status", show_default=False)]


@dataclass(frozen=True, slots=True)
class _Target:
    """One thing to pause."""

    kind: "Kind"
    what: str
    #: As people call it.
    name: str


@dataclass(frozen=True, slots=True)
class _Order:
    """The options, read."""

    until: datetime | None
    reason: str
    program: str | None
    database: str | None
    as_json: bool

    @property
    def kept(self) -> str | None:
        """Whom the table names: a program; a person's number is nowhere in clear."""
        return self.program if self.program and is_program_number(self.program) else None


def pause(
    what: What,
    asking: Asking = False,
    until: Until = "",
    reason: Reason = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Pause a service, an institution that is asked, or (--asking) one that asks.

    Who asks is told CRB00021, politely and at once: no verdict, nothing is lost, the same ticket may be sent again;
    lots and mutations do so by themselves. What has its decision is finished. Of several suppliers the paused one is
    silent. All hubs know within two seconds. What is paused already has this --until and --reason from now on.

    \b
    crossroads pause Pension --until 2h --reason "the supplier's release"
    crossroads pause 10-0
    crossroads pause 17-1-0212344876 --asking
    """
    order = _order(until, reason, program, database, as_json)
    run(_pause(what, asking, order))


def resume(
    what: What,
    asking: Asking = False,
    reason: Reason = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
) -> None:
    """End a pause.

    \b
    crossroads resume Pension
    crossroads resume 17-1-0212344876 --asking
    """
    run(_resume(what, asking, _order("", reason, program, database, as_json)))


def drain(
    what: Drained,
    timeout: Timeout = 60.0,
    until: Until = "",
    reason: Reason = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Pause it, and return when no hub has anything of it in hand; a hub: it ends, and another one has its work.

    Says on standard error who has what. Exit status 1 when --timeout is over: it is paused all the same. A question
    that is answered in its supplier's own time is not in hand; how many there are is said. A hub gives back at once
    what it has not begun, finishes what it began, and ends; who is started under its name is not drained.

    \b
    crossroads drain Pension && echo "nobody waits for it"
    crossroads drain hub-1 --timeout 30
    """
    status = run(_drain(what, timeout, _order(until, reason, program, database, as_json)))
    raise typer.Exit(status)


def maintenance(
    switch: Switch,
    until: Until = "",
    reason: Reason = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
) -> None:
    """Put the whole network under maintenance, and end it; `status` lists also what is paused.

    Who asks on line is told CRB00022; lots, mutations and answers that come later wait in their queues, and go on at
    `off` or at --until. It needs the database: work on that is silence, and loses nothing either.

    \b
    crossroads maintenance on --until 30m --reason "a new release"
    crossroads maintenance status
    crossroads maintenance off
    """
    order = _order(until, reason, program, database, as_json)
    run({"on": _on, "off": _off, "status": _status}[switch](order))


def _order(until: str, reason: str, program: str, database: str | None, as_json: bool) -> _Order:
    now = datetime.now(UTC)
    return _Order(parse(until, now) if until else None, reason, program_of(program), database, as_json)


# --- what is meant ---------------------------------------------------------------------------------------------------


async def _targets(
    connection: "Connection", what: str, order: _Order, *, asking: bool = False, hubs: bool = False
) -> list[_Target]:
    """What is to be paused. CrossroadsError, naming what is near, for what is not known or may not be."""
    from hub.control import BOOKKEEPING, processes
    from hub.repertory.store import read as read_rules

    rules, services = await read_rules(url_of(order.database)), catalogue_of(order.database)().services
    found = [type_ for type_ in services if what in (type_, type_.partition("/")[0])]
    if found and asking:
        raise CrossroadsError(f"--asking is of an institution; {what} is a service")
    if kept := [type_ for type_ in found if type_ in BOOKKEEPING]:
        raise CrossroadsError(
            f"{kept[0]} cannot be paused: the network's own bookkeeping needs it, and what it is told would be lost. "
            "Maintenance pauses it too"
        )
    if found:
        return [_Target("service", type_, type_) for type_ in sorted(found)]
    running = await processes(connection) if hubs else ()
    named = [one for one in running if what in (one.name, str(one.instance)) and one.beats]
    if named:
        if order.until is not None:
            raise CrossroadsError(f"--until is not of a hub: {what} ends, and is started again by whoever runs it")
        begun = [one for one in named if not one.draining] or named
        return [_Target("hub", str(one.instance), one.name) for one in begun]
    try:
        address = Address.parse(what)
    except AddressError:
        address = None
    if address is not None and asking and address in rules.institutions:
        return [_Target("customer", str(address), f"what {address} asks")]
    if address is not None and not asking:
        managing = rules.asked_as(address.kind)
        if managing != address:
            raise CrossroadsError(
                f"{address} is asked by the relay of {managing}, not by the hub: pause {managing}, or with --asking "
                f"what {address} asks"
            )
        if address in rules.institutions:
            return [_Target("supplier", str(address), f"what {address} is asked")]
    known = [*services, *(type_.partition("/")[0] for type_ in services), *map(str, rules.institutions)]
    known += [one.name for one in running if one.beats]
    near = get_close_matches(what, sorted(set(known)), n=3)
    kinds = "service, institution or hub that beats" if hubs else "service or institution"
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise CrossroadsError(f"{what!r} is no {kinds} of this network{hint}")


# --- pausing ---------------------------------------------------------------------------------------------------------


async def _pause(what: str, asking: bool, order: _Order) -> None:
    from hub.control import begin
    from hub.journal import Act
    from hub.repertory.database import connected

    async with connected(url_of(order.database), "crossroads pause") as connection:
        targets = await _targets(connection, what, order, asking=asking)
        await _noted(order, Act.PAUSE, targets, "crossroads pause")
        told = []
        for one in targets:
            done = await begin(
                connection, one.kind, one.what, until=order.until, program=order.kept, reason=order.reason or None
            )
            told.append(_so(one.kind, one.what, done.since, order.until, order.reason, done.before))
            _say(order, f"{one.name} is paused{_until(order.until)}{_before(done.before)}")
    _print(order, told)


async def _resume(what: str, asking: bool, order: _Order) -> None:
    from hub.control import end, read
    from hub.journal import Act
    from hub.repertory.database import connected

    async with connected(url_of(order.database), "crossroads resume") as connection:
        controls = await read(connection)
        # What left the register or the catalogue meanwhile can still be resumed.
        kinds = ("customer",) if asking else ("service", "supplier")
        there = [
            _Target(one.kind, one.what, one.what)
            for one in controls.found.values()
            if one.kind in kinds and what in (one.what, one.what.partition("/")[0])
        ]
        targets = there or await _targets(connection, what, order, asking=asking)
        await _noted(order, Act.RESUME, targets, "crossroads resume")
        told = []
        for one in targets:
            ended = await end(connection, one.kind, one.what, program=order.kept)
            told.append({"kind": one.kind, "what": one.what, "was_paused": ended is not None, **_was(ended)})
            if ended is not None:
                _say(order, f"{one.name} goes on; it was paused since {_clock(ended.since)}")
                continue
            other = controls.found.get(("supplier" if asking else "customer", one.what))
            way = "what it is asked is: leave --asking out" if asking else "what it asks is: say --asking"
            _say(order, f"{one.name} was not paused{'; ' + way if other is not None else ''}")
    _print(order, told)


# --- draining --------------------------------------------------------------------------------------------------------


async def _drain(what: str, timeout: float, order: _Order) -> int:
    from hub.control import begin, read
    from hub.journal import Act
    from hub.repertory.database import connected

    async with connected(url_of(order.database), "crossroads drain") as connection:
        targets = await _targets(connection, what, order, hubs=True)
        await _noted(order, Act.DRAIN, targets, "crossroads drain")
        controls = await read(connection)
        version = controls.version
        for one in targets:
            if (one.kind, one.what) not in controls.found or order.until is not None or order.reason:
                done = await begin(
                    connection, one.kind, one.what, until=order.until, program=order.kept, reason=order.reason or None
                )
                version = done.version
            if one.kind != "hub":
                _say(order, f"{one.name} is paused{_until(order.until)}")
        later = await _later(connection, targets)
        left = await _wait(connection, targets, version, timeout)
    names = ", ".join(one.name for one in targets)
    _print(order, {
        "drained": not left,
        "what": [{"kind": one.kind, "what": one.what, "name": one.name} for one in targets],
        "in_hand": left,
        "answered_later": later,
    })  # fmt: skip
    if later:
        _say(order, f"questions that are answered later, and wait for their supplier: {later}")
    if not left:
        _say(order, f"nothing of {names} is in hand" if targets[0].kind != "hub" else f"{names} has ended")
        return 0
    stays = "it is paused all the same" if targets[0].kind != "hub" else "it takes nothing more, and ends when it has"
    typer.echo(f"after {timeout:g} s {_counted(left)}: {stays}", err=True)
    return 1


async def _wait(connection: "Connection", targets: Sequence[_Target], version: int, timeout: float) -> dict[str, str]:
    """What is still in hand when the time is over, by hub; with progress."""
    from hub.control import processes

    end, said, gone = time.monotonic() + timeout, "", set[UUID]()
    while True:
        found = await processes(connection)
        for one in found:
            if not one.beats and one.instance not in gone:
                gone.add(one.instance)
                typer.echo(f"{one.name} ({one.instance}) is silent for {one.silent:.0f} s: it does not count", err=True)
        left = {one.name: has for one in found if one.beats and (has := _in_hand(one, targets, version))}
        if not left:
            return {}
        if (now := _counted(left)) != said:
            typer.echo(now, err=True)
            said = now
        if time.monotonic() >= end:
            return left
        await asyncio.sleep(_LOOK)


def _in_hand(process: "Process", targets: Sequence[_Target], version: int) -> str:
    """What one hub has of it; empty: nothing."""
    if targets[0].kind == "hub":
        of_it = str(process.instance) in {one.what for one in targets}
        return (f"{process.in_hand} in hand" if process.draining else "has not heard of it") if of_it else ""
    if process.seen < version:
        return "has not heard of it"
    counts = process.services if targets[0].kind == "service" else process.suppliers
    if count := sum(counts.get(one.what, 0) for one in targets):
        return f"{count} in hand"
    return "" if process.settled >= version else "finishes what it began before"


async def _later(connection: "Connection", targets: Sequence[_Target]) -> int:
    """Open questions that their supplier answers in its own time."""
    from hub.queries import QUERIES

    names = [one.what for one in targets]
    return int(await connection.fetchval(QUERIES["questions_open_of"], names))


def _counted(left: dict[str, str]) -> str:
    return ", ".join(f"{name}: {has}" for name, has in left.items())


# --- maintenance -----------------------------------------------------------------------------------------------------


async def _on(order: _Order) -> None:
    from hub.control import begin
    from hub.journal import Act
    from hub.repertory.database import connected

    async with connected(url_of(order.database), "crossroads maintenance") as connection:
        await _noted(order, Act.MAINTENANCE, [_Target("maintenance", "on", "")], "crossroads maintenance")
        done = await begin(
            connection, "maintenance", until=order.until, program=order.kept, reason=order.reason or None
        )
    _say(order, f"maintenance is on{_until(order.until)}{_before(done.before)}")
    _print(order, _so("maintenance", "", done.since, order.until, order.reason, done.before))


async def _off(order: _Order) -> None:
    from hub.control import end
    from hub.journal import Act
    from hub.repertory.database import connected

    if order.until is not None:
        raise CrossroadsError("--until is when maintenance ends by itself: give it with `on`")
    async with connected(url_of(order.database), "crossroads maintenance") as connection:
        await _noted(order, Act.MAINTENANCE, [_Target("maintenance", "off", "")], "crossroads maintenance")
        ended = await end(connection, "maintenance", program=order.kept)
    since = "" if ended is None else _clock(ended.since)
    _say(order, f"maintenance is off; it was on since {since}" if since else "maintenance was not on")
    _print(order, {"kind": "maintenance", "was_on": ended is not None, **_was(ended)})


async def _status(order: _Order) -> None:
    from hub.control import processes, read
    from hub.repertory.database import connected

    async with connected(url_of(order.database), "crossroads maintenance") as connection:
        controls, running = await read(connection), await processes(connection)
    names = {str(one.instance): one.name for one in running}
    _print(order, {
        "maintenance": _shown(controls.maintenance) if controls.maintenance is not None else None,
        "paused": [_shown(one) for one in controls.found.values() if one.kind not in ("maintenance", "hub")],
        "draining": [names.get(one.what, one.what) for one in controls.found.values() if one.kind == "hub"],
    })  # fmt: skip
    on = controls.maintenance
    _say(order, "maintenance is off" if on is None else f"maintenance is on since {_clock(on.since)}{_until(on.until)}")
    for one in controls.found.values():
        if one.kind not in ("maintenance", "hub"):
            _say(order, f"paused: {one.kind} {one.what}, since {_clock(one.since)}{_until(one.until)}")


# --- telling ---------------------------------------------------------------------------------------------------------


async def _noted(order: _Order, act: "Act", targets: Sequence[_Target], hub: str) -> None:
    """Into the journal, before it is done."""
    from hub.journal import Deed

    deeds = [Deed(act=act, subject=_subject(one), reason=order.reason, program=order.program) for one in targets]
    await noted(order.database, None, *deeds, hub=hub)


def _subject(target: _Target) -> str:
    return f"{target.kind} {target.what}"


def _shown(control: "Control") -> dict[str, Any]:
    return _so(control.kind, control.what, control.since, control.until, None, None)


def _so(
    kind: str, what: str, since: datetime, until: datetime | None, reason: str | None, before: "Ended | None"
) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": kind, "what": what, "since": since.isoformat(), "until": _iso(until)}
    if reason is not None:
        told |= {"reason": reason or None, "before": None if before is None else _was(before)}
    return told


def _was(ended: "Ended | None") -> dict[str, Any]:
    if ended is None:
        return {}
    return {"since": ended.since.isoformat(), "until": _iso(ended.until), "reason": ended.reason}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _before(before: "Ended | None") -> str:
    return "" if before is None else f"; it was since {_clock(before.since)}, now until and reason are these"


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {_clock(until)}"


def _clock(moment: datetime) -> str:
    from schemas.period import BRUSSELS

    return moment.astimezone(BRUSSELS).strftime("%Y-%m-%d %H:%M:%S")


def _say(order: _Order, text: str) -> None:
    if not order.as_json:
        typer.echo(text)


def _print(order: _Order, told: object) -> None:
    if order.as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
