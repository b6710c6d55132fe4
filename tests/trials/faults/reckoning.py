"""What must hold whatever fails: every check of the trials, in one place. Pure.

A breach is a sentence about a ticket of the hub's (ticketCBSS); no person stands in any.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from schemas.wire import names

#: The question did not reach a supplier, or its answer the hub, in time: what a broker that is down may lead to.
WANT_OF_TIME = frozenset(("CRB00010", "CRB00011", "CRB00014", "HAN20200"))
#: A person whom the caller does not know.
REFUSED = "MSG00012"
FOUND = "MSG00000"


@dataclass(frozen=True, slots=True)
class Got:
    """An answer as its caller has it."""

    code: str
    ticket_cbss: UUID | None
    sha256: bytes
    #: What the suppliers gave, each once for a question it worked on.
    receipts: tuple[str, ...]
    about_the_person: bool


@dataclass(slots=True)
class Consultation:
    """One that a caller asked, and all that it was given for it."""

    #: As both ends compute it.
    ticket_cbss: UUID
    #: Who must be asked; none, where it must be refused.
    suppliers: tuple[str, ...]
    got: list[Got] = field(default_factory=list)
    #: What the library raised instead.
    error: str | None = None
    #: It was open while the broker was not there.
    disturbed: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """A question, as the supplier's own code was given it."""

    ticket_cbss: UUID
    supplier: str
    receipt: str
    #: Whether the journal had by then, committed, a decision that names this supplier.
    decided: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal."""

    ticket_cbss: UUID
    kind: str
    hub: str
    verdict: str | None
    value: str | None
    code: str | None
    suppliers: tuple[str, ...]
    answer_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Depth:
    """A queue, when all is over."""

    messages: int
    readers: int


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known of a trial when it is over: every hub has drained and every supplier has gone."""

    consultations: Sequence[Consultation]
    sights: Sequence[Sight]
    #: In the order written.
    journal: Sequence[Entry]
    queues: Mapping[str, Depth]
    #: Hubs that were killed: what their suppliers said to them stays in their reply queue until it expires.
    killed: int = 0


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What was found."""

    breaches: tuple[str, ...]
    rows: Mapping[str, int]
    #: Exchanges that one hub decided and another one told.
    taken_over: int
    #: Consultations without data for want of time.
    without_data: int

    def __str__(self) -> str:
        rows = ", ".join(f"{kind} {count}" for kind, count in sorted(self.rows.items()))
        return f"journal: {rows}; taken over {self.taken_over}; without data for want of time {self.without_data}"


def reckon(seen: Seen) -> Reckoning:
    """Hold what was seen against what must hold."""
    rows: defaultdict[UUID, list[Entry]] = defaultdict(list)
    for entry in seen.journal:
        rows[entry.ticket_cbss].append(entry)
    sights: defaultdict[UUID, list[Sight]] = defaultdict(list)
    for sight in seen.sights:
        sights[sight.ticket_cbss].append(sight)
    asked = Counter(consultation.ticket_cbss for consultation in seen.consultations)
    breaches = [f"{ticket}: asked about {count} times" for ticket, count in asked.items() if count > 1]
    breaches += [f"{ticket}: in the journal, and nobody asked" for ticket in rows if ticket not in asked]
    breaches += [f"{ticket}: a supplier was asked, and nobody had" for ticket in sights if ticket not in asked]
    for consultation in seen.consultations:
        ticket = consultation.ticket_cbss
        for breach in _breaches(consultation, rows[ticket], sights[ticket]):
            breaches.append(f"{ticket}: {breach}")
    breaches += _left(seen.queues, seen.killed)
    return Reckoning(
        tuple(breaches),
        Counter(entry.kind for entry in seen.journal),
        sum(_taken_over(entries) for entries in rows.values()),
        sum(one.code in WANT_OF_TIME for each in seen.consultations for one in each.got),
    )


def _breaches(consultation: Consultation, rows: Sequence[Entry], sights: Sequence[Sight]) -> Iterable[str]:
    yield from _journalled(consultation, rows)
    yield from _supplied(consultation, rows, sights)
    if len(consultation.got) != 1:
        yield f"{len(consultation.got)} answers, {consultation.error or 'no error'}"
        return
    [got] = consultation.got
    if got.ticket_cbss != consultation.ticket_cbss:
        yield f"the answer bears ticket {got.ticket_cbss}"
    told = {row.answer_sha256: row.code for row in rows if row.kind in ("outcome", "repeated")}
    if got.sha256 not in told:
        yield f"the answer ({got.code}) is none that the journal says was told"
    elif told[got.sha256] != got.code:
        yield f"the answer says {got.code}, the journal {told[got.sha256]}"
    if got.code in WANT_OF_TIME and consultation.disturbed and consultation.suppliers:
        return
    if got.code != (FOUND if consultation.suppliers else REFUSED):
        yield f"answered {got.code}"
        return
    if not consultation.suppliers:
        return
    given = {(sight.supplier, sight.receipt) for sight in sights}
    if not got.about_the_person:
        yield "answered about another person"
    if sorted(got.receipts) != sorted(receipt for supplier, receipt in given if supplier in consultation.suppliers):
        yield "the answer's data are not what the suppliers gave for this ticket"


def _journalled(consultation: Consultation, rows: Sequence[Entry]) -> Iterable[str]:
    kinds = Counter(row.kind for row in rows)
    for kind in ("decision", "outcome"):
        if kinds[kind] != 1:
            yield f"{kinds[kind]} rows of kind {kind}"
    if kinds["other"]:
        yield "the journal says that the ticket was used for other content"
    if kinds["decision"] == 1:
        if rows[0].kind not in ("decision", "busy"):
            yield f"a row of kind {rows[0].kind} stands before the decision"
        decision = next(row for row in rows if row.kind == "decision")
        if (decision.verdict == "admitted", decision.suppliers) != (
            bool(consultation.suppliers),
            consultation.suppliers,
        ):
            yield f"decided {decision.verdict} for {decision.suppliers}"
    at_work: set[str] = set()
    for row in rows:
        if row.kind in ("decision", "resumed"):
            at_work.add(row.hub)
        elif row.kind in ("outcome", "repeated") and row.hub not in at_work:
            yield f"{row.hub} told an outcome, and had neither decided nor resumed"


def _supplied(consultation: Consultation, rows: Sequence[Entry], sights: Sequence[Sight]) -> Iterable[str]:
    named = {supplier for row in rows if row.kind == "decision" for supplier in row.suppliers}
    for sight in sights:
        if not sight.decided or sight.supplier not in named:
            yield f"{sight.supplier} was asked without a decision"
    for supplier, count in Counter(sight.supplier for sight in sights).items():
        if count > 1:
            yield f"{supplier} worked on it {count} times"
    if not consultation.suppliers and sights:
        yield "refused, and a supplier was asked"


def _taken_over(rows: Sequence[Entry]) -> bool:
    hubs = {kind: row.hub for kind in ("decision", "outcome") for row in rows if row.kind == kind}
    return len(hubs) == 2 and hubs["decision"] != hubs["outcome"]


def _left(queues: Mapping[str, Depth], killed: int) -> Iterable[str]:
    orphans = 0
    for queue, depth in queues.items():
        if not depth.messages:
            continue
        if queue == names.DEAD:
            yield f"{depth.messages} messages in {queue}"
        elif queue.startswith("hub.reply.") and not depth.readers and orphans < killed:
            orphans += 1
        else:
            yield f"{depth.messages} messages left in {queue}"
