"""Quarters: against days counted one by one, and what is told against somebody who listens."""

from datetime import date, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from institutions.statuses.quarters import (
    QuarterError,
    Quarters,
    difference,
    first_day,
    last_day,
    quarter_of,
    quarters,
    read,
    written,
)
from schemas.period import Period

FIRST, LAST = date(2024, 1, 1), date(2027, 12, 31)
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
ALL = range(quarter_of(FIRST), quarter_of(LAST) + 1)
days = st.dates(FIRST, LAST)


@st.composite
def periods(draw):
    begin = draw(days)
    end = draw(st.none() | st.dates(begin, min(LAST, begin + timedelta(days=400))))
    return Period(begin, end)


def named(runs) -> set[int]:
    return {quarter for quarter in ALL for run in runs if run.first <= quarter <= (run.last or quarter)}


@given(days)
def test_a_quarter_has_its_days_and_a_name(day):
    quarter = quarter_of(day)
    assert first_day(quarter) <= day <= last_day(quarter)
    assert quarter_of(last_day(quarter) + timedelta(days=1)) == quarter + 1
    assert written(quarter) == f"{day.year}Q{(day.month + 2) // 3}"
    assert read(written(quarter)) == quarter


@pytest.mark.parametrize("text", ["2026/1", "2026Q5", "2026q1", "20261", "", "0026Q1"])
def test_what_is_no_quarter_is_refused(text):
    with pytest.raises(QuarterError):
        read(text)


@given(st.lists(periods(), max_size=5), st.sampled_from(["quarter", "year"]))
def test_a_status_holds_for_each_quarter_with_a_day_of_it_and_to_the_end_of_what_it_lasts(held, until):
    """By days: it holds on a day, or held before in the same year and lasts to its end."""
    expected = set()
    for quarter in ALL:
        since = date(first_day(quarter).year, 1, 1) if until == "year" else first_day(quarter)
        window = [day for day in DAYS if since <= day <= last_day(quarter)]
        if any(one.contains(day) for one in held for day in (window[0], window[-1], *_ends(one)) if day in window):
            expected.add(quarter)
    runs = quarters(held, until)
    assert named(runs) == expected
    assert all(later.first > earlier.last + 1 for earlier, later in pairwise(runs))


def _ends(one: Period) -> list[date]:
    return [one.begin] if one.end is None else [one.begin, one.end]


@pytest.mark.parametrize(
    ("begin", "end", "until", "expected"),
    [
        ("2026-05-12", "2026-05-12", "quarter", ["2026Q2", "2026Q2"]),
        ("2026-05-12", "2026-05-12", "year", ["2026Q2", "2026Q4"]),
        ("2026-03-31", "2026-04-01", "quarter", ["2026Q1", "2026Q2"]),
        ("2025-12-31", "2026-01-01", "year", ["2025Q4", "2026Q4"]),
        ("2026-01-01", None, "year", ["2026Q1", None]),
    ],
)
def test_edges_of_quarters(begin, end, until, expected):
    [run] = quarters([Period.parse(begin, end)], until)
    assert [written(run.first), run.last and written(run.last)] == expected


@given(st.lists(st.lists(periods(), max_size=4), max_size=6))
def test_who_listens_knows_what_holds(history):
    """Each step's changes, applied by reference, give what holds; what goes on keeps its reference."""
    heard: dict = {}
    for held in history:
        after = quarters(held, "quarter")
        changes = difference(heard, after, uuid4)
        for change in changes:
            before = heard.get(change.reference)
            assert (before is None) == (change.action == "CREATED")
            if before is not None:
                assert change.days.covers(before.days)
            assert change.days.covers(change.quarters.days)
            if change.action == "CANCELLED":
                assert heard.pop(change.reference) == change.quarters
            else:
                assert change.quarters != before
                heard[change.reference] = change.quarters
        assert sorted(heard.values(), key=lambda run: run.first) == list(after)
        assert difference(heard, after, uuid4) == ()


def run(first: str, last: str | None) -> Quarters:
    return Quarters(read(first), last and read(last))


@pytest.mark.parametrize(
    ("before", "after", "actions"),
    [
        ([], [("2026Q1", None)], ["CREATED"]),
        ([("2026Q1", None)], [("2026Q1", "2026Q2")], ["STOPPED"]),
        ([("2026Q1", "2026Q4")], [("2026Q1", "2026Q2")], ["STOPPED"]),
        ([("2026Q1", "2026Q2")], [("2026Q1", "2026Q3")], ["CHANGED"]),
        ([("2026Q1", "2026Q2")], [("2025Q4", "2026Q2")], ["CHANGED"]),
        ([("2026Q1", "2026Q2")], [], ["CANCELLED"]),
        ([("2025Q1", "2025Q1"), ("2025Q3", "2025Q3")], [("2025Q1", "2025Q3")], ["CHANGED", "CANCELLED"]),
        ([("2025Q1", "2025Q3")], [("2025Q1", "2025Q1"), ("2025Q3", "2025Q3")], ["STOPPED", "CREATED"]),
        ([("2024Q1", "2024Q1")], [("2026Q1", None)], ["CREATED", "CANCELLED"]),
    ],
)
def test_what_is_told_of_a_difference(before, after, actions):
    known = {uuid4(): run(*one) for one in before}
    assert [one.action for one in difference(known, [run(*one) for one in after], uuid4)] == actions
