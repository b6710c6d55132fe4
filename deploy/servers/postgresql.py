"""A private PostgreSQL server, 15 or newer."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.servers.ports import LOOPBACK, free_ports
from deploy.servers.server import PrivateServer, ServerError, clean_environment

OLDEST = 15
#: What is said to every server, in containers too (deploy/compose.yaml).
CONFIGURATION = Path(__file__).with_name("postgresql.conf")
USER = "crossroads"
_PLACES = "/usr/lib/postgresql/*/bin"
_PROTOCOL_3 = 0x00030000
_AUTHENTICATION = b"R"

# `initdb` writes beside the place and is moved there, so that one cut off half-way is made again.
# No Unix socket: its path may not exceed 107 bytes, and nobody needs it. Shared memory in files of its own directory:
# in /dev/shm some would stay after a kill -9.
_BOOT = """
if [ ! -d data ]; then
    rm -rf new
    "$1/initdb" -D new -U "$2" --pwfile=password --auth=password --encoding=UTF8 --no-locale --no-instructions
    mv new data
fi
exec "$1/postgres" -D data -c "config_file=$PWD/postgresql.conf" -c listen_addresses=127.0.0.1 -c "port=$3" \
    -c unix_socket_directories= -c dynamic_shared_memory_type=mmap
"""


class Databases:
    """What can be done on a server, whoever runs it."""

    def url(self, database: str = "postgres") -> str:
        """The address of a database, with user and password."""
        raise NotImplementedError

    async def create_database(self, name: str) -> str:
        """Make an empty database; returns its URL. The name is small letters, digits and underscores."""
        await self._execute(f"CREATE DATABASE {_plain(name)}")
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database, if it is there, and with it the connections to it."""
        await self._execute(f"DROP DATABASE IF EXISTS {_plain(name)} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class ForeignPostgreSQL(Databases):
    """A server that others run, by the URL of a database on it (CROSSROADS_DATABASE_URL)."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def url(self, database: str | None = None) -> str:
        """The address of a database; without a name it is the one of the URL."""
        return urlunsplit(self._url if database is None else self._url._replace(path=f"/{database}"))


class PrivatePostgreSQL(Databases, PrivateServer):
    """PostgreSQL on a free loopback port, with one superuser of a secret password.

    As root it runs as user `postgres` (PostgreSQL refuses root), so that user must reach the directory.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": running transactions are rolled back
    abandon_signal = signal.SIGQUIT  # not SIGKILL, which leaves a System V segment behind

    def __init__(self, directory: Path | None = None, *, in_memory: bool = False) -> None:
        super().__init__(directory, in_memory=in_memory)
        self.port = 0
        self._password = ""

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def ready(self) -> bool:
        """Whether it would ask a client for a password; while it boots it answers with an error."""
        words = f"user\0{USER}\0database\0postgres\0\0".encode()
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(struct.pack("!II", 8 + len(words), _PROTOCOL_3) + words)
                return connection.recv(1) == _AUTHENTICATION
        except OSError:
            return False

    def _prepare(self, *, new_ports: bool) -> None:
        programs()  # or say how to install them
        place = self._place()
        secret = place / "password"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(24) + "\n")
        self._password = secret.read_text().strip()
        (place / "postgresql.conf").write_text(CONFIGURATION.read_text())
        if new_ports:
            (self.port,) = free_ports(1)
        if os.geteuid() == 0:
            user = _unprivileged()
            os.chown(place, user.pw_uid, user.pw_gid)
            os.chown(secret, user.pw_uid, user.pw_gid)
            _check_reach(user, place)

    def _commands(self) -> Sequence[Sequence[str]]:
        return [[*_become(), "sh", "-e", "-c", _BOOT, "sh", str(programs()), USER, str(self.port)]]

    def _environment(self) -> Mapping[str, str]:
        return clean_environment() | {"HOME": str(self._place())}

    def _logs(self) -> Sequence[Path]:
        return [self._place() / "boot.log"]

    def _port_was_taken(self) -> bool:
        return "Address already in use" in (self._place() / "boot.log").read_text(errors="replace")

    def _variable(self) -> str:
        return "CROSSROADS_DATABASE_URL"


def programs() -> Path:
    """The directory of the newest PostgreSQL's programs. ServerError says how to install one."""
    found: list[tuple[int, Path]] = []
    for place in Path("/").glob(_PLACES.lstrip("/")):
        version = place.parent.name
        if version.isdigit() and int(version) >= OLDEST and (place / "postgres").exists():
            found.append((int(version), place))
    if found:
        return max(found)[1]
    on_path = shutil.which("postgres")
    if on_path is not None and (Path(on_path).parent / "initdb").exists() and _version(on_path) >= OLDEST:
        return Path(on_path).parent
    raise ServerError(
        f"PostgreSQL {OLDEST} or newer is not installed. Install it (apt-get install postgresql), "
        "or set CROSSROADS_DATABASE_URL to a server of your own."
    )


def _plain(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise ServerError(f"{name!r} is not a name for a database: use small letters, digits and underscores")
    return name


def _version(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)", told)
    return int(found.group(1)) if found else 0


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: make one")


def _become() -> list[str]:
    """The words before a command that make it run as a user PostgreSQL accepts."""
    if os.geteuid() != 0:
        return []
    user = _unprivileged()
    # The signal at the guardian's death is lost with the change of user: it is set again.
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL"]


def _check_reach(user: pwd.struct_passwd, place: Path) -> None:
    if subprocess.run([*_become(), "test", "-w", str(place)], cwd="/", check=False).returncode:
        raise ServerError(
            f"PostgreSQL runs as user {user.pw_name}, who cannot reach {place}: "
            "name a directory that every user may enter, or set TMPDIR to one (/var/tmp)"
        )
