"""A hub process as it is, that also writes how many asyncio tasks it has into a file when it gets SIGUSR1:
`python -m tests.benchmarks.watched`, the file `tasks` in its working directory."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from hub.process import run
from hub.settings import Settings

FILE = "tasks"


async def _run() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await run(Settings())


def _tell() -> None:
    Path(FILE).write_text(str(len(asyncio.all_tasks())))


if __name__ == "__main__":
    sys.exit(uvloop.run(_run()))
