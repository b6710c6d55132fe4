"""`crossroads payroll publish` as a process of its own, killed at will, with what it used."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.benchmarks import usage

#: Seconds between two looks whether it ended.
_LOOK = 0.05


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    #: Negative: by that signal.
    status: int
    #: Its greatest resident memory, MiB, as seen last before it ended; and what it used, seconds. What wait4 says of
    #: memory is also that of the process which started it.
    peak: float
    cpu: float
    seconds: float
    err: str


async def publish(
    file: Path, sender: str, url: str, home: Path, *words: str, kill_after: float | None = None, patience: float = 600.0
) -> Ended:
    """Run it to its end, or kill it (SIGKILL) after so many seconds if it still runs. TimeoutError after `patience`."""
    command = [sys.executable, "-m", "deploy", "payroll", "publish", str(file), "--as", sender, *words]
    told = home / "stderr"
    environment = {**os.environ, "CROSSROADS_AMQP_URL": url, "CROSSROADS_HOME": str(home)}
    begun = monotonic()
    with told.open("wb") as err:
        # Not waited for by anybody else: wait4 tells what this process alone used.
        process = subprocess.Popen(command, env=environment, stderr=err, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    killed, peak = False, 0.0
    while True:
        peak = max(peak, usage.peak_mb(process.pid))
        pid, status, used = os.wait4(process.pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
        if pid:
            break
        seconds = monotonic() - begun
        if (kill_after is not None and seconds > kill_after and not killed) or seconds > patience:
            process.kill()
            killed = True
        await asyncio.sleep(_LOOK)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = monotonic() - begun
    if seconds > patience:
        raise TimeoutError(f"{file.name} was not published within {patience:g} s: {told.read_text()[-500:]}")
    return Ended(process.returncode, peak, used.ru_utime + used.ru_stime, seconds, told.read_text())
