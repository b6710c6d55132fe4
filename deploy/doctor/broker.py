"""What the broker's management API tells."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.servers.management import Management

#: Queues of one question: the broker reckons statistics for no more at once.
_PAGE = 500
_QUEUES = f"/api/queues?columns=name,vhost,messages,consumers&page_size={_PAGE}&page="
_LARGEST_MESSAGE = re.compile(r"^\s*max_message_size\s*=\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the broker's cluster."""

    name: str
    running: bool
    #: `memory`, `disk`: it takes nothing while one is on.
    alarms: tuple[str, ...]
    #: Nodes that it does not see.
    partitions: tuple[str, ...]
    #: Bytes; the alarm begins at the limit.
    disk_free: int | None
    disk_limit: int | None


@dataclass(frozen=True, slots=True)
class Broker:
    """The cluster as a whole."""

    version: str
    name: str
    nodes: tuple[Node, ...]
    #: Its clock less ours, seconds; to the second.
    ahead: float
    #: Bytes of the largest message that it takes, of the configuration files that can be read here.
    largest_message: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands on the broker: its definitions by their keys."""

    vhosts: frozenset[str]
    #: Tags of each user.
    users: Mapping[str, tuple[str, ...]]
    #: (vhost, user) to configure, write, read.
    permissions: Mapping[tuple[str, str], tuple[str, str, str]]
    #: (vhost, name) to type.
    exchanges: Mapping[tuple[str, str], str]
    #: (vhost, name) to arguments.
    queues: Mapping[tuple[str, str], Mapping[str, Any]]
    #: vhost, source, destination, key.
    bindings: frozenset[tuple[str, str, str, str]]
    #: (vhost, name) to the pattern of names and what is set for them.
    policies: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Queue:
    """How a queue is now; None: no node told it yet."""

    vhost: str
    name: str
    messages: int | None
    consumers: int


def look_at_broker(management: Management) -> Broker:
    """Raises ManagementError."""
    overview, nodes = management.get("/api/overview"), management.get("/api/nodes")
    before = datetime.now(UTC)
    there = management.clock()
    after = datetime.now(UTC)
    # The broker's clock is cut to the second: it is within a second after that.
    ahead = max((there - after).total_seconds(), 0.0) - max((before - there).total_seconds() - 1, 0.0)
    return Broker(
        version=str(overview.get("rabbitmq_version", "")),
        name=str(overview.get("cluster_name", "")),
        nodes=tuple(_node(node) for node in nodes),
        ahead=ahead,
        largest_message=_largest(nodes),
    )


def look_at_standing(management: Management) -> Standing:
    """Raises ManagementError."""
    return standing(management.get("/api/definitions"))


def standing(document: Mapping[str, Any]) -> Standing:
    """Of a definitions document: the broker's own, or one that `deploy.provision` makes."""
    return Standing(
        vhosts=frozenset(one["name"] for one in document["vhosts"]),
        users={one["name"]: _tags(one.get("tags", ())) for one in document["users"]},
        permissions={
            (one["vhost"], one["user"]): (one["configure"], one["write"], one["read"])
            for one in document["permissions"]
        },
        exchanges={(one["vhost"], one["name"]): one["type"] for one in document["exchanges"]},
        queues={(one["vhost"], one["name"]): one["arguments"] for one in document["queues"]},
        bindings=frozenset(
            (one["vhost"], one["source"], one["destination"], one["routing_key"]) for one in document["bindings"]
        ),
        policies={
            (one["vhost"], one["name"]): f"{one['pattern']} {json.dumps(one['definition'], sort_keys=True)}"
            for one in document.get("policies", ())
        },
    )


def look_at_queues(management: Management) -> tuple[Queue, ...]:
    """Raises ManagementError."""
    found, page, pages = [], 0, 1
    while page < pages:
        page += 1
        told = management.get(f"{_QUEUES}{page}")
        found += [Queue(q["vhost"], q["name"], q.get("messages"), q.get("consumers", 0)) for q in told["items"]]
        pages = told["page_count"]
    return tuple(found)


def _node(node: Mapping[str, Any]) -> Node:
    alarms = [alarm for alarm, field in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")) if node.get(field)]
    free, limit = node.get("disk_free"), node.get("disk_free_limit")
    return Node(
        name=node["name"],
        running=bool(node.get("running")),
        alarms=tuple(alarms),
        partitions=tuple(node.get("partitions", ())),
        disk_free=free if isinstance(free, int) else None,
        disk_limit=limit if isinstance(limit, int) else None,
    )


def _largest(nodes: Any) -> int | None:
    """What a configuration file says, where the broker's are on this machine and may be read. The last one wins."""
    found = None
    for node in nodes:
        for name in node.get("config_files", ()):
            try:
                told = _LARGEST_MESSAGE.findall(Path(name).read_text())
            except (OSError, UnicodeDecodeError):
                continue
            found = int(told[-1]) if told else found
    return found


def _tags(tags: object) -> tuple[str, ...]:
    """A list, or up to RabbitMQ 3.8 a text with commas."""
    words = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list | tuple) else ()
    return tuple(sorted(str(word) for word in words if word))
