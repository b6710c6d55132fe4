"""Tells institutions what they did not ask for: what stands in `outbox` goes to their queues, in order, at least once.

A word is in the table with what made it so, in one transaction; it is told until the broker confirms it. One hub tells
at a time: who holds the lock. docs/numbers.md, "Telling".
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

import asyncpg

from hub.delivering import nudge
from hub.metrics import Metrics
from hub.queries import QUERIES
from hub.repertory.database import FAILURES, connect
from hub.settings import CONFIRM_TIMEOUT
from schemas.process import log
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, Unconfirmed, Unroutable

#: Between two looks, seconds. One statement each where nobody waits.
PAUSE = 2.0
#: Until an institution whose queue is not there, or full, is tried again, seconds.
AGAIN = 60.0
#: Between two nudges of who is behind (docs/distribution.md), seconds.
NUDGE = 60.0
#: Words of one round.
MOST = 200


class Outbox:
    """`run` until cancelled."""

    def __init__(self, database_url: str, transport: Transport, metrics: Metrics, name: str) -> None:
        self._url, self._transport, self._metrics, self._name = database_url, transport, metrics, name
        #: Institutions that could not be told, and when they are tried again.
        self._later: dict[str, float] = {}
        #: When those who are behind are nudged next.
        self._nudge = monotonic() + NUDGE

    async def run(self) -> None:
        """Tell, round after round; without the database or the broker, wait for it."""
        while True:
            try:
                connection = await connect(self._url, f"{self._name} tells")
                try:
                    while True:
                        if await self._round(connection) < MOST:
                            await asyncio.sleep(PAUSE)
                        if monotonic() >= self._nudge:
                            await self._nudges(connection)
                finally:
                    connection.terminate()
            except FAILURES as error:
                log.logger().warning("outbox waits", **log.told(error))
                await asyncio.sleep(PAUSE)

    async def _nudges(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._nudge = monotonic() + NUDGE
        async with connection.transaction():
            if await connection.fetchval(QUERIES["nudge_lock"]):
                await nudge(connection, self._transport)

    async def _round(self, connection: "asyncpg.Connection[asyncpg.Record]") -> int:
        """How many were told."""
        now = monotonic()
        self._later = {who: when for who, when in self._later.items() if when > now}
        if not await connection.fetchval(QUERIES["outbox_waits"], list(self._later)):
            return 0
        async with connection.transaction():
            if not await connection.fetchval(QUERIES["outbox_lock"]):
                return 0
            words: Mapping[str, list[Any]] = _by_recipient(
                await connection.fetch(QUERIES["outbox_untold"], MOST, list(self._later))
            )
            told = await asyncio.gather(*(self._tell(who, each) for who, each in words.items()))
            numbers = [number for each in told for number in each]
            if numbers:
                await connection.execute(QUERIES["outbox_told"], numbers)
        return len(numbers)

    async def _tell(self, recipient: str, words: Sequence[Any]) -> list[int]:
        """Tell one institution in order, up to the first that cannot be told."""
        told: list[int] = []
        for word in words:
            ticket = str(word["ticket_cbss"])
            properties = Properties(user_id=names.HUB, correlation_id=ticket, type=word["service"])
            try:
                await self._transport.publish(
                    names.INSTITUTIONS, names.mutations(recipient), word["body"], properties, timeout=CONFIRM_TIMEOUT
                )
            except (Unroutable, Refused, Unconfirmed) as error:
                self._metrics.untold(recipient)
                log.logger().warning("not told", recipient=recipient, ticket=ticket, why=type(error).__name__)
                if not isinstance(error, Unconfirmed):
                    self._later[recipient] = monotonic() + AGAIN
                break
            told.append(word["number"])
            log.logger().info("told", recipient=recipient, ticket=ticket, service=word["service"])
        return told


def _by_recipient(records: Iterable[Any]) -> Mapping[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for record in records:
        found[record["recipient"]].append(record)
    return found
