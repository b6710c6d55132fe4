"""`crossroads test`: the tests of this clone."""

import os
import sys
from pathlib import Path

import typer

import deploy
from schemas.errors import CrossroadsError

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}


def test(context: typer.Context) -> None:
    """Run the tests; every further word goes to pytest."""
    clone = Path(deploy.__file__).parents[1]
    if not (clone / "tests").is_dir():
        raise CrossroadsError(
            "the tests are part of a clone, not of an installed package: run ./crossroads test in one"
        )
    os.chdir(clone)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *context.args])  # noqa: S606 - becomes pytest: its exit status is ours
