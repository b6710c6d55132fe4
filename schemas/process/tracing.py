"""Spans, and the way they go to a collector. The one place that knows OpenTelemetry, loaded only where traces are on.

What a span may say is what a log line may (docs/hub.md): ticketCBSS, addresses, services and codes of the catalogue,
counts. An exception is told by its type and place, never by its text, and no event is written.

Exporting is a thread's business. Its queue is bounded, and what does not go in is dropped; a collector that is away or
hangs costs no exchange, and a line in the log now and then.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Literal, TypeAlias

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes

from schemas.process import log
from schemas.wire import traceparent
from schemas.wire.traceparent import Context

__all__ = ["Begun", "Span", "Tracer", "Tracing"]

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value: TypeAlias = str | int | float | bool
_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

#: Spans that wait for the exporter, at most; of one export; and milliseconds between two.
QUEUE, BATCH, EVERY_MS = 4_096, 512, 1_000
#: Seconds that one export may take, its retries included; and that a stop waits for the last one.
EXPORT_TIMEOUT, CLOSE_TIMEOUT = 5.0, 2.0
#: Seconds between two lines about a collector that takes nothing.
_QUIET = 600.0
#: How many exchanges' worth of an unused share a queue may have saved.
_SAVED = 10.0
_LIMITS = SpanLimits(
    max_span_attributes=32, max_events=0, max_links=4, max_event_attributes=0, max_link_attributes=0,
    max_span_attribute_length=256,
)  # fmt: skip
#: What the exporter says itself: `_Exporter` says it now and then.
_CHATTY = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
_SAMPLED = contexts.create_key("crossroads-sampled")


class Span:
    """One step of an exchange. Nothing is kept of one that is not exported."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def name(self, name: str) -> None:
        """What it was, where that was not known when it began."""
        self._span.update_name(name)

    def say(self, attributes: Mapping[str, Value]) -> None:
        """Nothing but what a log line may say."""
        self._span.set_attributes(attributes)

    def fault(self, what: str) -> None:
        """It went wrong: a code of the catalogue, a word of ours, or an exception's type and place."""
        self._span.set_attribute("error.type", what.partition(" at ")[0])
        self._span.set_status(Status(StatusCode.ERROR, what))


class Begun:
    """A span that lasts longer than a function; nothing stands under it but what is put there."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.header = _header(span.get_span_context())

    def end(self, error: BaseException | None = None) -> None:
        """Once. error: what ended it."""
        if error is not None:
            Span(self._span).fault(" at ".join(log.told(error).values()))
        self._span.end()


class Tracer:
    """Makes the spans of one part of a process (`hub`, `institution`, `relay`)."""

    def __init__(self, tracer: trace.Tracer, share: "Share") -> None:
        self._tracer, self._share = tracer, share

    def header(self) -> Mapping[str, str]:
        """`traceparent` of the span that stands; nothing where none does."""
        return _header(trace.get_current_span().get_span_context())

    def begun(self, name: str, kind: Kind, attributes: Mapping[str, Value]) -> Begun:
        """A root, or within the span that stands; it is to be ended."""
        current = trace.get_current_span().get_span_context()
        sampled = current.trace_flags.sampled if current.is_valid else self._share.has("", None)
        return Begun(self._made(name, kind, attributes, contexts.get_current(), sampled, ()))

    def fault(self, what: str) -> None:
        """Of the span that stands: as `Span.fault`."""
        Span(trace.get_current_span()).fault(what)

    @contextmanager
    def span(
        self, name: str, kind: Kind = "internal", attributes: Mapping[str, Value] | None = None, *, root: bool = False
    ) -> Iterator[Span]:
        """A span within the one that stands, also where it raises. Where none stands: none, unless it may be a `root`,
        of which our share is exported."""
        current = trace.get_current_span().get_span_context()
        if current.is_valid:
            if not current.trace_flags.sampled:
                yield _NOTHING
                return
            sampled = True
        elif root:
            sampled = self._share.has("", None)
        else:
            yield _NOTHING
            return
        with self._standing(name, kind, attributes, contexts.get_current(), sampled) as span:
            yield span

    @contextmanager
    def taking(
        self,
        name: str,
        kind: Kind,
        queue: str,
        context: Context | None,
        attributes: Mapping[str, Value],
        *,
        centre: bool = False,
        linked: bool = False,
    ) -> Iterator[Span]:
        """The span of a message from this queue, whatever stands where it is taken.

        context: what the message says, if it counts. centre: it is our centre's, whose no is kept to.
        linked: it is the root of a trace of its own, linked to that of the context.
        """
        wish = None if context is None else context.sampled
        sampled = not (centre and wish is False) and self._share.has(queue, wish)
        base = contexts.Context()
        links: Sequence[Link] = ()
        if context is not None:
            if linked:
                links = (Link(_remote(context)),)
            else:
                base = trace.set_span_in_context(NonRecordingSpan(_remote(context)), base)
        with self._standing(name, kind, attributes, base, sampled, links) as span:
            yield span

    @contextmanager
    def under(self, header: Mapping[str, str]) -> Iterator[None]:
        """Within it stands again what `header` gave earlier, perhaps to another task; nothing, if that was nothing."""
        context = traceparent.of_text(header.get(traceparent.HEADER))
        if context is None:
            yield
            return
        token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(_remote(context)), contexts.Context()))
        try:
            yield
        finally:
            contexts.detach(token)

    @contextmanager
    def _standing(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value] | None,
        base: contexts.Context,
        sampled: bool,
        links: Sequence[Link] = (),
    ) -> Iterator[Span]:
        made = self._made(name, kind, attributes, base, sampled, links)
        span = Span(made)
        token = contexts.attach(trace.set_span_in_context(made, base))
        try:
            yield span
        except BaseException as error:
            span.fault(" at ".join(log.told(error).values()))
            raise
        finally:
            contexts.detach(token)
            made.end()

    def _made(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value] | None,
        base: contexts.Context,
        sampled: bool,
        links: Sequence[Link],
    ) -> trace.Span:
        return self._tracer.start_span(
            name,
            contexts.set_value(_SAMPLED, sampled, base),
            _KINDS[kind],
            attributes,
            links,
            record_exception=False,
            set_status_on_exception=False,
        )


class Share:
    """Which exchanges are exported: this share of what comes by each queue, whatever the flags of the messages say.

    They say which, as long as they say so of about that share: an unused share is saved for a while, and nobody can
    keep out of it for good by saying no.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        #: By queue, of which there are as many as institutions and services: exchanges that may be exported.
        self._saved: dict[str, float] = {}

    def has(self, queue: str, wish: bool | None) -> bool:
        """Whether the next one of this queue is exported. wish: as its flag says; None: it says nothing."""
        if self._share >= 1.0 or self._share <= 0.0:
            return self._share >= 1.0
        saved = min(_SAVED, self._saved.get(queue, 1.0) + self._share)
        if wish is None:
            wish = random.random() < self._share  # noqa: S311  nobody gains by guessing it
        has = saved >= 1.0 and (wish or saved >= _SAVED)
        self._saved[queue] = saved - has
        return has


class Tracing:
    """A process's way to its collector, from now on until `close`.

    endpoint: the URL that spans are posted to (OTLP over HTTP). share: of what is traced, 0 to 1.
    instance: what the process is called in logs.
    """

    def __init__(self, endpoint: str, share: float, *, instance: str) -> None:
        self._share, self._instance = Share(share), instance
        self._exporter = _Exporter(endpoint)
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=EVERY_MS
        )
        self._tracers: dict[str, Tracer] = {}
        for name in _CHATTY:
            logging.getLogger(name).addFilter(_not_ours)

    def tracer(self, service: Literal["hub", "institution", "relay"]) -> Tracer:
        """Makes spans that say they are of this part."""
        if (tracer := self._tracers.get(service)) is None:
            resource = Resource.create(
                {
                    "service.name": service,
                    "service.namespace": "crossroads",
                    "service.instance.id": self._instance,
                    "service.version": _version(),
                }
            )
            provider = TracerProvider(
                _OurSampler(), resource, shutdown_on_exit=False, id_generator=_Ids(), span_limits=_LIMITS
            )
            provider.add_span_processor(self._processor)
            tracer = self._tracers[service] = Tracer(provider.get_tracer("crossroads", _version()), self._share)
        return tracer

    async def close(self) -> None:
        """Export what waits, within `CLOSE_TIMEOUT`; what is left then is lost."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def shut() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # the loop has not waited for it
                loop.call_soon_threadsafe(done.set)

        # No thread of the loop's own, which would be waited for at its end.
        threading.Thread(target=shut, name="traces end", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await done.wait()
        except TimeoutError:
            log.logger().warning("traces not exported", why="the collector does not answer, and the process ends")
            self._exporter.shutdown()


class _Exporter(SpanExporter):
    """OTLP over HTTP. Its failures are told now and then, and reach nobody else."""

    def __init__(self, endpoint: str) -> None:
        self._exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT)
        self._told, self._lost = -_QUIET, 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        _OURS.quiet = True
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001  whatever it is, traces alone are lost
            self._failed(len(spans), **log.told(error))
            return SpanExportResult.FAILURE
        finally:
            _OURS.quiet = False
        if result is not SpanExportResult.SUCCESS:
            self._failed(len(spans))
        elif self._lost:
            log.logger().info("traces exported again", lost=self._lost)
            self._told, self._lost = -_QUIET, 0
        return result

    def _failed(self, count: int, **why: str) -> None:
        self._lost += count
        if monotonic() - self._told >= _QUIET:
            self._told = monotonic()
            log.logger().warning("traces not exported", lost=self._lost, **why)

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _OurSampler(Sampler):
    """As was decided before the span was made."""

    def should_sample(
        self,
        parent_context: contexts.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        sampled = bool(contexts.get_value(_SAMPLED, parent_context))
        return SamplingResult(Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "crossroads"


class _Ids(RandomIdGenerator):
    """None that has a person's number in it: nobody on the wire would take it."""

    def generate_trace_id(self) -> int:
        while traceparent.has_a_number(f"{(made := super().generate_trace_id()):032x}"):
            pass
        return made

    def generate_span_id(self) -> int:
        while traceparent.has_a_number(f"{(made := super().generate_span_id()):016x}"):
            pass
        return made


class _Ours(threading.local):
    """Whether this thread is exporting for us."""

    quiet = False


_OURS = _Ours()
_NOTHING = Span(trace.INVALID_SPAN)


def _not_ours(_: logging.LogRecord) -> bool:
    return not _OURS.quiet


def _header(context: SpanContext) -> Mapping[str, str]:
    if not context.is_valid:
        return {}
    return {traceparent.HEADER: traceparent.written(Context(context.trace_id, context.span_id, context.trace_flags))}


def _remote(context: Context) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=TraceFlags(context.flags))


def _version() -> str:
    try:
        return version("crossroads")
    except PackageNotFoundError:
        return "unknown"
