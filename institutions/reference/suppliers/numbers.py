"""Numbers that belong together: what the National Register says of those to whom it gave one, and whom the registers of
25-0 hold of the population (docs/numbers.md)."""

from collections.abc import Iterator

from lxml import etree

from institutions.question import UnknownSsin
from institutions.reference.identity import Identity
from institutions.reference.population import Population
from institutions.reference.suppliers.elements import element
from institutions.registers.registry import Candidate, Entry
from schemas.identity import IncompleteDate
from schemas.ssin import Ssin

RELATED, CURRENT = "RelatedSsins/1", "CurrentSsin/1"


def answer(population: Population, service_type: str, ssin: Ssin) -> list[etree._Element] | None:
    """The numbers of who has or had this one, or the one that he has today; None: he has none of the National Register.
    Raises `UnknownSsin`."""
    person = population.person(ssin) or population.formerly(ssin)
    if person is None:
        raise UnknownSsin
    who = person.identity
    if who.ssin.kind != "national":
        return None
    if service_type == CURRENT:
        return [element("currentSsin", who.ssin.digits)]
    replaced = [(who.former, who.ssin)] if who.former is not None else []
    return [
        element(
            "number",
            element("ssin", one.digits),
            element("replacedBy", newer.digits) if newer is not None else None,
        )
        for one, newer in sorted([*replaced, (who.ssin, None)], key=lambda pair: pair[0])
    ]


def registered(population: Population) -> Iterator[Entry]:
    """Whom 25-0 holds: everybody who has a bis number, or had one."""
    for person in population.persons:
        who = person.identity
        if who.ssin.kind != "national":
            yield Entry(candidate(who, who.ssin))
        if who.former is not None:
            yield Entry(candidate(who, who.former), who.ssin, who.replaced_on)


def candidate(who: Identity, ssin: Ssin) -> Candidate:
    """This person under this number, with what the number lets be known."""
    born = IncompleteDate(who.born.year, who.born.month, who.born.day)
    known = born if who.birth_date_known else IncompleteDate(born.year, 0, 0)
    first = tuple(dict.fromkeys(who.first_names))
    if ssin.kind == "national":
        return Candidate(ssin, "NR", who.last_name, first, known, 2 if who.female else 1)
    gender = 0 if ssin.female is None else 2 if who.female else 1
    return Candidate(ssin, "BIS", who.last_name, first, known, gender)
