"""FastStream giving each message back: two hops, a quorum queue, every publish confirmed, every delivery acked.

Runs in an environment of its own (`environments.py`), by its path: it may import nothing of the project.
"""

import asyncio
import logging
import sys

import uvloop
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue


async def main(url, queue):
    broker = RabbitBroker(
        url,
        default_channel=Channel(prefetch_count=200, publisher_confirms=True),
        log_level=logging.CRITICAL,
        logger=None,
    )

    @broker.subscriber(RabbitQueue(queue, durable=True, queue_type=QueueType.QUORUM))
    async def echo(body: bytes) -> bytes:
        return body

    await broker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:3]))
