"""The NOTIFICATION: what became of a form, what is wrong with it, and what it changed. `docs/wire.md`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from schemas.declarations.anomalies import ANOMALIES
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import Features, Span
from schemas.declarations.form import Form, Release
from schemas.declarations.head import Head, reference
from schemas.declarations.number import PeriodId
from schemas.declarations.writing import day, element, head, hour, opening
from schemas.grammar import GrammarError
from schemas.parser import MAX_ONLINE, parse

RELEASE = "NOTIFICATION_20223"
MOST_ANOMALIES = 30
"""Told of one form."""

_MOST_OF_A_MESSAGE = 64 * MAX_ONLINE
_MOST_OF_A_LABEL, _MOST_OF_A_LOCATION = 500, 200
_BATCH = "6"  # Channel: MQ


@dataclass(frozen=True, slots=True)
class Impact:
    """What a Dimona did to a period. An IN has nothing before, a CANCEL nothing after."""

    period: PeriodId
    locked: bool
    features: Features
    before: Span | None = None
    after: Span | None = None

    @property
    def xml(self) -> str:
        """`ImpactReport`."""
        told = element("DimonaPeriodId", self.period.number) + element("IsLocked", int(self.locked))
        told += self.features.xml
        for name, span in (("DimonaPeriodBefore", self.before), ("DimonaPeriodAfter", self.after)):
            if span is not None:
                told += f"<{name}>{span.xml}</{name}>"
        return f"<ImpactReport><DimonaImpactReport>{told}</DimonaImpactReport></ImpactReport>"


@dataclass(frozen=True, slots=True)
class FromFile:
    """The file that a form came in."""

    #: Name of its go-file.
    name: str
    #: Ticket that the file was given.
    ticket: str
    #: When it was complete, aware.
    received: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one form."""

    head: Head
    ticket: str
    #: Sender number, 6 digits.
    sender: str
    #: 0 refused, 1 accepted, 2 to be validated.
    result: int
    anomalies: Sequence[Anomaly] = field(default=(), repr=False)
    impact: Impact | None = None
    file: FromFile | None = None
    #: NL, FR or EN.
    language: str = "NL"
    #: Of a DmfA that is refused: why, 0 to 4 (zone 00232).
    diagnosis: Sequence[int] = ()


def notification(forms: Sequence[Told], now: datetime) -> bytes:
    """One message, a Form each, in order, as UTF-8. It was validated: GrammarError is a bug, and names no value.

    `now`, aware, is when the forms of the message are made.
    """
    body = f"{opening(RELEASE)}{''.join(_form(told, now) for told in forms)}</NOTIFICATION>".encode()
    broken = _release().violations_of(parse(body, limit=_MOST_OF_A_MESSAGE))
    if broken:
        raise GrammarError(f"a NOTIFICATION of ours breaks its schema: {broken[0].path}: {broken[0].reason}")
    return body


@cache
def _release() -> Release:
    return Form.read(Path(__file__).parent / "NOTIFICATION").releases[-1]


def _form(told: Told, now: datetime) -> str:
    parts = [head("NOTI001", now, "PA" if told.result == 2 else "FA")]
    if (file := told.file) is not None:
        parts.append(
            f"<FileReference>{element('FileName', file.name)}<ReferenceOrigin>2</ReferenceOrigin>"
            f"{element('ReferenceNbr', file.ticket)}</FileReference>"
            f"<FileReceptionInformation><ReceptionDate>{day(file.received)}</ReceptionDate>"
            f"<ReceptionHour>{hour(file.received)}</ReceptionHour><Channel>{_BATCH}</Channel></FileReceptionInformation>"
        )
    parts += (
        f"<HandledOriginalFile><SenderId>{told.sender}</SenderId></HandledOriginalFile>",
        told.head.original,
        told.head.reference(4),
        reference("1", "2", told.ticket, "HandledReference"),
        f"<HandlingResult><ResultCode>{told.result}</ResultCode>",
        *(element("Diagnosis", one) for one in told.diagnosis),
        *(_report(anomaly, told.language) for anomaly in told.anomalies[:MOST_ANOMALIES]),
        "" if told.impact is None else told.impact.xml,
        "</HandlingResult>",
    )
    return f"<Form>{''.join(parts)}</Form>"


def _report(anomaly: Anomaly, language: str) -> str:
    found = ANOMALIES.of(anomaly.error_id)
    path = anomaly.path
    if len(path) > _MOST_OF_A_LOCATION:
        path = "…" + path[1 - _MOST_OF_A_LOCATION :]
    place = element("LineNbr", anomaly.line or None) + element("ColumnNbr", anomaly.column or None)
    place += element("Location", path or None)
    return (
        f"<AnomalyReport>{element('ErrorID', anomaly.error_id)}{element('TagName', anomaly.tag or None)}"
        f"{element('Value', anomaly.value)}{element('AnomalyClass', found.anomaly_class)}"
        f"{element('AnomalyLabel', found.text[language], _MOST_OF_A_LABEL)}"
        f"{place and f'<AnomalyLocation>{place}</AnomalyLocation>'}</AnomalyReport>"
    )
