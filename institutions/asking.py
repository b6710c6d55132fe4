"""One request, one answer: asked again under the same ticket when the wire fails, until the time is up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

from institutions.errors import NoAnswer, NotAllowed, OverLimit, Unreachable
from institutions.metrics import Metrics
from institutions.wire import Trouble
from schemas.wire import direct, names
from schemas.wire.transport import Line, NotConnected, Properties, Refused, Unroutable

#: Seconds before an attempt after one that failed.
_PAUSE = 0.05
#: Seconds for which a full queue is tried again: what a hub that stops gives back may fill it for a moment. And between
#: two tries: doubled each time, up to the second.
_FULL = 1.0
_BACKOFF = (0.02, 0.2)
#: Seconds between looks whether the broker refuses us, while we wait to be let in.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Reply:
    """The centre's bytes, whatever they say."""

    body: bytes = field(repr=False)
    properties: Properties = field(repr=False)
    #: Milliseconds since the first attempt.
    ms: float


class Asking:
    """An institution's requests to its centre, over one `Line`: many at a time, each answered once."""

    def __init__(self, line: Line, trouble: Trouble, institution: str, centre: str, metrics: Metrics) -> None:
        self._asker = direct.DirectAsker(line, centre=centre)
        self._trouble = trouble
        self._institution, self._metrics = institution, metrics
        counts = self._asker.counts
        metrics.watch_dropped(institution, "second_answer", lambda: counts.unknown)
        metrics.watch_dropped(institution, "answer_of_another", lambda: counts.wrong_sender)

    @property
    def connected(self) -> bool:
        return self._asker.connected

    async def start(self) -> None:
        """Begin to connect, and return at once."""
        await self._asker.start()

    async def close(self) -> None:
        await self._asker.close()

    async def let_in(self, timeout: float) -> None:
        """Return when the broker has let us in. NotAllowed as soon as it refuses, Unreachable after `timeout` seconds;
        it goes on trying."""
        deadline = monotonic() + timeout
        while not self._asker.connected:
            try:
                await self._asker.wait_connected(max(0.0, min(_LOOK, deadline - monotonic())))
            except NotConnected:
                if self._trouble.refused:
                    raise NotAllowed(self._trouble.told_refused(self._institution), None) from None
                if monotonic() >= deadline:
                    why = self._trouble.words or "no word from any node"
                    raise Unreachable(f"no broker let us in within {timeout:g} s ({why})", None) from None

    async def ask(
        self,
        body: bytes,
        *,
        service_type: str | None,
        user: str | None,
        ticket: str | None,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The centre's answer. What has a ticket is asked again when its attempt was lost; what a full queue refused is
        for a second. `headers` go beside `user`.

        Raises OverLimit, NoAnswer, Unreachable or NotAllowed. A cancelled caller leaves nothing behind.
        """
        begun = monotonic()
        full, pause = begun + min(_FULL, timeout), _BACKOFF[0]
        deadline, sent, out = begun + timeout, False, names.out(self._institution)
        properties = Properties(
            user_id=self._institution,
            type=service_type,
            headers={**(headers or {}), **({"user": user} if user is not None else {})},
        )
        try:
            while (left := deadline - monotonic()) > 0:
                if sent and ticket is None:
                    raise NoAnswer("the connection was lost, and a message without ticket is not sent twice", None)
                if sent:
                    self._metrics.asked_again(self._institution)
                    await asyncio.sleep(min(_PAUSE, left))
                await self.let_in(deadline - monotonic())
                sent = True
                try:
                    answer = await self._asker.ask(
                        out, "online", body, properties, timeout=max(0.0, deadline - monotonic())
                    )
                except (direct.ConnectionLost, direct.NoAnswer):
                    if self._trouble.refused:
                        raise NotAllowed(self._trouble.told_refused(self._institution), ticket) from None
                    continue
                except Refused:
                    if monotonic() + pause >= full:
                        raise
                    sent = False
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _BACKOFF[1])
                    continue
                return Reply(answer.body, answer.properties, (monotonic() - begun) * 1000)
        except Refused:
            raise OverLimit(
                f"{self._institution} sends more than its rate: its queue at the centre is full. Nothing was taken; "
                "send slower, and this one again later",
                ticket,
            ) from None
        except Unroutable as error:
            raise Unreachable(f"{error}. Nothing was sent", ticket) from None
        except (NotAllowed, Unreachable) as error:
            if not sent or isinstance(error, NotAllowed):
                raise type(error)(str(error), ticket) from None
        again = f"; ask again with ticket={ticket!r} to have the same exchange" if ticket else ""
        raise NoAnswer(f"no answer within {timeout:g} s{again}", ticket)
