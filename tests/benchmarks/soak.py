"""Whether anything grows: a long open loop with a slow supplier among them, and what the processes hold at the start
and at the end: memory, file handles, asyncio tasks, connections, queues, and what waits in them.

One request in twenty goes to a supplier that takes two seconds (--delay). `start` is after the first minute, so that
what is made once is there; `end` is after the last answer. Latencies of the first and of the last minute apart.

  python -m tests.benchmarks.soak --minutes 60 --rate 300
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from schemas.errors import CrossroadsError
from tests.benchmarks import usage, watched
from tests.benchmarks.bench import CONTEXT, CUSTOMER, SLOW_CONTEXT, SLOW_SUPPLIER, SUPPLIER, Bench, bench
from tests.benchmarks.child import child, go, module
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say
from tests.benchmarks.run import percentile

_SLOW_SHARE = 20
_BEYOND = 60.0
#: How far it is is told about this often, seconds.
_PART = 300.0
#: The broker's own counts are this old at most, seconds.
_SETTLE = 6.0


async def _holds(stand: Bench, hub: int) -> dict[str, float]:
    """What is held now."""
    overview = await asyncio.to_thread(stand.rabbitmq.management.get, "/api/overview")
    totals = overview["object_totals"]
    process = [pid for pid in usage.tree(hub) if b"tests.benchmarks.watched" in _command(pid)][-1]  # guardian first
    return {
        "hub memory, MiB": usage.memory_mb(hub),
        "broker memory, MiB": usage.memory_mb(stand.rabbitmq.pid),
        "database memory, largest process, MiB": usage.memory_mb(stand.postgresql.pid),
        "hub file handles": usage.handles(process),
        "broker file handles": usage.handles(stand.rabbitmq.pid),
        "hub asyncio tasks": await _tasks(stand, process),
        "connections": totals["connections"],
        "channels": totals["channels"],
        "consumers": totals["consumers"],
        "queues": totals["queues"],
        "messages in queues": overview["queue_totals"].get("messages", 0),
    }


async def _tasks(stand: Bench, process: int) -> int:
    file = stand.directory / watched.FILE
    file.unlink(missing_ok=True)
    os.kill(process, signal.SIGUSR1)
    async with asyncio.timeout(10):
        while not (file.exists() and file.read_text()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return int(file.read_text())


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


async def _ask(stand: Bench, context: str, rate: int, seconds: float, seed: int) -> Mapping[str, Any]:
    told = {
        "url": stand.url(CUSTOMER), "address": CUSTOMER, "legal_context": context, "persons": str(stand.persons),
        "loop": "open", "level": rate, "seconds": seconds, "seed": seed,
    }  # fmt: skip
    async with child(module("ends", "asker"), told) as process:
        return await go(process, seconds + _BEYOND)


async def _asked(stand: Bench, rate: int, seconds: float, seed: int) -> list[Mapping[str, Any]]:
    """Both askers for so long: the quick supplier's, the slow one's."""
    slow = max(1, rate // _SLOW_SHARE)
    return list(
        await asyncio.gather(
            _ask(stand, CONTEXT, max(1, rate - slow), seconds, seed), _ask(stand, SLOW_CONTEXT, slow, seconds, seed)
        )
    )


async def measure(minutes: float, rate: int, delay: float, persons: int, *, tls: bool = False) -> dict[str, Any]:
    """The soak: a first minute, the long middle, a last minute; shorter ones where it is shorter."""
    edge = min(60.0, minutes * 60 / 3)
    middle = minutes * 60 - 2 * edge
    between = max(1, round(middle / _PART))
    parts = [edge, *[middle / between] * between, edge]
    seen: list[list[Mapping[str, Any]]] = []
    async with (
        bench(persons, tls=tls) as stand,
        stand.supplier(address=SUPPLIER),
        stand.supplier(address=SLOW_SUPPLIER, delay=delay),
        stand.hub(module="tests.benchmarks.watched") as hub,
    ):
        start: dict[str, float] = {}
        began = time.monotonic()
        for number, seconds in enumerate(parts):
            seen.append(await _asked(stand, rate, seconds, seed=number + 1))
            if number == 0:
                await asyncio.sleep(_SETTLE)
                start = await _holds(stand, hub.pid)
            say(f"{time.monotonic() - began:.0f} s: {_words(seen[-1][0])}; slow supplier: {_words(seen[-1][1])}")
        await asyncio.sleep(_SETTLE)
        end = await _holds(stand, hub.pid)
    return {
        "minutes": minutes,
        "rate": rate,
        "delay": delay,
        "start": start,
        "end": end,
        "first": [_latency(one) for one in seen[0]],
        "last": [_latency(one) for one in seen[-1]],
        "codes": _total(one for both in seen for one in both),
        "unanswered": sum(one["unanswered"] for both in seen for one in both),
    }


def _latency(seen: Mapping[str, Any]) -> dict[str, float]:
    ordered = sorted(latency for some in seen["latencies"].values() for latency in some)
    return {
        name: round(1000 * percentile(ordered, part), 1)
        for name, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }


def _words(seen: Mapping[str, Any]) -> str:
    found = _latency(seen)
    return ", ".join(f"{name} {ms:g} ms" for name, ms in found.items())


def _total(seen: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in seen:
        for code, some in one["latencies"].items():
            total[code] = total.get(code, 0) + len(some)
    return total


def table(result: Mapping[str, Any]) -> str:
    """As Markdown."""
    lines = ["| held | start | end |", "|---|---|---|"]
    lines += [f"| {what} | {value:g} | {result['end'][what]:g} |" for what, value in result["start"].items()]
    lines += ["", "| latency, ms | first part p50 | p99 | p99.9 | last part p50 | p99 | p99.9 |", "|" + "---|" * 7]
    for number, title in enumerate(("quick supplier", f"supplier that takes {result['delay']:g} s")):
        cells = [f"{ms:g}" for part in ("first", "last") for ms in result[part][number].values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    codes = ", ".join(f"{code} {count}" for code, count in sorted(result["codes"].items()))
    return "\n".join(lines) + f"\n\nAnswers: {codes}; unanswered {result['unanswered']}.\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=60, help="length (default 60)")
    parser.add_argument("--rate", type=int, default=300, help="requests a second (default 300)")
    parser.add_argument("--delay", type=float, default=2.0, help="seconds that the slow supplier takes (default 2)")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    told = parser.parse_args()
    where = machine()
    try:
        result = asyncio.run(measure(told.minutes, told.rate, told.delay, told.persons, tls=told.tls))
    except CrossroadsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, **result}, indent=2) + "\n")
    sys.stdout.write(f"{sentence(where)}; {told.minutes:g} minutes at {told.rate} a second.\n\n{table(result)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
