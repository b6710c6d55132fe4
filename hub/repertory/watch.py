"""The rules as they are now, in a process that runs on while they change."""

from collections.abc import Callable

import asyncpg

from hub.queries import QUERIES
from hub.repertory.rules import Rules
from hub.repertory.store import CHANNEL, rules_of
from hub.watching import Watch

#: The database is asked this often, seconds, should its word have been lost.
POLL = 2.0


class RulesWatch(Watch):
    """Keeps `rules` up to date: the database tells of a change (LISTEN), and is asked every two seconds besides.

    While it is not `healthy`, a right may have been withdrawn that `rules` still holds.
    """

    def __init__(
        self,
        database_url: str,
        *,
        on_change: Callable[[Rules], None] | None = None,
        on_health: Callable[[bool], None] | None = None,
        poll: float = POLL,
    ) -> None:
        """`on_change` is called with each new set of rules, and not for the first; `on_health` at each change of
        `healthy`."""
        super().__init__(database_url, "hub rules", CHANNEL, on_health)
        self._poll = poll
        self._on_change = [on_change] if on_change is not None else []
        self._rules = Rules()

    @property
    def rules(self) -> Rules:
        """The newest rules that were read; take them once per request, and keep them to its end."""
        return self._rules

    def on_change(self, callback: Callable[[Rules], None]) -> None:
        """Call this too with each new set of rules."""
        self._on_change.append(callback)

    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]", *, first: bool) -> float:
        number = await connection.fetchval(QUERIES["rules_number"])
        if number != self._rules.number or first:
            self._rules = await rules_of(connection)
            if not first:
                for callback in self._on_change:
                    callback(self._rules)
        return self._poll
