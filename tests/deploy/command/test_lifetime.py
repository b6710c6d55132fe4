"""A network that is stopped while it starts leaves nothing: no process, no file. (`conftest.py` ends running ones.)"""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from typing import ClassVar

import pytest

from deploy.children import Child, ChildError
from deploy.command.up import _until
from tests.deploy.command.network import Place, until

SMALL = ("--size", "200")


@pytest.fixture
def place() -> Iterator[Place]:
    with Place() as found:
        yield found


def end(place: Place, running: subprocess.Popen[bytes], number: signal.Signals) -> int:
    running.send_signal(number)
    return running.wait(60)


@pytest.mark.parametrize(
    ("so_far", "number"),
    [
        ("starting RabbitMQ", signal.SIGTERM),
        ("loading the repertory", signal.SIGINT),
        ("starting the hub", signal.SIGTERM),
    ],
    ids=["servers boot", "databases are filled", "processes start"],
)
def test_a_stop_while_it_starts_leaves_nothing(place, so_far, number):
    running = place.start("up", *SMALL)
    until(lambda: so_far in place.said("up", "err") or running.poll() is not None)
    assert end(place, running, number) == 0, place.said("up", "err")
    assert place.left() == []
    assert "ready" not in place.said("up")
    assert "Traceback" not in place.said("up", "err")


async def test_a_process_that_cannot_start_is_told_with_the_end_of_its_log(tmp_path):
    child = Child("hub-1", ("hub",), {}, tmp_path)
    child.launch()
    try:
        with pytest.raises(ChildError, match=r"(?s)hub-1 ended while it started.*CROSSROADS_AMQP_URL: Field required"):
            await child.wait_ready()
        assert not child.running
    finally:
        child.kill()


async def test_a_process_of_the_network_that_ends_by_itself_ends_the_network_and_says_why(tmp_path):
    child = Child("relays", ("institutions",), {}, tmp_path)
    child.launch()
    await asyncio.to_thread(until, lambda: not child.running)

    class Stack:
        children: ClassVar = {"relays": child}

    with pytest.raises(ChildError, match=r"(?s)relays ended by itself.*which institutions shall this process be"):
        await _until(asyncio.Event(), Stack())
    child.kill()
