"""A look at the broker: its queues, how long what is in them has waited, and whether it takes anything."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deploy.servers.management import Management
from deploy.watcher.ages import Ages, Seen
from deploy.watcher.figures import Sample
from deploy.watcher.queue import queue_of
from schemas.wire import names

#: An answer that takes longer has failed, seconds.
_TIMEOUT = 10.0
#: Queues of one question: the broker reckons statistics for no more at once.
_PAGE = 500
_COLUMNS = (
    "name", "vhost", "messages", "message_bytes", "consumers", "message_stats.publish", "message_stats.ack",
    "message_stats.deliver_no_ack", "message_stats.get_no_ack", "arguments.x-max-length",
    "arguments.x-max-length-bytes",
)  # fmt: skip
_QUEUES = f"/api/queues?columns={','.join(_COLUMNS)}&page_size={_PAGE}&page="
_NODES = "/api/nodes?columns=name,running,uptime,mem_alarm,disk_free_alarm"
_ALARMS = {"memory": "mem_alarm", "disk": "disk_free_alarm"}


class Broker:
    """The broker of one network, by its management API. To be used from one task."""

    def __init__(self, url: str) -> None:
        self._management = Management(url, timeout=_TIMEOUT)
        self._ages = Ages()
        self._uptimes: Mapping[str, int] = {}
        #: By recipient, how long the first word in its queue has waited.
        self.waits: Mapping[str, float] = {}

    async def look(self) -> list[Sample]:
        """What is so now. Raises ManagementError."""
        nodes, queues = await asyncio.to_thread(self._asked)
        at = asyncio.get_running_loop().time()
        found = {queue: told for told in queues if (queue := queue_of(told["vhost"], told["name"])) is not None}
        restarted = self._restarted(nodes)
        samples = [*_alarms(nodes)]
        waits: dict[str, float] = {}
        for queue, told in found.items():
            labels = (queue.vhost, queue.name, queue.kind, queue.address)
            samples.append(("crossroads_queue_consumers", labels, told.get("consumers", 0)))
            if "messages" not in told:  # it was made just now, or no node has it: nothing is known
                continue
            age = self._ages.observe(queue, _seen(told), at, restarted=restarted)
            samples.append(("crossroads_queue_messages", labels, told["messages"]))
            samples.append(("crossroads_queue_age_seconds", labels, age))
            if queue.kind == "mutation" and queue.vhost == names.PRIMARY:
                waits[queue.address] = age
        self._ages.keep(found.keys())
        self.waits = waits
        return samples

    def _asked(self) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
        nodes, queues, page, pages = self._management.get(_NODES), [], 0, 1
        while page < pages:
            page += 1
            told = self._management.get(f"{_QUEUES}{page}")
            queues += told["items"]
            pages = told["page_count"]
        return nodes, queues

    def _restarted(self, nodes: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a node has begun to count anew since the last look."""
        uptimes = {node["name"]: node["uptime"] for node in nodes if "uptime" in node}
        before, self._uptimes = self._uptimes, {**self._uptimes, **uptimes}
        return any(before.get(name, 0) > uptime for name, uptime in uptimes.items())


def _alarms(nodes: Sequence[Mapping[str, Any]]) -> Iterable[Sample]:
    for node in nodes:
        for alarm, field in _ALARMS.items():
            if field in node:
                yield "crossroads_broker_alarm", (node["name"], alarm), float(node[field])


def _seen(told: Mapping[str, Any]) -> Seen:
    stats, bounds = told.get("message_stats", {}), told.get("arguments", {})
    full = any(
        bound in bounds and told.get(field, 0) >= bounds[bound]
        for bound, field in (("x-max-length", "messages"), ("x-max-length-bytes", "message_bytes"))
    )
    taken = sum(stats.get(how, 0) for how in ("ack", "deliver_no_ack", "get_no_ack"))
    return Seen(stats.get("publish", 0), taken, told["messages"], full)
