"""What files say of the register takes the place of what the same files said before, with history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from institutions.nsso import statements
from institutions.nsso.register import Register, RegisterError

#: Seconds for one statement.
_TIMEOUT = 600.0
#: Of each table: its columns but number, source and history.
_TABLES = {
    "sender": ("number", "name", "language", "rate", "active", "certificates"),
    "employer": ("nsso", "company", "valid_from", "valid_to", "forbidden"),
    "mandate": ("sender", "employer", "valid_from", "valid_to"),
}


@dataclass(frozen=True, slots=True)
class Unknown:
    """Who is named in mandates and stands in no file: they count for nothing until it does."""

    #: File of the mandates.
    source: str
    kind: Literal["sender", "employer"]
    number: str
    #: How many name it.
    mandates: int


async def load(connection: Any, files: Mapping[str, Register]) -> list[Unknown]:
    """Each register by its file's name, within the caller's transaction; gives who is unknown in the whole register
    then. Raises RegisterError where two sources say something of the same sender or employer."""
    await connection.execute(statements.LOADING)
    new: list[tuple[str, str, list[tuple[Any, ...]]]] = []
    # First what goes: what moves from one of the files to another is in both for no moment.
    for source, register in files.items():
        for table, rows in _rows(register).items():
            new.append((source, table, await _ended(connection, table, rows, source)))
    for source, table, rows in new:
        columns = [*_TABLES[table], "source"]
        try:
            await connection.copy_records_to_table(table, records=rows, columns=columns, timeout=_TIMEOUT)
        except asyncpg.UniqueViolationError:
            # Its own text repeats the row.
            raise RegisterError(
                f"{source}: says something of a {table} twice, or one of which another source says something already"
            ) from None
    return [Unknown(*row) for row in await connection.fetch(statements.UNKNOWN, timeout=_TIMEOUT)]


def _rows(register: Register) -> Mapping[str, Sequence[tuple[Any, ...]]]:
    """By table, in the order of its columns."""
    return {
        "sender": [
            (one.number, one.name, one.language, one.rate, one.active, " ".join(sorted(one.certificates)))
            for one in register.senders
        ],
        "employer": [
            (
                one.nsso.digits,
                None if one.company is None else one.company.digits,
                one.active.begin,
                one.active.end,
                " ".join(sorted(one.forbidden)),
            )
            for one in register.employers
        ],
        "mandate": [(one.sender, one.employer.digits, one.period.begin, one.period.end) for one in register.mandates],
    }


async def _ended(connection: Any, table: str, rows: Iterable[tuple[Any, ...]], source: str) -> list[tuple[Any, ...]]:
    """What stays as it is keeps its row, the rest ends; gives what begins, with its source."""
    columns = ", ".join(_TABLES[table])
    there = {
        tuple(row)[1:]: row["id"]
        for row in await connection.fetch(
            f"SELECT id, {columns} FROM {table} WHERE source = $1 AND known_to IS NULL",  # noqa: S608
            source,
            timeout=_TIMEOUT,
        )
    }
    said = dict.fromkeys(rows)
    gone = [number for row, number in there.items() if row not in said]
    ended = f"UPDATE {table} SET known_to = clock_timestamp() WHERE id = ANY ($1)"  # noqa: S608
    await connection.execute(ended, gone, timeout=_TIMEOUT)
    return [(*row, source) for row in said if row not in there]
