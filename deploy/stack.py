"""The reference network of Belgium on one machine: servers, hub, institutions, secondary networks.

`Stack` starts it and stops it. What it starts never outlives it: servers and processes are guarded, on directories that
go with them. Servers that the environment names (CROSSROADS_AMQP_URL with CROSSROADS_RABBITMQ_ADMIN_URL,
CROSSROADS_DATABASE_URL) are used instead of private ones: the network makes its vhosts, users and databases there, and
takes them away at the end.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from deploy import children, provision
from deploy.access import Access
from deploy.children import Child
from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ, start_all
from hub import migrations
from hub.repertory import files, loading, store
from hub.repertory.rules import Rules
from hub.repertory.watch import RulesWatch
from institutions.reference.network import MEMBERS
from institutions.reference.population import SEED, SIZE, Population
from institutions.reference.suppliers.data import services_of
from institutions.relay import sectoral_repertory
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.wire import names

#: The rules of the reference network.
NETWORK = Path(__file__).parent / "network"
#: The provisioning is brought up to the rules and the services this often, seconds.
_FOLLOW = 1.0

Progress = Callable[[str], None]


class Stack:
    """One network. `async with Stack(home) as stack:` and `stack.access` says where it is."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        seed: int = SEED,
        size: int = SIZE,
        hubs: int = 1,
        in_memory: bool = False,
        progress: Progress = lambda _: None,
    ) -> None:
        """`home`: where `access` is written for the commands beside it; None: nowhere. `size`: persons."""
        self._home, self._seed, self._size, self._hubs = home, seed, size, hubs
        self._in_memory, self._progress = in_memory, progress
        self._services = os.environ.get("CROSSROADS_SERVICES", "")
        self._exit = AsyncExitStack()
        self.children: dict[str, Child] = {}
        self.access: Access

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop all that was started, in the opposite order."""
        await self._exit.aclose()

    async def _start(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="crossroads-"))
        self._exit.callback(shutil.rmtree, self._directory, ignore_errors=True)
        catalogue = await asyncio.to_thread(Catalogue.from_environment)
        rules = await asyncio.to_thread(files.read, sorted(NETWORK.glob("*.toml")), catalogue)
        amqp, database = os.environ.get("CROSSROADS_AMQP_URL"), os.environ.get("CROSSROADS_DATABASE_URL")
        admin = os.environ.get("CROSSROADS_RABBITMQ_ADMIN_URL")
        if amqp and not admin:
            raise CrossroadsError(
                "an AMQP URL alone cannot make users and vhosts: set CROSSROADS_RABBITMQ_ADMIN_URL to the management "
                "API (http://administrator:password@host:15672), or unset CROSSROADS_AMQP_URL for a private broker"
            )
        self._network = provision.network_of(rules, catalogue.services.values())
        self._passwords = {user: secrets.token_urlsafe(18) for user in provision.users(self._network)}
        document = provision.definitions(self._network, self._passwords)
        self._progress("starting RabbitMQ and PostgreSQL")
        rabbitmq = ForeignRabbitMQ(amqp, admin) if amqp and admin else self._private_rabbitmq(document)
        postgresql = ForeignPostgreSQL(database) if database else PrivatePostgreSQL(in_memory=self._in_memory)
        private = [s for s in (rabbitmq, postgresql) if isinstance(s, PrivateRabbitMQ | PrivatePostgreSQL)]
        for server in private:
            self._exit.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.to_thread(start_all, *private)
        self._management = rabbitmq.management
        if isinstance(rabbitmq, ForeignRabbitMQ):
            await asyncio.to_thread(self._claim, document)
            self._exit.push_async_callback(asyncio.to_thread, self._unprovision)
        await self._databases(postgresql, rules, catalogue)
        self._access(rabbitmq)
        await self._processes()
        follower = asyncio.create_task(self._follow(catalogue))
        self._exit.push_async_callback(_end, follower)
        if self._home is not None:
            self.access.save(self._home)
            self._exit.callback(Access.remove, self._home)

    def _private_rabbitmq(self, document: dict[str, object]) -> PrivateRabbitMQ:
        return PrivateRabbitMQ(definitions=document, in_memory=self._in_memory)

    def _claim(self, document: dict[str, object]) -> None:
        """Provision a broker that others run; one on which a network stands already is left alone."""
        standing = {vhost["name"] for vhost in self._management.get("/api/vhosts")}
        if taken := sorted(standing & set(self._network.vhosts())):
            raise CrossroadsError(
                f"this broker has a vhost {taken[0]} already: another network runs on it, or one was killed there. "
                "Delete its vhosts and users, or name another broker"
            )
        provision.apply(self._management, document)

    def _unprovision(self) -> None:
        for vhost in self._network.vhosts():
            self._management.delete(f"/api/vhosts/{vhost}")
        for user in provision.users(self._network):
            self._management.delete(f"/api/users/{user}")

    async def _databases(
        self, server: PrivatePostgreSQL | ForeignPostgreSQL, rules: Rules, catalogue: Catalogue
    ) -> None:
        population = Population(seed=self._seed, size=self._size)

        async def database(name: str) -> str:
            url = await server.create_database(name)
            if isinstance(server, ForeignPostgreSQL):
                self._exit.push_async_callback(server.drop_database, name)
            return url

        self._progress(f"loading the repertory: {self._size:,} synthetic persons (seed {self._seed})")
        self._database_url = await database("crossroads")
        await migrations.migrate(self._database_url)
        await store.load(self._database_url, sorted(NETWORK.glob("*.toml")), catalogue)
        await loading.load_persons(self._database_url, population.integrations(), "population")
        self._sectoral_urls: dict[str, str] = {}
        for managing in self._network.managing():
            url = await database(f"secondary_{managing.sector}")
            self._sectoral_urls[str(managing)] = url
            await sectoral_repertory.migrate(url)
            repertory = await sectoral_repertory.SectoralRepertory.connect(url)
            try:
                await repertory.load_members(
                    sectoral_repertory.Member(i.address, i.name, i.active, i.rate) for i in rules.members(managing)
                )
                await repertory.load(tuple(population.sectoral(managing)), "population")
            finally:
                await repertory.close()

    def _access(self, rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> None:
        parts = urlsplit(rabbitmq.amqp_url("x", "x", "x"))
        node = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        self.access = Access(
            nodes=(node,),
            vhosts=self._vhosts(),
            secondary=self._secondary(),
            passwords=dict(self._passwords),
            management_url=self._management.url,
            database_url=self._database_url,
            sectoral_urls=self._sectoral_urls,
            journal_keys=f"first:{secrets.token_hex(32)}",
            http={},
            seed=self._seed,
            size=self._size,
        )

    def _vhosts(self) -> dict[str, str]:
        """Each user's vhost."""
        return {names.HUB: self._network.primary} | {
            str(i.address): self._network.primary if i.managed_by is None else self._network.secondary(i.managed_by)
            for i in self._network.institutions
        }

    def _secondary(self) -> dict[str, str]:
        return {str(m): self._network.secondary(m) for m in self._network.managing()}

    async def _processes(self) -> None:
        self._progress("starting the hub, the institutions and the relays")
        for number in range(1, self._hubs + 1):
            self._add(self.hub(f"hub-{number}"))
        managing = self._network.managing()
        suppliers = [m.address for m in MEMBERS if m.active and m.address not in managing and services_of(m.address)]
        self._add(self._institutions("institutions", suppliers))
        self._add(self._institutions("relays", managing))
        await asyncio.gather(*(child.wait_ready() for child in self.children.values()))
        http = {name: child.url for name, child in self.children.items()}
        self.access = self.access.model_copy(update={"http": http})

    def hub(self, name: str) -> Child:
        """Another hub process for this network; the caller launches and stops it."""
        return children.hub(
            name,
            self.access.urls(names.HUB),
            self.access.database_url,
            self.access.journal_keys,
            self._services,
            self._directory,
        )

    def _institutions(self, name: str, addresses: Sequence[Address]) -> Child:
        return children.institutions(
            name,
            [str(address) for address in addresses],
            self.access.nodes,
            self._passwords,
            secondary=self.access.secondary,
            sectoral_urls=self._sectoral_urls,
            population=(self._seed, self._size),
            services=self._services,
            directory=self._directory,
        )

    def _add(self, child: Child) -> None:
        self.children[child.name] = child
        self._exit.push_async_callback(asyncio.to_thread, child.stop)
        child.launch()

    async def _follow(self, catalogue: Catalogue) -> None:
        """Queues and users for what comes while it runs: a service dropped in, an institution registered."""
        watch = RulesWatch(self._database_url)
        await watch.start()
        try:
            seen = watch.rules.number
            while True:
                await asyncio.sleep(_FOLLOW)
                changes = await asyncio.to_thread(catalogue.refresh)
                rules = watch.rules
                if changes or rules.number != seen:
                    seen = rules.number
                    await self._reprovision(rules, catalogue)
        finally:
            await watch.close()

    async def _reprovision(self, rules: Rules, catalogue: Catalogue) -> None:
        self._network = provision.network_of(rules, catalogue.services.values())
        for user in provision.users(self._network):
            self._passwords.setdefault(user, secrets.token_urlsafe(18))
        document = provision.definitions(self._network, self._passwords)
        await asyncio.to_thread(provision.apply, self._management, document)
        self.access = self.access.model_copy(
            update={"vhosts": self._vhosts(), "passwords": dict(self._passwords), "secondary": self._secondary()}
        )
        if self._home is not None:
            self.access.save(self._home)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
