"""Who of the population sounds like somebody: what the National Register answers to a phonetic search."""

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from lxml import etree

from institutions.question import Question
from institutions.reference.population import Population
from institutions.reference.suppliers.numbers import candidate
from institutions.registers.registers import found_elements, wanted_of
from schemas.phonetic import key

SERVICE = "SearchPerson/1"


def answer(population: Population, question: Question) -> list[etree._Element] | None:
    """At most 50 candidates, in the order of their numbers, as the criteria have it; None: nobody."""
    wanted = wanted_of(question.root)
    same = _by_sound(population.seed, population.size).get(wanted.sound, ())
    identities = (population.persons[index].identity for index in same)
    candidates = (candidate(who, who.ssin) for who in identities if who.ssin.kind == "national")
    found = [one for one in candidates if wanted.fits(one)]
    return found_elements(sorted(found, key=lambda one: one.ssin), question.root)


@lru_cache(1)
def _by_sound(seed: int, size: int) -> Mapping[str, tuple[int, ...]]:
    """Where in the population each sound of a last name is; the first search takes the time to listen to all."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for person in Population(seed=seed, size=size).persons:
        found[key(person.identity.last_name)].append(person.index)
    return {sound: tuple(places) for sound, places in found.items()}
