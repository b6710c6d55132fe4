"""`crossroads top`: the network, live."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deploy.top.look import Look

From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="URL",
        help="A process that tells figures: http://host:8080, or hub-1=http://host:8080; may be repeated. Else those "
        "of CROSSROADS_METRICS, else of the network that runs here.",
        show_default=False,
    ),
]
Every = Annotated[
    float | None,
    typer.Option(
        min=0.2,
        max=60,
        metavar="SECONDS",
        help="Between two looks; else 2, and of one look alone 5.",
        show_default=False,
    ),
]
Once = Annotated[bool, typer.Option("--once", help="One look, as tables; also where the output is no terminal.")]
Json = Annotated[bool, typer.Option("--json", help="One look as JSON; with --every a line a look, until Ctrl-C.")]

_EVERY = 2.0
#: Of one look alone: longer than a supplier is waited for, so that one which is slow or silent is seen to be.
_ALONE = 5.0
#: What rates, shares of now and quantiles are of, looks.
_WINDOW = 10


def top(from_: From = None, every: Every = None, once: Once = False, as_json: Json = False) -> None:
    """The network, live: exchanges a second, share under 4 s, whose fault the misses are, the slowest suppliers, the
    backlog, what is paused. q or Ctrl-C ends it.

    It reads the figures of the processes themselves (/metrics): no Prometheus is needed. Rates, shares "now" and times
    are of the last ten looks, where it is one look alone (--once) of 5 s; "since" is since the hubs began. p50 and p99
    of a service are of the hub's own time, of a supplier from the question to its reply. What waits in queues, and who
    is behind, the watcher tells.

    \b
    crossroads top
    crossroads top --json | jq '.suppliers[0]'
    crossroads top --from http://hub-a:8080 --from watcher=http://watcher:8080

    Exit status: 0, also where a process does not answer: it is shown; 2 where no network is known.
    """
    from deploy.top import processes

    alone = once or (as_json and every is None) or not (as_json or sys.stdout.isatty())
    interval = every or (_ALONE if alone else _EVERY)

    def places() -> "Mapping[str, str]":
        return processes.here(from_ or ())

    places()  # or say that there is no network
    looks = _Looks(places, interval)
    if as_json:
        _lines(looks, interval, for_ever=every is not None and not once)
    elif once or not sys.stdout.isatty():
        _tables(looks, interval)
    else:
        from deploy.top.screen import show

        show(looks, interval)


class _Looks:
    """Looks at a network, one after the other."""

    def __init__(self, places: "Callable[[], Mapping[str, str]]", interval: float) -> None:
        from deploy.top.figures import History

        self._places, self._known = places, places()
        self._history = History(_WINDOW * interval)

    def __call__(self) -> "Look":
        """Ask every process, and see what it makes. A network that is gone, or that was started anew, is no end."""
        from contextlib import suppress
        from datetime import datetime

        from deploy.access import NoNetworkError
        from deploy.top import processes
        from deploy.top.look import look

        with suppress(NoNetworkError):
            self._known = self._places()
        scrapes = processes.scrape(self._known)
        self._history = self._history.with_(scrapes)
        return look(self._history, scrapes, datetime.now().astimezone())


def _second(looks: _Looks, interval: float) -> "Look":
    """What two scrapes tell."""
    import time

    looks()
    time.sleep(interval)
    return looks()


def _lines(looks: _Looks, interval: float, *, for_ever: bool) -> None:
    import json
    import signal
    import time

    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    found = _second(looks, interval)
    if not for_ever:
        typer.echo(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    try:
        while True:
            typer.echo(json.dumps(found.as_dict(), ensure_ascii=False))
            time.sleep(interval)
            found = looks()
    except KeyboardInterrupt:
        return


def _tables(looks: _Looks, interval: float) -> None:
    from rich.console import Console

    from deploy.top.drawing import draw

    console = Console()
    console.print(draw(_second(looks, interval), console.width))
