"""How long a backup and a restore of a hub's database take: `python -m tests.benchmarks.backup [MILLIONS]`.

A private PostgreSQL on the disk, with so many million rows in the journal, in its persons and in the repertory; all
synthetic.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from time import monotonic

import asyncpg

from deploy.backup import backup, restore
from deploy.servers import PrivatePostgreSQL
from hub.migrations import migrate

_FILL = (
    """
    INSERT INTO person (ssin, known_from, valid_from, sector, type, quality)
    SELECT 10000000000 + n * 97, now(), '2020-01-01', 5 + n % 20, 0, 100 FROM generate_series(1, $1::bigint) n
    """,
    """
    INSERT INTO journal (number, at, kind, ticket_cbss, hub, sender, customer, program, ticket, service, legal_context,
        quality, authorisation, authorisation_version, verdict, value, code, suppliers, received, request_sha256,
        answer_sha256)
    SELECT nextval('journal_number'), now() + n * interval '1 microsecond',
        CASE n % 2 WHEN 0 THEN 'decision' ELSE 'outcome' END, gen_random_uuid(), 'hub-1', '17-0', '17-1-1917010109',
        '009000000000', gen_random_uuid()::text, 'Pension/1', 'PCSA:SOCIAL_INQUIRY', 2, 'pcsw-pension', 1, 'admitted',
        'DATA_FOUND', 'MSG00000', ARRAY['5-0'], now(), sha256(n::text::bytea), sha256((-n)::text::bytea)
    FROM generate_series(1, $1::bigint) n
    """,
    """
    INSERT INTO journal_person SELECT at, number, 'asked', 'first', sha256(number::text::bytea) FROM journal
    LIMIT $1::bigint
    """,
)


async def main(millions: float) -> None:
    with PrivatePostgreSQL() as server, tempfile.TemporaryDirectory() as place:
        url = await server.create_database("filled")
        await migrate(url)
        connection = await asyncpg.connect(url)
        for statement in _FILL:
            await connection.execute(statement, int(millions * 1_000_000), timeout=None)
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        await connection.close()
        file = Path(place) / "backup"
        begun = monotonic()
        manifest = await backup(url, file)
        taken, begun = monotonic() - begun, monotonic()
        await restore(file, await server.create_database("restored"))
        print(
            f"{manifest.rows:,} rows, {size >> 20:,} MiB: backup {taken:.1f} s, {file.stat().st_size >> 20:,} MiB; "
            f"restore {monotonic() - begun:.1f} s"
        )


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
