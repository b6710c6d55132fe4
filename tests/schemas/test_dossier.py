"""Registering and unregistering, held against an oracle: a table of quality and day that says the phase."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dossier import SITUATIONS, Line, Removal, normal, overlapping, register, unregister
from schemas.period import Period

_FIRST = date(2024, 2, 20)  # so that 29 February lies within
_LAST = 14
FOREVER = _LAST + 10
QUALITIES = (0, 1, 2, 902)


def day(number):
    return _FIRST + timedelta(days=number)


def p(begin, end):
    return Period(day(begin), None if end is None else day(end))


def days(period):
    """The days of a period as numbers from `_FIRST`, FOREVER among them where it goes on."""
    begin = (period.begin - _FIRST).days
    return range(begin, FOREVER + 1 if period.end is None else (period.end - _FIRST).days + 1)


@st.composite
def periods(draw):
    begin = draw(st.integers(0, _LAST))
    return p(begin, draw(st.none() | st.integers(begin, _LAST)))


phases = st.none() | st.integers(0, 2)
lines = st.builds(Line, st.sampled_from(QUALITIES), phases, periods())


@st.composite
def removals(draw):
    situation = draw(st.sampled_from(sorted(SITUATIONS)))
    says = SITUATIONS[situation]
    return Removal(
        situation,
        draw(st.sampled_from(QUALITIES)) if "quality" in says else None,
        draw(st.integers(0, 2)) if "phase" in says else None,
        day(draw(st.integers(0, _LAST))) if "begin" in says else None,
        draw(periods()) if "period" in says else None,
    )


# --- the oracle -----------------------------------------------------------------------------------------------------


def table(dossier):
    """(quality, day) to phase."""
    found = {}
    for line in dossier:
        for number in days(line.period):
            assert (line.quality, number) not in found, "a day stands in two lines"
            found[line.quality, number] = line.phase
    return found


def registered(known, line):
    return known | {(line.quality, number): line.phase for number in days(line.period)}


def stretch(known, quality, begin):
    """The days of the line of this quality that begins on that day, if there is one."""
    here = known.get((quality, begin), "none")
    if here == "none" or known.get((quality, begin - 1), "none") == here:
        return set()
    end = begin
    while known.get((quality, end), "none") == here:
        end += 1
    return set(range(begin, end))


def unregistered(known, removal):
    left = {}
    for (quality, number), phase in known.items():
        inside = removal.period is None or number in days(removal.period)
        match removal.situation:
            case 1:
                gone = True
            case 2:
                gone = inside
            case 5:
                gone = quality == removal.quality
            case 6:
                gone = quality == removal.quality and inside
            case 7:
                gone = quality == removal.quality and phase == removal.phase
            case _:
                line = stretch(known, removal.quality, (removal.begin - _FIRST).days)
                gone = quality == removal.quality and inside and number in line
        if not gone:
            left[quality, number] = phase
    return left


# --- tests ----------------------------------------------------------------------------------------------------------


@given(st.lists(lines | removals(), max_size=12))
def test_any_sequence_of_operations_leaves_the_days_that_the_oracle_leaves(operations):
    dossier, known = (), {}
    for operation in operations:
        if isinstance(operation, Line):
            dossier, known = register(dossier, operation), registered(known, operation)
        else:
            dossier, known = unregister(dossier, operation), unregistered(known, operation)
        assert table(dossier) == known
        assert dossier == normal(dossier)


@given(st.lists(lines, max_size=8))
def test_the_normal_form_has_the_same_days_in_as_few_lines_as_there_can_be(dossier):
    found = normal(dossier)
    known = {}
    for line in dossier:
        for number in days(line.period):
            known[line.quality, number] = max(known.get((line.quality, number)), line.phase, key=rank)
    assert table(found) == known
    for one, next_ in pairwise(found):
        assert one.quality != next_.quality or one.phase != next_.phase or not one.period.adjoins(next_.period)


def rank(phase):
    return -1 if phase is None else phase


@given(st.lists(lines, max_size=6), lines)
def test_who_registers_twice_registers_once(dossier, line):
    assert register(register(dossier, line), line) == register(dossier, line)


@given(st.lists(lines, max_size=6), removals())
def test_nothing_but_the_named_qualities_is_taken(dossier, removal):
    left = unregister(dossier, removal, {1})
    assert [line for line in left if line.quality != 1] == sorted(
        (line for line in dossier if line.quality != 1),
        key=lambda line: (line.quality, line.period.begin, rank(line.phase)),
    )


@given(st.lists(lines, max_size=6), st.sampled_from(QUALITIES), periods())
def test_what_overlaps_has_a_day_in_common(dossier, quality, period):
    found = overlapping(dossier, quality, period)
    assert set(found) == {
        line for line in dossier if line.quality == quality and set(days(line.period)) & set(days(period))
    }


class TestTables:
    """Begin − 1, begin, end, end + 1, open end, adjacent lines."""

    LINE = Line(2, 1, p(4, 8))

    @pytest.mark.parametrize(
        ("new", "left"),
        [
            (p(1, 2), [p(1, 2), p(4, 8)]),
            (p(1, 3), [p(1, 8)]),
            (p(1, 4), [p(1, 8)]),
            (p(8, 9), [p(4, 9)]),
            (p(9, 10), [p(4, 10)]),
            (p(10, 11), [p(4, 8), p(10, 11)]),
            (p(5, 6), [p(4, 8)]),
            (p(9, None), [p(4, None)]),
            (p(3, None), [p(3, None)]),
        ],
        ids=str,
    )
    def test_the_same_phase_is_joined(self, new, left):
        assert [line.period for line in register([self.LINE], Line(2, 1, new))] == left

    def test_another_phase_takes_its_days_and_splits_the_line(self):
        assert register([self.LINE], Line(2, 2, p(5, 6))) == (
            Line(2, 1, p(4, 4)), Line(2, 2, p(5, 6)), Line(2, 1, p(7, 8)),
        )  # fmt: skip

    def test_another_quality_is_another_line(self):
        assert register([self.LINE], Line(3, 1, p(4, 8))) == (self.LINE, Line(3, 1, p(4, 8)))

    @pytest.mark.parametrize(
        ("away", "left"),
        [
            (p(1, 3), [p(4, 8)]),
            (p(1, 4), [p(5, 8)]),
            (p(4, 4), [p(5, 8)]),
            (p(5, 7), [p(4, 4), p(8, 8)]),
            (p(8, 8), [p(4, 7)]),
            (p(8, None), [p(4, 7)]),
            (p(9, None), [p(4, 8)]),
            (p(0, None), []),
        ],
        ids=str,
    )
    def test_a_period_out_of_a_line(self, away, left):
        assert [line.period for line in unregister([self.LINE], Removal(6, 2, period=away))] == left
        assert [line.period for line in unregister([self.LINE], Removal(8, 2, begin=day(4), period=away))] == left

    def test_a_period_out_of_an_open_line(self):
        assert [line.period for line in unregister([Line(2, None, p(4, None))], Removal(6, 2, period=p(6, 7)))] == [
            p(4, 5), p(8, None),
        ]  # fmt: skip

    def test_the_end_of_time_is_a_day_like_others(self):
        closed, opened = Line(2, 1, Period(day(0), date.max)), Line(2, 1, p(0, None))
        assert register([closed], opened) == (opened,)
        assert unregister([closed], Removal(6, 2, period=opened.period)) == ()
        assert unregister([closed], Removal(6, 2, period=closed.period)) == ()

    def test_a_replaced_number_stays_replaced(self):
        replaced = Line(999, None, p(0, None))
        assert unregister([replaced, self.LINE], Removal(1)) == (replaced,)


@pytest.mark.parametrize(
    ("removal", "wanted"),
    [
        (Removal(1, quality=2), "situation 1 with nothing more"),
        (Removal(2), "situation 2 with period"),
        (Removal(5), "situation 5 with quality"),
        (Removal(5, 2, 1), "situation 5 with quality"),
        (Removal(6, 2), "situation 6 with period and quality"),
        (Removal(7, 2), "situation 7 with phase and quality"),
        (Removal(8, 2, period=p(0, 1)), "situation 8 with begin and period and quality"),
        (Removal(3), "one of the situations 1, 2, 5, 6, 7, 8"),
    ],
    ids=str,
)
def test_what_does_not_belong_to_the_situation_is_told(removal, wanted):
    assert removal.contradiction() == wanted


@given(removals())
def test_what_belongs_to_the_situation_is_no_contradiction(removal):
    assert removal.contradiction() is None
