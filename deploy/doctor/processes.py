"""What the network's own processes tell of themselves."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy.top import processes
from deploy.top.figures import Figures, by, of


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its health, its figures."""

    name: str
    url: str
    answers: bool
    why: str
    ready: bool
    #: Parts by whether they answer.
    parts: Mapping[str, bool] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict, repr=False)

    @property
    def is_hub(self) -> bool:
        return "crossroads_ingress_queues" in self.figures

    @property
    def is_watcher(self) -> bool:
        return "crossroads_watched" in self.figures

    @property
    def version(self) -> str | None:
        return next((version for (version,) in by(self.figures, "crossroads_build_info", "version")), None)

    @property
    def rules(self) -> int | None:
        """The load of rules that it decides by."""
        number = "crossroads_rules_in_use"
        return round(of(self.figures, number)) if number in self.figures else None


def look_at_processes(places: Mapping[str, str]) -> tuple[Process, ...]:
    """Each process' health and figures, in the order of their names. Raises nothing."""
    scrapes = processes.scrape(places)
    with ThreadPoolExecutor(max(1, min(len(places), processes.MOST_AT_ONCE))) as pool:
        healths = pool.map(_health, (scrape.url for scrape in scrapes))
        return tuple(
            Process(
                scrape.process,
                scrape.url,
                scrape.figures is not None,
                scrape.why,
                ready,
                parts,
                scrape.figures or {},
            )
            for scrape, (ready, parts) in zip(scrapes, healths, strict=True)
        )


def _health(url: str) -> tuple[bool, Mapping[str, bool]]:
    try:
        return processes.health(url)
    except OSError:
        return False, {}
