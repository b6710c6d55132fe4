"""An exchange costs what `costs.py` says, counted: frames to and from the broker, statements to PostgreSQL, XML parses
and validations, asyncio tasks. A real hub on a real broker and database, in a thread with a loop of its own, so that
nothing but the hub is counted; lean ends that parse no XML."""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from weakref import WeakValueDictionary

import pytest
from lxml import etree

from deploy import provision
from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from hub.process import Hub
from hub.repertory import files, loading, store
from hub.settings import Settings
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import Integration
from schemas.period import Period
from schemas.wire import names
from schemas.wire.choice import Client
from tests.benchmarks.lean import REQUEST, Asker, Supplier, to_hub
from tests.benchmarks.loop import Result
from tests.benchmarks.persons import persons
from tests.hub.costs import ALONE, TASKS, TOGETHER, TOGETHER_BY
from tests.hub.star import KEY, PATIENCE
from tests.hub.tap import Tap
from tests.passwords import passwords_of

_RULES = Path(__file__).parents[1] / "benchmarks" / "network.toml"
_CUSTOMER, _SUPPLIER, _CONTEXT = "12-0", "0-0", "MEASUREMENT"
#: Connections over which a hub looks every so often, whoever asks: on a busy machine more of that falls into what is
#: counted. Nothing that an exchange does goes over one of them.
_BY_THE_CLOCK = (" tells", " sweeps", " control", "hub rules")
_PERSONS, _EXCHANGES, _IN_FLIGHT = 50, 100, 20


class Apart:
    """An event loop in a thread of its own, whose tasks are counted."""

    def __init__(self) -> None:
        self.tasks = 0
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._task)
        self._thread = threading.Thread(target=self._loop.run_forever, name="hub")
        self._thread.start()

    @property
    def ident(self) -> int | None:
        return self._thread.ident

    async def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        begun: Future[None] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        await asyncio.wait_for(asyncio.wrap_future(begun), PATIENCE)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> "asyncio.Task[Any]":
        self.tasks += 1
        return asyncio.Task(coroutine, loop=loop, **more)


class Costs:
    """A hub between lean ends, and what it did since `begin`."""

    def __init__(
        self, apart: Apart, broker: Tap, database: Tap, asker: Asker, seen: Counter[str], client: Client
    ) -> None:
        self.client = client
        self._apart, self._taps, self._asker, self._seen = apart, (broker, database), asker, seen

    async def exchanges(self, count: int, in_flight: int) -> dict[str, float]:
        """What an exchange took, by what; `count` of them, `in_flight` at a time, every one answered with data."""
        result, begun = Result(), self._counted()
        todo = iter(range(count))

        async def one_after_another() -> None:
            for _ in todo:
                await self._asker.ask(0.0, result, timeout=PATIENCE)

        await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
        assert {code: len(some) for code, some in result.latencies.items()} == {"MSG00000": count}
        await self._at_rest()
        done = self._counted()
        done.subtract(begun)
        return {what: round(done[what] / count, 1) for what in (*ALONE, "tasks")}

    async def _at_rest(self) -> None:
        """An answer is acked after its asker has it: wait until no ack comes any more."""
        counts = self._taps[0].counts
        async with asyncio.timeout(PATIENCE):
            quiet, last = 0, -1
            while quiet < 5:
                await asyncio.sleep(0.02)
                quiet, last = (quiet + 1, last) if counts["ack sent"] == last else (0, counts["ack sent"])

    def _counted(self) -> Counter[str]:
        return Counter({**self._taps[0].counts, **self._taps[1].counts, **self._seen, "tasks": self._apart.tasks})


@pytest.fixture(params=[*Client])
async def costs(
    request: pytest.FixtureRequest,
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    hub_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Costs]:
    catalogue = Catalogue([shipped()])
    await store.load(hub_database, [_RULES], catalogue)
    known = [Integration(s, Address.parse(_CUSTOMER), 10, 1, Period(date(2000, 1, 1), None)) for s in persons(_PERSONS)]
    await loading.load_persons(hub_database, known, "persons")
    bodies = [
        (REQUEST % (uuid4(), 12, 0, _CONTEXT, known[n % _PERSONS].ssin.digits)).encode() for n in range(5 * _EXCHANGES)
    ]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_provisioned(rabbitmq, catalogue))
        broker = await stack.enter_async_context(Tap(url[names.HUB]))
        database = await stack.enter_async_context(Tap(hub_database, _BY_THE_CLOCK))
        supplier, asker = Supplier(url[_SUPPLIER], _SUPPLIER), Asker(url[_CUSTOMER], to_hub(_CUSTOMER), bodies)
        for end in (supplier, asker):
            await end.open()
            stack.push_async_callback(end.close)
        apart = Apart()
        stack.callback(apart.stop)
        seen = _counting(monkeypatch, apart)
        settings = {"amqp_url": broker.url, "database_url": database.url, "http_port": 0, "journal_key": KEY}
        hub = Hub(Settings(**settings, name="hub-counted", transport=request.param))
        await apart.run(hub.start())
        stack.push_async_callback(lambda: apart.run(hub.stop()))
        found = Costs(apart, broker, database, asker, seen, request.param)
        await found.exchanges(5, 1)  # what is done once: the way to this asker is tried
        yield found


def _counting(monkeypatch: pytest.MonkeyPatch, apart: Apart) -> Counter[str]:
    """Count the hub's parses and validations."""
    seen: Counter[str] = Counter()
    parse, validate = etree.fromstring, etree.XMLSchema.validate

    def counted_parse(*arguments: Any, **more: Any) -> Any:
        seen["parses"] += threading.get_ident() == apart.ident
        return parse(*arguments, **more)

    class CountedSchema(etree.XMLSchema):
        """Stands in while the catalogue is read."""

        def validate(self, document: Any) -> bool:
            seen["validations"] += threading.get_ident() == apart.ident
            return bool(validate(self, document))

    monkeypatch.setattr(etree, "fromstring", counted_parse)
    monkeypatch.setattr(etree, "XMLSchema", CountedSchema)
    monkeypatch.setattr("schemas.grammar._in_use", WeakValueDictionary())  # none that is compiled already
    return seen


@asynccontextmanager
async def _provisioned(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ, catalogue: Catalogue
) -> AsyncIterator[dict[str, str]]:
    """The bench's two institutions in a vhost of their own; each user's URL."""
    vhost = f"test_{secrets.token_hex(6)}"
    network = provision.network_of(files.read([_RULES], catalogue), catalogue.services.values(), primary=vhost)
    passwords = passwords_of(provision.users(network))
    await asyncio.to_thread(provision.apply, rabbitmq.management, provision.definitions(network, passwords))
    try:
        yield {user: rabbitmq.amqp_url(user, password, vhost) for user, password in passwords.items()}
    finally:
        await asyncio.to_thread(rabbitmq.management.delete, f"/api/vhosts/{vhost}")
        for user in passwords:
            await asyncio.to_thread(rabbitmq.management.delete, f"/api/users/{quote(user, safe='')}")


async def test_an_exchange_alone_costs_what_is_written(costs: Costs) -> None:
    assert await costs.exchanges(_EXCHANGES, 1) == {**ALONE, "tasks": TASKS[costs.client]}


async def test_exchanges_together_share_what_can_be_shared(costs: Costs) -> None:
    found, shared = await costs.exchanges(_EXCHANGES, _IN_FLIGHT), {**TOGETHER, **TOGETHER_BY[costs.client]}
    assert {what: found[what] for what in shared if found[what] > shared[what]} == {}
    assert {what: found[what] for what in ALONE if what not in shared} == {
        what: cost for what, cost in ALONE.items() if what not in shared
    }
