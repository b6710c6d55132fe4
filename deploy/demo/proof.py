"""Whether the demo's exchanges ended as they had to, and whether the journal says the same. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from deploy.demo.traffic import Seen
from hub.journal.entry import Summary

#: Codes with which a relay ends an exchange before it reaches the hub: its sectoral repertory's person check.
AT_RELAYS = ("MSG00012", "MSG00006")
#: What institutions ask by themselves, beside the traffic: whether they missed anything.
_BESIDE = "CatchUp/1"


def of_traffic(journal: Summary) -> Summary:
    """The journal without what is asked beside the traffic."""
    beside = sum(number for (service, _, _), number in journal.outcomes.items() if service == _BESIDE)
    kinds: Mapping[str, int] = {
        kind: number - beside if kind in ("decision", "outcome") else number for kind, number in journal.kinds.items()
    }
    return replace(
        journal, kinds=kinds, outcomes={key: number for key, number in journal.outcomes.items() if key[0] != _BESIDE}
    )


def stopped_at_relays(seen: Seen, journal: Summary) -> dict[tuple[str, str], int]:
    """How many answers of each service and code the hub did not tell, where a relay can have told them; negative where
    the hub told more than were received."""
    told: dict[tuple[str, str], int] = {}
    for (service, _, code), number in journal.outcomes.items():
        told[service, code] = told.get((service, code), 0) + number
    missing = {key: seen.ended[key] - told.get(key, 0) for key in {*seen.ended, *told}}
    return {key: number for key, number in missing.items() if number and (key[1] in AT_RELAYS or number < 0)}


def problems(seen: Seen, journal: Summary, expected: int) -> tuple[str, ...]:
    """What is not as it should be, one sentence each, without personal data; empty: all of it is proved.

    Each of the `expected` exchanges was answered once, with the code it had to have; the journal has one decision and
    one outcome for each that reached the hub, and the relays' refusals account for the others.
    """
    found = list(seen.wrong)
    if seen.count != expected:
        found.append(f"{seen.count} answers to {expected} exchanges")
    if journal.without_outcome or journal.decided_twice or journal.told_twice:
        found.append(
            f"journal: {journal.without_outcome} without outcome, {journal.decided_twice} decided twice, "
            f"{journal.told_twice} told twice"
        )
    relays = stopped_at_relays(seen, journal)
    decided, told = journal.kinds.get("decision", 0), journal.kinds.get("outcome", 0)
    if decided != told or decided + sum(relays.values()) != seen.count:
        found.append(f"journal: {decided} decisions and {told} outcomes do not account for {seen.count} exchanges")
    found += (
        f"journal: {-number} more outcomes than answers of {' '.join(key)}"
        for key, number in sorted(relays.items())
        if number < 0
    )
    return tuple(found)
