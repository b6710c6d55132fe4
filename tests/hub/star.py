"""A small star on the real broker and database: hubs in this process, lean askers, suppliers that follow a script."""

import asyncio
import io
import re
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import aio_pika
import asyncpg
from lxml import etree

from deploy import provision
from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from hub.journal import Entry
from hub.migrations import migrate
from hub.process import Hub
from hub.repertory.files import parse
from hub.repertory.rules import Availability, Institution
from hub.repertory.store import load_files, read
from hub.settings import Settings
from schemas import answers
from schemas.address import Address
from schemas.catalogue import Catalogue, Service, shipped
from schemas.process import log
from schemas.ssin import Ssin, check_digits
from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine, AioPikaTransport
from schemas.wire.direct import DirectAnswer, DirectAsker
from schemas.wire.transport import Delivery, Properties
from tests.hub import services
from tests.passwords import passwords_of

#: Seconds after which what did not happen will not.
PATIENCE = 20.0
KEY = "test:a-secret-that-only-the-tests-know"

CUSTOMER, MANAGING = Address(64, 0), Address(17, 0)
ONE, TWO, THREE = Address(5, 0), Address(7, 0), Address(16, 0)
#: Connected, without any right; and not active.
STRANGER, INACTIVE = Address(1, 0), Address(12, 0)
PCSW_A, PCSW_B, PCSW_GONE = "0212344876", "0207473635", "0207448689"
CONTEXT = "TEST"

_INSTITUTIONS = [
    ("64-0", "0242069537", "", ""),
    ("17-0", "0316380841", "", ""),
    (f"17-1-{PCSW_A}", PCSW_A, "17-0", ""),
    (f"17-1-{PCSW_B}", PCSW_B, "17-0", ""),
    (f"17-1-{PCSW_GONE}", PCSW_GONE, "17-0", "active = false"),
    ("5-0", "0206738078", "", ""),
    ("7-0", "0206731645", "", ""),
    ("16-0", "0308357159", "", ""),
    ("1-0", "0206734318", "", ""),
    ("12-0", "0206731546", "", "active = false"),
]

RULES = "".join(
    f'[[institution]]\naddress = "{address}"\ncbe = "{cbe}"\nname = "{address}"\n'
    + (f'managed_by = "{managed_by}"\n' if managed_by else "")
    + f"{more}\n"
    for address, cbe, managed_by, more in _INSTITUTIONS
) + "".join(
    f'[[availability]]\nservice = "{service}"\naddress = "{address}"\nquality = {quality}\n'
    for service, address, quality in [
        ("Probe", "5-0", 100), ("Plain", "5-0", 100),
        ("Gather", "5-0", 100), ("Gather", "7-0", 101), ("Gather", "16-0", 1),
    ]
) + "".join(
    f'[[authorisation]]\nid = "{id_}"\ncustomer = "{customer}"\nlegal_context = "{CONTEXT}"\n{more}\n'
    f"qualities = [{quality}]\n"
    f'service = "{service}"\nsuppliers = {suppliers}\nwithout = {without}\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
    for id_, customer, quality, more, service, suppliers, without in [
        ("probe", "64-0", 0, "", "Probe", ["5-0"], ["item/secret"]),
        ("plain", "64-0", 0, "", "Plain", ["5-0"], ["item/secret"]),
        ("gather", "64-0", 0, "", "Gather", ["5-0", "7-0", "16-0"], ["part/item/secret"]),
        ("pcsw", "17-1", 2, "min_phase = 2", "Probe", ["5-0"], []),
    ]
)  # fmt: skip

Script = Callable[["Question"], Awaitable[None]]


class Question:
    """What a supplier was asked, and how it answers."""

    def __init__(self, star: "Star", supplier: Address, transport: AioPikaTransport, delivery: Delivery) -> None:
        self._star, self.supplier, self._transport, self.delivery = star, supplier, transport, delivery
        self.root = etree.fromstring(delivery.body)
        self.service: Service = star.catalogue.services[delivery.properties.type or ""]

    @property
    def ssin(self) -> str:
        return str(self.root.findtext("criteria/ssin"))

    def response(self, *items: tuple[str, str | None], code: str = "MSG00000", **more: Any) -> bytes:
        """A valid response: items of (name, secret)."""
        elements = []
        for name, secret in items:
            item = etree.Element("item")
            etree.SubElement(item, "name").text = name
            if secret is not None:
                etree.SubElement(item, "secret").text = secret
            elements.append(item)
        return answers.data_response(
            self.service, self.root, elements, code, replied=datetime.now(UTC), supplier=self.supplier, **more
        )

    async def reply(self, body: bytes, *, sender: Address | None = None) -> None:
        """Send it to the hub, as this supplier or in another's name."""
        transport = self._transport if sender is None else await self._star.transport(sender)
        given = self.delivery.properties
        await transport.publish(
            names.REPLIES,
            given.reply_to or "",
            body,
            Properties(user_id=str(sender or self.supplier), correlation_id=given.correlation_id, type="response"),
        )


async def answer_with_data(question: Question) -> None:
    await question.reply(question.response((f"of {question.supplier}", "not for everybody")))


async def stay_silent(_: Question) -> None:
    return


class Told:
    """An answer as the asker got it."""

    def __init__(self, answer: DirectAnswer, ssin: Ssin | None) -> None:
        self.body, self.properties, self.seconds = answer.body, answer.properties, answer.seconds
        self.root = etree.fromstring(answer.body)
        self.kind = answer.properties.type
        self.value = self.root.findtext("status/value")
        self.code = self.root.findtext("status/code") or self.root.findtext("detail/reasonCode")
        self.ticket_cbss = UUID(self.root.findtext("informationCBSS/ticketCBSS"))
        where = "status/information" if self.root.find("status") is not None else "detail/information"
        self.information = [(i.findtext("fieldName"), i.findtext("fieldValue")) for i in self.root.iterfind(where)]
        self.names = [name.text for name in self.root.iter("name")]
        self.filtered = [element.text for element in self.root.iterfind("dataFilters/filteredElement")]
        self.ssin = ssin

    @property
    def said(self) -> tuple[str | None, str | None]:
        """Value (None: a fault) and code."""
        return self.value, self.code


class Star:
    """The broker's vhost, the database, the hubs and the institutions."""

    def __init__(
        self,
        broker: PrivateRabbitMQ | ForeignRabbitMQ,
        database_url: str,
        folder: Path,
        more_rules: str = "",
    ) -> None:
        """`more_rules` stand behind RULES, in the register and in the repertory."""
        self.broker, self.database_url, self.folder = broker, database_url, folder
        self.rules = RULES + more_rules
        self.catalogue = Catalogue((shipped(), folder))
        self.vhost = f"test_{secrets.token_hex(6)}"
        #: What stands before the names of the networks that institutions manage.
        self.secondary = f"{self.vhost}_"
        self.hubs: list[Hub] = []
        self.log = io.StringIO()
        #: What each supplier was asked, by person.
        self.asked: defaultdict[tuple[Address, str], list[Question]] = defaultdict(list)
        self.scripts: dict[tuple[Address, str], Script] = {}
        self._transports: dict[Address, AioPikaTransport] = {}
        self._askers: dict[Address, DirectAsker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._persons = iter(range(1, 998))
        self.passwords: dict[str, str] = {}

    # --- setting up ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await migrate(self.database_url)
        await self.load(self.rules)
        holdings = [
            provision.Holding(f"{name}/{version}", supplier)
            for name, version in (("Probe", "1"), ("Plain", "1"), ("Gather", "1"), ("Gather", "2"))
            for supplier in (ONE, TWO, THREE)
        ]
        rows = parse(self.rules.replace("active = false", ""), "network.toml").rows
        holdings += [
            provision.Holding(row.service, row.address, "batch" if row.mode == "batch" else "online")
            for row in rows
            if isinstance(row, Availability) and "/" in row.service
        ]
        network = provision.Network(
            tuple(row for row in rows if isinstance(row, Institution)), tuple(holdings), self.vhost, self.secondary
        )
        self.passwords = passwords_of(provision.users(network))
        self._document = provision.definitions(network, self.passwords)
        await asyncio.to_thread(provision.apply, self.broker.management, self._document)
        for supplier in (ONE, TWO, THREE):
            for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2"):
                await self.supply(supplier, service, answer_with_data)

    async def supply(self, supplier: Address, service: str, script: Script) -> None:
        """Take an institution's questions of a service; `script` answers those that have no script of their own."""
        transport = await self.transport(supplier)
        queue = names.supplier_queue(supplier, "online", service)
        await transport.consume(queue, self._taker(supplier, transport, script), prefetch=50)

    async def close(self) -> None:
        for hub in self.hubs:
            await hub.stop()
        for asker in self._askers.values():
            await asker.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports.values():
            await transport.close()
        for vhost in self._document["vhosts"]:
            await asyncio.to_thread(self.broker.management.delete, f"/api/vhosts/{vhost['name']}")
        for user in self._document["users"]:
            await asyncio.to_thread(self.broker.management.delete, f"/api/users/{user['name']}")

    async def load(self, rules: str) -> None:
        """Replace the rules."""
        await load_files(self.database_url, [parse(rules, "network.toml")], self.catalogue)

    async def reload(self, rules: str) -> None:
        """Replace the rules, and wait until every hub has them."""
        await self.load(rules)
        number = (await read(self.database_url)).number
        for hub in self.hubs:
            await until(lambda hub=hub: hub.rules.rules.number >= number)

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "amqp_url": self.url("hub"),
            "database_url": self.database_url,
            "services": (self.folder,),
            "http_port": 0,
            "journal_key": KEY,
            "name": f"hub-{len(self.hubs)}",
        }
        return Settings(**(values | changes))

    async def hub(self, **changes: Any) -> Hub:
        """One more hub."""
        log.configure("INFO", stream=self.log)
        hub = Hub(self.settings(**changes))
        self.hubs.append(hub)
        await hub.start()
        return hub

    def url(self, user: str) -> str:
        return self.broker.amqp_url(user, self.passwords[user], self.vhost)

    async def transport(self, address: Address) -> AioPikaTransport:
        """An institution's own transport."""
        if address not in self._transports:
            transport = self._transports[address] = AioPikaTransport((self.url(str(address)),), name=str(address))
            await transport.start()
            await transport.wait_connected(PATIENCE)
        return self._transports[address]

    @asynccontextmanager
    async def channel(self, user: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """A plain channel of a user, for what the library would never send."""
        connection = await aio_pika.connect(self.url(user))
        try:
            yield await connection.channel(on_return_raises=True)
        finally:
            await connection.close()

    # --- persons ---------------------------------------------------------------------------------------------------

    async def person(self, *known: tuple[Address, int] | tuple[Address, int, int | None, date, date | None]) -> Ssin:
        """A new person, known at these sectors and types in these qualities (phase, from, to)."""
        number = next(self._persons)
        digits = f"850101{number:03d}"
        ssin = Ssin.parse(digits + check_digits(digits, born_2000=False))
        await self.know(ssin, *known)
        return ssin

    async def known(self, *suppliers: Address) -> Ssin:
        """A new person whom the customer and these suppliers have integrated."""
        qualities = {ONE: 100, TWO: 101, THREE: 1}
        return await self.person((CUSTOMER, 0), *((supplier, qualities[supplier]) for supplier in suppliers))

    async def know(
        self, ssin: Ssin, *known: tuple[Address, int] | tuple[Address, int, int | None, date, date | None]
    ) -> None:
        rows = []
        for entry in known:
            address, quality, *more = entry
            phase, begin, end = more or (None, date(2000, 1, 1), None)
            rows.append((ssin.number, address.sector, address.type, quality, phase, begin, end, None))
        await self._insert(rows)

    async def replace(self, old: Ssin, new: Ssin) -> None:
        await self._insert([(old.number, 0, 0, 999, None, date(2000, 1, 1), None, new.number)])

    async def _insert(self, rows: Iterable[tuple[Any, ...]]) -> None:
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.executemany(
                "INSERT INTO person (ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by, known_from)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())",
                rows,
            )
        finally:
            await connection.close()

    # --- asking and answering --------------------------------------------------------------------------------------

    def request(
        self,
        ssin: Ssin | str,
        *,
        service: str = "Probe/1",
        ticket: str | None = "",
        customer: str = "<sector>64</sector><institution>0</institution>",
        context: str = CONTEXT,
        period: tuple[str, str] | None = None,
        criteria: str = "",
    ) -> bytes:
        """A request; without `ticket` it has a new one, None: none."""
        name, _, version = service.partition("/")
        digits = ssin.digits if isinstance(ssin, Ssin) else ssin
        ticket_element = "" if ticket is None else f"<ticket>{ticket or uuid4()}</ticket>"
        asked = f"<period><beginDate>{period[0]}</beginDate><endDate>{period[1]}</endDate></period>" if period else ""
        return (
            f'<r:request xmlns:r="{services.namespace(name, version)}"><informationCustomer>{ticket_element}'
            f"<customerIdentification>{customer}</customerIdentification></informationCustomer>"
            f"<legalContext>{context}</legalContext>"
            f"<criteria><ssin>{digits}</ssin>{asked}{criteria}</criteria></r:request>"
        ).encode()

    async def send(
        self,
        body: bytes,
        *,
        sender: Address = CUSTOMER,
        ssin: Ssin | None = None,
        type_: str | None = None,
        headers: Mapping[str, Any] | None = None,
        content_encoding: str | None = None,
        timeout: float = PATIENCE,
    ) -> Told:
        """Send one message as an institution, and its answer."""
        if sender not in self._askers:
            asker = self._askers[sender] = DirectAsker(AioPikaLine((self.url(str(sender)),), name=f"{sender} asks"))
            await asker.start()
            await asker.wait_connected(PATIENCE)
        properties = Properties(
            user_id=str(sender), type=type_, headers=headers or {}, content_encoding=content_encoding
        )
        answer = await self._askers[sender].ask(names.out(sender), "online", body, properties, timeout=timeout)
        assert answer.properties.user_id == names.HUB
        return Told(answer, ssin)

    async def consult(self, ssin: Ssin | str, *, sender: Address = CUSTOMER, **request: Any) -> Told:
        """Ask about a person."""
        return await self.send(self.request(ssin, **request), sender=sender)

    def script(self, supplier: Address, ssin: Ssin, script: Script) -> None:
        """What this supplier does when it is asked about this person."""
        self.scripts[supplier, ssin.digits] = script

    def questions(self, supplier: Address, ssin: Ssin) -> list[Question]:
        return self.asked[supplier, ssin.digits]

    def _taker(self, supplier: Address, transport: AioPikaTransport, default: Script) -> Callable[[Delivery], None]:
        def take(delivery: Delivery) -> None:
            task = asyncio.create_task(self._supply(Question(self, supplier, transport, delivery), default))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return take

    async def _supply(self, question: Question, default: Script) -> None:
        key = (question.supplier, question.ssin)
        self.asked[key].append(question)
        await self.scripts.get(key, default)(question)
        transport = await self.transport(question.supplier)
        await transport.ack(question.delivery)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to look into the database; whoever asked closes it."""
        return await asyncpg.connect(self.database_url)

    async def journal(self, told: Told | UUID) -> list[Entry]:
        ticket = told.ticket_cbss if isinstance(told, Told) else told
        return list(await self.hubs[0].journal.exchange(ticket))

    async def kinds(self, told: Told | UUID) -> list[str]:
        return [entry.kind for entry in await self.journal(told)]

    async def depth(self, queue: str) -> int:
        """Messages that wait in a queue, by a passive declare: the management API's count is seconds old."""
        async with self.admin() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return int(declared.declaration_result.message_count or 0)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """A channel of the administrator in this star's vhost."""
        management = self.broker.management
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        path = f"/api/permissions/{quote(self.vhost, safe='')}/{quote(management.user, safe='')}"
        await asyncio.to_thread(management.put, path, everything)
        url = self.broker.amqp_url(management.user, management.password, self.vhost)
        connection = await aio_pika.connect(url)
        try:
            yield await connection.channel(on_return_raises=True)
        finally:
            await connection.close()


@asynccontextmanager
async def opened(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    folder: Path,
    more_rules: str = "",
) -> AsyncIterator[Star]:
    """A star without a hub yet."""
    name = f"test_{secrets.token_hex(6)}"
    star = Star(rabbitmq, await postgresql.create_database(name), services.write(folder), more_rules)
    try:
        await star.open()
        try:
            yield star
        finally:
            await star.close()
    finally:
        await postgresql.drop_database(name)


@asynccontextmanager
async def full(star: Star, queue: str) -> AsyncIterator[None]:
    """Meanwhile a queue takes no more; then it is emptied."""
    place = f"/api/policies/{quote(star.vhost, safe='')}/full"
    policy = {"pattern": f"^{re.escape(queue)}$", "apply-to": "queues", "definition": {"max-length": 1}}
    await asyncio.to_thread(star.broker.management.put, place, policy)
    async with star.admin() as channel:
        try:
            async with asyncio.timeout(PATIENCE):
                with suppress(aio_pika.exceptions.DeliveryError):
                    while True:
                        await channel.default_exchange.publish(aio_pika.Message(b""), queue)
            yield
        finally:
            await asyncio.to_thread(star.broker.management.delete, place)
            await (await channel.get_queue(queue, ensure=False)).purge()


@asynccontextmanager
async def refusing(star: Star, table: str, but: str) -> AsyncIterator[None]:
    """Meanwhile the database takes no new row of a table but such."""
    connection = await star.connect()
    try:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT refusing CHECK ({but}) NOT VALID")
        try:
            yield
        finally:
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT refusing")
    finally:
        await connection.close()


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is so. For what announces itself by no event."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
