"""A message on its way through who plays the hub's part: what is known of it, and how it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from lxml import etree

from schemas import answers
from schemas.address import Address
from schemas.parser import Information
from schemas.service import Service
from schemas.ticket import ticket_cbss, ticket_cbss_of_message
from schemas.violation import Violation
from schemas.wire.exchange import Received
from schemas.wire.intake import Answer
from schemas.wire.transport import Delivery, Properties
from schemas.wire.words import Later, later_headers


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """An answer, and what there is to count and log of it."""

    service: str = "unknown"
    #: The code of an own refusal; `passed` for what came from elsewhere.
    result: str = "passed"
    ticket_cbss: UUID | None = None


@dataclass(slots=True)
class Passage:
    """Filled from the top as the message goes on."""

    ticket_cbss: UUID
    #: When it came, by the clock.
    at: datetime
    root: etree._Element | None = field(default=None, repr=False)
    service: Service | None = None
    #: Of a lot's: whose answer it is, on its queue for answers.
    member: Address | None = None

    def fault(self, code: str, details: Sequence[Violation | Information] = ()) -> Told:
        """The service's fault, or Crossroads' own."""
        body = answers.fault(
            self.service,
            code,
            head_root=self.root,
            ticket_cbss=self.ticket_cbss,
            received=self.at,
            replied=datetime.now(UTC),
            details=details,
        )
        return self.told(body, "fault", code)

    def refusal(self, code: str, information: Information = ()) -> Told:
        """The service's response to a valid request, with this status and no data."""
        if self.service is None or self.root is None:
            raise TypeError("only a valid request is refused with a response")
        body = answers.refusal(
            self.service,
            self.root,
            code,
            ticket_cbss=self.ticket_cbss,
            received=self.at,
            replied=datetime.now(UTC),
            information=information,
        )
        return self.told(body, "response", code)

    def told(self, body: bytes, kind: str, result: str = "passed", filtered: str = "") -> Told:
        """An answer with what there is to count of it."""
        headers: dict[str, Any] = {"filtered": filtered} if filtered else {}
        if self.member is not None:
            headers |= later_headers(Later(self.ticket_cbss, self.member, None, kind))
        return Told(
            body=body,
            type=kind,
            headers=headers,
            service=self.service.type if self.service is not None else "unknown",
            result=result,
            ticket_cbss=self.ticket_cbss,
        )


def arrival(delivery: Delivery) -> datetime:
    """When it came, by the clock."""
    return datetime.now(UTC) - timedelta(seconds=monotonic() - delivery.at)


def key_of(sender: Address, ticket: str | None, received: Received, given: Properties) -> UUID:
    """The ticketCBSS that the hub will give this exchange: of the member, not of its relay."""
    if ticket is not None:
        return ticket_cbss(sender, ticket)
    if given.message_id:
        return ticket_cbss_of_message(sender, given.message_id)
    return ticket_cbss_of_message(sender, f"{received.reply_to} {given.correlation_id} {received.digest.hex()}")
