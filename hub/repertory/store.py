"""The rules in PostgreSQL: loaded by file, every row with its history, read as of any moment."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from hub.queries import QUERIES
from hub.repertory.database import Connection, connected
from hub.repertory.files import RulesError, RulesFile, read_file
from hub.repertory.review import KnownServices, review
from hub.repertory.rules import Authorisation, Availability, Deliberation, Distribution, Institution, Row, Rules
from schemas.address import Address
from schemas.period import Period

#: Where the database tells of a load: NOTIFY with its number.
CHANNEL = "crossroads_rules"
#: The file of rows that were added by a command, one at a time.
BY_COMMAND = "(command)"
#: Advisory lock of whoever loads rules.
_LOCK = -3


@dataclass(frozen=True, slots=True)
class Change:
    """A row before and after; None where it was or is not."""

    file: str
    old: Row | None
    new: Row | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a load changed, or would change."""

    #: By kind of row, then by id.
    changes: tuple[Change, ...]
    #: Rows of the files that stay as they are.
    same: int
    #: What is not wrong but may not be meant: one sentence each.
    remarks: tuple[str, ...]
    #: The number of the rules from now on; the one before where nothing changed.
    number: int

    def count(self) -> tuple[int, int, int]:
        """How many rows are new, changed, gone."""
        new = sum(change.old is None for change in self.changes)
        gone = sum(change.new is None for change in self.changes)
        return new, len(self.changes) - new - gone, gone


@dataclass(frozen=True, slots=True)
class _Table:
    """How one kind of row stands in its table."""

    name: str
    kind: type[Row]
    #: Column names, beside id, version, file, known_from, known_to.
    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    row: Callable[[asyncpg.Record], Row]


@dataclass(frozen=True, slots=True)
class _Stored:
    file: str
    row: Row


async def load(
    database_url: str, paths: Sequence[Path], catalogue: KnownServices, *, dry_run: bool = False
) -> Difference:
    """Replace the rules that came from the same file names, in one transaction; hubs have them within 2 s.

    A row that stays as it was keeps its version; one that changed gets the next. All files are loaded or none. What
    comes of it is reviewed first: RulesError lists every rule that cannot be, with file and line. With `dry_run`
    nothing is written. Raises RepertoryUnavailableError.
    """
    return await load_files(database_url, [read_file(path) for path in paths], catalogue, dry_run=dry_run)


async def load_files(
    database_url: str, files: Sequence[RulesFile], catalogue: KnownServices, *, dry_run: bool = False
) -> Difference:
    """As `load`, of files that were read."""
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RulesError(
            f"{name}: named twice; rules are replaced by file name, one would remove the other" for name in twice
        )
    async with connected(database_url, "repertory load") as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            difference = await _load(connection, files, catalogue)
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if dry_run else transaction.commit())
    return difference


async def add_rule(database_url: str, row: Row, catalogue: KnownServices, *, dry_run: bool = False) -> Difference:
    """Add one row, or change the one with its id among those added before. Else as `load`."""
    async with connected(database_url, "repertory load") as connection:
        stored = [one.row for one in await _stored(connection) if one.file == BY_COMMAND]
    kept = [one for one in stored if type(one) is not type(row) or one.id != row.id]
    return await load_files(database_url, [RulesFile(BY_COMMAND, (*kept, row), {})], catalogue, dry_run=dry_run)


async def read(database_url: str, at: datetime | None = None) -> Rules:
    """The rules as they are, or as they were at a moment (with a time zone). Raises RepertoryUnavailableError."""
    async with connected(database_url, "repertory rules") as connection:
        return await rules_of(connection, at)


async def rules_of(connection: "asyncpg.Connection[asyncpg.Record]", at: datetime | None = None) -> Rules:
    """As `read`, over a connection at hand. Raises what asyncpg raises."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if at is None:
            number = await connection.fetchval(QUERIES["rules_number"])
        else:
            number = await connection.fetchval(QUERIES["rules_number_at"], at)
        return Rules((stored.row for stored in await _stored(connection, at)), number=number)


async def rows_at(connection: Connection, at: datetime) -> list[Row]:
    """Every row as it was at a moment that is over, over a connection at hand and in whatever transaction is open
    there: no load changes the past. Raises what asyncpg raises."""
    return [stored.row for stored in await _stored(connection, at)]


async def rule_history(
    database_url: str, kind: type[Row], row_id: str
) -> tuple[tuple[Row, datetime, datetime | None], ...]:
    """Every version of a row, since when it was believed, and until when (None: still).

    Raises RepertoryUnavailableError.
    """
    table = next(table for table in _TABLES if table.kind is kind)
    async with connected(database_url, "repertory rules") as connection:
        records = await connection.fetch(f"SELECT * FROM {table.name} WHERE id = $1 ORDER BY version", row_id)  # noqa: S608
    return tuple((table.row(r), r["known_from"], _end(r["known_to"])) for r in records)


async def _load(
    connection: "asyncpg.Connection[asyncpg.Record]", files: Sequence[RulesFile], catalogue: KnownServices
) -> Difference:
    now = await connection.fetchval(QUERIES["rules_lock"], _LOCK)
    stored = await _stored(connection)
    names = {file.name for file in files}
    others = [one for one in stored if one.file not in names]
    new = [(file.where(row), row) for file in files for row in file.rows]
    found = review(new, [(one.file, one.row) for one in others], catalogue)
    if found.errors:
        raise RulesError(found.errors)
    changes, same = _changes([one for one in stored if one.file in names], files)
    number = await connection.fetchval(QUERIES["rules_number"])
    difference = Difference(tuple(changes), same, found.remarks, number)
    if not changes:
        return difference
    for table in _TABLES:
        await _replace(connection, table, [c for c in changes if isinstance(c.new or c.old, table.kind)], now)
    number = await connection.fetchval(QUERIES["rules_loaded"], now, sorted(names), *difference.count())
    return Difference(difference.changes, same, found.remarks, number)


def _changes(stored: Iterable[_Stored], files: Sequence[RulesFile]) -> tuple[list[Change], int]:
    old = {(type(one.row), one.row.id): one for one in stored}
    new = {(type(row), row.id): _Stored(file.name, row) for file in files for row in file.rows}
    keys = sorted(old.keys() | new.keys(), key=lambda key: (key[0].__name__, key[1]))
    changes = []
    for before, after in ((old.get(key), new.get(key)) for key in keys):
        if before != after:
            file = after.file if after is not None else before.file if before is not None else ""
            changes.append(Change(file, None if before is None else before.row, None if after is None else after.row))
    return changes, len(keys) - len(changes)


async def _replace(
    connection: "asyncpg.Connection[asyncpg.Record]", table: _Table, changes: Sequence[Change], now: datetime
) -> None:
    gone = [change.old.id for change in changes if change.old is not None]
    await connection.execute(
        f"UPDATE {table.name} SET known_to = $1 WHERE id = ANY($2::text[]) AND known_to = 'infinity'",  # noqa: S608
        now,
        gone,
    )
    columns = ("id", "file", "known_from", *table.columns)
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    await connection.executemany(
        f"INSERT INTO {table.name} ({', '.join(columns)}, version) VALUES ({places},"  # noqa: S608
        f" (SELECT coalesce(max(version), 0) + 1 FROM {table.name} WHERE id = $1))",
        [(c.new.id, c.file, now, *table.values(c.new)) for c in changes if c.new is not None],
    )


async def _stored(connection: Connection, at: datetime | None = None) -> list[_Stored]:
    stored = []
    for table in _TABLES:
        if at is None:
            records = await connection.fetch(f"SELECT * FROM {table.name} WHERE known_to = 'infinity'")  # noqa: S608
        else:
            records = await connection.fetch(
                f"SELECT * FROM {table.name} WHERE known_from <= $1 AND known_to > $1",  # noqa: S608
                at,
            )
        stored += [_Stored(record["file"], table.row(record)) for record in records]
    return stored


def _end(moment: datetime) -> datetime | None:
    # asyncpg gives PostgreSQL's infinity as the greatest datetime.
    return None if moment.replace(tzinfo=None) == datetime.max else moment  # noqa: DTZ901


def _texts(addresses: Iterable[Address]) -> list[str]:
    return [str(address) for address in addresses]


def _addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in texts)


def _institution(r: asyncpg.Record) -> Institution:
    managed_by = None if r["managed_by"] is None else Address.parse(r["managed_by"])
    return Institution(
        Address.parse(r["address"]), r["cbe"], r["name"], managed_by, r["active"], r["rate"], r["version"]
    )


def _availability(r: asyncpg.Record) -> Availability:
    return Availability(r["service"], Address.parse(r["address"]), r["quality"], r["mode"], r["version"])


def _authorisation(r: asyncpg.Record) -> Authorisation:
    return Authorisation(
        id=r["id"],
        customer=Address.parse(r["customer"]),
        legal_context=r["legal_context"],
        service=r["service"],
        qualities=frozenset(r["qualities"]),
        min_phase=r["min_phase"],
        suppliers=_addresses(r["suppliers"]),
        without=tuple(r["without"]),
        deliberation=Deliberation(r["deliberation_number"], r["deliberation_date"], tuple(r["deliberation_changes"])),
        valid=Period(r["valid_from"], r["valid_to"]),
        integrate=r["integrate"],
        version=r["version"],
    )


def _distribution(r: asyncpg.Record) -> Distribution:
    return Distribution(
        service=r["service"],
        recipient=Address.parse(r["recipient"]),
        qualities=frozenset(r["qualities"]),
        without=tuple(r["without"]),
        deliberation=Deliberation(r["deliberation_number"], r["deliberation_date"], tuple(r["deliberation_changes"])),
        valid=Period(r["valid_from"], r["valid_to"]),
        everybody=r["everybody"],
        codes=frozenset(r["codes"]),
        dossiers=r["dossiers"],
        integrate=r["integrate"],
        version=r["version"],
    )


def _dated(row: Authorisation | Distribution) -> tuple[Any, ...]:
    told = row.deliberation
    return told.number, told.decided, list(told.changes), row.valid.begin, row.valid.end


_DATED = ("deliberation_number", "deliberation_date", "deliberation_changes", "valid_from", "valid_to")


_TABLES = (
    _Table(
        "institution",
        Institution,
        ("address", "cbe", "name", "managed_by", "active", "rate"),
        lambda i: (str(i.address), i.cbe, i.name, i.managed_by and str(i.managed_by), i.active, i.rate),
        _institution,
    ),
    _Table(
        "availability",
        Availability,
        ("service", "address", "quality", "mode"),
        lambda a: (a.service, str(a.address), a.quality, a.mode),
        _availability,
    ),
    _Table(
        "authorisation",
        Authorisation,
        (
            "customer", "legal_context", "service", "qualities", "min_phase", "suppliers", "without", "integrate",
            *_DATED,
        ),
        lambda a: (
            str(a.customer), a.legal_context, a.service, sorted(a.qualities), a.min_phase, _texts(a.suppliers),
            list(a.without), a.integrate, *_dated(a),
        ),
        _authorisation,
    ),
    _Table(
        "distribution",
        Distribution,
        (
            "service", "recipient", "qualities", "without", "everybody", "codes", "dossiers", "integrate", *_DATED,
        ),
        lambda d: (
            d.service, str(d.recipient), sorted(d.qualities), list(d.without), d.everybody, sorted(d.codes),
            d.dossiers, d.integrate, *_dated(d),
        ),
        _distribution,
    ),
)  # fmt: skip
