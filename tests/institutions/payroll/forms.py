"""Forms as a payroll pack writes them, with as little in them as may be."""

from datetime import UTC, date, datetime
from itertools import count

from schemas.declarations.writing import head, opening
from schemas.ssin import Ssin, check_digits

_numbers = count(1)


def person() -> Ssin:
    """Somebody whom nobody has declared yet."""
    n = next(_numbers)
    nine = f"61{1 + n // 800 % 12:02d}{1 + n // 9600:02d}{1 + n % 800:03d}"
    return Ssin.parse(nine + check_digits(nine, born_2000=False))


def dimona(content: str) -> bytes:
    return f"{opening('Dimona_20231')}<Form>{head('DIMONA', datetime.now(UTC), 'SU')}{content}</Form></Dimona>".encode()


def starts(employer: str, who: Ssin, day: date, end: date | None = None, worker_type: str = "OTH") -> bytes:
    """An IN at the employer of this NSSO number."""
    ending = f"<EndingDate>{end}</EndingDate>" if end is not None else ""
    return dimona(
        f"<DimonaIn><StartingDate>{day}</StartingDate>{ending}"
        f"<EmployerId><NOSSRegistrationNbr>{employer}</NOSSRegistrationNbr></EmployerId>"
        f"<NaturalPerson><INSS>{who.digits}</INSS></NaturalPerson>"
        "<DimonaFeatures><JointCommissionNbr>XXX</JointCommissionNbr>"
        f"<WorkerType>{worker_type}</WorkerType></DimonaFeatures></DimonaIn>"
    )


def hires(employer: str, who: Ssin, day: date, user: str) -> bytes:
    """An IN of an interim worker who works for this enterprise."""
    return starts(employer, who, day, day).replace(
        b"<JointCommissionNbr>XXX</JointCommissionNbr><WorkerType>OTH</WorkerType>",
        b"<JointCommissionNbr>322</JointCommissionNbr><WorkerType>OTH</WorkerType><UsingEmployer>"
        + f"<UsingEmployerCompanyID>{user}</UsingEmployerCompanyID></UsingEmployer>".encode(),
    )


def names(employer: str, last: str, first: str, born: str, day: date, end: date | None = None) -> bytes:
    """An IN of somebody whose number nobody says."""
    ending = f"<EndingDate>{end}</EndingDate>" if end is not None else ""
    return dimona(
        f"<DimonaIn><StartingDate>{day}</StartingDate>{ending}"
        f"<EmployerId><NOSSRegistrationNbr>{employer}</NOSSRegistrationNbr></EmployerId>"
        f"<NaturalPerson><WorkerName>{last}</WorkerName><WorkerFirstName>{first}</WorkerFirstName>"
        f"<WorkerBirthdate>{born}</WorkerBirthdate></NaturalPerson>"
        "<DimonaFeatures><JointCommissionNbr>XXX</JointCommissionNbr>"
        "<WorkerType>OTH</WorkerType></DimonaFeatures></DimonaIn>"
    )


def ends(period_id: str, day: date) -> bytes:
    return dimona(f"<DimonaOut><DimonaPeriodId>{period_id}</DimonaPeriodId><EndingDate>{day}</EndingDate></DimonaOut>")


def changes(period_id: str, day: date) -> bytes:
    return dimona(
        f"<DimonaUpdate><DimonaPeriodId>{period_id}</DimonaPeriodId><StartingDate>{day}</StartingDate></DimonaUpdate>"
    )


def prolongs(period_id: str, day: date) -> bytes:
    """An UPDATE of the end; 9999-12-31: it goes on again."""
    return dimona(
        f"<DimonaUpdate><DimonaPeriodId>{period_id}</DimonaPeriodId><EndingDate>{day}</EndingDate></DimonaUpdate>"
    )


def cancels(period_id: str) -> bytes:
    return dimona(f"<DimonaCancel><DimonaPeriodId>{period_id}</DimonaPeriodId></DimonaCancel>")
