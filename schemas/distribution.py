"""Who is told of a mutation, and what of it: the rule that hub, relays and previews share. Pure.

docs/distribution.md, "The distribution table" and "Down a relay's arm".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from schemas.address import Address, AddressError
from schemas.errors import CrossroadsError
from schemas.integration import REPLACED, Integration
from schemas.period import Period

#: `active`: on a day of the message's period; `all`: in whatever period.
DOSSIERS = ("active", "all")


class EntitledError(CrossroadsError):
    """A text is no list of rows by which somebody is told."""


@dataclass(frozen=True, slots=True)
class Entitled:
    """A row by which a sector and type is told: whom it must know, and what it does not get."""

    #: Sector and type.
    recipient: Address
    #: In one of these qualities it knows the person; empty with `everybody`.
    qualities: frozenset[int] = frozenset()
    everybody: bool = False
    #: One of DOSSIERS.
    dossiers: str = "active"
    #: Paths of local names below the mutation's root.
    without: tuple[str, ...] = ()


def reached(rows: Iterable[Integration], entitled: Entitled, period: Period) -> bool:
    """Whether the row's sector and type knows the person as the row says. `rows`: of any institution, under any of
    the person's numbers. Quality 999 never counts."""
    return entitled.everybody or any(_counts(row, entitled, period) for row in rows)


def members(
    rows: Iterable[Integration], entitled: Sequence[Entitled], period: Period, today: date, everyone: Iterable[Address]
) -> dict[Address, tuple[Entitled, ...]]:
    """Which members of a network are told, by their addresses, and by which rows.

    rows: the sectoral repertory's, of this person. everyone: the active members; no other is told. Of an `all` row
    every member that knows the person, or knew him. Of an `active` one those whose dossier touches the period and is
    open today; is none, the one whose dossier closed last.
    """
    known, active = tuple(rows), sorted(everyone)
    found: dict[Address, list[Entitled]] = {}
    for one in entitled:
        told = {address for address in active if address.kind == one.recipient}
        if not one.everybody:
            told &= _holders(known, one, period, today, told)
        for address in sorted(told):
            found.setdefault(address, []).append(one)
    return {address: tuple(found[address]) for address in sorted(found)}


def _holders(
    rows: Sequence[Integration], one: Entitled, period: Period, today: date, among: set[Address]
) -> set[Address]:
    own = [(row.member, row) for row in rows if row.member is not None and row.member in among and _named(row, one)]
    touching = {member for member, row in own if _counts(row, one, period)}
    if one.dossiers == "all":
        return touching
    theirs = [(row.period, member) for member, row in own if member in touching]
    opened = {member for known, member in theirs if known.contains(today)}
    if opened or not theirs:
        return opened
    return {max(theirs, key=lambda dossier: (dossier[0].end or date.max, dossier[0].begin, dossier[1]))[1]}


def _named(row: Integration, entitled: Entitled) -> bool:
    kind = row.member.kind if row.member is not None else row.kind
    return kind == entitled.recipient and row.quality != REPLACED and row.quality in entitled.qualities


def _counts(row: Integration, entitled: Entitled, period: Period) -> bool:
    return _named(row, entitled) and (entitled.dossiers == "all" or row.period.overlaps(period))


def cuts(rows: Sequence[Entitled]) -> tuple[str, ...]:
    """What everyone of the rows cuts: the paths to cut for who is told by all of them. A path takes with it what
    stands below it."""
    return both([row.without for row in rows])


def both(withouts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Paths that every one of these lists cuts, by itself or by what contains it; none within another."""
    paths = dict.fromkeys(path for without in withouts for path in without)
    return _outermost(path for path in paths if all(_within(path, without) for without in withouts))


def either(withouts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Paths that one of these lists cuts at least; none within another."""
    return _outermost(dict.fromkeys(path for without in withouts for path in without))


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    all_ = tuple(paths)
    return tuple(path for path in all_ if not _within(path, [other for other in all_ if other != path]))


def _within(path: str, without: Iterable[str]) -> bool:
    return any(path == other or path.startswith(f"{other}/") for other in without)


# --- as it is written ----------------------------------------------------------------------------------------------


def to_json(rows: Iterable[Entitled]) -> str:
    """The header `entitled` of docs/wire.md."""
    return json.dumps([_written(row) for row in rows], separators=(",", ":"))


def of_json(text: str) -> tuple[Entitled, ...]:
    """Reads what `to_json` writes. Raises EntitledError."""
    try:
        return tuple(_read(one) for one in json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, AddressError) as error:
        raise EntitledError(f"no rows by which somebody is told: {type(error).__name__}") from None


def _written(row: Entitled) -> Mapping[str, Any]:
    known: dict[str, Any] = {"everybody": True} if row.everybody else {"qualities": sorted(row.qualities)}
    return {"recipient": str(row.recipient), **known, "dossiers": row.dossiers, "without": list(row.without)}


def _read(one: Mapping[str, Any]) -> Entitled:
    dossiers, without = one["dossiers"], one["without"]
    if dossiers not in DOSSIERS or not all(isinstance(path, str) for path in without):
        raise ValueError
    return Entitled(
        Address.parse(one["recipient"]),
        frozenset(int(quality) for quality in one.get("qualities", ())),
        one.get("everybody") is True,
        dossiers,
        tuple(without),
    )
