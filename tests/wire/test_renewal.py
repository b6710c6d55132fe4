"""A publishing channel that is refused everything is replaced, and not before."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from schemas.wire.client import publisher
from schemas.wire.client.publisher import Publisher
from schemas.wire.transport import Properties


class _Channel:
    is_closed = False

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class _Connection:
    def __init__(self) -> None:
        self.made: list[_Channel] = []

    async def channel(self, _: Callable[[str], None], *, confirms: bool) -> _Channel:
        assert confirms
        self.made.append(_Channel())
        return self.made[-1]


class _Publisher(Publisher[Any]):
    """`taken`: what the broker says to a key."""

    def __init__(self) -> None:
        super().__init__(None, observe=lambda _: None)
        self.taken: set[str] = set()

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, mandatory: bool, timeout: float
    ) -> None:
        if key in self.taken:
            self._taken(exchange, key)
        else:
            self._refused(self._channel, exchange, key)

    async def publishes(self, *keys: str) -> None:
        for key in keys:
            await self.publish("x", key, b"", Properties(), mandatory=True, timeout=1)
        await asyncio.sleep(0.02)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> _Connection:
    monkeypatch.setattr(publisher, "RENEW_AFTER", 0.05)
    monkeypatch.setattr(publisher, "RETIRED", 0.05)
    return _Connection()


async def test_a_queue_that_refuses_all_gets_another_channel_though_others_take(connection: _Connection) -> None:
    tried = _Publisher()
    await tried.open(connection)  # type: ignore[arg-type]
    tried.taken = {"b"}
    await tried.publishes("a", "b")
    assert len(connection.made) == 1
    await asyncio.sleep(0.05)
    await tried.publishes("b", "a")
    assert len(connection.made) == 2
    assert not connection.made[0].closed
    await asyncio.sleep(0.1)
    assert [channel.closed for channel in connection.made] == [True, False]


async def test_a_queue_that_takes_one_now_and_then_is_full(connection: _Connection) -> None:
    tried = _Publisher()
    await tried.open(connection)  # type: ignore[arg-type]
    for _ in range(5):
        tried.taken = set()
        await tried.publishes("a")
        tried.taken = {"a"}
        await tried.publishes("a")
    assert len(connection.made) == 1
