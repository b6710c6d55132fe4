"""How far a lot is, by the tickets that there are."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.watcher.lots import WINDOW, OpenLot
from schemas import lot
from schemas.address import Address
from schemas.ticket import ticket_cbss

NUMBER, CUSTOMER = UUID("0b8d1d1e-55a1-4a3f-9f8e-3d1f6a1c2b7d"), Address(70, 3)


def tickets(numbers: range) -> set[UUID]:
    return {ticket_cbss(CUSTOMER, str(lot.ticket(NUMBER, n))) for n in numbers}


def looked(open_lot: OpenLot, there: set[UUID]) -> None:
    """One look, of as many rounds as it takes."""
    while open_lot.found(there & set(open_lot.wanted)):
        pass


@settings(max_examples=20)
@given(st.lists(st.integers(0, 2_500), min_size=1, max_size=4), st.integers(1, 2_500))
def test_consultations_in_their_order_are_counted_each(done: list[int], count: int) -> None:
    open_lot = OpenLot(NUMBER, CUSTOMER, count)
    for number in sorted(min(each, count) for each in done):
        looked(open_lot, tickets(range(1, number + 1)))
        assert open_lot.decided == number


def test_one_that_is_missing_holds_up_nobody_behind_it() -> None:
    open_lot = OpenLot(NUMBER, CUSTOMER, 3 * WINDOW)
    looked(open_lot, tickets(range(2, 2 * WINDOW)))
    assert open_lot.decided == 2 * WINDOW - 2
    assert tickets(range(1, 2)) <= set(open_lot.wanted)


def test_of_a_lot_that_is_done_nothing_is_looked_for() -> None:
    open_lot = OpenLot(NUMBER, CUSTOMER, 5)
    looked(open_lot, tickets(range(1, 6)))
    assert (open_lot.decided, list(open_lot.wanted)) == (5, [])
