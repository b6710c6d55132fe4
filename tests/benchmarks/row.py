"""The rows of the tables: what stands between the ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from deploy.servers.rabbitmq import ADMINISTRATOR
from schemas.wire.choice import Client
from tests.benchmarks.bench import ECHO, Bench
from tests.benchmarks.run import Question

#: The row that every other is told as a ratio to.
BASE = "noop-aiopika"


_PLAIN = Question()


@dataclass(frozen=True, slots=True)
class Row:
    """`legs`: messages an exchange takes: asker to hub, hub to supplier, and back."""

    name: str
    title: str
    legs: int
    between: Callable[[Bench], AbstractAsyncContextManager[int]]
    question: Question = _PLAIN
    #: Whose supplier answers; None: nobody, what is between gives the message back itself.
    supplier: str | None = "ends"


@asynccontextmanager
async def _hub(bench: Bench) -> AsyncIterator[int]:
    async with bench.hub() as one:
        yield one.pid


@asynccontextmanager
async def _hub_aiopika(bench: Bench) -> AsyncIterator[int]:
    async with bench.hub(Client.AIOPIKA) as one:
        yield one.pid


_FASTSTREAM = Question(expected="none", route={"exchange": "", "key": ECHO, "user": ADMINISTRATOR})
_NAMEKO = Question(
    expected="none",
    route={
        "exchange": "nameko-rpc",
        "key": "echo.echo",
        "user": ADMINISTRATOR,
        "content_type": "application/json",
        "reply_exchange": "nameko-rpc",
    },
    wrap='{"args": [%s], "kwargs": {}}',
)

ROWS = (
    Row("hub", "hub", 4, _hub),
    Row("hub-aiopika", "hub, CROSSROADS_TRANSPORT=aiopika", 4, _hub_aiopika),
    Row(BASE, "relay that does nothing, aio-pika", 4, Bench.relay),
    Row("noop-pika", "relay that does nothing, pika", 4, Bench.pika_relay),
    Row("faststream", "FastStream, echo", 2, Bench.faststream, _FASTSTREAM, None),
    Row("nameko", "Nameko, echo", 2, Bench.nameko, _NAMEKO, None),
)
#: Our own library at both ends: what an institution that uses it sees.
LIBRARY = (Row("hub-library", "hub, our library at both ends", 4, _hub, Question("library"), "library"),)
