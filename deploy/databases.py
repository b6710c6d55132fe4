"""The databases of a network: the hub's, a sectoral repertory for each institution that manages a network, the
registers of 25-0, the buffer of 25-1, and the declarations of 12-0."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote, urlsplit

import asyncpg

from deploy.network import FILES, SENDERS
from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL
from hub import migrations
from hub.repertory import loading, store
from hub.repertory.rules import Rules
from institutions.nsso import office as offices
from institutions.nsso.office import PostgresOffice
from institutions.nsso.register_files import read as read_register
from institutions.reference.mutations import told_of
from institutions.reference.population import Population
from institutions.reference.suppliers.numbers import registered
from institutions.registers import registry
from institutions.registers.registry import Registry
from institutions.relay import sectoral_repertory
from institutions.relay.sectoral_repertory import Member, SectoralRepertory
from institutions.statuses import buffer as buffers
from institutions.statuses import statements
from institutions.statuses.buffer import FILL_TIMEOUT, Buffer
from institutions.statuses.definitions import SHIPPED
from institutions.statuses.definitions import read as read_definitions
from institutions.statuses.derive import Fact
from institutions.statuses.filling import PART, facts, put
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.integration import Integration

#: What rows of the population are loaded as.
SOURCE = "population"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Databases:
    """Where they are: `postgresql://user:password@host:port/database`, each."""

    hub: str = field(repr=False)
    #: Sectoral repertories by the address of the managing institution.
    sectoral: Mapping[str, str] = field(repr=False)
    #: The registers of persons whom the National Register does not hold.
    registers: str = field(repr=False)
    #: The buffer of social statuses.
    statuses: str = field(repr=False)
    #: Declarations, and who may hand them in.
    nsso: str = field(repr=False)

    def all(self) -> tuple[str, ...]:
        return (self.hub, *self.sectoral.values(), self.registers, self.statuses, self.nsso)


def database_names(networks: Iterable[Address]) -> Mapping[str, str]:
    """What each is called on a server: by the managing institution's address, or by the field of `Databases`."""
    own = {"hub": "crossroads", "registers": "registers", "statuses": "statuses", "nsso": "nsso"}
    return own | {str(managing): f"secondary_{managing.sector}" for managing in networks}


def managing(rules: Rules) -> tuple[Address, ...]:
    """The institutions of a register that manage a network, in the order of their addresses."""
    return tuple(sorted({i.managed_by for i in rules.institutions.values() if i.managed_by is not None}))


async def create(
    server: PrivatePostgreSQL | ForeignPostgreSQL, rules: Rules, made: Callable[[str], None] = lambda _: None
) -> Databases:
    """Empty ones on a server; `made` is told the name of each."""
    urls: dict[str, str] = {}
    for what, name in database_names(managing(rules)).items():
        urls[what] = await server.create_database(name)
        made(name)
    return Databases(sectoral={str(m): urls[str(m)] for m in managing(rules)}, **_own(urls))


def _own(urls: Mapping[str, str]) -> dict[str, str]:
    return {what: urls[what] for what in ("hub", "registers", "statuses", "nsso")}


async def admit(server_url: str, url: str) -> bool:
    """Make the database of a URL, and its user, who owns it; nobody else may connect to it. What is there stays, but
    the user gets the URL's password. Whether the database is new. `server_url` is a superuser's."""
    user, password, name = _parts(url)
    async with _superuser(server_url) as do:
        await do(f"{await _verb(do, user)} ROLE %I LOGIN PASSWORD %L", user, password)
        new = not await do.connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
        if new:
            await do("CREATE DATABASE %I OWNER %I", name, user)
        await do("REVOKE ALL ON DATABASE %I FROM PUBLIC", name)  # also of one that was made anew, for a restore
        return new


async def admit_reader(server_url: str, url: str) -> None:
    """Make the user of a URL, who may read that database and see the sizes of all, and nothing else. As `admit`."""
    user, password, name = _parts(url)
    async with _superuser(server_url) as do:
        await do(f"{await _verb(do, user)} ROLE %I LOGIN PASSWORD %L", user, password)
        await do("ALTER ROLE %I SET default_transaction_read_only = on", user)
        await do("GRANT CONNECT ON DATABASE %I TO %I", name, user)
        await do("GRANT pg_read_all_data, pg_read_all_stats TO %I", user)


class _Doing:
    """Statements of a superuser, their words quoted by the server."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection

    async def __call__(self, said: str, *words: str) -> None:
        statement = await self.connection.fetchval("SELECT format($1, VARIADIC $2::text[])", said, words)
        await self.connection.execute(statement)


@asynccontextmanager
async def _superuser(server_url: str) -> AsyncIterator[_Doing]:
    connection = await asyncpg.connect(server_url, timeout=10)
    try:
        await connection.execute("SET log_min_error_statement = panic")  # a statement here holds a password
        yield _Doing(connection)
    finally:
        await connection.close()


async def _verb(do: _Doing, user: str) -> str:
    there = await do.connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", user)
    return "ALTER" if there else "CREATE"


def _parts(url: str) -> tuple[str, str, str]:
    """User, password, database."""
    parts = urlsplit(url)
    user, password, name = unquote(parts.username or ""), unquote(parts.password or ""), parts.path.lstrip("/")
    if not user or not password or not name:
        raise CrossroadsError("a database's URL looks like postgresql://user:password@host:5432/database")
    return user, password, name


async def migrate(databases: Databases) -> None:
    """Bring all to the newest step."""
    await migrations.migrate(databases.hub)
    for url in databases.sectoral.values():
        await sectoral_repertory.migrate(url)
    await registry.migrate(databases.registers)
    await buffers.migrate(databases.statuses)
    await offices.migrate(databases.nsso)


async def fill_empty(
    databases: Databases,
    rules: Rules,
    catalogue: Catalogue,
    population: Population,
    progress: Progress = lambda _: None,
) -> int:
    """Put the reference network's rules and the population into those that were migrated and hold nothing yet; where
    something is, it stays as it is. Repeatable, also when it was cut. The number of the hub's rules."""
    number = (await store.read(databases.hub)).number
    if number == 0:
        progress(f"the hub's repertory: {population.size:,} synthetic persons")
        await loading.load_persons(databases.hub, population.integrations(), SOURCE)
        number = (await store.load(databases.hub, FILES, catalogue)).number  # last: it says that all is there
    for one in managing(rules):
        if not await _holds(databases.sectoral[str(one)], "integration"):
            progress(f"the sectoral repertory of {one}")
            await fill(databases.sectoral[str(one)], rules, one, tuple(population.sectoral(one)))
    if not await _holds(databases.registers, "person"):
        progress("the registers of 25-0")
        registers = await Registry.connect(databases.registers)
        try:
            await registers.load(registered(population))
        finally:
            await registers.close()
    buffer = await Buffer.connect(databases.statuses, FILL_TIMEOUT)
    try:
        await first_fill(buffer, population, catalogue, progress)
    finally:
        await buffer.close()
    office = await PostgresOffice.connect(databases.nsso)
    try:
        if not await office.senders():
            progress("the senders of 12-0")
            await office.load(read_register(SENDERS), SENDERS.name)
    finally:
        await office.close()
    return number


async def first_fill(
    buffer: Buffer, population: Population, catalogue: Catalogue, progress: Progress = lambda _: None
) -> None:
    """What the sources say of everybody goes into the buffer of statuses, once, in parts; cut, it goes on behind the
    last."""
    name = f"{SOURCE} {population.seed} {population.size}"
    mark, whole = (hashlib.sha256(said.encode()).digest() for said in (name, f"{name}, whole"))
    done = await buffer.pool.fetchval(statements.FILLED, mark) or 0
    if await buffer.pool.fetchval(statements.FILLED, whole) is not None or (not done and await _filled(buffer)):
        return
    progress("the statuses of 25-1")
    definitions = read_definitions(SHIPPED, catalogue)
    everything = (one.message("FIRST_FILL") for person in population.persons for one in told_of(person))
    lines = islice(everything, done, None)
    while said := list(facts(islice(lines, PART), catalogue)):
        done += len(said)
        await put(buffer, definitions, [one for one in said if isinstance(one, Fact)], (mark, done))
    await put(buffer, definitions, [], (whole, done))


async def fill(url: str, rules: Rules, managing: Address, rows: Sequence[Integration] = ()) -> None:
    """A sectoral repertory gets the members that the register has; and these rows, if there are any."""
    repertory = await SectoralRepertory.connect(url)
    try:
        await repertory.load_members(Member(i.address, i.name, i.active, i.rate) for i in rules.members(managing))
        if rows:
            await repertory.load(rows, SOURCE)
    finally:
        await repertory.close()


async def _filled(buffer: Buffer) -> bool:
    """Whether anything stands in it, of whatever source."""
    return bool(await buffer.pool.fetchval("SELECT EXISTS (SELECT FROM holding)"))


async def _holds(url: str, table: str) -> bool:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"))  # noqa: S608 - ours
    finally:
        await connection.close()
