"""`crossroads lot send`: a file of persons, a file of answers; stopped, it goes on."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.command.network import Network, Said

RULES = "".join(
    f'[[authorisation]]\nid = "test-{service}"\ncustomer = "64-0"\nlegal_context = "LOT"\nqualities = [0]\n'
    f'service = "{service}/1"\ndeliberation = {{ number = "00/000", date = 2020-01-01 }}\nfrom = 2020-01-01\n'
    for service in ("OpenLot", "CloseLot")
)


@pytest.fixture(scope="module")
def persons(network: Network, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Whom De Lijn knows; it may send lots."""
    rules = tmp_path_factory.mktemp("rules") / "lots.toml"
    rules.write_text(RULES)
    loaded = network.here("repertory", "load", rules)
    assert loaded.status == 0, loaded
    known = network.here("repertory", "persons", "--known-to", "64-0", "--limit", "6", "--json").json
    return list(dict.fromkeys(person["ssin"] for person in known))


def send(network: Network, file: Path, out: Path, *words: str, given: bytes | None = None) -> Said:
    return network.here(
        "lot", "send", file, "--as", "64-0", "--service", "HandicapRecognition/1", "--context", "DELIJN:FREE_PASS",
        "--out", out, *words, given=given,
    )  # fmt: skip


def written(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_answers_are_in_the_order_of_the_file(network, persons, tmp_path):
    file, out = tmp_path / "persons.txt", tmp_path / "answers.jsonl"
    file.write_text("# of De Lijn\n\n" + "\n".join(f"{ssin}  # somebody" for ssin in persons) + "\n")
    said = send(network, file, out)
    assert said.status == 0, said
    assert "counted alike" in said.err
    head, *answers, last = written(out)
    assert (head["count"], head["service"]) == (len(persons), "HandicapRecognition/1")
    assert [answer["number"] for answer in answers] == list(range(1, len(persons) + 1))
    for ssin, answer in zip(persons, answers, strict=True):
        assert ssin in answer["xml"]
    assert last["closed"] is True
    assert sum(count for _, _, count in last["totals"]) == len(persons)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    assert send(network, file, out).status == 0
    assert out.read_bytes() == before


def test_it_goes_on_behind_the_last_whole_line(network, persons, tmp_path):
    file, out = tmp_path / "persons.txt", tmp_path / "answers.jsonl"
    file.write_text("\n".join(persons))
    assert send(network, file, out).status == 0
    whole = written(out)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    out.chmod(0o644)
    said = send(network, file, out)
    assert said.status == 0, said
    again = written(out)
    assert [one.get("ticketCBSS") for one in again] == [one.get("ticketCBSS") for one in whole]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert again[0] == whole[0]
    assert again[-1] == whole[-1]


def test_a_list_of_other_persons_is_another_lot(network, persons, tmp_path):
    file, out = tmp_path / "persons.txt", tmp_path / "answers.jsonl"
    file.write_text("\n".join(persons))
    assert send(network, file, out).status == 0
    file.write_text("\n".join(reversed(persons)))
    said = send(network, file, out)
    assert said.status == 2
    assert "another lot (persons differ)" in said.err


def test_a_sequence_that_is_not_the_next_is_refused(network, persons, tmp_path):
    file = tmp_path / "persons.txt"
    file.write_text(persons[0])
    said = send(network, file, tmp_path / "answers.jsonl", "--sequence", "900")
    assert said.status == 2
    assert "CRB00018" in said.err


@pytest.mark.parametrize(("text", "why"), [("", "no SSIN in it"), ("# nobody\n12345678901\n", "line 2: no SSIN")])
def test_a_file_that_is_none_says_where_and_names_nobody(network, persons, tmp_path, text, why):
    file, out = tmp_path / "persons.txt", tmp_path / "answers.jsonl"
    file.write_text(text)
    said = send(network, file, out)
    assert said.status == 2
    assert why in said.err
    assert "12345678901" not in said.err
    assert not out.exists()
