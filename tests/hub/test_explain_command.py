"""`crossroads repertory explain` and `preview`: what the hub's operators are told, of everybody, and journalled."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy.command.repertory import group
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.period import today
from schemas.ssin import Ssin
from tests.hub.star import CONTEXT, CUSTOMER, INACTIVE, KEY, MANAGING, ONE, PCSW_A, STRANGER, TWO, Star, opened

MEMBER = f"<cbeNumber>{PCSW_A}</cbeNumber>"
PCSW = f"17-1-{PCSW_A}"
GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
DISTRIBUTED = (
    '[[distribution]]\nservice = "Probe/1"\nrecipient = "64-0"\nqualities = [0]\nwithout = ["item/secret"]\n'
    f"{GIVEN}"
    '[[distribution]]\nservice = "Probe/1"\nrecipient = "7-0"\nqualities = [101]\nwithout = []\n'
    f"{GIVEN}"
)
PROGRAM = "00900000123"
#: Of nobody whom the star made.
SOME = "85010199885"


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), DISTRIBUTED) as star:
        await star.hub()
        yield star


@pytest.fixture
def command(star, monkeypatch):
    """What a command prints; personal data is in what it is given only."""
    # To read the services costs a second each time; they are the same ones.
    monkeypatch.setattr("deploy.command.repertory.explain.catalogue_of", lambda _: lambda: star.catalogue)
    monkeypatch.setenv("CROSSROADS_JOURNAL_KEY", KEY)

    async def run(*words: object) -> str:
        said = [*map(str, words), "--database", star.database_url]
        result = await asyncio.to_thread(CliRunner().invoke, group, said, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        for word in said:
            assert not (len(word) == 11 and word.isdigit() and word != PROGRAM and word in result.output)
        return result.output

    return run


def question(ssin: Ssin, service: str = "Probe/1", customer: object = CUSTOMER) -> list[object]:
    return ["--as", customer, "--service", service, "--context", CONTEXT, "--ssin", ssin.digits]


@pytest.fixture
def explain(command):
    async def run(*words: object) -> dict[str, Any]:
        return json.loads(await command("explain", *words, "--json"))

    return run


def filled_in(text: str) -> str:
    return "\n".join(line.removeprefix("# ").partition(": ")[0] for line in text.split("\n")) + "\n"


def cut(rules: str, table: str, row: str) -> str:
    """The rules without one row."""
    head, *blocks = rules.split("[[")
    kept = [block for block in blocks if not (block.startswith(table) and row in block)]
    assert len(kept) == len(blocks) - 1
    return "[[".join((head, *kept))


# --- refusals that only rows of the register cure ---------------------------------------------------------------------


async def test_who_is_not_in_the_register_passes_with_the_row_that_is_named(star, explain):
    ssin = await star.known(ONE)
    await star.reload(cut(star.rules, "institution", 'address = "64-0"'))
    try:
        told = await star.consult(ssin)
        assert told.code == "CRB00005"
        [of_ticket] = (await explain(told.ticket_cbss))["missing"]
        why = await explain(*question(ssin))
        assert (why["code"], why["check"], why["missing"]) == ("CRB00005", 6, [of_ticket])
        text = of_ticket["text"].replace('"0000000000"', '"0242069537"')
        await star.reload(cut(star.rules, "institution", 'address = "64-0"') + filled_in(text))
        assert (await star.consult(ssin)).code == "MSG00000"
    finally:
        await star.reload(star.rules)


async def test_who_is_inactive_passes_with_the_row_that_is_named(star, explain):
    ssin = await star.person((INACTIVE, 0), (ONE, 100))
    told = await star.send(
        star.request(ssin, customer="<sector>12</sector><institution>0</institution>"), sender=INACTIVE
    )
    assert told.code == "CRB00006"
    why = await explain(told.ticket_cbss)
    assert (why["code"], why["told"], why["check"]) == ("CRB00006", "CRB00006", 7)
    assert (await explain(*question(ssin, customer=INACTIVE)))["missing"] == why["missing"]
    [missing] = why["missing"]
    assert missing["may_be_added_by"] == ["the hub's operators"]
    await star.reload(cut(star.rules, "institution", 'address = "12-0"') + missing["text"] + "\n")
    try:
        again = await star.send(
            star.request(ssin, customer="<sector>12</sector><institution>0</institution>"), sender=INACTIVE
        )
        assert again.code == "MSG00013", "it passes that check; it has no authorisation"
    finally:
        await star.reload(star.rules)


async def test_a_customer_that_is_no_member_passes_with_the_row_that_is_named(star, explain):
    ssin = await star.person((Address(17, 1), 2, 2, today() - timedelta(9), None), (ONE, 100))
    await star.reload(cut(star.rules, "institution", f'address = "{PCSW}"'))
    try:
        told = await star.consult(ssin, sender=MANAGING, customer=MEMBER)
        assert told.code == "CRB00007"
        assert "explain the question itself" in (await explain(told.ticket_cbss))["remarks"][0]
        why = await explain(*question(ssin, customer=PCSW))
        assert why["code"] == "CRB00007"
        [missing] = why["missing"]
        await star.reload(cut(star.rules, "institution", f'address = "{PCSW}"') + filled_in(missing["text"]))
        assert (await star.consult(ssin, sender=MANAGING, customer=MEMBER)).code == "MSG00000"
    finally:
        await star.reload(star.rules)


async def test_an_unknown_service_is_named_as_a_folder(star, explain):
    ssin = await star.known(ONE)
    told = await star.send(star.request(ssin).replace(b"urn:test:Probe:v1", b"urn:test:Nothing:v1"))
    assert told.code == "CRB00008"
    assert (await explain(told.ticket_cbss))["check"] == 8
    [missing] = (await explain(*question(ssin, "Nothing/1")))["missing"]
    assert missing["table"] == "service"
    assert 'service.toml (name = "Nothing", version = "1")' in missing["text"]
    assert (await explain(*question(ssin, "Probe/1")))["verdict"] == "admitted", "with its folder"


# --- tickets ---------------------------------------------------------------------------------------------------------


async def test_a_ticket_is_explained_whosever_it_is(star, explain, command):
    ssin = await star.person((ONE, 100))
    told = await star.consult(ssin, ticket="the-customers-own")
    for words in ([told.ticket_cbss], ["the-customers-own", "--as", CUSTOMER], [told.ticket_cbss, "--as", CUSTOMER]):
        why = await explain(*words, "--ssin", ssin.digits)
        assert (why["verdict"], why["code"], why["step"], why["told"]) == (
            "refused",
            "MSG00012",
            "customer",
            "MSG00012",
        )
        assert why["information"] == {"missing": "quality"}
        assert [row["table"] for row in why["missing"]] == ["integration"]
        assert why["customer"] == "64-0"
    shown = await command("explain", told.ticket_cbss, "--ssin", ssin.digits)
    assert "refused: MSG00012 (check 15, customer)" in shown
    assert "  [[integration]]\n" in shown
    assert "added by: 64-0, by RegisterIntegration" in shown


async def test_without_the_person_a_ticket_is_explained_by_check_and_authorisations(star, explain):
    told = await star.consult(await star.person((ONE, 100)))
    why = await explain(told.ticket_cbss)
    assert (why["code"], why["missing"]) == ("MSG00012", [])
    assert [row["id"] for row in why["decided_by"]] == ["probe"]
    assert "names the person" in why["remarks"][0]


async def test_a_ticket_that_came_again_with_other_content_says_so(star, explain):
    ssin = await star.known(ONE)
    first = await star.consult(ssin, ticket="twice")
    assert (await star.consult(await star.known(ONE), ticket="twice")).code == "CRB00009"
    why = await explain(first.ticket_cbss, "--ssin", ssin.digits)
    assert (why["verdict"], why["remarks"]) == ("admitted", ["the ticket came again with other content: CRB00009"])


async def test_a_past_decision_is_explained_with_the_rules_of_its_moment(star, explain):
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    await star.reload(cut(star.rules, "authorisation", 'id = "probe"'))
    try:
        assert (await explain(*question(ssin)))["code"] == "MSG00013"
        why = await explain(told.ticket_cbss, "--ssin", ssin.digits)
        assert (why["verdict"], why["suppliers"]) == ("admitted", ["5-0"])
    finally:
        await star.reload(star.rules)


# --- preview ---------------------------------------------------------------------------------------------------------


async def test_a_preview_says_who_would_be_asked_and_who_would_be_told_under_which_row(star, command):
    ssin = await star.known(ONE, TWO)
    seen = json.loads(await command("preview", *question(ssin, "Gather/1"), "--json"))
    assert [(row["holder"], row["availability"], row["without"]) for row in seen["asked"]] == [
        ("5-0", "Gather 5-0 100", ["part/item/secret"]), ("7-0", "Gather 7-0 101", ["part/item/secret"]),
    ]  # fmt: skip
    assert [row["authorisation"].split()[0] for row in seen["asked"]] == ["gather", "gather"]
    assert seen["receives"] == []
    asked = (await star.consult(ssin, service="Gather/1")).root.findall("part/informationSupplier")
    assert len(asked) == len(seen["asked"])
    told = json.loads(await command("preview", *question(ssin), "--json"))
    assert [(row["recipient"], row["without"]) for row in told["receives"]] == [("7-0", [])]
    # Who sends it is not told itself.
    for options, receives in (
        (("--code", "X"), ["7-0"]), (("--destination", "7-0"), ["7-0"]), (("--destination", "5-0"), []),
    ):  # fmt: skip
        told = json.loads(await command("preview", *question(ssin), *options, "--json"))
        assert [row["recipient"] for row in told["receives"]] == receives
    shown = await command("preview", *question(ssin))
    assert "admitted, asks 5-0" in shown
    assert "would be told of a mutation" in shown


async def test_a_preview_of_a_refusal_says_why_and_still_who_would_be_told(star, command):
    ssin = await star.person((TWO, 101))
    seen = json.loads(await command("preview", *question(ssin), "--json"))
    assert (seen["explanation"]["code"], seen["asked"]) == ("MSG00012", [])
    assert [row["recipient"] for row in seen["receives"]] == ["7-0"]


# --- journalled ------------------------------------------------------------------------------------------------------


async def test_each_look_is_journalled_before_it_is_shown(star, command):
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    await command("explain", told.ticket_cbss, "--ssin", ssin.digits, "--program", PROGRAM)
    await command("explain", *question(ssin))
    await command("preview", *question(ssin))
    looks = [entry for entry in await star.hubs[0].journal.who(ssin) if entry.service == "ExplainDecision/1"]
    assert len(looks) == 3
    assert {(str(look.sender), str(look.customer), look.hub) for look in looks} == {
        ("25-0", "25-0", "crossroads repertory")
    }
    assert [look.program for look in looks] == [PROGRAM, None, None]
    for look in looks:
        assert await star.kinds(look.ticket_cbss) == ["decision", "outcome"]


async def test_nothing_is_shown_that_cannot_be_journalled(star, command, monkeypatch):
    ssin = await star.known(ONE)
    connection = await asyncpg.connect(star.database_url)
    try:
        await connection.execute("ALTER FUNCTION journal_partitions_v1 RENAME TO away")
        with pytest.raises(CrossroadsError, match="journal's database"):
            await command("explain", *question(ssin))
    finally:
        await connection.execute("ALTER FUNCTION away RENAME TO journal_partitions_v1")
        await connection.close()


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--as, --service, --context missing"),
        (["--as", "64-0", "--context", "C"], "--service missing"),
        (["not-a-ticket"], "with --as"),
        ([str(uuid4())], "no such ticket"),
        ([str(uuid4()), "--day", "2026-01-01"], "has its own service"),
        (["--as", "64-0", "--service", "Probe/1", "--context", "C"], "--ssin missing"),
        (["--as", "17-1", "--service", "Probe/1", "--context", "C", "--ssin", SOME], "secondary network"),
        (["--as", "64-0", "--service", "Probe/1", "--context", "C", "--ssin", "85010100106"], "check digits"),
        (["--as", "64-0", "--service", "P", "--context", "C", "--day", "yesterday"], "YYYY-MM-DD"),
        (["--as", "64-0", "--service", "P", "--context", "C", "--day", "9000-01-01"], "not begun"),
        (["--as", "64-0", "--service", "Plain", "--context", "C", "--ssin", SOME, "--day", "2001-01-01"], "no rules"),
        (["--as", "64-0", "--service", "P", "--context", "C", "--to", "2026-01-01"], "--to needs --from"),
        (["--as", "64-0", "--service", "P", "--context", "C", "--program", "me"], "--program"),
    ],
)  # fmt: skip
async def test_what_cannot_be_explained_says_what_would_be_right(star, command, words, said):
    with pytest.raises(CrossroadsError) as caught:
        await command("explain", *words)
    assert said in str(caught.value)
    assert "850101" not in str(caught.value)


async def test_a_ticket_about_somebody_else_tells_nothing(star, command):
    told = await star.consult(await star.known(ONE))
    other = await star.known(ONE)
    with pytest.raises(CrossroadsError, match="no such ticket"):
        await command("explain", told.ticket_cbss, "--ssin", other.digits)
    looks = [entry for entry in await star.hubs[0].journal.who(other) if entry.service == "ExplainDecision/1"]
    assert len(looks) == 1, "that it was tried stands in the journal"
    assert (await star.journal(looks[0].ticket_cbss))[1].code == "MSG00100"


async def test_a_stranger_is_explained_too(star, explain):
    ssin = await star.known(ONE)
    why = await explain(*question(ssin, customer=STRANGER))
    assert (why["code"], why["missing"][0]["may_be_added_by"]) == (
        "MSG00013", ["the hub's operators, under a deliberation"],
    )  # fmt: skip
