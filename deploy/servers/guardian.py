"""Run one command so that it and all its descendants end with their owner, also after kill -9 of the owner.

    python guardian.py SIGNAL DIRECTORY [-- COMPANION ARGUMENT…]… -- COMMAND ARGUMENT…

The owner holds the other end of standard input. A byte on it is the number of a signal for the command (SIGKILL goes
to the whole tree). Its end says that the owner is gone: the command gets SIGNAL, the tree is killed when it has ended
or after 5 s, and DIRECTORY, if not empty, is removed.
When the command ends by itself, its companions and what it left behind are killed and DIRECTORY stays. The exit
status is the command's (128 + the signal's number after a signal).

Standard library only, and no import of this project: it is started in isolated mode (`python -I`).
Linux only: it stands as *subreaper* above its descendants, so that none escapes by a session of its own.
"""

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_FOR_OWNER_S = 1.0
_GRACE_S = 5.0
_FILES = 65_536  # a broker counts one for each connection and queue


def main(arguments: list[str]) -> int:
    (last_signal, directory), *commands = _split(arguments)
    remove = Path(directory) if directory else None

    owner = os.getppid()  # asked first: an owner that is gone by now is found by the end of standard input
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, woken = os.pipe()  # a byte for each signal that arrived
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    _raise_limit_of_files()
    try:
        child = [_spawn(command, libc) for command in commands][-1]
        status = _follow(child, owner, wake)
        if status is not None:
            remove = None
            return status
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, int(last_signal))
        select.select([wake], [], [], _GRACE_S)
        return 128 + signal.SIGKILL
    finally:
        _kill_descendants()
        if remove is not None:
            shutil.rmtree(remove, ignore_errors=True)


def _follow(child: int, owner: int, wake: int) -> int | None:
    """Carry out the owner's orders until the command has ended (its status) or the owner is gone (None)."""
    while True:
        readable, _, _ = select.select([0, wake], [], [], _LOOK_FOR_OWNER_S)
        if wake in readable:
            arrived = os.read(wake, 64)
            status = _reap(child)
            if status is not None:
                return status
            if signal.SIGTERM in arrived:
                return None
        if 0 in readable:
            orders = os.read(0, 64)
            if not orders:
                return None
            for order in orders:
                if order == signal.SIGKILL:
                    return 128 + signal.SIGKILL
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, order)
        if os.getppid() != owner:  # a forked copy of the owner may still hold the pipe open
            return None


def _split(arguments: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "--":
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts


def _raise_limit_of_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _spawn(command: list[str], libc: ctypes.CDLL) -> int:
    guardian = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        # Should the guardian itself be killed, the command dies with it.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian:
            os._exit(128 + signal.SIGKILL)
        # Ours are not the command's, nor are those that a shell ignores for what it starts in the background.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _reap(child: int) -> int | None:
    """Take in every ended descendant; the status of the command itself once it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def _kill_descendants() -> None:
    """Kill children until there are none: those of a killed child become ours before it can be waited for."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    me, found = os.getpid(), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold anything; state and parent follow its last parenthesis.
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == me:
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
