"""What employers declared of a person, as others are told it: `DmfaAttestation/1`, and within `RiskMutation/1`.

docs/wire.md, "Declarations". Amounts in eurocents, days and hours × 100, as declared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from institutions.nsso.dmfa.store import Attested
from institutions.question import Question
from schemas.declarations.dmfa import Occupation, Record
from schemas.declarations.quarter import Quarter

#: `Name/version` of the consultation.
ANSWERS = "DmfaAttestation/1"

State = Literal["DECLARED", "ANTICIPATED"]
_element = Question.element


@dataclass(frozen=True, slots=True)
class Attestation:
    """What one employer declared of one person and quarter."""

    quarter: Quarter
    #: NSSO number, and enterprise number where there is one.
    nsso: str
    company: str | None
    state: State
    #: 1 as it was declared first, 2 after the first change …
    version: int
    records: Sequence[Record] = field(repr=False)

    @classmethod
    def declared(cls, found: Attested) -> "Attestation":
        """Of a DmfA."""
        return cls(found.quarter, found.employer.digits, found.company, "DECLARED", found.version, found.records)

    @property
    def element(self) -> etree._Element:
        """An `attestation`."""
        return _element(
            "attestation",
            _element("quarter", f"{self.quarter.year:04}{self.quarter.number}"),
            _element("nssoNumber", self.nsso),
            None if self.company is None else _element("enterpriseNumber", self.company),
            _element("state", self.state),
            _element("version", self.version),
            *map(_record, self.records),
        )


def answer(found: Sequence[Attestation]) -> list[etree._Element] | None:
    """Of all employers and quarters, the oldest quarter first; None: nothing was declared."""
    ordered = sorted(found, key=lambda one: (one.quarter, one.nsso, one.state))
    return [one.element for one in ordered] or None


def _record(record: Record) -> etree._Element:
    """A `record`."""
    return _element(
        "record",
        _element("employerClass", record.employer_class),
        _element("workerCode", record.worker_code),
        *map(_occupation, record.occupations),
    )


def _occupation(occupation: Occupation) -> etree._Element:
    return _element(
        "occupation",
        *(
            None if value is None else _element(name, value)
            for name, value in (
                ("startingDate", occupation.starts),
                ("endingDate", occupation.ends),
                ("jointCommission", occupation.joint_commission),
                ("contractType", occupation.contract_type),
                ("workingDaysSystem", occupation.working_days_system),
                ("meanWorkingHours", occupation.mean_working_hours),
                ("refMeanWorkingHours", occupation.ref_mean_working_hours),
            )
        ),
        *(
            _element(
                "service",
                _element("code", one.code),
                _element("days", one.days),
                None if one.hours is None else _element("hours", one.hours),
            )
            for one in occupation.services
        ),
        *(
            _element(
                "remuneration",
                _element("code", one.code),
                None if one.frequency is None else _element("frequency", one.frequency),
                _element("amount", one.amount),
            )
            for one in occupation.remunerations
        ),
    )
