"""Runbooks: a page an alert, all alike, and every command in them is one that there is."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy.command import cli
from deploy.monitoring.alerts import ALERTS, BY_NAME

PAGES = Path(__file__).parents[3] / "docs" / "runbooks"
HEADINGS = ["What it means", "Whom it hurts", "Look", "Do", "Over when"]
#: What Typer's parser raises: its click is its own.
_UsageError = typer.BadParameter.__mro__[1]
_CODE = re.compile(r"`([^`]+)`")


def _commands() -> Iterator[tuple[str, str]]:
    """Page and command, each once."""
    for page in sorted(PAGES.glob("*.md")):
        for code in dict.fromkeys(_CODE.findall(page.read_text())):
            if code.startswith("crossroads "):
                yield page.stem, code


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert {page.stem for page in PAGES.glob("*")} == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_page_is_short_and_like_the_others(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    lines = text.splitlines()
    assert len(lines) <= 40
    assert lines[0] == f"# {name}"
    assert lines[2].split(" ")[0].rstrip(":") == BY_NAME[name].severity, "the page says what it is"
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS


@pytest.mark.parametrize(("page", "command"), [*_commands()])
def test_a_command_is_one_that_there_is(page: str, command: str) -> None:
    check(shlex.split(command)[1:])


@pytest.mark.parametrize(
    "wrong",
    [
        "nosuch",
        "journal nosuch",
        "journal summary --nosuch",
        "distribution skip 4711",
        "nsso go-on",
        "journal summary 5",
    ],
)
def test_a_command_that_there_is_not_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, _UsageError)):
        check(wrong.split(" "))


def test_every_alert_says_what_it_needs() -> None:
    for alert in ALERTS:
        assert alert.summary
        assert len(alert.description) > 80, alert.name


def _tree() -> Any:
    return typer.main.get_command(cli)


def check(words: list[str]) -> None:
    """The words are a command, with options that it has and as many arguments as it needs; else AssertionError, or the
    parser's own."""
    command = _tree()
    while hasattr(command, "commands"):
        assert words, f"{command.name} wants a word more"
        word, *words = words
        if word == "--help":
            return
        assert word in command.commands, f"{command.name} has no {word}"
        command = command.commands[word]
    if words == ["--help"]:
        return
    context = command.context_class(command, info_name=command.name)
    given, left, _ = command.make_parser(context).parse_args(list(words))
    assert not left, f"too many words: {left}"
    for one in command.get_params(context):
        assert not one.required or given.get(one.name), f"{one.name} is missing"
