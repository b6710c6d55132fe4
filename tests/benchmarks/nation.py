"""The nation in one repertory: a hub's rate, and a look-up's time at 574 a second, with ten thousand, one million and
eleven million persons of five rows each, in turn; how fast they are filled in, and their size on disk.

Eleven million take about five minutes to fill in, and five gigabytes of the temporary directory.

  python -m tests.benchmarks.nation --persons 10000,1000000,11000000 --runs 3 --seconds 10
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from hub import migrations
from hub.repertory import store
from hub.repertory.persons import Persons
from schemas.catalogue import Catalogue, shipped
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin
from tests.benchmarks import load
from tests.benchmarks.bench import RULES, Bench, bench
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say
from tests.benchmarks.run import Question, percentile, run
from tests.benchmarks.table import Table, spread

#: Look-ups a second: the real network's average year, tenfold.
LOOK_UPS = 574
#: Persons that are asked about, drawn from all.
_ASKED = 50_000
_PATIENCE = 3_600.0

# Person number i of the bench: the counters 1 to 350 of each day from 1910 on, so that eleven million are born before
# 1997. Filled in by the database itself: what is measured is the table, not how fast Python writes rows.
_SSIN = """(SELECT nine * 100 + 97 - nine % 97 FROM (SELECT (
    to_char(date '1910-01-01' + i / 350, 'YYMMDD') || to_char(i % 350 + 1, 'FM000'))::bigint AS nine) n)"""
_FILL = f"""
INSERT INTO person (ssin, known_from, valid_from, sector, type, quality)
SELECT ssin, now(), place.since, place.sector, place.type, place.quality
FROM generate_series($1::int, $2::int) i
CROSS JOIN LATERAL {_SSIN} s (ssin)
CROSS JOIN (VALUES (5, 0, 1, date '2001-01-01'), (10, 0, 10, date '2004-01-01'), (11, 1, 1, date '2002-01-01'),
                   (12, 0, 10, date '2000-01-01'), (17, 1, 1, date '2003-01-01')) place (sector, type, quality, since)
"""
_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A repertory, filled in."""

    persons: int
    rows: int
    #: Seconds for the rows, and for their indexes and statistics.
    seconds: float
    indexing: float
    heap_mb: float
    index_mb: float


@dataclass(frozen=True, slots=True)
class Paced:
    """Look-ups at an even rate, from the moment each was meant to leave, milliseconds."""

    p50: float
    p99: float


async def fill(database: str, persons: int) -> Filled:
    """Rules and so many persons into an empty database; indexes are made at the end, as for a first load they are."""
    await migrations.migrate(database)
    await store.load(database, [RULES], Catalogue([shipped()]))
    connection = await asyncpg.connect(database)
    try:
        indexes = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'person'")
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        began = time.perf_counter()
        for first in range(0, persons, _AT_ONCE):
            last = min(first + _AT_ONCE, persons) - 1
            await connection.execute(_FILL, first, last, timeout=_PATIENCE)
            say(f"{last + 1} of {persons} persons filled in, {time.perf_counter() - began:.0f} s")
        filled = time.perf_counter()
        for index in indexes:
            await connection.execute(index["indexdef"], timeout=_PATIENCE)
        await connection.execute("VACUUM ANALYZE person", timeout=_PATIENCE)
        indexed = time.perf_counter()
        heap, all_indexes = await connection.fetchrow("SELECT pg_relation_size('person'), pg_indexes_size('person')")
    finally:
        await connection.close()
    return Filled(persons, 5 * persons, filled - began, indexed - filled, heap / 1e6, all_indexes / 1e6)


async def sample(database: str, persons: int) -> list[Ssin]:
    """Some of the numbers, from all over, in no order."""
    chosen = random.Random(persons).sample(range(persons), min(_ASKED, persons))
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetch(f"SELECT {_SSIN} AS ssin FROM unnest($1::int[]) i", chosen)
    finally:
        await connection.close()
    return [Ssin.parse(f"{row['ssin']:011d}") for row in found]


async def paced(database: str, numbers: Sequence[Ssin], seconds: float) -> Paced:
    """Look persons up at `LOOK_UPS` a second, whatever the answers do."""
    took: list[float] = []
    loop = asyncio.get_running_loop()

    async with Persons(database) as persons, asyncio.TaskGroup() as group:

        async def look_up(due: float, ssin: Ssin) -> None:
            if len(await persons.rows(ssin)) != 5:
                raise AssertionError("a person of the bench has not its five rows")
            took.append(loop.time() - due)

        began = loop.time()
        for number in range(int(LOOK_UPS * seconds)):
            due = began + number / LOOK_UPS
            await asyncio.sleep(due - loop.time())
            group.create_task(look_up(due, numbers[number % len(numbers)]))
    took.sort()
    return Paced(round(1000 * percentile(took, 0.5), 2), round(1000 * percentile(took, 0.99), 2))


async def measure(
    sizes: Sequence[int], loads: Sequence[Load], runs: int, seconds: float
) -> tuple[Table, list[Filled], dict[int, list[Paced]]]:
    """All sizes under all loads, in turn. Ratios are to the first."""
    titles = {str(size): f"{size} persons" for size in sizes}
    table = Table("A hub with so many persons in its repertory", str(sizes[0]), titles=titles)
    fillings: list[Filled] = []
    looked: dict[int, list[Paced]] = {size: [] for size in sizes}
    async with bench(1) as stand, stand.supplier() as supplier:
        databases = {size: await stand.postgresql.create_database(f"nation_{size}") for size in sizes}
        numbers: dict[int, list[Ssin]] = {}
        for size, database in databases.items():
            fillings.append(await fill(database, size))
            numbers[size] = await sample(database, size)
        for number in range(runs):
            for size in sizes:
                looked[size].append(await paced(databases[size], numbers[size], seconds))
                await _hub(stand, databases[size], numbers[size])
                async with stand.hub() as hub:
                    pids = {"between": (hub.pid,), "supplier": (supplier,)}
                    await run(stand, WARM, min(2.0, seconds), Question(), pids)
                    for one in loads:
                        figures = await run(stand, one, seconds, Question(), pids)
                        table.add(str(one), str(size), figures)
                        say(f"run {number + 1} of {runs}, {size} persons, {one}: {figures.a_second:g} a second")
    return table, fillings, looked


async def _hub(stand: Bench, database: str, numbers: Sequence[Ssin]) -> None:
    """The next hub of the bench has this repertory, and its persons are asked about."""
    stand.database = database
    stand.persons.write_text("\n".join(ssin.digits for ssin in numbers))


def markdown(fillings: Sequence[Filled], looked: dict[int, list[Paced]]) -> str:
    """What filling in took, and what look-ups took."""
    lines = [
        "**Filling in**",
        "",
        "| persons | rows | s | rows a second | indexes and statistics s | heap MB | indexes MB |",
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for one in fillings:
        rate = f"{one.rows / one.seconds:.0f}"
        lines.append(
            f"| {one.persons} | {one.rows} | {one.seconds:.1f} | {rate} | {one.indexing:.1f} | {one.heap_mb:.0f} | "
            f"{one.index_mb:.0f} |"
        )
    lines += ["", f"**Look-ups at {LOOK_UPS} a second**", "", "| persons | p50 ms | p99 ms |", "|---|---|---|"]
    for size, runs in looked.items():
        lines.append(f"| {size} | {spread(one.p50 for one in runs)} | {spread(one.p99 for one in runs)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.nation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--persons", default="10000,1000000,11000000", metavar="N,…", help="sizes, in turn")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run (default 10)")
    parser.add_argument("--loads", default="c50", metavar="LOAD,…", help="as python -m tests.benchmarks has them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to this file")
    told = parser.parse_args()
    where = machine()
    try:
        sizes = [int(size) for size in told.persons.split(",")]
        loads = tuple(load.parse(text) for text in told.loads.split(","))
        table, fillings, looked = asyncio.run(measure(sizes, loads, told.runs, told.seconds))
    except (CrossroadsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        document = {
            "machine": where,
            "tables": [table.as_dict()],
            "filled": [asdict(one) for one in fillings],
            "look-ups": {str(size): [asdict(one) for one in runs] for size, runs in looked.items()},
        }
        told.json.write_text(json.dumps(document, indent=2) + "\n")
    head = f"{sentence(where)}; {told.runs} runs of {told.seconds:g} s."
    sys.stdout.write(f"{head}\n\n{table.markdown()}\n{markdown(fillings, looked)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
