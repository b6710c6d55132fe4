"""Waiting for what must come, and no longer."""

import asyncio
from collections.abc import Callable

#: Seconds after which what did not happen will not.
PATIENCE = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Return when it holds. TimeoutError after `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  what is watched has no event
            await asyncio.sleep(0.02)
