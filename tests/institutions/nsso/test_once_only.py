"""A Dimona is an integration and a mutation, by one message, once; whose it is, is found, and moves with his number."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from random import Random
from uuid import uuid4

import pytest
from lxml import etree

from institutions import Institution, Question
from institutions.nsso.persons import NotIdentified
from institutions.payroll import Sender as Payroll
from institutions.payroll.answers import Told as Unasked
from institutions.payroll.notification import read_notification
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.number import PeriodId
from schemas.declarations.outcome import Result
from schemas.parser import parse
from schemas.period import Period, today
from schemas.ssin import Ssin
from tests.institutions.conformance.network import CONTEXT
from tests.institutions.nsso.network import Declared, Recipient, opened
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import cancels, changes, ends, hires, names, person, prolongs, starts
from tests.institutions.payroll.ground import OTHERS, OWN, REGISTER, SECOND, A, B
from tests.institutions.world import Broker, Database

DAY = timedelta(days=1)
TODAY = today()
SOON = TODAY + 10 * DAY
COMPANIES = [one.company for one in REGISTER.employers if one.company is not None]


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[Declared]:
    async with opened(rabbitmq, postgresql) as found:
        yield found


@pytest.fixture(scope="module")
async def told(world: Declared) -> AsyncIterator[dict[str, Recipient]]:
    recipients = {address: Recipient(world, address) for address in ("5-0", "7-0", "16-0")}
    for one in recipients.values():
        await one.me.__aenter__()
    yield recipients
    for one in recipients.values():
        await one.me.__aexit__(None, None, None)


async def test_a_dimona_registers_the_worker_and_is_told_to_whom_it_concerns_once(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    await world.integrate(who, "7-0", quality=101)
    await world.integrate(who, "16-0")
    async with world.sender(A) as me:
        begun = await me.declare(starts(OWN, who, SOON))
        period = begun.period_id
        await world.all_told()
        assert await world.rows(who) == [Period(SOON, None)]
        end, earlier = SOON + 30 * DAY, SOON - 5 * DAY
        await me.declare(ends(period, end))
        await world.all_told()
        assert await world.rows(who) == [Period(SOON, end)]
        await me.declare(changes(period, earlier))
        await world.all_told()
        assert await world.rows(who) == [Period(earlier, end)]
        await me.declare(cancels(period))
        await world.all_told()
        assert await world.rows(who) == []
    expected = [
        ("CREATED", period, SOON, None),
        ("STOPPED", period, SOON, end),
        ("CHANGED", period, earlier, end),
        ("CANCELLED", period, earlier, end),
    ]
    for address in ("5-0", "7-0"):
        await until(lambda address=address: len(told[address].of(who)) >= 4)
        assert told[address].of(who) == expected
    assert told["16-0"].words == []
    word = next(word for word in told["5-0"].words if word.ssin == who)
    (employer,) = [one for one in REGISTER.employers if one.nsso.digits == OWN]
    assert word.text("employment/nssoNumber") == OWN
    assert word.text("employment/enterpriseNumber") == employer.company.digits
    assert (word.text("employment/workerType"), word.text("employment/jointCommission")) == ("OTH", "XXX")


async def test_each_sees_what_its_row_lets_it_and_who_was_away_catches_up(world, told) -> None:
    who, user = person(), COMPANIES[2].digits
    await world.integrate(who, "5-0")
    await world.integrate(who, "7-0", quality=101)
    async with world.sender(A) as me:
        assert (await me.declare(hires(OWN, who, SOON, user))).accepted
    await until(lambda: told["5-0"].of(who) and told["7-0"].of(who))
    seen = {address: told[address].words[-1].text("employment/userEnterpriseNumber") for address in ("5-0", "7-0")}
    assert seen == {"5-0": user, "7-0": None}
    # One that has nothing yet asks for all there was: 12-0 repeats it, and the hub cuts it again.
    late = Recipient(world, "7-0")
    async with late.me:
        await until(lambda: late.of(who))
    assert [word.position for word in late.words] == [word.position for word in told["7-0"].words]
    assert late.words[-1].text("employment/nssoNumber") == OWN
    assert late.words[-1].text("employment/userEnterpriseNumber") is None


class Life:
    """A worker, what of his periods stands by the answers, and what the hub had before of him."""

    def __init__(self, choice: Random, before: Period | None) -> None:
        self.who, self._choice, self.before = person(), choice, before
        #: By period id: whose, and its days.
        self.periods: dict[str, tuple[str, Period]] = {}

    def _day(self) -> date:
        return SOON + self._choice.randrange(30) * DAY

    async def step(self, senders: dict[str, Payroll]) -> None:
        """One more declaration, accepted or not."""
        kind = self._choice.choice(("IN", "IN", "OUT", "START", "END", "REOPEN", "CANCEL"))
        if kind == "IN" or not self.periods:
            sender, employer = self._choice.choice(((A, OWN), (A, SECOND), (B, OTHERS)))
            begins = self._day()
            end = self._choice.choice((None, begins + self._choice.randrange(12) * DAY))
            told = await senders[sender].declare(starts(employer, self.who, begins, end))
        else:
            name = self._choice.choice(sorted(self.periods))
            sender, _ = self.periods[name]
            form = {
                "OUT": lambda: ends(name, self._day()),
                "START": lambda: changes(name, self._day()),
                "END": lambda: prolongs(name, self._day()),
                "REOPEN": lambda: prolongs(name, date(9999, 12, 31)),
                "CANCEL": lambda: cancels(name),
            }[kind]
            told = await senders[sender].declare(form())
        if not told.accepted:
            return
        if told.after is None:
            del self.periods[told.period_id]
        else:
            self.periods[told.period_id] = sender, told.after.days

    def known(self, day: date) -> bool:
        """Whether 12-0 knows the worker in quality 30 on a day."""
        wanted = [days for _, days in self.periods.values()]
        return any(days.contains(day) for days in (*wanted, *([self.before] if self.before else [])))


async def test_the_row_is_that_of_all_periods_day_by_day_and_who_is_told_has_them(world, told) -> None:
    choice = Random(1)
    befores = (None, Period(SOON - 9 * DAY, SOON - 5 * DAY), Period(SOON - 2 * DAY, SOON - DAY))
    lives = [Life(Random(choice.random()), befores[place % 3]) for place in range(9)]
    for life in lives:
        await world.integrate(life.who, "5-0")
        if life.before is not None:
            await world.integrate(life.who, "12-0", quality=30, begin=life.before.begin, end=life.before.end)
    window = [SOON + n * DAY for n in range(-10, 60)]
    async with world.sender(A) as first, world.sender(B) as second:
        for _ in range(7):
            await asyncio.gather(*(life.step({A: first, B: second}) for life in lives))
            await world.all_told()
            for life in lives:
                rows = await world.rows(life.who)
                assert [any(row.contains(day) for row in rows) for day in window] == [life.known(day) for day in window]
    for life in lives:

        def there(life: Life = life) -> dict[str, tuple[date | None, date | None]]:
            """What a recipient has that does what each word says."""
            found = {}
            for action, reference, begin, end in told["5-0"].of(life.who):
                found[reference] = (begin, end)
                if action == "CANCELLED":
                    del found[reference]
            return found

        stands = {name: (days.begin, days.end) for name, (_, days) in life.periods.items()}
        await until(lambda there=there, stands=stands: there() == stands)
    positions = [word.position for word in told["5-0"].words]
    assert positions == sorted(set(positions))


# --- whom nobody is told of, and who may ask then ---------------------------------------------------------------------


async def test_tests_and_simulations_are_told_to_nobody(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    async with world.sender(A) as me:
        for environment in ("T", "S"):
            assert (await me.declare(starts(OWN, who, SOON), environment=environment)).accepted
        assert not (await me.declare(starts(OTHERS, who, SOON))).accepted
        # What is real afterwards is the first and only thing that anybody hears.
        await me.declare(starts(OWN, who, SOON))
    await until(lambda: told["5-0"].of(who))
    assert [action for action, *_ in told["5-0"].of(who)] == ["CREATED"]
    assert await outbox_of(world, who) == 1


async def test_a_consultation_by_quality_30_passes_after_the_in_and_not_after_the_cancel(world) -> None:
    who = person()
    await world.integrate(who, "5-0")

    async def asks() -> str:
        answer = await world.nsso.institution.consult(
            "Permit/1", ssin=who, legal_context=CONTEXT, period=Period(SOON, SOON + DAY), timeout=PATIENCE
        )
        return str(answer.code)

    supplier = world.institution("5-0", timeout=PATIENCE, report=lambda _: None)  # another process of it
    supplier.supplies("Permit/1")(lambda question: [permit()])
    async with supplier, world.sender(A) as me:
        await supplier.supplying()
        assert await asks() == "MSG00012"
        period = (await me.declare(starts(OWN, who, SOON))).period_id
        await world.all_told()
        assert await asks() == "MSG00000"
        await me.declare(cancels(period))
        await world.all_told()
        assert await asks() == "MSG00012"


def permit() -> etree._Element:
    return Question.element("permit", Question.element("number", "P-1"))


async def outbox_of(world: Declared, ssin: Ssin) -> int:
    """How many mutations there are about somebody."""
    statement = "SELECT count(*) AS n FROM crossroads_outbox WHERE person = $1"
    (row,) = await world.fetch(statement, ssin.digits, url=world.nsso_url)
    return int(row["n"])


# --- killed -----------------------------------------------------------------------------------------------------------


async def test_12_0_killed_after_its_commit_and_before_it_told_anybody(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    # It can reach the hub no more, and takes a form all the same.
    await world.nsso.institution.__aexit__(None, None, None)
    async with world.sender(A) as me:
        assert (await me.declare(starts(OWN, who, SOON))).accepted
    assert await world.untold() == 1
    await world.kill()
    assert await world.rows(who) == []
    await world.start()
    await world.all_told()
    await until(lambda: told["5-0"].of(who))
    assert await world.rows(who) == [Period(SOON, None)]
    assert len(told["5-0"].of(who)) == 1


async def test_hub_and_12_0_killed_between_the_telling_and_the_verdict(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    await world.hub.kill()
    async with world.sender(A) as me:
        period = (await me.declare(starts(OWN, who, SOON))).period_id
        await me.declare(ends(period, SOON + DAY))
    await world.some("SELECT FROM crossroads_outbox WHERE person = $1 AND tries > 0", who.digits)
    await world.kill()
    await world.hub_again()
    await world.start()
    await world.all_told()
    await until(lambda: len(told["5-0"].of(who)) >= 2)
    assert [action for action, *_ in told["5-0"].of(who)] == ["CREATED", "STOPPED"]
    assert await world.rows(who) == [Period(SOON, SOON + DAY)]


# --- who is only named ------------------------------------------------------------------------------------------------


class Registers:
    """0-0 and 25-0: who is there, by last name."""

    def __init__(self, world: Declared) -> None:
        self.people: dict[str, list[tuple[Ssin, str, str]]] = {}
        self.asked: list[str] = []
        self.all: list[Institution] = []
        for address in ("0-0", "25-0"):
            one = world.institution(address, timeout=PATIENCE, report=lambda _: None)
            one.supplies("SearchPerson/1")(self._search if address == "0-0" else self._nobody)
            self.all.append(one)

    async def _search(self, question: Question) -> list[etree._Element] | None:
        root = question.root
        last = root.findtext("criteria/lastName") or ""
        self.asked.append(last)
        found = [
            Question.element(
                "person",
                Question.element("ssin", ssin.digits),
                Question.element("register", "NR"),
                Question.element("lastName", last_name),
                Question.element("firstName", "An"),
                Question.element("birthDate", born),
                Question.element("gender", 2),
            )
            for ssin, last_name, born in self.people.get(last, ())
        ]
        return [*found, Question.element("more", False)] if found else None

    async def _nobody(self, question: Question) -> None:
        return None


@pytest.fixture(scope="module")
async def registers(world: Declared) -> AsyncIterator[Registers]:
    found = Registers(world)
    for one in found.all:
        await one.__aenter__()
        await one.supplying()
    yield found
    for one in found.all:
        await one.__aexit__(None, None, None)


BORN = date(1980, 1, 1)


@pytest.fixture(scope="module")
async def unasked(world: Declared) -> AsyncIterator[dict[str, list[Unasked]]]:
    """What senders A and B are told without having asked, as it comes."""
    found: dict[str, list[Unasked]] = {A: [], B: []}
    async with AsyncExitStack() as stack:
        for number, heard in found.items():
            one = world.sender(number, report=lambda _: None)

            async def take(told: Unasked, heard: list[Unasked] = heard) -> None:
                heard.append(told)

            one.receives("")(take)
            await stack.enter_async_context(one)
        yield found


async def final_of(unasked: dict[str, list[Unasked]], ticket: str, sender: str = A) -> Unasked:
    """The NOTIFICATION that a sender is told unasked of its declaration."""

    def those() -> list[Unasked]:
        return [one for one in unasked[sender] if one.properties.headers.get("ticket") == ticket]

    await until(those)
    (found,) = those()
    assert found.form == "NOTIFICATION"
    return found


async def outcome_of(world: Declared, period: str) -> str:
    """What came of looking for somebody."""
    statement = "SELECT outcome FROM identification WHERE period = $1 AND outcome IS NOT NULL"
    found = str((await world.some(statement, int(period)))[0]["outcome"])
    listed = {str(one.period.id): one.outcome for one in await world.nsso.persons.unidentified()}
    assert listed[period] == found
    return found


async def test_who_is_only_named_is_found_and_told_then_as_he_is_then(world, told, registers, unasked) -> None:
    who = person()
    await world.integrate(who, "5-0")
    born = str(who.birth_date)
    registers.people["Rozijn"] = [(who, "ROZIJN", born)]
    # Nobody can be looked for while 12-0 does not reach the hub.
    await world.nsso.institution.__aexit__(None, None, None)
    async with world.sender(A) as me:
        key = uuid4()
        form = names(OWN, "Rozijn", "An", born, SOON)
        declared = await me.declare(form, key=key)
        assert declared.result is Result.TO_VALIDATE
        assert (await me.declare(ends(declared.period_id, SOON + DAY))).accepted
        await world.kill()
        await world.start()
        heard = await final_of(unasked, declared.ticket)
        final = read_notification(heard.body)
        assert (final.result, final.ticket, final.period_id) == (Result.ACCEPTED, declared.ticket, declared.period_id)
        assert (heard.key, b"<TypeForm>FA</TypeForm>" in heard.body) == (str(key), True)
        again = await me.declare(form, key=key)
        assert (again.result, again.ticket) == (Result.ACCEPTED, declared.ticket)
    await world.all_told()
    await until(lambda: told["5-0"].of(who))
    assert told["5-0"].of(who) == [("CREATED", declared.period_id, SOON, SOON + DAY)]
    assert await world.rows(who) == [Period(SOON, SOON + DAY)]


async def test_who_cannot_be_found_waits_for_an_operator(world, told, registers) -> None:
    expected = {
        "Niemand": ((), "nobody"),
        "Veelvoud": ((("Veelvoud", BORN), ("Veelvoud", BORN)), "several"),
        "Peeters": ((("Pieters", BORN),), "another"),
        "Anderdag": ((("Anderdag", BORN + DAY),), "another"),
    }
    for last, (candidates, _) in expected.items():
        registers.people[last] = [(person(), name, str(born)) for name, born in candidates]
    async with world.sender(A) as me:
        declared = {last: await me.declare(names(OWN, last, "An", str(BORN), SOON)) for last in expected}
    for last, (_, outcome) in expected.items():
        assert await outcome_of(world, declared[last].period_id) == outcome
        who, period = person(), PeriodId.parse(declared[last].period_id)
        assert await world.nsso.persons.identify(period, who) is Result.WARNED  # born on another day
        await world.all_told()
        assert await world.rows(who) == [Period(SOON, None)]
        with pytest.raises(NotIdentified):
            await world.nsso.persons.identify(period, person())
        assert registers.asked.count(last) == 1


async def test_who_turns_out_to_be_declared_already_is_refused_after_all(world, told, registers, unasked) -> None:
    who = person()
    await world.integrate(who, "5-0")
    registers.people["Dubbel"] = [(who, "Dubbel", str(who.birth_date))]
    async with world.sender(A) as me:
        assert (await me.declare(starts(OWN, who, SOON))).accepted
        declared = await me.declare(names(OWN, "Dubbel", "An", str(who.birth_date), SOON))
        final = read_notification((await final_of(unasked, declared.ticket)).body)
        assert final.result is Result.REFUSED
        assert [one.error_id for one in final.anomalies] == ["90373-333"]
        assert final.anomalies[0].path == "/Dimona/Form/DimonaIn"
        assert [one.error_id for one in (await me.declare(cancels(declared.period_id))).anomalies] == ["00913-355"]
    await world.all_told()
    assert await outbox_of(world, who) == 1


# --- numbers that are replaced ----------------------------------------------------------------------------------------


async def replace(registers: Registers, old: Ssin, new: Ssin) -> None:
    answer = await registers.all[0].consult(
        "ReplaceSsin/1",
        ssin=old,
        legal_context="REGISTERS:UPKEEP",
        criteria={"criteria/newSsin": new.digits, "criteria/day": TODAY},
        timeout=PATIENCE,
    )
    assert answer.found, answer.code


async def periods_of(world: Declared, ssin: Ssin) -> list[int]:
    statement = "SELECT id FROM period WHERE ssin = $1 AND known_to IS NULL ORDER BY id"
    return [row["id"] for row in await world.fetch(statement, ssin.number, url=world.nsso_url)]


async def moved(world: Declared, ssin: Ssin, count: int) -> None:
    statement = "SELECT FROM period WHERE ssin = $1 AND known_to IS NULL HAVING count(*) >= $2"
    await world.some(statement, ssin.number, count)


async def flux(unasked: dict[str, list[Unasked]], new: Ssin, *expected: tuple[str, str]) -> None:
    """Wait until these senders, and nobody else, were told for these employers that a number took another's place."""

    def those() -> list[tuple[str, str]]:
        return [
            (sender, parse(one.body).findtext(".//NOSSRegistrationNbr") or "")
            for sender, heard in unasked.items()
            for one in heard
            if one.form == "IDFLUX" and parse(one.body).findtext(".//ValidSituation/INSS") == new.digits
        ]

    await until(lambda: len(those()) >= len(expected))
    assert those() == list(expected)
    assert all(FORMS.violations(one.body)[1] == () for heard in unasked.values() for one in heard)


FORMS = Forms([shipped()])


async def test_a_number_is_replaced_and_its_periods_move_and_senders_are_told(world, told, registers, unasked) -> None:
    old, new, newer = person(), person(), person()
    await world.integrate(old, "5-0")
    long_ago = Period(date(TODAY.year - 7, 1, 1), date(TODAY.year - 6, 1, 1))
    async with world.sender(A) as me, world.sender(B) as other:
        mine = (await me.declare(starts(OWN, old, SOON))).period_id
        ended = (await me.declare(starts(SECOND, old, long_ago.begin, long_ago.end))).period_id
        theirs = (await other.declare(starts(OTHERS, old, SOON))).period_id
        await world.all_told()
        await replace(registers, old, new)
        await moved(world, new, 3)
        assert await periods_of(world, old) == []
        await flux(unasked, new, (A, OWN), (B, OTHERS))
        await me.declare(ends(mine, SOON + DAY))
        await other.declare(cancels(theirs))
        await world.all_told()
        await replace(registers, new, newer)
        await moved(world, newer, 3)
        await flux(unasked, newer, (A, OWN))
        await me.declare(cancels(mine))
        await world.all_told()
    assert await world.rows(newer) == [long_ago]
    await until(lambda: ("CANCELLED", mine, SOON, SOON + DAY) in told["5-0"].of(newer))
    assert [action for action, reference, *_ in told["5-0"].of(new) if reference == mine] == ["STOPPED"]
    assert ended is not None


async def test_what_was_on_its_way_under_the_old_number_is_told_under_the_new_one(world, told, registers) -> None:
    old, new = person(), person()
    await world.integrate(old, "5-0")
    await world.integrate(old, "12-0", quality=2)
    await world.nsso.institution.__aexit__(None, None, None)
    async with world.sender(A) as me:
        period = (await me.declare(starts(OWN, old, SOON))).period_id
        await me.declare(ends(period, SOON + DAY))
        await replace(registers, old, new)
        await world.kill()
        await world.start()
        await moved(world, new, 1)
        await world.all_told()
    assert await world.rows(new) == [Period(SOON, SOON + DAY)]
    assert await world.rows(old) == []
    await until(lambda: len(told["5-0"].of(new)) >= 2)
    assert told["5-0"].of(new) == [("CREATED", period, SOON, SOON + DAY), ("STOPPED", period, SOON, SOON + DAY)]
    assert await world.nsso.persons.untold() == []


async def test_a_number_that_was_replaced_before_12_0_knew_the_person(world, told, registers) -> None:
    """Nobody told 12-0 of it: the verdict does."""
    old, new = person(), person()
    await world.integrate(new, "5-0")
    await replace(registers, old, new)
    async with world.sender(A) as me:
        period = (await me.declare(starts(OWN, old, SOON))).period_id
        await moved(world, new, 1)
        await world.all_told()
        # From now on it knows.
        (worker,) = [one for one in await me.workers(REGISTER.employers[0].nsso, SOON) if one.period_id == period]
        assert worker.ssin == new.digits
    assert await world.rows(new) == [Period(SOON, None)]
    assert await world.rows(old) == []
    await until(lambda: told["5-0"].of(new))
    assert told["5-0"].of(new) == [("CREATED", period, SOON, None)]


async def test_what_the_hub_refused_is_listed_and_told_when_an_operator_says_so(world, told) -> None:
    who = person()
    await world.integrate(who, "5-0")
    async with world.sender(A) as me:
        period = (await me.declare(starts(OWN, who, SOON))).period_id
    await world.all_told()
    await world.fetch(
        "UPDATE crossroads_outbox SET code = 'MSG00013' WHERE person = $1", who.digits, url=world.nsso_url
    )
    (untold,) = await world.nsso.persons.untold()
    assert (str(untold.period), untold.action, untold.code) == (period, "CREATED", "MSG00013")
    assert await world.nsso.persons.tell_again(untold.number)
    assert not await world.nsso.persons.tell_again(untold.number)
    assert await world.nsso.persons.untold() == []
    await world.all_told()
    await until(lambda: len(told["5-0"].of(who)) == 2)
