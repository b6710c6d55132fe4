"""The person check, held against a check of day by day, and the edges of every rule it has.

Days are numbers, as in `test_period`: FOREVER stands for all that come after the last day with a number.
"""

from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.address import Address
from schemas.employer import EnterpriseNumber
from schemas.integration import (
    DEFINITIVE,
    PROVISIONAL,
    REPLACED,
    Integration,
    Opening,
    PeriodRuleError,
    check_person,
    nearest_miss,
)
from schemas.period import Period
from schemas.ssin import Ssin, check_digits

_FIRST = date(2023, 12, 25)
_LAST = 12
_FOREVER = _LAST + 5
_SSIN = Ssin.parse("850609035" + check_digits("850609035", born_2000=False))
_PCSW = Address(17, 1)
_MEMBERS = tuple(Address(17, 1, EnterpriseNumber.of(n).digits) for n in (2_000_001, 2_000_002))

#: Two significant ones, and those that every sector has.
_QUALITIES = (2, 3, DEFINITIVE, PROVISIONAL, REPLACED)
_RULES = ("within", "overlap")


def p(begin, end):
    return Period(_FIRST + timedelta(days=begin), None if end is None else _FIRST + timedelta(days=end))


def row(begin, end, *, quality=2, phase=None, kind=_PCSW, member=None):
    return Integration(_SSIN, kind, quality, phase, p(begin, end), None, member)


def days(period):
    begin = (period.begin - _FIRST).days
    return set(range(begin, _FOREVER + 1)) if period.end is None else set(range(begin, (period.end - _FIRST).days + 1))


def day_by_day(rows, qualities, min_phase, asked, rule):
    """What the person check must say, without a word on periods: True, or the miss."""

    def counts(one):
        return one.quality in qualities and one.quality != REPLACED

    def suffices(one):
        return counts(one) and (min_phase is None or (one.phase is not None and one.phase >= min_phase))

    for quality in qualities:
        for holder in {one.member or one.kind for one in rows}:
            known = [
                one for one in rows if suffices(one) and one.quality == quality and (one.member or one.kind) == holder
            ]
            there = [any(day in days(one.period) for one in known) for day in days(asked)]
            if all(there) if rule == "within" else any(there):
                return True
    return "period" if any(map(suffices, rows)) else "phase" if any(map(counts, rows)) else "quality"


@st.composite
def _periods(draw):
    begin = draw(st.integers(0, _LAST))
    return p(begin, draw(st.none() | st.integers(begin, _LAST)))


_rows = st.lists(
    st.builds(
        Integration,
        st.just(_SSIN),
        st.just(_PCSW),
        # The first two often: rows of one quality must meet for the joins to be tried.
        st.sampled_from((2, 2, 2, 3, *_QUALITIES)),
        st.none() | st.integers(0, 3),
        _periods(),
        st.none(),
        st.sampled_from((None, None, None, *_MEMBERS)),
    ),
    max_size=7,
)
_authorised = st.frozensets(st.sampled_from(_QUALITIES))
_min_phases = st.none() | st.integers(0, 3)
_questions = st.tuples(_rows, _authorised, _min_phases, _periods(), st.sampled_from(_RULES))


@settings(max_examples=1_000)
@given(_questions)
@example(([row(0, 3), row(4, None)], frozenset({2}), None, p(2, None), "within"))
@example(([row(0, 3), row(5, 8)], frozenset({2}), None, p(2, 6), "within"))
@example(([row(0, 3), row(4, 8, quality=3)], frozenset({2, 3}), None, p(2, 6), "within"))
@example(([row(0, 9, phase=1), row(3, 4, phase=2)], frozenset({2}), 2, p(3, 5), "within"))
def test_the_person_check_agrees_with_one_of_day_by_day(question):
    found = check_person(*question)
    expected = day_by_day(*question)
    assert (isinstance(found, Opening) or found) == expected
    assert nearest_miss(*question) == (None if expected is True else expected)


@settings(max_examples=300)
@given(_questions)
def test_what_opens_is_told_and_would_open_alone(question):
    rows, qualities, min_phase, asked, rule = question
    found = check_person(*question)
    if not isinstance(found, Opening):
        return
    assert found.quality in qualities - {REPLACED}
    assert found.rows
    for one in found.rows:
        assert one in rows
        assert one.quality == found.quality
        assert one.period.overlaps(asked)
    assert check_person(found.rows, frozenset({found.quality}), min_phase, asked, rule) == found
    lower = frozenset(quality for quality in qualities if quality < found.quality)
    assert not isinstance(check_person(rows, lower, min_phase, asked, rule), Opening)


@given(_questions, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(question, random):
    rows, *rest = question
    shuffled = random.sample(rows, len(rows))
    one, other = check_person(rows, *rest), check_person(shuffled, *rest)
    assert type(one) is type(other)
    assert one == other or (one.quality, sorted(map(hash, one.rows))) == (other.quality, sorted(map(hash, other.rows)))


_NEARNESS = ("quality", "phase", "period")


def _nearness(found):
    return len(_NEARNESS) if isinstance(found, Opening) else _NEARNESS.index(found)


@given(_questions, _rows)
def test_more_rows_never_bring_a_refusal(question, more):
    rows, *rest = question
    assert _nearness(check_person(rows + more, *rest)) >= _nearness(check_person(rows, *rest))


@given(_questions, _authorised)
def test_more_authorised_qualities_never_bring_a_refusal(question, more):
    rows, qualities, *rest = question
    assert _nearness(check_person(rows, qualities | more, *rest)) >= _nearness(check_person(rows, qualities, *rest))


@given(_questions)
def test_what_opens_within_opens_by_overlap(question):
    *rest, _ = question
    if isinstance(check_person(*rest, "within"), Opening):
        assert isinstance(check_person(*rest, "overlap"), Opening)


def opened(rows, asked, rule="within", *, qualities=frozenset({2}), min_phase=None):
    return isinstance(check_person(rows, qualities, min_phase, asked, rule), Opening)


@pytest.mark.parametrize(
    ("asked", "within", "overlap"),
    [
        (p(3, 3), False, False),
        (p(4, 4), True, True),
        (p(8, 8), True, True),
        (p(9, 9), False, False),
        (p(4, 8), True, True),
        (p(3, 8), False, True),
        (p(4, 9), False, True),
        (p(3, 9), False, True),
        (p(0, 4), False, True),
        (p(8, 12), False, True),
        (p(0, 3), False, False),
        (p(9, 12), False, False),
        (p(4, None), False, True),
        (p(8, None), False, True),
        (p(9, None), False, False),
    ],
    ids=lambda value: str(value) if isinstance(value, Period) else "",
)
def test_the_edges_of_a_row(asked, within, overlap):
    rows = [row(4, 8)]
    assert opened(rows, asked, "within") is within
    assert opened(rows, asked, "overlap") is overlap


@pytest.mark.parametrize(
    ("asked", "within", "overlap"),
    [
        (p(3, 3), False, False),
        (p(4, 4), True, True),
        (p(3, None), False, True),
        (p(4, None), True, True),
        (p(5, 9), True, True),
    ],
    ids=lambda value: str(value) if isinstance(value, Period) else "",
)
def test_the_edges_of_an_open_row(asked, within, overlap):
    rows = [row(4, None)]
    assert opened(rows, asked, "within") is within
    assert opened(rows, asked, "overlap") is overlap


@pytest.mark.parametrize(
    ("second", "joined"), [(3, True), (4, True), (5, False)], ids=["overlapping", "adjacent", "a day between"]
)
@pytest.mark.parametrize("end", [8, None])
def test_rows_of_one_quality_count_together_where_no_day_lies_between(second, joined, end):
    assert opened([row(0, 3), row(second, end)], p(2, 6)) is joined


def test_a_day_between_two_rows_does_not_matter_to_who_does_not_ask_about_it():
    assert opened([row(0, 3), row(5, 8)], p(1, 3))
    assert opened([row(0, 3), row(5, 8)], p(5, 6))


def test_adjacent_rows_of_two_qualities_do_not_count_together():
    assert check_person([row(0, 3), row(4, 8, quality=3)], {2, 3}, None, p(2, 6)) == "period"


def test_adjacent_rows_of_two_institutions_do_not_count_together():
    one, other = _MEMBERS
    rows = [row(0, 3, member=one), row(4, 8, member=other)]
    assert check_person(rows, {2}, None, p(2, 6)) == "period"
    assert opened(rows, p(2, 6), "overlap")
    assert check_person([row(0, 3), row(4, 8, kind=Address(18, 1))], {2}, None, p(2, 6)) == "period"


def test_a_row_of_too_low_a_phase_does_not_join_two_that_suffice():
    rows = [row(0, 3, phase=2), row(4, 5, phase=1), row(6, 9, phase=2)]
    assert check_person(rows, {2}, 2, p(2, 7)) == "period"
    assert opened(rows, p(2, 7), min_phase=1)


@pytest.mark.parametrize(
    ("phase", "min_phase", "found"),
    [
        (None, None, True), (0, None, True), (None, 0, False), (0, 0, True), (None, 1, False), (0, 1, False),
        (1, 1, True), (2, 1, True),
    ],
)  # fmt: skip
def test_no_phase_is_lower_than_any_minimum(phase, min_phase, found):
    assert opened([row(0, 9, phase=phase)], p(2, 3), min_phase=min_phase) is found


@pytest.mark.parametrize("general", [DEFINITIVE, PROVISIONAL])
def test_a_provisional_or_definitive_registration_opens_only_what_names_it(general):
    rows = [row(0, None, quality=general)]
    assert check_person(rows, {1, 2, 3}, None, p(2, 3)) == "quality"
    assert opened(rows, p(2, 3), qualities=frozenset({general}))


@pytest.mark.parametrize("rule", _RULES)
def test_a_replaced_number_opens_nothing_even_if_it_were_named(rule):
    assert check_person([row(0, None, quality=REPLACED)], {REPLACED, 2}, None, p(2, 3), rule) == "quality"


@pytest.mark.parametrize(
    ("rows", "miss"),
    [
        ([], "quality"),
        ([row(0, None, quality=3)], "quality"),
        ([row(0, None, phase=1)], "phase"),
        ([row(0, 1, phase=1), row(0, None, quality=3, phase=9)], "phase"),
        ([row(0, 1, phase=2)], "period"),
        ([row(0, 1, phase=2), row(0, None, phase=1)], "period"),
        ([row(4, 5, phase=2)], "period"),
    ],
    ids=[
        "nothing known",
        "another quality",
        "too low",
        "too low and not then",
        "not then",
        "not then, then too low",
        "too late",
    ],
)
def test_the_nearest_miss_is_told(rows, miss):
    assert check_person(rows, {2}, 2, p(2, 3)) == miss


def test_no_authorised_quality_opens_nothing():
    assert check_person([row(0, None)], frozenset(), None, p(2, 3)) == "quality"


def test_the_lowest_quality_that_opens_is_told_with_its_rows_of_these_days():
    then, now, later = row(0, 3), row(4, 6), row(7, 12)
    found = check_person([later, row(0, None, quality=3), now, then], {2, 3}, None, p(3, 6))
    assert found == Opening(2, (then, now))


@pytest.mark.parametrize("rule", ["", "any", "Within", "overlaps"])
def test_an_unknown_rule_opens_nothing(rule):
    with pytest.raises(PeriodRuleError, match="within or overlap"):
        check_person([row(0, None)], {2}, None, p(2, 3), rule)


def test_neither_a_row_nor_an_opening_shows_the_number():
    assert _SSIN.digits not in repr(row(0, None))
    assert _SSIN.digits not in repr(check_person([row(0, None)], {2}, None, p(2, 3)))


def test_rows_may_come_from_a_generator():
    assert opened((one for one in [row(0, 3), row(4, 8)]), p(2, 6))
