"""The population: the same for the same seed, found by number, consistent, and of any size."""

import tracemalloc
from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from institutions.reference import network, numbering, whereabouts
from institutions.reference.career import Means
from institutions.reference.examples import SMALLEST, NoExample
from institutions.reference.household import Role
from institutions.reference.identity import AS_OF
from institutions.reference.person import Person
from institutions.reference.population import Population, PopulationError
from institutions.reference.scenarios import Scenario
from schemas.address import Address
from schemas.integration import REPLACED, Integration
from schemas.period import Period
from schemas.sectors import SECTORS, check_quality
from schemas.ssin import Ssin, check_is_right

PCSW, MUTUALITY = Address(17, 1), Address(11, 1)
TODAY = Period(AS_OF, AS_OF)

people = st.builds(
    Person, st.integers(min_value=0, max_value=50), st.integers(min_value=0, max_value=numbering.LARGEST - 1)
)


def test_the_same_seed_makes_the_same_rows_and_another_makes_others() -> None:
    first = list(Population(seed=3, size=300).integrations())
    assert list(Population(seed=3, size=300).integrations()) == first
    assert list(Population(seed=4, size=300).integrations()) != first


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    small = list(Population(size=200).integrations())
    assert list(islice(Population(size=5000).integrations(), len(small))) == small


@pytest.mark.parametrize("size", [0, -10, numbering.LARGEST + 1])
def test_an_impossible_size_is_told(size: int) -> None:
    with pytest.raises(PopulationError, match="from 1 to"):
        Population(size=size)


def test_eleven_million_persons_fit() -> None:
    population = Population(size=11_000_000)
    person = population.persons[10_999_999]
    found = population.person(person.ssin)
    assert found is not None
    assert found.index == 10_999_999


def test_no_two_persons_have_the_same_number() -> None:
    numbers = Counter[Ssin]()
    for person in Population(size=20_000).persons:
        numbers[person.ssin] += 1
        if person.identity.former is not None:
            numbers[person.identity.former] += 1
    assert max(numbers.values()) == 1


@given(people)
def test_a_number_is_right_and_finds_its_person(person: Person) -> None:
    ssin = person.ssin
    is_right = check_is_right(ssin.digits)
    assert is_right
    assert ssin.birth_date == (person.identity.born if person.identity.birth_date_known else None)
    if ssin.kind != "bis":
        assert ssin.female == person.identity.female
    assert Population(seed=person.seed, size=numbering.LARGEST).person(ssin) == person


def test_a_number_of_nobody_finds_nobody() -> None:
    population = Population(size=1000)
    outside = Population(size=2000).persons[1500]
    assert population.person(outside.ssin) is None
    old, new = population.examples.replaced
    assert population.person(old) is None
    assert population.person(new) is not None


@given(people)
def test_spells_never_overlap_and_end_with_death(person: Person) -> None:
    for before, after in pairwise(person.spells):
        assert before.period.end is not None
        assert before.period.end < after.period.begin
    if person.died is not None:
        assert all(spell.period.end is not None and spell.period.end <= person.died for spell in person.spells)
    assert person.identity.born <= AS_OF


@given(people)
def test_household_members_agree_on_their_household(person: Person) -> None:
    household = person.household
    assert person.index in household.members
    assert all(person.relative(index).household == household for index in household.members)
    assert [person.relative(index).role for index in household.members].count(Role.HEAD) == 1
    for child in household.children:
        assert all(person.relative(a).identity.born < person.relative(child).identity.born for a in household.adults)


@given(people)
@settings(max_examples=200)
def test_rows_name_official_sectors_and_qualities(person: Person) -> None:
    rows = list(whereabouts.rows_at_the_hub(person))
    assert len(set(rows)) == len(rows)
    for row in rows:
        assert row.kind in SECTORS
        check_quality(row.kind, row.quality)
        assert row.member is None
        assert (row.replaced_by is not None) == (row.quality == REPLACED)
        assert row.ssin == (person.identity.former if row.quality == REPLACED else person.ssin)


@given(people)
def test_what_a_sectoral_repertory_knows_the_hub_knows_too(person: Person) -> None:
    at_the_hub = {(row.kind, row.quality, row.phase, row.period) for row in whereabouts.rows_at_the_hub(person)}
    for managing in network.managing():
        for row in whereabouts.rows_of_members(person, managing):
            assert row.member in network.members_of(row.kind)
            assert (row.kind, row.quality, row.phase, row.period) in at_the_hub


def test_a_sectoral_repertory_holds_its_own_sector_alone() -> None:
    population = Population()
    for managing in network.managing():
        rows = list(population.sectoral(managing))
        assert rows or not network.members_of(Address(managing.sector, 1))
        assert {row.kind.sector for row in rows} <= {managing.sector}
    with pytest.raises(PopulationError, match="17-0"):
        population.sectoral(Address(5, 0))


def test_rows_are_streamed_with_flat_memory() -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        try:
            for _ in Population(size=size).integrations():
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)  # what is loaded once
    assert peak(1600) < 2 * peak(200)


def test_a_person_has_some_five_rows() -> None:
    rows = sum(1 for _ in Population(seed=7, size=8_000).integrations())
    assert 4 <= rows / 8_000 <= 6


def test_a_child_born_after_the_head_of_the_household_died_is_no_cohabitant_of_the_dead() -> None:
    person = next(
        person
        for person in Population(size=100_000).persons
        if person.index in person.household.children
        and person.head.died is not None
        and person.head.died < person.identity.born
    )
    assert all(row.period.begin >= person.identity.born for row in pcsw_rows(person))


# --- situations -----------------------------------------------------------------------------------------------------


def members(person: Person, managing: Address) -> set[Address | None]:
    return {row.member for row in whereabouts.rows_of_members(person, managing)}


def test_every_situation_is_there_from_200_persons_on() -> None:
    examples = Population(size=SMALLEST).examples
    assert {examples.first(scenario).scenario for scenario in Scenario} == set(Scenario)
    assert len(list(Population(size=3000).examples.all(Scenario.CHILD))) == 3
    with pytest.raises(NoExample, match="200"):
        _ = Population(size=10).examples.pensioner
    with pytest.raises(AttributeError, match="pensioner"):
        _ = examples.no_such_situation


@pytest.mark.parametrize("seed", range(12))
def test_situations_are_what_they_are_called(seed: int) -> None:
    examples = Population(seed=seed).examples
    assert members(examples.known_to_pcsw_a_only, Address(17, 0)) == {network.PCSW_A}
    assert members(examples.known_to_pcsw_b_only, Address(17, 0)) == {network.PCSW_B}
    assert members(examples.known_to_two_pcsws, Address(17, 0)) == {network.PCSW_A, network.PCSW_B}
    assert members(examples.at_no_mutuality, Address(11, 0)) == set()
    assert any(row.kind == MUTUALITY for row in whereabouts.rows_at_the_hub(examples.at_no_mutuality))
    assert len(members(examples.at_two_mutualities, Address(11, 0))) == 2
    assert examples.deceased.died is not None
    assert examples.deceased.means is Means.PENSION
    assert examples.deceased_on_living_wage.died is not None
    assert examples.deceased_on_living_wage.means is Means.LIVING_WAGE
    assert {row.quality for row in pcsw_rows(examples.provisional_only)} == {902}
    assert not any(row.period.overlaps(TODAY) for row in pcsw_rows(examples.period_over))
    assert {row.phase for row in mutuality_rows(examples.phase_too_low) if row.quality == 2} == {1}
    assert {row.phase for row in mutuality_rows(examples.occupational_accident) if row.quality == 2} == {2}
    assert examples.unemployed.means is Means.UNEMPLOYMENT
    assert examples.career_break.means is Means.CAREER_BREAK
    assert examples.handicapped.means is Means.HANDICAP
    assert examples.self_employed.means is Means.SELF_EMPLOYMENT
    assert examples.pensioner.means is Means.PENSION
    assert examples.grapa.means is Means.GRAPA
    assert examples.child.identity.age < 18
    assert examples.bis_number.ssin.kind in ("bis", "ter")
    assert examples.unknown_birth_date.ssin.birth_date is None
    assert {row.kind for row in whereabouts.rows_at_the_hub(examples.social_inquiry)} >= {
        Address(7, 0), Address(11, 1), Address(16, 0), Address(17, 1), Address(18, 1)
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_replaced_number_is_told_wherever_it_was_known(seed: int) -> None:
    person = Population(seed=seed).examples.replaced_number
    old, new = Population(seed=seed).examples.replaced
    rows = list(whereabouts.rows_at_the_hub(person))
    told = {row.kind for row in rows if row.ssin == old}
    assert told == {row.kind for row in rows if row.ssin == new}
    assert {row.replaced_by for row in rows if row.ssin == old} == {new}
    assert PCSW in told


def pcsw_rows(person: Person) -> list[Integration]:
    return [row for row in whereabouts.rows_at_the_hub(person) if row.kind == PCSW]


def mutuality_rows(person: Person) -> list[Integration]:
    return [row for row in whereabouts.rows_at_the_hub(person) if row.kind == MUTUALITY]
