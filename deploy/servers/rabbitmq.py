"""A private RabbitMQ node, 3.10 or newer, and the address of one that others run."""

import json
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from deploy.servers.management import Management, ManagementError
from deploy.servers.ports import LOOPBACK, free_ports
from deploy.servers.server import PrivateServer, ServerError, clean_environment

ADMINISTRATOR = "administrator"
#: What is said to every broker, in containers too (deploy/compose.yaml).
CONFIGURATION = Path(__file__).with_name("rabbitmq.conf")
_NODE = "crossroads@localhost"  # `localhost` always resolves, the machine's name may not
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"

# The fields that tell definitions of a kind apart. RabbitMQ tells the default bindings of none.
_NAMED = {
    "users": ("name",),
    "vhosts": ("name",),
    "permissions": ("vhost", "user"),
    "exchanges": ("vhost", "name"),
    "queues": ("vhost", "name"),
    "bindings": ("vhost", "source", "destination_type", "destination", "routing_key"),
    "policies": ("vhost", "name"),
}


class PrivateRabbitMQ(PrivateServer):
    """RabbitMQ on free loopback ports, with an epmd, a cookie and an administrator of its own.

    definitions: users, vhosts, permissions, exchanges, queues and bindings in the form of RabbitMQ's definitions file,
        loaded at each boot before the first client is let in. The administrator is added to it.
    management: the management plugin; without it a stop in order takes 1 s instead of 6.
    """

    name = "RabbitMQ"
    stop_signal = signal.SIGTERM
    abandon_signal = signal.SIGKILL

    def __init__(
        self,
        directory: Path | None = None,
        definitions: Mapping[str, Any] | None = None,
        *,
        management: bool = True,
        in_memory: bool = False,
    ) -> None:
        super().__init__(directory, in_memory=in_memory)
        self._definitions = dict(definitions or {})
        self._with_management = management
        self.port = self._distribution_port = self._epmd_port = self._management_port = 0
        self.password = ""
        """The administrator's."""

    def amqp_url(self, user: str = ADMINISTRATOR, password: str | None = None, vhost: str = "/") -> str:
        """The address for a user; without a password it is the administrator's."""
        return _amqp_url(
            "amqp", f"{LOOPBACK}:{self.port}", user, self.password if password is None else password, vhost
        )

    @property
    def management_url(self) -> str:
        """The management API's address with the administrator's name and password."""
        if not self._with_management:
            raise ServerError("this RabbitMQ runs without the management plugin: start it with management=True")
        return f"http://{ADMINISTRATOR}:{self.password}@{LOOPBACK}:{self._management_port}"

    @property
    def management(self) -> Management:
        return Management(self.management_url)

    def ready(self) -> bool:
        """Whether it greets an AMQP client, and, with the plugin, whether the management API answers."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(_GREETING)
                if connection.recv(1) != _METHOD_FRAME:
                    return False
            if self._with_management:
                self.management.get("/api/whoami")
        except (OSError, ManagementError):
            return False
        return True

    def _check(self) -> None:
        # RabbitMQ serves all the same when it stops at a definition it cannot import, and says nothing.
        if not self._with_management or not self._definitions:
            return
        there = self.management.get("/api/definitions")
        missing = [
            f"{kind} {'/'.join(key)}"
            for kind, fields in _NAMED.items()
            for key in sorted(_keys(self._definitions, kind, fields) - _keys(there, kind, fields))
        ]
        if missing:
            raise ServerError(
                f"RabbitMQ did not import {len(missing)} of its definitions ({', '.join(missing[:5])}, …): "
                "something before them is wrong or names what does not exist; it imports users, vhosts, permissions, "
                "exchanges, queues, bindings in this order"
            )

    def _prepare(self, *, new_ports: bool) -> None:
        place = self._place()
        for name in ("mnesia", "log", "generated", "schema"):
            (place / name).mkdir(exist_ok=True)
        self.password = _secret(place / "password", 0o600)
        _secret(place / ".erlang.cookie", 0o400)
        if new_ports:
            self.port, self._distribution_port, self._epmd_port, self._management_port = free_ports(4)
        plugins = "rabbitmq_management" if self._with_management else ""
        (place / "enabled_plugins").write_text(f"[{plugins}].\n")
        configuration = {
            "listeners.tcp.default": f"{LOOPBACK}:{self.port}",
            "load_definitions": place / "definitions.json",
            "log.console": "false",
            "log.file.level": "info",
            "disk_free_limit.absolute": "50MB",
        }
        if self._with_management:
            configuration |= {"management.tcp.ip": LOOPBACK, "management.tcp.port": self._management_port}
        own = "".join(f"{key} = {value}\n" for key, value in configuration.items())
        (place / "rabbitmq.conf").write_text(CONFIGURATION.read_text() + own)
        definitions = place / "definitions.json"
        definitions.touch(mode=0o600)
        definitions.write_text(json.dumps(self._with_administrator()))

    def _with_administrator(self) -> dict[str, Any]:
        whole = dict(self._definitions)
        vhosts = [*whole.get("vhosts", ())]
        if not any(vhost["name"] == "/" for vhost in vhosts):
            vhosts.append({"name": "/"})
        everything = {"user": ADMINISTRATOR, "configure": ".*", "write": ".*", "read": ".*"}
        whole["vhosts"] = vhosts
        whole["users"] = [
            *whole.get("users", ()),
            {"name": ADMINISTRATOR, "password": self.password, "tags": "administrator"},
        ]
        whole["permissions"] = [*whole.get("permissions", ()), *({**everything, "vhost": v["name"]} for v in vhosts)]
        return whole

    def _commands(self) -> Sequence[Sequence[str]]:
        epmd = shutil.which("epmd")
        if epmd is None:
            raise ServerError("epmd, a part of Erlang, is not installed. " + _INSTALL)
        # An epmd of our own, in the foreground: else the node starts one as a daemon that stays behind.
        return [[epmd, "-port", str(self._epmd_port), "-address", LOOPBACK], [str(program())]]

    def _environment(self) -> Mapping[str, str]:
        place = self._place()
        return clean_environment() | {
            "HOME": str(place),  # the cookie stands there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP_BYTES": "0",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,  # else the machine's own node's is read
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(place / "mnesia"),
            "RABBITMQ_LOG_BASE": str(place / "log"),
            "RABBITMQ_PID_FILE": str(place / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(place / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(place / "schema"),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(place / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "enabled_plugins"),
            # The script then becomes the node instead of standing beside it, so that signals reach the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _logs(self) -> Sequence[Path]:
        return [self._place() / "boot.log", self._place() / "log" / f"{_NODE}.log"]

    def _port_was_taken(self) -> bool:
        told = "".join(log.read_text(errors="replace") for log in self._logs() if log.exists())
        # `nodistribution`: something else than an epmd answers on epmd's port.
        return "eaddrinuse" in told or "in use" in told or "nodistribution" in told

    def _variable(self) -> str:
        return "CROSSROADS_AMQP_URL and CROSSROADS_RABBITMQ_ADMIN_URL"


class ForeignRabbitMQ:
    """A RabbitMQ that others run: CROSSROADS_AMQP_URL (the first of its nodes) and CROSSROADS_RABBITMQ_ADMIN_URL."""

    def __init__(self, amqp_url: str, management_url: str) -> None:
        self._amqp = urlsplit(amqp_url.split(",")[0].strip())
        self.management_url = management_url

    @property
    def management(self) -> Management:
        return Management(self.management_url)

    def amqp_url(self, user: str | None = None, password: str | None = None, vhost: str = "/") -> str:
        """The address for a user; without one it is the user of the URL."""
        host = self._amqp.netloc.rpartition("@")[2]
        if user is None:
            user, password = unquote(self._amqp.username or ""), unquote(self._amqp.password or "")
        url = _amqp_url(self._amqp.scheme, host, user, password or "", vhost)
        return urlunsplit(urlsplit(url)._replace(query=self._amqp.query))  # TLS options


_INSTALL = (
    "Install it (apt-get install rabbitmq-server), "
    "or set CROSSROADS_AMQP_URL and CROSSROADS_RABBITMQ_ADMIN_URL to a server of your own."
)


def program() -> Path:
    """The server's start script. ServerError says how to install it."""
    # Not /usr/sbin/rabbitmq-server: Debian's wrapper changes user and directory, for the machine's own node.
    ours = _SCRIPTS / "rabbitmq-server"
    if ours.exists():
        return ours
    found = shutil.which("rabbitmq-server")
    if found is None:
        raise ServerError("RabbitMQ is not installed. " + _INSTALL)
    return Path(found)


def _keys(definitions: Mapping[str, Any], kind: str, fields: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(one.get(field, "") for field in fields) for one in definitions.get(kind, ())}


def _secret(file: Path, mode: int) -> str:
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
            out.write(secrets.token_hex(24))
    return file.read_text()


def _amqp_url(scheme: str, host: str, user: str, password: str, vhost: str) -> str:
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{host}/{quote(vhost, safe='')}"
