"""The terminal of `crossroads top`: drawn anew with each look and each change of its size, until q or Ctrl-C."""

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from deploy.top.drawing import draw
from deploy.top.look import Look

_KEYS = Text("q ends", style="bright_black", justify="right")


def show(looks: Callable[[], Look], interval: float) -> None:
    """Return when the user ends it. The terminal is as it was then, whatever happens."""
    console = Console()
    latest: list[Look] = []
    ended = Event()
    with _keys() as keys, _woken() as woken, Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text("looking …"), refresh=True)
        looking = Thread(target=_look, args=(looks, interval, latest, ended, woken.tell), daemon=True)
        looking.start()
        try:
            while True:
                ready, _, _ = select.select([woken.heard, *keys], [], [])
                if any(key in ready for key in keys) and _quits(keys[0]):
                    return
                if woken.heard in ready:
                    woken.clear()
                if latest:
                    live.update(draw(latest[-1], console.width, console.height), refresh=True)
        except KeyboardInterrupt:
            return
        finally:
            ended.set()


def _look(
    looks: Callable[[], Look], interval: float, latest: list[Look], ended: Event, tell: Callable[[], None]
) -> None:
    """Beside the screen, so that a process that does not answer does not freeze it."""
    while not ended.is_set():
        begun = time.monotonic()
        latest[:] = [looks()]
        tell()
        ended.wait(max(0.0, interval - (time.monotonic() - begun)))


class _Waking:
    """Wakes a `select`, from a thread or a signal."""

    def __init__(self) -> None:
        self.heard, self._told = os.pipe()
        os.set_blocking(self.heard, False)
        os.set_blocking(self._told, False)

    def tell(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._told, b"x")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.heard, 4096)

    def close(self) -> None:
        os.close(self.heard)
        os.close(self._told)


@contextlib.contextmanager
def _woken() -> Iterator[_Waking]:
    waking = _Waking()
    before = signal.signal(signal.SIGWINCH, lambda *_: waking.tell())
    try:
        yield waking
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextlib.contextmanager
def _keys() -> Iterator[list[Any]]:
    """Standard input, if somebody types there: each key as it is pressed, and none shown."""
    if not sys.stdin.isatty():
        yield []
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield [number]
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _quits(number: int) -> bool:
    typed = os.read(number, 64)
    return not typed or b"q" in typed.lower()
