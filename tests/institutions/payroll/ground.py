"""Senders and 12-0 around it on the real broker and database: nothing else of the network is needed."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from urllib.parse import quote

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage

from deploy import provision
from hub.repertory.rules import Institution
from institutions.nsso import office as offices
from institutions.nsso.nsso import Nsso
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register import Employer, Mandate, Register, Sender
from institutions.payroll import Sender as Payroll
from institutions.reference.network import NSSO
from schemas.catalogue import Catalogue
from schemas.declarations.signature import fingerprint
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.period import Period
from schemas.wire import names
from schemas.wire.transport import Event
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.certificates import signer
from tests.institutions.world import Broker, Database
from tests.passwords import passwords_of

SINCE = Period(date(2000, 1, 1), None)
#: A sender with two employers, another with one, and one that is inactive.
A, B, INACTIVE = "500001", "500002", "500003"
#: One with a small rate, and A's employers.
SLOW = "500004"
SIGNER = signer()
SENDERS = (
    Sender(A, "A", "NL", rate=2_000, certificates=frozenset({fingerprint(SIGNER.certificate)})),
    Sender(B, "B", "FR", rate=2_000),
    Sender(INACTIVE, "gone", active=False),
    Sender(SLOW, "slow", rate=20),
)
NUMBERS = [NssoNumber.of(1_910_000 + n) for n in range(3)]
#: Employers' NSSO numbers: A's, A's second one, B's.
OWN, SECOND, OTHERS = (number.digits for number in NUMBERS)
REGISTER = Register(
    SENDERS,
    tuple(Employer(n, EnterpriseNumber.of(18_100_000 + i), SINCE) for i, n in enumerate(NUMBERS)),
    tuple(Mandate(sender, n, SINCE) for sender, n in zip((A, A, B), NUMBERS, strict=True))
    + tuple(Mandate(SLOW, n, SINCE) for n in NUMBERS[:2]),
)


class Ground:
    """`nsso` is the 12-0 that runs; a test that kills it starts another."""

    def __init__(self, broker: Broker, database_url: str) -> None:
        self.broker, self.database_url = broker, database_url
        prefix = f"test_{secrets.token_hex(6)}"
        institutions = (Institution(NSSO, "1912000058", "12-0"),)
        self.network = provision.Network(institutions, (), f"{prefix}_primary", f"{prefix}_", senders=SENDERS)
        self.passwords = passwords_of(provision.users(self.network))
        self.vhost = self.network.secondary(NSSO)
        self.nsso: Nsso
        self._running: list[Nsso] = []
        #: What happened to 12-0's connections.
        self.events: list[Event] = []

    async def open(self) -> None:
        await offices.migrate(self.database_url)
        office = await PostgresOffice.connect(self.database_url)
        await office.load(REGISTER, "test")
        await office.close()
        document = provision.definitions(self.network, self.passwords)
        await asyncio.to_thread(provision.apply, self.broker.management, document)
        await self.start()

    async def start(self, database_url: str = "", day: date | None = None) -> Nsso:
        """Another 12-0, with this business day."""
        nsso = Nsso(
            NSSO, (self.url("12-0", self.network.primary),), (self.url("12-0"),), database_url or self.database_url,
            catalogue=Catalogue(()), patient=True, observe=self.events.append, today=day,
        )  # fmt: skip
        await nsso.__aenter__()
        self._running.append(nsso)
        await nsso.supplying()
        self.nsso = nsso
        return nsso

    async def kill(self) -> None:
        """The one that runs, at once."""
        self._running.remove(self.nsso)
        await self.nsso.kill()
        await self.nsso.institution.__aexit__(None, None, None)

    async def close(self) -> None:
        for nsso in self._running:
            await nsso.__aexit__(None, None, None)
        for vhost in self.network.vhosts():
            await asyncio.to_thread(self.broker.management.delete, f"/api/vhosts/{quote(vhost, safe='')}")
        for user in provision.users(self.network):
            await asyncio.to_thread(self.broker.management.delete, f"/api/users/{quote(user, safe='')}")

    def url(self, user: str, vhost: str | None = None) -> str:
        return self.broker.amqp_url(user, self.passwords[user], self.vhost if vhost is None else vhost)

    def sender(self, number: str, **options: Any) -> Payroll:
        return Payroll(number, self.url(names.sender_user(number)), timeout=PATIENCE, **options)

    async def cut(self, user: str, events: list[Event]) -> None:
        """The broker closes every connection of this user, who tells of it in his events."""
        before = len(events)
        await asyncio.to_thread(self.broker.management.delete, f"/api/connections/username/{quote(user, safe='')}")
        await until(lambda: any(event.what == "lost" for event in events[before:]))

    async def connection(self, user: str) -> aio_pika.abc.AbstractConnection:
        """A plain client's, for what the library never does."""
        return await aio_pika.connect(self.url(user))

    async def count(self, statement: str, *arguments: Any) -> int:
        connection = await asyncpg.connect(self.database_url)
        try:
            return int(await connection.fetchval(statement, *arguments))
        finally:
            await connection.close()

    async def empty(self, queue: str) -> None:
        """Assert that nothing is in a queue."""
        connection = await aio_pika.connect(self.url("12-0"))
        try:
            found = await (await connection.channel()).declare_queue(queue, passive=True)
            assert found.declaration_result.message_count == 0
        finally:
            await connection.close()

    async def take(self, queue: str, user: str = "12-0") -> AbstractIncomingMessage:
        """The next message of a queue, as who may read it."""
        connection = await aio_pika.connect(self.url(user))
        try:
            channel = await connection.channel()
            await channel.set_qos(1)
            came: asyncio.Future[AbstractIncomingMessage] = asyncio.get_running_loop().create_future()

            async def first(message: AbstractIncomingMessage) -> None:
                if not came.done():
                    await message.ack()
                    came.set_result(message)

            # A queue with a single active consumer knows no basic.get.
            await (await channel.get_queue(queue, ensure=False)).consume(first)
            return await asyncio.wait_for(came, PATIENCE)
        finally:
            await connection.close()


@asynccontextmanager
async def opened(broker: Broker, postgresql: Database) -> AsyncIterator[Ground]:
    name = f"test_{secrets.token_hex(6)}"
    ground = Ground(broker, await postgresql.create_database(name))
    try:
        await ground.open()
        yield ground
    finally:
        await ground.close()
        await postgresql.drop_database(name)
