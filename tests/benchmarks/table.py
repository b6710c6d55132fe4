"""Runs of several rows under several loads, as medians with their spread, and as ratios to one row of the same run."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.run import Figures


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some runs, with the least and the greatest."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        if self.least == self.greatest:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(self.least)}-{_short(self.greatest)})"


def spread(values: Iterable[float]) -> Spread:
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found))


def _short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass
class Table:
    """`base`: the row that the others' rates are told as a ratio to, of the same run."""

    title: str
    base: str
    #: By load, by row, the runs in their order.
    runs: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    #: Row to the words that are shown.
    titles: dict[str, str] = field(default_factory=dict)

    def add(self, load: str, row: str, figures: Figures) -> None:
        self.runs.setdefault(load, {}).setdefault(row, []).append(figures)

    def ratio(self, load: str, row: str, of: str = "a_second") -> Spread | None:
        """Each run's figure by the base's in the same run; None where one of them is missing or nothing."""
        own, base = self.runs[load].get(row, []), self.runs[load].get(self.base, [])
        values = [
            getattr(mine, of) / getattr(its, of) for mine, its in zip(own, base, strict=False) if getattr(its, of)
        ]
        return spread(values) if values else None

    def cost_ratio(self, load: str, row: str) -> Spread:
        """CPU an exchange of what is between, by the base's in the same run."""
        own, base = self.runs[load][row], self.runs[load][self.base]
        return spread(mine.cpu["between"] / (its.cpu["between"] or 1.0) for mine, its in zip(own, base, strict=False))

    def markdown(self) -> str:
        """One line a load and row."""
        processes = self._processes()
        head = ["load", "between", "a second", "ratio", "legs a second", "legs ratio", "p50 ms", "p95", "p99", "p99.9"]
        head += ["right under 4 s %", *(f"CPU µs: {name}" for name in processes), "peak MiB: between", "unanswered"]
        head += ["other codes"]
        lines = [f"**{self.title}**", "", _line(head), "|" + "---|" * len(head)]
        for load, rows in self.runs.items():
            for row, runs in rows.items():
                lines.append(_line(self._cells(load, row, runs, processes)))
        return "\n".join(lines) + "\n"

    def _processes(self) -> list[str]:
        found: dict[str, None] = {}
        for rows in self.runs.values():
            for runs in rows.values():
                found |= dict.fromkeys(runs[0].cpu)
        return list(found)

    def _cells(self, load: str, row: str, runs: Sequence[Figures], processes: Sequence[str]) -> list[str]:
        def of(name: str) -> str:
            return str(spread(getattr(one, name) for one in runs))

        ratio, legs = self.ratio(load, row), self.ratio(load, row, "legs_a_second")
        cells = [
            load,
            self.titles.get(row, row),
            of("a_second"),
            str(ratio or ""),
            of("legs_a_second"),
            str(legs or ""),
        ]
        cells += [of(name) for name in ("p50", "p95", "p99", "p999", "under_4_s")]
        cells += [str(spread(one.cpu[name] for one in runs)) if name in runs[0].cpu else "" for name in processes]
        cells.append(str(spread(one.peak_mb.get("between", 0.0) for one in runs)))
        cells.append(str(sum(one.unanswered for one in runs)))
        cells.append(_others(one.codes for one in runs))
        return cells

    def as_dict(self) -> dict[str, object]:
        return {
            "title": self.title,
            "base": self.base,
            "titles": self.titles,
            "runs": {
                load: {row: [one.as_dict() for one in runs] for row, runs in rows.items()}
                for load, rows in self.runs.items()
            },
        }


def _others(codes: Iterable[Mapping[str, int]]) -> str:
    """Codes but the commonest, which is the right one."""
    total: dict[str, int] = {}
    for one in codes:
        for code, count in one.items():
            total[code] = total.get(code, 0) + count
    most = max(total, key=lambda code: total[code], default="")
    return ", ".join(f"{code} {count}" for code, count in sorted(total.items()) if code != most)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
