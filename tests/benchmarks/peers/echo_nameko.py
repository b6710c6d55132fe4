"""Nameko giving each message back: two hops, its own classic queue, JSON, every publish confirmed.

Runs in an environment of its own (`environments.py`), by its path: it may import nothing of the project.
"""

import eventlet

eventlet.monkey_patch()

import ssl  # noqa: E402
import sys  # noqa: E402
from urllib.parse import parse_qs, urlsplit, urlunsplit  # noqa: E402

from nameko.containers import ServiceContainer  # noqa: E402
from nameko.rpc import rpc  # noqa: E402


class Echo:
    """The service."""

    name = "echo"

    @rpc
    def echo(self, body):
        return body


def main(url):
    parts = urlsplit(url)
    config = {"max_workers": 50, "prefetch_count": 200}
    if parts.scheme == "amqps":
        [authority] = parse_qs(parts.query)["cafile"]
        config["AMQP_SSL"] = {"ca_certs": authority, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
        parts = parts._replace(scheme="pyamqp")
    config["AMQP_URI"] = urlunsplit(parts._replace(query=""))
    container = ServiceContainer(Echo, config)
    container.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    container.wait()


if __name__ == "__main__":
    main(sys.argv[1])
