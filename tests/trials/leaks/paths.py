"""The ways through a hub that no broken request goes: what suppliers do, what breaks, what stops."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from datetime import date

import asyncpg
import pytest

from hub.settings import Settings
from schemas.ssin import Ssin
from schemas.wire import names
from tests.hub.star import MANAGING, ONE, PATIENCE, PCSW_A, TWO, Question, Star, stay_silent, until
from tests.trials.broken.bodies import after_an_accident
from tests.trials.broken.ground import Ground
from tests.trials.broken.raw import Bytes, Confirmed, Raw
from tests.trials.broken.traces import NAME

Path = Callable[[Ground], Awaitable[None]]
_FAULT, _FOUND = None, "DATA_FOUND"
#: In a fault: it is passed through to the customer, so it may say anything.
_DETAIL = (
    "<detail><severity>FATAL</severity><reasonCode>{0}</reasonCode><diagnostic>{0} {1}</diagnostic>"
    "<authorCode>{0}</authorCode><information><fieldName>{1}</fieldName><fieldValue>{0}</fieldValue></information></detail>"
)

PATHS: dict[str, Path] = {}


def path(name: str) -> Callable[[Path], Path]:
    def put(go: Path) -> Path:
        PATHS[name] = go
        return go

    return put


# --- what suppliers answer --------------------------------------------------------------------------------------------


def _right(question: Question) -> bytes:
    """The person's data, which hold the number and the name as data do."""
    return question.response((f"{NAME} {question.ssin}", f"{question.ssin}"))


def _fault(question: Question) -> bytes:
    response = _right(question).decode()
    head = re.findall("<informationCustomer>.*</informationCBSS>", response)[0]
    detail = _DETAIL.format(question.ssin, NAME)
    return f'<r:fault xmlns:r="urn:test:Probe:v1">{head}{detail}</r:fault>'.encode()


def _in(old: str, new: str) -> Callable[[Question], bytes]:
    """The right answer with a text exchanged; {0} is the number, {1} the name."""

    def answer(question: Question) -> bytes:
        text = _right(question).decode()
        old_, new_ = (part.format(question.ssin, NAME) for part in (old, new))
        if old_ not in text:
            raise ValueError(f"nothing to exchange: {old}")
        return text.replace(old_, new_, 1).encode()

    return answer


#: What one supplier replies, and what the customer is told.
REPLIES: dict[str, tuple[Callable[[Question], bytes], tuple[str | None, str]]] = {
    "data": (_right, (_FOUND, "MSG00000")),
    "a fault that tells all": (_fault, (_FAULT, "")),
    "a code that is the number": (_in("MSG00000", "{0}"), (_FOUND, "")),
    "a description that is the name": (_in("<description>", "<description>{0} {1} "), (_FOUND, "MSG00000")),
    "information about the person": (
        _in(
            "</description>",
            "</description><information><fieldName>{1}</fieldName><fieldValue>{0}</fieldValue></information>",
        ),
        (_FOUND, "MSG00000"),
    ),
    "no XML": (lambda question: f"{question.ssin} {NAME}".encode(), (_FAULT, "CRB00012")),
    "broken XML": (lambda question: _right(question)[:-5], (_FAULT, "CRB00012")),
    "an entity": (
        _in("<?xml version='1.0' encoding='UTF-8'?>", '<!DOCTYPE r [<!ENTITY p "{0}">]>'),
        (_FAULT, "CRB00012"),
    ),
    "another charset": (lambda question: _right(question).decode().encode("utf-16"), (_FAULT, "CRB00012")),
    "too large": (lambda question: _right(question) + question.ssin.encode() * 100_000, (_FAULT, "CRB00012")),
    "an element called after the person": (_in("<item>", "<p{0}/><item>"), (_FAULT, "CRB00012")),
    "an element in a namespace of the person": (_in("<item>", '<p xmlns="urn:{0}"/><item>'), (_FAULT, "CRB00012")),
    "elements within it called after the person": (_in("<item>", "<item><Wilhelmina/>"), (_FAULT, "CRB00012")),
    "an attribute called after the person": (_in("<item>", '<item p{0}="{1}">'), (_FAULT, "CRB00012")),
    "a root called after the person": (
        lambda question: _right(question).replace(b"r:response", f"r:p{question.ssin}".encode()),
        (_FAULT, "CRB00012"),
    ),
    "a text where none may be": (_in("<item>", "{0} {1}<item>"), (_FAULT, "CRB00012")),
    "a value that is none": (_in("DATA_FOUND", "{0} {1}"), (_FAULT, "CRB00012")),
    "another's number": (_in("<ssin>{0}", "<ssin>85010199902"), (_FAULT, "CRB00012")),
    "a deformed number": (_in("<ssin>{0}", "<ssin>{0} {1}"), (_FAULT, "CRB00012")),
    "another ticket": (_in("<ticket>", "<ticket>{0}"), (_FAULT, "CRB00012")),
    "the number as ticket": (
        lambda question: re.sub(rb"<ticket>[^<]*", f"<ticket>{question.ssin}".encode(), _right(question)),
        (_FAULT, "CRB00010"),
    ),
    "the number as our ticket": (_in("<ticketCBSS>", "<ticketCBSS>{0}"), (_FAULT, "CRB00012")),
}


def _replies(reply: Callable[[Question], bytes], said: tuple[str | None, str]) -> Path:
    async def go(ground: Ground) -> None:
        ssin = await ground.known()
        ground.star.script(ONE, ssin, lambda question: question.reply(reply(question)))
        told = await ground.star.consult(ssin)
        value, code = said
        assert told.value == value
        assert not code or told.code == code, told.code

    return go


for _name, (_reply, _said) in REPLIES.items():
    path(f"a supplier answers: {_name}")(_replies(_reply, _said))


@path("suppliers answer after accidents")
async def accidents(ground: Ground) -> None:
    chance = random.Random("accidents")
    ssin = await ground.known()
    await ground.star.know(ssin, (TWO, 101))
    for supplier in (ONE, TWO):
        ground.star.script(supplier, ssin, lambda question: question.reply(after_an_accident(_right(question), chance)))
    failures = ground.hub.intake.counts.failed
    for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2") * 15:
        assert (await ground.star.consult(ssin, service=service)).code != "MSG00003"
    assert ground.hub.intake.counts.failed == failures


@path("a supplier is silent")
async def silent(ground: Ground) -> None:
    ssin = await ground.known()
    ground.star.script(ONE, ssin, stay_silent)
    assert (await ground.star.consult(ssin)).said == (_FAULT, "CRB00010")


@path("a supplier answers late, and again when nobody waits")
async def late(ground: Ground) -> None:
    ssin = await ground.known()
    unknown = ground.hub.asking.counts.unknown + ground.hub.asking.counts.late

    async def answer(question: Question) -> None:
        await asyncio.sleep(question.delivery.properties.headers["deadline_ms"] / 1000 + 0.1)
        for _ in range(2):
            await question.reply(_right(question))

    ground.star.script(ONE, ssin, answer)
    assert (await ground.star.consult(ssin)).said == (_FAULT, "CRB00011")
    await until(lambda: ground.hub.asking.counts.unknown + ground.hub.asking.counts.late > unknown)


@path("another institution answers in its place")
async def in_anothers_place(ground: Ground) -> None:
    ssin = await ground.known()

    async def answer(question: Question) -> None:
        await question.reply(_right(question), sender=TWO)
        await question.reply(_right(question))

    ground.star.script(ONE, ssin, answer)
    assert (await ground.star.consult(ssin)).said == (_FOUND, "MSG00000")


@path("a supplier's reply cannot be read")
async def unreadable_reply(ground: Ground) -> None:
    ssin = await ground.known()
    raw = Raw(ground.star.url(str(ONE)))

    async def answer(question: Question) -> None:
        given = question.delivery.properties
        for properties in (
            {"correlation_id": Bytes(f"{question.ssin}\xff".encode("latin-1"))},
            {"correlation_id": given.correlation_id, "headers": {question.ssin: NAME * 500}},
            {"correlation_id": given.correlation_id, "message_type": question.ssin, "headers": {question.ssin: NAME}},
        ):
            heard = await raw.publish(
                names.REPLIES, given.reply_to or "", {"user_id": str(ONE), **properties}, _right(question)
            )
            assert heard == Confirmed()

    ground.star.script(ONE, ssin, answer)
    assert (await ground.star.consult(ssin)).said == (_FOUND, "MSG00000")
    await raw.close()


@path("several suppliers, of which one answers rubbish and one is silent")
async def several(ground: Ground) -> None:
    ssin = await ground.known()
    await ground.star.know(ssin, (TWO, 101))
    ground.star.script(TWO, ssin, lambda question: question.reply(f"<{NAME}{question.ssin}".encode()))
    for service in ("Gather/1", "Gather/2"):
        told = await ground.star.consult(ssin, service=service)
        assert told.said == ("INCOMPLETE_DATA", "HAN20200")
    ground.star.script(ONE, ssin, stay_silent)
    assert (await ground.star.consult(ssin, service="Gather/1")).said == (_FAULT, "CRB00010")


# --- what the hub refuses ---------------------------------------------------------------------------------------------


@path("refused: what only the repertory can tell")
async def refused(ground: Ground) -> None:
    star = ground.star
    old, new = await ground.known(), await ground.known()
    await star.replace(old, new)
    told = await star.consult(old)
    assert told.said == ("NO_RESULT", "MSG00006")
    assert told.information == [("newSSIN", new.digits)]
    member = f"<cbeNumber>{PCSW_A}</cbeNumber>"
    assert (await star.consult(new, sender=MANAGING, customer=member)).said == ("NO_RESULT", "MSG00012")
    outside = (str(date(1900, 1, 1)), str(date(1900, 1, 2)))
    assert (await star.consult(new, period=outside)).said == ("NO_RESULT", "MSG00012")
    assert (await star.consult(new, context=new.digits)).said == ("NO_RESULT", "MSG00013")
    assert (await star.consult(new, context=NAME)).said == ("NO_RESULT", "MSG00013")


@path("nobody holds the person")
async def nobody(ground: Ground) -> None:
    ssin = await ground.known()
    async with _database(ground.star) as connection:
        await connection.execute("DELETE FROM person WHERE ssin = $1 AND sector = $2", ssin.number, ONE.sector)
    assert (await ground.star.consult(ssin)).said == ("NO_DATA_FOUND", "MSG00021")


@path("a ticket, a correlation and an end user that are the number")
async def everywhere(ground: Ground) -> None:
    ssin = await ground.known()
    raw = Raw(ground.star.url("64-0"))
    properties = {
        "user_id": "64-0",
        "reply_to": "amq.rabbitmq.reply-to",
        "correlation_id": f"{ssin.digits} {NAME}",
        "message_id": ssin.digits,
        "app_id": NAME,
        "content_type": f"text/{ssin.digits}",
        "headers": {"user": ssin.digits, ssin.digits: NAME, NAME: ssin.number},
    }
    for ticket in (ssin.digits, NAME, f"{ssin.digits[:6]}-{ssin.digits[6:9]}.{ssin.digits[9:]}"):
        for period in (("2024-01-01", "2024-01-02"), ("2024-01-01", "2024-01-03")):  # the second: CRB00009
            body = ground.star.request(ssin, ticket=ticket, period=period)
            assert await raw.publish("64-0.out", "online", properties, body) == Confirmed()
            assert (await raw.answer()).properties.correlation_id == properties["correlation_id"]
    await raw.close()


# --- what breaks ------------------------------------------------------------------------------------------------------


class Wrapped(Exception):
    """An error whose text tells all."""


@path("the hub has a bug in one message")
async def bug(ground: Ground) -> None:
    ssin = await ground.known()
    rows = ground.hub.persons.rows
    for error in (
        KeyError(ssin.digits),
        ValueError(f"{NAME} {ssin.number}"),
        ExceptionGroup(NAME, [KeyError(ssin), RuntimeError(ssin.digits)]),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ground.hub.persons, "rows", _raising(rows, ssin, error))
            assert (await ground.star.consult(ssin)).said == (_FAULT, "MSG00003")


def _raising(
    rows: Callable[..., Awaitable[object]], ssin: Ssin, error: Exception
) -> Callable[[Ssin], Awaitable[object]]:
    async def raising(asked: Ssin) -> object:
        if asked != ssin:
            return await rows(asked)
        try:
            raise error
        except Exception as cause:
            raise Wrapped(f"{ssin.digits} {NAME} {asked!r} {asked}") from cause

    return raising


@path("not even the fault can be made")
async def beyond_repair(ground: Ground) -> None:
    ssin = await ground.known()
    raw = Raw(ground.star.url("64-0"))
    parked = ground.hub.intake.counts.parked

    async def failing(*_: object) -> object:
        raise Wrapped(f"{ssin.digits} {NAME}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground.hub.door, "walk", failing)
        given = {"user_id": "64-0", "reply_to": "amq.rabbitmq.reply-to"}
        assert await raw.publish("64-0.out", "online", given, ground.star.request(ssin)) == Confirmed()
        await until(lambda: ground.hub.intake.counts.parked > parked)
    message = await ground.parked()
    assert str(message.headers["reason"]) == "the hub failed: Wrapped"
    await raw.close()


@path("too much in hand, and no time left")
async def busy(ground: Ground) -> None:
    ssin = await ground.known()
    for changes in ({"max_in_flight": 0}, {"least_ms": 10_000}):
        with pytest.MonkeyPatch.context() as patch:
            settings = Settings.model_copy(ground.hub.settings, update=changes)
            patch.setattr(ground.hub.journey, "_settings", settings)
            assert (await ground.star.consult(ssin)).said == (_FAULT, "CRB00014")


@path("the broker cuts the hub off in the middle")
async def cut(ground: Ground) -> None:
    ssin = await ground.known()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def answer(question: Question) -> None:
        asked.set()
        await go_on.wait()
        await question.reply(_right(question))

    ground.star.script(ONE, ssin, answer)
    consulting = asyncio.create_task(ground.star.consult(ssin))
    await asked.wait()
    assert ground.proxy.cut() >= 2
    await until(lambda: not ground.hub.transport.connected)
    await ground.hub.transport.wait_connected(PATIENCE)
    go_on.set()
    assert (await consulting).kind in ("response", "fault")


@path("the database is gone for a while")
async def database_gone(ground: Ground) -> None:
    ssin = await ground.known()
    star = ground.star
    name = star.database_url.rpartition("/")[2]
    async with _database(star, other="postgres") as connection:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
            await connection.fetch(ended, name)
            asking = [asyncio.create_task(star.consult(ssin)) for _ in range(5)]
            await until(lambda: not ground.hub.barrier.open)
        finally:
            await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    for told in await asyncio.gather(*asking):
        assert told.said in ((_FOUND, "MSG00000"), (_FAULT, "CRB00014"))


class _database:  # noqa: N801  used as a function is
    """A connection to the star's database, or to another of its server."""

    def __init__(self, star: Star, *, other: str | None = None) -> None:
        url = star.database_url
        self._url = url if other is None else f"{url.rpartition('/')[0]}/{other}"

    async def __aenter__(self) -> "asyncpg.Connection[asyncpg.Record]":
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
