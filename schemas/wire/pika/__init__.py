"""The port `Transport` on pika's AsyncioConnection.

pika keeps the connection and its channels: the handshake, heartbeats, opening, closing and their order, what the broker
says against us. What passes once or more a message (deliveries, confirms, acks, publishes) goes past its objects:
measured, they cost more than all the rest.
"""

import logging

from schemas.wire.pika.transport import PikaTransport

__all__ = ["PikaTransport"]

# pika logs whole frames (a method it did not expect, each at debug), and properties are personal data. What it has to
# say of connections and channels we report ourselves, as events.
logging.getLogger("pika").setLevel(logging.CRITICAL + 1)
