"""The reckoning finds each breach: what it cannot find, no trial would."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from tests.trials.faults.reckoning import Consultation, Depth, Entry, Got, Seen, Sight, reckon

ONE, TWO = UUID(int=1), UUID(int=2)
DIGEST, OTHER = b"a" * 32, b"b" * 32


def consultation(ticket: UUID = ONE, suppliers: tuple[str, ...] = ("5-0", "16-0")) -> Consultation:
    got = Got("MSG00000", ticket, DIGEST, ("from 5-0", "from 16-0"), about_the_person=True)
    return Consultation(ticket, suppliers, [got])


def sights(ticket: UUID = ONE) -> list[Sight]:
    return [Sight(ticket, supplier, f"from {supplier}", decided=True) for supplier in ("5-0", "16-0")]


def decision(ticket: UUID = ONE, hub: str = "a", kind: str = "decision") -> Entry:
    return Entry(ticket, kind, hub, "admitted", None, None, ("5-0", "16-0"), None)


def outcome(ticket: UUID = ONE, hub: str = "a", kind: str = "outcome") -> Entry:
    return Entry(ticket, kind, hub, None, "DATA_FOUND", "MSG00000", (), DIGEST)


def seen() -> Seen:
    """Nothing is wrong here."""
    return Seen([consultation()], sights(), [decision(), outcome()], {"hub.dead": Depth(0, 0)})


def with_answer(**changes: object) -> Seen:
    asked = consultation()
    asked.got = [replace(asked.got[0], **changes)]  # type: ignore[arg-type]
    return replace(seen(), consultations=[asked])


def answered_times(count: int) -> Seen:
    asked = consultation()
    asked.got *= count
    return replace(seen(), consultations=[asked])


def refused() -> Seen:
    asked = Consultation(ONE, (), [Got("MSG00012", ONE, DIGEST, (), about_the_person=True)])
    rows = [
        replace(decision(), verdict="refused", code="MSG00012", suppliers=()),
        replace(outcome(), value="NO_RESULT", code="MSG00012"),
    ]
    return replace(seen(), consultations=[asked], sights=[], journal=rows)


def taken_over() -> Seen:
    rows = [decision(hub="a"), decision(hub="b", kind="resumed"), outcome(hub="b")]
    return replace(seen(), journal=rows)


def late(*, disturbed: bool) -> Seen:
    asked = consultation()
    asked.got = [Got("CRB00010", ONE, DIGEST, (), about_the_person=True)]
    asked.disturbed = disturbed
    return replace(seen(), consultations=[asked], journal=[decision(), replace(outcome(), code="CRB00010")])


@pytest.mark.parametrize(
    ("what", "count"),
    [
        (seen, (0, 0)),
        (refused, (0, 0)),
        (taken_over, (1, 0)),
        (lambda: late(disturbed=True), (0, 1)),
        (lambda: replace(seen(), queues={"hub.reply.1": Depth(3, 0)}, killed=1), (0, 0)),
        (lambda: replace(seen(), journal=[decision(), outcome(), decision(kind="resumed"), outcome(kind="repeated")]),
         (0, 0)),
    ],
    ids=["well", "refused", "taken over", "late while the broker was away", "a dead hub's replies", "told again"],
)  # fmt: skip
def test_what_may_be_is_no_breach(what: Callable[[], Seen], count: tuple[int, int]) -> None:
    found = reckon(what())
    assert found.breaches == ()
    assert (found.taken_over, found.without_data) == count


@pytest.mark.parametrize(
    ("what", "breach"),
    [
        (lambda: answered_times(0), "0 answers"),
        (lambda: answered_times(2), "2 answers"),
        (lambda: with_answer(sha256=OTHER), "none that the journal says"),
        (lambda: with_answer(code="MSG00100"), "the journal MSG00000"),
        (lambda: with_answer(ticket_cbss=TWO), "the answer bears ticket"),
        (lambda: with_answer(receipts=("from 5-0", "another")), "not what the suppliers gave"),
        (lambda: with_answer(receipts=("from 5-0",)), "not what the suppliers gave"),
        (lambda: with_answer(about_the_person=False), "another person"),
        (lambda: late(disturbed=False), "answered CRB00010"),
        (lambda: replace(seen(), journal=[outcome()]), "0 rows of kind decision"),
        (lambda: replace(seen(), journal=[decision(), decision(), outcome()]), "2 rows of kind decision"),
        (lambda: replace(seen(), journal=[decision()]), "0 rows of kind outcome"),
        (lambda: replace(seen(), journal=[decision(), outcome(), outcome()]), "2 rows of kind outcome"),
        (lambda: replace(seen(), journal=[outcome(), decision()]), "stands before the decision"),
        (lambda: replace(seen(), journal=[decision(), outcome(hub="b")]), "had neither decided nor resumed"),
        (lambda: replace(seen(), journal=[decision(), outcome(), decision(kind="other")]), "used for other content"),
        (lambda: replace(seen(), journal=[*seen().journal, decision(TWO)]), "in the journal, and nobody asked"),
        (lambda: replace(seen(), sights=[*sights(), *sights(TWO)]), "a supplier was asked, and nobody had"),
        (lambda: replace(seen(), consultations=[consultation(), consultation()]), "asked about 2 times"),
        (lambda: replace(seen(), sights=[replace(sight, decided=False) for sight in sights()]), "without a decision"),
        (lambda: replace(seen(), sights=[*sights(), Sight(ONE, "7-0", "x", decided=True)]), "7-0 was asked without"),
        (lambda: replace(seen(), sights=[*sights(), *sights()]), "worked on it 2 times"),
        (lambda: replace(refused(), sights=sights()[:1]), "refused, and a supplier was asked"),
        (lambda: replace(refused(), journal=[decision(), outcome()]), "decided admitted"),
        (lambda: replace(seen(), queues={"hub.dead": Depth(1, 0)}), "1 messages in hub.dead"),
        (lambda: replace(seen(), queues={"5-0.online.Errand.1": Depth(2, 0)}), "2 messages left in 5-0"),
        (lambda: replace(seen(), queues={"hub.reply.1": Depth(3, 0)}), "3 messages left in hub.reply.1"),
        (lambda: replace(seen(), queues={f"hub.reply.{n}": Depth(1, 0) for n in (1, 2)}, killed=1), "hub.reply.2"),
    ],
)  # fmt: skip
def test_a_breach_is_found(what: Callable[[], Seen], breach: str) -> None:
    assert any(breach in found for found in reckon(what()).breaches)
