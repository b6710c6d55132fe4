"""Persons' numbers: pattern, both forms of the check, what the digits say, and that no text ever shows them.

Held against python-stdnum, with the places where it is wrong for us (field.md section 4). They are:
- it takes counters 000 and 999 of national numbers, which are never given out;
- it takes days 32 to 99, which Common V3 refuses;
- it takes separators and blanks, which no message may hold;
- it asks the machine's clock, not Belgium's, which year it is.
"""

import pickle
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.be import bis as stdnum_bis
from stdnum.be import nn as stdnum_nn

from schemas import ssin as module
from schemas.ssin import Ssin, SsinError, check_digits, check_is_right, is_program_number

_MONTHS = {"national": (0, 12), "bis": (20, 32), "ter": (40, 52)}


def number(yymmdd, counter, *, born_2000=False):
    """A whole number, its check digits computed."""
    nine = f"{yymmdd}{counter:03d}"
    return nine + check_digits(nine, born_2000)


@st.composite
def births(draw, kinds=("national", "bis", "ter"), lowest=1, highest=998):
    """Nine digits of the right pattern: birth date and counter."""
    month = draw(st.sampled_from(kinds).flatmap(lambda kind: st.integers(*_MONTHS[kind])))
    year, day, counter = draw(st.integers(0, 99)), draw(st.integers(0, 31)), draw(st.integers(lowest, highest))
    return f"{year:02d}{month:02d}{day:02d}{counter:03d}"


@st.composite
def numbers(draw, kinds=("national", "bis", "ter")):
    nine = draw(births(kinds))
    born_2000 = int(nine[:2]) <= 20 and draw(st.booleans())
    return nine + check_digits(nine, born_2000)


@pytest.fixture(autouse=True)
def _one_year(monkeypatch):
    monkeypatch.setattr(module, "today", date.today)


def reason(text):
    with pytest.raises(SsinError) as caught:
        Ssin.parse(text)
    assert text not in str(caught.value) or not text
    return caught.value.reason


@given(numbers())
def test_a_number_with_its_check_digits_is_read(digits):
    assert Ssin.parse(digits).digits == digits
    assert check_is_right(digits)


@given(numbers(), st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_found_but_where_it_makes_a_number_of_the_other_century(digits, place, more):
    wrong = f"{digits[:place]}{(int(digits[place]) + more) % 10}{digits[place + 1 :]}"
    try:
        read = Ssin.parse(wrong)
    except SsinError:
        return
    # Found by no check of one form alone; the other form must be what lets it pass.
    forms = {check_digits(text[:9], born) == text[9:] and born for text in (digits, wrong) for born in (False, True)}
    assert forms == {False, True}
    assert read.digits == wrong


@given(births(), st.booleans())
def test_check_digits_are_97_less_the_remainder_of_the_nine_digits(nine, born_2000):
    check = int(check_digits(nine, born_2000))
    assert 1 <= check <= 97
    assert (int(("2" if born_2000 else "") + nine) + check) % 97 == 0


@given(births())
def test_no_number_fits_both_centuries(nine):
    assert check_digits(nine, born_2000=False) != check_digits(nine, born_2000=True)


def test_a_remainder_of_nought_makes_check_digits_97_and_not_00():
    nine = next(f"850609{counter:03d}" for counter in range(1, 999) if int(f"850609{counter:03d}") % 97 == 0)
    assert check_digits(nine, born_2000=False) == "97"
    assert check_is_right(nine + "97")
    assert reason(nine + "00") == "check"


@pytest.mark.parametrize("nine", ["", "85060903", "8506090355", "85060903a", "٨٥٠٦٠٩٠٣٥"], ids=repr)
def test_check_digits_are_of_nine_digits(nine):
    with pytest.raises(SsinError):
        check_digits(nine, born_2000=False)


@pytest.mark.parametrize(
    ("yymmdd", "counter", "expected"),
    [
        ("850609", 33, "national"), ("850000", 1, "national"), ("851231", 998, "national"), ("850100", 1, "national"),
        ("850031", 1, "national"), ("852000", 0, "bis"), ("853231", 999, "bis"),
        ("854000", 0, "ter"), ("855231", 999, "ter"),
        ("000001", 1, "national"), ("002001", 1, "bis"), ("004001", 1, "ter"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) and value.isalpha() else "",
)  # fmt: skip
def test_the_month_tells_the_kind(yymmdd, counter, expected):
    assert Ssin.parse(number(yymmdd, counter)).kind == expected


@pytest.mark.parametrize("month", ["13", "19", "33", "39", "53", "60", "99"])
def test_months_of_no_register_are_refused(month):
    assert reason(number(f"85{month}01", 1)) == "pattern"


@pytest.mark.parametrize("day", ["32", "40", "99"])
@pytest.mark.parametrize("month", ["00", "01", "12", "20", "32", "40", "52"])
def test_a_day_after_the_31st_is_refused_though_stdnum_takes_it_as_unknown(month, day):
    digits = number(f"85{month}{day}", 1)
    assert stdnum_nn.is_valid(digits) or stdnum_bis.is_valid(digits)
    assert reason(digits) == "pattern"


def test_a_national_counter_of_000_breaks_the_pattern_though_stdnum_takes_it():
    digits = number("850609", 0)
    assert stdnum_nn.is_valid(digits)
    assert reason(digits) == "pattern"


def test_a_national_counter_of_999_is_never_given_out_though_stdnum_takes_it():
    digits = number("850609", 999)
    assert stdnum_nn.is_valid(digits)
    assert reason(digits) == "check"
    assert Ssin.unchecked(digits).digits == digits


@pytest.mark.parametrize("month", ["27", "47"])
@pytest.mark.parametrize("counter", [0, 999])
def test_a_bis_or_ter_number_may_have_any_counter(month, counter):
    assert check_is_right(number(f"85{month}30", counter))


@pytest.mark.parametrize("check", ["98", "99"])
def test_check_digits_above_97_break_the_pattern(check):
    assert reason("850609035" + check) == "pattern"


@pytest.mark.parametrize(
    "form",
    ["{0}.{1}.{2}-{3}.{4}", "{0} {1} {2} {3} {4}", " {0}{1}{2}{3}{4}", "{0}{1}{2}{3}{4} ",
     "{0}{1}{2}{3}{4}\n", "{0}{1}{2}{3}", "0{0}{1}{2}{3}{4}"],
)  # fmt: skip
def test_only_eleven_digits_are_read_though_stdnum_takes_separators(form):
    digits = number("850609", 35)
    parts = digits[:2], digits[2:4], digits[4:6], digits[6:9], digits[9:]
    assert reason(form.format(*parts)) == "pattern"


def test_digits_of_other_scripts_are_refused():
    digits = number("850609", 35)
    arabic = digits.translate({ord(str(n)): chr(0x660 + n) for n in range(10)})
    assert reason(arabic) == "pattern"
    assert not check_is_right(arabic)


@given(births(), st.integers(0, 97))
@example("000001001", 0)
def test_where_the_pattern_and_the_counter_are_right_stdnum_agrees(nine, check):
    for digits in (f"{nine}{check:02d}", nine + check_digits(nine, False), nine + check_digits(nine, True)):
        known = stdnum_nn.is_valid(digits) or stdnum_bis.is_valid(digits)
        assert check_is_right(digits) == known
        if known:
            ssin = Ssin.parse(digits)
            assert ssin.birth_date == stdnum_nn.get_birth_date(digits)
            gender = (stdnum_nn if ssin.kind == "national" else stdnum_bis).get_gender(digits)
            assert {"F": ssin.female, "M": ssin.male}.get(gender, ssin.female is None and ssin.male is None)


@pytest.mark.parametrize(("year", "right"), [(2023, False), (2024, True), (2025, True)])
def test_the_form_of_2000_counts_up_to_the_present_year(monkeypatch, year, right):
    monkeypatch.setattr(module, "today", lambda: date(year, 1, 1))
    digits = number("240101", 1, born_2000=True)
    assert check_is_right(digits) is right
    assert Ssin.unchecked(digits).birth_date == (date(2024, 1, 1) if right else None)


def test_the_same_digits_are_someone_else_a_century_later():
    old, young = Ssin.parse(number("050203", 7)), Ssin.parse(number("050203", 7, born_2000=True))
    assert (old.birth_date, young.birth_date) == (date(1905, 2, 3), date(2005, 2, 3))


@pytest.mark.parametrize("added", [0, 20, 40])
@pytest.mark.parametrize("born_2000", [False, True])
def test_the_birth_date_is_read_through_the_month_of_bis_and_ter(added, born_2000):
    ssin = Ssin.parse(number(f"00{added + 2:02d}29", 5, born_2000=born_2000))
    assert ssin.birth_date == (date(2000, 2, 29) if born_2000 else None)  # 1900 was no leap year


@pytest.mark.parametrize("added", [0, 20, 40])
@pytest.mark.parametrize("born_2000", [False, True])
@pytest.mark.parametrize(
    ("month", "day"),
    [(0, 1), (0, 0), (0, 2), (7, 0), (2, 30), (4, 31)],
    ids=[
        "wholly unknown",
        "month and day unknown",
        "counters used up",
        "day unknown",
        "no day of February",
        "no day of April",
    ],
)
def test_a_birth_date_that_is_not_wholly_known_is_none(added, born_2000, month, day):
    ssin = Ssin.parse(number(f"00{added + month:02d}{day:02d}", 5, born_2000=born_2000))
    assert ssin.birth_date is None


def test_wrong_check_digits_tell_no_century_and_so_no_birth_date():
    digits = number("850609", 35)
    wrong = digits[:9] + f"{int(digits[9:]) % 97 + 1:02d}"
    assert Ssin.unchecked(wrong).birth_date is None
    assert reason(wrong) == "check"


@pytest.mark.parametrize(("counter", "female"), [(1, False), (2, True), (997, False), (998, True)])
@pytest.mark.parametrize("added", [0, 40])
def test_an_even_counter_is_a_womans(counter, female, added):
    ssin = Ssin.parse(number(f"85{added + 7:02d}30", counter))
    assert (ssin.female, ssin.male) == (female, not female)


@pytest.mark.parametrize("counter", [1, 2])
def test_a_bis_number_was_given_without_knowing_the_sex(counter):
    ssin = Ssin.parse(number("852730", counter))
    assert ssin.female is None
    assert ssin.male is None


@given(numbers())
def test_the_number_goes_into_a_bigint_and_back(digits):
    ssin = Ssin.parse(digits)
    assert 0 < ssin.number < 2**63
    assert Ssin.from_number(ssin.number) == ssin


def test_a_number_keeps_its_leading_zeros():
    digits = number("000203", 7, born_2000=True)
    assert Ssin.from_number(int(digits)).digits == digits


@pytest.mark.parametrize("stored", [0, -1, 10**11, 10**11 - 1])
def test_what_is_no_persons_number_does_not_come_back_from_a_database(stored):
    with pytest.raises(SsinError):
        Ssin.from_number(stored)


@given(numbers(), numbers())
def test_the_order_is_that_of_the_numbers(one, other):
    assert (Ssin(one) < Ssin(other)) == (int(one) < int(other))
    assert (Ssin(one) == Ssin(other)) == (one == other)


@given(numbers())
def test_no_text_made_of_it_shows_the_number(digits):
    ssin = Ssin.parse(digits)
    for text in (str(ssin), repr(ssin), f"{ssin}", f"{ssin!r}", "%s" % ssin, repr([ssin]), repr({ssin})):  # noqa: UP031
        assert not any(character.isdigit() for character in text)


def test_errors_do_not_show_the_number():
    digits = number("850609", 35)
    for wrong in (digits[:9] + f"{int(digits[9:]) % 97 + 1:02d}", digits + "1", f"{digits[:3]}.{digits[3:]}"):
        with pytest.raises(SsinError) as caught:
            Ssin.parse(wrong)
        assert wrong[:6] not in str(caught.value)
        assert wrong not in repr(caught.value)


def test_a_number_survives_pickling():
    ssin = Ssin.parse(number("850609", 35))
    assert pickle.loads(pickle.dumps(ssin)) == ssin  # noqa: S301


@pytest.mark.parametrize("text", ["00901234567", "00900000000", "00999999999"])
def test_a_programs_number_is_no_persons(text):
    assert is_program_number(text)
    assert reason(text) == "pattern"


@pytest.mark.parametrize("text", ["", "00801234567", "0090123456", "009012345678", "00901234567\n", "0090123456a"])
def test_other_numbers_are_no_programs(text):
    assert not is_program_number(text)


@given(numbers())
def test_no_persons_number_is_a_programs(digits):
    assert not is_program_number(digits)
