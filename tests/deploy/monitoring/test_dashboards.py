"""Dashboards are what Grafana reads, as far as that can be known without one; the files are what the code makes."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import typer.main
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.command import cli
from deploy.monitoring import made, provisioning, scraping
from deploy.monitoring.panels import counted, or_none
from deploy.monitoring.recording import PROMISE
from deploy.servers import prometheus as server

BOARDS = {board.uid: board.json() for board in made.boards()}
PANELS = [(uid, panel) for uid, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"]


def test_the_files_are_what_the_code_makes() -> None:
    files = made.files()
    there = {path for folder in ("grafana", "prometheus") for path in (made.ROOT / folder).rglob("*") if path.is_file()}
    assert {str(path.relative_to(made.ROOT)) for path in there} == files.keys(), "run: python -m deploy.monitoring"
    wrong = [path for path, text in files.items() if (made.ROOT / path).read_text() != text]
    assert wrong == [], "run: python -m deploy.monitoring"


def test_prometheus_accepts_its_files() -> None:
    promtool = server.program().replace("prometheus", "promtool")
    ended = subprocess.run(
        [promtool, "check", "config", made.ROOT / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "rules found" in ended.stdout


def test_prometheus_asks_the_containers_that_there_are() -> None:
    containers = yaml.safe_load((made.ROOT / "compose.yaml").read_text())["services"]
    asked = [
        target.partition(":")[0]
        for job in scraping.configuration()["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    assert {*asked} <= containers.keys()
    ours = {name for name in containers if name.startswith("hub")} | {"watcher", "institutions", "relays", "nsso"}
    assert ours <= {*asked}, "a container of ours that nobody asks for its figures"


@pytest.mark.parametrize("uid", BOARDS)
def test_grafanas_own_types_read_a_dashboard_and_write_it_again(uid: str) -> None:
    register_default_plugins()
    board = BOARDS[uid]
    again = yaml.safe_load(JSONEncoder().encode(Dashboard.from_json(board)))
    # What the types do not know of annotations of Prometheus, and Grafana does.
    for annotation in board["annotations"]["list"]:
        assert annotation.pop("titleFormat")
        assert annotation.pop("step")
    assert again == board


def test_identities_are_unique() -> None:
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS) == 8
    for uid, board in BOARDS.items():
        assert board["uid"] == uid
        assert len(uid) <= 40  # Grafana takes no longer one
        assert [
            number for number, times in Counter(panel["id"] for panel in board["panels"]).items() if times > 1
        ] == []
        assert all(panel["id"] > 0 for panel in board["panels"])
    for uid, panel in PANELS:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0, f"{uid} / {panel['title']}"
    assert [one for one, times in Counter((uid, panel["title"]) for uid, panel in PANELS).items() if times > 1] == [
        ("crossroads-stores", "Without outcome")  # as it is, and over time
    ]


@pytest.mark.parametrize("uid", BOARDS)
def test_no_panel_lies_on_another_and_none_beside_the_page(uid: str) -> None:
    panels = BOARDS[uid]["panels"]
    places = [(panel["title"], {**panel["gridPos"]}) for panel in panels]
    for title, place in places:
        assert place["x"] >= 0, title
        assert place["x"] + place["w"] <= 24, title
        assert place["h"] > 0, title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, f"{one} lies on {other}"


@pytest.mark.parametrize(("uid", "panel"), PANELS, ids=lambda one: one if isinstance(one, str) else one["title"])
def test_a_panel_says_what_is_good_what_is_bad_and_what_helps(uid: str, panel: dict[str, Any]) -> None:
    what, good, bad, helps = panel["description"].split("\n\n")
    assert len(what) > 3
    assert good.removeprefix("**Good:** ") not in ("", good)
    assert bad.removeprefix("**Bad:** ") not in ("", bad)
    assert helps.removeprefix("**Helps:** ") not in ("", helps)
    assert any(words[0] == "crossroads" for words in _commands(helps)), "no command helps"
    if panel["type"] in ("stat", "timeseries", "bargauge"):
        assert panel["fieldConfig"]["defaults"]["unit"], "a number without a unit"
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]


def test_commands_that_panels_name_are_there() -> None:
    root = typer.main.get_command(cli)
    for uid, panel in PANELS:
        for words in _commands(panel["description"]):
            command: Any = root
            for word in words[1:]:
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"{uid} / {panel['title']}: there is no {' '.join(words)}"
                command = command.commands[word]


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each command line, up to its first argument or option."""
    for line in re.findall(r"`(crossroads [^`]*)`", text):
        yield [word for word in line.split() if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]


def test_the_promise_is_where_red_begins() -> None:
    promise = BOARDS["crossroads-promise"]["panels"]
    shares = [panel for panel in promise if panel["title"].startswith("Share under")]
    assert len(shares) == 2
    for panel in shares:
        below, above = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert (below["color"], below["value"], above["color"], above["value"]) == ("red", None, "green", PROMISE)


def test_variables_and_links_lead_somewhere() -> None:
    for uid, board in BOARDS.items():
        declared = {variable["name"] for variable in board["templating"]["list"]}
        expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        named = {name for text in expressions for name in re.findall(r"\$(?!__)\{?(\w+)", text)}
        assert named <= declared, uid
        for panel in board["panels"]:
            sources = [panel.get("datasource"), *(target["datasource"] for target in panel.get("targets", ()))]
            assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in sources if one), uid
    for uid in re.findall(r"/d/([\w-]+)", repr(BOARDS)):
        assert uid in BOARDS


def test_grafana_is_told_where_both_are() -> None:
    files = {path: yaml.safe_load(text) for path, text in provisioning.files().items()}
    [source] = files["datasources/prometheus.yaml"]["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    [folder] = files["dashboards/crossroads.yaml"]["providers"]
    assert folder["options"]["path"] == provisioning.DASHBOARDS


def test_nothing_is_shown_as_0_and_what_is_born_is_counted() -> None:
    assert or_none("max by (what) (x)", what="nothing") == (
        'max by (what) (x) or (label_replace(vector(0), "what", "nothing", "", "") unless on () (max by (what) (x)))'
    )
    assert counted("x", "1h") == "((x unless x offset 1h) or increase(x[1h]))"
