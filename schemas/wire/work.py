"""A request in hand: its deliveries, whom to tell, and the memory of who was told."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from schemas.wire.transport import Delivery

#: How long an answer is remembered, seconds: longer than the broker needs to notice a dead connection, after which it
#: delivers again what we answered but whose ack was lost on the way.
REMEMBERED = 120.0
REMEMBERED_MOST = 50_000

#: Where an answer goes and by what its asker knows it.
Asker = tuple[str | None, str | None]


def asker_of(delivery: Delivery) -> Asker:
    return delivery.properties.reply_to, delivery.properties.correlation_id


@dataclass(slots=True, eq=False)
class Work:
    """One request being handled, whatever the number of times it was delivered."""

    identity: Hashable
    #: What is handled; the others say the same.
    first: Delivery
    #: Those that stand, so that they can be acked: neither acked yet nor lost with their channel.
    deliveries: list[Delivery] = field(default_factory=list)
    #: Everybody who asked, though their delivery be lost.
    askers: set[Asker] = field(default_factory=set)
    told: set[Asker] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None
    #: Runs out when no delivery stands any more.
    orphan_timer: asyncio.TimerHandle | None = None
    #: Set when a delivery joins; there only while that is waited for.
    joined: "asyncio.Future[None] | None" = None
    #: An answer is on its way to the broker.
    telling: bool = False

    def join(self, delivery: Delivery) -> None:
        """Take over one more delivery of this request."""
        self.deliveries.append(delivery)
        self.askers.add(asker_of(delivery))
        self.keep()
        if self.joined is not None and not self.joined.done():
            self.joined.set_result(None)

    def leave(self, generation: int) -> bool:
        """Forget the deliveries of a lost generation. Whether that made it an orphan."""
        if not any(delivery.generation == generation for delivery in self.deliveries):
            return False
        self.deliveries = [delivery for delivery in self.deliveries if delivery.generation != generation]
        return not self.deliveries

    def keep(self) -> None:
        """It is no orphan."""
        if self.orphan_timer is not None:
            self.orphan_timer.cancel()
            self.orphan_timer = None

    async def wait_joined(self) -> None:
        """Wait for a delivery to join."""
        self.joined = asyncio.get_running_loop().create_future()
        try:
            await self.joined
        finally:
            self.joined = None


class Memory:
    """Which askers of which requests were answered lately."""

    def __init__(self, seconds: float = REMEMBERED, most: int = REMEMBERED_MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[tuple[Any, ...], float] = OrderedDict()

    def add(self, identity: Hashable, asker: Asker, now: float) -> None:
        key = (identity, *asker)
        self._until[key] = now + self._seconds
        self._until.move_to_end(key)
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now and len(self._until) <= self._most:
                break
            del self._until[oldest]

    def holds(self, identity: Hashable, asker: Asker, now: float) -> bool:
        return self._until.get((identity, *asker), 0.0) > now
