"""What operators look at and change, in the journal, before anything is shown or done (docs/operators.md).

An act is a decision and its outcome under sender and customer 25-0, as an explanation is (docs/explain.md): the service
says which act, `ticket` its subject, `legal_context` its reason, the end user who acted. It holds no person's number.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from hub.journal.entry import Decision, Outcome
from hub.journal.journal import Journal
from hub.journal.keys import PersonKeys
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin, holds_number

#: Whom the journal names as who looked or acted: the hub's own operators.
OPERATOR = Address(25, 0)
#: Characters of a subject and of a reason.
LONGEST = 200


class ActError(CrossroadsError):
    """It cannot be written so: the text says why. Nothing was written, and nothing may be shown or done."""


class Act(StrEnum):
    """What an operator does; the value is its service in the journal."""

    EXPLAIN = "ExplainDecision/1"
    TICKET = "OperatorTicket/1"
    LATELY = "OperatorLately/1"
    DEAD_LIST = "OperatorDeadList/1"
    DEAD_SHOW = "OperatorDeadShow/1"
    DEAD_REPLAY = "OperatorDeadReplay/1"
    DEAD_DROP = "OperatorDeadDrop/1"
    PAUSE = "OperatorPause/1"
    RESUME = "OperatorResume/1"
    DRAIN = "OperatorDrain/1"
    MAINTENANCE = "OperatorMaintenance/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One act. `subject`: what it is about, a ticketCBSS, an id, an address or a service. `reason`: why, in the
    operator's words. ActError where one is too long or may hold a person's number."""

    act: Act
    subject: str = ""
    reason: str = ""
    #: A program's number, or an end user's, of which only the keyed hash is written.
    program: str | None = field(default=None, repr=False)
    #: Whom a look is about; only the keyed hash is written.
    ssin: Ssin | None = field(default=None, repr=False)
    #: Whether there was anything to see or to do.
    found: bool = True
    #: Of what was asked and of what is shown.
    request_sha256: bytes | None = None
    answer_sha256: bytes = hashlib.sha256().digest()

    def __post_init__(self) -> None:
        for name, text in (("subject", self.subject), ("reason", self.reason)):
            if len(text) > LONGEST:
                raise ActError(f"the {name} is longer than {LONGEST} characters: the journal keeps it for good")
            if holds_number(text) and not _is_uuid(text):
                raise ActError(f"the {name} may hold a person's number: the journal keeps none in clear")

    def digest(self) -> bytes:
        """Of what was asked."""
        if self.request_sha256 is not None:
            return self.request_sha256
        return hashlib.sha256(json.dumps([self.act, self.subject, self.reason]).encode()).digest()


def _is_uuid(text: str) -> bool:
    """A ticketCBSS is computed: what looks like a number in one is chance."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


async def note(url: str, keys: PersonKeys, *deeds: Deed, hub: str = "crossroads") -> tuple[UUID, ...]:
    """Write acts into the journal's database; returns, with each one's ticketCBSS, when all are durable. `hub`: which
    command, in its rows. Raises JournalUnavailableError, JournalRefusedError: then nothing may be shown or done."""
    async with Journal(url, keys, hub=hub) as journal:
        return tuple([await write(journal, deed) for deed in deeds])


async def write(journal: Journal, deed: Deed) -> UUID:
    """As `note`, into a journal that runs."""
    now, ticket = datetime.now(UTC), uuid4()
    decision = Decision(
        ticket_cbss=ticket,
        sender=OPERATOR,
        customer=OPERATOR,
        verdict="admitted",
        code=None,
        received=now,
        request_sha256=deed.digest(),
        ticket=deed.subject or None,
        user=deed.program,
        service=deed.act.value,
        legal_context=deed.reason or None,
        ssin=deed.ssin,
    )
    outcome = Outcome(
        ticket_cbss=ticket,
        value="DATA_FOUND" if deed.found else "NO_DATA_FOUND",
        code="MSG00000" if deed.found else "MSG00100",
        replied=now,
        answer_sha256=deed.answer_sha256,
    )
    await journal.decide(decision, outcome)
    return ticket
