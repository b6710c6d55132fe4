"""`crossroads up` as a process of its own, and the commands beside it, as a user starts them."""

import contextlib
import ctypes
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self
from unittest import mock

from tests.deploy.command import several

COMMAND = Path(sys.executable).with_name("crossroads")
#: A busy machine is no failure, seconds.
PATIENCE = 90.0
_PRCTL, _PDEATHSIG = ctypes.CDLL(None).prctl, 1
_MEMORY = Path("/dev/shm")  # noqa: S108 - a place, not a file of a guessed name


def until(what: Callable[[], Any], within: float = PATIENCE, *, why: str = "it never came") -> Any:
    """Look until it is so, and give what was found."""
    end = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < end, why
        time.sleep(0.05)
    return found


def _end_with_us() -> None:
    """Have it ended, as by `kill`, when these tests are killed: of several processes Ctrl-C kills all but the first."""
    _PRCTL(_PDEATHSIG, signal.SIGTERM)


class Place:
    """A directory of its own for everything that a command makes, its temporary files among it: what is left there,
    and what runs from there, was left behind."""

    def __init__(self) -> None:
        base = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 << 30 else None
        self.root = Path(tempfile.mkdtemp(prefix="crossroads-test-", dir=base))
        self.root.chmod(0o755)  # PostgreSQL does not run as root
        self.home, self.services, self.temporary = (self.root / name for name in ("home", "services", "tmp"))
        self.services.mkdir()
        self.temporary.mkdir(mode=0o777)
        self.temporary.chmod(0o777)
        # Servers of one's own (CROSSROADS_AMQP_URL) have no place for several networks at once: here all is private.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CROSSROADS_")}
        self.environment = kept | {"CROSSROADS_HOME": str(self.home), "TMPDIR": str(self.temporary), "COLUMNS": "120"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def start(self, *words: str, name: str = "") -> subprocess.Popen[bytes]:
        """A command that runs on; what it says is in `said(name)` and `said(name, "err")`."""
        name = name or words[0]
        with (self.root / f"{name}.out").open("wb") as out, (self.root / f"{name}.err").open("wb") as err:
            return subprocess.Popen(
                [COMMAND, *words], stdout=out, stderr=err, env=self.environment, cwd=self.root, preexec_fn=_end_with_us
            )

    def said(self, name: str, stream: str = "out") -> str:
        return (self.root / f"{name}.{stream}").read_text()

    def run(self, *words: str | Path, given: bytes | None = None, home: Path | None = None) -> "Said":
        """A command until it ends."""
        environment = self.environment | ({"CROSSROADS_HOME": str(home)} if home is not None else {})
        ended = subprocess.run(
            [COMMAND, *map(str, words)],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=PATIENCE,
            env=environment,
            cwd=self.root,
            check=False,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr.decode())

    def here(self, *words: str | Path, given: bytes | None = None, home: Path | None = None) -> "Said":
        """As `run`, in this process: for what a command says, not for how it starts, which takes a second."""
        environment = self.environment | ({"CROSSROADS_HOME": str(home)} if home is not None else {})
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(sys, "argv"),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given or b""))),
            contextlib.chdir(self.root),
        ):
            status, out, err = several.one([str(word) for word in words])
        return Said(status, out.encode(), err)

    def run_all(self, *commands: Sequence[object]) -> "list[Said]":
        """Commands one after the other, in one process."""
        ended = subprocess.run(
            [sys.executable, Path(__file__).with_name("several.py")],
            input=json.dumps([[str(word) for word in words] for words in commands]).encode(),
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            env=self.environment,
            cwd=self.root,
            check=True,
        )
        return [Said(status, out.encode(), err) for status, out, err in json.loads(ended.stdout)]

    def processes(self) -> dict[int, str]:
        """Every process that was started from here, by what its environment or its command line names."""
        mark, found = str(self.root).encode(), {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
                if mark in words or mark in (process / "environ").read_bytes():
                    found[int(process.name)] = words.replace(b"\0", b" ").decode(errors="replace")[:120]
            except OSError:  # it ended
                continue
        return found

    def left(self) -> list[str]:
        """What is still there of everything that ran: processes, files, but for senders' boxes, which are theirs."""
        files = [*self.temporary.iterdir(), *(self.home.iterdir() if self.home.exists() else ())]
        files = [path for path in files if path != self.home / "senders"]
        return [*self.processes().values(), *map(str, files)]


class Said:
    """What a command said and how it ended."""

    def __init__(self, status: int, out: bytes, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def __repr__(self) -> str:
        return f"exit status {self.status}, standard error: {self.err}"  # the answers are personal data

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Network(Place):
    """A running network; it is ended by a signal, and whatever the signal is, nothing of it may stay."""

    def __init__(self, *options: str, ended_by: signal.Signals) -> None:
        super().__init__()
        self._ended_by = ended_by
        self.environment["CROSSROADS_SERVICES"] = str(self.services)
        self.up = self.start("up", *options)

    def __enter__(self) -> Self:
        try:
            until(lambda: self.said("up") or self.up.poll() is not None)
            assert self.said("up") == "ready\n", self.said("up", "err")
        except BaseException:
            self.up.kill()
            super().__exit__()
            raise
        # The commands beside it learn from the network where services are.
        del self.environment["CROSSROADS_SERVICES"]
        return self

    def __exit__(self, *_: object) -> None:
        self.up.send_signal(self._ended_by)
        try:
            status = self.up.wait(PATIENCE)
            if self._ended_by == signal.SIGKILL:
                until(lambda: not self.left(), within=20, why=f"kill -9 leaves {self.left()}")
            else:
                assert status == 0, self.said("up", "err")
                assert self.left() == []
        finally:
            self.up.kill()
            super().__exit__()

    def send(self, file: Path, sender: object, *words: str, given: bytes | None = None) -> Said:
        return self.here("send", file, "--as", str(sender), "--json", *words, given=given)

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Stop a command that runs beside it, as Ctrl-C does; its exit status."""
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE)

    @property
    def access(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "network.json").read_text())
        return found
