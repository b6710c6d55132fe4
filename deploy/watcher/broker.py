"""A look at the broker: its queues, how long what is in them has waited, and whether it takes anything."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from deploy.servers.management import Management
from deploy.watcher.ages import Ages, Counts
from deploy.watcher.figures import Sample, Seen
from deploy.watcher.queue import Queue, queue_of
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

    def __init__(self, url: str, vhosts: Callable[[], Collection[str]]) -> None:
        """`vhosts`: those that the register says there are."""
        self._management, self._vhosts = Management(url, timeout=_TIMEOUT), vhosts
        self._ages = Ages()
        self._uptimes: Mapping[str, int] = {}
        #: How often a node was seen to have been started anew.
        self._starts = 0
        #: By recipient, how long the first word in its queue has waited.
        self.waits: Mapping[str, float] = {}

    async def look(self) -> Seen:
        """What is so now. Raises ManagementError."""
        nodes, queues = await asyncio.to_thread(self._asked)
        at = asyncio.get_running_loop().time()
        self._starts += self._restarted(nodes)
        messages: defaultdict[Queue, int] = defaultdict(int)
        consumers: defaultdict[Queue, int] = defaultdict(int)
        ages: defaultdict[Queue, float] = defaultdict(float)
        present = set()
        for told in queues:
            place = (told["vhost"], told["name"])
            if (queue := queue_of(*place)) is None:
                continue
            present.add(place)
            consumers[queue] += told.get("consumers", 0)
            if "messages" not in told:  # it was made just now, or no node has it: nothing is known
                continue
            messages[queue] += told["messages"]
            ages[queue] = max(ages[queue], self._ages.observe(place, _counts(told), at, starts=self._starts))
        self._ages.keep(present)
        self.waits = {
            queue.address: age
            for queue, age in ages.items()
            if queue.kind == "mutation" and queue.vhost == names.PRIMARY
        }
        samples = [*_alarms(nodes)]
        for name, found in (
            ("crossroads_queue_messages", messages),
            ("crossroads_queue_consumers", consumers),
            ("crossroads_queue_age_seconds", ages),
        ):
            samples += ((name, (each.vhost, each.name, each.kind, each.address), now) for each, now in found.items())
        # Of a vhost in which it has no right `monitor` is told nothing, and not that there is something.
        unseen = set(self._vhosts()) - {vhost for vhost, _ in present}
        return Seen(samples, whole=not unseen, why=f"no queue of {', '.join(sorted(unseen))}" if unseen else "")

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
        if "running" in node:
            yield "crossroads_broker_alarm", (node["name"], "down"), float(not node["running"])
        for alarm, field in _ALARMS.items():
            if field in node:
                yield "crossroads_broker_alarm", (node["name"], alarm), float(node[field])


def _counts(told: Mapping[str, Any]) -> Counts:
    stats, bounds = told.get("message_stats", {}), told.get("arguments", {})
    full = any(
        bound in bounds and told.get(field, 0) >= bounds[bound]
        for bound, field in (("x-max-length", "messages"), ("x-max-length-bytes", "message_bytes"))
    )
    taken = sum(stats.get(how, 0) for how in ("ack", "deliver_no_ack", "get_no_ack"))
    return Counts(stats.get("publish", 0), taken, told["messages"], full)
