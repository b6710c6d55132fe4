"""Institutions that are left out: silence is told, and `crossroads simulate` may answer in their place."""

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER
from deploy.demo.messages import examples
from institutions.reference.network import PCSW_A
from institutions.reference.population import Population
from tests.deploy.command.network import until

ACCIDENT, INQUIRY = FOLDER / "OccupationalAccident.xml", FOLDER / "SocialInquiry.xml"
[MUTUALITY] = [example.sender for example in examples() if example.file == ACCIDENT.name]
PERSON = Population().examples.occupational_accident.ssin


def test_the_only_supplier_is_silent(incomplete):
    said = incomplete.send(ACCIDENT, MUTUALITY)
    assert said.status == 1, said
    assert (said.json["kind"], said.json["code"]) == ("fault", "CRB00010")
    # Whose fault it was, by name.
    assert "at fault: a supplier, 1-0" in incomplete.here("ticket", said.json["ticketCBSS"]).out.decode()


def test_one_of_several_is_silent_and_the_others_are_told(incomplete):
    said = incomplete.send(INQUIRY, PCSW_A)
    assert said.status == 1, said
    told = said.json
    assert (told["value"], told["code"]) == ("INCOMPLETE_DATA", "HAN20200")
    assert told["information"] == [{"fieldName": "silent", "fieldValue": "16-0"}]
    parts = etree.fromstring(told["xml"].encode()).findall("part")
    assert "DATA_FOUND" in {part.findtext("status/value") for part in parts}


@pytest.fixture
def answers(incomplete, tmp_path):
    """A directory of answers, and its simulator."""
    simulator = incomplete.start("simulate", "OccupationalAccident", "--as", "1-0", "--answers", str(tmp_path))
    until(lambda: incomplete.said("simulate") == "ready\n")
    yield tmp_path
    assert incomplete.end(simulator) == 0


def test_a_simulator_answers_in_its_place_and_its_files_may_change(incomplete, answers):
    def send() -> tuple[int, str, str]:
        said = incomplete.send(ACCIDENT, MUTUALITY, "--new-ticket")
        return said.status, said.json["kind"], said.json["code"]

    assert send() == (1, "response", "MSG00100")
    file = answers / f"{PERSON.digits}.xml"
    file.write_text("<accident><this>breaks the schema</this></accident>")
    assert send() == (1, "fault", "MSG00003")
    file.write_text("neither a message nor elements")
    assert send() == (1, "fault", "MSG00003")
    file.unlink()
    assert send() == (1, "response", "MSG00100")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Nothing", "--as", "1-0"], "no service Nothing is known here"),
        (["OccupationalAccident", "--as", "99-0"], "99-0 has no broker user"),
        (["OccupationalAccident", "--as", "1-0"], "is no directory"),
    ],
    ids=["service", "address", "directory"],
)
def test_what_cannot_be_simulated_is_one_line_and_exit_status_2(incomplete, tmp_path, words, told):
    said = incomplete.run("simulate", *words, "--answers", tmp_path / "missing")
    assert said.status == 2, said
    assert told in said.err
    assert said.err.count("\n") == 1
