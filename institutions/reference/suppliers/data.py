"""What each branch answers about a person of the population. Pure, and consistent: all follow from the same life."""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType

from lxml import etree

from institutions.question import Deceased, Question, UnknownSsin
from institutions.reference import network
from institutions.reference.person import Person
from institutions.reference.population import Population
from institutions.reference.suppliers import (
    accidents,
    assistance,
    family,
    handicap,
    identities,
    insurance,
    national_register,
    numbers,
    pensions,
    self_employment,
    unemployment,
)
from institutions.reference.suppliers.elements import Asked
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.message import text_at
from schemas.period import Period, today

_Told = Callable[[Person, Asked], list[etree._Element]]

_BRANCHES: Mapping[Address, _Told] = MappingProxyType(
    {
        Address(5, 0): pensions.told,
        Address(7, 0): family.told,
        Address(11, 1): insurance.told,
        Address(16, 0): handicap.told,
        Address(18, 1): unemployment.told,
    }
)
_SERVICES: Mapping[str, _Told] = MappingProxyType(
    {
        "FamilyAllowances/1": family.told,
        "HandicapRecognition/1": handicap.told,
        "HealthInsurance/1": insurance.told,
        "IdentifyPerson/1": identities.told,
        "LivingWages/1": assistance.told,
        "OccupationalAccident/1": accidents.told,
        "Pension/1": pensions.told,
        "RetrieveTIGroups/2": national_register.told,
        "SelfEmployed/1": self_employment.told,
        "UnemploymentData/1": unemployment.told,
    }
)


class NotASupplier(CrossroadsError):  # noqa: N818  named by what it says
    """This institution does not tell this service of a person's life in the reference network."""


def services_of(address: Address) -> tuple[str, ...]:
    """The services, `Name/version`, that this reference institution answers itself."""
    return tuple(service for service, kind in network.suppliers() if kind == address.kind)


def tells(service_type: str, address: Address) -> bool:
    """Whether this institution answers the service from the life of the person asked about: not by a search, not with
    numbers, and not from a database of its own, as the registers, the buffer of statuses and the NSSO."""
    known = service_type in _SERVICES or address.kind in _BRANCHES
    return known and address not in network.KEEPERS and service_type in services_of(address)


def data_of(
    service_type: str,
    address: Address,
    person: Person,
    asked: Period,
    *,
    on: date | None = None,
    language: str = "fr",
    history: bool = False,
) -> list[etree._Element] | None:
    """The data elements of the response (of one part, where there are parts) that `address` has on `person`.

    None where it has none in the asked period. `on` is the day of the answer, today where not given; payments that
    come later are not told. The same arguments give the same elements. Raises `NotASupplier`.
    """
    if not tells(service_type, address):
        raise NotASupplier(f"{address} tells no {service_type} of a person in the reference network")
    told = _SERVICES.get(service_type) or _BRANCHES[address.kind]
    found = told(person, Asked(asked, on or today(), address, language, history))
    return found or None


def answer(population: Population, question: Question) -> list[etree._Element] | None:
    """What a reference supplier says to a question about a person: data, None, or it raises `UnknownSsin` or
    `Deceased`."""
    if question.service.type in (numbers.RELATED, numbers.CURRENT):
        return numbers.answer(population, question.service.type, question.ssin)
    person = population.person(question.ssin)
    if person is None:
        raise UnknownSsin
    if question.refuses_deceased and person.died is not None:
        raise Deceased(person.died)
    return data_of(
        question.service.type,
        question.supplier,
        person,
        question.period,
        language=text_at(question.root, "searchInformation/language") or "fr",
        history=text_at(question.root, "searchInformation/history") in ("true", "1"),
    )
