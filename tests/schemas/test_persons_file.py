"""The persons CSV: what is written is read, and what is wrong is told by line and column, never by its content."""

import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.address import Address
from schemas.employer import EnterpriseNumber
from schemas.integration import REPLACED, CsvError, Integration, read_csv
from schemas.period import Period
from schemas.sectors import SECTORS, qualities_of
from schemas.ssin import Ssin, check_digits

_HEADING = "ssin,sector,type,quality,phase,from,to,replaced_by"
_MEMBER_HEADING = _HEADING + ",member"
_MEMBER = Address(17, 1, EnterpriseNumber.of(2_000_001).digits)


def _digits(nine):
    return nine + check_digits(nine, born_2000=False)


_OLD, _NEW = _digits("850609035"), _digits("854609035")
_WRONG_CHECK = f"{_OLD[:9]}{int(_OLD[9:]) % 97 + 1:02d}"

#: One line that is right, by column.
_RIGHT = {
    "ssin": _OLD, "sector": "17", "type": "1", "quality": "2", "phase": "1", "from": "2024-01-01", "to": "2024-12-31",
    "replaced_by": "", "member": str(_MEMBER),
}  # fmt: skip


def _file(*lines, heading=_HEADING):
    return io.StringIO("\n".join((heading, *lines)) + "\n")


def _line(**changed):
    return ",".join((_RIGHT | changed).values())


@st.composite
def _integrations(draw):
    kind = draw(st.sampled_from(sorted(SECTORS)))
    quality = draw(st.sampled_from(sorted(qualities_of(kind.sector))))
    begin = draw(st.dates(date(1000, 1, 1)))
    counter = st.integers(1, 998)
    return Integration(
        Ssin.parse(_digits(f"850609{draw(counter):03d}")),
        kind,
        quality,
        draw(st.none() | st.integers(0, 32_767)),
        Period(begin, draw(st.none() | st.dates(begin))),
        Ssin.parse(_digits(f"854609{draw(counter):03d}")) if quality == REPLACED else None,
        draw(st.none() | st.just(Address(kind.sector, kind.type, _MEMBER.cbe))),
    )


@given(st.lists(_integrations(), max_size=5))
def test_what_is_written_is_read_back(rows):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(_MEMBER_HEADING.split(","))
    for one in rows:
        writer.writerow(
            [
                one.ssin.digits, one.kind.sector, one.kind.type, one.quality, one.phase, one.period.begin,
                one.period.end, one.replaced_by.digits if one.replaced_by else None, one.member,
            ]
        )  # fmt: skip
    file.seek(0)
    assert list(read_csv(file)) == rows


def test_a_line_without_phase_end_and_successor_is_read():
    (row,) = read_csv(_file(f"{_OLD},17,1,2,,2024-01-01,,"))
    assert row == Integration(Ssin.parse(_OLD), Address(17, 1), 2, None, Period(date(2024, 1, 1), None))


def test_a_file_as_a_spreadsheet_saves_it_is_read():
    # A byte order mark, line ends of Windows, quotes, and a blank line at the end.
    file = io.StringIO(f'\ufeff{_HEADING}\r\n"{_OLD}",17,1,002,,2024-01-01,,\r\n\r\n', newline="")
    assert [row.quality for row in read_csv(file)] == [2]


def test_a_file_is_read_a_line_at_a_time():
    rows = read_csv(_file(f"{_OLD},17,1,2,,2024-01-01,,", "rubbish"))
    assert next(rows).quality == 2
    with pytest.raises(CsvError):
        next(rows)


_WRONG = [
    ("ssin", {"ssin": ""}, "11 digits"),
    ("ssin", {"ssin": f"{_OLD[:6]}-{_OLD[6:]}"}, "11 digits"),
    ("ssin", {"ssin": _WRONG_CHECK}, "check digits"),
    ("sector", {"sector": ""}, "0 to 999"),
    ("sector", {"sector": "1000"}, "0 to 999"),
    ("sector", {"sector": "-1"}, "0 to 999"),
    ("sector", {"sector": "١٧"}, "0 to 999"),
    ("type", {"type": "x"}, "0 to 999"),
    ("quality", {"quality": ""}, "0 to 999"),
    ("quality", {"quality": "10"}, "no such quality"),
    ("quality", {"sector": "998"}, "no such sector"),
    ("phase", {"phase": "-1"}, "0 to 32767"),
    ("phase", {"phase": "32768"}, "0 to 32767"),
    ("phase", {"phase": "1.5"}, "0 to 32767"),
    ("from", {"from": ""}, "YYYY-MM-DD"),
    ("from", {"from": "2024-02-30"}, "YYYY-MM-DD"),
    ("to", {"to": "31/12/2024"}, "YYYY-MM-DD"),
    ("to", {"to": "2023-12-31"}, "turned round"),
    ("replaced_by", {"replaced_by": _NEW}, "stands with quality 999"),
    ("replaced_by", {"quality": "999"}, "stands with quality 999"),
    ("replaced_by", {"quality": "999", "replaced_by": _OLD}, "the number itself"),
    ("replaced_by", {"quality": "999", "replaced_by": _WRONG_CHECK}, "check digits"),
    ("member", {"member": "17-1"}, "cooperating institution"),
    ("member", {"member": f"18-1-{_MEMBER.cbe}"}, "this line's sector and type"),
    ("member", {"member": "somebody"}, "not an address"),
]


@pytest.mark.parametrize(
    ("column", "changed", "reason"), _WRONG, ids=[f"{column}, {n}" for n, (column, _, _) in enumerate(_WRONG)]
)
def test_a_wrong_cell_is_told_by_file_line_and_column(column, changed, reason):
    file = _file(_line(), _line(**changed), heading=_MEMBER_HEADING)
    with pytest.raises(CsvError, match=reason) as caught:
        list(read_csv(file, "persons.csv"))
    error = caught.value
    assert (error.file, error.line, error.column) == ("persons.csv", 3, column)
    assert str(error).startswith(f"persons.csv:3: {column}: ")


@pytest.mark.parametrize(
    "heading", ["", "ssin", _HEADING.replace("to,", ""), _HEADING + ",name", _MEMBER_HEADING + ",x", _HEADING.upper()]
)
def test_a_file_with_another_heading_is_refused(heading):
    with pytest.raises(CsvError, match=r":1: heading: write ssin,sector"):
        list(read_csv(_file(heading=heading)))


def test_an_empty_file_is_refused():
    with pytest.raises(CsvError, match="heading"):
        list(read_csv(io.StringIO("")))


@pytest.mark.parametrize(
    "line", [f"{_OLD},17,1,2,,2024-01-01,", f"{_OLD},17,1,2,,2024-01-01,,,", "x"], ids=["short", "long", "one"]
)
def test_a_line_of_another_length_is_refused(line):
    with pytest.raises(CsvError, match=r":2: line: has \d columns: write 8"):
        list(read_csv(_file(line)))


@pytest.mark.parametrize("line", ['"' + _OLD, f'"{_OLD}"7,17,1,2,,2024-01-01,,'], ids=["not closed", "in a value"])
def test_a_quote_out_of_place_is_refused(line):
    with pytest.raises(CsvError, match="is no CSV"):
        list(read_csv(_file(line)))


def test_a_file_of_another_encoding_is_refused_without_its_bytes(tmp_path):
    path = tmp_path / "persons.csv"
    path.write_bytes(f"{_MEMBER_HEADING}\n{_OLD},17,1,2,,2024-01-01,,,\xe9\n".encode("latin-1"))
    with path.open(encoding="utf-8", newline="") as file, pytest.raises(CsvError, match="UTF-8") as caught:
        list(read_csv(file))
    assert str(path) == caught.value.file
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("column", list(_RIGHT))
def test_no_error_shows_a_number_whatever_the_column_it_slipped_into(column):
    number = _OLD if column not in ("ssin", "replaced_by") else _WRONG_CHECK
    with pytest.raises(CsvError) as caught:
        list(read_csv(_file(_line(**{column: number}), heading=_MEMBER_HEADING)))
    assert number not in str(caught.value)
    assert number not in repr(caught.value)


def test_the_name_of_a_file_is_told_where_none_was_given(tmp_path):
    path = tmp_path / "here.csv"
    path.write_text("x\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file, pytest.raises(CsvError, match=r"here\.csv:1: heading"):
        list(read_csv(file))
