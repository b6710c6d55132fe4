"""`crossroads journal`: what is kept of an exchange, found again."""

from deploy.demo.examples import FOLDER
from institutions.reference.network import PCSW_A
from institutions.reference.population import Population
from tests.deploy.command.network import until

EXAMPLES = Population().examples


def test_who_asked_what_about_a_person_and_under_which_right(network):
    ssin = EXAMPLES.grapa.ssin.digits
    body = (FOLDER / "Pension.xml").read_bytes().replace(EXAMPLES.pensioner.ssin.digits.encode(), ssin.encode())
    sent = network.here("send", "-", "--as", str(PCSW_A), "--new-ticket", "--json", given=body).json
    said = network.here("journal", "who", ssin, "--json")
    assert said.status == 0, said
    [decision] = [row for row in said.json if row["ticketCBSS"] == sent["ticketCBSS"]]
    assert decision["kind"] == "decision"
    assert (decision["sender"], decision["customer"]) == ("17-0", str(PCSW_A))
    assert (decision["service"], decision["legal_context"]) == ("Pension/1", "PCSA:SOCIAL_INQUIRY")
    assert (decision["authorisation"], decision["quality"]) == ("pcsw-pension v1", 4)
    assert (decision["verdict"], decision["suppliers"]) == ("admitted", ["5-0"])
    assert ssin not in said.out.decode()
    shown = network.here("journal", "who", ssin).out.decode()
    assert sent["ticketCBSS"] in shown
    assert network.here("journal", "who", ssin, "--as-user", "--json").json == []


def test_the_journal_is_counted(network):
    network.send(FOLDER / "Pension.xml", PCSW_A, "--new-ticket")

    def complete():
        said = network.here("journal", "summary", "--json")
        assert said.status == 0, said
        return said.json if said.json["without_outcome"] == 0 else None

    told = until(complete, within=20)
    assert told["kinds"]["decision"] == told["kinds"]["outcome"] == sum(row["exchanges"] for row in told["outcomes"])
    assert (told["decided_twice"], told["told_twice"]) == (0, 0)
    assert {"service": "Pension/1", "value": "DATA_FOUND", "code": "MSG00000"}.items() <= next(
        row for row in told["outcomes"] if (row["service"], row["code"]) == ("Pension/1", "MSG00000")
    ).items()
    shown = network.here("journal", "summary")
    assert f"{told['kinds']['decision']} decision" in shown.out.decode()


def test_tickets_of_what_ended_so_lately(network):
    asked = network.send(FOLDER / "Pension.xml", PCSW_A, "--new-ticket").json
    refused = network.send(FOLDER / "codes" / "MSG00013.xml", PCSW_A, "--new-ticket").json

    def lately(*words):
        said = network.here("journal", "lately", *words, "--limit", "1000", "--json")
        assert said.status == 0, said
        return {row["ticketCBSS"]: row for row in said.json}

    [mine] = [row for ticket, row in lately("--supplier", "5-0").items() if ticket == asked["ticketCBSS"]]
    assert (mine["sender"], mine["customer"], mine["service"]) == ("17-0", str(PCSW_A), "Pension/1")
    assert (mine["value"], mine["code"]) == ("DATA_FOUND", "MSG00000")
    [took] = mine["suppliers"]
    assert took.partition(" ")[0] == "5-0"
    assert mine["ms"] >= int(took.partition(" ")[2].replace(",", ""))
    told = lately("--code", "MSG00013")
    assert asked["ticketCBSS"] not in told
    assert told[refused["ticketCBSS"]]["suppliers"] == []
    for words in (("--by", "17-0"), ("--by", str(PCSW_A)), ("--service", "Pension"), ("--service", "Pension/1")):
        assert asked["ticketCBSS"] in lately(*words)
    for words in (("--by", "64-0"), ("--service", "Pension/2"), ("--supplier", "16-0"), ("--code", "CRB00010")):
        assert asked["ticketCBSS"] not in lately(*words)
    newest = network.here("journal", "lately", "--limit", "1", "--json").json
    assert [row["ticketCBSS"] for row in newest] == [refused["ticketCBSS"]]  # no look of an operator's
    # Which check refused it is told where the ticket is looked at.
    shown = network.here("ticket", refused["ticketCBSS"]).out.decode()
    assert "refused by check 13, authority: " in shown
    assert f"crossroads repertory explain {refused['ticketCBSS']}" in shown
    acts = network.here("journal", "acts", "--json").json
    assert ("Lately", "MSG00013") in [(act["act"], act["subject"]) for act in acts]
    for words in (("--code", "85010112345"), ("--by", "85010112345"), ("--service", "85010112345")):
        said = network.here("journal", "lately", *words)
        assert said.status == 2
        assert "85010112345" not in said.err


def test_a_number_that_is_none_is_one_line_and_exit_status_2(network):
    said = network.here("journal", "who", "123")
    assert said.status == 2
    assert said.err.count("\n") == 1
