"""Answers that come later, down a relay's arm: what the hub puts into `<own>.answers` goes to the member it is for."""

import asyncio
from collections.abc import Callable
from time import monotonic

from institutions.later import LaterAnswer
from institutions.metrics import Metrics
from schemas.address import Address
from schemas.process.log import logger
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, Unconfirmed, Unroutable

#: Between a member's address and its own correlation_id, in what the relay asks the hub with.
MARK = "|"
#: Seconds that a member's full queue is tried; then its answers are parked at once for so long.
PATIENCE, REMEMBERED = 15.0, 60.0
_TIMEOUT = 5.0
_BACKOFF = (0.1, 1.0)


class Answers:
    """A `Handler` of the relay's own `Later`. It keeps nothing.

    is_member: whether an address is of this network.
    """

    def __init__(
        self, address: Address, members: Transport, is_member: Callable[[Address], bool], metrics: Metrics
    ) -> None:
        self._who, self._members, self._is_member, self._metrics = str(address), members, is_member, metrics
        #: Members whose queue was full, and until when that is believed.
        self._full: dict[Address, float] = {}

    async def take(self, answer: LaterAnswer) -> None:
        """Return when the member has it in its queue, or it is parked."""
        if not self._is_member(answer.customer):
            self._metrics.dropped(self._who, "answer_of_nobody")
            logger().warning("answer dropped", relay=self._who, ticket=str(answer.ticket_cbss), why="no member of ours")
            return
        queue, given = names.answers(answer.customer), answer.properties
        properties = Properties(
            user_id=self._who,
            correlation_id=answer.correlation.removeprefix(f"{answer.customer}{MARK}"),
            type=answer.type,
            headers={name: given.headers[name] for name in _PASSED_ON if name in given.headers},
        )
        if not await self._told(answer, queue, properties):
            await self._park(answer, queue, properties)

    async def _told(self, answer: LaterAnswer, queue: str, properties: Properties) -> bool:
        believed = self._full.get(answer.customer, 0.0) > monotonic()
        deadline, (pause, most) = monotonic() + (0.0 if believed else PATIENCE), _BACKOFF
        while True:
            try:
                await self._members.publish("", queue, answer.body, properties, timeout=_TIMEOUT)
            except Unroutable:
                return False
            except (Refused, Unconfirmed) as error:
                if isinstance(error, Refused) and monotonic() >= deadline:
                    self._full[answer.customer] = monotonic() + REMEMBERED
                    return False
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)
            else:
                self._full.pop(answer.customer, None)
                return True

    async def _park(self, answer: LaterAnswer, queue: str, properties: Properties) -> None:
        """Into this network's `hub.dead`: others' answers must not wait behind it. Asked again it is told again."""
        logger().error("answer parked", relay=self._who, ticket=str(answer.ticket_cbss), member=str(answer.customer))
        headers = {**properties.headers, "reason": "its queue for answers takes no more", "queue": queue}
        parked = Properties(
            user_id=self._who, correlation_id=properties.correlation_id, type=properties.type, headers=headers
        )
        await self._members.publish(names.DLX, queue, answer.body, parked, timeout=_TIMEOUT)


#: Headers that are the member's too.
_PASSED_ON = ("ticketCBSS", "customer", "recipient", "filtered")
