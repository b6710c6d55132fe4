"""Acks that nobody waits for."""

import asyncio
from collections import deque

from schemas.wire.transport import Delivery, Transport


class Acks:
    """Acks deliveries in the order they are handed in, with one task for as many as there are."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._pending: deque[Delivery] = deque()
        self._task: asyncio.Task[None] | None = None

    def ack(self, delivery: Delivery) -> None:
        """Ack it soon. One whose generation is gone by then comes again."""
        self._pending.append(delivery)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def flush(self) -> None:
        """Return when all that was handed in is written."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            while self._pending:
                await self._transport.ack(self._pending.popleft())
        finally:
            self._task = None
