"""Automatic integration: what mutations change in the repertory, many at a time, in the transaction that decides them.

docs/distribution.md, "Automatic integration"; docs/decisions/0008.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from hub.queries import QUERIES
from hub.repertory import lines
from hub.repertory.database import Connection
from hub.repertory.lines import Change
from schemas.address import Address
from schemas.dossier import Line, follow, normal, withdraw, without
from schemas.integration import Integration
from schemas.period import Period

_CANCELLED = "CANCELLED"
#: Of a reference that integrated they say which days it is wanted now.
_FOLLOWED = ("CHANGED", "STOPPED")

#: A row of `mutation_integration`.
_Row: TypeAlias = "asyncpg.Record"


@dataclass(frozen=True, slots=True)
class Wish:
    """What one mutation wants to be known of its person. References and persons are keyed hashes, one a key of the
    journal; the first is by the current one."""

    ticket_cbss: UUID
    action: str
    period: Period
    owner: Address
    references: Sequence[bytes] = field(repr=False)
    #: Of all his numbers.
    persons: Sequence[bytes] = field(repr=False)
    #: `Ssin.number` of the one that the mutation names, and its hash.
    number: int = field(repr=False)
    person: bytes = field(repr=False)
    #: Who is registered, in which quality.
    wanted: Mapping[Address, int]
    #: Everything that is known of the person, locked.
    rows: Sequence[Integration] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Step:
    """What one mutation changes at one sector and type."""

    change: Change
    #: What the mutation wants there from now on, with the days that it added; None: nothing.
    kept: tuple[Any, ...] | None
    #: Days that a reference had added and that are another's now.
    moved: tuple[tuple[Any, ...], ...]
    #: Nothing counts any more of what the reference wanted there before.
    over: bool


async def integrate(connection: Connection, wishes: Sequence[Wish], now: datetime) -> None:
    """Register, follow, withdraw, and remember for whom. Persons are locked, and none is in two wishes. Raises what
    asyncpg raises."""
    before = await _before(connection, wishes)
    kinds: defaultdict[Address, list[tuple[Wish, list[_Row]]]] = defaultdict(list)
    for wish, rows in zip(wishes, before, strict=True):
        for kind in _kinds(wish, rows):
            kinds[kind].append((wish, [row for row in rows if _kind(row) == kind]))
    kept: list[tuple[Any, ...]] = []
    moved: list[tuple[Any, ...]] = []
    over: list[tuple[bytes, int, int]] = []
    for kind in sorted(kinds):
        there = await lines.read_many(connection, [wish.number for wish, _ in kinds[kind]], kind)
        steps = [_step(wish, kind, tuple(there.get(wish.number, ())), rows) for wish, rows in kinds[kind]]
        await lines.write(connection, now, kind, [step.change for step in steps])
        for (wish, _), step in zip(kinds[kind], steps, strict=True):
            kept += [] if step.kept is None else [step.kept]
            moved += step.moved
            over += [(reference, kind.sector, kind.type) for reference in wish.references] if step.over else []
    if over:
        await connection.execute(QUERIES["mutation_integration_withdraw"], *map(list, zip(*over, strict=True)))
    if moved:
        await connection.executemany(QUERIES["mutation_integration_made"], moved)
    if kept:
        await connection.executemany(QUERIES["mutation_integration_add"], kept)


async def _before(connection: Connection, wishes: Sequence[Wish]) -> list[list[_Row]]:
    """What mutations wanted to be known of each wish's person, in the order in which they did."""
    persons = list({person for wish in wishes for person in wish.persons})
    found: defaultdict[bytes, list[_Row]] = defaultdict(list)
    for record in await connection.fetch(QUERIES["mutation_integrations"], persons):
        found[record["person"]].append(record)
    return [
        sorted(
            (row for person in wish.persons for row in found[person]), key=lambda row: (row["at"], row["ticket_cbss"])
        )
        for wish in wishes
    ]


def _kinds(wish: Wish, rows: Iterable[_Row]) -> set[Address]:
    before = {_kind(row) for row in rows if row["reference"] in wish.references}
    if wish.action == _CANCELLED:
        return before
    return before | set(wish.wanted) if wish.action in _FOLLOWED else set(wish.wanted)


def _step(wish: Wish, kind: Address, there: tuple[Line, ...], rows: Sequence[_Row]) -> _Step:
    own = [row for row in rows if row["reference"] in wish.references]
    others = [row for row in rows if row["reference"] not in wish.references]
    made = [line for row in own for line in _made(row)]
    wanting = [_wanted(row) for row in others]
    if wish.action == _CANCELLED:
        after, moved = withdraw(there, made, wanting)
        return _Step(Change(wish.number, there, after), None, _given(moved, others), over=True)
    follows = bool(own) and wish.action in _FOLLOWED
    # Whom the message does not name again is wanted as before, in its days.
    line = Line(wish.wanted[kind] if kind in wish.wanted else own[-1]["quality"], None, wish.period)
    made = made if follows else []
    after, made_now, moved = follow(there, made, wanting, line)
    if _registered_otherwise(wish, kind, line, rows):
        (after, moved), made_now = withdraw(there, made, wanting), ()
    kept = (
        wish.ticket_cbss, wish.references[0], wish.person, kind.sector, kind.type, line.quality,
        line.period.begin, line.period.end, *_days(made_now),
    )  # fmt: skip
    return _Step(Change(wish.number, there, after), kept, _given(moved, others), over=follows)


def _registered_otherwise(wish: Wish, kind: Address, line: Line, rows: Iterable[_Row]) -> bool:
    """Whether it knows the person in this quality by a registration of its own: that is not made longer. A mutation's
    owner must know him in the mutation's own days."""
    if any(row["quality"] == line.quality and row["made_from"] for row in rows):
        return False  # a mutation added days of it; one that only wanted what was there makes it nobody else's
    return any(
        row.kind == kind and row.quality == line.quality and (kind != wish.owner or row.period.overlaps(wish.period))
        for row in wish.rows
    )


def _given(moved: Sequence[Line], others: Iterable[_Row]) -> tuple[tuple[Any, ...], ...]:
    """Whose the moved days are: the first one's that wants them."""
    given: list[tuple[Any, ...]] = []
    for row in others:
        left = without(moved, [_wanted(row)])
        if left != tuple(moved):
            taken = normal((*_made(row), *without(moved, left)))
            given.append((row["ticket_cbss"], row["sector"], row["type"], row["quality"], *_days(taken)))
            moved = left
    return tuple(given)


def _kind(row: _Row) -> Address:
    return Address(row["sector"], row["type"])


def _wanted(row: _Row) -> Line:
    return Line(row["quality"], None, Period(row["wanted_from"], row["wanted_to"]))


def _made(row: _Row) -> list[Line]:
    days = zip(row["made_from"], row["made_to"], strict=True)
    return [Line(row["quality"], None, Period(begin, end)) for begin, end in days]


def _days(made: Iterable[Line]) -> tuple[list[Any], list[Any]]:
    periods = [line.period for line in made]
    return [period.begin for period in periods], [period.end for period in periods]
