"""Each command measures and prints its table: in seconds here, on a machine that does other things, so no figure of
theirs is looked at. Several hubs, peers with environments of their own, and three nodes, only on request."""

import json
import os
import sys
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path

import pytest

from tests.benchmarks.load import Load, parse
from tests.benchmarks.profile import OTHER, stages
from tests.benchmarks.run import Figures, figures, percentile
from tests.benchmarks.table import Table

_ROOT = Path(__file__).parents[2]
_SHORT = ("--runs", "1", "--seconds", "0.5", "--persons", "200")

pytestmark = pytest.mark.timeout(300)


async def printed(module: str, *arguments: str) -> str:
    """What a command printed."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("CROSSROADS_")}
    process = await create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=_ROOT, env=mine, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize(
    "module",
    ["benchmarks", "benchmarks.hubs", "benchmarks.lots", "benchmarks.soak", "benchmarks.cluster", "benchmarks.profile"],
)
async def test_help_says_how_to_begin(module: str) -> None:
    assert f"python -m tests.{module} --" in await printed(f"tests.{module}", "--help")


async def test_the_suite_prints_a_row_each_with_its_ratio_over_tls(tmp_path: Path) -> None:
    page, file = tmp_path / "page.html", tmp_path / "figures.json"
    rows = (
        "--only",
        "hub,noop-aiopika,lookups",
        "--loads",
        "c10",
        "--tls",
        "--json",
        str(file),
        "--page",
        str(page),
    )
    text = await printed("tests.benchmarks", *rows, *_SHORT)
    titles = ("hub", "relay that does nothing, aio-pika", "hub, Persons.rows")
    assert [title for title in titles if f"| {title} |" not in text] == []
    lean, lookups = json.loads(file.read_text())["tables"]
    assert lean["runs"]["10 in flight"]["hub"][0]["codes"].keys() == {"MSG00000"}
    assert lookups["runs"]["1"]["hub"][0]["a_second"] > 0
    assert page.read_text().count("<svg") == 2


@pytest.mark.slow
async def test_our_library_at_both_ends() -> None:
    text = await printed("tests.benchmarks", "--only", "hub-library,noop-aiopika", "--loads", "c10", *_SHORT)
    assert "| 10 in flight | hub, our library at both ends |" in text


@pytest.mark.slow
async def test_several_hubs() -> None:
    text = await printed("tests.benchmarks.hubs", "--hubs", "1,2", "--loads", "c10", *_SHORT)
    assert "| 10 in flight | 2 hubs |" in text


async def test_a_soak_tells_what_is_held() -> None:
    text = await printed("tests.benchmarks.soak", "--minutes", "0.05", "--rate", "20", "--persons", "200")
    assert "| hub asyncio tasks |" in text
    assert "unanswered 0" in text


@pytest.mark.slow
async def test_a_lot_beside_what_is_asked_on_line() -> None:
    text = await printed("tests.benchmarks.lots", "--count", "100", "--persons", "200")
    assert "| yes |" in text


@pytest.mark.slow
async def test_a_node_is_killed_and_returns() -> None:
    text = await printed("tests.benchmarks.cluster", "--rate", "20", "--seconds", "20", "--away", "3")
    assert "Nothing lost, none with two outcomes" in text


@pytest.mark.slow
async def test_the_peers_echo() -> None:
    text = await printed("tests.benchmarks", "--only", "noop-pika,faststream,nameko", "--loads", "c10", *_SHORT)
    assert "| Nameko, echo |" in text


# --- what is reckoned from what was seen ------------------------------------------------------------------------------


def seen(*latencies: float, wrong: tuple[float, ...] = (), unanswered: int = 0, seconds: float = 2.0) -> Figures:
    answers = {"MSG00000": list(latencies), "CRB00010": list(wrong)}
    told = {"seconds": seconds, "latencies": answers, "unanswered": unanswered}
    return figures(told, {"between": 1.0}, {}, "MSG00000", 4)


def test_only_right_answers_count() -> None:
    found = seen(0.1, 0.2, 5.0, wrong=(0.1,), unanswered=1)
    assert (found.a_second, found.legs_a_second) == (1.5, 6.0)
    assert found.under_4_s == 40.0
    assert (found.p50, found.p999) == (200.0, 5000.0)
    assert found.cpu == {"between": 250_000.0}


def test_nothing_answered_is_no_division() -> None:
    assert seen(unanswered=3).under_4_s == 0.0


def test_percentiles_are_values_that_were_seen() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, part) for part in (0.5, 0.95, 0.99, 0.999, 1.0)] == [50, 95, 99, 100, 100]


def test_a_ratio_is_of_the_same_run() -> None:
    table = Table("t", "base")
    for base, own in ((1.0, 2.0), (4.0, 4.0)):
        table.add("l", "base", seen(*[0.1] * int(base * 2)))
        table.add("l", "own", seen(*[0.1] * int(own * 2)))
    assert str(table.ratio("l", "own")) == "1.5 (1-2)"


@pytest.mark.parametrize(("text", "load"), [("c50", Load("closed", 50)), ("o300", Load("open", 300))])
def test_loads_are_read(text: str, load: Load) -> None:
    assert parse(text) == load


@pytest.mark.parametrize("text", ["50", "c", "c0", "x50", "cfive"])
def test_what_is_no_load_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="c50 is 50 in flight"):
        parse(text)


def test_a_sample_belongs_to_the_innermost_frame_that_has_a_stage() -> None:
    asked = "main (hub/__main__.py:9);Journey.walk (hub/journey.py:90)"
    counted = stages(
        [
            f"{asked};Journal._send (hub/journal/journal.py:7);execute (asyncpg/connection.py:3) 4",
            f"{asked};parse (schemas/parser.py:61) 3",
            f"{asked} 2",
            "main (hub/__main__.py:9) 1",
        ]
    )
    assert counted == {"journal": 4, "XML: parsed, checked, spliced": 3, "journey, suppliers asked": 2, OTHER: 1}


@pytest.mark.slow
async def test_the_profile_tells_the_stages() -> None:
    text = await printed("tests.benchmarks.profile", "--seconds", "3", "--persons", "200")
    assert "| journal |" in text
