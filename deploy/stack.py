"""The reference network of Belgium on one machine: servers, hub, institutions, secondary networks.

`Stack` starts it and stops it. What it starts never outlives it: servers and processes are guarded, on directories that
go with them, also after kill -9. Servers that the environment names (CROSSROADS_AMQP_URL with
CROSSROADS_RABBITMQ_ADMIN_URL, CROSSROADS_DATABASE_URL) are used instead of private ones: the network makes its vhosts,
users and databases there, and takes them away at the end.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg import PostgresError

from deploy import access, children, provision
from deploy.access import Access
from deploy.children import Child
from deploy.databases import Databases, create, fill, fill_empty, migrate
from deploy.monitoring import alerts, recording, scraping
from deploy.monitoring.pace import TRIED
from deploy.monitoring.rules import document
from deploy.network import FILES, SENDERS
from deploy.servers import (
    ForeignPostgreSQL,
    ForeignRabbitMQ,
    PrivatePostgreSQL,
    PrivatePrometheus,
    PrivateRabbitMQ,
)
from deploy.servers.management import Management
from deploy.servers.server import PrivateServer
from hub import control
from hub.repertory import files
from hub.repertory.rules import Rules
from hub.repertory.watch import RulesWatch
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register import Sender
from institutions.nsso.register_files import read as read_register
from institutions.nsso.submission import OfficeUnavailable
from institutions.reference.network import NSSO
from institutions.reference.population import SEED, SIZE, Population
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.wire import names

#: The provisioning is brought up to the rules and the services this often, seconds.
_FOLLOW = 1.0

Progress = Callable[[str], None]


class Stack:
    """One network. `async with Stack(home) as stack:` and `stack.access` says where it is.

    home: where `access` is written for the commands beside it; None: nowhere. One network at a time has a home.
    size: persons. without: institutions whose processes are left out; their queues are there, for somebody else to
        read (`crossroads simulate`).
    in_memory: servers' files in memory: quicker, for tests and demonstrations.
    prometheus: a Prometheus beside it, which follows all hubs of this network as they come and go.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        seed: int = SEED,
        size: int = SIZE,
        hubs: int = 1,
        without: Collection[Address] = (),
        in_memory: bool = False,
        prometheus: bool = False,
        progress: Progress = lambda _: None,
    ) -> None:
        self._home, self._population, self._hubs = home, Population(seed=seed, size=size), hubs
        self._without, self._in_memory, self._progress = frozenset(without), in_memory, progress
        self._services = access.absolute(os.environ.get("CROSSROADS_SERVICES", ""))
        self._forms = access.absolute(os.environ.get("CROSSROADS_FORMS", ""))
        self._exit = AsyncExitStack()
        self.children: dict[str, Child] = {}
        self._with_prometheus = prometheus
        self.prometheus: PrivatePrometheus | None = None
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
        amqp, database = os.environ.get("CROSSROADS_AMQP_URL"), os.environ.get("CROSSROADS_DATABASE_URL")
        admin = os.environ.get("CROSSROADS_RABBITMQ_ADMIN_URL")
        if amqp and not admin:
            raise CrossroadsError(
                "an AMQP URL alone cannot make users and vhosts: set CROSSROADS_RABBITMQ_ADMIN_URL to the management "
                "API (http://administrator:password@host:15672), or unset CROSSROADS_AMQP_URL for a private broker"
            )
        self._places()
        self._progress("starting RabbitMQ and PostgreSQL")
        # What takes longest goes first, and the rest is done while it boots: RabbitMQ as soon as it is known what it
        # has to hold.
        postgresql = ForeignPostgreSQL(database) if database else PrivatePostgreSQL(in_memory=self._in_memory)
        database_boots = self._boot(postgresql)
        catalogue = await asyncio.to_thread(Catalogue.from_environment)
        rules = await asyncio.to_thread(files.read, FILES, catalogue)
        self._check_without(rules)
        self._senders = _in_order(read_register(SENDERS).senders)
        self._network = provision.network_of(rules, catalogue.services.values(), senders=self._senders)
        self._passwords = {user: secrets.token_urlsafe(18) for user in provision.users(self._network)}
        document = provision.definitions(self._network, self._passwords)
        rabbitmq = (
            ForeignRabbitMQ(amqp, admin)
            if amqp and admin
            else PrivateRabbitMQ(None, document, in_memory=self._in_memory)
        )
        broker_boots = self._boot(rabbitmq)
        if isinstance(rabbitmq, ForeignRabbitMQ):
            await asyncio.to_thread(self._claim, rabbitmq.management, document)
            self._exit.push_async_callback(asyncio.to_thread, self._unprovision)
        await database_boots
        self._progress(f"loading the repertory: {self._population.size:,} synthetic persons")
        databases = await create(postgresql, rules, lambda name: self._made(postgresql, name))
        await migrate(databases)
        number = await fill_empty(databases, rules, catalogue, self._population)
        self._progress("starting the hub, the institutions and the relays")
        self.access = self._access(rabbitmq, databases, number)
        self._launch()  # they wait for the broker
        await broker_boots
        self._management = rabbitmq.management
        if self.access.nodes != (_node(rabbitmq),):  # another server took its port: it booted on a new one
            await _stop(tuple(self.children.values()))
            self.access = self._access(rabbitmq, databases, number)
            self._launch()
        await asyncio.gather(*(child.wait_ready() for child in self.children.values()))
        http = {child.name: child.url for child in self.children.values()}
        if self._with_prometheus:
            self._progress("starting Prometheus")
            http["prometheus"] = await self._watch()
        self.access = self.access.model_copy(update={"http": http})
        follower = asyncio.create_task(self._follow(catalogue))
        self._exit.push_async_callback(_end, follower)
        if self._home is not None:
            self.access.save(self._home)

    def _places(self) -> None:
        """The directory of the processes' logs, and the home, for this network alone. Both go with this process."""
        self._directory = Path(tempfile.mkdtemp(prefix="crossroads-"))
        self._exit.callback(shutil.rmtree, self._directory, ignore_errors=True)
        if self._home is not None:
            self._exit.enter_context(access.claim(self._home))
            self._exit.callback(Access.remove, self._home)
        keeper = children.keeper(self._directory, access.file_in(self._home) if self._home is not None else None)
        self._exit.push_async_callback(asyncio.to_thread, keeper.kill)

    def _boot(self, server: object) -> "asyncio.Future[None]":
        """Begin to boot a private server; the future is done when it serves."""
        if not isinstance(server, PrivateServer):
            served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            served.set_result(None)
            return served
        self._exit.push_async_callback(asyncio.to_thread, server.stop)
        server.launch()
        booting = asyncio.create_task(asyncio.to_thread(server.wait_ready))
        self._exit.push_async_callback(_end, booting)
        return booting

    def _check_without(self, rules: Rules) -> None:
        if strangers := sorted(self._without - rules.institutions.keys()):
            raise CrossroadsError(
                f"{strangers[0]} is not in the reference network, so it cannot be left out: docs/reference-network.md "
                "lists who is"
            )

    def _claim(self, management: Management, document: dict[str, object]) -> None:
        """Provision a broker that others run; one on which a network stands already is left alone."""
        standing = {vhost["name"] for vhost in management.get("/api/vhosts")}
        if taken := sorted(standing & set(self._network.vhosts())):
            raise CrossroadsError(
                f"this broker has a vhost {taken[0]} already: another network runs on it, or one was killed there. "
                "Delete its vhosts and users, or name another broker"
            )
        self._management = management
        provision.apply(management, document)

    def _unprovision(self) -> None:
        for vhost in self._network.vhosts():
            self._management.delete(f"/api/vhosts/{vhost}")
        for user in provision.users(self._network):
            self._management.delete(f"/api/users/{user}")

    def _made(self, server: PrivatePostgreSQL | ForeignPostgreSQL, name: str) -> None:
        """A database on a server that others run is removed at the end."""
        if isinstance(server, ForeignPostgreSQL):
            self._exit.push_async_callback(server.drop_database, name)

    def _access(self, rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, databases: Databases, number: int) -> Access:
        return Access(
            nodes=(_node(rabbitmq),),
            vhosts=self._vhosts(),
            secondary=self._secondary(),
            passwords=dict(self._passwords),
            management_url=rabbitmq.management_url,
            database_url=databases.hub,
            sectoral_urls=databases.sectoral,
            registers_url=databases.registers,
            statuses_url=databases.statuses,
            nsso_url=databases.nsso,
            journal_keys=f"first:{secrets.token_hex(32)}",
            http={},
            services=self._services,
            rules=number,
            seed=self._population.seed,
            size=self._population.size,
        )

    def _vhosts(self) -> dict[str, str]:
        """Each user's vhost."""
        return (
            {names.HUB: self._network.primary, names.OPERATOR: self._network.primary}
            | {
                str(i.address): self._network.primary if i.managed_by is None else self._network.secondary(i.managed_by)
                for i in self._network.institutions
            }
            | {s.user: self._network.secondary(NSSO) for s in self._network.senders}
        )

    def _secondary(self) -> dict[str, str]:
        return {str(m): self._network.secondary(m) for m in self._network.centres()}

    def _launch(self) -> None:
        """The network's processes, all at once."""
        new = [self.hub(f"hub-{number}") for number in range(1, self._hubs + 1)]
        for name, addresses in children.shared_out(self._network.managing()).items():
            if present := [address for address in addresses if address not in self._without]:
                new.append(self._institutions(name, present))
        new.append(children.schemas("schemas", self._forms, self._directory))
        new.append(children.watcher("watcher", self.access.database_url, self._monitor(), self._directory))
        self.children = {child.name: child for child in new}
        self._exit.push_async_callback(_stop, new)
        for child in new:
            child.launch()

    def _monitor(self) -> str:
        """The management API, as the user `monitor`."""
        parts = urlsplit(self.access.management_url or "")
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{names.MONITOR}:{self._passwords[names.MONITOR]}@{place}"))

    async def _watch(self) -> str:
        """Start Prometheus; returns its address."""
        rules = document([*recording.groups(TRIED), *alerts.groups(TRIED)])
        self._scraped = scraping.targets({child.name: child.url for child in self.children.values()})
        self.prometheus = PrivatePrometheus(
            self._scraped, rules=[rules], scrape=TRIED.scrape, in_memory=self._in_memory
        )
        await self._boot(self.prometheus)
        self._exit.push_async_callback(_end, asyncio.create_task(self._follow_hubs(self.prometheus)))
        return self.prometheus.url

    async def _follow_hubs(self, prometheus: PrivatePrometheus) -> None:
        """Have Prometheus ask the hubs that there are, also those that somebody else started."""
        while True:
            try:
                connection = await asyncpg.connect(self.access.database_url)
                try:
                    while True:
                        hubs = scraping.hubs(await control.processes(connection))
                        if hubs and hubs != self._scraped.get("hub"):
                            self._scraped = self._scraped | {"hub": hubs}
                            prometheus.follow(self._scraped)
                        await asyncio.sleep(_FOLLOW)
                finally:
                    connection.terminate()
            except (PostgresError, asyncpg.InterfaceError, OSError):
                await asyncio.sleep(_FOLLOW)  # whom it knew it asks still

    @property
    def logs(self) -> Path:
        """Where each process writes its log; it goes with the network."""
        return self._directory

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

    def forget(self, name: str) -> None:
        """A process has ended, as it was told to: the commands beside the network need not look for it."""
        self.children.pop(name)
        http = {other: url for other, url in self.access.http.items() if other != name}
        self.access = self.access.model_copy(update={"http": http})
        if self._home is not None:
            self.access.save(self._home)

    def _institutions(self, name: str, addresses: Sequence[Address]) -> Child:
        return children.institutions(
            name,
            [str(address) for address in addresses],
            self.access.nodes,
            self._passwords,
            secondary=self.access.secondary,
            sectoral_urls=self.access.sectoral_urls,
            registers_url=self.access.registers_url,
            statuses_url=self.access.statuses_url,
            nsso_url=self.access.nsso_url,
            population=(self._population.seed, self._population.size),
            services=self._services,
            directory=self._directory,
        )

    async def _follow(self, catalogue: Catalogue) -> None:
        """Queues and users for what comes while it runs: a service dropped in, an institution or a sender
        registered."""
        watch = RulesWatch(self.access.database_url)
        await watch.start()
        office = await PostgresOffice.connect(self.access.nsso_url)
        try:
            seen, stale = self.access.rules, False
            while True:
                await asyncio.sleep(_FOLLOW)
                changes = await asyncio.to_thread(catalogue.refresh)
                rules = watch.rules
                senders = await _senders(office, self._senders)
                stale = stale or bool(changes) or rules.number != seen or senders != self._senders
                if not stale:
                    continue
                try:
                    await self._reprovision(rules, catalogue, senders)
                except (CrossroadsError, OSError, PostgresError) as error:
                    self._progress(f"not provisioned yet, tried again: {error}")
                else:
                    seen, stale, self._senders = rules.number, False, senders
        finally:
            await office.close()
            await watch.close()

    async def _reprovision(self, rules: Rules, catalogue: Catalogue, senders: tuple[Sender, ...]) -> None:
        self._network = provision.network_of(rules, catalogue.services.values(), senders=senders)
        for user in provision.users(self._network):
            self._passwords.setdefault(user, secrets.token_urlsafe(18))
        document = provision.definitions(self._network, self._passwords)
        await asyncio.to_thread(provision.apply, self._management, document)
        for managing in self._network.managing():
            if (url := self.access.sectoral_urls.get(str(managing))) is not None:
                await fill(url, rules, managing)
        # What was provisioned stays: the broker has it still, and the hub tells who left the register so (CRB00005).
        vhosts = dict(self.access.vhosts) | self._vhosts()
        self.access = self.access.model_copy(
            update={
                "rules": rules.number,
                "vhosts": vhosts,
                "passwords": dict(self._passwords),
                "secondary": self._secondary(),
            }
        )
        if self._home is not None:
            self.access.save(self._home)


def _node(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> str:
    """Its address without user or vhost."""
    parts = urlsplit(rabbitmq.amqp_url("x", "x", "x"))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))


async def _senders(office: PostgresOffice, known: tuple[Sender, ...]) -> tuple[Sender, ...]:
    """Those of the NSSO's register; while it cannot be read, those that are known."""
    try:
        return _in_order(await office.senders())
    except OfficeUnavailable:
        return known


def _in_order(senders: Iterable[Sender]) -> tuple[Sender, ...]:
    return tuple(sorted(senders, key=lambda sender: sender.number))


async def _stop(running: Sequence[Child]) -> None:
    """Ask all to drain, and wait for the slowest."""
    await asyncio.gather(*(asyncio.to_thread(child.stop) for child in running))


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
