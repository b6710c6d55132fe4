"""A person of the population: everything follows from seed and index, when it is asked for."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

from institutions.reference.career import Means, Spell, career_ends_in, career_of
from institutions.reference.draws import Draws
from institutions.reference.household import Household, Role
from institutions.reference.identity import Identity, identity_of
from institutions.reference.scenarios import Scenario, scenario_of
from schemas.period import Period
from schemas.ssin import Ssin


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist. Two with the same seed and index are the same, whatever the population's size."""

    seed: int
    index: int

    @cached_property
    def identity(self) -> Identity:
        return identity_of(self.seed, self.index)

    @cached_property
    def spells(self) -> tuple[Spell, ...]:
        """What the person lived on since leaving school; they never overlap."""
        return _spells(self.seed, self.index)

    @property
    def ssin(self) -> Ssin:
        return self.identity.ssin

    @property
    def died(self) -> date | None:
        return self.identity.died

    @property
    def household(self) -> Household:
        return self.identity.household

    @property
    def role(self) -> Role:
        return self.household.role_of(self.index)

    @property
    def scenario(self) -> Scenario | None:
        return scenario_of(self.index)

    @property
    def means(self) -> Means:
        """What the person lives on, or lived on last."""
        return career_ends_in(self.spells)

    @cached_property
    def head(self) -> "Person":
        """The head of the household."""
        return self if self.index == self.household.head else Person(self.seed, self.household.head)

    def relative(self, index: int) -> "Person":
        """Another member of the household."""
        return self if index == self.index else Person(self.seed, index)

    def draws(self, what: str, number: int | None = None) -> Draws:
        """Chance for one purpose, about this person unless another number is given."""
        return Draws(self.seed, what, self.index if number is None else number)

    def alive(self, begin: date, end: date | None = None) -> Period | None:
        """The days from `begin` to `end` on which the person lived; None where there are none."""
        if self.died is not None:
            end = self.died if end is None else min(end, self.died)
        return Period(begin, end) if end is None or begin <= end else None


@lru_cache(maxsize=64)
def _spells(seed: int, index: int) -> tuple[Spell, ...]:
    return career_of(identity_of(seed, index))
