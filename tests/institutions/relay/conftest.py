"""Two relays beside the hub: of 17-0 with three members, of 18-0 with two."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from institutions.relay.relay import Relay
from institutions.relay.sectoral_repertory import Member, SectoralRepertory, migrate
from schemas.address import Address
from schemas.integration import REPLACED, Integration
from schemas.period import Period
from schemas.ssin import Ssin
from tests.institutions.world import Database, World


class Sector:
    """A managing institution's database, and its relays."""

    def __init__(self, world: World, managing: str, database_url: str) -> None:
        self.world, self.managing, self.database_url = world, managing, database_url
        self.repertory: SectoralRepertory
        #: The one that runs in the background, where there is one.
        self.running: Relay

    async def open(self) -> None:
        await migrate(self.database_url)
        self.repertory = await SectoralRepertory.connect(self.database_url)
        own = Address.parse(self.managing)
        await self.repertory.load_members(
            Member(i.address, i.name, i.active, i.rate) for i in self.world.network.institutions if i.managed_by == own
        )

    async def knows(
        self,
        ssin: Ssin,
        member: str,
        *,
        quality: int = 1,
        begin: date = date(2000, 1, 1),
        end: date | None = None,
        replaced_by: Ssin | None = None,
    ) -> None:
        """This member has the person."""
        address = Address.parse(member)
        kind = REPLACED if replaced_by is not None else quality
        row = Integration(ssin, address.kind, kind, None, Period(begin, end), replaced_by, address)
        await self.repertory.load([row], secrets.token_hex(8))

    def relay(self, database_url: str | None = None) -> Relay:
        """One more relay process's worth, not started."""
        access = self.world.access(self.managing, database_url or self.database_url)
        return Relay(access, self.world.catalogue)


@asynccontextmanager
async def locked(sector: Sector, table: str) -> AsyncIterator[Any]:
    """Nobody reads or writes this table of the sector's meanwhile. Gives another connection to the same database."""
    locking, other = [await asyncpg.connect(sector.database_url) for _ in range(2)]
    try:
        async with locking.transaction():
            await locking.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield other
    finally:
        await asyncio.gather(locking.close(), other.close())


#: Ends the connections that wait for a lock with such a statement; how many.
END_WAITING = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1
"""


async def standing(world: World, vhost: str, queue: str) -> list[dict[str, Any]]:
    """Properties of what stands in a queue; it stays there."""
    body = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
    path = f"/api/queues/{quote(vhost, safe='')}/{queue}/get"
    found = await asyncio.to_thread(world.broker.management.post, path, body)
    return [message["properties"] for message in found or ()]


@asynccontextmanager
async def sector(world: World, postgresql: Database, managing: str) -> AsyncIterator[Sector]:
    name = f"test_{secrets.token_hex(6)}"
    found = Sector(world, managing, await postgresql.create_database(name))
    await found.open()
    yield found
    await found.repertory.close()
    await postgresql.drop_database(name)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """A relay that is stopped in the end."""
    try:
        await relay.start()
        yield relay
    finally:
        await relay.stop()


@pytest.fixture(scope="module")
async def sector17(world: World, postgresql: Database) -> AsyncIterator[Sector]:
    """PCSW, without a relay yet."""
    async with sector(world, postgresql, "17-0") as found:
        yield found


@pytest.fixture(scope="module")
async def sector18(world: World, postgresql: Database) -> AsyncIterator[Sector]:
    """Payment institutions, without a relay yet."""
    async with sector(world, postgresql, "18-0") as found:
        yield found


@pytest.fixture(scope="module")
async def pcsw(sector17: Sector) -> AsyncIterator[Sector]:
    """PCSW, with a relay."""
    async with running(sector17.relay()) as sector17.running:
        yield sector17


@pytest.fixture(scope="module")
async def funds(sector18: Sector) -> AsyncIterator[Sector]:
    """Payment institutions, with a relay."""
    async with running(sector18.relay()) as sector18.running:
        yield sector18
