"""Which numbers belong together, as the National Register says it, and whom the registers hold of the population."""

import pytest

from institutions.question import UnknownSsin
from institutions.reference.population import Population
from institutions.reference.suppliers import numbers
from schemas.integration import REPLACED
from schemas.ssin import Ssin

POPULATION = Population()
OLD, NEW = POPULATION.examples.replaced


def told(service_type: str, ssin: Ssin) -> list[tuple[str | None, ...]] | None:
    found = numbers.answer(POPULATION, service_type, ssin)
    return None if found is None else [tuple(leaf.text for leaf in (list(one) or [one])) for one in found]


@pytest.mark.parametrize("ssin", [OLD, NEW], ids=["replaced", "current"])
def test_a_replaced_number_and_the_one_that_stands_for_it_are_told_by_either(ssin: Ssin) -> None:
    assert told(numbers.CURRENT, ssin) == [(NEW.digits,)]
    pairs = told(numbers.RELATED, ssin)
    assert pairs is not None
    assert set(pairs) == {(OLD.digits, NEW.digits), (NEW.digits,)}


def test_a_number_that_nobody_had_is_unknown_and_a_bis_number_is_no_business_of_the_national_register() -> None:
    with pytest.raises(UnknownSsin):
        told(numbers.CURRENT, POPULATION.examples.nobody)
    assert told(numbers.CURRENT, POPULATION.examples.bis_number.ssin) is None
    assert told(numbers.RELATED, POPULATION.examples.pensioner.ssin) == [(POPULATION.examples.pensioner.ssin.digits,)]


def test_the_registers_hold_every_bis_number_there_is_or_was_and_say_what_replaced_it() -> None:
    entries = {entry.candidate.ssin: entry for entry in numbers.registered(POPULATION)}
    held = {person.ssin for person in POPULATION.persons if person.ssin.kind != "national"}
    replaced = {row.ssin: row.replaced_by for row in POPULATION.integrations() if row.quality == REPLACED}
    assert held | replaced.keys() <= entries.keys()
    assert all(ssin.kind != "national" for ssin in entries)
    for ssin, newer in replaced.items():
        assert entries[ssin].replaced_by == newer
    assert {ssin for ssin, entry in entries.items() if entry.replaced_by is None} == held
    for entry in entries.values():
        one = entry.candidate
        assert one.register == "BIS"
        assert (one.gender == 0) == (one.ssin.female is None)
