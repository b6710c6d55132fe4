"""What granting bodies make of what they are told: a move between two runs does not lose the right."""

from datetime import date

from institutions.reference.granting import Granting, Home, Tariff, statuses_in
from institutions.reference.mutations import moved
from institutions.reference.population import Population
from institutions.reference.suppliers.elements import element
from institutions.statuses.quarters import read
from schemas.parser import parse

ONE, OTHER = (Population().persons[index].ssin for index in (5, 15))
Q2, Q3, Q4 = read("2026Q2"), read("2026Q3"), read("2026Q4")


def told(code: str, first: str, last: str | None = None):
    return element(
        "message",
        element(
            "socialStatus",
            element("code", code),
            element("firstQuarter", first),
            element("lastQuarter", last) if last else None,
        ),
    )


def test_who_is_told_knows_without_asking_and_the_run_finds_nothing_new():
    body = Granting()
    body.told(ONE, "CREATED", "R1", told("LIVING_WAGE", "2026Q2"))
    assert body.codes(ONE, Q2) == {"LIVING_WAGE"}
    assert not body.asked(ONE, told("LIVING_WAGE", "2026Q2"), Q3)
    body.told(ONE, "STOPPED", "R1", told("LIVING_WAGE", "2026Q2", "2026Q3"))
    assert (body.codes(ONE, Q3), body.codes(ONE, Q4)) == ({"LIVING_WAGE"}, set())
    body.told(ONE, "CANCELLED", "R1", told("LIVING_WAGE", "2026Q2", "2026Q3"))
    assert body.codes(ONE, Q2) == set()


def test_what_was_asked_for_gives_way_to_what_is_told():
    body = Granting()
    assert body.asked(ONE, told("LIVING_WAGE", "2025Q1"), Q2)
    body.told(ONE, "STOPPED", "never heard of", told("LIVING_WAGE", "2025Q1", "2026Q3"))
    assert body.codes(ONE, Q4) == set()


def test_two_runs_of_one_status_are_two():
    body = Granting()
    body.told(ONE, "CREATED", "R1", told("LIVING_WAGE", "2026Q2", "2026Q2"))
    body.told(ONE, "CREATED", "R2", told("LIVING_WAGE", "2026Q4"))
    assert [body.codes(ONE, quarter) for quarter in (Q2, Q3, Q4)] == [{"LIVING_WAGE"}, set(), {"LIVING_WAGE"}]
    assert len(statuses_in(told("LIVING_WAGE", "2026Q4"))) == 1


def home(street: str, number: int, person=ONE, day: date = date(2020, 1, 1)) -> Home:
    """As the National Register tells it."""
    found = Home.of(parse(moved(person, day, street, number, "9000", "A-1").message("TEST")))
    assert found is not None
    return found


def test_a_move_between_two_runs_does_not_lose_the_right():
    """The person's, not the address's: the new contract has the tariff from the first day of the quarter."""
    before, after = home("Oude  Straat", 1), home("NIEUWE STRAAT", 2)
    tariff = Tariff(contracts={home("oude straat", 1): "C-1", home("Nieuwe straat", 2): "C-2"})
    tariff.moved(ONE, date(2020, 1, 1), before)
    tariff.told(ONE, "CREATED", "R1", told("LIVING_WAGE", "2026Q2"))
    assert tariff.granted(Q3) == {"C-1"}
    tariff.moved(ONE, date(2026, 8, 20), after)  # between the runs of Q3 and Q4
    assert (tariff.granted(Q2), tariff.granted(Q3), tariff.granted(Q4)) == ({"C-1"}, {"C-2"}, {"C-2"})
    assert not tariff.asked(ONE, told("LIVING_WAGE", "2026Q2"), Q4)


def test_any_member_of_the_household_is_enough():
    shared = home("Kerkstraat", 3)
    tariff = Tariff(contracts={shared: "C-1"})
    for person in (ONE, OTHER):
        tariff.moved(person, date(2020, 1, 1), shared)
    tariff.told(OTHER, "CREATED", "R1", told("HANDICAP_ALLOWANCE", "2026Q1"))
    assert tariff.granted(Q2) == {"C-1"}
    tariff.moved(OTHER, date(2026, 9, 1), home("Elders", 9))
    assert (tariff.granted(Q2), tariff.granted(Q3)) == ({"C-1"}, set())


def test_a_replaced_number_keeps_what_it_had():
    tariff = Tariff(contracts={home("Kerkstraat", 3): "C-1"})
    tariff.moved(ONE, date(2020, 1, 1), home("Kerkstraat", 3))
    tariff.told(ONE, "CREATED", "R1", told("LIVING_WAGE", "2026Q1"))
    tariff.replaced(ONE, OTHER)
    assert tariff.codes(OTHER, Q2) == {"LIVING_WAGE"}
    assert tariff.granted(Q2) == {"C-1"}
