"""Every check, in the order in which it is told: a function of the facts that says what it found. It raises Blind where
what it needs was not seen."""

from collections.abc import Callable, Mapping

from deploy.doctor.checks import broker, database, hubs, networks, queues, rules
from deploy.doctor.facts import Facts
from deploy.doctor.finding import Finding

Check = Callable[[Facts], Finding]

#: By what each is called.
CHECKS: Mapping[str, Check] = {
    "broker": broker.reachable,
    "broker nodes": broker.nodes,
    "broker alarms": broker.alarms,
    "broker disk": broker.disk,
    "largest message": broker.largest_message,
    "provisioned": queues.provisioned,
    "queues' arguments": queues.arguments,
    "permissions": queues.permissions,
    "left over": queues.left_over,
    "suppliers read": queues.suppliers_read,
    "requests read": queues.ingress_read,
    "hub.dead": queues.dead,
    "database": database.reachable,
    "migrations": database.migrations,
    "partitions": database.partitions,
    "journal kept": database.journal_kept,
    "journal keys": database.journal_keys,
    "database's log": database.log_settings,
    "clocks": database.clocks,
    "hubs": hubs.ready,
    "hubs' parts": hubs.parts,
    "hubs' rules": hubs.same_rules,
    "hubs' version": hubs.same_version,
    "watcher": hubs.watcher,
    "paused": hubs.paused,
    "institutions gone": rules.gone,
    "institutions inactive": rules.inactive,
    "authorisations ending": rules.ending,
    "services held": rules.held,
    "availability": rules.available,
    "distribution": networks.behind,
    "relays": networks.relays,
    "members": networks.members,
}
