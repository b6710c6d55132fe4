"""The token bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.rate import Bucket


def test_without_a_rate_all_start_at_once() -> None:
    bucket = Bucket(None)
    for _ in range(1000):
        assert bucket.wait(0.0) == 0
        bucket.take()


def test_after_the_burst_one_starts_each_interval() -> None:
    bucket = Bucket(10, burst=3)
    starts = []
    now = 100.0
    for _ in range(6):
        now += bucket.wait(now)
        bucket.wait(now)
        bucket.take()
        starts.append(round(now - 100, 6))
    assert starts == [0, 0, 0, 0.1, 0.2, 0.3]


def test_unless_told_otherwise_a_tenth_of_a_seconds_worth_starts_at_once() -> None:
    bucket = Bucket(100)
    started = 0
    while bucket.wait(7.0) == 0:
        bucket.take()
        started += 1
    assert started == 10


def test_less_than_one_a_second_starts_one_at_once() -> None:
    bucket = Bucket(0.01)
    assert bucket.wait(5.0) == 0
    bucket.take()
    assert bucket.wait(5.0) == pytest.approx(100)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_is_more_than_nothing(rate: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Bucket(rate)


@given(
    st.floats(0.5, 500),
    st.floats(1, 100),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_never_more_start_than_the_rate_and_the_burst_allow(rate: float, burst: float, gaps: list[float]) -> None:
    bucket = Bucket(rate, burst)
    now, started = 1000.0, 0
    for gap in gaps:
        now += gap
        if bucket.wait(now) == 0:
            bucket.take()
            started += 1
    assert started <= burst + rate * (now - 1000.0) + 1e-6


@given(st.floats(0.5, 500), st.floats(0, 10))
def test_what_waited_as_told_may_start(rate: float, later: float) -> None:
    bucket = Bucket(rate, burst=1)
    now = 50.0
    bucket.wait(now)
    bucket.take()
    now += bucket.wait(now) + 1e-9 + later
    assert bucket.wait(now) == pytest.approx(0, abs=1e-6)
