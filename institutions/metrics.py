"""What an institution's process counts, for Prometheus. No label holds anything that a message says."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

#: The network's promise is one of its bucket edges.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0)


class Metrics:
    """One process's figures. Each has its own registry, so that several can live in one test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        who = "institution"
        self._asked = Counter(
            "crossroads_asked", "Consultations by how they ended", (who, "service", "result"), registry=r
        )
        self._asking = Histogram(
            "crossroads_asking_seconds", "From asking to the answer", (who,), buckets=_SECONDS, registry=r
        )
        self._again = Counter(
            "crossroads_asked_again", "Attempts after the first, under the same ticket", (who,), registry=r
        )
        self._questions = Counter(
            "crossroads_questions", "Questions by what was answered", (who, "service", "result"), registry=r
        )
        self._answering = Histogram(
            "crossroads_answering_seconds",
            "From a question's receipt to its answer",
            (who,),
            buckets=_SECONDS,
            registry=r,
        )
        self._relayed = Counter(
            "crossroads_relayed", "Exchanges through the relay", (who, "direction", "service", "result"), registry=r
        )
        self._relaying = Histogram(
            "crossroads_relaying_seconds", "From a request's receipt to its answer", (who, "direction"),
            buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self._words = Counter(
            "crossroads_words", "Words of the centre by what became of them", (who, "service", "result"), registry=r
        )
        self._dropped = Counter("crossroads_dropped", "Messages that count for nothing", (who, "reason"), registry=r)
        self._unwanted = Gauge("crossroads_answers_dropped", "Answers nobody asks for", (who, "reason"), registry=r)
        self._state = Gauge("crossroads_up", "1 if this part answers", ("part",), registry=r)
        self._in_flight = Gauge("crossroads_in_flight", "Questions and requests in hand", (who,), registry=r)

    def watch(self, institution: str, in_flight: Callable[[], int]) -> None:
        """Read this when the figures are asked for."""
        self._in_flight.labels(institution).set_function(in_flight)

    def watch_dropped(self, institution: str, reason: str, count: Callable[[], int]) -> None:
        """Answers that count for nothing, counted elsewhere."""
        self._unwanted.labels(institution, reason).set_function(count)

    def watch_forms(self, forms: Callable[[], Mapping[str, int] | None]) -> None:
        """Read this when the figures are asked for: forms of the files in hand by state; None: it is not known."""
        self.registry.register(_Forms(forms))

    def part(self, name: str, up: Callable[[], bool]) -> None:
        """A part of the process that answers or not."""
        self._state.labels(name).set_function(lambda: float(up()))

    def asked(self, institution: str, service: str, result: str, seconds: float) -> None:
        self._asked.labels(institution, service, result).inc()
        self._asking.labels(institution).observe(seconds)

    def asked_again(self, institution: str) -> None:
        self._again.labels(institution).inc()

    def answered(self, institution: str, service: str, result: str, seconds: float) -> None:
        self._questions.labels(institution, service, result).inc()
        self._answering.labels(institution).observe(seconds)

    def relayed(self, institution: str, direction: str, service: str, result: str, seconds: float) -> None:
        self._relayed.labels(institution, direction, service, result).inc()
        self._relaying.labels(institution, direction).observe(seconds)

    def told(self, institution: str, service: str, result: str) -> None:
        self._words.labels(institution, service, result).inc()

    def dropped(self, institution: str, reason: str) -> None:
        self._dropped.labels(institution, reason).inc()

    def value(self, name: str, **labels: str) -> float:
        """One figure as it is now, 0 where it was never counted."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry)


class _Forms(Collector):
    """Forms of files; no figure at all where it is not known: an old one would be taken for one of now."""

    def __init__(self, forms: Callable[[], Mapping[str, int] | None]) -> None:
        self._forms = forms

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("crossroads_file_forms", "Forms of the files in hand", labels=("state",))
        for state, count in (self._forms() or {}).items():
            family.add_metric((state,), count)
        yield family
