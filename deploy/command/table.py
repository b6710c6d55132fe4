"""Rows as a table for the eye, or as JSON objects."""

import json
from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table

#: Columns where there is no terminal: enough for every row to stand on one line.
_WIDE = 1_000


def tell(as_json: bool, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows, each with a cell a column; a list in a cell is a JSON list."""
    found = list(rows)
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in found], ensure_ascii=False))
        return
    table = Table(*columns, box=None)
    for row in found:
        table.add_row(*("" if cell is None else _text(cell) for cell in row))
    console = Console()
    Console(width=None if console.is_terminal else _WIDE).print(table)


def _text(cell: object) -> str:
    return ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)
