"""`python -m tests.benchmarks`: exchanges a second, latency and CPU of the hub, beside a relay that does nothing.

Everything runs on this machine, in processes of its own: broker, database, hub (or relay), one lean asker, one lean
supplier. Both rows share broker, queues, asker and supplier; runs alternate, so that a drift of the machine meets both.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from deploy import children, provision
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ, start_all
from hub import migrations
from hub.repertory import files, loading, store
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin, check_digits
from schemas.wire import names
from tests.benchmarks.lean import SERVICE

_CUSTOMER, _SUPPLIER = "12-0", "0-0"
_RULES = Path(__file__).with_name("network.toml")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """One kind of run: `level` in flight, or `level` a second."""

    loop: str
    level: int

    def __str__(self) -> str:
        return f"{self.level} in flight" if self.loop == "closed" else f"{self.level} a second"


LOADS = (Load("closed", 50), Load("open", 57), Load("open", 300))


def persons(count: int) -> Iterator[Ssin]:
    """Numbers nobody has: born on consecutive days of the 1950s and after, counters from 1."""
    made = 0
    for year in range(50, 100):
        for month in range(1, 13):
            for day in range(1, 29):
                nine = f"{year:02d}{month:02d}{day:02d}{made % 900 + 1:03d}"
                yield Ssin.parse(nine + check_digits(nine, born_2000=False))
                made += 1
                if made == count:
                    return


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children that still run, seconds."""
    total = 0.0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICK
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return total


class Bench:
    """Servers and ends; `hub()` and `relay()` put one or the other between them."""

    def __init__(self, directory: Path, rabbitmq: PrivateRabbitMQ, postgresql: PrivatePostgreSQL) -> None:
        self.directory, self.rabbitmq, self.postgresql = directory, rabbitmq, postgresql
        self.passwords: dict[str, str] = {}

    def url(self, user: str) -> str:
        return self.rabbitmq.amqp_url(user, self.passwords[user], names.PRIMARY)

    async def prepare(self, count: int) -> None:
        """Rights, queues, persons."""
        self.database = await self.postgresql.create_database("measurement")
        await migrations.migrate(self.database)
        catalogue = Catalogue([shipped()])
        await store.load(self.database, [_RULES], catalogue)
        rows = [
            Integration(ssin, Address.parse(_CUSTOMER), 10, 1, Period(date(2000, 1, 1), None))
            for ssin in persons(count)
        ]
        await loading.load_persons(self.database, rows, "persons")
        self.persons = self.directory / "persons"
        self.persons.write_text("\n".join(row.ssin.digits for row in rows))
        self.persons.chmod(0o600)

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[int]:
        """A hub process; its guardian's process id."""
        key = f"first:{secrets.token_hex(32)}"
        child = children.hub("hub", [self.url(names.HUB)], self.database, key, "", self.directory)
        child.launch()
        try:
            await child.wait_ready()
            yield child.pid
        finally:
            await asyncio.to_thread(child.stop)

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[int]:
        """The relay that does nothing."""
        queue = names.supplier_queue(_SUPPLIER, "online", SERVICE)
        arguments = [self.url(names.HUB), names.ingress(_CUSTOMER), queue]
        process = await _started("tests.benchmarks.relay", *arguments)
        try:
            yield process.pid
        finally:
            await _ended(process)

    @asynccontextmanager
    async def supplier(self) -> AsyncIterator[None]:
        """The lean supplier."""
        told = json.dumps({"url": self.url(_SUPPLIER), "address": _SUPPLIER})
        process = await _started("tests.benchmarks.ends", "supplier", told=told)
        try:
            yield
        finally:
            await _ended(process)

    async def run(self, between: int, load: Load, seconds: float) -> dict[str, object]:
        """One run against what has process id `between`."""
        told = {
            "url": self.url(_CUSTOMER),
            "address": _CUSTOMER,
            "legal_context": "MEASUREMENT",
            "persons": str(self.persons),
            "loop": load.loop,
            "level": load.level,
            "seconds": seconds,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.ends", "asker", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        before = cpu_seconds(between)
        output, _ = await process.communicate(json.dumps(told).encode())
        used = cpu_seconds(between) - before
        seen = json.loads(output)
        latencies = sorted(seen["latencies"])
        answered = len(latencies)

        def share(part: float) -> float:
            return round(1000 * latencies[min(answered - 1, int(answered * part))], 1)

        return {
            "a second": round(answered / seen["seconds"], 1),
            "p50 ms": share(0.5),
            "p99 ms": share(0.99),
            "p99.9 ms": share(0.999),
            "cpu us": round(1e6 * used / answered),
            "answered": answered,
            "unanswered": seen["unanswered"],
            "codes": seen["codes"],
        }


async def _started(module: str, *arguments: str, told: str = "") -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("no pipes")
    process.stdin.write(told.encode())
    process.stdin.close()
    if await asyncio.wait_for(process.stdout.readline(), 60) != b"ready\n":
        raise RuntimeError(f"{module} did not start")
    return process


async def _ended(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def measure(runs: int, seconds: float, count: int) -> dict[str, object]:
    """All loads, alternating between hub and relay."""
    document = _definitions()
    with tempfile.TemporaryDirectory(prefix="crossroads-bench-") as name:
        rabbitmq, postgresql = PrivateRabbitMQ(definitions=document[0]), PrivatePostgreSQL()
        await asyncio.to_thread(start_all, rabbitmq, postgresql)
        try:
            bench = Bench(Path(name), rabbitmq, postgresql)
            bench.passwords = document[1]
            await bench.prepare(count)
            rows: dict[str, dict[str, list[dict[str, object]]]] = {}
            async with bench.supplier():
                for number in range(runs):
                    for title, between in (("hub", bench.hub), ("relay that does nothing", bench.relay)):
                        async with between() as pid:
                            await bench.run(pid, LOADS[0], 2.0)  # warm
                            for load in LOADS:
                                row = await bench.run(pid, load, seconds)
                                rows.setdefault(str(load), {}).setdefault(title, []).append(row)
                                _progress(f"run {number + 1} of {runs}, {load}, {title}: {row}")
            return {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
                "seconds a run": seconds,
                "persons": count,
                "rows": rows,
            }
        finally:
            for server in (rabbitmq, postgresql):
                await asyncio.to_thread(server.stop)


def _definitions() -> tuple[dict[str, object], dict[str, str]]:
    catalogue = Catalogue([shipped()])
    network = provision.network_of(files.read([_RULES], catalogue), catalogue.services.values())
    passwords = {user: secrets.token_urlsafe(12) for user in provision.users(network)}
    return provision.definitions(network, passwords), passwords


def page(result: dict[str, object]) -> str:
    """The figures as Markdown: medians, with the least and the greatest of the runs."""
    lines = [
        f"Measured {result['date']} on {result['machine']}; {result['persons']} persons; runs of "
        f"{result['seconds a run']} s.",
        "",
        "| load | between the ends | a second | p50 ms | p99 ms | p99.9 ms | its CPU, µs an exchange | unanswered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = result["rows"]
    assert isinstance(rows, dict)
    for load, titles in rows.items():
        for title, runs in titles.items():
            cells = [
                _spread([run[key] for run in runs]) for key in ("a second", "p50 ms", "p99 ms", "p99.9 ms", "cpu us")
            ]
            lines.append(f"| {load} | {title} | {' | '.join(cells)} | {sum(run['unanswered'] for run in runs)} |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:g} ({min(values):g}-{max(values):g})" if len(values) > 1 else f"{middle:g}"


def _progress(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each row (default 3)")
    parser.add_argument("--seconds", type=float, default=15, help="length of a run (default 15)")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    told = parser.parse_args()
    result = asyncio.run(measure(told.runs, told.seconds, told.persons))
    if told.json is not None:
        told.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(page(result))


if __name__ == "__main__":
    main()
