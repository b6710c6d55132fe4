"""What goes into the journal and what it says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from hub.repertory.rules import RowId
from schemas.address import Address
from schemas.ssin import Ssin

#: How long the key of an exchange is kept: of a consultation, and of what changes something.
CONSULTATION = timedelta(days=1)
CHANGE = timedelta(days=30)

Verdict = Literal["admitted", "refused"]

#: A supplier that was asked on line, and the milliseconds until its reply was there; None: it was silent.
Took = tuple[Address, int | None]

#: | kind | says |
#: |---|---|
#: | decision | the first verdict on a ticket; one a ticket |
#: | outcome | what the customer was told; one a ticket |
#: | resumed | the same ticket and content came again, and was judged again |
#: | repeated | an answer told again, after the outcome |
#: | other | the ticket came with other content: CRB00009, or the code of an earlier check |
#: | busy | CRB00014, 21, 22: no verdict, and the ticket is not used up; of 21 and 22 the first of a ticket and pause |
#: | intermediate | the customer was told that the answer comes later |
Kind = Literal["decision", "outcome", "resumed", "repeated", "other", "busy", "intermediate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict on a request, to be committed before anything leaves.

    The same object may be written again: it counts once.
    """

    ticket_cbss: UUID
    sender: Address
    #: None: it could not be told for whom.
    customer: Address | None
    verdict: Verdict
    #: Of a refusal; None where admitted.
    code: str | None
    #: When the hub had the request; with a time zone.
    received: datetime
    #: Of the request's body: what makes two requests under one ticket the same.
    request_sha256: bytes
    #: As the customer wrote it.
    ticket: str | None = None
    #: 11 digits: a program's number is written as it is, an end user's SSIN as its keyed hash.
    user: str | None = field(default=None, repr=False)
    #: `Name/version`, as the catalogue has it.
    service: str | None = None
    legal_context: str | None = None
    #: The person asked about; only its keyed hash is written.
    ssin: Ssin | None = field(default=None, repr=False)
    quality: int | None = None
    authorisation: RowId | None = None
    suppliers: tuple[Address, ...] = ()
    #: Elements that will be cut.
    without: tuple[str, ...] = ()
    #: How long the ticket is kept.
    keep: timedelta = CONSULTATION
    #: Tells this decision from another on the same ticket.
    claim: UUID = field(default_factory=uuid4, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the customer is told, to be committed before it is published.

    The same object may be written again: it counts once.
    """

    ticket_cbss: UUID
    #: A status value (`DATA_FOUND`, ...) or `fault`.
    value: str
    code: str
    replied: datetime
    #: Of the answer's body.
    answer_sha256: bytes
    #: Elements that were cut.
    filtered: tuple[str, ...] = ()
    #: Suppliers whose part is missing.
    silent: tuple[Address, ...] = ()
    #: When the first question left; None: nobody was asked.
    asked: datetime | None = None
    #: Who was asked, in the order of the parts.
    took: tuple[Took, ...] = ()
    claim: UUID = field(default_factory=uuid4, repr=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """It is the decision on this ticket, and committed."""


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome as the ticket remembers it."""

    value: str
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Repeat:
    """The ticket was decided before, on the same content; a `resumed` row is committed. Below is that decision."""

    verdict: Verdict
    code: str | None
    suppliers: tuple[Address, ...]
    decided: datetime
    #: What was told; None: not yet, by another hub still at work or by none.
    outcome: Told | None


@dataclass(frozen=True, slots=True)
class OtherContent:
    """The ticket was used for other content: CRB00009. A row that says so is committed, and no outcome is wanted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal, as it is read. It never holds a person's number."""

    number: int
    at: datetime
    kind: Kind
    ticket_cbss: UUID
    #: The hub process that wrote it.
    hub: str
    sender: Address | None
    customer: Address | None
    #: A program's number; None where the end user is a person, or unknown.
    program: str | None
    ticket: str | None
    service: str | None
    legal_context: str | None
    quality: int | None
    authorisation: RowId | None
    verdict: Verdict | None
    value: str | None
    code: str | None
    #: Of a decision: who will be asked; of an outcome: who was, each with its milliseconds in `took_ms`.
    suppliers: tuple[Address, ...]
    #: Of a decision: elements that will be cut; of an outcome: that were.
    filtered: tuple[str, ...]
    silent: tuple[Address, ...]
    received: datetime | None
    replied: datetime | None
    #: When the first question left.
    asked: datetime | None
    #: Until each one's reply was there; None: it was silent. Empty where nobody was asked, and before 0014.
    took_ms: tuple[int | None, ...]
    request_sha256: bytes | None
    answer_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An exchange that was answered, in a line. It never holds a person's number."""

    at: datetime
    #: As the catalogue has it; None: it was not known.
    service: str | None
    sender: Address | None
    #: None: it could not be told for whom.
    customer: Address | None
    value: str
    code: str
    #: From receipt to the answer.
    ms: int | None
    suppliers: tuple[Took, ...]
    #: Without an answer in time, or without a valid one.
    silent: tuple[Address, ...]
    ticket_cbss: UUID


@dataclass(frozen=True, slots=True)
class Summary:
    """The journal counted."""

    #: Rows by kind.
    kinds: Mapping[str, int]
    #: Outcomes by (service or "", value, code).
    outcomes: Mapping[tuple[str, str, str], int]
    #: Tickets with a decision and no outcome; and with more than one decision, or more than one outcome (never any).
    without_outcome: int
    decided_twice: int
    told_twice: int
