"""What a hub traces (docs/operators.md, Traces): the parts it is made of, with spans where traces are on."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from hub.consultation import FAULT, Told
from hub.metrics import Metrics, Series, Step
from schemas.ssdn.door import Enveloped
from schemas.wire.asking import Asking
from schemas.wire.intake import Around
from schemas.wire.telling import Answer, Outcome
from schemas.wire.traced import Seen, TracedAsking, TracedTransport, of_a_lot, owner, taken
from schemas.wire.transport import Delivery, Transport

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer, Tracing


class Spans:
    """Makes the parts of one hub. With `tracing` None they are what they are without traces, and cost as much."""

    def __init__(self, tracing: "Tracing | None") -> None:
        self.tracer = None if tracing is None else tracing.tracer("hub")

    def metrics(self) -> Metrics:
        """A span a step, where steps are timed."""
        return Metrics() if self.tracer is None else _TracedMetrics(self.tracer)

    def transport(self, transport: Transport) -> Transport:
        """What is published bears the header."""
        return transport if self.tracer is None else TracedTransport(transport, self.tracer)

    def asking(
        self,
        transport: Transport,
        reply_queue: str,
        *,
        grace: float,
        wrong_sender: Callable[[Delivery, str], None],
    ) -> Asking:
        """A span a question to a supplier."""
        if self.tracer is None:
            return Asking(transport, reply_queue, grace=grace, wrong_sender=wrong_sender)
        return TracedAsking(transport, reply_queue, tracer=self.tracer, grace=grace, wrong_sender=wrong_sender)

    def around(self, role: str) -> Around | None:
        """A span a request from an ingress queue."""
        return None if self.tracer is None else taken(self.tracer, role, seen=_seen, sender=owner, linked=of_a_lot)

    def later(self) -> Around | None:
        """A span an answer that comes in its own time. Who may give it, its handling tells; its trace is its own."""
        if self.tracer is None:
            return None
        return taken(
            self.tracer,
            "definitive answer",
            seen=lambda *_: Seen(""),
            sender=lambda delivery: delivery.properties.user_id,
            kind="consumer",
            linked=lambda _: True,
        )


def _seen(delivery: Delivery, outcome: Outcome) -> Seen:
    more = {}
    if (sender := owner(delivery)) is not None:
        more["crossroads.sender"] = sender
    if isinstance(outcome, Enveloped):
        return Seen("SSDN", more={**more, "crossroads.requests": len(outcome.answers)})
    if not isinstance(outcome, Told):
        return Seen("unknown", more=more, fault=isinstance(outcome, Answer) and outcome.type == FAULT)
    return Seen(outcome.service, outcome.ticket_cbss, outcome.value, outcome.code, outcome.type == FAULT, more)


class _TracedMetrics(Metrics):
    def __init__(self, tracer: "Tracer") -> None:
        super().__init__()
        self._tracer = tracer

    def step(self, name: str) -> Step:
        return _TracedStep(super().step(name).series, self._tracer, name)


class _TracedStep(Step):
    """A step that is timed and has a span."""

    __slots__ = ("_span",)

    def __init__(self, series: Series, tracer: "Tracer", name: str) -> None:
        super().__init__(series)
        self._span = tracer.span(name)

    def __enter__(self) -> "_TracedStep":
        self._span.__enter__()
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._span.__exit__(kind, error, trace)
