"""Where something was measured."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path


def machine() -> dict[str, str]:
    """What stands beside every figure."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": f"{os.cpu_count()} × {model}",
        "memory": f"{memory / 1024**2:.0f} GiB",
        "python": platform.python_version(),
        "commit": _said("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"),
        "ten million additions": f"{_additions():.2f} s",
        "others' load": f"{os.getloadavg()[0]:.1f} at the start",
    }


def sentence(where: dict[str, str]) -> str:
    return "Measured " + ", ".join(
        value if key in ("date", "cores") else f"{key} {value}" for key, value in where.items()
    )


def _additions() -> float:
    """How quick the machine is just now: ten million additions in a Python loop, seconds."""
    began, total = time.perf_counter(), 0
    for number in range(10_000_000):
        total += number
    return time.perf_counter() - began


def _lines(file: str) -> list[str]:
    path = Path(file)
    return path.read_text().splitlines() if path.exists() else []


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
