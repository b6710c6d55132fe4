"""What an institution's process is told by its environment: `CROSSROADS_*`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import Field, PostgresDsn, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from institutions.reference.population import SEED, SIZE
from institutions.statuses.definitions import SHIPPED
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.process.traces import endpoint
from schemas.wire import names
from schemas.wire.choice import DEFAULT, Client


class SettingsError(CrossroadsError):
    """The environment does not say enough; the text says which variable to set to what."""


@dataclass(frozen=True, slots=True)
class Access:
    """How one institution gets at its network: URLs with its user and password, one a node."""

    address: Address
    urls: tuple[str, ...] = field(repr=False)
    #: Of a managing institution: the same user in the vhost of its secondary network.
    secondary_urls: tuple[str, ...] = field(repr=False)
    #: Of a managing institution: its sectoral repertory.
    database_url: str | None = field(default=None, repr=False)


class Settings(BaseSettings):
    """Every value has a default but the nodes; a wrong one stops the process at once and says which it is."""

    model_config = SettingsConfigDict(env_prefix="CROSSROADS_", frozen=True, extra="ignore")

    #: Nodes of the broker, comma separated: `amqp[s]://user:password@host:port/vhost`. User and password are left out
    #: where `passwords` has them; a vhost left out is the institution's own network's.
    amqp_url: Annotated[tuple[str, ...], NoDecode]
    #: The client library that carries a relay (docs/decisions/0002): `aiopika` or `pika`.
    transport: Client = DEFAULT
    #: JSON object, address to password, for several institutions in one process.
    passwords: Mapping[str, SecretStr] = {}
    #: Of a relay alone in its process: the vhost of its secondary network.
    secondary_vhost: str | None = None
    #: Of a relay alone in its process: its sectoral repertory.
    database_url: SecretStr | None = None
    #: Of 25-0: the registers of persons whom the National Register does not hold.
    registers_url: SecretStr | None = None
    #: Of 25-1: the buffer of social statuses.
    statuses_url: SecretStr | None = None
    #: Of 25-1: what statuses are, a file as `institutions/statuses/statuses.toml`, which is taken else.
    statuses_file: Path = SHIPPED
    #: Of 12-0: declarations, and who may hand them in.
    nsso_url: SecretStr | None = None
    #: The business day of 12-0, where it is not the clock's.
    today: date | None = None
    #: Of several relays in one process: JSON object, managing institution's address to vhost.
    secondary_vhosts: Mapping[str, str] = {}
    #: Of several relays in one process: JSON object, managing institution's address to sectoral repertory.
    sectoral_urls: Mapping[str, SecretStr] = {}
    #: Service folders beside the shipped ones, separated as in PATH.
    services: Annotated[tuple[Path, ...], NoDecode] = ()
    #: The synthetic population that the reference suppliers answer from: the same seed is the same persons.
    population_seed: int = SEED
    #: How many persons it has.
    population_size: int = Field(SIZE, ge=1, le=11_000_000)
    #: Where health and figures are told: `0.0.0.0` for a container's neighbours.
    http_host: str = "127.0.0.1"
    #: On this port; 0 takes a free one (the log says which).
    http_port: int = Field(8081, ge=0, le=65535)
    #: Questions that one institution works on at once.
    concurrency: int = Field(50, ge=1, le=10_000)
    #: Requests that a relay has in hand at once; the next is told CRB00014.
    max_in_flight: int = Field(1_000, ge=1)
    #: Where traces go: the URL of an OTLP collector, over HTTP. Empty: nothing is traced (docs/operators.md, Traces).
    traces: str = Field("", repr=False)
    #: Of what comes by each queue this share is traced, 0 to 1, whatever its sender says.
    traces_share: float = Field(1.0, ge=0.0, le=1.0)
    #: What the process is called in logs, at the broker and in traces.
    name: str = Field(default_factory=lambda: f"institution-{os.uname().nodename}-{os.getpid()}")
    #: `DEBUG`, `INFO`, `WARNING` or `ERROR`: what is less does not reach the log.
    log_level: str = "INFO"

    @field_validator("amqp_url", mode="before")
    @classmethod
    def _nodes(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(node.strip() for node in value.split(",") if node.strip())
        if not value:
            raise ValueError("name at least one node: amqp://user:password@host:5672/crossroads")
        return value

    @field_validator("services", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(folder) for folder in value.split(os.pathsep) if folder)
        return value

    @field_validator("database_url", "registers_url", "statuses_url", "nsso_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            PostgresDsn(value.get_secret_value())
        return value

    @field_validator("traces")
    @classmethod
    def _collector(cls, value: str) -> str:
        return endpoint(value)

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
        return value.upper()

    def relays(self, address: Address, *, alone: bool) -> bool:
        """Whether this institution has a relay here: it has a sectoral repertory. `alone`: it is the only one."""
        named = str(address) in self.sectoral_urls
        return not address.is_cooperating and (named or (alone and self.database_url is not None))

    def access(self, address: Address) -> Access:
        """This institution's way in. SettingsError where its password is nowhere."""
        managing = Address(address.sector, 0) if address.is_cooperating else address
        network = names.secondary(managing) if address.is_cooperating else names.PRIMARY
        own = self.secondary_vhosts.get(str(managing)) or self.secondary_vhost or names.secondary(managing)
        database = self.sectoral_urls.get(str(address)) or self.database_url
        return Access(
            address,
            tuple(self._url(node, address, own if address.is_cooperating else network) for node in self.amqp_url),
            tuple(self._url(node, address, own, force=True) for node in self.amqp_url),
            database.get_secret_value() if database is not None else None,
        )

    def _url(self, node: str, address: Address, vhost: str, *, force: bool = False) -> str:
        parts = urlsplit(node)
        user = str(address)
        password = self.passwords.get(user)
        if password is not None:
            login = f"{quote(user, safe='')}:{quote(password.get_secret_value(), safe='')}"
        elif parts.username is not None and unquote(parts.username) == user:
            login = parts.netloc.rpartition("@")[0]
        elif "auth=external" in parts.query.lower():
            login = ""
        else:
            raise SettingsError(
                f"no password for {user}: put {user}:<password>@ into CROSSROADS_AMQP_URL, or "
                f'CROSSROADS_PASSWORDS={{"{user}": "<password>"}}'
            )
        place = parts.netloc.rpartition("@")[2]
        path = parts.path if parts.path not in ("", "/") and not force else "/" + quote(vhost, safe="")
        return urlunsplit((parts.scheme, f"{login}@{place}" if login else place, path, parts.query, ""))
