"""Institution 25-1 in a star: its buffer filled from a population, and the bodies that ask it, in lots."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from lxml import etree

from hub.repertory import loading
from institutions import Institution
from institutions.process import Process
from institutions.reference import whereabouts
from institutions.reference.granting import Home, Tariff, statuses_in
from institutions.reference.mutations import Telling, told_of
from institutions.reference.network import STATUSES
from institutions.reference.person import Person
from institutions.reference.population import Population
from institutions.reference.suppliers.elements import element
from institutions.settings import Settings
from institutions.statuses import buffer as buffers
from institutions.statuses.buffer import FILL_TIMEOUT, Buffer
from institutions.statuses.definitions import SHIPPED, read
from institutions.statuses.filling import Filled, fill
from institutions.statuses.quarters import first_day, last_day, written
from institutions.statuses.statuses import Statuses as Running
from institutions.word import Word
from schemas.address import Address
from schemas.period import Period
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.mutations import GIVEN, Answered, Owner, right, row
from tests.hub.star import CONTEXT, PATIENCE, PCSW_A, Star, opened
from tests.institutions.statuses.oracle import DE_LIJN, SOCIAL_TARIFF, statuses_of

#: Which statuses each body may see.
BODIES: Mapping[Address, set[str]] = {whereabouts.DE_LIJN: DE_LIJN, whereabouts.SOCIAL_TARIFF: SOCIAL_TARIFF}
#: Who tells what statuses follow from, and the qualities that open it.
SOURCES = {
    "LivingWageMutation/1": ("17-1", [2, 3]),
    "PensionMutation/1": ("5-0", [30, 100]),
    "HandicapMutation/1": ("16-0", [2, 3, 5, 7]),
}
CODES = {address: f"codes = {json.dumps(sorted(codes))}\n" for address, codes in BODIES.items()}
RULES = (
    '[[institution]]\naddress = "25-1"\ncbe = "1925010035"\nname = "25-1"\nrate = 2000\n'
    '[[institution]]\naddress = "0-0"\ncbe = "1900000069"\nname = "0-0"\n'
    '[[institution]]\naddress = "70-3"\ncbe = "1970030012"\nname = "70-3"\nrate = 2000\n'
    '[[availability]]\nservice = "SocialStatus/1"\naddress = "25-1"\neverybody = true\n'
    '[[availability]]\nservice = "Pension/1"\naddress = "5-0"\nquality = 30\n'
    '[[availability]]\nservice = "HandicapRecognition/1"\naddress = "16-0"\nquality = 5\n'
    + "".join(
        f'[[authorisation]]\nid = "{address}-{service}"\ncustomer = "{address}"\nlegal_context = "{context}"\n'
        f'qualities = [0]\nservice = "{service}/1"\n{suppliers}\n{GIVEN}'
        for address in BODIES
        for service, context, suppliers in (
            ("SocialStatus", CONTEXT, 'suppliers = ["25-1"]'), ("OpenLot", "LOT", ""), ("CloseLot", "LOT", ""),
        )
    )
    + '[[availability]]\nservice = "RepeatMutation/1"\naddress = "25-1"\neverybody = true\n'
    + "".join(
        f'[[authorisation]]\nid = "{address}-catches-up"\ncustomer = "{address}"\nlegal_context = "DISTRIBUTION"\n'
        f'qualities = [0]\nservice = "CatchUp/1"\n{GIVEN}'
        for address in (STATUSES, *BODIES)
    )
    + right("25-1-tells", "25-1", "StatusMutation/1", 0, "integrate = 0").replace(CONTEXT, "STATUSES:UPKEEP")
    + "".join(
        right(f"{owner}-tells", owner, service, 0).replace("[0]", str(qualities))
        for service, (owner, qualities) in SOURCES.items()
    )
    + "".join(row(service, "25-1", ()) for service in SOURCES)
    + right("0-0-tells", "0-0", "PersonMutation/1", 0)
    + right("0-0-replaces", "0-0", "ReplaceSsin/1", 0)
    + row("PersonMutation/1", "70-3", [0], 'dossiers = "all"\nwithout = ["person/lastName"]\n')
    + "".join(row("StatusMutation/1", str(address), [0], CODES[address]) for address in BODIES)
)  # fmt: skip
#: Where sources are asked and told: no message ever comes there.
QUEUES = (
    names.supplier_queue(Address(5, 0), "online", "Pension/1"),
    names.supplier_queue(Address(16, 0), "online", "HandicapRecognition/1"),
    *(names.mutations(address) for address in (Address(5, 0), Address(16, 0), Address(17, 0))),
)


class Statuses:
    """The star with 25-1 in it."""

    process: Process

    def __init__(self, star: Star, database: str) -> None:
        self.star, self.database = star, database
        self._sequences = dict.fromkeys(BODIES, 0)
        self._sources: dict[Address, Source] = {}

    async def fill(self, tellings: Iterable[Telling], file: Path) -> Filled:
        """What the sources say, by the file that `crossroads statuses fill` takes."""
        with file.open("wb") as lines:
            lines.writelines(one.message("FIRST_FILL") + b"\n" for one in tellings)
        buffer = await Buffer.connect(self.database, FILL_TIMEOUT)
        try:
            return await fill(buffer, read(SHIPPED, self.star.catalogue), self.star.catalogue, file)
        finally:
            await buffer.close()

    async def know(self, persons: Iterable[Person]) -> dict[Address, list[Person]]:
        """The bodies have integrated whom the population says; whom each has."""
        known: dict[Address, list[Person]] = {address: [] for address in BODIES}
        rows = []
        for person in persons:
            for one in whereabouts.rows_at_the_hub(person):
                if one.kind in BODIES and one.ssin == person.ssin and one.quality == 0:
                    rows.append(one)
                    known[one.kind].append(person)
        await loading.load_persons(self.star.database_url, rows, "population")
        return known

    async def publish(self, persons: Iterable[Person]) -> int:
        """The sources have integrated these persons, and so have the bodies; each tells what it has to tell. How many
        mutations were passed on: all there are."""
        kinds = {Address.parse(owner) for owner, _ in SOURCES.values()} | BODIES.keys()
        known = [one for person in persons for one in whereabouts.rows_at_the_hub(person) if one.kind in kinds]
        await loading.load_persons(self.star.database_url, known, "published")
        tellings = [one for person in persons for one in told_of(person) if one.service in SOURCES]
        for sender in (Address(17, 0), Address(5, 0), Address(16, 0)):
            source = await self.source(sender)
            theirs = [one for one in tellings if one.owner.sector == sender.sector]
            if sender.sector == 17:  # the one PCSW that this star has
                theirs = [replace(one, owner=Address(17, 1, PCSW_A)) for one in theirs]
            for verdict in await asyncio.gather(*map(source.tell, theirs)):
                assert verdict.code == "MSG00000"
        return len(tellings)

    def next(self, body: Address) -> int:
        """The number of a body's next lot."""
        self._sequences[body] += 1
        return self._sequences[body]

    async def run(
        self, body: Address, persons: Sequence[Person], quarter: int, progress: Callable[[int], None] = lambda _: None
    ) -> list[set[str]]:
        """A body's lot about a quarter: the statuses that each person is said to have."""
        asked = Period(first_day(quarter), last_day(quarter))
        told = []
        async with self.institution(body) as me:
            lot = me.lot(
                "SocialStatus/1",
                [person.ssin for person in persons],
                legal_context=CONTEXT,
                sequence=self.next(body),
                period=asked,
            )
            async for answer in lot:
                assert answer.code in ("MSG00000", "MSG00100"), answer.code
                told.append({status.code for status in statuses_in(answer.root)})
                progress(len(told))
        return told

    def expected(self, body: Address, persons: Sequence[Person], quarter: int) -> list[set[str]]:
        """The oracle's."""
        year, number = divmod(quarter, 4)
        return [statuses_of(person, year, number + 1) & BODIES[body] for person in persons]

    async def start(self) -> None:
        """25-1, as a process."""
        settings = Settings(
            amqp_url=self.star.url("25-1"), statuses_url=self.database, http_port=0, log_level="ERROR", concurrency=200
        )
        self.process = Process([STATUSES], settings)
        await self.process.start()

    @property
    def statuses(self) -> Running:
        """25-1 itself."""
        [found] = self.process.statuses
        return found

    async def replace(self, old: Ssin, new: Ssin) -> None:
        """The National Register replaces a number."""
        root = etree.Element("{urn:crossroads:services:ReplaceSsin:v1}replaceSsinRequest")
        for part in (
            element(
                "informationCustomer",
                element("ticket", str(uuid4())),
                element("customerIdentification", element("sector", 0), element("institution", 0)),
            ),
            element("legalContext", CONTEXT),
            element(
                "criteria", element("ssin", old.digits), element("newSsin", new.digits), element("day", "2026-01-01")
            ),
        ):
            root.append(part)
        told = await self.star.send(etree.tostring(root), sender=Address(0, 0))
        assert told.said == ("DATA_FOUND", "MSG00000")

    async def source(self, address: Address) -> "Source":
        """Who publishes, as lean as can be."""
        if address not in self._sources:
            self._sources[address] = Source(await Owner(self.star, address).open())
        return self._sources[address]

    def institution(self, body: Address) -> Institution:
        return Institution(body, self.star.url(str(body)), catalogue=self.star.catalogue, timeout=30)


class Source:
    """An owner of facts."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def tell(self, telling: Telling) -> Answered:
        """Publish it; the hub's verdict."""
        return await self._owner.send(telling.message(CONTEXT), type=telling.service)


class Body:
    """A body that grants rights, with the library, and what it was told."""

    def __init__(self, statuses: Statuses, address: Address) -> None:
        self.me, self.granting = statuses.institution(address), Tariff()
        self.words: list[Word] = []
        self._more = asyncio.Event()
        self.me.receives("StatusMutation/1")(self._take)
        self.me.receives("PersonMutation/1")(self._move)
        self.me.receives("SsinReplaced/1")(self._replaced)

    async def _take(self, word: Word) -> None:
        self.words.append(word)
        self.granting.told(word.ssin, word.says.action, word.says.reference, word.root)
        self._more.set()

    async def _move(self, word: Word) -> None:
        home, days = Home.of(word.root), word.period
        assert home is not None
        assert days is not None
        self.granting.moved(word.ssin, days.begin, home)

    async def _replaced(self, word: Word) -> None:
        self.granting.replaced(word.ssin, Ssin.parse(word.text("criteria/newSsin") or ""))

    async def heard(self, person: Ssin, count: int = 1) -> list[str]:
        """What it was told of a person, once it is so much."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [word for word in self.words if word.ssin == person]) < count:
                self._more.clear()
                await self._more.wait()
        return [f"{word.says.action} {_line(word)}" for word in found]


def _line(word: Word) -> str:
    [status] = statuses_in(word.root)
    last = status.quarters.last
    return f"{status.code} {written(status.quarters.first)}-{written(last) if last is not None else ''}"


@asynccontextmanager
async def with_statuses(rabbitmq, postgresql, folder: Path) -> AsyncIterator[Statuses]:
    """A star with a hub, and 25-1 with an empty buffer."""
    name = f"test_{uuid4().hex[:12]}"
    async with opened(rabbitmq, postgresql, folder, RULES) as star:
        database = await postgresql.create_database(name)
        try:
            await buffers.migrate(database)
            await star.hub()
            statuses = Statuses(star, database)
            await statuses.start()
            try:
                yield statuses
            finally:
                await statuses.process.stop()
        finally:
            await postgresql.drop_database(name)


async def equal_to_the_oracle(
    statuses: Statuses, size: int, file: Path, quarter: int, progress: Callable[[str], None] = lambda _: None
) -> tuple[int, int]:
    """The persons of a population that both bodies have, in a lot each, at once: how many, and how many have a status
    that their body may see. Fails where one is told otherwise than the oracle says."""
    persons = Population(size=size).persons
    filled = await statuses.fill((one for person in persons for one in told_of(person)), file)
    assert filled.wrong == ()
    progress(f"{filled.lines} mutations in the buffer")
    known = await statuses.know(persons)
    progress(f"{sum(map(len, known.values()))} persons known to {len(known)} bodies")
    told = await asyncio.gather(*(statuses.run(body, persons, quarter) for body, persons in known.items()))
    progress("asked")
    for (body, those), said in zip(known.items(), told, strict=True):
        assert said == statuses.expected(body, those, quarter)
    return sum(map(len, told)), sum(bool(one) for said in told for one in said)
