"""Forms that are handled alone, among others, with a clerk that writes what it was handed into a table of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from institutions.nsso.clerk import Case, Decided
from institutions.nsso.office import HandlingFailed, PostgresOffice
from institutions.nsso.register import Employer
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.values import value
from tests.institutions.nsso.ground import (
    BAKER,
    BREWER,
    FORMS,
    SECRETARIAT,
    TODAY,
    Answer,
    Desk,
    block,
    dimona_in,
    message,
    submission,
)

_PATH = "EmployerDeclaration"
AMOUNT = Anomaly("00015", "003", "NetOwedAmount", "666", f"{_PATH}/NetOwedAmount")


class Book:
    """A clerk. Of one who owes 666 it writes and refuses; at 13 it has a bug."""

    def __init__(self) -> None:
        self.seen = 0

    async def handle(self, case: Case) -> Decided:
        self.seen += 1
        numbers = EmployerNumbers(nsso=value(case.form, f"{_PATH}/NOSSRegistrationNbr"))
        employer = await case.employer(numbers, _PATH)
        if not isinstance(employer, Employer):
            return Decided.by([employer])
        amount = value(case.form, f"{_PATH}/NetOwedAmount")
        await case.connection.execute("INSERT INTO book VALUES ($1, $2, $3)", case.ticket, case.world, amount)
        if amount == "13":
            raise ZeroDivisionError
        return Decided.by([AMOUNT] if amount == "666" else [], [4] if amount == "4" else [])


def owes(amount: int, employer: object = BAKER) -> bytes:
    """The least DmfA: an employer without workers."""
    unrelated = block(
        "ContributionUnrelatedToNP",
        ("UnrelatedEmployerClass", "010"),
        ("UnrelatedWorkerCode", "870"),
        ("UnrelatedAmount", amount),
    )
    content = block(
        _PATH,
        ("Quarter", "20263"),
        ("NOSSRegistrationNbr", employer),
        ("Trusteeship", 0),
        ("CompanyID", 0),
        ("NetOwedAmount", amount),
        ("ContributionUnrelatedToNP", unrelated),
    )
    return message(content, root="DmfAOriginal", release="20223")


@asynccontextmanager
async def _kept(desk: Desk, book: Book) -> AsyncIterator[Desk]:
    office = await PostgresOffice.connect(desk.url, forms=FORMS, today=TODAY, clerks={"DmfAOriginal": book})
    found = Desk(office, desk.url)
    try:
        await office._pool.execute("CREATE TABLE IF NOT EXISTS book (ticket text, world text, amount text)")
        yield found
    finally:
        await office.close()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def clerks(desk, book) -> AsyncIterator[Desk]:
    async with _kept(desk, book) as found:
        yield found


async def booked(desk: Desk, ticket: str) -> list[tuple[str, str]]:
    rows = await desk.office._pool.fetch("SELECT world, amount FROM book WHERE ticket = $1", ticket)
    return [(row["world"], row["amount"]) for row in rows]


async def commits(desk: Desk, *keys: str) -> list[int]:
    """Of each, which transaction kept it."""
    rows = await desk.office._pool.fetch("SELECT key, xmin::text FROM declaration WHERE key = ANY ($1)", list(keys))
    found = {row["key"]: int(row["xmin"]) for row in rows}
    return [found[key] for key in keys]


async def test_what_is_handled_alone_has_its_own_transaction_in_its_place(clerks, book, worker):
    forms = [dimona_in(worker), dimona_in(worker), owes(1), owes(2), dimona_in(worker)]
    handed = [submission(body) for body in forms]
    done = []

    async def within(_connection: object, count: int) -> None:
        done.append(count)

    answers = [Answer(one) for one in await clerks.office.handle(handed, within=within)]
    assert done == [2, 3, 4, 5], "how many are done with each commit"
    assert [answer.ids for answer in answers] == [[], ["90373-333"], [], [], ["90373-333"]]
    together, also, first, second, behind = await commits(clerks, *(one.key for one in handed))
    assert together == also < first < second < behind
    assert [await booked(clerks, answer.handled.ticket) for answer in answers[2:4]] == [[("R", "1")], [("R", "2")]]
    again = await clerks.hand(*handed)
    assert [one.handled.body for one in again] == [one.handled.body for one in answers]
    assert (book.seen, {one.handled.again for one in again}) == (2, {True})
    other = await clerks.say(owes(3), key=handed[2].key)
    assert (other.ids, book.seen) == (["90059-006"], 2)


async def test_what_a_refused_form_wrote_is_taken_back_and_the_refusal_stays(clerks):
    form = submission(owes(666))
    (refused,) = await clerks.hand(form)
    assert (refused.result, refused.ids) == ("REFUSED", ["00015-003"])
    assert (
        refused.form.findtext(".//AnomalyLocation/Location") == "/DmfAOriginal/Form/EmployerDeclaration/NetOwedAmount"
    )
    assert (refused.form.findtext(".//LineNbr"), refused.form.find(".//Diagnosis")) == ("9", None)
    assert await booked(clerks, refused.handled.ticket) == []
    (again,) = await clerks.hand(form)
    assert again.handled.body == refused.handled.body
    many = submission(owes(4))
    (refused,) = await clerks.hand(many)
    (again,) = await clerks.hand(many)
    assert (refused.result, refused.form.findtext(".//Diagnosis")) == ("REFUSED", "4")
    assert again.handled.body == refused.handled.body


async def test_worlds(clerks):
    test = await clerks.say(owes(1), environment="T")
    assert await booked(clerks, test.handled.ticket) == [("T", "1")]
    form = submission(owes(1), environment="S")
    (first,), (second,) = await clerks.hand(form), await clerks.hand(form)
    assert (first.result, second.handled.again) == ("ACCEPTED", False)
    assert await booked(clerks, first.handled.ticket) == []


async def test_a_bug_keeps_what_stood_before_it_and_nothing_of_its_own(clerks, worker):
    handed = [submission(body) for body in (owes(1), owes(13), dimona_in(worker))]
    with pytest.raises(HandlingFailed, match=r"^ZeroDivisionError at test_clerk\.py:\d+$"):
        await clerks.hand(*handed)
    assert await clerks.office._pool.fetchval("SELECT count(*) FROM book WHERE amount = '13'") == 0
    kept = await clerks.office._pool.fetch(
        "SELECT key FROM declaration WHERE key = ANY ($1)", [one.key for one in handed]
    )
    assert [row["key"] for row in kept] == [handed[0].key]
    first, last = await clerks.hand(handed[0], handed[2])
    assert (first.handled.again, last.handled.again, last.result) == (True, False, "ACCEPTED")


async def test_who_may_not_declare_is_told_so(clerks, book):
    assert (await clerks.say(owes(1, BREWER))).ids == ["90256-155"]
    assert (await clerks.say(owes(1, 12))).ids == ["00011-004"]
    assert (await clerks.say(owes(1), "300001")).form.findtext(".//ErrorID") == "ACRF-103"
    assert (await clerks.say(owes(1).replace(b"20263", b"20265"))).ids == ["00013-003"]
    assert book.seen == 2


async def test_one_key_at_once_is_handled_once(clerks, book):
    form = submission(owes(1))
    answers = await asyncio.gather(*(clerks.hand(form) for _ in range(4)))
    assert {one.handled.body for (one,) in answers} == {answers[0][0].handled.body}
    assert book.seen == 1


async def test_without_a_clerk_it_is_no_form_that_is_taken(desks):
    office = await PostgresOffice.connect(desks[0].url, forms=FORMS, today=TODAY, clerks={})
    try:
        (answer,) = await office.handle([submission(owes(1), SECRETARIAT)])
        assert b"ACRF-158" in answer.body
    finally:
        await office.close()
