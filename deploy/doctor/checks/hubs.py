"""The processes: hubs, and the watcher."""

from collections.abc import Sequence

from deploy.doctor.database import Kept, Paused
from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, unknown, warning, wrong
from deploy.doctor.processes import Process
from deploy.top.drawing import age
from deploy.top.figures import by

_START = "crossroads hub"


def ready(facts: Facts) -> Finding:
    """Whether two hubs take requests: one of them can go, or be replaced, and nobody notices.

    Hubs are those of the processes that are known, and those that say in the database that they live.
    """
    processes = () if isinstance(facts.processes, NotSeen) else facts.processes
    known = {one.url for one in processes}
    told_of = () if isinstance(facts.rows, NotSeen) else facts.rows.hubs
    beating = [one for one in told_of if one.url not in known]
    if not known and isinstance(facts.rows, NotSeen):
        see(facts.processes)
    hubs = [one for one in processes if one.is_hub]
    # A hub may tell another URL than it is known by here, in a container its host's: it is not counted twice.
    both = {one.url for one in told_of}
    here = [one.name for one in hubs if one.ready and one.url not in both]
    there = [one.name for one in beating if one.beats and one.ready]
    able = [*(one.name for one in hubs if one.ready and one.url in both), *max(here, there, key=len)]
    # A process that does not answer may have been a hub.
    away = tuple(f"{one.name} ({one.url}): {one.why}" for one in processes if not one.answers)
    unable = (
        *(f"{one.name} ({one.url}) is not ready" for one in hubs if not one.ready),
        *(f"{one.name} ({one.url}) is not ready" for one in beating if one.beats and not one.ready),
    )
    killed = tuple(f"{one.name} ended without a word {age(one.silent)} ago" for one in beating if not one.beats)
    if not able:
        return wrong("no hub takes requests", (*unable, *away, *killed), _START)
    told = f"{len(able)} ready: {', '.join(able)}"
    if away or unable:
        again = "start again what does not answer; its log says why it ended"
        return wrong(told, (*unable, *away, *killed), again)
    if len(able) == 1:
        return warning(f"{told}; while it is replaced nobody is answered", killed, f"start a second: {_START}")
    return good(told, *killed)


def parts(facts: Facts) -> Finding:
    """Whether every part of every process answers."""
    down = tuple(
        f"{one.name}: {part}" for one in see(facts.processes) for part, up in sorted(one.parts.items()) if not up
    )
    if down:
        return wrong("parts of processes do not answer", down, "look at that part's own check here, and at its log")
    return good(f"all parts of {sum(one.answers for one in see(facts.processes))} processes answer")


def same_rules(facts: Facts) -> Finding:
    """Whether all hubs decide by the newest load of rules: one that does not uses rights that were withdrawn."""
    told = {hub.name: number for hub in _hubs(facts) if (number := hub.rules) is not None}
    if not told:
        return unknown("no hub tells by which load it decides")
    newest = max(told.values()) if isinstance(facts.rules, NotSeen) else facts.rules.number
    behind = tuple(f"{name} decides by load {number}" for name, number in sorted(told.items()) if number != newest)
    if behind:
        return wrong(
            f"not all hubs decide by load {newest}",
            behind,
            "wait 2 s and look again; one that stays behind: stop it (SIGTERM), it gives its work to the others",
        )
    return good(f"load {newest}")


def same_version(facts: Facts) -> Finding:
    """Whether all hubs are of one version, which they are but while they are replaced one after the other."""
    versions: dict[str, list[str]] = {}
    for hub in _hubs(facts):
        if hub.version is not None:
            versions.setdefault(hub.version, []).append(hub.name)
    if not versions:
        return unknown("no hub tells its version")
    if len(versions) > 1:
        details = tuple(f"{version}: {', '.join(names)}" for version, names in sorted(versions.items()))
        return warning("hubs of several versions run", details, "replace the older ones")
    [version] = versions
    return good(version)


def watcher(facts: Facts) -> Finding:
    """Whether somebody watches what no process owns: else queues and distribution raise no alert."""
    watchers = [one for one in see(facts.processes) if one.is_watcher]
    start = "crossroads watcher"
    if not watchers:
        return warning("there is none: nobody watches queues, distribution and lots", (), start)
    unseen = {
        source: up
        for one in watchers
        for (source,), up in by(one.figures, "crossroads_watched", "source").items()
        if up <= 0
    }
    if unseen:
        return wrong(f"it does not see the {' and the '.join(sorted(unseen))}", (), "its log says why")
    return good(", ".join(one.name for one in watchers))


def paused(facts: Facts) -> Finding:
    """What is paused, and since when: somebody may have forgotten it."""
    if not isinstance(facts.rows, NotSeen):
        told = [_paused(row, facts.rows) for row in facts.rows.paused]
    else:
        told = sorted(
            {
                f"{kind} {what}"
                for hub in _hubs(facts)
                for (kind, what), on in by(hub.figures, "crossroads_paused", "kind", "what").items()
                if on > 0
            }
        )
    if not told:
        return good("nothing")
    return warning(
        f"{len(told)} paused", tuple(told), "crossroads resume SERVICE or ADDRESS", "crossroads maintenance off"
    )


def _paused(row: Paused, rows: Kept) -> str:
    what = row.what
    if row.kind == "hub":
        what = next((hub.name for hub in rows.hubs if str(hub.instance) == what), f"{what}, which runs no more")
    until = f", until {row.until:%Y-%m-%d %H:%M} UTC" if row.until is not None else ""
    since = age((rows.at - row.since).total_seconds())
    return f"{row.kind} {what}".strip() + f", since {row.since:%Y-%m-%d %H:%M} UTC ({since}){until}"


def _hubs(facts: Facts) -> Sequence[Process]:
    return [one for one in see(facts.processes) if one.is_hub]
