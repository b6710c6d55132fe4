"""Definitive answers to what was asked on line, and whoever waits for them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from institutions.answer import Answer, read_answer
from institutions.later import LaterAnswer

#: Tickets whose answer was had: one that is told again is dropped.
REMEMBERED = 10_000


@dataclass(slots=True, eq=False)
class _Claim:
    answer: LaterAnswer | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class Definitive:
    """One answer a ticket: to `handler`, where there is one, else to who waits for it; until then it is held."""

    def __init__(self) -> None:
        self.handler: Callable[[Answer], Awaitable[None]] | None = None
        self._claims: dict[UUID, _Claim] = {}
        self._had: OrderedDict[UUID, None] = OrderedDict()

    async def take(self, answer: LaterAnswer) -> None:
        """A `Handler` of `Later`: returns when somebody has it."""
        if answer.type == "intermediate" or answer.ticket_cbss in self._had:
            return
        claim = self._claims.get(answer.ticket_cbss)
        if claim is None and self.handler is not None:
            await self.handler(_read(answer))
        else:
            claim = self._claims.setdefault(answer.ticket_cbss, _Claim())
            claim.answer = answer
            claim.came.set()
            await claim.taken.wait()
        self._had[answer.ticket_cbss] = None
        if len(self._had) > REMEMBERED:
            self._had.popitem(last=False)

    async def wait(self, ticket_cbss: UUID) -> Answer:
        """The answer, once. A cancelled caller leaves it for the next."""
        claim = self._claims.setdefault(ticket_cbss, _Claim())
        await claim.came.wait()
        claim.taken.set()
        self._claims.pop(ticket_cbss, None)
        if claim.answer is None:
            raise TypeError("an answer that came without coming")
        return _read(claim.answer)


def _read(answer: LaterAnswer) -> Answer:
    return read_answer(answer.body, answer.properties, 0.0)
