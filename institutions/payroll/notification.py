"""What the NSSO answers to a form, read: a NOTIFICATION, or the ACRF of what is no form."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from lxml import etree

from schemas.declarations.anomalies import ANOMALIES, UnknownAnomaly
from schemas.declarations.dimona_period import Span
from schemas.declarations.outcome import Result
from schemas.declarations.values import day, integer, value
from schemas.parser import MAX_ONLINE, parse

#: An answer may tell 30 anomalies with their places, of a form of 1 MiB.
MOST = 4 * MAX_ONLINE
#: Of a file up to a hundred are told in one message, which the broker takes up to 32 MiB.
MOST_OF_A_FILE = 32 * MAX_ONLINE
_RESULTS = {"0": Result.REFUSED, "1": Result.ACCEPTED, "2": Result.TO_VALIDATE}


class UnreadableNotificationError(ValueError):
    """No NOTIFICATION and no ACRF with one Form."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is wrong with a form, or worth saying of it. `value` may be a person's, so it is in no repr."""

    error_id: str
    #: B blocks: the form was refused. P, NP, D, W, I: it was not.
    anomaly_class: str
    #: The element it is about, the value that stands there, and where: line and column of the form as it was sent.
    tag: str | None = None
    value: str | None = field(default=None, repr=False)
    line: int | None = None
    column: int | None = None
    path: str | None = None
    #: In the sender's language, as it was told.
    label: str = ""

    @property
    def blocks(self) -> bool:
        return self.anomaly_class == "B"

    def text(self, language: str = "EN") -> str:
        """What it means, in NL, FR or EN; of one that this version does not know, what the NSSO said of it."""
        try:
            found = ANOMALIES.of(self.error_id)
        except UnknownAnomaly:
            return self.label
        return found.text[language.upper()]


@dataclass(frozen=True, slots=True)
class Notification:
    """How a form ended. A refusal is one too, and no exception."""

    result: Result
    #: Ticket of social security, 13 characters; empty where nothing was kept.
    ticket: str
    anomalies: tuple[Anomaly, ...]
    #: Of a Dimona: its period, and how it was and is now; None where there was none before, or is none now.
    period_id: str | None = None
    before: Span | None = None
    after: Span | None = None
    #: `NOTIFICATION`, or `ACRF` where what was sent could not be read as a form.
    form: str = "NOTIFICATION"
    xml: bytes = field(default=b"", repr=False)

    @property
    def accepted(self) -> bool:
        """It is declared, with a warning perhaps, or still to be validated."""
        return self.result is not Result.REFUSED


def read_notification(body: bytes) -> Notification:
    """Raises Malformed and UnreadableNotificationError."""
    root = parse(body, limit=MOST)
    form = root.find("Form")
    if root.tag == "ACRF" and form is not None:
        told = tuple(_of_acrf(form))
        return Notification(Result.REFUSED if told else Result.ACCEPTED, "", told, form="ACRF", xml=body)
    if root.tag != "NOTIFICATION":
        raise UnreadableNotificationError("no NOTIFICATION")
    return _read(form, body)


def read_notifications(body: bytes) -> Iterator[Notification]:
    """Of a message with any number of Forms, each, without its XML. Raises as `read_notification`."""
    root = parse(body, limit=MOST_OF_A_FILE)
    if root.tag != "NOTIFICATION":
        raise UnreadableNotificationError("no NOTIFICATION")
    for form in root.iterchildren("Form"):
        yield _read(form, b"")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the NSSO says of a file as a whole: an ACRF."""

    #: The name of its GO.
    file: str
    #: Ticket of the file; empty where it was refused.
    ticket: str
    #: `ACRF-133` …; none: accepted, and a NOTIFICATION follows for each form.
    errors: tuple[str, ...]


def read_receipt(body: bytes) -> Receipt:
    """Raises Malformed and UnreadableNotificationError."""
    root = parse(body, limit=MOST)
    form = root.find("Form")
    if root.tag != "ACRF" or form is None:
        raise UnreadableNotificationError("no ACRF")
    errors = tuple(one.error_id for one in _of_acrf(form))
    if not errors and value(form, "ReceptionResult/ResultCode") != "1":
        raise UnreadableNotificationError("an ACRF that accepts nothing and says no error")
    reference = form.find("FileReference")
    return Receipt(value(reference, "FileName") or "", value(reference, "ReferenceNbr") or "", errors)


def _read(form: etree._Element | None, body: bytes) -> Notification:
    handling = None if form is None else form.find("HandlingResult")
    result = _RESULTS.get(value(handling, "ResultCode") or "")
    if handling is None or result is None:
        raise UnreadableNotificationError("no NOTIFICATION")
    anomalies = tuple(_anomaly(report) for report in handling.iterchildren("AnomalyReport"))
    if result is Result.ACCEPTED and anomalies:
        result = Result.WARNED
    impact = handling.find("ImpactReport/DimonaImpactReport")
    return Notification(
        result,
        _ticket(form),
        anomalies,
        value(impact, "DimonaPeriodId"),
        _span(impact, "DimonaPeriodBefore"),
        _span(impact, "DimonaPeriodAfter"),
        xml=body,
    )


def _of_acrf(form: etree._Element) -> Iterator[Anomaly]:
    for found in form.iterfind("ReceptionResult/ErrorID"):
        error_id = found.text or ""
        yield Anomaly(error_id, "B")


def _ticket(form: etree._Element | None) -> str:
    """The reference that social security gave (ReferenceOrigin 2)."""
    if form is not None:
        for reference in form.iterchildren("HandledReference"):
            if value(reference, "ReferenceOrigin") == "2":
                return value(reference, "ReferenceNbr") or ""
    return ""


def _anomaly(report: etree._Element) -> Anomaly:
    place = report.find("AnomalyLocation")
    return Anomaly(
        value(report, "ErrorID") or "",
        value(report, "AnomalyClass") or "",
        value(report, "TagName"),
        value(report, "Value"),
        integer(place, "LineNbr"),
        integer(place, "ColumnNbr"),
        value(place, "Location"),
        value(report, "AnomalyLabel") or "",
    )


def _span(impact: etree._Element | None, name: str) -> Span | None:
    found = None if impact is None else impact.find(name)
    return None if found is None else span_of(found)


def span_of(block: etree._Element) -> Span | None:
    """Days and hours of a period; None where it has none."""
    starts: date | None = day(block, "StartingDate")
    if starts is None:
        return None
    return Span(
        starts,
        value(block, "StartingHour"),
        day(block, "EndingDate"),
        value(block, "EndingHour"),
        integer(block, "PlannedHoursNbr"),
        integer(block, "PlannedDaysNbr"),
    )
