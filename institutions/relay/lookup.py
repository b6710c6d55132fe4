"""Looking into the sectoral repertory on a message's way: again while it does not answer, until the deadline."""

import asyncio
from collections.abc import Mapping
from time import monotonic

from institutions.relay.sectoral_repertory import Member, RepertoryUnavailable, SectoralRepertory
from schemas.address import Address
from schemas.integration import Integration
from schemas.ssin import Ssin

#: Seconds before it is asked again.
_PAUSE = 0.2


class Lookup:
    """The rows of a person, and the members as they were last read."""

    def __init__(self, repertory: SectoralRepertory) -> None:
        self.repertory = repertory
        self.members: Mapping[Address, Member] = {}

    async def refresh(self) -> None:
        """Read the members again. Raises RepertoryUnavailable."""
        self.members = await self.repertory.members()

    async def rows(self, ssin: Ssin, deadline: float) -> tuple[Integration, ...]:
        """All rows of this person. RepertoryUnavailable after `deadline` (`time.monotonic`)."""
        while True:
            try:
                return await self.repertory.rows(ssin)
            except RepertoryUnavailable:
                if monotonic() + _PAUSE >= deadline:
                    raise
                await asyncio.sleep(_PAUSE)
