"""Addresses: one way to write each, one order, and nothing else passes."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.address import Address, AddressError
from schemas.employer import EnterpriseNumber

_CBE = EnterpriseNumber.of(2123448).digits
_OTHER_CBE = EnterpriseNumber.of(2123449).digits

addresses = st.builds(
    Address,
    st.integers(0, 999),
    st.integers(0, 999),
    st.none() | st.from_regex(r"[0-9]{10}", fullmatch=True).filter(str.isascii),
)


@given(addresses)
def test_an_address_is_read_back_as_it_is_written(address):
    assert Address.parse(str(address)) == address


@given(addresses, addresses)
def test_addresses_are_equal_exactly_where_they_are_written_alike(one, other):
    assert (str(one) == str(other)) == (one == other)


@given(st.text(max_size=20))
def test_what_is_read_is_written_back_the_same_or_refused(text):
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert str(address) == text


@pytest.mark.parametrize("text", ["0-0", "18-0", "70-3", "25-1", "999-999", f"17-1-{_CBE}", "11-1-0000000000"])
def test_an_address_of_the_wire_is_read(text):
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "18", "18-", "-18-0", "018-0", "18-00", "1000-0", "18-1000", "18-0-", "18-0-021234487", "18-0-02123448767",
        "18-0-021234487a", "18.0", "18-0 ", " 18-0", "18-0\n", "18-0-0212344876\n",
        "+18-0", "1_8-0", "١٨-٠", "18-0-٠٢١٢٣٤٤٨٧٦", "18--1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(AddressError):
        Address.parse(text)


def test_an_error_says_how_an_address_is_written_and_not_what_was_given():
    with pytest.raises(AddressError, match=r"18-0.*17-1-0212344876") as caught:
        Address.parse("85-07-30")
    assert "85-07-30" not in str(caught.value)


@pytest.mark.parametrize(("sector", "type_"), [(-1, 0), (0, -1), (1000, 0), (0, 1000)])
def test_a_number_that_common_v3_cannot_carry_is_refused(sector, type_):
    with pytest.raises(AddressError):
        Address(sector, type_)


def test_an_enterprise_number_of_another_form_is_refused():
    with pytest.raises(AddressError):
        Address(17, 1, _CBE[:-1])


def test_a_cooperating_institution_is_one_with_an_enterprise_number():
    assert Address(17, 1, _CBE).is_cooperating
    assert not Address(17, 1).is_cooperating


def test_the_kind_is_the_address_without_enterprise_number():
    assert Address(17, 1, _CBE).kind == Address(17, 1)
    assert Address(17, 1).kind == Address(17, 1)


def test_addresses_are_ordered_as_numbers_and_the_kind_stands_before_its_members():
    ordered = (
        Address(2, 0),
        Address(2, 10),
        Address(10, 1),
        Address(17, 1),
        Address(17, 1, _CBE),
        Address(17, 1, _OTHER_CBE),
        Address(17, 3),
    )
    for shuffled in permutations(ordered, len(ordered)):
        assert tuple(sorted(shuffled)) == ordered
    assert max(ordered) == ordered[-1]
