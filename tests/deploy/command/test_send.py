"""`crossroads up` and `crossroads send`, as the README has them."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER
from institutions.reference.network import PCSW_A
from tests.deploy.command.network import Network, until

PENSION = FOLDER / "Pension.xml"
ENVELOPE = FOLDER / "ssdn" / "ManageAccess.xml"
REFUSED = FOLDER / "codes" / "MSG00013.xml"


def test_what_a_running_network_writes_is_for_its_owner_alone(network):
    assert stat.S_IMODE(network.home.stat().st_mode) == 0o700
    there = {file.name for file in network.home.iterdir()}
    assert there in ({"network.json"}, {"network.json", "senders"})  # boxes of senders, once one published
    assert all(stat.S_IMODE((network.home / name).stat().st_mode) in (0o600, 0o700) for name in there)
    assert stat.S_IMODE((network.home / "network.json").stat().st_mode) == 0o600


def test_a_pcsw_asks_the_national_register_through_its_secondary_network(network):
    said = network.run("send", FOLDER / "RetrieveTIGroups.xml", "--as", str(PCSW_A))
    assert said.status == 0, said
    assert said.err == ""
    answer = etree.fromstring(said.out)
    assert etree.QName(answer).localname == "retrieveTIGroupsResponse"
    assert (answer.findtext("status/value"), answer.findtext("status/code")) == ("DATA_FOUND", "MSG00000")
    assert answer.find("rrn_it_implicit") is not None
    assert answer.findtext("informationCustomer/ticket") == "example-RetrieveTIGroups"


def test_json_tells_the_answer_and_what_is_known_of_it(network):
    said = network.send(PENSION, PCSW_A)
    assert said.status == 0, said
    told = said.json
    assert list(told) == ["kind", "value", "code", "information", "ticketCBSS", "ms", "xml"]
    assert (told["kind"], told["value"], told["code"], told["information"]) == (
        "response", "DATA_FOUND", "MSG00000", []
    )  # fmt: skip
    assert UUID(told["ticketCBSS"]).version == 5
    assert 0 < told["ms"] < 5_000
    assert etree.fromstring(told["xml"].encode()).find("pension") is not None


def test_another_answer_than_data_found_is_exit_status_1(network):
    said = network.send(REFUSED, PCSW_A)
    assert said.status == 1, said
    assert (said.json["value"], said.json["code"]) == ("NO_RESULT", "MSG00013")
    assert said.err == ""


def test_information_says_what_was_missing(network):
    said = network.send(FOLDER / "codes" / "MSG00012-phase.xml", "11-1-1911010163")
    assert said.json["information"] == [{"fieldName": "missing", "fieldValue": "phase"}]


def test_the_same_message_is_the_same_exchange_and_a_new_ticket_another(network):
    tickets = [network.send(PENSION, PCSW_A).json["ticketCBSS"] for _ in range(2)]
    new = [network.send(PENSION, PCSW_A, "--new-ticket") for _ in range(2)]
    assert [said.status for said in new] == [0, 0]
    assert tickets[0] == tickets[1]
    assert len({tickets[0], *(said.json["ticketCBSS"] for said in new)}) == 3


def test_an_envelope_is_sent_as_one_and_a_new_ticket_is_its_reference(network):
    first, again = (network.send(ENVELOPE, PCSW_A).json for _ in range(2))
    new = network.send(ENVELOPE, PCSW_A, "--new-ticket")
    assert new.status == 0, new
    assert first["ticketCBSS"] == again["ticketCBSS"] != new.json["ticketCBSS"]
    reply = etree.fromstring(new.json["xml"].encode())
    assert etree.QName(reply).localname == "SSDNReply"
    assert UUID(reply.findtext(".//{*}Message/{*}Reference")).version == 4
    wrong = ENVELOPE.read_bytes().replace(b"<MatrixID>17<", b"<MatrixID>5<")
    said = network.send("-", PCSW_A, "--new-ticket", given=wrong)
    assert (said.status, said.json["value"]) == (1, "NO"), said


def test_a_message_may_come_from_standard_input(network):
    said = network.run("send", "-", "--as", str(PCSW_A), given=PENSION.read_bytes())
    assert said.status == 0, said


def test_a_service_may_be_named_and_another_than_the_messages_is_refused(network):
    assert network.send(PENSION, PCSW_A, "--new-ticket", "--service", "Pension/1").status == 0
    said = network.send(PENSION, PCSW_A, "--new-ticket", "--service", "SelfEmployed/1")
    assert (said.status, said.json["kind"], said.json["code"]) == (1, "fault", "MSG00008")


@contextmanager
def held_up(network: Network, words: str) -> Iterator[None]:
    """The process with these words on its command line stands still."""
    running = {pid: said.rstrip() for pid, said in network.processes().items() if "guardian.py" not in said}
    [process] = [pid for pid, said in running.items() if said.endswith(words)]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_no_answer_is_exit_status_3_and_one_line_that_says_how_to_go_on(network):
    with held_up(network, "python -m hub"):
        said = network.run("send", PENSION, "--as", "5-0", "--timeout", "1")
    assert said.status == 3, said
    assert said.out == b""
    assert said.err.count("\n") == 1
    assert "no answer within 1 s" in said.err
    until(lambda: network.run("send", PENSION, "--as", "5-0").status == 1, why="the hub did not go on")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.xml", "--as", "17-0"], "nowhere.xml: No such file"),
        ([PENSION, "--as", "17-one"], "not an address"),
        ([PENSION, "--as", "99-0"], "99-0 has no broker user in this network: `crossroads repertory institutions`"),
        ([PENSION, "--as", "13-0"], "the broker does not let 13-0 in, or gives it no right here"),
        ([FOLDER / "codes" / "CRB00003.xml", "--as", str(PCSW_A), "--new-ticket"], "--new-ticket: no message"),
        ([FOLDER, "--as", "17-0"], "Is a directory"),
    ],
    ids=["no file", "no address", "unknown address", "inactive institution", "no place for a ticket", "a folder"],
)
def test_what_cannot_be_sent_is_exit_status_2_and_one_line(network, words, told):
    said = network.here("send", *words)
    assert said.status == 2, said
    assert said.out == b""
    assert told in said.err
    assert said.err.startswith("crossroads: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["send", PENSION, "--as", "17-0"],
        ["simulate", "Pension", "--as", "5-0", "--answers", FOLDER],
        ["repertory", "institutions"],
    ],
    ids=["send", "simulate", "repertory"],
)
def test_without_a_network_one_line_says_how_to_start_one(network, words):
    said = network.here(*words, home=network.root / "elsewhere")
    assert said.status == 2, said
    assert said.err.count("\n") == 1
    assert "start one with `crossroads up`, or set CROSSROADS_HOME" in said.err


def test_a_second_network_in_the_same_home_is_refused_and_the_first_goes_on(network):
    said = network.run("up")
    assert said.status == 2, said
    assert "a network runs from" in said.err
    assert network.send(PENSION, PCSW_A).status == 0


def test_an_institution_that_is_not_in_the_network_cannot_be_left_out(network):
    said = network.run("up", "--without", "99-0", home=network.root / "elsewhere")
    assert said.status == 2, said
    assert "99-0 is not in the reference network" in said.err
    assert not (network.root / "elsewhere").exists()
