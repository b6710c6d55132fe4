"""Persons in situations that a demo and tests look for, without searching."""

from collections.abc import Iterator
from dataclasses import dataclass

from institutions.reference.numbering import number_of_nobody
from institutions.reference.person import Person
from institutions.reference.scenarios import EVERY, PLACES, Scenario
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin

_PLACES = {scenario: place for place, scenario in PLACES.items()}

SMALLEST = max(PLACES) + 5
"""Persons from which on a population has one of every situation."""


class NoExample(CrossroadsError):  # noqa: N818  named by what it says
    """The population is too small to have somebody in this situation."""


@dataclass(frozen=True, slots=True)
class Examples:
    """One person, or all, of each `Scenario`; also by name: `examples.pensioner` is `first(Scenario.PENSIONER)`."""

    seed: int
    size: int

    def first(self, scenario: Scenario) -> Person:
        """The first of them. Raises `NoExample` in a population of less than `SMALLEST`."""
        place = _PLACES[scenario]
        if place >= self.size:
            raise NoExample(f"a population of {self.size} has no {scenario.name}: make it of {SMALLEST} or more")
        return Person(self.seed, place)

    def all(self, scenario: Scenario) -> Iterator[Person]:
        """Each of them: one in a thousand."""
        return (Person(self.seed, index) for index in range(_PLACES[scenario], self.size, EVERY))

    def __getattr__(self, name: str) -> Person:
        try:
            return self.first(Scenario[name.upper()])
        except KeyError:
            raise AttributeError(
                f"no situation {name}: there are {', '.join(s.name.lower() for s in Scenario)}"
            ) from None

    @property
    def nobody(self) -> Ssin:
        """A number that PCSW A has integrated although nobody has it: a supplier says MSG00005."""
        return number_of_nobody(self.seed)

    @property
    def replaced(self) -> tuple[Ssin, Ssin]:
        """A number that was replaced, and the one that holds now."""
        person = self.first(Scenario.REPLACED_NUMBER)
        return (person.identity.former or person.ssin, person.ssin)
