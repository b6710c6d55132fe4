"""`crossroads test`: the tests of this clone."""

import os
import sys
from pathlib import Path

import typer

import deploy
from schemas.errors import CrossroadsError

#: Each starts a broker and a database of its own, and the longest file is a sixth of the whole.
_MOST_PROCESSES = 6
SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}


def test(context: typer.Context) -> None:
    """Run the tests, a process a core; every further word goes to pytest, which then runs in one process."""
    clone = Path(deploy.__file__).parents[1]
    if not (clone / "tests").is_dir():
        raise CrossroadsError(
            "the tests are part of a clone, not of an installed package: run ./crossroads test in one"
        )
    os.chdir(clone)
    processes = min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    words = context.args or ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *words])  # noqa: S606 - becomes pytest: its exit status is ours
