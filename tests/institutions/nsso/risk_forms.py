"""Declarations of risks as an employer's payroll pack writes them, with as little in them as may be."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from schemas.declarations.quarter import Quarter
from schemas.declarations.writing import head, opening
from schemas.ssin import Ssin
from tests.institutions.nsso.dmfa_forms import Line
from tests.institutions.nsso.ground import block

_CONTACT = "<CoordinatesContactPerson/>"
_CONTACT_BY_MAIL = block(
    "CoordinatesContactPerson", ("Communication", block("Communication", ("EmailAddress", "wages@example.org")))
)
#: The last day of a quarter.
_ENDS = {1: (3, 31), 2: (6, 30), 3: (9, 30), 4: (12, 31)}


def incapacity(
    employer: object,
    who: object,
    day: date | None,
    *blocks: str,
    kind: int | None = 1,
    status: int = 0,
    earlier: str | None = None,
    recovers: date | None = None,
    created: datetime | None = None,
) -> bytes:
    """A ZIMA001. Without `blocks` nothing is anticipated. `earlier`: ticket of what it changes or cancels."""
    content = _CONTACT + block("DclInformation", ("LanguageCodePdf", 1))
    if kind is not None:
        content += block("RiskIdentification", ("IdentificationOfRisk", kind))
    content += _reference(3, earlier)
    if day is not None:
        content += block("RiskDetail", ("RiskStartingDate", day))
    if recovers is not None:
        content += block("WorkRecovery", ("WorkRecoveryDate", recovers))
    content += "".join(blocks) or quarter(employer, who, "20261")
    return _message("ZIMA001", content, status, created)


def resumption(
    employer: object,
    who: object,
    day: date,
    *,
    of: str | None = None,
    status: int = 0,
    earlier: str | None = None,
    created: datetime | None = None,
) -> bytes:
    """A ZIMA006. `of`: ticket of the incapacity."""
    content = _CONTACT_BY_MAIL + block("DclInformation", ("LanguageCodePdf", 1))
    content += block("RiskIdentification", ("IdentificationOfRisk", 1)) + _reference(3, earlier) + _reference(5, of)
    person = block(
        "NaturalPerson",
        ("NaturalPersonSequenceNbr", 1),
        ("INSS", _digits(who)),
        ("WorkRecovery", block("WorkRecovery", ("WorkRecoveryDate", day))),
    )
    content += block(
        "EmployerDeclarationLink",
        ("NOSSRegistrationNbr", employer),
        ("Trusteeship", 0),
        ("CompanyID", 0),
        ("NaturalPerson", person),
    )
    return _message("ZIMA006", content, status, created)


def quarter(employer: object, who: object, number: str, *records: str) -> str:
    """An EmployerDeclaration; with `records` it anticipates the DmfA of this quarter, `20264`."""
    person = block(
        "NaturalPerson",
        ("NaturalPersonSequenceNbr", 1),
        ("INSS", _digits(who)),
        *(("WorkerRecord", r) for r in records),
    )
    return block(
        "EmployerDeclaration",
        ("Quarter", number),
        ("NOSSRegistrationNbr", employer),
        ("Trusteeship", 0),
        ("CompanyID", 0),
        ("NaturalPerson", person),
    )


def record(
    number: str,
    amount: int = 900_000,
    *,
    days: int = 6_500,
    hours: int = 49_400,
    more: Sequence[tuple[str, int]] = (),
    code: str = "495",
) -> str:
    """A WorkerRecord of a quarter: full time, paid `amount` eurocents, and `more` by code of remuneration."""
    begins, ends = days_of(number)
    service = block(
        "Service", ("ServiceSequenceNbr", 1), ("ServiceCode", 1), ("ServiceNbrDays", days), ("ServiceNbrHours", hours)
    )
    remunerations = [
        block("Remun", ("RemunSequenceNbr", place), ("RemunCode", kind), ("RemunAmount", paid))
        for place, (kind, paid) in enumerate([("1", amount), *more], 1)
    ]
    occupation = block(
        "Occupation",
        ("OccupationSequenceNbr", 1),
        ("OccupationStartingDate", begins),
        ("JointCommissionNbr", "200"),
        ("WorkingDaysSystem", 500),
        ("ContractType", 0),
        ("RefMeanWorkingHours", 3_800),
        ("MeanWorkingHours", 3_800),
        ("Retired", 0),
        ("Service", service),
        *(("Remun", one) for one in remunerations),
    )
    return block(
        "WorkerRecord",
        ("EmployerClass", "010"),
        ("WorkerCode", code),
        ("NOSSQuarterStartingDate", begins),
        ("NOSSQuarterEndingDate", ends),
        ("Border", 0),
        ("Occupation", occupation),
    )


def days_of(number: str) -> tuple[date, date]:
    found = Quarter.parse(number)
    return date(found.year, 3 * found.number - 2, 1), date(found.year, *_ENDS[found.number])


def _digits(who: object) -> object:
    return who.digits if isinstance(who, Ssin) else who


def _reference(kind: int, number: str | None) -> str:
    if number is None:
        return ""
    return block("Reference", ("ReferenceType", kind), ("ReferenceOrigin", 2), ("ReferenceNbr", number))


def _message(root: str, content: str, status: int, created: datetime | None) -> bytes:
    made = head(root, created if created is not None else datetime.now(UTC), "SU")
    made = made.replace("<AttestationStatus>0<", f"<AttestationStatus>{status}<")
    return f"{opening(f'{root}_20231')}<Form>{made}{content}</Form></{root}>".encode()


def anticipates(line: Line, number: str = "20263") -> str:
    """The worker record of a DmfA, without what is owed for it."""
    return re.sub("<WorkerContribution>.*?</WorkerContribution>", "", line.xml(number))
