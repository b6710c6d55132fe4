"""Dimonas a second, from the forms to the words applied at two recipients: `python -m tests.benchmarks.dimonas`.

The hub is a process of its own; 12-0, which takes the forms in groups of 200, and both recipients share this one.
"""

import argparse
import asyncio
import contextlib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import uuid4

import asyncpg

from deploy import children
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from institutions.nsso.submission import Submission
from schemas.address import Address
from schemas.period import today
from schemas.ssin import Ssin
from tests.benchmarks.mutations import _cpu
from tests.institutions.nsso.network import Declared, Recipient, opened
from tests.institutions.payroll.forms import person, starts
from tests.institutions.payroll.ground import OWN, A
from tests.institutions.world import SERVICES

GROUP = 200
KEY = "test:a-secret-that-only-the-tests-know"
_KNOWN = (("5-0", 1), ("7-0", 101))


class _Gone:
    async def stop(self) -> None:
        return None


async def _known(world: Declared, persons: list[Ssin]) -> None:
    """Both recipients have a dossier of each."""
    connection = await asyncpg.connect(world.database_url)
    try:
        now = datetime.now(UTC)
        rows = [
            (ssin.number, kind.sector, kind.type, quality, today().replace(year=2000, day=1), now)
            for ssin in persons
            for kind, quality in ((Address.parse(address), quality) for address, quality in _KNOWN)
        ]
        columns = ("ssin", "sector", "type", "quality", "valid_from", "known_from")
        await connection.copy_records_to_table("person", records=rows, columns=columns)
        await connection.execute("ANALYZE person")
    finally:
        await connection.close()


async def measure(world: Declared, directory: Path, count: int) -> str:
    await world.hub.stop()
    world.hub = _Gone()  # type: ignore[assignment]
    hub = children.hub("hub", (world.url("hub"),), world.database_url, KEY, str(SERVICES), directory)
    hub.launch()
    await hub.wait_ready()
    persons = [person() for _ in range(count)]
    await _known(world, persons)
    recipients = [Recipient(world, address) for address, _ in _KNOWN]
    day = today() + timedelta(days=10)
    forms = [starts(OWN, ssin, day) for ssin in persons]
    try:
        async with contextlib.AsyncExitStack() as stack:
            for one in recipients:
                await stack.enter_async_context(one.me)
            begun, cpu = monotonic(), _cpu(hub.pid)
            for first in range(0, count, GROUP):
                now = datetime.now(UTC)
                group = [Submission(A, str(uuid4()), form, now) for form in forms[first : first + GROUP]]
                assert all(one.result.value == "accepted" for one in await world.nsso.office.handle(group))
            committed = monotonic()
            while any(len(one.words) < count for one in recipients) or await world.untold():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            ended = monotonic()
            return (
                f"{count} Dimonas: committed {count / (committed - begun):.0f} a second, applied at two and decided "
                f"{count / (ended - begun):.0f} a second; "
                f"{(_cpu(hub.pid) - cpu) / count * 1000:.1f} ms of the hub's CPU each"
            )
    finally:
        await asyncio.to_thread(hub.stop)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        broker = stack.enter_context(PrivateRabbitMQ())
        postgresql = stack.enter_context(PrivatePostgreSQL())
        async with opened(broker, postgresql) as world:
            print(await measure(world, Path(folder), count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimonas", type=int, default=3_000)
    asyncio.run(main(parser.parse_args().dimonas))
