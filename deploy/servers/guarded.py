"""A command under its guardian (`guardian.py`), seen from its owner."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_GUARDIAN = Path(__file__).with_name("guardian.py")


class Guarded:
    """A running command that ends, with all its descendants, at the latest when this process does.

    commands: the last is the command; those before it are companions that run beside it and end with it. `--` stands
        between them on the guardian's command line, so that none may have it as a word.
    last_signal, remove: should this process die, the command gets this signal and 5 s, then this directory is removed.
    output: the file that standard output and standard error are appended to.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        *,
        environment: Mapping[str, str],
        directory: Path,
        output: Path,
        last_signal: signal.Signals = signal.SIGKILL,
        remove: Path | None = None,
    ) -> None:
        options = [str(int(last_signal)), str(remove or "")]
        arguments = [word for command in commands for word in ("--", *command)]
        with output.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARDIAN), *options, *arguments],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=dict(environment),
                cwd=directory,
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the terminal is for the owner, who then stops us in order
            )

    @property
    def pid(self) -> int:
        """The guardian's process id; the command is its child."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command. SIGKILL goes to it and all its descendants."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, or was waited for
                self._process.stdin.write(bytes([number]))

    def wait(self, timeout: float | None = None) -> int:
        """The command's exit status, once nothing of it is left. TimeoutError if that takes longer (seconds)."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def kill(self) -> None:
        """End it and all its descendants now."""
        self.signal(signal.SIGKILL)
        self.wait()
