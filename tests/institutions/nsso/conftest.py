"""One database for all tests of the office: each test has persons of its own."""

from collections.abc import AsyncIterator

import pytest

from schemas.ssin import Ssin
from tests.institutions.nsso.ground import Desk, opened, person
from tests.institutions.nsso.sickness import Sickness
from tests.institutions.nsso.sickness import opened as sicknesses

_given = iter(range(1, 699))


@pytest.fixture(scope="package")
async def desks(postgresql) -> AsyncIterator[list[Desk]]:
    """Two offices on one database."""
    async with opened(postgresql, offices_wanted=2) as found:
        yield found


@pytest.fixture
def desk(desks: list[Desk]) -> Desk:
    return desks[0]


@pytest.fixture
def worker() -> Ssin:
    """A person of this test alone."""
    return person(next(_given))


@pytest.fixture(scope="module")
async def sickness(rabbitmq, postgresql) -> AsyncIterator[Sickness]:
    """The mutualities beside 12-0, its senders and a hub."""
    async with sicknesses(rabbitmq, postgresql) as found:
        yield found
