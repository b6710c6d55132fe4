"""Who a person is: number, name, sex, birth, death, and where the household lives."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from institutions.reference import names, numbering
from institutions.reference.draws import Draws
from institutions.reference.household import Household, female_of, household_of
from institutions.reference.names import MUNICIPALITIES, Municipality
from institutions.reference.numbering import birth_of, ssin_of
from institutions.reference.scenarios import Scenario, scenario_of
from schemas.ssin import Ssin

AS_OF = date(2026, 1, 1)
"""The day up to which lives are told. What lasts then has no end."""

_OLD = 9  # place in the group


@dataclass(frozen=True, slots=True, repr=False)
class HomeAddress:
    """A street that does not exist, of a municipality that does not."""

    street: str
    house_number: int
    since: date


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """One person, the same for every seed and index."""

    seed: int
    index: int
    ssin: Ssin
    #: a bis number that `ssin` replaced, and since when
    former: Ssin | None
    replaced_on: date | None
    female: bool
    #: where only the year is known, the first of July of it
    born: date
    birth_date_known: bool
    died: date | None
    household: Household
    municipality: Municipality

    def __repr__(self) -> str:
        return f"Identity(index={self.index})"

    def turned(self, years: int) -> date:
        """The birthday on which the person has this many years."""
        return date(self.born.year + years, self.born.month, self.born.day)

    @property
    def last_name(self) -> str:
        """That of the household, of whom is not the partner of its head."""
        mine, number = (
            ("name", self.index) if self.household.is_partner(self.index) else ("home", self.household.number)
        )
        return Draws(self.seed, mine, number).pick(names.LAST_NAMES)

    @property
    def first_names(self) -> tuple[str, str]:
        draws = Draws(self.seed, "first names", self.index)
        known = names.FEMALE_NAMES if self.female else names.MALE_NAMES
        return (draws.pick(known), draws.pick(known))

    @property
    def address(self) -> HomeAddress:
        """Where the household lives."""
        draws = Draws(self.seed, "address", self.household.number)
        moved = draws.day(date(1995, 1, 1), date(2024, 12, 31))
        return HomeAddress(
            draws.pick(names.STREETS[self.municipality.language]), draws.between(1, 180), max(moved, self.born)
        )

    @property
    def age(self) -> int:
        """Years, on the day up to which lives are told or at death."""
        day = self.died or AS_OF
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


@lru_cache(maxsize=64)  # who is made is soon made again, for the rest of the household
def identity_of(seed: int, index: int) -> Identity:
    """A pure function of seed and index."""
    scenario = scenario_of(index)
    draws = Draws(seed, "identity", index)
    household = household_of(seed, index)
    female = female_of(seed, index)
    birth = birth_of(seed, index)
    # The draws come in a fixed order, whoever uses them.
    bis, former = draws.below(1000) < 15, draws.below(1000) < 5
    bis = (bis and scenario is None and birth.known) or scenario is Scenario.BIS_NUMBER
    former = (former and scenario is None and birth.known and not bis) or scenario is Scenario.REPLACED_NUMBER
    sex_known = draws.chance(700)
    add = (numbering.BIS_SEX_KNOWN if sex_known else numbering.BIS) if bis else 0
    return Identity(
        seed=seed,
        index=index,
        ssin=ssin_of(birth, female=female, add_to_month=add),
        former=ssin_of(birth, female=female, add_to_month=numbering.BIS_SEX_KNOWN) if former else None,
        replaced_on=draws.day(date(2015, 1, 1), date(2025, 6, 30)) if former else None,
        female=female,
        born=birth.day,
        birth_date_known=birth.known,
        died=_died(draws, index, scenario),
        household=household,
        municipality=Draws(seed, "municipality", household.number).pick(MUNICIPALITIES),
    )


def _died(draws: Draws, index: int, scenario: Scenario | None) -> date | None:
    old = index % numbering.GROUP == _OLD
    died = draws.chance(200 if old else 4)
    day = draws.day(date(2021, 1, 1), date(2025, 12, 31))
    if scenario in (Scenario.DECEASED, Scenario.DECEASED_ON_LIVING_WAGE):
        return day
    # Children and those who are looked for alive live on.
    return day if died and scenario is None and index % numbering.GROUP > numbering.LAST_CHILD else None
