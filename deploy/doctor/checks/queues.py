"""What stands on the broker, against what the register and the services want; and who reads it."""

from collections.abc import Iterable, Iterator, Mapping

from deploy.doctor.broker import Queue
from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, warning, wrong
from deploy.watcher.queue import Queue as Named
from deploy.watcher.queue import queue_of
from schemas.wire import names

_PROVISION = "crossroads provision (docs/wire.md); a network of `crossroads up` does it by itself"
#: Of the broker's own, in every vhost.
_OF_THE_BROKER = "amq."
#: Users that are tagged so have no right on a message by their tag, but could give themselves one: they are operators'.
_OPERATORS = frozenset(("administrator", "monitoring", "management", "policymaker"))


def provisioned(facts: Facts) -> Finding:
    """Whether all that the network needs is there."""
    wanted, there = facts.wanted, see(facts.standing)
    missing = (
        *(f"vhost {name}" for name in sorted(wanted.vhosts - there.vhosts)),
        *(f"user {name}" for name in sorted(wanted.users.keys() - there.users.keys())),
        *(f"exchange {vhost}/{name}" for vhost, name in sorted(wanted.exchanges.keys() - there.exchanges.keys())),
        *(f"queue {vhost}/{name}" for vhost, name in sorted(wanted.queues.keys() - there.queues.keys())),
        *(f"policy {vhost}/{name}" for vhost, name in sorted(wanted.policies.keys() - there.policies.keys())),
        *(f"binding {vhost}/{source} -> {queue} ({key})"
          for vhost, source, queue, key in sorted(wanted.bindings - there.bindings)),
    )  # fmt: skip
    if missing:
        return wrong(f"{len(missing)} things are not there", missing, _PROVISION)
    senders = "" if not isinstance(facts.senders, NotSeen) else f"; senders are not looked at: {facts.senders.why}"
    return good(f"{len(wanted.users)} users, {len(wanted.queues)} queues in {len(wanted.vhosts)} vhosts{senders}")


def arguments(facts: Facts) -> Finding:
    """Whether queues and exchanges are made as they are wanted: neither can be changed."""
    wanted, there = facts.wanted, see(facts.standing)
    differing = [
        f"queue {vhost}/{name}: {', '.join(_differences(wanted.queues[vhost, name], there.queues[vhost, name]))}"
        for vhost, name in sorted(wanted.queues.keys() & there.queues.keys())
        if wanted.queues[vhost, name] != there.queues[vhost, name]
    ]
    differing += [
        f"exchange {vhost}/{name}: {there.exchanges[vhost, name]}, not {kind}"
        for (vhost, name), kind in sorted(wanted.exchanges.items())
        if there.exchanges.get((vhost, name), kind) != kind
    ]
    differing += [
        f"policy {vhost}/{name}: {there.policies[vhost, name]}, not {policy}"
        for (vhost, name), policy in sorted(wanted.policies.items())
        if there.policies.get((vhost, name), policy) != policy
    ]
    if differing:
        return wrong(
            f"{len(differing)} stand otherwise than they are wanted",
            tuple(differing),
            "let each run empty, delete it (rabbitmqctl delete_queue NAME --vhost VHOST --if-empty), then "
            "crossroads provision",
        )
    return good(f"{len(wanted.queues)} queues as they are wanted")


def permissions(facts: Facts) -> Finding:
    """Whether each user may do what he has to, and nobody else anything."""
    wanted, there, network = facts.wanted, see(facts.standing), facts.network
    ours = set(network.vhosts())
    differing = [
        f"{user} in {vhost}: configure {has[0]}, write {has[1]}, read {has[2]}" if has else f"{user} in {vhost}: none"
        for (vhost, user), rights in sorted(wanted.permissions.items())
        if (has := there.permissions.get((vhost, user))) != rights and user in there.users
    ]
    strangers = [
        f"{user} in {vhost}: a user of nobody in the register"
        for (vhost, user), rights_there in sorted(there.permissions.items())
        if vhost in ours
        and (vhost, user) not in wanted.permissions
        and any(right not in ("", "^$") for right in rights_there)
        and not (_OPERATORS & set(there.users.get(user, ())))
        and not _unlooked(facts, user)
    ]
    tags = [
        f"{user} is {', '.join(worn) or 'untagged'}, not {', '.join(tags) or 'untagged'}"
        for user, tags in sorted(wanted.users.items())
        if (worn := there.users.get(user)) is not None and worn != tags
    ]
    if differing or tags:
        return wrong("rights differ from what they have to be", (*differing, *tags, *strangers), _PROVISION)
    if strangers:
        return warning(
            f"{number(len(strangers), 'right')} of users who are not in the register",
            tuple(strangers),
            "rabbitmqctl clear_permissions --vhost VHOST USER, when what waits for him is done with",
        )
    return good(f"{len(wanted.permissions)} as they have to be")


def left_over(facts: Facts) -> Finding:
    """Queues of whom, or of what, is in the register no more: what waits in them nobody is to read."""
    wanted, network = facts.wanted, facts.network
    ours = set(network.vhosts())
    left = [
        queue
        for queue in see(facts.queues)
        if queue.vhost in ours
        and (queue.vhost, queue.name) not in wanted.queues
        and not queue.name.startswith("hub.reply.")
        and not _unlooked(facts, queue.name.removeprefix("hub.in.").partition(".")[0])
    ]
    if not left:
        return good("none")
    details = tuple(
        f"{queue.vhost}/{queue.name}: {number(queue.messages, 'message')}, {number(queue.consumers, 'reader')}"
        for queue in sorted(left, key=lambda one: (-(one.messages or 0), one.vhost, one.name))
    )
    delete = "rabbitmqctl delete_queue NAME --vhost VHOST --if-empty, when it is done with"
    messages = sum(queue.messages or 0 for queue in left)
    if messages:
        return wrong(
            f"{waiting(messages)} in queues of nobody in the register",
            details,
            "put their owner back into the rules (crossroads repertory load), or let its reader empty them",
            delete,
        )
    return warning(f"{number(len(left), 'empty queue')} of nobody in the register", details, delete)


def suppliers_read(facts: Facts) -> Finding:
    """Whether every active supplier reads what it is asked: else each question ends in silence (CRB00010)."""
    active = {str(one.address) for one in facts.network.institutions if one.active}
    unread = [
        (queue, named)
        for queue, named in named_queues(facts)
        if named.kind == "supplier" and named.address in active and queue.consumers == 0
    ]
    total = sum(1 for _, named in named_queues(facts) if named.kind == "supplier" and named.address in active)
    if not unread:
        return good(f"{total} queues of active suppliers are read")
    whose = sorted({named.address for _, named in unread})
    details = tuple(f"{queue.vhost}/{queue.name}: {waiting(queue.messages)}" for queue, _ in unread)
    return wrong(
        f"nobody reads {len(unread)} of {total} queues of active suppliers: {some(whose)}",
        details,
        *(f"start it again (crossroads institution {address})" for address in whose[:_MOST]),
        "or crossroads pause ADDRESS until it is back: askers are then told so at once",
    )


def ingress_read(facts: Facts) -> Finding:
    """Whether a hub reads every direct institution's requests, and the answers that come later."""
    primary = facts.primary
    ingress = [(queue, named) for queue, named in named_queues(facts) if named.kind in ("ingress", "definitive")]
    unread = [(queue, named) for queue, named in ingress if queue.consumers == 0 and queue.vhost == primary]
    if unread and (paused := _waiting(facts)):
        unread = [(queue, named) for queue, named in unread if not queue.name.endswith(paused)]
    if not unread:
        return good(f"{sum(queue.vhost == primary for queue, _ in ingress)} queues are read by a hub")
    details = tuple(f"{queue.vhost}/{queue.name}: {waiting(queue.messages)}" for queue, _ in unread)
    return wrong(
        f"no hub reads {len(unread)} queues of requests: {some(sorted({named.address for _, named in unread}))}",
        details,
        "start a hub (crossroads hub); /health of one that runs says which part of it does not answer",
    )


def dead(facts: Facts) -> Finding:
    """Whether there is something that could not be answered."""
    ours = set(facts.network.vhosts())
    there = [queue for queue in see(facts.queues) if queue.vhost in ours and queue.name == names.DEAD]
    full = [queue for queue in there if queue.messages]
    if not full:
        return good(f"empty in {len(there)} vhosts")
    details = tuple(f"{queue.vhost}: {number(queue.messages, 'message')}" for queue in full)
    total = sum(queue.messages or 0 for queue in full)
    return wrong(f"{number(total, 'message')} could not be answered", details, "crossroads dead list")


_MOST = 5
#: In maintenance the hubs leave what is not on line in its queues.
_NOT_ON_LINE = (".batch", ".mutation", ".definitive")


def _waiting(facts: Facts) -> tuple[str, ...]:
    """Ends of the names of queues that are left alone on purpose."""
    rows = () if isinstance(facts.rows, NotSeen) else facts.rows.paused
    return _NOT_ON_LINE if any(row.kind == "maintenance" for row in rows) else ()


def named_queues(facts: Facts) -> Iterator[tuple[Queue, Named]]:
    """Queues of the network, and whose they are, of those that are provisioned."""
    wanted, network = facts.wanted, facts.network
    plain = {network.primary: names.PRIMARY} | {
        network.secondary(centre): names.secondary(centre) for centre in network.centres()
    }
    for queue in see(facts.queues):
        if (queue.vhost, queue.name) in wanted.queues:
            named = queue_of(plain[queue.vhost], queue.name)
            if named is not None:
                yield queue, named


def _unlooked(facts: Facts, user: str) -> bool:
    """Whether it is a sender's, and senders are not known."""
    return isinstance(facts.senders, NotSeen) and names.is_sender(user)


def _differences(wanted: Mapping[str, object], there: Mapping[str, object]) -> Iterator[str]:
    for key in sorted(wanted.keys() | there.keys()):
        if wanted.get(key) != there.get(key):
            yield f"{key} is {there.get(key, 'not set')}, not {wanted.get(key, 'set')}"


def number(count: int | None, noun: str) -> str:
    """`3 queues`, `1 queue`."""
    return f"{'an unknown number of' if count is None else f'{count:,}'} {noun}{'s' * (count != 1)}"


def waiting(messages: int | None) -> str:
    """`3 messages wait`, `1 message waits`."""
    return f"{number(messages, 'message')} wait{'s' * (messages == 1)}"


def some(addresses: Iterable[str]) -> str:
    """The first few, and how many more."""
    named = list(addresses)
    more = f" and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return ", ".join(named[:_MOST]) + more
