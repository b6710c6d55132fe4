"""Distribution, and the secondary networks."""

from deploy.doctor.checks.queues import named_queues, number, some
from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, unknown, warning, wrong
from institutions.relay.sectoral_repertory import Member
from schemas.address import Address


def behind(facts: Facts) -> Finding:
    """Who is told nothing any more until it has caught up (docs/distribution.md)."""
    owed = see(facts.rows).behind
    if not owed:
        return good("nobody is behind")
    details = tuple(f"{row.recipient}: {number(row.owed, 'word')}" for row in owed)
    return warning(
        f"{some([row.recipient for row in owed])} took too little and has to catch up",
        details,
        "crossroads distribution behind",
        "that institution's reader of its mutation queue: does it run? crossroads distribution aside --inbox URL",
    )


def relays(facts: Facts) -> Finding:
    """Whether each relay reads what its members send."""
    network = facts.network
    managing = {network.secondary(centre): centre for centre in network.managing()}
    if not managing:
        return good("there is no secondary network")
    unread: dict[str, list[str]] = {}
    for queue, named in named_queues(facts):
        if queue.vhost in managing and named.kind in ("ingress", "definitive") and queue.consumers == 0:
            unread.setdefault(queue.vhost, []).append(f"{queue.vhost}/{queue.name}")
    if unread:
        details = tuple(line for lines in unread.values() for line in lines)
        whose = [str(managing[vhost]) for vhost in sorted(unread)]
        return wrong(
            f"the relay of {some(whose)} does not read {number(len(details), 'queue')}",
            details,
            *(f"start it again (crossroads institution {address}); its /health says which part is away"
              for address in whose),
        )  # fmt: skip
    return good(f"{some([str(one) for one in sorted(managing.values())])} read what their members send")


def members(facts: Facts) -> Finding:
    """Whether each sectoral repertory has the members that the register has: else a relay refuses, or lets pass, who
    the hub does not."""
    rules = see(facts.rules)
    managing = sorted({one.managed_by for one in rules.institutions.values() if one.managed_by is not None})
    if not managing:
        return good("there is no secondary network")
    differing: list[str] = []
    unseen: list[str] = []
    looked = 0
    for address in managing:
        there = facts.members.get(str(address), NotSeen("not known: set CROSSROADS_SECTORAL_URLS"))
        if isinstance(there, NotSeen):
            unseen.append(f"{address}: {there.why}")
            if there.failed:
                differing.append(f"{address}: {there.why}")
            continue
        looked += 1
        wanted = {one.address: Member(one.address, one.name, one.active, one.rate) for one in rules.members(address)}
        differing += _differences(address, wanted, {one.address: one for one in there})
    if differing:
        return wrong(
            "sectoral repertories differ from the register",
            tuple(differing),
            "load the rules again (crossroads repertory load): a network of `crossroads up` takes them over by itself; "
            "elsewhere the managing institution does (docs/relay.md)",
        )
    if not looked:
        return unknown("; ".join(unseen))
    return good(f"{looked} of {len(managing)} agree with the register{'; ' if unseen else ''}{'; '.join(unseen)}")


def _differences(managing: Address, wanted: dict[Address, Member], there: dict[Address, Member]) -> list[str]:
    said = [f"{managing} lacks {address}" for address in sorted(wanted.keys() - there.keys())]
    said += [
        f"{managing} has {address}, who is not in the register" for address in sorted(there.keys() - wanted.keys())
    ]
    for address in sorted(wanted.keys() & there.keys()):
        one, other = wanted[address], there[address]
        if one.active != other.active:
            said.append(f"{managing} has {address} {'active' if other.active else 'inactive'}")
        if one.rate != other.rate:
            said.append(f"{managing} has {address} at {other.rate} a second, not {one.rate}")
    return said
