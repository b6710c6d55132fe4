"""Rights without asking: 25-1 tells De Lijn and the social tariff who has which status, over the hub and the broker."""

from collections.abc import AsyncIterator

import pytest

from institutions.statuses.quarters import read
from tests.hub.statuses import QUEUES, Statuses, equal_to_the_oracle, with_statuses


@pytest.fixture(scope="module")
async def statuses(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Statuses]:
    async with with_statuses(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as statuses:
        yield statuses


async def test_two_bodies_ask_in_lots_and_are_told_what_the_lives_say_and_no_source_hears_of_it(statuses, tmp_path):
    """As the slow trial does with 100,000 (tests/trials/statuses)."""
    asked, found = await equal_to_the_oracle(statuses, 1_000, tmp_path / "fill", read("2025Q4"))
    assert asked > 250
    assert 50 < found < asked
    for queue in QUEUES:
        assert await statuses.star.depth(queue) == 0, queue
