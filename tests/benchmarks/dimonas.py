"""Dimonas a second, to the words applied at two recipients: `python -m tests.benchmarks.dimonas`.

From forms that are handed to 12-0's office in groups of 200; with `--published` the whole way, from `crossroads payroll
publish` of a signed file (a process of its own) to its report, the hub's rows and the words. The hub is a process of
its own; 12-0 and both recipients share this one.
"""

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, process_time
from uuid import uuid4

import asyncpg

from deploy import children
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from institutions.nsso.submission import Submission
from institutions.reference.network import NSSO
from schemas.address import Address
from schemas.period import today
from schemas.ssin import Ssin
from tests.benchmarks.mutations import _cpu
from tests.institutions.nsso.network import Declared, Recipient, opened
from tests.institutions.payroll.certificates import write
from tests.institutions.payroll.dimona_file import Plan
from tests.institutions.payroll.forms import starts
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND, SIGNER, A
from tests.institutions.payroll.publishing import publish
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


async def handed_in(world: Declared, persons: Sequence[Ssin], _: Path) -> str:
    """All forms to the office, a group after the other."""
    begun, day = monotonic(), today() + timedelta(days=10)
    forms = [starts(OWN, ssin, day) for ssin in persons]
    for first in range(0, len(forms), GROUP):
        now = datetime.now(UTC)
        group = [Submission(A, str(uuid4()), form, now) for form in forms[first : first + GROUP]]
        assert all(one.result.value == "accepted" for one in await world.nsso.office.handle(group))
    return f"committed {len(forms) / (monotonic() - begun):.0f} a second"


async def published(world: Declared, persons: Sequence[Ssin], folder: Path) -> str:
    """One signed file."""
    file = _plan(len(persons)).write(folder / "many.xml")
    words = [word for pair in zip(("--key", "--certificate"), map(str, write(SIGNER, folder)), strict=True)
             for word in pair]  # fmt: skip
    url = world.url(f"sender-{A}", world.network.secondary(NSSO))
    ended = await publish(file, A, url, folder, *words, patience=len(persons) / 10 + 60)
    assert ended.status == 0, ended.err[-500:]
    return (
        f"published and every form reported {len(persons) / ended.seconds:.0f} a second"
        f" ({ended.cpu / len(persons) * 1000:.2f} ms of the publisher's CPU each, {ended.peak:.0f} MiB)"
    )


def _plan(count: int) -> Plan:
    return Plan(count, (OWN, SECOND), OTHERS, wrong={})


async def measure(world: Declared, directory: Path, count: int, *, by_file: bool) -> str:
    await world.hub.stop()
    world.hub = _Gone()  # type: ignore[assignment]
    hub = children.hub("hub", (world.url("hub"),), world.database_url, KEY, str(SERVICES), directory)
    hub.launch()
    await hub.wait_ready()
    plan = _plan(count)
    persons = [Ssin.parse(plan.ssin(n)) for n in range(1, count + 1)]
    await _known(world, persons)
    recipients = [Recipient(world, address) for address, _ in _KNOWN]
    try:
        async with contextlib.AsyncExitStack() as stack:
            for one in recipients:
                await stack.enter_async_context(one.me)
            begun, cpu, own = monotonic(), _cpu(hub.pid), process_time()
            how = await (published if by_file else handed_in)(world, persons, directory)
            while any(len(one.words) < count for one in recipients) or await world.untold():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            ended, own = monotonic(), process_time() - own
            (rows,) = await world.fetch("SELECT count(*) AS n FROM person WHERE quality = 30 AND sector = 12")
            assert rows["n"] == count
            return (
                f"{count} Dimonas: {how}; registered, decided and applied at two"
                f" {count / (ended - begun):.0f} a second; "
                f"CPU each: the hub {(_cpu(hub.pid) - cpu) / count * 1000:.1f} ms, 12-0 and both recipients "
                f"{own / count * 1000:.1f} ms"
            )
    finally:
        await asyncio.to_thread(hub.stop)


async def main(count: int, *, by_file: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        broker = stack.enter_context(PrivateRabbitMQ())
        postgresql = stack.enter_context(PrivatePostgreSQL())
        async with opened(broker, postgresql) as world:
            print(await measure(world, Path(folder), count, by_file=by_file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimonas", type=int, default=3_000)
    parser.add_argument("--published", action="store_true", help="the whole way, from a signed file")
    told = parser.parse_args()
    asyncio.run(main(told.dimonas, by_file=told.published))
