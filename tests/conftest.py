"""The servers that tests run against: real ones, started once a run, or those that the environment names.

CROSSROADS_AMQP_URL with CROSSROADS_RABBITMQ_ADMIN_URL, and CROSSROADS_DATABASE_URL (a user who may make databases),
name servers of your own; they get vhosts and databases with names `test_…` that are removed again.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ

# A busy machine is no failure. In CI the same examples each time; here new ones, to find more.
hypothesis.settings.register_profile("crossroads", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("crossroads")


#: Rooms whose files share networks that take long to start: one process runs all of them.
_TOGETHER = ("tests/deploy/command/",)


class _ByFile(LoadFileScheduling):
    """Of several processes one runs a whole file, for its fixtures, or all files of a room."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((room for room in _TOGETHER if file.startswith(room)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> Iterator[PrivateRabbitMQ | ForeignRabbitMQ]:
    """A broker with `.amqp_url(user, password, vhost)` (without user: an administrator) and `.management`.

    A test that stops, kills or restarts the broker asks for `private_rabbitmq`.
    """
    amqp, admin = os.environ.get("CROSSROADS_AMQP_URL"), os.environ.get("CROSSROADS_RABBITMQ_ADMIN_URL")
    if amqp and admin:
        yield ForeignRabbitMQ(amqp, admin)
        return
    if amqp or admin:
        pytest.exit("set both CROSSROADS_AMQP_URL and CROSSROADS_RABBITMQ_ADMIN_URL, or neither", returncode=4)
    with PrivateRabbitMQ(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def private_rabbitmq(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> Iterator[PrivateRabbitMQ]:
    """A broker that a test may `kill()`, `start()` and `restart()`; it leaves it running."""
    if isinstance(rabbitmq, PrivateRabbitMQ):
        yield rabbitmq
        return
    with PrivateRabbitMQ(in_memory=True) as server:
        yield server


@pytest.fixture
def vhost(rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> Iterator[str]:
    """The name of a fresh vhost in which the administrator may do everything."""
    name = f"test_{secrets.token_hex(6)}"
    management = rabbitmq.management
    management.put(f"/api/vhosts/{name}")
    management.put(f"/api/permissions/{name}/{management.user}", {"configure": ".*", "write": ".*", "read": ".*"})
    yield name
    management.delete(f"/api/vhosts/{name}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PrivatePostgreSQL | ForeignPostgreSQL]:
    """A server with `.url(database)`, `.create_database(name)` and `.drop_database(name)`.

    A test that stops, kills or restarts the server asks for `private_postgresql`.
    """
    url = os.environ.get("CROSSROADS_DATABASE_URL")
    if url:
        yield ForeignPostgreSQL(url)
        return
    with PrivatePostgreSQL(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def private_postgresql(postgresql: PrivatePostgreSQL | ForeignPostgreSQL) -> Iterator[PrivatePostgreSQL]:
    """A server that a test may `kill()`, `start()` and `restart()`; it leaves it running."""
    if isinstance(postgresql, PrivatePostgreSQL):
        yield postgresql
        return
    with PrivatePostgreSQL(in_memory=True) as server:
        yield server


@pytest.fixture
async def database(postgresql: PrivatePostgreSQL | ForeignPostgreSQL) -> AsyncIterator[str]:
    """The URL of a fresh, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    yield await postgresql.create_database(name)
    await postgresql.drop_database(name)
