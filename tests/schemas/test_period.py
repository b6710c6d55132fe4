"""Periods, held against the sets of their days."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import period as module
from schemas.period import BRUSSELS, Period, PeriodError, merge, today

_FIRST = date(2024, 2, 20)  # so that 29 February lies within
_LAST = 14

#: After every day that has a number: in an open period, and in no other.
FOREVER = _LAST + 10


def days(period):
    """The days of a period as numbers from `_FIRST`, FOREVER among them where it goes on."""
    begin = (period.begin - _FIRST).days
    return set(range(begin, FOREVER + 1)) if period.end is None else set(range(begin, (period.end - _FIRST).days + 1))


def day(number):
    return _FIRST + timedelta(days=number)


def p(begin, end):
    return Period(day(begin), None if end is None else day(end))


@st.composite
def periods(draw):
    begin = draw(st.integers(0, _LAST))
    return p(begin, draw(st.none() | st.integers(begin, _LAST)))


@given(periods(), st.integers(-2, FOREVER - 1))
def test_a_period_contains_its_days(period, number):
    assert period.contains(day(number)) == (number in days(period))


@pytest.mark.parametrize(("number", "contained"), [(4, False), (5, True), (8, True), (9, False)])
def test_both_ends_are_days_of_the_period(number, contained):
    assert p(5, 8).contains(day(number)) is contained


@pytest.mark.parametrize(("number", "contained"), [(4, False), (5, True), (9, True), (9_000, True)])
def test_an_open_period_goes_on(number, contained):
    assert p(5, None).contains(day(number)) is contained


@given(periods(), periods())
def test_a_period_covers_another_where_it_has_all_its_days(one, other):
    assert one.covers(other) == (days(one) >= days(other))


@given(periods(), periods())
def test_periods_overlap_where_they_have_a_day_in_common(one, other):
    assert one.overlaps(other) == bool(days(one) & days(other))


@given(periods(), periods())
def test_periods_adjoin_where_they_share_no_day_and_together_leave_none_out(one, other):
    together = days(one) | days(other)
    whole = max(together) - min(together) + 1 == len(together)
    assert one.adjoins(other) == (not one.overlaps(other) and whole)


@pytest.mark.parametrize("open_", [False, True])
def test_a_period_adjoins_the_one_that_begins_the_day_after(open_):
    later = p(9, None if open_ else 12)
    assert p(5, 8).adjoins(later)
    assert later.adjoins(p(5, 8))
    assert not p(5, 7).adjoins(later)
    assert not p(5, 9).adjoins(later)


def test_only_an_open_period_covers_an_open_one():
    assert p(1, None).covers(p(2, None))
    assert not p(1, 13).covers(p(2, None))


@given(st.lists(periods(), max_size=8))
def test_merged_periods_have_the_same_days_in_as_few_periods_as_there_can_be(given_):
    merged = merge(given_)
    assert set().union(*(days(one) for one in merged)) == set().union(*(days(one) for one in given_))
    for earlier, later in pairwise(merged):
        assert earlier.begin < later.begin
        assert not earlier.overlaps(later)
        assert not earlier.adjoins(later)


@given(st.lists(periods(), max_size=8).flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))))
def test_the_order_in_which_periods_are_given_does_not_matter(given_):
    assert merge(given_[0]) == merge(given_[1])


def test_the_last_day_of_the_calendar_is_no_special_one():
    last = Period(date.max, date.max)
    assert last.contains(date.max)
    assert merge([last, Period(date.max - timedelta(days=1), date.max - timedelta(days=1))])[0].end == date.max
    assert not last.adjoins(last)


def test_one_day_is_a_period():
    assert days(p(3, 3)) == {3}


def test_a_period_turned_round_is_refused():
    with pytest.raises(PeriodError, match="turned round"):
        p(3, 2)


@pytest.mark.parametrize("end", [None, ""])
def test_a_period_without_end_is_read_as_open(end):
    assert Period.parse("2024-02-20", end) == p(0, None)


def test_a_period_is_read_from_two_dates():
    assert Period.parse("2024-02-20", "2024-02-29") == p(0, 9)
    assert str(p(0, 9)) == "2024-02-20/2024-02-29"
    assert str(p(0, None)) == "2024-02-20/.."


@pytest.mark.parametrize(
    "text",
    ["", "2024", "20240220", "2024-2-20", "2023-02-29", "2024-02-30", "0000-01-01", "2024-02-20T00:00", " 2024-02-20",
     "20-02-2024", "2024-W08-2", "2024-02-20Z", "٢٠٢٤-٠٢-٢٠", "2024-02-20\n"],
)  # fmt: skip
@pytest.mark.parametrize("which", ["begin", "end"])
def test_what_is_no_day_of_the_calendar_is_refused(text, which):
    if which == "end" and not text:
        return
    with pytest.raises(PeriodError, match=f"the {which} is no date.*YYYY-MM-DD"):
        Period.parse(*((text, None) if which == "begin" else ("2024-01-01", text)))


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2024, 6, 30, 21, 59, tzinfo=UTC), date(2024, 6, 30)),
        (datetime(2024, 6, 30, 22, 0, tzinfo=UTC), date(2024, 7, 1)),
        (datetime(2024, 12, 31, 22, 59, tzinfo=UTC), date(2024, 12, 31)),
        (datetime(2024, 12, 31, 23, 0, tzinfo=UTC), date(2025, 1, 1)),
    ],
    ids=["summer, before midnight", "summer, midnight", "winter, before midnight", "winter, midnight"],
)
def test_today_is_the_day_in_belgium(monkeypatch, instant, expected):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return instant.astimezone(tz)

    monkeypatch.setattr(module, "datetime", Clock)
    assert today() == expected
    assert BRUSSELS.key == "Europe/Brussels"
