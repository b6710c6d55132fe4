"""Exchanges a second, latency, CPU and memory of the hub, beside a relay that does nothing and what others would take.

Everything runs on this machine, on a broker and a database of its own, in processes of their own: lean ends (one asker,
one supplier; --only hub-library puts our own library there) and between them one row:

  hub           the hub: four legs an exchange, with checks, repertory and journal
  hub-aiopika   the hub with CROSSROADS_TRANSPORT=aiopika
  noop-aiopika  a relay that does nothing on aio-pika: four legs; every ratio is to it, in the same run
  noop-pika     the same on pika's asyncio connection
  faststream    FastStream giving the message back: two legs
  nameko        Nameko giving the message back: two legs
  hub-library   the hub with our own library at both ends: a table of its own
  sectors       a member's question through its relay to members behind another relay, and the direct service, in the
                reference network: a table of its own (--rate)
  lookups       the hub's look-up of a person beside a bare read by primary key: a table of its own

Each load's latency counts from the moment a request was meant to leave. Runs go in turn over the rows. pika, FastStream
and Nameko get a venv each when first needed, under CROSSROADS_BENCH_CACHE (else ~/.cache/crossroads-benchmarks).
Run it on a quiet machine. A first look takes two minutes:

  python -m tests.benchmarks --only hub,noop-aiopika --loads c50,o57 --runs 2 --seconds 5

Beside it: python -m tests.benchmarks.hubs, .soak and .cluster, each with --help.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import CrossroadsError
from tests.benchmarks import load, lookups, sectors
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.page import page
from tests.benchmarks.row import BASE, LIBRARY, ROWS
from tests.benchmarks.suite import suite
from tests.benchmarks.table import Table

_NAMES = (*(row.name for row in (*ROWS, *LIBRARY)), "sectors", "lookups")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--runs", type=int, default=3, help="runs of each row (default 3)")
    made.add_argument("--seconds", type=float, default=10, help="length of a run (default 10)")
    made.add_argument("--only", default=",".join(_NAMES), metavar="ROW,…", help="these rows only (default: all)")
    made.add_argument(
        "--loads",
        default="c1,c10,c50,c200,o57,o300,o574,o1000",
        metavar="LOAD,…",
        help="c50: 50 in flight; o300: 300 a second (default: c1,c10,c50,c200,o57,o300,o574,o1000)",
    )
    made.add_argument("--persons", type=int, default=10_000, help="persons in the repertory (default 10000)")
    made.add_argument("--rate", type=int, default=150, help="exchanges a second of `sectors` (default 150)")
    made.add_argument("--tls", action="store_true", help="over TLS: every process to the broker")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every run to this file")
    made.add_argument("--page", type=Path, metavar="FILE", help="write tables and plots to this HTML file")
    return made


async def measure(told: argparse.Namespace) -> list[Table | lookups.Lookups]:
    """The tables asked for."""
    names = _chosen(told.only)
    loads = tuple(load.parse(text) for text in told.loads.split(","))
    how = {"runs": told.runs, "seconds": told.seconds, "persons": told.persons, "tls": told.tls}
    over = " over TLS" if told.tls else ""
    tables: list[Table | lookups.Lookups] = []
    if rows := [row for row in ROWS if row.name in names]:
        tables.append(await suite(f"Lean ends{over}", rows, loads, **how))
    if own := [row for row in LIBRARY if row.name in names]:
        base = [row for row in ROWS if row.name == BASE]
        tables.append(await suite(f"Our library at both ends{over}", [*own, *base], loads, **how))
    if "sectors" in names:
        tables.append(await sectors.measure(told.rate, told.runs, told.seconds, tls=told.tls))
    if "lookups" in names:
        tables.append(await lookups.measure(told.persons, told.runs, told.seconds))
    return tables


def _chosen(only: str) -> Sequence[str]:
    names = [name.strip() for name in only.split(",") if name.strip()]
    if strangers := [name for name in names if name not in _NAMES]:
        raise CrossroadsError(f"no row {strangers[0]!r}; there are: {', '.join(_NAMES)}")
    return names


def main() -> int:
    """See the module."""
    told = parser().parse_args()
    where = machine()
    try:
        tables = asyncio.run(measure(told))
    except (CrossroadsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    head = f"{sentence(where)}; {told.persons} persons, {told.runs} runs of {told.seconds:g} s."
    if told.json is not None:
        told.json.write_text(
            json.dumps({"machine": where, "tables": [one.as_dict() for one in tables]}, indent=2) + "\n"
        )
    if told.page is not None:
        told.page.write_text(page(head, tables))
    sys.stdout.write("\n".join([head, "", *(one.markdown() for one in tables)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
