"""What of the lock file a running process needs: the entries of the project's own dependencies, and of theirs.

    python runtime.py requirements.lock pyproject.toml >runtime.lock
    python runtime.py requirements.lock pyproject.toml setuptools wheel >build.lock     (these, and what they need)

pip-compile says of each entry through whom it came (`# via`). Standard library only: it runs where nothing is installed
yet.
"""

import re
import sys
import tomllib
from pathlib import Path

_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==", re.MULTILINE)
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?\s*(?:\(.*\))?$", re.MULTILINE)


def runtime(lock: str, pyproject: str, *names: str) -> str:
    """The lock file without what only developers need; or what these need alone."""
    entries = _entries(lock)
    wanted = [_name(one) for one in names or tomllib.loads(pyproject)["project"]["dependencies"]]
    if unlocked := sorted(set(wanted) - entries.keys()):
        raise ValueError(f"{', '.join(unlocked)}: not in the lock file; make it anew (CONTRIBUTING.md)")
    kept = set(wanted)
    while more := {name for name, text in entries.items() if name not in kept and kept & _through(text)}:
        kept |= more
    return "".join(text for name, text in entries.items() if name in kept)


def _entries(lock: str) -> dict[str, str]:
    starts = list(_ENTRY.finditer(lock))
    ends = [match.start() for match in starts[1:]] + [len(lock)]
    return {_name(match.group(1)): lock[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def _through(text: str) -> set[str]:
    return {_name(match.group(1)) for match in _VIA.finditer(text)} - {"via"}


def _name(requirement: str) -> str:
    return re.sub(r"[._-]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]).lower()


if __name__ == "__main__":
    sys.stdout.write(runtime(Path(sys.argv[1]).read_text(), Path(sys.argv[2]).read_text(), *sys.argv[3:]))
