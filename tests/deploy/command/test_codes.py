"""Every status of design section 4 that can be seen with `crossroads send`, seen: docs/examples, and what takes more.

Not to be seen in the reference network, whose suppliers are honest and whose hub has time: CRB00011 (an answer after
the deadline), CRB00012 (an answer that breaks its schema, which the library does not send), CRB00013 (of the wrong
sender or ticket: logged, told as silence), CRB00014 (busy). `tests/hub` has them over the broker.
"""

import re

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER
from deploy.demo.messages import envelopes, examples
from deploy.network import FILES
from institutions.reference.network import PCSW_A
from institutions.reference.population import Population
from schemas.codes import CODES
from tests.deploy.command.network import Network, Said, until

EXAMPLES = {example.file: example for example in examples()}


@pytest.fixture(scope="module")
def answers(network: Network) -> dict[str, Said]:
    """What each example is answered with."""
    return dict(
        zip(
            EXAMPLES,
            network.run_all(*(("send", FOLDER / file, "--as", e.sender, "--json") for file, e in EXAMPLES.items())),
            strict=True,
        )
    )


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_answered_with_the_code_it_is_named_after(answers, file):
    said, code = answers[file], EXAMPLES[file].code
    told = said.json
    assert told["code"] == code
    assert said.status == (0 if code == "MSG00000" else 1), said
    # MSG00008 is both: a schema that is broken is a fault, data that contradict each other are a status.
    fault = CODES[code].kind == "fault" if code != "MSG00008" else "schema" in file
    assert told["kind"] == ("fault" if fault else "response")
    if not fault:
        assert told["value"] == (CODES[code].value or "NO_RESULT")


@pytest.mark.parametrize("example", envelopes(), ids=lambda example: example.file)
def test_an_envelope_is_answered_with_yes(network, example):
    said = network.send(FOLDER / example.file, example.sender)
    assert said.status == 0, said
    assert (said.json["value"], said.json["code"]) == ("YES", "")
    root = etree.fromstring(said.json["xml"].encode())
    assert root.find(".//{*}Registrations") is not None or root.find(".//{*}LimitedLegalData") is not None


def test_a_broken_schema_is_told_with_a_detail_for_each_error(answers):
    root = etree.fromstring(answers["codes/MSG00008-schema.xml"].json["xml"].encode())
    details = root.findall("detail")
    assert [detail.findtext("reasonCode") for detail in details] == ["MSG00008", "MSG00008"]
    assert all(
        {entry.findtext("fieldName") for entry in detail.findall("information")} == {"line", "path", "reason"}
        for detail in details
    )


def test_a_replaced_number_is_told_with_the_new_one(answers):
    [told] = answers["codes/MSG00006.xml"].json["information"]
    assert told["fieldName"] == "newSSIN"


def test_a_person_at_two_mutualities_is_told_of_by_both(answers):
    root = etree.fromstring(answers["HealthInsurance.xml"].json["xml"].encode())
    assert [part.findtext("status/code") for part in root.findall("part")] == ["MSG00000", "MSG00000"]


def test_what_a_pcsw_may_not_see_is_cut_and_named(answers):
    root = etree.fromstring(answers["HandicapRecognition.xml"].json["xml"].encode())
    assert root.find("recognition") is not None
    assert root.find("recognition/pathologyCode") is None
    assert [e.text for e in root.findall("dataFilters/filteredElement")] == ["recognition/pathologyCode"]


def test_numbers_that_belong_together_are_told_by_both_registers(answers):
    """The National Register of its own number and what it replaced, 25-0 of the bis number that it gave."""
    root = etree.fromstring(answers["RelatedSsins.xml"].json["xml"].encode())
    told = {
        part.findtext("informationSupplier/supplierIdentification/sector"): {
            (number.findtext("ssin"), number.findtext("replacedBy")) for number in part.findall("number")
        }
        for part in root.findall("part")
    }
    old, new = (ssin.digits for ssin in Population().examples.replaced)
    assert told["0"] == told["25"] == {(old, new), (new, None)}


def test_who_was_given_a_number_is_found_by_its_sound_and_may_be_registered(network, answers):
    given = etree.fromstring(answers["RegisterPerson.xml"].json["xml"].encode()).findtext("newlyRegistered")
    search = (FOLDER / "SearchPerson.xml").read_text()
    last, born = re.search(r"<lastName>(.*)</lastName>\s*<birthDate>(.*)</birthDate>", search).groups()
    other = search.replace(last, "Van der Sterren").replace(born, "1991-04-00")
    said = network.send("-", PCSW_A, "--new-ticket", given=other.encode())
    found = etree.fromstring(said.json["xml"].encode())
    assert [one.text for one in found.iterfind("part/person/ssin")] == [given]
    register = re.sub(r"<ssin>.*</ssin>", f"<ssin>{given}</ssin>", (FOLDER / "RegisterIntegration.xml").read_text())
    register = re.sub(r"<lastName>.*</lastName>", "<lastName>VANDERSTERREN</lastName>", register)
    register = re.sub(r"<birthDate>.*</birthDate>", "<birthDate>1991-00-00</birthDate>", register)
    said = network.send("-", PCSW_A, "--new-ticket", given=register.encode())
    assert (said.status, said.json["code"]) == (0, "MSG00000"), said


def test_the_registers_hear_that_a_number_was_replaced(network, answers):
    replaced = etree.fromstring((FOLDER / "ReplaceSsin.xml").read_bytes())
    old, new = (replaced.findtext(f"criteria/{name}") for name in ("ssin", "newSsin"))
    current = re.sub(r"<ssin>.*</ssin>", f"<ssin>{old}</ssin>", (FOLDER / "CurrentSsin.xml").read_text()).encode()

    def told() -> str | None:
        said = network.send("-", PCSW_A, "--new-ticket", given=current)
        return etree.fromstring(said.json["xml"].encode()).findtext("part/currentSsin")

    until(lambda: told() == new)


def test_the_registers_replace_a_number_of_their_own(network, answers):
    """The hub first, then the registers, which are not told what they said themselves."""
    first, second = (_registered(network, name) for name in ("Ondernaar", "Zuidwester"))
    said = network.here("registers", "replace", first, second)
    assert (said.status, said.out.decode()) == (0, "replaced; rows of 0 sectors moved\n"), said
    current = re.sub(r"<ssin>.*</ssin>", f"<ssin>{first}</ssin>", (FOLDER / "CurrentSsin.xml").read_text())
    told = network.send("-", PCSW_A, "--new-ticket", given=current.encode()).json["xml"]
    assert etree.fromstring(told.encode()).findtext("part/currentSsin") == second
    for words, status, why in (
        ([first, second], 2, "none that stands in the registers of 25-0"),
        ([second, first], 1, "refused: MSG00008"),
        ([second, second[:10]], 2, ""),
    ):
        said = network.here("registers", "replace", *words)
        assert said.status == status, said
        assert why in said.err
        assert first not in said.err
        assert second not in said.err


def _registered(network: Network, name: str) -> str:
    message = (FOLDER / "RegisterPerson.xml").read_text().replace("Vandersterren", name)
    said = network.send("-", PCSW_A, "--new-ticket", given=message.encode())
    return str(etree.fromstring(said.json["xml"].encode()).findtext("newlyRegistered"))


def test_a_message_of_more_than_a_mebibyte_is_too_large(network):
    large = (FOLDER / "Pension.xml").read_bytes() + b" " * 1_100_000
    said = network.here("send", "-", "--as", str(PCSW_A), "--json", given=large)
    assert (said.status, said.json["kind"], said.json["code"]) == (1, "fault", "CRB00001"), said


def test_one_that_is_not_in_the_register_is_told_so(network, tmp_path):
    """70-3 leaves the register while everything runs, and comes back."""
    [whole] = [file for file in FILES if file.name == "institutions.toml"]
    entries = whole.read_text().split("[[institution]]")
    without = tmp_path / whole.name
    without.write_text("[[institution]]".join(entry for entry in entries if 'address = "70-3"' not in entry))
    assert network.here("repertory", "load", without).status == 0

    def code() -> str:
        said = network.send(FOLDER / "RetrieveTIGroups.xml", "70-3", "--new-ticket")
        return str(said.json["code"])

    try:
        until(lambda: code() == "CRB00005")
    finally:
        assert network.here("repertory", "load", whole).status == 0
    until(lambda: code() != "CRB00005")
