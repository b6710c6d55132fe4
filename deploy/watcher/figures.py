"""What was seen, for Prometheus: of each source as of its last look; of a look that failed nothing, since an old figure
would be taken for one of now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Source = Literal["broker", "database"]
SOURCES: tuple[Source, ...] = ("broker", "database")

#: Every figure of the watcher: what it says, and its labels.
FIGURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "crossroads_watched": ("1 if the last look saw everything", ("source",)),
    "crossroads_watched_at_seconds": ("When one did last, Unix time", ("source",)),
    "crossroads_queue_messages": ("Messages in a queue", ("vhost", "queue", "kind", "address")),
    "crossroads_queue_consumers": ("Who reads it", ("vhost", "queue", "kind", "address")),
    "crossroads_queue_age_seconds": (
        "How long its oldest message has waited, at least",
        ("vhost", "queue", "kind", "address"),
    ),
    "crossroads_broker_alarm": ("1 while a node takes nothing, or is down", ("node", "alarm")),
    "crossroads_distribution_behind": ("Words owed beyond what its queue holds", ("recipient",)),
    "crossroads_distribution_lag_seconds": ("Age of the oldest word that it did not take, at least", ("recipient",)),
    "crossroads_lots_open": ("Lots that were opened in the last 30 days and are not closed", ("customer",)),
    "crossroads_lot_declared": ("Their consultations", ("customer",)),
    "crossroads_lot_decided": ("Of these, how many were decided", ("customer",)),
    "crossroads_lot_age_seconds": ("Since the oldest of them was opened", ("customer",)),
    "crossroads_open_questions": ("Questions that are answered later", ("supplier",)),
    "crossroads_open_question_age_seconds": ("The oldest of them", ("supplier",)),
    "crossroads_journal_rows": ("Number of the newest row", ()),
    "crossroads_journal_age_seconds": ("Since the newest row", ()),
    "crossroads_journal_partition_days": ("Until no month is made any more", ()),
    "crossroads_without_outcome": ("Decided over a minute ago, and answered by nobody", ()),
    "crossroads_rules_load": ("Number of the newest load of rules", ()),
    "crossroads_database_bytes": ("Size of a database", ("database",)),
    "crossroads_hub_processes": ("Hub processes that beat", ("ready",)),
    "crossroads_institution_info": ("The register", ("address", "sector", "name", "active", "managed_by")),
}
#: A figure, the values of its labels, and itself.
Sample = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw. `whole`: all that there was to see; else `why` not."""

    samples: Sequence[Sample]
    whole: bool = True
    why: str = ""


class Figures(Collector):
    """The newest look of each source."""

    def __init__(self) -> None:
        self._looks: dict[Source, Seen | None] = dict.fromkeys(SOURCES)
        self._at: dict[Source, float] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def seen(self, source: Source, seen: Seen | None) -> None:
        """A look at a source; None: it failed."""
        self._looks[source] = seen
        if self.watched(source):
            self._at[source] = time()

    def watched(self, source: Source) -> bool:
        """Whether the last look at it saw everything."""
        seen = self._looks[source]
        return seen is not None and seen.whole

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in FIGURES.items()}
        for source, seen in self._looks.items():
            families["crossroads_watched"].add_metric((source,), self.watched(source))
            if source in self._at:
                families["crossroads_watched_at_seconds"].add_metric((source,), self._at[source])
            for name, labels, value in seen.samples if seen is not None else ():
                families[name].add_metric(labels, value)
        yield from families.values()
