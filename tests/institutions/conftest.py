"""The real network that the tests of a module share."""

from collections.abc import AsyncIterator

import pytest

from tests.institutions.world import Broker, Database, World, opened


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    """A hub on the real broker and database, and the right to be any institution around it."""
    async with opened(rabbitmq, postgresql) as found:
        yield found
