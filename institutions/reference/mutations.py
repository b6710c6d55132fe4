"""What the sources of the population tell of a life: the mutations that social statuses follow from (docs/statuses.md).

Pure: the same person gives the same messages. A dossier that has ended is told as CREATED with its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import uuid4

from lxml import etree

from institutions.reference.career import Means
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from institutions.reference.suppliers.assistance import EQUIVALENT, LIVING_WAGE, Dossier, dossiers_of
from institutions.reference.suppliers.elements import element, organization
from institutions.reference.suppliers.elements import period as period_element
from institutions.reference.suppliers.handicap import AGED, ALLOWANCE, CHILD, Recognition, recognitions_of
from institutions.reference.suppliers.insurance import Membership, memberships_of
from institutions.reference.suppliers.pensions import PensionRight
from institutions.reference.suppliers.pensions import rights_of as pensions_of
from institutions.reference.suppliers.unemployment import UNEMPLOYED, UnemploymentRight
from institutions.reference.suppliers.unemployment import rights_of as unemployment_of
from schemas.address import Address
from schemas.period import Period
from schemas.ssin import Ssin

_PENSIONS, _HANDICAP = Address(5, 0), Address(16, 0)
_POOR = frozenset((Means.LIVING_WAGE, Means.HANDICAP, Means.GRAPA))
_LEAST = {ALLOWANCE: (66, 100), CHILD: (66, 100), AGED: (50, 95)}
_ALLOWANCES = {ALLOWANCE: ("IVT", "IVT_IT"), CHILD: ("CHILD_SUPPLEMENT",), AGED: ("THAB",)}


@dataclass(frozen=True, slots=True)
class Telling:
    """A mutation before it is sent."""

    #: `Name/version`
    service: str
    owner: Address
    person: Ssin = field(repr=False)
    period: Period = field(repr=False)
    #: The owner's dossier.
    reference: str = field(repr=False)
    #: What the service has behind `mutation`; None: nothing.
    content: etree._Element | None = field(repr=False)
    action: str = "CREATED"
    code: str | None = None

    def ended(self, last: date) -> "Telling":
        """The same dossier, stopped."""
        return replace(self, action="STOPPED", period=Period(self.period.begin, last), content=None)

    def cancelled(self) -> "Telling":
        """There never was such a dossier."""
        return replace(self, action="CANCELLED", content=None)

    def message(self, legal_context: str, ticket: str | None = None) -> bytes:
        """The message, on one line: a line of a file for `crossroads statuses fill`."""
        name, _, version = self.service.partition("/")
        root = etree.Element(f"{{urn:crossroads:services:{name}:v{version}}}{name[0].lower()}{name[1:]}Request")
        for part in (
            element(
                "informationCustomer",
                element("ticket", ticket or str(uuid4())),
                organization("customerIdentification", self.owner),
            ),
            element("legalContext", legal_context),
            element("criteria", element("ssin", self.person.digits), period_element("period", self.period)),
            element(
                "mutation",
                element("action", self.action),
                element("reference", self.reference),
                element("distributionCode", self.code) if self.code is not None else None,
            ),
            self.content,
        ):
            if part is not None:
                root.append(part)
        return etree.tostring(root)


def told_of(person: Person) -> Iterator[Telling]:
    """Everything that statuses may follow from, each dossier once."""
    for number, dossier in enumerate(dossiers_of(person)):
        lived = person.alive(dossier.period.begin, dossier.period.end)
        if dossier.quality in (LIVING_WAGE, EQUIVALENT) and lived is not None:
            yield _living_wage(person, dossier, lived, number)
    for number, right in enumerate(pensions_of(person)):
        yield _pension(person, right, number)
    for number, recognition in enumerate(recognitions_of(person)):
        yield _handicap(person, recognition, number)
    for number, membership in enumerate(memberships_of(person)):
        yield _insurance(person, membership, number)
    for number, unemployed in enumerate(unemployment_of(person)):
        yield _unemployment(person, unemployed, number)


def reduced_by(person: Person, recognition: Recognition) -> int:
    """By how much a recognised handicap reduces the ability, in percent."""
    return person.draws("reduced by").between(*_LEAST.get(recognition.quality, (33, 80)))


def days_unemployed(right: UnemploymentRight) -> int:
    """Days in a row, until its end or the day up to which lives are told."""
    return ((right.period.end or AS_OF) - right.period.begin + timedelta(days=1)).days


def living_wage(member: Address, person: Ssin, period: Period, reference: str, quality: int = LIVING_WAGE) -> Telling:
    """A living wage (or the equivalent aid) that a PCSW grants."""
    content = element("livingWage", element("QualityCode", quality), element("DecisionDate", period.begin))
    return Telling("LivingWageMutation/1", member, person, period, reference, content)


def moved(person: Ssin, on: date, street: str, number: int, postal_code: str, reference: str) -> Telling:
    """The National Register tells of a new address."""
    address = element(
        "address",
        element("countryCode", 150),
        element("postalCode", postal_code),
        element("street", street),
        element("houseNumber", number),
    )
    service, register = "PersonMutation/1", Address(0, 0)
    return Telling(service, register, person, Period(on, None), reference, element("person", address), "CHANGED")


def _living_wage(person: Person, dossier: Dossier, lived: Period, number: int) -> Telling:
    return living_wage(dossier.member, person.ssin, lived, f"L{person.index}-{number}", dossier.quality)


def _pension(person: Person, right: PensionRight, number: int) -> Telling:
    content = element(
        "pension", element("kind", right.kind), element("scheme", right.scheme), element("decisionDate", right.decided)
    )
    return Telling("PensionMutation/1", _PENSIONS, person.ssin, right.period, f"P{person.index}-{number}", content)


def _handicap(person: Person, recognition: Recognition, number: int) -> Telling:
    content = element(
        "recognition",
        element("allowanceKind", person.draws("allowance").pick(_ALLOWANCES.get(recognition.quality, ("NONE",)))),
        element("reducedBy", reduced_by(person, recognition)),
    )
    reference = f"H{person.index}-{number}"
    return Telling("HandicapMutation/1", _HANDICAP, person.ssin, recognition.period, reference, content)


def _insurance(person: Person, membership: Membership, number: int) -> Telling:
    content = element(
        "insurance",
        period_element("InsurancePeriod", membership.period),
        element("IncreasedIntervention", person.head.means in _POOR),
    )
    reference = f"I{person.index}-{number}"
    return Telling("InsuranceMutation/1", membership.member, person.ssin, membership.period, reference, content)


def _unemployment(person: Person, right: UnemploymentRight, number: int) -> Telling:
    content = element(
        "unemployment",
        element("category", "COMPLETE_UNEMPLOYMENT" if right.quality == UNEMPLOYED else "CAREER_BREAK"),
        element("days", days_unemployed(right)),
        element("familyCategory", right.family),
    )
    reference = f"U{person.index}-{number}"
    return Telling("UnemploymentMutation/1", right.member, person.ssin, right.period, reference, content)
