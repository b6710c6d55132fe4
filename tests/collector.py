"""A collector of traces: OTLP over HTTP, a real server that keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.process import tracing


@dataclass(frozen=True, slots=True)
class Spanned:
    """A span as it was exported."""

    service: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    attributes: dict[str, Any]
    #: Trace ids that it is linked to.
    links: tuple[str, ...]
    #: The status, where it is an error.
    error: str | None
    events: int


class Collector:
    """What came so far. It can be told to hang: it then takes a request and says nothing to it."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._spans: list[Spanned] = []
        #: Every request, as it came.
        self.requests: list[ExportTraceServiceRequest] = []
        self.hangs = threading.Event()
        self.hung = threading.Event()
        self._released = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._take(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        if self.hangs.is_set():
            self.hung.set()
            self._released.wait(60)
            return
        request = ExportTraceServiceRequest.FromString(body)
        with self._came:
            self.requests.append(request)
            self._spans.extend(_spans(request) if handler.path == "/v1/traces" else ())
            self._came.notify_all()
        handler.send_response(200)
        handler.end_headers()

    def spans(self) -> list[Spanned]:
        with self._came:
            return list(self._spans)

    def wait(self, condition: Any, patience: float = 20.0) -> list[Spanned]:
        """The spans, once they are such that `condition`. To be called in a thread."""
        with self._came:
            if not self._came.wait_for(lambda: condition(self._spans), patience):
                raise AssertionError(f"not among {sorted((s.service, s.name) for s in self._spans)}")
            return list(self._spans)

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, until the end; what is made meanwhile exports without waiting for more."""
    collector = Collector()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "EVERY_MS", 50)
        patch.setattr(tracing, "CLOSE_TIMEOUT", 0.5)
        try:
            yield collector
        finally:
            collector.close()


def texts(requests: list[ExportTraceServiceRequest]) -> set[str]:
    """Every text that was exported, ids in hexadecimal too."""
    found: set[str] = set()

    def walk(message: Any) -> None:
        for field, value in message.ListFields():
            several = value if field.is_repeated else (value,)
            for one in several:
                if field.message_type is not None:
                    walk(one)
                elif isinstance(one, bytes):
                    found.update((one.hex(), one.decode("latin-1")))
                else:
                    found.add(str(one))

    for request in requests:
        walk(request)
    return found


def _spans(request: ExportTraceServiceRequest) -> Iterator[Spanned]:
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Spanned(
                    service,
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _attributes(span.attributes),
                    tuple(link.trace_id.hex() for link in span.links),
                    span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
                    len(span.events),
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
