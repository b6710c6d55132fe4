"""The acknowledgement of receipt: its bytes are valid whatever a sender called its file."""

from datetime import UTC, datetime

import pytest

from schemas.declarations.acrf import acrf
from schemas.declarations.forms import Forms, shipped
from schemas.parser import parse

FORMS = Forms([shipped()])
NOW = datetime(2026, 11, 28, 23, 30, 0, 5_000, UTC)


@pytest.mark.parametrize("name", ["", "ONLINE", "GO.DIMN.123456.20261128.00001.R.1", "a<&>\r\0\ud800'\"", "é" * 500])
def test_it_is_valid_whatever_the_name(name: str) -> None:
    body = acrf(name, errors=("ACRF-102",), now=NOW)
    release, violations = FORMS.violations(body)
    assert (release.label, violations) == ("ACRF_20231", ())


def test_it_says_what_became_of_a_file() -> None:
    body = acrf("GO.DIMN.123456.20261128.00001.R.1", ticket="3500000000001", now=NOW, type="PA")
    assert FORMS.violations(body)[1] == ()
    form = parse(body)[0]
    assert form.findtext("FileReference/ReferenceNbr") == "3500000000001"
    assert (form.findtext("TypeForm"), form.findtext("ReceptionResult/ResultCode")) == ("PA", "1")
    # It is the next day in Belgium by then.
    assert (form.findtext("FormCreationDate"), form.findtext("FormCreationHour")) == ("2026-11-29", "00:30:00.005")


def test_all_that_is_wrong_is_told_in_its_order() -> None:
    form = parse(acrf("x", errors=("ACRF-107", "ACRF-120"), now=NOW))[0]
    assert [error.text for error in form.iter("ErrorID")] == ["ACRF-107", "ACRF-120"]
    assert (form.findtext("TypeForm"), form.findtext("ReceptionResult/ResultCode")) == ("FA", "0")
