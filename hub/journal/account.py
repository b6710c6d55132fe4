"""One exchange, step by step, as the journal and the tables beside it know it. Pure, but for `read`.

It holds no person's number, and of what an institution wrote its own ticket alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hub.journal.entry import Entry
from hub.journal.row import entry
from hub.metrics import PROMISE, Fault, fault
from hub.queries import QUERIES
from hub.repertory.database import Connection
from schemas.address import Address
from schemas.codes import CODES

#: Codes by which the hub says that a supplier was silent, late, or answered wrongly.
_OF_SUPPLIERS = ("CRB00010", "CRB00011", "CRB00012")
#: A supplier's own code, as the journal has it.
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened at a moment."""

    at: datetime
    what: str
    #: By name, in the order in which they are told; none is None.
    says: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Times:
    """Where the time of the newest outcome went, milliseconds."""

    total: int
    #: In which suppliers were waited for; of several at once the longest.
    suppliers: int
    #: Whose fault it is where the promise was not kept.
    fault: Fault

    @property
    def hub(self) -> int:
        """The rest."""
        return max(0, self.total - self.suppliers)

    @property
    def in_time(self) -> bool:
        return self.total < PROMISE * 1_000


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who was to be told of a mutation."""

    address: str
    position: int
    #: Its queue does not have it yet: the recipient catches up.
    owed: bool
    #: Of a flow Z: when it answered, and with which code; `awaited` while it has not.
    answered: datetime | None
    code: str | None
    awaited: bool


@dataclass(frozen=True, slots=True)
class Account:
    """All that is known of an exchange."""

    ticket_cbss: UUID
    entries: tuple[Entry, ...]
    steps: tuple[Step, ...]
    times: Times | None
    #: Who is to answer yet, and until when.
    open: dict[str, Any] | None
    recipients: tuple[Recipient, ...]
    #: What institutions are told by the hub because of it; `told` None: not yet.
    words: tuple[dict[str, Any], ...]
    #: Until when its ticket is kept; None: it is not any more.
    kept_until: datetime | None

    @property
    def decision(self) -> Entry | None:
        """The newest decision; a `busy` where there is none."""
        decided = [one for one in self.entries if one.kind == "decision"]
        return decided[-1] if decided else next((one for one in self.entries if one.kind == "busy"), None)

    @property
    def outcome(self) -> Entry | None:
        return next((one for one in reversed(self.entries) if one.kind in ("outcome", "intermediate")), None)


async def read(connection: Connection, ticket_cbss: UUID) -> Account | None:
    """What there is under a ticketCBSS; None: nothing. Raises what asyncpg raises."""
    entries = tuple(entry(row) for row in await connection.fetch(QUERIES["journal_ticket_rows"], ticket_cbss))
    if not entries:
        return None
    question = await connection.fetchrow(QUERIES["question_known"], ticket_cbss)
    deliveries = await connection.fetch(QUERIES["ticket_deliveries"], ticket_cbss)
    words = await connection.fetch(QUERIES["ticket_words"], ticket_cbss)
    acts = [entry(row) for row in await connection.fetch(QUERIES["journal_acts_on"], str(ticket_cbss))]
    kept_until = await connection.fetchval(QUERIES["ticket_expires"], ticket_cbss)
    contexts = {one.legal_context for one in entries if one.legal_context}
    known = {one for one in contexts if await connection.fetchval(QUERIES["legal_context_known"], one)}
    return account(ticket_cbss, entries, question, deliveries, words, acts, kept_until, known)


def account(
    ticket_cbss: UUID,
    entries: tuple[Entry, ...],
    question: Any,
    deliveries: Sequence[Any],
    words: Sequence[Any],
    acts: Sequence[Entry],
    kept_until: datetime | None,
    contexts: set[str],
) -> Account:
    """Of rows of the journal and of the tables, `contexts` those legal contexts that a rule names."""
    steps = [step for one in entries for step in _steps(one, contexts)]
    opened = None
    if question is not None:
        steps += _later(question)
        if question["answered"] is None:
            opened = {"who": question["supplier"], "until": question["expires"]}
    steps += [
        Step(one["told"], "word told", {"recipient": one["recipient"], "service": one["service"]})
        for one in words
        if one["told"] is not None
    ]
    steps += [
        Step(one["answered"], "recipient answered", {"recipient": one["recipient"], "code": _code(one["answer_code"])})
        for one in deliveries
        if one["answered"] is not None
    ]
    steps += [
        Step(
            one.at,
            "operator",
            _there(act=(one.service or "").partition("/")[0].removeprefix("Operator"), why=one.legal_context,
                   program=one.program),
        )
        for one in acts
    ]  # fmt: skip
    return Account(
        ticket_cbss,
        entries,
        tuple(sorted(steps, key=lambda step: step.at)),
        times(entries),
        opened,
        tuple(
            Recipient(
                one["recipient"],
                one["position"],
                one["owed"],
                one["answered"],
                _code(one["answer_code"]),
                one["flow"] == "Z" and one["answered"] is None,
            )
            for one in deliveries
        ),
        tuple({name: one[name] for name in ("recipient", "service", "at", "told")} for one in words),
        kept_until,
    )


def times(entries: Sequence[Entry]) -> Times | None:
    """Of the newest decision that admitted, up to its outcome; None: it was not admitted, or is not told yet.

    Whose fault a miss is, the hub's own figures say likewise (`hub.metrics.fault`).
    """
    begun = next((one for one in reversed(entries) if one.kind == "decision"), None)
    if begun is None or begun.verdict != "admitted" or begun.received is None:
        return None
    told = next((one for one in entries if one.kind == "outcome" and one.number > begun.number), None)
    if told is None or told.replied is None:
        return None
    total = _ms(told.replied - begun.received)
    waited = 0
    if told.asked is not None and told.suppliers:
        silent = any(ms is None for ms in told.took_ms)
        waited = _ms(told.replied - told.asked) if silent else max(ms or 0 for ms in told.took_ms)
    waited = min(waited, total)
    paused = _paused(begun, told)
    incomplete = told.value == "INCOMPLETE_DATA" and not paused
    failed = (
        not paused.issuperset(told.silent)
        or told.code in _OF_SUPPLIERS
        or incomplete
        # A supplier's own fault, whatever code it gives. Of the hub's own services none is a supplier in the decision;
        # and where the hub itself failed, its outcome names none.
        or (told.value == "fault" and bool(told.took_ms) and bool(begun.suppliers))
    )
    whose = fault(told.value or "", total / 1_000, waited / 1_000, failed=failed, paused=bool(paused))
    return Times(total, waited, whose)


def _paused(decision: Entry, outcome: Entry) -> set[Address]:
    """Who was to be asked and was not. An outcome of before 0014 does not say whom it asked."""
    if outcome.asked is None or not outcome.took_ms:
        return set()
    return set(outcome.silent) & set(decision.suppliers) - set(outcome.suppliers)


def _steps(one: Entry, contexts: set[str]) -> list[Step]:
    """A row of the journal, and what it tells of the moments before."""
    steps = []
    if one.received is not None:
        steps.append(Step(one.received, "received", _there(hub=one.hub, sender=_text(one.sender))))
    if one.kind in ("outcome", "repeated", "intermediate"):
        steps += _asked(one)
        says = _there(
            hub=one.hub,
            value=one.value,
            code=one.code,
            filtered=list(one.filtered) or None,
            silent=[str(address) for address in one.silent] or None,
        )
        return [*steps, Step(one.at, one.kind, says)]
    says = _there(
        hub=one.hub,
        sender=_text(one.sender),
        customer=_text(one.customer),
        program=one.program,
        service=one.service,
        legal_context=_context(one.legal_context, contexts),
        quality=one.quality,
        authorisation=str(one.authorisation) if one.authorisation is not None else None,
        verdict=one.verdict,
        code=one.code,
        suppliers=[str(address) for address in one.suppliers] or None,
        without=list(one.filtered) or None,
    )
    return [*steps, Step(one.at, one.kind, says)]


def _asked(one: Entry) -> list[Step]:
    if one.asked is None:
        return []
    steps = [Step(one.asked, "asked", {"suppliers": [str(supplier) for supplier in one.suppliers]})]
    for supplier, ms in zip(one.suppliers, one.took_ms, strict=False):
        if ms is not None:
            moment = min(one.asked + timedelta(milliseconds=ms), one.at)
            steps.append(Step(moment, "answered", {"supplier": str(supplier), "ms": ms}))
        elif one.kind != "intermediate":
            steps.append(Step(one.replied or one.at, "silent", {"supplier": str(supplier)}))
    return steps


def _later(question: Any) -> list[Step]:
    """What became of a question that is answered in its supplier's own time."""
    who = {"supplier": question["supplier"]}
    moments = (
        (question["asked"], "question taken"),
        (question["passed_on"], "passed on by the relay"),
        (question["answered"], "answered later"),
        (question["told"], "definitive answer told"),
    )
    return [Step(at, what, who) for at, what in moments if at is not None]


def _context(text: str | None, known: set[str]) -> str | None:
    return text if text is None or text in known else "named by no rule"


def _code(code: str | None) -> str | None:
    return code if code is None or code in CODES or code == "fault" else _OTHER


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)


def _there(**says: Any) -> dict[str, Any]:
    return {name: value for name, value in says.items() if value is not None}


def _ms(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))
