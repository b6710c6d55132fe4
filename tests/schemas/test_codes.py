"""The catalogue of codes: whole, in four languages, and true in the documentation."""

import pytest

from schemas import codes
from schemas.codes import CODES, LANGUAGES, code, page

#: Design section 4 and field.md section 3.5.
_STATUS = {
    "MSG00000": "DATA_FOUND",
    "MSG00100": "NO_DATA_FOUND",
    "MSG00009": "NO_DATA_FOUND",
    "MSG00021": "NO_DATA_FOUND",
    "MSG00005": "NO_RESULT",
    "MSG00006": "NO_RESULT",
    "MSG00008": "NO_RESULT",
    "MSG00011": "NO_RESULT",
    "MSG00012": "NO_RESULT",
    "MSG00013": "NO_RESULT",
    "HAN20200": "INCOMPLETE_DATA",
    **{f"CRB{n:05d}": "NO_RESULT" for n in range(15, 21)},
}
_OURS = {f"CRB{n:05d}" for n in range(1, 23)}


def test_the_catalogue_has_every_code_and_no_other():
    assert set(CODES) == _STATUS.keys() | {"MSG00003"} | _OURS


def test_a_status_has_its_value_and_a_fault_none():
    assert {name: entry.value for name, entry in CODES.items() if entry.kind == "status"} == _STATUS
    assert {entry.value for entry in CODES.values() if entry.kind == "fault"} == {None}


def test_what_is_ours_is_marked_as_ours():
    assert {name for name, entry in CODES.items() if entry.ours} == _OURS
    assert {entry.author for entry in CODES.values() if entry.ours} == {"CROSSROADS"}
    assert {entry.author for entry in CODES.values() if not entry.ours} == {"CBSS"}


def test_what_can_stand_in_a_fault_is_fatal_or_a_warning():
    assert code("MSG00003").severity == "FATAL"
    assert code("MSG00008").severity == "FATAL"
    assert {CODES[name].severity for name in _OURS} == {"FATAL", "WARNING"}


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_code_fits_where_it_is_written(name):
    # Common V3: code and reasonCode 16, description and diagnostic 256, authorCode 64 characters.
    entry = CODES[name]
    assert entry.code == name
    assert len(name) <= 16
    assert len(entry.author) <= 64
    for language in LANGUAGES:
        assert 10 < len(entry.text[language]) <= 256


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_code_says_something_else_in_every_language_and_what_to_do(name):
    entry = CODES[name]
    assert set(entry.text) == set(LANGUAGES)
    assert len(set(entry.text.values())) == len(LANGUAGES)
    for sentence in (*entry.text.values(), entry.remedy):
        assert sentence.endswith(".")
        assert sentence == " ".join(sentence.split())
        assert "|" not in sentence


def test_no_two_codes_say_the_same():
    for language in LANGUAGES:
        assert len({entry.text[language] for entry in CODES.values()}) == len(CODES)


def test_an_unknown_code_is_no_code():
    with pytest.raises(KeyError):
        code("CRB99999")


def test_the_documentation_says_what_the_catalogue_says():
    assert codes.PAGE.read_text(encoding="utf-8") == page(), "run: python -m schemas.codes"
