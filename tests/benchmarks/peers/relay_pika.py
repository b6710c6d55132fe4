"""The relay that does nothing, on pika's asyncio connection: as `relay.py`, with callbacks instead of coroutines.

Runs in an environment of its own (`environments.py`), by its path: it may import nothing of the project.
"""

import asyncio
import functools
import ssl
import sys
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import pika
import uvloop
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.spec import Basic, BasicProperties

_PREFETCH = 200


class Relay:
    """Passes requests from `ingress` to `supplier_queue` and the answers back. Every publish is confirmed; a delivery
    is acked when the confirm of what it led to has come."""

    def __init__(self, connection: AsyncioConnection, ingress: str, supplier_queue: str) -> None:
        self._ingress, self._supplier_queue = ingress, supplier_queue
        self._reply_name = f"hub.reply.{uuid4()}"
        self._asked = {}
        self._unconfirmed = {}
        self._published = 0
        self._connection = connection
        connection.channel(on_open_callback=self._publishing_open)

    def _publishing_open(self, channel):
        self._publishing = channel
        channel.confirm_delivery(
            self._confirmed, callback=lambda _: self._connection.channel(on_open_callback=self._consuming_open)
        )

    def _consuming_open(self, channel):
        self._consuming = channel
        arguments = {"x-queue-type": "quorum", "x-expires": 600_000}
        channel.basic_qos(prefetch_count=_PREFETCH)
        channel.queue_declare(self._reply_name, durable=True, arguments=arguments, callback=self._declared)

    def _declared(self, _):
        self._consuming.queue_bind(self._reply_name, "hub.replies", self._reply_name, callback=self._bound)

    def _bound(self, _):
        self._consuming.basic_consume(self._reply_name, self._on_reply)
        self._consuming.basic_consume(self._ingress, self._on_request, callback=lambda _: _ready())

    def _publish(self, exchange, key, body, properties, mandatory, then):
        self._published += 1
        self._unconfirmed[self._published] = then
        self._publishing.basic_publish(exchange, key, body, properties, mandatory=mandatory)

    def _confirmed(self, frame):
        method = frame.method
        if not isinstance(method, Basic.Ack):
            sys.exit("a publish was refused")
        tags = [method.delivery_tag]
        if method.multiple:
            tags = [tag for tag in self._unconfirmed if tag <= method.delivery_tag]
        for tag in tags:
            self._unconfirmed.pop(tag)()

    def _on_request(self, channel, method, properties, body):
        part = uuid4().hex
        self._asked[part] = (method.delivery_tag, properties)
        told = BasicProperties(
            correlation_id=part, reply_to=self._reply_name, type=properties.type, user_id="hub", delivery_mode=2
        )
        self._publish("institutions", self._supplier_queue, body, told, True, _nothing)

    def _on_reply(self, channel, method, properties, body):
        tag, request = self._asked.pop(properties.correlation_id, (0, None))
        if request is None:
            channel.basic_ack(method.delivery_tag)
            return
        told = BasicProperties(
            correlation_id=request.correlation_id, type=properties.type, user_id="hub", delivery_mode=2
        )
        acks = functools.partial(self._ack, tag, method.delivery_tag)
        self._publish("", request.reply_to, body, told, False, acks)

    def _ack(self, *tags):
        for tag in tags:
            self._consuming.basic_ack(tag)


def _nothing():
    return


def _ready():
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def parameters(url):
    """Of an amqp(s) URL whose `cafile` says how to check the broker."""
    parts = urlsplit(url)
    found = pika.URLParameters(urlunsplit(parts._replace(query="")))
    if parts.scheme == "amqps":
        [authority] = parse_qs(parts.query)["cafile"]
        found.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=authority), parts.hostname)
    return found


async def main(url, ingress, supplier_queue):
    def closed(_, reason):
        sys.exit(f"the connection closed: {reason}")

    AsyncioConnection(
        parameters(url),
        on_open_callback=lambda connection: Relay(connection, ingress, supplier_queue),
        on_open_error_callback=closed,
        on_close_callback=closed,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4]))
