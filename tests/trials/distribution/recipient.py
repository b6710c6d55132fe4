"""A recipient in a process of its own, which keeps what it applies with its position: to be killed at any moment.

    python -m tests.trials.distribution.recipient ADDRESS AMQP_URL DATABASE_URL SERVICES

Prints `ready`, and runs until it is killed.
"""

import sys
from pathlib import Path
from typing import Any

import asyncpg

from institutions import Institution, Missed, PostgresInbox, Word
from schemas.catalogue import Catalogue, shipped

TABLES = """
CREATE TABLE applied (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person text, reference text);
CREATE TABLE missed (position bigint)
"""


def main(address: str, url: str, database_url: str, services: str) -> None:
    """Be this institution."""
    me = Institution(
        address, url, catalogue=Catalogue((shipped(), Path(services))), inbox=PostgresInbox(database_url), timeout=20
    )

    async def take(word: Word, connection: Any) -> None:
        await connection.execute(
            "INSERT INTO applied (person, reference) VALUES ($1, $2)", word.ssin.digits, word.says.reference
        )

    @me.missed
    async def missed(one: Missed) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("INSERT INTO missed VALUES ($1)", one.position)
        await connection.close()

    for service in ("Change/1", "Claim/1"):
        me.receives(service)(take)
    me.run(ready=lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
