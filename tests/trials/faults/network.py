"""A fresh network for a trial: its own vhost, database and rules; hubs that are processes; institutions in this one."""

import asyncio
import secrets
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aio_pika
import asyncpg
from prometheus_client.parser import text_string_to_metric_families

from deploy import children, provision
from deploy.children import Child
from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL, PrivateRabbitMQ
from hub.migrations import migrate
from hub.repertory.files import parse
from hub.repertory.loading import load_persons
from hub.repertory.rules import Rules
from hub.repertory.store import load_files
from institutions import Institution
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.people import person
from tests.trials.faults.reckoning import Depth, Entry
from tests.wire.proxy import Proxy

SERVICES = Path(__file__).parent / "services"
#: Errand/1 has one supplier, Errands/1 both.
ONE, SEVERAL = "Errand/1", "Errands/1"
CONTEXT = "TRIAL"
CALLERS = ("64-0", "70-3", "25-1")
SUPPLIERS = ("5-0", "16-0")
#: Quality in which each kind knows the persons.
_QUALITIES = {"64-0": 0, "70-3": 0, "25-1": 0, "5-0": 100, "16-0": 1}
#: Persons whom everybody knows, and whom only the suppliers know: about these, no caller may ask.
PERSONS, STRANGERS = 200, 20
#: Nobody is over this limit in a trial of faults; requests a second.
RATE = 5_000

#: Seconds after which what did not happen will not. A broker that is restarted takes 15 of them on a busy machine.
PATIENCE = 90.0
_LOOK = 0.02

_CBES = {
    "64-0": "0242069537",
    "70-3": "0206731645",
    "25-1": "0206734318",
    "5-0": "0206738078",
    "16-0": "0308357159",
}


def rules(rates: Mapping[str, int] | None = None) -> str:
    """The rules: every caller may ask both services of the suppliers. `rates`: requests a second, else `RATE`."""
    return "".join(
        [
            *(
                f'[[institution]]\naddress = "{address}"\ncbe = "{cbe}"\nname = "{address}"\n'
                f"rate = {(rates or {}).get(address, RATE)}\n"
                for address, cbe in _CBES.items()
            ),
            *(
                f'[[availability]]\nservice = "{service}"\naddress = "{address}"\nquality = {_QUALITIES[address]}\n'
                for service, address in (("Errand", "5-0"), ("Errands", "5-0"), ("Errands", "16-0"))
            ),
            *(
                f'[[authorisation]]\nid = "{caller}-{service}"\ncustomer = "{caller}"\nlegal_context = "{CONTEXT}"\n'
                f'qualities = [0]\nservice = "{service}"\nsuppliers = {suppliers}\nwithout = []\n'
                'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
                for caller in CALLERS
                for service, suppliers in (("Errand", '["5-0"]'), ("Errands", '["5-0", "16-0"]'))
            ),
        ]
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a hub says of itself over HTTP."""

    #: Requests in hand.
    in_flight: float
    #: Exchanges answered since it started.
    answered: float
    #: Deliveries that joined work in hand.
    joined: float
    #: Requests dropped because their connection was lost.
    orphaned: float


class HubProcess:
    """A hub process; `proxy` stands between it and its broker, where there is one."""

    def __init__(self, child: Child, proxy: Proxy | None) -> None:
        self.child, self.proxy = child, proxy
        self.killed = False

    @property
    def name(self) -> str:
        return self.child.name

    async def figures(self) -> Figures:
        text = await asyncio.to_thread(self._read)
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name + "".join(f" {sample.labels[key]}" for key in ("because",) if key in sample.labels)
                found[name] = found.get(name, 0.0) + sample.value
        return Figures(
            found["crossroads_in_flight"],
            found.get("crossroads_exchanges_total", 0.0),
            found["crossroads_redeliveries_total in_hand"],
            found["crossroads_orphaned_total"],
        )

    async def works(self, in_hand: int = 5) -> Figures:
        """Wait until it has answered since now and has so many requests in hand."""
        before = await self.figures()
        async with asyncio.timeout(PATIENCE):
            while True:
                now = await self.figures()
                if now.answered > before.answered and now.in_flight >= in_hand:
                    return now
                await asyncio.sleep(_LOOK)

    async def kill(self) -> None:
        """kill -9."""
        self.killed = True
        await asyncio.to_thread(self.child.kill)

    async def stop(self) -> None:
        await asyncio.to_thread(self.child.stop)

    def _read(self) -> str:
        with urllib.request.urlopen(self.child.url + "/metrics", timeout=10) as answer:  # noqa: S310 (our own loopback)
            return str(answer.read(), "utf-8")


class Network:
    """One vhost, one database, the hubs."""

    def __init__(
        self, broker: PrivateRabbitMQ, database_url: str, directory: Path, rates: Mapping[str, int] | None = None
    ) -> None:
        self.broker, self.database_url, self._directory = broker, database_url, directory
        self.catalogue = Catalogue((shipped(), SERVICES))
        self.hubs: list[HubProcess] = []
        self._rules = rules(rates)
        vhost = f"trial_{secrets.token_hex(6)}"
        self._network = provision.network_of(
            Rules(parse(self._rules, "trial.toml").rows), self.catalogue.services.values(), primary=vhost
        )
        self.vhost = vhost
        self.passwords = {user: secrets.token_hex(12) for user in provision.users(self._network)}
        #: Whom everybody knows, and whom only the suppliers know.
        self.persons = [person(n) for n in range(PERSONS)]
        self.strangers = [person(n) for n in range(PERSONS, PERSONS + STRANGERS)]

    async def open(self) -> None:
        await migrate(self.database_url)
        await load_files(self.database_url, [parse(self._rules, "trial.toml")], self.catalogue)
        known = [self._row(ssin, kind) for ssin in self.persons for kind in _QUALITIES]
        known += [self._row(ssin, kind) for ssin in self.strangers for kind in SUPPLIERS]
        await load_persons(self.database_url, known, "trial")
        document = provision.definitions(self._network, self.passwords)
        await asyncio.to_thread(provision.apply, self.broker.management, document)
        management = self.broker.management
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await asyncio.to_thread(management.put, f"/api/permissions/{self.vhost}/{management.user}", everything)

    async def close(self) -> None:
        await asyncio.gather(*(hub.stop() for hub in self.hubs))
        management = self.broker.management
        await asyncio.to_thread(management.delete, f"/api/vhosts/{self.vhost}")
        for user in provision.users(self._network):
            await asyncio.to_thread(management.delete, f"/api/users/{quote(user, safe='')}")

    async def hub(self, name: str, through: Proxy | None = None) -> HubProcess:
        """One more hub process, ready."""
        url = through.url if through is not None else self.url(names.HUB)
        key = "trial:a-secret-that-only-the-trials-know"
        child = children.hub(name, (url,), self.database_url, key, str(SERVICES), self._directory)
        hub = HubProcess(child, through)
        self.hubs.append(hub)
        child.launch()
        await child.wait_ready()
        return hub

    def url(self, user: str) -> str:
        return self.broker.amqp_url(user, self.passwords[user], self.vhost)

    def institution(self, address: str, through: Proxy | None = None) -> Institution:
        """One of the rules' institutions, not yet entered; `through` was made for its own URL."""
        url = self.url(address) if through is None else through.url
        return Institution(address, url, catalogue=self.catalogue, timeout=PATIENCE, observe=lambda _: None)

    def _row(self, ssin: Ssin, kind: str) -> Integration:
        return Integration(ssin, Address.parse(kind), _QUALITIES[kind], None, Period.parse("2020-01-01", None))

    # --- looking ---------------------------------------------------------------------------------------------------

    async def journal(self) -> list[Entry]:
        """Every row, in the order written."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows = await connection.fetch(
                "SELECT ticket_cbss, kind, hub, verdict, value, code, suppliers, answer_sha256 FROM journal"
                " ORDER BY number"
            )
        finally:
            await connection.close()
        return [
            Entry(
                r["ticket_cbss"],
                r["kind"],
                r["hub"],
                r["verdict"],
                r["value"],
                r["code"],
                tuple(r["suppliers"] or ()),
                r["answer_sha256"],
            )
            for r in rows
        ]

    async def depths(self) -> dict[str, Depth]:
        """Messages that wait in each queue, and its readers, by passive declares: the management API's are seconds
        old."""
        path = f"/api/queues/{self.vhost}?disable_stats=true"
        queues = [queue["name"] for queue in await asyncio.to_thread(self.broker.management.get, path)]
        connection = await aio_pika.connect(self.broker.amqp_url(vhost=self.vhost))
        try:
            channel = await connection.channel()
            found = {}
            for queue in queues:
                told = (await channel.declare_queue(queue, passive=True)).declaration_result
                found[queue] = Depth(told.message_count or 0, told.consumer_count or 0)
            return found
        finally:
            await connection.close()

    async def at_rest(self) -> None:
        """Wait until no hub has anything in hand and no queue that is read has anything waiting."""
        busy = "not looked yet"
        try:
            async with asyncio.timeout(PATIENCE):
                while busy:
                    depths = {queue: depth for queue, depth in (await self.depths()).items() if depth.readers}
                    waiting = {queue: depth.messages for queue, depth in depths.items() if depth.messages}
                    at_work = [f"{hub.name}: {now}" for hub in self.alive if (now := await hub.figures()).in_flight]
                    busy = ", ".join([*at_work, *(f"{count} in {queue}" for queue, count in waiting.items())])
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise AssertionError(f"no rest within {PATIENCE:.0f} s: {busy}") from None

    @property
    def alive(self) -> list[HubProcess]:
        return [hub for hub in self.hubs if not hub.killed]


@asynccontextmanager
async def opened(
    broker: PrivateRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    directory: Path,
    rates: Mapping[str, int] | None = None,
) -> AsyncIterator[Network]:
    """A fresh network without a hub yet. It leaves nothing behind."""
    name = f"trial_{secrets.token_hex(6)}"
    network = Network(broker, await postgresql.create_database(name), directory, rates)
    try:
        await network.open()
        yield network
    finally:
        await network.close()
        await postgresql.drop_database(name)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so. For what announces itself by no event."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)
