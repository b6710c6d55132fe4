"""Between the journal's values and its rows."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from hub.journal.entry import Decision, Ended, Entry, OtherContent, Outcome, Recorded, Repeat, Told
from hub.journal.keys import PersonKeys
from hub.repertory.rules import RowId
from schemas.address import Address
from schemas.ssin import is_program_number


class Row(NamedTuple):
    """The composite type `journal_entry_v2`, column by column."""

    kind: str
    ticket_cbss: UUID
    claim: UUID
    hub: str
    sender: str | None = None
    customer: str | None = None
    program: str | None = None
    ticket: str | None = None
    service: str | None = None
    legal_context: str | None = None
    quality: int | None = None
    authorisation: str | None = None
    authorisation_version: int | None = None
    verdict: str | None = None
    value: str | None = None
    code: str | None = None
    suppliers: list[str] | None = None
    filtered: list[str] | None = None
    silent: list[str] | None = None
    received: Any = None
    replied: Any = None
    request_sha256: bytes | None = None
    answer_sha256: bytes | None = None
    keep: timedelta | None = None
    key_id: str | None = None
    person: bytes | None = None
    end_user: bytes | None = None
    asked: Any = None
    took_ms: list[int | None] | None = None


def of_decision(decision: Decision, kind: str, hub: str, keys: PersonKeys) -> Row:
    """A decision as a row; of the persons in it only their hashes."""
    key = keys.current
    program = decision.user if decision.user is not None and is_program_number(decision.user) else None
    person = decision.user if program is None else None
    return Row(
        kind=kind,
        ticket_cbss=decision.ticket_cbss,
        claim=decision.claim,
        hub=hub,
        sender=str(decision.sender),
        customer=None if decision.customer is None else str(decision.customer),
        program=program,
        ticket=decision.ticket,
        service=decision.service,
        legal_context=decision.legal_context,
        quality=decision.quality,
        authorisation=None if decision.authorisation is None else decision.authorisation.id,
        authorisation_version=None if decision.authorisation is None else decision.authorisation.version,
        verdict=decision.verdict if kind == "decision" else None,
        code=decision.code,
        suppliers=_texts(decision.suppliers),
        filtered=list(decision.without),
        received=decision.received,
        request_sha256=decision.request_sha256,
        keep=decision.keep,
        key_id=key.id,
        person=None if decision.ssin is None else key.hash(decision.ssin.digits),
        end_user=None if person is None else key.hash(person),
    )


def of_outcome(outcome: Outcome, hub: str, request_sha256: bytes | None) -> Row:
    """An outcome as a row; with the request's digest where it comes with its decision."""
    return Row(
        kind="outcome",
        ticket_cbss=outcome.ticket_cbss,
        claim=outcome.claim,
        hub=hub,
        value=outcome.value,
        code=outcome.code,
        suppliers=[str(supplier) for supplier, _ in outcome.took] or None,
        filtered=list(outcome.filtered),
        silent=_texts(outcome.silent),
        replied=outcome.replied,
        request_sha256=request_sha256,
        answer_sha256=outcome.answer_sha256,
        asked=outcome.asked,
        took_ms=[ms for _, ms in outcome.took] or None,
    )


def verdict(record: asyncpg.Record) -> Recorded | Repeat | OtherContent:
    """What `journal_write` says of a decision."""
    match record["result"]:
        case "decision":
            return Recorded()
        case "resumed":
            told = None
            if record["told"] is not None:
                told = Told(record["told_value"], record["told_code"], record["told"])
            return Repeat(record["verdict"], record["code"], _addresses(record["suppliers"]), record["decided"], told)
        case _:
            return OtherContent()


def entry(record: asyncpg.Record) -> Entry:
    """A row of the table `journal`."""
    cited = None
    if record["authorisation"] is not None:
        cited = RowId(record["authorisation"], record["authorisation_version"])
    return Entry(
        number=record["number"],
        at=record["at"],
        kind=record["kind"],
        ticket_cbss=record["ticket_cbss"],
        hub=record["hub"],
        sender=_address(record["sender"]),
        customer=_address(record["customer"]),
        program=record["program"],
        ticket=record["ticket"],
        service=record["service"],
        legal_context=record["legal_context"],
        quality=record["quality"],
        authorisation=cited,
        verdict=record["verdict"],
        value=record["value"],
        code=record["code"],
        suppliers=_addresses(record["suppliers"]),
        filtered=tuple(record["filtered"] or ()),
        silent=_addresses(record["silent"]),
        received=record["received"],
        replied=record["replied"],
        asked=record["asked"],
        took_ms=tuple(record["took_ms"] or ()),
        request_sha256=record["request_sha256"],
        answer_sha256=record["answer_sha256"],
    )


def ended(record: asyncpg.Record) -> Ended:
    """A row of `journal_lately`."""
    return Ended(
        at=record["at"],
        service=record["service"],
        sender=_address(record["sender"]),
        customer=_address(record["customer"]),
        value=record["value"],
        code=record["code"],
        ms=record["ms"],
        suppliers=tuple(zip(_addresses(record["suppliers"]), record["took_ms"] or (), strict=False)),
        silent=_addresses(record["silent"]),
        ticket_cbss=record["ticket_cbss"],
    )


def _texts(addresses: tuple[Address, ...]) -> list[str]:
    return [str(address) for address in addresses]


def _address(text: str | None) -> Address | None:
    return None if text is None else Address.parse(text)


def _addresses(texts: list[str] | None) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in texts or ())
