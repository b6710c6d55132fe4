"""docs/examples is what its module writes, and what an institution may send."""

from pathlib import Path

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER, OWN_SERVICE, PERSON_WITH_A_PASS, own_example, page
from deploy.demo.messages import CODES, SSDN, envelopes, examples
from deploy.network import FILES
from hub.repertory.files import read
from schemas.catalogue import Catalogue, shipped
from schemas.codes import CODES as CATALOGUE_OF_CODES
from schemas.ssdn import envelope
from schemas.ssdn.adapters import ADAPTERS

CATALOGUE = Catalogue([shipped()])
#: In a network that has just been started nobody was told anything, no lot is complete, and no employer has declared.
NEVER_FOUND = {
    "codes/CRB00019.xml": "CloseLot/1",
    "codes/MSG00100-catch-up.xml": "CatchUp/1",
    "codes/MSG00100-follow-up.xml": "FollowUp/1",
    "codes/MSG00100-wages.xml": "DmfaAttestation/1",
}


def test_the_folder_holds_what_the_module_writes():
    written = {FOLDER / example.file: example.body for example in (*examples(), *envelopes(), own_example())}
    folders = (FOLDER, FOLDER / CODES, FOLDER / SSDN, OWN_SERVICE)
    there = {path: path.read_bytes() for folder in folders for path in folder.glob("*.xml")}
    assert there == written, "run: python -m deploy.demo.examples"
    assert (FOLDER / "README.md").read_text() == page(), "run: python -m deploy.demo.examples"


def test_there_is_a_valid_request_for_every_service_that_the_reference_network_may_ask():
    asked, found = set(), set()
    for example in (one for one in examples() if one.code == "MSG00000" or one.file in NEVER_FOUND):
        service = CATALOGUE.by_root(str(etree.fromstring(example.body).tag))
        assert service.violations(example.body, "request")[1] == ()
        asked.add(service.type)
        if example.code == "MSG00000":
            assert Path(example.file).stem == service.name
            found.add(service.type)
    services = {authorisation.service for authorisation in read(FILES, CATALOGUE).authorisations}
    assert asked == {service for service in services if CATALOGUE.services[service].mode == "online"}
    assert asked - found == set(NEVER_FOUND.values())


def test_each_message_is_named_after_the_code_that_it_is_answered_with():
    for example in examples():
        assert example.code in CATALOGUE_OF_CODES
        if example.code != "MSG00000":
            assert Path(example.file).stem.startswith(example.code)


def test_tickets_differ_but_for_the_example_of_a_ticket_used_twice():
    tickets = [example.body.partition(b"<ticket>")[2].partition(b"</ticket>")[0] for example in examples()]
    assert sorted(ticket for ticket in set(tickets) if tickets.count(ticket) > 1) == [b"example-Pension"]


def test_the_service_of_ones_own_does_not_ship_and_has_one_authorisation_and_one_answer():
    assert "FreePass/1" not in CATALOGUE.services
    own = Catalogue([shipped(), OWN_SERVICE]).services["FreePass/1"]
    assert own.violations(own_example().body, "request")[1] == ()
    assert (OWN_SERVICE / "free-pass.toml").read_text().count("[[") == 1
    assert [file.stem for file in (OWN_SERVICE / "answers").iterdir()] == [PERSON_WITH_A_PASS.digits]


@pytest.mark.parametrize("example", envelopes(), ids=lambda example: example.file)
def test_an_envelope_keeps_to_its_schemas_and_says_who_sends_it(example):
    read_ = envelope.read(etree.fromstring(example.body))
    assert isinstance(read_, envelope.Envelope)
    [one] = read_.services
    adapter = ADAPTERS[one.business.tag]
    assert envelope.grammar(adapter.schema).violations_of(etree.fromstring(etree.tostring(one.business))) == ()
    assert f"Sent as {example.sender}." in example.body.decode()


@pytest.mark.parametrize("name", [example.file for example in examples() if example.code == "MSG00000"])
def test_an_example_says_in_a_comment_who_sends_it(name):
    [example] = [example for example in examples() if example.file == name]
    assert f"Sent as {example.sender}, answered" in example.body.decode()
