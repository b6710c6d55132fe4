"""Who of the population sounds like somebody: what the National Register answers to a phonetic search."""

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from lxml import etree

from institutions.question import Question
from institutions.reference.identity import Identity
from institutions.reference.population import Population
from institutions.registers.registers import found_elements, wanted_of
from institutions.registers.registry import Candidate
from schemas.identity import IncompleteDate
from schemas.phonetic import key

SERVICE = "SearchPerson/1"


def answer(population: Population, question: Question) -> list[etree._Element] | None:
    """At most 50 candidates, in the order of their numbers, as the criteria have it; None: nobody."""
    wanted = wanted_of(question.root)
    same = _by_sound(population.seed, population.size).get(wanted.sound, ())
    candidates = (_candidate(population.persons[index].identity) for index in same)
    found = [one for one in candidates if one.ssin.kind == "national" and wanted.fits(one)]
    return found_elements(sorted(found, key=lambda one: one.ssin), question.root)


@lru_cache(1)
def _by_sound(seed: int, size: int) -> Mapping[str, tuple[int, ...]]:
    """Where in the population each sound of a last name is; the first search takes the time to listen to all."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for person in Population(seed=seed, size=size).persons:
        found[key(person.identity.last_name)].append(person.index)
    return {sound: tuple(places) for sound, places in found.items()}


def _candidate(who: Identity) -> Candidate:
    born = IncompleteDate(who.born.year, who.born.month, who.born.day)
    known = born if who.birth_date_known else IncompleteDate(born.year, 0, 0)
    first = tuple(dict.fromkeys(who.first_names))
    return Candidate(who.ssin, "NR", who.last_name, first, known, 2 if who.female else 1)
