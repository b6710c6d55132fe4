"""What a watcher is told by its environment: `CROSSROADS_*`."""

import os
from urllib.parse import urlsplit

from pydantic import Field, PostgresDsn, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Between two looks, seconds.
EVERY = 2.0


class Settings(BaseSettings):
    """Every value has a default but the two URLs; a wrong one stops the process at once and says which it is."""

    model_config = SettingsConfigDict(env_prefix="CROSSROADS_", frozen=True, extra="ignore")

    #: The hub's database, `postgresql://user:password@host:port/database`; it needs the right to read, no other.
    database_url: SecretStr
    #: The management API, `http://monitor:password@host:15672`: of the user `monitor`, who may do nothing else.
    rabbitmq_admin_url: SecretStr
    #: Where health and figures are told: `0.0.0.0` for a container's neighbours.
    http_host: str = "127.0.0.1"
    #: On this port; 0 takes a free one (the log says which).
    http_port: int = Field(8080, ge=0, le=65535)
    #: Between two looks, seconds.
    every: float = Field(EVERY, ge=0.1, le=60.0)
    #: What the process is called in logs and at the database.
    name: str = Field(default_factory=lambda: f"watcher-{os.uname().nodename}-{os.getpid()}")
    #: `DEBUG`, `INFO`, `WARNING` or `ERROR`: what is less does not reach the log.
    log_level: str = "INFO"

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        PostgresDsn(value.get_secret_value())
        return value

    @field_validator("rabbitmq_admin_url")
    @classmethod
    def _management(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is None:
            raise ValueError("it looks like http://monitor:password@host:15672")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
        return value.upper()
