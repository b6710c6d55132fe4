"""Who a number is, as the National Register says it: names, birth date as far as it is known, home, cards."""

from lxml import etree

from institutions.reference.draws import Draws
from institutions.reference.identity import Identity
from institutions.reference.person import Person
from institutions.reference.suppliers import national_register
from institutions.reference.suppliers.elements import Asked, element

_BELGIUM = 150
_BELGIAN = 150


def told(person: Person, asked: Asked) -> list[etree._Element]:
    """`person`, or nothing of those whom the National Register does not hold."""
    if person.ssin.kind != "national":
        return []
    who = person.identity
    return [
        element(
            "person",
            element("ssin", who.ssin.digits),
            element("register", "NR"),
            element("lastName", who.last_name),
            *(element("firstName", first) for first in dict.fromkeys(who.first_names)),
            element("birthDate", birth_date(who)),
            element("gender", 2 if who.female else 1),
            element(
                "address",
                element("countryCode", _BELGIUM),
                element("municipalityCode", who.municipality.nis),
                element("municipality", who.municipality.name),
                element("postalCode", who.municipality.zip),
                element("street", who.address.street),
                element("houseNumber", who.address.house_number),
            ),
            element("deceaseDate", who.died) if who.died is not None else None,
            element("nationalityCode", _BELGIAN),
            element("sisCardNumber", sis_card(who)),
            element("identityCardNumber", national_register.card_number(who)) if who.age >= _CARD_FROM else None,
        )
    ]


#: Years from which on somebody has an identity card.
_CARD_FROM = 12


def birth_date(who: Identity) -> str:
    """`yyyy-mm-dd`, or `yyyy-00-00` where the number tells the year alone."""
    return who.born.isoformat() if who.birth_date_known else f"{who.born.year:04d}-00-00"


def sis_card(who: Identity) -> str:
    """Ten digits."""
    return f"{Draws(who.seed, 'sis card', who.index).below(10**10):010d}"
