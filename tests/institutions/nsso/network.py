"""12-0, its senders, a hub and who is told of work, on the real broker and databases."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import asyncpg

from deploy import provision
from hub.process import Hub
from hub.settings import Settings
from institutions import Institution, MemoryInbox, Word
from institutions.nsso import office as offices
from institutions.nsso.nsso import Nsso
from institutions.nsso.office import PostgresOffice
from institutions.payroll import Sender as Payroll
from institutions.reference.network import NSSO
from schemas.address import Address
from schemas.integration import REPLACED
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.wire import names
from tests.institutions.conformance.network import CONTEXT, SERVICES
from tests.institutions.patience import PATIENCE
from tests.institutions.payroll.ground import REGISTER, SENDERS
from tests.institutions.world import RULES, Broker, Database, World
from tests.passwords import passwords_of

_GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'


def _right(id_: str, customer: str, service: str, quality: int, context: str, more: str = "") -> str:
    return (
        f'[[authorisation]]\nid = "{id_}"\ncustomer = "{customer}"\nlegal_context = "{context}"\n'
        f'service = "{service}"\nqualities = [{quality}]\n{more}\n{_GIVEN}'
    )


def _told(recipient: str, quality: int, more: str = "") -> str:
    return (
        f'[[distribution]]\nservice = "DimonaMutation/1"\nrecipient = "{recipient}"\nqualities = [{quality}]\n'
        f"{more}\n{_GIVEN}"
    )


#: 5-0 is told of those it knows, 7-0 too and less; 16-0 has no row. 12-0 may ask Permit of those it knows by a Dimona.
MORE_RULES = "".join([
    '[[institution]]\naddress = "12-0"\ncbe = "0206731546"\nname = "12-0"\nrate = 1000\n',
    '[[institution]]\naddress = "0-0"\ncbe = "0206734318"\nname = "0-0"\n',
    '[[institution]]\naddress = "25-0"\ncbe = "0308356862"\nname = "25-0"\n',
    _right("tells", "12-0", "DimonaMutation/1", 30, "NSSO:DIMONA", "integrate = 30"),
    _right("searches", "12-0", "SearchPerson/1", 30, "NSSO:DIMONA", 'suppliers = ["0-0", "25-0"]'),
    _right("asks", "12-0", "Permit/1", 30, CONTEXT, 'suppliers = ["5-0"]'),
    _right("replaces", "0-0", "ReplaceSsin/1", 0, "REGISTERS:UPKEEP"),
    _told("5-0", 1),
    _told("7-0", 101, 'without = ["employment/userEnterpriseNumber"]'),
    *(
        _right(f"catch-up-{address}", address, "CatchUp/1", quality, "DISTRIBUTION")
        for address, quality in (("5-0", 1), ("7-0", 101))
    ),
    '[[availability]]\nservice = "RepeatMutation/1"\naddress = "12-0"\neverybody = true\n',
    *(
        f'[[availability]]\nservice = "SearchPerson/1"\naddress = "{address}"\neverybody = true\n'
        for address in ("0-0", "25-0")
    ),
])  # fmt: skip


class Declared(World):
    """`nsso` is the 12-0 that runs."""

    def __init__(self, broker: Broker, database_url: str, nsso_url: str, more_rules: str = "") -> None:
        super().__init__(broker, database_url, MORE_RULES + more_rules, RULES)
        self.network = replace(self.network, senders=SENDERS)
        self.passwords = passwords_of(provision.users(self.network))
        self._document = provision.definitions(self.network, self.passwords)
        self.nsso_url = nsso_url
        self.nsso: Nsso
        self._running: list[Nsso] = []
        self._senders_vhost = self.network.secondary(NSSO)

    async def open(self) -> None:
        await super().open()
        await offices.migrate(self.nsso_url)
        office = await PostgresOffice.connect(self.nsso_url)
        await office.load(REGISTER, "test")
        await office.close()
        await self.start()

    async def start(self) -> Nsso:
        """Another 12-0."""
        nsso = Nsso(
            NSSO, (self.url("12-0"),), (self.url("12-0", self._senders_vhost),), self.nsso_url,
            catalogue=self.catalogue, patient=True, report=lambda _: None,
        )  # fmt: skip
        await nsso.__aenter__()
        self._running.append(nsso)
        await nsso.supplying()
        self.nsso = nsso
        return nsso

    async def kill(self) -> None:
        """The one that runs, at once, and nothing more of it reaches anybody."""
        self._running.remove(self.nsso)
        await self.nsso.kill()
        await self.nsso.institution.__aexit__(None, None, None)

    async def close(self) -> None:
        for nsso in self._running:
            await nsso.__aexit__(None, None, None)
        await super().close()

    async def hub_again(self) -> None:
        """Another hub in the place of the one that was stopped."""
        settings: dict[str, Any] = {
            "amqp_url": self.url("hub"), "database_url": self.database_url, "services": (SERVICES,), "http_port": 0,
            "journal_key": "test:a-secret-that-only-the-tests-know", "name": "hub",
        }  # fmt: skip
        self.hub = Hub(Settings(**settings))
        await self.hub.start()

    def sender(self, number: str, **options: Any) -> Payroll:
        url = self.url(names.sender_user(number), self._senders_vhost)
        return Payroll(number, url, timeout=PATIENCE, **options)

    async def rows(self, ssin: Ssin, kind: str = "12-0", quality: int = 30) -> list[Period]:
        """The days on which it is known at the hub."""
        address = Address.parse(kind)
        records = await self.fetch(
            "SELECT valid_from, valid_to FROM person WHERE ssin = $1 AND sector = $2 AND type = $3 AND quality = $4"
            " AND known_to = 'infinity' ORDER BY valid_from",
            ssin.number, address.sector, address.type, quality,
        )  # fmt: skip
        return [Period(record["valid_from"], record["valid_to"]) for record in records]

    async def replaced(self, ssin: Ssin) -> bool:
        return bool(await self.fetch("SELECT FROM person WHERE ssin = $1 AND quality = $2", ssin.number, REPLACED))

    async def fetch(self, statement: str, *arguments: Any, url: str = "") -> list[Any]:
        """Of the hub's database, or another."""
        connection = await asyncpg.connect(url or self.database_url)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def some(self, statement: str, *arguments: Any) -> list[Any]:
        """What 12-0's database has, once it has any."""
        async with asyncio.timeout(PATIENCE):
            while not (rows := await self.fetch(statement, *arguments, url=self.nsso_url)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return rows

    async def untold(self) -> int:
        """Mutations that still lack their verdict."""
        (row,) = await self.fetch("SELECT count(*) AS n FROM crossroads_outbox WHERE code IS NULL", url=self.nsso_url)
        return int(row["n"])

    async def all_told(self) -> None:
        """Wait until every mutation has its verdict."""
        async with asyncio.timeout(PATIENCE):
            while await self.untold():  # noqa: ASYNC110
                await asyncio.sleep(0.05)


class Recipient:
    """An institution that is told, and what it applied, in its order."""

    def __init__(self, world: Declared, address: str) -> None:
        self.me: Institution = world.institution(address, timeout=PATIENCE, report=lambda _: None, inbox=MemoryInbox())
        self.words: list[Word] = []
        self.me.receives("DimonaMutation/1")(self.take)
        self.me.receives("SsinReplaced/1")(self._knows)

    async def take(self, word: Word) -> None:
        self.words.append(word)

    async def _knows(self, word: Word) -> None:
        return None

    def of(self, ssin: Ssin) -> list[tuple[str, str, date | None, date | None]]:
        """Action, reference, first and last day of the employment, of all that it was told of somebody."""
        return [
            (
                word.says.action,
                word.says.reference,
                word.day("employment/startingDate"),
                word.day("employment/endingDate"),
            )
            for word in self.words
            if word.ssin == ssin
        ]


@asynccontextmanager
async def opened(broker: Broker, postgresql: Database) -> AsyncIterator[Declared]:
    name, own = f"test_{secrets.token_hex(6)}", f"test_{secrets.token_hex(6)}"
    world = Declared(broker, await postgresql.create_database(name), await postgresql.create_database(own))
    try:
        await world.open()
        yield world
    finally:
        await world.close()
        await postgresql.drop_database(name)
        await postgresql.drop_database(own)
