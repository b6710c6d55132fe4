"""The National Register, searched by the sound of a name."""

from institutions.question import Question
from institutions.reference.population import Population
from institutions.reference.suppliers import search
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.parser import parse
from schemas.period import Period, today

CATALOGUE = Catalogue((shipped(),))


def ask(population: Population, criteria: str) -> tuple[list[str | None], bool]:
    """The numbers that are told, and whether there are more."""
    root = parse(
        f"<s:searchPersonRequest xmlns:s='urn:crossroads:services:SearchPerson:v1'><criteria>{criteria}</criteria>"
        "</s:searchPersonRequest>".encode()
    )
    service = CATALOGUE.services[search.SERVICE]
    question = Question(service, Address(0, 0), None, Period(today(), today()), None, None, None, root, 0.0)
    found = search.answer(population, question) or []
    numbers = [element.findtext("ssin") for element in found if element.tag == "person"]
    return numbers, any(element.tag == "more" and element.text == "true" for element in found)


def test_everybody_is_found_by_his_own_name_and_birth_date_whatever_the_case() -> None:
    population = Population(size=200)
    for index in range(0, 200, 7):
        who = population.persons[index].identity
        if who.ssin.kind != "national" or not who.birth_date_known:
            continue
        criteria = f"<lastName>{who.last_name.upper()}</lastName><birthDate>{who.born.isoformat()}</birthDate>"
        assert who.ssin.digits in ask(population, criteria)[0]


def test_at_most_as_many_as_wanted_are_told_and_that_there_are_more() -> None:
    population = Population(size=1000)
    name = population.persons[0].identity.last_name
    criteria = f"<lastName>{name}</lastName><birthDate>1970-00-00</birthDate><tolerance>99</tolerance>"
    everybody, _ = ask(population, criteria)
    assert len(everybody) > 1
    assert ask(population, f"{criteria}<maximum>1</maximum>") == (everybody[:1], True)


def test_nobody_sounds_like_this() -> None:
    assert ask(Population(size=200), "<lastName>Zzyzx</lastName><birthDate>1970-01-01</birthDate>") == ([], False)
