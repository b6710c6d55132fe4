"""What private servers have in common: boot, ready, stop, kill, a directory, and errors that say what to do."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from deploy.servers.guarded import Guarded
from schemas.errors import CrossroadsError

BOOT_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0
_ABANDON_TIMEOUT_S = 5.0
_POLL_S = 0.05
_PORT_TRIES = 5
_TAIL_LINES = 25
_LINE = 300
_MEMORY = Path("/dev/shm")  # noqa: S108 - a place, not a file of a guessed name
_MEMORY_NEEDED = 2 * 1024**3


class ServerError(CrossroadsError):
    """A private server could not be started; the text says why and what to do."""


class PrivateServer(ABC):
    """A server that this process owns: it listens on the loopback address only and never outlives its owner.

    directory: where its files stand; they are kept. None: a temporary directory, removed by `stop` (and by the
        guardian if this process is killed); a server on one is not given time to finish, since nothing stays.
    in_memory: the temporary directory is in memory where there is room: quicker, and good for tests only.
    """

    name: str
    stop_signal: signal.Signals
    """Stop in order: the files can be used again."""
    abandon_signal: signal.Signals
    """Stop at once: the files are of no use to anybody, but nothing is left outside them."""

    def __init__(self, directory: Path | None = None, *, in_memory: bool = False) -> None:
        self._kept = directory.absolute() if directory else None
        self._in_memory = in_memory
        self._guarded: Guarded | None = None
        self._booted = False  # once it has, its ports are known to others and stay
        self.directory: Path | None = self._kept

    def start(self, timeout: float = BOOT_TIMEOUT_S) -> None:
        """Boot and wait until it serves (seconds). ServerError tells the tail of its log and what to do."""
        self.launch()
        self.wait_ready(timeout)

    def launch(self) -> None:
        """Begin to boot; `wait_ready` must follow. So can several boot at once."""
        if self._guarded is not None:
            raise ServerError(f"{self.name} is started already: stop it first")
        if self.directory is None:
            self.directory = _temporary_directory(self.name, in_memory=self._in_memory)
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._launch(new_ports=not self._booted)
        except BaseException:
            self._discard()
            raise

    def wait_ready(self, timeout: float = BOOT_TIMEOUT_S) -> None:
        """Wait until it serves (seconds), starting again on other ports when another server took one of ours."""
        end = time.monotonic() + timeout
        tries = 1
        try:
            while not (self.ready() and self.running):  # not running: another answers on a port we wanted
                if time.monotonic() > end:
                    raise ServerError(self._failure(f"did not serve within {timeout:.0f} s"))
                if self._guarded is None or not self._guarded.running:
                    if tries == _PORT_TRIES or not self._port_was_taken():
                        raise ServerError(self._failure("ended while it booted"))
                    tries += 1
                    self.kill()
                    for log in self._logs():
                        log.unlink(missing_ok=True)
                    self._launch(new_ports=not self._booted)
                time.sleep(_POLL_S)
            self._check()
        except BaseException:  # Ctrl-C too
            self._end(self.abandon_signal)
            self._discard()
            raise
        self._booted = True

    def stop(self) -> None:
        """Stop it; nothing of it stays but a directory that was named. To stop a stopped server does nothing."""
        self._end(self.stop_signal if self._kept else self.abandon_signal)
        self._discard()

    def kill(self) -> None:
        """kill -9 it and all its children; its files and its ports stay for another `start`.

        A quorum queue that was declared less than a second before may come back without a leader and serve nobody:
        RabbitMQ then has its record on disk and not yet its Raft state.
        """
        if self._guarded is not None:
            self._guarded.kill()
            self._guarded = None

    def restart(self, timeout: float = BOOT_TIMEOUT_S) -> None:
        """Stop in order and start again on the same files and ports."""
        self._end(self.stop_signal)
        self.start(timeout)

    @property
    def running(self) -> bool:
        return self._guarded is not None and self._guarded.running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a kind of server tells of itself

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves now."""

    def _check(self) -> None:  # noqa: B027 - most have nothing to check
        """Raise ServerError if it serves, but not what it should."""

    @abstractmethod
    def _prepare(self, *, new_ports: bool) -> None:
        """Write the files it boots from."""

    @abstractmethod
    def _commands(self) -> Sequence[Sequence[str]]:
        """The server's command, behind those that it needs running beside it."""

    @abstractmethod
    def _environment(self) -> Mapping[str, str]: ...

    @abstractmethod
    def _logs(self) -> Sequence[Path]: ...

    @abstractmethod
    def _port_was_taken(self) -> bool:
        """Whether its logs say that a port was in use."""

    def _place(self) -> Path:
        """The directory; only between `launch` and `stop`."""
        if self.directory is None:
            raise ServerError(f"{self.name} has no directory before it is started")
        return self.directory

    def _launch(self, *, new_ports: bool) -> None:
        self._prepare(new_ports=new_ports)
        place = self._place()
        self._guarded = Guarded(
            self._commands(),
            environment=self._environment(),
            directory=place,
            output=place / "boot.log",
            last_signal=self.stop_signal if self._kept else self.abandon_signal,
            remove=None if self._kept else place,
        )

    def _end(self, number: signal.Signals) -> None:
        if self._guarded is not None:
            self._guarded.signal(number)
            with contextlib.suppress(TimeoutError):
                self._guarded.wait(_STOP_TIMEOUT_S if number == self.stop_signal else _ABANDON_TIMEOUT_S)
        self.kill()

    def _discard(self) -> None:
        if not self._kept and self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None
            self._booted = False

    def log_tail(self) -> str:
        """The last lines of what it logged."""
        lines: list[str] = []
        for log in self._logs():
            with contextlib.suppress(OSError):
                lines += log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"    {line[:_LINE]}" for line in lines if line.strip())

    def _failure(self, what: str) -> str:
        own = f" To use a server of your own, set {self._variable()}." if self._variable() else ""
        return f"{self.name} in {self.directory} {what}. The end of its log:\n{self.log_tail()}\n{self._remedy()}{own}"

    def _remedy(self) -> str:
        return "If the log names no cause, look at free memory (about 300 MB) and disk space (about 500 MB)."

    @abstractmethod
    def _variable(self) -> str:
        """What in the environment names a server of one's own; empty where nothing does."""


def start_all(*servers: PrivateServer, timeout: float = BOOT_TIMEOUT_S) -> None:
    """Start several at the same time; if one fails, none runs."""
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_ready(timeout)
    except BaseException:
        for server in servers:
            server.stop()
        raise


def clean_environment() -> dict[str, str]:
    """The environment of a private server: nothing that a user's shell says of his other servers."""
    kept = ("PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _temporary_directory(name: str, *, in_memory: bool) -> Path:
    base = None
    if in_memory and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
        base = _MEMORY if shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED else None
    return Path(tempfile.mkdtemp(prefix=f"crossroads-{name.lower()}-", dir=base))
