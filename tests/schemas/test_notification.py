"""NOTIFICATION and personnel file: our bytes are valid, and stand in the structure of the field's."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod, Features, Span, Worker, blocks_of
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.head import EmployerNumbers, Head
from schemas.declarations.notification import MOST_ANOMALIES, FromFile, Impact, Told, notification
from schemas.declarations.number import NumberError, PeriodId, parse_ticket, ticket
from schemas.declarations.personnel_file import Answer, Question
from schemas.employer import NssoNumber
from schemas.grammar import GrammarError
from schemas.parser import parse
from schemas.ssin import Ssin

FORMS = Forms([shipped()])
NOW = datetime(2026, 11, 25, 13, 0, 0, 5_000, UTC)
FORM = parse(
    b"<Dimona><Form><Identification>DIMONA</Identification><FormCreationDate>2026-11-25</FormCreationDate>"
    b"<FormCreationHour>24:00:00.000</FormCreationHour><AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm>"
    b"<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>a &amp; b"
    b"</ReferenceNbr></Reference><DimonaFeatures> <JointCommissionNbr>322</JointCommissionNbr><!-- x -->"
    b"<WorkerType>ALT</WorkerType><UsingEmployer><UsingEmployerName>A&amp;B</UsingEmployerName></UsingEmployer>"
    b"</DimonaFeatures></Form></Dimona>"
)[0]
HEAD = Head.of(FORM)
SPAN = Span(date(2026, 11, 25), "1300", date(2026, 11, 26), "0100", 8)
FEATURES = Features("322", "ALT", None, "A&B", blocks_of(FORM, "DimonaFeatures"))
TOLD = Told(HEAD, ticket(7), "012345", 1)
PERIOD = DimonaPeriod(
    PeriodId.of(6_000_084_463),
    NssoNumber.of(1234567),
    Worker(Ssin("80010100197"), (("WorkerName", "D'Hoe & <Co>"),)),
    SPAN,
    FEATURES,
    NOW,
    late=True,
    error_ids=("90373-460", "90373-369"),
    exceeding=1200,
)


def read(*told: Told):
    """The Forms of a message of ours, valid."""
    body = notification(told, NOW)
    release, violations = FORMS.violations(body)
    assert (release.label, violations) == ("NOTIFICATION_20223", ())
    return list(parse(body))


def test_it_says_whose_form_it_is_about() -> None:
    (form,) = read(TOLD)
    assert [child.tag for child in form] == [
        *("Identification", "FormCreationDate", "FormCreationHour", "AttestationStatus", "TypeForm"),
        *("HandledOriginalFile", "HandledOriginalForm", "Reference", "HandledReference", "HandlingResult"),
    ]
    assert (form.findtext("FormCreationHour"), form.findtext("TypeForm")) == ("14:00:00.005", "FA")
    assert form.findtext("HandledOriginalForm/FormCreationHour") == "24:00:00.000"
    assert form.findtext("Reference/ReferenceNbr") == "a & b"
    assert form.findtext("HandledReference/ReferenceNbr") == ticket(7)
    assert (form.findtext("HandledOriginalFile/SenderId"), form.findtext(".//ResultCode")) == ("012345", "1")


def test_of_a_file_it_says_which_and_several_forms_keep_their_order() -> None:
    file = FromFile("GO.DIMN.123456.20261125.00001.R.1", ticket(9), NOW)
    forms = read(*(replace(TOLD, ticket=ticket(number), file=file, result=number % 3) for number in range(5)))
    assert [form.findtext("HandledReference/ReferenceNbr") for form in forms] == [ticket(number) for number in range(5)]
    assert [form.findtext("TypeForm") for form in forms] == ["FA", "FA", "PA", "FA", "FA"]
    assert {form.findtext("FileReceptionInformation/Channel") for form in forms} == {"6"}


def test_an_anomaly_is_told_with_all_that_is_known_of_it() -> None:
    anomaly = Anomaly("00024", "003", "INSS", "<&>", "/" + "x" * 300, 12, 3)
    (form,) = read(replace(TOLD, result=0, anomalies=[anomaly] * 40, language="EN"))
    reports = form.findall(".//AnomalyReport")
    assert len(reports) == MOST_ANOMALIES
    assert [child.tag for child in reports[0]] == [
        *("ErrorID", "TagName", "Value", "AnomalyClass", "AnomalyLabel", "AnomalyLocation")
    ]
    assert (reports[0].findtext("Value"), reports[0].findtext("AnomalyClass")) == ("<&>", "B")
    assert len(reports[0].findtext("AnomalyLocation/Location") or "") == 200


@pytest.mark.parametrize(("before", "after"), [(None, SPAN), (SPAN, replace(SPAN, ending_date=None)), (SPAN, None)])
def test_what_a_declaration_did(before: Span | None, after: Span | None) -> None:
    (form,) = read(replace(TOLD, impact=Impact(PERIOD.id, True, FEATURES, before, after)))
    report = form.find(".//DimonaImpactReport")
    assert (report.find("DimonaPeriodBefore") is None, report.find("DimonaPeriodAfter") is None) == (
        before is None,
        after is None,
    )
    assert report.findtext("DimonaFeatures/UsingEmployer/UsingEmployerName") == "A&B"
    # A worker type that no answer's release knows.
    assert report.find("DimonaFeatures/WorkerType") is None


def test_why_a_declaration_is_refused_is_told_before_its_anomalies() -> None:
    there = Anomaly("90007", "006", "EmployerDeclaration")
    (form,) = read(replace(TOLD, result=0, diagnosis=(1, 4), anomalies=(there,)))
    result = form.find("HandlingResult")
    assert [(one.tag, one.text) for one in result][:3] == [("ResultCode", "0"), ("Diagnosis", "1"), ("Diagnosis", "4")]
    assert result[3].tag == "AnomalyReport"


def test_a_head_takes_nothing_that_an_answer_could_not_hold() -> None:
    broken = parse(
        b"<Dimona><Form><Identification>NOT ONE AT ALL</Identification><FormCreationDate>2026-02-30</FormCreationDate>"
        b"<TypeForm>XX</TypeForm>"
        + b"<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>9</ReferenceOrigin></Reference>" * 9
        + b"</Form></Dimona>"
    )[0]
    head = Head.of(broken)
    assert (head.fields, head.references, head.created) == ({}, (), None)
    read(replace(TOLD, head=head))
    assert Head.of_row(HEAD.row) == HEAD


def test_a_message_that_breaks_its_schema_is_a_bug_and_names_no_value() -> None:
    with pytest.raises(GrammarError) as error:
        notification([replace(TOLD, sender="Peeters")], NOW)
    assert "Peeters" not in str(error.value)


@pytest.mark.parametrize("periods", [[], [PERIOD], [PERIOD, replace(PERIOD, worker=Worker(None, PERIOD.worker.said))]])
@pytest.mark.parametrize("file", [None, FromFile("GO.PFRQ.123456.20261125.00001.R.1", ticket(9), NOW)])
def test_a_personnel_file_is_valid(periods: list[DimonaPeriod], file: FromFile | None) -> None:
    head = Head.of(
        parse(
            b"<a><Form><Identification>PFREQ</Identification><FormCreationDate>2026-11-25</FormCreationDate>"
            b"<FormCreationHour>10:00:00.000</FormCreationHour><AttestationStatus>0</AttestationStatus>"
            b"<TypeForm>RE</TypeForm></Form></a>"
        )[0]
    )
    for number in (NssoNumber.of(1234567), NssoNumber.of(51234567)):
        answer = Answer(head, ticket(1), number, None, date(2026, 11, 25), None, True, file)
        body = b"".join(answer.written(periods, NOW))
        assert FORMS.violations(body)[1] == ()
        form = parse(body)[0]
        assert len(form.findall(".//DimonaPeriod")) == len(periods)
        assert form.findtext(".//ResultCodeResearch") == ("0" if periods else "1")


def test_a_question_is_read() -> None:
    form = parse(
        b"<a><Form><EmployerId><NOSSRegistrationNbr>5</NOSSRegistrationNbr><CompanyID> 0 </CompanyID></EmployerId>"
        b"<ReferencePeriod><RefEndingDate>2026-11-25</RefEndingDate></ReferencePeriod></Form></a>"
    )[0]
    assert Question.of(form) == Question(EmployerNumbers("5", None, "0", None), None, date(2026, 11, 25), False)


def test_numbers_that_the_nsso_gives() -> None:
    # Field digest 5: the ids of the samples.
    for text in ("600008446383", "600018399694", "600027876089"):
        assert str(PeriodId.parse(text)) == text == str(PeriodId.of(int(text[:10])))
    assert PeriodId.parse(" +000600008446383 ") == PeriodId(600008446383)
    for wrong in ("600008446384", "-600008446383", "", "x", "000000000000", "6000084463830"):
        with pytest.raises(NumberError):
            PeriodId.parse(wrong)
    for counter in (0, 35, 36, 36**8 - 1):
        assert len(ticket(counter)) == 13
        assert parse_ticket(ticket(counter)) == counter
    with pytest.raises(NumberError):
        ticket(36**8)
    good = ticket(123456)
    for place in range(3, 13):
        swapped = good[:place] + ("1" if good[place] != "1" else "2") + good[place + 1 :]
        with pytest.raises(NumberError):
            parse_ticket(swapped)
