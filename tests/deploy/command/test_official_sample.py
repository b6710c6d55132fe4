"""The body of the official RetrieveTIGroups reply, told by a simulator to a PCSW. Collected where the sample lies."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER
from institutions.reference.network import PCSW_A
from institutions.reference.population import Population
from schemas.parser import parse
from tests.deploy.command.conftest import SAMPLES
from tests.deploy.command.network import Network, until

SAMPLE = SAMPLES / "retrieve-ti-groups-response-v1.xml"
#: The made-up number of the sample.
THEIRS = b"68070201351"
PERSON = Population().examples.known_to_pcsw_a_only.ssin
_INTERFACE = "http://kszbcss.fgov.be/intf/RetrieveTIGroupsService/v2"


@pytest.fixture(scope="module")
def body() -> etree._Element:
    """`rrn_it_implicit` with the number of somebody of the population."""
    envelope = parse(SAMPLE.read_bytes().replace(THEIRS, PERSON.digits.encode()))
    return next(envelope.iter("rrn_it_implicit"))


def data_alone(body: etree._Element) -> bytes:
    return etree.tostring(body)


def whole_response(body: etree._Element) -> bytes:
    """As a response of version 2: its head, criteria and status are the simulator's to replace or to keep."""
    request = parse((FOLDER / "RetrieveTIGroups.xml").read_bytes())
    root = etree.Element(f"{{{_INTERFACE}}}retrieveTIGroupsResponse", nsmap={"v2": _INTERFACE})
    root.extend(deepcopy(child) for child in request.iterchildren("*"))
    status = etree.SubElement(root, "status")
    for name, text in (("value", "DATA_FOUND"), ("code", "MSG00000"), ("description", "Treatment completed.")):
        etree.SubElement(status, name).text = text
    root.append(deepcopy(body))
    return etree.tostring(root)


@pytest.fixture(scope="module")
def told(incomplete: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory from which a simulator answers for the National Register, which is left out of this network."""
    directory = tmp_path_factory.mktemp("answers")
    simulator = incomplete.start(
        "simulate", "RetrieveTIGroups/2", "--as", "0-0", "--answers", str(directory), name="register"
    )
    until(lambda: incomplete.said("register") == "ready\n")
    yield directory
    assert incomplete.end(simulator) == 0


@pytest.mark.parametrize("form", [data_alone, whole_response])
def test_the_official_body_reaches_a_pcsw_as_it_is(incomplete, told, body, form):
    (told / f"{PERSON.digits}.xml").write_bytes(form(body))
    said = incomplete.send(FOLDER / "RetrieveTIGroups.xml", PCSW_A, "--new-ticket")
    assert said.status == 0, said
    answer = etree.fromstring(said.json["xml"].encode())
    assert (answer.findtext("status/value"), answer.findtext("status/code")) == ("DATA_FOUND", "MSG00000")
    received = answer.find("rrn_it_implicit")
    assert received is not None
    assert canonical(received) == canonical(body)
    assert len(list(received.iter())) > 100


def canonical(element: etree._Element) -> bytes:
    alone = deepcopy(element)
    alone.tail = None
    return etree.tostring(alone, method="c14n2")
