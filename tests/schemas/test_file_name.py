"""Names of files: read, written, and what is wrong with them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.declarations.file_name import FORMS, FileName, FileNameError

GO = "GO.DIMN.123456.20261128.00001.R.2"
TODAY = date(2026, 11, 28)


def test_a_name_and_those_that_belong_to_it():
    name = FileName.parse(GO)
    assert name == FileName("GO", "DIMN", "123456", TODAY, "00001", "R", 2)
    assert [str(one) for one in (name, name.td(), name.fi(1), name.fs(2))] == [
        GO,
        "TD.DIMN.123456.20261128.00001.R.2",
        "FI.DIMN.123456.20261128.00001.R.2.1",
        "FS.DIMN.123456.20261128.00001.R.2.2",
    ]
    assert FileName.parse("FS.DIMN.123456.20261128.00001.R.2.2").go() == name


@given(
    st.builds(
        FileName,
        st.sampled_from(["FI", "FS", "GO", "TD"]),
        st.sampled_from(sorted(FORMS)),
        st.integers(1, 999_999).map("{:06d}".format),
        st.dates(date(1000, 1, 1)),
        st.from_regex(r"[0-9A-Za-z]{5}", fullmatch=True).filter(lambda text: text != "00000"),
        st.sampled_from("RTS"),
        st.just(9),
        st.integers(1, 9),
    )
)
def test_what_is_written_is_read(name):
    if name.kind in ("GO", "TD"):
        name = name.go() if name.kind == "GO" else name.td()
    assert FileName.parse(str(name)) == name


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", ["107"]),
        ("GO.DIMN.123456.20261128.00001.R", ["107"]),
        ("GO.DIMN.123456.20261128.00001.R.1.1", ["107"]),
        ("GO.ABCD.123456.20261128.00001.R.1", ["107"]),
        ("TD.DIMN.123456.20261128.00001.R.1.1", ["107"]),
        ("XX.DIMN.123456.20261128.00001.R.1", ["107"]),
        ("go.DIMN.123456.20261128.00001.R.1", ["107"]),
        ("FI.DIMN.123456.20261128.00001.R.1", ["131"]),
        ("FS.DIMN.123456.20261128.00001.R.1", ["132"]),
        ("GO.DIMN.12345.20261128.00001.R.1", ["108"]),
        ("GO.DIMN.000000.20261128.00001.R.1", ["108"]),
        ("GO.DIMN.123456.2026112.00001.R.1", ["109"]),
        ("GO.DIMN.123456.20261131.00001.R.1", ["110"]),
        ("GO.DIMN.123456.2026١١28.00001.R.1", ["110"]),
        ("GO.DIMN.123456.20261128.0001.R.1", ["112"]),
        ("GO.DIMN.123456.20261128.0000-.R.1", ["112"]),
        ("GO.DIMN.123456.20261128.00000.R.1", ["127"]),
        ("GO.DIMN.123456.20261128.00001.R.0", ["114"]),
        ("GO.DIMN.123456.20261128.00001.R.10", ["114"]),
        ("FI.DIMN.123456.20261128.00001.R.1.x", ["115"]),
        ("FI.DIMN.123456.20261128.00001.R.1.2", ["116"]),
        ("FI.DIMN.123456.20261128.00001.R.0.2", ["114"]),
        ("GO.DIMN.123456.20261128.00001.P.1", ["117"]),
        ("GO.DIMN.123456.20261128.00001.RT.1", ["117"]),
        ("FI.DIMN.x.y.z.Q.0.0", ["108", "109", "112", "114", "115", "117"]),
    ],
)
def test_all_that_is_wrong_is_told_in_order(text, codes):
    with pytest.raises(FileNameError) as error:
        FileName.parse(text)
    assert list(error.value.codes) == codes


def test_a_name_of_another_kind_is_wrong():
    with pytest.raises(FileNameError) as error:
        FileName.parse("FI.DIMN.123456.20261128.00001.R.1.1", "GO")
    assert error.value.codes == ("107",)


@pytest.mark.parametrize(
    ("sender", "today", "codes"),
    [
        ("123456", TODAY, ()),
        ("123456", date(2026, 12, 28), ()),
        ("123456", date(2026, 12, 29), ("126",)),
        ("123456", date(2026, 11, 27), ("111",)),
        ("123457", date(2026, 11, 27), ("108", "111")),
    ],
)
def test_who_sends_it_and_when(sender, today, codes):
    assert FileName.parse(GO).judged(sender, today) == codes


def test_a_month_before_a_longer_month_ends_with_the_shorter():
    name = FileName.parse("GO.DIMN.123456.20260228.00001.R.1")
    assert name.judged("123456", date(2026, 3, 31)) == ()
    assert FileName.parse("GO.DIMN.123456.20251231.00001.R.1").judged("123456", date(2026, 1, 31)) == ()
