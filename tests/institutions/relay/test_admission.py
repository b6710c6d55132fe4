"""What the sectoral repertory decides, as tables."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from institutions.relay.admission import admit_member, admit_person, holders, is_significant, speaks_for_itself
from institutions.relay.sectoral_repertory import Member
from schemas.address import Address
from schemas.integration import REPLACED, Integration
from schemas.message import Head
from schemas.period import Period
from schemas.ssin import Ssin
from tests.institutions.conformance.network import person

A, B, C = (Address(17, 1, cbe) for cbe in ("0212344876", "0207473635", "0207448689"))
MEMBERS = {A: Member(A), B: Member(B), C: Member(C, active=False)}
TODAY = date(2024, 6, 1)
ASKED = Period(date(2024, 1, 1), date(2024, 12, 31))
WHOLE = Period(date(2000, 1, 1), None)


def row(ssin: Ssin, member: Address, quality: int = 2, period: Period = WHOLE, new: Ssin | None = None) -> Integration:
    return Integration(ssin, member.kind, quality, None, period, new, member)


def head(cbe: str | None = None, kind: Address | None = None) -> Head:
    return Head(None, None, cbe, kind, None)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (head(cbe=A.cbe), None),
        (head(kind=Address(17, 1)), None),
        (head(cbe=B.cbe), "CRB00007"),
        (head(kind=Address(17, 0)), "CRB00007"),
    ],
    ids=["its number", "its kind", "another's number", "its manager"],
)
def test_a_member_speaks_for_itself(told: Head, code: str | None) -> None:
    refused = speaks_for_itself(A, told)
    assert (refused.code if refused is not None else None) == code


def test_members_are_known_and_active() -> None:
    assert admit_member(MEMBERS, A) == MEMBERS[A]
    assert [getattr(admit_member(MEMBERS, a), "code", "") for a in (C, Address(17, 1, "0000000196"))] == [
        "CRB00006",
        "CRB00005",
    ]


@pytest.mark.parametrize(
    ("kind", "quality", "significant"),
    [
        (A.kind, 1, True),
        (A.kind, 40, True),
        (A.kind, 0, False),
        (A.kind, 902, False),
        (A.kind, 999, False),
        (Address(25, 1), 0, True),
        (Address(25, 1), 902, False),
    ],
)
def test_which_qualities_say_that_there_is_a_dossier(kind: Address, quality: int, significant: bool) -> None:
    assert is_significant(kind, quality) is significant


def test_another_member_s_row_opens_nothing() -> None:
    ssin = person()
    refused = admit_person([row(ssin, B)], A, ssin, ASKED, "within", TODAY)
    assert refused is not None
    assert (refused.code, refused.information) == ("MSG00012", (("missing", "quality"),))
    assert admit_person([row(ssin, B), row(ssin, A)], A, ssin, ASKED, "within", TODAY) is None


@pytest.mark.parametrize(("rule", "code"), [("within", "MSG00012"), ("overlap", None)])
def test_the_period_as_the_service_says(rule: str, code: str | None) -> None:
    ssin = person()
    refused = admit_person([row(ssin, A, period=Period(TODAY, None))], A, ssin, ASKED, rule, TODAY)
    assert (refused.code if refused is not None else None) == code


def test_a_replaced_number_is_told_by_the_newest_to_who_had_any_of_them() -> None:
    old, middle, new = person(), person(), person()
    rows = [row(old, B, REPLACED, new=middle), row(middle, B, REPLACED, new=new), row(middle, A)]
    told = admit_person(rows, A, old, ASKED, "within", TODAY)
    stranger = admit_person(rows, C, old, ASKED, "within", TODAY)
    assert told is not None
    assert stranger is not None
    assert (told.code, told.information) == ("MSG00006", (("newSSIN", new.digits),))
    assert stranger.code == "MSG00012"
    assert new.digits not in repr(told)


def test_numbers_that_replace_each_other_in_a_circle_end() -> None:
    one, two = person(), person()
    rows = [row(one, A, REPLACED, new=two), row(two, A, REPLACED, new=one)]
    refused = admit_person(rows, A, one, ASKED, "within", TODAY)
    assert refused is not None
    assert holders(rows, MEMBERS, one, ASKED, TODAY) == ()


def test_a_dossier_under_the_old_number_is_one_of_the_new() -> None:
    old, new = person(), person()
    rows = [row(old, B, REPLACED, new=new), row(old, A)]
    assert admit_person(rows, A, new, ASKED, "within", TODAY) is None
    assert holders(rows, MEMBERS, new, ASKED, TODAY) == (A,)


def test_active_members_whose_dossier_overlaps_are_asked() -> None:
    ssin = person()
    before = Period(date(2023, 1, 1), date(2023, 12, 31))
    rows = [row(ssin, B), row(ssin, C), row(ssin, A, period=before), row(ssin, A, 902)]
    assert holders(rows, MEMBERS, ssin, ASKED, TODAY) == (B,)
    assert holders([*rows, row(ssin, A, 3)], MEMBERS, ssin, ASKED, TODAY) == tuple(sorted((A, B)))


_days = st.integers(0, 400).map(lambda n: date(2024, 1, 1) + timedelta(days=n))
_periods = st.tuples(_days, _days).map(lambda two: Period(min(two), max(two)))


@given(own=st.lists(_periods, max_size=4), asked=_periods)
def test_within_is_every_asked_day_and_holding_is_one(own: list[Period], asked: Period) -> None:
    ssin = person()
    rows = [row(ssin, A, period=period) for period in own]
    end = asked.end or asked.begin
    days = [asked.begin + timedelta(days=n) for n in range((end - asked.begin).days + 1)]
    covered = [any(period.contains(day) for period in own) for day in days]
    assert (admit_person(rows, A, ssin, asked, "within", TODAY) is None) == all(covered)
    assert (holders(rows, MEMBERS, ssin, asked, TODAY) == (A,)) == any(covered)
