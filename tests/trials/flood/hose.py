"""An institution's messages written as bytes prepared beforehand, at next to no cost.

What a flooder's machine spends on its flood is nobody's concern, but in a trial it stands on the same two cores as
those who must not notice. A client library takes half a core for 1,500 messages a second; this takes a twentieth.
"""

import asyncio
import re
import struct
from collections.abc import Callable, Sequence
from uuid import uuid4

from pamqp import commands

from schemas.address import Address
from schemas.ticket import ticket_cbss
from schemas.wire import names
from tests.trials.broken.raw import PATIENCE, Raw, framed, header_of
from tests.trials.flood.result import CODE, TICKET, Result

#: Seconds between two writes; what came due meanwhile leaves together.
BREATH = 0.01
_HEADER, _BODY = 2, 3
_END = 1  # the byte behind a frame's payload
_FRAME = struct.Struct(">BHI")
_BASIC_ACK, _BASIC_NACK = b"\0\x3c\0\x50", b"\0\x3c\0\x78"
_WRITTEN = re.compile(rb"<ticket>([0-9a-f-]{36})</ticket>")


class Hose(Raw):
    """One connection of an institution that asks the same service again and again."""

    def __init__(self, address: Address, url: str, type_: str, bodies: Sequence[bytes]) -> None:
        super().__init__(url)
        self._address, self._bodies = address, bodies
        properties = {
            "correlation_id": "flood",
            "reply_to": names.DIRECT_REPLY_TO,
            "user_id": str(address),
            "message_type": type_,
            "content_type": "application/xml",
            "delivery_mode": 2,
        }
        publish = self.method(commands.Basic.Publish(exchange=names.out(address), routing_key="online", mandatory=True))
        self._before = [publish + framed(_HEADER, 1, header_of(properties, len(body))) for body in bodies]
        #: Tickets by the broker's number of their message, until it says what became of it.
        self._unconfirmed: dict[int, str] = {}
        self._published = 0
        self._open_answers = 0
        self._settled = asyncio.Event()

    async def flood(self, rate: float, until: Callable[[], bool]) -> Result:
        """Ask at this rate, evenly, and wait for what becomes of each."""
        result, loop = Result(), asyncio.get_running_loop()
        reading = loop.create_task(self._read(result))
        began = loop.time()
        while not until():
            self._write(int((loop.time() - began) * rate) - result.asked, result)
            await asyncio.sleep(BREATH)
        result.seconds = loop.time() - began
        async with asyncio.timeout(PATIENCE):
            await self._settled.wait()
        reading.cancel()
        await asyncio.wait((reading,))
        return result

    def _write(self, count: int, result: Result) -> None:
        pieces = []
        for _ in range(count):
            which, ticket = self._published % len(self._bodies), str(uuid4())
            self._published += 1
            self._unconfirmed[self._published] = ticket
            self._settled.clear()
            body = self._bodies[which].replace(TICKET, ticket.encode())
            pieces += (self._before[which], framed(_BODY, 1, body))
        result.asked += max(count, 0)
        if pieces and self._writer is not None:
            self._writer.write(b"".join(pieces))

    async def _read(self, result: Result) -> None:
        assert self._reader is not None
        rest = b""
        while heard := await self._reader.read(1 << 18):
            rest += heard
            at = 0
            while len(rest) - at >= _FRAME.size:
                kind, _, size = _FRAME.unpack_from(rest, at)
                end = at + _FRAME.size + size
                if len(rest) < end + _END:
                    break
                self._take(kind, rest[at + _FRAME.size : end], result)
                at = end + _END
            rest = rest[at:]

    def _take(self, kind: int, payload: bytes, result: Result) -> None:
        """A confirm, a refusal, or the body of an answer, which comes in one frame; all else says nothing new."""
        if kind == _BODY:
            code, ticket = CODE.search(payload), _WRITTEN.search(payload)
            assert ticket is not None
            self._open_answers -= 1
            result.ended[code[1].decode() if code else "no code"] += 1
            result.answered.append(str(ticket_cbss(self._address, ticket[1].decode())))
        elif payload[:4] in (_BASIC_ACK, _BASIC_NACK):
            tag, flags = struct.unpack_from(">QB", payload, 4)
            tags = [one for one in self._unconfirmed if one <= tag] if flags & 1 else [tag]
            settled = [self._unconfirmed.pop(one) for one in tags]
            if payload[:4] == _BASIC_NACK:
                result.ended["refused"] += len(settled)
                result.refused += settled
            else:
                self._open_answers += len(settled)
        if not self._unconfirmed and not self._open_answers:
            self._settled.set()
