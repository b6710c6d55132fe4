"""How far lots are. A lot's tickets follow from its own (docs/lots.md), so how many were decided is found by looking
for them: from the first on, since an asker sends them in their order. Pure.
"""

from collections.abc import Collection
from uuid import UUID

from schemas import lot
from schemas.address import Address
from schemas.ticket import ticket_cbss

#: Consultations that are looked for at once: an asker keeps at most 500 under way.
WINDOW = 1_000


class OpenLot:
    """One lot. `wanted` says which tickets to look for, `found` which of them there are."""

    def __init__(self, number: UUID, customer: Address, count: int) -> None:
        self._number, self._customer, self._count = number, customer, count
        self._next = 1
        self._wanted: set[UUID] = set()
        self._more()

    @property
    def wanted(self) -> Collection[UUID]:
        return self._wanted

    def found(self, tickets: Collection[UUID]) -> bool:
        """Whether there may be more: the window went on."""
        before = self._next
        self._wanted.difference_update(tickets)
        self._more()
        return self._next > before

    @property
    def decided(self) -> int:
        """At least so many."""
        return self._next - 1 - len(self._wanted)

    def _more(self) -> None:
        while len(self._wanted) < WINDOW and self._next <= self._count:
            self._wanted.add(ticket_cbss(self._customer, str(lot.ticket(self._number, self._next))))
            self._next += 1
