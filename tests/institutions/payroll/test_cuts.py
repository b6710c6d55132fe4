"""Connections cut and 12-0 killed before and after its commit: declared once, told once by the library."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from institutions.errors import NoAnswer
from institutions.nsso.office import HandlingFailed, PostgresOffice
from institutions.payroll.notification import Notification
from schemas.declarations.outcome import Result
from schemas.period import today
from schemas.ssin import Ssin
from schemas.wire import names
from schemas.wire.transport import Event
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import person, starts
from tests.institutions.payroll.ground import OWN, A, Ground
from tests.wire.proxy import Proxy

SOON = today() + timedelta(days=10)
#: Versions of a person's periods.
_OF = "SELECT count(*) FROM period WHERE ssin = $1"
_DECLARED = "SELECT count(*) FROM declaration WHERE ticket = $1"


class Held:
    """The first group stops here, before or after it is committed, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        original = PostgresOffice.handle

        async def handle(office, submissions):  # type: ignore[no-untyped-def]
            if self.reached.is_set():
                return await original(office, submissions)
            self.reached.set()
            if when == "after":
                done = await original(office, submissions)
                await self.go.wait()
                return done
            await self.go.wait()
            return await original(office, submissions)

        monkeypatch.setattr(PostgresOffice, "handle", handle)


async def declared_once(ground: Ground, who: Ssin, told: Notification) -> None:
    assert told.result is Result.ACCEPTED
    assert await ground.count(_OF, who.number) == 1
    assert await ground.count(_DECLARED, told.ticket) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_12_0_killed_around_its_commit(ground: Ground, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    held, who = Held(monkeypatch, when), person()
    async with ground.sender(A) as me:
        declaring = asyncio.create_task(me.declare(starts(OWN, who, SOON)))
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        if when == "after":
            await until_count(ground, who.number)
        await ground.kill()
        await ground.start()
        await declared_once(ground, who, await declaring)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("whose", ["12-0", f"sender-{A}"])
async def test_connections_cut_around_the_commit(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, when: str, whose: str
) -> None:
    held, who = Held(monkeypatch, when), person()
    events: list[Event] = []
    async with ground.sender(A, observe=events.append) as me:
        declaring = asyncio.create_task(me.declare(starts(OWN, who, SOON)))
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await ground.cut(whose, ground.events if whose == "12-0" else events)
        held.go.set()
        await declared_once(ground, who, await declaring)
        counts = me._asking._asker.counts  # type: ignore[union-attr]
        assert counts.answered == 1


async def test_who_got_no_answer_asks_again_under_the_same_key(ground: Ground) -> None:
    who = person()
    form = starts(OWN, who, SOON)
    await ground.kill()
    async with ground.sender(A) as me:
        with pytest.raises(NoAnswer, match="declare the same bytes again with the key") as caught:
            await me.declare(form, timeout=0.2)
        await ground.start()
        assert caught.value.ticket is not None
        await declared_once(ground, who, await me.declare(form, key=caught.value.ticket))


async def test_one_form_that_the_code_fails_at_is_parked_and_the_others_live(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, bad, original = [person() for _ in range(10)], person(), PostgresOffice.handle

    async def handle(office, submissions):  # type: ignore[no-untyped-def]
        if any(bad.digits.encode() in one.body for one in submissions):
            raise HandlingFailed("a bug")
        return await original(office, submissions)

    monkeypatch.setattr(PostgresOffice, "handle", handle)
    async with ground.sender(A) as me:
        failing = asyncio.create_task(me.declare(starts(OWN, bad, SOON), timeout=2))
        told = await asyncio.gather(*(me.declare(starts(OWN, one, SOON)) for one in many))
        for one, of_one in zip(many, told, strict=True):
            await declared_once(ground, one, of_one)
        dead = await ground.take(names.DEAD)
        assert dead.headers["reason"] == "our own code failed at it"
        assert dead.headers["sender"] == f"sender-{A}"
        assert await ground.count(_OF, bad.number) == 0
        failing.cancel()


async def test_while_the_database_is_away_nothing_is_taken_and_nothing_lost(ground: Ground) -> None:
    who = person()
    await ground.kill()
    async with Proxy(ground.database_url) as proxy, ground.sender(A) as me:
        nsso = await ground.start(proxy.url)
        with capture_logs() as lines:
            proxy.refusing = True
            proxy.cut()
            declaring = asyncio.create_task(me.declare(starts(OWN, who, SOON)))
            await until(lambda: not nsso.connected)
        [why] = [line["why"] for line in lines if line["event"].startswith("declarations are away")]
        assert why.startswith("the NSSO's database does not answer: ")
        assert {part for part, up in nsso.parts().items() if not up()} == {"12-0 declarations"}
        assert not declaring.done()
        proxy.refusing = False
        await declared_once(ground, who, await declaring)
        assert nsso.connected
        await ground.kill()
    await ground.start()


async def until_count(ground: Ground, number: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await ground.count(_OF, number) == 0:  # noqa: ASYNC110  what is watched has no event
            await asyncio.sleep(0.02)
