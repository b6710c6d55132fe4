"""`crossroads doctor`: all of a network looked at."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from deploy.doctor.examination import Examination

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Every = Annotated[bool, typer.Option("--all", help="Tell every line of what is concerned; else the first ten.")]

_STYLES = {"good": "green", "warning": "yellow", "wrong": "bold red", "unknown": "bright_black"}
#: Lines of one check.
_MOST = 10


def doctor(as_json: Json = False, every: Every = False) -> None:
    """Look at all of the network, and say what is wrong and what to do. Changes nothing.

    Broker, what stands on it against the rules, who reads it, database, journal, hubs, rules, distribution, secondary
    networks. It looks at the network that runs here, else at that of CROSSROADS_DATABASE_URL,
    CROSSROADS_RABBITMQ_ADMIN_URL, CROSSROADS_METRICS, CROSSROADS_NSSO_URL, CROSSROADS_SECTORAL_URLS and
    CROSSROADS_JOURNAL_KEY: what is not named is not looked at (unknown).

    Exit status: 0 nothing is wrong (there may be warnings), 1 something is, 2 there is no network to look at.
    """
    from rich.console import Console

    from deploy.doctor.examination import examine
    from deploy.doctor.place import here

    examination = asyncio.run(examine(here()))
    if as_json:
        typer.echo(json.dumps(examination.as_dict(), indent=2, ensure_ascii=False))
    else:
        Console(highlight=False).print(_drawn(examination, None if every else _MOST))
    raise typer.Exit(examination.exit_status)


def _drawn(examination: "Examination", most: int | None) -> "RenderableType":
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, finding in examination.findings.items():
        told = [Text(finding.saw)]
        told += [Text(f"· {line}", style="bright_black") for line in finding.details[:most]]
        if most is not None and len(finding.details) > most:
            told.append(Text(f"· and {len(finding.details) - most} more (--all)", style="bright_black"))
        told += [Text(f"→ {line}", style="cyan") for line in finding.do]
        table.add_row(Text(finding.state, style=_STYLES[finding.state]), name, Group(*told))
    counts = [
        Text(f"{number} {state}", style=style)
        for state, style in _STYLES.items()
        if (number := examination.count(state))
    ]
    last = Text.assemble(Text(", ").join(counts), f"; looked at in {examination.seconds:.1f} s")
    return Group(table, Padding(last, (1, 0, 0, 0)))
