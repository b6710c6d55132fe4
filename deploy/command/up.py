"""`crossroads up`: the reference network, until Ctrl-C."""

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.stack import Stack
    from schemas.address import Address

Seed = Annotated[int, typer.Option(help="Seed of the synthetic population: the same seed is the same persons.")]
Size = Annotated[int, typer.Option(min=1, max=1_000_000, help="Persons of the synthetic population.")]
Hubs = Annotated[int, typer.Option(min=1, max=8, help="Hub processes side by side.")]
Prometheus = Annotated[
    bool,
    typer.Option(
        "--prometheus",
        help="A Prometheus beside it, with the rules of deploy/prometheus; it follows hubs as they come and go.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="Leave this institution's own process out, for `crossroads simulate` to answer in its place, or nobody; "
        "may be repeated.",
    ),
]


def up(
    seed: Seed = 2026, size: Size = 1_000, hubs: Hubs = 1, without: Without = None, prometheus: Prometheus = False
) -> None:
    """Start the whole reference network on this machine and keep it until Ctrl-C.

    Prints `ready`, and writes addresses and credentials to .crossroads/ (or CROSSROADS_HOME), where `crossroads send`,
    `simulate`, `repertory` and `journal` find them. Everything is gone when it stops. CROSSROADS_SERVICES adds folders
    of services, CROSSROADS_FORMS of declaration forms, also while it runs. The schemas of the declarations are served
    as pages; their address is printed with the others, and with --prometheus that of Prometheus.
    """
    from schemas.address import Address

    asyncio.run(_up(seed, size, hubs, [Address.parse(address) for address in without or ()], prometheus))


async def _up(seed: int, size: int, hubs: int, without: "list[Address]", prometheus: bool) -> None:
    from deploy.access import home
    from deploy.stack import Stack

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)

    def tell(what: str) -> None:
        typer.echo(f"{what} …", err=True)

    stack = Stack(home(), seed=seed, size=size, hubs=hubs, without=without, prometheus=prometheus, progress=tell)
    starting = asyncio.ensure_future(stack.__aenter__())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    starting.result()
    try:
        for child in stack.children.values():
            typer.echo(f"  {child.name:<14} {child.url}{child.page}", err=True)
        if stack.prometheus is not None:
            typer.echo(f"  {'prometheus':<14} {stack.prometheus.url}", err=True)
        typer.echo(f"  {'broker':<14} {stack.access.nodes[0]}", err=True)
        typer.echo(f"  {'logs':<14} {stack.logs}/<process>.log", err=True)
        typer.echo(f"addresses and credentials are in {home()}; Ctrl-C stops it", err=True)
        typer.echo("ready")
        await _until(stop, stack)
    finally:
        typer.echo("stopping …", err=True)
        await stack.close()


async def _until(stop: asyncio.Event, stack: "Stack") -> None:
    """Until a stop is asked for, or a process of the network ends by itself, but for a hub that was drained."""
    from deploy.children import ChildError

    while not stop.is_set():
        for child in tuple(stack.children.values()):
            if child.ended_well and child.name.startswith("hub-"):
                typer.echo(f"{child.name} was drained and has ended", err=True)
                stack.forget(child.name)
            elif not child.running:
                raise ChildError(f"{child.name} ended by itself. The end of its log:\n{child.log_tail()}")
        try:
            await asyncio.wait_for(stop.wait(), 1.0)
        except TimeoutError:
            continue
