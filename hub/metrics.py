"""What the hub counts, for Prometheus. No label holds anything that an institution may choose freely."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import accumulate
from time import monotonic
from types import TracebackType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
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


class _Series:
    """One series of a histogram. prometheus_client's own takes a lock and walks its buckets, ten times the price: nine
    of them cost an exchange a twentieth of its CPU. To be used from one thread."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds


class _Step:
    """Times what is done within it, also where it raises."""

    __slots__ = ("_begun", "_series")

    def __init__(self, series: _Series) -> None:
        self._series = series

    def __enter__(self) -> None:
        self._begun = monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._series.observe(monotonic() - self._begun)


class _Seconds(Collector):
    """A histogram of seconds with one label."""

    def __init__(self, name: str, text: str, label: str, values: Iterable[str], registry: CollectorRegistry) -> None:
        self._name, self._text, self._label = name, text, label
        self.series = {value: _Series() for value in values}
        registry.register(self)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text, labels=(self._label,))
        for value, series in self.series.items():
            buckets = zip(_BOUNDS, accumulate(series.counts), strict=True)
            family.add_metric((value,), [*buckets], series.total)
        yield family


class Metrics:
    """One process's figures. Each has its own registry, so that several hubs can live in one test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._exchanges = Counter(
            "crossroads_exchanges", "Answered exchanges", ("service", "verdict", "code"), registry=r
        )
        self._promise = Counter(
            "crossroads_promise", "Exchanges that passed the controls: answered with all data under 4 s, or not",
            ("kept",), registry=r,
        )  # fmt: skip
        self._seconds = _Seconds(
            "crossroads_exchange_seconds", "From the hub's receipt of a request to its answer's confirm",
            "forwarded", ("yes", "no"), r,
        ).series  # fmt: skip
        self._steps = _Seconds("crossroads_step_seconds", "Time by step", "step", STEPS, r).series
        self._suppliers = Counter(
            "crossroads_supplier_answers", "Questions to suppliers by what came", ("supplier", "result"), registry=r
        )
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
        self._promised = {kept: self._promise.labels("yes" if kept else "no") for kept in (True, False)}
        # To find a series costs more than to count in it; there are as many as the catalogue and the register allow.
        self._exchange = cache(self._exchanges.labels)
        self._supplier = cache(self._suppliers.labels)

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

    def answered(self, service: str, verdict: str, code: str, seconds: float, *, forwarded: bool) -> None:
        """An exchange ended. `service` must be one of the catalogue or `unknown`."""
        self._exchange(service, verdict, known(code)).inc()
        self._seconds["yes" if forwarded else "no"].observe(seconds)

    def promised(self, *, kept: bool) -> None:
        self._promised[kept].inc()

    def step(self, name: str) -> _Step:
        """Time a step: `with metrics.step(name):`."""
        return _Step(self._steps[name])

    def supplier(self, supplier: str, result: str) -> None:
        self._supplier(supplier, result).inc()

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
        return generate_latest(self.registry)


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
