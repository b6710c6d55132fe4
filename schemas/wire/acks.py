"""Acks that nobody waits for."""

import asyncio
from collections import deque

from schemas.wire.transport import Delivery, Transport


class Acks:
    """Settles deliveries in the order they are handed in, with one task for as many as there are."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        #: Each, and whether it goes back into its queue.
        self._pending: deque[tuple[Delivery, bool]] = deque()
        self._task: asyncio.Task[None] | None = None

    def ack(self, delivery: Delivery) -> None:
        """Ack it soon. One whose generation is gone by then comes again."""
        self._settle(delivery, back=False)

    def give_back(self, delivery: Delivery) -> None:
        """Put it back into its queue soon."""
        self._settle(delivery, back=True)

    async def flush(self) -> None:
        """Return when all that was handed in is written."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _settle(self, delivery: Delivery, *, back: bool) -> None:
        self._pending.append((delivery, back))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._pending:
                delivery, back = self._pending.popleft()
                await (self._transport.give_back(delivery) if back else self._transport.ack(delivery))
        finally:
            self._task = None
