"""What employers declared of a person, as others are told it: `DmfaAttestation/1`, and within `RiskMutation/1`.

docs/wire.md, "Declarations". Amounts in eurocents, days and hours × 100, as declared.
"""

from collections.abc import Iterable

from lxml import etree

from institutions.nsso.dmfa_store import Attested
from institutions.question import Question
from schemas.declarations.dmfa import Occupation, Record

#: `Name/version` of the consultation.
ANSWERS = "DmfaAttestation/1"

_element = Question.element


def answer(found: Iterable[Attested]) -> list[etree._Element] | None:
    """The data of an answer; None: nothing was declared."""
    return [attestation(one) for one in found] or None


def attestation(found: Attested) -> etree._Element:
    """An `attestation`."""
    return _element(
        "attestation",
        _element("quarter", f"{found.quarter.year:04}{found.quarter.number}"),
        _element("nssoNumber", found.employer.digits),
        None if found.company is None else _element("enterpriseNumber", found.company),
        _element("state", found.state),
        _element("version", found.version),
        *map(_record, found.records),
    )


def _record(record: Record) -> etree._Element:
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
