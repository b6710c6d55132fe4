"""One process of reference institutions and relays: what `crossroads institution ADDRESS…` runs.

An address with a sectoral repertory has its relay; each answers, from the synthetic population, the services that it
holds itself in the reference network (7-0 does both).
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import uvloop
from lxml import etree
from pydantic import ValidationError

from institutions.errors import InstitutionError
from institutions.institution import Institution
from institutions.metrics import Metrics
from institutions.nsso.nsso import Nsso
from institutions.question import Question
from institutions.reference import incapacity
from institutions.reference.network import KEEPERS, MUTUALITIES, NSSO, REGISTERS, STATUSES
from institutions.reference.population import Population
from institutions.reference.suppliers import data, search
from institutions.registers.registers import Registers
from institutions.relay.relay import Relay
from institutions.report import Report
from institutions.settings import Settings, SettingsError
from institutions.statuses.statuses import Statuses
from institutions.word import Word
from schemas.address import Address
from schemas.catalogue import Catalogue, Change, shipped
from schemas.process import log, secrets
from schemas.process.health import Health
from schemas.process.traces import opened
from schemas.ssin import Ssin
from schemas.wire.transport import Event


class NothingToDo(InstitutionError):  # noqa: N818
    """An address that neither supplies anything in the reference network nor has a sectoral repertory here."""


class Process:
    """Everything one process runs. `start`, then `stop`."""

    def __init__(self, addresses: Sequence[Address], settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        #: None: nothing is traced.
        self.tracing = opened(settings.traces, settings.traces_share, settings.name)
        self.catalogue = Catalogue((shipped(), *settings.services))
        population = Population(seed=settings.population_seed, size=settings.population_size)
        self.relays: list[Relay] = []
        self.institutions: list[Institution] = []
        self.registers: list[Registers] = []
        self.statuses: list[Statuses] = []
        self.nsso: list[Nsso] = []
        for address in dict.fromkeys(addresses):
            # Who answers from a database of its own never does so from the population.
            own = () if address in KEEPERS else data.services_of(address)
            services = [s for s in own if s in self.catalogue.services]
            relays = settings.relays(address, alone=len(addresses) == 1)
            if relays:
                self.relays.append(self._relay(address, services))
            if services:
                self.institutions.append(self._institution(address, services, population))
            registers = address == REGISTERS and settings.registers_url is not None
            if registers:
                self.registers.append(self._registers())
            statuses = address == STATUSES and settings.statuses_url is not None
            if statuses:
                self.statuses.append(self._statuses())
            nsso = address == NSSO and settings.nsso_url is not None
            if nsso:
                self.nsso.append(self._nsso())
            if not (relays or services or registers or statuses or nsso):
                raise NothingToDo(
                    f"{address} answers no service of the reference network and has no sectoral repertory here: name "
                    "another institution, set CROSSROADS_SECTORAL_URLS for one that manages a network, or "
                    f"CROSSROADS_REGISTERS_URL for {REGISTERS}, CROSSROADS_STATUSES_URL for {STATUSES}, "
                    f"CROSSROADS_NSSO_URL for {NSSO}"
                )
        self.health = Health(self.metrics, self._parts(), lambda: self.ready)
        #: The port that health and figures are told on, once started.
        self.http_port = 0
        self._watching: asyncio.Task[None] | None = None
        self._started = self._stopping = False

    @property
    def ready(self) -> bool:
        """Whether every institution takes questions and every relay requests."""
        connected = all(each.connected for each in self._answering)
        return self._started and not self._stopping and connected and all(relay.ready for relay in self.relays)

    async def start(self) -> None:
        """Return when all of them take questions; waits for brokers as long as it takes. Raises where a sectoral
        repertory cannot be read, or the port is taken."""
        _report_services(self.catalogue.found)
        self.http_port = await self.health.start(self.settings.http_host, self.settings.http_port)
        log.logger().info("health and figures", host=self.settings.http_host, port=self.http_port)
        await asyncio.gather(
            *(relay.start() for relay in self.relays),
            *(each.__aenter__() for each in self._answering),
        )
        await asyncio.gather(*(each.supplying() for each in self._answering))
        self._watching = asyncio.create_task(self.catalogue.watch(_report_services))
        self._started = True
        log.logger().info("ready", institutions=len(self.institutions), relays=len(self.relays))

    async def stop(self) -> None:
        """Start nothing new, finish what runs, ack, close."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await asyncio.gather(
            *(relay.stop() for relay in self.relays),
            *(each.__aexit__(None, None, None) for each in self._answering),
        )
        await self.health.close()
        if self.tracing is not None:
            await self.tracing.close()
        log.logger().info("stopped")

    def _relay(self, address: Address, own: Sequence[str]) -> Relay:
        return Relay(
            self.settings.access(address),
            self.catalogue,
            own=own,
            metrics=self.metrics,
            max_in_flight=self.settings.max_in_flight,
            client=self.settings.transport,
            tracing=self.tracing,
        )

    @property
    def _answering(self) -> tuple[Institution | Registers | Statuses | Nsso, ...]:
        """Everybody here who answers questions itself."""
        return (*self.institutions, *self.registers, *self.statuses, *self.nsso)

    def _registers(self) -> Registers:
        database = self.settings.registers_url
        if database is None:
            raise SettingsError("set CROSSROADS_REGISTERS_URL")
        urls = self.settings.access(REGISTERS).urls
        return Registers(REGISTERS, urls, database.get_secret_value(), **self._options(REGISTERS))

    def _statuses(self) -> Statuses:
        database, definitions = self.settings.statuses_url, self.settings.statuses_file
        if database is None:
            raise SettingsError("set CROSSROADS_STATUSES_URL")
        urls, options = self.settings.access(STATUSES).urls, self._options(STATUSES)
        return Statuses(STATUSES, urls, database.get_secret_value(), definitions=definitions, **options)

    def _nsso(self) -> Nsso:
        database, access = self.settings.nsso_url, self.settings.access(NSSO)
        if database is None:
            raise SettingsError("set CROSSROADS_NSSO_URL")
        return Nsso(
            NSSO,
            access.urls,
            access.secondary_urls,
            database.get_secret_value(),
            today=self.settings.today,
            client=self.settings.transport,
            **self._options(NSSO),
        )

    def _institution(self, address: Address, services: Sequence[str], population: Population) -> Institution:
        institution = Institution(
            address,
            self.settings.access(address).urls,
            **self._options(address),
        )
        for service in services:
            institution.supplies(service)(_supplier(population))
        if address in MUTUALITIES:
            self._told(institution, population)
        return institution

    def _told(self, mutuality: Institution, population: Population) -> None:
        """It opens dossiers of incapacity. Of whatever else a mutuality is told the reference one takes note, so that
        nothing waits."""
        for service in self.catalogue.services.values():
            if service.mode == "mutation" and service.type != incapacity.TELLS:
                mutuality.receives(service)(_noted)
        if incapacity.TELLS in self.catalogue.services:
            incapacity.Incapacity(mutuality, lambda ssin: _insured(population, ssin))

    def _options(self, address: Address) -> dict[str, Any]:
        """What an institution of this process is made with."""
        return {
            "catalogue": self.catalogue,
            "patient": True,
            "concurrency": self.settings.concurrency,
            "metrics": self.metrics,
            "observe": _observer(address),
            "report": _report,
            "tracing": self.tracing,
        }

    def _parts(self) -> Mapping[str, Callable[[], bool]]:
        parts: dict[str, Callable[[], bool]] = {}
        for institution in self.institutions:
            parts[str(institution.address)] = lambda institution=institution: institution.connected  # type: ignore[misc]
        keepers: tuple[Registers | Statuses, ...] = (*self.registers, *self.statuses)
        for keeper in keepers:
            parts[str(keeper.address)] = lambda keeper=keeper: keeper.connected  # type: ignore[misc]
        for nsso in self.nsso:
            parts |= nsso.parts()
        for relay in self.relays:
            for name in relay.parts():
                parts[name] = lambda relay=relay, name=name: relay.parts()[name]  # type: ignore[misc]
        for name, up in parts.items():
            self.metrics.part(name, up)
        return parts


async def run(addresses: Sequence[Address | str], settings: Settings) -> None:
    """Be these institutions until SIGTERM or Ctrl-C, then drain."""
    log.configure(settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process = Process([a if isinstance(a, Address) else Address.parse(a) for a in addresses], settings)
    starting, stopping = asyncio.create_task(process.start()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await process.stop()


def main(addresses: Sequence[str]) -> None:
    """As `run`, with the environment's settings. Raises `SettingsError` in words where they are wrong."""
    secrets.take()
    try:
        settings = Settings()
    except ValidationError as error:
        # pydantic's own text repeats what it was given, and a URL holds a password.
        wrong = "; ".join(f"CROSSROADS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(wrong) from None
    uvloop.run(run(addresses, settings))


def _supplier(population: Population) -> Callable[[Question], Awaitable[list[etree._Element] | None]]:
    async def supplier(question: Question) -> list[etree._Element] | None:
        if question.service.type == search.SERVICE:
            # The first one listens to the whole population: others are not kept waiting for it.
            return await asyncio.to_thread(search.answer, population, question)
        return data.answer(population, question)

    return supplier


async def _noted(word: Word) -> None:
    """Nothing follows from it."""


def _insured(population: Population, ssin: Ssin) -> incapacity.Insured | None:
    person = population.person(ssin)
    if person is None:
        return None
    identity = person.identity
    born = identity.born.isoformat() if identity.birth_date_known else f"{identity.born.year}-00-00"
    return incapacity.Insured(identity.last_name, born)


def _observer(address: Address) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        log.logger().info("wire", institution=str(address), what=event.what, where=event.where, why=event.why)

    return observe


def _report(report: Report) -> None:
    log.logger().warning(
        report.what,
        institution=report.institution,
        service=report.service,
        ticket=str(report.ticket_cbss),
        why=report.why,
    )


def _report_services(changes: tuple[Change, ...]) -> None:
    for change in changes:
        line = log.logger().bind(kind=change.kind, service=change.type, folder=str(change.folder), why=change.reason)
        if change.kind in ("broken", "shadowed"):
            line.error("service")
        else:
            line.info("service")
