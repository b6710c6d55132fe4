"""`crossroads repertory`: read, load, integrate, authorise, beside a running network."""

import json

import pytest

from deploy.demo.examples import FOLDER, OWN_SERVICE
from deploy.network import FILES
from institutions.reference.network import PCSW_A, PCSW_B, PCSW_C
from institutions.reference.population import Population
from institutions.reference.whereabouts import rows_at_the_hub
from tests.deploy.command.network import until

EXAMPLES = Population().examples


def test_institutions_are_listed_with_who_connects_them(network):
    told = {row["address"]: row for row in network.here("repertory", "institutions", "--json").json}
    assert told[str(PCSW_A)] == {
        "address": str(PCSW_A), "cbe": PCSW_A.cbe, "name": "PCSW of Sterrebroek (synthetic)", "managed_by": "17-0",
        "active": True, "rate": 200,
    }  # fmt: skip
    assert told["0-0"]["managed_by"] is None
    assert told["13-0"]["active"] is False
    shown = network.here("repertory", "institutions").out.decode()
    assert len(shown.splitlines()) == 1 + len(told)
    assert "PCSW of Sterrebroek (synthetic)" in shown


def test_rights_say_what_may_be_asked_of_whom_and_under_which_deliberation(network):
    told = {row["id"]: row for row in network.here("repertory", "rights", str(PCSW_A), "--json").json}
    assert told["pcsw-handicap"] == {
        "id": "pcsw-handicap", "service": "HandicapRecognition/1", "legal_context": "PCSA:SOCIAL_INQUIRY",
        "qualities": [1, 2, 3, 4], "min_phase": None, "suppliers": ["16-0"], "without": ["recognition/pathologyCode"],
        "deliberation": "synthetic 20/902 of 2020-03-04", "from": "2020-03-04", "to": None,
    }  # fmt: skip
    assert "pcsw-handicap" in network.here("repertory", "rights", "17-1").out.decode()


def test_persons_of_a_sector_and_of_one_member(network):
    sector = network.here("repertory", "persons", "--known-to", "17-1", "--limit", "3", "--json").json
    assert len({row["ssin"] for row in sector}) == 3
    assert {row["address"] for row in sector} == {"17-1"}
    member = network.here("repertory", "persons", "--known-to", str(PCSW_A), "--limit", "500", "--json").json
    assert {row["address"] for row in member} == {str(PCSW_A)}
    known = {row["ssin"] for row in member}
    assert EXAMPLES.known_to_pcsw_a_only.ssin.digits in known
    assert EXAMPLES.known_to_pcsw_b_only.ssin.digits not in known
    assert len(network.here("repertory", "persons", "--known-to", "17-1", "--limit", "1").out.splitlines()) > 1


def test_a_person_is_told_with_everywhere_he_is_known_and_since_when_that_was_believed(network):
    ssin = EXAMPLES.pensioner.ssin.digits
    told = network.here("repertory", "person", ssin, "--json").json
    assert {"5-0", "17-1"} <= {row["address"] for row in told}
    assert {row["ssin"] for row in told} == {ssin}
    assert all(row["known_from"] and row["known_to"] is None for row in told)


def test_who_has_integrated_a_person_from_now_on_may_ask(network):
    """Refused by the relay, then integrated at the member, then answered."""
    ssin = EXAMPLES.known_to_pcsw_a_only.ssin.digits
    request = (FOLDER / "RetrieveTIGroups.xml").read_bytes().replace(PCSW_A.cbe.encode(), PCSW_C.cbe.encode())

    def code() -> str:
        return str(network.here("send", "-", "--as", str(PCSW_C), "--json", "--new-ticket", given=request).json["code"])

    assert code() == "MSG00012"
    row = ["repertory", "integrate", ssin, str(PCSW_C), "--quality", "4", "--from", "2026-01-01"]
    said = network.here(*row, "--json")
    assert said.json == {"address": str(PCSW_C), "quality": 4, "new": True}, said
    assert network.here(*row).out == b"it stood there already\n"
    assert code() == "MSG00000"
    ended = network.here(*row, "--to", "2026-01-31", "--json")
    assert ended.json["new"] is True
    assert code() == "MSG00012"


def test_a_right_that_is_given_is_used_within_two_seconds_and_shown(network):
    request = (FOLDER / "Pension.xml").read_bytes().replace(b"PCSA:SOCIAL_INQUIRY", b"PCSA:TEST_OF_A_RIGHT")

    def code() -> str:
        return str(network.here("send", "-", "--as", str(PCSW_A), "--json", "--new-ticket", given=request).json["code"])

    assert code() == "MSG00013"
    words = [
        "repertory", "authorise", "test-of-a-right", "--customer", "17-1", "--service", "Pension/1", "--legal-context",
        "PCSA:TEST_OF_A_RIGHT", "--quality", "4", "--supplier", "5-0", "--deliberation", "26/001 2026-01-15",
        "--without", "pension/monthlyAmount",
    ]  # fmt: skip
    dry = network.here(*words, "--dry-run", "--json")
    assert dry.json == {"id": "test-of-a-right", "new": True, "changed": False, "written": False}, dry
    assert code() == "MSG00013"
    assert network.here(*words).out == b"authorised\n"
    assert network.here(*words, "--json").json["new"] is False
    until(lambda: code() == "MSG00000", within=15)
    [right] = [r for r in network.here("repertory", "rights", "17-1", "--json").json if r["id"] == "test-of-a-right"]
    assert right["without"] == ["pension/monthlyAmount"]


def test_a_refusal_is_explained_and_passes_with_the_row_that_is_named(network):
    """A quality that the authorisation does not name; then the one that `explain` names, as it names it."""

    def is_a_pensioner_whom_no_pcsw_knows(person):
        rows = list(rows_at_the_hub(person))
        pensioner = any((str(row.kind), row.quality, row.period.end) == ("5-0", 100, None) for row in rows)
        return pensioner and "17-1" not in {str(row.kind) for row in rows}

    ssin = next(person.ssin.digits for person in Population().persons if is_a_pensioner_whom_no_pcsw_knows(person))
    request = (FOLDER / "Pension.xml").read_bytes().replace(EXAMPLES.pensioner.ssin.digits.encode(), ssin.encode())
    request = request.replace(PCSW_A.cbe.encode(), PCSW_C.cbe.encode())
    network.run("repertory", "integrate", ssin, str(PCSW_C), "--quality", "9", "--from", "2026-01-01")

    def sent():
        return network.run("send", "-", "--as", str(PCSW_C), "--json", "--new-ticket", given=request).json

    refused = sent()
    explained = network.run("repertory", "explain", refused["ticketCBSS"], "--ssin", ssin, "--json")
    assert explained.status == 0, explained
    assert refused["code"] == explained.json["code"] == "MSG00012"
    assert explained.json["customer"] == str(PCSW_C)
    [missing] = explained.json["missing"]
    assert missing["may_be_added_by"][0] == f"{PCSW_C}, by RegisterIntegration"
    assert ssin not in explained.out.decode()
    row = dict(line.split(" = ") for line in missing["text"].split("\n")[1:])
    quality = row["quality"].partition(" ")[0]
    words = [
        "repertory",
        "integrate",
        ssin,
        str(PCSW_C),
        "--quality",
        quality,
        "--from",
        row["from"],
        "--to",
        row["to"],
    ]
    assert network.run(*words, "--json").json["new"]
    assert sent()["code"] == "MSG00000"
    asked = ["--as", PCSW_C, "--service", "Pension", "--context", "PCSA:SOCIAL_INQUIRY", "--ssin", ssin]
    seen = network.run("repertory", "preview", *asked, "--json")
    assert seen.status == 0, seen
    assert [row["availability"] for row in seen.json["asked"]] == ["Pension/1 5-0 100"]
    assert ssin not in seen.out.decode()
    looks = network.run("journal", "who", ssin, "--json").json
    assert [look["customer"] for look in looks if look["service"] == "ExplainDecision/1"] == ["25-0", "25-0"]


def test_an_institution_asks_why_over_its_network_and_a_stranger_to_the_person_learns_nothing_from_its_relay(network):
    def asked(member, ssin):
        body = (
            '<e:explainDecisionRequest xmlns:e="urn:crossroads:services:ExplainDecision:v1"><informationCustomer>'
            f"<customerIdentification><cbeNumber>{member.cbe}</cbeNumber></customerIdentification></informationCustomer>"
            "<legalContext>REPERTORY:EXPLAIN</legalContext><criteria><question><service>Pension/1</service>"
            f"<legalContext>PCSA:SOCIAL_INQUIRY</legalContext></question><ssin>{ssin}</ssin></criteria>"
            "</e:explainDecisionRequest>"
        )
        return network.run("send", "-", "--as", str(member), "--json", given=body.encode()).json

    ssin = EXAMPLES.known_to_pcsw_a_only.ssin.digits
    known, stranger = asked(PCSW_A, ssin), asked(PCSW_B, ssin)
    assert known["code"] == "MSG00000"
    assert "<explanation>" in known["xml"]
    assert (stranger["code"], "<explanation>" in stranger["xml"]) == ("MSG00012", False)


def test_a_refusal_by_a_check_of_the_service_itself_is_explained_in_words(network):
    message = (FOLDER / "RegisterIntegration.xml").read_bytes()
    wrong = message.replace(b"<qualityCode>12</qualityCode>", b"<qualityCode>30</qualityCode>")
    assert wrong != message
    refused = network.send("-", PCSW_A, "--new-ticket", given=wrong).json
    said = network.here("repertory", "explain", refused["ticketCBSS"], "--ssin", EXAMPLES.child.ssin.digits)
    assert said.status == 0, said
    told = said.out.decode()
    assert "refused: MSG00013 (a check of the service's own)" in told
    assert "the authorisations name the qualities 1, 2, 3, 4" in told
    assert "# qualities = " in told
    assert "added by: the hub's operators, under a deliberation" in told


def test_a_load_can_be_tried_first(network, tmp_path):
    rules = tmp_path / "distributions.toml"
    [whole] = [file for file in FILES if file.name == rules.name]
    rules.write_text(whole.read_text().replace("[[distribution]]", "[[not_this]]", 1))
    wrong = network.here("repertory", "load", "--dry-run", rules)
    assert wrong.status == 2
    assert "distributions.toml:" in wrong.err

    first, rest = whole.read_text().split("[[distribution]]", 2)[1:]
    rules.write_text(f"[[distribution]]{rest}")
    tried = network.here("repertory", "load", "--dry-run", rules, "--json")
    assert [(change["change"], change["kind"]) for change in tried.json] == [("-", "Distribution")], first
    assert "nothing was written" in tried.err
    assert network.here("repertory", "load", whole, "--json").json == [], "it was written"


def test_persons_files_go_to_the_hub_and_with_a_member_to_its_networks_repertory(network, tmp_path):
    ssin = EXAMPLES.employee.ssin.digits
    hub, sectoral = tmp_path / "persons.csv", tmp_path / "members.csv"
    heading = "ssin,sector,type,quality,phase,from,to,replaced_by"
    hub.write_text(f"{heading}\n{ssin},17,1,9,,2026-01-01,,\n")
    sectoral.write_text(f"{heading},member\n{ssin},17,1,9,,2026-01-01,,,{PCSW_B}\n")
    told = network.here("repertory", "load", hub, sectoral, "--json")
    assert told.status == 0, told
    assert told.json == [
        {"file": "persons.csv", "rows": 1, "new": 1, "changed": 0},
        {"file": "members.csv", "rows": 1, "sectoral": "17-0"},
    ]
    member = network.here("repertory", "persons", "--known-to", str(PCSW_B), "--limit", "500", "--json").json
    assert ssin in {row["ssin"] for row in member}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["person", "12345678901"], "not the form of a person's number"),
        (["persons", "--known-to", "17"], "not an address"),
        (["persons", "--known-to", "17-1-0000000097"], "is no member of that network"),
        (["persons", "--known-to", "5-1-0000000097"], "manages no network here"),
        (["load", "nowhere.toml"], "nowhere.toml: no such file"),
        (["load", str(OWN_SERVICE / "FreePass" / "FreePass.xsd")], "rules end in .toml, persons in .csv"),
        (["integrate", EXAMPLES.pensioner.ssin.digits, "5-0", "--quality", "77", "--from", "2026-01-01"], "quality"),
        (["integrate", EXAMPLES.pensioner.ssin.digits, "5-0", "--quality", "100", "--from", "yesterday"], "YYYY-MM-DD"),
    ],
    ids=["number", "address", "member", "network", "no file", "neither rules nor persons", "quality", "date"],
)
def test_what_cannot_be_is_one_line_and_exit_status_2(network, words, told):
    said = network.here("repertory", *words)
    assert said.status == 2, said
    assert told in said.err
    assert said.err.startswith("crossroads: ")
    assert said.err.count("\n") == 1
    assert EXAMPLES.pensioner.ssin.digits not in said.err


def test_the_database_is_the_one_named_else_the_networks_else_the_environments(network, monkeypatch):
    elsewhere, hub = network.root / "elsewhere", network.access["database_url"]
    assert network.here("repertory", "rights", "17-1", "--database", hub, home=elsewhere).status == 0
    monkeypatch.setitem(network.environment, "CROSSROADS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert network.here("repertory", "rights", "17-1").status == 0
    gone = network.here("repertory", "rights", "17-1", home=elsewhere)
    assert gone.status == 2
    assert gone.err.count("\n") == 1
    monkeypatch.setitem(network.environment, "CROSSROADS_DATABASE_URL", hub)
    assert network.here("repertory", "rights", "17-1", home=elsewhere).status == 0


def test_json_is_one_line(network):
    for words in (["institutions"], ["rights", "17-1"], ["persons", "--known-to", "17-1"]):
        out = network.here("repertory", *words, "--json").out
        assert out.count(b"\n") == 1
        assert isinstance(json.loads(out), list)


def test_many_integrations_are_registered_from_a_file_and_held_against_the_repertory(network, tmp_path):
    """5-0 brings a file of persons whom nobody there knew, two of its lines wrong, then its whole file."""
    numbers = [person.ssin.digits for person in Population().persons[200:260]]
    lines = [f"{ssin},20,,2026-01-01," for ssin in numbers]
    file = tmp_path / "integrations.csv"
    file.write_text("\n".join(["ssin,quality,phase,from,to", *lines, f"{numbers[0]},2,,2026-01-01,", "nobody,20,,x,"]))
    said = network.run("repertory", "register", file, "--as", "5-0", "--json")
    assert said.status == 0, said
    assert (said.json["lines"], said.json["refused"], said.json["resumed"]) == (62, 2, 0)
    report = (tmp_path / "integrations.csv.refused.csv").read_text().splitlines()[1:]
    assert [line.split(",")[:2] for line in report] == [["62", "quality"], ["63", "ssin"]]
    again = network.run("repertory", "register", file, "--as", "5-0")
    assert again.out.decode().startswith("integrations.csv: 62 lines, 2 refused")
    whole = tmp_path / "whole.csv"
    known = network.run("repertory", "persons", "--known-to", "5-0", "--limit", "5000", "--json").json
    cells = (
        (r["ssin"], r["quality"], "" if r["phase"] is None else r["phase"], r["from"], r["to"] or "")
        for r in known
        if r["quality"] in (1, 10, 20, 30, 31, 100, 110, 902)
    )
    whole.write_text("\n".join(["ssin,quality,phase,from,to", *(",".join(map(str, row)) for row in cells)]) + "\n")
    same = network.run("repertory", "reconcile", whole, "--as", "5-0", "--json")
    assert (same.status, same.json["differing"]) == (0, 0), same
    whole.write_text("\n".join(line for line in whole.read_text().splitlines() if not line.startswith(numbers[0])))
    found = network.run("repertory", "reconcile", whole, "--as", "5-0", "--json")
    assert (found.status, found.json["differing"], found.json["missing"]) == (1, 1, 0)
    assert all(
        row.split(",")[1] == numbers[0] for row in (tmp_path / "whole.csv.differences.csv").read_text().splitlines()[1:]
    )
    repaired = network.run("repertory", "reconcile", whole, "--as", "5-0", "--repair", "--json")
    assert (repaired.status, repaired.json["repaired"]) == (0, True)
    assert network.run("repertory", "reconcile", whole, "--as", "5-0").status == 0
