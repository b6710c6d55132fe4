"""Pages of HTML about schemas: everything that is put into one is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from schemas.declarations.notes import ReleaseNotes

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #ddd}td.path{overflow-wrap:anywhere}del{color:#8a1010}ins{color:#0b5c1e}"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads somewhere."""

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A cell of HTML that is made here, of escaped parts."""

    html: str


Cell = str | Link | Marked | None


def document(title: str, *parts: str) -> str:
    """A whole page; `parts` are HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def paragraph(*cells: Cell) -> str:
    return f"<p>{' '.join(map(_cell, cells))}</p>"


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{_class(column)}>{_cell(cell)}</td>" for column, cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def of_notes(notes: ReleaseNotes, zones: str | None = None) -> str:
    """What changed. `zones`: where the glossary's pages are, with a slash; None: nowhere."""
    title = f"{notes.old} to {notes.new}"
    if not notes.changes:
        return document(title, paragraph("Nothing changed in what messages may look like."))
    rows = (
        (
            change.change,
            change.path,
            Link(change.zone, zones + change.zone) if change.zone and zones is not None else change.zone,
            Marked(_told(change.old, change.new)),
            ", ".join(flow.form for flow in flows),
        )
        for change, flows in zip(notes.changes, notes.flows, strict=True)
    )
    hit = table(("form", "sender", "receiver"), ((f.form, f.sender, f.receiver) for f in notes.hit))
    return document(
        title,
        table(("change", "path", "zone", "old and new", "form"), rows),
        *((heading("Whom it hits"), hit) if notes.hit else ()),
    )


def _told(old: object, new: object) -> str:
    if isinstance(old, list) and isinstance(new, list):
        gone, come = [v for v in old if v not in new], [v for v in new if v not in old]
        return _struck(", ".join(gone)) + " " + _inserted(", ".join(come))
    return " ".join(part for part in (_struck(_words(old)), _inserted(_words(new))) if part)


def _words(told: object) -> str:
    return "" if told is None else ", ".join(told) if isinstance(told, list) else str(told)


def _struck(text: str) -> str:
    return f"<del>{escape(text)}</del>" if text else ""


def _inserted(text: str) -> str:
    return f"<ins>{escape(text)}</ins>" if text else ""


def _class(column: str) -> str:
    return ' class="path"' if column == "path" else ""


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Link(text, to):
            return f'<a href="{escape(to)}">{escape(text)}</a>'
        case Marked(html):
            return html
    return escape(cell)
