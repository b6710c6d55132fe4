"""Figures as a process tells them at `/metrics`: read, and counted from one scrape to the next.

Names and labels are those of docs/operators.md, "The figures". Pure: `processes.py` fetches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

from prometheus_client.parser import text_string_to_metric_families

#: Labels of a series, sorted by name.
Labels = tuple[tuple[str, str], ...]
#: Every series of every sample name: what is counted, or how it stands.
Figures = Mapping[str, Mapping[Labels, float]]

#: Samples that only grow while their process lives. A gauge whose name ends so is none of ours.
_COUNTED = ("_total", "_bucket", "_count", "_sum")
_NONE: Mapping[Labels, float] = MappingProxyType({})


class FiguresError(ValueError):
    """A page that is none of figures."""


def read(text: str) -> Figures:
    """The figures of a page in Prometheus' text format. FiguresError where it is none."""
    found: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = float(sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise FiguresError(f"no figures in Prometheus' text format ({type(error).__name__})") from None
    return found


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one process told at one moment, or why it did not."""

    process: str
    url: str
    #: Seconds of a clock that only goes forward.
    at: float
    #: None: it did not answer.
    figures: Figures | None
    #: Why it did not; one line.
    why: str = ""


def grown(before: Figures, after: Figures) -> Figures:
    """By how much each counter grew. Where one is lower than before, or gone, the process began anew meanwhile: then
    all that it counted is new. A counter that was not there before grew from 0."""
    counted = {name: series for name, series in after.items() if name.endswith(_COUNTED)}
    anew = any(
        counted.get(name, _NONE).get(labels, -1.0) < was
        for name, series in before.items()
        if name.endswith(_COUNTED)
        for labels, was in series.items()
    )
    if anew:
        return counted
    return {
        name: {labels: value - before.get(name, _NONE).get(labels, 0.0) for labels, value in series.items()}
        for name, series in counted.items()
    }


def total(parts: Iterable[Figures]) -> Figures:
    """Of several processes, or of several steps: series of the same labels summed."""
    found: dict[str, dict[Labels, float]] = {}
    for part in parts:
        for name, series in part.items():
            into = found.setdefault(name, {})
            for labels, value in series.items():
                into[labels] = into.get(labels, 0.0) + value
    return found


def by(figures: Figures, name: str, *labels: str, **only: str) -> dict[tuple[str, ...], float]:
    """Sums of a figure by these labels, of the series that have the labels in `only`; a label that a series lacks is
    empty."""
    found: dict[tuple[str, ...], float] = {}
    for series, value in figures.get(name, _NONE).items():
        given = dict(series)
        if all(given.get(label) == wanted for label, wanted in only.items()):
            key = tuple(given.get(label, "") for label in labels)
            found[key] = found.get(key, 0.0) + value
    return found


def of(figures: Figures, name: str, **only: str) -> float:
    """The sum of a figure; 0 where it was never told."""
    return by(figures, name, **only).get((), 0.0)


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram's counts: upper bounds, the last infinite, and how many lay at or under each."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def count(self) -> float:
        return self.counts[-1] if self.counts else 0.0

    def quantile(self, share: float) -> float | None:
        """The value that this share lies under, as Prometheus' `histogram_quantile` has it: spread evenly within a
        bucket, the highest finite bound where it lies above that. None of nothing."""
        if self.count <= 0:
            return None
        rank, lower, below = share * self.count, 0.0, 0.0
        for bound, upto in zip(self.bounds, self.counts, strict=True):
            if upto >= rank and upto > below:
                if bound == float("inf"):
                    return lower
                return lower + (bound - lower) * (rank - below) / (upto - below)
            lower, below = (bound if bound != float("inf") else lower), upto
        return lower


def buckets(figures: Figures, name: str, label: str) -> dict[str, Buckets]:
    """The histograms of a figure (`name` without `_bucket`) by one label."""
    counts: dict[str, dict[float, float]] = {}
    for (value, bound), count in by(figures, f"{name}_bucket", label, "le").items():
        counts.setdefault(value, {})[float(bound)] = count
    return {
        value: Buckets(tuple(found), tuple(found.values()))
        for value, given in counts.items()
        if (found := dict(sorted(given.items())))
    }


@dataclass(frozen=True, slots=True)
class Growth:
    """What one process counted from one scrape to a later one."""

    seconds: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class History:
    """The last scrapes of each process, the oldest first: those that it answered, and within one window."""

    #: Seconds that are looked back at.
    window: float
    scrapes: Mapping[str, Sequence[Scrape]] = field(default_factory=dict)

    def with_(self, scrapes: Iterable[Scrape]) -> "History":
        """After these. What lies further back than the window is forgotten, but for one scrape of each process to count
        from; so is a process that is not among these."""
        kept: dict[str, Sequence[Scrape]] = {}
        for scrape in scrapes:
            known = (*self.scrapes.get(scrape.process, ()), *((scrape,) if scrape.figures is not None else ()))
            old = [one for one in known if one.at <= scrape.at - self.window]
            kept[scrape.process] = (*old[-1:], *(one for one in known if one.at > scrape.at - self.window))
        return History(self.window, kept)

    def growth(self) -> tuple[Growth, ...]:
        """What each process counted since its oldest scrape here, also over a restart."""
        found = []
        for scrapes in self.scrapes.values():
            if len(scrapes) > 1 and (seconds := scrapes[-1].at - scrapes[0].at) > 0:
                steps = [grown(a.figures or {}, b.figures or {}) for a, b in pairwise(scrapes)]
                found.append(Growth(seconds, total(steps)))
        return tuple(found)
