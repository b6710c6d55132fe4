"""Alerts: promtool accepts the rules, and each does minute by minute what its cases say."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring import alerts, made, recording
from deploy.monitoring.pace import QUICK, REAL
from deploy.monitoring.rules import Group, document
from tests.deploy.monitoring.cases import CASES, Case, Firing

_PROMTOOL = shutil.which("promtool") or "promtool"


def _promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_PROMTOOL, *map(str, words)], capture_output=True, text=True, check=False)


def _unit(case: Case) -> dict[str, Any]:
    """A unit test in promtool's shape."""
    return {
        "name": f"{case.alert}: {case.what}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": [_expected(case, one) for one in firing]}
            for minute, firing in sorted(case.fires.items())
        ],
    }


def _expected(case: Case, firing: Firing) -> dict[str, Mapping[str, str]]:
    severity = alerts.BY_NAME[case.alert].severity
    return {"exp_labels": {**firing.labels, "severity": severity}, "exp_annotations": {"summary": firing.summary}}


def _rules(name: str) -> dict[str, Any]:
    """One alert and what it is made of: a hundred rules a minute that nobody asks for would be most of the time.

    promtool compares every annotation to the letter, so the summary alone is left.
    """
    rule = alerts.BY_NAME[name].rule()
    rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    recorded = [one for group in recording.groups() for one in group.rules]
    wanted, before = [rule], -1
    while len(wanted) > before:
        before = len(wanted)
        said = " ".join(one["expr"] for one in wanted)
        wanted = [one for one in recorded if one["record"] in said] + [rule]
    return document([Group("all", wanted)])


def test_every_alert_fires_when_it_should_not_before_not_beside_and_stops(tmp_path: Path) -> None:
    files = []
    for name in alerts.BY_NAME:
        (tmp_path / f"{name}.rules.yml").write_text(yaml.safe_dump(_rules(name)))
        units = [_unit(case) for case in CASES if case.alert == name]
        units = {"rule_files": [f"{name}.rules.yml"], "evaluation_interval": "1m", "tests": units}
        files.append(tmp_path / f"{name}.yml")
        files[-1].write_text(yaml.safe_dump(units, sort_keys=False, width=1000))
    said = _promtool("test", "rules", *files)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("alert", [one for one in alerts.ALERTS if one.name != "Alive"], ids=lambda one: one.name)
def test_every_alert_has_cases_in_which_it_fires_and_after_it_stops(alert: alerts.Alert) -> None:
    moments = [sorted(case.fires.items()) for case in CASES if case.alert == alert.name]
    fired = [[bool(firing) for _, firing in case] for case in moments]
    assert any(case[0] is False and True in case for case in fired), "before it fires it does not"
    assert any(True in case and case[-1] is False for case in fired), "it stops"


@pytest.mark.parametrize("pace", [REAL, QUICK], ids=["real", "quick"])
def test_promtool_accepts_the_rules_at_every_pace(pace: Any, tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(document(alerts.groups(pace))))
    said = _promtool("check", "rules", tmp_path / "alerts.yml")
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_file_is_what_the_code_says() -> None:
    path = "prometheus/alerts.yml"
    assert (made.ROOT / path).read_text() == made.files()[path], "run python -m deploy.monitoring"
