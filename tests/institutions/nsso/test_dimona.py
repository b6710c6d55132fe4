"""Dimona's rules: of each the least form that breaks it, and the nearest that does not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from institutions.nsso.dimona.dimona import Situation, read
from institutions.nsso.dimona.judging import judge
from institutions.nsso.dimona.rules import quotas
from institutions.nsso.moment import business
from institutions.nsso.register import Employer
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.declarations.number import PeriodId
from schemas.parser import parse
from schemas.period import BRUSSELS, Period
from schemas.ssin import check_digits
from tests.institutions.nsso.ground import (
    ACTIVE,
    BAKER,
    BREWER,
    COMPANIES,
    FORMS,
    LONG_AGO,
    NOON,
    TODAY,
    block,
    dimona_cancel,
    dimona_in,
    dimona_out,
    dimona_update,
    message,
    person,
)

BAKERY = Employer(BAKER, COMPANIES[BAKER], ACTIVE, frozenset({"DWD"}))
BREWERY = Employer(BREWER, COMPANIES[BREWER], ACTIVE)
WORKER, OTHER = person(1), person(2)
ID = PeriodId.of(6_100_000_000)
OPEN_END = date(9999, 12, 31)
NAMED = [("WorkerName", "Peeters"), ("WorkerFirstName", "An"), ("WorkerBirthdate", "1980-01-01")]
DAY = timedelta(days=1)


def say(**more):
    return more


def d(text: str) -> date:
    """A day of 2026, `11-25`, or of any year."""
    return date.fromisoformat(text if len(text) == 10 else f"2026-{text}")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=BRUSSELS)


def judged(body: bytes, period: DimonaPeriod | None = None, others: Sequence[DimonaPeriod] = (), **more):
    """By a sender with a mandate, of a form that its schema accepts."""
    _, violations = FORMS.violations(body)
    assert violations == (), violations
    dimona = read(parse(body).find("Form"))
    assert not isinstance(dimona, Anomaly)
    named = more.pop("employer", BAKERY if dimona.kind == "IN" else None)
    situation = Situation(named, named is not None, period, more.pop("owner", BAKERY), others, ID)
    return judge(dimona, situation, business(more.pop("received", NOON)))


def ids(body: bytes, period: DimonaPeriod | None = None, others: Sequence[DimonaPeriod] = (), **more) -> list[str]:
    return [one.error_id for one in judged(body, period, others, **more).anomalies]


def kept(body: bytes, **more) -> DimonaPeriod:
    """The period that an IN makes."""
    judgement = judged(body, **more)
    assert judgement.kept is not None, judgement.anomalies
    return judgement.kept


def known(start: date = TODAY, end: date | None = None, number: int = 6_100_000_001, **more) -> DimonaPeriod:
    """A period that is there."""
    received = datetime.combine(start, NOON.timetz())
    worker = more.pop("worker", WORKER)
    return replace(
        kept(dimona_in(worker, start, end, created=d("2026-01-01"), **more), received=received), id=PeriodId.of(number)
    )


EXTRA = {"kind": "EXT", "committee": "302"}
FLEXI = {"kind": "FLX", "committee": "302"}
STUDENT = {"kind": "STU", "planned": 8}


# --- an IN alone: what breaks a rule, what it is told, and the nearest that does not ---------------------------------

IN_RULES = {
    "creation to come": (say(created=TODAY + DAY), ["00218-003"], say(created=TODAY)),
    "creation of two years ago": (say(created=d("2024-12-31")), ["00218-003"], say(created=d("2025-01-01"))),
    "number of a person": (say(worker="80010100101"), ["00024-004"], say(worker=WORKER)),
    "number with month 99": (say(worker="80990100100"), ["00024-004"], say(worker=WORKER)),
    "end before start": (say(end=TODAY - DAY), ["00911-014"], say(end=TODAY)),
    "end hour before start hour": (
        say(end=TODAY, hours=("1200", "1159")),
        ["00911-014"],
        say(end=TODAY, hours=("1200", "1201")),
    ),
    "hours that are none": (say(end=TODAY, hours=("1200", "1200")), ["00911-014"], say(hours=("1200", None))),
    "a start too far ahead": (say(start=d("2036-01-01")), ["00910-003"], say(start=d("2035-12-31"))),
    "nobody": (say(worker=None), ["90017-363"], say(worker=None, said=NAMED)),
    "a number 0 and a name": (say(worker="0", said=NAMED[:2]), ["90017-363"], say(worker="0", said=NAMED)),
    "a blank name": (say(worker=None, said=[("WorkerName", " "), *NAMED[1:]]), ["90017-363"], say(said=NAMED)),
    "another birth date": (
        say(said=[("WorkerBirthdate", "1980-01-02")]),
        ["00024-348"],
        say(said=[("WorkerBirthdate", "1980-01-01")]),
    ),
    "type forbidden": (say(kind="DWD"), ["00655-350"], say(kind="OTH")),
    "late by a day": (say(start=TODAY - DAY), ["90373-460"], say(start=TODAY)),
    "late by a minute": (say(hours=("1159", None)), ["90373-460"], say(hours=("1200", None))),
    "O17 16 days ahead": (
        say(kind="O17", planned=5, start=d("12-11"), end=d("12-11")),
        ["00910-003"],
        say(kind="O17", planned=5, start=d("12-10"), end=d("12-10")),
    ),
    "T17 16 days ahead": (say(kind="T17", start=d("12-11")), ["00910-003"], say(kind="T17", start=d("12-10"))),
    "a student in two quarters": (
        say(**STUDENT, start=d("12-31"), end=d("2027-01-01")),
        ["90373-421"],
        say(**STUDENT, start=d("12-30"), end=d("12-31")),
    ),
    "an O17 without an end": (say(kind="O17", planned=5), ["90373-421"], say(kind="T17")),
    "a student without hours": (say(kind="STU", end=TODAY), ["01135-001"], say(**STUDENT, end=TODAY)),
    "hours of who may have none": (say(planned=8), ["01135-005"], {}),
    "casual without a number": (
        say(**EXTRA, worker=None, said=NAMED, end=TODAY, hours=("1200", "1300")),
        ["00024-001"],
        say(**EXTRA, end=TODAY, hours=("1200", "1300")),
    ),
    "casual without hours": (say(**EXTRA, end=TODAY), ["00777-001", "00778-001"], say(end=TODAY)),
    "casual for more than 24 hours": (
        say(**EXTRA, end=TODAY + DAY, hours=("1200", "1201")),
        ["90373-341"],
        say(**EXTRA, end=TODAY + DAY, hours=("1200", "1200")),
    ),
    "casual on three days": (
        say(**EXTRA, end=TODAY + 2 * DAY, hours=("2300", "0100")),
        ["00910-459"],
        say(**EXTRA, end=TODAY + DAY, hours=("2300", "0100")),
    ),
    "flexi of one day without hours": (
        say(**FLEXI, end=TODAY),
        ["00777-001", "00778-001"],
        say(**FLEXI, end=TODAY + DAY),
    ),
    **{
        f"no end of {kind}": (
            say(kind=kind, planned=8 if kind == "STU" else None),
            ["00911-001"],
            say(kind=kind, planned=8 if kind == "STU" else None, end=TODAY),
        )
        for kind in ("STU", "IVT", "TRI", "STG")
    },
    "casual without an end": (
        say(**EXTRA, hours=("1200", None)),
        ["00778-001", "00911-001"],
        say(**EXTRA, end=TODAY, hours=("1200", "1300")),
    ),
    "an end hour without an end": (say(hours=(None, "1300")), ["00911-001"], say(end=TODAY, hours=(None, "1300"))),
    "interim without an end": (
        say(committee="322", user=str(COMPANIES[BREWER])),
        ["00911-001"],
        say(committee="322", user=str(COMPANIES[BREWER]), end=TODAY),
    ),
    "interim without a user": (
        say(committee="322", end=TODAY),
        ["90107-001"],
        say(committee="322", user=str(COMPANIES[BREWER]), end=TODAY),
    ),
    "a user without interim": (say(user=str(COMPANIES[BREWER])), ["90107-005"], {}),
    "a user's number": (
        say(committee="322", user="0123456789", end=TODAY),
        ["00131-004"],
        say(committee="322", user="0", end=TODAY),
    ),
}


@pytest.mark.parametrize("rule", IN_RULES)
def test_an_in_and_the_nearest_that_is_right(rule: str) -> None:
    wrong, told, right = IN_RULES[rule]
    assert ids(dimona_in(**{"worker": WORKER, **wrong})) == told
    assert ids(dimona_in(**{"worker": WORKER, **right})) == []


def test_flexi_not_more_than_31_days_before_the_quarter() -> None:
    assert ids(dimona_in(WORKER, d("2027-01-15"), **FLEXI), received=at("11-30T12:00")) == ["00910-003"]
    assert ids(dimona_in(WORKER, d("2027-01-15"), **FLEXI, created=d("11-30")), received=at("12-01T12:00")) == []


def test_a_start_too_long_ago() -> None:
    ever = replace(BAKERY, active=Period(d("1900-01-01"), None))
    assert ids(dimona_in(WORKER, d("1919-12-31")), employer=ever) == ["00910-003", "90373-460"]
    assert ids(dimona_in(WORKER, d("1920-01-01")), employer=ever) == ["90373-460"]


def test_the_employer_is_active_on_each_day() -> None:
    closing = replace(BAKERY, active=Period(LONG_AGO, TODAY))
    assert ids(dimona_in(WORKER), employer=closing) == ["90373-343"]
    assert ids(dimona_in(WORKER, end=TODAY + DAY), employer=closing) == ["90373-343"]
    assert ids(dimona_in(WORKER, end=TODAY), employer=closing) == []


def test_who_is_only_named_is_kept_to_be_validated() -> None:
    period = kept(dimona_in(None, said=NAMED))
    assert (period.worker.ssin, dict(period.worker.said)) == (None, dict(NAMED))


def test_without_a_birth_date_in_the_number_none_is_compared() -> None:
    unknown = "800000001" + check_digits("800000001", born_2000=False)
    assert ids(dimona_in(unknown, said=[("WorkerBirthdate", "1980-01-02")])) == []


def test_what_does_not_block_is_marked() -> None:
    period = kept(dimona_in(WORKER, TODAY - DAY, said=[("WorkerBirthdate", "1980-01-02")]))
    assert (period.late, period.error_ids) == (True, ("00024-348", "90373-460"))


def test_all_that_is_wrong_is_told() -> None:
    found = ids(dimona_in("80010100101", d("1919-01-01"), kind="STU", created=TODAY + DAY))
    assert found == [
        "00218-003",
        "00024-004",
        "00910-003",
        "90373-343",
        "90373-460",
        "01135-001",
        "00911-001",
    ]


# --- beside others ----------------------------------------------------------------------------------------------------

SHIFT = say(**EXTRA, start=TODAY, end=TODAY, hours=("1300", "1700"))
CLASHES = [
    (say(), known(), ["90373-333"]),
    (say(sub_entity=7), known(), ["90373-334"]),
    (say(start=TODAY + DAY), known(), ["90373-334"]),
    (say(start=TODAY + DAY), known(TODAY, TODAY), []),
    (say(), known(TODAY - 9 * DAY, TODAY - DAY), []),
    (say(), known(TODAY - 9 * DAY, TODAY), ["90373-334"]),
    (say(), replace(known(), cancelled=True), []),
    (say(), replace(known(), employer=BREWER), []),
    (say(committee="124"), known(), []),
    (say(**STUDENT, end=TODAY), known(), []),
    (SHIFT, known(), ["90373-336"]),
    (say(), known(**SHIFT), ["90373-337"]),
    (SHIFT, known(**SHIFT), ["90373-333"]),
    (SHIFT | say(hours=("1659", "1800")), known(**SHIFT), ["90373-334"]),
    (SHIFT | say(hours=("1700", "1800")), known(**SHIFT), []),
    (SHIFT | say(start=TODAY + DAY, end=TODAY + DAY), known(**SHIFT), []),
    (say(**FLEXI, end=TODAY, hours=("1300", "1700")), known(TODAY, TODAY + DAY, **FLEXI), ["90373-336"]),
    (say(**FLEXI, end=TODAY + DAY), known(TODAY, TODAY, hours=("1300", "1700"), **FLEXI), ["90373-337"]),
]


@pytest.mark.parametrize("place", range(len(CLASHES)))
def test_an_in_beside_what_the_person_has(place: int) -> None:
    said, there, told = CLASHES[place]
    assert ids(dimona_in(**{"worker": WORKER, **said}), others=[there]) == told


@pytest.mark.parametrize("kind", ["STU", "O17", "S17"])
def test_planned_hours_over_the_years_quota_are_told_and_accepted(kind: str) -> None:
    quota = quotas()[kind]
    there = [
        replace(known(d(f"{month}-01"), d(f"{month}-28"), kind=kind, planned=quota // 2), employer=employer)
        for month, employer in (("02", BAKER), ("03", BREWER))
    ]
    last_year = replace(
        there[0], span=replace(there[0].span, starting_date=d("2025-12-01"), ending_date=d("2025-12-02"))
    )
    cancelled = replace(there[0], cancelled=True)
    form = dimona_in(WORKER, TODAY, TODAY, kind=kind, planned=1)
    assert ids(form, others=[*there, last_year, cancelled]) == ["90373-369"]
    assert judged(form, others=there).kept.exceeding == 1
    assert ids(form, others=[there[0], last_year, cancelled, known(TODAY + DAY)]) == []


# --- OUT, UPDATE, CANCEL ----------------------------------------------------------------------------------------------

OPENED, CLOSED = known(d("11-02")), known(d("11-02"), d("11-24"))
AHEAD = known(d("12-07"), d("12-11"))
STATES = [
    (dimona_out(OPENED.id, TODAY), OPENED, []),
    (dimona_out(OPENED.id, TODAY), None, ["00913-354"]),
    (dimona_out("610000000092", TODAY), None, ["00913-004"]),
    (dimona_out(OPENED.id, TODAY), replace(OPENED, cancelled=True), ["00913-355"]),
    (dimona_out(CLOSED.id, TODAY), CLOSED, ["00913-356"]),
    (dimona_out(OPENED.id, TODAY), replace(OPENED, blocked=True), ["00913-357"]),
    (dimona_out(OPENED.id, TODAY), replace(OPENED, locked=True), ["00913-362"]),
    (dimona_out(OPENED.id, d("11-01")), OPENED, ["00911-014"]),
    (dimona_out(OPENED.id, OPEN_END), OPENED, ["00911-003"]),
    (dimona_update(OPENED.id, end=TODAY), OPENED, ["00913-359"]),
    (dimona_update(OPENED.id, end=OPEN_END), OPENED, []),
    (dimona_update(CLOSED.id, end=TODAY), CLOSED, []),
    (dimona_update(CLOSED.id, end=TODAY), replace(CLOSED, cancelled=True), ["00913-355"]),
    (dimona_update(CLOSED.id, end=TODAY), replace(CLOSED, blocked=True), ["00913-357"]),
    (dimona_update(CLOSED.id, end=TODAY), replace(CLOSED, locked=True), ["00913-362"]),
    (dimona_update(CLOSED.id, end=d("11-01")), CLOSED, ["00911-014"]),
    (dimona_update(CLOSED.id, planned=3), CLOSED, ["01135-005"]),
    (dimona_cancel(AHEAD.id), AHEAD, []),
    (dimona_cancel(AHEAD.id), replace(AHEAD, cancelled=True), ["00913-355"]),
    (dimona_cancel(AHEAD.id), replace(AHEAD, locked=True), ["00913-362"]),
    (dimona_cancel(AHEAD.id, worker=OTHER), AHEAD, ["00024-022"]),
    (dimona_cancel(AHEAD.id, worker=WORKER), AHEAD, []),
    (dimona_out(OPENED.id, TODAY, worker=OTHER), OPENED, ["00024-022"]),
]


@pytest.mark.parametrize("place", range(len(STATES)))
def test_what_may_be_done_to_a_period(place: int) -> None:
    body, period, told = STATES[place]
    assert ids(body, period) == told


def test_an_employer_beside_the_periods_own() -> None:
    assert ids(dimona_cancel(AHEAD.id, employer=BREWER), AHEAD, employer=BREWERY) == ["90256-022"]
    assert ids(dimona_cancel(AHEAD.id, employer=BAKER), AHEAD, employer=BAKERY) == []


#: 11-25 is a Wednesday, 11-27 a Friday, 11-30 a Monday; 11-11 a holiday, a Wednesday.
LATENESS = [
    (dimona_out(OPENED.id, d("11-24")), OPENED, "11-25T23:59", False),
    (dimona_out(OPENED.id, d("11-24")), OPENED, "11-26T00:00", True),
    (dimona_out(OPENED.id, d("11-27")), OPENED, "11-30T12:00", False),
    (dimona_out(OPENED.id, d("11-10")), OPENED, "11-12T12:00", False),
    (dimona_out(OPENED.id, d("11-10")), OPENED, "11-13T12:00", True),
    (dimona_update(AHEAD.id, start=d("12-04")), AHEAD, "12-04T12:00", False),
    (dimona_update(AHEAD.id, start=d("12-04")), AHEAD, "12-05T12:00", True),
    (dimona_update(AHEAD.id, start=d("12-08")), AHEAD, "12-20T12:00", False),
    (dimona_update(AHEAD.id, start=d("12-04"), hours=("1200", None)), AHEAD, "12-04T12:00", False),
    (dimona_update(AHEAD.id, start=d("12-04"), hours=("1200", None)), AHEAD, "12-04T12:01", True),
    (dimona_update(AHEAD.id, end=d("12-09")), AHEAD, "12-10T12:00", False),
    (dimona_update(AHEAD.id, end=d("12-09")), AHEAD, "12-11T12:00", True),
    (dimona_update(AHEAD.id, end=d("12-18")), AHEAD, "12-14T12:00", False),
    (dimona_update(AHEAD.id, end=d("12-18")), AHEAD, "12-15T12:00", True),
    (dimona_update(AHEAD.id, end=OPEN_END), AHEAD, "12-14T12:00", False),
    (dimona_update(AHEAD.id, end=OPEN_END), AHEAD, "12-15T12:00", True),
    (dimona_cancel(AHEAD.id), AHEAD, "12-07T23:59", False),
    (dimona_cancel(AHEAD.id), AHEAD, "12-08T00:00", True),
]


@pytest.mark.parametrize("place", range(len(LATENESS)))
def test_the_last_moment_of_each_declaration(place: int) -> None:
    body, period, received, late = LATENESS[place]
    judgement = judged(body, period, received=at(received))
    assert [one.error_id for one in judgement.anomalies] == (["90373-460"] if late else [])
    assert judgement.kept is not None
    assert judgement.kept.late is late


def test_an_update_says_what_it_says_and_the_rest_stays() -> None:
    there = known(TODAY, TODAY, **EXTRA, hours=("1300", "1700"))
    after = judged(dimona_update(there.id, hours=("1200", None)), there).kept
    assert after == replace(there, span=replace(there.span, starting_hour="1200"), updated=NOON)
    reopened = judged(dimona_update(CLOSED.id, end=OPEN_END), CLOSED).kept
    assert (reopened.span.ending_date, reopened.span.ending_hour) == (None, None)


def test_an_update_does_not_make_light_of_full_nor_overlap() -> None:
    day = known(TODAY, TODAY, hours=("1300", "1700"), **FLEXI)
    assert ids(dimona_update(day.id, end=TODAY + DAY), day) == ["90373-338"]
    assert ids(dimona_update(day.id, hours=(None, "1800")), day) == []
    later = known(TODAY + DAY, number=6_100_000_002)
    assert ids(dimona_update(CLOSED.id, end=TODAY + DAY), CLOSED, others=[CLOSED, later]) == ["90373-334"]
    assert ids(dimona_update(CLOSED.id, end=TODAY), CLOSED, others=[CLOSED, later]) == []


def test_an_out_does_not_make_light_of_full() -> None:
    flexi = known(TODAY, **FLEXI)
    assert ids(dimona_out(flexi.id, TODAY), flexi) == ["90373-338"]
    assert ids(dimona_out(flexi.id, TODAY + DAY), flexi) == []
    assert ids(dimona_out(known().id, TODAY), known()) == []


def test_an_update_that_takes_the_hours_back_takes_the_mark_too() -> None:
    there = known(d("02-01"), d("02-28"), kind="STU", planned=quotas()["STU"] - 1, number=6_100_000_002)
    late = replace(known(TODAY, TODAY, kind="STU", planned=1), late=True, error_ids=("90373-460",))
    beyond = judged(dimona_update(late.id, planned=2), late, [late, there]).kept
    assert (beyond.error_ids, beyond.exceeding) == (("90373-460", "90373-369"), 1)
    within = judged(dimona_update(late.id, planned=1), beyond, [beyond, there])
    assert within.anomalies == ()
    # What was late stays so.
    assert (within.kept.error_ids, within.kept.exceeding) == (("90373-460",), 0)


def test_an_update_and_an_employer_that_closed() -> None:
    closing = replace(BAKERY, active=Period(d("11-10"), d("11-25")))
    assert ids(dimona_update(CLOSED.id, end=TODAY + DAY), CLOSED, owner=closing) == ["90373-343"]
    # What becomes shorter was let in before.
    assert ids(dimona_update(AHEAD.id, end=d("12-10")), AHEAD, owner=closing) == []


def test_a_cancelled_period_stays_known_as_cancelled() -> None:
    judgement = judged(dimona_cancel(AHEAD.id), AHEAD)
    assert judgement.change is not None
    assert (judgement.change.before, judgement.change.after) == (AHEAD, None)
    assert judgement.kept == replace(AHEAD, cancelled=True, updated=NOON)


def test_what_is_no_declaration_taken_here() -> None:
    daily = message(block("DailyRegistrationDeclaration", ("AttestationStatus", 0)))
    for body, told in ((daily, "90480-082"), (message(""), "90059-134")):
        assert FORMS.violations(body)[1] == ()
        found = read(parse(body).find("Form"))
        assert isinstance(found, Anomaly)
        assert found.error_id == told


def test_comments_and_zeros_do_not_matter() -> None:
    body = dimona_in(WORKER).replace(f"<StartingDate>{TODAY}".encode(), b"<StartingDate>2026-<!-- x -->11-25")
    body = body.replace(b"<NOSSRegistrationNbr>", b"<NOSSRegistrationNbr>+000")
    assert ids(body) == []
    assert kept(body).span.starting_date == TODAY
    out = dimona_out(OPENED.id, TODAY).replace(b"<DimonaPeriodId>", b"<DimonaPeriodId>" + b"0" * 5000)
    assert ids(out, OPENED) == []
