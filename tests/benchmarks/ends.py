"""One end as a process: `python -m tests.benchmarks.ends supplier|asker`, told by a JSON line on standard input.

A supplier prints `ready` and answers until it is ended. An asker prints `ready` once connected, waits for the line
`go`, and prints what it saw as one JSON object: so that who measures can read clocks at both moments.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop

from tests.benchmarks.lean import REQUEST, Asker, Route, Supplier, to_hub
from tests.benchmarks.load import Load
from tests.benchmarks.loop import Ask, Result, drive

#: Requests prepared for each second of a closed loop: more than any row carries.
_MOST = 6_000


def ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def told_to_go() -> None:
    """Say that all is ready, and wait for the word."""
    ready()
    if await asyncio.to_thread(sys.stdin.readline) != "go\n":
        sys.exit("nobody said go")


def bodies(load: Load, seconds: float, address: str, legal_context: str, persons: str, wrap: str) -> list[bytes]:
    """Requests, each with its own ticket and a person of the file `persons`. `wrap`: the text around each one, with
    `%s` for it as a JSON string; empty for the XML alone."""
    sector, institution = address.split("-")
    numbers = Path(persons).read_text().split()
    count = int(_MOST * seconds) + 1000 if load.loop == "closed" else int(load.level * seconds * 1.5) + 100
    texts = (
        REQUEST % (uuid4(), int(sector), int(institution), legal_context, numbers[i % len(numbers)])
        for i in range(count)
    )
    return [(wrap % json.dumps(text) if wrap else text).encode() for text in texts]


async def measured(ask: Ask, load: Load, seconds: float, seed: int = 1) -> dict[str, object]:
    """What the load saw, once told to go, with this process's CPU."""
    await told_to_go()
    before = time.process_time()
    result: Result = await drive(ask, load, seconds, seed)
    result.cpu = time.process_time() - before
    return asdict(result)


async def supply(url: str, address: str, delay: float = 0.0) -> None:
    """Answer for ever."""
    await Supplier(url, address, delay=delay).open()
    ready()
    await asyncio.Event().wait()


async def ask(
    *, url: str, address: str, legal_context: str, persons: str, loop: str, level: int, seconds: float,
    route: dict[str, Any] | None = None, wrap: str = "", seed: int = 1,
) -> dict[str, object]:  # fmt: skip
    """Ask as this load says; without a route, the hub."""
    load = Load(loop, level)
    way = to_hub(address) if route is None else Route(**route)
    asker = Asker(url, way, bodies(load, seconds, address, legal_context, persons, wrap))
    await asker.open()
    try:
        return await measured(asker.ask, load, seconds, seed)
    finally:
        await asker.close()


def main() -> None:
    """See the module."""
    told = json.loads(sys.stdin.readline())
    if sys.argv[1] == "supplier":
        uvloop.run(supply(**told))
    else:
        sys.stdout.write(json.dumps(uvloop.run(ask(**told))) + "\n")


if __name__ == "__main__":
    main()
