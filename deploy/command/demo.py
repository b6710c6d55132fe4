"""`crossroads demo`: the whole network, real traffic, a live table, a summary that the journal proves."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from deploy.access import Access
    from deploy.demo.scene import Step
    from deploy.demo.traffic import Seen
    from hub.journal.entry import Summary
    from institutions.reference.population import Population
    from schemas.catalogue import Catalogue

Exchanges = Annotated[int, typer.Option(min=1, max=1_000_000, help="Exchanges to make.")]
InFlight = Annotated[int, typer.Option(min=1, max=500, help="At a time.")]
Hubs = Annotated[int, typer.Option(min=1, max=8, help="Hub processes side by side.")]
Size = Annotated[int, typer.Option(min=1_000, max=100_000, help="Persons of the synthetic population.")]
Seed = Annotated[int, typer.Option(help="Seed of the synthetic population.")]

#: Between two drawings of the live table, seconds; of progress where there is no terminal.
_DRAW, _TELL = 0.25, 2.0
#: Columns where there is no terminal.
_WIDE = 120
#: Of what is not as it should be, so many are told.
_TOLD = 20


def demo(
    exchanges: Exchanges = 2_000, in_flight: InFlight = 20, hubs: Hubs = 1, size: Size = 1_000, seed: Seed = 2026
) -> None:
    """Start the reference network on this machine, let its institutions ask each other, and prove the outcome.

    Every service is asked by everyone who may, and by some who may not, directly and through the relays. Each answer is
    held against an oracle, and the numbers against the hub's journal. Then a living wage is granted at a PCSW, and
    reaches De Lijn and the social tariff as a status, with each step's ticket. Exit status 0 only if every exchange
    ended as it should, and every step came. Nothing is left behind; Ctrl-C stops it.
    """
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        raise typer.Exit(asyncio.run(_demo(exchanges, in_flight, hubs, size, seed)))
    raise typer.Exit(130)


async def _demo(exchanges: int, in_flight: int, hubs: int, size: int, seed: int) -> int:
    from deploy.demo.plan import Plan
    from deploy.demo.proof import of_traffic
    from deploy.demo.traffic import Traffic
    from deploy.stack import Stack
    from hub.journal import Journal, PersonKeys
    from hub.repertory import store
    from institutions.reference.population import Population
    from schemas.catalogue import Catalogue

    _stop_on_signals()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print("[bold]Crossroads[/bold]: the reference network of Belgium, on this machine, with synthetic persons")
    async with Stack(
        None, seed=seed, size=size, hubs=hubs, in_memory=True, progress=lambda what: console.print(f"  {what} …")
    ) as stack:
        access = stack.access
        rules = await store.read(access.database_url)
        active = sum(i.active for i in rules.institutions.values())
        console.print(
            f"  {active} institutions, {len(access.secondary)} secondary networks, {hubs} hub{'s' * (hubs > 1)}, "
            f"{len(rules.authorisations)} authorisations"
        )
        population = Population(seed=seed, size=size)
        console.print(f"  choosing {exchanges} questions, and what each must end as …")
        catalogue = Catalogue.from_environment()
        plan = Plan(population, rules, catalogue)
        chosen = await asyncio.to_thread(lambda: list(islice(plan.exchanges(), exchanges)))
        traffic = Traffic(access, catalogue, chosen, in_flight)
        began = time.perf_counter()
        running = asyncio.create_task(traffic.run())
        await _show(console, traffic.seen, running, exchanges)
        seconds = time.perf_counter() - began
        async with Journal(access.database_url, PersonKeys.parse(access.journal_keys), hub="demo") as journal:
            summary = of_traffic(await journal.summary())
        ended = _summary(console, traffic.seen, summary, exchanges, seconds)
        played = await _play(console, access, catalogue, population)
    return ended or played


async def _play(console: Console, access: "Access", catalogue: "Catalogue", population: "Population") -> int:
    """The scene behind the traffic; 0 if every step came."""
    from deploy.demo.scene import Scene, SceneError
    from institutions import AskingError

    console.print("A living wage is granted at a PCSW: who grants rights by it is told, and nobody asked for anything")

    def tell(step: "Step") -> None:
        who = f"{step.sender} → {step.receiver}"
        said = f"  {step.ms:7.0f} ms  {who:<30} {step.service:<22} {step.what}\n{'':14}ticketCBSS {step.ticket_cbss}"
        console.print(said, highlight=False, soft_wrap=True)

    try:
        await Scene(access, catalogue, population, tell).play()
    except (SceneError, AskingError) as error:
        console.print(f"[red]not as it should be[/red]: {error}", markup=True, highlight=False)
        return 1
    console.print("[green]the status reached both bodies, down and up the stars, and nothing of why[/green]")
    return 0


def _stop_on_signals() -> None:
    """Ctrl-C and SIGTERM end the demo in order, also where a shell started it with SIGINT ignored. Only once: a second
    one would end the clearing up."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in caught:
            loop.add_signal_handler(number, _nothing)
        if task is not None:
            task.cancel()

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in caught:
        loop.add_signal_handler(number, stop)


def _nothing() -> None: ...


async def _show(console: Console, seen: "Seen", running: "asyncio.Task[None]", exchanges: int) -> None:
    """Draw the table until the traffic is done."""
    try:
        if console.is_terminal:
            with Live(_table(seen, exchanges), console=console, refresh_per_second=1 / _DRAW) as live:
                while not running.done():
                    await asyncio.wait({running}, timeout=_DRAW)
                    live.update(_table(seen, exchanges))
        else:
            while not running.done():
                await asyncio.wait({running}, timeout=_TELL)
                console.print(f"  {seen.count} of {exchanges} exchanges, {len(seen.wrong)} not as they should be")
            console.print(_table(seen, exchanges))
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


#: Columns of the table, by what a code is told as (`schemas/codes.toml`).
_COLUMNS = {
    "DATA_FOUND": "found",
    "NO_DATA_FOUND": "no data",
    "NO_RESULT": "refused",
    "INCOMPLETE_DATA": "incomplete",
}
_OTHER = "fault"


def _table(seen: "Seen", exchanges: int) -> Table:
    table = Table(box=SIMPLE, title=f"{seen.count} of {exchanges} exchanges, {seen.in_flight} in flight")
    columns = (*_COLUMNS.values(), _OTHER)
    for column in ("service", "under 4 s", *columns):
        table.add_column(column, justify="left" if column == "service" else "right", no_wrap=True)
    for service in sorted({service for service, _ in seen.ended}):
        counts = Counter[str]()
        for (name, code), number in seen.ended.items():
            if name == service:
                counts[_column(code)] += number
        share = 100 * seen.under_promise[service] / counts.total()
        table.add_row(service, f"{share:.2f} %", *(str(counts[column] or "") for column in columns))
    codes = Counter[str]()
    for (_, code), number in seen.ended.items():
        codes[code] += number
    table.caption = "   ".join(f"{code} {number}" for code, number in sorted(codes.items()))
    return table


def _column(code: str) -> str:
    from schemas.codes import CODES

    known = CODES.get(code)
    return _COLUMNS.get(known.value or "", _OTHER) if known is not None and known.kind == "status" else _OTHER


def _summary(console: Console, seen: "Seen", journal: "Summary", expected: int, seconds: float) -> int:
    """Tell what came of it; 0 if all is as it should be."""
    from deploy.demo.proof import problems, stopped_at_relays

    latencies = sorted(seen.seconds)
    share = 100 * sum(seen.under_promise.values()) / seen.count
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    console.print(
        f"{seen.count} exchanges in {seconds:.1f} s ({seen.count / seconds:.0f} a second), {share:.2f} % under 4 s, "
        f"median {1000 * middle:.0f} ms, 99 % within {1000 * late:.0f} ms"
    )
    console.print(
        f"the journal has {journal.kinds.get('decision', 0)} decisions and {journal.kinds.get('outcome', 0)} outcomes; "
        f"{sum(stopped_at_relays(seen, journal).values())} exchanges ended at a relay, before the hub"
    )
    found = problems(seen, journal, expected)
    for problem in found[:_TOLD]:
        console.print(f"[red]not as it should be[/red]: {problem}", markup=True, highlight=False)
    if found:
        console.print(f"[red]{len(found)} not as they should be[/red]")
        return 1
    console.print("[green]every exchange ended as it should, and the journal accounts for each[/green]")
    return 0
