"""What a hub process is told by its environment: `CROSSROADS_*`."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PostgresDsn, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.process.traces import endpoint
from schemas.wire.choice import DEFAULT, Client

#: Wait of a look-up in the repertory, seconds, before the repertory counts as gone.
LOOKUP_TIMEOUT = 2.0
#: Wait of the broker's confirm for one publish, seconds.
CONFIRM_TIMEOUT = 5.0


class Settings(BaseSettings):
    """Every value has a default but the two URLs; a wrong one stops the process at once and says which it is."""

    model_config = SettingsConfigDict(env_prefix="CROSSROADS_", frozen=True, extra="ignore")

    #: Nodes of the broker, comma separated, each `amqp[s]://hub:password@host:port/vhost`.
    amqp_url: Annotated[tuple[str, ...], NoDecode] = Field(repr=False)
    #: The client library that carries them (docs/decisions/0002): `aiopika` or `pika`.
    transport: Client = DEFAULT
    #: `postgresql://user:password@host:port/database`
    database_url: SecretStr
    #: Service folders beside the shipped ones, separated as in PATH.
    services: Annotated[tuple[Path, ...], NoDecode] = ()
    #: Where health and figures are told: `0.0.0.0` for a container's neighbours.
    http_host: str = "127.0.0.1"
    #: On this port; 0 takes a free one (the log says which).
    http_port: int = Field(8080, ge=0, le=65535)
    #: Requests in hand at once; the next is told CRB00014.
    max_in_flight: int = Field(1_000, ge=1)
    #: Requests of one institution that the hub takes before it has answered the first of them.
    prefetch: int = Field(50, ge=2, le=2_000)
    #: What it takes from institutions; an operator may give lots or mutations processes of their own.
    modes: Annotated[tuple[Literal["online", "batch", "mutation"], ...], NoDecode] = ("online", "batch", "mutation")
    #: Consultations of lots in hand at once.
    lot_in_flight: int = Field(32, ge=1)
    #: How long after the deadline a late answer is still told from a silent supplier, ms.
    grace_ms: int = Field(300, ge=0, le=10_000)
    #: With less of the deadline left than this, nobody is asked any more (CRB00014), ms.
    least_ms: int = Field(50, ge=0, le=10_000)
    #: Keys of the journal's person hashes, `id:secret` comma separated; the first is the one in use.
    journal_key: SecretStr = SecretStr("")
    #: Where traces go: the URL of an OTLP collector, over HTTP. Empty: nothing is traced (docs/operators.md, Traces).
    traces: str = Field("", repr=False)
    #: Of what comes by each queue this share is traced, 0 to 1, whatever its sender says.
    traces_share: float = Field(1.0, ge=0.0, le=1.0)
    #: What the process is called in logs, at the broker and in traces.
    name: str = Field(default_factory=lambda: f"hub-{os.uname().nodename}-{os.getpid()}")
    #: `DEBUG`, `INFO`, `WARNING` or `ERROR`: what is less does not reach the log.
    log_level: str = "INFO"

    @field_validator("amqp_url", mode="before")
    @classmethod
    def _nodes(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(node.strip() for node in value.split(",") if node.strip())
        if not value:
            raise ValueError("name at least one node: amqp://hub:password@host:5672/crossroads")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        PostgresDsn(value.get_secret_value())
        return value

    @field_validator("services", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(folder) for folder in value.split(os.pathsep) if folder)
        return value

    @field_validator("modes", mode="before")
    @classmethod
    def _modes(cls, value: object) -> object:
        return tuple(mode.strip() for mode in value.split(",")) if isinstance(value, str) else value

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
