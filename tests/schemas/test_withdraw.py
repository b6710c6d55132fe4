"""What a mutation added: taken out, or followed by a later one; held against days counted one by one."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.dossier import Line, follow, normal, withdraw
from schemas.period import Period

FIRST = date(2026, 1, 1)
SPANS = st.tuples(st.integers(0, 20), st.integers(0, 8)).map(
    lambda span: Period(FIRST + timedelta(span[0]), FIRST + timedelta(span[0] + span[1]))
)
LINES = st.lists(st.builds(Line, st.sampled_from((1, 2)), st.none(), SPANS), max_size=4)


def days(lines):
    return {
        (line.quality, line.period.begin + timedelta(n))
        for line in lines
        for n in range(((line.period.end or FIRST) - line.period.begin).days + 1)
    }


@given(LINES, LINES, LINES)
def test_the_days_that_nobody_else_wants_go_and_the_others_are_theirs(there, added, wanted):
    made = [line for line in added if not days([line]) & days(there)]
    before = normal((*there, *made))
    after, moved = withdraw(before, made, wanted)
    assert days(after) == days(before) - (days(made) - days(wanted))
    assert days(moved) == days(made) & days(wanted)


@given(LINES, LINES, LINES, SPANS)
def test_what_it_added_follows_what_it_wants_now(there, added, wanted, period):
    made = [line for line in added if not days([line]) & days(there)]
    before = normal((*there, *made))
    line = Line(1, None, period)
    after, made_now, moved = follow(before, made, wanted, line)
    given_up = days(made) - days([line])
    assert days(after) == days(before) - (given_up - days(wanted)) | days([line])
    assert days(moved) == given_up & days(wanted)
    assert days(made_now) == (days(made) & days([line])) | (days([line]) - days(before))
    assert days(there) <= days(after)


def test_what_had_no_end_is_cut_behind_its_end_and_opened_again():
    known, ended = Line(1, None, Period(FIRST, None)), Line(1, None, Period(FIRST, FIRST + timedelta(9)))
    assert follow([known], [known], [], ended) == ((ended,), (ended,), ())
    assert follow([ended], [ended], [], known) == ((known,), (known,), ())


def test_days_that_its_own_institution_took_out_meanwhile_are_added_again():
    line = Line(1, None, Period(FIRST, FIRST + timedelta(9)))
    assert follow([], [line], [], line) == ((line,), (line,), ())


def test_what_has_no_end_is_taken_out_to_its_end():
    added = Line(1, None, Period(FIRST, None))
    own = Line(1, None, Period(FIRST - timedelta(9), FIRST - timedelta(1)))
    assert withdraw(normal((own, added)), [added], []) == ((own,), ())
