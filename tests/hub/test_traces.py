"""What a hub makes of the header `traceparent`, and of a collector that does not answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aio_pika
import pytest

from schemas.wire import names, traceparent
from tests.collector import Collector, Spanned, collecting, texts
from tests.hub.star import CUSTOMER, ONE, PATIENCE, TWO, Question, Star, Told, answer_with_data, opened


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory, collector) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as star:
        await star.hub(traces=collector.url)
        yield star


def header(trace: str | None = None, flags: str = "01") -> str:
    return f"00-{trace or uuid4().hex}-{uuid4().hex[:16]}-{flags}"


async def exchanges(collector: Collector, told: Told, count: int = 1) -> list[Spanned]:
    """The hub's spans of this exchange."""
    ticket = str(told.ticket_cbss)

    def of(spans: list[Spanned]) -> list[Spanned]:
        return [s for s in spans if s.attributes.get("crossroads.ticket") == ticket]

    return of(await asyncio.to_thread(collector.wait, lambda spans: len(of(spans)) >= count))


async def test_an_exchange_goes_on_with_its_askers_trace(star, collector):
    ssin, trace = await star.known(ONE), uuid4().hex
    given = header(trace)
    told = await star.send(star.request(ssin), headers={"traceparent": given, "tracestate": f"x={ssin.digits}"})
    [exchange] = await exchanges(collector, told)
    assert (exchange.trace, exchange.parent) == (trace, given.split("-")[2])
    [question] = star.questions(ONE, ssin)
    forwarded, answered = question.delivery.properties, told.properties
    for properties in (forwarded, answered):
        context = traceparent.of(properties)
        assert context is not None
        assert f"{context.trace_id:032x}" == trace
        assert context.sampled
        assert properties.headers["traceparent"] != given
    assert set(forwarded.headers) == {"customer", "deadline_ms", "traceparent"}
    assert set(answered.headers) == {"traceparent"}


NUMBER = "85010100115"


#: What is no header: the version, the length, the letters, the ids, a person's number, the type.
NO_HEADER = [
    "",
    "00",
    f"01-{'a' * 32}-{'b' * 16}-01",
    f"00-{'a' * 32}-{'b' * 16}-01-",
    f"00-{'A' * 32}-{'b' * 16}-01",
    f"00-{'0' * 32}-{'b' * 16}-01",
    f"00-{'a' * 32}-{'0' * 16}-01",
    f"00-{'a' * 31}٣-{'b' * 16}-01",
    f"00-{'a' * 32}-{'b' * 16}-0g",
    f"00-{NUMBER}{'a' * 21}-{'b' * 16}-01",
    f"00-{'a' * 32}-{'b' * 5}{NUMBER}-01",
    55,
    bytearray(55),
    ["00"],
    {"00": "00"},
]


async def test_what_is_no_header_is_none_and_harms_nobody(star, collector):
    persons = [await star.known(ONE) for _ in NO_HEADER]
    answers = await asyncio.gather(
        *(
            star.send(star.request(ssin), headers={"traceparent": value})
            for ssin, value in zip(persons, NO_HEADER, strict=True)
        )
    )
    for ssin, told in zip(persons, answers, strict=True):
        assert told.said == ("DATA_FOUND", "MSG00000")
        [exchange] = await exchanges(collector, told)
        assert exchange.parent == ""
        assert exchange.links == ()
        [question] = star.questions(ONE, ssin)
        assert traceparent.of(question.delivery.properties) is not None
    said = texts(collector.requests)
    assert [text for text in said if NUMBER in text or any(ssin.digits in text for ssin in persons)] == []


async def test_nothing_that_an_institution_may_choose_is_exported(star, collector):
    ssin = await star.known(ONE)
    planted, number = f"planted-{ssin.digits}", ssin.digits
    headers = {"user": number, "tracestate": f"a={number}", "baggage": f"a={number}", "traceparent": header()}
    told = await star.send(star.request(ssin, ticket=planted[:36]), headers=headers)
    refused = await star.send(star.request(ssin, ticket=planted[:36]), type_=f"{planted}/1")
    async with star.channel(str(CUSTOMER)) as channel:
        exchange = await channel.get_exchange(names.out(CUSTOMER), ensure=False)
        for properties in (
            {"correlation_id": planted, "reply_to": names.answers(CUSTOMER)},
            {"correlation_id": planted, "reply_to": f"{planted}.answers"},  # to hub.dead
        ):
            message = aio_pika.Message(star.request(ssin), user_id=str(CUSTOMER), headers=headers, **properties)
            await exchange.publish(message, "online")
    await exchanges(collector, told)
    await exchanges(collector, refused)
    parked = await asyncio.to_thread(collector.wait, lambda spans: any(s.error == "parked" for s in spans))
    assert [s.name for s in parked if s.error == "parked"] == ["unknown exchange"]
    said = texts(collector.requests)
    assert [text for text in said if number in text or "planted" in text] == []
    assert sum(s.events for s in parked) == 0


async def test_a_hub_that_is_killed_leaves_its_trace_to_the_next(star, collector):
    await star.hub(traces=collector.url)
    ssin, trace = await star.known(ONE), uuid4().hex
    asked, may = asyncio.Event(), asyncio.Event()

    async def hold(question: Question) -> None:
        asked.set()
        await may.wait()
        await answer_with_data(question)

    star.script(ONE, ssin, hold)
    body = star.request(ssin)
    asking = asyncio.create_task(star.send(body, headers={"traceparent": header(trace)}))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    [taker] = [hub for hub in star.hubs if hub.intake.in_flight]
    await taker.kill()
    star.hubs.remove(taker)
    may.set()
    told = await asking
    assert told.said == ("DATA_FOUND", "MSG00000")

    def both(spans: list[Spanned]) -> list[Spanned]:
        return [s for s in spans if s.trace == trace and s.name.endswith("exchange") and s.kind == 2]

    spans = both(await asyncio.to_thread(collector.wait, lambda spans: len(both(spans)) == 2))
    assert {s.attributes["crossroads.redelivered"]: (s.error or "").partition(" at ")[0] for s in spans} == {
        False: "CancelledError",
        True: "",
    }
    assert len({s.parent for s in spans}) == 1


async def test_a_collector_that_hangs_costs_no_exchange(star, collector):
    """Neither while it hangs, nor a stop that waits for it no longer than it may."""
    star.log.truncate(0)
    collector.hangs.set()
    persons = [await star.known(ONE, TWO) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        first = group.create_task(star.consult(persons[0]))
        hung = group.create_task(asyncio.to_thread(collector.hung.wait, PATIENCE))
    assert hung.result()
    assert first.result().said == ("DATA_FOUND", "MSG00000")
    answers = await asyncio.gather(*(star.consult(one) for one in persons))
    assert {told.said for told in answers} == {("DATA_FOUND", "MSG00000")}
    [hub] = star.hubs
    await hub.stop()
    star.hubs.remove(hub)
    assert star.log.getvalue().count("traces not exported") == 1
    assert "library line" not in star.log.getvalue()
