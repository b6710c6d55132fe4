"""What headers say of a word (a mutation to one recipient) and of an answer that comes later: docs/wire.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas.address import Address, AddressError
from schemas.distribution import Entitled, EntitledError, of_json, to_json
from schemas.errors import CrossroadsError
from schemas.wire.transport import Properties

#: `type` of the nudge: no body, the newest position.
NUDGE = "position"
#: What stands behind the ticketCBSS in the correlation id of a word, and of the answer to it.
OF_A_WORD = "/m"


class WordError(CrossroadsError):
    """Properties that are none of a word."""


@dataclass(frozen=True, slots=True)
class Word:
    """Where a word stands among those of its recipient. Without a position: told at once, known by its ticketCBSS."""

    series: UUID | None
    #: 1, 2, 3 ... in a series
    position: int | None
    #: `M`, `Z`; empty of a nudge.
    flow: str
    entitled: tuple[Entitled, ...] = ()


def to_headers(word: Word) -> Mapping[str, Any]:
    """The headers of a word."""
    headers: dict[str, Any] = {}
    if word.series is not None and word.position is not None:
        headers |= {"series": str(word.series), "position": word.position}
    if word.flow:
        headers |= {"flow": word.flow, "entitled": to_json(word.entitled)}
    return headers


def of(properties: Properties) -> Word:
    """Reads the headers of a word. Raises WordError."""
    told = properties.headers
    series, position, flow = told.get("series"), told.get("position"), told.get("flow", "")
    try:
        if (series is None) != (position is None) or isinstance(position, bool):
            raise ValueError
        if position is not None and not (isinstance(position, int) and position > 0):
            raise ValueError
        if flow not in ("", "M", "Z"):
            raise ValueError
        entitled = of_json(str(told["entitled"])) if "entitled" in told else ()
        return Word(None if series is None else UUID(str(series)), position, flow, entitled)
    except (ValueError, EntitledError):
        raise WordError("headers that are none of a word: series, position, flow, entitled") from None


@dataclass(frozen=True, slots=True)
class Later:
    """An answer on `<address>.answers`: what it answers, and for whom it is."""

    ticket_cbss: UUID
    customer: Address
    #: Of a definitive answer to a mutation: who gives it.
    recipient: Address | None
    #: `response`, `fault`, `intermediate` or `definitive`.
    type: str


def later_headers(later: Later) -> Mapping[str, Any]:
    """The headers of such an answer; its type is a property."""
    headers = {"ticketCBSS": str(later.ticket_cbss), "customer": str(later.customer)}
    return headers if later.recipient is None else {**headers, "recipient": str(later.recipient)}


def later_of(properties: Properties) -> Later:
    """Reads them. Raises WordError."""
    told = properties.headers
    recipient = told.get("recipient")
    try:
        return Later(
            UUID(str(told.get("ticketCBSS"))),
            Address.parse(str(told.get("customer"))),
            None if recipient is None else Address.parse(str(recipient)),
            properties.type or "",
        )
    except (ValueError, AddressError):
        raise WordError("headers that are none of an answer that comes later: ticketCBSS, customer") from None
