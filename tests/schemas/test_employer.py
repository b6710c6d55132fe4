"""Employers' numbers and their three checks; held against python-stdnum where it knows them.

Where stdnum is wrong for us: it takes check digits 00, 98 and 99 of an enterprise number, since it asks only that both
parts together be a multiple of 97, and the field computes 97 less the remainder; and it takes `BE`, dots and blanks.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.be import vat

from schemas.employer import (
    FOREIGN_IN_BELGIUM,
    FOREIGN_NOT_IN_BELGIUM,
    NSSO_RANGE,
    PROVISIONAL_NSSO_RANGE,
    EmployerNumberError,
    EnterpriseNumber,
    EstablishmentNumber,
    NssoNumber,
)

enterprises = st.integers(0, 19_999_999).map(EnterpriseNumber.of)
establishments = st.integers(20_000_000, 89_999_999).map(EstablishmentNumber.of)
#: The 7 or 8 digits before the check.
nssos = st.integers(1_001, 1_999_998).map(NssoNumber.of)
provisionals = st.integers(50_000_002, 59_999_998).map(NssoNumber.of)


@given(enterprises)
def test_an_enterprise_number_is_read_and_stdnum_agrees(number):
    assert EnterpriseNumber.parse(number.digits) == number
    assert vat.is_valid(number.digits) or number.digits == "0000000097"


@given(st.integers(0, 19_999_999), st.integers(0, 99))
def test_of_all_check_digits_of_an_enterprise_one_pair_is_right(sequence, check):
    digits = f"{sequence:08d}{check:02d}"
    if digits == EnterpriseNumber.of(sequence).digits:
        return
    with pytest.raises(EmployerNumberError, match="check digits"):
        EnterpriseNumber.parse(digits)


@pytest.mark.parametrize(("remainder", "wrong"), [(0, "00"), (96, "98"), (95, "99")])
def test_check_digits_of_an_enterprise_end_at_97_though_stdnum_takes_more(remainder, wrong):
    sequence = next(n for n in range(4_000_000, 4_000_097) if n % 97 == remainder)
    assert vat.is_valid(f"{sequence:08d}{wrong}")
    with pytest.raises(EmployerNumberError):
        EnterpriseNumber.parse(f"{sequence:08d}{wrong}")


def test_the_highest_enterprise_number_is_the_published_one():
    assert EnterpriseNumber.of(19_999_999).digits == "1999999943"


def test_nine_digits_are_the_old_form_of_an_enterprise_number():
    number = EnterpriseNumber.of(4_123_456)
    assert EnterpriseNumber.parse(number.digits[1:]) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "0000000000", "BE0412345678", "0412.345.678", " 0412345678", "0412345678\n", "04123456", "٠٤١٢٣٤٥٦٧٨"],
)
def test_what_is_no_enterprise_number_is_refused(text):
    with pytest.raises(EmployerNumberError):
        EnterpriseNumber.parse(text)


@pytest.mark.parametrize("sequence", [-1, 20_000_000, 100_000_000])
def test_an_enterprise_number_begins_with_0_or_1(sequence):
    with pytest.raises(EmployerNumberError):
        EnterpriseNumber.of(sequence)


@given(establishments)
def test_an_establishment_number_is_read(number):
    assert EstablishmentNumber.parse(number.digits) == number
    assert vat.checksum(number.digits) == 0


@pytest.mark.parametrize("sequence", [0, 19_999_999, 90_000_000])
def test_an_establishment_number_begins_with_2_to_8(sequence):
    with pytest.raises(EmployerNumberError):
        EstablishmentNumber.of(sequence)


def test_the_establishments_of_foreign_employers_are_the_published_ones():
    assert EstablishmentNumber.of(89_999_999) == FOREIGN_NOT_IN_BELGIUM
    assert EstablishmentNumber.of(89_999_991) == FOREIGN_IN_BELGIUM


@given(establishments, st.integers(1, 98))
def test_a_wrong_check_of_an_establishment_is_found(number, more):
    wrong = (int(number.digits[8:]) + more) % 99
    if wrong == int(number.digits[8:]):
        return
    with pytest.raises(EmployerNumberError, match="check digits"):
        EstablishmentNumber.parse(f"{number.digits[:8]}{wrong:02d}")


@given(nssos | provisionals)
def test_an_nsso_number_is_read_in_each_of_its_forms(number):
    assert NssoNumber.parse(number.digits) == number
    assert NssoNumber.parse(str(int(number.digits))) == number
    assert len(number.digits) == (10 if number.provisional else 9)
    if number.cbss is not None:
        assert NssoNumber.parse(number.cbss) == number
        assert len(number.cbss) == 10
        assert number.cbss[0] == "0" or number.cbss[:2] == "51"


@given(nssos | provisionals)
def test_the_check_of_an_nsso_number_is_96_less_a_remainder(number):
    assert (int(number.digits[:-2]) * 100 + int(number.digits[-2:])) % 97 == 96 % 97


@given(nssos | provisionals, st.integers(1, 98))
def test_a_wrong_check_of_an_nsso_number_is_found(number, more):
    wrong = (int(number.digits[-2:]) + more) % 100
    if wrong == int(number.digits[-2:]):
        return
    with pytest.raises(EmployerNumberError):
        NssoNumber.parse(f"{number.digits[:-2]}{wrong:02d}")


@pytest.mark.parametrize("bound", [*NSSO_RANGE, *PROVISIONAL_NSSO_RANGE])
def test_the_published_bounds_are_nsso_numbers_and_nothing_beyond_them_is(bound):
    assert int(NssoNumber.parse(str(bound)).digits) == bound
    sequence = bound // 100 + (1 if bound in (NSSO_RANGE[1], PROVISIONAL_NSSO_RANGE[1]) else -1)
    with pytest.raises(EmployerNumberError):
        NssoNumber.of(sequence)


@pytest.mark.parametrize(
    "text", ["", "0", "000000000", "0000000000", "12345678901", "1000-06", " 100006", "100006\n", "١٠٠٠٠٦"]
)
def test_what_is_no_nsso_number_is_refused(text):
    with pytest.raises(EmployerNumberError):
        NssoNumber.parse(text)


def test_only_provisional_numbers_with_51_have_a_place_in_common_v3():
    assert NssoNumber.of(51_000_000).cbss == NssoNumber.of(51_000_000).digits
    assert NssoNumber.of(52_000_000).cbss is None


def test_errors_do_not_show_the_number():
    number = EnterpriseNumber.of(4_123_456).digits
    with pytest.raises(EmployerNumberError) as caught:
        EnterpriseNumber.parse(number[:8] + "00")
    assert number[:8] not in str(caught.value)
