"""Mutations a second through one hub, four recipients each: `python -m tests.benchmarks.mutations`.

The hub is a process of its own; owner and recipients are as lean as can be and share this one.
"""

import argparse
import asyncio
import contextlib
import os
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


async def measure(star: Star, directory: Path, count: int) -> tuple[float, float]:
    """Mutations a second, and the hub's milliseconds of CPU each; of a person one at a time."""
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

        begun, cpu = monotonic(), _cpu(hub.pid)
        await asyncio.gather(*(one_after_the_other(n) for n in range(PERSONS)))
        return count / (monotonic() - begun), (_cpu(hub.pid) - cpu) / count * 1000
    finally:
        await asyncio.to_thread(hub.stop)


def _cpu(guardian: int) -> float:
    """Seconds of CPU that a guarded process has used."""
    pid = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        directory = Path(folder)
        broker = stack.enter_context(PrivateRabbitMQ())
        postgresql = stack.enter_context(PrivatePostgreSQL())
        async with opened(broker, postgresql, directory / "services", RULES) as star:
            rate, cpu = await measure(star, directory, count)
            print(f"{rate:.0f} mutations a second, 4 recipients each; {cpu:.1f} ms of the hub's CPU each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=3_000)
    asyncio.run(main(parser.parse_args().mutations))
