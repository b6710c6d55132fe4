"""Who lives with whom. Households are put together within a group of ten, whose places have fitting ages."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from institutions.reference.draws import Draws
from institutions.reference.numbering import GROUP, LAST_CHILD


class Role(Enum):
    """What a person is in the household."""

    HEAD = "head"
    PARTNER = "partner"
    CHILD = "child"


#: Places of a group by household, the head first. 0 to 2 are children; 3 lives with 8 as a grown child.
_PATTERNS = (
    ((4, 5, 0, 1), (6, 7, 2), (3,), (8, 9)),
    ((4, 0, 1), (5, 3), (6, 7, 2), (8,), (9,)),
    ((4, 1), (5, 0), (6, 2), (7,), (3,), (8, 9)),
    ((4, 5, 0, 1), (6, 7, 2), (8, 3), (9,)),
    ((4,), (5, 0, 1), (6, 7, 2), (3,), (8, 9)),
    ((4, 5, 1, 0), (6,), (7, 2), (3,), (8,), (9,)),
)
#: Groups (of a hundred) in which somebody is placed who needs a family: the first pattern.
_FAMILIES = frozenset((14, 17))
_YOUNG_ADULT, _ELDER = 3, 8
_COUPLES = {5: 4, 7: 6, 9: 8}


@dataclass(frozen=True, slots=True)
class Household:
    """Persons by index, the head first."""

    #: its own number, unique in the population
    number: int
    members: tuple[int, ...]

    @property
    def head(self) -> int:
        return self.members[0]

    @property
    def children(self) -> tuple[int, ...]:
        """Minors and who was one lately, the eldest first."""
        return tuple(sorted((m for m in self.members if m % GROUP <= LAST_CHILD), key=lambda m: -(m % GROUP)))

    @property
    def adults(self) -> tuple[int, ...]:
        """Everybody else, the head first."""
        return tuple(m for m in self.members if m % GROUP > LAST_CHILD)

    def role_of(self, index: int) -> Role:
        place = index % GROUP
        if index == self.head:
            return Role.HEAD
        if place <= LAST_CHILD or (place == _YOUNG_ADULT and self.head % GROUP == _ELDER):
            return Role.CHILD
        return Role.PARTNER

    def is_partner(self, index: int) -> bool:
        return self.role_of(index) is Role.PARTNER


def household_of(seed: int, index: int) -> Household:
    """The household of the person of this index."""
    return next(household for household in _households(seed, index // GROUP) if index in household.members)


@lru_cache(maxsize=16)
def _households(seed: int, group: int) -> tuple[Household, ...]:
    drawn = Draws(seed, "households", group).below(len(_PATTERNS))
    first = group * GROUP
    return tuple(
        Household(first + number, tuple(first + place for place in places))
        for number, places in enumerate(_PATTERNS[0 if group % 100 in _FAMILIES else drawn])
    )


def female_of(seed: int, index: int) -> bool:
    """Whether the person is a woman. Who may be a couple mostly is of two sexes."""
    group, place = divmod(index, GROUP)
    women, same = _sexes(seed, group)
    other = _COUPLES.get(place)
    if other is None or same >> place & 1:
        return bool(women >> place & 1)
    return not women >> other & 1


@lru_cache(maxsize=16)
def _sexes(seed: int, group: int) -> tuple[int, int]:
    """A bit a place: who is a woman, and who has the sex drawn for it also beside somebody of the same."""
    draws = Draws(seed, "sexes", group)
    every = 1 << GROUP
    return draws.below(every), draws.below(every) & draws.below(every) & draws.below(every)
