"""The rules: what they name that is not there, and what ends soon."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from deploy.doctor.checks.queues import number, some, waiting
from deploy.doctor.database import Gone
from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, warning, wrong
from deploy.doctor.processes import Process
from deploy.top.figures import by
from hub.repertory.rules import Authorisation, Availability, Distribution, Rules
from schemas.address import Address
from schemas.wire import names

#: Rights that end sooner are worth a look.
_SOON = timedelta(days=30)
_LOAD = "crossroads repertory load FILES (with --dry-run first)"
#: Refusals of who is not in the register (any more), or not active.
_NOBODY = ("CRB00005", "CRB00006", "CRB00007")


def gone(facts: Facts) -> Finding:
    """Institutions that were in the register and are not: what still names them, what waits in their queues, what they
    asked and were refused."""
    rules, rows = see(facts.rules), see(facts.rows)
    if not rows.gone:
        return good("none")
    details = [*_refused(facts), *(line for one in rows.gone for line in _traces(facts, rules, one))]
    told = f"no longer in the register: {some([one.address for one in rows.gone])}"
    if not details:
        return good(f"{told}; nothing names them, nothing waits")
    since = (f"{one.address} ({one.name}): since {one.since:%Y-%m-%d %H:%M} UTC" for one in rows.gone)
    return wrong(
        told,
        (*since, *details),
        f"it was removed by mistake: put it back, {_LOAD}",
        "it is to be gone: take the rows that name it out of the rules too, and delete its queues when they are empty",
    )


def _traces(facts: Facts, rules: Rules, one: Gone) -> Iterator[str]:
    """What one that is gone has left: rows of its sector and type count where nobody else of them is there."""
    address = Address.parse(one.address)
    if not isinstance(facts.rows, NotSeen):
        for row in facts.rows.refused or ():
            if one.address in (row.sender, row.customer):
                whose = f"{row.customer} through {row.sender}" if row.customer not in ("", row.sender) else row.sender
                yield (
                    f"{whose} asked {row.service or 'something'} {number(row.count, 'time')} within the last hour and "
                    f"was told {row.code}, last at {row.last:%H:%M:%S} UTC"
                )
    if not isinstance(facts.queues, NotSeen):
        for queue in facts.queues:
            if queue.messages and _is_of(queue.name, one.address):
                yield f"{queue.vhost}/{queue.name}: {waiting(queue.messages)}"
    for supplier, result, count in _answers(facts):
        if supplier == one.address:
            yield f"{supplier} was asked {number(count, 'time')} since the hubs began: {result}"
    yield from (f"{member.address} is managed by {address}" for member in rules.members(address))
    if all(kept.address.kind != address.kind for kept in rules.institutions.values()):
        yield from _naming(rules, address.kind)


def _refused(facts: Facts) -> Iterator[str]:
    """What hubs and relays refused for want of a register's row, by service: whoever it was."""
    if isinstance(facts.processes, NotSeen):
        return
    found: dict[tuple[str, str], float] = {}
    for hub in _hubs(facts.processes):
        for (service, code), count in by(hub.figures, "crossroads_exchanges_total", "service", "code").items():
            if code in _NOBODY and count > 0:
                found[service, code] = found.get((service, code), 0) + count
    for (service, code), count in sorted(found.items()):
        yield f"{number(round(count), 'request')} for {service} refused with {code} since the hubs began"
    for process in facts.processes:
        for (relay, service, code), count in by(
            process.figures, "crossroads_relayed_total", "institution", "service", "result"
        ).items():
            if code in _NOBODY and count > 0:
                asked = number(round(count), "request")
                yield f"{asked} for {service} refused with {code} by the relay of {relay} since it began"


def inactive(facts: Facts) -> Finding:
    """Institutions that are in the register and inactive, and what still stands on them."""
    rules = see(facts.rules)
    off = [one for one in rules.institutions.values() if not one.active]
    if not off:
        return good("none")
    alone = [
        kind
        for kind in sorted({one.address.kind for one in off})
        if all(not other.active for other in rules.institutions.values() if other.address.kind == kind)
    ]
    named = tuple(f"of {kind} nobody is active; {said}" for kind in alone for said in _naming(rules, kind))
    told = some([str(one.address) for one in off])
    if named:
        return warning(f"inactive: {told}", named, f"take those rows out, or make it active again: {_LOAD}")
    return good(f"inactive: {told}; nothing stands on them alone")


def ending(facts: Facts) -> Finding:
    """Rights that end soon: what is asked under them is refused from the day after (MSG00013)."""
    rules, last = see(facts.rules), facts.today + _SOON
    rows: list[Authorisation | Distribution] = [*rules.authorisations, *rules.distributions]
    soon = sorted(
        (row.valid.end, row.id, row)
        for row in rows
        if row.valid.end is not None and facts.today <= row.valid.end <= last
    )  # fmt: skip
    if not soon:
        return good(f"none within {_SOON.days} days, of {len(rows)}")
    details = tuple(
        f"{end}: {'authorisation' if isinstance(row, Authorisation) else 'distribution'} {name} "
        f"(deliberation {row.deliberation.number})"
        for end, name, row in soon
    )
    return warning(f"{len(soon)} end within {_SOON.days} days", details, f"a newer deliberation: {_LOAD}")


def held(facts: Facts) -> Finding:
    """Services that may be asked and that nobody of the register holds: a question finds nobody (MSG00021)."""
    rules = see(facts.rules)
    there = {one.address.kind for one in rules.institutions.values() if one.active}
    nobody = []
    asked = 0
    for service in facts.catalogue.services.values():
        rows = [row for row in rules.authorisations if _fits(row.service, service.type)]
        if service.answered_by == "hub" or service.mode == "mutation" or not rows:
            continue
        asked += 1
        if not there.intersection(rules.holders(service.type)):
            nobody.append(f"{service.type}, which {some(sorted({str(row.customer) for row in rows}))} may ask")
    if nobody:
        return wrong(f"nobody holds {number(len(nobody), 'service')}", tuple(nobody), f"an availability row: {_LOAD}")
    return good(f"all {asked} that may be asked are held by somebody")


def available(facts: Facts) -> Finding:
    """Holders of a service that cannot be asked: who is not in the register, or has no queue."""
    rules, there = see(facts.rules), see(facts.standing)
    queues = {name for vhost, name in there.queues if vhost == facts.primary}
    kinds = {one.address.kind for one in rules.institutions.values()}
    faults = []
    for row in rules.availabilities:
        if row.address not in kinds:
            faults.append(f"availability {row.id}: the register has no institution of {row.address}")
            continue
        supplier, mode = rules.asked_as(row.address), "batch" if row.mode == "batch" else "online"
        for service in facts.catalogue.services.values():
            queue = names.supplier_queue(supplier, "batch" if mode == "batch" else "online", service.type)
            if _fits(row.service, service.type) and service.answered_by != "hub" and queue not in queues:
                faults.append(f"availability {row.id}: {supplier} has no queue {queue}")
    if faults:
        return wrong("holders cannot be asked", tuple(faults), f"crossroads provision; or take the row out: {_LOAD}")
    return good(f"all of {len(rules.availabilities)} rows can be asked")


def _naming(rules: Rules, kind: Address) -> Iterator[str]:
    """Which rows name a sector and type: a line for each kind of row."""
    found: dict[str, list[str]] = {}
    for row in rules.rows():
        match row:
            case Authorisation() if row.customer == kind or kind in row.suppliers:
                found.setdefault("authorisation", []).append(row.id)
            case Availability() if row.address == kind:
                found.setdefault("availability row", []).append(row.id)
            case Distribution() if row.recipient == kind:
                found.setdefault("distribution", []).append(row.id)
    for noun, ids in found.items():
        yield f"{number(len(ids), noun)} {'names' if len(ids) == 1 else 'name'} {kind}: {', '.join(ids)}"


def _fits(named: str, service_type: str) -> bool:
    return named in (service_type, service_type.partition("/")[0])


def _is_of(queue: str, address: str) -> bool:
    return queue.removeprefix("hub.in.").partition(".")[0] == address


def _answers(facts: Facts) -> list[tuple[str, str, int]]:
    if isinstance(facts.processes, NotSeen):
        return []
    found: dict[tuple[str, str], float] = {}
    for hub in _hubs(facts.processes):
        for (supplier, result), count in by(
            hub.figures, "crossroads_supplier_answers_total", "supplier", "result"
        ).items():
            if count > 0:
                found[supplier, result] = found.get((supplier, result), 0) + count
    return [(supplier, result, round(count)) for (supplier, result), count in sorted(found.items())]


def _hubs(processes: Iterable[Process]) -> list[Process]:
    return [one for one in processes if one.is_hub]
