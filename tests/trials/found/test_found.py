"""Three faults in a running network are found with what operators have, and nothing else: `top`, `ticket`, `dead`,
`doctor`, the alerts and the dashboards' panels (docs/operators.md, "Three faults, found").

Prints what was typed and the lines that said it: `./crossroads test -m slow tests/trials/found -s`.
"""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.access import Access
from deploy.monitoring import alerts, made, recording, scraping
from deploy.monitoring.pace import Pace
from deploy.monitoring.rules import document
from deploy.network import FILES
from deploy.servers import PrivatePrometheus
from deploy.servers.prometheus import Sample
from tests.deploy.command.network import Network, Said
from tests.deploy.command.test_dead import ASKER, PLANTED, poison, request
from tests.trials.found.ends import SLOW, TIMES, USUAL, Ends, opened

#: Six seconds are a minute: long enough for what a busy machine asks of one supplier.
PACE = Pace(scrape=1.0, ratio=1 / 10)
#: What Grafana puts in the place of its own variables, at that pace.
_GRAFANA = {"$__rate_interval": "30s", "$__range": "90s"}
#: Something is seen, or never will be, seconds.
WITHIN = 240.0
_BOARDS = {board["title"].removeprefix("Crossroads: "): board for board in (one.json() for one in made.boards())}


class Operator:
    """Who types commands, and looks at alerts and panels; what was seen is printed at the end."""

    def __init__(self, network: Network, prometheus: PrivatePrometheus, ends: Ends) -> None:
        self.network, self.ends, self._prometheus = network, ends, prometheus
        self.seen: list[str] = []
        self._said: list[str] = []

    async def types(self, *words: str | Path) -> Said:
        said = await asyncio.to_thread(self.network.run, *words)
        self._said.append(said.out.decode() + said.err)
        return said

    async def reads(self, *words: str | Path, lines: str, status: int = 0) -> str:
        """The lines of what a command says to the eye in which this expression is found; it has to be somewhere."""
        said = await self.types(*words)
        assert said.status == status, said
        told = (said.out.decode() + said.err).splitlines()
        found = [line.strip() for line in told if re.search(lines, line)]
        typed = " ".join(word.name if isinstance(word, Path) else word for word in words)
        assert found, f"{typed} does not say {lines}"
        self.seen += [f"$ crossroads {typed}", *(f"    {line}" for line in found[:4])]
        return "\n".join(found)

    async def alert(self, name: str, *, fires: bool = True, **labels: str) -> None:
        """Until it fires, or does not any more."""
        begun = time.monotonic()

        async def found() -> list[str] | None:
            there = [
                one.annotations["summary"]
                for one in await asyncio.to_thread(self._prometheus.alerts)
                if one.name == name and one.state == "firing" and labels.items() <= dict(one.labels).items()
            ]
            return there if bool(there) is fires else None

        said = await until(found, f"{name} {labels} {'does not fire' if fires else 'fires still'}")
        if fires:
            self.seen.append(f"alert {name}, after {time.monotonic() - begun:.0f} s: {said[0]}")

    async def panel(self, board: str, title: str, **labels: str) -> Sample:
        """The series of a panel with these labels, once it is over 0."""
        [panel] = [one for one in _BOARDS[board]["panels"] if one["title"] == title]

        async def found() -> Sample | None:
            for target in panel["targets"]:
                promql = target["expr"]
                for variable, value in _GRAFANA.items():
                    promql = promql.replace(variable, value)
                for one in await asyncio.to_thread(self._prometheus.query, promql):
                    if labels.items() <= dict(one.labels).items() and one.value > 0:
                        return one
            return None

        sample = await until(found, f"{board} / {title} does not show {labels}")
        self.seen.append(f"panel {board} / {title}: {' '.join(labels.values())} {sample.value:.3g}")
        return sample

    async def doctor(self, check: str) -> Mapping[str, Any]:
        told = (await self.types("doctor", "--all", "--json")).json
        [found] = [one for one in told["checks"] if one["check"] == check]
        return dict(found)

    def shows_nobody(self) -> None:
        """None of those who were asked about stands in anything that was shown."""
        shown = "".join(self._said)
        assert self.ends.numbers
        assert not any(number in shown for number in (*self.ends.numbers, PLANTED))


async def until(look: Callable[[], Any], why: str) -> Any:
    """Look until there is something."""
    end = time.monotonic() + WITHIN
    while (found := await look()) is None:
        assert time.monotonic() < end, why
        await asyncio.sleep(0.5)
    return found


@pytest.fixture
def network() -> Iterator[Network]:
    with Network("--hubs", "2", "--without", str(SLOW), ended_by=signal.SIGINT) as running:
        yield running


@pytest.fixture
async def operator(network: Network) -> AsyncIterator[Operator]:
    rules = document([*recording.groups(PACE), *alerts.groups(PACE)])
    targets = scraping.targets(Access.load(network.home).http)
    with PrivatePrometheus(targets, rules=[rules], scrape=PACE.scrape, in_memory=True) as prometheus:
        async with opened(network.home) as ends:
            operator = Operator(network, prometheus, ends)
            await operator.panel("the promise", "Suppliers, p95", supplier=str(SLOW))
            operator.seen.clear()
            yield operator


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_three_faults_are_found_with_what_operators_have(operator: Operator) -> None:
    for fault in (a_supplier_ten_times_slower, a_poison_message, an_institution_removed_from_the_rules):
        operator.seen.append(f"\n{fault.__name__.replace('_', ' ')}")
        try:
            await fault(operator)
        finally:
            print("\n".join(operator.seen))
            operator.seen.clear()
    operator.shows_nobody()


async def a_supplier_ten_times_slower(operator: Operator) -> None:
    operator.ends.seconds = USUAL * TIMES
    await operator.alert("PromiseBroken", fault="supplier")
    await operator.alert("SupplierSlow", supplier=str(SLOW))
    slowest = await operator.panel("the promise", "Suppliers, p95", supplier=str(SLOW))
    assert slowest.value > 2
    await operator.panel(
        "the promise", "Misses by service and fault", fault="supplier", service="HandicapRecognition/1"
    )

    told = (await operator.types("top", "--json")).json
    assert told["suppliers"][0]["supplier"] == str(SLOW)
    assert told["suppliers"][0]["p50"] > 1.5
    assert all(other["p50"] is None or other["p50"] < 1.5 for other in told["suppliers"][1:])
    assert told["since_start"]["supplier"] > 0
    await operator.reads("top", "--once", lines=rf"^missed:|^{SLOW} |^HandicapRecognition")

    async def late() -> str | None:
        for code in ("CRB00011", "CRB00010"):
            rows = (await operator.types("journal", "lately", "--code", code, "--supplier", str(SLOW), "--json")).json
            if rows:
                return str(rows[-1]["ticketCBSS"])
        return None

    ticket = await until(late, "no exchange came too late")
    await operator.reads("journal", "lately", "--limit", "2", "--supplier", str(SLOW), lines="HandicapRecognition")
    exchange = (await operator.types("ticket", ticket, "--json")).json
    assert (exchange["fault"], exchange["at_fault"]) == ("supplier", [str(SLOW)])
    assert exchange["suppliers_ms"] > 2_000 > exchange["hub_ms"]
    await operator.reads("ticket", ticket, lines=rf"(answered|silent): supplier {SLOW}|the hub .* suppliers|at fault")

    operator.ends.seconds = USUAL
    await operator.alert("SupplierSlow", fires=False, supplier=str(SLOW))


async def a_poison_message(operator: Operator) -> None:
    institutions = (await operator.types("repertory", "institutions", "--json")).json
    cbe = next(row["cbe"] for row in institutions if row["address"] == ASKER)
    own = str(uuid4())
    # It fails 20 times at whoever reads it.
    await asyncio.to_thread(poison, operator.network, request(cbe, PLANTED, own), correlation_id=own)
    await operator.alert("DeadMessages", vhost="crossroads")
    await operator.panel("backlog", "The ten longest queues", queue="hub.dead")
    await operator.reads("top", "--once", lines=r"^hub\.dead: 1 ")
    assert (await operator.doctor("hub.dead"))["state"] == "wrong"
    await operator.reads("doctor", lines="could not be answered|crossroads dead list", status=1)
    [row] = (await operator.types("dead", "list", "--json")).json
    assert (row["sender"], row["type"], row["replay"]) == (ASKER, "HandicapRecognition/1", True)
    await operator.reads("dead", "list", lines="delivery limit")
    await operator.reads("dead", "show", row["id"], lines="^(reason|queue|sender|type|ticketCBSS):|legalContext|ssin")
    # Nobody decided it: it is not in the journal, and the command says where it is.
    await operator.reads("ticket", row["ticketCBSS"], lines=f"no such ticket|{row['id']}", status=1)
    await operator.reads("dead", "replay", row["id"], lines="handed in again")

    async def decided() -> Said | None:
        said = await operator.types("ticket", row["ticketCBSS"])
        return said if said.status == 0 else None

    await until(decided, "what was replayed is not decided")
    await operator.reads("ticket", row["ticketCBSS"], lines="operator: act DeadReplay|outcome|refused by")
    await operator.alert("DeadMessages", fires=False, vhost="crossroads")


async def an_institution_removed_from_the_rules(operator: Operator) -> None:
    [whole] = [file for file in FILES if file.name == "institutions.toml"]
    rules = operator.network.root / "rules" / whole.name
    rules.parent.mkdir()
    blocks = re.split(r"(?m)^(?=\[\[institution\]\])", whole.read_text())
    rules.write_text("".join(block for block in blocks if f'address = "{ASKER}"' not in block))
    await operator.reads("repertory", "load", "--dry-run", rules, lines=f"institution {ASKER}|authorisations name it")
    assert (await operator.types("repertory", "load", rules)).status == 0
    await operator.panel("refusals", "Refusals by code", code="CRB00005")
    await operator.panel("refusals", "Services and codes", code="CRB00005", service="HandicapRecognition/1")
    found = await operator.doctor("institutions gone")
    assert found["state"] == "wrong"
    told = "\n".join([found["saw"], *found["details"]])
    for wanted in (f"{ASKER} (De Lijn, free passes): since", "was told CRB00005", f"authorisations name {ASKER}"):
        assert wanted in told, told
    # Of what it was refused before that there is nothing: that has other reasons.
    assert "MSG000" not in told
    await operator.reads("doctor", lines=f"no longer in the register|{ASKER} asked", status=1)
    rows = (await operator.types("journal", "lately", "--code", "CRB00005", "--by", ASKER, "--json")).json
    assert rows
    await operator.reads("ticket", rows[-1]["ticketCBSS"], lines="decision|refused by check 6, interface|explain")
    await operator.reads("repertory", "explain", rows[-1]["ticketCBSS"], lines=r"check 6|\[\[institution\]\]|address =")
    assert (await operator.types("repertory", "load", whole)).status == 0

    async def whole_again() -> bool | None:
        return True if (await operator.doctor("institutions gone"))["state"] == "good" else None

    await until(whole_again, "doctor does not see that it is back")
