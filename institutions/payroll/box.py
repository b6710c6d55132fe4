"""The sender's box: answers that one process took from the queue and that are another's, or nobody's yet.

A sender's queue of answers has one reader at a time. What the reader cannot use it puts here before it acks, and the
others find it: a file of its own database, `.crossroads/senders/<number>.box`, mode 0600. What it holds is personal.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import CrossroadsError

#: What answers a file as a whole, or its forms: the file's publisher looks for it.
OF_A_FILE = ("ACRF", "NOTIFICATION")
#: Seconds that one process waits for another's write.
_BUSY = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, form TEXT NOT NULL, file TEXT, key TEXT, ticket TEXT, first INTEGER, count INTEGER,
    body BLOB NOT NULL, came TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, transfer TEXT
);
CREATE INDEX IF NOT EXISTS message_file ON message (file);
"""
_COLUMNS = "id, form, file, key, ticket, first, count, body, transfer"


@dataclass(frozen=True, slots=True)
class Kept:
    """A message in the box."""

    id: int
    form: str
    #: Name of the GO of the file that it answers.
    file: str | None
    key: str | None
    ticket: str | None
    #: Of a file's notifications: ordinal of the first form, and how many.
    first: int | None
    count: int | None
    body: bytes = field(repr=False)
    #: Of the sending of the file that it answers.
    transfer: str | None = None


class Box:
    """Any number of processes of one machine may have it open."""

    def __init__(self, path: Path) -> None:
        """Makes it where it is missing. Raises CrossroadsError."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private(path)
            self._database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
            # No WAL: a box may stand on a shared disk.
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise CrossroadsError(f"{path}: the sender's box cannot be used ({type(error).__name__})") from None

    def close(self) -> None:
        self._database.close()

    def put(
        self,
        form: str,
        body: bytes,
        *,
        file: str | None = None,
        key: str | None = None,
        ticket: str | None = None,
        first: int | None = None,
        count: int | None = None,
        transfer: str | None = None,
    ) -> None:
        """Keep a message; it is there when this has returned."""
        self._database.execute(
            "INSERT INTO message (form, file, key, ticket, first, count, body, transfer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (form, file, key, ticket, first, count, body, transfer),
        )

    def of_file(self, name: str) -> Iterator[Kept]:
        """What answers this file, in the order in which it came."""
        return self._found(
            f"SELECT {_COLUMNS} FROM message WHERE file = ? AND form IN (?, ?) ORDER BY id",  # noqa: S608 - no value
            (name, *OF_A_FILE),
        )

    def others(self, *, files: bool = False) -> Iterator[Kept]:
        """What no publisher looks for; `files`: that too."""
        where = "" if files else "WHERE file IS NULL OR form NOT IN (?, ?)"
        return self._found(
            f"SELECT {_COLUMNS} FROM message {where} ORDER BY id",  # noqa: S608 - no value
            () if files else OF_A_FILE,
        )

    def remove(self, ids: Iterable[int]) -> None:
        """They were taken."""
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany("DELETE FROM message WHERE id = ?", ((one,) for one in ids))
            cursor.execute("COMMIT")

    def _found(self, statement: str, values: tuple[str, ...]) -> Iterator[Kept]:
        # Row by row in a look of its own each: nothing is held between two, and others may write.
        ids = [row[0] for row in self._database.execute(statement.replace(_COLUMNS, "id"), values).fetchall()]
        for one in ids:
            row = self._database.execute(
                f"SELECT {_COLUMNS} FROM message WHERE id = ?",  # noqa: S608 - no value
                (one,),
            ).fetchone()
            if row is not None:
                yield Kept(*row)


def make_private(path: Path) -> None:
    """An empty file that its owner alone can read, where there is none: SQLite gives its own files beside the same
    mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
