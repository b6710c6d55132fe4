"""Where the hub's time goes: what an exchange costs it by stage, in microseconds of its CPU, sampled while it works.

py-spy looks at the hub's Python stacks 200 times a second; a sample belongs to the stage of its innermost frame that
has one, so that what a library does counts for who called it. Microseconds are the shares of the samples times the CPU
that the system says the hub used in the same run; looking makes the hub a little slower. Beside it: what the run wrote
to the database, in bytes an exchange.

  python -m tests.benchmarks.profile --load c50 --seconds 15
"""

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg

from schemas.errors import CrossroadsError
from tests.benchmarks import environments, load, usage
from tests.benchmarks.bench import bench
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say
from tests.benchmarks.run import Question, run

#: Stages by what the file of a frame ends with; the first that fits counts.
STAGES: tuple[tuple[str, str], ...] = (
    (
        "XML: parsed, checked, spliced",
        r"schemas/(parser|message|markup|splice|structure|answers|content|violation|service)\.py",
    ),
    ("answers checked, cut and put together", r"hub/(verification|consultation|exchange)\.py"),
    ("repertory", r"hub/repertory/\w+\.py"),
    ("journal", r"hub/(journal/\w+|barrier)\.py"),
    ("decision", r"(hub/admission|schemas/(catalogue|period|address|ticket|ssin|sectors|integration))\.py"),
    ("metrics", r"(hub/metrics|prometheus_client/\w+)\.py"),
    ("log", r"structlog/\w+\.py"),
    (
        "broker: client library, intake, confirms, acks",
        r"(schemas/wire/[\w/]+|pika/[\w/]+|aiormq/\w+|aio_pika/\w+)\.py",
    ),
    ("journey, suppliers asked", r"hub/(?!__main__)\w+\.py"),
)
OTHER = "event loop, sockets"
#: Samples a second.
_RATE = 200
_FILE = re.compile(r"\((\S+\.py):\d+\)")


def stage_of(stack: str) -> str:
    """Of one sample: frames from the outermost to the innermost, `;` between them, each `function (file:line)`."""
    for file in reversed(_FILE.findall(stack)):
        for stage, pattern in STAGES:
            if re.search(rf"(^|/){pattern}$", file):
                return stage
    return OTHER


def stages(lines: Iterable[str]) -> Counter[str]:
    """Samples by stage. A line is a stack and how often it was seen."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found[stage_of(stack)] += int(count)
    return found


async def measure(one: Load, seconds: float, persons: int, samples: Path | None) -> dict[str, Any]:
    """One run under `one`, sampled from beginning to end. `samples`: where the stacks are kept."""
    python = Path(await asyncio.to_thread(environments.python, "py-spy"))
    async with bench(persons) as stand, stand.supplier() as supplier, stand.hub() as hub:
        pids = {"between": (hub.pid,), "supplier": (supplier,)}
        await run(stand, WARM, 3.0, Question(), pids)
        working = max(usage.tree(hub.pid), key=usage.cpu_seconds_alone)
        file = samples or stand.directory / "samples"
        process = await asyncio.create_subprocess_exec(
            str(python.with_name("py-spy")), "record", "--pid", str(working), "--rate", str(_RATE), "--nonblocking",
            "--format", "raw", "--output", str(file), "--duration", str(round(seconds)),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            before = await _written(stand.database)
            figures = await run(stand, one, seconds, Question(), pids)
            written = {name: size - before[name] for name, size in (await _written(stand.database)).items()}
            _, told = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not file.exists():
            raise CrossroadsError(f"py-spy saw nothing: {told.decode(errors='replace').strip()[-300:]}")
        found = stages(file.read_text().splitlines())
    say(f"{sum(found.values())} samples")
    whole = sum(found.values()) or 1
    cost = figures.cpu["between"]
    return {
        "load": str(one),
        "a second": figures.a_second,
        "µs an exchange": cost,
        "bytes an exchange": {name: round(size / max(1, figures.answered)) for name, size in written.items()},
        "stages": {name: [round(100 * n / whole, 1), round(cost * n / whole)] for name, n in found.most_common()},
    }


async def _written(database: str) -> dict[str, int]:
    """Bytes of the journal and the tickets with their indexes, and of the database's log since it was made."""
    connection = await asyncpg.connect(database)
    try:
        return {
            "journal": await connection.fetchval(
                "SELECT sum(pg_total_relation_size(relid))::bigint"
                " FROM unnest(ARRAY['journal', 'journal_person']::regclass[]) AS whole, pg_partition_tree(whole)"
            ),
            "tickets, kept a day": await connection.fetchval("SELECT pg_total_relation_size('ticket')"),
            "write-ahead log": int(await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")),
        }
    finally:
        await connection.close()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--load", default="c50", help="as python -m tests.benchmarks has them (default c50)")
    parser.add_argument("--seconds", type=float, default=15, help="length of the run (default 15)")
    parser.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="keep the stacks, as flame graphs are made of")
    told = parser.parse_args()
    where = machine()
    try:
        result = asyncio.run(measure(load.parse(told.load), told.seconds, told.persons, told.samples))
    except (CrossroadsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, **result}, indent=2) + "\n")
    lines = [f"{sentence(where)}; {result['load']}, {result['a second']:g} a second.", ""]
    lines += ["| stage | % of the hub's time | µs an exchange |", "|---|---|---|"]
    lines += [f"| {name} | {share} | {cost} |" for name, (share, cost) in result["stages"].items()]
    lines += [f"| all | 100 | {result['µs an exchange']:.0f} |"]
    lines += ["", "| written to the database | bytes an exchange |", "|---|---|"]
    lines += [f"| {name} | {size} |" for name, size in result["bytes an exchange"].items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
