"""Files in the database: slices as they come, GO and TD, what was told of the whole, and how far their forms are.

`docs/declarations.md`, "Files". Every step can be repeated, and any number of processes may take them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from institutions.nsso import outgoing
from institutions.nsso.files import statements
from institutions.nsso.files.file import (
    KEPT,
    MOST_ANSWERS,
    MOST_NAMES,
    MOST_OF_A_PART,
    MOST_OF_A_SENDER,
    MOST_UNTOLD,
    UNTIL_COMPLETE,
    UNTIL_GO,
    Part,
    SentFile,
    go_of,
    in_order,
    judged,
    parts_row,
)
from institutions.nsso.moment import business
from institutions.nsso.office import PostgresOffice
from institutions.nsso.submission import Handled
from schemas.declarations.acrf import acrf
from schemas.declarations.file_name import FileName, FileNameError
from schemas.declarations.number import ticket
from schemas.errors import CrossroadsError
from schemas.process.log import logger

#: Slices that are deleted by one statement.
_DELETED = 64
_SIMULATED = "S"

Clock = Callable[[], datetime]


def clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


class Overtaken(CrossroadsError):  # noqa: N818  what happened
    """Another process has this file, or it was cancelled: nothing of this step is kept."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some bytes of a part."""

    transfer: str
    #: Of the FI or FS, as it was written.
    name: str
    #: Of the part; what is there of it does not count.
    part: Part
    at: int
    body: bytes


class Filing:
    """On an office's database. `now` and `today` (the business day) are the clock's where they are not given."""

    def __init__(self, office: PostgresOffice, *, now: Clock = clock, today: date | None = None) -> None:
        self._office, self._now, self._today = office, now, today

    def day_of(self, file: SentFile) -> date:
        """The business day on which it was complete: by that it is judged, however late that is done."""
        return business(file.received or self._now(), self._today).day

    # --- what comes -------------------------------------------------------------------------------------------------

    async def slice(self, sender: str, one: Slice) -> bool:
        """Some bytes came. Whether the file is complete now. Raises OfficeUnavailable, as all here."""
        async with self._office.transaction() as connection:
            name = go_of(one.name)
            file = await self._file(connection, sender, one.transfer, str(name or one.transfer))
            if file is None or file.state != "coming" or file.errors:
                return False
            known = file.parts.get(one.name)
            wrong = await self._wrong(connection, file, one, known)
            if wrong:
                return await self._noted(connection, replace(file, errors=(wrong,)))
            part = known or replace(one.part, there=0)
            new = await connection.fetchval(statements.PUT_SLICE, file.id, one.name, one.at, one.body) is not None
            if not new and known is not None:
                return False
            part = replace(part, there=part.there + len(one.body) * new)
            return await self._noted(connection, replace(file, parts={**file.parts, one.name: part}), len(one.body))

    async def _wrong(self, connection: Any, file: SentFile, one: Slice, known: Part | None) -> str:
        """The code of what cannot become right, whatever else comes."""
        if one.part.size > MOST_OF_A_PART:
            return "184"
        if known is None and len(file.parts) >= MOST_NAMES:
            return "123"
        end = one.at + len(one.body)
        announced = known or one.part
        if end > one.part.size or (announced.size, announced.sha256) != (one.part.size, one.part.sha256):
            return "102"
        waiting = await connection.fetchval(statements.BYTES_OF_SENDER, file.sender)
        return "184" if waiting + len(one.body) > MOST_OF_A_SENDER else ""

    async def _noted(self, connection: Any, file: SentFile, more: int = 0) -> bool:
        """Keep what a slice or GO said; whether the file is complete by it."""
        complete = file.complete
        await connection.execute(
            statements.NOTE,
            file.id,
            parts_row(file.parts),
            more,
            " ".join(file.errors),
            file.go,
            file.gone,
            "complete" if complete else "coming",
            self._now() if complete else None,
        )
        return complete

    async def go(self, sender: str, transfer: str, name: str) -> bool:
        """All was sent. Whether the file is complete now."""
        try:
            read = str(FileName.parse(name, "GO"))
        except FileNameError:
            read = transfer
        async with self._office.transaction() as connection:
            file = await self._file(connection, sender, transfer, read)
            if file is None:
                await self._tell(connection, sender, transfer, name, "", ("133",), f"{transfer} 133")
                return False
            if file.state != "coming" or file.go is not None:
                return False
            return await self._noted(connection, replace(file, go=name, gone=self._now()))

    async def cancel(self, sender: str, transfer: str, name: str) -> None:
        """It is not to be handled, if that has not begun."""
        try:
            go = str(FileName.parse(name, "TD").go())
        except FileNameError:
            return
        async with self._office.transaction() as connection:
            await connection.execute(statements.PUT_CANCELLED, sender, transfer, go, self._now())
            cancelled = await connection.fetchval(statements.CANCEL, sender, transfer, go)
        if cancelled is not None:
            logger().info("file cancelled", sender=sender, file=go)
            await self.forget(cancelled)

    async def _file(self, connection: Any, sender: str, transfer: str, name: str) -> SentFile | None:
        """The row of a sending, locked; made if there is none. None: another sending has its name."""
        for put in (False, True):
            if put:
                await connection.execute(statements.PUT_FILE, sender, transfer, name, self._now())
            row = await connection.fetchrow(statements.FILE_OF, sender, transfer)
            if row is not None:
                return SentFile.of_row(row)
        return None

    # --- the whole --------------------------------------------------------------------------------------------------

    async def overdue(self) -> int:
        """Files that wait too long are told so; how many. And what was told long ago is not kept."""
        now = self._now()
        async with self._office.transaction() as connection:
            late = await connection.fetch(statements.WITHOUT_GO, now - UNTIL_GO)
            for row in late:
                await self._refuse(connection, SentFile.of_row(row), ("130",), "coming")
            incomplete = await connection.fetch(statements.INCOMPLETE, now - UNTIL_COMPLETE, now)
            ended = await connection.fetch(statements.ENDED_WITH_SLICES)
            await connection.execute(statements.FORGET_BYTES, now - KEPT)
        for row in ended:
            await self.forget(row["id"])
        return len(late) + len(incomplete)

    async def forget(self, number: int) -> None:
        """Delete the slices of a file at its end, some at a time: to delete is slow where a part was large."""
        deleted = 1
        while deleted:
            async with self._office.transaction() as connection:
                deleted = len(await connection.fetch(statements.FORGET_SLICES, number, _DELETED))

    async def work(self, but: Collection[int], most: int) -> Sequence[int]:
        """Files of which something is to be done now, but these: those to be judged as a whole, then of each sender the
        first whose forms are to be handled."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.WORK, list(but), most)
        return [row["id"] for row in rows]

    async def forms(self) -> Mapping[str, int]:
        """Of the files that are not at their end, how many forms wait to be judged, wait to be told, were told."""
        async with self._office.transaction() as connection:
            return dict(await connection.fetchrow(statements.FORMS))

    async def file(self, number: int) -> SentFile | None:
        """As it is now."""
        async with self._office.transaction() as connection:
            row = await connection.fetchrow(statements.FILE, number)
        return None if row is None else SentFile.of_row(row)

    async def judged(self, file: SentFile) -> tuple[tuple[str, ...], frozenset[str]]:
        """What is wrong with a complete file before its bytes are read, and its sender's certificates."""
        async with self._office.transaction() as connection:
            row = await connection.fetchrow(statements.SENDER, file.sender)
        active = row is not None and row["active"]
        certificates = frozenset(row["certificates"].split()) if row is not None else frozenset()
        return judged(file, active=active, today=self.day_of(file)), certificates

    async def bytes_at(self, file: SentFile, part: str, at: int) -> bytes | None:
        """The slice that begins there; None: there is none."""
        async with self._office.transaction() as connection:
            found: bytes | None = await connection.fetchval(statements.SLICE, file.id, part, at)
        return found

    async def refuse(self, file: SentFile, codes: Sequence[str]) -> None:
        """It is told what is wrong with it, and its slices go. Raises Overtaken."""
        async with self._office.transaction() as connection:
            await self._refuse(connection, file, in_order(codes), "complete")
        await self.forget(file.id)

    async def _refuse(self, connection: Any, file: SentFile, codes: Sequence[str], was: str) -> None:
        if await connection.fetchval(statements.REFUSE, file.id, " ".join(codes), was) is None:
            raise Overtaken("the file is another's")
        await self._tell(connection, file.sender, file.transfer, file.called, "", codes)
        logger().info("file refused", sender=file.sender, file=file.name, errors=" ".join(codes))

    async def accept(self, file: SentFile, forms: int) -> None:
        """It is told its ticket; its forms are handled from now on. Raises Overtaken."""
        async with self._office.transaction() as connection:
            given = ticket(await connection.fetchval(statements.TICKET))
            if await connection.fetchval(statements.ACCEPT, file.id, given, forms) is None:
                raise Overtaken("the file is another's, or was cancelled")
            await self._tell(connection, file.sender, file.transfer, file.called, given, ())
        logger().info("file accepted", sender=file.sender, file=file.name, forms=forms, ticket=given)

    async def _tell(
        self,
        connection: Any,
        sender: str,
        transfer: str,
        name: str,
        given: str,
        codes: Sequence[str],
        reference: str | None = None,
    ) -> None:
        body = acrf(
            name,
            ticket=given or None,
            errors=[f"ACRF-{code}" for code in codes],
            now=business(self._now(), self._today).received,
            type="FA" if codes else "PA",
        )
        headers = {"file": name, "transfer": transfer, **({"ticket": given} if given else {})}
        await outgoing.put(connection, sender, "ACRF", reference or transfer, body, headers=headers)

    # --- its forms --------------------------------------------------------------------------------------------------

    async def progress(self, connection: Any, file: SentFile, done: int) -> None:
        """All up to this ordinal are handled, by the caller's transaction. Raises Overtaken."""
        if await connection.fetchval(statements.PROGRESS, file.id, done) is None:
            raise Overtaken("the file is another's")

    async def full(self, sender: str) -> bool:
        """Whether so much waits to be told to it that no more lists are made: it does not read, or not so fast."""
        async with self._office.transaction() as connection:
            row = await connection.fetchrow(statements.WAITING, sender, MOST_ANSWERS)
        return bool(row["answers"] >= MOST_ANSWERS or row["bytes"] >= MOST_UNTOLD)

    async def answered(self, file: SentFile, first: int, handled: Sequence[Handled]) -> None:
        """Forms of which nothing is kept but their answers: lists of workers. Raises Overtaken."""
        async with self._office.transaction() as connection:
            for number, one in enumerate(handled, first):
                headers: dict[str, str | int] = {"file": file.name, "transfer": file.transfer, "ticket": file.ticket}
                headers |= {"first": number, "count": 1}
                reference = f"{file.name}#{number}"
                await outgoing.put(connection, file.sender, one.form, reference, one.body, headers=headers)
            done = first + len(handled) - 1
            if await connection.fetchval(statements.ANSWERED, file.id, done, first - 1) is None:
                raise Overtaken("the file is another's")

    async def finish(self, file: SentFile) -> None:
        """The last form is handled: its slices go."""
        async with self._office.transaction() as connection:
            finished = await connection.fetchval(statements.FINISH, file.id)
            if file.read.environment == _SIMULATED:
                await connection.execute(statements.FORGET_SIMULATED, file.sender, file.name)
        if finished is not None:
            logger().info("file done", sender=file.sender, file=file.name, forms=file.forms)
        await self.forget(file.id)

    async def stop(self, file: SentFile, why: str) -> None:
        """It goes on when an operator says so. `why` names no data."""
        async with self._office.transaction() as connection:
            await connection.execute(statements.STOP, file.id, why)

    # --- operators --------------------------------------------------------------------------------------------------

    async def files(self, *, all_of_them: bool, most: int) -> Sequence[SentFile]:
        """The newest first: those that are not at their end, or all."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.FILES, all_of_them, most)
        return [SentFile.of_row(row) for row in rows]

    async def aside(self, *, most: int) -> Sequence[tuple[str, str, str]]:
        """Answers that cannot be told, the newest first: name of the file, or the reference; sender; why."""
        async with self._office.transaction() as connection:
            rows = await connection.fetch(statements.ASIDE, most)
        return [(row["name"], row["sender"], f"{row['form']} {row['id']}: {row['aside']}") for row in rows]

    async def go_on(self, name: str) -> int:
        """Files of this name that are stopped go on; how many."""
        async with self._office.transaction() as connection:
            return len(await connection.fetch(statements.GO_ON, name))
