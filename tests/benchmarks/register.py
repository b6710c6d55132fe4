"""A register of the nation's size: 220 services, and 3,000 institutions of which about 200 are connected to the hub,
beside the small one of the other measurements: microseconds a decision, how soon a hub is ready, its memory, its rate.

The members of secondary networks are in the register, and on no queue of the hub's broker.

  python -m tests.benchmarks.register --runs 3 --seconds 10
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from hub.admission import Admitted, Asked, authorise, decide
from hub.repertory import files
from hub.repertory.rules import Authorisation, Rules
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.employer import EnterpriseNumber
from schemas.errors import CrossroadsError
from schemas.integration import Integration
from schemas.period import Period, today
from schemas.sectors import SECTORS, qualities_of
from tests.benchmarks import usage
from tests.benchmarks.bench import RULES, bench, catalogue, network
from tests.benchmarks.load import WARM, Load
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.persons import persons
from tests.benchmarks.progress import say
from tests.benchmarks.run import Question, run
from tests.benchmarks.table import Table, spread

SERVICES, INSTITUTIONS = 220, 3_000
#: Customers of each service.
_CUSTOMERS = 5
#: Decisions of one measurement.
_DECISIONS = 20_000
#: Where else everybody has a dossier.
_ELSEWHERE = (Address(5, 0), Address(10, 0), Address(11, 1), Address(18, 0))
_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own-service" / "FreePass"
_DELIBERATION = 'deliberation = { number = "synthetic 26/000", date = 2026-01-01, changes = [] }\nfrom = 2026-01-01\n'


@dataclass(frozen=True, slots=True)
class Size:
    """What a register amounts to, and what it costs a hub to hold."""

    services: int
    institutions: int
    authorisations: int
    #: Queues at the hub's broker.
    queues: int
    #: Seconds from a hub's start until it takes requests, and its memory then, MiB.
    ready: float
    memory_mb: float
    #: Of some runs, in turn with the other register's.
    decision_us: list[float]


def make_services(folder: Path, count: int) -> None:
    """So many services, each a folder with an XSD of its own."""
    for number in range(count):
        words = {"FreePass": f"Right{number:03d}", "free-pass": f"right-{number:03d}", "freePass": f"right{number:03d}"}
        made = folder / words["FreePass"]
        made.mkdir(parents=True)
        for file in _EXAMPLE.iterdir():
            text, name = file.read_text(), file.name
            for old, new in words.items():
                text, name = text.replace(old, new), name.replace(old, new)
            (made / name).write_text(text)


def make_rules(file: Path, services: Sequence[str], institutions: int, taken: Rules) -> None:
    """Every sector and type of the official list is connected; the other institutions are members of 17-0."""
    kinds = [kind for kind in SECTORS if kind != Address(17, 1)]
    blocks = [
        f'[[institution]]\naddress = "{kind}"\ncbe = "{_enterprise(number)}"\nname = "Kind {kind}"\nactive = true\n'
        for number, kind in enumerate(kinds)
        if kind not in taken.institutions
    ]
    for number in range(len(kinds), institutions):
        cbe = _enterprise(number)
        blocks.append(
            f'[[institution]]\naddress = "17-1-{cbe}"\ncbe = "{cbe}"\nname = "Member {number}"\nmanaged_by = "17-0"\n'
            "active = true\n"
        )
    chance = random.Random(220)
    for service in services:
        supplier = chance.choice(kinds)
        blocks.append(f'[[availability]]\nservice = "{service}"\naddress = "{supplier}"\neverybody = true\n')
        for customer in chance.sample([Address(17, 1), *kinds], _CUSTOMERS):
            quality = min(quality for quality in qualities_of(customer.sector) if quality not in (902, 999))
            blocks.append(
                f'[[authorisation]]\nid = "{service}:{customer}"\ncustomer = "{customer}"\n'
                f'legal_context = "CONTEXT:{customer}"\nservice = "{service}"\nqualities = [{quality}]\n'
                f'suppliers = ["{supplier}"]\n{_DELIBERATION}'
            )
    file.write_text("\n".join(blocks))


def _enterprise(number: int) -> str:
    """A number of nobody's with right check digits."""
    eight = 19_000_000 + number
    return EnterpriseNumber.parse(f"{eight:08d}{97 - eight % 97:02d}").digits


def decisions(rules: Rules, known: Catalogue) -> float:
    """Microseconds of one decision (checks 13 to 16) that admits, over all authorisations in turn."""
    (who,) = persons(1)
    day = today()
    asked: list[tuple[Asked, tuple[Integration, ...]]] = []
    for row in _in_no_order(rules.authorisations):
        question = Asked(
            customer=row.customer,
            service=known.services[row.service],
            legal_context=row.legal_context,
            ssin=who,
            period=Period(day, day),
            today=day,
        )
        integrations = [Integration(who, row.customer, min(row.qualities), 1, Period(date(2000, 1, 1), None))]
        integrations += [
            Integration(who, kind, 1, 1, Period(date(2001, 1, 1), None)) for kind in _ELSEWHERE if kind != row.customer
        ]
        asked.append((question, tuple(integrations)))
    began = time.process_time()
    for number in range(_DECISIONS):
        question, rows = asked[number % len(asked)]
        fitting = authorise(rules, question)
        assert isinstance(fitting, tuple)
        assert isinstance(decide(rules, question, rows, fitting), Admitted)
    return round(1e6 * (time.process_time() - began) / _DECISIONS, 2)


def _in_no_order(rows: Sequence[Authorisation]) -> list[Authorisation]:
    return random.Random(1).sample(rows, len(rows))


async def measure(runs: int, seconds: float) -> tuple[Table, dict[str, Size]]:
    """The small register and the nation's, in turn. Ratios are to the small one."""
    small, nation = "the small register", "the nation's register"
    table = Table("A hub with so large a register", small, titles={small: small, nation: nation})
    sizes: dict[str, Size] = {}
    with tempfile.TemporaryDirectory(prefix="crossroads-register-") as name:
        services, rules = Path(name) / "services", Path(name) / "nation.toml"
        shipped = len(catalogue(None).services)
        make_services(services, SERVICES - shipped)
        known = catalogue(services)
        make_rules(
            rules, sorted(set(known.services) - set(catalogue(None).services)), INSTITUTIONS, _read([RULES], None)
        )
        registers: dict[str, tuple[list[Path], Path | None]] = {
            small: ([RULES], None),
            nation: ([RULES, rules], services),
        }
        costs: dict[str, list[float]] = {title: [] for title in registers}
        for _ in range(runs):
            for title, (some, folder) in registers.items():
                costs[title].append(decisions(_read(some, folder), catalogue(folder)))
        for number in range(runs):
            for title, (some, folder) in registers.items():
                async with bench(1_000, rules=some, services=folder) as stand, stand.supplier() as supplier:
                    began = time.perf_counter()
                    async with stand.hub() as hub:
                        ready = time.perf_counter() - began
                        memory = usage.memory_mb(hub.pid)
                        pids = {"between": (hub.pid,), "supplier": (supplier,)}
                        await run(stand, WARM, min(2.0, seconds), Question(), pids)
                        figures = await run(stand, Load("closed", 50), seconds, Question(), pids)
                table.add("50 in flight", title, figures)
                say(f"run {number + 1} of {runs}, {title}: ready in {ready:.1f} s, {figures.a_second:g} a second")
                read, found = _read(some, folder), network(some, folder)
                sizes[title] = Size(
                    len(catalogue(folder).services),
                    len(read.institutions),
                    len(read.authorisations),
                    2 * len(found.institutions) + len(found.holdings),
                    round(ready, 2),
                    memory,
                    costs[title],
                )
    return table, sizes


def _read(rules: Sequence[Path], services: Path | None) -> Rules:
    return files.read(list(rules), catalogue(services))


def markdown(sizes: dict[str, Size]) -> str:
    """What each register amounts to."""
    lines = ["**Registers**", ""]
    lines += ["| register | services | institutions | authorisations | queues | ready s | hub MiB | a decision µs |"]
    lines += ["|" + "---|" * 8]
    for title, one in sizes.items():
        lines.append(
            f"| {title} | {one.services} | {one.institutions} | {one.authorisations} | {one.queues} | {one.ready} | "
            f"{one.memory_mb:.0f} | {spread(one.decision_us)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.register",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to this file")
    told = parser.parse_args()
    where = machine()
    try:
        table, sizes = asyncio.run(measure(told.runs, told.seconds))
    except CrossroadsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        document = {
            "machine": where,
            "tables": [table.as_dict()],
            "registers": {title: asdict(one) for title, one in sizes.items()},
        }
        told.json.write_text(json.dumps(document, indent=2) + "\n")
    head = f"{sentence(where)}; {told.runs} runs of {told.seconds:g} s."
    sys.stdout.write(f"{head}\n\n{table.markdown()}\n{markdown(sizes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
