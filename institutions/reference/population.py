"""A synthetic population: as many persons as wanted, each a pure function of seed and index. Nobody in it exists.

Nothing is kept: what is asked for is made, and made the same again. Eleven million persons take as much memory as one.
"""

from collections.abc import Iterator, Sequence
from typing import overload

from institutions.reference import network, numbering, whereabouts
from institutions.reference.examples import Examples
from institutions.reference.person import Person
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.integration import Integration
from schemas.ssin import Ssin

SEED, SIZE = 2026, 1000
"""What `Population()` is."""


class PopulationError(CrossroadsError):
    """A population of this size, or a repertory of this institution, there cannot be; the text says what can."""


class Persons(Sequence[Person]):
    """The persons of a population, made when they are looked at."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed, self._size = seed, size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Person]: ...

    def __getitem__(self, index: int | slice) -> Person | Sequence[Person]:
        if isinstance(index, slice):
            return [Person(self._seed, number) for number in range(*index.indices(self._size))]
        if not -self._size <= index < self._size:
            raise IndexError("no person of this index in the population")
        return Person(self._seed, index % self._size)

    def __iter__(self) -> Iterator[Person]:
        return (Person(self._seed, index) for index in range(self._size))


class Population:
    """`size` persons. The first ones are the same in a larger population with the same seed."""

    def __init__(self, *, seed: int = SEED, size: int = SIZE) -> None:
        """`size` up to `numbering.LARGEST`. Households are made in groups of ten: where a group is cut in two, the rest
        of a household is told of but not found."""
        if not 0 < size <= numbering.LARGEST:
            raise PopulationError(f"a population has from 1 to {numbering.LARGEST} persons")
        self.seed, self.size = seed, size

    @property
    def persons(self) -> Persons:
        return Persons(self.seed, self.size)

    @property
    def examples(self) -> Examples:
        """Persons in situations that a demo and tests look for."""
        return Examples(self.seed, self.size)

    def person(self, ssin: Ssin) -> Person | None:
        """Who has this number now; None where nobody of the population has. Looks nothing up."""
        for index in numbering.candidates(self.seed, ssin):
            if index < self.size and (found := Person(self.seed, index)).ssin == ssin:
                return found
        return None

    def formerly(self, ssin: Ssin) -> Person | None:
        """Whose number this was until it was replaced; None where it was nobody's of the population."""
        for index in numbering.candidates(self.seed, ssin):
            if index < self.size and (found := Person(self.seed, index)).identity.former == ssin:
                return found
        return None

    def integrations(self) -> Iterator[Integration]:
        """The hub's person repertory, person by person; about five rows each. Before them, the row of nobody."""
        yield whereabouts.row_of_nobody(self.seed)
        for person in self.persons:
            yield from whereabouts.rows_at_the_hub(person)

    def sectoral(self, managing: Address) -> Iterator[Integration]:
        """The sectoral repertory of this managing institution, each row with its `member`."""
        if managing not in network.managing():
            known = ", ".join(str(address) for address in network.managing())
            raise PopulationError(f"{managing} manages no secondary network: these do: {known}")
        return self._sectoral(managing)

    def _sectoral(self, managing: Address) -> Iterator[Integration]:
        if managing.sector == network.PCSW_A.sector:
            yield whereabouts.row_of_nobody(self.seed, network.PCSW_A)
        for person in self.persons:
            yield from whereabouts.rows_of_members(person, managing)
