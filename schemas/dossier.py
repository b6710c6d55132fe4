"""What one institution knows of one person, as lines, and how it changes by registering and unregistering. Pure.

A line says quality, phase, period. Rules of the field: I605 (integrate) and the six situations of S607 (de-integrate),
docs/integrations.md.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType

from schemas.integration import REPLACED, Integration
from schemas.period import Period

#: Of the day behind the last: what has no end goes on there.
_FOREVER = date.max.toordinal() + 2


@dataclass(frozen=True, slots=True)
class Line:
    """This quality, in this phase, for this period."""

    quality: int
    #: None: lower than any.
    phase: int | None
    period: Period

    @classmethod
    def of(cls, row: Integration) -> "Line":
        """What a row of a repertory says, without whom and where."""
        return cls(row.quality, row.phase, row.period)


@dataclass(frozen=True, slots=True)
class Removal:
    """What is unregistered: one of the six situations of S607."""

    situation: int
    quality: int | None = None
    phase: int | None = None
    #: The first day of the one line, in situation 8.
    begin: date | None = None
    period: Period | None = None

    def contradiction(self) -> str | None:
        """What must be said in this situation and is not, or the other way round; None: all is well."""
        says = SITUATIONS.get(self.situation)
        if says is None:
            return f"one of the situations {', '.join(map(str, SITUATIONS))}"
        given = {name for name in _FIELDS if getattr(self, name) is not None}
        if given == says:
            return None
        return f"situation {self.situation} with {' and '.join(sorted(says)) or 'nothing more'}"

    def takes(self, line: Line) -> Period | None:
        """The days that it takes out of a line, some of which may lie beyond it; None: it leaves the line alone."""
        if (
            self.quality not in (None, line.quality)
            or self.phase not in (None, line.phase)
            or self.begin not in (None, line.period.begin)
        ):
            return None
        return self.period if self.period is not None else line.period


_FIELDS = ("quality", "phase", "begin", "period")
#: What each situation says beside its number.
SITUATIONS: Mapping[int, Collection[str]] = MappingProxyType(
    {
        1: frozenset(),
        2: frozenset({"period"}),
        5: frozenset({"quality"}),
        6: frozenset({"quality", "period"}),
        7: frozenset({"quality", "phase"}),
        8: frozenset({"quality", "begin", "period"}),
    }
)


def register(lines: Iterable[Line], line: Line) -> tuple[Line, ...]:
    """All lines after `line` was put among them: its days have its phase, whatever they had; its quality is in normal
    form, the others as they were. Ordered."""
    own, others = _by(lines, {line.quality})
    cut = [part for one in normal(own) for part in _without(one, line.period)]
    return _ordered((*others, *normal((*cut, line))))


def unregister(lines: Iterable[Line], removal: Removal, qualities: Collection[int] | None = None) -> tuple[Line, ...]:
    """All lines after the removal, which touches `qualities` alone (None: all) and never 999. Ordered."""
    left: list[Line] = []
    for line in lines:
        away = removal.takes(line)
        if away is None or line.quality == REPLACED or (qualities is not None and line.quality not in qualities):
            left.append(line)
        else:
            left += _without(line, away)
    return _ordered(left)


def retain(before: Iterable[Line], after: Iterable[Line], others: Iterable[Line]) -> tuple[Line, ...]:
    """`after`, with those days of `before` that `others` have too: what of a union others hold on to. Ordered."""
    known = tuple(before)
    kept = [
        Line(other.quality, other.phase, shared)
        for other in others
        for line in known
        if line.quality == other.quality and (shared := _shared(line.period, other.period)) is not None
    ]
    return normal((*after, *kept)) if kept else _ordered(after)


def lost(before: Iterable[Line], after: Iterable[Line]) -> tuple[Line, ...]:
    """The days of `before` that are not in `after`, in whatever phase."""
    left = tuple(after)
    gone: list[Line] = []
    for line in before:
        parts = [line]
        for other in left:
            if other.quality == line.quality:
                parts = [rest for part in parts for rest in _without(part, other.period)]
        gone += parts
    return normal(gone)


def differences(one: Iterable[Line], other: Iterable[Line]) -> tuple[tuple[Line, ...], ...]:
    """Of two dossiers in normal form: the days that only the first has; that only the second has; and that both have in
    another phase, as the first has them."""
    first, second = tuple(one), tuple(other)
    if first == second:
        return (), (), ()
    phases = [
        Line(line.quality, line.phase, shared)
        for line in first
        for known in second
        if line.quality == known.quality
        and line.phase != known.phase
        and (shared := _shared(line.period, known.period)) is not None
    ]
    return lost(first, second), lost(second, first), normal(phases)


def without(lines: Iterable[Line], away: Iterable[Line]) -> tuple[Line, ...]:
    """Lines without the days of `away`, quality by quality, in whatever phase. Ordered."""
    left = list(lines)
    for gone in away:
        left = [
            part for line in left for part in (_without(line, gone.period) if line.quality == gone.quality else (line,))
        ]
    return _ordered(left)


def normal(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The same days in as few lines as there can be: of one quality a day is in one line, with its highest phase.
    Ordered. It is also what several dossiers together know."""
    found: list[Line] = []
    by_quality: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        by_quality[line.quality].append(line)
    for quality in sorted(by_quality):
        found += _normal(quality, by_quality[quality])
    return tuple(found)


def withdraw(
    lines: Iterable[Line], made: Iterable[Line], wanted_by_others: Iterable[Line]
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """A dossier without the days that somebody added to it (`made`) and that nobody else wants; and those days of
    `made` that others want, which stay and are theirs from now on. Both ordered."""
    own = normal(made)
    gone = without(own, wanted_by_others)
    return without(lines, gone), lost(own, gone)


def follow(
    lines: Iterable[Line], made: Iterable[Line], wanted_by_others: Iterable[Line], line: Line
) -> tuple[tuple[Line, ...], tuple[Line, ...], tuple[Line, ...]]:
    """A dossier after somebody, who had added `made`, wants `line` instead: without the days of `made` that he wants no
    longer, but for those that others want, and with those of `line` that were not there. Then which days he has added
    now, and those of `made` that are others' from now on. All ordered.

    What was there before is never taken out. docs/decisions/0008."""
    own = normal(made)
    given_up = without(own, [line])
    left, moved = withdraw(lines, given_up, wanted_by_others)
    added = without([line], left)
    after = normal((*left, *added)) if added else left
    return after, normal((*lost(own, given_up), *added)), moved


def overlapping(lines: Iterable[Line], quality: int, period: Period) -> tuple[Line, ...]:
    """The lines of a quality that have a day in common with a period. Ordered."""
    return _ordered(line for line in lines if line.quality == quality and line.period.overlaps(period))


def _normal(quality: int, lines: Sequence[Line]) -> list[Line]:
    if len(lines) == 1:
        return [lines[0]]
    spans = [(*_days(line.period), line.phase) for line in lines]
    edges = sorted({edge for begin, end, _ in spans for edge in (begin, end)})
    found: list[tuple[int, int, int | None]] = []
    for begin, end in pairwise(edges):
        phases = [phase for first, last, phase in spans if first <= begin and end <= last]
        if not phases:
            continue
        phase = max(phases, key=_rank)
        if found and found[-1][1] == begin and found[-1][2] == phase:
            found[-1] = (found[-1][0], end, phase)
        else:
            found.append((begin, end, phase))
    return [Line(quality, phase, _period(begin, end)) for begin, end, phase in found]


def _without(line: Line, away: Period) -> list[Line]:
    begin, end = _days(line.period)
    first, last = _days(away)
    if last <= begin or end <= first:
        return [line]
    parts = ((begin, min(first, end)), (max(last, begin), end))
    return [Line(line.quality, line.phase, _period(one, other)) for one, other in parts if one < other]


def _shared(one: Period, other: Period) -> Period | None:
    if not one.overlaps(other):
        return None
    ends = [end for end in (one.end, other.end) if end is not None]
    return Period(max(one.begin, other.begin), min(ends, default=None))


def _by(lines: Iterable[Line], qualities: Collection[int]) -> tuple[list[Line], list[Line]]:
    own: list[Line] = []
    others: list[Line] = []
    for line in lines:
        (own if line.quality in qualities else others).append(line)
    return own, others


def _ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (line.quality, line.period.begin, _rank(line.phase))))


def _rank(phase: int | None) -> int:
    return -1 if phase is None else phase


def _days(period: Period) -> tuple[int, int]:
    """The first day, and the one behind the last."""
    return period.begin.toordinal(), _FOREVER if period.end is None else period.end.toordinal() + 1


def _period(begin: int, end: int) -> Period:
    first = date.fromordinal(begin)
    return Period(first, None if end == _FOREVER else first + timedelta(days=end - 1 - begin))
