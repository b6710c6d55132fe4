"""`crossroads payroll` and `crossroads nsso`, as docs/examples/declarations has them."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest
from lxml import etree

from deploy.demo.examples import FOLDER
from institutions.reference.population import Population
from schemas.declarations.anomalies import ANOMALIES
from schemas.period import today
from schemas.phonetic import key as sound
from tests.deploy.command.network import Network, Said, until
from tests.institutions.payroll.forms import person

EXAMPLES = FOLDER / "declarations"
BEGINS = today() + timedelta(days=10)


def example(name: str, period: str = "") -> bytes:
    """One of the folder, as of today: the NSSO takes no form that is two years old."""
    text = (EXAMPLES / f"{name}.xml").read_text()
    text = re.sub(r"(?<=<FormCreationDate>).*?(?=<)", str(today()), text)
    text = re.sub(r"(?<=<StartingDate>).*?(?=<)", str(BEGINS), text)
    text = re.sub(r"(?<=<EndingDate>).*?(?=<)", str(BEGINS - timedelta(days=1)), text)
    text = re.sub(r"(?<=<DimonaPeriodId>).*?(?=<)", period, text) if period else text
    return text.encode()


def declare(network: Network, form: bytes, *words: str, sender: str = "100001") -> Said:
    return network.here("payroll", "declare", "-", "--as", sender, *words, given=form)


@pytest.fixture(scope="module")
def period(network: Network) -> str:
    """That of the example, declared."""
    said = declare(network, example("DimonaIn"), "--json")
    assert said.status == 0, said
    told = said.json
    assert (told["form"], told["result"], told["anomalies"]) == ("NOTIFICATION", "ACCEPTED", [])
    assert told["after"]["from"] == str(BEGINS)
    return str(told["period"])


def test_the_notification_stands_alone_on_standard_output(network: Network, period: str) -> None:
    said = declare(network, example("DimonaCancel"))
    assert said.status == 1
    assert etree.fromstring(said.out).tag == "NOTIFICATION"
    lines = said.err.splitlines()
    assert lines[0].startswith("refused, ticket ")
    assert "00913-354 (B, DimonaPeriodId '690000000060', line " in lines[1]


@pytest.mark.parametrize("language", ["NL", "FR", "EN"])
@pytest.mark.parametrize(
    ("name", "error_id"),
    [
        ("DimonaIn-without-mandate", "90256-155"),
        ("DimonaIn-ends-before-it-begins", "00911-014"),
        ("DimonaOut", "00913-354"),
        ("DimonaUpdate", "00913-354"),
    ],
)
def test_anomalies_are_readable(network: Network, language: str, name: str, error_id: str) -> None:
    said = declare(network, example(name), "--language", language)
    assert said.status == 1, said
    [line] = [line for line in said.err.splitlines() if error_id in line]
    assert line.endswith(ANOMALIES.of(error_id).text[language])
    meant = network.here("nsso", "anomalies", error_id, "--language", language, "--json")
    assert [(row["id"], row["means"]) for row in meant.json] == [(error_id, ANOMALIES.of(error_id).text[language])]


def test_all_anomalies_are_listed(network: Network) -> None:
    listed = network.here("nsso", "anomalies", "--language", "fr", "--json").json
    assert [row["id"] for row in listed] == list(ANOMALIES.ids)
    assert all(row["class"] and row["means"] for row in listed)


def test_json_has_all_three_languages(network: Network) -> None:
    said = declare(network, example("DimonaIn-without-mandate"), "--json")
    [anomaly] = said.json["anomalies"]
    assert set(anomaly["text"]) == {"NL", "FR", "EN"}
    assert len(set(anomaly["text"].values())) == 3


def test_what_is_another_senders_employer_is_its_own_to_declare_for(network: Network) -> None:
    assert declare(network, example("DimonaIn-without-mandate"), sender="100002").status == 0


def test_no_form_at_all_is_told_by_an_acknowledgement(network: Network) -> None:
    said = declare(network, b"no XML", "--json")
    assert (said.status, said.json["form"], said.json["anomalies"][0]["id"]) == (1, "ACRF", "ACRF-102")


def test_a_key_is_one_declaration(network: Network) -> None:
    key = "4d3c2b1a-0000-4000-8000-000000000001"
    form = example("DimonaIn-without-mandate").replace(b"190000495", b"190000107")
    first, second = (declare(network, form, "--json", "--key", key).json for _ in range(2))
    assert first["result"] == "ACCEPTED"
    assert (first["period"], first["ticket"]) == (second["period"], second["ticket"])
    assert declare(network, form, "--key", "mine").status == 2


def listed(network: Network, *words: str) -> Said:
    return network.here("payroll", "workers", *words, "--json")


def test_12_0_is_healthy_and_neither_figures_nor_log_name_anybody(network: Network, period: str) -> None:
    url = network.access["http"]["nsso"]
    with urlopen(f"{url}/health", timeout=10) as answer:  # noqa: S310
        assert set(json.load(answer)["parts"]) == {"12-0", "12-0 senders", "12-0 declarations"}
    with urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310
        figures = answer.read().decode()
    assert 'crossroads_questions_total{institution="12-0",result="accepted",service="NOTIFICATION"}' in figures
    [log] = network.temporary.glob("*/nsso.log")
    for said in (figures, log.read_text()):
        assert period not in said
        assert "94090790648" not in said
    assert '"event": "told"' in log.read_text()


def test_who_works_there(network: Network, period: str) -> None:
    said = listed(network, "190000010", "--as", "100001", "--on", str(BEGINS))
    assert said.status == 0, said
    assert [row["from"] for row in said.json if row["period"] == period] == [str(BEGINS)]
    before = listed(network, "1800000195", "--as", "100001", "--on", str(BEGINS - timedelta(days=1)))
    assert period not in [row["period"] for row in before.json]
    refused = listed(network, "190000010", "--as", "100002")
    assert (refused.status, refused.out) == (1, b"")
    assert "90256-155" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ["payroll", "workers", "190000011", "--as", "100001"],
        ["payroll", "workers", "190000010", "--as", "100001", "--to", "2026-01-01"],
        ["payroll", "workers", "190000010", "--as", "1"],
        ["payroll", "workers", "190000010", "--as", "999999"],
        ["payroll", "declare", "none.xml", "--as", "100001"],
        ["nsso", "anomalies", "00000-999"],
        ["nsso", "lock", "123"],
        ["nsso", "lock", "690000000060"],
        ["nsso", "load", "none.toml"],
        ["nsso", "pids", "190000010", "2004/1", "--to", "100001"],
        ["nsso", "pids", "190000010", "2026/5", "--to", "100001"],
        ["nsso", "pids", "190000010", "2026/3", "--to", "100002"],
        ["nsso", "identify", "690000000060", "94090790648"],
        ["nsso", "identify", "690000000060", "94090790649"],
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_status_2(network: Network, words: Sequence[str]) -> None:
    said = network.here(*words)
    assert (said.status, said.out) == (2, b"")
    assert said.err.startswith("crossroads: ")
    assert said.err.count("\n") == 1


def test_a_locked_period_is_the_nssos(network: Network, period: str) -> None:
    assert network.here("nsso", "lock", period).status == 0
    told = declare(network, example("DimonaCancel", period), "--json").json
    assert [one["id"] for one in told["anomalies"]] == ["00913-362"]
    assert network.here("nsso", "lock", period, "--undo").status == 0
    assert network.here("nsso", "block", period).status == 0
    told = declare(network, example("DimonaCancel", period), "--json").json
    assert [one["id"] for one in told["anomalies"]] == ["00913-357"]
    assert network.here("nsso", "block", period, "--undo").status == 0
    assert declare(network, example("DimonaUpdate", period).replace(
        str(BEGINS).encode(), str(BEGINS - timedelta(days=1)).encode())).status == 0  # fmt: skip


def test_who_is_only_named_is_identified_by_an_operator(network: Network, period: str) -> None:
    told = declare(network, example("DimonaIn-without-number"), "--json").json
    assert (told["result"], told["anomalies"]) == ("TO_VALIDATE", [])

    def waiting() -> list[dict[str, str]]:
        rows = network.here("nsso", "unidentified", "--json").json
        return [row for row in rows if row["period"] == told["period"] and row["search"]]

    until(waiting)
    [row] = waiting()
    assert (row["last name"], row["starts"], row["search"]) == ("Zilverspar", str(BEGINS), "nobody")
    who = person().digits
    said = network.here("nsso", "identify", told["period"], who)
    assert (said.status, said.out) == (0, b"accepted with warning\n")  # born on another day
    assert waiting() == []
    assert network.here("nsso", "identify", told["period"], who).status == 2
    [listed_] = [
        row
        for row in listed(network, "190000010", "--as", "100001", "--on", str(BEGINS)).json
        if row["period"] == told["period"]
    ]
    assert listed_["ssin"] == who
    assert network.here("nsso", "untold", "--json").json == []


def test_who_is_in_the_registers_is_found_by_name_and_birth_date(network: Network, period: str) -> None:
    people = [one.identity for one in Population().persons]
    sounds = Counter(sound(one.last_name) for one in people)
    who = next(one for one in people if sounds[sound(one.last_name)] == 1 and one.birth_date_known)
    form = example("DimonaIn-without-number")
    for there, said in (("Zilverspar", who.last_name), ("Ada", who.first_names[0]), ("1979-05-17", str(who.born))):
        form = form.replace(there.encode(), said.encode())
    told = declare(network, form, "--json").json
    assert told["result"] == "TO_VALIDATE"

    def numbers() -> list[str]:
        rows = listed(network, "190000010", "--as", "100001", "--on", str(BEGINS)).json
        return [row["ssin"] for row in rows if row["period"] == told["period"] and row["ssin"]]

    until(numbers)
    assert numbers() == [who.ssin.digits]


def test_a_broker_is_prepared_for_the_senders_of_the_register(network: Network) -> None:
    databases = ("--database-url", network.access["database_url"], "--nsso-url", network.access["nsso_url"])
    words = ("provision", "--dry-run", "--passwords", network.root / "none.json", "--admin-url", "http://x:x@x:1")
    made = network.here(*words, *databases)
    assert made.status == 0, made
    assert {"sender-100001", "sender-100002", "sender-100003"} < set(made.json["users"])
    rights = {one["user"]: one["read"] for one in made.json["permissions"] if one["vhost"] == "secondary-12"}
    assert (rights["sender-100001"], rights["sender-100003"]) == ("^sender-100001\\.answers$", "^$")
    without = network.here(*words, *databases[:2])
    assert "secondary-12" not in [one["name"] for one in without.json["vhosts"]]


def test_a_sender_that_is_loaded_gets_its_user_and_queues_by_itself(network: Network) -> None:
    file: Path = network.root / "more.toml"
    file.write_text(
        '[[sender]]\nnumber = "100009"\nname = "Another"\n\n'
        '[[mandate]]\nsender = "100009"\nemployer = "190000204"\nfrom = 2010-01-01\n'
    )
    said = network.here("nsso", "load", file)
    assert (said.status, said.out) == (0, b"more.toml: 1 senders, 0 employers, 1 mandates\n")
    assert "100009" in [row["number"] for row in network.here("nsso", "senders", "--json").json]
    until(lambda: "sender-100009" in network.access["passwords"])
    form = example("DimonaIn").replace(b"190000010", b"190000204")
    assert declare(network, form, "--json", sender="100009").json["result"] == "ACCEPTED"
    mandates = network.root / "mandates.csv"
    mandates.write_text("sender,employer,from,to\n777777,190000204,2010-01-01,\n")
    warned = network.here("nsso", "load", file, mandates)
    assert warned.status == 0
    assert warned.err == (
        "crossroads: mandates.csv: sender 777777 is in no file that was loaded: what mandates name it (1)"
        " count for nothing until it is\n"
    )
    (network.root / "x").mkdir()
    alike = network.root / "x" / file.name
    alike.write_text("")
    assert network.here("nsso", "load", file, alike).status == 2
    mandates.write_text("sender,employer,from,to\n")
    assert network.here("nsso", "load", mandates).err == ""
    file.write_text(file.read_text().replace("2010", "soon"))
    wrong = network.here("nsso", "load", file)
    assert (wrong.status, wrong.err) == (2, f"crossroads: {file.name}: not TOML: Invalid value (at line 8, column 8)\n")


def test_a_risk_is_declared_alone_and_ends_with_what_the_mutuality_says(network: Network) -> None:
    """The reference network's own mutuality: it registers its dossier and asks for the wages before it answers."""
    assert declare(network, example("Resumption"), "--json").json["anomalies"][0]["id"] == "00222-001"
    declare(network, example("DimonaIn"))  # of whom it never declared, an employer declares no risk
    for name in ("Incapacity", "Resumption"):
        form, key = example(name), str(uuid4())

        def told(form: bytes = form, key: str = key) -> dict[str, Any]:
            return dict(declare(network, form, "--key", key, "--json").json)

        first = told()
        assert first["result"] == "TO_VALIDATE", first
        until(lambda told=told: told()["result"] != "TO_VALIDATE")
        assert {one["id"] for one in told()["anomalies"]} <= {"90017-262"}
    [who] = re.findall(r"<INSS>(.*?)</INSS>", example("Incapacity").decode())
    rows = network.here("repertory", "person", who, "--json").json
    dossier = [row for row in rows if (row["address"], row["quality"], row["known_to"]) == ("11-1", 2, None)]
    assert [(row["from"], row["to"]) for row in dossier] == [("2026-11-23", "2026-11-26")]
