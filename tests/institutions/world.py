"""A small network on the real broker and database: a hub in this process, institutions and relays around it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg

from deploy import provision
from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from hub.migrations import migrate
from hub.process import Hub
from hub.repertory.files import parse
from hub.repertory.rules import Rules
from hub.repertory.store import load_files
from hub.settings import Settings
from institutions import Institution
from institutions.request import Ask, build
from institutions.settings import Access
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import REPLACED
from schemas.splice import put_information_cbss
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.transport import Properties
from tests.institutions.conformance.network import CONTEXT, SERVICES
from tests.passwords import passwords_of

Broker = PrivateRabbitMQ | ForeignRabbitMQ
Database = PrivatePostgreSQL | ForeignPostgreSQL

PCSW_A, PCSW_B, PCSW_GONE = "17-1-0212344876", "17-1-0207473635", "17-1-0207448689"
FUND_A, FUND_B = "18-1-0850000002", "18-1-0850000101"

_INSTITUTIONS: list[tuple[str, str, str]] = [
    ("17-0", "0316380841", ""),
    (PCSW_A, "", 'managed_by = "17-0"'),
    (PCSW_B, "", 'managed_by = "17-0"'),
    (PCSW_GONE, "", 'managed_by = "17-0"\nactive = false'),
    ("18-0", "0206737484", ""),
    (FUND_A, "", 'managed_by = "18-0"'),
    (FUND_B, "", 'managed_by = "18-0"'),
    ("5-0", "0206738078", ""),
    ("7-0", "0206731645", ""),
    ("16-0", "0308357159", ""),
]

_AVAILABLE = [("Permit", "5-0"), ("Permits", "5-0"), ("Permits", "16-0"), ("Permits", "18-1")]
_AUTHORISED = [
    ("one", "17-0", "Permit", ["5-0"]),
    ("several", "17-0", "Permits", ["5-0", "16-0"]),
    ("member-one", "17-1", "Permit", ["5-0"]),
    ("member-several", "17-1", "Permits", ["5-0", "18-1"]),
]

RULES = "".join(
    [
        *(
            f'[[institution]]\naddress = "{a}"\ncbe = "{cbe or a[-10:]}"\nname = "{a}"\n{more}\n'
            for a, cbe, more in _INSTITUTIONS
        ),
        *(f'[[availability]]\nservice = "{s}"\naddress = "{a}"\nquality = 1\n' for s, a in _AVAILABLE),
        *(
            f'[[authorisation]]\nid = "{i}"\ncustomer = "{c}"\nlegal_context = "{CONTEXT}"\nqualities = [1]\n'
            f'service = "{s}"\nsuppliers = {suppliers}\nwithout = []\nfrom = 2020-01-01\n'
            'deliberation = { number = "00/000", date = 2020-01-01 }\n'
            for i, c, s, suppliers in _AUTHORISED
        ),
    ]
)


class World:
    """Everything around one hub. It is a `Network` for the behaviours."""

    def __init__(
        self, broker: Broker, database_url: str, more_rules: str = "", rules: str = RULES, **settings: Any
    ) -> None:
        """`more_rules` stand behind the rules, and speak of services that ship. `settings`: further ones of its hub."""
        self.settings = settings
        self.broker, self.database_url = broker, database_url
        self.catalogue = Catalogue([shipped(), SERVICES] if more_rules else [SERVICES])
        self.rules_file = parse(rules + more_rules, "world.toml")
        self.rules = Rules(self.rules_file.rows)
        prefix = f"test_{secrets.token_hex(6)}"
        self.network = provision.network_of(
            self.rules, self.catalogue.services.values(), primary=prefix, prefix=f"{prefix}_"
        )
        self.passwords = passwords_of(provision.users(self.network))
        self._document = provision.definitions(self.network, self.passwords)
        self.hub: Hub
        self._hub: AioPikaTransport | None = None

    async def open(self) -> None:
        await migrate(self.database_url)
        await load_files(self.database_url, [self.rules_file], self.catalogue)
        await asyncio.to_thread(provision.apply, self.broker.management, self._document)
        settings: dict[str, Any] = {
            "amqp_url": self.url("hub"),
            "database_url": self.database_url,
            "services": (SERVICES,),
            "http_port": 0,
            "journal_key": "test:a-secret-that-only-the-tests-know",
            "name": "hub",
            **self.settings,
        }
        self.hub = Hub(Settings(**settings))
        await self.hub.start()

    async def close(self) -> None:
        await self.hub.stop()
        if self._hub is not None:
            await self._hub.close()
        for vhost in self.network.vhosts():
            await asyncio.to_thread(self.broker.management.delete, f"/api/vhosts/{quote(vhost, safe='')}")
        for user in provision.users(self.network):
            await asyncio.to_thread(self.broker.management.delete, f"/api/users/{quote(user, safe='')}")

    def url(self, user: str, vhost: str | None = None) -> str:
        """A user's URL in its own network, or in another vhost."""
        return self.broker.amqp_url(user, self.passwords[user], self.vhost_of(user) if vhost is None else vhost)

    def vhost_of(self, user: str) -> str:
        for institution in self.network.institutions:
            if str(institution.address) == user and institution.managed_by is not None:
                return self.network.secondary(institution.managed_by)
        return self.network.primary

    def access(self, managing: str, database_url: str) -> Access:
        """What the relay of a managing institution is told."""
        address = Address.parse(managing)
        secondary = self.network.secondary(address)
        return Access(address, (self.url(managing),), (self.url(managing, secondary),), database_url)

    def institution(self, address: str, **options: Any) -> Institution:
        return Institution(address, self.url(address), catalogue=self.catalogue, **options)

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
        known = Address.parse(kind)
        row = (
            ssin.number,
            known.sector,
            known.type,
            quality if replaced_by is None else REPLACED,
            None,
            begin,
            end,
            None if replaced_by is None else replaced_by.number,
        )
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(
                "INSERT INTO person (ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by, known_from)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())",
                *row,
            )
        finally:
            await connection.close()

    async def tell(self, address: str, ssin: Ssin, said: str, *, word_id: UUID | None = None) -> UUID:
        ticket, now = word_id or uuid4(), datetime.now(UTC)
        criteria = {"criteria/said": said, "criteria/on": date(2026, 1, 31)}
        ask = Ask(self.catalogue.services["Notice/1"], Address(25, 0), str(ticket), ssin, CONTEXT, criteria=criteria)
        body = put_information_cbss(build(ask), ticket, now, now)
        await self.say(address, body, Properties(user_id=names.HUB, correlation_id=str(ticket), type="Notice/1"))
        return ticket

    async def say(self, address: str, body: bytes, properties: Properties) -> None:
        """Put anything into the queue of what an institution is told, as the hub."""
        if self._hub is None:
            self._hub = AioPikaTransport((self.url("hub"),), name="the hub says")
            await self._hub.start()
        await self._hub.publish(names.INSTITUTIONS, names.mutations(address), body, properties, timeout=20)

    async def cut(self, address: str) -> None:
        """The broker closes every connection of this user, in all its networks."""
        user = quote(address, safe="")
        await asyncio.to_thread(self.broker.management.delete, f"/api/connections/username/{user}")


@asynccontextmanager
async def opened(
    broker: Broker, postgresql: Database, more_rules: str = "", rules: str = RULES, **settings: Any
) -> AsyncIterator[World]:
    """A world with its hub."""
    name = f"test_{secrets.token_hex(6)}"
    world = World(broker, await postgresql.create_database(name), more_rules, rules, **settings)
    try:
        await world.open()
        yield world
    finally:
        await world.close()
        await postgresql.drop_database(name)
