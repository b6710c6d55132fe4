"""What the hub counts, for Prometheus. No label holds anything that an institution may choose freely."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from schemas.codes import CODES

#: The network's promise: an answer to an exchange that was forwarded, under this many seconds.
PROMISE = 4.0
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, PROMISE, 5.0, 10.0)
_GROUPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

#: Steps of docs/hub.md that take time, in their order.
STEPS = ("exchange", "decision", "repertory", "journal_decision", "suppliers", "check", "journal_outcome", "answer")


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
        self._seconds = Histogram(
            "crossroads_exchange_seconds", "From the hub's receipt of a request to its answer's confirm",
            ("forwarded",), buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self._steps = Histogram("crossroads_step_seconds", "Time by step", ("step",), buckets=_SECONDS, registry=r)
        self._suppliers = Counter(
            "crossroads_supplier_answers", "Questions to suppliers by what came", ("supplier", "result"), registry=r
        )
        self._groups = Histogram(
            "crossroads_journal_group_size", "Rows committed in one transaction", buckets=_GROUPS, registry=r
        )
        self._dropped = Counter(
            "crossroads_replies_dropped", "Replies that count for no question", ("reason",), registry=r
        )
        self._redelivered = Counter("crossroads_redeliveries", "Requests the broker brought again", registry=r)
        self._resumed = Counter("crossroads_resumed", "Exchanges that were decided before", registry=r)
        self._parked = Counter("crossroads_parked", "Messages sent to hub.dead by this process", registry=r)
        self._failures = Counter("crossroads_failures", "Messages that met a bug of the hub", registry=r)
        self._state = Gauge("crossroads_up", "1 if this part answers", ("part",), registry=r)
        self._in_flight = Gauge("crossroads_in_flight", "Requests in hand", registry=r)
        self._queues = Gauge("crossroads_ingress_queues", "Ingress queues this process reads", registry=r)
        for kept in ("yes", "no"):
            self._promise.labels(kept)
        for reason in ("wrong_sender", "wrong_ticket", "late", "unknown"):
            self._dropped.labels(reason)
        self._step = {name: self._steps.labels(name) for name in STEPS}

    def watch(
        self, *, in_flight: Callable[[], int], queues: Callable[[], int], parts: dict[str, Callable[[], bool]]
    ) -> None:
        """Read these when the figures are asked for."""
        self._in_flight.set_function(in_flight)
        self._queues.set_function(queues)
        for name, up in parts.items():
            self._state.labels(name).set_function(lambda up=up: float(up()))  # type: ignore[misc]

    def answered(self, service: str, verdict: str, code: str, seconds: float, *, forwarded: bool) -> None:
        """An exchange ended. `service` must be one of the catalogue or `unknown`."""
        self._exchanges.labels(service, verdict, known(code)).inc()
        self._seconds.labels("yes" if forwarded else "no").observe(seconds)

    def promised(self, *, kept: bool) -> None:
        self._promise.labels("yes" if kept else "no").inc()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, also one that raises."""
        begun = monotonic()
        try:
            yield
        finally:
            self._step[name].observe(monotonic() - begun)

    def supplier(self, supplier: str, result: str) -> None:
        self._suppliers.labels(supplier, result).inc()

    def journal_group(self, size: int) -> None:
        self._groups.observe(size)

    def dropped(self, reason: str) -> None:
        self._dropped.labels(reason).inc()

    def redelivered(self) -> None:
        self._redelivered.inc()

    def resumed(self) -> None:
        self._resumed.inc()

    def parked(self) -> None:
        self._parked.inc()

    def failed(self) -> None:
        self._failures.inc()

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry)


def known(code: str) -> str:
    """A code of the catalogue as it is; a supplier's own, which may say anything, as `other`."""
    return code if code in CODES else "other"
