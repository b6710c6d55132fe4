"""The networks that the behaviours are held against."""

from collections.abc import AsyncIterator

import pytest

from tests.institutions.conformance import doubles
from tests.institutions.conformance.network import Network


@pytest.fixture
async def double() -> AsyncIterator[Network]:
    """A hub in memory."""
    async with doubles.opened() as found:
        yield found


@pytest.fixture(params=["double", "world"], ids=["double", "hub"])
def network(request: pytest.FixtureRequest) -> Network:
    """A network in which the rules of `network.py` hold."""
    found: Network = request.getfixturevalue(request.param)
    return found
