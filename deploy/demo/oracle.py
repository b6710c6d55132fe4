"""What each exchange of the demo must end as, told from the population and the rules alone.

No broker, no database, no XML: the relay's and the hub's decisions are their own pure functions, on rows that come
straight from the population; what a supplier has is the population's. What the network answers came a long way; both
must agree.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hub import admission
from hub.repertory.rules import Rules
from institutions.question import Deceased
from institutions.reference.population import Population
from institutions.reference.suppliers.data import data_of, services_of
from institutions.relay.admission import Refused as RelayRefused
from institutions.relay.admission import admit_person, holders
from institutions.relay.sectoral_repertory import Member
from schemas.address import Address
from schemas.integration import REPLACED, Integration
from schemas.period import Period, today
from schemas.service import Service
from schemas.ssin import Ssin

_FOUND, _NONE, _UNKNOWN_HERE, _DECEASED = "MSG00000", "MSG00100", "MSG00021", "MSG00009"


class Oracle:
    """Knows the whole population and the rules."""

    def __init__(self, population: Population, rules: Rules) -> None:
        self._population, self._rules = population, rules
        self._hub = _by_person(population.integrations())
        managing = {i.managed_by for i in rules.institutions.values() if i.managed_by is not None}
        self._sectors = {address: _by_person(population.sectoral(address)) for address in managing}
        self._members: Mapping[Address, Mapping[Address, Member]] = {
            address: {i.address: Member(i.address, i.name, i.active, i.rate) for i in rules.members(address)}
            for address in managing
        }

    def known(self, customer: Address) -> tuple[Ssin, ...]:
        """The persons of whom the customer, or its sector and type, has any row."""
        managing = self._rules.institutions[customer].managed_by
        rows = self._hub if managing is None else self._sectors[managing]
        return tuple(
            ssin
            for ssin, known in rows.items()
            if any((row.member or row.kind) == customer for row in known if row.ssin == ssin)
        )

    def code(self, customer: Address, service: Service, legal_context: str, ssin: Ssin, asked: Period) -> str:
        """The code that this exchange must end with, if every process is up."""
        day = today()
        managing = self._rules.institutions[customer].managed_by
        if managing is not None:
            rows = self._sectors[managing].get(ssin, ())
            refused = admit_person(rows, customer, ssin, asked, service.period_rule, day)
            if isinstance(refused, RelayRefused):
                return refused.code
        question = admission.Asked(customer, service, legal_context, ssin, asked, day)
        decided = admission.decide(self._rules, question, self._hub.get(ssin, ()))
        if isinstance(decided, admission.Refused):
            return decided.code
        told = [self._told(supplier, service, ssin, asked) for supplier in decided.suppliers]
        return _together(service, [code for codes in told for code in codes] if service.combine else told[0])

    def _told(self, supplier: Address, service: Service, ssin: Ssin, asked: Period) -> list[str]:
        """The code of each part that this supplier answers with."""
        if service.type in services_of(supplier):
            return [self._data(supplier, service, ssin, asked)]
        members = holders(self._sectors[supplier].get(ssin, ()), self._members[supplier], ssin, asked, today())
        if not members:
            return [_UNKNOWN_HERE]
        return [self._data(member, service, ssin, asked) for member in members]

    def _data(self, supplier: Address, service: Service, ssin: Ssin, asked: Period) -> str:
        person = self._population.person(ssin)
        if person is None:
            return "MSG00005"
        try:
            if service.deceased == "refuse" and person.died is not None:
                return _DECEASED
            return _NONE if data_of(service.type, supplier, person, asked) is None else _FOUND
        except Deceased:
            return _DECEASED


def _together(service: Service, codes: list[str]) -> str:
    if service.deceased == "refuse" and _DECEASED in codes:
        return _DECEASED
    if _FOUND in codes:
        return _FOUND
    return codes[0] if len(set(codes)) == 1 else _NONE


def _by_person(rows: Iterable[Integration]) -> Mapping[Ssin, tuple[Integration, ...]]:
    """Each number's rows, with those of the numbers that it replaced or that replaced it."""
    own: defaultdict[Ssin, list[Integration]] = defaultdict(list)
    linked: defaultdict[Ssin, set[Ssin]] = defaultdict(set)
    for row in rows:
        own[row.ssin].append(row)
        if row.quality == REPLACED and row.replaced_by is not None:
            linked[row.ssin].add(row.replaced_by)
            linked[row.replaced_by].add(row.ssin)
    return {
        ssin: tuple(row for number in _reached(ssin, linked) for row in own.get(number, ())) for ssin in {*own, *linked}
    }


def _reached(ssin: Ssin, linked: Mapping[Ssin, set[Ssin]]) -> list[Ssin]:
    found = [ssin]
    for number in found:
        found += [other for other in sorted(linked.get(number, ())) if other not in found]
    return found
