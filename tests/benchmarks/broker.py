"""A private RabbitMQ that also speaks TLS, or is one node of a cluster: what the measurements need beyond `deploy`."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.servers import PrivateRabbitMQ
from deploy.servers.ports import LOOPBACK, free_ports
from deploy.servers.rabbitmq import ADMINISTRATOR


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, for the loopback address, and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class BenchRabbitMQ(PrivateRabbitMQ):
    """`tls`: certificate and key; `amqp_url` is then `amqps://` with the certificate to check the broker by."""

    def __init__(self, definitions: Mapping[str, Any], tls: tuple[Path, Path] | None = None) -> None:
        super().__init__(definitions=definitions)
        self.tls = tls
        self._tls_port = 0

    def amqp_url(self, user: str = ADMINISTRATOR, password: str | None = None, vhost: str = "/") -> str:
        if self.tls is None:
            return super().amqp_url(user, password, vhost)
        secret = quote(self.password if password is None else password, safe="")
        place = f"{LOOPBACK}:{self._tls_port}/{quote(vhost, safe='')}"
        return f"amqps://{quote(user, safe='')}:{secret}@{place}?cafile={quote(str(self.tls[0]))}"

    @property
    def pid(self) -> int:
        """The guardian's: the node is its descendant."""
        return self._guarded.pid if self._guarded is not None else 0

    def _prepare(self, *, new_ports: bool) -> None:
        super()._prepare(new_ports=new_ports)
        if self.tls is not None:
            if new_ports:
                (self._tls_port,) = free_ports(1)
            with (self._place() / "rabbitmq.conf").open("a") as configuration:
                configuration.write(
                    f"listeners.ssl.default = {LOOPBACK}:{self._tls_port}\n"
                    f"ssl_options.cacertfile = {self.tls[0]}\nssl_options.certfile = {self.tls[0]}\n"
                    f"ssl_options.keyfile = {self.tls[1]}\nssl_options.verify = verify_none\n"
                )


class ClusterNode(BenchRabbitMQ):
    """One of several nodes that find each other: they share a cookie and the first one's epmd."""

    def __init__(self, number: int, nodes: int, first: "ClusterNode | None", cookie: str) -> None:
        super().__init__({})
        self.number, self._nodes, self._first, self._cookie = number, nodes, first, cookie

    @property
    def node(self) -> str:
        """Its name among the others."""
        return f"crossroads{self.number}@localhost"

    def _prepare(self, *, new_ports: bool) -> None:
        place = self._place()
        cookie = place / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self._cookie)
            cookie.chmod(0o400)
        super()._prepare(new_ports=new_ports)
        if self._first is not None:
            self.password, self._epmd_port = self._first.password, self._first._epmd_port
        names = "".join(
            f"cluster_formation.classic_config.nodes.{n} = crossroads{n}@localhost\n" for n in range(1, self._nodes + 1)
        )
        file = place / "rabbitmq.conf"
        # The first brings the administrator. Queues are posted once all have joined: a queue has a member on each node
        # that is there when it is made.
        lines = file.read_text().splitlines()
        kept = [line for line in lines if self._first is None or not line.startswith("load_definitions")]
        file.write_text(
            "\n".join(kept) + "\ncluster_formation.peer_discovery_backend = classic_config\n" + names
            + "cluster_partition_handling = pause_minority\nnet_ticktime = 10\n"
        )  # fmt: skip

    def _commands(self) -> Sequence[Sequence[str]]:
        commands = super()._commands()
        return commands if self._first is None else commands[1:]

    def _environment(self) -> Mapping[str, str]:
        return {**super()._environment(), "RABBITMQ_NODENAME": self.node}

    def _logs(self) -> Sequence[Path]:
        return [self._place() / "boot.log", self._place() / "log" / f"{self.node}.log"]
