"""Two kinds of plot as SVG: lines with their spread over a logarithmic axis, and stacked bars."""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_COLOURS = ("#1f6feb", "#8b8b8b", "#bf8700", "#1a7f37", "#cf222e", "#8250df", "#0a7ea4")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 320, 70, 34, 250, 40


@dataclass(frozen=True, slots=True)
class Series:
    """A line. Points: where, median, least, greatest."""

    title: str
    points: list[tuple[float, float, float, float]]


def lines(title: str, series: Sequence[Series], *, log: bool = False) -> str:
    """Lines over a logarithmic horizontal axis; `log`: the vertical one too. The spread is a thin vertical stroke."""
    levels = sorted({point[0] for one in series for point in one.points})
    tops = [point[3] for one in series for point in one.points]
    bottoms = [point[2] for one in series for point in one.points if point[2] > 0]
    across = _scale(levels[0], levels[-1], _LEFT + 20, _WIDTH - _RIGHT - 20, log=True)
    least = min(bottoms, default=1.0) if log else 0.0
    up = _scale(least, max(tops, default=1.0) or 1.0, _HEIGHT - _BOTTOM, _TOP + 10, log=log)
    parts = [_text(across(level), _HEIGHT - _BOTTOM + 18, f"{level:g}", "middle") for level in levels]
    for tick in _ticks(least, max(tops, default=1.0), log=log):
        parts.append(_stroke(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), "#e5e5e5"))
        parts.append(_text(_LEFT - 6, up(tick) + 4, f"{tick:g}", "end"))
    for number, one in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        points = sorted(one.points)
        path = " ".join(f"{across(x):.1f},{up(max(y, least)):.1f}" for x, y, _, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, low, high in points:
            parts.append(_stroke(across(x), up(max(low, least)), across(x), up(max(high, least)), colour))
            parts.append(f'<circle cx="{across(x):.1f}" cy="{up(max(y, least)):.1f}" r="3" fill="{colour}"/>')
        parts.append(_legend(number, one.title, colour))
    return _svg(title, _HEIGHT, parts)


def bars(title: str, names: Sequence[str], stacked: Mapping[str, Sequence[float]]) -> str:
    """A bar a key, its pieces side by side in the order of `names`."""
    most = max((sum(pieces) for pieces in stacked.values()), default=1.0) or 1.0
    left, step = 250, 34
    height = _TOP + step * len(stacked) + 46
    wide = _scale(0, most, left, _WIDTH - 70, log=False)
    parts: list[str] = []
    for row, (label, pieces) in enumerate(stacked.items()):
        y, so_far = _TOP + 10 + row * step, 0.0
        parts.append(_text(left - 8, y + 16, label, "end"))
        for number, piece in enumerate(pieces):
            width = wide(so_far + piece) - wide(so_far)
            parts.append(_box(wide(so_far), y, width, 22, number))
            so_far += piece
        parts.append(_text(wide(so_far) + 6, y + 16, f"{so_far:.0f}", "start"))
    for number, name in enumerate(names):
        x = 20 + number * 145
        parts.append(_box(x, height - 24, 12, 12, number))
        parts.append(_text(x + 17, height - 14, name, "start"))
    return _svg(title, height, parts)


def _scale(low: float, high: float, start: float, end: float, *, log: bool) -> Callable[[float], float]:
    if log:
        low, high = math.log10(low), math.log10(high)
    span = (high - low) or 1.0
    return lambda value: start + ((math.log10(value) if log else value) - low) / span * (end - start)


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    if log:
        first = math.floor(math.log10(low))
        found = [digit * 10.0**power for power in range(first, 8) for digit in (1, 2, 5)]
        return [tick for tick in found if low <= tick <= high]
    step = 10 ** math.floor(math.log10(high or 1.0))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if high / s <= 6)
    return [step * number for number in range(int(high / step) + 1)]


def _legend(number: int, title: str, colour: str) -> str:
    y = _TOP + 14 + number * 20
    x = _WIDTH - _RIGHT + 14
    return f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>' + _text(x + 17, y, title, "start")


def _box(x: float, y: float, width: float, height: float, number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}">{html.escape(text)}</text>'


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
        f'aria-label="{html.escape(title)}" font-family="system-ui,sans-serif" fill="#222">'
        f'<text x="20" y="20" font-size="14" font-weight="bold">{html.escape(title)}</text>' + "".join(parts) + "</svg>"
    )
