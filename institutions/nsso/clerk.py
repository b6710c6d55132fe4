"""A form that is handled alone, in a transaction of its own: what its clerk is given by the office, and gives back.

`docs/declarations.md`, "A form, exactly". The office does what is the same for all forms, once: receipt, key, schema,
ticket, the row of the declaration, the answer. What a form does to its own tables is its clerk's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

from lxml import etree

from institutions.nsso import statements
from institutions.nsso.employers import Directory, candidates
from institutions.nsso.moment import Moment
from institutions.nsso.reading_form import Read
from institutions.nsso.register import Employer, Sender
from institutions.nsso.rows import employer_of, mandate_of
from institutions.nsso.submission import Submission
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.head import EmployerNumbers, Head
from schemas.declarations.outcome import Result
from schemas.employer import NssoNumber


@dataclass(frozen=True, slots=True)
class Case:
    """One form, as its schema wants it, in its transaction, with its key locked and not used before."""

    #: asyncpg's, within the transaction.
    connection: Any
    read: Read = field(repr=False)
    #: Active.
    sender: Sender
    #: When it was received, on the business calendar.
    moment: Moment
    #: When it is judged: the business day, the database's time of day.
    now: Moment
    #: That of the declaration.
    ticket: str
    #: In which world it is declared, R or T: a simulation in what is real, and taken back.
    world: str

    @property
    def form(self) -> etree._Element:
        """The element Form."""
        assert self.read.form is not None  # noqa: S101 - what is no form comes to no clerk
        return self.read.form

    @property
    def head(self) -> Head:
        return self.read.head

    @property
    def submission(self) -> Submission:
        return self.read.submission

    async def lock(self, numbers: Iterable[int]) -> datetime:
        """Take these advisory locks too, to the end of the transaction. The database's clock behind them: what is known
        from now on begins with it, and is no older than what was committed under one of them, unless that clock was
        set back."""
        await self.connection.execute(statements.LOCK, sorted(set(numbers)))
        clock: datetime = await self.connection.fetchval(statements.CLOCK)
        return clock

    async def employer(self, numbers: EmployerNumbers, path: str) -> Employer | Anomaly:
        """The employer that these numbers, written below the Form at `path`, name, and for which this sender may
        declare on the day of receipt; else what is wrong, 90256-155 where only the mandate is missing."""
        day, sender = self.moment.day, self.sender.number
        _, employers, mandates = await self.connection.fetchrow(
            statements.REGISTER, [sender], *candidates(numbers), [], day, day
        )
        directory = Directory(map(employer_of, employers), map(mandate_of, mandates))
        found = directory.meant(numbers, sender, day, path)
        if isinstance(found, Employer) and not directory.mandated(sender, found.nsso, day):
            return Anomaly("90256", "155", path.rpartition("/")[2], None, path)
        return found

    async def employer_locked(
        self, numbers: EmployerNumbers, path: str, lock: Callable[[NssoNumber], int]
    ) -> tuple[Employer, datetime] | Anomaly:
        """As `employer`, with the employer's lock taken: it is looked for again behind it, since the mandate may have
        been withdrawn while it was waited for. With the clock behind it."""
        found = await self.employer(numbers, path)
        while isinstance(found, Employer):
            clock = await self.lock([lock(found.nsso)])
            meant, found = found, await self.employer(numbers, path)
            if isinstance(found, Employer) and found.nsso == meant.nsso:
                return found, clock
        return found


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of it. Refused, nothing of what its clerk wrote is kept."""

    result: Result
    #: With paths from the Form.
    anomalies: Sequence[Anomaly] = field(default=(), repr=False)
    #: Why a declaration was refused as a whole (field digest 6.2), each 0 to 9.
    diagnosis: Sequence[int] = ()

    @classmethod
    def by(cls, anomalies: Sequence[Anomaly], diagnosis: Sequence[int] = ()) -> Self:
        """Refused with any that blocks, or any diagnosis; else accepted, with a warning where there is an anomaly."""
        if diagnosis or any(one.blocks for one in anomalies):
            return cls(Result.REFUSED, anomalies, diagnosis)
        return cls(Result.WARNED if anomalies else Result.ACCEPTED, anomalies)


class Clerk(Protocol):
    """Who handles one kind of form."""

    async def handle(self, case: Case) -> Decided:
        """Judge it, and write what it does, within the transaction. May take further locks, in the order of their
        numbers. Raises nothing for what a sender wrote; called again for the same form where a commit failed."""
        ...
