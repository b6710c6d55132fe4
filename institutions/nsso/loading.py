"""What a file says of the register takes the place of what the same file said before, with history."""

from collections.abc import Iterable
from typing import Any

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


async def load(connection: Any, register: Register, source: str) -> None:
    """Within the caller's transaction. Raises RegisterError where another source says something of the same sender or
    employer."""
    await connection.execute(statements.LOADING)
    rows: dict[str, list[tuple[Any, ...]]] = {
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
    for table, found in rows.items():
        try:
            await _replace(connection, table, found, source)
        except asyncpg.UniqueViolationError:
            # Its own text repeats the row.
            raise RegisterError(
                f"{source}: says something of a {table} twice, or one of which another source says something already"
            ) from None


async def _replace(connection: Any, table: str, rows: Iterable[tuple[Any, ...]], source: str) -> None:
    """What stays as it is keeps its row; the rest ends, and what is new begins."""
    columns = _TABLES[table]
    there = {
        tuple(row)[1:]: row["id"]
        for row in await connection.fetch(
            f"SELECT id, {', '.join(columns)} FROM {table} WHERE source = $1 AND known_to IS NULL",  # noqa: S608
            source,
            timeout=_TIMEOUT,
        )
    }
    said = dict.fromkeys(rows)
    gone = [number for row, number in there.items() if row not in said]
    ended = f"UPDATE {table} SET known_to = clock_timestamp() WHERE id = ANY ($1)"  # noqa: S608
    await connection.execute(ended, gone, timeout=_TIMEOUT)
    new = [(*row, source) for row in said if row not in there]
    await connection.copy_records_to_table(table, records=new, columns=[*columns, "source"], timeout=_TIMEOUT)
