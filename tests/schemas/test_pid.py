"""The identifiers of a DmfA: what is written is valid and read back without loss, over as many messages as it takes."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.declarations import pid
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.pid import (
    OccupationPid,
    PersonPid,
    Pids,
    RecordPid,
    UnreadablePids,
    UnrelatedPid,
    VehiclePid,
    read,
    written,
)
from schemas.declarations.quarter import Quarter
from schemas.parser import parse

FORMS = Forms([shipped()])
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OWN, TICKET = "350000000ZZ42", "350000000AA01"
_numbers = st.integers(1, 99_999_999_999)
_codes = st.from_regex(r"[0-9]{3}", fullmatch=True)
_references = st.none() | st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=20
)
_occupations = st.builds(OccupationPid, st.integers(1, 99), _numbers, _references)
_records = st.builds(RecordPid, _codes, _codes, _numbers, _references, st.lists(_occupations, max_size=3).map(tuple))
_inss = st.just("0") | st.from_regex(r"[0-9]{11}", fullmatch=True)
_persons = st.builds(
    PersonPid, _inss, _numbers, _numbers, _numbers, _references, st.lists(_records, max_size=3).map(tuple)
)
_pids = st.builds(
    Pids,
    st.builds(Quarter, st.integers(2004, 2100), st.integers(1, 4)),
    st.none() | st.integers(100006, 199999934).map(str),
    st.sampled_from(["0", "0400000040", "123456789"]),
    st.booleans(),
    _numbers,
    st.just(TICKET),
    st.lists(_persons, max_size=4).map(tuple),
    st.lists(st.builds(UnrelatedPid, _codes, _codes, _numbers), max_size=2).map(tuple),
    st.lists(st.builds(VehiclePid, _references.map(lambda text: (text or "")[:10]), _numbers), max_size=2).map(tuple),
)


@given(_pids, st.sampled_from([1, 600, 10_000]))
def test_what_is_written_is_read_without_loss(pids: Pids, most: int) -> None:
    messages = written(pids, OWN, NOW, most=most)
    assert all(FORMS.violations(body)[1] == () for body in messages)
    found = [read(body) for body in messages]
    assert reduce(Pids.with_part, found) == pids
    blocks = len(pids.persons) + len(pids.unrelated) + len(pids.vehicles)
    assert len(messages) == max(blocks, 1) or most > 1


def test_a_large_one_goes_over_several_messages_none_too_large() -> None:
    record = RecordPid("010", "495", 1, None, (OccupationPid(1, 1),))
    persons = tuple(PersonPid(f"{place:011d}", place, place, 1, None, (record,)) for place in range(1, 3001))
    pids = Pids(Quarter(2026, 3), "130000175", "0", False, 7, TICKET, persons)
    messages = written(pids, OWN, NOW)
    assert len(messages) > 1
    for body in messages:
        # As who reads what comes on line does.
        parse(body)
    assert reduce(Pids.with_part, map(read, messages)) == pids


def test_it_names_the_form_that_it_follows_from() -> None:
    pids = Pids(Quarter(2026, 3), None, "0", False, 7, TICKET)
    references = [("2", "2", "dossier"), ("1", "1", "my own & its name")]
    (body,) = written(pids, OWN, NOW, references)
    told = [[child.text for child in one] for one in parse(body).iter("Reference")]
    assert told == [["1", "2", OWN], ["3", "2", TICKET], ["3", "1", "my own & its name"]]


def test_what_is_found_in_it() -> None:
    record = RecordPid("010", "495", 3)
    person = PersonPid("00410100155", 1, 2, 3, None, (record,))
    pids = Pids(Quarter(2026, 3), None, "0", False, 7, TICKET, (person,))
    assert pids.person("00410100155") == person
    assert pids.person("1") is None
    assert person.record("010", "495") == record
    assert person.record("010", "496") is None
    assert "00410100155" not in repr(pids)


@pytest.mark.parametrize(
    "body",
    [
        b"<DmfAPID/>",
        b"<NOTIFICATION><Form><IDEmployerDeclaration/></Form></NOTIFICATION>",
        b"<DmfAPID><Form/></DmfAPID>",
        b"<DmfAPID><Form><IDEmployerDeclaration/></Form></DmfAPID>",
        b"<DmfAPID><Form><IDEmployerDeclaration/></Form><Form/></DmfAPID>",
        b"<DmfAPID><Form><IDEmployerDeclaration><Quarter>20263</Quarter></IDEmployerDeclaration></Form></DmfAPID>",
    ],
)
def test_what_is_no_dmfapid(body: bytes) -> None:
    with pytest.raises(UnreadablePids):
        read(body)


def test_parts_of_one_ticket_are_one() -> None:
    one = Pids(Quarter(2026, 3), None, "0", False, 7, TICKET, (PersonPid("1" * 11, 1, 2, 3),))
    other = replace(one, persons=(PersonPid("2" * 11, 4, 5, 6),), vehicles=(VehiclePid("1-AAA-001", 1),))
    assert [one.inss for one in one.with_part(other).persons] == ["1" * 11, "2" * 11]
    assert pid.FORM == "DmfAPID"
