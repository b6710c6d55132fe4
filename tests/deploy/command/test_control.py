"""`crossroads pause`, `resume`, `drain`, `maintenance` beside a running network, as an operator uses them."""

from datetime import UTC, datetime

import pytest

from deploy.command.moment import parse
from deploy.demo.examples import FOLDER
from deploy.demo.messages import examples
from schemas.errors import CrossroadsError
from tests.deploy.command.network import Network, Said, until

[EXAMPLE] = [example for example in examples() if example.file == "OccupationalAccident.xml"]
SERVICE, SUPPLIER, ASKER = "OccupationalAccident/1", "1-0", str(EXAMPLE.sender)
PROGRAM = "00912345678"


def asked(network: Network) -> str:
    said = network.send(FOLDER / EXAMPLE.file, ASKER, "--new-ticket")
    return str(said.json["code"])


def do(network: Network, *words: str) -> Said:
    return network.here(*words, "--program", PROGRAM)


def paused(network: Network) -> list[tuple[str, str]]:
    return [(one["kind"], one["what"]) for one in network.here("maintenance", "status", "--json").json["paused"]]


@pytest.mark.parametrize(
    ("what", "row"),
    [
        ((SERVICE,), ("service", SERVICE)),
        ((SUPPLIER,), ("supplier", SUPPLIER)),
        ((ASKER, "--asking"), ("customer", ASKER)),
    ],
    ids=["service", "supplier", "asking"],
)
def test_what_is_paused_is_told_so_and_goes_on_when_it_is_resumed(network, what, row):
    before = asked(network)
    said = do(network, "pause", *what, "--reason", "a release", "--until", "2h", "--json")
    assert said.status == 0, said
    [told] = said.json
    assert (told["kind"], told["what"], told["reason"], told["before"]) == (*row, "a release", None)
    try:
        until(lambda: asked(network) == "CRB00021")
        assert paused(network) == [row]
        again = do(network, "pause", *what, "--reason", "it takes longer")
        assert again.status == 0
        assert "it was since" in again.out.decode()
    finally:
        ended = do(network, "resume", *what)
    assert "goes on" in ended.out.decode()
    until(lambda: asked(network) == before)
    nothing = do(network, "resume", *what, "--json")
    assert (nothing.status, nothing.json[0]["was_paused"]) == (0, False)
    acts = network.here("journal", "acts", "--limit", "4", "--json").json
    assert [(act["act"], act["reason"], act["program"]) for act in acts] == [
        ("Pause", "a release", PROGRAM), ("Pause", "it takes longer", PROGRAM),
        ("Resume", None, PROGRAM), ("Resume", None, PROGRAM),
    ]  # fmt: skip
    assert {act["subject"] for act in acts} == {" ".join(row)}


def test_a_drain_returns_when_nothing_of_it_is_in_hand_and_it_stays_paused(network):
    assert asked(network) == "MSG00000"
    said = do(network, "drain", SERVICE.partition("/")[0], "--json")
    try:
        assert (said.status, said.json["drained"], said.json["in_hand"]) == (0, True, {}), said
        assert asked(network) == "CRB00021"  # at once: every hub had heard of it
    finally:
        do(network, "resume", SERVICE)
    until(lambda: asked(network) == "MSG00000")


def test_in_maintenance_who_asks_is_told_so(network):
    assert "not on" in do(network, "maintenance", "off").out.decode()
    on = do(network, "maintenance", "on", "--until", "1h")
    try:
        assert on.status == 0, on
        until(lambda: asked(network) == "CRB00022")
        status = network.here("maintenance", "status", "--json").json
        assert status["maintenance"]["until"] is not None
    finally:
        off = do(network, "maintenance", "off")
    assert "maintenance is off" in off.out.decode()
    until(lambda: asked(network) == "MSG00000")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pause", "OccupationalAcident"), "near it: OccupationalAccident"),
        (("pause", "CatchUp"), "cannot be paused"),
        (("pause", ASKER), "pause 11-0"),
        (("pause", "17-1"), "pause 17-0"),
        (("pause", SERVICE, "--asking"), "is a service"),
        (("pause", "99-0"), "is no service or institution"),
        (("drain", "hub-11"), "near it: hub-1"),
        (("drain", "hub-1", "--until", "1h"), "is started again"),
        (("pause", SERVICE, "--until", "yesterday"), "is no time"),
        (("pause", SERVICE, "--until", "2020-01-01T00:00"), "is over"),
        (("pause", SERVICE, "--reason", "for 85.01.01-001.02"), "person's number"),
        (("maintenance", "off", "--until", "1h"), "give it with `on`"),
    ],
)
def test_what_is_not_known_or_may_not_be_is_an_error_that_helps_and_nothing_is_done(network, words, why):
    acts = network.here("journal", "acts", "--limit", "1", "--json").json
    said = do(network, *words)
    assert said.status == 2, said
    assert why in said.err
    assert paused(network) == []
    assert network.here("journal", "acts", "--limit", "1", "--json").json == acts


NOW = datetime(2026, 11, 28, 19, 0, tzinfo=UTC)  # 20:00 in Brussels


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", datetime(2026, 11, 28, 19, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 28, 21, 0, tzinfo=UTC)),
        ("90s", datetime(2026, 11, 28, 19, 1, 30, tzinfo=UTC)),
        ("1d", datetime(2026, 11, 29, 19, 0, tzinfo=UTC)),
        ("22:30", datetime(2026, 11, 28, 21, 30, tzinfo=UTC)),
        ("8:00", datetime(2026, 11, 29, 7, 0, tzinfo=UTC)),
        ("2026-12-01T06:00", datetime(2026, 12, 1, 5, 0, tzinfo=UTC)),
        ("2026-12-01T06:00+00:00", datetime(2026, 12, 1, 6, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_people_write_it(text, moment):
    assert parse(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "-5m", "25:00", "2026-13-01", "900d", "2026-11-28T19:00+00:00"])
def test_what_is_no_time_to_come_is_refused(text):
    with pytest.raises(CrossroadsError, match="--until"):
        parse(text, NOW)
