"""The hub's database, step by step.

A step that the running hubs' code can live with is `pre` (run before the new code starts); one that only the new code
can live with is `post` (run when the old code is gone). SQL functions carry a version (`_v1`): a change makes a `_v2`
beside it, and a later `post` step drops the first.
"""

from pathlib import Path

from schemas.process import migrating


async def migrate(database_url: str) -> None:
    """See `schemas.process.migrating.migrate`."""
    await migrating.migrate(database_url, Path(__file__).parent)
