"""The two ways to ask: so many in flight, and so many a second whatever the answers do."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.benchmarks.load import Load


@dataclass
class Result:
    """What one asker saw."""

    seconds: float = 0.0
    #: CPU of this process meanwhile, seconds.
    cpu: float = 0.0
    #: Of the answers with each code, in their order, seconds from the moment a request was meant to leave.
    latencies: dict[str, list[float]] = field(default_factory=dict)
    unanswered: int = 0

    def answered(self, code: str, seconds: float) -> None:
        self.latencies.setdefault(code, []).append(seconds)


#: One exchange, meant to begin at this moment of `time.perf_counter`; it writes what it saw into the result.
Ask = Callable[[float, Result], Awaitable[None]]


async def drive(ask: Ask, load: Load, seconds: float, seed: int = 1) -> Result:
    """Ask as the load says for so long, and wait for what is open."""
    result, began = Result(), time.perf_counter()
    if load.loop == "closed":
        await asyncio.gather(*(_one_after_another(ask, result, began + seconds) for _ in range(load.level)))
    else:
        await _poisson(ask, result, load.level, began + seconds, seed)
    result.seconds = time.perf_counter() - began
    return result


async def _one_after_another(ask: Ask, result: Result, end: float) -> None:
    while (now := time.perf_counter()) < end:
        await ask(now, result)


async def _poisson(ask: Ask, result: Result, rate: float, end: float, seed: int) -> None:
    """Arrivals by chance at `rate` a second. Who cannot be sent at its moment is late, and that counts."""
    chance, at = random.Random(seed), time.perf_counter()
    tasks: set[asyncio.Future[None]] = set()
    while (at := at + chance.expovariate(rate)) < end:
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(ask(at, result))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
