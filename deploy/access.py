"""Where a running network is and how to get in: written by `crossroads up`, read by the commands beside it."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.address import Address
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from schemas.catalogue import Catalogue

_FILE = "network.json"


class NoNetworkError(CrossroadsError):
    """No network runs here: start one with `crossroads up`, or name its directory in CROSSROADS_HOME."""


def home() -> Path:
    """`CROSSROADS_HOME`, else `.crossroads` under the working directory."""
    return Path(os.environ.get("CROSSROADS_HOME") or ".crossroads").absolute()


def file_in(directory: Path) -> Path:
    """Where a network that has this home is written down."""
    return directory / _FILE


def absolute(folders: str) -> str:
    """Folders as CROSSROADS_SERVICES names them, for a process with another working directory."""
    return os.pathsep.join(str(Path(folder).absolute()) for folder in folders.split(os.pathsep) if folder)


@contextmanager
def claim(directory: Path) -> Iterator[None]:
    """This process alone has the home, until it ends, however it ends. Makes it where it is missing, and takes it away
    if it made it and it is empty. CrossroadsError where another process has it."""
    made = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CrossroadsError(f"{directory} cannot be used ({error.strerror}): set CROSSROADS_HOME") from None
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CrossroadsError(
                f"a network runs from {directory} already: stop it, or set CROSSROADS_HOME to another directory"
            ) from None
        yield
        if made and not any(directory.iterdir()):
            directory.rmdir()
    finally:
        os.close(held)


class Access(BaseModel):
    """Addresses and credentials of one network. Kept in a file that only its owner can read (mode 0600)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: AMQP addresses of the broker's nodes without user or vhost: `amqp://127.0.0.1:5672`.
    nodes: tuple[str, ...]
    #: Vhost of each user's network: `crossroads`, or the secondary network's.
    vhosts: Mapping[str, str]
    #: Secondary network's vhost by the address of the institution that manages it.
    secondary: Mapping[str, str]
    #: Password of each broker user (the hub, every institution, every sender).
    passwords: Mapping[str, str]
    #: Management API with its administrator; absent where the broker is somebody else's without one.
    management_url: str | None
    #: The hub's database.
    database_url: str
    #: Sectoral repertories' databases by the address of the managing institution.
    sectoral_urls: Mapping[str, str]
    #: The database of 25-0.
    registers_url: str
    #: The database of 25-1.
    statuses_url: str
    #: The database of 12-0.
    nsso_url: str
    #: Keys of the journal's person hashes, as CROSSROADS_JOURNAL_KEY takes them.
    journal_keys: str
    #: Health, readiness and metrics of each process, and the schemas' pages: name to base URL.
    http: Mapping[str, str]
    #: Folders of services beside the shipped ones, as CROSSROADS_SERVICES has them; absolute.
    services: str
    #: The newest load of rules that the broker is provisioned for.
    rules: int
    #: Seed and number of persons of the synthetic population behind the reference institutions.
    seed: int
    size: int

    def urls(self, user: str, vhost: str | None = None) -> tuple[str, ...]:
        """A user's AMQP URLs, one a node; without a vhost, in the network he belongs to."""
        if user not in self.passwords:
            raise CrossroadsError(
                f"{user} has no broker user in this network: `crossroads repertory institutions` lists who has"
            )
        return tuple(
            amqp_url(node, user, self.passwords[user], self.vhosts[user] if vhost is None else vhost)
            for node in self.nodes
        )

    def institution_urls(self, address: Address) -> tuple[str, ...]:
        """AMQP URLs of an institution, in its own network."""
        return self.urls(str(address))

    def catalogue(self) -> "Catalogue":
        """The services that the network knows, and those of CROSSROADS_SERVICES here."""
        from schemas.catalogue import Catalogue, shipped

        folders = [
            *self.services.split(os.pathsep),
            *absolute(os.environ.get("CROSSROADS_SERVICES", "")).split(os.pathsep),
        ]
        return Catalogue((shipped(), *(Path(folder) for folder in dict.fromkeys(folders) if folder)))

    def save(self, directory: Path) -> Path:
        """Write the file, readable by its owner alone; returns its path."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = file_in(directory)
        written = directory / f"{_FILE}.{os.getpid()}"
        written.unlink(missing_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
        written.replace(path)  # a reader finds the old one or the new one, never a part
        return path

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The network that runs from `directory`. NoNetworkError where none does."""
        path = file_in(directory)
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise NoNetworkError(
                f"no network runs from {directory}: start one with `crossroads up`, or set CROSSROADS_HOME"
            ) from None
        except ValidationError as error:
            raise NoNetworkError(
                f"{path} is not of this version ({error.error_count()} fields differ): start the network again"
            ) from None

    @staticmethod
    def remove(directory: Path) -> None:
        """Take the file away: the network is gone."""
        file_in(directory).unlink(missing_ok=True)


def amqp_url(node: str, user: str, password: str, vhost: str) -> str:
    """An AMQP URL for a user on one node; user, password and vhost are percent-encoded."""
    parts = urlsplit(node)
    place = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit((parts.scheme, f"{login}@{place}", "/" + quote(vhost, safe=""), parts.query, ""))
