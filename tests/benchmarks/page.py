"""Tables and plots as one HTML file that needs nothing else: the plots are SVG, drawn here."""

import html
from collections.abc import Mapping, Sequence
from typing import Protocol

from tests.benchmarks.plot import Series, bars, lines
from tests.benchmarks.run import Figures
from tests.benchmarks.table import Table, spread

_STYLE = """body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:12px}td,th{border:1px solid #ccc;padding:.2em .5em;text-align:right}
td:nth-child(-n+2),th{text-align:left}svg{max-width:100%;height:auto}div{overflow-x:auto}"""


class Shown(Protocol):
    """What has a title and a table."""

    title: str

    def markdown(self) -> str: ...


def page(head: str, tables: Sequence[Shown]) -> str:
    """The whole file."""
    body = [f"<h1>What an exchange costs</h1><p>{html.escape(head)}</p>"]
    body.append("<p>Every figure is the median of the runs, with the least and the greatest.</p>")
    for table in tables:
        body.append(f"<h2>{html.escape(table.title)}</h2>")
        if isinstance(table, Table):
            body += plots(table)
        body.append(f"<div>{_html(table.markdown())}</div>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Crossroads: what an exchange costs</title>'
        f"<style>{_STYLE}</style>" + "\n".join(body) + "</html>\n"
    )


def plots(table: Table) -> list[str]:
    """Rate by number in flight, latency by rate, CPU by process."""
    drawn: list[str] = []
    closed = {load: rows for load, rows in table.runs.items() if load.endswith("in flight")}
    opened = {load: rows for load, rows in table.runs.items() if load.endswith("a second")}
    if closed:
        drawn.append(lines("Exchanges a second, by number in flight", _series(table, closed, "a_second")))
        load = "50 in flight" if "50 in flight" in closed else next(iter(closed))
        processes = list(next(iter(closed[load].values()))[0].cpu)
        stacked = {
            table.titles[row]: [spread(one.cpu.get(name, 0.0) for one in runs).median for name in processes]
            for row, runs in closed[load].items()
        }
        drawn.append(bars(f"CPU an exchange, µs, {load}", processes, stacked))
    if opened:
        for name, words in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            drawn.append(lines(f"{words}, ms, by exchanges a second", _series(table, opened, name), log=True))
    return drawn


def _series(table: Table, loads: Mapping[str, Mapping[str, Sequence[Figures]]], name: str) -> list[Series]:
    found: dict[str, Series] = {}
    for load, rows in loads.items():
        level = float(load.split()[0])
        for row, runs in rows.items():
            one = spread(getattr(figures, name) for figures in runs)
            found.setdefault(row, Series(table.titles[row], [])).points.append(
                (level, one.median, one.least, one.greatest)
            )
    return list(found.values())


def _html(markdown: str) -> str:
    """Our own tables' Markdown: a title, and rows between bars."""
    rows = [line[2:-2].split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    cells = ["".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])]
    cells += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows[1:]]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
