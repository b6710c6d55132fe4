"""Dimonas as senders write them, a register of two senders and four employers, and an office on a database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from uuid import uuid4

from lxml import etree

from institutions.nsso import office as offices
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register import Employer, Mandate, Register, Sender
from institutions.nsso.submission import Handled, InFile, Submission
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.outcome import Environment
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.parser import parse
from schemas.period import BRUSSELS, Period
from schemas.ssin import Ssin, check_digits

FORMS = Forms([shipped()])
TODAY = date(2026, 11, 25)  # a Wednesday
#: When forms are made of which it does not matter.
EARLY = date(2026, 1, 2)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=BRUSSELS)
LONG_AGO = date(2000, 1, 1)
SECRETARIAT, OWN = "123456", "200001"
BAKER, BREWER, CLOSED, MILLER = (NssoNumber.of(1234567 + place) for place in range(4))
COMPANIES = {
    number: EnterpriseNumber.of(4000000 + place) for place, number in enumerate((BAKER, BREWER, CLOSED, MILLER))
}
ACTIVE = Period(LONG_AGO, None)
#: The secretariat may declare for the baker, the miller and the closed one, the brewer for itself.
REGISTER = Register(
    senders=(
        Sender(SECRETARIAT, "Secretariat", "FR"),
        Sender(OWN, "Brewer", "EN"),
        Sender("300001", "Gone", active=False),
    ),
    employers=(
        Employer(BAKER, COMPANIES[BAKER], ACTIVE, frozenset({"DWD"})),
        Employer(BREWER, COMPANIES[BREWER], ACTIVE),
        Employer(MILLER, COMPANIES[MILLER], ACTIVE),
        Employer(CLOSED, COMPANIES[CLOSED], Period(LONG_AGO, date(2026, 6, 30))),
    ),
    mandates=(
        Mandate(SECRETARIAT, BAKER, ACTIVE),
        Mandate(SECRETARIAT, CLOSED, ACTIVE),
        Mandate(SECRETARIAT, MILLER, ACTIVE),
        Mandate(OWN, BREWER, ACTIVE),
    ),
)


@cache
def person(number: int) -> Ssin:
    """Synthetic: born 1980-01-01, this counter."""
    nine = f"800101{number:03d}"
    return Ssin.parse(nine + check_digits(nine, born_2000=False))


def block(name: str, *content: tuple[str, object]) -> str:
    """An element; content that is None is left out, and a text that begins with `<` stands as it is."""
    return (
        f"<{name}>"
        + "".join(
            "" if value is None else value if str(value).startswith("<") else f"<{tag}>{value}</{tag}>"
            for tag, value in content
        )
        + f"</{name}>"
    )


#: Identification and TypeForm.
_HEADS = {
    "Dimona": ("DIMONA", "SU"),
    "PersonnelFileConsultationRequest": ("PFREQ", "RE"),
    "DmfAOriginal": ("DMFA", "SU"),
    "DmfAUpdate": ("DMFAUPD", "SU"),
}


def message(
    content: str, *, root: str = "Dimona", release: str = "20231", created: date = EARLY, head: str = ""
) -> bytes:
    """A structured message with one Form."""
    identification, kind = _HEADS[root]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:noNamespaceSchemaLocation="{root}_{release}.xsd">\n<Form>\n<Identification>{identification}'
        f"</Identification>\n<FormCreationDate>{created}</FormCreationDate>\n"
        f"<FormCreationHour>10:00:00.000</FormCreationHour>\n"
        f"<AttestationStatus>{int(root == 'DmfAUpdate')}</AttestationStatus>\n"
        f"<TypeForm>{kind}</TypeForm>\n{head}{content}\n</Form>\n</{root}>"
    ).encode()


def employer_id(number: NssoNumber | None, company: EnterpriseNumber | str | None = None) -> str | None:
    if number is None and company is None:
        return None
    name = "ProvisionalNSSONbr" if number is not None and number.provisional else "NOSSRegistrationNbr"
    return block("EmployerId", (name, number), ("CompanyID", company))


def dimona_in(
    worker: Ssin | str | None = None,
    start: date = TODAY,
    end: date | None = None,
    *,
    hours: tuple[str | None, str | None] = (None, None),
    planned: int | None = None,
    employer: NssoNumber | None = BAKER,
    company: EnterpriseNumber | str | None = None,
    kind: str | None = "OTH",
    committee: str | None = "XXX",
    user: str | None = None,
    said: Sequence[tuple[str, str]] = (),
    sub_entity: int | None = None,
    created: date = EARLY,
    head: str = "",
) -> bytes:
    """An IN."""
    inss = worker.digits if isinstance(worker, Ssin) else worker
    features = None
    if kind is not None:
        using = None if user is None else block("UsingEmployer", ("UsingEmployerCompanyID", user))
        features = block(
            "DimonaFeatures",
            ("JointCommissionNbr", committee),
            ("WorkerType", kind),
            ("SubEntityNbr", sub_entity),
            ("UsingEmployer", using),
        )
    content = block(
        "DimonaIn",
        ("StartingDate", start),
        ("StartingHour", hours[0]),
        ("EndingDate", end),
        ("EndingHour", hours[1]),
        ("PlannedHoursNbr", planned),
        ("EmployerId", employer_id(employer, company)),
        ("NaturalPerson", block("NaturalPerson", ("INSS", inss), *said)),
        ("DimonaFeatures", features),
    )
    return message(content, created=created, head=head)


def dimona_out(period: object, end: date, worker: Ssin | None = None, employer: NssoNumber | None = None) -> bytes:
    return message(
        block(
            "DimonaOut",
            ("DimonaPeriodId", period),
            ("EndingDate", end),
            ("INSS", worker and worker.digits),
            ("EmployerId", employer_id(employer)),
        )
    )


def dimona_update(
    period: object,
    start: date | None = None,
    end: date | None = None,
    *,
    hours: tuple[str | None, str | None] = (None, None),
    planned: int | None = None,
    worker: Ssin | None = None,
    employer: NssoNumber | None = None,
) -> bytes:
    return message(
        block(
            "DimonaUpdate",
            ("DimonaPeriodId", period),
            ("StartingDate", start),
            ("StartingHour", hours[0]),
            ("EndingDate", end),
            ("EndingHour", hours[1]),
            ("INSS", worker and worker.digits),
            ("PlannedHoursNbr", planned),
            ("EmployerId", employer_id(employer)),
        )
    )


def dimona_cancel(period: object, worker: Ssin | None = None, employer: NssoNumber | None = None) -> bytes:
    return message(
        block(
            "DimonaCancel",
            ("DimonaPeriodId", period),
            ("INSS", worker and worker.digits),
            ("EmployerId", employer_id(employer)),
        )
    )


def question(
    employer: NssoNumber | None = BAKER,
    begin: date | None = None,
    end: date | None = None,
    *,
    company: object = 0,
    quotas: bool = False,
    created: date = EARLY,
) -> bytes:
    """A PFREQ."""
    days = None
    if begin is not None or end is not None:
        days = block("ReferencePeriod", ("RefStartingDate", begin), ("RefEndingDate", end))
    content = block("EmployerId", ("NOSSRegistrationNbr", employer or 0), ("CompanyID", company))
    content += days or ""
    content += block("DataOption", ("Location", "QuotaFeatures")) if quotas else ""
    return message(content, root="PersonnelFileConsultationRequest", created=created)


def submission(
    body: bytes,
    sender: str = SECRETARIAT,
    key: str | None = None,
    received: datetime = NOON,
    environment: Environment = "R",
    file: InFile | None = None,
) -> Submission:
    return Submission(sender, key if key is not None else str(uuid4()), body, received, environment, file)


@dataclass(frozen=True)
class Answer:
    """An answer, read."""

    handled: Handled = field(repr=False)

    @property
    def form(self) -> etree._Element:
        return parse(self.handled.body)[0]

    @property
    def ids(self) -> list[str]:
        """ErrorIDs, in order."""
        return [one.text or "" for one in self.form.iter("ErrorID")]

    @property
    def period(self) -> str:
        return self.form.findtext(".//DimonaImpactReport/DimonaPeriodId") or ""

    @property
    def result(self) -> str:
        return self.handled.result.name

    @property
    def workers(self) -> list[str]:
        """Ids of periods listed."""
        return [one.text or "" for one in self.form.iterfind(".//DimonaPeriod/DimonaPeriodId")]


class Desk:
    """An office, and what one says at it."""

    def __init__(self, office: PostgresOffice, url: str = "") -> None:
        self.office, self.url = office, url

    async def hand(self, *forms: Submission) -> list[Answer]:
        return [Answer(one) for one in await self.office.handle(forms)]

    async def say(self, body: bytes, sender: str = SECRETARIAT, **more: object) -> Answer:
        """One form, alone."""
        (answer,) = await self.hand(submission(body, sender, **more))  # type: ignore[arg-type]
        return answer


@asynccontextmanager
async def opened(postgresql, register: Register = REGISTER, offices_wanted: int = 1) -> AsyncIterator[list[Desk]]:
    """Offices on one fresh database."""
    name = f"test_{uuid4().hex[:12]}"
    url = await postgresql.create_database(name)
    await offices.migrate(url)
    found = [await PostgresOffice.connect(url, forms=FORMS, today=TODAY) for _ in range(offices_wanted)]
    await found[0].load(register, "ground")
    try:
        yield [Desk(one, url) for one in found]
    finally:
        for one in found:
            await one.close()
        await postgresql.drop_database(name)
