"""The double as a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

from institutions import Institution
from institutions.double import HubDouble
from schemas.catalogue import Catalogue
from schemas.ssin import Ssin
from tests.institutions.conformance import network
from tests.institutions.conformance.network import CONTEXT, CUSTOMER, SECOND, SERVICES, STRANGER, SUPPLIER


class Double:
    """A `Network`."""

    def __init__(self, hub: HubDouble) -> None:
        self.hub = hub

    def institution(self, address: str, **options: Any) -> Institution:
        return self.hub.institution(address, **options)

    async def integrate(
        self,
        ssin: Ssin,
        kind: str,
        *,
        quality: int = 1,
        begin: date = date(2000, 1, 1),
        end: date | None = None,
        replaced_by: Ssin | None = None,
    ) -> None:
        self.hub.integrate(ssin, kind, quality=quality, begin=begin, end=end, replaced_by=replaced_by)

    async def tell(self, address: str, ssin: Ssin, said: str, *, word_id: UUID | None = None) -> UUID:
        criteria = {"criteria/said": said, "criteria/on": date(2026, 1, 31)}
        return self.hub.tell(address, "Notice/1", ssin, criteria, word_id=word_id)

    async def cut(self, address: str) -> None:
        self.hub.lose_connections(address)


@asynccontextmanager
async def opened() -> AsyncIterator[Double]:
    """A double that was told the rules."""
    async with HubDouble(catalogue=Catalogue([SERVICES])) as hub:
        hub.authorise(CUSTOMER, "Permit/1", CONTEXT, suppliers=[SUPPLIER])
        hub.authorise(CUSTOMER, "Permits/1", CONTEXT, suppliers=[SUPPLIER, SECOND])
        hub.integrate(network.person(), STRANGER)
        yield Double(hub)
