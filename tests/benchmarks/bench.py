"""What a measurement stands on: private broker and database on disk, queues, rights, persons, and what goes between."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path

from deploy import provision
from deploy.children import Child
from deploy.servers import PrivatePostgreSQL, start_all
from hub import migrations
from hub.repertory import files, loading, store
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import Integration
from schemas.period import Period
from schemas.wire import names
from schemas.wire.choice import DEFAULT, Client
from tests.benchmarks import environments
from tests.benchmarks.broker import BenchRabbitMQ, certificate
from tests.benchmarks.child import child, module
from tests.benchmarks.lean import SERVICE
from tests.benchmarks.persons import persons

CUSTOMER, SUPPLIER, SLOW_SUPPLIER = "12-0", "0-0", "5-0"
CONTEXT, SLOW_CONTEXT = "MEASUREMENT", "MEASUREMENT:SLOW"
#: Where the peers' echoes have their queues, as the broker's administrator.
ECHO = "echo"
RULES = Path(__file__).with_name("network.toml")
_PEERS = Path(__file__).with_name("peers")


class BenchPostgreSQL(PrivatePostgreSQL):
    """A private PostgreSQL that tells its process id."""

    @property
    def pid(self) -> int:
        return self._guarded.pid if self._guarded is not None else 0


class Bench:
    """Servers that run, prepared; and the processes that are put on them. Each gives its process id."""

    def __init__(
        self,
        directory: Path,
        rabbitmq: BenchRabbitMQ,
        postgresql: BenchPostgreSQL,
        passwords: dict[str, str],
        rules: Sequence[Path] = (RULES,),
        services: Path | None = None,
    ) -> None:
        self.directory, self.rabbitmq, self.postgresql, self.passwords = directory, rabbitmq, postgresql, passwords
        self.rules, self.services = rules, services
        self.key = f"first:{secrets.token_hex(32)}"
        self.database = ""
        self.persons = directory / "persons"
        self._hubs = 0

    def url(self, user: str) -> str:
        return self.rabbitmq.amqp_url(user, self.passwords[user], names.PRIMARY)

    def urls(self, user: str) -> Sequence[str]:
        """One a node."""
        return (self.url(user),)

    @property
    def echo_url(self) -> str:
        return self.rabbitmq.amqp_url(vhost=ECHO)

    async def prepare(self, count: int) -> None:
        """Rights and persons; the queues came with the broker's definitions."""
        self.database = await self.postgresql.create_database("measurement")
        await migrations.migrate(self.database)
        await store.load(self.database, self.rules, catalogue(self.services))
        rows = [
            Integration(ssin, Address.parse(CUSTOMER), 10, 1, Period(date(2000, 1, 1), None)) for ssin in persons(count)
        ]
        await loading.load_persons(self.database, rows, "persons")
        self.persons.touch(0o600)
        self.persons.write_text("\n".join(row.ssin.digits for row in rows[:50_000]))

    @asynccontextmanager
    async def hub(
        self, client: Client = DEFAULT, module: str = "hub", modes: str = "online,batch,mutation"
    ) -> AsyncIterator[Child]:
        """A hub process on this client library. `module`: what is run, if not the hub as it is. `modes`: of the queues
        that it takes from."""
        self._hubs += 1
        environment = {
            "CROSSROADS_AMQP_URL": ",".join(self.urls(names.HUB)),
            "CROSSROADS_DATABASE_URL": self.database,
            "CROSSROADS_JOURNAL_KEY": self.key,
            "CROSSROADS_TRANSPORT": client,
            "CROSSROADS_MODES": modes,
            "CROSSROADS_SERVICES": str(self.services) if self.services is not None else "",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        one = Child(f"hub-{self._hubs}", (module,), environment, self.directory)
        one.launch()
        try:
            await one.wait_ready()
            yield one
        finally:
            await asyncio.to_thread(one.stop)

    @asynccontextmanager
    async def hubs(self, count: int) -> AsyncIterator[list[int]]:
        """Several hub processes; their guardians' process ids."""
        async with AsyncExitStack() as stack:
            yield [(await stack.enter_async_context(self.hub())).pid for _ in range(count)]

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[int]:
        """The relay that does nothing, on aio-pika."""
        async with child(module("relay", *self._four_hops())) as process:
            yield process.pid

    @asynccontextmanager
    async def pika_relay(self) -> AsyncIterator[int]:
        """The relay that does nothing, on pika."""
        async with self._peer("pika", "relay_pika.py", *self._four_hops()) as pid:
            yield pid

    @asynccontextmanager
    async def faststream(self) -> AsyncIterator[int]:
        async with self._peer("faststream", "echo_faststream.py", self.echo_url, ECHO) as pid:
            yield pid

    @asynccontextmanager
    async def nameko(self) -> AsyncIterator[int]:
        async with self._peer("nameko", "echo_nameko.py", self.echo_url) as pid:
            yield pid

    @asynccontextmanager
    async def supplier(self, how: str = "ends", *, address: str = SUPPLIER, delay: float = 0.0) -> AsyncIterator[int]:
        """A supplier: `ends` a lean one, `library` one of our own library."""
        told = {"url": self.url(address), "address": address, "delay": delay}
        async with child(module(how, "supplier"), told) as process:
            yield process.pid

    def _four_hops(self) -> tuple[str, str, str]:
        return self.url(names.HUB), names.ingress(CUSTOMER), names.supplier_queue(SUPPLIER, "online", SERVICE)

    @asynccontextmanager
    async def _peer(self, peer: str, script: str, *arguments: str) -> AsyncIterator[int]:
        python = await asyncio.to_thread(environments.python, peer)
        async with child([python, str(_PEERS / script), *arguments]) as process:
            yield process.pid


def catalogue(services: Path | None) -> Catalogue:
    """The services that ship, and those of a folder beside them."""
    return Catalogue([shipped(), *([services] if services is not None else [])])


def network(rules: Sequence[Path] = (RULES,), services: Path | None = None) -> provision.Network:
    """Who stands on the bench: secondary networks have brokers of their own."""
    known = catalogue(services)
    whole = provision.network_of(files.read(list(rules), known), known.services.values())
    direct = tuple(institution for institution in whole.institutions if institution.managed_by is None)
    addresses = {institution.address for institution in direct}
    return provision.Network(direct, tuple(one for one in whole.holdings if one.supplier in addresses))


def definitions(found: provision.Network) -> tuple[dict[str, object], dict[str, str]]:
    """The broker's definitions, and each user's password."""
    passwords = {user: secrets.token_urlsafe(12) for user in provision.users(found)}
    document = provision.definitions(found, passwords)
    document["vhosts"].append({"name": ECHO})
    return document, passwords


@asynccontextmanager
async def bench(
    count: int, *, tls: bool = False, rules: Sequence[Path] = (RULES,), services: Path | None = None
) -> AsyncIterator[Bench]:
    """A bench with so many persons, on servers of its own; nothing of it stays."""
    document, passwords = definitions(network(rules, services))
    with tempfile.TemporaryDirectory(prefix="crossroads-bench-") as name:
        directory = Path(name)
        rabbitmq = BenchRabbitMQ(document, certificate(directory) if tls else None)
        postgresql = BenchPostgreSQL()
        await asyncio.to_thread(start_all, rabbitmq, postgresql)
        try:
            made = Bench(directory, rabbitmq, postgresql, passwords, rules, services)
            await made.prepare(count)
            yield made
        finally:
            for server in (rabbitmq, postgresql):
                await asyncio.to_thread(server.stop)
