"""Complete files: judged as a whole, then form by form handed to the office, in groups, in turn.

`docs/declarations.md`, "Files". A file of any size in the memory of one record and a group; its bytes are read twice,
and again as far as they were done by who goes on with a file.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from lxml import etree

from institutions.nsso import file_statements as statements
from institutions.nsso.files import MOST_FORMS, SentFile, may_hold
from institutions.nsso.filing import Filing, Overtaken
from institutions.nsso.office import HandlingFailed, PostgresOffice
from institutions.nsso.submission import InFile, OfficeUnavailable, Submission
from schemas.declarations.file_name import FileName, FileNameError
from schemas.declarations.form import FormError, UnknownForm
from schemas.declarations.forms import Records
from schemas.declarations.stream import Record
from schemas.parser import Malformed
from schemas.process.log import logger, told

#: Forms that are handled together, and bytes of them.
GROUP, MOST_BYTES = 200, 8 * 1_048_576
#: Files that are worked on at a time, and those of which some is read: they take turns, a group at a turn.
AT_ONCE, OPEN = 4, 64
#: Seconds between looks for files that another process made complete, or left; and for those that wait too long.
LOOK, OVERDUE = 2.0, 60.0
#: Bytes that are read without giving others their turn.
_PIECE = 65_536
_SIMULATED = "S"
_TOO_LARGE = "CRB00001"


class _Stopped(Exception):  # noqa: N818  what happened
    """Our code failed at a form."""


@dataclass(slots=True)
class _Seen:
    """What was found in a part."""

    forms: int = 0
    codes: set[str] = field(default_factory=set)


class Processing:
    """Works on the files of one office, beside any number of others.

    who: its institution, for the log. to_tell: called when senders have something to be told.
    """

    def __init__(self, office: PostgresOffice, filing: Filing, who: str, to_tell: Callable[[], None]) -> None:
        self._office, self._filing, self._who, self._to_tell = office, filing, who, to_tell
        self._wake = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        #: Groups that are held in memory; who has one waits for turns, and never the other way round.
        self._groups = asyncio.Semaphore(AT_ONCE)
        self._running: asyncio.Task[None] | None = None
        self._working: dict[int, asyncio.Task[None]] = {}
        self._ended: list[int] = []
        self._overdue = monotonic()

    @property
    def in_hand(self) -> int:
        """Files that are worked on, or wait for their turn."""
        return len(self._working)

    def start(self) -> None:
        """Work from now on."""
        self._running = asyncio.create_task(self._run())

    def wake(self) -> None:
        """A file is complete."""
        self._wake.set()

    async def close(self) -> None:
        """Drop what is in hand: nothing of it is kept that was not committed."""
        tasks = [*self._working.values(), *([self._running] if self._running is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                # Who has a file is its session's lock: when that is lost, another process may go on with it, and what
                # is done twice then is told again by the office and kept once by `progress`.
                async with self._office.session() as locks:
                    while True:
                        await self._round(locks)
            except OfficeUnavailable:
                pass  # others tell
            except Exception as error:  # noqa: BLE001  a bug in one round is no reason never to look again
                logger().error("files not looked at", institution=self._who, **told(error))
            await asyncio.sleep(LOOK)

    async def _round(self, locks: Any) -> None:
        self._wake.clear()
        while self._ended:
            await locks.execute(statements.UNLOCK_FILE, self._ended.pop())
        if monotonic() >= self._overdue:
            await self._filing.overdue()
            self._overdue = monotonic() + OVERDUE
        for number in await self._filing.work(self._working.keys(), OPEN - len(self._working)):
            if await locks.fetchval(statements.LOCK_FILE, number):
                self._working[number] = task = asyncio.create_task(self._work(number))
                task.add_done_callback(lambda _, number=number: self._end(number))  # type: ignore[misc]
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._wake.wait()

    def _end(self, number: int) -> None:
        del self._working[number]
        self._ended.append(number)
        self._wake.set()

    async def _work(self, number: int) -> None:
        """One step of a file: the whole, or its forms."""
        file = None
        try:
            file = await self._filing.file(number)
            if file is None or file.stopped is not None:
                return
            if file.state == "complete":
                await self._judge(file)
            elif file.state == "accepted":
                await self._handle(file)
        except Overtaken:
            logger().info("file is another's", institution=self._who, file=None if file is None else file.name)
            await asyncio.sleep(LOOK)
        except OfficeUnavailable:
            await asyncio.sleep(LOOK)
        except Exception as error:  # noqa: BLE001  it stops alone, and operators look
            why = str(error) if isinstance(error, _Stopped) else "{exception} at {place}".format(**told(error))
            name = "" if file is None else file.name
            logger().error("file stopped", institution=self._who, file=name, why=why)
            if file is not None:
                with suppress(OfficeUnavailable):
                    await self._filing.stop(file, why)

    # --- the whole -----------------------------------------------------------------------------------------------

    async def _judge(self, file: SentFile) -> None:
        wrong, certificates = await self._filing.judged(file)
        codes, forms = set(wrong), 0
        with suppress(FileNameError):
            name = FileName.parse(file.go or "", "GO")
            for number in range(1, name.parts + 1):
                part = file.parts.get(str(name.fi(number)))
                if part is not None and part.whole and part.size:
                    seen = await self._seen(file, name, number, certificates)
                    codes |= seen.codes
                    forms += seen.forms
        if forms > MOST_FORMS:
            codes.add("172")
        if codes:
            await self._filing.refuse(file, tuple(codes))
        else:
            await self._filing.accept(file, forms)
        self._to_tell()

    async def _seen(self, file: SentFile, name: FileName, number: int, certificates: Collection[str]) -> _Seen:
        """One part and its signature."""
        from schemas.declarations.signature import Signature, SignatureError  # takes long to import

        seen, text = _Seen(), await self._signature(file, str(name.fs(number)))
        signature = None
        if text is not None and name.environment != _SIMULATED:
            if text and hashlib.sha256(text).hexdigest() != file.parts[str(name.fs(number))].sha256:
                seen.codes.add("102")
            try:
                signature = Signature.parse(text)
            except SignatureError:
                seen.codes.add("125")
        digests = {one: hashlib.new(one) for one in {"sha256", "sha256" if signature is None else signature.digest}}
        reading = _Reading(self._office, name, seen)
        async with aclosing(self._pieces(file, str(name.fi(number)))) as pieces:
            async for piece in pieces:
                for digest in digests.values():
                    digest.update(piece)
                reading.feed(piece)
        reading.end()
        if digests["sha256"].hexdigest() != file.parts[str(name.fi(number))].sha256:
            seen.codes.add("102")
        if signature is not None:
            day = self._filing.day_of(file)
            seen.codes.update(signature.judged(digests[signature.digest].digest(), day, certificates))
        return seen

    async def _signature(self, file: SentFile, name: str) -> bytes | None:
        """An FS as it was sent, empty where it is longer than any may be; None: there is none."""
        from schemas.declarations.signature import MOST

        part = file.parts.get(name)
        if part is None or not part.whole:
            return None
        if part.size > MOST:
            return b""
        async with aclosing(self._pieces(file, name)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def _pieces(self, file: SentFile, part: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a part, as far as they are without a gap; others have their turn in between."""
        at, size = 0, file.parts[part].size
        while at < size:
            async with self._turns:
                body = await self._filing.bytes_at(file, part, at)
            if not body:
                return
            for begin in range(0, len(body), _PIECE):
                yield body[begin : begin + _PIECE]
                await asyncio.sleep(0)
            at += len(body)

    # --- its forms ------------------------------------------------------------------------------------------------

    async def _handle(self, file: SentFile) -> None:
        name, done = file.read, file.done
        # Of a list of workers nothing is kept but the answer, which may be large.
        kept, most = name.type != "PFRQ", 1 if name.type == "PFRQ" else GROUP
        async with aclosing(self._submissions(file, name)) as submissions:
            # The way to what is not done may be long: nobody's group waits for it.
            one = await anext(submissions, None)
            while done < file.forms:
                async with self._groups:
                    group: list[Submission] = []
                    size = 0
                    while one is not None and len(group) < most and size < MOST_BYTES:
                        group.append(one)
                        size += len(one.body)
                        one = await anext(submissions, None)
                    if not group:
                        raise _Stopped(f"its bytes hold {done} forms, of {file.forms}")
                    async with self._turns:
                        await self._handled(file, done, group, kept)
                self._to_tell()
                done += len(group)
        await self._filing.finish(file)

    async def _handled(self, file: SentFile, before: int, group: Sequence[Submission], kept: bool) -> None:
        """Forms behind those that are done; one at which our code fails is found, and those before it are kept."""

        async def within(connection: Any, done: int) -> None:
            await self._filing.progress(connection, file, before + done)

        try:
            if kept:
                await self._office.handle(group, within=within)
            else:
                await self._filing.answered(file, before + 1, await self._office.handle(group))
        except HandlingFailed as error:
            now = await self._filing.file(file.id)
            rest = group[max(0, (before if now is None else now.done) - before) :]
            if len(rest) == 1:
                ordinal = before + len(group)
                raise _Stopped(f"form {ordinal}: {error}") from None
            for number, one in enumerate(rest, before + len(group) - len(rest)):
                await self._handled(file, number, [one], kept)

    async def _submissions(self, file: SentFile, name: FileName) -> AsyncGenerator[Submission, None]:
        """Its forms that are not done, in order."""
        ordinal, received = 0, file.received
        assert received is not None  # noqa: S101 - it was complete
        for number in range(1, name.parts + 1):
            reader = Records(self._office.forms, check=False)
            async with aclosing(self._pieces(file, str(name.fi(number)))) as pieces:
                async for piece in pieces:
                    for record in reader.feed(piece):
                        ordinal += 1
                        if ordinal > file.done:
                            yield _submission(file, name, ordinal, record, received)
            for record in reader.end():
                ordinal += 1
                if ordinal > file.done:
                    yield _submission(file, name, ordinal, record, received)


class _Reading:
    """Looks through one part: well-formed to its end, one root that may be there, forms and nothing else below it."""

    def __init__(self, office: PostgresOffice, name: FileName, seen: _Seen) -> None:
        self._records, self._name, self._seen = Records(office.forms, check=False), name, seen
        self._broken = False

    def feed(self, piece: bytes) -> None:
        if not self._broken:
            self._take(piece)

    def end(self) -> None:
        if not self._broken:
            self._take(None)
        release = self._records.release
        if release is not None and not may_hold(self._name, release.form):
            self._seen.codes.add("158")
        elif release is not None and not self._seen.forms and not self._broken:
            self._seen.codes.add("142")

    def _take(self, piece: bytes | None) -> None:
        try:
            for record in self._records.end() if piece is None else self._records.feed(piece):
                if record.element is None or record.element.tag != "Form":
                    self._seen.codes.add("137")
                elif self._seen.forms <= MOST_FORMS:
                    self._seen.forms += 1
        except Malformed as error:
            self._broken = True
            self._seen.codes.add("184" if error.code == _TOO_LARGE else "102")
        except UnknownForm:
            self._broken = True
            self._seen.codes.add("135")
        except FormError:
            self._broken = True
            self._seen.codes.add("136")


def _submission(file: SentFile, name: FileName, ordinal: int, record: Record, received: datetime) -> Submission:
    root = record.taken()
    return Submission(
        file.sender,
        f"{file.name}#{ordinal}",
        etree.tostring(root),
        received,
        name.environment,
        InFile(file.name, ordinal, file.ticket, record.line),
        root,
    )
