"""A million integrations from one file into a repertory of five million rows, while a hub answers 57 a second: how
long it takes, what it costs the hub's answers, whether memory grows; and once more, killed in the middle and resumed,
whether the same rows are there.

A fifth of the lines overlap what is there, one in a hundred is refused.

  python -m tests.benchmarks.integrations --lines 1000000 --persons 1000000
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from hub.repertory import store
from hub.repertory.bulk import HEADING
from schemas.catalogue import Catalogue, shipped
from tests.benchmarks import usage
from tests.benchmarks.bench import CUSTOMER, Bench, bench
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.nation import _SSIN, fill, sample
from tests.benchmarks.progress import say
from tests.benchmarks.run import Figures, Question, run

RIGHTS = Path(__file__).with_name("integrations.toml")
#: What the real network exchanges, a second, on average over a year.
RATE = Load("open", 57)
_PACE = 10.0
_ALIKE = """
SELECT count(*), sum(hashtextextended(format('%s %s %s %s %s', ssin, quality, phase, valid_from, valid_to), 0)::numeric)
FROM person WHERE sector = 12 AND type = 0 AND known_to = 'infinity'
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the file's load was."""

    seconds: float
    lines: int
    refused: int
    opened: int
    closed: int
    #: Resident memory of the loading process after a tenth of the file, and at most, MiB.
    early_mb: float
    most_mb: float
    #: Of the hub's answers meanwhile, the worst of the runs; and before it.
    p99: float
    p99_before: float
    answered: int
    wrong: int
    #: Whether a run that was killed and resumed left the same rows; None: not tried.
    same_after_kill: bool | None


async def write(path: Path, database: str, lines: int, persons: int) -> None:
    """The file: of persons in no order, in four qualities; overlapping are those of quality 10, which all have."""
    chance = random.Random(lines)
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetch(f"SELECT {_SSIN} AS ssin FROM generate_series(0, $1::int - 1) i", persons)
    finally:
        await connection.close()
    numbers = [f"{row['ssin']:011d}" for row in found]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEADING}\n")
        for _ in range(lines):
            ssin, year = numbers[chance.randrange(persons)], 2001 + chance.randrange(20)
            kind = chance.randrange(100)
            quality = 1 if kind == 0 else 10 if kind <= 20 else chance.choice((2, 30, 40))
            end = "" if kind % 2 else f"{year + chance.randrange(3)}-12-31"
            file.write(f"{ssin},{quality},{kind % 3 or ''},{year}-{1 + kind % 12:02d}-01,{end}\n")


async def begin(file: Path, database: str) -> asyncio.subprocess.Process:
    """`crossroads repertory register`, as an operator runs it."""
    command = Path(sys.executable).with_name("crossroads")
    return await asyncio.create_subprocess_exec(
        command, "repertory", "register", file, "--as", CUSTOMER, "--database", database, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def done(database: str) -> int:
    """Lines that are committed."""
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("SELECT coalesce(max(lines), 0) FROM bulk"))
    finally:
        await connection.close()


async def ready(stand: Bench, name: str, persons: int) -> str:
    """A repertory of five rows a person, in which 12-0 may register."""
    database = await stand.postgresql.create_database(name)
    await fill(database, persons)
    await store.load(database, [RIGHTS], Catalogue([shipped()]))
    return database


async def measure(lines: int, persons: int, *, cut: bool) -> Loaded:
    """See the module."""
    async with bench(1) as stand, stand.supplier() as supplier:
        database = await ready(stand, "integrations", persons)
        stand.database = database
        stand.persons.write_text("\n".join(ssin.digits for ssin in await sample(database, persons)))
        file = stand.directory / "integrations.csv"
        await write(file, database, lines, persons)
        async with stand.hub() as hub:
            pids = {"between": (hub.pid,), "supplier": (supplier,)}
            await run(stand, WARM, 2.0, Question(), pids)
            before = await run(stand, RATE, _PACE, Question(), pids)
            began = time.perf_counter()
            loading = await begin(file, database)
            told, meanwhile, early = await _watched(stand, loading, database, lines, pids)
            seconds = time.perf_counter() - began - told.pop("waited")
        say(f"{lines} lines in {seconds:.0f} s")
        same = None
        if cut:
            same = await _same_after_kill(stand, file, database, lines, persons)
    wrong = sum(count for one in meanwhile for code, count in one.codes.items() if code != "MSG00000")
    return Loaded(
        round(seconds, 1), told["lines"], told["refused"], told["opened"], told["closed"], early, told["peak"],
        max(one.p99 for one in meanwhile), before.p99, sum(one.answered for one in meanwhile),
        wrong + sum(one.unanswered for one in meanwhile), same,
    )  # fmt: skip


async def _watched(
    stand: Bench, loading: asyncio.subprocess.Process, database: str, lines: int, pids: Any
) -> tuple[dict[str, Any], list[Figures], float]:
    """What the command printed, what the hub answered meanwhile, and the early memory."""
    early = peak = 0.0
    ended = 0.0

    async def look() -> None:
        nonlocal early, peak, ended
        while loading.returncode is None:
            peak = max(peak, usage.peak_mb(loading.pid))
            if not early and await done(database) >= lines // 10:
                early = usage.memory_mb(loading.pid)
            await asyncio.sleep(0.2)
        ended = time.perf_counter()

    looking = asyncio.create_task(look())
    printing = asyncio.create_task(loading.communicate())
    meanwhile = []
    while not printing.done():
        meanwhile.append(await run(stand, RATE, _PACE, Question(), pids))
        say(f"{await done(database)} of {lines} lines, p99 {meanwhile[-1].p99:g} ms")
    out, _ = await printing
    await looking
    if loading.returncode != 0:
        raise AssertionError("the load failed")
    told: dict[str, Any] = json.loads(out)
    return told | {"waited": time.perf_counter() - ended, "peak": round(peak, 1)}, meanwhile, round(early, 1)


async def _same_after_kill(stand: Bench, file: Path, database: str, lines: int, persons: int) -> bool:
    """The same file into another repertory, killed at two fifths and again at four."""
    other = await ready(stand, "again", persons)
    for part in (2, 4):
        loading = await begin(file, other)
        while await done(other) < lines * part // 5:
            if loading.returncode is not None:
                raise AssertionError("the load ended before it was killed")
            await asyncio.sleep(0.05)
        os.kill(loading.pid, signal.SIGKILL)
        await loading.wait()
        say(f"killed at {await done(other)} lines")
    loading = await begin(file, other)
    out, _ = await loading.communicate()
    say(out.decode().strip())
    found = []
    for one in (database, other):
        connection = await asyncpg.connect(one)
        found.append(tuple(await connection.fetchrow(_ALIKE)))
        await connection.close()
    return found[0] == found[1]


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.integrations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the file (default 1000000)")
    parser.add_argument("--persons", type=int, default=1_000_000, help="persons there, of five rows (default 1000000)")
    parser.add_argument("--no-cut", action="store_true", help="leave out the run that is killed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    told = parser.parse_args()
    where = machine()
    loaded = asyncio.run(measure(told.lines, told.persons, cut=not told.no_cut))
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, **asdict(loaded)}, indent=2) + "\n")
    sys.stdout.write(f"{sentence(where)}\n\n| | |\n|---|---|\n")
    sys.stdout.writelines(f"| {name.replace('_', ' ')} | {value} |\n" for name, value in asdict(loaded).items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
