"""How far the publishing of one file is: a database beside the file, mode 0600, whole after every kill.

What was answered stands in it, so it is personal data.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Self

from institutions.payroll.box import make_private
from institutions.payroll.notification import Anomaly, Notification, Receipt
from schemas.declarations.dimona_period import Span
from schemas.declarations.outcome import Result
from schemas.errors import CrossroadsError

_VERSION = 1
_OPEN = Result.TO_VALIDATE.name
_TABLES = """
CREATE TABLE file (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, sender TEXT NOT NULL,
    environment TEXT NOT NULL, attempt INTEGER NOT NULL, phase INTEGER NOT NULL, size INTEGER, sha256 BLOB,
    type TEXT, forms INTEGER, right INTEGER, name TEXT, transfer TEXT, ticket TEXT, errors TEXT
);
CREATE TABLE part (
    part INTEGER PRIMARY KEY, size INTEGER NOT NULL, sha256 BLOB NOT NULL, signature BLOB,
    sent INTEGER NOT NULL DEFAULT 0, signature_sent INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE form (
    at INTEGER PRIMARY KEY, line INTEGER NOT NULL, ordinal INTEGER, sent_line INTEGER, anomalies TEXT
);
CREATE TABLE answer (
    ordinal INTEGER PRIMARY KEY, result TEXT NOT NULL, ticket TEXT, period TEXT, before TEXT, after TEXT, anomalies TEXT
);
"""


class Phase(IntEnum):
    """What is done."""

    NEW = 0
    CHECKED = 1
    NAMED = 2
    SENT = 3
    ANSWERED = 4
    REPORTED = 5


class StateError(CrossroadsError):
    """The state cannot be used: another process publishes this file, or it is no state."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what is sent: how large, and how much of it the broker has for sure."""

    number: int
    size: int
    sha256: bytes
    #: Of the FS beside it; None: there is none.
    signature: bytes | None = field(repr=False)
    sent: int = 0
    signature_sent: int = 0


class Looked(NamedTuple):
    """A form of the file after the check."""

    #: 1 …: in the file.
    at: int
    #: Of its beginning, in the file.
    line: int
    #: In what is sent; None: it is not sent.
    ordinal: int | None
    #: Line of its beginning in the part that is sent.
    sent_line: int | None
    #: Why it is not sent.
    anomalies: Sequence[Anomaly] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a form of the file."""

    #: 1 …: in the file.
    form: int
    #: Of its beginning.
    line: int
    #: Whether it was sent; what is not was found wrong here.
    sent: bool
    #: None: not sent, or not answered.
    result: Result | None
    ticket: str
    period_id: str | None
    before: Span | None
    after: Span | None
    #: With lines of the file.
    anomalies: tuple[Anomaly, ...] = field(repr=False)

    @property
    def accepted(self) -> bool:
        return self.result is not None and self.result is not Result.REFUSED


class State:
    """One process has it at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        row = database.execute(
            "SELECT sender, environment, attempt, phase, size, sha256, type, forms, right, name, transfer, ticket,"
            " errors FROM file"
        ).fetchone()
        self.sender: str = row[0]
        self.environment: str = row[1]
        #: How often this file was begun anew.
        self.attempt: int = row[2]
        self.phase = Phase(row[3])
        #: Of the file when it was checked.
        self.size: int | None = row[4]
        self.sha256: bytes | None = row[5]
        self.type: str | None = row[6]
        #: How many forms stand in it, and how many of them are sent.
        self.forms: int = row[7] or 0
        self.right: int = row[8] or 0
        #: Of the GO.
        self.name: str | None = row[9]
        self.transfer: str | None = row[10]
        self.ticket: str | None = row[11]
        #: Why the NSSO refused the file as a whole; None: it did not say yet, or accepted it.
        self.errors: tuple[str, ...] | None = tuple(json.loads(row[12])) if row[12] is not None else None

    @classmethod
    def open(cls, path: Path, sender: str, environment: str, *, again: bool = False) -> Self:
        """Where it is missing, or `again`, a new one. Raises StateError."""
        database = None
        try:
            make_private(path)
            database = sqlite3.connect(path, timeout=0.2, isolation_level=None)
            # The lock is the process's, and goes with it however it ends.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("BEGIN IMMEDIATE")
            there = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            attempt = 0
            if there:
                row = database.execute("SELECT version, sender, environment, attempt FROM file").fetchone()
                version, whose, world, attempt = row
                if version != _VERSION:
                    raise StateError(f"{path} is of another version of Crossroads: end it with that one")
                if whose != sender:
                    raise StateError(f"{path} is sender {whose}'s: publish a copy of the file for another sender")
                if world != environment:
                    raise StateError(f"{path} is another environment's, {world}: give the file another name")
                if again:
                    attempt += 1
                    for table in ("file", "part", "form", "answer"):
                        database.execute(f"DROP TABLE {table}")
            if not there or again:
                for statement in filter(str.strip, _TABLES.split(";")):
                    database.execute(statement)
                database.execute(
                    "INSERT INTO file (id, version, sender, environment, attempt, phase) VALUES (1, ?, ?, ?, ?, 0)",
                    (_VERSION, sender, environment, attempt),
                )
            database.execute("COMMIT")
            return cls(database)
        except (CrossroadsError, OSError, sqlite3.Error, TypeError) as error:
            if database is not None:
                database.close()  # and with it the lock: whoever asked may ask again
            raise cls._why(path, error) from None

    @staticmethod
    def _why(path: Path, error: Exception) -> Exception:
        if isinstance(error, sqlite3.OperationalError):
            if "locked" in str(error):
                return StateError(f"{path}: another process publishes this file")
            return StateError(f"{path} cannot be used: {error}")
        if isinstance(error, OSError | sqlite3.DatabaseError | TypeError):
            return StateError(f"{path} cannot be used as a state of publishing ({type(error).__name__})")
        return error

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _commit(self) -> "Iterator[sqlite3.Connection]":
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _keep(self, **values: object) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self._database.execute(f"UPDATE file SET {names}", tuple(values.values()))  # noqa: S608 - names of ours
        for name, value in values.items():
            setattr(self, name, value)

    @contextmanager
    def checking(self) -> "Iterator[Checked]":
        """The check, kept as a whole when `done` was told, else not at all."""
        with self._commit():
            self._database.execute("DELETE FROM form")
            self._database.execute("DELETE FROM part")
            yield Checked(self._database, self)

    def named(self, name: str, transfer: str, signatures: Iterable[tuple[int, bytes]]) -> None:
        """What it is sent as."""
        with self._commit() as database:
            database.executemany(
                "UPDATE part SET signature = ? WHERE part = ?", ((body, number) for number, body in signatures)
            )
            self._keep(name=name, transfer=transfer, phase=Phase.NAMED)

    @property
    def parts(self) -> list[Part]:
        rows = self._database.execute(
            "SELECT part, size, sha256, signature, sent, signature_sent FROM part ORDER BY part"
        )
        return [Part(*row) for row in rows]

    def confirmed(self, part: int, offset: int, *, signature: bool = False) -> None:
        """The broker has all of this part up to here."""
        column = "signature_sent" if signature else "sent"
        self._database.execute(f"UPDATE part SET {column} = ? WHERE part = ?", (offset, part))  # noqa: S608

    def go_told(self) -> None:
        with self._commit():
            self._keep(phase=max(self.phase, Phase.SENT))

    def receipt(self, told: Receipt) -> None:
        """The first counts."""
        if self.errors is None:
            with self._commit():
                self._keep(ticket=told.ticket)
                self._database.execute("UPDATE file SET errors = ?", (json.dumps(told.errors),))
            self.errors = told.errors

    def answers(self, first: int, told: Iterable[Notification]) -> tuple[int, int]:
        """Keep the answers of consecutive forms; of one form the first counts, but for one that was to be validated:
        how it ended does, and what was reported is reported again. How many are new, and how many more refuse."""
        new = refused = 0
        with self._commit() as database:
            for ordinal, one in enumerate(told, first):
                row = (
                    ordinal,
                    one.result.name,
                    one.ticket,
                    one.period_id,
                    _span_text(one.before),
                    _span_text(one.after),
                    _anomalies_text(one.anomalies),
                )
                there = database.execute("SELECT result FROM answer WHERE ordinal = ?", (ordinal,)).fetchone()
                if there is not None and (there[0] != _OPEN or one.result.name == _OPEN):
                    continue
                database.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                new += there is None
                refused += not one.accepted
                if there is not None and self.phase is Phase.REPORTED:
                    self._keep(phase=Phase.ANSWERED)
        return new, refused

    @property
    def answered(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM answer").fetchone()[0])

    @property
    def to_validate(self) -> int:
        """How many forms were answered, and did not end yet."""
        return self.counts().get(_OPEN, 0)

    def counts(self) -> dict[str, int]:
        """By name of result, how many forms were answered so."""
        return dict(self._database.execute("SELECT result, count(*) FROM answer GROUP BY result").fetchall())

    def reached(self, phase: Phase) -> None:
        self._keep(phase=phase)

    def outcomes(self) -> Iterator[Outcome]:
        """Of every form, in the order of the file."""
        rows = self._database.execute(
            "SELECT f.at, f.line, f.ordinal, f.sent_line, f.anomalies, a.result, a.ticket, a.period, a.before, a.after,"
            " a.anomalies FROM form f LEFT JOIN answer a ON a.ordinal = f.ordinal ORDER BY f.at"
        )
        for at, line, ordinal, sent_line, own, result, ticket, period, before, after, theirs in rows:
            if ordinal is None:
                yield Outcome(at, line, False, None, "", None, None, None, _anomalies_of(own, 0))
                continue
            yield Outcome(
                at,
                line,
                True,
                None if result is None else Result[result],
                ticket or "",
                period,
                _span_of(before),
                _span_of(after),
                _anomalies_of(theirs, line - sent_line),
            )


class Checked:
    """Takes what the check finds."""

    def __init__(self, database: sqlite3.Connection, state: State) -> None:
        self._database, self._state = database, state

    def forms(self, looked: Iterable[Looked]) -> None:
        self._database.executemany(
            "INSERT INTO form VALUES (?, ?, ?, ?, ?)",
            [(*one[:4], _anomalies_text(one.anomalies) if one.anomalies else None) for one in looked],
        )

    def done(self, size: int, sha256: bytes, type_: str, forms: int, right: int, parts: Sequence[Part]) -> None:
        self._database.executemany(
            "INSERT INTO part (part, size, sha256) VALUES (?, ?, ?)", ((p.number, p.size, p.sha256) for p in parts)
        )
        self._state._keep(size=size, sha256=sha256, type=type_, forms=forms, right=right, phase=Phase.CHECKED)


def _anomalies_text(anomalies: Sequence[Anomaly]) -> str | None:
    if not anomalies:
        return None
    rows = [(a.error_id, a.anomaly_class, a.tag, a.value, a.line, a.column, a.path, a.label) for a in anomalies]
    return json.dumps(rows, ensure_ascii=False)


def _anomalies_of(text: str | None, shift: int) -> tuple[Anomaly, ...]:
    """With lines `shift` further."""
    if text is None:
        return ()
    return tuple(
        Anomaly(error_id, kind, tag, value, None if line is None else line + shift, column, path, label)
        for error_id, kind, tag, value, line, column, path, label in json.loads(text)
    )


def _span_text(span: Span | None) -> str | None:
    if span is None:
        return None
    end = span.ending_date.isoformat() if span.ending_date is not None else None
    start = span.starting_date.isoformat()
    return json.dumps((start, span.starting_hour, end, span.ending_hour, span.planned_hours, span.planned_days))


def _span_of(text: str | None) -> Span | None:
    if text is None:
        return None
    starts, hour, ends, end_hour, hours, days = _row(text)
    return Span(date.fromisoformat(starts), hour, ends and date.fromisoformat(ends), end_hour, hours, days)


def _row(text: str) -> list[Any]:
    found: list[Any] = json.loads(text)
    return found
