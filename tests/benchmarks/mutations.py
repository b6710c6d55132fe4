"""Mutations a second through one hub, four recipients each: `python -m tests.benchmarks.mutations`.

The hub is a process of its own; owner and recipients are as lean as can be and share this one.
"""

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path
from time import monotonic

from deploy import children
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from tests.hub.mutations import Owner, Receiver, mutation, right, row
from tests.hub.star import CUSTOMER, KEY, ONE, STRANGER, THREE, TWO, Star, opened

RULES = "".join([
    right("change", "5-0", "Change/1", 100),
    *(row("Change/1", recipient, []) for recipient in ("7-0", "64-0", "16-0", "1-0")),
])  # fmt: skip
PERSONS = 100


async def measure(star: Star, directory: Path, count: int) -> float:
    """Mutations a second; of a person one at a time."""
    await star.load(star.rules.replace('name = "5-0"\n', 'name = "5-0"\nrate = 5000\n'))
    hub = children.hub("hub", (star.url("hub"),), star.database_url, KEY, str(star.folder), directory)
    hub.launch()
    await hub.wait_ready()
    try:
        owner = await Owner(star, ONE).open()
        for address in (TWO, CUSTOMER, THREE, STRANGER):
            await Receiver(star, address).open()
        persons = [await star.person((ONE, 100)) for _ in range(PERSONS)]

        async def one_after_the_other(n: int) -> None:
            for _ in range(count // PERSONS):
                verdict = await owner.send(mutation(persons[n]))
                assert verdict.code == "MSG00000"

        begun = monotonic()
        await asyncio.gather(*(one_after_the_other(n) for n in range(PERSONS)))
        return count / (monotonic() - begun)
    finally:
        await asyncio.to_thread(hub.stop)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        directory = Path(folder)
        broker = stack.enter_context(PrivateRabbitMQ())
        postgresql = stack.enter_context(PrivatePostgreSQL())
        async with opened(broker, postgresql, directory / "services", RULES) as star:
            print(f"{await measure(star, directory, count):.0f} mutations a second, 4 recipients each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=3_000)
    asyncio.run(main(parser.parse_args().mutations))
