"""The list of workers: whose, when, and equal to an oracle over random histories."""

from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from institutions.nsso.submission import InFile
from schemas.parser import MAX_ELEMENTS
from tests.institutions.nsso.ground import (
    BAKER,
    BREWER,
    CLOSED,
    COMPANIES,
    FORMS,
    MILLER,
    OWN,
    SECRETARIAT,
    TODAY,
    Desk,
    dimona_cancel,
    dimona_in,
    dimona_out,
    dimona_update,
    opened,
    question,
    submission,
)

DAY = timedelta(days=1)
OPEN_END = date(9999, 12, 31)
_turns = iter(range(10**6))


def named(name: str) -> list[tuple[str, str]]:
    return [("WorkerName", name), ("WorkerFirstName", "An"), ("WorkerBirthdate", "1980-01-01")]


async def test_a_list_is_the_employers_of_the_days_asked(desk: Desk, worker):
    far = TODAY + 1000 * DAY
    first = (await desk.say(dimona_in(worker, far, far + DAY, employer=MILLER))).period
    second = (await desk.say(dimona_in(worker, far + 5 * DAY, far + 6 * DAY, employer=MILLER))).period
    theirs = (await desk.say(dimona_in(worker, far, far, employer=BREWER), OWN)).period
    await desk.say(dimona_cancel(second))
    for begin, end, there in (
        (far - DAY, far - DAY, []),
        (far, far, [first]),
        (far + DAY, far + 5 * DAY, [first, second]),
        (far + 6 * DAY, far + 6 * DAY, [second]),
    ):
        answer = await desk.say(question(MILLER, begin, end))
        assert FORMS.violations(answer.handled.body)[1] == ()
        # Who works on without an end, of other tests, is there too.
        assert [one for one in answer.workers if one in (first, second, theirs)] == there
    cancelled = answer.form.find(f".//DimonaPeriod[DimonaPeriodId='{second}']")
    assert (cancelled.findtext("IsCancelled"), cancelled.findtext("NaturalPerson/INSS")) == ("1", worker.digits)
    assert answer.form.findtext(".//PersonnelFileConsult/CompanyID") == str(COMPANIES[MILLER])
    assert (answer.handled.form, answer.result, answer.handled.ticket) == (
        "PersonnelFileConsultationAnswer",
        "ACCEPTED",
        "",
    )


async def test_none_is_an_answer_and_no_days_are_today(desk: Desk):
    answer = await desk.say(question(CLOSED))
    assert (answer.workers, answer.form.findtext(".//ResultCodeResearch")) == ([], "1")
    assert answer.form.findtext(".//RefStartingDate") == answer.form.findtext(".//RefEndingDate") == str(TODAY)
    assert FORMS.violations(answer.handled.body)[1] == ()


async def test_what_is_wrong_with_a_question(desk: Desk):
    for body, told in (
        (question(BREWER), ["90256-155"]),
        (question(None, company=COMPANIES[BREWER]), ["90256-155"]),
        (question(BAKER, TODAY, TODAY - DAY), ["00075-014"]),
        (question(BAKER, created=TODAY + DAY), ["00218-003"]),
        (question(BAKER, company=COMPANIES[BREWER]), ["00014-022"]),
        (question(None), ["90256-001"]),
    ):
        answer = await desk.say(body)
        assert (answer.handled.form, answer.result, answer.ids) == ("NOTIFICATION", "REFUSED", told)


async def test_a_list_in_a_group_has_what_the_forms_before_it_did(desk: Desk, worker):
    far = TODAY + 2000 * DAY
    forms = [
        submission(question(MILLER, far, far)),
        submission(dimona_in(worker, far, far, employer=MILLER)),
        submission(question(MILLER, far, far)),
    ]
    before, declared, after = await desk.hand(*forms)
    assert declared.period not in before.workers
    assert declared.period in after.workers


async def test_what_exceeds_a_quota_and_what_was_late_is_in_the_list(desk: Desk, worker):
    periods = [
        (
            await desk.say(
                dimona_in(worker, date(2026, 12, day), date(2026, 12, day), kind="STU", planned=400, employer=MILLER)
            )
        ).period
        for day in (1, 2)
    ]
    late = (await desk.say(dimona_in(worker, TODAY - DAY, TODAY - DAY, employer=MILLER))).period
    answer = await desk.say(question(MILLER, TODAY - DAY, date(2026, 12, 2), quotas=True))
    assert FORMS.violations(answer.handled.body)[1] == ()
    found = {one.findtext("DimonaPeriodId"): one for one in answer.form.iter("DimonaPeriod")}
    assert [found[one].findtext("QuotaFeatures/ExceedingHoursNbr") for one in periods] == ["0", "200"]
    assert [one.text for one in found[periods[1]].iter("ErrorID")] == ["90373-369"]
    assert (found[late].findtext("IsLate"), found[late].findtext("AnomalyClass")) == ("1", "NP")


async def test_a_list_too_long_for_the_line_is_answered_in_a_file(postgresql):
    async with opened(postgresql) as (desk,):
        count = MAX_ELEMENTS // 10
        for turn in range(0, count, 200):
            forms = [submission(dimona_in(None, TODAY, said=named(f"W{turn + one}"))) for one in range(200)]
            assert {answer.result for answer in await desk.hand(*forms)} == {"TO_VALIDATE"}
        assert (await desk.say(question())).ids == ["90426-172"]
        file = InFile("GO.PFRQ.123456.20261125.00001.R.1", 1, "3500000000000", 3)
        (whole,) = await desk.hand(submission(question(), file=file))
        assert len(whole.handled.body.split(b"<DimonaPeriod>")) == count + 1


# --- any history, any day ---------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["in", "in", "out", "update", "cancel"]),
        st.integers(0, 3),
        st.integers(0, 9),
        st.none() | st.integers(0, 9),
    ),
    max_size=14,
)


@given(steps=STEPS)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
async def test_a_list_is_what_the_history_says(desk: Desk, steps) -> None:
    """The oracle reads the answers alone: what was accepted, and the days before and after."""
    turn, start = next(_turns), TODAY + 3000 * DAY
    known: dict[str, tuple[date, date | None, bool]] = {}
    for kind, place, begin, end in steps:
        last = None if end is None else start + end * DAY
        if kind == "in":
            body = dimona_in(None, start + begin * DAY, last, employer=MILLER, said=named(f"H{turn}-{place}"))
        elif not known:
            continue
        else:
            period = sorted(known)[place % len(known)]
            if kind == "out":
                body = dimona_out(period, start + begin * DAY)
            elif kind == "update":
                body = dimona_update(period, start + begin * DAY if begin % 2 else None, last or OPEN_END)
            else:
                body = dimona_cancel(period)
        answer = await desk.say(body)
        if answer.result == "REFUSED":
            continue
        after = answer.form.find(".//DimonaPeriodAfter")
        if after is None:
            known[answer.period] = (*known[answer.period][:2], True)
        else:
            ending = after.findtext("EndingDate")
            days = date.fromisoformat(after.findtext("StartingDate")), ending and date.fromisoformat(ending)
            known[answer.period] = (*days, False)
    for number in range(11):
        day = start + number * DAY
        answer = await desk.say(question(MILLER, day, day), SECRETARIAT)
        listed = {
            one.findtext("DimonaPeriodId"): one.findtext("IsCancelled")
            for one in answer.form.iter("DimonaPeriod")
            if one.findtext("DimonaPeriodId") in known
        }
        assert listed == {
            period: str(int(cancelled))
            for period, (begin, end, cancelled) in known.items()
            if begin <= day and (end is None or day <= end)
        }
