"""The pure parts of an exchange allocate the bytes and execute the instructions that `costs.py` says: both counted,
without a clock, a broker or a database, and the same on a busy machine as on a quiet one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from memray import AllocatorType, FileReader, Tracker

from tests.benchmarks import instructions
from tests.hub.costs import ALLOCATED, ALLOCATED_WITHIN, BYTECODE, INSTRUCTIONS, INSTRUCTIONS_WITHIN, PYTHON
from tests.hub.pure import Part, bytecode, parts, uncollected

#: Times that a part is done to count what it allocates, and before that, so that the interpreter's free lists are full.
_COUNTED, _BEFORE = 20, 20
_ROOT = Path(__file__).parents[2]
_FREEING = {AllocatorType.FREE, AllocatorType.PYMALLOC_FREE, AllocatorType.MUNMAP}

of_this_python = pytest.mark.skipif(
    sys.version_info[:2] != PYTHON, reason=f"the numbers are those of Python {'.'.join(map(str, PYTHON))}"
)


@pytest.fixture(scope="module")
def pure() -> Mapping[str, Part]:
    return parts()


@of_this_python
def test_each_part_allocates_what_is_written(
    pure: Mapping[str, Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etree, "fromstring", _unwatched(etree.fromstring))
    found = {name: _allocated(part, tmp_path) for name, part in pure.items()}
    assert found == {name: pytest.approx(size, rel=ALLOCATED_WITHIN) for name, size in ALLOCATED.items()}


@of_this_python
def test_each_part_executes_the_bytecode_that_is_written() -> None:
    assert _counted_alone() == BYTECODE


@of_this_python
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="there is no valgrind")
@pytest.mark.timeout(600)
def test_each_part_takes_the_processor_the_instructions_that_are_written() -> None:
    written = {name: pytest.approx(count, rel=INSTRUCTIONS_WITHIN) for name, count in INSTRUCTIONS.items()}
    assert instructions.counted() == written


def test_a_copy_more_is_counted(tmp_path: Path) -> None:
    text = bytes(10_000)
    twice = _allocated(lambda: (bytearray(text), bytearray(text)), tmp_path)
    assert twice - _allocated(lambda: (bytearray(text), None), tmp_path) == pytest.approx(10_000, rel=0.01)


def test_an_instruction_more_is_counted() -> None:
    assert bytecode(lambda: [-1 for _ in range(7)]) > bytecode(lambda: [-1 for _ in range(6)])


def _allocated(part: Part, folder: Path) -> float:
    """Bytes that doing it once asks of the allocators: Python's own, and malloc, which libxml2 uses. What is given
    back counts all the same."""
    with uncollected():
        for _ in range(_BEFORE):
            part()
        return (_asked_for(part, _COUNTED, folder) - _asked_for(part, 0, folder)) / _COUNTED


def _asked_for(part: Part, times: int, folder: Path) -> int:
    file = folder / "allocations"
    with Tracker(file, trace_python_allocators=True):
        sys.setprofile(None)
        for _ in range(times):
            part()
    with FileReader(file) as reader:
        size: int = sum(one.size for one in reader.get_allocation_records() if one.allocator not in _FREEING)
    file.unlink()
    return size


def _unwatched(call: Callable[..., Any]) -> Callable[..., Any]:
    """memray follows the calls, for which the interpreter makes an object of each frame: they would be half of what is
    counted. It begins anew to follow whenever C code takes the interpreter's lock, as lxml's parser does."""

    def called(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        finally:
            sys.setprofile(None)

    return called


def _counted_alone() -> Mapping[str, int]:
    """In a process of its own: what other tests left in this one is no part of an exchange."""
    told = subprocess.run([sys.executable, "-m", "tests.hub.pure"], capture_output=True, check=True, cwd=_ROOT)
    found: Mapping[str, int] = json.loads(told.stdout)
    return found
