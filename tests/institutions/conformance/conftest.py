"""The networks that the behaviours are held against."""

from collections.abc import AsyncIterator

import pytest

from tests.institutions.conformance import doubles
from tests.institutions.conformance.network import Network


@pytest.fixture(params=["double"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    """A network in which the rules of `network.py` hold."""
    async with doubles.opened() as found:
        yield found
