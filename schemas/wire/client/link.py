"""One connection to one of several nodes, made again whenever it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from yarl import URL

from schemas.wire.client.connection import CUT, Channel, Connection, cancelled, words
from schemas.wire.transport import Event, NotConnected, Observer

ConnectionT = TypeVar("ConnectionT", bound=Connection[Channel])

#: Seconds between signs of life that we ask of the broker, unless the URL says `heartbeat=`.
HEARTBEAT = 10
#: Seconds for one node to let us in.
CONNECT_TIMEOUT = 5.0
#: Seconds to wait when no node of the list let us in: doubled each round, up to the second.
BACKOFF = (0.1, 5.0)
#: After a connection that lived less, seconds, we wait the first of these, lest we ask a node that drops us in a loop.
SHORT_LIFE = 0.1
#: Seconds an orderly close may take.
CLOSE_TIMEOUT = 3.0


class Link(Generic[ConnectionT]):
    """Keeps a connection: goes through the nodes in turn, waits longer after each round without success.

    connect: makes a connection that is not opened yet.
    opened: called with each new connection; what it raises loses the connection.
    lost: called at once when the connection is lost, before anything else happens.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str,
        role: str,
        observe: Observer,
        connect: Callable[[URL], ConnectionT],
        opened: Callable[[ConnectionT], Awaitable[None]],
        lost: Callable[[], None],
    ) -> None:
        self._urls = [_completed(URL(url), f"{name} {role}") for url in urls]
        self._role = role
        self._observe = observe
        self._make = connect
        self._opened = opened
        self._lost = lost
        self._next = 0
        self._task: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._why = ""
        self.connection: ConnectionT | None = None
        #: Why the last attempt or the last connection failed.
        self.failure = "no attempt was made yet"

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"wire {self._role}")

    async def close(self) -> None:
        """Say goodbye to the broker and connect no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self) -> None:
        failures = 0
        while True:
            url = self._urls[self._next % len(self._urls)]
            where = f"{self._role} {url.host}:{url.port}"
            lived: float | None = None
            try:
                connection = await self._connect(url)
            except asyncio.CancelledError:
                if cancelled():
                    raise
                self._unreachable(where, "the connection was closed while it was opened")
            except Exception as error:  # noqa: BLE001  whatever it is, the next node may do better
                self._unreachable(where, words(error))
            else:
                lived = await self._hold(connection, where)
            self._next += 1
            first, most = BACKOFF
            delay = 0.0
            if lived is not None:
                failures = 0
                delay = first if lived < SHORT_LIFE else 0.0
            else:
                failures += 1
                rounds, left = divmod(failures, len(self._urls))
                if not left:
                    delay = min(most, first * 2.0 ** (rounds - 1))
            if delay:
                await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311  spreads a herd, hides nothing

    def _unreachable(self, where: str, why: str) -> None:
        self.failure = f"{where}: {why}"
        self._observe(Event("unreachable", where, why))

    async def _connect(self, url: URL) -> ConnectionT:
        """Raises what the library and the system raise, and NotConnected when the node took too long."""
        connection = self._make(url)
        attempt = asyncio.ensure_future(connection.open())
        try:
            done, _ = await asyncio.wait({attempt}, timeout=CONNECT_TIMEOUT)
        except asyncio.CancelledError:
            done = set()
            raise
        finally:
            if not done:
                connection.abort()  # first: else a TLS goodbye to a node that does not answer is waited for
                attempt.cancel()
                await asyncio.wait({attempt})
        if not done:
            raise NotConnected(f"no AMQP handshake within {CONNECT_TIMEOUT:g} s")
        attempt.result()
        return connection

    async def _hold(self, connection: ConnectionT, where: str) -> float | None:
        """Let the connection be used until it is lost, or until we close it. The seconds it lived; None if it could
        not be used at all."""
        loop = asyncio.get_running_loop()
        born = loop.time()
        self._gone.clear()
        self.connection = connection
        connection.on_lost(lambda why: self._lose(connection, why))
        watch = asyncio.create_task(self._watch(connection))
        usable = False
        try:
            if not self._gone.is_set():
                self._observe(Event("connected", where))
                usable = await self._use(connection)
            await self._gone.wait()
        except asyncio.CancelledError:
            await self._bid_farewell(connection)
            raise
        finally:
            watch.cancel()
            self.connection = None
            connection.abort()
            said = await connection.wound_up()
        if self._why == CUT and said is not None:
            self._why = said
        self.failure = f"{where}: {self._why}"
        self._observe(Event("lost", where, self._why))
        return loop.time() - born if usable else None

    async def _use(self, connection: ConnectionT) -> bool:
        try:
            await self._opened(connection)
            return True
        except asyncio.CancelledError:
            if cancelled():
                raise
            self._lose(connection, "the connection was closed")
        except Exception as error:  # noqa: BLE001  a connection that cannot be used is lost
            self._lose(connection, words(error))
        return False

    async def _watch(self, connection: ConnectionT) -> None:
        """Lose a connection whose peer has been silent: the broker sends something each half heartbeat."""
        heartbeat = connection.heartbeat
        if not heartbeat:
            return
        loop = asyncio.get_running_loop()
        patience = 1.5 * heartbeat
        while True:
            await asyncio.sleep(heartbeat / 2)
            if loop.time() - connection.heard > patience:
                # It may have been us who slept, with what it said waiting in the socket: look once more.
                await asyncio.sleep(0.1)
                if loop.time() - connection.heard > patience:
                    self._lose(connection, f"not a sign of life for {patience:g} s")
                    return

    def _lose(self, connection: ConnectionT, why: str) -> None:
        if self.connection is connection:
            self.connection = None
            self._why = why
            self._lost()
            self._gone.set()

    async def _bid_farewell(self, connection: ConnectionT) -> None:
        farewell = asyncio.ensure_future(connection.close())
        await asyncio.wait({farewell}, timeout=CLOSE_TIMEOUT)
        if not farewell.done():
            connection.abort()
            await asyncio.wait({farewell}, timeout=CLOSE_TIMEOUT)
        farewell.cancel()
        with suppress(BaseException):
            await farewell


def user_of(urls: Sequence[str]) -> str | None:
    """The user of the URLs; None where a certificate and not a password tells the broker who we are."""
    if not urls:
        raise ValueError("no broker to connect to: give at least one AMQP URL")
    url = URL(urls[0])
    return None if url.query.get("auth", "plain").lower() == "external" else url.user


def _completed(url: URL, name: str) -> URL:
    query = {"heartbeat": str(HEARTBEAT), **url.query, "name": name}
    return url.with_query(query)
