"""The list of workers of an employer: asked for by PersonnelFileConsultationRequest, answered by -Answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from lxml import etree

from institutions.errors import InstitutionError
from institutions.payroll.notification import (
    MOST,
    Notification,
    UnreadableNotificationError,
    read_notification,
    span_of,
)
from schemas.declarations.dimona_period import Span
from schemas.declarations.values import value
from schemas.declarations.writing import head, opening
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.parser import parse
from schemas.period import Period

_REQUEST, _ANSWER = "PersonnelFileConsultationRequest_20231", "PersonnelFileConsultationAnswer"


class ListRefused(InstitutionError):  # noqa: N818
    """The NSSO does not give this list; `notification` says why: no mandate (90256-155), longer than 1 MiB
    (90426-172)."""

    def __init__(self, notification: Notification) -> None:
        told = "; ".join(f"{one.error_id} {one.text()}" for one in notification.anomalies)
        super().__init__(f"no list of workers: {told}")
        self.notification = notification


@dataclass(frozen=True, slots=True)
class Worker:
    """A period of work in the list. Who it is stands in no repr."""

    period_id: str
    #: 11 digits; None: not identified yet.
    ssin: str | None = field(repr=False)
    name: str | None = field(repr=False)
    first_name: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    span: Span
    joint_commission: str | None
    worker_type: str | None
    late: bool
    locked: bool
    cancelled: bool


def request(employer: NssoNumber | EnterpriseNumber, period: Period | None, now: datetime) -> bytes:
    """The message. `period` None: today, as the NSSO has it. InstitutionError for a provisional NSSO number, which the
    form does not take."""
    if isinstance(employer, NssoNumber) and employer.provisional:
        raise InstitutionError("a list is not asked for by a provisional NSSO number: name the enterprise number")
    # Both must stand there; 0 is the one that is not told (field digest 5).
    nsso, company = (employer.digits, "0") if isinstance(employer, NssoNumber) else ("0", employer.digits)
    days = ""
    if period is not None:
        end = f"<RefEndingDate>{period.end}</RefEndingDate>" if period.end is not None else ""
        days = f"<ReferencePeriod><RefStartingDate>{period.begin}</RefStartingDate>{end}</ReferencePeriod>"
    return (
        f"{opening(_REQUEST)}<Form>{head('PFREQ', now, 'RE')}<EmployerId>"
        f"<NOSSRegistrationNbr>{nsso}</NOSSRegistrationNbr><CompanyID>{company}</CompanyID>"
        f"</EmployerId>{days}</Form></{_REQUEST.rpartition('_')[0]}>"
    ).encode()


def read(body: bytes) -> list[Worker]:
    """All periods that the answer tells, cancelled ones marked. Raises ListRefused, Malformed,
    UnreadableNotificationError."""
    root = parse(body, limit=MOST)
    if root.tag != _ANSWER:
        raise ListRefused(read_notification(body))
    return list(_workers(root))


def _workers(root: etree._Element) -> Iterator[Worker]:
    for found in root.iterfind("Form/PersonnelFileConsult/DimonaPeriod"):
        person, features, span = found.find("NaturalPerson"), found.find("DimonaFeatures"), span_of(found)
        period_id = value(found, "DimonaPeriodId")
        if span is None or period_id is None:
            raise UnreadableNotificationError("a period without id or start")
        yield Worker(
            period_id,
            value(person, "INSS"),
            value(person, "WorkerName"),
            value(person, "WorkerFirstName"),
            value(person, "WorkerBirthdate"),
            span,
            value(features, "JointCommissionNbr"),
            value(features, "WorkerType"),
            value(found, "IsLate") in ("1", "true"),
            value(found, "IsLocked") == "1",
            value(found, "IsCancelled") == "1",
        )
