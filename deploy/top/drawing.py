"""A look, drawn for a terminal of any size, or as tables for a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.top.look import PROMISED, Look, Promise

#: From this width on, two tables stand beside each other, the second in this.
_WIDE, _SECOND = 130, 60
#: The highest bucket of the histograms, seconds: what lies above it is only known to.
_HIGHEST = 10.0
_LEAST_ROWS = 3
_LEAST_NAME = 12
_GAP, _BETWEEN = " ", "   "
#: A terminal without a height: everything is drawn.
_ALL = 1_000

_GOOD, _ODD, _BAD, _DIM = "green", "yellow", "bold red", "bright_black"

#: A column: its title, and whether it is a number.
_Columns = Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class _Part:
    """A table as it could be, with all of its rows."""

    title: str
    columns: _Columns
    rows: Sequence[Sequence[object]]
    #: What stands in its place where it has no row.
    empty: str

    def height(self, rows: int) -> int:
        """Lines that it takes with this many rows: title, heads, what is left out."""
        return 2 if not self.rows else 2 + min(rows, len(self.rows)) + (rows < len(self.rows))

    def table(self, rows: int, width: int) -> RenderableType:
        """With so many rows; where it is too wide the first column, of names, is cut."""
        if not self.rows:
            return Group(Text(self.title, style="bold"), Text(self.empty, style=_DIM))
        shown = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in self.rows[:rows]]
        widths = [
            max(len(name), *(row[place].cell_len for row in shown)) for place, (name, _) in enumerate(self.columns)
        ]
        widths[0] = min(widths[0], max(_LEAST_NAME, width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)))
        table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style=_DIM, expand=False)
        for (name, number), wide in zip(self.columns, widths, strict=True):
            table.add_column(name, justify="right" if number else "left", width=wide, no_wrap=True, overflow="ellipsis")
        for row in shown:
            table.add_row(*row)
        left = len(self.rows) - rows
        more = [Text(f"… and {left} more", style=_DIM)] if left > 0 else []
        return Group(Text(self.title, style="bold", no_wrap=True, overflow="ellipsis"), table, *more)


def draw(look: Look, width: int, height: int | None = None) -> RenderableType:
    """All of a look, in as many lines as there are; None: every row of every table."""
    head = _head(look)
    wide = width >= _WIDE
    services, suppliers, queues, behind = _services(look, wide), _suppliers(look, wide), _queues(look), _behind(look)
    room = _ALL if height is None else height - _lines(head, width)
    if wide:
        # Beside each other, and those below them.
        first = width - len(_BETWEEN) - _SECOND
        bands = [(services, suppliers), (queues, behind)]
        tables: list[RenderableType] = [
            _beside(left.table(rows, first), right.table(rows, _SECOND), first)
            for rows, (left, right) in zip(_shares(room, bands), bands, strict=False)
        ]
    else:
        parts = [services, suppliers, queues, *([behind] if behind.rows or height is None else [])]
        shares = _shares(room, [(part,) for part in parts])
        tables = [part.table(rows, width) for rows, part in zip(shares, parts, strict=False)]
    drawn: list[RenderableType] = [head]
    for table in tables:
        drawn += [table, Text("")]
    return Group(*drawn[:-1])


def _shares(room: int, bands: Sequence[Sequence[_Part]]) -> list[int]:
    """How many rows the tables of each band get. Fewer than there are bands: the last find no room at all."""
    wanted = [max((len(part.rows) for part in band), default=0) for band in bands]
    given = [min(_LEAST_ROWS, most) for most in wanted]

    def used() -> int:
        heights = [max(part.height(rows) for part in band) for rows, band in zip(given, bands, strict=False)]
        return sum(heights) + len(heights) - 1

    while len(given) > 1 and used() > room:
        if max(given) > 1:
            given = [min(rows, max(given) - 1) for rows in given]
        else:
            given.pop()
    # A line in turn, to whom can use it: a full table does not starve the others.
    while True:
        before = list(given)
        for place in range(len(given)):
            if given[place] < wanted[place]:
                given[place] += 1
                if used() > room:
                    given[place] -= 1
        if given == before:
            return given


def _beside(left: RenderableType, right: RenderableType, width: int) -> Table:
    grid = Table.grid(padding=(0, len(_BETWEEN), 0, 0))
    grid.add_column(width=width)
    grid.add_column(width=_SECOND)
    grid.add_row(left, right)
    return grid


def _lines(text: RenderableType, width: int) -> int:
    console = Console(width=width, height=_ALL)
    return len(console.render_lines(text, console.options.update(width=width)))


def _head(look: Look) -> RenderableType:
    first = Text.assemble(
        ("Crossroads ", "bold"),
        (f"{look.at:%H:%M:%S}", _DIM),
        "  ",
        (rate(look.a_second) if look.over is not None else "–", "bold"),
        " exchanges/s  in flight ",
        (str(look.in_flight), "bold"),
        *((f"  held {look.held}",) if look.held else ()),
        *((("  last ", _DIM), (f"{look.over:.0f} s", _DIM)) if look.over is not None else ()),
    )
    promise = Text.assemble(
        "under 4 s: ",
        _share(look.promise),
        " now, ",
        _share(look.since_start),
        " since the hubs' start",
        (f"  promised {percent(PROMISED)}", _DIM),
    )
    missed = look.since_start.supplier + look.since_start.hub
    misses = Text.assemble(
        "missed: ",
        *_missed(look.promise),
        " now, ",
        *(_missed(look.since_start) if missed else (("none", _GOOD),)),
        " since",
    )
    lines = [first, promise, misses]
    if look.maintenance:
        lines.append(Text(" MAINTENANCE: every request on line is told CRB00022 ", style="bold black on yellow"))
    if look.paused:
        said = ", ".join(f"{kind} {what}" for kind, what in look.paused)
        lines.append(Text.assemble((" PAUSED ", "bold black on yellow"), (f" {said}", _ODD)))
    if look.dead:
        lines.append(Text.assemble((f"hub.dead: {look.dead}", _BAD), "  crossroads dead list"))
    lines += _processes(look)
    return Group(*lines, Text(""))


def _missed(promise: Promise) -> tuple[tuple[str, str], ...]:
    told = [
        (f"{number:,.0f} {whose}'s", _BAD)
        for whose, number in (("supplier", promise.supplier), ("hub", promise.hub))
        if number > 0
    ]
    if not told:
        return (("none", _GOOD),)
    return (told[0], (" and ", ""), told[1]) if len(told) > 1 else (told[0],)


def _processes(look: Look) -> list[Text]:
    words = []
    for one in look.processes:
        if not one.answers:
            words.append(Text(f"{one.name} does not answer ({one.why})", style=_BAD))
        elif one.parts_down:
            words.append(Text(f"{one.name} down: {', '.join(one.parts_down)}", style=_BAD))
        elif one.draining:
            words.append(Text(f"{one.name} draining", style=_ODD))
        else:
            words.append(Text(one.name, style=_GOOD))
    if look.unseen:
        words.append(Text(f"the watcher does not see the {' and the '.join(look.unseen)}", style=_BAD))
    elif not look.seen:
        words.append(Text("no watcher: backlog and distribution are not known", style=_ODD))
    return [Text("  ").join(words)]


def _services(look: Look, wide: bool) -> _Part:
    columns = [("service", False), ("/s", True), ("under 4 s", True), ("since", True), ("hub p50", True),
               ("p99", True), ("refused/s", True), ("in hand", True)]  # fmt: skip
    if not wide:
        columns[6:8] = [("ref/s", True), ("hand", True)]
    rows = [
        [
            _named(one.service, one.paused),
            rate(one.a_second),
            _share(one.promise),
            _share(one.since_start),
            seconds(one.hub_p50),
            seconds(one.hub_p99),
            rate(one.refused_a_second),
            str(one.in_flight),
        ]
        for one in look.services
    ]
    return _Part("Services", columns, rows, "nothing is asked")


def _suppliers(look: Look, wide: bool) -> _Part:
    columns = [("supplier", False), ("/s", True), ("p50", True), ("p99", True), ("no answer", True),
               ("in hand", True)]  # fmt: skip
    rows = [
        [
            _named(one.supplier, one.paused),
            rate(one.a_second),
            Text(seconds(one.p50), style=_slow(one.p50)),
            Text(seconds(one.p99), style=_slow(one.p99)),
            "–" if one.silent is None else Text(percent(one.silent), style=_BAD if one.silent else ""),
            str(one.in_flight),
        ]
        for one in look.suppliers
    ]
    return _Part("Slowest suppliers", columns, rows, "nobody is asked")


def _queues(look: Look) -> _Part:
    rows = [
        [
            one.queue,
            one.vhost,
            Text("–" if one.age is None else age(one.age), style=_ODD if (one.age or 0) > _OLD else ""),
            f"{one.messages:,}",
            Text("nobody reads", style=_BAD) if _unread(one.kind, one.consumers) else str(one.consumers),
        ]
        for one in look.queues
    ]
    columns = [("queue", False), ("vhost", False), ("oldest", True), ("messages", True), ("readers", True)]
    return _Part("Backlog", columns, rows, "no queue holds a message" if look.seen else "not known: no watcher")


def _behind(look: Look) -> _Part:
    rows = [[one.recipient, f"{one.behind:,}", "–" if one.lag is None else age(one.lag)] for one in look.behind]
    columns = [("recipient", False), ("words behind", True), ("oldest", True)]
    return _Part("Distribution behind", columns, rows, "nobody is behind" if look.seen else "not known: no watcher")


#: A message that waits longer than this is worth a look, seconds.
_OLD = 60.0
#: A supplier slower than this is worth a look, and slower than that breaks the promise, seconds.
_SLOW, _TOO_SLOW = 1.0, 4.0


def _unread(kind: str, consumers: int) -> bool:
    return kind != "dead" and consumers == 0


def _named(name: str, paused: bool) -> Text:
    return Text.assemble((name, _ODD), (" paused", "bold yellow")) if paused else Text(name)


def _slow(value: float | None) -> str:
    return _BAD if (value or 0) >= _TOO_SLOW else _ODD if (value or 0) >= _SLOW else ""


def _share(promise: Promise) -> Text:
    share = promise.share
    if share is None:
        return Text("–", style=_DIM)
    return Text(percent(share), style=_GOOD if share >= PROMISED else _BAD)


def percent(share: float) -> str:
    """`99.98 %`; what is not all of it is never rounded up to 100, and what is not nothing never down to 0."""
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    return f"{max(floor(share * 10_000), 1) / 100:.2f} %"


def rate(a_second: float) -> str:
    """A number a second: `0`, `0.3`, `57`."""
    if a_second == 0:
        return "0"
    if a_second < 0.05:
        return "<0.1"
    return f"{a_second:.1f}" if a_second < 10 else f"{a_second:,.0f}"


def seconds(value: float | None) -> str:
    """A short time: `<1 ms`, `12 ms`, `1.4 s`, `>10 s`."""
    if value is None:
        return "–"
    if value >= _HIGHEST:
        return f">{_HIGHEST:.0f} s"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.001 else "<1 ms"


def age(value: float) -> str:
    """A long time: `4 s`, `3 min`, `5 h`, `2 d`."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if value < most:
            return f"{value / size:.0f} {unit}"
    return f"{value / 86_400:.0f} d"
