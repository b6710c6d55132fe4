"""Consuming, asking and answering on uvloop, which the hub runs on."""

import asyncio
import time

import uvloop

from schemas.wire import names
from schemas.wire.asking import Asking, Late, Reply, Silent
from schemas.wire.intake import Answer, Intake, Outcome
from schemas.wire.transport import Delivery, Properties
from tests.wire.conftest import Make
from tests.wire.ground import PATIENCE, Ground, Witness, until
from tests.wire.proxy import Proxy


async def _relay(make: Make, url: str, witness: Witness) -> Reply | Late | Silent:
    """Ask a supplier that is ourselves, with a cut of all connections in the middle."""
    async with Proxy(url) as proxy:
        transport = make([proxy.url], name="uvloop", observe=witness)
        await transport.start()
        await transport.wait_connected(PATIENCE)
        go = asyncio.Event()
        handled: list[bytes] = []

        async def handle(delivery: Delivery) -> Outcome:
            handled.append(delivery.body)
            await go.wait()
            return Answer(b"<reply/>")

        def failed(delivery: Delivery, error: Exception) -> Outcome:
            return None

        user = transport.user or ""
        intake = Intake(transport, handle, user=user, on_failure=failed, reply_exchange=names.REPLIES)
        await intake.add("q")
        asking = Asking(transport, "hub.reply.uvloop")
        await asking.start()
        asked = asyncio.create_task(
            asking.ask(
                "", "q", b"<q/>", Properties(correlation_id="t/1"), deadline=time.monotonic() + 20, supplier=user
            )
        )
        await until(lambda: handled)
        proxy.cut()
        await until(lambda: intake.counts.joined == 1)
        go.set()
        reply = await asked
        await intake.drain()
        await asking.close()
        await transport.close()
        assert handled == [b"<q/>"]
        return reply


async def test_the_wire_works_on_uvloop_over_a_cut(ground: Ground, make: Make, witness: Witness) -> None:
    await ground.queue("q")
    await ground.channel.declare_exchange(names.REPLIES, durable=True)

    def run() -> Reply | Late | Silent:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_relay(make, ground.url, witness))

    reply = await asyncio.to_thread(run)
    assert isinstance(reply, Reply)
    assert reply.body == b"<reply/>"
    assert witness.count("lost") == 2
