"""What an exchange may cost: the numbers that `test_costs.py` holds the hub to, in the one place where they stand.

A consultation of a service with one supplier, answered with data and nothing cut. No clock is involved: who makes the
hub do more of one of these changes the number here, and says why; who makes it do less lowers it, so that it stays.
"""

from collections.abc import Mapping

from schemas.wire.choice import Client

#: One in flight: these, an exchange, to the nearest tenth (what the hub does by itself meanwhile is less).
ALONE: Mapping[str, float] = {
    "publish sent": 2,  # AMQP publishes: the question to the supplier, the answer to the asker
    "deliver got": 2,  # AMQP deliveries: the request, the supplier's reply
    "ack got": 2,  # the broker's confirms of the two publishes, a frame each
    "ack sent": 2,  # the hub's acks of the two deliveries, a frame each
    "statement sent": 3,  # PostgreSQL: the person's rows; the decision; the outcome
    "round trip sent": 3,  # a round trip to PostgreSQL each: none has another before or after it
    "parses": 2,  # XML: the request; the supplier's reply. What leaves is spliced, not parsed again
    "validations": 2,  # XML Schema: the same two
}

#: asyncio tasks an exchange, one in flight: one for the request and one that writes acks for as long as there are any;
#: aiormq adds one a delivery.
TASKS: Mapping[Client, float] = {Client.PIKA: 2, Client.AIOPIKA: 4}

#: Twenty in flight, at most: what can be done for several at once is. How much, chance and the machine say; seen were
#: 0.35 to 0.6 statements, 1.2 confirms, 0.4 acks. What is not here is as above.
TOGETHER: Mapping[str, float] = {"statement sent": 1.5, "round trip sent": 1.5, "ack got": 1.9}
#: Acks for several at once, and tasks: by client library; aiormq acks one by one.
TOGETHER_BY: Mapping[Client, Mapping[str, float]] = {
    Client.PIKA: {"ack sent": 1.5, "tasks": 1.7},
    Client.AIOPIKA: {"ack sent": 2, "tasks": 3.8},
}
