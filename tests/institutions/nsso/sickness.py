"""The mutualities with their relay, beside 12-0 and its senders; and a tap on what all of them say."""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import aio_pika
from lxml import etree

from deploy.network import FILES
from institutions import Institution, MemoryInbox, Question
from institutions.payroll.answers import Told
from institutions.reference.incapacity import INSURABILITY, Incapacity, Insured
from institutions.reference.network import MUTUALITIES, NSSO
from institutions.relay.relay import Relay
from schemas.address import Address
from schemas.ssin import Ssin
from schemas.wire import names
from tests.institutions.conformance.network import person
from tests.institutions.nsso.network import Declared
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.ground import A as SENDER
from tests.institutions.relay.conftest import Sector, sector
from tests.institutions.world import Broker, Database

#: Who insures: three mutualities.
A, B, C = map(str, MUTUALITIES)
_GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
#: Who may ask for wages and be told of risks is as the reference network has it.
(_SHIPPED,) = (file for file in FILES if file.name == "risks.toml")
RISKS = "".join([
    '[[institution]]\naddress = "11-0"\ncbe = "1911000067"\nname = "11-0"\n',
    '[[institution]]\naddress = "10-0"\ncbe = "1910000076"\nname = "10-0"\n',
    *(
        f'[[institution]]\naddress = "{one}"\ncbe = "{one.cbe}"\nname = "{one}"\nmanaged_by = "11-0"\n'
        for one in MUTUALITIES
    ),
    *(
        f'[[authorisation]]\nid = "{service}"\ncustomer = "11-1"\nlegal_context = "{INSURABILITY}"\n'
        f'qualities = [1, 2]\nservice = "{service}"\n{_GIVEN}'
        for service in ("RegisterIntegration/1", "UnregisterIntegration/1")
    ),
    f'[[authorisation]]\nid = "11-0-catches-up"\ncustomer = "11-0"\nlegal_context = "DISTRIBUTION"\nqualities = [1]\n'
    f'service = "CatchUp/1"\n{_GIVEN}',
    f'[[authorisation]]\nid = "18-0-catches-up"\ncustomer = "18-0"\nlegal_context = "DISTRIBUTION"\nqualities = [1]\n'
    f'service = "CatchUp/1"\n{_GIVEN}',
    f'[[distribution]]\nservice = "DimonaMutation/1"\nrecipient = "18-1"\nqualities = [1]\n{_GIVEN}',
    '[[availability]]\nservice = "IdentifyPerson/1"\naddress = "0-0"\neverybody = true\n',
    '[[availability]]\nservice = "SectoralIntegrations/1"\naddress = "11-0"\neverybody = true\n',
    _SHIPPED.read_text(encoding="utf-8"),
])  # fmt: skip
_INSURED = Insured("DHERTOGE", "1985-01-01")


class Mutuality:
    """One that works. Its inbox outlives it, its dossiers do not."""

    def __init__(self, world: "Sickness", address: str) -> None:
        self.world, self.address = world, address
        self.inbox = MemoryInbox()
        self.me: Institution
        self.desk: Incapacity

    async def start(self) -> None:
        self.me = self.world.institution(self.address, timeout=PATIENCE, report=lambda _: None, inbox=self.inbox)
        self.desk = Incapacity(self.me, lambda _: _INSURED)
        await self.me.__aenter__()
        assert await self.me.supplying()

    async def stop(self) -> None:
        await self.me.__aexit__(None, None, None)

    async def kill(self) -> None:
        """At once: what runs is dropped."""
        receiving = self.me._receiving
        assert receiving is not None
        for task in (receiving._working, receiving._applying):
            if task is not None:
                task.cancel()
        await self.stop()


class Sickness(Declared):
    """`mutualities` by address."""

    sector: Sector
    relay: Relay
    mutualities: Mapping[str, Mutuality]
    #: By ticket, what the sender of these forms was told unasked.
    told: defaultdict[str, list[bytes]]

    async def relay_again(self) -> None:
        """Another relay in the place of the one that is killed."""
        await self.relay.kill()
        self.relay = self.sector.relay()
        await self.relay.start()

    async def hub_killed(self) -> None:
        """Another hub in the place of the one that is killed."""
        await self.hub.kill()
        await self.hub_again()

    async def insured(self, *members: tuple[str, date, date | None]) -> Ssin:
        """Somebody whom these mutualities insure, or have insured, for so long."""
        who = person()
        for member, begin, end in members:
            await self.sector.knows(who, member, begin=begin, end=end)
        if members:
            await self.integrate(who, "11-1", begin=min(begin for _, begin, _ in members))
        return who

    async def ended(self, ticket: str) -> etree._Element:
        """The final NOTIFICATION of a form, which its sender is told unasked."""
        await until(lambda: ticket in self.told)
        return etree.fromstring(self.told[ticket][0])[0]

    async def hear(self, told: Told) -> None:
        self.told[str(told.properties.headers["ticket"])].append(told.body)


@asynccontextmanager
async def opened(broker: Broker, postgresql: Database) -> AsyncIterator[Sickness]:
    name, own = f"test_{secrets.token_hex(6)}", f"test_{secrets.token_hex(6)}"
    world = Sickness(broker, await postgresql.create_database(name), await postgresql.create_database(own), RISKS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(postgresql.drop_database, name)
        stack.push_async_callback(postgresql.drop_database, own)
        stack.push_async_callback(world.close)
        await world.open()
        world.told = defaultdict(list)
        listener = world.sender(SENDER)
        listener.receives("")(world.hear)
        await stack.enter_async_context(listener)
        world.sector = await stack.enter_async_context(sector(world, postgresql, "11-0"))
        world.relay = world.sector.relay()
        await world.relay.start()
        stack.push_async_callback(lambda: world.relay.stop())
        register = await stack.enter_async_context(world.institution("0-0"))
        register.supplies("IdentifyPerson/1")(_identified)
        assert await register.supplying()
        world.mutualities = {address: Mutuality(world, address) for address in (A, B, C)}
        for one in world.mutualities.values():
            await one.start()
            stack.push_async_callback(one.stop)
        yield world


def _identified(question: Question) -> etree._Element:
    element = question.element
    return element(
        "person",
        element("ssin", question.ssin.digits),
        element("register", "NR"),
        element("lastName", "Dhertogé"),
        element("birthDate", "1985-01-01"),
    )


# --- the tap ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A message that somebody published."""

    by: str
    exchange: str
    key: str
    type: str
    #: Whose question it is, where the hub or a relay asks it.
    customer: str


class Tap:
    """A queue more in each vhost, bound to whatever the exchanges are bound to. Answers go over no exchange but that
    of replies."""

    QUEUE = "hub.tap"

    def __init__(self, world: Sickness, *more: Address) -> None:
        """`more`: managing institutions besides, whose networks are tapped too."""
        self._world, self._management = world, world.broker.management
        primary, sectors = world.network.primary, (Address(11, 0), NSSO, *more)
        #: Each vhost, and a user who may read there whatever begins with `hub.`.
        self._readers = {primary: "hub"} | {world.network.secondary(one): str(one) for one in sectors}

    async def __aenter__(self) -> "Tap":
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        for vhost in self._readers:
            await asyncio.to_thread(self._management.delete, f"/api/queues/{quote(vhost, safe='')}/{self.QUEUE}")

    def _open(self) -> None:
        for vhost in self._readers:
            place = quote(vhost, safe="")
            self._management.put(f"/api/queues/{place}/{self.QUEUE}", {"durable": True})
            for one in self._management.get(f"/api/bindings/{place}"):
                if one["source"] and one["destination_type"] == "queue":
                    self._management.post(
                        f"/api/bindings/{place}/e/{quote(one['source'], safe='')}/q/{self.QUEUE}",
                        {"routing_key": one["routing_key"]},
                    )

    async def seen(self) -> list[Seen]:
        """All that was published since it was asked last."""
        found = []
        for vhost, user in self._readers.items():
            connection = await aio_pika.connect(self._world.url(user, vhost))
            async with connection:
                queue = await (await connection.channel()).get_queue(self.QUEUE, ensure=False)
                while (message := await queue.get(fail=False, no_ack=True)) is not None:
                    customer = message.headers.get("customer", "")
                    found.append(
                        Seen(
                            str(message.user_id), message.exchange or "", message.routing_key or "",
                            message.type or "", str(customer),
                        )
                    )  # fmt: skip
        return found


def questions(seen: list[Seen]) -> Counter[tuple[str, str, str]]:
    """Which service was asked, of whom, for whom: as the hub and the relays put it to suppliers."""
    return Counter(
        (service, of, one.customer)
        for one in seen
        if one.exchange == names.INSTITUTIONS and ".online." in one.key
        for of, _, service in [one.key.partition(".online.")]
    )


def words(seen: list[Seen]) -> Counter[tuple[str, str]]:
    """Which service was told, and to whom."""
    return Counter(
        (one.type, one.key.removesuffix(".mutation"))
        for one in seen
        if one.exchange == names.INSTITUTIONS and one.key.endswith(".mutation")
    )


async def opens(world: Sickness, member: str, ticket: str) -> None:
    """Wait until a mutuality has this dossier, with wages asked."""
    await until(lambda: ticket in world.mutualities[member].desk.dossiers)
