"""What the hub counts, for Prometheus: docs/operators.md, "The figures". No label holds anything that an institution
may choose freely.

`rate` does not see the increment with which a series appears. So the counters that alerts look at are there with 0
before anything happens, where their labels are few and known: of every service of the catalogue the promise, and the
answers that are the hub's or a supplier's doing (`_ALERTED`), as soon as it is in the catalogue; of `unknown` every
refusal; of a supplier every result, as soon as it is asked for the first time. Other answers come with their first.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from itertools import accumulate
from time import monotonic
from types import TracebackType
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from schemas.codes import CODES
from schemas.wire.asking import Counts as AskingCounts
from schemas.wire.intake import Counts as IntakeCounts

#: The network's promise: an answer to an exchange that was forwarded, under this many seconds.
PROMISE = 4.0
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, PROMISE, 5.0, 10.0)
_BOUNDS = tuple(str(floatToGoString(bound)) for bound in (*_SECONDS, float("inf")))  # type: ignore[no-untyped-call]
_GROUPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

#: Steps of docs/hub.md that take time, in their order.
STEPS = ("exchange", "decision", "repertory", "journal_decision", "suppliers", "check", "journal_outcome", "answer")

#: What came of a question to a supplier.
RESULTS = ("answered", "late", "no reply", "no queue", "queue full", "not sent")
#: Codes that are the hub's or a supplier's doing, not the asker's.
_ALERTED = ("MSG00003", "CRB00010", "CRB00011", "CRB00012", "CRB00014")
#: A service that is none of the catalogue's.
UNKNOWN = "unknown"
#: What an answer says that does not keep the promise, however quick it is.
INCOMPLETE = "INCOMPLETE_DATA"
_WITHOUT_DATA = ("fault", INCOMPLETE)

Fault = Literal["none", "supplier", "hub", "paused"]


def fault(value: str, seconds: float, waited: float, *, failed: bool, paused: bool = False) -> Fault:
    """Whose fault a missed promise is; `none`: it was kept. docs/operators.md, `crossroads_promise_total`.

    value: what was told. seconds: from the request's receipt to the answer's confirm; `waited` of them for suppliers.
    failed: a supplier was silent, late, invalid, or told a fault or incomplete data itself. paused: a part is missing
    because its supplier is paused; where nothing else is amiss, that is no miss.
    """
    if value not in _WITHOUT_DATA and seconds < PROMISE:
        return "none"
    if failed:
        return "supplier"
    if paused and value in _WITHOUT_DATA:
        return "paused"
    # All was well but the time: whose it was mostly. A fault that no supplier gave is the hub's, however long it took.
    return "supplier" if value not in _WITHOUT_DATA and seconds - waited < seconds / 2 else "hub"


class Series:
    """One series of a histogram. prometheus_client's own takes a lock and walks its buckets, ten times the price: nine
    of them cost an exchange a twentieth of its CPU. To be used from one thread."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds


class Step:
    """Times what is done within it, also where it raises. `seconds`: how long it took, once it is over."""

    __slots__ = ("_begun", "seconds", "series")

    def __init__(self, series: Series) -> None:
        self.series = series

    def __enter__(self) -> "Step":
        self._begun = monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = monotonic() - self._begun
        self.series.observe(self.seconds)


class _Family(ABC):
    """A figure with its series, written by itself: prometheus_client takes ten times as long, and whoever is served by
    the hub waits meanwhile."""

    def __init__(self, name: str, kind: str, text: str, families: "list[_Family]") -> None:
        self._name, self._head = name, f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        families.append(self)

    def written(self) -> str:
        """As Prometheus reads it."""
        return self._head + "".join(self._lines())

    @abstractmethod
    def _lines(self) -> Iterable[str]: ...


class _Seconds(_Family):
    """A histogram of seconds with one label; a series more with each value that is seen first."""

    def __init__(self, name: str, text: str, label: str, families: list[_Family], values: Iterable[str] = ()) -> None:
        super().__init__(name, "histogram", text, families)
        self._label = label
        self.series: defaultdict[str, Series] = defaultdict(Series, {value: Series() for value in values})

    def _lines(self) -> Iterable[str]:
        for value, series in self.series.items():
            labels = _labels((self._label,), (value,))
            # In the order of their names, as prometheus_client has them.
            before, after = (f"{labels},", "") if self._label < "le" else ("", f",{labels}")
            for bound, count in zip(_BOUNDS, accumulate(series.counts), strict=True):
                yield f'{self._name}_bucket{{{before}le="{bound}"{after}}} {count}.0\n'
            yield f"{self._name}_count{{{labels}}} {sum(series.counts)}.0\n"
            yield f"{self._name}_sum{{{labels}}} {series.total}\n"


class _Counts(_Family):
    """A counter, as cheap as `Series`."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], families: list[_Family]) -> None:
        super().__init__(name, "counter", text, families)
        self._labels = labels
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def _lines(self) -> Iterable[str]:
        for values, count in self.counts.items():
            yield f"{self._name}{{{_labels(self._labels, values)}}} {count}.0\n"

    def begin(self, series: Iterable[tuple[str, ...]]) -> None:
        """Have them with 0, where they are not yet."""
        for values in series:
            self.counts[values] += 0


class _InHand(_Family):
    """How many are in hand, by one label."""

    def __init__(self, name: str, text: str, label: str, families: list[_Family]) -> None:
        super().__init__(name, "gauge", text, families)
        self._label = label
        self.counts: defaultdict[str, int] = defaultdict(int)

    def _lines(self) -> Iterable[str]:
        for value, count in self.counts.items():
            yield f"{self._name}{{{_labels((self._label,), (value,))}}} {count}.0\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """In the order of their names. None of ours holds what would have to be escaped, and it is all the same."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(zip(names, values, strict=True)))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class Metrics:
    """One process's figures. Each has its own registry, so that several hubs can live in one test. To be used from one
    thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        f = self._families = list[_Family]()
        self._exchanges = _Counts("crossroads_exchanges_total", "Answered exchanges", ("service", "verdict", "code"), f)
        self._promise = _Counts(
            "crossroads_promise_total", "Exchanges that passed the controls: answered with all data under 4 s, or not",
            ("service", "kept", "fault"), f,
        )  # fmt: skip
        self._seconds = _Seconds(
            "crossroads_exchange_seconds", "From the hub's receipt of a request to its answer's confirm",
            "forwarded", f, ("yes", "no"),
        ).series  # fmt: skip
        self._hub_seconds = _Seconds(
            "crossroads_hub_seconds", "Of a forwarded exchange, its time less the wait for suppliers", "service", f
        ).series
        self._steps = _Seconds("crossroads_step_seconds", "Time by step", "step", f, STEPS).series
        self._suppliers = _Counts(
            "crossroads_supplier_answers_total", "Questions to suppliers by what came", ("supplier", "result"), f
        )
        self._supplier_seconds = _Seconds(
            "crossroads_supplier_seconds", "Question to reply, on line; without one, the wait for it", "supplier", f
        ).series
        #: Requests in hand by service, questions by supplier: whoever has one in hand counts it here.
        self.of_services = _InHand("crossroads_service_in_flight", "Requests in hand", "service", f).counts
        self.of_suppliers = _InHand("crossroads_supplier_in_flight", "Questions in hand", "supplier", f).counts
        _Paused(lambda: self._paused(), r)
        self._paused: Callable[[], Iterable[tuple[str, str]]] = tuple
        self._maintenance = Gauge("crossroads_maintenance", "1 during maintenance of the whole network", registry=r)
        self._rules = Gauge("crossroads_rules_in_use", "The load of rules that this process decides by", registry=r)
        Info("crossroads_build", "What runs", registry=r).info({"version": version("crossroads")})
        self._draining = Gauge("crossroads_draining", "1 if this process takes nothing more", registry=r)
        self._groups = Histogram(
            "crossroads_journal_group_size", "Rows committed in one transaction", buckets=_GROUPS, registry=r
        )
        self._untold = Counter(
            "crossroads_untold",
            "Words to institutions that could not be told yet, by attempts",
            ("recipient",),
            registry=r,
        )
        self._resumed = Counter("crossroads_resumed", "Exchanges that were decided before", registry=r)
        self._dropped_later = Counter(
            "crossroads_later_dropped", "Answers on hub.definitive that count for nothing", ("why",), registry=r
        )
        self._wrong_ticket = 0
        self._failures = Counter("crossroads_failures", "Messages that met a bug of the hub", registry=r)
        self._state = Gauge("crossroads_up", "1 if this part answers", ("part",), registry=r)
        self._in_flight = Gauge("crossroads_in_flight", "Requests in hand", registry=r)
        self._held = Gauge("crossroads_held", "Requests taken and not started, for the rate or a turn", registry=r)
        self._queues = Gauge("crossroads_ingress_queues", "Ingress queues this process reads", registry=r)
        self._exchanges.begin(
            (UNKNOWN, one.value or "fault", one.code) for one in CODES.values() if _refuses(one.value)
        )

    def watch(
        self,
        *,
        in_flight: Callable[[], int],
        held: Callable[[], int],
        queues: Callable[[], int],
        parts: Mapping[str, Callable[[], bool]],
        intake: IntakeCounts,
        asking: AskingCounts,
    ) -> None:
        """Read these when the figures are asked for."""
        self._in_flight.set_function(in_flight)
        self._held.set_function(held)
        self._queues.set_function(queues)
        for name, up in parts.items():
            self._state.labels(name).set_function(lambda up=up: float(up()))  # type: ignore[misc]
        self.registry.register(_Read(intake, asking, lambda: self._wrong_ticket))

    def services(self, services: Iterable[str]) -> None:
        """These are in the catalogue."""
        for service in services:
            self._exchanges.begin((service, CODES[code].value or "fault", code) for code in _ALERTED)
            self._promise.begin((service, "yes" if whose == "none" else "no", whose) for whose in get_args(Fault))

    def rules(self, number: Callable[[], int]) -> None:
        """Read this when the figures are asked for: the load of rules that this process decides by."""
        self._rules.set_function(lambda: float(number()))

    def paused(self, paused: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Read this when the figures are asked for: kind (service, supplier, customer) and what, of each that is in
        force."""
        self._paused = paused

    def maintenance(self, on: Callable[[], bool]) -> None:
        """Read this when the figures are asked for."""
        self._maintenance.set_function(lambda: float(on()))

    def draining(self, on: Callable[[], bool]) -> None:
        """Read this when the figures are asked for."""
        self._draining.set_function(lambda: float(on()))

    def answered(self, service: str, verdict: str, code: str, seconds: float, *, forwarded: bool) -> None:
        """An exchange ended. `service` must be one of the catalogue or `unknown`."""
        self._exchanges.counts[service, verdict, known(code)] += 1
        self._seconds["yes" if forwarded else "no"].observe(seconds)

    def promised(
        self, service: str, value: str, seconds: float, waited: float, *, failed: bool, paused: bool = False
    ) -> None:
        """An exchange that passed the controls ended: as `fault` has it."""
        whose = fault(value, seconds, waited, failed=failed, paused=paused)
        self._promise.counts[service, "yes" if whose == "none" else "no", whose] += 1
        self._hub_seconds[service].observe(max(0.0, seconds - waited))

    def step(self, name: str) -> Step:
        """Time a step: `with metrics.step(name):`."""
        return Step(self._steps[name])

    def supplier(self, supplier: str, result: str, seconds: float) -> None:
        """What came of a question (one of RESULTS), and how long it took."""
        counts, key = self._suppliers.counts, (supplier, result)
        if key not in counts:
            self._suppliers.begin((supplier, each) for each in RESULTS)
        counts[key] += 1
        self._supplier_seconds[supplier].observe(seconds)

    def untold(self, recipient: str) -> None:
        """What an institution of the register is to be told did not reach its queue."""
        self._untold.labels(recipient).inc()

    def journal_group(self, size: int) -> None:
        self._groups.observe(size)

    def wrong_ticket(self) -> None:
        """A supplier answered another question than it was asked."""
        self._wrong_ticket += 1

    def dropped_later(self, why: str) -> None:
        """Of a few sentences of ours."""
        self._dropped_later.labels(why).inc()

    def resumed(self) -> None:
        self._resumed.inc()

    def failed(self) -> None:
        self._failures.inc()

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry) + "".join(one.written() for one in self._families).encode()


class _Paused(Collector):
    """1 for each that is paused."""

    def __init__(self, paused: Callable[[], Iterable[tuple[str, str]]], registry: CollectorRegistry) -> None:
        self._paused = paused
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("crossroads_paused", "1 each while it is in force", labels=("kind", "what"))
        for kind, what in self._paused():
            family.add_metric((kind, what), 1)
        yield family


class _Read(Collector):
    """What intake and asking count themselves."""

    def __init__(self, intake: IntakeCounts, asking: AskingCounts, wrong_ticket: Callable[[], int]) -> None:
        self._intake, self._asking, self._wrong_ticket = intake, asking, wrong_ticket

    def collect(self) -> Iterable[CounterMetricFamily]:
        intake, asking = self._intake, self._asking
        dropped = CounterMetricFamily(
            "crossroads_replies_dropped", "Replies that count for no question", labels=("reason",)
        )
        dropped.add_metric(("wrong_sender",), asking.wrong_sender)
        dropped.add_metric(("wrong_ticket",), self._wrong_ticket())
        dropped.add_metric(("late",), asking.late)
        dropped.add_metric(("unknown",), asking.unknown)
        yield dropped
        redelivered = CounterMetricFamily(
            "crossroads_redeliveries", "Deliveries that started nothing", labels=("because",)
        )
        redelivered.add_metric(("in_hand",), intake.joined)
        redelivered.add_metric(("answered",), intake.repeated)
        yield redelivered
        for name, text, value in (
            ("orphaned", "Requests dropped because their connection was lost and they went elsewhere", intake.orphaned),
            ("parked", "Messages sent to hub.dead by this process", intake.parked),
            ("unconfirmed", "Answers published again for want of a confirm", intake.unconfirmed),
        ):
            yield CounterMetricFamily(f"crossroads_{name}", text, value=value)


def known(code: str) -> str:
    """A code of the catalogue as it is; a supplier's own, which may say anything, as `other`."""
    return code if code in CODES else "other"


def _refuses(value: str | None) -> bool:
    return value is None or value == "NO_RESULT"
