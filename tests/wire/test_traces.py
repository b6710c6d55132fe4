"""The header `traceparent`, whose spans are exported, and what becomes of them without a collector."""

import asyncio
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from institutions import Institution
from institutions.errors import Unreachable
from schemas.process import log
from schemas.process.traces import TracesError, endpoint, of_environment
from schemas.process.tracing import Share, Tracing
from schemas.wire import traceparent
from schemas.wire.telling import Answer
from schemas.wire.traced import Seen, taken
from schemas.wire.traceparent import Context
from schemas.wire.transport import Delivery, Properties
from tests.collector import Collector, collecting

ROOT = Path(__file__).parents[2]
TRACE, SPAN = 0xA3CE929D0E0E4736AF1234567890ABCD, 0x00F067AA0BA902B7


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def of(value: object) -> Context | None:
    return traceparent.of(Properties(headers={"traceparent": value}))


@pytest.mark.parametrize(
    ("value", "context"),
    [
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-01", Context(TRACE, SPAN, 1)),
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-00", Context(TRACE, SPAN, 0)),
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-ff", Context(TRACE, SPAN, 3)),
        ("cc-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-01", None),
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-01 ", None),
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-1", None),
        ("00-A3CE929D0E0E4736AF1234567890ABCD-00f067aa0ba902b7-01", None),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-a3ce929d0e0e4736af1234567890abcd-0000000000000000-01", None),
        ("00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-01-what-the-future-will-be-like", None),
        (b"00-a3ce929d0e0e4736af1234567890abcd-00f067aa0ba902b7-01", None),
        (None, None),
    ],
)
def test_the_header_is_read_exactly(value: object, context: Context | None) -> None:
    assert of(value) == context


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3))
def test_what_is_written_is_read(trace: int, span: int, flags: int) -> None:
    context = Context(trace, span, flags)
    written = traceparent.written(context)
    assert len(written) == traceparent.LENGTH
    numbered = traceparent.has_a_number(f"{trace:032x}") or traceparent.has_a_number(f"{span:016x}")
    assert of(written) == (None if numbered else context)


@pytest.mark.parametrize("before", range(22))
def test_an_id_with_a_persons_number_in_it_is_none(before: int) -> None:
    trace = "a" * before + "85010100115" + "b" * (21 - before)
    assert of(f"00-{trace}-00f067aa0ba902b7-01") is None
    assert of(f"00-{trace.replace('85010100115', '85010100116')}-00f067aa0ba902b7-01") is not None


SHARES = [0.01, 0.1, 0.5]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("wish", [True, False, None])
def test_of_each_queue_its_share_is_exported_whatever_is_wished(share: float, wish: bool | None) -> None:
    count = 20_000
    shared = Share(share)
    exported = sum(shared.has("hub.in.64-0.online", wish) for _ in range(count))
    assert exported == pytest.approx(share * count, abs=12 + 0.1 * share * count)


@pytest.mark.parametrize("share", SHARES)
def test_who_wishes_for_as_many_as_its_share_has_those(share: float) -> None:
    shared, dice = Share(share), random.Random(7)
    wishes = [dice.random() < share for _ in range(20_000)]
    had = [shared.has("q", wish) for wish in wishes]
    assert sum(wished and has for wished, has in zip(wishes, had, strict=True)) > 0.8 * sum(wishes)


def test_one_that_asks_for_all_takes_nothing_from_others() -> None:
    shared = Share(0.1)
    exported = {"greedy": 0, "modest": 0}
    for n in range(10_000):
        exported["greedy"] += shared.has("greedy", True)
        exported["modest"] += shared.has("modest", n % 10 == 0)
    assert exported["greedy"] == pytest.approx(1_000, abs=11)
    assert exported["modest"] == pytest.approx(1_000, abs=11)


@pytest.mark.parametrize("wish", [True, False, None])
def test_all_is_all_and_nothing_is_nothing(wish: bool | None) -> None:
    everything, nothing = Share(1.0), Share(0.0)
    assert all(everything.has("q", wish) for _ in range(100))
    assert not any(nothing.has("q", wish) for _ in range(100))


async def test_what_is_sampled_out_here_asks_nobody_to_export_it(collector: Collector) -> None:
    tracing = Tracing(endpoint(collector.url), 0.0, instance="out")
    tracer = tracing.tracer("hub")
    with tracer.taking("exchange", "server", "q", Context(TRACE, SPAN, 1), {}), tracer.span("step"):
        told = of(tracer.header()["traceparent"])
    assert told is not None
    assert told.trace_id == TRACE
    assert not told.sampled
    await tracing.close()
    assert collector.requests == []


async def test_the_centres_no_is_kept_to_and_an_institutions_is_not(collector: Collector) -> None:
    tracing = Tracing(endpoint(collector.url), 1.0, instance="all")
    tracer, context = tracing.tracer("hub"), Context(TRACE, SPAN, 0)
    with tracer.taking("of the centre", "server", "q", context, {}, centre=True):
        pass
    with tracer.taking("of an institution", "server", "q", context, {}):
        pass
    await tracing.close()
    assert [s.name for s in collector.spans()] == ["of an institution"]


async def test_an_exception_is_told_by_type_and_place_alone(collector: Collector) -> None:
    tracing = Tracing(endpoint(collector.url), 1.0, instance="failing")
    tracer = tracing.tracer("institution")
    with pytest.raises(LookupError), tracer.span("ask", "client", root=True):
        raise LookupError("of 85010100115")
    await tracing.close()
    [span] = collector.spans()
    assert span.error is not None
    assert span.error.startswith("LookupError at test_traces.py:")
    assert span.attributes == {"error.type": "LookupError"}
    assert span.events == 0


async def test_the_library_traces_as_the_environment_says_and_under_the_applications_own_span(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSROADS_TRACES", collector.url)
    context = trace.SpanContext(TRACE, SPAN, is_remote=False, trace_flags=trace.TraceFlags(1))
    with collecting() as gone:
        nowhere = gone.url.removeprefix("http://")
    async with Institution("5-0", f"amqp://5-0:a@{nowhere}/x", patient=True, observe=lambda _: None) as me:
        with trace.use_span(trace.NonRecordingSpan(context)), pytest.raises(Unreachable):
            await me.send(b"<planted/>", timeout=0.2)
    [span] = collector.spans()
    assert (span.service, span.name) == ("institution", "unknown ask")
    assert (span.trace, span.parent) == (f"{TRACE:032x}", f"{SPAN:016x}")
    assert span.error is not None
    assert span.error.startswith("Unreachable at asking.py:")


async def test_a_span_that_cannot_be_described_costs_no_answer(collector: Collector) -> None:
    tracing = Tracing(endpoint(collector.url), 1.0, instance="bug")

    def seen(_: Delivery, __: object) -> Seen:
        raise LookupError("of 85010100115")

    around = taken(tracing.tracer("hub"), "exchange", seen=seen, sender=lambda _: None)
    delivery = Delivery(b"", "hub.in.5-0.online", Properties(), redelivered=False, generation=1, tag=1)
    with around(delivery) as made:
        made(Answer(b"answer"))
    await tracing.close()
    assert {s.name for s in collector.spans()} == {"exchange", "answer"}


async def test_who_is_who_is_in_the_resource(collector: Collector) -> None:
    tracing = Tracing(endpoint(collector.url), 1.0, instance="process-1")
    for service in ("hub", "institution", "relay"):
        with tracing.tracer(service).span("one", root=True):  # type: ignore[arg-type]
            pass
    await tracing.close()
    found = {}
    for request in collector.requests:
        for spans in request.resource_spans:
            attributes = {pair.key: pair.value.string_value for pair in spans.resource.attributes}
            found[attributes["service.name"]] = attributes["service.instance.id"], bool(attributes["service.version"])
    assert found == dict.fromkeys(("hub", "institution", "relay"), ("process-1", True))


async def test_a_collector_that_is_away_is_told_of_once_and_the_queue_is_bounded() -> None:
    with collecting() as gone:
        url = endpoint(gone.url)
    stream = io.StringIO()
    log.configure("INFO", stream=stream)
    tracing = Tracing(url, 1.0, instance="alone")
    tracer = tracing.tracer("hub")
    for _ in range(10_000):
        with tracer.span("exchange", root=True):
            pass
    await tracing.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["event"] for line in lines} <= {"traces not exported", "library line"}
    assert 1 <= sum(line["event"] == "traces not exported" for line in lines) <= 2
    assert {line["library"] for line in lines if "library" in line} <= {"opentelemetry.sdk._shared_internal"}


def test_under_uvloop_a_collector_that_hangs_delays_no_end(collector: Collector) -> None:
    """The loop ends though the exporter's thread does not; and was not kept from its work by it."""
    collector.hangs.set()

    async def main() -> int:
        tracing = Tracing(endpoint(collector.url), 1.0, instance="uvloop")
        tracer = tracing.tracer("hub")
        with tracer.span("exchange", root=True):
            pass
        turns = 0
        while not collector.hung.is_set():
            await asyncio.sleep(0)
            turns += 1
        await tracing.close()
        return turns

    assert uvloop.run(main()) > 100


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("http://collector:4318/my/own/path", "http://collector:4318/my/own/path"),
    ],
)
def test_where_spans_go(told: str, url: str) -> None:
    assert endpoint(told) == url


@pytest.mark.parametrize("told", ["collector:4318", "grpc://collector:4317", "http://", "http://c:port", "yes"])
def test_where_they_cannot_go_is_said(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSROADS_TRACES", told)
    with pytest.raises(TracesError, match=r"CROSSROADS_TRACES: .*http://127.0.0.1:4318"):
        of_environment("me")


@pytest.mark.parametrize("share", ["2", "-1", "all", "nan"])
def test_a_share_that_is_none_is_said(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSROADS_TRACES", "http://127.0.0.1:4318")
    monkeypatch.setenv("CROSSROADS_TRACES_SHARE", share)
    with pytest.raises(TracesError, match="CROSSROADS_TRACES_SHARE"):
        of_environment("me")


_OFF = """
import asyncio, sys
import hub.process, hub.settings, institutions.process, institutions.settings
from institutions import Institution
from institutions.settings import Settings
from schemas.address import Address

async def main():
    nowhere = {"amqp_url": "amqp://nowhere", "database_url": "postgresql://nowhere/none"}
    hub.process.Hub(hub.settings.Settings(**nowhere, journal_key="a:0123456789abcdef"))
    settings = Settings(
        amqp_url="amqp://nowhere", passwords={"5-0": "a", "17-0": "b"},
        sectoral_urls={"17-0": "postgresql://nowhere/none"},
    )
    institutions.process.Process([Address(5, 0), Address(17, 0)], settings)
    async with Institution("5-0", "amqp://5-0:a@127.0.0.1:1", patient=True):
        pass

asyncio.run(main())
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))))
"""


def test_where_nothing_is_traced_nothing_is_loaded_for_it() -> None:
    told = subprocess.run([sys.executable, "-c", _OFF], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.splitlines()[-1] == "[]"
