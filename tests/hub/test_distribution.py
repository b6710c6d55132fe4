"""Who is told of a mutation: the rules of docs/distribution.md, each as a table, and against them written plainly."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.distribution import MutationFacts, entitled, recipients, refused_destinations, still_entitled, told_by
from hub.repertory.rules import Deliberation, Distribution, Institution, Rules
from schemas.address import Address
from schemas.distribution import Entitled, both, cuts, either, members, of_json, reached, to_json
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin, check_digits

SSIN = Ssin.parse("850101001" + check_digits("850101001", born_2000=False))
SERVICE = "Change/1"
TODAY = date(2026, 5, 12)
BEGIN, END = date(2026, 1, 1), date(2026, 3, 31)
PERIOD = Period(BEGIN, END)
OWNER, FUND, GRANTING, PCSWS = Address(5, 0), Address(7, 0), Address(64, 0), Address(17, 1)
RELAY = Address(17, 0)
PCSW_A, PCSW_B, PCSW_C = (Address(17, 1, f"02123448{n}") for n in (76, 77, 78))
GIVEN = Deliberation("00/000", date(2020, 1, 1))
SINCE = Period(date(2020, 1, 1), None)


def register(*inactive: Address):
    for address in (OWNER, FUND, GRANTING, RELAY):
        yield Institution(address, "0206738078", str(address), active=address not in inactive)
    for address in (PCSW_A, PCSW_B, PCSW_C):
        yield Institution(address, address.cbe or "", str(address), RELAY)


def row(recipient, *qualities, without=(), valid=SINCE, **more):
    return Distribution(SERVICE, recipient, frozenset(qualities), tuple(without), GIVEN, valid, **more)


def known(kind, quality, begin=date(2000, 1, 1), end=None, member=None):
    return Integration(SSIN, kind, quality, None, Period(begin, end), member=member)


def facts(**more):
    return MutationFacts(**({"service_type": SERVICE, "owner": OWNER, "period": PERIOD, "today": TODAY} | more))


def told(table, rows, inactive=(), **more):
    found = recipients(Rules((*register(*inactive), *table)), facts(**more), rows)
    return [str(one.address) for one in found]


@pytest.mark.parametrize(
    ("begin", "end", "is_told"),
    [
        (BEGIN - timedelta(1), BEGIN - timedelta(1), False),
        (BEGIN - timedelta(9), BEGIN, True),
        (BEGIN, BEGIN, True),
        (END, END, True),
        (END, None, True),
        (END + timedelta(1), None, False),
    ],
)
def test_an_active_row_needs_a_day_of_the_messages_period(begin, end, is_told):
    rows = [known(FUND, 101, begin, end)]
    assert told([row(FUND, 101)], rows) == (["7-0"] if is_told else [])
    assert told([row(FUND, 101, dossiers="all")], rows) == ["7-0"]


@pytest.mark.parametrize(
    ("codes", "code", "is_told"),
    [
        ((), None, True), ((), "X", True), (("X",), "X", True), (("X", "Y"), "Y", True), (("X",), "Y", False),
        (("X",), None, False),
    ],
)  # fmt: skip
def test_distribution_codes(codes, code, is_told):
    assert bool(told([row(FUND, 101, codes=frozenset(codes))], [known(FUND, 101)], code=code)) == is_told


def test_codes_do_not_matter_where_any_is_asked_about():
    assert told([row(FUND, 101, codes=frozenset("X"))], [known(FUND, 101)], any_code=True) == ["7-0"]


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [((), ["7-0", "64-0"]), ((FUND,), ["7-0"]), ((GRANTING, FUND), ["7-0", "64-0"]), ((PCSWS,), [])],
)
def test_destinations_narrow_and_give_no_right(destinations, expected):
    table = [row(FUND, 101), row(GRANTING, 0)]
    rows = [known(FUND, 101), known(GRANTING, 0), known(PCSWS, 1)]
    assert told(table, rows, destinations=destinations) == expected
    found = recipients(Rules((*register(), *table)), facts(destinations=destinations), rows)
    refused = refused_destinations(facts(destinations=destinations), found)
    assert set(refused) == {one for one in destinations if str(one) not in expected}


def test_quality_999_and_other_qualities_do_not_count_and_everybody_needs_none():
    rows = [known(FUND, 102), Integration(SSIN, FUND, 999, None, SINCE, replaced_by=SSIN)]
    assert told([row(FUND, 101), row(FUND, 999)], rows) == []
    assert told([row(FUND, everybody=True)], ()) == ["7-0"]


def test_a_row_counts_on_its_days():
    ended, coming = Period(date(2020, 1, 1), TODAY - timedelta(1)), Period(TODAY + timedelta(1), None)
    rows = [known(FUND, 101)]
    assert told([row(FUND, 101, valid=ended)], rows) == told([row(FUND, 101, valid=coming)], rows) == []
    assert told([row(FUND, 101, valid=Period(TODAY, TODAY))], rows) == ["7-0"]


def test_neither_the_owner_nor_who_is_inactive_or_not_connected_is_told():
    rows = [known(OWNER, 100), known(FUND, 101), known(Address(16, 0), 1)]
    table = [row(OWNER, 100), row(FUND, 101), row(Address(16, 0), 1)]
    assert told(table, rows, inactive=(FUND,)) == []
    assert told(table, rows, owner=GRANTING) == ["5-0", "7-0"]


def test_a_network_is_told_at_its_managing_institution_also_of_a_members_own():
    assert told([row(PCSWS, 1)], [known(PCSWS, 1)]) == ["17-0"]
    assert told([row(PCSWS, 1)], [known(PCSWS, 1)], owner=PCSW_A) == ["17-0"]


def test_an_element_is_cut_where_every_row_cuts_it():
    table = [row(FUND, 102, without=["benefit/amount", "benefit/account"]), row(FUND, 103, without=["benefit/account"])]
    rules = Rules((*register(), *table))
    for qualities, cut in (
        ((102,), ("benefit/amount", "benefit/account")),
        ((103,), ("benefit/account",)),
        ((102, 103), ("benefit/account",)),
    ):
        [one] = recipients(rules, facts(), [known(FUND, quality) for quality in qualities])
        assert one.cuts == cut


def before(address, *rows, code=None):
    """Who was told an earlier one of this code, by these rows."""
    return frozenset((address, told_by(entitled(one)), code) for one in rows)


def test_who_was_told_before_is_told_of_the_cancelling_one():
    table = [row(FUND, 101, codes=frozenset("X"))]
    assert told(table, (), earlier=before(FUND, *table, code="X")) == ["7-0"]
    assert told(table, (), code="X", earlier=before(FUND, *table, code="Y")) == []  # by a row like it, of another code
    assert told([], (), earlier=before(FUND, *table)) == []
    assert told(table, (), earlier=before(GRANTING, row(GRANTING, 101))) == []


def test_the_cancelling_one_is_cut_as_its_forerunner_was_by_the_table_of_today():
    told_then, other = row(FUND, 102, without=["benefit/amount"]), row(FUND, 103)
    rules = Rules((*register(), told_then, other))
    [one] = recipients(rules, facts(earlier=before(FUND, row(FUND, 102))), ())
    assert one.rows == (told_then,)
    assert one.cuts == ("benefit/amount",)


def test_a_network_is_told_of_the_cancelling_one_by_the_rows_of_then_alone():
    told_then, other = row(PCSWS, 1, codes=frozenset("X")), row(PCSWS, 2, codes=frozenset("Y"))
    rules = Rules((*register(), told_then, other))
    known_both = [known(PCSWS, 1), known(PCSWS, 2)]
    [one] = recipients(rules, facts(code="X", earlier=before(RELAY, told_then, code="X")), known_both)
    assert one.rows == (told_then,)


def test_a_row_that_differs_in_its_codes_alone_tells_nothing_more_of_the_cancelling_one():
    """What code Y may tell is not told of a message of code X, though the recipient knows the person alike."""
    of_x, of_y = row(FUND, 102, codes=frozenset("X"), without=["benefit/amount"]), row(FUND, 102, codes=frozenset("Y"))
    rules = Rules((*register(), of_x, of_y))
    [created] = recipients(rules, facts(code="X"), [known(FUND, 102)])
    for rows in ((), [known(FUND, 102)]):
        [cancelled] = recipients(rules, facts(code="X", earlier=before(FUND, *created.rows, code="X")), rows)
        assert cancelled.cuts == created.cuts == ("benefit/amount",)


def test_what_is_caught_up_with_is_cut_as_today_by_rows_of_its_code_and_of_how_the_person_was_known():
    of_x, of_y = row(FUND, 102, codes=frozenset("X"), without=["benefit/amount"]), row(FUND, 102, codes=frozenset("Y"))
    other = row(FUND, 103)
    then = (entitled(row(FUND, 102)),)
    rules = Rules((*register(), of_x, of_y, other))

    def today(code, rows=then, address=FUND, day=TODAY):
        return [one.without for one in still_entitled(rules, SERVICE, address, code, rows, day)]

    assert today("X") == [("benefit/amount",)]
    assert today("Y") == [()]
    assert today("Z") == today(None) == []
    assert today("X", (entitled(row(FUND, 103)),)) == [()]
    assert today("X", address=GRANTING) == []
    assert today("X", day=date(1999, 1, 1)) == []
    # Told then as one that knows everybody: whether it knows the person in 102 is not known.
    everybody = (entitled(row(FUND, everybody=True)),)
    assert today("X", everybody) == []
    rules = Rules((*register(), row(FUND, everybody=True)))
    assert today("X", everybody) == today("X") == [()]


def test_automatic_integration_takes_a_named_destination_that_does_not_know_the_person():
    rules = Rules((*register(), row(FUND, 101, 103, integrate=103)))
    [one] = recipients(rules, facts(destinations=(FUND,)), ())
    assert one.integrate == 103
    [one] = recipients(rules, facts(destinations=(FUND,)), [known(FUND, 101)])
    assert one.integrate is None
    [one] = recipients(rules, facts(destinations=(FUND,)), [known(FUND, 103)])  # perhaps by an earlier mutation
    assert one.integrate == 103
    assert recipients(rules, facts(), ()) == ()


KINDS = (OWNER, FUND, GRANTING, PCSWS)
DAYS = st.dates(date(2025, 11, 1), date(2026, 6, 1))
PERIODS = st.builds(lambda a, b, is_open: Period(min(a, b), None if is_open else max(a, b)), DAYS, DAYS, st.booleans())
SOME_ROWS = st.lists(
    st.builds(
        lambda kind, quality, period: Integration(SSIN, kind, quality, None, period),
        st.sampled_from(KINDS), st.sampled_from((0, 1, 101, 999)), PERIODS,
    ),
    max_size=5,
)  # fmt: skip
TABLES = st.lists(
    st.builds(
        lambda kind, qualities, dossiers, codes, valid: row(
            kind, *qualities, dossiers=dossiers, codes=codes, valid=valid, everybody=not qualities
        ),
        st.sampled_from(KINDS), st.frozensets(st.sampled_from((0, 1, 101))), st.sampled_from(("active", "all")),
        st.frozensets(st.sampled_from("XY"), max_size=1), PERIODS,
    ),
    max_size=6, unique_by=lambda one: one.id,
)  # fmt: skip


@given(SOME_ROWS, TABLES, PERIODS, st.sampled_from((None, "X")), st.frozensets(st.sampled_from(KINDS), max_size=2))
def test_the_rule_written_plainly(rows, table, period, code, destinations):
    expected = set()
    for one in table:
        days = [each for each in rows if each.kind == one.recipient and each.quality in one.qualities]
        if one.dossiers == "active":
            days = [each for each in days if each.period.overlaps(period)]
        if (
            one.recipient != OWNER
            and one.valid.contains(TODAY)
            and (not one.codes or code in one.codes)
            and (not destinations or one.recipient in destinations)
            and (one.everybody or days)
        ):
            expected.add(RELAY if one.recipient == PCSWS else one.recipient)
    rules = Rules((*register(), *table))
    found = recipients(rules, facts(period=period, code=code, destinations=tuple(destinations)), rows)
    assert [one.address for one in found] == sorted(expected)


# --- down a relay's arm ---------------------------------------------------------------------------------------------


def dossier(member, begin, end, quality=1):
    return known(PCSWS, quality, begin, end, member)


def told_members(rows, *entitled, everyone=(PCSW_A, PCSW_B, PCSW_C)):
    return [str(member)[-2:] for member in members(rows, entitled, PERIOD, TODAY, everyone)]


OPEN = dossier(PCSW_A, date(2025, 1, 1), None)
CLOSED = dossier(PCSW_B, date(2025, 1, 1), date(2026, 2, 1))
CLOSED_LATER = dossier(PCSW_C, date(2026, 2, 1), date(2026, 4, 1))
OLD = dossier(PCSW_C, date(2020, 1, 1), date(2021, 1, 1))


@pytest.mark.parametrize(
    ("rows", "active", "every"),
    [
        ((OPEN, CLOSED), ["76"], ["76", "77"]),
        ((CLOSED, CLOSED_LATER), ["78"], ["77", "78"]),
        ((CLOSED, OLD), ["77"], ["77", "78"]),
        ((OLD,), [], ["78"]),
        ((OPEN, dossier(PCSW_B, date(2026, 1, 1), None)), ["76", "77"], ["76", "77"]),
        ((dossier(PCSW_A, date(2026, 5, 1), None), CLOSED), ["77"], ["76", "77"]),
        ((dossier(PCSW_A, BEGIN, None, quality=2),), [], []),
    ],
)
def test_members_by_their_dossiers(rows, active, every):
    assert told_members(rows, Entitled(PCSWS, frozenset({1}))) == active
    assert told_members(rows, Entitled(PCSWS, frozenset({1}), dossiers="all")) == every


def test_members_are_active_of_the_rows_kind_and_told_by_each_row_that_fits():
    one, two = Entitled(PCSWS, frozenset({1}), without=("a",)), Entitled(PCSWS, frozenset({1}), without=("a/b",))
    found = members([OPEN], [one, two, Entitled(FUND, frozenset({1}))], PERIOD, TODAY, [PCSW_A])
    assert found == {PCSW_A: (one, two)}
    assert cuts(found[PCSW_A]) == ("a/b",)
    assert told_members([OPEN], one, everyone=(PCSW_B,)) == []
    assert told_members([], Entitled(PCSWS, everybody=True)) == ["76", "77", "78"]


def test_paths_within_others():
    assert both([["a", "b"], ["a/c", "b", "d"]]) == ("b", "a/c")
    assert either([["a", "b"], ["a/c", "d"]]) == ("a", "b", "d")
    assert both([]) == either([]) == ()


@given(st.lists(st.builds(
    Entitled, st.sampled_from(KINDS), st.frozensets(st.integers(0, 998), max_size=3), st.booleans(),
    st.sampled_from(("active", "all")), st.lists(st.sampled_from(("a", "b/c")), max_size=2).map(tuple),
)))  # fmt: skip
def test_rows_are_read_as_they_were_written(rows):
    rows = [
        one if not one.everybody else Entitled(one.recipient, frozenset(), True, one.dossiers, one.without)
        for one in rows
    ]
    assert list(of_json(to_json(rows))) == rows


def test_reached_by_everybody_without_rows():
    assert reached((), Entitled(FUND, everybody=True), PERIOD)
