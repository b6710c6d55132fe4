"""The databases of a network: the hub's, a sectoral repertory for each institution that manages a network, and the
registers of 25-0."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from deploy.network import FILES
from deploy.servers import ForeignPostgreSQL, PrivatePostgreSQL
from hub import migrations
from hub.repertory import loading, store
from hub.repertory.rules import Rules
from institutions.reference.population import Population
from institutions.reference.suppliers.numbers import registered
from institutions.registers import registry
from institutions.registers.registry import Registry
from institutions.relay import sectoral_repertory
from institutions.relay.sectoral_repertory import Member, SectoralRepertory
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

    async def _create(self, name: str) -> str:
        url = await self._server.create_database(name)
        if isinstance(self._server, ForeignPostgreSQL):
            self._stack.push_async_callback(self._server.drop_database, name)
        return url


async def fill(url: str, rules: Rules, managing: Address, rows: Sequence[Integration] = ()) -> None:
    """A sectoral repertory gets the members that the register has; and these rows, if there are any."""
    repertory = await SectoralRepertory.connect(url)
    try:
        await repertory.load_members(Member(i.address, i.name, i.active, i.rate) for i in rules.members(managing))
        if rows:
            await repertory.load(rows, SOURCE)
    finally:
        await repertory.close()
