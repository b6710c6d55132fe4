"""What comes to a sender without its waiting for it: `sender-<number>.answers`, one message after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from institutions.report import Report, Reporter, What
from schemas.process.log import place
from schemas.wire import names
from schemas.wire.transport import Delivery, Properties, Transport

#: Messages in hand, of which one is handed on. One may tell of a hundred forms.
PREFETCH = 20
#: Seconds until a message that could not be taken is handed on again: at first, and at most.
AGAIN, LONGEST = 0.5, 30.0
#: Seconds that a close waits for the message in hand.
DRAIN = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """A message, as the NSSO sent it. What it says is in no repr."""

    body: bytes = field(repr=False)
    #: `NOTIFICATION`, `ACRF`, `IDFLUX` …
    form: str
    #: Of what was handed in on line.
    key: str | None
    properties: Properties = field(repr=False)
    redelivered: bool = False

    @property
    def file(self) -> str | None:
        """The name of the GO of the file that it answers; None: it answers none."""
        name = self.properties.headers.get("file")
        return name if isinstance(name, str) else None


Receiver = Callable[[Told], Awaitable[None]]
#: Asked first; True: it has taken the message, and has it for good.
Taker = Callable[[Told], Awaitable[bool]]


class Answers:
    """The queue's reader: one at a time has it, whoever else reads waits. A message is acked when its receiver has
    returned; one that no receiver is for stays, reported, and those behind it too: nothing is lost."""

    def __init__(self, user: str, centre: str, report: Reporter) -> None:
        self._user, self._centre, self._report = user, centre, report
        self._receivers: dict[str, Receiver] = {}
        self._takers: list[Taker] = []
        self._rest: Receiver | None = None
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._busy, self._stop = asyncio.Lock(), asyncio.Event()
        self._transport: Transport | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is a receiver."""
        return bool(self._receivers)

    def on(self, form: str, receiver: Receiver) -> None:
        """`receiver` gets the messages of this form; `""`: of every other."""
        self._receivers[form] = receiver

    def first(self, taker: Taker) -> None:
        """Ask `taker` of each message before its receiver gets it; until `no_more`."""
        self._takers.append(taker)

    def no_more(self, taker: Taker) -> None:
        self._takers.remove(taker)

    def rest(self, receiver: Receiver | None) -> None:
        """`receiver` gets what neither a taker nor a receiver is for; None: it stays in the queue."""
        self._rest = receiver

    async def start(self, transport: Transport) -> bool:
        """Read over `transport`. False: the queue is not there (yet); it is tried again."""
        self._transport, self._waiting = transport, asyncio.Queue()
        self._stop.clear()
        self._working = asyncio.create_task(self._work(transport))
        return await transport.consume(names.answers(self._user), self._waiting.put_nowait, prefetch=PREFETCH)

    async def close(self) -> None:
        """Take no more, and finish the message in hand within `DRAIN`; the others go back."""
        self._stop.set()
        if self._transport is not None:
            await self._transport.cancel(names.answers(self._user))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN), self._busy:
                pass
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self, transport: Transport) -> None:
        while True:
            delivery = await self._waiting.get()
            pause = AGAIN
            while transport.stands(delivery) and not self._stop.is_set():
                async with self._busy:
                    if await self._take(delivery):
                        await transport.ack(delivery)
                        break
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
                pause = min(2 * pause, LONGEST)

    async def _take(self, delivery: Delivery) -> bool:
        """Whether it is done with."""
        properties = delivery.properties
        if properties.user_id != self._centre:
            self._tell("wrong sender", properties)
            return True
        key = properties.headers.get("key")
        told = Told(
            delivery.body,
            properties.type or "",
            key if isinstance(key, str) else None,
            properties,
            delivery.redelivered,
        )
        try:
            for taker in tuple(self._takers):
                if await taker(told):
                    return True
            receiver = self._receivers.get(told.form) or self._receivers.get("") or self._rest
            if receiver is None:
                self._tell("nobody receives", properties)
                return False
            await receiver(told)
        except Exception as error:  # noqa: BLE001  whatever the sender's code does, the message is kept
            self._tell("not taken", properties, f"{type(error).__qualname__} at {place(error.__traceback__)}")
            return False
        return True

    def _tell(self, what: What, properties: Properties, why: str = "") -> None:
        self._report(Report(what, self._user, properties.type or "unknown", None, why))
