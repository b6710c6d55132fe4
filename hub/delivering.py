"""Publishes a mutation to its recipients, each by itself: who cannot take it is behind, and nobody waits for him.

So is who could not be told for a bug of ours: what was committed is owed, and asked for.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from hub.metrics import Metrics
from hub.positions import Given, Passing, Positions
from hub.queries import QUERIES
from hub.repertory.database import RepertoryUnavailableError
from schemas import splice
from schemas.distribution import cuts
from schemas.message import Request
from schemas.process import log
from schemas.wire import names
from schemas.wire.traced import wire
from schemas.wire.transport import NotConnected, Properties, Refused, Transport, Unconfirmed, Unroutable
from schemas.wire.words import NUDGE, OF_A_WORD, Word, to_headers

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

#: Seconds for the confirm of a word; without one twice, while the connection stands, its recipient is behind.
PATIENCE = 10.0
#: Seconds for the confirm of a nudge.
_NUDGED = 3.0
#: Between two tries while the database or the broker is away.
_AGAIN = 0.2


class Delivering:
    """Words to recipients' queues."""

    def __init__(
        self, transport: Transport, positions: Positions, metrics: Metrics, tracer: "Tracer | None" = None
    ) -> None:
        self._transport, self._positions, self._metrics, self._tracer = transport, positions, metrics, tracer

    async def deliver(self, request: Request, passing: Passing, given: Iterable[Given], received: datetime) -> None:
        """Return when every recipient's queue has the word, but for those that are behind. Without the broker, wait for
        it: the mutation is then another hub's, which does the same."""
        now = datetime.now(UTC)
        body = splice.put_information_cbss(request.body, passing.ticket_cbss, received, now)
        await asyncio.gather(*(self._deliver(body, passing, one) for one in given if not one.owed))

    async def owe(self, given: Iterable[Given]) -> None:
        """Whoever of these takes words by its queue is behind: what it has already is a double."""
        await asyncio.gather(*(self._owe(one) for one in given if not one.owed))

    async def _deliver(self, body: bytes, passing: Passing, one: Given) -> None:
        try:
            if await self._told(body, passing, one):
                return
        except Exception as error:  # noqa: BLE001  (a bug costs this recipient's word alone, and that only until it asks)
            self._metrics.failed()
            log.logger().error("failed", recipient=str(one.recipient), **log.told(error))
        await self._owe(one)

    async def _told(self, body: bytes, passing: Passing, one: Given) -> bool:
        if self._tracer is None:
            return await self._published(body, passing, one)
        attributes = {**wire(names.mutations(one.recipient), "send"), "crossroads.recipient": str(one.recipient)}
        with self._tracer.span(f"{passing.service} word", "producer", attributes) as span:
            if not (told := await self._published(body, passing, one)):
                span.fault("behind")
            return told

    async def _published(self, body: bytes, passing: Passing, one: Given) -> bool:
        paths = cuts(one.entitled)
        word, _ = splice.cut(body, paths) if paths else (body, ())
        properties = Properties(
            user_id=names.HUB,
            correlation_id=f"{passing.ticket_cbss}{OF_A_WORD}",
            reply_to=names.DEFINITIVE if passing.flow == "Z" else None,
            type=passing.service,
            headers=to_headers(Word(one.series, one.position, passing.flow, one.entitled)),
        )
        unheard = 0
        while unheard < 2:
            try:
                await self._transport.publish(
                    names.INSTITUTIONS, names.mutations(one.recipient), word, properties, timeout=PATIENCE
                )
                return True
            except (Refused, Unroutable):
                return False
            except Unconfirmed:
                if self._transport.connected:
                    unheard += 1
                else:
                    await self._connected()
        return False

    async def _connected(self) -> None:
        try:
            await self._transport.wait_connected(PATIENCE)
        except NotConnected:
            await asyncio.sleep(_AGAIN)

    async def _owe(self, one: Given) -> None:
        self._metrics.untold(str(one.recipient))
        log.logger().warning("behind", recipient=str(one.recipient), position=one.position)
        while True:
            try:
                await self._positions.owe(one.recipient, one.position)
                return
            except RepertoryUnavailableError:
                await asyncio.sleep(_AGAIN)


async def nudge(connection: "asyncpg.Connection[asyncpg.Record]", transport: Transport) -> None:
    """Tell everybody who is behind that there is something to catch up with. Whose queue is full knows it anyway."""

    async def one(record: "asyncpg.Record") -> None:
        properties = Properties(
            user_id=names.HUB, type=NUDGE, headers=to_headers(Word(record["series"], record["last"], ""))
        )
        try:
            await transport.publish(
                names.INSTITUTIONS, names.mutations(record["address"]), b"", properties, timeout=_NUDGED
            )
        except (Refused, Unroutable, Unconfirmed):
            log.logger().info("behind", recipient=record["address"], last=record["last"], owed=record["owed_from"])

    # All at once: this is within a transaction, and one that does not confirm must not keep it open for all others.
    await asyncio.gather(*map(one, await connection.fetch(QUERIES["recipients_behind"])))
