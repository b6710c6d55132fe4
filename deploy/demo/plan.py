"""Which exchanges the demo makes: every service, asked by everyone who has a right to it, and by some who have not."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from deploy.demo.oracle import Oracle
from hub.repertory.rules import Rules
from institutions.reference import network
from institutions.reference.population import Population
from institutions.reference.scenarios import Scenario
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.period import Period, today
from schemas.ssin import Ssin

_INQUIRY = "PCSA:SOCIAL_INQUIRY"
#: One in so many exchanges is asked about a person whom its customer does not know, or without an authorisation.
_STRANGER, _UNAUTHORISED = 8, 20
#: One in so many is asked about anybody; for the others somebody with data is looked for, so many times.
_ANYBODY, _TRIES = 4, 30


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to ask, and the code it must end with."""

    customer: Address
    service: str
    legal_context: str
    ssin: Ssin = field(repr=False)
    period: Period | None
    expected: str


class Plan:
    """An endless, deterministic series of exchanges: first the situations that were placed in the population, under
    every service, then chance."""

    def __init__(self, population: Population, rules: Rules, catalogue: Catalogue, seed: int = 1) -> None:
        self._population, self._rules, self._catalogue = population, rules, catalogue
        self._oracle = Oracle(population, rules)
        #: Those that institutions answer about whom one knows, from what they have: the others are not for traffic.
        self._services = tuple(
            service
            for service in catalogue.services.values()
            if service.person_check and service.answered_by == "suppliers" and service.mode == "online"
            if network.KEEPERS.isdisjoint(network.HOLDERS.get(service.type, ()))
        )
        self._chance = random.Random(seed)  # noqa: S311 - a demo's choices, not secrets
        self._known: dict[Address, tuple[Ssin, ...]] = {}

    def exchanges(self) -> Iterator[Exchange]:
        """The series."""
        yield from self._situations()
        rights = self._rights()
        while True:
            customer, service, context = self._chance.choice(rights)
            yield self._found(customer, service, context)

    def _situations(self) -> Iterator[Exchange]:
        """PCSW A about a person in each situation, under each service it may ask; and some that are refused."""
        people = [self._population.examples.first(scenario).ssin for scenario in Scenario]
        people += self._population.examples.replaced
        for service in self._services:
            if any(a.service in (service.name, service.type) for a in self._rules.rights(network.PCSW_A)):
                for ssin in people:
                    yield self._exchange(network.PCSW_A, service.type, _INQUIRY, ssin)
        for customer in (network.PCSW_B, network.MUTUALITIES[0], Address(64, 0)):
            for ssin in people[:4]:
                yield self._exchange(customer, "Pension/1", "NOT:AUTHORISED", ssin)

    def _found(self, customer: Address, service: str, context: str) -> Exchange:
        """Most often somebody of whom there are data, since that is what an institution asks about."""
        tries = _TRIES if self._chance.randrange(_ANYBODY) else 1
        exchange = self._exchange(customer, service, context, self._someone(customer))
        for _ in range(tries - 1):
            if exchange.expected == "MSG00000":
                break
            exchange = self._exchange(customer, service, context, self._someone(customer))
        return exchange

    def _rights(self) -> list[tuple[Address, str, str]]:
        """Who may ask what in which context: each active institution of each authorisation's sector and type."""
        return [
            (institution.address, service.type, authorisation.legal_context)
            for authorisation in self._rules.authorisations
            for institution in self._rules.institutions.values()
            if institution.active and institution.address.kind == authorisation.customer
            for service in self._services
            if authorisation.service in (service.name, service.type)
        ]

    def _someone(self, customer: Address) -> Ssin:
        if self._chance.randrange(_STRANGER) == 0:
            return self._population.persons[self._chance.randrange(self._population.size)].ssin
        if customer not in self._known:
            self._known[customer] = self._oracle.known(customer)
        known: Sequence[Ssin] = self._known[customer] or (self._population.persons[0].ssin,)
        return self._chance.choice(known)

    def _exchange(self, customer: Address, service_type: str, context: str, ssin: Ssin) -> Exchange:
        if self._chance.randrange(_UNAUTHORISED) == 0:
            context = "NOT:AUTHORISED"
        service = self._catalogue.services[service_type]
        day = today()
        period = Period(day, day) if service.period else None
        expected = self._oracle.code(customer, service, context, ssin, period or Period(day, day))
        return Exchange(customer, service_type, context, ssin, period, expected)
