"""An institution's asking side: direct answers over one channel. Over the real broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine
from schemas.wire.direct import ConnectionLost, DirectAnswer, DirectAsker, NoAnswer
from schemas.wire.intake import Answer, Intake
from schemas.wire.transport import Delivery, NotConnected, Properties, Refused, Unroutable
from tests.wire.conftest import Connect
from tests.wire.ground import PATIENCE, Ground, Witness, until
from tests.wire.proxy import Proxy

MakeAsker = Callable[..., DirectAsker]
PROMPTLY = 5.0


class Centre:
    """Answers what comes to a queue, when it is let."""

    def __init__(self) -> None:
        self.requests: list[Delivery] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, delivery: Delivery) -> Answer:
        self.requests.append(delivery)
        await self.go.wait()
        return Answer(b"to " + delivery.body)

    async def asked(self, count: int = 1) -> None:
        await until(lambda: len(self.requests) >= count)


def _failed(delivery: Delivery, error: Exception) -> Answer:
    return Answer(b"failed", type="fault")


@pytest.fixture
async def centre(ground: Ground, connect: Connect) -> AsyncIterator[Centre]:
    """Answers the queue `hub.in.18-0.online`, to which the exchange `18-0.out` leads."""
    exchange = await ground.channel.declare_exchange("18-0.out", durable=True)
    queue = await ground.queue("hub.in.18-0.online", {"x-max-length": 400, "x-overflow": "reject-publish"})
    await queue.bind(exchange, "online")
    centre = Centre()
    transport = await connect(ground.url, name="centre")
    intake = Intake(transport, centre, user=transport.user or "", on_failure=_failed)
    await intake.add("hub.in.18-0.online", prefetch=50)
    yield centre
    await intake.close()


@pytest.fixture
async def make_asker(witness: Witness) -> AsyncIterator[MakeAsker]:
    made: list[DirectAsker] = []

    def make(*urls: str, centre: str) -> DirectAsker:
        asker = DirectAsker(AioPikaLine(urls, name="tested", observe=witness), centre=centre)
        made.append(asker)
        return asker

    yield make
    for asker in made:
        await asker.close()


@pytest.fixture
async def asker(ground: Ground, proxy: Proxy, centre: Centre, make_asker: MakeAsker) -> DirectAsker:
    """Connected through the proxy, as the administrator, who is the centre as well."""
    asker = make_asker(proxy.url, centre=_user(ground.url))
    await asker.start()
    await asker.wait_connected(PATIENCE)
    return asker


def _user(url: str) -> str:
    return url.partition("://")[2].partition(":")[0]


async def _ask(asker: DirectAsker, body: bytes = b"1", *, timeout: float = 30, key: str = "online") -> DirectAnswer:
    return await asker.ask("18-0.out", key, body, Properties(type="Pension/1"), timeout=timeout)


async def test_a_request_gets_its_answer(asker: DirectAsker, centre: Centre) -> None:
    answer = await _ask(asker)
    assert (answer.body, answer.properties.type) == (b"to 1", "response")
    assert 0 < answer.seconds < PROMPTLY
    assert names.is_direct_reply(centre.requests[0].properties.reply_to)
    assert asker.open == 0


async def test_an_institutions_rights_suffice(ground: Ground, centre: Centre, make_asker: MakeAsker) -> None:
    _, write, read = names.institution_permissions("18-0")
    asker = make_asker(await ground.user(write=write, read=read), centre=_user(ground.url))
    await asker.start()
    assert (await _ask(asker)).body == b"to 1"


async def test_many_requests_at_once_get_their_own_answers(asker: DirectAsker) -> None:
    answers = await asyncio.gather(*(_ask(asker, b"%d" % i) for i in range(300)))
    assert [answer.body for answer in answers] == [b"to %d" % i for i in range(300)]
    assert asker.counts.answered == 300


async def test_requests_under_way_on_a_cut_line_fail_at_once_and_the_line_comes_back(
    asker: DirectAsker, centre: Centre, proxy: Proxy, witness: Witness
) -> None:
    centre.go.clear()
    asked = [asyncio.create_task(_ask(asker, b"%d" % i)) for i in range(20)]
    await centre.asked(20)
    began = time.monotonic()
    proxy.cut()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert time.monotonic() - began < PROMPTLY
    assert {type(outcome) for outcome in outcomes} == {ConnectionLost}
    assert "same ticket" in str(outcomes[0])
    centre.go.set()
    assert (await _ask(asker, b"again")).body == b"to again"
    assert asker.open == 0
    assert witness.count("connected", "line") == 2


async def test_a_request_made_while_the_line_is_away_waits_for_it(
    asker: DirectAsker, proxy: Proxy, witness: Witness
) -> None:
    proxy.refusing = True
    proxy.cut()
    await witness.sees("unreachable", "line")
    assert not asker.connected
    with pytest.raises(NoAnswer):
        await _ask(asker, timeout=0.2)
    asked = asyncio.create_task(_ask(asker))
    await witness.sees("unreachable", "line", times=3)
    proxy.refusing = False
    assert (await asked).body == b"to 1"


async def test_no_answer_in_time(asker: DirectAsker, centre: Centre) -> None:
    centre.go.clear()
    with pytest.raises(NoAnswer, match="same ticket"):
        await _ask(asker, timeout=0.3)
    centre.go.set()
    await until(lambda: asker.counts.unknown == 1)  # it came, and nobody was told
    assert asker.open == 0


async def test_a_caller_that_goes_leaves_nothing_behind(asker: DirectAsker, centre: Centre) -> None:
    centre.go.clear()
    asked = asyncio.create_task(_ask(asker))
    await centre.asked()
    asked.cancel()
    await asyncio.wait({asked})
    assert asker.open == 0
    centre.go.set()
    await until(lambda: asker.counts.unknown == 1)


async def test_where_nothing_leads_is_unroutable(asker: DirectAsker) -> None:
    with pytest.raises(Unroutable):
        await _ask(asker, key="nowhere")


async def test_over_the_own_rate_it_is_refused(asker: DirectAsker, centre: Centre) -> None:
    centre.go.clear()
    asked = [asyncio.create_task(_ask(asker, b"%d" % i)) for i in range(700)]
    await until(lambda: any(one.done() for one in asked))
    centre.go.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Refused, DirectAnswer}


async def test_an_answer_of_another_than_the_centre_is_ignored_and_counted(
    ground: Ground, centre: Centre, make_asker: MakeAsker
) -> None:
    asker = make_asker(ground.url, centre="17-0")
    await asker.start()
    with pytest.raises(NoAnswer):
        await _ask(asker, timeout=1)
    assert asker.counts.wrong_sender == 1


async def test_a_bad_publish_fails_all_under_way_and_the_channel_is_made_again(
    asker: DirectAsker, centre: Centre, witness: Witness
) -> None:
    centre.go.clear()
    asked = asyncio.create_task(_ask(asker))
    await centre.asked()
    with pytest.raises(ConnectionLost):
        await asker.ask("missing", "online", b"x", Properties(), timeout=30)
    with pytest.raises(ConnectionLost):
        await asked
    await witness.sees("publishing lost")
    centre.go.set()
    assert (await _ask(asker, b"again")).body == b"to again"
    assert witness.count("lost", "line") == 0


async def test_a_dead_first_node_is_passed_over(
    ground: Ground, proxy: Proxy, centre: Centre, make_asker: MakeAsker
) -> None:
    async with Proxy(ground.url) as dead:
        url = dead.url
    asker = make_asker(url, proxy.url, centre=_user(ground.url))
    await asker.start()
    assert (await _ask(asker)).body == b"to 1"


async def test_no_node_at_all_is_told(make_asker: MakeAsker) -> None:
    asker = make_asker("amqp://18-0:secret@127.0.0.1:1/crossroads", centre="hub")
    await asker.start()
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:1") as told:
        await asker.wait_connected(0.5)
    assert "secret" not in str(told.value)


async def test_closing_fails_what_is_under_way(asker: DirectAsker, centre: Centre) -> None:
    centre.go.clear()
    asked = asyncio.create_task(_ask(asker))
    await centre.asked()
    await asker.close()
    with pytest.raises(ConnectionLost):
        await asked


async def test_over_cuts_of_the_centre_each_caller_gets_exactly_one_answer(
    ground: Ground, proxy: Proxy, connect: Connect, make_asker: MakeAsker, witness: Witness
) -> None:
    """The centre's both connections are cut eleven times; an answer told twice reaches nobody twice."""
    exchange = await ground.channel.declare_exchange("18-0.out", durable=True)
    queue = await ground.queue("hub.in.18-0.online")
    await queue.bind(exchange, "online")
    centre = Centre()
    transport = await connect(proxy.url, name="centre")
    intake = Intake(transport, centre, user=transport.user or "", on_failure=_failed)
    await intake.add("hub.in.18-0.online", prefetch=50)
    asker = make_asker(ground.url, centre=transport.user or "")
    await asker.start()
    asked = [asyncio.create_task(_ask(asker, b"%d" % i, timeout=60)) for i in range(600)]
    for cut in range(1, 12):
        await until(lambda done=50 * cut: sum(one.done() for one in asked) >= done)  # type: ignore[misc]
        proxy.cut("centre")
        await witness.sees("connected", "consume", times=cut + 1)
    answers = await asyncio.gather(*asked)
    assert [answer.body for answer in answers] == [b"to %d" % i for i in range(600)]
    # What comes again after the last cut comes before what is asked now.
    assert (await _ask(asker, b"last")).body == b"to last"
    assert max(sum(seen.body == request.body for seen in centre.requests) for request in centre.requests) == 1
    await intake.drain()
    await transport.close()
    await ground.depth_is("hub.in.18-0.online", 0)
    assert asker.counts.unknown <= intake.counts.unconfirmed


async def test_the_line_works_on_uvloop(ground: Ground, centre: Centre, make_asker: MakeAsker) -> None:
    async def scenario() -> bytes:
        asker = DirectAsker(AioPikaLine([ground.url], name="uvloop"), centre=_user(ground.url))
        await asker.start()
        try:
            return (await _ask(asker)).body
        finally:
            await asker.close()

    def run() -> bytes:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(scenario())

    assert await asyncio.to_thread(run) == b"to 1"
