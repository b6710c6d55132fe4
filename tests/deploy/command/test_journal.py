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


def test_a_number_that_is_none_is_one_line_and_exit_status_2(network):
    said = network.here("journal", "who", "123")
    assert said.status == 2
    assert said.err.count("\n") == 1
