"""The fixtures of tests/conftest.py give what they promise."""

import aio_pika
import asyncpg


async def test_a_vhost_is_fresh_and_takes_quorum_queues(rabbitmq, vhost):
    connection = await aio_pika.connect(rabbitmq.amqp_url(vhost=vhost))
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("one", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), "one")
        message = await queue.get(timeout=10)
        assert message.body == b"hello"
        await message.ack()


async def test_a_database_is_fresh_and_empty(database):
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
        await connection.execute("CREATE TABLE one (n int)")
    finally:
        await connection.close()


test_another_database_is_fresh_too = test_a_database_is_fresh_and_empty
