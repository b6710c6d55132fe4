"""The relay that does nothing: four hops with aio-pika, every publish confirmed, every delivery acked after it.

What a team would have if the hub checked nothing, kept nothing and remembered nothing. It stands beside the hub in
every measurement, on the same client, broker and queues.
"""

import asyncio
import sys
from uuid import uuid4

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage

_PREFETCH = 200


async def relay(url: str, ingress: str, supplier_queue: str) -> None:
    """Pass requests from `ingress` to `supplier_queue` and the answers back, for ever."""
    connection = await aio_pika.connect(url)
    consuming, publishing = await connection.channel(), await connection.channel()
    await consuming.set_qos(prefetch_count=_PREFETCH)
    institutions = await publishing.get_exchange("institutions", ensure=False)
    reply_name = f"hub.reply.{uuid4()}"
    replies = await consuming.declare_queue(
        reply_name, durable=True, arguments={"x-queue-type": "quorum", "x-expires": 600_000}
    )
    await replies.bind("hub.replies", reply_name)
    asked: dict[str, AbstractIncomingMessage] = {}

    async def on_request(message: AbstractIncomingMessage) -> None:
        part = uuid4().hex
        asked[part] = message
        await institutions.publish(
            aio_pika.Message(
                message.body,
                correlation_id=part,
                reply_to=reply_name,
                type=message.type,
                user_id="hub",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            ),
            supplier_queue,
        )

    async def on_reply(message: AbstractIncomingMessage) -> None:
        request = asked.pop(message.correlation_id or "", None)
        if request is not None:
            await publishing.default_exchange.publish(
                aio_pika.Message(
                    message.body,
                    correlation_id=request.correlation_id,
                    type=message.type,
                    user_id="hub",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                ),
                request.reply_to or "",
                mandatory=False,
            )
            await request.ack()
        await message.ack()

    requests = await consuming.get_queue(ingress, ensure=False)
    await replies.consume(on_reply)
    await requests.consume(on_request)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(relay(*sys.argv[1:4]))
