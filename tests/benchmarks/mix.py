"""What the reference network is asked: questions with data, of one mix alone, chosen by chance, held against the demo's
oracle."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from deploy.demo.oracle import Oracle
from hub.repertory.rules import Rules
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.period import Period, today
from schemas.service import Service
from schemas.ssin import Ssin

#: Mix to the words that are shown, and the legs an exchange takes at the least.
TITLES = {"direct": "direct service", "sectors": "member to member, through two relays"}
LEGS = {"direct": 4, "sectors": 8}
#: Services that members hold behind a relay; that which asks several suppliers at once is in neither mix.
_OF_MEMBERS = ("HealthInsurance/1", "LivingWages/1", "UnemploymentData/1")
_SEVERAL = "SocialInquiry/1"
#: Every question must end with this code.
FOUND = "MSG00000"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and that it must end with data."""

    customer: str
    service: str
    legal_context: str
    ssin: str = field(repr=False)
    with_period: bool


def questions(oracle: Oracle, rules: Rules, catalogue: Catalogue, mix: str, seed: int = 1) -> Iterator[Asked]:
    """An endless, deterministic series."""
    rights = [right for right in _rights(rules, catalogue) if _belongs(mix, right[0], right[1])]
    known = {customer: oracle.known(customer) for customer in {right[0] for right in rights}}
    chance, day = random.Random(seed), today()
    while True:
        customer, service, context = chance.choice(rights)
        if not known[customer]:
            continue
        ssin: Ssin = chance.choice(known[customer])
        if oracle.code(customer, service, context, ssin, Period(day, day)) == FOUND:
            yield Asked(str(customer), service.type, context, ssin.digits, service.period is not None)


def _rights(rules: Rules, catalogue: Catalogue) -> Iterator[tuple[Address, Service, str]]:
    for authorisation in rules.authorisations:
        for institution in rules.institutions.values():
            if institution.active and institution.address.kind == authorisation.customer:
                for service in catalogue.services.values():
                    if authorisation.service in (service.name, service.type):
                        yield institution.address, service, authorisation.legal_context


def _belongs(mix: str, customer: Address, service: Service) -> bool:
    if service.type == _SEVERAL:
        return False
    of_members = service.type in _OF_MEMBERS
    return customer.is_cooperating and of_members if mix == "sectors" else not (customer.is_cooperating or of_members)
