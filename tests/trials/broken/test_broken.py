"""Whatever an institution sends: a clear answer, or `hub.dead` with its reason; and the hub serves the next request.

More than 1,000 inputs of more than 50 kinds, over a real broker with real users and rights.
"""

from collections.abc import AsyncIterator

import pytest

from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from tests.trials.broken.ground import Ground, prepared
from tests.trials.broken.kind import Kind, Maker
from tests.trials.broken.kinds import KINDS
from tests.trials.broken.traces import NAME, persons


@pytest.fixture(scope="module")
async def ground(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:
    async with prepared(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as ground:
        yield ground


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_each_ends_as_follows_from_its_kind_and_the_next_request_is_served(ground: Ground, kind: Kind) -> None:
    assert await ground.endures(kind) >= 15


def test_there_are_as_many_as_were_promised_and_they_are_the_same_each_time() -> None:
    ssin = next(persons())
    makers = [Maker("seed", ssin, NAME, "127.0.0.1:1", "hub.reply.x") for _ in range(2)]
    first, second = ([list(kind.variants(make)) for kind in KINDS] for make in makers)
    assert first == second
    assert len(KINDS) >= 15
    assert sum(map(len, first)) >= 300
