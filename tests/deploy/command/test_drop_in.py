"""A service that the project has never seen: a folder, one authorisation, one command. No code, and no restart."""

import shutil

from lxml import etree

from deploy.demo.examples import FOLDER, OWN_SERVICE, own_example
from institutions.reference.network import PCSW_A
from schemas.parser import parse
from tests.deploy.command.network import until

REQUEST = FOLDER / own_example().file


def canonical(elements: list[etree._Element]) -> list[bytes]:
    return [etree.tostring(element, method="c14n2") for element in elements]


def test_a_service_of_ones_own_is_served_beside_a_running_network(network):
    before = network.processes()
    assert network.send(REQUEST, PCSW_A, "--new-ticket").json["code"] == "CRB00008"

    shutil.copytree(OWN_SERVICE / "FreePass", network.services / "FreePass")
    until(lambda: network.send(REQUEST, PCSW_A, "--new-ticket").json["code"] == "MSG00013", within=15)
    loaded = network.run("repertory", "load", OWN_SERVICE / "free-pass.toml")
    assert loaded.status == 0, loaded
    assert loaded.out == b"+ authorisation pcsw-free-pass  (free-pass.toml)\n"

    simulator = network.start("simulate", "FreePass", "--as", "64-0", "--answers", str(OWN_SERVICE / "answers"))
    try:
        until(lambda: network.said("simulate") == "ready\n", why=network.said("simulate", "err"))
        said = network.send(REQUEST, PCSW_A, "--new-ticket")
        assert said.status == 0, said
        [file] = (OWN_SERVICE / "answers").iterdir()
        answer = etree.fromstring(said.json["xml"].encode())
        held = parse(b"<all>" + file.read_bytes().partition(b"?>")[2] + b"</all>")
        assert len(held) == 2
        assert canonical(answer.findall("pass")) == canonical(held.findall("pass"))
        assert answer.findtext("status/code") == "MSG00000"
        started = {pid for pid in network.processes() if pid not in before}
        assert simulator.pid in started
    finally:
        assert network.end(simulator) == 0
    assert network.processes().keys() >= before.keys(), "something was restarted"
