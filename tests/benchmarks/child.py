"""A process of a measurement: started, told, ready, ended."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from schemas.errors import CrossroadsError

_ROOT = Path(__file__).parents[2]
#: A process is ready within this time, seconds.
_PATIENCE = 90.0
#: Of its output, bytes: an asker prints every latency.
_LIMIT = 1 << 26
#: Words before a command that make it end when we do, however we do.
_WITH_US = ("setpriv", "--pdeathsig=KILL", "--")


@asynccontextmanager
async def child(command: Sequence[str], told: object = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has printed `ready`; it is killed at the end. `told`: a JSON line for its standard input."""
    process = await asyncio.create_subprocess_exec(
        *_WITH_US, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT, limit=_LIMIT
    )
    try:
        await say(process, json.dumps(told))
        line = await asyncio.wait_for(_out(process).readline(), _PATIENCE)
        if line != b"ready\n":
            raise CrossroadsError(f"{' '.join(command[:4])} did not start: it said {line[:200]!r}")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def module(name: str, *arguments: str) -> list[str]:
    """The command of one of our modules."""
    return [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]


async def go(process: asyncio.subprocess.Process, timeout: float) -> Mapping[str, Any]:
    """Tell a ready asker to go, and what it saw."""
    await say(process, "go")
    line = await asyncio.wait_for(_out(process).readline(), timeout)
    if not line:
        raise CrossroadsError("an asker ended without a word; what it said is above")
    found: Mapping[str, Any] = json.loads(line)
    return found


async def say(process: asyncio.subprocess.Process, line: str) -> None:
    if process.stdin is None:
        raise CrossroadsError("no pipe")
    process.stdin.write(line.encode() + b"\n")
    await process.stdin.drain()


def _out(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise CrossroadsError("no pipe")
    return process.stdout
