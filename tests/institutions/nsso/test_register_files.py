"""Files of senders, employers and mandates: what they say, and each error on its line, without anybody's number."""

from datetime import date
from pathlib import Path

import pytest

from deploy.network import SENDERS
from institutions.nsso.register import Employer, Mandate, RegisterError, Sender
from institutions.nsso.register_files import parse, read
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.period import Period

NSSO, CLUB = NssoNumber("190000010"), NssoNumber("190000107")


def test_a_file_says_senders_employers_and_mandates():
    text = f"""
[[sender]]
number = "123456"
name = "Somebody"
language = "FR"
certificates = ["{"A1:" * 31}A1"]

[[employer]]
nsso = "190000010"
enterprise = "1800000195"
from = 2020-01-01
forbidden = ["STU"]

[[mandate]]
sender = "123456"
employer = "190000010"
from = 2020-01-01
to = 2020-12-31
"""
    found = parse(text, "x.toml")
    assert found.senders == (Sender("123456", "Somebody", "FR", certificates=frozenset({"a1" * 32})),)
    since = date(2020, 1, 1)
    assert found.employers == (Employer(NSSO, EnterpriseNumber("1800000195"), Period(since, None), frozenset({"STU"})),)
    assert found.mandates == (Mandate("123456", NSSO, Period(since, date(2020, 12, 31))),)


def test_many_employers_and_mandates_are_tables():
    employers = parse("nsso,enterprise,from,to,forbidden\n190000010,,2020-01-01,,STU FLX\n", "employers.csv").employers
    assert employers == (Employer(NSSO, None, Period(date(2020, 1, 1), None), frozenset({"STU", "FLX"})),)
    mandates = parse("sender,employer,from,to\n123456,190000107,2020-01-01,2021-01-01\n\n", "mandates.csv").mandates
    assert mandates == (Mandate("123456", CLUB, Period(date(2020, 1, 1), date(2021, 1, 1))),)


_EMPLOYER = '[[employer]]\nnsso = "190000010"\nfrom = 2020-01-01\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[sender]]\nname = 'x'\n", "x.toml:1: number: missing"),
        ('[[sender]]\nnumber = "12"\nname = "x"\n', "x.toml:2: number: "),
        ('[[sender]]\nnumber = "000000"\nname = "x"\n', "x.toml:1: sender: a sender number is 6 digits, not all 0"),
        ('[[sender]]\nnumber = "123456"\nname = "x"\nlanguage = "DE"\n', "x.toml:4: language: "),
        ('[[sender]]\nnumber = "123456"\nname = "x"\nmail = "x"\n', "x.toml:4: mail: no such field of sender"),
        (
            '[[sender]]\nnumber = "123456"\nname = "x"\ncertificates = ["12"]\n',
            "x.toml:4: certificates: a certificate is",
        ),
        ('[[employer]]\nnsso = "190000011"\nfrom = 2020-01-01\n', "x.toml:2: nsso: the check digits"),
        (f'{_EMPLOYER}enterprise = "1800000196"\n', "x.toml:4: enterprise: the check digits"),
        (f"{_EMPLOYER}enterprise = 1800000195\n", 'x.toml:4: enterprise: write an enterprise number as text: "18'),
        (f"{_EMPLOYER}to = 2019-01-01\n", "x.toml:4: to: lies before from"),
        (f"{_EMPLOYER}\n{_EMPLOYER}", "x.toml:5: employer: the same stands on line 1 already"),
        ("[[employers]]\n", "x.toml: employers: write"),
        ("nsso = ", "x.toml: not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, told):
    with pytest.raises(RegisterError) as caught:
        parse(text, "x.toml")
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nsso,from\n", "x.csv:1: the first line names the columns"),
        ("sender,employer,from,to\n123456,190000010\n", "x.csv:2: 2 fields, of 4 columns"),
        ("sender,employer,from,to\n123456,190000010,tomorrow,\n", "x.csv:2: from: "),
        ("sender,employer,from,to\n\n123456,190000011,2020-01-01,\n", "x.csv:3: employer: the check digits"),
        ('sender,employer,from,to\n"1"2,190000010,2020-01-01,\n', "x.csv:2: not CSV"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_line(text, told):
    with pytest.raises(RegisterError) as caught:
        parse(text, "x.csv")
    assert str(caught.value).startswith(told)


def test_no_error_repeats_a_number_and_all_errors_are_told():
    text = '[[employer]]\nnsso = "190000011"\nfrom = 2020-01-01\n\n[[mandate]]\nsender = "1"\nemployer = "190000012"\n'
    with pytest.raises(RegisterError) as caught:
        parse(text, "x.toml")
    assert str(caught.value).count("\n") == 3  # nsso, sender, employer, from
    assert "1900" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(RegisterError, match="cannot be read"):
        read(tmp_path / "none.toml")
    (latin := tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(RegisterError, match="not UTF-8"):
        read(latin)


def test_the_reference_networks_file_can_be_read():
    found = read(Path(SENDERS))
    known = {employer.nsso for employer in found.employers}
    assert {mandate.employer for mandate in found.mandates} == known
    assert {mandate.sender for mandate in found.mandates} == {sender.number for sender in found.senders}
    assert sorted(sender.active for sender in found.senders) == [False, True, True]
