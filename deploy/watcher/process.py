"""A watcher process: a look at each source every two seconds, the figures over HTTP."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from deploy.servers.management import ManagementError
from deploy.watcher.broker import Broker
from deploy.watcher.database import Hub
from deploy.watcher.figures import SOURCES, Figures, Seen, Source
from deploy.watcher.settings import Settings
from hub.repertory.database import FAILURES
from schemas.process import log
from schemas.process.health import Health

#: Between two looks that take long there is so many times as long: who is watched has other things to do.
_REST = 4


class Watcher:
    """Everything one process runs. `start`, then `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.figures = Figures()
        self._hub = Hub(settings.database_url.get_secret_value(), settings.name, lambda: self._broker.waits)
        self._broker = Broker(settings.rabbitmq_admin_url.get_secret_value(), lambda: self._hub.vhosts)
        parts: dict[str, Callable[[], bool]] = {source: self._watched(source) for source in SOURCES}
        self.health = Health(self.figures, parts, lambda: all(up() for up in parts.values()))
        #: The port that health and figures are told on, once started.
        self.http_port = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look from now on; returns at once. OSError if the port is taken."""
        self.http_port = await self.health.start(self.settings.http_host, self.settings.http_port)
        log.logger().info("health and figures", host=self.settings.http_host, port=self.http_port)
        self._tasks = [
            asyncio.create_task(self._follow("broker", self._broker.look)),
            asyncio.create_task(self._follow("database", self._hub.look)),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hub.close()
        await self.health.close()
        log.logger().info("stopped")

    def _watched(self, source: Source) -> Callable[[], bool]:
        return lambda: self.figures.watched(source)

    async def _follow(self, source: Source, look: Callable[[], Awaitable[Seen]]) -> None:
        known: str | None = None  # what was logged last
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                seen = await look()
            except (ManagementError, *FAILURES) as error:
                self.figures.seen(source, None)
                if known != (known := type(error).__name__):
                    log.logger().warning("nothing seen", source=source, **log.told(error))
            except Exception as error:  # noqa: BLE001 (a bug in one look is no reason never to look again)
                self.figures.seen(source, None)
                known = None
                log.logger().error("nothing seen", source=source, **log.told(error))
            else:
                self.figures.seen(source, seen)
                if known != (known := seen.why):
                    line = log.logger().bind(source=source, ms=round((loop.time() - begun) * 1000))
                    line.info("seen") if seen.whole else line.warning("not all seen", why=seen.why)
            took = loop.time() - begun
            await asyncio.sleep(max(self.settings.every - took, took * _REST))


async def run(settings: Settings) -> None:
    """Watch until SIGTERM or SIGINT."""
    log.configure(settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watcher = Watcher(settings)
    try:
        await watcher.start()
        await stop.wait()
    finally:
        await watcher.stop()
