"""What senders are told unasked: `outgoing`, and the notifications of files, made from the rows of their declarations.

`docs/declarations.md`, "Telling". At least once: confirmed by the broker, then marked.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from institutions.nsso import file_statements as statements
from institutions.nsso.files import SentFile
from institutions.nsso.office import PostgresOffice
from institutions.nsso.rows import Declaration
from institutions.nsso.submission import OfficeUnavailable
from schemas.declarations.notification import notification
from schemas.parser import MAX_ONLINE
from schemas.process.log import logger, told
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, Unconfirmed, Unroutable

#: Forms of a file in one message, and messages on their way to one sender.
FORMS, MESSAGES = 100, 8
#: Of `outgoing`, taken at a time.
_MOST, _BYTES = 100, 8 * MAX_ONLINE
#: Bytes of a slice.
_SLICE = 262_144
#: Seconds between looks, that a queue which takes nothing is left, and until what was not confirmed is told again.
LOOK, REST, AGAIN = 1.0, 60.0, 1.0
_NOTIFICATION = "NOTIFICATION"
_SIMULATED = "S"
#: Types in the names of answers that come in slices; of others the form's name.
_TYPES = {"PersonnelFileConsultationAnswer": "PFAN", "DmfAPID": "DMPI", _NOTIFICATION: "NOTI"}

Headers = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class _Message:
    """One that is published."""

    type: str
    body: bytes = field(repr=False)
    headers: Headers
    content_type: str = "application/xml"


class Telling:
    """Tells the senders of one office over `transport`, as `user`. One process does it at a time."""

    def __init__(self, office: PostgresOffice, transport: Transport, user: str) -> None:
        self._office, self._transport, self._user = office, transport, user
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._lanes: dict[str, asyncio.Task[None]] = {}
        #: Senders that are left alone, and until when.
        self._resting: dict[str, float] = {}

    def start(self) -> None:
        """Tell from now on."""
        self._running = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    async def close(self) -> None:
        """Tell no more; what was not confirmed is told by who goes on."""
        tasks = [*self._lanes.values(), *([self._running] if self._running is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._office.session() as session:
                    while not await session.fetchval(statements.LOCK_TELLING):  # noqa: ASYNC110 - another process has it
                        await asyncio.sleep(LOOK)
                    while True:
                        await self._round(session)
            except OfficeUnavailable:
                pass  # others tell
            except Exception as error:  # noqa: BLE001  a bug in one round is no reason never to look again
                logger().error("not told", institution=self._user, **told(error))
            await asyncio.sleep(LOOK)

    async def _round(self, session: Any) -> None:
        self._wake.clear()
        now = monotonic()
        self._resting = {sender: until for sender, until in self._resting.items() if until > now}
        for row in await session.fetch(statements.TO_TELL):
            sender = row["sender"]
            if sender not in self._lanes and sender not in self._resting:
                self._lanes[sender] = task = asyncio.create_task(self._lane(sender))
                task.add_done_callback(lambda _, sender=sender: self._lanes.pop(sender, None))  # type: ignore[misc]
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._wake.wait()

    async def _lane(self, sender: str) -> None:
        """All that is to be told to one sender, or until its queue takes no more: nobody else waits for it."""
        try:
            while await self._outgoing(sender) or await self._answers(sender):
                pass
        except OfficeUnavailable:
            pass
        except (Refused, Unroutable) as error:
            why = "it is full" if isinstance(error, Refused) else "it is not there"
            logger().warning("answers wait", institution=self._user, queue=_queue(sender), why=why)
            self._resting[sender] = monotonic() + REST
        except Unconfirmed:
            self._resting[sender] = monotonic() + AGAIN
        except Exception as error:  # noqa: BLE001  it stops nobody else's
            logger().error("not told", institution=self._user, queue=_queue(sender), **told(error))
            self._resting[sender] = monotonic() + REST

    async def _outgoing(self, sender: str) -> bool:
        """Whether there was something. Raises what publishing raises, with all marked that was confirmed."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.OUTGOING, sender, _MOST, _BYTES)
        messages = [_messages(sender, row) for row in rows]
        outcomes = await self._published(sender, messages)
        confirmed = [row["id"] for row, error in zip(rows, outcomes, strict=True) if error is None]
        if confirmed:
            async with self._office.transaction() as connection:
                await connection.execute(statements.TOLD, confirmed)
        _raise(outcomes)
        return bool(rows)

    async def _answers(self, sender: str) -> bool:
        """The same of the next notifications of the sender's first file."""
        async with self._office.transaction() as connection:
            row = await connection.fetchrow(statements.UNTOLD, sender)
            if row is None:
                return False
            file, language = SentFile.of_row(row), await connection.fetchval(statements.LANGUAGE, sender)
            last = min(file.done, file.told + FORMS * MESSAGES)
            keys = [f"{file.name}#{ordinal}" for ordinal in range(file.told + 1, last + 1)]
            found = await connection.fetch(statements.ANSWERS, sender, file.read.environment, keys)
        declarations = {row["key"]: Declaration.of_row(row) for row in found}
        messages, ends = list[list[_Message]](), list[int]()
        for first in range(file.told + 1, last + 1, FORMS):
            end = min(first + FORMS - 1, last)
            messages.append(_notifications(file, first, end, declarations, language or "NL"))
            ends.append(end)
            await asyncio.sleep(0)
        outcomes = await self._published(sender, messages)
        until = next((place for place, error in enumerate(outcomes) if error is not None), len(outcomes))
        if until:
            async with self._office.transaction() as connection:
                await connection.execute(statements.TOLD_UP_TO, file.id, ends[until - 1])
                if file.read.environment == _SIMULATED:
                    told_of = keys[: ends[until - 1] - file.told]
                    await connection.execute(statements.FORGET_TOLD, sender, told_of)
        _raise(outcomes)
        return True

    async def _published(self, sender: str, messages: Sequence[Sequence[_Message]]) -> list[BaseException | None]:
        """What became of each, in their order: None, all of it is confirmed."""

        found: list[BaseException | None] = [None] * len(messages)
        # Begun in their order, so that they come in it.
        parts = [(place, part) for place, message in enumerate(messages) for part in message]
        for at in range(0, len(parts), MESSAGES):
            some = parts[at : at + MESSAGES]
            told_of = await asyncio.gather(*(self._publish(sender, part) for _, part in some), return_exceptions=True)
            for (place, _), error in zip(some, told_of, strict=True):
                found[place] = found[place] or error
            if (error := next(filter(None, told_of), None)) is not None:
                # What comes behind waits for it.
                behind = {place for place, _ in parts[at + MESSAGES :]}
                return [one or (error if place in behind else None) for place, one in enumerate(found)]
        return found

    async def _publish(self, sender: str, message: _Message) -> None:
        of_file = message.headers.get("go", message.headers.get("file"))
        properties = Properties(
            user_id=self._user,
            correlation_id=None if of_file is None else str(of_file),
            type=message.type,
            content_type=message.content_type,
            headers={name: value for name, value in message.headers.items() if name != "go"},
        )
        await self._transport.publish("", _queue(sender), message.body, properties)


def _queue(sender: str) -> str:
    return names.answers(names.sender_user(sender))


def _raise(outcomes: Sequence[BaseException | None]) -> None:
    for error in outcomes:
        if error is not None:
            raise error


def _messages(sender: str, row: Any) -> list[_Message]:
    """Of a row of `outgoing`: one, or slices of what is too long for one."""
    headers, form, body = json.loads(row["headers"]), row["form"], row["body"]
    if len(body) <= MAX_ONLINE:
        return [_Message(form, body, headers)]
    go = headers.get("file")
    whose = f"{sender}.{row['reference']}" if go is None else f"{go.partition('.')[2].partition('.')[2]}"
    name = f"FO.{_TYPES.get(form, form)}.{whose}"
    if "first" in headers:
        name += f".{headers['first']}"
    said = {
        **headers,
        **({} if go is None else {"go": go}),
        "file": name,
        "transfer": str(uuid5(NAMESPACE_OID, f"{sender}/{form}/{row['reference']}")),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return [
        _Message("slice", body[at : at + _SLICE], {**said, "offset": at}, "application/octet-stream")
        for at in range(0, len(body), _SLICE)
    ]


def _notifications(
    file: SentFile, first: int, last: int, declarations: Mapping[str, Declaration], language: str
) -> list[_Message]:
    """The forms of these ordinals, as many in a message as fit."""
    found = [declarations.get(f"{file.name}#{ordinal}") for ordinal in range(first, last + 1)]
    told_of = [one for one in found if one is not None]
    if len(told_of) < len(found):
        if len(found) == 1:
            logger().error("no declaration to tell", file=file.name, form=first)
            return []
        return _halves(file, first, last, declarations, language)
    # When the last of them was judged: who is told twice is told the same.
    body = notification([one.told(language) for one in told_of], told_of[-1].at)
    if len(body) > MAX_ONLINE and len(found) > 1:
        return _halves(file, first, last, declarations, language)
    headers: Headers = {
        "file": file.name,
        "transfer": file.transfer,
        "ticket": file.ticket,
        "first": first,
        "count": len(found),
    }
    return [_Message(_NOTIFICATION, body, headers)]


def _halves(
    file: SentFile, first: int, last: int, declarations: Mapping[str, Declaration], language: str
) -> list[_Message]:
    middle = (first + last) // 2
    return [
        *_notifications(file, first, middle, declarations, language),
        *_notifications(file, middle + 1, last, declarations, language),
    ]
