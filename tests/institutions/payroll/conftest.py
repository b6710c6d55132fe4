"""12-0 and its senders, for the tests of a module."""

from collections.abc import AsyncIterator

import pytest

from tests.institutions.payroll.ground import Ground, opened
from tests.institutions.world import Broker, Database


@pytest.fixture(scope="module")
async def ground(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[Ground]:
    async with opened(rabbitmq, postgresql) as found:
        yield found
