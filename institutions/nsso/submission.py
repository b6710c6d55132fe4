"""One form handed in, and what became of it: the seam between the sender network and the NSSO's own work.

`docs/declarations.md`. The network's side (`intake`) makes `Submission`s out of deliveries and files; the office's side
judges and keeps them, many in one transaction, and gives a `Handled` each, in their order.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from lxml import etree

from schemas.declarations.outcome import Environment, Result
from schemas.errors import CrossroadsError

#: Form of what is answered, its name in `schemas/declarations`; also the property `type` on the wire.
AnswerForm = Literal["NOTIFICATION", "ACRF", "PersonnelFileConsultationAnswer"]
#: What the caller keeps in the office's own transaction (the connection): called before each commit, with how many of
#: the submissions are done then.
Within = Callable[[Any, int], Awaitable[None]]


class OfficeUnavailable(CrossroadsError):  # noqa: N818  the word callers say
    """The NSSO's database is away: nothing was kept of what was handed in, or all of it, or some; hand it in again."""


@dataclass(frozen=True, slots=True)
class InFile:
    """Where a form stands that came in a file."""

    #: Name of the go-file, `GO.DIMN.123456.20261128.00001.R.1`.
    name: str
    #: 1 … n, counted over all parts.
    ordinal: int
    #: Ticket that the file was given.
    ticket: str
    #: Line of the form in its part, from 1: anomalies are told with lines of the file.
    line: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One form, by a sender whom the broker vouches for."""

    #: Sender number, 6 digits.
    sender: str
    #: The sender's key of this form. The same key with the same bytes is the same declaration, told again; with other
    #: bytes it is refused. On line the header `key`; of a form in a file `<name>#<ordinal>`.
    key: str
    #: A structured message with exactly one Form, as bytes; nothing of it was checked.
    body: bytes = field(repr=False)
    #: When it came, aware: lateness is counted from here.
    received: datetime
    environment: Environment = "R"
    file: InFile | None = None
    #: `body` as who read the file parsed it; None: the office parses it. In a file a form may be larger than 1 MiB.
    root: etree._Element | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a submission. When it is given out it is committed.

    Of a form in a file it is a NOTIFICATION, or the list of workers that was asked for; on line an ACRF answers what is
    no form.
    """

    form: AnswerForm
    #: The answer's bytes, valid against its schema.
    body: bytes = field(repr=False)
    result: Result
    #: The ticket given to the form, 13 characters; empty where nothing was kept (a list of workers, what is no form).
    ticket: str
    #: It came before: the same outcome is told again, and nothing was done.
    again: bool = False


class Office(Protocol):
    """Who handles forms. Any number of processes may, on one database."""

    async def handle(self, submissions: Sequence[Submission], *, within: Within | None = None) -> Sequence[Handled]:
        """Judge them one after the other, in this order, as if each had come alone, and commit them together, but for
        those that are handled alone (`clerks.CLERKS`): each of these has a commit of its own, and so has what stands
        between two of them.

        At most 200 at a time. Raises OfficeUnavailable; whatever else it raises is a bug met in one of them, and names
        no data. Either way what was committed stays, and nothing is kept of what was not: who called hands them in
        again, after a bug one by one, and what was kept is told again under its key. What `within` raises of
        CrossroadsError comes out as it is, and nothing is kept then of what it was called for.
        Cancelled before a commit it keeps nothing of what that would have kept.
        """
        ...
