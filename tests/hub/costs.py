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

#: What is below depends on the interpreter: it is that of this version, and of the libraries in requirements.lock.
PYTHON = (3, 11)

#: Bytes that each part (`pure.py`) of an exchange asks of the allocators, Python's and libxml2's, freed again or not.
#: `exchange` is all of them and what stands between; broker and database are not in it.
ALLOCATED: Mapping[str, int] = {
    "request read": 15_808,  # encoding, limits, parse, who sent it
    "head read": 4_695,  # who asks, by the message
    "request checked": 4_836,  # held against its schema, and read
    "decision": 9_652,  # checks 6 to 9 and 13 to 16
    "request stamped": 9_728,  # informationCBSS put in, for the supplier
    "reply checked": 49_184,  # parsed, held against its schema and the request
    "answer stamped": 15_713,  # informationCBSS put in, for the asker
    "journal rows": 9_453,  # of the decision and of the outcome, with when each supplier was asked and how long it took
    "exchange": 146_690,  # the journey, with stores that answer at once
}
#: What another machine or patch version may do more or less.
ALLOCATED_WITHIN = 0.005

#: Bytecode instructions that each part executes, exactly. What is written in C is no more than its call.
BYTECODE: Mapping[str, int] = {
    "request read": 612,
    "head read": 653,
    "request checked": 459,
    "decision": 1_291,
    "request stamped": 394,
    "reply checked": 1_488,
    "answer stamped": 497,
    "journal rows": 1_061,
    "exchange": 9_792,  # with 325 of figures, times of suppliers, pauses
}

#: Instructions of the processor for each part, libxml2's among them, as `python -m tests.benchmarks.instructions`
#: printed them. The build of the interpreter and the processor's extensions say how much more or less.
INSTRUCTIONS: Mapping[str, int] = {
    "request read": 202_000,
    "head read": 74_000,
    "request checked": 83_000,
    "decision": 137_000,
    "request stamped": 91_000,
    "reply checked": 659_000,
    "answer stamped": 113_000,
    "journal rows": 225_000,
    "exchange": 1_961_000,
}
INSTRUCTIONS_WITHIN = 0.1
