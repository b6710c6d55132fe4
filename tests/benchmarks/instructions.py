"""Instructions that the processor executes for the pure parts of an exchange, libxml2's among them: counted by
valgrind, so that no clock and no other work on the machine changes them. Other builds of Python have other numbers.

  python -m tests.benchmarks.instructions
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import CrossroadsError
from tests.benchmarks.machine import machine, sentence

#: Times that each part is done, and before that, so that the interpreter has specialised its code.
_TIMES, _BEFORE = 20, 10
#: A C function that nothing else calls: each call of it makes valgrind write down the count, and begin anew.
_MARK = "getppid"
_CHILD = "--here"
_SUMMARY = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def counted() -> dict[str, int]:
    """Instructions of each part, once done. CrossroadsError where valgrind is missing or fails."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CrossroadsError("there is no valgrind: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="crossroads-instructions-") as folder:
        watch = [valgrind, "--tool=callgrind", f"--dump-before={_MARK}", f"--callgrind-out-file={folder}/counted"]
        child = [sys.executable, "-m", "tests.benchmarks.instructions", _CHILD]
        told = subprocess.run(
            [*watch, *child], env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
        )
        if told.returncode:
            raise CrossroadsError(f"valgrind failed: {told.stderr.strip()[-500:]}")
        names = told.stdout.splitlines()
        # The first is what came before the first mark; every second, what was between two marks of a part.
        counts = [_count(Path(folder, f"counted.{2 * place + 2}")) for place in range(len(names))]
    return {name: round(count / _TIMES) for name, count in zip(names, counts, strict=True)}


def _count(file: Path) -> int:
    found = _SUMMARY.search(file.read_text())
    if found is None:
        raise CrossroadsError("valgrind wrote no sum: is it older than 3.19?")
    return int(found[1])


def _be_counted() -> None:
    """In the process that valgrind watches: the parts, each between two marks."""
    import gc

    from tests.hub.pure import parts

    found = parts()
    gc.disable()
    for part in found.values():
        for _ in range(_BEFORE):
            part()
        os.getppid()
        for _ in range(_TIMES):
            part()
        os.getppid()
    sys.stdout.write("\n".join(found) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(_CHILD, action="store_true", dest="here", help=argparse.SUPPRESS)
    if parser.parse_args(arguments).here:
        _be_counted()
        return 0
    try:
        found = counted()
    except CrossroadsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    lines = [sentence(machine()) + ".", "", "| part | instructions |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in found.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
