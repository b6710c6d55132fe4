"""What the watcher tells of the broker's nodes."""

import pytest

from deploy.watcher.broker import _alarms


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (
            {"running": True, "mem_alarm": False, "disk_free_alarm": True, "uptime": 5},
            {"down": 0.0, "memory": 0.0, "disk": 1.0},
        ),
        ({"running": False}, {"down": 1.0}),
        ({}, {}),
    ],
    ids=["runs without room on its disk", "does not run", "nothing is known"],
)
def test_a_node_that_is_down_or_takes_nothing_is_told(node: dict[str, object], told: dict[str, float]) -> None:
    samples = [*_alarms([{"name": "a", **node}])]
    assert {labels: value for _, labels, value in samples} == {("a", alarm): value for alarm, value in told.items()}
    assert {name for name, _, _ in samples} <= {"crossroads_broker_alarm"}
