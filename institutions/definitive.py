"""Definitive answers to what was asked on line, and whoever waits for them."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from institutions.answer import Answer, read_answer
from institutions.later import LaterAnswer
from institutions.report import Report, Reporter

#: Tickets whose answer was had: one that is told again is dropped.
REMEMBERED = 10_000
#: Answers that nobody asked for yet, in hand: fewer than `later.PREFETCH`, so that reading goes on.
WAITING = 400


@dataclass(slots=True, eq=False)
class _Claim:
    answer: LaterAnswer | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when the delivery that is in hand is done with.
    released: asyncio.Event = field(default_factory=asyncio.Event)
    #: Callers that wait for it.
    callers: int = 0


class Definitive:
    """One answer a ticket: to `handler`, where there is one, else to who waits for it. What nobody waits for yet is
    held, `WAITING` of them at a time: of more the oldest is dropped, and reported. Asked again it is told again."""

    def __init__(self, address: str, report: Reporter) -> None:
        self._address, self._report = address, report
        self.handler: Callable[[Answer], Awaitable[None]] | None = None
        self._claims: dict[UUID, _Claim] = {}
        self._had: OrderedDict[UUID, None] = OrderedDict()

    async def take(self, answer: LaterAnswer) -> None:
        """A `Handler` of `Later`: returns when somebody has it, or it came again, or is dropped."""
        ticket = answer.ticket_cbss
        if answer.type == "intermediate" or ticket in self._had:
            return
        claim = self._claims.get(ticket)
        if claim is None and self.handler is not None:
            await self.handler(_read(answer))
            self._remember(ticket)
            return
        claim = self._claims.setdefault(ticket, _Claim())
        claim.released.set()  # of two alike one in hand is enough
        claim.answer, claim.released = answer, (released := asyncio.Event())
        claim.came.set()
        self._make_room()
        await released.wait()

    async def wait(self, ticket_cbss: UUID) -> Answer:
        """The answer, once. A cancelled caller leaves it for the next."""
        claim = self._claims.setdefault(ticket_cbss, _Claim())
        claim.callers += 1
        try:
            await claim.came.wait()
        finally:
            claim.callers -= 1
            if claim.answer is None and not claim.callers:
                self._claims.pop(ticket_cbss, None)
        if claim.answer is None:
            raise TypeError("an answer that came without coming")
        self._remember(ticket_cbss)
        self._claims.pop(ticket_cbss, None)
        claim.released.set()
        return _read(claim.answer)

    def _make_room(self) -> None:
        unclaimed = [one for one, claim in self._claims.items() if claim.answer is not None and not claim.callers]
        for ticket in unclaimed[: max(0, len(unclaimed) - WAITING)]:
            self._claims.pop(ticket).released.set()
            self._report(Report("unclaimed", self._address, "answers", ticket))

    def _remember(self, ticket: UUID) -> None:
        self._had[ticket] = None
        if len(self._had) > REMEMBERED:
            self._had.popitem(last=False)


def _read(answer: LaterAnswer) -> Answer:
    return read_answer(answer.body, answer.properties, 0.0)
