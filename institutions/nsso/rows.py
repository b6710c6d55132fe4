"""Rows of the NSSO's tables, and what they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from institutions.nsso.register import Employer, Mandate, Sender
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod, Features, Span, Worker
from schemas.declarations.head import Head
from schemas.declarations.notification import FromFile, Impact, Told
from schemas.declarations.number import PeriodId
from schemas.declarations.outcome import Result
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.period import Period
from schemas.ssin import Ssin

#: The columns of a version of a period, in the order of `period_row`; `PERIOD_KNOWN` are those behind them.
PERIOD_COLUMNS = (
    "id",
    "environment",
    "employer",
    "person",
    "ssin",
    "said",
    "starting_date",
    "starting_hour",
    "ending_date",
    "ending_hour",
    "planned_hours",
    "planned_days",
    "joint_commission",
    "worker_type",
    "sub_entity",
    "using_employer",
    "features",
    "updated",
    "late",
    "error_ids",
    "exceeding",
    "locked",
    "blocked",
    "cancelled",
)
PERIOD_KNOWN = ("ticket", "known_from")
#: Of a declaration, what its answer is made from; behind it stands what was declared.
ANSWER_COLUMNS = (
    "sender",
    "environment",
    "key",
    "sha256",
    "ticket",
    "result",
    "head",
    "anomalies",
    "impact",
    "file_name",
    "file_ticket",
    "received",
    "at",
    "diagnosis",
)
DECLARATION_COLUMNS = (*ANSWER_COLUMNS, "form", "body")
#: Numbers of persons are below; those of who is only named are from here on.
_NAMED = 1 << 62
_BITS = _NAMED - 1
#: A row of asyncpg's, by column.
Row = Any
_CODES = {Result.REFUSED: 0, Result.ACCEPTED: 1, Result.WARNED: 1, Result.TO_VALIDATE: 2}


@dataclass(frozen=True, slots=True)
class Declaration:
    """A form that was judged."""

    sender: str
    environment: str
    key: str
    sha256: bytes = field(repr=False)
    ticket: str
    result: Result
    head: Head
    #: With paths from the root.
    anomalies: tuple[Anomaly, ...]
    impact: Impact | None
    file_name: str | None
    file_ticket: str | None
    received: datetime
    #: When it was judged; the answer says so.
    at: datetime
    #: Why it was refused as a whole; of a DmfA.
    diagnosis: tuple[int, ...] = ()
    #: Name of the form, and the message as it was handed in. They are written, and not read to tell an answer again.
    form: str = ""
    body: bytes = field(default=b"", repr=False)

    @property
    def row(self) -> tuple[Any, ...]:
        """In the order of DECLARATION_COLUMNS."""
        return (
            self.sender,
            self.environment,
            self.key,
            self.sha256,
            self.ticket,
            self.result.name,
            json.dumps(self.head.row),
            json.dumps([one.row for one in self.anomalies]),
            None if self.impact is None else json.dumps(_impact_row(self.impact)),
            self.file_name,
            self.file_ticket,
            self.received,
            self.at,
            list(self.diagnosis),
            self.form,
            self.body,
        )

    @classmethod
    def of_row(cls, row: Row) -> "Declaration":
        """Of a row with ANSWER_COLUMNS."""
        return cls(
            row["sender"],
            row["environment"],
            row["key"],
            row["sha256"],
            row["ticket"],
            Result[row["result"]],
            Head.of_row(json.loads(row["head"])),
            tuple(map(Anomaly.of_row, json.loads(row["anomalies"]))),
            None if row["impact"] is None else _impact(json.loads(row["impact"])),
            row["file_name"],
            row["file_ticket"],
            row["received"],
            row["at"],
            tuple(row["diagnosis"]),
        )

    def told(self, language: str) -> Told:
        """What is told of it."""
        file = None
        if self.file_name is not None and self.file_ticket is not None:
            file = FromFile(self.file_name, self.file_ticket, self.received)
        return Told(
            self.head,
            self.ticket,
            self.sender,
            _CODES[self.result],
            self.anomalies,
            self.impact,
            file,
            language,
            self.diagnosis,
        )


def person_of(worker: Worker) -> int:
    """The number by which a person's periods are found and locked: of who is only named, a hash of name and birth
    date."""
    if worker.ssin is not None:
        return worker.ssin.number
    said = dict(worker.said)
    named = "\0".join(
        " ".join(said.get(name, "").split()).casefold() for name in ("WorkerName", "WorkerFirstName", "WorkerBirthdate")
    )
    return _NAMED | _hash(named)


def key_lock(sender: str, environment: str, key: str) -> int:
    """Of a form's key: negative, and beyond all others' negative ones."""
    return -_NAMED - _hash(f"{sender}\0{environment}\0{key}")


def quarter_lock(world: str, employer: str, quarter: str) -> int:
    """Of an employer's (NSSO number) quarter (`20263`), in R or T: negative, between those of keys and single ones."""
    return -(_NAMED >> 1) - (_hash(f"{world}\0{employer}\0{quarter}") >> 1)


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") & _BITS


def period_row(period: DimonaPeriod) -> tuple[Any, ...]:
    """In the order of PERIOD_COLUMNS."""
    span, features, ssin = period.span, period.features, period.worker.ssin
    return (
        period.id.number,
        period.environment,
        period.employer.digits,
        person_of(period.worker),
        None if ssin is None else ssin.number,
        json.dumps(period.worker.said),
        span.starting_date,
        span.starting_hour,
        span.ending_date,
        span.ending_hour,
        span.planned_hours,
        span.planned_days,
        features.joint_commission,
        features.worker_type,
        features.sub_entity,
        features.user,
        features.xml,
        period.updated,
        period.late,
        " ".join(period.error_ids),
        period.exceeding,
        period.locked,
        period.blocked,
        period.cancelled,
    )


def period_of(row: Row) -> DimonaPeriod:
    ssin = row["ssin"]
    return DimonaPeriod(
        PeriodId(row["id"]),
        _employer_number(row["employer"]),
        Worker(None if ssin is None else Ssin.from_number(ssin), _said(row["said"])),
        Span(
            row["starting_date"],
            row["starting_hour"],
            row["ending_date"],
            row["ending_hour"],
            row["planned_hours"],
            row["planned_days"],
        ),
        Features(
            row["joint_commission"], row["worker_type"], row["sub_entity"], row["using_employer"], row["features"]
        ),
        row["updated"],
        row["environment"],
        row["late"],
        tuple(row["error_ids"].split()),
        row["exceeding"],
        row["locked"],
        row["blocked"],
        row["cancelled"],
    )


@lru_cache(maxsize=4096)
def _employer_number(digits: str) -> NssoNumber:
    # Many periods are one employer's, and its check digits cost more than all else of a row.
    return NssoNumber(digits)


def _said(written: str) -> tuple[tuple[str, str], ...]:
    return () if written == "[]" else tuple((name, text) for name, text in json.loads(written))


def sender_of(row: Row) -> Sender:
    certificates = frozenset(row["certificates"].split())
    return Sender(row["number"], row["name"], row["language"], row["rate"], row["active"], certificates)


def employer_of(row: Row) -> Employer:
    return Employer(
        NssoNumber(row["nsso"]),
        None if row["company"] is None else EnterpriseNumber(row["company"]),
        Period(row["valid_from"], row["valid_to"]),
        frozenset(row["forbidden"].split()),
    )


def mandate_of(row: Row) -> Mandate:
    return Mandate(row["sender"], NssoNumber(row["employer"]), Period(row["valid_from"], row["valid_to"]))


def _impact_row(impact: Impact) -> dict[str, Any]:
    return {
        "period": impact.period.number,
        "locked": impact.locked,
        "features": impact.features.xml,
        "before": _span_row(impact.before),
        "after": _span_row(impact.after),
    }


def _impact(row: Mapping[str, Any]) -> Impact:
    # Of the features an answer tells what was declared: no more of them is kept here.
    return Impact(
        PeriodId(row["period"]),
        row["locked"],
        Features(xml=row["features"]),
        _span(row["before"]),
        _span(row["after"]),
    )


def _span_row(span: Span | None) -> list[Any] | None:
    if span is None:
        return None
    end = None if span.ending_date is None else span.ending_date.isoformat()
    return [
        span.starting_date.isoformat(),
        span.starting_hour,
        end,
        span.ending_hour,
        span.planned_hours,
        span.planned_days,
    ]


def _span(row: list[Any] | None) -> Span | None:
    if row is None:
        return None
    start, starting_hour, end, *rest = row
    return Span(date.fromisoformat(start), starting_hour, None if end is None else date.fromisoformat(end), *rest)
