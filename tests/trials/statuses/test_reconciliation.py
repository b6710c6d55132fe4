"""100,000 persons of De Lijn and the social tariff in two lots, answered from the buffer: `./crossroads test -m slow
tests/trials/statuses -s`."""

import time

import pytest

from institutions.statuses.quarters import read
from tests.hub.statuses import QUEUES, equal_to_the_oracle, with_statuses

#: Of them the two bodies have integrated more than 100,000.
POPULATION = 345_000


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_100_000_persons_are_answered_from_the_buffer_as_the_lives_say(rabbitmq, postgresql, tmp_path):
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s ({time.process_time():.1f} s CPU)  {what}", flush=True)

    async with with_statuses(rabbitmq, postgresql, tmp_path) as statuses:
        asked, found = await equal_to_the_oracle(statuses, POPULATION, tmp_path / "fill", read("2025Q4"), tell)
        tell(f"{asked} answers equal to the oracle, {found} of them with a status")
        assert asked >= 100_000
        for queue in QUEUES:
            assert await statuses.star.depth(queue) == 0, queue
        tell("no message on any source's queue")
