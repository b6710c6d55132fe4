"""The databases of a network: the hub's, a sectoral repertory for each institution that manages a network, the
registers of 25-0, the buffer of 25-1, and the declarations of 12-0."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice

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
from institutions.statuses.buffer import FILL_TIMEOUT, Buffer
from institutions.statuses.definitions import SHIPPED
from institutions.statuses.definitions import read as read_definitions
from institutions.statuses.derive import Fact
from institutions.statuses.filling import PART, facts, put
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.integration import Integration

#: What rows of the population are loaded as.
SOURCE = "population"


class Databases:
    """Made on a server, filled with the rules and the population; on a server that others run, removed at the end."""

    def __init__(self, server: PrivatePostgreSQL | ForeignPostgreSQL, stack: AsyncExitStack) -> None:
        self._server, self._stack = server, stack
        #: The hub's database.
        self.hub = ""
        #: Sectoral repertories by the address of the managing institution.
        self.sectoral: dict[str, str] = {}
        #: The registers of persons whom the National Register does not hold.
        self.registers = ""
        #: The buffer of social statuses.
        self.statuses = ""
        #: Declarations, and who may hand them in.
        self.nsso = ""
        #: The load that the rules are of.
        self.rules = 0

    async def make(self, rules: Rules, catalogue: Catalogue, population: Population) -> None:
        """Make and fill them all."""
        self.hub = await self._create("crossroads")
        await migrations.migrate(self.hub)
        self.rules = (await store.load(self.hub, FILES, catalogue)).number
        await loading.load_persons(self.hub, population.integrations(), SOURCE)
        for managing in sorted({i.managed_by for i in rules.institutions.values() if i.managed_by is not None}):
            url = self.sectoral[str(managing)] = await self._create(f"secondary_{managing.sector}")
            await sectoral_repertory.migrate(url)
            await fill(url, rules, managing, tuple(population.sectoral(managing)))
        self.registers = await self._create("registers")
        await registry.migrate(self.registers)
        registers = await Registry.connect(self.registers)
        try:
            await registers.load(registered(population))
        finally:
            await registers.close()
        self.statuses = await self._create("statuses")
        await buffers.migrate(self.statuses)
        buffer = await Buffer.connect(self.statuses, FILL_TIMEOUT)
        try:
            await first_fill(buffer, population, catalogue)
        finally:
            await buffer.close()
        self.nsso = await self._create("nsso")
        await offices.migrate(self.nsso)
        office = await PostgresOffice.connect(self.nsso)
        try:
            await office.load(read_register(SENDERS), SENDERS.name)
        finally:
            await office.close()

    async def _create(self, name: str) -> str:
        url = await self._server.create_database(name)
        if isinstance(self._server, ForeignPostgreSQL):
            self._stack.push_async_callback(self._server.drop_database, name)
        return url


async def first_fill(buffer: Buffer, population: Population, catalogue: Catalogue) -> None:
    """What the sources say of everybody goes into the buffer of statuses."""
    definitions = read_definitions(SHIPPED, catalogue)
    lines = (one.message("FIRST_FILL") for person in population.persons for one in told_of(person))
    while said := [one for one in facts(islice(lines, PART), catalogue) if isinstance(one, Fact)]:
        await put(buffer, definitions, said)


async def fill(url: str, rules: Rules, managing: Address, rows: Sequence[Integration] = ()) -> None:
    """A sectoral repertory gets the members that the register has; and these rows, if there are any."""
    repertory = await SectoralRepertory.connect(url)
    try:
        await repertory.load_members(Member(i.address, i.name, i.active, i.rate) for i in rules.members(managing))
        if rows:
            await repertory.load(rows, SOURCE)
    finally:
        await repertory.close()
