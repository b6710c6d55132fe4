"""Answers that wait for their turn."""

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from institutions.spool import Spool
from schemas.wire.transport import Properties


@given(st.lists(st.binary(max_size=40), max_size=30), st.randoms(), st.integers(0, 200))
def test_what_was_put_is_taken_whole_in_whatever_order(bodies: list[bytes], random, in_memory: int) -> None:
    with closing(Spool(in_memory)) as spool:
        _checked(spool, bodies, random)


def _checked(spool: Spool, bodies: list[bytes], random) -> None:
    order = list(range(len(bodies)))
    random.shuffle(order)
    for number in order:
        spool.put(number, bodies[number], Properties(type=str(number)))
        assert number in spool
    random.shuffle(order)
    for number in order:
        assert spool.take(number) == (bodies[number], Properties(type=str(number)))
        assert number not in spool
    spool.put(0, b"again", Properties())
    assert spool.take(0) == (b"again", Properties())
