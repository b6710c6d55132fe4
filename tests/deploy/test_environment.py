"""The page of the environment, and secrets that stand in files."""

import os
import re
from pathlib import Path

import pytest

from deploy import environment
from schemas.process import secrets

ROOT = Path(environment.__file__).parents[1]


def test_the_page_is_what_the_code_says() -> None:
    assert environment.PAGE.read_text(encoding="utf-8") == environment.page(), "run: python -m deploy.environment"


@pytest.mark.parametrize("process", environment.PROCESSES)
def test_every_setting_says_what_it_is(process: str) -> None:
    settings = environment.PROCESSES[process]
    assert set(settings.model_fields) == set(environment.comments(settings))


def test_every_variable_that_the_code_names_is_on_the_page() -> None:
    told = {one.name for one in environment.variables()}
    named = {
        name.rstrip("_")
        for room in ("hub", "institutions", "schemas", "deploy")
        for file in (ROOT / room).rglob("*.py")
        if file.name != "environment.py"
        for name in re.findall(r"CROSSROADS_[A-Z]\w*\b", file.read_text(encoding="utf-8"))
    }
    assert named <= told


def test_of_a_secret_no_value_is_shown() -> None:
    defaults = {one.name: one.default for one in environment.variables() if environment.is_secret(one.name)}
    assert "CROSSROADS_JOURNAL_KEY" in defaults
    assert set(defaults.values()) <= {"secret", "*required*, secret"}


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crossroads_journal_key").write_text("first:0123456789abcdef\n")
    (tmp_path / "crossroads_database_url").write_text("postgresql://of/the/file\n")
    (tmp_path / "another").write_text("not ours")
    monkeypatch.setenv("CROSSROADS_SECRETS", str(tmp_path))
    monkeypatch.setenv("CROSSROADS_DATABASE_URL", "postgresql://of/the/environment")
    monkeypatch.setenv("CROSSROADS_JOURNAL_KEY", "")
    monkeypatch.delenv("CROSSROADS_JOURNAL_KEY")
    secrets.take()
    assert os.environ["CROSSROADS_JOURNAL_KEY"] == "first:0123456789abcdef"
    assert os.environ["CROSSROADS_DATABASE_URL"] == "postgresql://of/the/environment"
    assert "ANOTHER" not in os.environ


def test_a_directory_of_secrets_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSROADS_SECRETS", str(tmp_path / "none"))
    with pytest.raises(secrets.SecretsError, match=r"CROSSROADS_SECRETS: .*none cannot be read"):
        secrets.take()
