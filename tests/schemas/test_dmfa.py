"""A DmfA, and its update: what is read of a form, and that nothing is lost on the way to the rows and back."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.declarations import dmfa, dmfa_update
from schemas.declarations.blocks import Block, Kept, RowError
from schemas.declarations.dmfa import Declaration, Person, days_of
from schemas.declarations.dmfa_update import Action, Update
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import number
from schemas.parser import parse
from schemas.period import Period
from tests.schemas.conftest import FACTS

SAMPLES = sorted((FACTS.parent / "samples" / "declarations").glob("DmfAOriginal*.xml"))
FORMS = Forms([shipped()])
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<{root} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{root}_20223.xsd">
<Form><Identification>{name}</Identification><FormCreationDate>2026-10-05</FormCreationDate>
<FormCreationHour>10:00:00.000</FormCreationHour><AttestationStatus>{status}</AttestationStatus>
<TypeForm>SU</TypeForm>"""
ORIGINAL = HEAD.format(root="DmfAOriginal", name="DMFA", status=0)
UPDATE = HEAD.format(root="DmfAUpdate", name="DMFAUPD", status=1)
OCCUPATION = """<OccupationSequenceNbr>01</OccupationSequenceNbr>
<OccupationStartingDate>2020-01-01</OccupationStartingDate><JointCommissionNbr>124.01</JointCommissionNbr>
<WorkingDaysSystem>500</WorkingDaysSystem><ContractType>0</ContractType>
<RefMeanWorkingHours>3800</RefMeanWorkingHours><MeanWorkingHours>3800</MeanWorkingHours><Retired>0</Retired>
<OccupationUserReference> A 1 </OccupationUserReference>{version}<LocalUnitID>2000000141</LocalUnitID>
<OccupationInformations><PostedWorker>1</PostedWorker></OccupationInformations>
<Service><ServiceSequenceNbr>1</ServiceSequenceNbr><ServiceCode>1</ServiceCode><ServiceNbrDays>6600</ServiceNbrDays>
</Service><Remun><RemunSequenceNbr>1</RemunSequenceNbr><RemunCode>1</RemunCode>
<BonusPaymentFrequency>0</BonusPaymentFrequency><RemunAmount>900000</RemunAmount></Remun>
<OccupationDeduction><DeductionCode>0601</DeductionCode><DeductionAmount>400</DeductionAmount>
<ReplacedINSS>0</ReplacedINSS><OccupationDeductionDetail><DeductionDetailSequenceNbr>3</DeductionDetailSequenceNbr>
</OccupationDeductionDetail></OccupationDeduction>"""


def original(persons: str, more: str = "") -> bytes:
    return (
        f"{ORIGINAL}<EmployerDeclaration><Quarter>20263</Quarter><NOSSRegistrationNbr>0162518843</NOSSRegistrationNbr>"
        f"<Trusteeship>0</Trusteeship><CompanyID>0</CompanyID><NetOwedAmount>1</NetOwedAmount>{persons}{more}"
        "</EmployerDeclaration></Form></DmfAOriginal>"
    ).encode()


def update(content: str) -> bytes:
    return (
        f"{UPDATE}<EmployerDeclarationUpdate><Quarter>20263</Quarter><NOSSRegistrationNbr>162518843"
        "</NOSSRegistrationNbr><Trusteeship>1</Trusteeship><CompanyID>0</CompanyID>"
        f"<EmployerDeclarationPID>70</EmployerDeclarationPID><Justification>why</Justification>{content}"
        "</EmployerDeclarationUpdate></Form></DmfAUpdate>"
    ).encode()


def form_of(body: bytes) -> etree._Element:
    _, violations = FORMS.violations(body)
    assert violations == (), violations
    return parse(body).find("Form")


def kept(thing: Kept) -> Kept:
    """As it comes back from its row, by way of JSON."""
    return type(thing).of_row(json.loads(json.dumps(thing.row)))


RECORD = (
    "<EmployerClass>001</EmployerClass><WorkerCode>015</WorkerCode><NOSSQuarterStartingDate>2026-07-01"
    "</NOSSQuarterStartingDate><NOSSQuarterEndingDate>2026-09-30</NOSSQuarterEndingDate><Border>1</Border>"
)
CONTRIBUTIONS = (
    "<WorkerContribution><ContributionWorkerCode>015</ContributionWorkerCode><ContributionType>1</ContributionType>"
    "<ContributionCalculationBasis>+00972000</ContributionCalculationBasis><ContributionAmount>370000"
    "</ContributionAmount><FirstHiringDate>2010-01-01</FirstHiringDate></WorkerContribution><WorkerDeduction>"
    "<DeductionCode>3000</DeductionCode><DeductionRightStartingDate>2026-01-01</DeductionRightStartingDate>"
    "<CertificateOrigin>5</CertificateOrigin></WorkerDeduction>"
)
PERSON = (
    "<NaturalPerson><NaturalPersonSequenceNbr>0000012</NaturalPersonSequenceNbr><INSS>00410100155</INSS>"
    f"<WorkerRecord>{RECORD}<Occupation>{OCCUPATION.format(version='')}</Occupation>{CONTRIBUTIONS}</WorkerRecord>"
    f"<WorkerRecord>{RECORD.replace('015', '840')}<StudentContribution><StudentRemunAmount>1000</StudentRemunAmount>"
    "<StudentContributionAmount>81</StudentContributionAmount><StudentHoursNbr>40</StudentHoursNbr>"
    "</StudentContribution></WorkerRecord></NaturalPerson>"
)
BEHIND = (
    "<CompanyVehicle><CompanyVehicleSequenceNbr>1</CompanyVehicleSequenceNbr><LicensePlate> 1-AAA-001</LicensePlate>"
    "<EcoVehicle>0</EcoVehicle></CompanyVehicle><ContributionUnrelatedToNP><UnrelatedEmployerClass>010"
    "</UnrelatedEmployerClass><UnrelatedWorkerCode>855</UnrelatedWorkerCode><UnrelatedAmount>77</UnrelatedAmount>"
    "</ContributionUnrelatedToNP>"
)


def test_a_declaration_is_read_as_it_was_written() -> None:
    said = dmfa.read(form_of(original(PERSON, BEHIND)))
    assert (said.quarter, said.nsso, said.net_owed) == (Quarter(2026, 3), "0162518843", 1)
    assert said.days == Period(date(2026, 7, 1), date(2026, 9, 30))
    (person,) = said.persons
    assert (person.sequence, person.inss, person.reference) == (12, "00410100155", None)
    worker, student = person.records
    assert worker.key == ("001", "015")
    assert (worker.starts, worker.ends, worker.border) == (date(2026, 7, 1), date(2026, 9, 30), True)
    (occupation,) = worker.occupations
    assert occupation.reference == " A 1 "
    assert occupation.joint_commission == "124.01"
    assert occupation.services == (dmfa.Service(1, "001", 6600),)
    assert occupation.remunerations == (dmfa.Remuneration(1, "001", 900000, 0),)
    assert occupation.deductions[0].replaced == "0"
    assert occupation.deductions[0].details == (
        Block("OccupationDeductionDetail", (("DeductionDetailSequenceNbr", "3"),)),
    )
    assert occupation.blocks == (Block("OccupationInformations", (("PostedWorker", "1"),)),)
    assert worker.contributions == (dmfa.Contribution("015", 1, 370000, 972000, date(2010, 1, 1)),)
    assert worker.deductions[0].values == (("CertificateOrigin", "5"),)
    assert student.student == dmfa.Student(1000, 81, None, 40)
    assert said.vehicles == (dmfa.Vehicle(1, " 1-AAA-001", False),)
    assert said.unrelated == (dmfa.Unrelated("010", "855", 77),)


def test_an_update_names_what_it_changes() -> None:
    persons = (
        "<NaturalPersonUpdate><NaturalPersonSequenceNbr>1</NaturalPersonSequenceNbr><INSS>00410100155</INSS>"
        "<NaturalPersonPID>5</NaturalPersonPID><DeclNaturalPersonPID>6</DeclNaturalPersonPID>"
        "<DeclNaturalPersonVersionNbr>2</DeclNaturalPersonVersionNbr><WorkerRecordUpdate><LastSituationWR>"
        "<EmployerClass>001</EmployerClass><WorkerCode>015</WorkerCode><WorkerRecordVersionNbr>4"
        "</WorkerRecordVersionNbr></LastSituationWR><WorkerRecordUpdateAction>"
        f"{RECORD.replace('015', '495')}<UpdateAction>1</UpdateAction>"
        f"<OccupationUpdate>{OCCUPATION.format(version='<OccupationVersionNbr>9</OccupationVersionNbr>')}"
        f"</OccupationUpdate><OccupationUpdate>{OCCUPATION.format(version='').replace('>01<', '>02<')}"
        f"</OccupationUpdate>{CONTRIBUTIONS}</WorkerRecordUpdateAction></WorkerRecordUpdate><WorkerRecordUpdate>"
        "<LastSituationWR><EmployerClass>001</EmployerClass><WorkerCode>840</WorkerCode><WorkerRecordVersionNbr>1"
        "</WorkerRecordVersionNbr></LastSituationWR><WorkerRecordUpdateAction><EmployerClass>001</EmployerClass>"
        "<WorkerCode>840</WorkerCode><UpdateAction>0</UpdateAction></WorkerRecordUpdateAction></WorkerRecordUpdate>"
        "</NaturalPersonUpdate>"
    )
    behind = (
        "<CompanyVehicleUpdateAction><CompanyVehicleSequenceNbr>1</CompanyVehicleSequenceNbr><LicensePlate>1-AAA-001"
        "</LicensePlate><CompanyVehicleVersionNbr>3</CompanyVehicleVersionNbr><UpdateAction>0</UpdateAction>"
        "</CompanyVehicleUpdateAction><ContributionUnrelatedToNPUpdate><LastSituationCUNP><UnrelatedEmployerClass>010"
        "</UnrelatedEmployerClass><UnrelatedWorkerCode>855</UnrelatedWorkerCode><ContUnrelatedToNPVersionNbr>1"
        "</ContUnrelatedToNPVersionNbr></LastSituationCUNP><CUNPUpdateAction><UnrelatedEmployerClass>010"
        "</UnrelatedEmployerClass><UnrelatedWorkerCode>855</UnrelatedWorkerCode><UnrelatedAmount>80</UnrelatedAmount>"
        "<UpdateAction>1</UpdateAction></CUNPUpdateAction></ContributionUnrelatedToNPUpdate>"
    )
    said = dmfa_update.read(form_of(update(persons + behind)))
    assert (said.pid, said.trusteeship, said.justification) == (70, True, "why")
    (person,) = said.persons
    assert (person.pid, person.declared_pid, person.version) == (5, 6, 2)
    changed, deleted = person.records
    assert (changed.action, changed.last, changed.key) == (
        Action.MODIFY,
        dmfa_update.Last("001", "015", 4),
        ("001", "495"),
    )
    assert changed.versions == (9, None)
    # What it is to be is read as an original's record is.
    record = dmfa.read(form_of(original(PERSON))).persons[0].records[0]
    assert changed.content is not None
    assert changed.content.occupations[0] == record.occupations[0]
    assert changed.content.contributions == record.contributions
    assert changed.content.values == ()
    assert (deleted.action, deleted.key, deleted.content) == (Action.DELETE, ("001", "840"), None)
    assert said.vehicles == (dmfa_update.VehicleUpdate(Action.DELETE, dmfa.Vehicle(1, "1-AAA-001"), 3),)
    assert said.unrelated[0].content == dmfa.Unrelated("010", "855", 80)
    assert kept(said) == said


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_of_an_official_sample_nothing_is_lost(sample: Path) -> None:
    form = form_of(sample.read_bytes())
    said = dmfa.read(form)
    assert told(said.row) == written(form)
    assert kept(said) == said


def test_of_what_was_declared_nothing_is_lost() -> None:
    form = form_of(original(PERSON, BEHIND))
    assert told(dmfa.read(form).row) == written(form)


def written(form: etree._Element) -> Counter[str]:
    """What stands in the simple elements of its declaration, and its date."""
    block = form.find("EmployerDeclaration")
    elements = [form.find("FormCreationDate"), *block.iter("*")]
    return Counter(plain(one.text or "") for one in elements if not len(one))


def told(row: object) -> Counter[str]:
    """What stands in a row."""
    return Counter(plain(text) for text in texts(row))


def texts(row: object, name: str = "") -> Iterator[str]:
    if isinstance(row, dict):
        if name == "quarter":
            yield f"{row['year']}{row['number']}"
            return
        for key, value in row.items():
            if key != "name":
                yield from texts(value, key)
    elif isinstance(row, list | tuple):
        for one in row:
            # Of a value that no rule looks at the row has the name too.
            yield from texts(one[1] if name == "values" else one)
    else:
        yield str(int(row) if isinstance(row, bool) else row)


def plain(text: str) -> str:
    """Without what does not count: zeros before a number."""
    text = text.strip()
    return str(number(text)) if text.lstrip("+-").isdigit() else text


@given(st.from_type(Declaration))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_declaration_comes_back_from_its_row(said: Declaration) -> None:
    assert kept(said) == said


@given(st.from_type(Update))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_an_update_comes_back_from_its_row(said: Update) -> None:
    assert kept(said) == said


def test_a_row_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(RowError) as raised:
        Person.of_row({"sequence": 1, "inss": 80010100155})
    assert str(raised.value) == "no row of Person: inss: string_type"


def test_a_person_is_not_shown() -> None:
    said = dmfa.read(form_of(original(PERSON, BEHIND)))
    assert "00410100155" not in repr(said)
    assert "AAA" not in repr(said)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("20261", date(2026, 1, 1), date(2026, 3, 31)),
        ("20242", date(2024, 4, 1), date(2024, 6, 30)),
        ("20264", date(2026, 10, 1), date(2026, 12, 31)),
        ("99994", date(9999, 10, 1), date(9999, 12, 31)),
    ],
)
def test_a_quarter_has_its_days(text: str, first: date, last: date) -> None:
    assert days_of(Quarter.parse(text)) == Period(first, last)


@pytest.mark.parametrize(("text", "value"), [("-" + "0" * 5000, 0), ("+007", 7), ("-12", -12), ("0" * 5000 + "3", 3)])
def test_a_number_may_have_any_zeros_before_it(text: str, value: int) -> None:
    assert number(text) == value
