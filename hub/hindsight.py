"""What was decided, and what was believed when it was: the journal's rows of an exchange, the rules and a person's rows
of any moment."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from hub.explanation import CHECKS, OTHER, Cited, Explanation, Question, ServiceFacts, explain, explain_own, refused
from hub.journal import Entry, PersonKeys
from hub.journal.row import entry
from hub.queries import QUERIES
from hub.repertory import store
from hub.repertory.database import Connection
from hub.repertory.persons import rows_at
from hub.repertory.rules import Rules
from schemas.integration import Integration
from schemas.period import Period, day_of
from schemas.ssin import Ssin

#: Why a ticket's missing row is not told.
_OTHER_PERIOD = "decided again it ends otherwise: name the period that was asked about, which the journal does not hold"
_OTHER_NAMES = "the journal does not hold the customer or the service that was named: explain the question itself"

#: Rules of past loads that are kept, by the load: making them costs tens of milliseconds, and there are few.
_MOST_RULES = 8
_rules: dict[tuple[int, datetime], Rules] = {}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the journal says of a ticket."""

    decision: Entry
    #: What the customer was told; None: nothing yet.
    outcome: Entry | None
    #: Whether the ticket came again with other content (CRB00009).
    misused: bool
    #: Keyed hash of the person; None: it was refused before the person was known.
    person: bytes | None = field(repr=False)

    def is_about(self, ssin: Ssin, keys: PersonKeys) -> bool:
        """Whether this is the person; of a hash under a key that is not at hand: no."""
        return self.person in keys.hashes(ssin)


async def exchange(connection: Connection, ticket_cbss: UUID) -> Exchange | None:
    """The newest exchange under a ticket; None: the journal knows none. Raises what asyncpg raises."""
    entries = [entry(record) for record in await connection.fetch(QUERIES["journal_ticket_rows"], ticket_cbss)]
    decisions = [one for one in entries if one.kind in ("decision", "busy")]
    if not decisions:
        return None
    decision = next((one for one in reversed(decisions) if one.kind == "decision"), decisions[-1])
    later = [one for one in entries if one.number > decision.number]
    return Exchange(
        decision,
        next((one for one in later if one.kind == "outcome"), None),
        any(one.kind == "other" for one in later),
        await connection.fetchval(QUERIES["journal_person_of"], decision.at, decision.number),
    )


async def rules_at(connection: Connection, at: datetime) -> Rules:
    """The rules as they were; without any where none were loaded by then. Raises what asyncpg raises."""
    load = await connection.fetchrow(QUERIES["rules_load_at"], at)
    if load is None:
        return Rules()
    key = (load["number"], load["at"])
    if key not in _rules:
        found = Rules(await store.rows_at(connection, at), number=load["number"])
        while len(_rules) >= _MOST_RULES:
            del _rules[next(iter(_rules))]
        _rules[key] = found
    return _rules[key]


async def believed(connection: Connection, ssin: Ssin | None, at: datetime) -> tuple[Rules, tuple[Integration, ...]]:
    """The rules and a person's rows, as they were. Raises what asyncpg raises."""
    return await rules_at(connection, at), () if ssin is None else await rows_at(connection, ssin, at)


def recorded(found: Exchange) -> Explanation:
    """The explanation of the journal alone."""
    decision = found.decision
    cited = decision.authorisation
    by = () if cited is None else (Cited("authorisation", cited.id, cited.version),)
    remarks = ("the ticket came again with other content: CRB00009",) if found.misused else ()
    if decision.code is not None:
        return refused(decision.code, decided_by=by, remarks=remarks)
    return Explanation(True, None, None, None, decision.suppliers, decided_by=by, remarks=remarks)


def question_of(
    found: Exchange, ssin: Ssin | None, period: Period | None, service: Callable[[str], ServiceFacts | None]
) -> Question | None:
    """What was asked, as far as the journal has it; None: it was refused before that was known. `period`: the one that
    was asked about, which the journal does not hold; None: the day itself."""
    decision = found.decision
    customer = decision.customer or decision.sender
    step, _ = CHECKS.get(decision.code or "", (OTHER, None))
    named = decision.service or ""
    facts = service(named)
    # A status, and no fault: not the schema, but what a service of the hub's own found wrong.
    status = found.outcome is not None and found.outcome.value == "NO_RESULT"
    own = decision.code == "MSG00008" and status and facts is not None and facts.answered_by == "hub"
    if customer is None or step == "exchange" or (step == "syntax" and not own):
        return None
    if step != "interface" and decision.legal_context is None:
        return None
    day = day_of(decision.received or decision.at)
    return Question(customer, named, facts, decision.legal_context or "", ssin, period or Period(day, day), day)


async def explain_exchange(connection: Connection, found: Exchange, question: Question | None) -> Explanation:
    """Decided again with what was believed then; where that gives what was recorded, with all that it says. `question`:
    of `question_of`; without a person only what can be said without his rows. Raises what asyncpg raises."""
    told, decision = recorded(found), found.decision
    if question is None:
        return told
    # The hub's rules and rows were those of some moment between these two.
    for moment in dict.fromkeys((decision.at, decision.received or decision.at)):
        rules, rows = await believed(connection, question.ssin, moment)
        again = explain(rules, question, rows)
        if again.admitted is None:
            return replace(told, decided_by=again.decided_by, remarks=(*told.remarks, *again.remarks))
        if again.admitted and (own := _own(found, rules, question, rows)) is not None:
            return replace(own, remarks=(*told.remarks, *own.remarks))
        if (again.admitted, again.code, again.suppliers) == (told.admitted, told.code, told.suppliers):
            return replace(again, remarks=(*told.remarks, *again.remarks))
    return replace(told, remarks=(*told.remarks, _OTHER_NAMES if told.step == "interface" else _OTHER_PERIOD))


def _own(found: Exchange, rules: Rules, question: Question, rows: tuple[Integration, ...]) -> Explanation | None:
    """What a service that the hub answers found out by itself; None: nothing but data, or it is not the hub's."""
    decision, outcome = found.decision, found.outcome
    code = decision.code or (outcome.code if outcome is not None else None)
    if code in (None, "MSG00000"):
        return None
    return explain_own(rules, question, rows, code or "", decision.quality, admitted=decision.code is None)
