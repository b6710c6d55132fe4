"""Each alert's cause is made in a running network: the alert fires; the cause goes: it stops.

All of them, with a table: `./crossroads test -m slow tests/trials/alerts -s`.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from tests.hub.star import answer_with_data, stay_silent
from tests.trials.alerts.ground import THREE, Ground, opened, together


@pytest.fixture
async def ground(
    private_rabbitmq: PrivateRabbitMQ, private_postgresql: PrivatePostgreSQL, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with opened(private_rabbitmq, private_postgresql, tmp_path) as ground:
        yield ground


async def test_a_silent_supplier_a_killed_hub_and_a_killed_watcher_are_told(ground: Ground) -> None:
    await together(a_silent_supplier(ground), a_killed_hub(ground), a_killed_watcher(ground))
    print(ground.table())


async def a_silent_supplier(ground: Ground) -> None:
    async def made() -> None:
        ground.does[THREE] = stay_silent

    async def mended() -> None:
        ground.does[THREE] = answer_with_data

    by_it = {"supplier": str(THREE)}
    await ground.trial(
        "16-0 answers nothing", made, mended,
        ("SupplierSilent", by_it), ("PromiseBroken", {"fault": "supplier"}),
    )  # fmt: skip


async def a_killed_hub(ground: Ground) -> None:
    await ground.trial(
        "hub-2 is killed; started again",
        lambda: ground.kill("hub-2"),
        lambda: ground.begin("hub-2"),
        ("HubDown", {"instance": "hub-2"}),
        ("HubsFew", {}),
    )


async def a_killed_watcher(ground: Ground) -> None:
    await ground.trial(
        "the watcher is killed; started again",
        lambda: ground.kill("watcher"),
        lambda: ground.begin("watcher"),
        ("WatcherBlind", {}),
    )
