"""The broker itself."""

from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, unknown, warning, wrong

#: The oldest that the network runs on.
OLDEST = (3, 10)
#: Less free than this is worth a look, bytes, or than so many times the alarm's limit.
LEAST_FREE, _LIMITS = 1 << 30, 2
#: docs/wire.md: what a broker must not take more than, and what the largest message of ours needs.
LARGEST, LEAST_LARGEST = 32 << 20, 2 << 20


def reachable(facts: Facts) -> Finding:
    """Whether the management API answers, and of which version the broker is."""
    if isinstance(facts.broker, NotSeen):
        if not facts.broker.failed:
            return unknown(facts.broker.why)
        return wrong(facts.broker.why, (), "rabbitmq-diagnostics status", "look at CROSSROADS_RABBITMQ_ADMIN_URL")
    seen = facts.broker
    told = f"RabbitMQ {seen.version}, {len(seen.nodes)} node{'s' * (len(seen.nodes) != 1)}"
    if _version(seen.version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return wrong(f"{told}: older than {oldest}, which the network needs", (), "update the broker")
    return good(told)


def nodes(facts: Facts) -> Finding:
    """Whether every node runs and sees every other."""
    seen = see(facts.broker).nodes
    faults = [f"{node.name} does not run" for node in seen if not node.running]
    faults += [f"{node.name} does not see {', '.join(node.partitions)}" for node in seen if node.partitions]
    if faults:
        return wrong("the cluster is not whole", tuple(faults), "rabbitmq-diagnostics cluster_status")
    return good(f"{len(seen)} of {len(seen)} nodes run")


def alarms(facts: Facts) -> Finding:
    """Whether the broker takes anything: it does not while an alarm is on."""
    on = tuple(f"{node.name}: {alarm}" for node in see(facts.broker).nodes for alarm in node.alarms)
    if on:
        return wrong("an alarm is on: nobody can publish", on, "rabbitmq-diagnostics alarms", "free memory or disk")
    return good("none")


def disk(facts: Facts) -> Finding:
    """Whether there is room before the disk alarm."""
    known = [node for node in see(facts.broker).nodes if node.disk_free is not None]
    if not known:
        return unknown("no node tells how much of its disk is free")
    little = tuple(
        f"{node.name}: {_size(node.disk_free or 0)} free, the alarm begins at {_size(node.disk_limit or 0)}"
        for node in known
        if (node.disk_free or 0) < max(LEAST_FREE, _LIMITS * (node.disk_limit or 0))
    )
    if little:
        return warning("little of the disk is free", little, "give the broker more room")
    return good(f"{_size(min(node.disk_free or 0 for node in known))} free at least")


def largest_message(facts: Facts) -> Finding:
    """Whether one institution can fill a hub with large messages, or none can send a large one."""
    seen = see(facts.broker)
    if seen.largest_message is None:
        return unknown(
            "max_message_size stands in no configuration file that can be read here",
            "rabbitmqctl eval 'application:get_env(rabbit, max_message_size).'",
        )
    told = f"max_message_size is {_size(seen.largest_message)}"
    set_it = f"set max_message_size = {LARGEST} in rabbitmq.conf, and restart the broker's nodes one by one"
    if seen.largest_message > LARGEST:
        return wrong(f"{told}: one institution can fill a hub", (), set_it)
    if seen.largest_message < LEAST_LARGEST:
        return wrong(f"{told}: messages of 1 MiB and what comes with them do not pass", (), set_it)
    return good(told)


def _version(text: str) -> tuple[int, ...]:
    words = text.split(".")[:2]
    return tuple(int(word) for word in words) if all(word.isdigit() for word in words) and words else (0,)


def _size(size: int) -> str:
    for unit, bytes_ in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}".replace(".0 ", " ")
    return f"{size} bytes"
