"""The ports on aio-pika's own engine, aiormq.

aio-pika is two layers: aiormq speaks the protocol (frames, channels, confirms, returns), and objects stand on top of it
(Message, Queue, Exchange, the robust connection). Only the lower one is used. The upper one costs about a third of a
hub's CPU (measured: 439 against 287 µs a request) and would have to be worked around: its robust connection knows one
host, restores consumers in its own time, and tells nobody which deliveries died with the old channel.
"""

import logging

from schemas.wire.aiopika.line import AioPikaLine
from schemas.wire.aiopika.transport import AioPikaTransport

__all__ = ["AioPikaLine", "AioPikaTransport"]

# aiormq logs whole messages (a return it cannot match, every frame at debug), and a body is personal data. What it has
# to say of connections and channels we report ourselves, as events.
for _name in ("aiormq.channel", "aiormq.connection", "aiormq.base"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
