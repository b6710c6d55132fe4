"""One lean end as a process: `python -m tests.benchmarks.ends supplier|asker`, told by a JSON object on standard input.

A supplier prints `ready` and answers until it is ended. An asker prints what it saw as one JSON object.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import uvloop

from tests.benchmarks.lean import REQUEST, Asker, Supplier


async def supply(url: str, address: str) -> None:
    """Answer for ever."""
    await Supplier(url, address).open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def ask(
    url: str, address: str, legal_context: str, numbers: list[str], loop: str, level: float, seconds: float
) -> dict[str, object]:
    """A closed loop of `level` requests in flight, or an open one of `level` a second. Every request has a ticket of
    its own and a person of `numbers`."""
    sector, institution = address.split("-")
    count = 40_000 if loop == "closed" else int(level * seconds * 1.5) + 100
    requests = [
        (REQUEST % (uuid4(), int(sector), int(institution), legal_context, numbers[i % len(numbers)])).encode()
        for i in range(count)
    ]
    asker = Asker(url, address, requests)
    await asker.open()
    result = await (asker.closed_loop(int(level), seconds) if loop == "closed" else asker.open_loop(level, seconds))
    await asker.close()
    return asdict(result)


def main() -> None:
    """See the module."""
    told = json.load(sys.stdin)
    if sys.argv[1] == "supplier":
        uvloop.run(supply(**told))
    else:
        numbers = Path(told.pop("persons")).read_text().split()
        sys.stdout.write(json.dumps(uvloop.run(ask(**told, numbers=numbers))) + "\n")


if __name__ == "__main__":
    main()
