"""What operators pause, in a star."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub import control
from tests.hub.star import Star, until


@asynccontextmanager
async def paused(star: Star, kind: control.Kind, what: object = "") -> AsyncIterator[None]:
    """Meanwhile it is, and every hub knows."""
    connection = await star.connect()
    try:
        await control.begin(connection, kind, str(what))
        await until(lambda: all((kind, str(what)) in hub.control.controls.found for hub in star.hubs))
        try:
            yield
        finally:
            await control.end(connection, kind, str(what))
            await until(lambda: all((kind, str(what)) not in hub.control.controls.found for hub in star.hubs))
    finally:
        await connection.close()
