"""All that is looked at, at once: what each part told, or why it did not. Nothing is changed.

The looks themselves are in `broker`, `database` and `processes`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from deploy import provision
from deploy.doctor.broker import Broker, Queue, Standing, look_at_broker, look_at_queues, look_at_standing, standing
from deploy.doctor.database import Database, Kept, look_at_database, look_at_rows
from deploy.doctor.finding import NotSeen
from deploy.doctor.place import Place
from deploy.doctor.processes import Process, look_at_processes
from deploy.servers.management import Management, ManagementError
from hub.repertory import store
from hub.repertory.database import FAILURES, RepertoryUnavailableError
from hub.repertory.rules import Rules
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register import Sender
from institutions.nsso.submission import OfficeUnavailable
from institutions.relay.sectoral_repertory import FAILURES as SECTORAL_FAILURES
from institutions.relay.sectoral_repertory import Member, RepertoryUnavailable, SectoralRepertory
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.period import today

_T = TypeVar("_T")

#: A source that takes longer is not seen, seconds.
PATIENCE = 10.0


@dataclass(frozen=True)
class Facts:
    """A network, as far as it could be seen. What was not seen raises Blind where a check asks for it (`see`)."""

    catalogue: Catalogue
    today: date
    broker: Broker | NotSeen
    #: Users, vhosts, permissions, exchanges, queues, bindings; an administrator alone is told them.
    standing: Standing | NotSeen
    queues: tuple[Queue, ...] | NotSeen
    database: Database | NotSeen
    rows: Kept | NotSeen
    rules: Rules | NotSeen
    senders: tuple[Sender, ...] | NotSeen
    #: By the address of the managing institution.
    members: Mapping[str, tuple[Member, ...] | NotSeen]
    processes: tuple[Process, ...] | NotSeen
    journal_keys: str | None
    primary: str
    prefix: str

    @cached_property
    def network(self) -> provision.Network:
        """Who is to be connected. Raises Blind. Without 12-0's database it is without senders."""
        senders = () if isinstance(self.senders, NotSeen) else self.senders
        services = self.catalogue.services.values()
        return provision.network_of(
            see(self.rules), services, primary=self.primary, prefix=self.prefix, senders=senders
        )

    @cached_property
    def wanted(self) -> Standing:
        """What has to stand on the broker. Raises Blind."""
        users = provision.users(self.network)
        return standing(provision.definitions(self.network, dict.fromkeys(users, "")))


def see(what: _T | NotSeen) -> _T:
    """What was seen. Raises Blind with the reason where it was not."""
    if isinstance(what, NotSeen):
        what.blind()
    return what


async def look(place: Place) -> Facts:
    """Ask every part at once. Raises nothing for what does not answer."""
    url, management = place.database_url, place.management_url
    async with asyncio.TaskGroup() as group:
        begin = group.create_task
        broker = begin(_of_broker(management, look_at_broker))
        standing_there = begin(_of_broker(management, look_at_standing))
        queues = begin(_of_broker(management, look_at_queues))
        database = begin(_of_database(url, look_at_database))
        rows = begin(_of_database(url, look_at_rows))
        rules = begin(_of_database(url, store.read))
        senders = begin(_senders(place.nsso_url))
        processes = begin(_processes(place.processes))
        members = {address: begin(_members(url)) for address, url in place.sectoral_urls.items()}
    return Facts(
        catalogue=place.catalogue,
        today=today(),
        broker=broker.result(),
        standing=standing_there.result(),
        queues=queues.result(),
        database=database.result(),
        rows=rows.result(),
        rules=rules.result(),
        senders=senders.result(),
        members={address: task.result() for address, task in members.items()},
        processes=processes.result(),
        journal_keys=place.journal_keys,
        primary=place.primary,
        prefix=place.prefix,
    )


async def _of_broker(url: str | None, work: Callable[[Management], _T]) -> _T | NotSeen:
    if url is None:
        return NotSeen("the broker's management API is not known: set CROSSROADS_RABBITMQ_ADMIN_URL")
    try:
        return await asyncio.to_thread(work, Management(url, timeout=PATIENCE))
    except ManagementError as error:
        if error.status in (401, 403):
            return NotSeen(f"the broker's management API tells this user nothing of it (status {error.status})", True)
        return NotSeen(str(error) if not error.status else f"the management API says {error.status}", True)


async def _of_database(url: str | None, work: Callable[[str], Coroutine[Any, Any, _T]]) -> _T | NotSeen:
    if url is None:
        return NotSeen("the hub's database is not known: set CROSSROADS_DATABASE_URL")
    try:
        async with asyncio.timeout(PATIENCE):
            return await work(url)
    except (RepertoryUnavailableError, *FAILURES) as error:  # in our words: the database's may quote a row
        cause = error.__cause__ or error
        return NotSeen(f"the hub's database does not tell it ({type(cause).__name__})", True)


async def _senders(url: str | None) -> tuple[Sender, ...] | NotSeen:
    if url is None:
        return NotSeen("12-0's database is not known: set CROSSROADS_NSSO_URL")
    try:
        async with asyncio.timeout(PATIENCE):
            office = await PostgresOffice.connect(url)
            try:
                return tuple(await office.senders())
            finally:
                await office.close()
    except (OfficeUnavailable, *FAILURES) as error:
        return NotSeen(f"12-0's database does not answer ({type(error).__name__})", True)


async def _members(url: str) -> tuple[Member, ...] | NotSeen:
    try:
        async with asyncio.timeout(PATIENCE):
            repertory = await SectoralRepertory.connect(url)
            try:
                found: Mapping[Address, Member] = await repertory.members()
                return tuple(found.values())
            finally:
                await repertory.close()
    except (RepertoryUnavailable, *SECTORAL_FAILURES) as error:
        return NotSeen(f"the sectoral repertory does not answer ({type(error).__name__})", True)


async def _processes(places: Mapping[str, str]) -> tuple[Process, ...] | NotSeen:
    if not places:
        return NotSeen("no process is known: set CROSSROADS_METRICS to their URLs")
    return await asyncio.to_thread(look_at_processes, places)
