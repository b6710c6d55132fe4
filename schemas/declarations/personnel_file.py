"""The list of workers: the question for a personnel file (PFREQ), and its answer (PFANS). Field digest 6.5."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from lxml import etree

from schemas.declarations.anomalies import ANOMALIES
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.declarations.head import EmployerNumbers, Head, reference
from schemas.declarations.notification import FromFile
from schemas.declarations.values import day as read_day
from schemas.declarations.writing import day, element, head, hour, opening
from schemas.employer import EnterpriseNumber, NssoNumber

RELEASE = "PersonnelFileConsultationAnswer_20223"
_FOUND, _NONE = "0", "1"
#: By worker type: of which quota it is told how much it was exceeded.
_QUOTAS = {"STU": "STUDENT", "S17": "A17_YEAR_SPORT", "O17": "A17_YEAR_OTHER"}
_MOST_EXCEEDING = 999
#: The heaviest class first.
_CLASSES = ("B", "P", "NP", "D", "W", "I")


@dataclass(frozen=True, slots=True)
class Question:
    """A PFREQ. Of no days: of the day it is asked."""

    employer: EmployerNumbers
    begin: date | None = None
    end: date | None = None
    #: Quotas are asked for.
    quotas: bool = False

    @classmethod
    def of(cls, form: etree._Element) -> "Question":
        """Of a Form that its schema accepts."""
        days = form.find("ReferencePeriod")
        return cls(
            EmployerNumbers.of(form),
            read_day(days, "RefStartingDate"),
            read_day(days, "RefEndingDate"),
            form.find("DataOption") is not None,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands around the periods of a PFANS."""

    #: Of the question.
    head: Head
    ticket: str
    employer: NssoNumber
    company: EnterpriseNumber | None
    begin: date | None
    end: date | None
    quotas: bool = False
    file: FromFile | None = field(default=None, repr=False)

    def written(self, periods: Iterable[DimonaPeriod], now: datetime) -> Iterator[bytes]:
        """The message in pieces: its beginning, one of each period, its end. `now`, aware, is when it is made."""
        file = ""
        if self.file is not None:
            file = (
                f"<FileReference>{element('FileName', self.file.name)}<ReferenceOrigin>2</ReferenceOrigin>"
                f"{element('ReferenceNbr', self.file.ticket)}</FileReference>"
            )
        number = "ProvisionalNSSONbr" if self.employer.provisional else "NOSSRegistrationNbr"
        before = (
            f"{opening(RELEASE)}<Form>{head('PFANS', now, 'FA')}{file}{self.head.original}{self.head.reference(1)}"
            f"{reference('1', '2', self.ticket, 'HandledReference')}<PersonnelFileConsult>"
            f"{element(number, self.employer.digits)}"
            f"{element('CompanyID', self.company.digits if self.company is not None else 0)}"
            f"{element('RefStartingDate', self.begin)}"
            f"{element('RefEndingDate', self.end)}<ResultCodeResearch>"
        )
        found = iter(periods)
        first = next(found, None)
        yield f"{before}{_NONE if first is None else _FOUND}</ResultCodeResearch>".encode()
        if first is not None:
            yield _period(first, self.quotas)
        for period in found:
            yield _period(period, self.quotas)
        yield b"</PersonnelFileConsult></Form></PersonnelFileConsultationAnswer>"


def _period(period: DimonaPeriod, quotas: bool) -> bytes:
    heaviest = min((ANOMALIES.of(one).anomaly_class for one in period.error_ids), key=_CLASSES.index, default=None)
    quota = ""
    if quotas and (kind := _QUOTAS.get(period.features.worker_type)) is not None:
        exceeding = min(period.exceeding, _MOST_EXCEEDING)
        quota = (
            f"<QuotaFeatures><QuotaType>{kind}</QuotaType><ExceedingHoursNbr>{exceeding}</ExceedingHoursNbr>"
            "</QuotaFeatures>"
        )
    return (
        f"<DimonaPeriod>{element('DimonaPeriodId', period.id.number)}{element('IsLocked', int(period.locked))}"
        f"{element('IsCancelled', int(period.cancelled))}{element('IsLate', int(period.late))}{period.span.times}"
        f"{period.span.planned}<LastUpdateDate>{day(period.updated)}</LastUpdateDate>"
        f"<LastUpdateHour>{hour(period.updated)}</LastUpdateHour>"
        f"{''.join(element('ErrorID', one) for one in period.error_ids)}{element('AnomalyClass', heaviest)}"
        f"{period.worker.xml}{period.features.xml}{quota}</DimonaPeriod>"
    ).encode()
