"""One request on its way through the hub: what is known of it so far, and what the journal and its asker are told."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from hub.admission import Admitted, Refused
from hub.control import Controls
from hub.exchange import Received, Unanswerable, may_be_told
from hub.journal import CHANGE, CONSULTATION, Decision, Outcome
from hub.journal.entry import Took
from schemas import answers
from schemas.address import Address
from schemas.codes import CODES
from schemas.message import Head
from schemas.parser import Information
from schemas.service import Service
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss, ticket_cbss_of_message
from schemas.violation import Violation
from schemas.wire import names
from schemas.wire.intake import Answer
from schemas.wire.transport import Delivery, Properties
from schemas.wire.words import Later, later_headers

#: Characters of a customer's own ticket; a longer one breaks the schema, and is not journalled.
_LONGEST_TICKET = 36
#: What the journal, logs and figures call an answer that is no response.
FAULT = "fault"
#: A supplier's code that is none of the catalogue's: it may say anything, so it is not repeated.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """An answer, and what there is to count of it."""

    #: DATA_FOUND, NO_DATA_FOUND, NO_RESULT, INCOMPLETE_DATA or `fault`.
    value: str = FAULT
    code: str = OTHER
    #: `Name/version` or `unknown`.
    service: str = "unknown"
    #: When the hub had the request (`time.monotonic`).
    begun: float = 0.0
    #: Whether the exchange passed the controls, so that the promise counts it.
    admitted: bool = False
    ticket_cbss: UUID | None = None
    #: Seconds of it in which suppliers were waited for, and whether one of them failed (`hub.metrics.fault`).
    waited: float = 0.0
    failed: bool = False
    #: A part is missing because its supplier is paused.
    paused: bool = False


@dataclass(slots=True, eq=False)
class Consultation:
    """A request and all that was found out about it. Filled from the top as the journey goes on."""

    received: Received
    body: bytes = field(repr=False)
    #: When the hub had it, by the clock and by `time.monotonic`.
    at: datetime
    begun: float
    service: Service | None
    head: Head | None
    #: For whom; None until it could be told.
    customer: Address | None
    ticket_cbss: UUID
    #: What steps 1 and 2 say against it.
    refused: Refused | None
    #: Of a lot: answered on the customer's queue for answers, not promised, its key kept as long as of a change.
    lot: bool = False
    #: As it was asked with, and whether the broker says that it came before.
    correlation_id: str | None = None
    redelivered: bool = False
    ssin: Ssin | None = field(default=None, repr=False)
    #: Its head and criteria keep to the service's schema: a response can repeat them.
    valid: bool = False
    #: The decision is in the journal.
    decided: bool = False
    #: ... and an outcome, when the decision was written again.
    told_before: bool = False
    admitted: Admitted | None = None
    #: What is paused, where anything is: as it was when this began.
    controls: Controls | None = None
    #: Suppliers that are not asked, since they are paused; and whether a part is missing for that.
    paused: frozenset[Address] = frozenset()
    without_paused: bool = False
    #: Seconds in which suppliers were waited for, so far; and whether one failed: it was silent, late or invalid, or
    #: told a fault or incomplete data.
    waited: float = 0.0
    failed: bool = False
    #: When the first question left, and how long each supplier took.
    asked: datetime | None = None
    took: tuple[Took, ...] = ()

    @property
    def deadline(self) -> float:
        """When the last supplier must have answered, by `time.monotonic`."""
        return self.begun + (self.service.deadline_ms / 1000 if self.service is not None else 0.0)

    def decision(self, verdict: Admitted | Refused) -> Decision:
        """What the journal is told before anything leaves."""
        ticket = self.head.ticket if self.head is not None else None
        return Decision(
            ticket_cbss=self.ticket_cbss,
            sender=self.received.sender,
            customer=verdict.customer if verdict.customer is not None else self.customer,
            verdict="admitted" if isinstance(verdict, Admitted) else "refused",
            code=None if isinstance(verdict, Admitted) else verdict.code,
            received=self.at,
            request_sha256=self.received.digest,
            ticket=ticket if ticket is not None and len(ticket) <= _LONGEST_TICKET else None,
            user=self.received.user,
            service=self.service.type if self.service is not None else None,
            legal_context=self.head.legal_context if self.valid and self.head is not None else None,
            ssin=self.ssin,
            quality=verdict.quality,
            authorisation=verdict.authorisation,
            suppliers=verdict.suppliers if isinstance(verdict, Admitted) else (),
            without=verdict.without if isinstance(verdict, Admitted) else (),
            keep=CHANGE if self.lot or (self.service is not None and self.service.changes) else CONSULTATION,
        )

    def outcome(self, told: Told, *, silent: Sequence[Address] = (), filtered: tuple[str, ...] = ()) -> Outcome:
        """What the journal is told before the answer is published."""
        return Outcome(
            ticket_cbss=self.ticket_cbss,
            value=told.value,
            code=told.code,
            replied=datetime.now(UTC),
            answer_sha256=hashlib.sha256(told.body).digest(),
            filtered=filtered,
            silent=tuple(silent),
            asked=self.asked,
            took=self.took,
        )

    def refusal(self, code: str, information: Information = (), violations: Sequence[Violation] = ()) -> Told:
        """The answer that says this code: the service's response where the code is a status and the request was valid,
        else a fault."""
        now = datetime.now(UTC)
        root = self.received.root
        value = CODES[code].value
        if value is not None and self.valid and self.service is not None and root is not None:
            body = answers.refusal(
                self.service,
                root,
                code,
                ticket_cbss=self.ticket_cbss,
                received=self.at,
                replied=now,
                information=information,
            )
            return self.told(body, "response", value, code)
        body = answers.fault(
            self.service,
            code,
            head_root=root,
            ticket_cbss=self.ticket_cbss,
            received=self.at,
            replied=now,
            details=violations or ([information] if information else []),
        )
        return self.told(body, FAULT, FAULT, code)

    def told(self, body: bytes, kind: str, value: str, code: str, untold: Sequence[str] = ()) -> Told:
        """An answer with what there is to count of it. `untold`: filtered paths that the body itself does not name."""
        headers = {"filtered": ",".join(untold)} if untold else {}
        if self.lot:
            of_whom = self.customer or self.received.sender
            headers |= later_headers(Later(self.ticket_cbss, of_whom, None, kind))
        return Told(
            body=body,
            type=kind,
            headers=headers,
            value=value,
            code=code if code in CODES else OTHER,
            service=self.service.type if self.service is not None else "unknown",
            begun=self.begun,
            admitted=self.admitted is not None and not self.lot,
            ticket_cbss=self.ticket_cbss,
            waited=self.waited,
            failed=self.failed,
            paused=self.without_paused,
        )


def key_of(
    sender: Address, customer: Address | None, ticket: str | None, received: Received, given: Properties
) -> UUID:
    """ticketCBSS: the same for every hub and every time this request comes (docs/wire.md, Keys and repeats)."""
    if ticket is not None:
        return ticket_cbss(customer if customer is not None else sender, ticket)
    if given.message_id:
        return ticket_cbss_of_message(sender, given.message_id)
    return ticket_cbss_of_message(sender, f"{received.reply_to} {given.correlation_id} {received.digest.hex()}")


def unread(delivery: Delivery) -> Consultation | Unanswerable:
    """A request of which nothing is known but where it came from and who may be told."""
    sender, reply_to = names.owner_of_ingress(delivery.queue), delivery.properties.reply_to
    if reply_to is None or not may_be_told(reply_to, sender):
        return Unanswerable("no reply_to that may be used")
    received = Received(sender, reply_to, hashlib.sha256(delivery.body).digest(), None)
    return Consultation(
        received=received,
        body=delivery.body,
        at=datetime.now(UTC),
        begun=delivery.at,
        service=None,
        head=None,
        customer=None,
        ticket_cbss=key_of(sender, None, None, received, delivery.properties),
        refused=None,
    )
