"""What processes use, from /proc: time, memory, file handles."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants that still run."""
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, seconds. The time of one that ended counts with whoever
    waited for it, so that the sum never falls."""
    return sum(_ticks(one, 15) for one in tree(pid)) / _TICK


def cpu_seconds_alone(pid: int) -> float:
    """User and system time of one process, seconds."""
    return _ticks(pid, 13) / _TICK


def _ticks(pid: int, end: int) -> int:
    """Of its stat line the fields from user time up to `end`; 0 of a process that is gone."""
    with contextlib.suppress(OSError):
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:end]))
    return 0


def peak_mb(pid: int) -> float:
    """The greatest resident memory that one process among these ever had, MiB: the server or hub itself, beside which
    guardians are small. PostgreSQL's backends share most of theirs."""
    return max((_status(one, "VmHWM") for one in tree(pid)), default=0.0)


def memory_mb(pid: int) -> float:
    """The resident memory of the largest of these now, MiB."""
    return max((_status(one, "VmRSS") for one in tree(pid)), default=0.0)


def handles(pid: int) -> int:
    """Open files and sockets of a process and its descendants."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(1 for _ in Path(f"/proc/{one}/fd").iterdir())
    return total


def _status(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return round(int(line.split()[1]) / 1024, 1)
    return 0.0
