"""DmfA's rules: of each the least form that breaks it, and the nearest that does not."""

from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from institutions.nsso.dmfa.judging import Judgement, Known, content_of, judge
from institutions.nsso.dmfa.rules import calendar_days
from institutions.nsso.dmfa.terms import Terms, is_too_many, terms
from institutions.nsso.employers import Directory
from institutions.nsso.moment import business
from institutions.nsso.register import Employer, Mandate
from schemas.declarations import dmfa, dmfa_update
from schemas.declarations.anomalies import ANOMALIES
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.blocks import Block
from schemas.declarations.dmfa import (
    Contribution,
    Declaration,
    Deduction,
    Occupation,
    Person,
    Record,
    Remuneration,
    Service,
    Student,
    Unrelated,
    Vehicle,
    days_of,
)
from schemas.declarations.dmfa_update import Action, PersonUpdate, RecordUpdate, Update
from schemas.declarations.notification import MOST_ANOMALIES
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.parser import parse
from schemas.period import BRUSSELS, Period
from schemas.ssin import Ssin
from tests.institutions.nsso.ground import ACTIVE, BAKER, COMPANIES, FORMS, SECRETARIAT, person
from tests.institutions.nsso.quarters import (
    PLANTED,
    UNITS,
    Work,
    declared,
    original,
    period,
    settled,
    update,
    week_days,
    works,
)

BAKERY = Employer(BAKER, COMPANIES[BAKER], ACTIVE)
Q3 = Quarter(2026, 3)
DAYS = days_of(Q3)
NOON = datetime(2026, 10, 20, 12, 0, tzinfo=BRUSSELS)
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "declarations"
A, B, C = person(1), person(2), person(3)
DAY = timedelta(days=1)
#: 66 working days from July to September 2026.
WORKED = 6600
KNOWN = Known(BAKERY, tuple(period(Work(one, date(2020, 1, 1)), BAKER) for one in (A, B, C)))


def d(text: str) -> date:
    """A day of 2026, `07-01`, or of any year."""
    return date.fromisoformat(text if len(text) == 10 else f"2026-{text}")


def occupation(sequence: int = 1, **more) -> Occupation:
    told = {"services": (Service(1, "001", WORKED),), "values": (("Retired", "0"),), "starts": d("2020-01-01")} | more
    return Occupation(sequence, "200", more.pop("system", 500), more.pop("contract", 0), **keep(told))


def keep(told: dict) -> dict:
    return {name: value for name, value in told.items() if name not in ("system", "contract")}


def record(*occupations: Occupation, **more) -> Record:
    told = {"employer_class": "010", "worker_code": "495", "starts": DAYS.begin, "ends": DAYS.end, "border": False}
    return Record(**(told | {"occupations": occupations or (occupation(),)} | more))


def one(*records: Record, ssin: Ssin | str = A, sequence: int = 1) -> Person:
    return Person(sequence, ssin if isinstance(ssin, str) else ssin.digits, None, records or (record(),))


OTHERS = (one(ssin=B, sequence=2), one(ssin=C, sequence=3))


def said(*records: Record, **more) -> Declaration:
    """Of A, with these records, and of B and C, who are as they should."""
    persons = more.pop("persons", (one(*records), *OTHERS))
    told = {"nsso": BAKER.digits, "company": "0", "trusteeship": False, "created": d("10-05")} | more
    declaration = Declaration(more.pop("quarter", Q3), **{"net_owed": 0, **without(told)}, persons=persons)
    return declaration if "net_owed" in more else settled(declaration)


def without(told: dict) -> dict:
    return {name: value for name, value in told.items() if name != "quarter"}


#: Of what a person has in all records.
SUMS = ("90017-429", "90017-502")


def judged(declaration: Declaration, known: Known = KNOWN, received: datetime = NOON, **more) -> Judgement:
    """Of a form that its schema accepts, written and read."""
    body = original(declaration)
    _, violations = FORMS.violations(body)
    assert violations == (), violations
    form = parse(body).find("Form")
    read = dmfa.read(form)
    assert read == declaration
    judgement = judge(read, known, business(received), replace(terms(), **more))
    for anomaly in judgement.anomalies:
        # The path leads to the element, or to where it is missing.
        placed = anomaly.at(form)
        assert placed.path.startswith("/DmfAOriginal/Form/")
        place = form.find(anomaly.path)
        assert place is not None or anomaly.code == "001"
        assert place is None or (place.tag == anomaly.tag or anomaly.error_id == "90007-263")
        if place is not None and not len(place) and anomaly.error_id not in SUMS:
            assert anomaly.value is not None, "what stands there is told"
            assert anomaly.value.lstrip("0") == (place.text or "").lstrip("0")
    return judgement


def ids(declaration: Declaration, known: Known = KNOWN, received: datetime = NOON, **more) -> list[str]:
    return sorted(one.error_id for one in judged(declaration, known, received, **more).anomalies)


def test_what_is_right_is_accepted() -> None:
    assert judged(said()) == Judgement((), ())


# --- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declaration", "received", "expected"),
    [
        (said(created=d("10-20")), NOON, []),
        (said(created=d("10-21")), NOON, ["00218-003"]),
        (said(created=d("2025-01-01")), NOON, []),
        (said(created=d("2024-12-31")), NOON, ["00218-003"]),
        # It has ended, by the day in Belgium.
        (said(created=d("07-01")), datetime(2026, 10, 1, 0, 0, tzinfo=BRUSSELS), []),
        (said(created=d("07-01")), datetime(2026, 9, 30, 23, 59, tzinfo=BRUSSELS), ["00013-008"]),
        # Three years after its end.
        (said(created=d("2029-09-30")), datetime(2029, 9, 30, 23, 0, tzinfo=BRUSSELS), []),
        (said(created=d("2029-09-30")), datetime(2029, 10, 1, 0, 0, tzinfo=BRUSSELS), ["00013-313"]),
        (said(system5=False), NOON, ["00016-034"]),
    ],
)
def test_the_quarter_and_the_day(declaration: Declaration, received: datetime, expected: list[str]) -> None:
    assert ids(declaration, received=received) == expected


def test_system_5_was_declared_until_the_second_quarter_of_2004() -> None:
    def of(quarter: Quarter) -> list[str]:
        days = days_of(quarter)
        assert days.end is not None
        told = replace(said(persons=(), unrelated=(Unrelated("010", "855", 1),)), quarter=quarter, system5=True)
        declaration = settled(replace(told, created=days.end + DAY))
        return ids(declaration, Known(BAKERY), datetime(days.end.year, 12, 31, tzinfo=BRUSSELS))

    assert of(Quarter(2004, 2)) == []
    assert of(Quarter(2004, 3)) == ["00016-034"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (replace(KNOWN, employer=replace(BAKERY, active=Period(d("09-30"), None))), []),
        (replace(KNOWN, employer=replace(BAKERY, active=Period(d("10-01"), None))), ["00011-051"]),
        (replace(KNOWN, employer=replace(BAKERY, active=Period(d("2000-01-01"), d("07-01")))), []),
        (replace(KNOWN, employer=replace(BAKERY, active=Period(d("2000-01-01"), d("06-30")))), ["00011-051"]),
        (replace(KNOWN, declared=True), ["90007-006"]),
        (
            replace(KNOWN, employer=Anomaly("90256", "155", "EmployerDeclaration", None, "EmployerDeclaration")),
            ["90256-155"],
        ),
        (
            Known(Anomaly("90256", "001", "EmployerId", None, "EmployerDeclaration/EmployerId")),
            ["00011-001"],
        ),
    ],
)
def test_the_employer(known: Known, expected: list[str]) -> None:
    judgement = judged(said(), known)
    assert [one.error_id for one in judgement.anomalies] == expected
    assert judgement.diagnosis == ((3,) if expected else ())


def test_of_who_has_no_mandate_nothing_else_is_judged() -> None:
    """Not its workers' Dimonas, nor whether there is an original."""
    wrong = Anomaly("90256", "155", "EmployerDeclaration", None, "EmployerDeclaration")
    told = judged(said(persons=(one(ssin=person(9)),)), replace(KNOWN, employer=wrong, declared=True))
    assert told == judged(said(), Known(wrong))


WRONG = f"{A.digits[:-1]}{(int(A.digits[-1]) + 1) % 10}"


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (said(persons=(one(ssin=WRONG), *OTHERS)), ["00024-004", "90007-263"]),
        (said(persons=(one(ssin="00000000000"), *OTHERS)), ["90007-263", "90017-151"]),
        (said(record(local_unit=UNITS[0])), []),
        (said(record(local_unit="0000000000")), []),
        (said(record(local_unit="2000000142")), ["00042-004"]),
        (said(record(occupation(local_unit="2000000142"))), ["00042-004"]),
        (said(record(deductions=(Deduction("0001", replaced="0", applicant=B.digits),))), []),
        (said(record(deductions=(Deduction("0001", replaced=WRONG),))), ["00092-004"]),
        (said(record(deductions=(Deduction("0001", applicant=WRONG),))), ["00093-004"]),
        (said(record(occupation(deductions=(Deduction("0001", replaced=WRONG),)))), ["00092-004"]),
    ],
)
def test_check_digits(declaration: Declaration, expected: list[str]) -> None:
    assert ids(declaration) == expected


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (said(persons=(one(), one(ssin=B, sequence=1), OTHERS[1])), ["00023-006"]),
        (said(persons=(one(), *OTHERS, one(sequence=4))), ["90017-006"]),
        (said(record(), record(worker_code="015")), []),
        (said(record(), record()), ["90012-006"]),
        (said(record(), record(employer_class="011")), []),
        (said(record(occupation(1), occupation(2))), []),
        (said(record(occupation(1), occupation(1))), ["00043-006"]),
        # Of two records each may have its first.
        (said(record(occupation(1)), record(occupation(1), worker_code="015")), []),
        (said(record(occupation(services=(Service(1, "001", WORKED - 100), Service(2, "050", 100))))), []),
        (said(record(occupation(services=(Service(1, "001", WORKED - 100), Service(1, "050", 100))))), ["00061-006"]),
        (said(record(occupation(remunerations=(Remuneration(1, "001", 5), Remuneration(2, "001", 5))))), []),
        (said(record(occupation(remunerations=(Remuneration(1, "001", 5), Remuneration(1, "002", 5))))), ["00066-006"]),
        (said(record(contributions=(Contribution("856", 0, 5), Contribution("856", 1, 5)))), []),
        (said(record(contributions=(Contribution("856", 0, 5), Contribution("856", 0, 6)))), ["90001-006"]),
        (said(vehicles=(Vehicle(1, "A"), Vehicle(2, "B"))), []),
        (said(vehicles=(Vehicle(1, "A"), Vehicle(1, "B"))), ["00780-006"]),
        (said(unrelated=(Unrelated("010", "855", 1), Unrelated("011", "855", 1))), []),
        (said(unrelated=(Unrelated("010", "855", 1), Unrelated("010", "855", 2))), ["90002-006"]),
    ],
)
def test_what_may_stand_once(declaration: Declaration, expected: list[str]) -> None:
    assert ids(declaration) == expected


DETAIL = ("DeductionDetailSequenceNbr", "1")


def indemnity(*sequences: int) -> Record:
    """A complementary indemnity with contributions of these numbers, in the place of occupations."""
    contributions = tuple(
        Block(
            "ComplIndemnityContribution",
            (
                *(
                    ("ContributionWorkerCode", "883"),
                    ("ContributionType", "0"),
                    ("ComplIndemnityAmountAdjustNotion", "0"),
                ),
                *(
                    ("ContributionSequenceNbr", str(one)),
                    ("ComplIndemnityAmount", "100"),
                    ("ComplIndemnityNbrMonths", "3"),
                ),
                ("ContributionAmount", "700"),
            ),
        )
        for one in sequences
    )
    values = (
        *(("EmployerNotion", "0"), ("JointCommissionNbr", "200"), ("ActivityCode", "1")),
        *(("FirstComplIndemnityDate", "2020-01-01"), ("ComplIndemnityAgreementNotion", "1")),
        *(("HalfTimeCareerInterruptionNotion", "0"), ("ServiceExemptionNotion", "0")),
        ("ReplacementAccordanceWCCNotion", "0"),
    )
    return replace(record(), occupations=(), blocks=(Block("ComplementaryIndemnity", values, contributions),))


def test_what_may_stand_once_in_a_block() -> None:
    twice = (Block("DeductionDetail", (DETAIL,)), Block("DeductionDetail", (DETAIL,)))
    assert ids(said(record(deductions=(Deduction("0001", details=twice[:1]),)))) == []
    assert ids(said(record(deductions=(Deduction("0001", details=twice),)))) == ["00138-006"]
    owed = sum(700 for _ in range(2))
    assert ids(said(indemnity(1, 2), net_owed=owed)) == []
    assert ids(said(indemnity(1, 1), net_owed=owed)) == ["00955-006"]


def test_a_substitute_has_a_persons_number() -> None:
    def of(number: str) -> list[str]:
        block = indemnity().blocks[0]
        values = (*block.values, ("SubstituteINSS", number))
        return ids(said(replace(indemnity(), blocks=(replace(block, values=values),))))

    assert of("0") == of(B.digits) == []
    assert of(WRONG) == ["00749-004"]


CONTRIBUTION = Contribution("856", 0, 500)


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (said(record(contributions=(CONTRIBUTION,)), net_owed=500), []),
        (said(record(contributions=(CONTRIBUTION,)), net_owed=499), ["00015-007"]),
        (said(record(contributions=(CONTRIBUTION,), deductions=(Deduction("0001", amount=500),)), net_owed=0), []),
        (
            said(record(contributions=(CONTRIBUTION,), deductions=(Deduction("0001", amount=501),)), net_owed=0),
            ["00015-011"],
        ),
        (
            said(record(occupation(deductions=(Deduction("0001", amount=501),)), contributions=(CONTRIBUTION,))),
            ["00015-011"],
        ),
        # What is owed for nobody in particular counts too.
        (
            said(
                record(contributions=(CONTRIBUTION,), deductions=(Deduction("0001", amount=501),)),
                unrelated=(Unrelated("010", "855", 1),),
            ),
            [],
        ),
    ],
)
def test_the_balance(declaration: Declaration, expected: list[str]) -> None:
    assert ids(declaration) == expected


# --- a worker record ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([record(starts=d("06-25"))], []),
        ([record(starts=d("06-24"))], ["00038-034"]),
        ([record(ends=d("10-06"))], []),
        ([record(ends=d("10-07"))], ["00039-034"]),
        ([record(occupation(services=()), starts=d("09-30"), ends=d("09-30"))], []),
        ([record(starts=d("09-30"), ends=d("09-29"))], ["00039-014"]),
        ([record(occupation(starts=d("09-30"), services=()), starts=d("09-30"), ends=d("09-29"))], ["00039-014"]),
        ([record(occupation(starts=d("09-30"), services=()))], []),
        ([record(occupation(starts=d("10-01"), services=()))], ["00044-034"]),
        ([record(occupation(ends=d("07-01"), services=()))], []),
        ([record(occupation(ends=d("06-30"), services=()))], ["00045-034"]),
        ([record(occupation(starts=d("08-03"), ends=d("08-03"), services=()))], []),
        ([record(occupation(starts=d("08-03"), ends=d("08-02"), services=()))], ["00045-014"]),
    ],
)
def test_dates(records: list[Record], expected: list[str]) -> None:
    # Somebody is always there who worked; what is counted of days is another rule's.
    assert ids(said(*records), days=20_000) == expected


@pytest.mark.parametrize(
    ("amount", "expected"), [(37840, []), (37839, []), (37841, []), (37838, ["00085-044"]), (37842, ["00085-044"])]
)
def test_a_contribution_is_basis_by_rate(amount: int, expected: list[str]) -> None:
    assert ids(said(record(contributions=(Contribution("495", 0, amount, 100_000),)))) == expected


@pytest.mark.parametrize(
    ("amount", "expected"), [(8130, []), (8129, []), (8131, []), (8128, ["00077-044"]), (8132, ["00077-044"])]
)
def test_a_students_contribution_is_wages_by_rate(amount: int, expected: list[str]) -> None:
    student = record(occupations=(), worker_code="840", student=Student(100_000, amount, None, 40))
    known = dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 40))
    assert ids(said(student), known) == expected


@pytest.mark.parametrize(("basis", "amount"), [(125, 47), (1, 0), (2, 1)])
def test_halves_are_rounded_up(basis: int, amount: int) -> None:
    # 37.84 % of 1.25 is 0.473; of 0.01 less than half a cent, of 0.02 more.
    of = said(record(contributions=(Contribution("495", 0, amount, basis),)))
    assert ids(of, cents=0) == []
    half = replace(terms(), rates={("495", 0): Decimal(50)}, cents=0)
    of = said(record(contributions=(Contribution("495", 0, 1, 1),)))
    assert judge(of, KNOWN, business(NOON), half).anomalies == ()


def test_what_has_no_rate_or_basis_is_not_calculated() -> None:
    assert ids(said(record(contributions=(Contribution("495", 9, 1, 100_000),)))) == []
    assert ids(said(record(contributions=(Contribution("495", 0, 1),)))) == []


def short(days: int, end: date, **more) -> Occupation:
    """From Monday 3 August."""
    return occupation(services=(Service(1, "001", days),), starts=d("08-03"), ends=end, **more)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (occupation(services=(Service(1, "001", WORKED + 300),)), []),
        (occupation(services=(Service(1, "001", WORKED + 301),)), ["90015-095"]),
        (occupation(services=(Service(1, "001", WORKED - 300),)), []),
        (occupation(services=(Service(1, "001", WORKED - 301),)), ["90015-096"]),
        (occupation(services=(Service(1, "001", WORKED - 400), Service(2, "050", 400))), []),
        (occupation(services=(Service(1, "001", WORKED - 301),), contract=1), []),
        (occupation(services=(Service(1, "001", WORKED + 301),), contract=1), ["90015-095"]),
        (occupation(services=()), ["90015-096"]),
        (occupation(services=(), system=0), []),
        (occupation(system=0), []),
        (occupation(services=(Service(1, "001", 400),), starts=DAYS.end, ends=DAYS.end), []),
        (occupation(services=(Service(1, "001", 401),), starts=DAYS.end, ends=DAYS.end), ["90015-095"]),
        # From a Monday to the Friday after: five days.
        (occupation(services=(Service(1, "001", 800),), starts=d("08-03"), ends=d("08-07")), []),
        (occupation(services=(Service(1, "001", 801),), starts=d("08-03"), ends=d("08-07")), ["90015-095"]),
        (occupation(services=(Service(1, "001", 1200),), starts=d("08-03"), ends=d("08-11"), system=700), []),
        (
            occupation(services=(Service(1, "001", 1201),), starts=d("08-03"), ends=d("08-11"), system=700),
            ["90015-095"],
        ),
    ],
)
def test_days_of_services(told: Occupation, expected: list[str]) -> None:
    assert ids(said(record(told))) == expected


def test_a_record_of_one_day_has_its_days_too() -> None:
    one_day = replace(record(occupation(services=(Service(1, "001", 401),))), starts=DAYS.end)
    assert ids(said(one_day)) == ["90015-095"]


@pytest.mark.parametrize("system", [500, 600, 700])
def test_days_of_a_week_are_counted_as_on_the_calendar(system: int) -> None:
    for begin in range(8):
        for length in range(20):
            first = d("07-01") + begin * DAY
            days = Period(first, first + length * DAY)
            counted = sum(
                first.weekday() < system // 100 for first in (first + more * DAY for more in range(length + 1))
            )
            assert calendar_days(days, system) == 100 * counted
    assert calendar_days(Period(d("08-03"), d("08-09")), 250) == 250
    assert calendar_days(Period(d("08-03"), d("08-09")), 550) == 550


RIGHTS = {"3000": {A: [Period(d("2026-01-01"), d("2026-07-01"))]}}


@pytest.mark.parametrize(
    ("deduction", "rights", "expected"),
    [
        (Deduction("3000"), RIGHTS, []),
        (Deduction("3000", right_starts=d("2026-01-01")), RIGHTS, []),
        (Deduction("3000", right_starts=d("2026-01-02")), RIGHTS, ["00086-065"]),
        (Deduction("3000"), {"3000": {A: [Period(d("2026-01-01"), d("2026-06-30"))]}}, ["00086-064"]),
        (Deduction("3000"), {"3000": {B: [Period(d("2026-01-01"), None)]}}, ["00086-064"]),
        # There is no source for it.
        (Deduction("3001"), RIGHTS, []),
        (Deduction("3000"), {}, []),
    ],
)
def test_deductions(deduction: Deduction, rights: dict, expected: list[str]) -> None:
    known = replace(KNOWN, rights=rights)
    assert ids(said(record(deductions=(deduction,))), known) == expected
    assert ids(said(record(occupation(deductions=(deduction,)))), known) == expected


# --- Dimona -------------------------------------------------------------------------------------------------------


def dimonas(*works_: Work, replaced: dict | None = None, **more) -> Known:
    return Known(BAKERY, tuple(replace(period(one, BAKER), **more) for one in works_), replaced=replaced or {})


LONG = d("2020-01-01")
TWO = (Work(B, LONG), Work(C, LONG))
STUDENT = record(occupations=(), worker_code="840", student=Student(1000, 81, None, 40))


@pytest.mark.parametrize(
    ("declaration", "known", "expected"),
    [
        (said(), dimonas(*TWO), ["90007-262"]),
        (said(), dimonas(*TWO, Work(A, d("09-30"))), []),
        (said(), dimonas(*TWO, Work(A, d("10-01"))), ["90007-262"]),
        (said(), dimonas(*TWO, Work(A, LONG, d("07-01"))), []),
        (said(), dimonas(*TWO, Work(A, LONG, d("06-30"))), ["90007-262"]),
        (said(persons=OTHERS), KNOWN, ["90007-263"]),
        (said(persons=OTHERS), dimonas(*TWO, Work(A, LONG, None, "DWD")), []),
        (said(persons=OTHERS), dimonas(*TWO, Work(A, LONG, d("06-30"))), []),
        # Who is paid afterwards has no Dimona any more.
        (said(indemnity()), dimonas(*TWO), []),
        (said(record(occupation(ends=d("06-30"), services=()), starts=d("06-25"))), dimonas(*TWO), []),
        # A worker who is declared by the number before is the one who has a Dimona by the new one.
        (said(), dimonas(*TWO, Work(person(8), LONG), replaced={A: person(8)}), ["90017-252"]),
        (said(), dimonas(*TWO, Work(person(8), LONG), replaced={person(8): A}), []),
        (
            said(persons=(one(), one(ssin=person(8), sequence=4), *OTHERS)),
            dimonas(*TWO, Work(A, LONG), replaced={person(8): A}),
            ["90017-006", "90017-252"],
        ),
        (said(STUDENT), dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 40)), []),
        (said(STUDENT), dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 41)), ["90017-502"]),
        (said(STUDENT), dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 39)), ["90017-502"]),
        (
            said(STUDENT),
            dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 30), Work(A, d("08-01"), d("08-31"), "STU", 10)),
            [],
        ),
        # One of which no hours are known has none.
        (
            said(STUDENT),
            dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 40), Work(A, d("08-01"), d("08-31"), "STU")),
            [],
        ),
        (said(STUDENT), dimonas(*TWO, Work(A, LONG)), ["90017-502"]),
        # Hours planned for another kind of work are no student's.
        (said(STUDENT), dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "O17", 40)), ["90017-502"]),
        (
            said(STUDENT),
            dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU", 40), Work(A, d("08-01"), d("08-31"), "O17", 40)),
            [],
        ),
        (said(STUDENT), dimonas(*TWO), ["90007-262"]),
    ],
)
def test_dimona(declaration: Declaration, known: Known, expected: list[str]) -> None:
    judgement = judged(declaration, known, days=20_000)
    assert sorted(one.error_id for one in judgement.anomalies) == expected
    # One alone is never too many.
    assert judgement.accepted == (expected != ["90017-006", "90017-252"])


def test_a_cancelled_dimona_is_none() -> None:
    assert (
        ids(said(), replace(KNOWN, periods=tuple(replace(one, cancelled=True) for one in KNOWN.periods)))
        == ["90007-262"] * 3
    )


@pytest.mark.parametrize(("declared_days", "planned", "expected"), [(8, 8, []), (9, 8, ["90017-429"]), (9, None, [])])
def test_days_of_a_student(declared_days: int, planned: int | None, expected: list[str]) -> None:
    student = replace(STUDENT, student=Student(1000, 81, declared_days))
    known = dimonas(*TWO, Work(A, d("07-01"), d("07-31"), "STU"))
    first = known.periods[-1]
    # Of another of his Dimonas no days are known.
    periods = (*known.periods, replace(first, span=replace(first.span, planned_days=planned)))
    assert ids(said(student), replace(known, periods=periods)) == expected


def test_of_whom_one_does_not_know_which_number_nothing_is_told() -> None:
    nobody = replace(KNOWN.periods[0], worker=replace(KNOWN.periods[0].worker, ssin=None))
    assert ids(said(), replace(KNOWN, periods=(*KNOWN.periods, nobody))) == []


# --- thresholds ---------------------------------------------------------------------------------------------------

WRONG_DAYS = occupation(services=(Service(1, "001", WORKED + 400),))


def many(count: int, wrong: int) -> tuple[Declaration, Known]:
    """Of so many workers, so many with too many days."""
    ssins = [person(one) for one in range(1, count + 1)]
    persons = tuple(
        one(record(WRONG_DAYS if number <= wrong else occupation()), ssin=ssin, sequence=number)
        for number, ssin in enumerate(ssins, 1)
    )
    return said(persons=persons), dimonas(*(Work(ssin, LONG) for ssin in ssins))


@pytest.mark.parametrize(
    ("count", "wrong", "diagnosis"), [(3, 1, ()), (3, 2, (4,)), (199, 2, (4,)), (200, 2, ()), (200, 3, (4,))]
)
def test_percentage_anomalies_are_counted_against_worker_records(
    count: int, wrong: int, diagnosis: tuple[int, ...]
) -> None:
    judgement = judged(*many(count, wrong))
    assert [one.error_id for one in judgement.anomalies] == ["90015-095"] * wrong
    assert (judgement.diagnosis, judgement.accepted) == (diagnosis, not diagnosis)


@pytest.mark.parametrize(("missing", "diagnosis"), [(0, ()), (1, ()), (2, ()), (3, (1,))])
def test_too_many_without_dimona(missing: int, diagnosis: tuple[int, ...]) -> None:
    declaration, known = many(20, 0)
    judgement = judged(declaration, replace(known, periods=known.periods[missing:]))
    assert (len(judgement.anomalies), judgement.diagnosis) == (missing, diagnosis)


@pytest.mark.parametrize(("missing", "diagnosis"), [(1, ()), (2, ()), (3, (0,))])
def test_too_many_who_are_not_declared(missing: int, diagnosis: tuple[int, ...]) -> None:
    declaration, known = many(8, 0)
    judgement = judged(settled(replace(declaration, persons=declaration.persons[missing:])), known)
    assert (len(judgement.anomalies), judgement.diagnosis) == (missing, diagnosis)


@pytest.mark.parametrize(("missing", "diagnosis"), [(1, (3,)), (2, (2, 3))])
def test_too_many_without_number(missing: int, diagnosis: tuple[int, ...]) -> None:
    declaration, known = many(40, 0)
    nobody = [replace(one, inss="00000000000") for one in declaration.persons[:missing]]
    persons = (*nobody, *declaration.persons[missing:])
    assert judged(replace(declaration, persons=persons), known).diagnosis == diagnosis


def test_why_it_is_refused_is_told_whole() -> None:
    """Nobody who is declared has a Dimona, nobody who has one is declared, and more."""
    declaration, _ = many(4, 2)
    strangers = dimonas(*(Work(person(one), LONG) for one in range(50, 54)))
    persons = (*declaration.persons[:2], *(replace(one, sequence=3) for one in declaration.persons[2:]))
    assert judged(replace(declaration, persons=persons), strangers).diagnosis == (0, 1, 3, 4)


def test_those_that_block_are_told_first_and_no_more_than_an_answer_holds() -> None:
    declaration, known = many(100, 80)
    persons = list(declaration.persons)
    persons[-1] = replace(persons[-1], sequence=1)
    judgement = judged(replace(declaration, persons=tuple(persons)), known)
    assert [one.error_id for one in judgement.anomalies] == ["00023-006"] + ["90015-095"] * (MOST_ANOMALIES - 1)
    assert judgement.diagnosis == (3, 4)
    every = judge(replace(declaration, persons=tuple(persons)), known, business(NOON), most=None)
    assert (len(every.anomalies), every.diagnosis) == (81, (3, 4))


@pytest.mark.parametrize(
    ("found", "of", "percent", "expected"),
    [(0, 0, 1, False), (1, 1, 1, False), (2, 200, 1, False), (2, 199, 1, True), (3, 100, Decimal("2.9"), True)],
)
def test_a_single_one_is_never_too_many(found: int, of: int, percent: Decimal, expected: bool) -> None:
    assert is_too_many(found, of, Decimal(percent)) is expected


def test_terms_are_read_as_written() -> None:
    configured = terms()
    assert isinstance(configured, Terms)
    assert configured.percentage == Decimal("1.0")
    assert configured.rates["495", 0] == Decimal("37.84")


# --- an update ----------------------------------------------------------------------------------------------------


def changes(*records: RecordUpdate, ssin: Ssin | str = A) -> Update:
    """Written and read."""
    inss = ssin if isinstance(ssin, str) else ssin.digits
    people = (PersonUpdate(1, inss, None, 1, 2, 1, None, records),)
    told = Update(Q3, BAKER.digits, "0", trusteeship=False, pid=7, created=d("10-05"), persons=people)
    body = update(told)
    _, violations = FORMS.violations(body)
    assert violations == (), violations
    form = parse(body).find("Form")
    assert dmfa_update.read(form) == told
    for anomaly in content_of(told, KNOWN):
        assert form.find(anomaly.path) is not None or anomaly.code == "001"
    return told


def change(content: Record | None, action: Action = Action.MODIFY) -> RecordUpdate:
    versions = () if content is None else (3,) * len(content.occupations)
    return RecordUpdate(action, "010", "495", dmfa_update.Last("010", "495", 2), content, versions)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (changes(change(record())), []),
        (changes(change(record()), ssin=WRONG), ["00024-004"]),
        (changes(change(record(starts=d("06-24")))), ["00038-034"]),
        (changes(change(record(WRONG_DAYS))), ["90015-095"]),
        (changes(change(record(occupation(1), occupation(1)))), ["00043-006"]),
        (changes(change(record(contributions=(Contribution("495", 0, 1, 100_000),)))), ["00085-044"]),
        (changes(change(None)), ["00038-001"]),
        (changes(change(None, Action.CREATE)), ["00038-001"]),
        (changes(change(None, Action.DELETE)), []),
        (changes(change(None, Action.KEEP)), []),
        (changes(change(record(starts=d("06-24")), Action.KEEP)), []),
    ],
)
def test_what_an_update_brings(told: Update, expected: list[str]) -> None:
    assert [one.error_id for one in content_of(told, KNOWN)] == expected


# --- the generator: what is right, and what is planted ------------------------------------------------------------

SSINS = [person(one) for one in range(1, 41)]


def made(seed: int, count: int) -> tuple[Declaration, Known]:
    """An employer's quarter of so many persons, and what 12-0 knows."""
    there = works(Q3, SSINS[:count], seed)
    known = Known(BAKERY, tuple(period(work, BAKER, number) for number, work in enumerate(there)))
    return declared(BAKER, Q3, there, seed), known


@pytest.mark.parametrize("seed", range(12))
def test_a_quarter_that_is_made_has_no_anomaly(seed: int) -> None:
    assert judged(*made(seed, 3 * seed)) == Judgement((), ())


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(name: str) -> None:
    planted = PLANTED[name]
    fitting = [found for seed in range(12) if planted.fits((found := made(seed, 12))[0])]
    assert len(fitting) >= 5
    for declaration, known in fitting[:5]:
        spoilt = planted.spoil(declaration)
        # By the directory, which reads the number.
        directory = Directory([BAKERY], [Mandate(SECRETARIAT, BAKER, ACTIVE)])
        employer = directory.meant(spoilt.employer, SECRETARIAT, NOON.date(), "EmployerDeclaration")
        judgement = judged(spoilt, replace(known, employer=employer))
        assert sorted(one.error_id for one in judgement.anomalies) == sorted(planted.ids)
        assert judgement.diagnosis == planted.diagnosis


def shaken(thing: Any, random: Random, odds: float) -> Any:
    """With some of its dates, numbers and codes at the edge of what a schema accepts, or beyond."""
    if is_dataclass(thing) and not isinstance(thing, Block):
        changed = {one.name: shaken(getattr(thing, one.name), random, odds) for one in fields(thing)}
        return replace(thing, **changed)  # type: ignore[type-var]
    if isinstance(thing, tuple):
        return tuple(shaken(one, random, odds) for one in thing)
    if random.random() > odds or isinstance(thing, bool):
        return thing
    if isinstance(thing, date):
        return random.choice((date.min, date.max, DAYS.begin, d("08-15"), DAYS.begin - DAY))
    if isinstance(thing, int):
        return random.choice((0, 1, 2, 9, 99, 9_999, 99_999_999_999))
    if isinstance(thing, str) and thing.isdigit():
        return random.choice(("0" * len(thing), "9" * len(thing), "1".zfill(len(thing))))
    return thing


@pytest.mark.parametrize("quarter", [Q3, Quarter(9999, 4), Quarter(2003, 1)], ids=str)
def test_whatever_a_schema_accepts_is_judged(quarter: Quarter) -> None:
    accepted = 0
    for seed in range(150):
        random = Random(seed)
        declaration, known = made(seed % 5, 6)
        wrong = replace(shaken(declaration, random, 0.03), quarter=quarter, created=d("10-05"))
        _, violations = FORMS.violations(original(wrong))
        if not violations:
            accepted += 1
            judged(wrong, replace(known, rights={"0001": {}}))
    assert accepted > 40


def test_each_error_that_is_planted_is_in_the_catalogue() -> None:
    for planted in PLANTED.values():
        classes = {ANOMALIES.of(error_id).anomaly_class for error_id in planted.ids}
        assert ("B" in classes) == bool(planted.diagnosis)


@pytest.mark.parametrize(
    ("name", "expected", "diagnosis"),
    [
        ("DmfAOriginal.xml", ["90007-262"], ()),
        ("DmfAOriginal-wrong.xml", ["00045-014", "00015-007", "00085-044"], (3,)),
    ],
)
def test_an_example_ends_as_its_page_says(name: str, expected: list[str], diagnosis: tuple[int, ...]) -> None:
    body = (EXAMPLES / name).read_bytes()
    assert FORMS.violations(body)[1] == ()
    employer = Employer(NssoNumber("190000010"), None, ACTIVE)
    judgement = judge(
        dmfa.read(parse(body).find("Form")), Known(employer), business(datetime(2026, 11, 28, 12, tzinfo=BRUSSELS))
    )
    assert [one.error_id for one in judgement.anomalies] == expected
    assert judgement.diagnosis == diagnosis
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(error_id in page for error_id in expected)


def test_the_calendar_of_the_generator() -> None:
    assert week_days(d("07-01"), d("09-30")) * 100 == WORKED
